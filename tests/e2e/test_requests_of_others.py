"""A request with several faults is refused once, in the words that it was written in; what it asks for is what happens."""
import json
import re
import subprocess

import pytest
from runs import ATTUNE, MODEL, pairs, rows


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return pairs(tmp_path_factory.mktemp("data") / "pairs.jsonl")


def attune(*arguments):
    return subprocess.run([ATTUNE, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def refused(*arguments):
    """What train says, which is what check says."""
    found = [attune(command, *arguments) for command in ("train", "check")]
    assert [done.returncode for done in found] == [2, 2], [done.stderr for done in found]
    assert found[0].stderr == found[1].stderr
    return found[0].stderr


def asked(data, tmp_path, *settings):
    return [f"--model_name_or_path={MODEL}", f"--dataset_name={data}", f"--output_dir={tmp_path}/run", *settings]


def lines(path, *entries):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def evaluated(output):
    return [row["step"] for row in rows(output) if "eval_loss" in row]


@pytest.mark.parametrize("name", ["eval_strategy", "evaluation_strategy"])
def test_evaluations_by_epoch_beside_checkpoints_by_step(data, tmp_path, name):
    done = attune("train", "method=dpo", *asked(data, tmp_path, f"--eval_dataset={data}", f"--{name}=epoch"), "--num_train_epochs=2",
                  "--per_device_train_batch_size=8", "--save_strategy=steps", "--save_steps=4", "samples.prompts=0", "threads=1")
    assert done.returncode == 0, done.stderr
    assert evaluated(tmp_path / "run") == [0, 3, 6]
    assert {path.name for path in (tmp_path / "run/checkpoints").iterdir()} == {"step-000004", "step-000006"}


def test_a_file_of_axolotl_evaluates_by_epoch(data, tmp_path):
    config = tmp_path / "axolotl.yaml"
    config.write_text(f"base_model: {MODEL}\nrl: orpo\norpo_alpha: 0.2\ndatasets:\n  - path: {data}\ntest_datasets:\n  - path: {data}\n"
                      f"output_dir: {tmp_path}/run\nmicro_batch_size: 8\nnum_epochs: 2\nsave_steps: 100\nevals_per_epoch: 1\n")
    done = attune("train", config, "samples.prompts=0", "threads=1")
    assert done.returncode == 0, done.stderr
    assert evaluated(tmp_path / "run") == [0, 3, 6]
    recipe = (tmp_path / "run/recipe.yaml").read_text()
    assert "name: orpo" in recipe and re.search(r"beta: 0\.2\b", recipe)


def test_data_methods_and_modules_are_judged_together(data, tmp_path):
    said = refused("method=dpo", *asked(data, tmp_path, "--max_length=-5", "--truncation_mode=keep_both", "--loss_type=sigmiod",
                                        "--beta=x", "--use_peft", "--lora_target_modules", "q_prjo"))
    for part in ("data.max_length must be", "found 'keep_both'", "did you mean 'sigmoid'?", "method.beta must be a number",
                 "adapter.target_modules: q_prjo matches no layer"):
        assert said.count(part) == 1, (part, said)


def test_a_loss_of_another_name_may_have_options_of_its_own(data, tmp_path):
    said = refused("method=dpo", *asked(data, tmp_path, "--loss_type=discopopp", "--discopop_tau=0.1", "--use_weighting=maybe"))
    assert "discopopp" in said and "method.use_weighting must be true or false" in said and "discopop_tau" not in said


def test_rows_are_looked_at_beside_a_wrong_option(tmp_path):
    labels = lines(tmp_path / "labels.jsonl", *[{"prompt": "a", "completion": " b", "label": True}] * 3)
    said = refused("method=dpo", *asked(labels, tmp_path, "--beta=x"))
    assert "method.beta must be a number" in said and "no row of 3 can be used by dpo" in said
    prompts = lines(tmp_path / "prompts.jsonl", {"question_of_mine": "a"})
    said = refused("method=dpo", *asked(prompts, tmp_path, "--beta=x"))
    assert "method.beta must be a number" in said and "question_of_mine" in said


def test_a_finished_run_hides_nothing(data, tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text(json.dumps({"state": "finished"}))
    labels = lines(tmp_path / "labels.jsonl", *[{"prompt": "a", "completion": " b", "label": True}] * 3)
    for settings in (["--beta=x"], []):
        said = refused("method=dpo", *asked(labels, tmp_path, *settings))
        assert "holds a finished run" in said and "no row of 3 can be used" in said
        assert ("method.beta" in said) == bool(settings)
    said = refused("method=dpo", *asked(data, tmp_path, "--bete=1"))
    assert "holds a finished run" in said and "bete" in said


def test_names_of_lora_come_together_and_by_their_names(data, tmp_path):
    config = tmp_path / "dpo.yaml"
    config.write_text("lora_r: 16\nlora_alpha: 32\nlora_target_modules: [q_proj]\n")
    said = refused(config, "method=dpo", *asked(data, tmp_path))
    for line, name in enumerate(("lora_r", "lora_alpha", "lora_target_modules"), 1):
        assert f"{config}:{line}: {name}: of LoRA, and every weight is trained" in said
    assert "adapter." not in said.replace("adapter.type=lora", "")


def test_a_config_as_trl_writes_it_out_is_taken(data, tmp_path):
    config = tmp_path / "dpo.yaml"
    config.write_text("use_peft: false\nlora_r: 16\nlora_alpha: 32\nlora_dropout: 0.05\nlora_target_modules: null\nuse_rslora: false\n")
    done = attune("check", config, "method=dpo", *asked(data, tmp_path))
    assert done.returncode == 0, done.stderr
    assert "lora_r, lora_alpha, lora_dropout (of LoRA, and use_peft=false trains every weight)" in done.stderr


@pytest.mark.parametrize("name, part", [("load_best_model_at_end", "training.save_best needs held-out data"),
                                        ("precompute_ref_log_probs", "reference.cache has no effect")])
def test_what_has_no_effect_is_said_in_the_words_of_the_file(data, tmp_path, name, part):
    config = tmp_path / "sft.yaml"
    config.write_text(f"seed: 1\n{name}: true\n")
    assert f"{config}:2: {name}: {part}" in refused(config, "method=sft", *asked(data, tmp_path))


def test_weights_that_do_not_fit_their_losses_are_said_once(data, tmp_path):
    said = refused("method=dpo", *asked(data, tmp_path, "loss_type=[bco_pair, sft]", "loss_weights=[1]"))
    assert "loss_weights has 1 for 2 losses" in said and "must be one name" not in said


def test_an_unknown_method_is_said_once(data, tmp_path):
    config = tmp_path / "axolotl.yaml"
    config.write_text(f"base_model: {MODEL}\nrl: ppo\nrl_beta: 0.1\ndatasets: [{{path: {data}}}]\noutput_dir: {tmp_path}/run\n")
    said = refused(config)
    assert "no method 'ppo'" in said and "is missing" not in said


@pytest.mark.parametrize("key, instead", [
    ("ref_model_path=nowhere", "nowhere"), ("teacher_model_name_or_path=nowhere", "nowhere"),
    ("eval_split=test", "dataset_test_split"), ("max_target_length=8", "data.max_length bounds"),
    ("tokenizer_name=gpt2", "model folder's own"), ("tools=[a]", "in a column of that name"),
    ("max_new_tokens=8", "no sampling while training"), ("warmup=5", "training.warmup_steps"),
    ("grad_accum=2", "training.gradient_accumulation_steps"), ("loss_type=kto_pair", "kto (on pairs"),
    ("system_prompt=Think", "first message of each row"), ("alpha=1", "of alphapo")])
def test_what_is_meant_by_names_without_a_counterpart(data, tmp_path, key, instead):
    done = attune("train", "method=dpo", *asked(data, tmp_path), key)
    assert done.returncode == 2 and instead in done.stderr, done.stderr


@pytest.mark.parametrize("page", ["from-trl", "from-llama-factory", "from-axolotl"])
def test_what_is_not_there_has_its_reason(page):
    from runs import ROOT
    absent = (ROOT / f"docs/{page}.md").read_text().split("## What is not there")[1].split("\n## ")[0]
    empty = [line for line in absent.splitlines() if line.startswith("| `") and not line.split("|")[2].strip()]
    assert empty == []
