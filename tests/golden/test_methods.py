"""Losses, metrics and gradients of the methods equal those of TRL's running code in float64, through `attune explain`
with a fixture. TDPO, which TRL does not have, is compared with its authors' formula."""

import json
import math
import os
import pathlib
import random
import subprocess

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("trl", reason="TRL is the oracle of these tests: install tests/golden/requirements.txt")
import trl_oracle  # noqa: E402
from tolerance import float32_tolerance  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build" / "attune"))
TOLERANCE = dict(rel=1e-9, abs=1e-11)
VOCABULARY = 7


@pytest.fixture(autouse=True)
def double_precision():
    """TRL makes tensors of some options, in the default precision. Other tests need theirs."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def run(arguments):
    return subprocess.run([ATTUNE, "explain", *arguments], capture_output=True, text=True, timeout=60)


def explain(tmp_path, candidates, method, options=None):
    path = tmp_path / "fixture.json"
    path.write_text(json.dumps(
        {"candidates": [{k: v for k, v in c.items() if not k.startswith("_")} for c in candidates]}))
    settings = [f"method.{k}={json.dumps(v)}" for k, v in (options or {}).items()]
    done = run([method, f"fixture={path}", *settings, "--json"])
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 1
    return json.loads(lines[0])


def numbers(rng, n, low=-3.0, high=-0.05):
    return [rng.uniform(low, high) for _ in range(n)]


def near(rng, values, spread=0.4):
    return [min(v + rng.uniform(-spread, spread), -1e-3) for v in values]


def with_logits(rng, candidate, length):
    """Adds logits and ids, and what TRL's fused head returns for them (keys with _ are for the oracle only)."""
    logits = [[rng.gauss(0, 1) for _ in range(VOCABULARY)] for _ in range(length)]
    ids = [rng.randrange(VOCABULARY) for _ in range(length)]
    log_p = torch.tensor(logits, dtype=torch.float64).log_softmax(-1)
    candidate.update(
        logits=logits, ids=ids, logps=log_p.gather(1, torch.tensor(ids)[:, None])[:, 0].tolist(),
        _mean_logits=torch.tensor(logits, dtype=torch.float64).mean(1).tolist(),
        _entropy=(-(log_p.exp() * log_p).sum(1)).tolist(),
        _is_top1=(log_p.argmax(1) == torch.tensor(ids)).double().tolist(),
        _log_sum_sq_probs=(2 * log_p).logsumexp(1).tolist(),
    )


def candidate(rng, group, logits=False, longest=7):
    length = rng.randint(1, longest)
    it = {"group": group, "logps": numbers(rng, length)}
    if logits:
        with_logits(rng, it, length)
    it["ref_logps"] = near(rng, it["logps"])
    return it


def pairs(seed, count=4, logits=False):
    rng = random.Random(seed)
    rows = [dict(candidate(rng, group, logits), rank=rank) for group in range(count) for rank in (0, 1)]
    rng.shuffle(rows)
    return rows


def compare(ours, loss, metrics, coefficients, field="coefficients", without=(), tolerance=TOLERANCE):
    assert ours["loss"] == pytest.approx(loss, **tolerance)
    for row, expected in zip(ours["candidates"], coefficients, strict=True):
        assert row[field] == pytest.approx(expected, **tolerance)
    for name, value in metrics.items():
        if name in without or name == "num_tokens":  # counted by the trainer: test_training.py
            continue
        assert name in ours["metrics"], f"{name} is missing"
        if value is None or math.isnan(value):
            assert ours["metrics"][name] is None
        else:
            # TRL's metrics that count are float32
            assert ours["metrics"][name] == pytest.approx(value, rel=max(1e-7, tolerance["rel"]) if "/" not in name or
                                                          "clip" in name or "accura" in name else tolerance["rel"],
                                                          abs=tolerance["abs"]), name


NO_DISTRIBUTION = ("entropy", "mean_token_accuracy", "logits/chosen", "logits/rejected")


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("logits", [False, True])
@pytest.mark.parametrize("loss_type,method", [("nll", "sft"), ("dft", "dft")])
def test_sft(tmp_path, seed, logits, loss_type, method):
    rng = random.Random(seed)
    rows = [candidate(rng, i, logits) for i in range(5)]
    ours = explain(tmp_path, rows, method)
    compare(ours, *trl_oracle.sft(rows, loss_type), without=() if logits else NO_DISTRIBUTION)


