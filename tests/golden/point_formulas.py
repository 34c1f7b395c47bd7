"""Point-wise formulas of papers in float64: every answer by itself, or against the mean of its prompt. Nothing of the
program is read here. A step is a list of candidates as fixtures hold them; the results are the loss and what every number
is pushed by, −∂loss/∂number."""

import math

import torch

logistic = torch.nn.functional.logsigmoid


def leaf(values):
    return torch.tensor(values, dtype=torch.float64, requires_grad=True)


def centred(candidates):
    """Each reward less the mean of its prompt's."""
    of = {}
    for c in candidates:
        of.setdefault(c["group"], []).append(c["reward"])
    return [c["reward"] - sum(of[c["group"]]) / len(of[c["group"]]) for c in candidates]


def differentiated(loss, leaves):
    found = torch.autograd.grad(loss, leaves, allow_unused=True)
    return loss.item(), [torch.zeros_like(x).tolist() if g is None else (-g).tolist() for g, x in zip(found, leaves)]


# --- log-probabilities ----------------------------------------------------------------------------------------------


def weighted_likelihood(candidates, weights):
    tokens = [leaf(c["logps"]) for c in candidates]
    return differentiated(-sum(w * t.mean() for w, t in zip(weights, tokens)) / len(candidates), tokens)


def reward_weighted(candidates):
    return weighted_likelihood(candidates, [c["reward"] for c in candidates])


def awr(candidates, beta=1.0, cap=20.0, baseline="group"):
    advantages = centred(candidates) if baseline == "group" else [c["reward"] for c in candidates]
    return weighted_likelihood(candidates, [min(math.exp(a / beta), cap) for a in advantages])


def a_lol(candidates, baseline="group"):
    """Answers worse than the mean are dropped; the rest are weighed by how likely they are now."""
    advantages = centred(candidates) if baseline == "group" else [c["reward"] for c in candidates]
    weights = [max(a, 0) * math.exp(sum(c["logps"]) - sum(c["ref_logps"])) for a, c in zip(advantages, candidates)]
    return weighted_likelihood(candidates, weights)


def unlikelihood(candidates, likelihood_weight=1.0):
    tokens = [leaf(c["logps"]) for c in candidates]
    loss = 0.0
    for c, t in zip(candidates, tokens):
        loss = loss + (-likelihood_weight * t.sum() if c["label"] else -torch.log1p(-torch.exp(t)).sum())
    return differentiated(loss / sum(len(t) for t in tokens), tokens)


def bco(candidates, beta=0.1, shift="running"):
    tokens = [leaf(c["logps"]) for c in candidates]
    rewards = [beta * (t.sum() - sum(c["ref_logps"])) for t, c in zip(tokens, candidates)]
    middle = sum(r.item() for r in rewards) / len(rewards) if shift == "running" else 0.0
    losses = [-logistic((r - middle) if c["label"] else -(r - middle)) for r, c in zip(rewards, candidates)]
    return differentiated(sum(losses) / len(losses), tokens)


def a2po(candidates, beta1=0.5, beta2=0.001):
    """V* of a prompt from the rewards of the reference's answers; the log-ratio regresses to r − V*."""
    tokens = [leaf(c["logps"]) for c in candidates]
    of = {}
    for c in candidates:
        of.setdefault(c["group"], []).append(c["reward"] / beta1)
    value = {g: beta1 * (torch.logsumexp(torch.tensor(r, dtype=torch.float64), 0).item() - math.log(len(r))) for g, r in of.items()}
    losses = [(beta2 * (t.sum() - sum(c["ref_logps"])) - (c["reward"] - value[c["group"]])) ** 2 for t, c in zip(tokens, candidates)]
    return differentiated(sum(losses) / len(losses), tokens)


# --- whole distributions: pushes on the logits ----------------------------------------------------------------------


def distributions(candidates):
    """[(leaf of logits, log p, log p of the tokens)]"""
    out = []
    for c in candidates:
        logits = leaf(c["logits"])
        log_p = logits.log_softmax(-1)
        out.append((logits, log_p, log_p.gather(1, torch.tensor(c["ids"])[:, None])[:, 0]))
    return out


def forward_kl(c, key, log_p):
    other = torch.tensor(c[key], dtype=torch.float64).log_softmax(-1)
    return (other.exp() * (other - log_p)).sum(-1)


def over_tokens(per_token, found):
    loss = torch.cat(per_token).mean()
    return differentiated(loss, [logits for logits, _, _ in found])


def quark(candidates, beta=0.05, entropy_coef=0.06):
    found = distributions(candidates)
    return over_tokens([-t + beta * forward_kl(c, "ref_logits", p) + entropy_coef * (p.exp() * p).sum(-1)
                        for c, (_, p, t) in zip(candidates, found)], found)


def context_distillation(candidates):
    found = distributions(candidates)
    return over_tokens([forward_kl(c, "teacher_logits", p) for c, (_, p, _) in zip(candidates, found)], found)


def asft(candidates, alpha=0.1):
    found = distributions(candidates)
    return over_tokens([-t.detach().exp() * t + alpha * forward_kl(c, "ref_logits", p)
                        for c, (_, p, t) in zip(candidates, found)], found)


