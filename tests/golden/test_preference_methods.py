"""Methods on pairs without a reference equal TRL's running code, the other methods on pairs and lists the formulas of
their papers (paper_formulas.py), on two dozen random pairs or lists each."""

import random

import paper_formulas
import pytest
import test_methods
import trl_oracle
from test_methods import NO_DISTRIBUTION, compare, double_precision, explain, near, numbers  # noqa: F401

COUNT = 24


def awkward(rng, group, kind):
    """Ragged; every sixth prompt has answers that tie, of one token, or that are next to impossible."""
    length = 1 if kind == 1 else rng.randint(1, 7)
    row = {"group": group, "logps": [rng.uniform(-1e4, -5e3)] if kind == 2 else numbers(rng, length)}
    row["ref_logps"] = near(rng, row["logps"])
    return row


def pairs(seed, extreme=True):
    rng = random.Random(seed)
    rows = []
    for group in range(COUNT):
        kind = group % 6
        chosen = awkward(rng, group, 1 if kind == 1 else 0)
        rejected = awkward(rng, group, kind if extreme else kind % 2)
        if kind == 3:
            rejected = dict(chosen)
        reward = rng.uniform(-1, 2)
        rows += [dict(chosen, rank=0, reward=reward + rng.uniform(0.05, 3)), dict(rejected, rank=1, reward=reward)]
    rng.shuffle(rows)
    return rows


def with_more(rows):
    """What single methods read besides: scores by respect, and log-probabilities under a judging prompt."""
    rng = random.Random(11)
    for row in rows:
        row["scores"] = {"kind": rng.uniform(-1, 1), "brief": rng.uniform(-1, 1)}
        row["teacher_logps"] = near(rng, row["logps"])
    return rows


CPO_LOSSES = [
    ("sigmoid", "cpo", {}), ("sigmoid", "cpo", {"beta": 0.6, "cpo_alpha": 0.3, "label_smoothing": 0.2}),
    ("sigmoid", "cpo", {"cpo_alpha": 0.0}), ("hinge", "cpo_hinge", {"beta": 0.4}), ("hinge", "cpo_hinge", {"beta": 2.0}),
    ("ipo", "cpo_ipo", {"beta": 0.7, "cpo_alpha": 0.5}), ("simpo", "cpo_simpo", {}),
    ("simpo", "cpo_simpo", {"beta": 2.5, "simpo_gamma": 1.4, "cpo_alpha": 0.05, "label_smoothing": 0.1}),
    ("simpo", "simpo", {"beta": 2.0, "simpo_gamma": 1.0}), ("simpo", "simpo", {"beta": 10.0, "simpo_gamma": 3.0}),
    ("simpo", "alphapo", {"beta": 2.5, "simpo_gamma": 0.8, "alpha": 0.3}),
    ("sigmoid", "cpo", {"alpha": -0.2}), ("hinge", "cpo_hinge", {"alpha": 0.1}), ("ipo", "cpo_ipo", {"alpha": 0.5}),
]


@pytest.mark.parametrize("loss_type,method,options", CPO_LOSSES)
def test_cpo(tmp_path, loss_type, method, options):
    rows = pairs(1, extreme="alpha" not in options)  # TRL takes powers of probabilities, which are 0 there
    ours = explain(tmp_path, rows, method, options)
    theirs = {**options, **({"cpo_alpha": 0.0} if method in ("simpo", "alphapo") else {})}
    without = NO_DISTRIBUTION + (("nll_loss",) if theirs.get("cpo_alpha", 1) == 0 else ())
    compare(ours, *trl_oracle.cpo(rows, loss_type, **theirs), without=without)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("beta", [0.1, 0.7])
def test_orpo(tmp_path, seed, beta):
    rows = pairs(seed)
    ours = explain(tmp_path, rows, "orpo", {"beta": beta})
    # TRL computes the odds in float32
    compare(ours, *trl_oracle.orpo(rows, beta), without=NO_DISTRIBUTION, tolerance=dict(rel=1e-6, abs=1e-6))