PAIR_LOSSES = [
    ("sigmoid", "dpo", {}), ("sigmoid", "dpo", {"beta": 0.7}), ("sigmoid", "dpo", {"ld_alpha": 0.3}),
    ("sigmoid", "dpo", {"f_divergence_type": "forward_kl"}), ("sigmoid", "dpo", {"f_divergence_type": "js_divergence"}),
    ("hinge", "hinge", {"beta": 0.5}), ("hinge", "hinge", {"beta": 3.0}), ("ipo", "ipo", {}),
    ("ipo", "ipo", {"f_divergence_type": "forward_kl"}), ("robust", "robust", {"label_smoothing": 0.2}),
    ("exo_pair", "exo_pair", {"label_smoothing": 0.05}), ("nca_pair", "nca_pair", {"beta": 0.4}),
    ("bco_pair", "bco_pair", {}), ("sppo_hard", "sppo_hard", {"beta": 0.6}), ("apo_zero", "apo_zero", {}),
    ("apo_down", "apo_down", {}), ("discopop", "discopop", {}), ("sigmoid_norm", "sigmoid_norm", {"beta": 2.0}),
    ("aot", "aot", {"label_smoothing": 0.1}), ("aot_unpaired", "aot_unpaired", {}),
]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("loss_type,method,options", PAIR_LOSSES)
def test_dpo(tmp_path, seed, loss_type, method, options):
    rows = pairs(seed)
    ours = explain(tmp_path, rows, method, options)
    compare(ours, *trl_oracle.dpo(rows, loss_type, **options), without=NO_DISTRIBUTION)


@pytest.mark.parametrize("loss_type", ["sigmoid", "ipo", "apo_zero"])
def test_dpo_weighted_by_the_distribution(tmp_path, loss_type):
    rows = pairs(3, logits=True)
    method = "dpo" if loss_type == "sigmoid" else loss_type
    ours = explain(tmp_path, rows, method, {"use_weighting": True})
    compare(ours, *trl_oracle.dpo(rows, loss_type, use_weighting=True))


def test_dpo_alpha_divergence(tmp_path):
    # TRL computes it in float32 at most: seven log-probabilities up to 3 a side, a sum of up to 21 in an exponent.
    rows = pairs(4)
    options = {"f_divergence_type": "alpha_divergence", "f_alpha_divergence_coef": 0.3}
    ours = explain(tmp_path, rows, "dpo", options)
    compare(ours, *trl_oracle.dpo(rows, dtype=torch.float32, **options), without=NO_DISTRIBUTION,
            tolerance=dict(rel=float32_tolerance(21, 14), abs=float32_tolerance(1, 14)))


def test_trl_spelling(tmp_path):
    rows = pairs(5)
    (tmp_path / "f.json").write_text(json.dumps({"candidates": rows}))
    done = run(["method={name: dpo, loss_type: ipo}", f"fixture={tmp_path}/f.json", "--json"])
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == explain(tmp_path, rows, "ipo")
    assert json.loads(done.stdout)["method"] == "ipo"


@pytest.mark.parametrize("method", ["kto", "apo_zero_unpaired"])
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("options", [{}, {"beta": 0.5, "desirable_weight": 1.3, "undesirable_weight": 0.4}])
def test_kto(tmp_path, method, seed, options):
    rng = random.Random(seed)
    rows = []
    for i in range(5):
        row = dict(candidate(rng, i, logits=True), label=i == 1 or rng.random() < 0.5)
        row["kl_logps"] = numbers(rng, rng.randint(1, 6))
        row["kl_ref_logps"] = near(rng, row["kl_logps"])
        rows.append(row)
    rows[0]["label"] = False
    given = [{key: value for key, value in row.items() if method == "kto" or not key.startswith("kl_")} for row in rows]
    ours = explain(tmp_path, given, method, options)
    compare(ours, *trl_oracle.kto(rows, method, **options))


def test_kto_one_class(tmp_path):
    rng = random.Random(9)
    rows = [dict(candidate(rng, i), label=True) for i in range(3)]
    for row in rows:  # the policy has moved away: a KL above 0
        row["kl_logps"] = [-0.5, -0.5]
        row["kl_ref_logps"] = [-1.0, -0.75]
    ours = explain(tmp_path, rows, "kto")
    assert ours["metrics"]["kl"] == pytest.approx(0.75)
    compare(ours, *trl_oracle.kto(rows), without=NO_DISTRIBUTION)


