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


# Name, eval.metric, our settings, torch's or transformers' scheduler. The rate is high, so that evaluations get worse too.
FOLLOWING = [
    ("reduce_lr_on_plateau", "loss", {"plateau_patience": 0}, {"patience": 0}),
    ("reduce_lr_on_plateau", "loss", {"plateau_patience": 1, "plateau_factor": 0.5, "plateau_threshold": 0.2, "plateau_cooldown": 2},
     {"patience": 1, "factor": 0.5, "threshold": 0.2, "cooldown": 2}),
    ("reduce_lr_on_plateau", "mean_token_accuracy", {"plateau_patience": 0, "plateau_factor": 0.3, "min_lr_ratio": 0.05},
     {"patience": 0, "factor": 0.3, "min_lr": 0.05 * PEAK, "mode": "max"}),
    ("greedy", "loss", {"plateau_patience": 0}, {"patience": 0, "min_lr": 0}),
    ("greedy", "loss", {"plateau_patience": 1, "plateau_factor": 0.7, "plateau_threshold": 0.02, "plateau_cooldown": 1},
     {"patience": 1, "factor": 0.7, "threshold": 0.02, "cooldown": 1, "min_lr": 0}),
    ("greedy", "mean_token_accuracy", {"plateau_patience": 0, "min_lr_ratio": 0.9}, {"patience": 0, "min_lr": 0.9 * PEAK, "mode": "max"}),
]


@pytest.mark.parametrize("name, metric, settings, their_settings", FOLLOWING)
def test_rates_that_follow_evaluations(data, tmp_path, name, metric, settings, their_settings):
    """The oracle is told what our evaluations found, and must come to the same rate for every update."""
    held_out = tmp_path / "held_out.jsonl"
    held_out.write_text("".join(json.dumps({"prompt_ids": [1, 140 + i], "candidates": [{"completion_ids": [60, 70 + i, 99]}]}) + "\n"
                                for i in range(6)))
    done = subprocess.run([ATTUNE, "train", f"model={ROOT / 'assets/tinystories-656k'}", f"data={data}", "method=sft",
                           f"output={tmp_path / 'run'}", "threads=1", "training.batch_size=1", f"training.learning_rate={PEAK}",
                           "samples.prompts=0", f"eval={held_out}", "training.eval_steps=1", f"eval.metric={metric}",
                           "training.epochs=3", f"training.schedule={name}",
                           *(f"training.{key}={value}" for key, value in settings.items())], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").open()][1:]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=PEAK)
    kind = torch.optim.lr_scheduler.ReduceLROnPlateau if name == "reduce_lr_on_plateau" else optimization.GreedyLR
    schedule, expected = kind(optimizer, **their_settings), []
    for row in rows:
        expected.append(optimizer.param_groups[0]["lr"])
        schedule.step(row[f"eval_{metric}"])
    assert len(rows) == 3 * UPDATES and len(set(expected)) > 1
    assert [row["learning_rate"] for row in rows] == pytest.approx(expected, rel=1e-9, abs=0)


def test_every_shared_name_is_compared():
    listed = subprocess.run([ATTUNE, "list", "schedules", "--json"], capture_output=True, text=True, check=True).stdout
    shared = {json.loads(line)["name"] for line in listed.splitlines()} & {kind.value for kind in optimization.SchedulerType}
    assert shared == {kind.value for kind in optimization.SchedulerType}
    assert shared == {name for name, *_ in CASES + FOLLOWING} | {"constant"}
