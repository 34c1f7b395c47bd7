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
    methods = {item["name"] for item in listed("methods") if item["kind"] == "loss"}
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


OLDER = {"overwrite_output_dir", "max_prompt_length", "max_seq_length", "truncation_mode", "torch_dtype", "warmup_ratio",
         "logging_dir", "save_safetensors", "no_cuda", "group_by_length", "include_tokens_per_second"}
# Names of scripts written for earlier versions of TRL and of the alignment handbook, and of accelerate's file.
OLDER |= {"chat_template", "dataset_batch_size", "dataset_mixer", "dataset_mixture", "datasets", "evaluation_strategy", "force_use_ref_model",
          "label_pad_token_id", "model_adapter_name", "ref_adapter_name", "ref_model_name_or_path", "rpo_alpha", "test_split_size",
          "use_logits_to_keep"}
# Of the scripts of SimPO and open-r1.
OLDER |= {"dataset_prompt_column", "dataset_splits", "gamma_beta_ratio", "trainer_type", "system_prompt", "benchmarks", "callbacks",
          "push_to_hub_revision", "overwrite_hub_revision"}
# Of trainers that TRL had or has beside these: PPO, online DPO, GKD, BCO, process rewards; and of its scripts' files.
OLDER |= {"ref_model_path", "ref_model_init_kwargs", "teacher_model_name_or_path", "train_file", "kl_coef", "num_labels", "step_separator",
          "train_on_last_step_only", "env", "max_new_tokens", "response_length", "tools", "tokenizer_name", "tokenizer_name_or_path",
          "processing_class", "eval_split", "max_target_length", "min_density_ratio", "max_density_ratio", "prompt_sample_size"}
ACCELERATE = {"accelerate_config", "compute_environment", "deepspeed_config", "distributed_type", "downcast_bf16", "dynamo_config",
              "fsdp_version", "gpu_ids", "machine_rank", "main_process_ip", "main_process_port", "main_training_function", "mixed_precision",
              "num_machines", "num_processes", "rdzv_backend", "same_network", "tpu_env", "tpu_use_cluster", "tpu_use_sudo"}
ARGUMENTS = {"model", "ref_model", "train_dataset", "eval_dataset", "peft_config", "reward_funcs"}  # of the trainers


def theirs():
    """Every argument of what a script of TRL is made of."""
    import peft
    import trl
    from trl.experimental import a2po, cpo, orpo
    configs = [a2po.A2POConfig, cpo.CPOConfig, orpo.ORPOConfig, trl.RLOOConfig, trl.SFTConfig, trl.DPOConfig, trl.KTOConfig,
               trl.GRPOConfig, trl.RewardConfig, trl.ModelConfig, trl.ScriptArguments, peft.LoraConfig]
    return {field.name for config in configs for field in dataclasses.fields(config)}


def names_of(page):
    """The names of others that a page has rows for, as often as it has them."""
    heads = {"trainer", "`stage`", "`rl`"}
    lines = (ROOT / f"docs/{page}.md").read_text().splitlines()
    found, head = [], ""
    for i, line in enumerate(lines):
        if i + 1 < len(lines) and lines[i + 1].startswith("|---"):
            head = line.split("|")[1].strip()
        elif line.startswith("| ") and head not in heads:
            found += code(line.split("|")[1])
    return found


def test_every_setting_of_trl_has_its_place():
    """One row each, and nothing that TRL, transformers and PEFT do not have."""
    import trl
    from trl.experimental import a2po, cpo, orpo
    wanted, rows = theirs(), names_of("from-trl")
    assert len(wanted) > 250 and len(rows) == len(set(rows))
    stars = [name for name in rows if "*" in name]
    assert all(fnmatch.filter(wanted, star) for star in stars)
    covered = set(rows) | {name for star in stars for name in fnmatch.filter(wanted, star)}
    assert wanted - covered == set(), "docs/from-trl.md does not name these"
    assert set(rows) - wanted - OLDER - ACCELERATE - ARGUMENTS - set(stars) == set(), "TRL does not have these"
    for row in tables("from-trl"):
        for word in code(row[0]):
            assert not word.endswith("Trainer") or any(hasattr(place, word) for place in (trl, a2po, cpo, orpo)), word