PAIR_FORMULAS = [
    ("simper", {}, {}), ("dpop", {}, {}), ("dpop", {"beta": 0.1, "lambda": 0.4}, {"beta": 0.1, "lam": 0.4}),
    ("dpop", {"lambda": 1.5, "lambda_inside": False}, {"lam": 1.5, "inside": False}),
    ("rdpo", {}, {}), ("rdpo", {"beta": 0.5, "alpha": 0.3}, {"beta": 0.5, "alpha": 0.3}),
    ("odpo", {}, {}), ("odpo", {"beta": 0.4, "alpha": 0.5}, {"beta": 0.4, "alpha": 0.5}),
    ("odpo", {"offset": "difference"}, {"offset": "difference"}),
    ("step_dpo", {}, {}), ("mallows_dpo", {"dispersion": 1.7}, {"dispersion": 1.7}), ("cpl", {}, {}),
    ("cpl", {"beta": 0.4, "bias": 0.8, "gamma": 0.7}, {"beta": 0.4, "bias": 0.8, "gamma": 0.7}), ("sr_dpo", {}, {}),
    ("sr_dpo", {"beta": 0.3, "lambda": 0.6}, {"beta": 0.3, "lam": 0.6}), ("hpo", {}, {}),
    ("hpo", {"gamma": 0.7, "alpha": 2.0}, {"gamma": 0.7, "alpha": 2.0}), ("modpo", {}, {}),
    ("modpo", {"weight": 0.6, "scores": ["kind", "brief"], "weights": [0.3, -0.1]}, {"weight": 0.6, "others": {"kind": 0.3, "brief": -0.1}}),
]


@pytest.mark.parametrize("method,options,theirs", PAIR_FORMULAS)
def test_pair_formulas(tmp_path, method, options, theirs):
    rows = with_more(pairs(2))
    loss, coefficients = paper_formulas.run(getattr(paper_formulas, method), rows, True, **theirs)
    compare(explain(tmp_path, rows, method, options), loss, {}, coefficients)


def test_mallows_dpo_by_the_entropy_of_the_reference(tmp_path):
    rng = random.Random(12)
    rows = test_methods.pairs(12, COUNT, logits=True)
    for row in rows:
        row["ref_logits"] = [[v + rng.gauss(0, 0.5) for v in line] for line in row["logits"]]
        ref = test_methods.torch.tensor(row["ref_logits"], dtype=test_methods.torch.float64).log_softmax(-1)
        row["ref_logps"] = [ref[t, i].item() for t, i in enumerate(row["ids"])]
    loss, coefficients = paper_formulas.run(paper_formulas.mallows_dpo, rows, True)
    compare(explain(tmp_path, rows, "mallows_dpo"), loss, {}, coefficients, without=NO_DISTRIBUTION)


@pytest.mark.parametrize("step_size", [0.01, 2.0])
def test_group_dpo(tmp_path, step_size):
    rows = pairs(13)
    for row in rows:
        row["source"] = ["north", "south", "west"][row["group"] % 3 if row["group"] else 2]
    loss, coefficients = paper_formulas.group_dpo(rows, step_size=step_size)
    compare(explain(tmp_path, rows, "group_dpo", {"step_size": step_size}), loss, {}, coefficients)


def lists(seed):
    rng = random.Random(seed)
    rows = []
    for group in range(COUNT):
        kind, size = group % 6, rng.randint(2, 6)
        rewards = [rng.uniform(-1, 2) for _ in range(size)]
        if kind == 4:  # ties, also at the top
            rewards = [rng.choice([0.5, 1.0]) for _ in range(size - 1)] + [0.0]
        members = [awkward(rng, group, kind if i == 0 or kind == 1 else 0) for i in range(size)]
        if kind == 3:
            members = [dict(members[0]) for _ in members]
        ranks = sorted(set(rewards), reverse=True)
        rows += [dict(m, reward=r, rank=ranks.index(r)) for m, r in zip(members, rewards)]
    return rows


