"""Runs that die by kill -9 at a call that changes a file, and are continued by the same command. A preloaded library
(kill_at_write.c) counts such calls and dies at the one asked for, in the middle of a write where it is one."""
import functools
import os
import pathlib
import re
import shutil
import signal
import struct
import subprocess

import pytest

from runs import TIMINGS, command, pairs, rows, run, weights

UPDATES = 6
# What a run writes, in the order in which it first does, and how many of these calls it dies at: spread over all of
# them, the first and the last included.
PHASES = {"cache": (r"\w+ cache", 2), "beginning": (None, 5), "state": (r"\w+ run/(run\.json|recipe)", 5),
          "events": (r"\w+ run/events", 4), "samples": (r"\w+ run/samples", 3), "metrics": (r"\w+ run/metrics", 4),
          "evaluations": (r"\w+ run/evaluations", 3), "rows": (r"\w+ run/data_rows", 3),
          "checkpoint": (r"\w+ run/checkpoints/\.step-", 7), "publication": (r"(rename|fsync) run/checkpoints", 3),
          "removal": (r"\w+ run/checkpoints/\.removed-", 3), "model": (r"\w+ run(/model|/\.model.*)?$", 5),
          "report": (r"\w+ run/report", 2)}


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler (cc, gcc, clang) to build the library that kills")
    built = tmp_path_factory.mktemp("library") / "kill_at_write.so"
    source = pathlib.Path(__file__).with_name("kill_at_write.c")
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", built, source, "-ldl"], check=True)
    return built


class Runs:
    """Runs of one recipe in folders of their own."""

    def __init__(self, library, base):
        self.library, self.base, self.log = library, base, base / "log"
        self.data, self.held_out = pairs(base / "pairs.jsonl", 4), pairs(base / "held_out.jsonl", 2)
        self.whole = base / "whole"
        done, self.calls = self.logged(self.whole)
        assert done.returncode == 0, done.stderr

    def attune(self, folder, **environment):
        settings = [f"eval={self.held_out}", "training.batch_size=2", "training.epochs=3", "training.save_total_limit=2"]
        return run(command(self.data, folder / "run", *settings),
                   env={**os.environ, "XDG_CACHE_HOME": str(folder / "cache"), **environment})

    def watched(self, folder, **environment):
        folder.mkdir(exist_ok=True)
        return self.attune(folder, LD_PRELOAD=str(self.library), KILL_FOLDER=str(folder), **environment)

    def logged(self, folder):
        self.log.write_text("")
        done = self.watched(folder, KILL_LOG=str(self.log))
        return done, [re.sub(r"\.tmp-\d+", ".tmp", line.replace(f"{folder}/", "")) for line in self.log.open()]

    def killed(self, folder, number, half):
        died = self.watched(folder, KILL_AT=str(number), **({"KILL_HALF": "1"} if half else {}))
        assert died.returncode == -signal.SIGKILL, (number, died.stderr)
        return folder

    @functools.cache
    def numbers(self, phase):
        """The calls of a phase at which to die."""
        first = next(i for i, call in enumerate(self.calls) if call.startswith("rename run/run.json"))
        mine = [i + 1 for i, call in enumerate(self.calls) if self.phase(i, call, first) == phase]
        return spread(mine, PHASES[phase][1])

    @staticmethod
    def phase(i, call, first):
        names = [name for name, (pattern, _) in PHASES.items() if pattern and re.match(pattern, call)]
        return "beginning" if i <= first and names != ["cache"] else names[0] if names else call

    @functools.cache
    def continued(self, phase):
        """What became of runs that died in a phase, by the call: (folder, files after the death, what was said)."""
        found = {}
        for place, number in enumerate(self.numbers(phase)):
            folder = self.killed(self.base / f"killed-{number}", number, half=place % 2 == 0)
            standing = names(folder / "run")
            found[f"{number} {self.calls[number - 1].strip()}"] = (folder, standing, self.attune(folder))
        return found


