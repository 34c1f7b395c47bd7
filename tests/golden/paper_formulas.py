"""The formulas of papers as one would write them on a board: plain loops over the pairs and lists of a step in float64,
differentiated by autograd. Nothing of the program is read here.

A side or candidate is an object with `s` (Σ log π), `ref` (Σ log π_ref), `n` (tokens) and what is said of it."""

import math
import types

import torch

logistic = torch.nn.functional.logsigmoid


def delta(y):
    return y.s - y.ref


def mean(y):
    return y.s / y.n


# --- pairs: (chosen, rejected) → the loss of one pair ---------------------------------------------------------------


def simper(w, l):
    return -(torch.exp(mean(w)) - torch.exp(mean(l)))


def dpop(w, l, beta=0.3, lam=50.0, inside=True):
    penalty = lam * torch.maximum(torch.zeros((), dtype=torch.float64), w.ref - w.s)
    if inside:
        return -logistic(beta * (delta(w) - delta(l) - penalty))
    return -logistic(beta * (delta(w) - delta(l)) - penalty)


def rdpo(w, l, beta=0.1, alpha=0.05):
    """The reward of an answer is β log π/π_ref + α |y|, from maximising r − α |y| − β KL."""
    def reward(y):
        return beta * delta(y) + alpha * y.n
    return -logistic(reward(w) - reward(l))


def odpo(w, l, beta=0.1, alpha=1.0, offset="log"):
    gap = w.reward - l.reward if w.reward is not None and l.reward is not None else w.margin
    return -logistic(beta * (delta(w) - delta(l)) - alpha * (math.log(gap) if offset == "log" else gap))


def mallows_dpo(w, l, beta=0.1, dispersion=None):
    """φ(x) from how undecided the reference is: `shares` are its entropies over log V, token by token."""
    phi = dispersion or -math.log((sum(w.shares) + sum(l.shares)) / (w.n + l.n))
    return -logistic(beta * phi * (delta(w) - delta(l)))


def step_dpo(w, l, beta=0.4):
    return -logistic(beta * (delta(w) - delta(l)))


def cpl(w, l, beta=0.1, bias=0.5, gamma=1.0):
    """Advantages are α log π; each token is an action."""
    def total(y):
        return sum(gamma**t * log_p for t, log_p in enumerate(y.tokens))
    return -logistic(beta * total(w) - bias * beta * total(l))


def sr_dpo(w, l, beta=0.1, lam=0.1):
    """The margin is how much better the judging prompt finds the chosen answer."""
    return -logistic(beta * (delta(w) - delta(l)) - lam * (w.judged - l.judged))


def hpo(w, l, beta=0.1, gamma=0.1, alpha=1.0):
    middle = (w.reward + l.reward) / 2
    likelihood = sum(math.exp((y.reward - middle) / alpha) * y.s for y in (w, l)) / 2
    return -logistic(beta * (delta(w) - delta(l))) - gamma * likelihood


def modpo(w, l, beta=0.1, weight=1.0, others=None):
    """`others` weighs the scores that are not what the preference is about."""
    gap = sum(share * (w.scores[name] - l.scores[name]) for name, share in (others or {}).items())
    return -logistic((beta * (delta(w) - delta(l)) - gap) / weight)


# --- lists: the candidates of one prompt → its loss -----------------------------------------------------------------


def plackett_luce(ys, beta=0.1):
    total = 0.0
    for k in ys:
        behind = [beta * delta(i) for i in ys if i.rank > k.rank]
        own = beta * delta(k)
        total = total + torch.logsumexp(torch.stack([own, *behind]), 0) - own
    return total


def rrhf(ys, rank_weight=1.0, sft_weight=1.0, length_penalty=1.0):
    p = {id(y): y.s / y.n**length_penalty for y in ys}
    violated = 0.0
    for i in ys:
        for j in ys:
            if i.rank > j.rank and p[id(i)] > p[id(j)]:  # the worse one is above the better one
                violated = violated + p[id(i)] - p[id(j)]
    best = min(ys, key=lambda y: y.rank)
    return rank_weight * violated - sft_weight * best.s