LIST_FORMULAS = [
    ("plackett_luce", {}, {}), ("plackett_luce", {"beta": 0.8}, {"beta": 0.8}), ("rrhf", {}, {}),
    ("rrhf", {"rank_weight": 100, "sft_weight": 0.5, "length_penalty": 0.7},
     {"rank_weight": 100, "sft_weight": 0.5, "length_penalty": 0.7}),
    ("pro", {}, {}), ("pro", {"sft_weight": 0.5}, {"sft_weight": 0.5}), ("lipo", {}, {}), ("lipo", {"beta": 0.9}, {"beta": 0.9}),
    ("lipo", {"weighting": "uniform"}, {"weighting": "uniform"}), ("lire", {}, {}),
    ("lire", {"temperature": 3}, {"temperature": 3}), ("infonca", {}, {}),
    ("infonca", {"beta": 0.5, "alpha": 0.7}, {"beta": 0.5, "alpha": 0.7}), ("nca", {}, {}),
    ("nca", {"beta": 0.5, "alpha": 0.7}, {"beta": 0.5, "alpha": 0.7}), ("vcb", {}, {}), ("vcb", {"lambda": 2}, {"lam": 2}),
    ("exo", {}, {}), ("exo", {"beta": 0.001, "alpha": 0.4}, {"beta": 0.001, "alpha": 0.4}), ("slic", {}, {}),
    ("slic", {"variant": "margin", "margin": 0.7, "normalize": "mean"}, {"variant": "margin", "margin": 0.7, "normalize": "mean"}),
    ("aft", {}, {}), ("aft", {"constraint": "detached", "sft_weight": 0.3}, {"constraint": "detached", "sft_weight": 0.3}),
    ("aft", {"constraint": "none"}, {"constraint": "none"}), ("aft", {"boundary": 0.6}, {"boundary": 0.6}),
    ("stable_alignment", {}, {}), ("stable_alignment", {"ratio": 0.7, "margin": 2, "scale": 3, "reduction": "max"},
                                   {"ratio": 0.7, "margin": 2.0, "scale": 3.0, "reduction": "max"}),
    ("d2o", {}, {}), ("d2o", {"beta": 0.4, "alpha": 0.05}, {"beta": 0.4, "alpha": 0.05}),
    ("slic", {"variant": "list", "lambda": 0.6}, {"variant": "list", "lam": 0.6}),
    ("slic", {"variant": "reward", "normalize": "mean"}, {"variant": "reward", "normalize": "mean"}),
]


@pytest.mark.parametrize("method,options,theirs", LIST_FORMULAS)
def test_list_formulas(tmp_path, method, options, theirs):
    rows = lists(3)
    loss, coefficients = paper_formulas.run(getattr(paper_formulas, method), rows, False, **theirs)
    compare(explain(tmp_path, rows, method, options), loss, {}, coefficients)


@pytest.mark.parametrize("variant", ["rank", "margin", "list", "reward"])
def test_slic_that_imitates_a_reference(tmp_path, variant):
    rows = lists(6)
    for row, after in zip(rows, [*rows[1:], {"group": None}]):
        if row["group"] != after["group"]:
            row["source"] = "reference"
    loss, coefficients = paper_formulas.run(paper_formulas.slic, rows, False, variant=variant, target="reference")
    compare(explain(tmp_path, rows, "slic", {"variant": variant, "target": "reference"}), loss, {}, coefficients)


def test_what_lists_cannot_use_is_counted(tmp_path):
    rows = lists(4)
    for i in (3, 9):
        rows[i]["reward"] = None
    (tmp_path / "fixture.json").write_text(test_methods.json.dumps({"candidates": rows}))
    done = test_methods.run(["pro", f"fixture={tmp_path}/fixture.json", "--json"])
    assert done.returncode == 2
    assert f"2 of {len(rows)} candidates of this step have no finite 'reward'" in done.stderr, done.stderr


def test_pairs_without_a_difference_are_counted(tmp_path):
    rows = pairs(5)
    for row in rows:
        if row["group"] == 7:
            row["reward"] = 1.0
    (tmp_path / "fixture.json").write_text(test_methods.json.dumps({"candidates": rows}))
    done = test_methods.run(["odpo", f"fixture={tmp_path}/fixture.json", "--json"])
    assert done.returncode == 2 and f"1 of {COUNT} pairs" in done.stderr and "group 7" in done.stderr, done.stderr
