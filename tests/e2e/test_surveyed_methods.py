"""`attune list methods` accounts for every method that the surveys name: a loss of ours, a hook, a chain of commands, a
decoding technique, or absent with the reason."""
import json
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
SURVEYED = ROOT.parent / "shared/spec/methods.md"
WANTED = {*(f"T{i:02}" for i in range(1, 28)), *(f"P{i:02}" for i in range(1, 25)), *(f"L{i:02}" for i in range(1, 10)),
          *(f"R{i:02}" for i in [*range(1, 9), 11, 12, 13]), "S02", "S04", "S09", "S10", "S11", "S12", "S17", "S22", "U02", "U03"}
KINDS = {"loss", "hook", "pipeline", "decoding", "absent"}
SAMPLES = {"point": 1, "pair": 2, "list": "n"}


@pytest.fixture(scope="module")
def listed():
    done = subprocess.run([ATTUNE, "list", "methods", "--json"], capture_output=True, text=True, check=True, timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_row_has_an_entry(listed):
    if not SURVEYED.exists():
        pytest.skip(f"{SURVEYED} is not here: the list of methods to account for")
    known = set(re.findall(r"^\| ([A-Z]\d\d) · ", SURVEYED.read_text(), re.M))
    assert WANTED <= known
    entries = {row for item in listed for row in item["rows"]}
    assert not WANTED - entries, f"no entry for {sorted(WANTED - entries)}"
    assert not entries - known, f"entries for rows that are not there: {sorted(entries - known)}"


def test_entries_say_what_they_are(listed):
    names = [item["name"] for item in listed]
    assert len(set(names)) == len(names), "a method that is a loss now must leave the list of what is not"
    losses = sorted(path.stem for path in (ROOT / "src/algorithm/method").glob("*.cpp"))
    assert sorted(item["name"] for item in listed if item["kind"] == "loss") == losses
    for item in listed:
        assert item["kind"] in KINDS and item["title"] and item["summary"], item
        if item["kind"] == "loss":
            assert item["samples_for_delta"] == SAMPLES[item["family"]], item
        else:
            assert item["rows"] and item["reason" if item["kind"] == "absent" else "how"], item


@pytest.mark.parametrize("name,family", [("sft", "point"), ("kto", "point"), ("dpo", "pair"), ("bradley_terry", "pair"),
                                         ("rrhf", "list"), ("grpo", "list")])
def test_families_are_those_of_the_survey(listed, name, family):
    assert next(item for item in listed if item["name"] == name)["family"] == family


def test_how_to_have_what_is_no_loss_of_its_own_names_what_there_is(listed):
    losses = {item["name"] for item in listed if item["kind"] == "loss"}
    pairings = subprocess.run([ATTUNE, "list", "pairings", "--json"], capture_output=True, text=True, check=True).stdout
    pairings = {json.loads(line)["name"] for line in pairings.splitlines()}
    for item in listed:
        words = item.get("how", "")
        assert set(re.findall(r"method=(\w+)", words)) <= losses, item
        assert set(re.findall(r"pairing=(\w+)", words)) <= pairings, item


def test_the_table_has_families_and_what_is_missing():
    text = subprocess.run([ATTUNE, "list", "methods"], capture_output=True, text=True, check=True).stdout
    places = [text.index(title + "\n") for title in
              ("point-wise losses", "pair-wise losses", "list-wise losses", "Without a loss of their own", "Not here")]
    assert places == sorted(places) and places[0] == 0
    assert "trpo" in text[places[4]:] and "tr_dpo" in text[places[3]:places[4]]
