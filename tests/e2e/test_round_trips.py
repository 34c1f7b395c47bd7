"""What commands write, commands read back unchanged: a record keeps its fields where they were."""
import json

import pytest

from runs import ATTUNE, MODEL, run

RECORD = {"id": "r1", "prompt": "Once upon a time", "reference_answer": "a cat", "meta": {"topic": "cats", "level": 3},
          "chat_template_kwargs": {"enable_thinking": False}}
FIELDS = ["id", "prompt", "reference_answer", "meta", "chat_template_kwargs"]


def lines(path):
    return [json.loads(line) for line in path.open()]


@pytest.mark.parametrize("candidates", [None, [], [{"completion": " a cat", "reward": 0.5}]])
def test_generate_keeps_the_fields_of_a_record(tmp_path, candidates):
    record = RECORD if candidates is None else {**RECORD, "candidates": candidates}
    (tmp_path / "prompts.jsonl").write_text(json.dumps(record) + "\n")
    written = [tmp_path / "prompts.jsonl", tmp_path / "once.jsonl", tmp_path / "twice.jsonl"]
    for source, target in zip(written, written[1:]):
        done = run([ATTUNE, "generate", f"model={MODEL}", f"data={source}", f"output={target}", "max_new_tokens=4", "temperature=0"])
        assert done.returncode == 0, done.stderr
    (once,), (twice,) = lines(written[1]), lines(written[2])
    assert {name: once[name] for name in FIELDS} == RECORD
    assert once == twice


def test_samples_of_a_run_are_records(tmp_path):
    """samples.jsonl of a run folder is generated from as it stands, and keeps what it says beside the record."""
    sample = {"id": "sample-0", "step": 4, "prompt_ids": [1, 500, 600], "prompt": "Once", "candidates": []}
    (tmp_path / "samples.jsonl").write_text(json.dumps(sample) + "\n")
    target = tmp_path / "out.jsonl"
    done = run([ATTUNE, "generate", f"model={MODEL}", f"data={tmp_path / 'samples.jsonl'}", f"output={target}", "max_new_tokens=2"])
    assert done.returncode == 0, done.stderr
    (out,) = lines(target)
    assert (out["id"], out["prompt_ids"], out["step"]) == ("sample-0", [1, 500, 600], 4) and "meta" not in out


ODD = [{"id": "a", "prompt": "Once upon", "answer": "42", "tags": ["t"], "group": "g1", "meta": {"src": "x", "n": 1}},
       {"id": "b", "prompt": "Once", "group": "g", "weight": 2, "source": "human", "meta": {"answer": 1}, "answer": "2"},
       {"id": "c", "instruction": "Do", "input": "x", "output": "y", "category": "c", "difficulty": 0.5},
       {"id": "d", "prompt": "Once", "meta": "a text", "ground_truth": "zz", "finish_reason": "stop", "candidates": []}]


@pytest.mark.parametrize("row", ODD, ids=lambda row: row["id"])
def test_columns_that_nobody_reads_stand_where_they_stood(tmp_path, row):
    written = [tmp_path / "rows.jsonl", tmp_path / "once.jsonl", tmp_path / "twice.jsonl"]
    written[0].write_text(json.dumps(row) + "\n")
    for source, target in zip(written, written[1:]):
        done = run([ATTUNE, "generate", f"model={MODEL}", f"data={source}", f"output={target}", "max_new_tokens=2", "temperature=0"])
        assert done.returncode == 0, done.stderr
    (once,), (twice,) = lines(written[1]), lines(written[2])
    kept = {name: value for name, value in row.items() if name not in ("instruction", "input", "output", "candidates")}
    assert {name: once.get(name) for name in kept} == kept
    assert once == twice and ("meta" in row or "meta" not in once)
