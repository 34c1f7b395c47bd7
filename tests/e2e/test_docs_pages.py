"""The pages of docs/ and the README agree with the program, the folders, and each other."""
import importlib.machinery
import importlib.util
import pathlib
import re
import shlex
import subprocess
import sys

import pytest
from runs import ATTUNE, ROOT

PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


def script(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), str(ROOT / "scripts" / name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


def test_written_pages_are_what_the_program_says():
    done = subprocess.run([sys.executable, ROOT / "scripts/write-docs", "--check", ATTUNE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_options_that_nobody_described_are_seen(tmp_path):
    """The check fails on a page that says something else."""
    write_docs = script("write-docs")
    (tmp_path / "docs/commands").mkdir(parents=True)
    write_docs.ROOT = tmp_path
    with pytest.raises(SystemExit, match="docs/commands/train.md.*run scripts/write-docs"):
        write_docs.main(["--check", ATTUNE])


def anchors(page):
    """The anchors that GitHub gives a page's headings."""
    heads = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    page = ROOT / name
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", page.read_text(), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name}: {link}"
        assert not anchor or anchor in anchors(target), f"{name}: {link}"


def test_every_page_is_in_the_table_of_contents():
    text = (ROOT / "docs/README.md").read_text() + (ROOT / "docs/commands/README.md").read_text()
    for page in PAGES:
        assert page.name == "README.md" or f"({page.name})" in text, f"docs/README.md does not name {page.name}"
    assert "](docs/README.md)" in (ROOT / "README.md").read_text()


def command_lines(text):
    """Lines of code blocks, and code in the text, that begin with attune and are meant to be typed."""
    found = []
    for info, block in re.findall(r"^```([^\n]*)\n(.*?)^```$", text, re.M | re.S):
        if info and not info.startswith("sh"):
            continue
        # What a heredoc holds is a file.
        block = re.sub(r"<<'(\w+)'.*?^\1$", "", block.replace("\\\n", " "), flags=re.M | re.S)
        found += re.findall(r"^(?:build/)?(attune [^\n]*)", block, re.M)
    found += re.findall(r"`(attune [^`\n]*)`", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S))
    found = [re.sub(r"\s+(#|\d?>|&|\|\| true).*$|[ ]*&$", "", line).strip() for line in found]
    return [line for line in found if not re.search(r"[…\[]|COMMAND|KIND", re.sub(r"=\S*|'[^']*'", "", line))]


MISSING = re.compile(r"no such|No such|no data is given|data is missing|model is missing|needs model=|needs either prompt=|which method\?")


@pytest.mark.parametrize("name", NAMES)
def test_command_lines_are_understood(name, tmp_path):
    """Every command is run in an empty folder. Words, keys, methods and values are checked before files are opened, so
    all that may be complained of is a file that is not there, or a setting that running text leaves out."""
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    for line in command_lines((ROOT / name).read_text()):
        words = shlex.split(line.replace("=…", "=x"))[1:]
        if len(words) == 1:  # the text speaks of the command
            assert (ROOT / f"docs/commands/{words[0]}.md").exists(), f"{name}: {line}"
            continue
        if words[:1] == ["quickstart"]:  # it needs no files and would run
            continue
        if words[0] == "selftest" and "=" in words[1]:  # would run all checks, as their own tests do
            words.insert(1, "golden_losses")
        if name == "docs/add-a-method.md":  # the method that the page adds
            words = [re.sub(r"\bdpo_shift\b", "ipo", word) for word in words if not word.startswith("method.shift")]
        recipe = next((word for word in words if word.endswith(".yaml")), None)
        if recipe and not (tmp_path / recipe).exists():
            words.remove(recipe)  # one that the page writes
        done = subprocess.run([ATTUNE, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        understood = done.returncode == 0 or done.returncode == 2 and MISSING.search(done.stderr)
        assert understood, f"{name}: {line}\n{done.stderr}"


def test_command_lines_are_found():
    text = "`attune a b=1` `attune x …`\n```sh\nattune c d=1  # why\ncat >f <<'END'\nattune no\nEND\nattune e \\\n  f=1 2>x\n```\n"
    assert command_lines(text) == ["attune c d=1", "attune e    f=1", "attune a b=1"]


def test_files_named_in_the_architecture_page_exist():
    text = (ROOT / "docs/architecture.md").read_text()
    for path in re.findall(r"`((?:src|tests|scripts|assets|docs)/[\w/.-]*)", text):
        assert (ROOT / path).exists() or "NAME" in path and (ROOT / path).parent.is_dir(), path


def include_table():
    """{folder: what it may include} as docs/architecture.md has it; None where it is said in words."""
    text = (ROOT / "docs/architecture.md").read_text().split("| may include |\n")[1].split("\n\n")[0]
    table = {}
    for row in text.splitlines()[1:]:
        folders, _, allowed = row.strip("| ").split(" | ")
        names = re.findall(r"`(\w+)`", allowed)
        said = names if ", ".join(f"`{name}`" for name in names) == allowed else [] if allowed == "nothing of ours" else None
        table.update({folder: said for folder in re.findall(r"`(\w+)`", folders)})
    return table


def test_the_include_table_is_the_one_that_is_checked():
    table, checked = include_table(), script("check-includes").ALLOWED
    assert set(table) == set(checked)
    spelled_out = {folder: allowed for folder, allowed in table.items() if allowed is not None}
    assert len(spelled_out) > 10
    for folder, allowed in spelled_out.items():
        assert set(allowed) == set(checked[folder]), folder


def test_the_picture_of_the_folders_has_them_all():
    picture = (ROOT / "docs/images/folders.svg").read_text()
    drawn = set(re.findall(r'class="name"[^>]*>(\w+)<', picture))
    assert drawn == {folder.name for folder in (ROOT / "src").iterdir() if folder.is_dir()}


def lists_that_grow():
    """{"algorithm/method", …}"""
    sets = re.findall(r"attune_open_set\(\w+ (\w+) (\w+)", (ROOT / "cmake/Folders.cmake").read_text())
    return {f"{folder}/{name}" for folder, name in sets}


def test_lists_that_grow_are_those_of_the_build():
    built = {tuple(name.split("/")) for name in lists_that_grow()}
    text = (ROOT / "docs/architecture.md").read_text().split("**Lists that grow.**")[1].split("**Parts.**")[0]
    assert set(re.findall(r"^\| `(\w+)/(\w+)` \|", text, re.M)) == built


def sub_folders():
    return [path for path in sorted((ROOT / "src").rglob("*")) if path.is_dir()]


def test_the_parts_of_folders_are_those_that_there_are():
    text = (ROOT / "docs/architecture.md").read_text().split("**Parts.**")[1].split("**Options**")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", text, re.M)
    told = {folder: sorted(re.findall(r"`(\w+)`", parts)) for folder, parts in rows}
    there = {}
    for path in sub_folders():
        folder, *parts = path.relative_to(ROOT / "src").parts
        if parts and "/".join((folder, *parts)) not in lists_that_grow():
            there.setdefault(folder, []).append(parts[-1])
    assert told == {folder: sorted(parts) for folder, parts in there.items()}


def test_a_folder_of_many_files_has_parts():
    for path in sub_folders():
        name = str(path.relative_to(ROOT / "src"))
        files, folders = ([p for p in path.iterdir() if kind(p)] for kind in (pathlib.Path.is_file, pathlib.Path.is_dir))
        assert files or folders, f"src/{name} is empty"
        assert len(files) <= 25 or folders or name in lists_that_grow(), f"src/{name}: {len(files)} files, no sub-folder"
