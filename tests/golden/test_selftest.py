"""`attune selftest`: what it compares with is what the oracles say today, it passes here, and it fails when a number is off."""
import json
import os
import pathlib
import shutil
import signal
import subprocess

import pytest

pytest.importorskip("trl", reason="TRL is the oracle of these tests: install tests/golden/requirements.txt")
import selftest_oracle  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
CHECKS = {"golden_losses", "golden_model", "packing", "resume", "threads", "speed"}


def selftest(folder, *names, **environment):
    (folder / "tmp").mkdir(exist_ok=True)
    done = subprocess.run([ATTUNE, "selftest", *names, "--json"], capture_output=True, text=True, timeout=300,
                          env={**os.environ, "TMPDIR": str(folder / "tmp"), **environment})
    assert not list((folder / "tmp").iterdir())
    return done, {check["check"]: check for check in map(json.loads, done.stdout.splitlines())}


def same(ours, theirs, where=""):
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), where
        for key in theirs:
            same(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs), where
        for i, (mine, other) in enumerate(zip(ours, theirs)):
            same(mine, other, f"{where}[{i}]")
    elif isinstance(theirs, float):
        assert ours == pytest.approx(theirs, rel=1e-10, abs=1e-12), where
    else:
        assert ours == theirs, where


def test_the_numbers_are_the_oracles():
    for name, content in selftest_oracle.files().items():
        same(json.loads((ROOT / "assets/selftest" / name).read_text()), json.loads(json.dumps(content)), name)


def test_it_passes(tmp_path):
    done, checks = selftest(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert checks.keys() == CHECKS and all(check["passed"] for check in checks.values())
    assert checks["golden_losses"]["numbers"]["difference"] < 1e-12
    speed = checks["speed"]["numbers"]
    assert speed["training_tokens_per_second"] > 0 and speed["sampling_share"] > 0 and speed["matmul_gflops"] > 1
    assert sum(check["seconds"] for check in checks.values()) < 240


def spoil(path):
    content = json.loads(path.read_text())
    if path.name == "methods.json":
        content["cases"][5]["coefficients"][0][0] += 1e-7
    else:
        content["texts"][1]["logps"][3] += 1e-3
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("file, check", [("methods.json", "golden_losses"), ("log_probabilities.json", "golden_model")])
def test_a_number_that_is_off_fails(tmp_path, file, check):
    shutil.copytree(ROOT / "assets", tmp_path / "assets")
    spoil(tmp_path / "assets/selftest" / file)
    done, checks = selftest(tmp_path, "golden_losses", "golden_model", ATTUNE_ASSETS=str(tmp_path / "assets"))
    assert done.returncode == 1 and len(checks) == 2
    assert {name for name, found in checks.items() if not found["passed"]} == {check}


def test_a_damaged_file_fails_and_the_rest_goes_on(tmp_path):
    shutil.copytree(ROOT / "assets", tmp_path / "assets")
    (tmp_path / "assets/selftest/methods.json").write_text('{"oracle": "x", "cases": [{"method": "dpo"}]}')
    done, checks = selftest(tmp_path, "golden_losses", "golden_model", ATTUNE_ASSETS=str(tmp_path / "assets"))
    assert done.returncode == 1 and checks["golden_model"]["passed"]
    assert not checks["golden_losses"]["passed"] and "damaged" in checks["golden_losses"]["says"]


def test_an_unknown_check_is_refused(tmp_path):
    done, checks = selftest(tmp_path, "golden_loss")
    assert done.returncode == 2 and not checks and "golden_losses" in done.stderr


def test_an_interrupt_leaves_nothing(tmp_path):
    with subprocess.Popen([ATTUNE, "selftest", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, env={**os.environ, "TMPDIR": str(tmp_path)}) as process:
        process.stdout.readline()  # the first check is done, the longest are to come
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, process.stderr.read()
    assert not list(tmp_path.iterdir())


def test_two_at_once_and_no_place_to_write(tmp_path):
    command = [ATTUNE, "selftest", "resume", "--json"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)]
    assert [process.wait(120) for process in both] == [0, 0]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TMPDIR": str(tmp_path / "absent")})
    assert done.returncode == 2 and "TMPDIR" in done.stderr
