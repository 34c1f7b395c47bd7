"""Training runs of the bundled model, for the tests beside this file."""
import hashlib
import json
import os
import pathlib
import subprocess

from tolerance import logp_tolerance

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
MODEL = ROOT / "assets/tinystories-656k"
CONFIG = json.loads((MODEL / "config.json").read_text())
TIMINGS = {"tokens_per_second", "step_seconds", "peak_rss_mb"}


def pairs(path, count=24):
    openings = [json.loads(line) for line in (ROOT / "assets/quickstart/openings.jsonl").open()]
    with open(path, "w") as out:
        for i, row in enumerate(openings[:count]):
            other = openings[i + count]["prompt_ids"][1:]
            better = openings[i + 2 * count]["prompt_ids"][1:] + [2]
            out.write(json.dumps({"prompt_ids": row["prompt_ids"],
                                  "candidates": [{"completion_ids": better, "rank": 0},
                                                 {"completion_ids": other, "rank": 1}]}) + "\n")
    return path


def logps_may_differ(smallest=-23, tokens=30):
    """What two computations of a token's log-probability may differ by, in the stories of pairs()."""
    return logp_tolerance(CONFIG, [smallest], tokens)


def losses_may_differ(beta=0.1, pairs=4, tokens=30):
    """The same for a loss: the mean over the pairs of a function of beta · margin that is nowhere steeper than 1, where the
    margin adds up the log-probabilities of the tokens of both answers, by the policy and by the reference."""
    return beta * (2 * tokens / pairs)**0.5 * logps_may_differ()


def command(data, output, *settings):
    return [ATTUNE, "train", f"model={MODEL}", f"data={data}", "method=dpo", f"output={output}", "threads=1",
            "training.batch_size=4", "training.learning_rate=1e-3", "training.save_steps=2", "training.epochs=2",
            "samples.prompts=1", "samples.max_new_tokens=8", *settings]


def run(arguments, **options):
    return subprocess.run(arguments, capture_output=True, text=True, timeout=300, **options)


def rows(output):
    found = []
    for line in (pathlib.Path(output) / "metrics.jsonl").open():
        found.append({key: value for key, value in json.loads(line).items() if key not in TIMINGS})
    return found


def weights(output):
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((pathlib.Path(output) / "model").glob("*.safetensors"))}
