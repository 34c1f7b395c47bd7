"""Ten updates equal TRL's trainers on the same texts: losses, metrics and weights.

Both compute in float64. In float32 AdamW makes whole steps of gradients that are rounding noise, and TRL differs from itself
by 5e-5 when the rows of a batch change places."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from exact_doubles import exact_double_loss, exact_double_norms  # noqa: F401
from tolerance import UNIT_ROUNDOFF

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
MODEL = str(ROOT / "assets/tinystories-656k")
UPDATES, BATCH = 10, 4
RATES = {"sft": 1e-3, "dpo": 3e-4}

STORIES = [f"Once upon a time, there was a {a} {b}. The {b} liked to {c}." for a, b, c in
           [("little", "dog", "run"), ("kind", "cat", "sleep"), ("big", "bear", "eat honey"), ("shy", "mouse", "hide"),
            ("happy", "frog", "jump"), ("brave", "fox", "look for food in the forest"), ("small", "bird", "sing")]]
ENDINGS = [" It was very happy.", " One day it met a friend and they played all day.", " It lost its ball and was sad.",
           " They shared a cake.", " The end."]


def preference_rows():
    return [{"prompt": STORIES[i % 7], "chosen": ENDINGS[i % 5], "rejected": ENDINGS[(i + 1 + i // 5) % 5]}
            for i in range(UPDATES * BATCH) if ENDINGS[i % 5] != ENDINGS[(i + 1 + i // 5) % 5]][:UPDATES * BATCH]


def completion_rows():
    return [{"prompt": STORIES[i % 7], "completion": ENDINGS[i % 5]} for i in range(UPDATES * BATCH)]


def arguments(folder, method):
    return dict(output_dir=str(folder), per_device_train_batch_size=BATCH, max_steps=UPDATES, learning_rate=RATES[method],
                lr_scheduler_type="linear", logging_steps=1, save_strategy="no", report_to=[], use_cpu=True, bf16=False,
                gradient_checkpointing=False, disable_tqdm=True, train_sampling_strategy="sequential", seed=0)


def theirs(trainer):
    trainer.train()
    rows = [row for row in trainer.state.log_history if "loss" in row]
    return rows, {name: tensor.detach() for name, tensor in trainer.model.named_parameters()}


@pytest.fixture(autouse=True)
def exact_double_heads(monkeypatch):
    """TRL adds up in float32 what it reads off the logits, chunk by chunk; here in the model's own numbers, at once."""
    import trl.trainer.utils

    class LogProbs:
        @staticmethod
        def apply(hidden, weight, bias, targets, temperature, _, softcap, scale, outputs):
            assert softcap is None and scale == 1
            logits = torch.nn.functional.linear(hidden, weight, bias) / temperature
            logps = logits.log_softmax(-1)
            further = {"entropy": -(logps.exp() * logps).sum(-1), "log_sum_sq_probs": (2 * logps).logsumexp(-1),
                       "mean_logits": logits.mean(-1), "is_top1": logits.argmax(-1) == targets}
            return (logps.gather(-1, targets[:, None])[:, 0],
                    *(value if name in outputs else None for name, value in further.items()))

    monkeypatch.setattr(trl.trainer.utils, "_ChunkedLogProbFunction", LogProbs)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """The model in float64, so that what is saved of it is exact."""
    folder = shutil.copytree(MODEL, tmp_path_factory.mktemp("base") / "model")
    AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float64).save_pretrained(folder)
    return folder


def ours(base, folder, rows, method, *settings):
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = subprocess.run([ATTUNE, "train", f"model={base}", f"data={data}", f"method={method}", f"output={folder}/run",
                           f"training.learning_rate={RATES[method]}", f"training.batch_size={BATCH}", "training.shuffle=false",
                           f"training.max_steps={UPDATES}", "training.dtype=float64", "samples.prompts=0", *settings], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (folder / "run/metrics.jsonl").open()]
    return rows, load_file(folder / "run/model/model.safetensors")


# Numbers of float64 differ in their last digits; ten updates carry that on. What is logged passes through float32 in the
# trainers of transformers: a few roundings of it.
EXACT = 1e-9
LOGGED = 4 * UNIT_ROUNDOFF


def compare(mine, oracle):
    start = load_file(MODEL + "/model.safetensors")
    assert len(mine[0]) == len(oracle[0]) == UPDATES
    for ours_row, their_row in zip(mine[0], oracle[0], strict=True):
        names = set(their_row) - {"epoch", "step"}
        assert names <= set(ours_row), names - set(ours_row)
        for name in names:
            assert ours_row[name] == pytest.approx(their_row[name], rel=LOGGED, abs=LOGGED), (their_row["step"], name)
    for name, tensor in oracle[1].items():
        stored = mine[1].get(name, mine[1].get("lm_head.weight"))  # tied weights are stored once
        assert stored.dtype == torch.float64
        assert (stored - tensor).abs().max() < EXACT, (name, (stored - tensor).abs().max())
        before = start.get(name, start.get("lm_head.weight")).double()
        assert (tensor - before).abs().max() > 1e5 * EXACT, name


@pytest.fixture
def model():
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float64)


def test_sft(tmp_path, model, base):
    from trl import SFTConfig, SFTTrainer
    trainer = SFTTrainer(model, SFTConfig(**arguments(tmp_path / "trl", "sft")), train_dataset=Dataset.from_list(completion_rows()),
                         processing_class=AutoTokenizer.from_pretrained(MODEL))
    compare(ours(base, tmp_path, completion_rows(), "sft"), theirs(trainer))


def dpo(folder, model, base, settings=(), **options):
    """On the ids that TRL trains on: where a prompt's last token merges with the answer, TRL keeps the prompt's own
    tokens and cuts the answer at their number, which gives a sequence that no tokenizer would."""
    from trl import DPOConfig, DPOTrainer
    reference = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float64)
    trainer = DPOTrainer(model, reference, DPOConfig(**arguments(folder / "trl", "dpo"), **options),
                         train_dataset=Dataset.from_list(preference_rows()),
                         processing_class=AutoTokenizer.from_pretrained(MODEL))
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    rows = [{name: row[name] for name in names} for row in trainer.train_dataset]
    compare(ours(base, folder, rows, "dpo", *settings), theirs(trainer))


def test_dpo(tmp_path, model, base):
    dpo(tmp_path, model, base)


def test_a_reference_that_follows(tmp_path, model, base):
    """TR-DPO: mixed every three updates with 0.6 of the policy."""
    dpo(tmp_path, model, base, ["reference.sync_ref_model=true", "reference.ref_model_sync_steps=3"],
        sync_ref_model=True, ref_model_sync_steps=3)
