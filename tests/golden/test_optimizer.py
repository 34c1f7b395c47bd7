"""Six updates of AdamW through the program equal those of transformers' Trainer on the same ids: which weights decay,
betas, epsilon, clipping, groups of parameters, frozen ones, and the moving average of torch. Gradient norms of the layers
equal those of its gradients. Both compute in float64: in float32 AdamW makes whole steps of gradients that are rounding
noise."""
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

from exact_doubles import exact_double_loss, exact_double_norms  # noqa: E402, F401
from tolerance import UNIT_ROUNDOFF  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
UPDATES, BATCH, RATE = 6, 3, 2e-3
# Of the distance that weights moved; what is logged passes through float32 in transformers' Trainer: a few roundings of it.
EXACT, LOGGED = 1e-9, 4 * UNIT_ROUNDOFF

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
    model.double().save_pretrained(folder / "model")
    draw = torch.Generator().manual_seed(1)
    rows = [tuple(torch.randint(3, 61, (size,), generator=draw).tolist() for size in (3 + i % 4, 4 + i % 5))
            for i in range(UPDATES * BATCH)]
    with open(folder / "rows.jsonl", "w") as out:
        for prompt, completion in rows:
            out.write(json.dumps({"prompt_ids": prompt, "candidates": [{"completion_ids": completion}]}) + "\n")
    return folder, rows


def grouped(model, groups):
    """torch's optimiser over groups (pattern, rate, decay), the first that matches a weight's name; None: as in the rest."""
    import re
    members = {}
    for name, parameter in model.named_parameters():
        decays = parameter.dim() > 1  # transformers leaves out norms and biases
        rate, decay = RATE, 0.1 if decays else 0.0
        for pattern, own_rate, own_decay in groups:
            if re.search(pattern, name):
                rate, decay = rate if own_rate is None else own_rate, decay if own_decay is None else own_decay
                break
        if rate == 0:
            parameter.requires_grad_(False)
        else:
            members.setdefault((rate, decay), []).append(parameter)
    return torch.optim.AdamW([{"params": list(some), "lr": rate, "weight_decay": decay}
                              for (rate, decay), some in members.items()], lr=RATE, betas=(0.9, 0.999), eps=1e-8)


def theirs(folder, rows, output, settings, groups=None, callbacks=()):
    def padded(batch):
        width = max(len(prompt) + len(completion) for prompt, completion in batch)
        ids, labels, seen = (torch.full((len(batch), width), fill) for fill in (0, -100, 0))
        for i, (prompt, completion) in enumerate(batch):
            size = len(prompt) + len(completion)
            ids[i, :size] = torch.tensor(prompt + completion)
            labels[i, len(prompt):size] = torch.tensor(completion)
            seen[i, :size] = 1
        return {"input_ids": ids, "labels": labels, "attention_mask": seen}

    model = transformers.AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float64)
    arguments = transformers.TrainingArguments(
        str(output), per_device_train_batch_size=BATCH, max_steps=UPDATES, learning_rate=RATE, lr_scheduler_type="linear",
        logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, disable_tqdm=True, seed=0,
        train_sampling_strategy="sequential", remove_unused_columns=False, **settings)
    optimizers = (grouped(model, groups), None) if groups else (None, None)
    trainer = transformers.Trainer(model, arguments, train_dataset=rows, data_collator=padded, optimizers=optimizers,
                                   callbacks=list(callbacks))
    trainer.train()
    return [row for row in trainer.state.log_history if "loss" in row], trainer


