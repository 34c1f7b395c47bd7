"""Six updates of AdamW through the program equal those of transformers' Trainer on the same ids: which weights decay,
betas, epsilon, clipping. Weights to 1e-5 of the distance they moved, every tensor to 5e-5 of its own."""
import json
import os
import pathlib
import subprocess

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from safetensors.torch import load_file  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
UPDATES, BATCH, RATE = 6, 3, 2e-3

MODELS = {
    "llama": transformers.LlamaConfig(vocab_size=61, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                                      num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=48,
                                      attention_bias=True, mlp_bias=True, initializer_range=0.3),
    "gpt2": transformers.GPT2Config(vocab_size=61, n_positions=48, n_embd=24, n_layer=2, n_head=3, initializer_range=0.3,
                                    resid_pdrop=0, embd_pdrop=0, attn_pdrop=0),
}
SETTINGS = {
    "plain": {},
    "decay": {"weight_decay": 0.1},
    "betas": {"adam_beta1": 0.7, "adam_beta2": 0.95, "weight_decay": 0.02},
    "large epsilon": {"adam_epsilon": 1e-2, "weight_decay": 0.1},
    "clipped": {"max_grad_norm": 1e-4, "weight_decay": 0.1},
    "not clipped": {"max_grad_norm": 0},
}


@pytest.fixture(scope="module", params=MODELS)
def start(request, tmp_path_factory):
    """A small model whose biases and norms are not where they are made, and rows of ids."""
    folder = tmp_path_factory.mktemp(request.param)
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(MODELS[request.param])
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.2 * torch.randn_like(parameter))
    model.save_pretrained(folder / "model")
    draw = torch.Generator().manual_seed(1)
    rows = [tuple(torch.randint(3, 61, (size,), generator=draw).tolist() for size in (3 + i % 4, 4 + i % 5))
            for i in range(UPDATES * BATCH)]
    with open(folder / "rows.jsonl", "w") as out:
        for prompt, completion in rows:
            out.write(json.dumps({"prompt_ids": prompt, "candidates": [{"completion_ids": completion}]}) + "\n")
    return folder, rows


def theirs(folder, rows, output, settings):
    def padded(batch):
        width = max(len(prompt) + len(completion) for prompt, completion in batch)
        ids, labels, seen = (torch.full((len(batch), width), fill) for fill in (0, -100, 0))
        for i, (prompt, completion) in enumerate(batch):
            size = len(prompt) + len(completion)
            ids[i, :size] = torch.tensor(prompt + completion)
            labels[i, len(prompt):size] = torch.tensor(completion)
            seen[i, :size] = 1
        return {"input_ids": ids, "labels": labels, "attention_mask": seen}

    model = transformers.AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32)
    arguments = transformers.TrainingArguments(
        str(output), per_device_train_batch_size=BATCH, max_steps=UPDATES, learning_rate=RATE, lr_scheduler_type="linear",
        logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True, seed=0,
        train_sampling_strategy="sequential", remove_unused_columns=False, **settings)
    trainer = transformers.Trainer(model, arguments, train_dataset=rows, data_collator=padded)
    trainer.train()
    return [row for row in trainer.state.log_history if "loss" in row], trainer


def ours(folder, output, settings):
    done = subprocess.run([ATTUNE, "train", f"model={folder / 'model'}", f"data={folder / 'rows.jsonl'}", "method=sft",
                           f"output={output}", "threads=1", f"training.learning_rate={RATE}", f"training.batch_size={BATCH}",
                           f"training.max_steps={UPDATES}", "training.shuffle=false", "samples.prompts=0",
                           *(f"training.{name}={value}" for name, value in settings.items())],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (output / "metrics.jsonl").open()], load_file(output / "model/model.safetensors")


def felt(name, tensor):
    """Without the keys' biases: they have no gradient but rounding (a softmax does not feel what is added to all its
    logits), which Adam with a small epsilon makes whole steps of."""
    if name.endswith("c_attn.bias"):
        queries, _, values = tensor.chunk(3)
        return torch.cat([queries, values])
    return tensor[:0] if name.endswith("k_proj.bias") else tensor


def apart(mine, model, folder, take):
    """How far the weights are from the oracle's, as a share of how far those moved: of all, and tensor by tensor."""
    before = transformers.AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float32).state_dict()
    shares, moved, off = {}, 0.0, 0.0
    for name, tensor in model.named_parameters():
        theirs, old = take(name, tensor.detach().double()), take(name, before[name].double())
        stored = take(name, mine[name if name in mine else name.removeprefix("transformer.")].double())
        distance, error = (theirs - old).square().sum().item(), (stored - theirs).square().sum().item()
        shares[name] = (error / distance)**0.5 if distance else 0
        moved, off = moved + distance, off + error
    return (off / moved)**0.5, shares


@pytest.mark.parametrize("name", SETTINGS)
def test_six_updates(start, tmp_path, name):
    folder, rows = start
    mine, weights = ours(folder, tmp_path / "run", SETTINGS[name])
    logged, trainer = theirs(folder, rows, tmp_path / "theirs", SETTINGS[name])
    norms = [row["grad_norm"] for row in mine]
    assert [row["loss"] for row in mine] == pytest.approx([row["loss"] for row in logged], rel=1e-5)
    assert norms == pytest.approx([row["grad_norm"] for row in logged], rel=1e-4)
    if name == "clipped":
        assert min(norms) > 100 * SETTINGS[name]["max_grad_norm"]
    if name == "not clipped":
        assert min(norms) > 1, "the default would not clip these either"
    share, shares = apart(weights, trainer.model, folder, (lambda _, tensor: tensor) if name == "large epsilon" else felt)
    assert share < 1e-5, shares
    # Tensor by tensor, so that a small one that decayed, or did not, is seen among the large.
    assert max(shares.values()) < 5e-5, shares