def pro(ys, sft_weight=0.05):
    ranked = sorted(ys, key=lambda y: -y.reward)
    count, total = len(ranked), 0.0
    for k in range(count - 1):
        inverse = [ranked[k].reward - y.reward for y in ranked[k + 1:]]  # 1/T_k^i
        own = mean(ranked[k]) * max(inverse)  # T_k^k is the smallest temperature
        others = [mean(y) * t for y, t in zip(ranked[k + 1:], inverse)]
        total = total - (own - torch.logsumexp(torch.stack([own, *others]), 0))
    return total + sft_weight * (count - 1) ** 2 * -mean(ranked[0])


def lipo(ys, beta=0.1, weighting="lambda"):
    scores = [beta * delta(y) for y in ys]
    given = sorted(range(len(ys)), key=lambda i: -ys[i].reward)
    order = sorted(given, key=lambda i: -scores[i].item())
    place = {i: order.index(i) + 1 for i in range(len(ys))}
    total = 0.0
    for i, y in enumerate(ys):
        for j, z in enumerate(ys):
            if y.reward > z.reward:
                weight = 1.0
                if weighting == "lambda":
                    gain = abs((2**y.reward - 1) - (2**z.reward - 1))
                    weight = gain * abs(1 / math.log(1 + place[i]) - 1 / math.log(1 + place[j]))
                total = total - weight * logistic(scores[i] - scores[j])
    return total


def lire(ys, temperature=1.0):
    w = torch.softmax(torch.stack([y.s for y in ys]) / temperature, 0)
    return -sum(w[j] * y.reward for j, y in enumerate(ys))


def given_shares(ys, alpha):
    return torch.softmax(torch.tensor([y.reward for y in ys], dtype=torch.float64) / alpha, 0)


def infonca(ys, beta=0.1, alpha=0.01):
    return -(given_shares(ys, alpha) * torch.log_softmax(torch.stack([beta * delta(y) for y in ys]), 0)).sum()


def nca(ys, beta=0.1, alpha=0.01):
    shares, total = given_shares(ys, alpha), 0.0
    for share, y in zip(shares, ys):
        total = total - share * logistic(beta * delta(y)) - logistic(-beta * delta(y)) / len(ys)
    return total


def vcb(ys, lam=0.1):
    squares = [((delta(i) - delta(j)) - (i.reward - j.reward) / lam) ** 2
               for a, i in enumerate(ys) for j in ys[a + 1:]]
    return torch.stack(squares).mean()


def exo(ys, beta=0.1, alpha=1.0):
    q = torch.softmax(torch.stack([beta * delta(y) for y in ys]), 0)
    p = given_shares(ys, alpha)
    return sum(a * (torch.log(a) - torch.log(b)) for a, b in zip(q, p))


def slic(ys, variant="rank", margin=1.0, lam=0.1, target="best", normalize="sum"):
    def score(y):
        return mean(y) if normalize == "mean" else y.s
    compared = [y for y in ys if target == "best" or y.source != "reference"]
    imitated = min(ys, key=lambda y: y.rank) if target == "best" else next(y for y in ys if y.source == "reference")
    if variant == "reward":
        shares = torch.softmax(torch.stack([score(y) for y in compared]), 0)
        calibration = -sum(share * y.reward for share, y in zip(shares, compared))
    else:
        ranked, terms = sorted(compared, key=lambda y: y.rank), []
        for i, better in enumerate(ranked):
            for j, worse in enumerate(ranked):
                if better.rank < worse.rank:
                    wanted = {"rank": 1.0, "margin": better.reward - worse.reward, "list": j - i}[variant]
                    terms.append(torch.clamp(margin * wanted - score(better) + score(worse), min=0))
        calibration = sum(terms) / max(len(terms), 1)
    return calibration - lam * score(imitated)


