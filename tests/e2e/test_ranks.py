"""Two processes over Gloo train as one does: the same losses, metrics and weights, for methods of all three scopes."""
import json
import math
import subprocess
import sys

import pytest
from safetensors.torch import load_file

from runs import MODEL, command, pairs, rows, run

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--no-python", "--nproc-per-node", "2"]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def ranked(path, count=9, answers=3):
    """Prompts with three answers in an order each, so that pairs=all makes three pairs of a prompt."""
    made = [json.loads(line) for line in pairs(path, 24).open()]
    completions = [row["candidates"][0]["completion_ids"] for row in made]
    with open(path, "w") as out:
        for i, row in enumerate(made[:count]):
            chosen = [completions[(i * answers + k) % len(completions)] for k in range(answers)]
            out.write(json.dumps({"prompt_ids": row["prompt_ids"],
                                  "candidates": [{"completion_ids": ids, "rank": k} for k, ids in enumerate(chosen)]}) + "\n")
    return path


def alike(one, two):
    assert one.keys() == two.keys()
    for key, value in one.items():
        assert two[key] == pytest.approx(value, rel=1e-6, abs=1e-6), (one["step"], key)


@pytest.mark.parametrize("settings", [
    ["method=sft"],                                     # kCandidate
    ["method=dpo", "pairing=all"],                      # kGroup
    ["method=dpo", "pairing=all", "training.micro_batch_tokens=16"],  # groups that are split
    ["method=kto"],                                     # kStep
    ["method=grpo"],                                    # prepare() sees the whole step
    ["method=dpo", "pairing=all", "adapter={type: lora, rank: 4, dropout: 0.3}"],  # what is dropped hangs on the step alone
], ids=["candidate", "group", "split", "step", "prepare", "dropout"])
def test_two_processes_train_as_one(tmp_path, settings):
    data = ranked(tmp_path / "data.jsonl")
    if "method=grpo" in settings:
        text = [json.loads(line) for line in data.open()]
        for row in text:
            for place, candidate in enumerate(row["candidates"]):
                candidate["reward"] = 1.0 / (1 + place)
                del candidate["rank"]
        data.write_text("".join(json.dumps(row) + "\n" for row in text))
    # Nine records in batches of four: the last of an epoch has one group, and a process without a share.
    # In float64, for Adam divides by the root of what it squares: float32's rounding of a gradient near zero is a whole step.
    settings = [*settings, "training.dtype=float64", f"eval.data={data}", "training.eval_steps=3"]
    for name, launcher in {"one": [], "two": TORCHRUN}.items():
        done = run([*launcher, *command(data, tmp_path / name, *settings)])
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("done: 6 updates") == 1, done.stderr
    one, two = rows(tmp_path / "one"), rows(tmp_path / "two")
    assert [row["step"] for row in one] == [row["step"] for row in two]
    for expected, found in zip(one, two):
        alike(expected, found)
    start = load_file(MODEL / "model.safetensors")
    file = "adapter_model.safetensors" if any("adapter" in setting for setting in settings) else "model.safetensors"
    weights = [load_file(tmp_path / name / "model" / file) for name in ("one", "two")]
    assert weights[0].keys() == weights[1].keys()
    for key, expected in weights[0].items():
        assert (expected - weights[1][key]).abs().max() <= 1e-6, key
    # There was something to get wrong; an adapter's second factor starts at zero.
    moved = [(weights[0][key] - start[key]).abs().max() for key in start.keys() & weights[0].keys()]
    moved += [weight.abs().max() for key, weight in weights[0].items() if "lora_B" in key]
    assert max(moved) > 1e-3


def test_a_run_of_two_goes_on_where_it_stopped(tmp_path):
    data = ranked(tmp_path / "data.jsonl")
    settings = ["method=kto", "training.dtype=float64", "training.save_steps=2"]
    whole = run([*TORCHRUN, *command(data, tmp_path / "whole", *settings)])
    assert whole.returncode == 0, whole.stderr
    with subprocess.Popen([*TORCHRUN, *command(data, tmp_path / "stopped", *settings, "--json")], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as first:
        for line in first.stdout:
            if json.loads(line)["step"] >= 1:
                break
        first.terminate()
        first.communicate(timeout=120)
    again = run([*TORCHRUN, *command(data, tmp_path / "stopped", *settings)])
    assert again.returncode == 0, again.stderr
    for expected, found in zip(rows(tmp_path / "whole"), rows(tmp_path / "stopped"), strict=True):
        alike(expected, found)
    assert not any(math.isnan(row["loss"]) for row in rows(tmp_path / "stopped"))
