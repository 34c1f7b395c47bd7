"""Settings that messages, help texts, pages and the report name are settings that there are."""
import json
import re
import subprocess

import pytest
from runs import ATTUNE, ROOT

# Where a setting stands in a text: `training.epochs`, not part of a path, a longer word or a call.
NAME = r"(?<![\w./>:\"'-])({sections})\.([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)(?![\w(*/])"
# Files and parts of a model that look the same.
ENDINGS = {"jsonl", "json", "csv", "tsv", "txt", "yaml", "md", "py", "cpp", "h", "html", "bin", "safetensors", "gz", "zst",
           "parquet", "pt", "jinja"}
PARTS_OF_MODELS = {"model.layers", "model.norm", "model.embed_tokens"}


def listed(kind):
    out = subprocess.run([ATTUNE, "list", kind, "--json"], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def known():
    """Every name that a recipe or the command line may hold."""
    names = set()
    for command in listed("commands"):
        for option in command["options"]:
            names |= {option["name"], *option.get("aliases", [])}
            section = option["name"].rpartition(".")[0]
            names |= {f"{section}.{alias}" for alias in option.get("aliases", []) if section}
    names |= {"eval." + name for name in names if name.startswith("data.")}  # eval.data.path …
    names |= {"method.loss_type", "method.loss_weights", "data.columns.prompt", "data.columns.text"}  # read with the method; columns of the data
    for section, kind in {"method": "methods", "rule": "rules", "pairing": "pairings", "hooks": "hooks"}.items():
        for entry in listed(kind):
            for option in entry["options"]:
                names |= {f"{section}.{name}" for name in [option["name"], *option.get("aliases", [])]}
        names |= {f"{section}.{name}" for name in ("name", "weight", "data")}
    return names


def unknown_in(text, known):
    """Names in a section, one that there is or one that the design speaks of, that nobody knows."""
    sections = {name.split(".")[0] for name in known if "." in name} | {"rollout", "judge", "label", "resume", "sampling"}
    found = []
    for match in re.finditer(NAME.format(sections="|".join(sorted(sections))), text):
        section, rest = match.group(1), match.group(2)
        words = rest.split(".")
        name = f"{section}.{rest}"
        if words[-1] in ENDINGS or f"{section}.{words[0]}" in PARTS_OF_MODELS or name in known:
            continue
        found.append(name)
    return found


def strings_of(source):
    """What a source file may print: its string literals, those beside each other as one."""
    token = r'R"(\w*)\((.*?)\)\1"|"((?:\\.|[^"\\\n])*)"|//[^\n]*|/\*.*?\*/'
    text = re.sub(r'#include[^\n]*|"\s*\n\s*"', "", source)
    return [match[2] or match[3] for match in re.finditer(token, text, re.S) if match[2] or match[3]]


def test_the_scan_finds_names():
    known = {"training.epochs", "data.path"}
    text = "training.epochs or training.epoch, see data.jsonl, model.layers.0, x.data.rows() and (data.paths), rollout.n."
    assert unknown_in(text, known) == ["training.epoch", "data.paths", "rollout.n"]
    assert strings_of('f("a "\n  "b", R"(c\nd)") // "e"') == ["a b", "c\nd"]


def test_messages_name_settings_that_exist(known):
    wrong = []
    for path in sorted((ROOT / "src").rglob("*.[ch]*")):
        for text in strings_of(path.read_text()):
            wrong += [f"{path.relative_to(ROOT)}: {name}" for name in unknown_in(text, known)]
    assert wrong == []


def test_pages_name_settings_that_exist(known):
    wrong = []
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "assets/report").iterdir(),
             *(ROOT / "recipes").rglob("*.yaml")]
    for path in sorted(pages):
        text = path.read_text()
        if path.suffix == ".js":
            text = "\n".join(strings_of(text))
        wrong += [f"{path.relative_to(ROOT)}: {name}" for name in unknown_in(text, known)]
    wrong = [name for name in wrong if name != "docs/add-a-method.md: method.shift"]  # of the method that the page adds
    assert wrong == [], wrong


def test_help_texts_name_settings_that_exist(known):
    wrong = []
    for command in listed("commands"):
        text = subprocess.run([ATTUNE, command["name"], "--help"], capture_output=True, text=True).stdout
        wrong += [f"{command['name']} --help: {name}" for name in unknown_in(text, known)]
    assert wrong == []