def ours(folder, output, settings):
    done = subprocess.run([ATTUNE, "train", f"model={folder / 'model'}", f"data={folder / 'rows.jsonl'}", "method=sft",
                           f"output={output}", "threads=1", f"training.learning_rate={RATE}", f"training.batch_size={BATCH}",
                           f"training.max_steps={UPDATES}", "training.shuffle=false", "training.dtype=float64", "samples.prompts=0",
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
    before = transformers.AutoModelForCausalLM.from_pretrained(folder / "model", dtype=torch.float64).state_dict()
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
    assert [row["loss"] for row in mine] == pytest.approx([row["loss"] for row in logged], rel=LOGGED)
    assert norms == pytest.approx([row["grad_norm"] for row in logged], rel=LOGGED)
    if name == "clipped":
        assert min(norms) > 100 * SETTINGS[name]["max_grad_norm"]
    if name == "not clipped":
        assert min(norms) > 1, "the default would not clip these either"
    share, shares = apart(weights, trainer.model, folder, (lambda _, tensor: tensor) if name == "large epsilon" else felt)
    assert share < EXACT, shares
    # Tensor by tensor, so that a small one that decayed, or did not, is seen among the large.
    assert max(shares.values()) < EXACT, shares


GROUPS = {
    "rates and decays": [(r"layers\.1\.|h\.1\.", 5e-4, None), ("norm|ln_", None, 0.3), ("mlp", 4e-3, 0.0)],
    "frozen embeddings": [("embed_tokens|wte|wpe", 0, None)],
    "frozen layer": [(r"layers\.0\.|h\.0\.|embed_tokens|wte|wpe", 0.0, None), ("lm_head", 1e-4, 0.5)],
}


@pytest.mark.parametrize("name", GROUPS)
def test_groups_of_parameters(start, tmp_path, name):
    folder, rows = start
    groups = [group for group in GROUPS[name] if not (group[0] == "lm_head" and "n_embd" in (folder / "model/config.json").read_text())]
    entries = [{"match": pattern, **({} if rate is None else {"learning_rate": rate}),
                **({} if decay is None else {"weight_decay": decay})} for pattern, rate, decay in groups]
    mine, weights = ours(folder, tmp_path / "run", {"weight_decay": 0.1, "parameter_groups": json.dumps(entries)})
    logged, trainer = theirs(folder, rows, tmp_path / "theirs", {}, groups)
    assert [row["loss"] for row in mine] == pytest.approx([row["loss"] for row in logged], rel=LOGGED)
    assert [row["grad_norm"] for row in mine] == pytest.approx([row["grad_norm"] for row in logged], rel=LOGGED)
    share, shares = apart(weights, trainer.model, folder, felt)
    assert share < EXACT, shares
    assert max(shares.values()) < EXACT, shares


def test_moving_average(start, tmp_path):
    """model/ holds the average that torch.optim.swa_utils computes; the checkpoint trains on with the weights themselves."""
    from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
    folder, rows = start

    class Average(transformers.TrainerCallback):
        def on_train_begin(self, *_, model, **__):
            self.model = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.6))

        def on_step_end(self, *_, model, **__):
            self.model.update_parameters(model)

    average = Average()
    _, weights = ours(folder, tmp_path / "run", {"ema_decay": 0.6})
    _, trainer = theirs(folder, rows, tmp_path / "theirs", {}, callbacks=[average])
    share, shares = apart(weights, average.model.module, folder, felt)
    assert share < EXACT, shares
    assert max(shares.values()) < EXACT, shares
    last = load_file(tmp_path / f"run/checkpoints/step-{UPDATES:06}/optimizer.safetensors")
    trained = {name.removeprefix("parameter."): tensor.T if ".c_" in name and tensor.dim() == 2 else tensor  # Conv1D
               for name, tensor in last.items() if name.startswith("parameter.")}
    share, _ = apart({**weights, **trained}, trainer.model, folder, felt)
    assert share < EXACT
    shown = load_file(tmp_path / f"run/checkpoints/step-{UPDATES:06}/model.safetensors")
    assert all(torch.equal(shown[name], weights[name]) for name in weights)


def test_gradient_norms_of_layers(start, tmp_path):
    folder, rows = start
    norms = []

    class Norms(transformers.TrainerCallback):
        def on_pre_optimizer_step(self, *_, model, **__):
            layers = {}
            for name, parameter in model.named_parameters():
                parts = name.split(".")
                number = next((i for i, part in enumerate(parts) if part.isdigit()), None)
                layer = ".".join(parts[number - 1:number + 1]) if number else parts[-2]
                layers[layer] = layers.get(layer, 0) + parameter.grad.double().square().sum().item()
            norms.append({"grad_norm/" + layer: total**0.5 for layer, total in layers.items()})

    mine, _ = ours(folder, tmp_path / "run", {"max_grad_norm": 0})
    theirs(folder, rows, tmp_path / "theirs", {"max_grad_norm": 0}, callbacks=[Norms()])
    for row, layers in zip(mine, norms, strict=True):
        assert {key: value for key, value in row.items() if key.startswith("grad_norm/")} == pytest.approx(layers, rel=LOGGED)
        assert sum(norm**2 for norm in layers.values())**0.5 == pytest.approx(row["grad_norm"], rel=LOGGED)
