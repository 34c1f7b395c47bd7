"""The guides of docs/ do what they say: their commands are run in order, as a reader would, and print what is shown.

```sh blocks run in one scratch folder; ```sh exit=2 says what exit code is shown. An ```output block behind one is what
it prints: … stands for any part of a line, alone on a line for any lines.
"""
import json
import os
import pathlib
import re
import shlex
import subprocess

import pytest
from runs import ATTUNE, ROOT

BUILD = pathlib.Path(os.environ.get("ATTUNE_BUILD_DIR", ROOT / "build"))
GUIDES = ["train-on-your-data", "train-better", "what-is-trained-on", "when-a-run-collapses", "resume-a-run"]


def blocks(page):
    """[(info string, text) …]"""
    return re.findall(r"^```([^\n]*)\n(.*?)^```$", (ROOT / f"docs/{page}.md").read_text(), re.M | re.S)


def shows(page, printed):
    lines = [line.rstrip() for line in page.strip("\n").split("\n")]
    pattern = "".join(r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"[ ]*\n" for line in lines)
    return re.fullmatch(pattern, printed.strip("\n") + "\n") is not None


def on_one_core():
    # Threads that share a core with other tests spend their time waiting for each other.
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


@pytest.fixture
def desk(tmp_path):
    (tmp_path / "assets").symlink_to(ROOT / "assets")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/attune").symlink_to(os.path.abspath(ATTUNE))
    return tmp_path


@pytest.mark.parametrize("guide", GUIDES)
def test_guide(guide, desk):
    environment = {**os.environ, "PATH": f"{desk / 'bin'}:{os.environ['PATH']}", "OMP_NUM_THREADS": "1"}
    printed, ran = "", 0
    for info, text in blocks(guide):
        if info.startswith("sh"):
            wanted = int(info.partition("exit=")[2] or 0)
            done = subprocess.run(["bash", "-e", "-c", text], cwd=desk, env=environment, stdout=subprocess.PIPE, text=True,
                                  stderr=subprocess.STDOUT, timeout=90, preexec_fn=on_one_core)
            printed, ran = done.stdout, ran + 1
            assert done.returncode == wanted, f"docs/{guide}.md:\n{text}\n{printed}"
        elif info == "output":
            assert shows(text, printed), f"docs/{guide}.md shows\n{text}\nand what is printed is\n{printed}"
    assert ran > 3


def test_what_is_shown_is_compared():
    assert shows("a 1\n…\nloss … done\n", "a 1  \nx\ny\nloss 0.5 done\n")
    assert shows("a\n…\n", "a\n")
    assert not shows("a 1\nloss … done\n", "a 1\nx\nloss 0.5 done\n")
    assert not shows("loss 0.5\n", "loss 0.55\n")
    assert not shows("a\n", "a\nb\n")


def methods_of_the_guide():
    """{name: source} of the files that docs/add-a-method.md shows whole"""
    sources = [text for info, text in blocks("add-a-method") if info == "cpp"]
    return {re.search(r"^std::unique_ptr<Method> method_(\w+)\(\)", source, re.M)[1]: source for source in sources}


@pytest.mark.skipif(not BUILD.joinpath("build.ninja").exists(), reason="needs the build folder: ATTUNE_BUILD_DIR")
@pytest.mark.parametrize("name", methods_of_the_guide())
def test_the_methods_of_the_guide_compile(name, tmp_path):
    (tmp_path / f"{name}.cpp").write_text(methods_of_the_guide()[name])
    commands = json.loads(subprocess.run(["ninja", "-C", BUILD, "-t", "compdb"], capture_output=True, text=True, check=True).stdout)
    command = next(item for item in commands if re.search(r"attune_algorithm\.dir/Unity/\w+\.cxx\.o$", item["output"]))
    words = shlex.split(command["command"])
    words = words[next(i for i, word in enumerate(words) if re.search(r"(g|clang)\+\+(-\d+)?$", word)):]
    words = [word for i, word in enumerate(words) if word != "-MD" and not ({word, words[i - 1]} & {"-MT", "-MF", "-o", "-c"})]
    done = subprocess.run([*words, "-fsyntax-only", tmp_path / f"{name}.cpp"], cwd=command["directory"], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, f"docs/add-a-method.md: its method does not compile\n{done.stderr}"
