"""Training runs as a person starts them: results, resuming after kills, refusals. Needs only the bundled model."""
import json
import math
import signal
import subprocess
import time

import pytest

from runs import ATTUNE, MODEL, command, pairs, rows, run, weights

@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    data = pairs(folder / "pairs.jsonl")
    done = run(command(data, folder / "run"))
    assert done.returncode == 0, done.stderr
    return data, folder / "run"


def test_the_run_folder_is_complete(whole):
    _, output = whole
    for name in ("recipe.yaml", "run.json", "metrics.jsonl", "samples.jsonl", "report.html", "model/model.safetensors",
                 "model/tokenizer.json", "checkpoints/step-000012/model.safetensors"):
        assert (output / name).exists(), name
    assert json.loads((output / "run.json").read_text())["state"] == "finished"
    assert [row["step"] for row in rows(output)] == list(range(1, 13))
    assert rows(output)[0]["loss"] == pytest.approx(math.log(2), rel=1e-12)  # policy and reference are one computation
    assert rows(output)[-1]["rewards/margins"] > 0.05


def test_the_same_command_gives_the_same_bytes(whole, tmp_path):
    data, output = whole
    assert run(command(data, tmp_path / "again")).returncode == 0
    assert rows(tmp_path / "again") == rows(output)
    assert weights(tmp_path / "again") == weights(output)


@pytest.mark.parametrize("delay", [0.3, 0.6, 0.9, 1.2])
def test_a_killed_run_continues_to_the_same_bytes(whole, tmp_path, delay):
    data, output = whole
    killed = subprocess.Popen(command(data, tmp_path / "run"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = run(command(data, tmp_path / "run"))
    if done.returncode == 2:  # it had finished before the kill came
        assert "finished run" in done.stderr
    else:
        assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "run") == rows(output)
    assert weights(tmp_path / "run") == weights(output)


def test_an_interrupted_run_saves_and_continues(whole, tmp_path):
    data, output = whole
    asked = subprocess.Popen(command(data, tmp_path / "run"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "run/metrics.jsonl").exists() and asked.poll() is None:
        time.sleep(0.01)
    asked.send_signal(signal.SIGINT)
    message = asked.communicate(timeout=60)[1]
    assert asked.returncode == 130, message
    assert "interrupted" in message and not (tmp_path / "run/model").exists()
    assert run(command(data, tmp_path / "run")).returncode == 0
    assert rows(tmp_path / "run") == rows(output)
    assert weights(tmp_path / "run") == weights(output)


def test_a_finished_run_is_never_overwritten(whole):
    data, output = whole
    before = weights(output)
    refused = run(command(data, output))
    assert refused.returncode == 2 and "overwrite=true" in refused.stderr
    assert weights(output) == before


def test_a_recipe_repeats_its_run(whole, tmp_path):
    _, output = whole
    done = run([ATTUNE, "train", str(output / "recipe.yaml"), f"output={tmp_path / 'again'}"])
    assert done.returncode == 0, done.stderr
    assert weights(tmp_path / "again") == weights(output)


@pytest.mark.parametrize("settings, said", [
    (["method.bta=1"], "beta"),
    (["training.learning_rte=1"], "learning_rate"),
    (["training.learning_rate=-1"], "learning_rate"),
    (["training.learning_rate=.nan"], "learning_rate"),
    (["method=dpp"], "dpo"),
    (["data=/nowhere.jsonl"], "/nowhere.jsonl"),
    (["model=/nowhere"], "/nowhere"),
])
def test_wrong_requests_leave_nothing_behind(whole, tmp_path, settings, said):
    data, _ = whole
    refused = run(command(data, tmp_path / "run", *settings))
    assert refused.returncode == 2, refused.stderr
    assert said in refused.stderr
    assert not (tmp_path / "run").exists()


def test_an_exploding_run_stops_with_its_batch(whole, tmp_path):
    data, _ = whole
    failed = run(command(data, tmp_path / "run", "training.learning_rate=1e30", "training.max_grad_norm=0"))
    assert failed.returncode == 1, failed.stderr
    assert "bad_batch.jsonl" in failed.stderr
    assert json.loads((tmp_path / "run/run.json").read_text())["state"] == "failed"
    assert (tmp_path / "run/bad_batch.jsonl").read_text().count("\n") == 8


def test_json_prints_the_metrics(whole, tmp_path):
    data, output = whole
    done = run(command(data, tmp_path / "run", "--json"))
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["loss"] for row in printed] == [row["loss"] for row in rows(output)]


@pytest.mark.parametrize("method", ["sft", "kto", "grpo", "tdpo", "bradley_terry"])
def test_every_kind_of_method_trains(whole, tmp_path, method):
    data, _ = whole
    if method in ("grpo", "kto"):
        changed = tmp_path / "rated.jsonl"
        with open(data) as source, open(changed, "w") as out:
            for line in source:
                row = json.loads(line)
                for i, candidate in enumerate(row["candidates"]):
                    candidate["reward"], candidate["label"] = 1.0 - i, i == 0
                out.write(json.dumps(row) + "\n")
        data = changed
    done = run(command(data, tmp_path / "run", f"method={method}", "training.epochs=1"))
    assert done.returncode == 0, done.stderr
    assert all(row["loss"] is not None for row in rows(tmp_path / "run"))