def groups(seed, count=3, size=4, old=True):
    rng = random.Random(seed)
    rows = []
    for group in range(count):
        for _ in range(size):
            row = dict(candidate(rng, group), reward=rng.choice([0.0, 1.0, 0.5, rng.random()]))
            if old:
                row["old_logps"] = near(rng, row["logps"], 0.6)
            rows.append(row)
    for row in rows[:size]:
        row["reward"] = 0.25  # a group with nothing to tell apart
    return rows


GROUP_OPTIONS = [
    {}, {"beta": 0.04}, {"beta": 0.2, "use_bias_correction_kl": False}, {"epsilon": 0.1, "epsilon_high": 0.35},
    {"delta": 1.4}, {"scale_rewards": "batch"}, {"scale_rewards": "none"}, {"scale_rewards": "group"},
    {"importance_sampling_level": "sequence"}, {"importance_sampling_level": "sequence", "beta": 0.1, "delta": 1.3},
]


@pytest.mark.parametrize("method", ["grpo", "dapo", "bnpo", "dr_grpo"])
@pytest.mark.parametrize("options", GROUP_OPTIONS)
def test_grpo(tmp_path, method, options):
    rows = groups(11)
    ours = explain(tmp_path, rows, method, options)
    theirs = {"scale_rewards": "none" if method == "dr_grpo" else "group", **options}
    loss, metrics, coefficients, advantages = trl_oracle.grpo(rows, method, **theirs)
    compare(ours, loss, metrics, coefficients,
            without=("entropy", "rewards/given/mean", "rewards/given/std"))
    for row, advantage in zip(ours["candidates"], advantages):
        assert row["advantages"] == pytest.approx([advantage] * len(row["advantages"]), **TOLERANCE)


SOFT_OPTIONS = [
    ("cispo", {}, {"epsilon_high": 5.0}), ("cispo", {"epsilon_high": 1.1, "beta": 0.1}, {}),
    ("cispo", {"epsilon_high": 1.1, "importance_sampling_level": "sequence"}, {}),
    ("sapo", {}, {}), ("sapo", {"sapo_temperature_pos": 2.0, "sapo_temperature_neg": 0.5, "beta": 0.1}, {}),
    ("sapo", {"importance_sampling_level": "sequence"}, {}),
    ("luspo", {}, {"importance_sampling_level": "sequence"}), ("luspo", {"importance_sampling_level": "token", "beta": 0.1}, {}),
    ("luspo", {"epsilon": 0.05, "delta": 1.2, "scale_rewards": "batch"}, {"importance_sampling_level": "sequence"}),
    ("vespo", {}, {}), ("vespo", {"vespo_k_pos": 1.0, "vespo_lambda_pos": 0.5, "vespo_k_neg": 0.0, "vespo_lambda_neg": 0.0,
                                  "beta": 0.2}, {}),
]


@pytest.mark.parametrize("method,options,only_theirs", SOFT_OPTIONS)
def test_relatives_of_grpo(tmp_path, method, options, only_theirs):
    rows = groups(17)
    ours = explain(tmp_path, rows, method, options)
    loss, metrics, coefficients, _ = trl_oracle.grpo(rows, method, **{"scale_rewards": "group", **options, **only_theirs})
    compare(ours, loss, metrics, coefficients, without=("entropy", "rewards/given/mean", "rewards/given/std"))


@pytest.mark.parametrize("method", ["grpo", "dapo", "cispo", "sapo", "vespo"])
@pytest.mark.parametrize("options", [{"off_policy_mask_threshold": 0.02}, {"off_policy_mask_threshold": 0.02, "beta": 0.1},
                                     {"off_policy_mask_threshold": -0.05, "importance_sampling_level": "sequence"}])
def test_completions_off_policy_are_left_out(tmp_path, method, options):
    if method == "vespo" and "importance_sampling_level" in options:
        options = {"off_policy_mask_threshold": -0.05}
    rows = groups(18)
    ours = explain(tmp_path, rows, method, options)
    theirs = {"epsilon_high": 5.0} if method == "cispo" else {}
    loss, metrics, coefficients, _ = trl_oracle.grpo(rows, method, **{**options, **theirs})
    compare(ours, loss, metrics, coefficients, without=("entropy", "rewards/given/mean", "rewards/given/std"))
    assert ours["loss"] != pytest.approx(explain(tmp_path, rows, method)["loss"], rel=1e-6)


