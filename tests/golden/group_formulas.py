"""Policy gradients on groups of rated answers, as their papers write them: advantages first, then the loss of each token, in
float64. Nothing of the program is read here. A step is a list of candidates as fixtures hold them (`logps`, `old_logps`,
`reward`, `group`, …); the results are the loss, −∂loss/∂logps and the advantages."""

import math

import torch


def groups_of(candidates):
    groups = {}
    for i, c in enumerate(candidates):
        groups.setdefault(c["group"], []).append(i)
    return list(groups.values())


def mean(values):
    return sum(values) / len(values)


def deviation(values):
    return math.sqrt(sum((v - mean(values)) ** 2 for v in values) / (len(values) - 1)) if len(values) > 1 else 0.0


def within_groups(candidates, of_rewards):
    out = [0.0] * len(candidates)
    for members in groups_of(candidates):
        for i, a in zip(members, of_rewards([candidates[i]["reward"] for i in members])):
            out[i] = a
    return out


def result(loss, tokens, advantages):
    gradients = torch.autograd.grad(loss, tokens, allow_unused=True)
    found = [[0.0] * len(t) if g is None else (-g).tolist() for g, t in zip(gradients, tokens)]
    return loss.item(), found, [[a] * len(t) for a, t in zip(advantages, tokens)]


def leaves(candidates):
    return [torch.tensor(c["logps"], dtype=torch.float64, requires_grad=True) for c in candidates]


def old(c):
    return torch.tensor(c["old_logps"], dtype=torch.float64)


def token_mean(losses):
    return torch.cat(losses).mean()


def sequence_mean(losses):
    """Sums over tokens, averaged over answers."""
    return sum(l.sum() for l in losses) / len(losses)


def clipped(t, c, a, low=0.2, high=0.2):
    rho = torch.exp(t - old(c))
    return -torch.minimum(rho * a, rho.clamp(1 - low, 1 + high) * a)


# --- one baseline, no ratio -----------------------------------------------------------------------------------------


def reinforce(candidates, baseline="running", decay=0.9):
    """The first step: the running mean begins as its mean, which nothing is compared with before."""
    rewards = [c["reward"] for c in candidates]
    b = {"running": mean(rewards), "none": 0.0}[baseline]
    advantages, tokens = [r - b for r in rewards], leaves(candidates)
    return result(sequence_mean([-a * t for a, t in zip(advantages, tokens)]), tokens, advantages)


def remax(candidates):
    advantages = [0.0] * len(candidates)
    for members in groups_of(candidates):
        greedy = next(i for i in members if candidates[i].get("source") == "greedy")
        for i in members:
            advantages[i] = candidates[i]["reward"] - candidates[greedy]["reward"]
    tokens = leaves(candidates)
    sampled = [-a * t for c, a, t in zip(candidates, advantages, tokens) if c.get("source") != "greedy"]
    return result(sequence_mean(sampled), tokens, advantages)


def gpg(candidates):
    """Groups whose rewards are all equal say nothing; the others make up for them."""
    groups = [[candidates[i]["reward"] for i in members] for members in groups_of(candidates)]
    telling = sum(max(g) > min(g) for g in groups)
    scale = len(groups) / telling if telling else 0.0
    advantages, tokens = within_groups(candidates, lambda r: [scale * (x - mean(r)) for x in r]), leaves(candidates)
    return result(token_mean([-a * t for a, t in zip(advantages, tokens)]), tokens, advantages)


def opo(candidates):
    """The optimal baseline of answers whose gradients grow with their length."""
    advantages = [0.0] * len(candidates)
    for members in groups_of(candidates):
        length = [len(candidates[i]["logps"]) for i in members]
        b = sum(n * candidates[i]["reward"] for n, i in zip(length, members)) / sum(length)
        for i in members:
            advantages[i] = candidates[i]["reward"] - b
    tokens = leaves(candidates)
    return result(sequence_mean([-a * t for a, t in zip(advantages, tokens)]), tokens, advantages)


def leave_one_out(candidates, beta=0.05, normalize=False):
    """RLOO's advantages: the KL of the sampled answer is part of its reward; the others to its prompt are the baseline."""
    rewards = [c["reward"] - beta * (sum(c["old_logps"]) - sum(c["ref_logps"])) for c in candidates]
    advantages = [0.0] * len(candidates)
    for members in groups_of(candidates):
        for i in members:
            advantages[i] = rewards[i] - mean([rewards[j] for j in members if j != i])
    if not normalize:
        return advantages
    middle, spread = mean(advantages), deviation(advantages)
    return [(a - middle) / (spread + 1e-4) for a in advantages]


# --- PPO's clip with other advantages -------------------------------------------------------------------------------


def reinforce_pp(candidates, baseline="none"):
    rewards = [c["reward"] for c in candidates] if baseline == "none" else within_groups(candidates, lambda r: [x - mean(r) for x in r])
    middle, spread = mean(rewards), deviation(rewards)
    advantages, tokens = [(r - middle) / (spread + 1e-8) for r in rewards], leaves(candidates)
    return result(token_mean([clipped(t, c, a) for t, c, a in zip(tokens, candidates, advantages)]), tokens, advantages)


