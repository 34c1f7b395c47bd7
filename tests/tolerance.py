"""How far two float32 computations of the same number may lie apart. Every test that compares such numbers asks here.

A sum of n products is computed by adding to a partial sum s, and each addition rounds it by at most u·|s|, where u = 2⁻²⁴.
Rounding errors behave as independent numbers of mean zero (Higham & Mary 2019, "A new approach to probabilistic rounding
error analysis", SIAM J. Sci. Comput. 41(5)); one that is even within ±u·|s| has the standard deviation u·|s|/√3. Of
partial sums no larger than `magnitude` M, a chain of c roundings gives the result an error of standard deviation
u·M·√(c/3). Sums that feed one another (the layers of a transformer) add their chains up, for each one's relative error
carries over to the next. Every kernel that we meet, at every instruction set, adds in at least four lanes side by side, so a
sum of n terms is a chain of n/4. Two computations of the same number differ by √2 of the error of one.

The tolerance is six of these standard deviations, which one comparison in 500 million exceeds by chance:

    6 · √2 · u · M · √(terms/4/3) = 1.46e-7 · M · √terms
"""
import math

UNIT_ROUNDOFF = 2.0**-24
LANES = 4
DEVIATIONS = 6


def float32_tolerance(magnitude, terms):
    """What the difference of two float32 results may be. `magnitude`: the largest partial result on the way there; `terms`:
    how many terms are added up one after the other on the way there."""
    return DEVIATIONS * math.sqrt(2) * UNIT_ROUNDOFF * magnitude * math.sqrt(terms / LANES / 3)


def forward_terms(config, tokens):
    """Terms of the sums from a token's embedding to its logits, of a config.json as a dictionary (or what transformers has
    made of it) and a sequence of that many tokens. A layer has two norms, four projections (to queries, keys and values;
    from the values; into and out of the MLP) and, per head, scores, softmax and the sum of values; a norm and the head end
    the model."""
    if not isinstance(config, dict):
        config = config.to_dict()

    def number(*names, otherwise=None):
        return next((config[name] for name in names if config.get(name)), otherwise)
    hidden, layers = number("hidden_size", "n_embd"), number("num_hidden_layers", "n_layer")
    inner = number("intermediate_size", "n_inner", otherwise=4 * hidden)
    width = number("head_dim", otherwise=hidden // number("num_attention_heads", "n_head"))
    return layers * (5 * hidden + inner + width + 2 * tokens) + 2 * hidden


def logp_tolerance(config, logps, tokens=None):
    """What log-probabilities of one sequence may differ by: log p = z − log Σ exp z of logits z that are no larger than the
    largest |log p| seen, or than the log of the vocabulary where the model is sure of everything. `tokens`: the
    sequence's length; that of `logps` unless given."""
    seen = [abs(logp) for logp in logps if logp is not None]
    size = (config if isinstance(config, dict) else config.to_dict())["vocab_size"]
    return float32_tolerance(max([*seen, math.log(size)]), forward_terms(config, tokens or len(logps)))