def groups_with_logits(seed):
    rows = groups(seed)
    rng = random.Random(seed)
    for row in rows:
        with_logits(rng, row, len(row["logps"]))
        row["ref_logps"], row["old_logps"] = near(rng, row["logps"]), near(rng, row["logps"], 0.6)
    return rows


@pytest.mark.parametrize("method", ["grpo", "dapo", "bnpo", "dr_grpo"])
@pytest.mark.parametrize("options", [{"top_entropy_quantile": 0.4}, {"entropy_coef": 0.05},
                                     {"top_entropy_quantile": 0.4, "entropy_coef": 0.05, "beta": 0.1}])
def test_entropy(tmp_path, method, options):
    rows = groups_with_logits(19)
    ours = explain(tmp_path, rows, method, options)
    scale = "none" if method == "dr_grpo" else "group"
    loss, metrics, coefficients, _ = trl_oracle.grpo(rows, method, scale, **options)
    names = ("policy_loss", "entropy_coef", "rewards/given/mean", "rewards/given/std")
    if "entropy_coef" not in options:
        compare(ours, loss, metrics, coefficients, without=names)
        return
    assert ours["loss"] == pytest.approx(loss, **TOLERANCE)
    assert ours["metrics"]["entropy"] == pytest.approx(metrics["entropy"], **TOLERANCE)
    for row, expected in zip(ours["candidates"], coefficients, strict=True):
        for found, wanted in zip(row["logit_coefficients"], expected, strict=True):
            assert found == pytest.approx(wanted, **TOLERANCE)


@pytest.mark.parametrize("method", ["grpo", "dapo"])
def test_grpo_without_old_and_with_missing_rewards(tmp_path, method):
    rows = groups(12, old=False)
    rows[5]["reward"] = None
    ours = explain(tmp_path, rows, method, {"beta": 0.1})
    loss, metrics, coefficients, _ = trl_oracle.grpo(rows, method, beta=0.1)
    compare(ours, loss, metrics, coefficients, without=("entropy", "rewards/given/mean", "rewards/given/std"))


@pytest.mark.parametrize("method", ["grpo", "dapo", "bnpo", "dr_grpo"])
def test_grpo_masks_truncated_completions(tmp_path, method):
    rows = groups(13)
    for i in (1, 6):
        rows[i]["finish_reason"] = "length"
    options = {"mask_truncated_completions": True, "beta": 0.1, "max_completion_length": 32}
    ours = explain(tmp_path, rows, method, {k: v for k, v in options.items() if method == "dr_grpo" or "max" not in k})
    scale = "none" if method == "dr_grpo" else "group"
    loss, metrics, coefficients, _ = trl_oracle.grpo(rows, method, scale, **options)
    compare(ours, loss, metrics, coefficients, without=("entropy", "rewards/given/mean", "rewards/given/std"))


@pytest.mark.parametrize("center", [None, 0.01])
@pytest.mark.parametrize("margins", [False, True])
def test_bradley_terry(tmp_path, center, margins):
    rng = random.Random(7)
    rows = [{"group": g, "rank": r, "scores": [rng.gauss(0, 2)]} for g in range(4) for r in (0, 1)]
    values = [rng.random() for _ in range(4)] if margins else None
    for row in rows:
        if margins and row["rank"] == 0:
            row["margin"] = values[row["group"]]
    ours = explain(tmp_path, rows, "bradley_terry", {"center_rewards_coefficient": center} if center else {})
    compare(ours, *trl_oracle.bradley_terry(rows, values, center), field="score_coefficients")


