"""`check` is `train` without the training: what one refuses the other refuses, with the same message and exit code."""
import json
import shutil
import struct
import subprocess

import pytest

from runs import ATTUNE, MODEL

PAIRS = [{"prompt": "Once upon a time", "chosen": f" a cat {i}.", "rejected": " a dog."} for i in range(4)]


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def both(tmp_path, data, *settings, model=MODEL, method="dpo"):
    """Exit codes and messages of check and of train on the same settings, the pointer from one to the other left out."""
    asked = [f"model={model}", f"data={data}", f"method={method}", f"output={tmp_path / 'run'}", "training.max_steps=1",
             "training.batch_size=2", "samples.prompts=0", "threads=1", *settings]
    found = []
    for name in "check", "train":
        done = subprocess.run([ATTUNE, name, *asked], capture_output=True, text=True, errors="replace", timeout=120)
        said = done.stderr  # train tells of what it has read so far
        found.append((done.returncode, said[said.find("attune: "):] if done.returncode else said))
    return found


def with_a_token_too_many(tmp_path):
    model = shutil.copytree(MODEL, tmp_path / "model")
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    new = {"content": "<|new|>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    tokenizer["added_tokens"].append({"id": 2048, **new})
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    config = json.loads((model / "tokenizer_config.json").read_text())
    config["added_tokens_decoder"]["2048"] = new
    (model / "tokenizer_config.json").write_text(json.dumps(config))
    return model


NEW = {"prompt": "Once <|new|>", "chosen": " a", "rejected": " b"}


@pytest.mark.parametrize("content, settings", [
    ("", []),
    ("\n\n", []),
    (lines([{"prompt": "a", "chosen": "b", "rejected": "b"}] * 2), []),
    (lines([{"prompt": "a", "completion": "b"}] * 2), []),
    (lines([{"text": "a b"}] * 2), []),
    (lines(PAIRS), ["data.max_length=2"]),
    (lines(PAIRS), ["eval.data={missing}"]),
    (lines(PAIRS), ["eval.data={unusable}"]),
    (lines(PAIRS), ["reference.path={missing}"]),
    (lines(PAIRS), ["hooks=ema_"]),
    (lines(PAIRS), ["val_size=1", "eval.metric=rewards/accuracy"]),
    (None, []),
])
def test_what_train_refuses(tmp_path, content, settings):
    data = tmp_path / "rows.jsonl"
    if content is not None:
        data.write_text(content)
    unusable = tmp_path / "unusable.jsonl"
    unusable.write_text(lines([{"prompt": "a", "chosen": "b", "rejected": "b"}]))
    settings = [text.format(missing=tmp_path / "missing", unusable=unusable) for text in settings]
    (checked, said), (trained, refused) = both(tmp_path, data, *settings)
    assert (checked, trained) == (2, 2), (said, refused)
    assert said == refused
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("missing", ["all", "config.json", "tokenizer.json"])
def test_a_model_that_is_not_there(tmp_path, missing):
    model = tmp_path / "model"
    if missing != "all":
        shutil.copytree(MODEL, model)
        (model / missing).unlink()
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(PAIRS))
    (checked, said), (trained, refused) = both(tmp_path, data, model=model)
    assert (checked, trained) == (2, 2) and said == refused, (said, refused)


def damaged(folder, name="model.safetensors"):
    """One of its numbers is none."""
    raw = bytearray((folder / name).read_bytes())
    raw[-4:] = struct.pack("<f", float("nan"))
    (folder / name).write_bytes(raw)
    return folder


@pytest.mark.parametrize("where", ["model", "reference", "adapter", "adapter of another model"])
def test_weights_that_are_damaged(tmp_path, where):
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(PAIRS))
    model, settings, said = MODEL, [], "holds NaN or infinite values: the weights are damaged"
    if where.startswith("adapter"):
        (_, _), (code, text) = both(tmp_path, data, "adapter.type=lora", f"output={tmp_path / 'lora'}")
        assert code == 0, text
        model = tmp_path / "lora/model"
    if where == "adapter of another model":
        config = json.loads((model / "adapter_config.json").read_text())
        (model / "adapter_config.json").write_text(json.dumps(config | {"r": 3}))
        said = "lora_A"
    elif where == "adapter":
        damaged(model, "adapter_model.safetensors")
    else:
        copy = damaged(shutil.copytree(MODEL, tmp_path / "copy"))
        model, settings = (copy, []) if where == "model" else (MODEL, [f"reference.path={copy}"])
    assert said in refused_alike(tmp_path, data, *settings, model=model)


