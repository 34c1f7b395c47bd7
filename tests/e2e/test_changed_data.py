"""A run goes on with the data that it began with: a change of any file is refused by file and first differing row, or taken
on with resume.data=changed, which run.json tells of."""
import json
import shutil

import pytest

import runs
from runs import MODEL, pairs, rows, run, weights


def command(data, output, *settings):
    return runs.command(data, output, "training.save_total_limit=0", *settings)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """A folder with training and held-out data, and a run on them that ended after two of its twelve updates."""
    folder = tmp_path_factory.mktemp("stopped")
    data, held_out = pairs(folder / "data.jsonl"), pairs(folder / "held_out.jsonl", 4)
    asked = command(data, folder / "run", f"eval.data={held_out}")
    assert run(asked).returncode == 0
    make_unfinished(folder / "run")
    return folder


def make_unfinished(output):
    """What a kill after the first checkpoint leaves."""
    info = json.loads((output / "run.json").read_text())
    info["state"] = "running"
    (output / "run.json").write_text(json.dumps(info))
    shutil.rmtree(output / "model")
    saved = sorted((output / "checkpoints").iterdir())
    for checkpoint in saved[1:]:
        shutil.rmtree(checkpoint)


@pytest.fixture
def folder(stopped, tmp_path):
    """A copy whose recipe speaks of the copy."""
    target = shutil.copytree(stopped, tmp_path / "copy")
    recipe = (target / "run/recipe.yaml").read_text().replace(str(stopped), str(target))
    (target / "run/recipe.yaml").write_text(recipe)
    info = (target / "run/run.json").read_text().replace(str(stopped), str(target))
    (target / "run/run.json").write_text(info)
    return target


def again(folder, *settings):
    return run(command(folder / "data.jsonl", folder / "run", f"eval.data={folder / 'held_out.jsonl'}", *settings))


def change_line(path, number, text):
    lines = path.read_text().splitlines(keepends=True)
    lines[number - 1:number] = [text]
    path.write_text("".join(lines))


def test_unchanged_data_goes_on(folder):
    done = again(folder)
    assert done.returncode == 0 and "continuing from" in done.stderr, done.stderr
    info = json.loads((folder / "run/run.json").read_text())
    assert [(file["setting"], file["rows"]) for file in info["data_files"]] == [("data", 24), ("eval.data", 4)]
    assert "data_changes" not in info


@pytest.mark.parametrize("change, parts", [
    (lambda folder: change_line(folder / "data.jsonl", 18, (folder / "data.jsonl").read_text().splitlines(True)[0]),
     ["data: ", "data.jsonl: row 17 is the first that differs", "data.jsonl:18"]),
    (lambda folder: change_line(folder / "held_out.jsonl", 2, ""), ["eval.data: ", "held_out.jsonl", "row 1"]),
    (lambda folder: (folder / "data.jsonl").open("a").write((folder / "data.jsonl").read_text()),
     ["24 rows more", "data.jsonl:25"]),
    (lambda folder: (folder / "data.jsonl").write_text("".join((folder / "data.jsonl").read_text().splitlines(True)[:9])),
     ["ends after 9 rows of its 24"]),
])
def test_a_change_is_refused_by_its_place(folder, change, parts):
    before = (folder / "run/run.json").read_text()
    change(folder)
    done = again(folder)
    assert done.returncode == 2
    for part in [*parts, "resume.data=changed", "overwrite=true"]:
        assert part in done.stderr, done.stderr
    assert (folder / "run/run.json").read_text() == before


def test_another_tokenizer_reads_the_same_files_otherwise(tmp_path):
    model = shutil.copytree(MODEL, tmp_path / "model")
    data = tmp_path / "data.jsonl"
    data.write_text("".join(json.dumps({"prompt": "Once", "chosen": f" a cat {i}", "rejected": " b"}) + "\n" for i in range(8)))
    asked = [*command(data, tmp_path / "run"), f"model={model}"]
    assert run(asked).returncode == 0
    make_unfinished(tmp_path / "run")
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    tokenizer["normalizer"] = {"type": "Lowercase"}
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    done = run(asked)
    assert done.returncode == 2 and "tokenizer" in done.stderr and "resume.data=changed" in done.stderr


def test_another_model_in_the_same_folder_is_refused(tmp_path):
    model = shutil.copytree(MODEL, tmp_path / "model")
    asked = [*command(pairs(tmp_path / "data.jsonl"), tmp_path / "run"), f"model={model}"]
    assert run(asked).returncode == 0
    trained = tmp_path / "trained.safetensors"
    shutil.copy(tmp_path / "run/model/model.safetensors", trained)
    make_unfinished(tmp_path / "run")
    shutil.copy(trained, model / "model.safetensors")
    done = run(asked)
    assert done.returncode == 2 and "model: " in done.stderr and "is not what it was" in done.stderr


def test_a_change_that_is_accepted_is_told(folder):
    before = json.loads((folder / "run/run.json").read_text())["data_files"]
    path = folder / "data.jsonl"
    path.write_text("".join(path.read_text().splitlines(True)[:6]))
    done = again(folder, "resume.data=changed")
    assert done.returncode == 0, done.stderr
    assert "going on with data that changed" in done.stderr and "continuing from" in done.stderr
    info = json.loads((folder / "run/run.json").read_text())
    assert info["state"] == "finished"
    (change,) = info["data_changes"]
    assert change["data_files"] == before and change["checkpoint"] == "step-000002"
    assert info["data_files"][0]["rows"] == 6 and info["data_files"][0]["fingerprint"] != before[0]["fingerprint"]
    assert info["data"][0]["rows_read"] == 6
    assert rows(folder / "run")[-1]["step"] > 0 and weights(folder / "run")
    make_unfinished(folder / "run")
    assert again(folder).returncode == 0  # what was accepted is now what it goes on with


def test_without_a_checkpoint_there_is_nothing_to_go_on_with(folder):
    for checkpoint in (folder / "run/checkpoints").iterdir():
        shutil.rmtree(checkpoint)
    change_line(folder / "data.jsonl", 3, "")
    done = again(folder)
    assert done.returncode == 0 and "continuing from" not in done.stderr
