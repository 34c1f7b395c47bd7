"""Ctrl-C while results are computed: the command stops between rows with exit code 130, says what became of them, and
leaves no file. Needs only the bundled model."""
import json
import os
import pathlib
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
MODEL = ROOT / "assets/tinystories-656k"
ROWS = 20_000


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    row = {"prompt": "Once upon a time", "completion": " there was a cat who liked to sleep in the sun all day." * 3}
    path.write_text((json.dumps(row) + "\n") * ROWS)
    return path


def start(*arguments, **options):
    return subprocess.Popen([ATTUNE, *map(str, arguments), "threads=1"], stderr=subprocess.PIPE, text=True, **options)


def wait_for(condition, program):
    end = time.monotonic() + 60
    while not condition():
        assert program.poll() is None, program.stderr.read()
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("command", [["generate", "temperature=0.8"], ["score"]])
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT, signal.SIGINT]],
                         ids=["interrupted", "terminated", "twice"])
def test_no_file_is_left(tmp_path, data, command, signals):
    output = tmp_path / "lines.jsonl"
    program = start(*command, f"model={MODEL}", f"data={data}", f"output={output}")
    wait_for(lambda: list(tmp_path.iterdir()), program)
    for number in signals:
        program.send_signal(number)
    said = program.communicate(timeout=30)[1]
    assert program.returncode == 130, said
    assert not list(tmp_path.iterdir())
    if len(signals) == 1:
        assert f"interrupted; {output} was not written" in said


@pytest.mark.parametrize("command", [["score", "micro_batch_tokens=512"], ["tokenize"]])
def test_what_was_printed_is_whole(tmp_path, data, command):
    with open(tmp_path / "printed", "w+") as printed:
        program = start(*command, f"model={MODEL}", f"data={data}", "--json", stdout=printed)
        wait_for(lambda: os.path.getsize(printed.name) > 0, program)
        program.send_signal(signal.SIGINT)
        said = program.communicate(timeout=30)[1]
        lines = printed.seek(0) or printed.read()
    assert program.returncode == 130 and "line by line" in said, said
    assert lines.endswith("\n") and 0 < len([json.loads(line) for line in lines.splitlines()]) < ROWS


def test_a_streamed_text_stops(tmp_path):
    with open(tmp_path / "printed", "w") as printed:
        program = start("generate", f"model={MODEL}", "prompt=Once", "n=4000", "temperature=1", "max_new_tokens=500",
                        stdout=printed)
        time.sleep(3)
        program.send_signal(signal.SIGINT)
        said = program.communicate(timeout=30)[1]
    assert program.returncode == 130 and "interrupted" in said
