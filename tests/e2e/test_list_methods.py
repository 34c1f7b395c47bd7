"""Methods that learn from ranked and rated lists train on files of them and say what they cannot use."""
import json

import pytest

from runs import command, pairs, rows, run


def written(path, kind):
    """Six prompts of three answers, ranked or rated; then one whose answers tie and one with a single answer."""
    given = [json.loads(line) for line in open(pairs(path.parent / "pairs.jsonl", 12))]
    answers = [candidate["completion_ids"] for row in given for candidate in row["candidates"]]
    with open(path, "w") as out:
        for i, row in enumerate(given[:8]):
            said = [0, 0, 0] if i == 6 else [2, 0, 1]
            candidates = [{"completion_ids": answers[3 * i + k], kind: said[k]} for k in range(3)]
            out.write(json.dumps({"prompt_ids": row["prompt_ids"], "candidates": candidates[:1 if i == 7 else 3]}) + "\n")
    return path


@pytest.mark.parametrize("method", ["plackett_luce", "rrhf", "slic"])
def test_ranked_lists(tmp_path, method):
    data = written(tmp_path / "lists.jsonl", "rank")
    done = run(command(data, tmp_path / "run", f"method={method}", "training.max_steps=2"))
    assert done.returncode == 0, done.stderr
    assert "1 row: all candidates tie" in done.stderr and "1 row: no list of completions" in done.stderr


def test_rated_lists(tmp_path):
    data = written(tmp_path / "lists.jsonl", "reward")
    done = run(command(data, tmp_path / "run", "method=infonca", "training.max_steps=1", "training.batch_size=8"))
    assert done.returncode == 0, done.stderr
    assert "singles: 1" in done.stderr
    found = [row["frac_reward_zero_std"] for row in rows(tmp_path / "run") if "frac_reward_zero_std" in row]
    assert found[0] == pytest.approx(4 / 22)  # of candidates, as TRL counts


def test_an_order_alone_is_no_reward(tmp_path):
    done = run(command(written(tmp_path / "lists.jsonl", "rank"), tmp_path / "run", "method=pro"))
    assert done.returncode == 2
    assert "no row of 8 can be used by pro" in done.stderr and "ranks and no rewards" in done.stderr
    assert not (tmp_path / "run").exists()


def test_pairs_that_do_not_say_by_how_much(tmp_path):
    done = run(command(pairs(tmp_path / "pairs.jsonl", 8), tmp_path / "run", "method=odpo", "training.batch_size=8"))
    assert done.returncode == 2 and "8 rows: by how much an answer is better is not said" in done.stderr, done.stderr
    assert "pairs.jsonl:1" in done.stderr and not (tmp_path / "run").exists()