def aft(ys, constraint="boundary", boundary=0.15, sft_weight=1.0):
    """The boundary: below the least likely good answer by `boundary`, a bad one is pushed up again."""
    best = min(y.rank for y in ys)
    good, bad = [y for y in ys if y.rank == best], [y for y in ys if y.rank > best]
    least = min(mean(p).item() for p in good)
    inside = [torch.zeros((), dtype=torch.float64)]  # logarithms of the terms, whose largest is e^1000s here
    for p in good:
        for n in bad:
            inside.append((mean(n).detach() if constraint == "detached" else mean(n)) - mean(p))
            if constraint == "boundary":
                inside.append(least - 2 * boundary - mean(n))
    return torch.logsumexp(torch.stack(inside), 0) - sft_weight * sum(mean(p) for p in good) / len(good)


def stable_alignment(ys, ratio=0.2, margin=10.0, scale=7.0, reduction="mean"):
    ranked = sorted(ys, key=lambda y: -y.reward)
    best = -mean(ranked[0])
    gaps = [best + mean(y) + (ranked[0].reward - y.reward) / scale * margin for y in ranked[1:]]
    worst = max(gaps) if reduction == "max" else sum(gaps) / len(gaps)
    return best + ratio * torch.clamp(worst, min=0)


def d2o(ys, beta=0.1, alpha=0.1):
    """The worst answer is a person's bad one, all others are the policy's own."""
    ranked = sorted(ys, key=lambda y: y.rank)
    own = sum(delta(y) for y in ranked[:-1]) / (len(ranked) - 1)
    return -logistic(beta * own - alpha * delta(ranked[-1]))


# --- running them ---------------------------------------------------------------------------------------------------


def shares_of_entropy(logits):
    log_p = torch.tensor(logits, dtype=torch.float64).log_softmax(-1)
    return (-(log_p.exp() * log_p).sum(-1) / math.log(log_p.shape[-1])).tolist()


def group_dpo(candidates, beta=0.1, step_size=0.01):
    """One step from equal shares: worlds (sources) with more loss gain share, then weigh their mean losses."""
    made, worlds = answers(candidates), {}
    groups = {}
    for _, y in made:
        groups.setdefault(y.group, []).append(y)
    for ys in groups.values():
        w, l = sorted(ys, key=lambda y: y.rank)
        worlds.setdefault(w.source, []).append(-logistic(beta * (delta(w) - delta(l))))
    losses = [torch.stack(of).mean() for of in worlds.values()]
    grown = [math.exp(step_size * loss.item()) for loss in losses]
    loss = sum(g / sum(grown) * of for g, of in zip(grown, losses))
    return loss.item(), [(-g).tolist() for g in torch.autograd.grad(loss, [leaf for leaf, _ in made])]


def answers(candidates):
    """[(leaf of log π per token, the candidate as formulas see it)]"""
    out = []
    for c in candidates:
        leaf = torch.tensor(c["logps"], dtype=torch.float64, requires_grad=True)
        ref = torch.tensor(c["ref_logps"], dtype=torch.float64).sum() if "ref_logps" in c else None
        said = {key: c.get(key) for key in ("group", "rank", "reward", "margin", "source", "scores")}
        said["judged"] = sum(c.get("teacher_logps", []))
        said["shares"] = shares_of_entropy(c["ref_logits"]) if "ref_logits" in c else []
        out.append((leaf, types.SimpleNamespace(s=leaf.sum(), tokens=leaf, ref=ref, n=len(c["logps"]), **said)))
    return out


def run(formula, candidates, pairs, **options):
    """Loss and −∂loss/∂logps, the loss being the mean over prompts."""
    made = answers(candidates)
    groups = {}
    for _, y in made:
        groups.setdefault(y.group, []).append(y)
    losses = []
    for ys in groups.values():
        if pairs:
            losses.append(formula(*sorted(ys, key=lambda y: y.rank), **options))
        else:
            losses.append(formula(ys, **options))
    loss = torch.stack(losses).mean()
    leaves = [leaf for leaf, _ in made]
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True)
    return loss.item(), [[0.0] * len(leaf) if g is None else (-g).tolist() for leaf, g in zip(leaves, gradients)]