def test_numbers_that_the_type_of_arithmetic_does_not_hold(tmp_path):
    model = shutil.copytree(MODEL, tmp_path / "model")
    raw = bytearray((model / "model.safetensors").read_bytes())
    raw[-4:] = struct.pack("<f", 1e30)
    (model / "model.safetensors").write_bytes(raw)
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(PAIRS))
    assert "values in float16" in refused_alike(tmp_path, data, "training.dtype=float16", model=model)


def test_settings_of_generation_that_are_not_followed_are_named_alike(tmp_path):
    model = shutil.copytree(MODEL, tmp_path / "model")
    (model / "generation_config.json").write_text(json.dumps({"eos_token_id": 2, "num_return_sequences": 3, "made_up": 1}))
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(PAIRS))
    command = [f"model={model}", f"data={data}", "method=dpo", f"output={tmp_path / 'run'}", "training.max_steps=1"]
    train = subprocess.run([ATTUNE, "train", *command], capture_output=True, text=True, timeout=120)
    check = subprocess.run([ATTUNE, "check", *command[:3]], capture_output=True, text=True, timeout=120)
    line = next(line for line in train.stderr.splitlines() if "not followed here" in line)
    assert "made_up" in line and f"warning: {line}" in check.stdout, (line, check.stdout)


@pytest.mark.parametrize("method", ["dpo", "sft"])
def test_ids_beyond_the_embedding(tmp_path, method):
    model = with_a_token_too_many(tmp_path)
    data = tmp_path / "rows.jsonl"
    data.write_text(lines([*PAIRS, NEW]))
    command = [ATTUNE, "check", f"model={model}", f"data={data}", f"method={method}", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    looked = json.loads(done.stdout)
    assert looked["dropped"] == {"token id outside the vocabulary": 1}
    assert looked["dropped_examples"]["token id outside the vocabulary"][0].endswith(
        'rows.jsonl:5: 2048 ("<|new|>") with a vocabulary of 2048')
    (_, _), (code, said) = both(tmp_path, data, model=model, method=method)
    assert code == 0 and "1 row: token id outside the vocabulary" in said, said
    data.write_text(lines([NEW] * 3))
    (checked, said), (trained, refused) = both(tmp_path, data, "overwrite=true", model=model, method=method)
    assert (checked, trained) == (2, 2) and said == refused and "token id outside the vocabulary" in said


def test_a_prompt_beyond_the_embedding_is_not_continued(tmp_path):
    model = with_a_token_too_many(tmp_path)
    done = subprocess.run([ATTUNE, "generate", f"model={model}", "prompt=Once <|new|>"], capture_output=True, text=True,
                          timeout=60)
    assert done.returncode == 2 and "token id outside the vocabulary" in done.stderr


def tree(folder):
    return {path.relative_to(folder): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def refused_alike(tmp_path, data, *settings, **options):
    before = tree(tmp_path)
    (checked, said), (trained, refused) = both(tmp_path, data, *settings, **options)
    assert (checked, trained) == (2, 2), (said, refused)
    assert said == refused
    assert tree(tmp_path) == before
    return said


def a_run(tmp_path, *settings, method="dpo"):
    """Rows, and a run that learnt from them; `both` asks for it again."""
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(PAIRS))
    (_, _), (code, said) = both(tmp_path, data, *settings, method=method)
    assert code == 0, said
    return data


def unfinished(tmp_path):
    """The run as it is when it dies before its result is written."""
    run = tmp_path / "run" / "run.json"
    info = json.loads(run.read_text())
    assert info.pop("state") == "finished"
    run.write_text(json.dumps({**info, "state": "running"}))
    shutil.rmtree(tmp_path / "run" / "model")
    (tmp_path / "run" / "report.html").unlink()


def test_an_output_that_is_finished(tmp_path):
    data = a_run(tmp_path)
    assert "holds a finished run" in refused_alike(tmp_path, data)
    data.unlink()
    assert "holds a finished run" in refused_alike(tmp_path, data), "OUTPUT is looked at first"
    assert "resume=extend" in refused_alike(tmp_path, data, "overwrite=true", "resume=extend")


def test_an_output_that_is_of_another_recipe(tmp_path):
    data = a_run(tmp_path)
    unfinished(tmp_path)
    assert "(method.beta differs)" in refused_alike(tmp_path, data, "method.beta=0.3")


def test_an_output_that_is_no_run(tmp_path):
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(PAIRS))
    (tmp_path / "run").write_text("mine")
    assert "is a file" in refused_alike(tmp_path, data)
    assert "cannot create the folder" in refused_alike(tmp_path, data, f"output={tmp_path / 'run' / 'below'}")
    (tmp_path / "run").unlink()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    assert "not a run of this program" in refused_alike(tmp_path, data)
    assert "holds none" in refused_alike(tmp_path, data, "resume=extend", f"output={tmp_path / 'nothing'}")


