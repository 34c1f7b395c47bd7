"""`check` is `train` without the training: what one refuses the other refuses, with the same message and exit code."""
import json
import shutil
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
