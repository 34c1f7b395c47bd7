"""The README says what the program says of itself."""
import pathlib
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
