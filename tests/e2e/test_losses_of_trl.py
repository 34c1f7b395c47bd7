"""What TRL's losses, defaults and switches mean here is said, with what to write instead."""
import json
import re
import subprocess

import pytest

from runs import ATTUNE, MODEL


def attune(*arguments):
    return subprocess.run([ATTUNE, "check", f"model_name_or_path={MODEL}", *map(str, arguments), "--json", "rows=0"],
                          capture_output=True, text=True, timeout=120)


def said(*arguments):
    done = attune(*arguments)
    assert done.returncode == 0, done.stderr
    return done.stderr


def refused(*arguments):
    done = attune(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stderr


ROWS = {"pairs": {"prompt": "Q?", "chosen": " yes", "rejected": " no"},
        "groups": {"prompt": "Q?", "candidates": [{"completion": f" a{j}", "reward": j} for j in range(4)]},
        "labels": {"prompt": "Q?", "completion": " yes", "label": True},
        "answers": {"prompt": "Q?", "completion": " yes"},
        "instructions": {"instruction": "Say it.", "input": "", "output": "It."},
        "texts": {"text": "Q? yes"},
        "chats": {"messages": [{"role": "user", "content": "Q?"}, {"role": "assistant", "content": "yes"}]}}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name, row in ROWS.items():
        (folder / f"{name}.jsonl").write_text(8 * (json.dumps(row) + "\n"))
    return folder


PROMPTS = [["completion_only_loss=false"], ["--no_completion_only_loss"], ["stage=sft", "train_on_prompt=true"], ["train_on_inputs=true"]]


@pytest.mark.parametrize("words", PROMPTS)
@pytest.mark.parametrize("rows", ["answers", "instructions"])
def test_prompts_are_not_trained_on(data, words, rows):
    method = [] if words[0].startswith("stage") else ["method=sft"]
    found = refused(*method, *words[:-1], words[-1], f"data={data}/{rows}.jsonl", f"output={data}/run")
    assert "one text under text, which is trained on whole" in found and found.count("\n") <= 2, found
    assert "one text under text" in refused(*method, f"data=[{data}/texts.jsonl, {data}/{rows}.jsonl]", *words)


@pytest.mark.parametrize("words", PROMPTS)
def test_what_has_no_prompt_is_trained_on_whole(data, words):
    method = [] if words[0].startswith("stage") else ["method=sft"]
    said(*method, f"data={data}/texts.jsonl", *words)
    assert "prompt is never" not in attune(*method, f"data={data}/chats.jsonl", *words).stderr


def test_prompts_that_nobody_asks_for(data):
    assert "completion_only_loss (prompts are not trained on" in said("method=sft", f"data={data}/answers.jsonl",
                                                                      "completion_only_loss=true")
    said("stage=sft", f"data={data}/answers.jsonl", "train_on_prompt=false", "finetuning_type=full")
    said("stage=dpo", f"data={data}/pairs.jsonl", "train_on_prompt=true", "finetuning_type=full")


@pytest.mark.parametrize("settings, losses, weights, more", [
    (["method=dpo", "rpo_alpha=0.5"], "sigmoid, sft", "1.0, 0.5", ""),
    (["rpo_alpha=0.5", "method=ipo"], "ipo, sft", "1.0, 0.5", "with method dpo in place of ipo"),
    (["method=dpo", "loss_type=[sigmoid, bco_pair]", "loss_weights=[0.8, 0.2]", "rpo_alpha=1.0"], "sigmoid, bco_pair, sft", "0.8, 0.2, 1.0",
     ""),
    (["pref_ftx=0.1", "stage=dpo", "finetuning_type=full"], "sigmoid, sft", "1.0, 0.1", ""),
    (["stage=dpo", "pref_loss=hinge", "pref_ftx=0.1", "finetuning_type=full"], "hinge, sft", "1.0, 0.1", "in place of pref_loss"),
])
def test_a_likelihood_beside_a_loss(data, settings, losses, weights, more):
    found = refused(f"data={data}/pairs.jsonl", "beta=0.2", *settings)
    assert f"write loss_type: [{losses}] and loss_weights: [{weights}]" in found and more in found, found
    kept = [word for word in settings if not re.match("rpo_alpha|pref_|loss_|method", word)]
    method = [] if "stage=dpo" in kept else ["method=dpo"]
    said(f"data={data}/pairs.jsonl", "beta=0.2", *kept, *method, f"loss_type=[{losses}]", f"loss_weights=[{weights}]")


def test_a_likelihood_beside_another_loss(data):
    found = refused(f"data={data}/labels.jsonl", "stage=kto", "pref_ftx=0.1", "finetuning_type=full")
    assert "one of DPO's losses, which this method is not" in found and "loss_weights" not in found
    said(f"data={data}/pairs.jsonl", "stage=dpo", "pref_ftx=0.0", "finetuning_type=full")
    assert "as its weight in loss_weights" in refused(f"data={data}/pairs.jsonl", "method=dpo", "loss_type=[sigmoid, sft]", "rpo_alpha=1")


def test_the_default_loss_of_grpo(data):
    line = "TRL's GRPOTrainer takes loss_type=dapo"
    assert line in said("method=grpo", f"data={data}/groups.jsonl", "max_completion_length=64")
    for settings in (["method=grpo", "loss_type=grpo"], ["method=dapo"], ["method=grpo", "loss_type=dapo"]):
        assert line not in said(*settings, f"data={data}/groups.jsonl", "max_completion_length=64")


def test_smoothing_that_trl_ignores(data):
    line = "label_smoothing=0.1: heeded here with loss_type=sigmoid"
    assert line in said("method=dpo", f"data={data}/pairs.jsonl", "label_smoothing=0.1")
    assert line in said("method=dpo", "loss_type=[sigmoid, robust]", f"data={data}/pairs.jsonl", "label_smoothing=0.1")
    for settings in (["method=dpo", "loss_type=robust"], ["method=dpo", "loss_type=aot"]):
        assert line not in said(*settings, f"data={data}/pairs.jsonl", "label_smoothing=0.1")
    assert line not in said("method=dpo", f"data={data}/pairs.jsonl", "label_smoothing=0.0")


@pytest.mark.parametrize("settings, tokens", [
    (["packing=true"], 8 * 1024), (["--packing", "--max_length", "512", "--per_device_train_batch_size", "2"], 1024),
    (["sample_packing=true", "sequence_len=256", "micro_batch_size=2", "gradient_accumulation_steps=3"], 1536),
    (["stage=sft", "packing=true", "finetuning_type=full"], "N"),
])
def test_an_update_of_packed_rows(data, settings, tokens):
    method = [] if "stage=sft" in settings else ["method=sft"]
    found = said(*method, f"data={data}/texts.jsonl", *settings)
    assert f"batch × max_length tokens, packed, and one here" in found and f"training.tokens_per_batch={tokens} " in found, found
    for others in (["packing=false"], ["packing=true", "training.tokens_per_batch=100"]):
        assert "max_length tokens, packed" not in said("method=sft", f"data={data}/texts.jsonl", *others)


@pytest.mark.parametrize("setting", ["steps_per_generation=4", "steps_per_generation=1", "generation_batch_size=32"])
def test_how_much_is_sampled_at_once(data, setting):
    found = said("method=dapo", f"data={data}/groups.jsonl", "per_device_train_batch_size=8", "gradient_accumulation_steps=4", setting,
                 "num_iterations=1")
    assert f"{setting.split('=')[0]} (completions come from a file" in found


def test_streaming_changes_nothing(data):
    assert "streaming (rows are tokenised once" in said("method=dpo", f"data={data}/pairs.jsonl", "--streaming")
