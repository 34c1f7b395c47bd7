"""The pages for people who come from elsewhere name settings that exist, there and here."""
import dataclasses
import fnmatch
import json
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
PAGES = ["from-trl", "from-llama-factory", "from-axolotl"]


def listed(kind):
    out = subprocess.run([ATTUNE, "list", kind, "--json"], capture_output=True, text=True, check=True).stdout
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture(scope="module")
def settings():
    train = next(item for item in listed("commands") if item["name"] == "train")
    names = {option["name"] for option in train["options"]}
    names |= {name.rsplit(".", 1)[0] for name in names if "." in name}  # a section's short form
    return names | {f"method.{option['name']}" for method in listed("methods") for option in method["options"]}


def tables(page):
    """[[cell, …] …] of every table row, without heads."""
    lines = (ROOT / f"docs/{page}.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for i, line in enumerate(lines)
            if line.startswith("|") and not line.startswith("|---") and not (i + 1 < len(lines) and lines[i + 1].startswith("|---"))]


def code(cell):
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize("page", PAGES)
def test_settings_of_ours_exist(page, settings):
    methods = {item["name"] for item in listed("methods")}
    schedules = {item["name"] for item in listed("schedules")}
    rows = tables(page)
    assert len(rows) > 20
    for row in rows:
        for cell in row[1:]:
            for word in code(cell):
                key, _, value = word.partition("=")
                if key == "method" and value:
                    assert value.startswith("[") or value in methods, row
                elif key == "training.schedule" and value:
                    assert value in schedules, row
                elif "." in key and not key.startswith("attune") or cell is row[1] and len(row) == 3:
                    assert key in settings, row


def test_settings_of_trl_exist():
    import peft
    import trl
    configs = [trl.SFTConfig, trl.DPOConfig, trl.KTOConfig, trl.GRPOConfig, trl.RewardConfig, trl.ModelConfig, peft.LoraConfig]
    known = {field.name for config in configs for field in dataclasses.fields(config)}
    known |= {"model", "ref_model", "eval_dataset"}  # arguments of the trainers
    known |= {name for name in dir(trl) if name.endswith("Trainer")}
    # names of earlier versions, which scripts still carry
    known |= {"overwrite_output_dir", "max_prompt_length", "truncation_mode"}
    for row in tables("from-trl"):
        for word in code(row[0]):
            assert word in known, word


def own_fields(config):
    """What a config of TRL defines itself, apart from what it inherits from transformers."""
    return {field.name for field in dataclasses.fields(config) if field.name in config.__annotations__}


def test_every_setting_of_trl_has_its_place():
    """In the table, or among what is not there: once, and nothing that TRL does not have."""
    import trl
    configs = [trl.SFTConfig, trl.DPOConfig, trl.KTOConfig, trl.RewardConfig, trl.GRPOConfig]
    wanted = set().union(*map(own_fields, configs))
    assert len(wanted) > 80
    in_table = {word for row in tables("from-trl") for word in code(row[0])}
    section = (ROOT / "docs/from-trl.md").read_text().split("## What is not there\n")[1].split("\n## ")[0]
    absent = {name for word in code(section) for name in fnmatch.filter(wanted, word)}
    assert wanted - in_table - absent == set(), "docs/from-trl.md does not name these"
    assert in_table & absent == set(), "docs/from-trl.md names these twice"
    for word in code(section):
        if "*" in word:
            assert fnmatch.filter(wanted, word), f"{word} stands for nothing"