def test_a_run_that_cannot_go_on(tmp_path):
    data = a_run(tmp_path)
    assert "ask for more" in refused_alike(tmp_path, data, "resume=extend")
    unfinished(tmp_path)
    data.write_text(lines(PAIRS[:2] + [{**PAIRS[2], "chosen": " an owl."}] + PAIRS[3:]))
    assert "row 2 is the first that differs" in refused_alike(tmp_path, data)
    data.write_text(lines(PAIRS))
    done = subprocess.run([ATTUNE, "check", f"model={MODEL}", f"data={data}", "method=dpo", f"output={tmp_path / 'run'}",
                           "training.max_steps=1", "training.batch_size=2", "samples.prompts=0", "threads=1", "--json"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["continues"].endswith("checkpoints/step-000001")


def test_a_model_that_is_another_one_now(tmp_path):
    model = shutil.copytree(MODEL, tmp_path / "model")
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(PAIRS))
    (_, _), (code, said) = both(tmp_path, data, model=model)
    assert code == 0, said
    unfinished(tmp_path)
    weights = bytearray((model / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (model / "model.safetensors").write_bytes(weights)
    assert "is not what it was when the run" in refused_alike(tmp_path, data, model=model)


@pytest.mark.parametrize("settings", [
    ["hooks=moving_reference"],
    ["training.parameter_groups=[{match: '.', learning_rate: 0}]"],
    ["val_size=4"],
    ["training.save_best=true"],
])
def test_settings_that_no_run_can_have(tmp_path, settings):
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(PAIRS))
    refused_alike(tmp_path, data, *settings)


FULL = [{"prompt": "Once upon a time", "candidates": [
    {"completion": f" a cat {i}.", "rank": 0, "label": True, "reward": 2.0, "source": "greedy"},
    {"completion": " a dog sat.", "rank": 1, "label": False, "reward": 1.0}]} for i in range(4)]


@pytest.mark.parametrize("method, settings, reason", [
    ("sft", [], "reference.cache has no effect"),
    ("simpo", [], "reference.cache has no effect"),
    ("[dpo, context_distillation]", ["teacher.system=Hello."], "teacher.system asks the same weights"),
])
def test_a_cache_of_the_reference_that_cannot_be(tmp_path, method, settings, reason):
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(FULL))
    assert reason in refused_alike(tmp_path, data, "reference.cache=true", *settings, method=method)


@pytest.mark.parametrize("method", ["grpo", "gdpo", "clip_cov", "dppo", "kl_cov", "reinforce_pp", "maxrl", "dr_grpo", "reward_regression",
                                    "hpo", "dpo"])
@pytest.mark.parametrize("reward", [1e300, 1e-300])
def test_rewards_beyond_single_precision(tmp_path, method, reward):
    """The methods that took such rewards for nothing, or stopped at infinite gradients."""
    data = tmp_path / "rows.jsonl"
    wrong = json.loads(json.dumps(FULL))
    wrong[2]["candidates"][0]["reward"] = reward
    data.write_text(lines(wrong))
    said = refused_alike(tmp_path, data, method=method)
    assert f'1 of 4 rows is malformed:\n  {data}:3: "reward" is too ' in said and "by the same factor" in said


@pytest.mark.parametrize("method, rows", [
    ("grpo", [{"prompt": "a", "candidates": [{"completion": " b", "reward": 1}, {"completion": " c", "reward": 1}]}] * 2),
    ("maxrl", [{"prompt": "a", "candidates": [{"completion": " b", "reward": -1}, {"completion": " c", "reward": 1}]}] * 2),
    ("remax", [{"prompt": "a", "candidates": [{"completion": " b", "reward": 0}, {"completion": " c", "reward": 1}]}] * 2),
    ("grpo", [{"prompt": "a"}] * 2),
])
def test_feedback_that_teaches_nothing(tmp_path, method, rows):
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(rows))
    said = refused_alike(tmp_path, data, method=method)
    assert "rows.jsonl:1" in said and "2 rows" in said


def said_by(name, *asked):
    done = subprocess.run([ATTUNE, name, *asked], capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize("given", [[], ["model"], ["data"], ["data", "method"], ["model", "method"], ["method", "output"],
                                   ["model", "data"], ["model", "data", "output"]])
def test_what_is_missing_is_said_at_once(tmp_path, given):
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(PAIRS))
    settings = {"model": MODEL, "data": data, "method": "dpo", "output": tmp_path / "run"}
    asked = [f"{key}={settings[key]}" for key in given]
    code, said = said_by("check", *asked)
    assert (code, said) == said_by("train", *asked) and code == 2
    assert [key for key in settings if f"{key} is missing" in said] == [key for key in settings if key not in given]