def weak_to_strong(candidates, alpha=0.5):
    found = distributions(candidates)
    return over_tokens([-(1 - alpha) * t - alpha * p.gather(1, p.detach().argmax(-1)[:, None])[:, 0] for _, p, t in found], found)


def eaft(candidates, alpha=1.0, top=20):
    """Pushes on the log-probabilities: the weight has no gradient."""
    tokens, total = [], 0.0
    for _, log_p, t in distributions(candidates):
        own = t.detach().requires_grad_(True)
        tokens.append(own)
        kept = log_p.detach().topk(min(top, log_p.shape[-1]), -1).values.log_softmax(-1)
        entropy = -(kept.exp() * kept).sum(-1)
        total = total - ((entropy / 3.0) ** alpha * own).sum()
    return differentiated(total / sum(len(t) for t in tokens), tokens)


def cringe(candidates, lam=1.0, rivals=5):
    """The mean over the draw of the positive token, written out; how it is drawn has no gradient."""
    found, total = distributions(candidates), 0.0
    for c, (logits, _, own) in zip(candidates, found):
        if c["label"]:
            total = total - own.sum()
            continue
        for z, token in zip(logits, c["ids"]):
            others = sorted((k for k in range(len(z)) if k != token), key=lambda k: -z[k].item())[:rivals]
            weights = [math.exp(z[k].item() - z[others[0]].item()) for k in others]
            for k, weight in zip(others, weights):
                pair = torch.log_softmax(torch.stack([z[token], z[k]]), 0)
                total = total - lam * weight / sum(weights) * pair[1]
    return differentiated(total / sum(len(c["ids"]) for c in candidates), [logits for logits, _, _ in found])


# --- scores ---------------------------------------------------------------------------------------------------------


def scored(candidates, loss_of):
    scores = leaf([c["scores"][0] for c in candidates])
    loss, push = differentiated(loss_of(scores), [scores])
    return loss, [[p] for p in push[0]]


def binary_pm(candidates):
    return scored(candidates, lambda s: -sum(logistic(x if c["label"] else -x) for x, c in zip(s, candidates)) / len(candidates))


def reward_regression(candidates):
    return scored(candidates, lambda s: sum((x - c["reward"]) ** 2 for x, c in zip(s, candidates)) / len(candidates))


def grouped(candidates, scores):
    groups = {}
    for x, c in zip(scores, candidates):
        groups.setdefault(c["group"], []).append((c["rank"], x))
    return groups.values()


def reference_hinge(candidates, alpha=1.0):
    def loss(scores):
        out = []
        for ranked in grouped(candidates, scores):
            (_, better), (_, worse) = sorted(ranked, key=lambda it: it[0])
            out.append(torch.clamp(alpha + worse - better, min=0))
        return sum(out) / len(out)
    return scored(candidates, loss)


def paired(candidates, values):
    """(better, worse) of each prompt"""
    groups = {}
    for value, c in zip(values, candidates):
        groups.setdefault(c["group"], []).append((c["rank"], value))
    return [tuple(value for _, value in sorted(ranked, key=lambda it: it[0])) for ranked in groups.values()]


def grm(candidates, alpha=0.01, aux="sft", beta=0.1, reference_free=True, log_sigmoid=True):
    """Pushes on the scores, and on the tokens' log-probabilities."""
    scores, tokens = leaf([c["scores"][0] for c in candidates]), [leaf(c["logps"]) for c in candidates]
    ratios = [t.sum() - (0 if reference_free or aux == "sft" else sum(c["ref_logps"])) for t, c in zip(tokens, candidates)]
    reward = [-logistic(better - worse) for better, worse in paired(candidates, scores)]
    if aux == "dpo":
        text = [-logistic(beta * (better - worse)) for better, worse in paired(candidates, ratios)]
    else:
        text = [-logistic(beta * better) if log_sigmoid else -better for better, _ in paired(candidates, ratios)]
    loss = (1 - alpha) * sum(reward) / len(reward) + alpha * sum(text) / len(text)
    value, (pushed, *pushes) = differentiated(loss, [scores, *tokens])
    return value, [[push] for push in pushed], pushes


def pcrm(candidates, prior="length", beta1=6.0, beta2=0.001, beta3=0.0, limit=3.0):
    def loss(scores):
        out = []
        for (better, few), (worse, many) in paired(candidates, zip(scores, (len(c["logps"]) for c in candidates))):
            furthest = limit if prior == "fixed" else beta1 / (min(few, many) / max(few, many) + beta2) + beta3
            out.append(-logistic(better - worse) - logistic(furthest - better + worse))
        return sum(out) / len(out)
    return scored(candidates, loss)


def plackett_luce_rm(candidates):
    def loss(scores):
        groups = grouped(candidates, scores)
        total = 0.0
        for ranked in groups:
            for rank, own in ranked:
                behind = [x for other, x in ranked if other > rank]
                total = total + torch.logsumexp(torch.stack([own, *behind]), 0) - own
        return total / len(groups)
    return scored(candidates, loss)


def prm(candidates):
    """The steps' labels are in step_scores, their scores in scores."""
    leaves = [leaf(c["scores"]) for c in candidates]
    losses = [-(y * logistic(x) + (1 - y) * logistic(-x)) for c, of in zip(candidates, leaves) for x, y in zip(of, c["step_scores"])]
    return differentiated(sum(losses) / len(losses), leaves)
