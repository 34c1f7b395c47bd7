"""Methods on single answers, whole distributions and scores equal the formulas of their papers (point_formulas.py), on two
dozen random answers or prompts each: ragged, of one token, tied, next to impossible."""

import random

import point_formulas
import pytest
from test_methods import candidate, compare, double_precision, explain  # noqa: F401
from test_preference_methods import COUNT, lists, pairs


def close(ours, expected, field="coefficients"):
    loss, pushes = expected
    compare(ours, loss, {}, pushes, field=field)


def labelled(seed):
    return [dict(row, group=i, label=row["rank"] == 0) for i, row in enumerate(pairs(seed))]


def whole(seed):
    rng = random.Random(seed)
    rows = [candidate(rng, i, logits=True, longest=1 if i % 6 == 1 else 7) for i in range(COUNT)]
    for row in rows:
        row["ref_logits"], row["teacher_logits"] = ([[v + rng.gauss(0, 0.5) for v in line] for line in row["logits"]] for _ in range(2))
        del row["ref_logps"]
    return rows


RATED = [
    ("reward_weighted", {}), ("awr", {}), ("awr", {"beta": 0.2, "cap": 3.0}), ("awr", {"baseline": "none"}), ("a_lol", {}),
    ("a_lol", {"baseline": "none"}), ("a2po", {}), ("a2po", {"beta1": 2.0, "beta2": 0.05}),
]


@pytest.mark.parametrize("method,options", RATED)
def test_rated(tmp_path, method, options):
    rows = lists(31)
    if method == "a_lol":  # e^20 is the largest ratio that it counts
        for row in rows:
            row["ref_logps"] = [max(r, l - 5) for r, l in zip(row["ref_logps"], row["logps"])]
    close(explain(tmp_path, rows, method, options), getattr(point_formulas, method)(rows, **options))


LABELLED = [("unlikelihood", {}), ("unlikelihood", {"likelihood_weight": 0.3}), ("bco", {}), ("bco", {"beta": 0.5, "shift": "none"})]


@pytest.mark.parametrize("method,options", LABELLED)
def test_labelled(tmp_path, method, options):
    rows = labelled(32)
    close(explain(tmp_path, rows, method, options), getattr(point_formulas, method)(rows, **options))


WHOLE = [("quark", {}), ("quark", {"beta": 0.0, "entropy_coef": 0.5}), ("context_distillation", {}), ("asft", {}),
         ("asft", {"alpha": 0.7}), ("weak_to_strong", {}), ("weak_to_strong", {"alpha": 0.9})]


@pytest.mark.parametrize("method,options", WHOLE)
def test_whole_distributions(tmp_path, method, options):
    rows = whole(33)
    ours = explain(tmp_path, rows, method, options)
    loss, pushes = getattr(point_formulas, method)(rows, **options)
    assert ours["loss"] == pytest.approx(loss, rel=1e-9)
    for row, expected in zip(ours["candidates"], pushes, strict=True):
        for found, wanted in zip(row["logit_coefficients"], expected, strict=True):
            assert found == pytest.approx(wanted, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("options", [{}, {"lambda": 0.3}])
def test_cringe(tmp_path, options):
    rows = [dict(row, label=i % 3 != 0) for i, row in enumerate(whole(38))]
    ours = explain(tmp_path, rows, "cringe", options)
    loss, pushes = point_formulas.cringe(rows, lam=options.get("lambda", 1.0))
    assert ours["loss"] == pytest.approx(loss, rel=1e-9)
    for row, expected in zip(ours["candidates"], pushes, strict=True):
        for found, wanted in zip(row["logit_coefficients"], expected, strict=True):
            assert found == pytest.approx(wanted, rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("alpha", [0.0, 1.0, 2.5])
def test_eaft(tmp_path, alpha):
    rows = whole(34)
    close(explain(tmp_path, rows, "eaft", {"alpha": alpha}), point_formulas.eaft(rows, alpha))


def scored(rows):
    rng = random.Random(35)
    return [dict(row, scores=[rng.choice([rng.gauss(0, 2), rng.gauss(0, 1e4)])]) for row in rows]


SCORED = [("binary_pm", labelled, {}), ("reward_regression", lists, {}), ("plackett_luce_rm", lists, {}),
          ("reference_hinge", pairs, {}), ("reference_hinge", pairs, {"alpha": 0.3}), ("pcrm", pairs, {}),
          ("pcrm", pairs, {"beta1": 0.5, "beta2": 0.2, "beta3": 0.1}), ("pcrm", pairs, {"prior": "fixed", "limit": 0.7})]


@pytest.mark.parametrize("method,make,options", SCORED)
def test_scores(tmp_path, method, make, options):
    rows = scored(make(36))
    close(explain(tmp_path, rows, method, options), getattr(point_formulas, method)(rows, **options), "score_coefficients")


@pytest.mark.parametrize("options", [{}, {"alpha": 0.4, "beta": 0.7}, {"alpha": 0.2, "log_sigmoid": False}, {"alpha": 0.3, "aux": "dpo"},
                                     {"alpha": 1.0, "aux": "dpo", "reference_free": False, "beta": 0.5}])
def test_grm(tmp_path, options):
    rows = scored(pairs(39))
    ours = explain(tmp_path, rows, "grm", options)
    loss, scores, tokens = point_formulas.grm(rows, **options)
    compare(ours, loss, {}, scores, field="score_coefficients")
    compare(ours, loss, {}, tokens)


def test_prm(tmp_path):
    """Derivations of one step to six, right, wrong and in between."""
    rng = random.Random(37)
    rows = [dict(candidate(rng, i), step_scores=[rng.choice([0, 1, 1, 0.3]) for _ in range(1 if i % 5 == 1 else rng.randint(2, 6))])
            for i in range(COUNT)]
    for row in rows:
        row["scores"] = [rng.choice([rng.gauss(0, 2), rng.gauss(0, 1e4)]) for _ in row["step_scores"]]
    close(explain(tmp_path, rows, "prm", {}), point_formulas.prm(rows), "score_coefficients")
    three_valued = [dict(row, step_scores=[y or -1 for y in row["step_scores"]]) for row in rows]  # the −1 of PRM800K is 0
    assert explain(tmp_path, three_valued, "prm", {})["loss"] == explain(tmp_path, rows, "prm", {})["loss"]
