"""The quickstart keeps its promises: the gain is beyond doubt and the tax small."""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    output = tmp_path_factory.mktemp("quickstart") / "run"
    done = subprocess.run([ATTUNE, "quickstart", f"output={output}"], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout, output, json.loads((output / "results.json").read_text())


def test_the_gain_is_beyond_doubt(outcome):
    _, _, results = outcome
    assert results["gain"] >= 5 * results["gain_stderr"] > 0
    assert results["win_rate"] > 0.55


def test_the_tax_is_small(outcome):
    _, _, results = outcome
    assert results["likelihood_change"] > -0.05


def test_it_shows_the_table_the_stories_and_what_to_do_next(outcome):
    printed, output, results = outcome
    for part in ("mean reward", "win rate", "KL to the start", "length", "distinct-2", "ordinary stories",
                 "before (reward", "after (reward", "report.html", "attune generate", "attune explain", "attune train"):
        assert part in printed, part
    page = (output / "report.html").read_text()
    assert "Mean reward" in page and "|end_story|" not in printed
    assert set(results) == {"gain", "gain_stderr", "win_rate", "likelihood_change", "kl", "before", "after", "seconds"}
    assert results["kl"] > 0
