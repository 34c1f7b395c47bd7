"""Ten updates equal TRL's trainers on the same texts: losses, metrics and weights to 1e-4."""
import json
import os
import pathlib
import subprocess

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
MODEL = str(ROOT / "assets/tinystories-656k")
UPDATES, BATCH = 10, 4
# AdamW moves a weight whose gradient is rounding noise by up to the rate: TRL differs from itself by 5e-5 at 1e-3 when the
# rows of a batch change places.
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


def ours(folder, rows, method, *settings):
    data = folder / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = subprocess.run([ATTUNE, "train", f"model={MODEL}", f"data={data}", f"method={method}", f"output={folder}/run",
                           f"training.learning_rate={RATES[method]}", f"training.batch_size={BATCH}", "training.shuffle=false",
                           f"training.max_steps={UPDATES}", "samples.prompts=0", *settings], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (folder / "run/metrics.jsonl").open()]
    return rows, load_file(folder / "run/model/model.safetensors")


def compare(mine, oracle):
    start = load_file(MODEL + "/model.safetensors")
    moved = apart = 0.0
    assert len(mine[0]) == len(oracle[0]) == UPDATES
    for ours_row, their_row in zip(mine[0], oracle[0], strict=True):
        assert ours_row["loss"] == pytest.approx(their_row["loss"], abs=1e-4)
        names = set(their_row) - {"loss", "epoch", "step"}
        assert names <= set(ours_row), names - set(ours_row)
        for name in names:
            assert ours_row[name] == pytest.approx(their_row[name], rel=1e-3, abs=1e-4), (their_row["step"], name)
    for name, tensor in oracle[1].items():
        stored = mine[1].get(name, mine[1].get("lm_head.weight"))  # tied weights are stored once
        assert torch.allclose(stored, tensor, atol=1e-4, rtol=0), (name, (stored - tensor).abs().max())
        before = start.get(name, start.get("lm_head.weight")).float()
        moved += (tensor - before).double().square().sum().item()
        apart += (tensor - stored).double().square().sum().item()
    assert apart**0.5 < 1e-3 * moved**0.5, (apart**0.5, moved**0.5)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)


def test_sft(tmp_path, model):
    from trl import SFTConfig, SFTTrainer
    trainer = SFTTrainer(model, SFTConfig(**arguments(tmp_path / "trl", "sft")), train_dataset=Dataset.from_list(completion_rows()),
                         processing_class=AutoTokenizer.from_pretrained(MODEL))
    compare(ours(tmp_path, completion_rows(), "sft"), theirs(trainer))


def dpo(folder, model, settings=(), **options):
    """On the ids that TRL trains on: where a prompt's last token merges with the answer, TRL keeps the prompt's own
    tokens and cuts the answer at their number, which gives a sequence that no tokenizer would."""
    from trl import DPOConfig, DPOTrainer
    reference = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    trainer = DPOTrainer(model, reference, DPOConfig(**arguments(folder / "trl", "dpo"), **options),
                         train_dataset=Dataset.from_list(preference_rows()),
                         processing_class=AutoTokenizer.from_pretrained(MODEL))
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    rows = [{name: row[name] for name in names} for row in trainer.train_dataset]
    compare(ours(folder, rows, "dpo", *settings), theirs(trainer))


def test_dpo(tmp_path, model):
    dpo(tmp_path, model)


def test_a_reference_that_follows(tmp_path, model):
    """TR-DPO: mixed every three updates with 0.6 of the policy."""
    dpo(tmp_path, model, ["reference.sync_ref_model=true", "reference.ref_model_sync_steps=3"],
        sync_ref_model=True, ref_model_sync_steps=3)
