"""Policy gradients on groups equal the formulas of their papers (group_formulas.py), and RLOO's loss TRL's running code,
on two dozen random groups each: ragged, answers of one token, groups whose rewards are all equal."""

import random

import group_formulas
import pytest
import trl_oracle
from test_methods import compare, double_precision, explain, near, numbers  # noqa: F401

COUNT = 24


def groups(seed, binary=False):
    rng = random.Random(seed)
    rows = []
    for group in range(COUNT):
        size = rng.randint(2, 6)
        same = group % 6 == 4
        for member in range(size):
            row = {"group": group, "logps": numbers(rng, 1 if group % 6 == 1 else rng.randint(1, 7))}
            row["old_logps"] = near(rng, row["logps"], 0.5)
            row["ref_logps"] = near(rng, row["logps"])
            reward = rng.choice([0.0, 1.0]) if binary else rng.uniform(-1, 2)
            row["reward"] = 1.0 if same else reward
            if member == size - 1:
                row["source"] = "greedy"
            rows.append(row)
    return rows


METHODS = [
    ("reinforce", {}, False), ("reinforce", {"baseline": "none"}, False), ("remax", {}, False), ("gpg", {}, False), ("opo", {}, False),
    ("reinforce_pp", {}, False), ("reinforce_pp", {"baseline": "group"}, False), ("maxrl", {}, True), ("passk", {}, True),
    ("passk", {"k": 2}, True), ("clip_cov", {"share": 0.05, "low": 0.01}, False), ("clip_cov", {}, False),
    ("kl_cov", {"share": 0.05, "kl_coef": 0.4}, False), ("kl_cov", {}, False), ("dppo", {}, False), ("dppo", {"threshold": 0.02}, False),
    ("dppo", {"divergence": "kl", "threshold": 0.01}, False),
]
SPELT = {"share": "ratio", "kl_coef": "coef"}


@pytest.mark.parametrize("method,options,binary", METHODS)
def test_group_formulas(tmp_path, method, options, binary):
    rows = groups(41, binary)
    ours = explain(tmp_path, rows, method, options)
    loss, coefficients, advantages = getattr(group_formulas, method)(rows, **{SPELT.get(k, k): v for k, v in options.items()})
    compare(ours, loss, {}, coefficients)
    compare(ours, loss, {}, advantages, field="advantages")


@pytest.mark.parametrize("weights", [None, {"kind": 0.2, "right": 1.5}])
def test_gdpo(tmp_path, weights):
    rng = random.Random(42)
    rows = groups(42)
    for row in rows:
        row["scores"] = {"kind": rng.uniform(-100, 100), "right": rng.choice([0.0, 1.0])}
    options = {"scores": list(weights), "weights": list(weights.values())} if weights else {}
    loss, coefficients, _ = group_formulas.gdpo(rows, weights)
    compare(explain(tmp_path, rows, "gdpo", options), loss, {}, coefficients)


def test_gdpo_learns_from_the_scores_of_each_group(tmp_path):
    """Groups of a step may be scored by different names, the first one by fewer than others."""
    rng = random.Random(43)
    rows = groups(43)
    for row in rows:
        names = [["right"], ["kind", "right"], ["kind", "short", "right"]][row["group"] % 3]
        row["scores"] = {name: rng.uniform(-3, 3) for name in names}
    loss, coefficients, advantages = group_formulas.gdpo(rows)
    ours = explain(tmp_path, rows, "gdpo", {})
    compare(ours, loss, {}, coefficients)
    compare(ours, loss, {}, advantages, field="advantages")


def test_a_step_without_a_greedy_answer_is_refused(tmp_path):
    from test_methods import json, run
    rows = groups(43)
    for row in rows[:8]:
        row.pop("source", None)
    (tmp_path / "f.json").write_text(json.dumps({"candidates": rows}))
    done = run(["remax", f"fixture={tmp_path}/f.json", "--json"])
    assert done.returncode == 2 and "greedy" in done.stderr and f"of {COUNT} prompts" in done.stderr, done.stderr


@pytest.mark.parametrize("options", [{}, {"beta": 0.0, "epsilon": 0.1, "epsilon_high": 0.4}, {"beta": 0.3, "normalize_advantages": True}])
def test_rloo(tmp_path, options):
    rows = groups(44)
    advantages = group_formulas.leave_one_out(rows, options.get("beta", 0.05), "normalize_advantages" in options)
    ours = explain(tmp_path, rows, "rloo", options)
    compare(ours, ours["loss"], {}, [[a] * len(row["logps"]) for a, row in zip(advantages, rows)], field="advantages")
    loss, metrics, coefficients = trl_oracle.rloo(rows, advantages, **{k: v for k, v in options.items() if k.startswith("eps")})
    compare(ours, loss, metrics, coefficients, without=("entropy", "clip_ratio/low_min", "clip_ratio/high_max"))