@pytest.mark.parametrize("lacks", ["method", "method and output"])
def test_without_a_method_check_shows_the_data_and_refuses(tmp_path, lacks):
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(PAIRS))
    asked = [f"model={MODEL}", f"data={data}"] + ([f"output={tmp_path}/run"] if lacks == "method" else [])
    done = subprocess.run([ATTUNE, "check", *asked, "--json"], capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["rows_read"] == 4 and "method is missing" in json.loads(done.stdout)["missing"]
    assert (done.returncode, done.stderr) == said_by("train", *asked) and done.returncode == 2
    asked.append("training.eval_steps=3")
    assert said_by("check", *asked) == said_by("train", *asked) and "method is missing" in said_by("check", *asked)[1]


def test_without_an_output_check_says_so_and_goes_on(tmp_path):
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(PAIRS))
    asked = ["check", f"model={MODEL}", f"data={data}", "method=dpo"]
    needs = "output is missing; for example output=runs/my-run"
    done = subprocess.run([ATTUNE, *asked], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and needs in done.stdout, done.stdout
    done = subprocess.run([ATTUNE, *asked, "--json"], capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["missing"] == needs
    done = subprocess.run([ATTUNE, *asked, f"output={tmp_path}/run", "--json"], capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["missing"] is None
    asked = asked[1:] + ["training.eval_steps=3"]
    assert said_by("check", *asked) == said_by("train", *asked) and needs in said_by("check", *asked)[1]


@pytest.mark.parametrize("rows, reason", [
    ([{**row, "rejected": row["chosen"]} for row in PAIRS], "chosen equal to rejected"),
    ([{"prompt": "a", "completion": "b"}] * 2, "no row of 2 can be used by dpo"),
    ([{"prompt": "a", "chosen": 1, "rejected": "c"}] * 2, "2 of 2 rows are malformed"),
    ([], "the file is empty"),
])
def test_rows_are_said_with_what_is_missing(tmp_path, rows, reason):
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(rows))
    asked = [f"model={MODEL}", f"data={data}", "method=dpo"]
    code, said = said_by("check", *asked)
    assert (code, said) == said_by("train", *asked) and code == 2
    assert reason in said and "output is missing" in said


def test_what_only_reading_every_row_tells_is_added(tmp_path):
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(PAIRS))
    code, said = said_by("check", f"model={MODEL}", f"data={data}", "method=dpo", "data.max_length=2")
    assert code == 2 and "output is missing" in said and "no row of 4 can be used by dpo" in said


@pytest.mark.parametrize("place, reason", [
    ("/proc/run", "No such file or directory"),
    ("/proc/run/below", "No such file or directory"),
    ("{tmp}/rows.jsonl/run", "Not a directory"),
    ("{tmp}/link", "File exists"),
    ("{tmp}/" + "x" * 300, "File name too long"),
])
def test_places_where_no_folder_can_be_made(tmp_path, place, reason):
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(PAIRS))
    (tmp_path / "link").symlink_to(tmp_path / "nothing")
    place = place.format(tmp=tmp_path)
    said = [run_in(tmp_path, name, data, place) for name in ("check", "train")]
    assert said[0] == said[1] == (2, f"attune: {place}: cannot create the folder: {reason}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "rows.jsonl"]


def run_in(tmp_path, name, data, place):
    done = subprocess.run([ATTUNE, name, f"model={MODEL}", f"data={data}", "method=dpo", f"output={place}", "threads=1"],
                          capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


@pytest.mark.parametrize("settings", [
    ["method=dpoo"], ["method={{name: dpo, bta: 1}}"], ["method=[]"], ["reference.cache=maybe"],
    ["reference.cache=true", "reference.sync=true"], ["reference.sync=true", "method=simpo"], ["model.adapter={missing}"],
    ["adapter.rank=4"], ["adapter.type=lora", "adapter.target_modules=[x]"], ["teacher.system=x"], ["pairing=best"],
    ["training.schedule=fast"], ["training.dtype=int8"], ["data.format=alpaca"],
    ["data=[{{path: {rows}, wieght: 2}}]"], ["load_in_4bit=true", "method=kto", "data={texts}"],
])
def test_requests_that_are_broken(tmp_path, settings):
    data = tmp_path / "rows.jsonl"
    data.write_text(lines(PAIRS))
    texts = tmp_path / "texts.jsonl"
    texts.write_text(lines([{"text": "a"}] * 2))
    refused_alike(tmp_path, data, *[text.format(missing=tmp_path / "missing", rows=data, texts=texts) for text in settings])
