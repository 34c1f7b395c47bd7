"""Learning rates of whole runs against transformers' schedules at the same settings, update by update."""
import json
import os
import pathlib
import subprocess

import pytest

torch = pytest.importorskip("torch")
optimization = pytest.importorskip("transformers.optimization")
from transformers import TrainingArguments  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
UPDATES, PEAK = 12, 3e-3


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt_ids": [1, 40 + i], "candidates": [{"completion_ids": [60, 70 + i, 2]}]}) + "\n"
                            for i in range(UPDATES)))
    return path


def attune(data, output, schedule, **settings):
    return subprocess.run([ATTUNE, "train", f"model={ROOT / 'assets/tinystories-656k'}", f"data={data}", "method=sft",
                           f"output={output}", "threads=1", "training.batch_size=1", f"training.learning_rate={PEAK}",
                           "samples.prompts=0", f"training.schedule={schedule}",
                           *(f"training.{name}={value}" for name, value in settings.items())], capture_output=True, text=True)


def rates(output):
    return [json.loads(line)["learning_rate"] for line in (output / "metrics.jsonl").open()]


def ours(data, output, schedule, **settings):
    done = attune(data, output, schedule, **settings)
    assert done.returncode == 0, done.stderr
    return rates(output)


def theirs(name, warmup, settings):
    """The rate that each update is made with."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    schedule = optimization.get_scheduler(name, optimizer, warmup, UPDATES, settings)
    found = []
    for _ in range(UPDATES):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


def same(mine, oracle):
    assert len(mine) == UPDATES
    assert mine == pytest.approx(oracle, rel=1e-9, abs=0)


# Our settings, and transformers' where they have other names.
CASES = [
    ("linear", {}, {}),
    ("cosine", {}, {}),
    ("cosine", {"num_cycles": 0.3}, {"num_cycles": 0.3}),
    ("cosine", {"num_cycles": 1.5}, {"num_cycles": 1.5}),
    ("cosine_with_restarts", {}, {}),
    ("cosine_with_restarts", {"num_cycles": 3}, {"num_cycles": 3}),
    ("cosine_with_min_lr", {"min_lr_ratio": 0.1}, {"min_lr_rate": 0.1}),
    ("cosine_with_min_lr", {"min_lr_ratio": 0.25, "num_cycles": 1.2}, {"min_lr_rate": 0.25, "num_cycles": 1.2}),
    ("cosine_warmup_with_min_lr", {"min_lr_ratio": 0.1}, {"min_lr_rate": 0.1}),
    ("cosine_warmup_with_min_lr", {"min_lr_ratio": 0.25, "num_cycles": 1.2}, {"min_lr_rate": 0.25, "num_cycles": 1.2}),
    ("polynomial", {}, {}),
    ("polynomial", {"power": 2}, {"power": 2}),
    ("polynomial", {"power": 0.5}, {"power": 0.5}),
    ("constant_with_warmup", {}, {}),
    ("inverse_sqrt", {}, {}),
    ("warmup_stable_decay", {"decay_steps": 5}, {"num_decay_steps": 5}),
    ("warmup_stable_decay", {"num_decay_steps": 9}, {"num_decay_steps": 9}),
]


@pytest.mark.parametrize("warmup", [0, 4])
@pytest.mark.parametrize("name, settings, their_settings", CASES)
def test_rates(data, tmp_path, name, settings, their_settings, warmup):
    same(ours(data, tmp_path / "run", name, warmup_steps=warmup, **settings), theirs(name, warmup, their_settings))


@pytest.mark.parametrize("ratio", [0.25, 0.3, 1])
def test_a_warmup_ratio_counts_updates_as_transformers_does(data, tmp_path, ratio):
    """transformers' warmup_steps below 1 is a ratio; 1 itself is one update there, and every update here."""
    arguments = TrainingArguments(str(tmp_path), warmup_steps=ratio, use_cpu=True)
    warmup = arguments.get_warmup_steps(UPDATES) if ratio < 1 else UPDATES
    same(ours(data, tmp_path / "run", "linear", warmup_ratio=ratio), theirs("linear", warmup, {}))


def test_a_warmup_longer_than_the_run(data, tmp_path):
    same(ours(data, tmp_path / "run", "cosine", warmup_steps=20), theirs("cosine", 20, {}))


def test_constant_has_a_warmup(data, tmp_path):
    """Where transformers' `constant` leaves a warm-up out; ours is `constant_with_warmup` under another name, as
    `attune list schedules` says."""
    same(ours(data, tmp_path / "plain", "constant"), theirs("constant", 0, {}))
    same(ours(data, tmp_path / "warm", "constant", warmup_steps=4), theirs("constant_with_warmup", 4, {}))


def test_restarts_after_a_part_of_a_cycle(data, tmp_path):
    same(ours(data, tmp_path / "run", "cosine_with_restarts", num_cycles=1.5),
         theirs("cosine_with_restarts", 0, {"num_cycles": 1.5}))


@pytest.mark.parametrize("name, value", [("min_lr_ratio", 0.2), ("num_cycles", 1.5)])
def test_what_shapes_the_last_fall_is_heeded_or_refused(data, tmp_path, name, value):
    done = attune(data, tmp_path / "run", "warmup_stable_decay", decay_steps=6, **{name: value})
    if done.returncode == 2:
        assert name in done.stderr
    else:
        same(rates(tmp_path / "run"), theirs("warmup_stable_decay", 0, {"num_decay_steps": 6, name: value}))


def test_every_shared_name_is_compared():
    listed = subprocess.run([ATTUNE, "list", "schedules", "--json"], capture_output=True, text=True, check=True).stdout
    shared = {json.loads(line)["name"] for line in listed.splitlines()} & {kind.value for kind in optimization.SchedulerType}
    assert shared == {name for name, *_ in CASES} | {"constant"}
