"""Feedback that a method cannot learn from is named, with counts and an example row, before training starts; for every
method that there is."""
import json
import re
import shlex
import subprocess

import pytest

from runs import ATTUNE, MODEL, rows as metrics_of


def attune(*arguments, **options):
    return subprocess.run([ATTUNE, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)


LOSSES = [row for row in map(json.loads, attune("list", "methods", "--json").stdout.splitlines()) if row["kind"] == "loss"]
BY_NAME = pytest.mark.parametrize("method", LOSSES, ids=lambda row: row["name"])


def write(path, rows):
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def answer(i, **said):
    return {"completion": f" a cat {i}.", "steps": [" a cat", f" {i}."], "step_scores": [1.0, 1.0], **said}


def record(*answers):
    return {"prompt": "Once upon a time", "candidates": list(answers)}


def in_steps(i, last):
    return {"steps": [" a", f" cat {i}."], "step_scores": [1.0, last]}


def good(i=0):
    """Everything that a method may ask for."""
    return record(*(answer(k, rank=k, label=k == 0, reward=[2.0 + i, 0.25, 0.0][k], scores={"kind": 1.0 * k, "safe": 2.0 - k},
                           source=source, **in_steps(k, 1.0 - min(k, 1))) for k, source in enumerate(["policy", "greedy", "reference"])))


def tied():
    return record(*(answer(k, rank=0, label=True, reward=1.0, scores={"kind": 1.0}, source=source, **in_steps(k, 1.0))
                    for k, source in enumerate(["policy", "greedy", "reference"])))


def check(method, data, *settings, command="check"):
    """What is found, or said where it is refused."""
    asked = [command, f"model={MODEL}", f"data={data}", f"method={method}", "threads=1", *settings]
    done = attune(*asked, "rows=0", "--json")
    if "learns from a teacher" in done.stderr:
        done = attune(*asked, "teacher.system=Hello.", "rows=0", "--json")
    assert done.returncode in (0, 2), done.stderr
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


def about_feedback(found):
    return [text for text in found["warnings"] if "learned" in text or "tell apart" in text]


@BY_NAME
def test_good_feedback(method, tmp_path):
    found = check(method["name"], write(tmp_path / "rows.jsonl", [good(i) for i in range(4)]))
    assert found["rows_kept"] == 4 and not found["dropped"] and not about_feedback(found), found


@BY_NAME
def test_numbers_that_nobody_can_learn_from(method, tmp_path):
    bad = [good() for _ in range(5)]
    bad[0]["candidates"][1]["reward"] = 1e300
    bad[1]["candidates"][2]["reward"] = -1e-300
    bad[2]["candidates"][0]["scores"]["safe"] = -1e39
    bad[3]["candidates"][0]["weight"] = -1
    bad[4]["candidates"][0]["reward"] = float("nan")
    said = check(method["name"], write(tmp_path / "rows.jsonl", [good(), *bad]))
    assert isinstance(said, str), said
    for part in ("5 of 6 rows are malformed", 'rows.jsonl:2: "reward" is too large: answer 2: 1e+300',
                 'rows.jsonl:3: "reward" is too small: answer 3: -1e-300', 'rows.jsonl:4: "scores.safe" is too large',
                 'rows.jsonl:5: a negative "weight"', "rows.jsonl:6: not valid JSON", "NaN and Infinity are no numbers"):
        assert part in said, said


@BY_NAME
def test_nothing_to_tell_apart(method, tmp_path):
    data = write(tmp_path / "rows.jsonl", [tied() for _ in range(4)])
    found = check(method["name"], data)
    shape = method["learns_from"]
    if shape == "demonstrations":
        assert found["rows_kept"] == 4
    elif shape == "steps":
        (said,) = about_feedback(found)
        assert found["rows_kept"] == 4 and "all 24 steps are scored right (" in said and "rows.jsonl:1" in said
    elif isinstance(found, str):
        assert shape in ("pairs", "lists", "groups") and "rows.jsonl:1" in found and "4 rows" in found, found
        assert ("teaches" if shape == "groups" else "all candidates tie") in found, found
    else:
        said = about_feedback(found)
        assert shape in ("labels", "groups") and said and "rows.jsonl:1" in said[0], found
        assert ("all 12 answers are labelled good" if shape == "labels" else "the rewards of all 12 answers are 1") in said[-1]


NO_SCORE = record(answer(0, reward=1, scores={"kind": 1.0}), answer(1, reward=2, scores={"kind": 2.0, "safe": 1.0}))
RANKED = record(answer(0, rank=0), answer(1, rank=1))
CONTRADICTED = record(answer(0, rank=0, reward=0.0), answer(1, rank=1, reward=1.0))
SOFT = record(answer(0, rank=0, preference=0.7), answer(1, rank=1, preference=0.3))


@pytest.mark.parametrize("method, row, settings, reason, detail", [
    ("gdpo", NO_SCORE, [], "a score that gdpo adds is missing", "answer 1 has no score 'safe'"),
    ("gdpo", good(), ["method.scores=[kind, fun]"], "a score that gdpo adds is missing", "answer 1 has no score 'fun'"),
    ("modpo", NO_SCORE, ["method.scores=[safe]", "method.weights=[1]"], "a score that method.scores names is missing",
     "answer 1 has no score 'safe'"),
    ("odpo", RANKED, [], "by how much an answer is better is not said", "answers 1 and 2"),
    ("odpo", CONTRADICTED, [], "by how much an answer is better is not said", "answers 1 and 2"),
    ("hpo", RANKED, [], 'answers without a "reward"', "answer 1 has none"),
    ("remax", record(answer(0, reward=1), answer(1, reward=2)), [], 'no answer of "source" greedy', "2 answers"),
    ("slic", record(answer(0, rank=0), answer(1, rank=1)), ["method.target=reference"],
     "needs one answer of \"source\" reference", "0 of 2 answers"),
    ("aot", SOFT, [], "soft labels", "not 1 or 0"),
    ("dpo", record(answer(0, rank=0)), [], "no pair of completions", ""),
    ("dpo", record(answer(0, rank=0), answer(1, rank=0)), [], "all candidates tie", ""),
    ("dpo", record(answer(0), answer(1)), [], "no ranks, rewards or labels", ""),
    ("kto", record(answer(0), answer(1)), [], "no labels", ""),
    ("grpo", RANKED, [], "ranks and no rewards", ""),
])
def test_what_a_method_asks_for(tmp_path, method, row, settings, reason, detail):
    rows = [{**good(), "candidates": [dict(a, scores={**a["scores"], "fun": 1.0 * k}) for k, a in enumerate(good()["candidates"])]}
            for _ in range(3)]
    found = check(method, write(tmp_path / "rows.jsonl", [*rows, row]), *settings)
    assert found["rows_kept"] == 3, found
    ((said, count),) = found["dropped"].items()
    assert reason in said and count == 1
    (example,) = found["dropped_examples"][said]
    assert example.endswith(detail) and "rows.jsonl:4" in example
    said = check(method, write(tmp_path / "only.jsonl", [row, row]), *settings)
    assert "no row of 2 can be used" in said and "2 rows: " in said and reason in said and "only.jsonl:1" in said, said


BELOW = record(answer(0, reward=-1.0), answer(1, reward=1.0))
RIGHT = record(answer(0, reward=1.0), answer(1, reward=2.0))


@pytest.mark.parametrize("method, row, reason", [
    ("maxrl", BELOW, "the mean reward of a prompt is not positive"),
    ("passk", RIGHT, "always or never"),
    ("grpo", record(answer(0, reward=1.0), answer(1, reward=1.0 + 1e-12)), "have the same reward"),
    ("dr_grpo", record(answer(0, reward=1.0)), "have the same reward"),
    ("infonca", record(answer(0, reward=1.0)), "a prompt with one answer"),
    ("remax", record(answer(0, reward=1.0, source="greedy"), answer(1, reward=1.0)), "the reward of the greedy one"),
    ("a_lol", record(answer(0, reward=1.0), answer(1, reward=1.0)), "no answer to a prompt has a weight"),
    ("reward_weighted", record(answer(0, reward=0.0), answer(1, reward=0.0)), "no answer to a prompt has a weight"),
    ("dpo", record(answer(0, rank=0, weight=0), answer(1, rank=1, weight=0)), "answers of weight 0"),
])
def test_rows_that_teach_nothing(tmp_path, method, row, reason):
    rows = [record(answer(0, rank=0, reward=1.0), answer(1, rank=1, reward=0.0, source="greedy"))] * 3
    found = check(method, write(tmp_path / "rows.jsonl", [*rows, row]))
    assert found["rows_kept"] == 4 and found["teaching_nothing"] == 1
    (said,) = about_feedback(found)
    assert reason in said and "1 row (" in said and "rows.jsonl:4" in said
    said = check(method, write(tmp_path / "only.jsonl", [row, row]))
    assert "no row of 2 teaches" in said and reason in said and "2 rows" in said and "only.jsonl:1" in said, said


@pytest.mark.parametrize("labels, said", [
    ([False, False], "all 8 steps are scored wrong"), ([0, -1], "all 8 steps are scored wrong"),
    ([0.25, 0.25], "the scores of all 8 steps are 0.25"), ([0.25, 0.75], None), ([True, False], None)])
def test_steps_that_are_all_alike(tmp_path, labels, said):
    rows = [{"prompt": "a", "candidates": [{"steps": [" b", " c"], "step_scores": list(map(float, labels))}]}] * 4
    found = about_feedback(check("prm", write(tmp_path / "rows.jsonl", rows)))
    assert (said in found[0] and len(found) == 1) if said else not found, found


@pytest.mark.parametrize("sources, said", [
    (None, 'no preferred answer has a "source" ('), (["ann", "ann"], 'all 4 preferred answers are of "source" ann ('),
    (["ann", "bob"], None)])
def test_groups_that_nobody_names(tmp_path, sources, said):
    """The source of the other answer names no group."""
    rows = [record(answer(0, rank=0, **({"source": sources[i % 2]} if sources else {})), answer(1, rank=1, source="other"))
            for i in range(4)]
    found = check("group_dpo", write(tmp_path / "rows.jsonl", rows))
    about = [text for text in found["warnings"] if "one group" in text]
    assert (len(about) == 1 and said in about[0] and "rows.jsonl:1" in about[0]) if said else not about, found["warnings"]


@pytest.mark.parametrize("row, reason", [
    ({"prompt": "a", "completions": ["b", "c"], "labels": [True]}, '1 "labels" for 2 "completions"'),
    (record({"steps": ["b", "c"], "step_scores": [1, 0, 1], "label": True}), '3 "step_scores" for 2 "steps"'),
])
def test_step_scores_that_do_not_match_the_steps(tmp_path, row, reason):
    fine = {"prompt": "a", "completions": ["b", "c"], "labels": [True, True]} if "labels" in row else good()
    said = check("sft", write(tmp_path / "rows.jsonl", [fine, row]))
    assert "1 of 2 rows is malformed" in said and "rows.jsonl:2: wrong length" in said and reason in said, said


def test_an_annotator_who_is_two_people(tmp_path):
    def judged(who, *ranks):
        return record(*(answer(k, rank=rank, annotator=who) for k, rank in enumerate(ranks)))
    turned = record(*reversed(judged("ann", 0, 1)["candidates"]))
    rows = [judged("ann", 0, 1), judged("bob", 1, 0), turned, judged("ann", 1, 0)]
    found = check("dpo", write(tmp_path / "rows.jsonl", rows))
    (said,) = [text for text in found["warnings"] if "annotator" in text]
    assert "one id for two people" in said and "1 row (" in said and "rows.jsonl:4" in said


@pytest.mark.parametrize("rows", [
    [{"prompt": "Once upon a time"}] * 2,
    [{"prompt": "Once upon a time", "completion": " there was a cat."}] * 2,
])
def test_how_to_come_by_rewards(tmp_path, rows):
    """The commands that are named, run as they are named, lead from such rows to a run."""
    data = write(tmp_path / "rows.jsonl", rows)
    said = check("grpo", data)
    commands = re.findall(r"^  attune (.*)$", said, re.M)
    assert len(commands) == 2, said
    for command in commands:
        short = ["max_new_tokens=8"] if command.startswith("generate") else []
        rule = "'rule={name: length, target: 30, unit: characters}'"
        done = attune(*shlex.split(command.replace("rule=RULE", rule)), *short, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    learned = re.search(r"and (data=\S+) is learned from", said)[1]
    assert check("grpo", tmp_path / learned.removeprefix("data="))["candidates"] == 16


def test_maxrl_counts_groups_that_teach_nothing(tmp_path):
    data = write(tmp_path / "rows.jsonl", [BELOW, RIGHT, RIGHT, RIGHT])
    done = attune("train", f"model={MODEL}", f"data={data}", "method=maxrl", f"output={tmp_path}/run", "training.batch_size=4",
                  "training.max_steps=1", "samples.prompts=0", "threads=1")
    assert done.returncode == 0 and "nothing is learned where the mean reward" in done.stderr, done.stderr
    assert metrics_of(tmp_path / "run")[0]["frac_mean_not_positive"] == 0.25
