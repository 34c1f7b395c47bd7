"""attune completion: what the shells complete. bash is asked; zsh and fish check the syntax where they are installed."""
import os
import shutil
import subprocess

import pytest

from runs import ATTUNE, ROOT


def script(shell):
    done = subprocess.run([ATTUNE, "completion", shell], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def completed(line, folder=ROOT):
    """What bash offers at the end of the line, which it takes apart at = and spaces."""
    words = line.replace("=", " = ").split(" ")
    if line.endswith("="):
        words = words[:-1] + [""] if words[-1] == "" else words
    quoted = " ".join("'" + word + "'" for word in words if word or word is words[-1])
    asked = (f"source <({ATTUNE} completion bash); COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; COMP_WORDS=({quoted});"
             "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _attune; printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_bash_completes_commands_settings_values_and_files(tmp_path):
    assert completed("attune tr") == ["train"]
    assert {"train", "generate", "completion"} <= set(completed("attune "))
    assert completed("attune train training.epo") == ["training.epochs="]
    assert {"method=", "model=", "--json"} <= set(completed("attune train "))
    assert completed("attune train method=kt") == ["kto"]
    assert "cosine" in completed("attune train training.schedule=")
    assert completed("attune train resume=e") == ["extend"]
    assert completed("attune train reference.cache=t") == ["true"]
    assert completed("attune list meth") == ["methods"]
    assert completed("attune explain ip") == ["ipo"]
    (tmp_path / "prefs.jsonl").write_text("")
    (tmp_path / "dpo.yaml").write_text("")
    assert completed("attune train data=pre", tmp_path) == ["prefs.jsonl"]
    assert completed("attune train dp", tmp_path) == ["dpo.yaml"]
    assert completed("attune nonsense x") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_is_one(shell, tmp_path):
    text = script(shell)
    for word in ("train", "training.learning_rate=", "dpo"):
        assert word in text
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    path = tmp_path / "script"
    path.write_text(text)
    checked = subprocess.run([shell, "-n", path], capture_output=True, text=True, env={**os.environ, "HOME": str(tmp_path)})
    assert checked.returncode == 0, checked.stderr


def test_other_shells_are_refused():
    done = subprocess.run([ATTUNE, "completion", "fissh"], capture_output=True, text=True)
    assert done.returncode == 2 and "did you mean 'fish'?" in done.stderr
