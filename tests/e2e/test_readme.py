"""The README says what the program says of itself."""
import json
import pathlib
import re
import shlex
import subprocess
import sys

from runs import ATTUNE

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_table_of_what_works_is_what_the_program_lists():
    done = subprocess.run([sys.executable, ROOT / "scripts/readme-table", "--check", ATTUNE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_pictures_and_documents_that_it_names_are_there():
    text = (ROOT / "README.md").read_text()
    names = [part.split(")")[0] for part in text.split("](")[1:]]
    assert names and all((ROOT / name).exists() for name in names if "://" not in name), names


def listed(kind):
    done = subprocess.run([ATTUNE, "list", kind, "--json"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_commands_and_settings_that_it_shows_exist():
    commands = {item["name"]: item for item in listed("commands")}
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines() if line.startswith("attune ")]
    assert len(lines) >= 8
    for _, name, *words in lines:
        names = {option["name"] for option in commands[name]["options"]}
        names |= {key.rpartition(".")[0] for key in names}
        for word in words:
            assert "=" not in word or word.split("=")[0] in names, (name, word)


def test_help_promises_only_kinds_that_have_something():
    said = subprocess.run([ATTUNE, "list", "--help"], capture_output=True, text=True).stdout
    kinds = re.split(r",\s+", re.search(r"Kinds: ([^.]*)\.", said)[1])
    assert len(kinds) > 8 and "tasks" not in kinds
    for kind in kinds:
        assert listed(kind), f"attune list {kind} is empty"


def test_no_page_promises_what_is_refused():
    """A device that the program refuses is nothing to be told of."""
    refused = subprocess.run([ATTUNE, "train", "device=cuda"], capture_output=True, text=True)
    if refused.returncode == 2 and "cuda" in refused.stderr:
        assert "GPU" not in (ROOT / "README.md").read_text()