def tdpo_of_the_authors(rows, beta, alpha, tdpo2):
    """github.com/Vance0124/Token-level-Direct-Preference-Optimization, trainers.py: tdpo_loss and _tdpo_get_batch_logps."""
    order = trl_oracle.pair_order(rows)
    logits = [torch.tensor(rows[i]["logits"], dtype=torch.float64, requires_grad=True) for i in order]

    def sums(i, z):
        logps = z.log_softmax(-1)
        ref = torch.tensor(rows[i]["ref_logits"], dtype=torch.float64).log_softmax(-1)
        per_position_kl = (ref.exp() * (ref - logps)).sum(-1)
        ids = torch.tensor(rows[i]["ids"])[:, None]
        margin = logps.gather(1, ids) - ref.gather(1, ids)
        return margin.sum(), per_position_kl.sum()

    both = [sums(i, z) for i, z in zip(order, logits)]
    half = len(both) // 2
    margin = torch.stack([m for m, _ in both])
    kl = torch.stack([k for _, k in both])
    chosen_values, rejected_values = (margin + kl)[:half], (margin + kl)[half:]
    difference = margin[:half] - margin[half:]
    if not tdpo2:
        inner = difference - (kl[half:] - kl[:half])
    else:
        inner = difference - alpha * (kl[half:] - kl[:half].detach())
    loss = -torch.nn.functional.logsigmoid(beta * inner).mean()
    gradients = torch.autograd.grad(loss, logits)
    coefficients = [None] * len(order)
    for gradient, i in zip(gradients, order):
        coefficients[i] = (-gradient).tolist()
    chosen, rejected = beta * chosen_values, beta * rejected_values
    metrics = {
        "rewards/chosen": chosen.mean().item(), "rewards/rejected": rejected.mean().item(),
        "rewards/accuracies": (chosen > rejected).double().mean().item(),
        "rewards/margins": (chosen - rejected).mean().item(),
        "kl/chosen": kl[:half].mean().item(), "kl/rejected": kl[half:].mean().item(),
    }
    return loss.item(), metrics, coefficients


@pytest.mark.parametrize("options", [{}, {"alpha": 0.9, "beta": 0.5}, {"alpha": 0.0}, {"variant": "tdpo1"}])
def test_tdpo(tmp_path, options):
    rng = random.Random(21)
    rows = pairs(21, logits=True)
    for row in rows:
        del row["ref_logps"], row["logps"]
        row["ref_logits"] = [[v + rng.gauss(0, 0.3) for v in line] for line in row["logits"]]
    ours = explain(tmp_path, rows, "tdpo", options)
    loss, metrics, coefficients = tdpo_of_the_authors(
        rows, options.get("beta", 0.1), options.get("alpha", 0.5), options.get("variant") != "tdpo1")
    assert ours["loss"] == pytest.approx(loss, **TOLERANCE)
    for name, value in metrics.items():
        assert ours["metrics"][name] == pytest.approx(value, **TOLERANCE), name
    for row, expected in zip(ours["candidates"], coefficients, strict=True):
        for found, wanted in zip(row["logit_coefficients"], expected, strict=True):
            assert found == pytest.approx(wanted, **TOLERANCE)
    if options.get("alpha") == 0.0:  # the identity TDPO(0) = DPO
        dpo = explain(tmp_path, [dict(r) for r in rows], "dpo")
        assert dpo["loss"] == pytest.approx(ours["loss"], **TOLERANCE)


@pytest.mark.parametrize("change,words", [
    (lambda r: r[0].pop("ref_logps"), ["ref_logps", "candidate 0"]),
    (lambda r: r[1].pop("logps"), ["logps", "candidate 1"]),
    (lambda r: r[1].update(logsp=[1]), ["logsp", "logps"]),
    (lambda r: r[0]["ref_logps"].append(-1.0), ["ref_logps", "logps"]),
    (lambda r: r[0].update(logps=["x"]), ["logps", "finite"]),
    (lambda r: r[0].update(rank=r[1]["rank"]), ["rank"]),
    (lambda r: r[0].pop("rank"), ["rank"]),
    (lambda r: r.pop(), ["pair"]),
])
def test_refused_fixtures(tmp_path, change, words):
    rows = pairs(1, count=1)
    change(rows)
    (tmp_path / "bad.json").write_text(json.dumps({"candidates": rows}))
    done = run(["dpo", f"fixture={tmp_path}/bad.json", "--json"])
    assert done.returncode == 2 and done.stdout == ""
    for word in ["bad.json", *words]:
        assert word in done.stderr


@pytest.mark.parametrize("arguments,words", [
    (["dpoo"], ["dpoo", "dpo"]), (["dpo", "method.betta=1"], ["betta", "beta"]), (["dpo", "method.beta=-1"], ["beta"]),
    (["dpo", "fixture=/nonexistent.json"], ["nonexistent"]), (["method={name: dpo, loss_type: ippo}"], ["ippo", "ipo"]),
    ([], ["dpo"]),
])
def test_refused_arguments(arguments, words):
    done = run(arguments)
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr


def test_cards():
    listed = subprocess.run([ATTUNE, "explain", "--compare", "dpo", "ipo"], capture_output=True, text=True, timeout=60)
    assert listed.returncode == 0 and "Azar" in listed.stdout and "Rafailov" in listed.stdout
    text = run(["kto"]).stdout
    for word in ["arXiv:2402.01306", "desirable_weight", "worked example", "pushed"]:
        assert word in text
