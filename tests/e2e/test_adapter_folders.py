"""Adapter folders: their base is found from anywhere, and `attune convert` merges them into it."""
import json
import os
import pathlib
import shutil

import pytest

from runs import ATTUNE, MODEL, pairs, run, weights

GENERATE = ["prompt=Once upon a time", "temperature=0", "max_new_tokens=12"]


def written(model, *settings, **options):
    done = run([ATTUNE, "generate", f"model={model}", *GENERATE, *settings], **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with a base and a run of it, whose command named them by relative paths."""
    place = tmp_path_factory.mktemp("place")
    shutil.copytree(MODEL, place / "base")
    pairs(place / "pairs.jsonl")
    done = run([ATTUNE, "train", "model=base", "data=pairs.jsonl", "method=dpo", "adapter.type=lora", "output=run",
                "training.learning_rate=1e-2", "training.max_steps=6", "samples.prompts=0"], cwd=place)
    assert done.returncode == 0, done.stderr
    return place


def test_the_base_is_found_from_anywhere(trained, tmp_path):
    named = json.loads((trained / "run/model/adapter_config.json").read_text())["base_model_name_or_path"]
    assert named == str(trained / "base")  # as PEFT finds it from anywhere, too
    expected = written("run/model", cwd=trained)
    assert expected != written("base", cwd=trained)
    assert written(trained / "run/model", cwd=tmp_path) == expected
    assert written(os.path.relpath(trained / "run/model", tmp_path), cwd=tmp_path) == expected


def test_a_relative_base_stands_beside_the_adapter(trained, tmp_path):
    place = pathlib.Path(shutil.copytree(trained, tmp_path / "copy"))
    (tmp_path / "base").mkdir()  # a folder of that name in the present one is not meant
    path = place / "run/model/adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": "../../base"}))
    expected = written(trained / "run/model")
    assert written(place / "run/model", cwd=tmp_path) == expected
    assert "Once" in run([ATTUNE, "tokenize", f"model={place / 'run/model'}", "text=Once"], cwd=tmp_path).stdout


def test_both_may_move_together(trained, tmp_path):
    expected = written(trained / "run/model")
    place = pathlib.Path(shutil.copytree(trained, tmp_path / "first"))
    path = place / "run/model/adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": str(tmp_path / "gone")}))
    assert written(place / "run/model") == expected


def test_a_base_that_is_gone_is_named(trained, tmp_path):
    adapter = pathlib.Path(shutil.copytree(trained / "run/model", tmp_path / "alone"))
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"base_model_name_or_path": str(tmp_path / "gone")}))
    for command in ("generate", "tokenize"):
        text = "prompt=Once" if command == "generate" else "text=Once"
        done = run([ATTUNE, command, f"model={adapter}", text])
        assert done.returncode == 2 and str(tmp_path / "gone") in done.stderr and "model.base=FOLDER" in done.stderr
        assert str(path) in done.stderr
    assert written(adapter, f"model.base={trained / 'base'}") == written(trained / "run/model")


def test_convert_merges(trained, tmp_path):
    merged = tmp_path / "merged"
    done = run([ATTUNE, "convert", f"model={trained / 'run/model'}", f"output={merged}"])
    assert done.returncode == 0, done.stderr
    assert not (merged / "adapter_config.json").exists() and (merged / "tokenizer.json").exists()
    assert written(merged) == written(trained / "run/model")
    done = run([ATTUNE, "convert", f"model={trained / 'run/model'}", f"output={merged}"])
    assert done.returncode == 2 and "exists already" in done.stderr
    done = run([ATTUNE, "convert", f"model={MODEL}", f"output={tmp_path / 'same'}"])
    assert done.returncode == 2 and "nothing to merge" in done.stderr and not (tmp_path / "same").exists()


def test_convert_writes_another_type(tmp_path):
    done = run([ATTUNE, "convert", f"model={MODEL}", f"output={tmp_path / 'half'}", "dtype=bfloat16", "--json"])
    assert json.loads(done.stdout) == {"output": str(tmp_path / "half"), "base": str(MODEL), "merged": False}
    sizes = [path.stat().st_size for path in (MODEL / "model.safetensors", tmp_path / "half/model.safetensors")]
    assert 1.9 < sizes[0] / sizes[1] < 2.1
    config = json.loads((tmp_path / "half/config.json").read_text())
    assert "bfloat16" in (config.get("dtype"), config.get("torch_dtype"))


@pytest.mark.parametrize("settings", [
    ["adapter.modules_to_save=[lm_head,norm]"], ["adapter.modules_to_save=[embed_tokens]"],
    ["adapter.target_modules=[q_proj,lm_head]"], ["adapter.target_modules=[q_proj,embed_tokens]"]], ids=lambda s: s[0][8:])
def test_heads_and_embeddings_are_trained_saved_and_resumed(trained, tmp_path, settings):
    """A run that was stopped ends in the bytes of one that was not, and the merged folder answers as the adapter."""
    arguments = [ATTUNE, "train", f"model={trained / 'base'}", f"data={trained / 'pairs.jsonl'}", "method=dpo",
                 "adapter.type=lora", "adapter.rank=4", "training.learning_rate=1e-2", "training.save_steps=3", "threads=1",
                 "samples.prompts=0", *settings]
    done = run([*arguments, f"output={tmp_path / 'whole'}", "training.max_steps=6"])
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "whole/metrics.jsonl").open()]
    assert rows[0]["loss"] == pytest.approx(0.693147, abs=1e-5)  # the reference is the start, whatever is trained whole
    assert rows[-1]["loss"] < rows[0]["loss"]
    part = pathlib.Path(shutil.copytree(tmp_path / "whole", tmp_path / "part"))
    (part / "run.json").write_text(json.dumps(json.loads((part / "run.json").read_text()) | {"state": "running"}))
    for path in [part / "model", *(part / "checkpoints").iterdir()]:
        if path.name != "step-000003":
            shutil.rmtree(path)
    done = run([*arguments, f"output={part}", "training.max_steps=6"])
    assert done.returncode == 0 and "step-000003" in done.stderr, done.stderr
    assert weights(part) == weights(tmp_path / "whole")
    merged = tmp_path / "merged"
    assert run([ATTUNE, "convert", f"model={tmp_path / 'whole/model'}", f"output={merged}"]).returncode == 0
    assert written(merged) == written(tmp_path / "whole/model") != written(trained / "base")


def test_what_cannot_be_adapted_is_said(trained):
    for settings, message in (
            (["adapter.target_modules=[lm_head]", "adapter.dropout=0.1"], "adapter.dropout"),
            (["adapter.modules_to_save=[nothing]"], "means no module of this model"),
            (["adapter.target_modules=[q_proj]", "adapter.modules_to_save=[q_proj]"], "one of them trains it")):
        for command in ("check", "train"):
            done = run([ATTUNE, command, f"model={trained / 'base'}", f"data={trained / 'pairs.jsonl'}", "method=dpo",
                        "adapter.type=lora", "samples.prompts=0", "output=unused", *settings])
            assert done.returncode == 2 and message in done.stderr, done.stderr
