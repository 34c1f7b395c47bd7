"""Writes assets/selftest/: what `attune selftest` compares with on a user's machine. Losses and coefficients are TRL's, the
log-probabilities transformers'. Run it again when an oracle's version changes: python tests/golden/selftest_oracle.py"""
import json
import pathlib
import random

import torch
import transformers
import trl

import trl_oracle
from test_methods import PAIR_LOSSES, candidate, groups, near, numbers, pairs

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "assets/tinystories-656k"
TEXTS = [
    "Once upon a time, there was a little girl named Lily. She loved to play outside in the park.",
    "The dog saw a big red ball. \"Can I play with it?\" he asked. The cat said no and ran away.",
    "Tom",
    "One day, a bird flew over the sea. It was windy, and the bird was tired. It wanted to go home to its nest. " * 4,
]


def visible(rows):
    return [{key: value for key, value in row.items() if not key.startswith("_")} for row in rows]


def demonstrations():
    rng = random.Random(0)
    return [candidate(rng, i, logits=True) for i in range(4)]


def labelled():
    rng, rows = random.Random(1), []
    for i in range(4):
        row = dict(candidate(rng, i, logits=True), label=i % 2 == 1)
        row["kl_logps"] = numbers(rng, 3)
        row["kl_ref_logps"] = near(rng, row["kl_logps"])
        rows.append(row)
    return rows


def scored():
    rng = random.Random(7)
    return [{"group": g, "rank": r, "scores": [rng.gauss(0, 2)]} for g in range(4) for r in (0, 1)]


def methods():
    torch.set_default_dtype(torch.float64)
    cases = [("sft", {}, demonstrations(), lambda rows: trl_oracle.sft(rows, "nll")),
             ("dft", {}, demonstrations(), lambda rows: trl_oracle.sft(rows, "dft")),
             ("kto", {}, labelled(), trl_oracle.kto), ("bradley_terry", {}, scored(), trl_oracle.bradley_terry)]
    for loss_type, method, options in PAIR_LOSSES:
        cases.append((method, options, pairs(0, 3), lambda rows, t=loss_type, o=options: trl_oracle.dpo(rows, t, **o)))
    differing = {"dr_grpo": {"scale_rewards": "none"}, "cispo": {"epsilon_high": 5.0},
                 "luspo": {"importance_sampling_level": "sequence"}}
    for method in ("grpo", "dapo", "bnpo", "dr_grpo", "cispo", "sapo", "luspo", "vespo"):
        theirs = {"beta": 0.1, **differing.get(method, {})}
        cases.append((method, {"beta": 0.1}, groups(11, 2), lambda rows, m=method, o=theirs: trl_oracle.grpo(rows, m, **o)))
    unpaired = [{key: value for key, value in row.items() if not key.startswith("kl_")} for row in labelled()]
    cases.append(("apo_zero_unpaired", {}, unpaired, lambda rows: trl_oracle.kto(labelled(), "apo_zero_unpaired")))
    written = []
    for method, options, rows, oracle in cases:
        loss, _, coefficients, *_ = oracle(rows)
        written.append({"method": method, "options": options, "candidates": visible(rows), "loss": loss,
                        "coefficients": coefficients})
    torch.set_default_dtype(torch.float32)
    return {"oracle": f"TRL {trl.__version__}", "cases": written}


def log_probabilities():
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
    model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float64)
    texts = []
    for text in TEXTS:
        ids = tokenizer(text)["input_ids"]
        with torch.no_grad():
            logps = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        texts.append({"text": text, "ids": ids, "logps": logps[:-1].gather(1, torch.tensor(ids[1:])[:, None])[:, 0].tolist()})
    return {"oracle": f"transformers {transformers.__version__}", "texts": texts}


def files():
    return {"methods.json": methods(), "log_probabilities.json": log_probabilities()}


if __name__ == "__main__":
    for name, content in files().items():
        (ROOT / "assets/selftest" / name).write_text(json.dumps(content, separators=(",", ":")) + "\n")
