"""A start from a process that has libtorch loaded (warm.py) is, for who runs it, a start of the program."""
import os
import signal
import subprocess
import time

import pytest

import warm
from runs import ATTUNE, MODEL, command, pairs

pytestmark = pytest.mark.skipif(not warm.CLIENT.exists() or not warm.LIBRARY.exists(), reason="attune_warm is not built")
GENERATE = ["generate", f"model={MODEL}", "threads=1", "--json"]


@pytest.fixture(scope="module")
def server():
    server = warm.Server()
    yield server
    server.close()


def started(server, *arguments, **environment):
    """(the command, options) of a warm start"""
    known = {"ATTUNE_WARM_SOCKET": server.socket, "ATTUNE_WARM_PROGRAM": os.path.abspath(ATTUNE)}
    return [str(warm.CLIENT), *arguments], {"env": {**os.environ, **known, **environment}, "text": True}


def forks(server):
    return subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=False).stdout.split()


def until(found):
    """What found() returns as soon as it is something, for a minute."""
    deadline = time.monotonic() + 60
    while not (result := found()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return result


@pytest.mark.cold
@pytest.mark.parametrize("arguments", [["--version"], ["nonsense"], ["list", "methods", "--json"], ["train", "relative.yaml"],
                                       [*GENERATE, "prompts=here.txt"]], ids=" ".join)
def test_it_says_and_returns_the_same(server, tmp_path, arguments):
    (tmp_path / "here.txt").write_text("Once upon\nThe dog\n")
    words, options = started(server, *arguments)
    ours = subprocess.run(words, capture_output=True, cwd=tmp_path, check=False, **options)
    theirs = subprocess.run([ATTUNE, *arguments], capture_output=True, cwd=tmp_path, text=True, check=False)
    assert (ours.returncode, ours.stdout, ours.stderr) == (theirs.returncode, theirs.stdout, theirs.stderr)


def test_its_environment_is_the_callers(server):
    words, options = started(server, *GENERATE, "prompt=Once", "max_new_tokens=2", ATTUNE_KERNELS="nonsense")
    done = subprocess.run(words, capture_output=True, check=False, **options)
    assert done.returncode != 0 and "nonsense" in done.stderr, done


@pytest.fixture
def training(server, tmp_path):
    """(the process that asked for a run of minutes, the fork that is the run)"""
    arguments = command(pairs(tmp_path / "pairs.jsonl"), tmp_path / "run", "training.epochs=2000")[1:]
    words, options = started(server, *arguments)
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)
    yield process, int(until(lambda: forks(server))[0])
    process.kill()
    process.wait()


def test_it_ends_with_who_started_it(server, training):
    training[0].send_signal(signal.SIGKILL)
    assert until(lambda: not forks(server))


def test_how_it_was_ended_is_told(training):
    os.kill(training[1], signal.SIGKILL)
    assert training[0].wait(timeout=60) == -signal.SIGKILL


def test_without_a_server_and_with_other_libraries_the_program_itself_starts(server):
    for environment in ({"ATTUNE_WARM_SOCKET": "/nowhere"}, {"OMP_NUM_THREADS": "3"}, {"LD_BIND_NOW": "1"}):
        words, options = started(server, "--version", **environment)
        assert subprocess.run(words, capture_output=True, check=True, **options).stdout.startswith("attune ")