def maxrl(candidates):
    """Divided by the share of right answers: the gradient of the log of that share."""
    advantages = within_groups(candidates, lambda r: [(x - mean(r)) / mean(r) if mean(r) > 0 else 0.0 for x in r])
    tokens = leaves(candidates)
    return result(sequence_mean([clipped(t, c, a) for t, c, a in zip(tokens, candidates, advantages)]), tokens, advantages)


def passk(candidates, k=4, threshold=0.5):
    """What an answer adds to the chance that k answers of its group hold a right one (closed form)."""
    def of(rewards):
        n, wrong = len(rewards), sum(r <= threshold for r in rewards)
        size = min(k, max(n - 1, 1))
        value = 1 - math.comb(wrong, size) / math.comb(n, size)
        spread = math.sqrt(value * (1 - value))
        if spread == 0:
            return [0.0] * n
        missed = math.comb(wrong - 1, size - 1) / math.comb(n - 1, size - 1)
        return [((1 - value) if r > threshold else (1 - value - missed)) / spread for r in rewards]
    advantages, tokens = within_groups(candidates, of), leaves(candidates)
    return result(token_mean([clipped(t, c, a) for t, c, a in zip(tokens, candidates, advantages)]), tokens, advantages)


def gdpo(candidates, weights=None):
    """Each score is normalised in its group, then they are added, then the sums are normalised over the step. A group has
    the scores that its answers have."""
    sums = [0.0] * len(candidates)
    for members in groups_of(candidates):
        for name in weights or candidates[members[0]]["scores"]:
            values = [candidates[i]["scores"][name] for i in members]
            for i, v in zip(members, values):
                sums[i] += (weights or {}).get(name, 1.0) * (v - mean(values)) / (deviation(values) + 1e-4)
    middle, spread = mean(sums), deviation(sums)
    advantages, tokens = [(s - middle) / (spread + 1e-4) for s in sums], leaves(candidates)
    return result(token_mean([clipped(t, c, a) for t, c, a in zip(tokens, candidates, advantages)]), tokens, advantages)


# --- what replaces the clip -----------------------------------------------------------------------------------------


def normalised(candidates):
    return within_groups(candidates, lambda r: [(x - mean(r)) / (deviation(r) + 1e-4) for x in r])


def covariances(tokens, advantages):
    """(log π − mean)(A − mean) of every token of the step."""
    log_p = torch.cat([t.detach() for t in tokens])
    a = torch.cat([torch.full_like(t.detach(), a) for t, a in zip(tokens, advantages)])
    return (log_p - log_p.mean()) * (a - a.mean())


def clip_cov(candidates, ratio=0.0002, low=1.0, high=5.0):
    advantages, tokens = normalised(candidates), leaves(candidates)
    losses = torch.cat([clipped(t, c, a) for t, c, a in zip(tokens, candidates, advantages)])
    cov = covariances(tokens, advantages)
    rho = torch.exp(torch.cat([t.detach() - old(c) for t, c in zip(tokens, candidates)]))
    a = torch.cat([torch.full_like(t.detach(), a) for t, a in zip(tokens, advantages)])
    outside = ((rho > 1.2) & (a > 0)) | ((rho < 0.8) & (a < 0))
    eligible = [i for i in range(len(cov)) if low < cov[i] < high and not outside[i]]
    dropped = sorted(eligible, key=lambda i: -cov[i].item())[: max(int(ratio * len(cov)), 1)]
    keep = torch.ones(len(cov), dtype=torch.float64)
    keep[dropped] = 0
    return result((losses * keep).mean(), tokens, advantages)


def kl_cov(candidates, ratio=0.0002, coef=1.0):
    advantages, tokens = normalised(candidates), leaves(candidates)
    moved = torch.cat([t - old(c) for t, c in zip(tokens, candidates)])
    a = torch.cat([torch.full_like(t.detach(), a) for t, a in zip(tokens, advantages)])
    cov = covariances(tokens, advantages)
    most = sorted(range(len(cov)), key=lambda i: -cov[i].item())[: max(int(ratio * len(cov)), 1)]
    penalised = torch.zeros(len(cov), dtype=torch.float64)
    penalised[most] = 1
    return result((-torch.exp(moved) * a + coef * penalised * moved.abs()).mean(), tokens, advantages)


def dppo(candidates, divergence="tv", threshold=0.2):
    """A token is left out once its probability has moved too far in the direction of its advantage."""
    advantages, tokens, losses = normalised(candidates), leaves(candidates), []
    for t, c, a in zip(tokens, candidates, advantages):
        rho = torch.exp(t - old(c))
        p, q = torch.exp(t.detach()), torch.exp(old(c))
        far = (p - q).abs() if divergence == "tv" else q * (old(c) - t.detach()) + (1 - q) * (torch.log1p(-q) - torch.log1p(-p))
        out = (far > threshold) & (((rho > 1) & torch.tensor(a > 0)) | ((rho < 1) & torch.tensor(a < 0)))
        losses.append(torch.where(out, 0.0, -rho * a))
    return result(token_mean(losses), tokens, advantages)
