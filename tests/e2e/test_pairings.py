"""What the program learns from rated answers: pairings as settings, and feedback that does not fit."""
import json

import pytest
import yaml

from runs import ATTUNE, MODEL, command, pairs, run, weights


def lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    """Eight prompts, four answers each; the best one stands elsewhere in every row."""
    rows = [json.loads(line) for line in open(pairs(tmp_path_factory.mktemp("rated") / "pairs.jsonl", 24))]
    answers = [candidate["completion_ids"] for row in rows for candidate in row["candidates"]]
    return [{"prompt_ids": row["prompt_ids"],
             "candidates": [{"completion_ids": answers[4 * i + k], "reward": float((k + i) % 4)} for k in range(4)]}
            for i, row in enumerate(rows[:8])]


def trained(data, output, *settings):
    done = run(command(data, output, "training.epochs=1", *settings))
    assert done.returncode == 0, done.stderr
    return weights(output)


def test_of_rated_answers_the_best_is_imitated(rated, tmp_path):
    best = [{"prompt_ids": row["prompt_ids"], "candidates": [max(row["candidates"], key=lambda c: c["reward"])]}
            for row in rated]
    everything = trained(lines(tmp_path / "rated.jsonl", rated), tmp_path / "a", "method=sft")
    assert everything == trained(lines(tmp_path / "best.jsonl", best), tmp_path / "b", "method=sft")


def test_an_order_alone_is_no_reward(tmp_path):
    done = run(command(pairs(tmp_path / "pairs.jsonl", 8), tmp_path / "run", "method=grpo"))
    assert done.returncode == 2
    assert "no row of 8 can be used by grpo" in done.stderr and "ranks and no rewards" in done.stderr
    assert not (tmp_path / "run").exists()


def test_what_is_derived_is_said(tmp_path, rated):
    labelled = [{**row, "candidates": [{"completion_ids": c["completion_ids"], "label": c["reward"] > 1}
                                       for c in row["candidates"]]} for row in rated]
    done = run(command(lines(tmp_path / "labels.jsonl", labelled), tmp_path / "run", "method=grpo", "training.epochs=1"))
    assert done.returncode == 0, done.stderr
    assert "rewards from labels (good is 1, bad is 0): 8 rows" in done.stderr + done.stdout


def test_the_older_name_means_the_same(rated, tmp_path):
    data = lines(tmp_path / "rated.jsonl", rated)
    assert trained(data, tmp_path / "a", "pairing=all") == trained(data, tmp_path / "b", "training.pairs=all")
    assert trained(data, tmp_path / "c") != trained(data, tmp_path / "d", "pairing=adjacent")
    both = run(command(data, tmp_path / "e", "pairing=all", "training.pairs=all"))
    assert both.returncode == 2 and "training.pairs" in both.stderr


def test_a_pairing_that_serves_nobody_is_refused_with_those_that_do(rated, tmp_path):
    data = lines(tmp_path / "rated.jsonl", rated)
    for arguments in (command(data, tmp_path / "run", "method=kto", "pairing=all"),
                      [ATTUNE, "check", f"model={MODEL}", f"data={data}", "method=kto", "pairing=all"]):
        done = run(arguments)
        assert done.returncode == 2
        assert "makes no labels, and kto learns from labels; take as_given, prompt_mean, threshold" in done.stderr
    unknown = run(command(data, tmp_path / "run", "pairing=adjacnt"))
    assert unknown.returncode == 2 and "did you mean 'adjacent'?" in unknown.stderr


def test_the_saved_recipe_names_the_pairing_and_repeats_the_run(rated, tmp_path):
    data = lines(tmp_path / "rated.jsonl", rated)
    first = trained(data, tmp_path / "a", "pairing=random", "pairing.n=2")
    saved = yaml.safe_load((tmp_path / "a/recipe.yaml").read_text())
    assert saved["pairing"] == {"name": "random", "n": 2} and "pairs" not in saved["training"]
    done = run([ATTUNE, "train", str(tmp_path / "a/recipe.yaml"), f"output={tmp_path / 'b'}"])
    assert done.returncode == 0, done.stderr
    assert weights(tmp_path / "b") == first


@pytest.mark.parametrize("settings", [["method=dpo", "pairing=all"], ["method=kto", "pairing=prompt_mean"],
                                      ["method=sft", "pairing={name: top_k, k: 2}"], ["method=grpo"]])
def test_check_and_train_read_alike(rated, tmp_path, settings):
    rows = [*rated, {"prompt_ids": rated[0]["prompt_ids"], "candidates": rated[0]["candidates"][:1]},
            {"prompt_ids": rated[0]["prompt_ids"], "candidates": [{**c, "reward": 1} for c in rated[0]["candidates"]]}]
    data = lines(tmp_path / "rated.jsonl", rows)
    done = run([ATTUNE, "check", f"model={MODEL}", f"data={data}", *settings, "--json"])
    assert done.returncode == 0, done.stderr
    checked = json.loads(done.stdout)
    trained(data, tmp_path / "run", *settings)
    read = json.loads((tmp_path / "run/run.json").read_text())["data"][0]
    assert read.pop("fingerprint")
    assert {key: checked[key] for key in read} == read
    assert read["rows_read"] == 10 and read["pairing"] and read["pairs"] == (48 if "method=dpo" in settings else 0)


def test_pairings_are_listed():
    done = run([ATTUNE, "list", "pairings", "--json"])
    listed = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert set(listed) >= {"best_worst", "all", "adjacent", "threshold", "prompt_mean", "top_k", "margin", "random"}
    assert listed["top_k"]["makes"] == ["pairs", "demonstrations"]
    assert [option["name"] for option in listed["margin"]["options"]] == ["margin"]
