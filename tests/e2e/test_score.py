"""attune score sees the tokens that training sees. Needs only the bundled model."""
import json
import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
MODEL = ROOT / "assets/tinystories-656k"


def attune(*arguments):
    return subprocess.run([ATTUNE, *map(str, arguments), "--json"], capture_output=True, text=True, timeout=60)


def lines(*arguments):
    done = attune(*arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    story = " there was a little girl named Lily. She loved to play outside in the sun with her dog, Max."
    ids = lines("tokenize", f"model={MODEL}", f"text=Once upon a time{story * 3}")[0]["ids"]
    rows = [{"prompt": "Once upon a time", "candidates": [{"completion": story * n}]} for n in (1, 2, 3)]
    rows += [{"prompt": "Once upon a time," + story, "candidates": [{"completion": " The end."}]},
             {"candidates": [{"completion": f"One day{story * 3}"}]},
             {"prompt_ids": ids[:9], "candidates": [{"completion_ids": ids[9:]}]},
             {"prompt_ids": ids[:30], "candidates": [{"completion_ids": ids[30:34]}, {"completion_ids": ids[30:]}]}]
    path = tmp_path_factory.mktemp("data") / "rows.jsonl"
    path.write_text("".join(json.dumps({"id": str(i), **row}) + "\n" for i, row in enumerate(rows)))
    return path


@pytest.mark.parametrize("settings", [
    ["data.max_length=40"], ["data.max_length=40", "data.truncation=keep_end"],
    ["data.max_length=40", "data.max_prompt_length=5"], ["data.max_length=0"], ["data.max_length=12"]], ids=" ".join)
@pytest.mark.parametrize("eos", [True, False])
def test_rows_are_cut_as_for_training(data, settings, eos):
    tokens = {row["id"]: [row] if "unusable" in row else row.get("candidates", [row]) for row in
              lines("tokenize", f"model={MODEL}", f"data={data}", f"data.append_eos={str(eos).lower()}", *settings)}
    scored = lines("score", f"model={MODEL}", f"data={data}", *settings, *(["data.append_eos=true"] if eos else []))
    kept = {id: sequences for id, sequences in tokens.items() if "unusable" not in sequences[0]}
    assert [(row["id"], row["candidate"]) for row in scored] == [(id, i) for id, s in kept.items() for i in range(len(s))]
    for row in scored:
        sequence = kept[row["id"]][row["candidate"]]
        trained = [token for token, mask in zip(sequence["ids"], sequence["mask"], strict=True) if mask]
        # The first token of a sequence without prompt is shown and has no log-probability.
        assert [token for token, logp in zip(row["ids"], row["logps"], strict=True) if logp is not None] == trained


def test_what_is_cut_is_said(data):
    said = attune("score", f"model={MODEL}", f"data={data}", "data.max_length=40").stderr
    assert "3 rows cut to data.max_length=40" in said, said
    assert "cut" not in attune("score", f"model={MODEL}", f"data={data}").stderr
    said = attune("score", f"model={MODEL}", f"data={data}", "data.max_prompt_length=5",
                  "data.max_length=0").stderr
    assert "rows cut to data.max_prompt_length=5 and the model's context of 512" in said, said


def test_records_with_rewards(tmp_path, data):
    """What generate writes comes back with rewards in it, and nothing else changed; methods on groups learn from it."""
    samples, rated = tmp_path / "samples.jsonl", tmp_path / "rated.jsonl"
    command = ["generate", f"model={MODEL}", f"data={data}", "data.limit=3", "n=2", "temperature=1", "max_new_tokens=6"]
    assert attune(*command, f"output={samples}").returncode == 0
    command = ["score", f"model={MODEL}", f"data={samples}", "rule=distinct"]
    done = attune(*command, "records=true", f"output={rated}")
    assert done.returncode == 0 and "wrote 3 records" in done.stderr, done.stderr
    scores = iter(lines(*command))
    records = [json.loads(line) for line in rated.read_text().splitlines()]
    for record in records:
        for candidate in record["candidates"]:
            assert candidate.pop("reward") == next(scores)["reward"] and len(candidate.pop("scores")) == 1
    assert records == [json.loads(line) for line in samples.read_text().splitlines()]
    done = attune("score", f"model={MODEL}", f"data={samples}", "records=true")
    assert done.returncode == 2 and "rule=RULE or reward_model=FOLDER" in done.stderr
