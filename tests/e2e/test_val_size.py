"""val_size= holds rows of the training data out: whole prompts, drawn by the seed, the same in check and train."""
import json

import pytest

from runs import ATTUNE, MODEL, command, rows, run


def answers(path, prompts=10, each=2):
    with path.open("w") as out:
        for prompt in range(prompts):
            for answer in range(each):
                out.write(json.dumps({"prompt": f"Tale {prompt}", "chosen": f" the cat {answer}.", "rejected": " a dog."}) + "\n")
    return path


@pytest.mark.parametrize("size, held_out", [("0.2", 4), ("5", 4), ("2", 2)])
def test_rows_are_held_out(tmp_path, size, held_out):
    data = answers(tmp_path / "rows.jsonl")
    looked = run([ATTUNE, "check", f"model={MODEL}", f"data={data}", "method=dpo", f"val_size={size}", "--json"])
    assert looked.returncode == 0 and json.loads(looked.stdout)["held_out"] == held_out, looked.stderr
    done = run(command(data, tmp_path / "run", f"val_size={size}", "training.epochs=1"))
    assert done.returncode == 0 and f"eval: {held_out} of them held out, {20 - held_out} left" in done.stderr, done.stderr
    assert any("eval_loss" in row for row in rows(tmp_path / "run"))
    info = json.loads((tmp_path / "run/run.json").read_text())
    assert info["data"][0]["rows_kept"] == 20 - held_out


def test_what_cannot_be_held_out_is_refused(tmp_path):
    data = answers(tmp_path / "rows.jsonl", prompts=1)
    for name in "check", "train":
        done = run([ATTUNE, name, *command(data, tmp_path / "run", "val_size=0.5")[2:]])
        assert done.returncode == 2 and "too few prompts" in done.stderr, done.stderr
    done = run(command(data, tmp_path / "run", "val_size=0.5", f"eval.data={data}"))
    assert done.returncode == 2 and "val_size and eval.data" in done.stderr
