"""resume=extend: more of the same, from the last checkpoint of a run that has finished or was killed."""
import json
import re
import shutil
import signal
import subprocess
import time

import pytest

from runs import command, pairs, rows, run, weights

CONSTANT = "training.schedule=constant"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return pairs(tmp_path_factory.mktemp("data") / "pairs.jsonl")  # 24 pairs: 6 updates an epoch


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    output = tmp_path_factory.mktemp("whole") / "run"
    assert run(command(data, output, CONSTANT, "training.epochs=3")).returncode == 0
    return output


@pytest.mark.parametrize("first, more", [("training.epochs=2", "training.epochs=3"),
                                         ("training.max_steps=7", "training.max_steps=18"),
                                         ("training.max_steps=7", "training.epochs=3")])
def test_a_finished_run_goes_on_as_if_it_had_been_longer(data, whole, tmp_path, first, more):
    """With a schedule that does not know the end, to the same bytes."""
    start = command(data, tmp_path / "run", CONSTANT, "training.epochs=3", first)
    assert run(start).returncode == 0
    short = len(rows(tmp_path / "run"))
    assert short < 18
    done = run(command(data, tmp_path / "run", CONSTANT, "training.epochs=3", more, "resume=extend"))
    assert done.returncode == 0, done.stderr
    assert f"18 updates instead of {short}" in done.stderr
    assert rows(tmp_path / "run") == rows(whole) and weights(tmp_path / "run") == weights(whole)
    state = json.loads((tmp_path / "run/run.json").read_text())
    assert state["state"] == "finished"
    recipe = (tmp_path / "run/recipe.yaml").read_text()
    wanted = more.split("=")
    assert re.search(rf"{wanted[0].split('.')[1]}: {wanted[1]}(\.0)?\n", recipe)


def test_the_schedule_is_that_of_the_new_total(data, tmp_path):
    output = tmp_path / "run"
    assert run(command(data, output, "training.epochs=1")).returncode == 0
    done = run(command(data, output, "training.epochs=2", "resume=extend"))
    assert done.returncode == 0, done.stderr
    rates = [row["learning_rate"] for row in rows(output)]
    short = [1e-3 * (1 - i / 6) for i in range(6)]  # linear, no warm-up
    long = [1e-3 * (1 - i / 12) for i in range(12)]
    assert rates == pytest.approx(short + long[6:], rel=1e-12)
    said = re.search(r"update 7 has the learning rate (\S+), the one before it had (\S+)", done.stderr)
    assert float(said[1]) == pytest.approx(5e-4) and float(said[2].rstrip(",")) == pytest.approx(1e-3 / 6, rel=1e-2)


def test_a_killed_run_is_extended(data, whole, tmp_path):
    output = tmp_path / "run"
    killed = subprocess.Popen(command(data, output, CONSTANT), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any(output.glob("checkpoints/step-*")) and killed.poll() is None:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    done = run(command(data, output, CONSTANT, "training.epochs=3", "resume=extend"))
    assert done.returncode == 0, done.stderr
    assert rows(output) == rows(whole) and weights(output) == weights(whole)


def test_what_is_no_extension_is_refused_and_nothing_is_lost(data, tmp_path):
    output = tmp_path / "run"
    again = command(data, output, CONSTANT)
    nothing = run([*again, "resume=extend"])
    assert nothing.returncode == 2 and "holds none" in nothing.stderr and not output.exists()
    assert run(again).returncode == 0
    before = {path: path.stat().st_mtime_ns for path in output.rglob("*")}
    finished = run(again)
    assert finished.returncode == 2 and "resume=extend" in finished.stderr
    for settings, part in ((["resume=extend"], "ask for more"), (["resume=extend", "training.epochs=1"], "ask for more"),
                           (["resume=extend", "training.epochs=3", "training.learning_rate=1e-4"], "training.learning_rate"),
                           (["resume=extend", "training.epochs=3", "overwrite=true"], "say one of them")):
        refused = run([*again, *settings])
        assert refused.returncode == 2 and part in refused.stderr, refused.stderr
    assert before == {path: path.stat().st_mtime_ns for path in output.rglob("*")}


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("lost", ["never made", "deleted"])
def test_a_run_without_a_checkpoint_is_not_extended(data, tmp_path, lost):
    """It would start anew, over what is there."""
    output = tmp_path / "run"
    start = command(data, output, "training.max_steps=2", *(["training.save_steps=-1"] if lost == "never made" else []))
    assert run(start).returncode == 0
    shutil.rmtree(output / "checkpoints")
    before = content(output)
    for name in ["train", "check"]:
        refused = run([start[0], name, *start[2:], "training.max_steps=4", "resume=extend"])
        assert refused.returncode == 2 and "keeps none" in refused.stderr, refused.stderr
    again = run(start)
    assert again.returncode == 2 and "holds a finished run" in again.stderr and "=extend to go on" not in again.stderr
    (output / "run.json").write_text(json.dumps(json.loads((output / "run.json").read_text()) | {"state": "running"}))
    before[output / "run.json"] = (output / "run.json").read_bytes()
    killed = run([*start, "training.max_steps=4", "resume=extend"])
    assert killed.returncode == 2 and "keeps none" in killed.stderr, killed.stderr
    other = run([*start, "training.max_steps=4"])
    assert other.returncode == 2 and "training.max_steps differs" in other.stderr and "extend" not in other.stderr
    assert content(output) == before
    anew = run(start)  # an unfinished run, and says so
    assert anew.returncode == 0 and "kept no checkpoint, so it starts anew" in anew.stderr, anew.stderr
    assert len(rows(output)) == 2
