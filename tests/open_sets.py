#!/usr/bin/env python3
"""Shows that the open sets are open: a file added to a folder becomes an entry of the program, with no second edit.

Puts one new file of every open set, and a recipe, beside the sources of the program `attune_doubles` (tests/doubles),
builds it, and looks for them; takes the files away again, and they are gone. A new file is the smallest one of its set
under another name, so that a set that is new itself is tested as well. Only these files, their lists and the program are
compiled.

usage: open_sets.py SOURCE BUILD
"""
import fcntl
import json
import pathlib
import re
import shutil
import subprocess
import sys

NAME = "zz_probe"
PLURALS = {"family": "families", "decoding": "decoding"}


def run(*words):
    done = subprocess.run(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(map(str, words))}:\n{done.stdout[-4000:]}"
    return done.stdout


def open_sets(build):
    """[(folder, set)] of every open set"""
    return [tuple(line.split("|")[:2]) for line in (build / "open_sets.txt").read_text().splitlines() if line]


def renamed(folder, name):
    """(the name of the folder's smallest entry, its source under the name of the probe)"""
    path = min(folder.glob("*.cpp"), key=lambda file: (file.stat().st_size, file.name))
    text, factories = re.subn(rf"\b{name}_{path.stem}\(", f"{name}_{NAME}(", path.read_text())
    assert factories, f"{path} does not define {name}_{path.stem}()"
    return path.stem, text.replace(f'"{path.stem}"', f'"{NAME}"')


def listed(program, kind):
    return {row["name"]: row for row in map(json.loads, run(program, "list", kind, "--json").splitlines())}


def kinds_of(program):
    """The kinds that `attune list` knows, from its message about one that it does not."""
    said = subprocess.run([program, "list", "zz_nothing"], capture_output=True, text=True).stderr
    return set(re.findall(r"[a-z]+", said))


def has_symbol(program, symbol):
    return re.search(rf"\b{symbol}\b", run("nm", "--demangle", program)) is not None


def look(program, added, kinds):
    """Every probe is there, and is listed as what it was copied from."""
    for (folder, name), original in added.items():
        assert has_symbol(program, f"attune::{folder}::{name}_{NAME}()"[:-2]), f"{folder}/{name} is not linked"
        kind = PLURALS.get(name, name + "s")
        if kind not in kinds:
            continue
        rows = listed(program, kind)
        assert NAME in rows, f"{NAME} is not among {kind}: {sorted(rows)}"
        # An option that has the name of the entry was renamed with it.
        copied = json.dumps(rows[original].get("options")).replace(f'"{original}"', f'"{NAME}"')
        assert rows[NAME].get("options") == json.loads(copied), rows[NAME]
    assert listed(program, "recipes")[NAME]["summary"] == "A probe."


def main():
    source, build = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    probe, program = build / "probe", build / "tests/doubles/attune_doubles"
    with open(build / "probe.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one test of a build at a time
        shutil.rmtree(probe, ignore_errors=True)
        added = {}
        try:
            for folder, name in open_sets(build):
                added[folder, name], text = renamed(source / "src" / folder / name, name)
                place = probe / folder / name
                place.mkdir(parents=True)
                (place / f"{NAME}.cpp").write_text(text)
            (probe / "recipes").mkdir()
            (probe / "recipes" / f"{NAME}.yaml").write_text("# A probe.\nmethod: dpo\n")
            run("ninja", "-C", build, "attune_doubles")
            kinds = kinds_of(program)
            assert {"methods", "rules", "formats", "families", "recipes"} <= kinds, kinds
            look(program, added, kinds)
        finally:
            shutil.rmtree(probe, ignore_errors=True)
            run("ninja", "-C", build, "attune_doubles")
        assert not has_symbol(program, rf"\w+_{NAME}"), "an entry without a file"
        assert NAME not in listed(program, "recipes")
    print(f"one file is one entry: {', '.join('/'.join(key) for key in added)}, recipes")


if __name__ == "__main__":
    main()