def spread(numbers, count):
    """`count` of them: the first, the last, and between."""
    count = min(count, len(numbers))
    return [numbers[i * (len(numbers) - 1) // max(1, count - 1)] for i in range(count)]


@pytest.fixture(scope="module")
def runs(library, tmp_path_factory):
    return Runs(library, tmp_path_factory.mktemp("runs"))


def names(output):
    """Every file below a run folder; the name of the event file without its time and process."""
    return {re.sub(r"tfevents\.\d+\..*?\.\d+\.0", "tfevents", str(path.relative_to(output))) for path in output.rglob("*")}


def events(output):
    """What TensorBoard would show, without times: every record of every event file."""
    found = []
    for path in sorted(output.glob("*tfevents*")):
        data = path.read_bytes()
        while data:
            length, = struct.unpack_from("<Q", data)
            event, data = data[12:12 + length], data[16 + length:]
            assert event[0] == 9 and len(event) == length  # field 1, a double: the time
            if not any(f"train/{name}".encode() in event for name in TIMINGS):
                found.append(event[9:])
    return found


def same(output, whole):
    """The run went on to what the uninterrupted one came to."""
    assert rows(output) == rows(whole)
    assert weights(output) == weights(whole) != {}
    for name in ("samples.jsonl", "evaluations.jsonl"):
        assert (output / name).read_bytes() == (whole / name).read_bytes()
    assert '"state": "finished"' in (output / "run.json").read_text()
    assert (output / "report.html").exists()


def went_on(done):
    return done.returncode == 0 or (done.returncode == 2 and "holds a finished run" in done.stderr)


def whole_or_absent(standing, whole, folder):
    """A model or a checkpoint that has its name has all its files."""
    here = {name for name in standing if name.startswith(f"{folder}/")}
    return folder not in standing or here == {name for name in whole if name.startswith(f"{folder}/")}


def test_the_calls_of_a_run_are_known(runs):
    assert [row["step"] for row in rows(runs.whole / "run")] == list(range(UPDATES + 1))
    first = next(i for i, call in enumerate(runs.calls) if call.startswith("rename run/run.json"))
    phases = [runs.phase(i, call, first) for i, call in enumerate(runs.calls)]
    assert set(phases) == set(PHASES)
    assert len(events(runs.whole / "run")) > 10 * UPDATES
    # What is counted is all there is: the bytes of every file that only grows came through these calls.
    for name in ("metrics", "samples"):
        lines = len((runs.whole / f"run/{name}.jsonl").read_text().splitlines())
        assert sum(call.startswith(f"fwrite run/{name}") for call in runs.calls) == lines


@pytest.mark.parametrize("phase", PHASES)
def test_it_continues_to_the_same_bytes(runs, phase):
    whole = names(runs.whole / "run")
    checkpoints = {"checkpoints/step-000002", "checkpoints/step-000004", "checkpoints/step-000006"}
    complete = whole | {name.replace("step-000006", "step-000002") for name in whole}
    for call, (folder, standing, done) in runs.continued(phase).items():
        for part in ("model", *checkpoints):
            assert whole_or_absent(standing, complete, part), (call, part)
        assert went_on(done), (call, done.stderr)
        same(folder / "run", runs.whole / "run")
        assert events(folder / "run") == events(runs.whole / "run"), call


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_is_left_of_the_death(runs, phase):
    for call, (folder, _, _) in runs.continued(phase).items():
        assert names(folder / "run") == names(runs.whole / "run"), call


@pytest.fixture(scope="module")
def resumed(runs):
    """A run that died while it saved its second checkpoint, and the calls of the one that continued it."""
    number = next(i for i, call in enumerate(runs.calls) if "step-000004.partial/model" in call) + 3
    folder = runs.killed(runs.base / "once", number, half=True)
    shutil.copytree(folder, runs.base / "counted")
    done, calls = runs.logged(runs.base / "counted")
    assert done.returncode == 0, done.stderr
    again = next(i for i, call in enumerate(calls) if "mkdir run/checkpoints/.step-" in call)
    return folder, spread(range(1, again + 1), 8) + spread(range(again + 1, len(calls)), 3), calls


def twice(runs, resumed):
    folder, numbers, calls = resumed
    for place, number in enumerate(numbers):
        copy = runs.base / f"twice-{number}"
        if not copy.exists():
            shutil.copytree(folder, copy)
            runs.killed(copy, number, half=place % 2 == 1)
            done = runs.attune(copy)
            assert went_on(done), (calls[number - 1], done.stderr)
        yield calls[number - 1].strip(), copy / "run"


def test_it_dies_again_while_it_continues(runs, resumed):
    for _, output in twice(runs, resumed):
        same(output, runs.whole / "run")


def test_events_are_there_once_after_two_deaths(runs, resumed):
    for call, output in twice(runs, resumed):
        assert events(output) == events(runs.whole / "run"), call


def test_nothing_is_left_of_two_deaths(runs, resumed):
    for call, output in twice(runs, resumed):
        assert names(output) == names(runs.whole / "run"), call
