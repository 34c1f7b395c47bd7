"""Small inputs made after bug reports on other programs, each with its right result: check.sh of the folder says whether
it holds."""
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = ROOT.parent / "shared/cases"
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize("case", sorted(path.parent.name for path in CASES.glob("*/check.sh")))
def test_case(case):
    done = subprocess.run(["bash", str(CASES / case / "check.sh")], capture_output=True, text=True, errors="replace",
                          timeout=120, env={**os.environ, "ATTUNE_BIN": ATTUNE, "OMP_NUM_THREADS": "1"})
    readme = (CASES / case / "README.md").read_text()
    assert done.returncode == 0, f"{readme}\n{done.stdout}\n{done.stderr}"
