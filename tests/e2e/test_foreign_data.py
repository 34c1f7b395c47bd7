"""What other programs say of data and of special tokens: read as there, or refused with what to do."""
import json
import shutil
import subprocess

import pytest

from runs import ATTUNE, MODEL


def attune(*arguments):
    return subprocess.run([ATTUNE, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    pair = [{"prompt": f"Q{i}?", "chosen": " yes", "rejected": " no"} for i in range(25)]
    write(folder / "pairs.jsonl", pair)
    write(folder / "texts.jsonl", [{"text": f"Once {i}"} for i in range(25)])
    write(folder / "answers.jsonl", [{"prompt": f"Q{i}?", "completion": " yes"} for i in range(25)])
    talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yo"}]
    write(folder / "talk.jsonl", [{"messages": talk}] * 25)
    write(folder / "dialog.jsonl", [{"dialog": talk}] * 25)
    write(folder / "both.jsonl", [{"text": "Once", "prompt": "a", "chosen": "b", "rejected": "c"}] * 25)
    (folder / "dotted").mkdir()
    write(folder / "dotted/train.clean.jsonl", pair[:7])
    write(folder / "dotted/train.other.jsonl", pair[:9])
    write(folder / "dotted/test.jsonl", pair[:3])
    return folder


def checked(*settings, model=f"model_name_or_path={MODEL}"):
    done = attune("check", model, *settings, "--json", "rows=0")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def refused(*settings, model=f"model_name_or_path={MODEL}"):
    done = attune("check", model, *settings)
    assert done.returncode == 2, done.stdout + done.stderr
    return done.stderr


@pytest.mark.parametrize("split, rows", [("train[:50%]", 12), ("train[-10%:]", 2), ("train[3:-20]", 2), ("train", 25),
                                         ("train[:-5]", 20)])
def test_parts_of_a_file(data, split, rows):
    assert checked("method=dpo", f"dataset_name={data}/pairs.jsonl", f"dataset_train_split={split}")[0]["rows_read"] == rows
    assert checked("method=dpo", f"data=[{{path: {data}/pairs.jsonl, split: '{split}'}}]")[0]["rows_read"] == rows


def test_what_is_left_of_a_split_is_held_out(data):
    found, said = checked("method=dpo", f"dataset_name={data}/pairs.jsonl", "dataset_train_split=train[:90%]",
                          "dataset_test_split=train[90%:]", "eval_strategy=epoch")
    assert (found["rows_read"], [part["rows_read"] for part in found["others"]]) == (22, [3])
    assert not any("trained on, too" in text for text in found["others"][0]["warnings"]), found["others"]
    found, _ = checked("method=dpo", f"data.path={data}/pairs.jsonl", "data.split=train[:90%]",
                       f"eval.data={{path: {data}/pairs.jsonl, split: 'train[80%:]'}}")
    assert any("trained on, too" in text for text in found["others"][0]["warnings"])


def test_splits_that_are_none(data):
    assert "no rows and no percent" in refused("method=dpo", f"data.path={data}/pairs.jsonl", "data.split=train[:x]").replace(
        "number of rows", "rows")
    assert "parts that are added are entries of their own" in refused("method=dpo", f"data.path={data}/pairs.jsonl",
                                                                      "data.split=train[:5]+train[9:]")
    assert "is one file, which has no split of that name" in refused("method=dpo", f"data.path={data}/pairs.jsonl",
                                                                     "data.split=validation")


def test_a_name_with_a_dot(data):
    for split, rows in (("train.clean", 7), ("train.other", 9), ("train", 16), ("test", 3), ("train.clean[:3]", 3)):
        found, _ = checked("method=dpo", f"dataset_name={data}/dotted", f"dataset_train_split={split}")
        assert found["rows_read"] == rows, split


def test_entries_of_others(data):
    entry = f"{{path: {data}/pairs.jsonl, name: default, split: train, columns: [prompt, chosen, rejected]}}"
    found, said = checked("method=dpo", f"datasets=[{entry}]")
    assert found["format"] == "preference" and "without effect here: columns" in said
    found, _ = checked("method=sft", f"datasets=[{{path: {data}/both.jsonl, columns: [text]}}]")
    assert found["format"] == "language_modelling"
    said = refused("method=sft", f"datasets=[{{path: {data}/both.jsonl, columns: [text]}}, {{path: {data}/texts.jsonl}}]")
    assert "data.format=language_modelling" in said
    assert "a folder has no configurations" in refused("method=dpo", f"datasets=[{{path: {data}/pairs.jsonl, name: other}}]")
    found, _ = checked("method=dpo", f"datasets=[{{path: json, data_files: [{data}/pairs.jsonl]}}]")
    assert found["rows_read"] == 25
    talker = shutil.copytree(MODEL, data / "talker")
    (talker / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    found, _ = checked(f"datasets=[{{path: {data}/dialog.jsonl, type: chat_template, field_messages: dialog}}]",
                       "data.assistant_only=false", model=f"base_model={talker}")
    assert found["rows_read"] == found["rows_kept"] == 25
    said = refused(f"datasets=[{{path: {data}/texts.jsonl, type: {{field_instruction: a, format: '[INST]'}}}}]",
                   model=f"base_model={MODEL}")
    assert "no prompts are put together here" in said


@pytest.mark.parametrize("settings, steps", [
    (["evals_per_epoch=4", "saves_per_epoch=2", "val_set_size=5"], {"save_steps": 5, "eval_steps": 3}),  # 20 rows, 10 updates
    (["evals_per_epoch=1", "saves_per_epoch=1", "val_set_size=5"], {}),
    (["evals_per_epoch=1", "saves_per_epoch=2", "val_set_size=5"], {"save_steps": 5}),
    (["saves_per_epoch=2"], {"save_steps": 7}),                                                          # 25 rows, 13 updates
])
def test_times_an_epoch(data, settings, steps):
    _, said = checked("rl=dpo", f"datasets=[{{path: {data}/pairs.jsonl}}]", "micro_batch_size=2", *settings,
                      model=f"base_model={MODEL}")
    for name in "save_steps", "eval_steps":
        assert (f"training.{name}={steps[name]}," in said) if name in steps else (name not in said), said


def test_evaluations_without_data_and_histories(data):
    _, said = checked("rl=dpo", f"data={data}/pairs.jsonl", "evals_per_epoch=4", model=f"base_model={MODEL}")
    assert "evals_per_epoch (without held-out data nothing is evaluated)" in said
    said = refused("stage=sft", f"data={data}/talk.jsonl", "mask_history=true")
    assert "as prompt (the messages before it) and completion (the last message)" in said
    assert "a number above 0" in refused("rl=dpo", f"data={data}/pairs.jsonl", "saves_per_epoch=often")


def test_special_tokens_of_the_model(data):
    about = ["method=dpo", f"data={data}/pairs.jsonl"]
    _, said = checked(*about, "eos_token=<|end_story|>", "pad_token=<unk>")
    assert "eos_token (the model folder's own)" in said and "pad_token (nothing is ever padded" in said
    _, said = checked(*about, "special_tokens={bos_token: <|start_story|>, eos_token: <|end_story|>, pad_token: <x>}")
    assert "special_tokens (the model folder's own)" in said
    said = refused(*about, "eos_token=<|im_end|>")
    assert "the eos_token of the model folder is '<|end_story|>', not '<|im_end|>'" in said and "tokenizer_config.json" in said
    said = refused(*about, "special_tokens={bos_token: <s>}")
    assert "the bos_token of the model folder is '<|start_story|>', not '<s>'" in said
    assert "has no token '<|tool|>'" in refused(*about, "tokens=[<|tool|>]")


def test_nobody_speaks(data):
    said = refused("method=sft", f"data={data}/texts.jsonl", "assistant_only_loss=true")
    assert "the rows are no conversations" in said and said.count("assistant_only_loss:") == 1
    found, _ = checked("method=sft", f"data={data}/answers.jsonl", "data.assistant_only=true")
    assert any("data.assistant_only changes nothing" in text for text in found["warnings"])
    found, said = checked("stage=sft", f"data={data}/answers.jsonl")
    assert not any("assistant_only" in text for text in found["warnings"]), "what nobody asked for"
    assert "the rows have no prompt, and are trained on whole" in checked("method=sft", f"data={data}/texts.jsonl",
                                                                         "completion_only_loss=true")[1]
    assert "have no prompt" not in checked("method=sft", f"data={data}/answers.jsonl", "completion_only_loss=true")[1]


@pytest.mark.parametrize("name", ["bf16", "fp16", "dtype", "torch_dtype"])
def test_auto_is_said(data, name):
    _, said = checked("method=dpo", f"data={data}/pairs.jsonl", f"{name}=auto")
    assert f"{name}=auto: arithmetic is float32 here; training.dtype=bfloat16" in said
    _, said = checked("method=dpo", f"data={data}/pairs.jsonl", f"{name}=auto", "training.dtype=bfloat16")
    assert "arithmetic is float32" not in said


@pytest.mark.parametrize("asked", [["method={name: dpo, loss_type: [sigmoid, ipo]}"], ["dpo", "loss_type=[sigmoid, ipo]"],
                                   ["method=[{name: dpo, weight: 0.5}, ipo]"]])
def test_a_sum_is_explained_one_by_one(asked):
    done = attune("explain", *asked)
    assert done.returncode == 2 and "attune explain --compare dpo ipo" in done.stderr, done.stderr
    assert "{name, weight}" not in done.stderr


def test_a_mixture_of_the_handbook(data):
    entry = f"{{id: {data}/pairs.jsonl, config: default, split: 'train[:20]', columns: [prompt, chosen, rejected], weight: 1.0}}"
    found, _ = checked("method=dpo", f"dataset_mixture={{datasets: [{entry}], test_split_size: 5, seed: 0}}")
    assert (found["rows_read"], found["held_out"]) == (20, 5)
    found, _ = checked("method=dpo", f"dataset_mixture={{datasets: [{{id: {data}/pairs.jsonl, weight: 0.4}}]}}")
    assert found["rows_read"] == 25 and found["rows_kept"] == 10


def test_what_belongs_to_a_refused_switch_is_not_refused(data):
    said = refused("method=dpo", f"data={data}/pairs.jsonl", "push_to_hub=true", "hub_model_id=me/it", "hub_strategy=every_save")
    assert "push_to_hub: nothing is sent anywhere" in said and "hub_" not in said
