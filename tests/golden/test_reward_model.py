"""attune score reward_model=… against transformers and PEFT: the rewards of what bradley_terry wrote are the logits of
AutoModelForSequenceClassification on the same ids."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

from tolerance import float32_tolerance, forward_terms

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = pathlib.Path(os.environ.get("ATTUNE_BIN", ROOT / "build/attune"))
MODEL = ROOT / "assets/tinystories-656k"
pytestmark = pytest.mark.skipif(not ATTUNE.exists(), reason=f"{ATTUNE} is not built")

PAIRS = [{"id": f"p{i}", "prompt": f"Once upon a time, {name}", "chosen": f" played with {thing} in the sun. They smiled.",
          "rejected": f" cried. {thing} broke and broke and broke."}
         for i, (name, thing) in enumerate([("Lily", "a ball"), ("Tim", "a red car"), ("Mia", "her cat"),
                                            ("a dog", "the tree"), ("Ben and Sue", "toys"), ("the sun", "clouds")])]


def attune(*arguments):
    return subprocess.run([ATTUNE, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def scored(*arguments):
    done = attune("score", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "pairs.jsonl", PAIRS)


@pytest.fixture(scope="module", params=["none", "lora"])
def reward_model(request, tmp_path_factory, data):
    """(folder, the oracle's model)"""
    output = tmp_path_factory.mktemp("runs") / request.param
    done = attune("train", f"model={MODEL}", f"data={data}", "method=bradley_terry", f"adapter.type={request.param}",
                  f"output={output}", "training.max_steps=8", "training.batch_size=3", "training.learning_rate=1e-3",
                  "samples.prompts=0")
    assert done.returncode == 0, done.stderr
    if request.param == "none":
        oracle = transformers.AutoModelForSequenceClassification.from_pretrained(output / "model", dtype=torch.float32)
    else:
        base = transformers.AutoModelForSequenceClassification.from_pretrained(MODEL, num_labels=1, dtype=torch.float32)
        # The file holds the tied embedding under the name of a head that a classifier does not have.
        base.model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).model
        oracle = peft.PeftModel.from_pretrained(base, output / "model").base_model.model
    return output / "model", oracle.eval()


@torch.no_grad()
def logit(oracle, ids):
    """(the reward, what it may differ by: it is a sum over the last token's hidden state, whose terms cancel)"""
    found = oracle(torch.tensor([ids]), output_hidden_states=True)
    terms = found.hidden_states[-1][0, -1] * oracle.score.weight[0]
    return found.logits.item(), float32_tolerance(terms.norm().item(), forward_terms(oracle.config, len(ids)))


def assert_rewards(rows, oracle, texts):
    """texts: the ids of prompt and completion, row by row"""
    for row, ids in zip(rows, texts, strict=True):
        reward, tolerance = logit(oracle, ids)
        assert row["reward"] == pytest.approx(reward, rel=0, abs=tolerance)
    rewards = [logit(oracle, ids)[0] for ids in texts]
    assert max(rewards) - min(rewards) > 0.01
    return rewards


@pytest.mark.parametrize("settings", [[], ["data.append_eos=true", "micro_batch_tokens=30"]], ids=["plain", "ended"])
def test_rewards_are_the_logits(reward_model, data, settings):
    folder, oracle = reward_model
    rows = scored(f"model={MODEL}", f"data={data}", f"reward_model={folder}", *settings)
    encode = transformers.AutoTokenizer.from_pretrained(MODEL).backend_tokenizer.encode
    texts = [encode(pair["prompt"] + pair[key]).ids + [2] * bool(settings) for pair in PAIRS
             for key in ("chosen", "rejected")]
    assert all(ids[-len(row["ids"]):] == row["ids"] for ids, row in zip(texts, rows, strict=True))
    rewards = assert_rewards(rows, oracle, texts)
    if settings:  # as it was trained
        assert sum(better > worse for better, worse in zip(rewards[::2], rewards[1::2])) >= 5


def test_rewards_of_given_ids(reward_model, tmp_path):
    folder, oracle = reward_model
    records = [{"id": "a", "prompt_ids": [1, 400, 401], "candidates": [{"completion_ids": [77, 5]}, {"completion_ids": [9]}]},
               {"id": "b", "prompt_ids": [1], "candidates": [{"completion_ids": [500, 600, 700, 2]}]}]
    rows = scored(f"model={MODEL}", f"data={write(tmp_path / 'ids.jsonl', records)}", f"reward_model={folder}")
    assert_rewards(rows, oracle, [record["prompt_ids"] + candidate["completion_ids"] for record in records
                                  for candidate in record["candidates"]])


def test_another_tokenizer_reads_the_text(reward_model, data, tmp_path):
    """The reward model's vocabulary is read its own way: here two tokens changed places."""
    folder, oracle = reward_model
    policy = pathlib.Path(shutil.copytree(MODEL, tmp_path / "policy"))
    tokenizer = json.loads((policy / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    first, second = [token for token in vocabulary if vocabulary[token] in (500, 501)]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (policy / "tokenizer.json").write_text(json.dumps(tokenizer))
    samples = tmp_path / "samples.jsonl"
    done = attune("generate", f"model={policy}", f"data={data}", "max_new_tokens=20", f"output={samples}")
    assert done.returncode == 0, done.stderr
    encode = transformers.AutoTokenizer.from_pretrained(MODEL).backend_tokenizer.encode
    written = {record["id"]: record for record in map(json.loads, samples.read_text().splitlines())}
    rows = scored(f"model={policy}", f"data={samples}", f"reward_model={folder}")
    tolerances = {}
    for row in rows:
        record = written[row["id"]]
        text = record["prompt"] + record["candidates"][0]["completion"]
        reward, tolerances[row["id"]] = logit(oracle, encode(text).ids)
        assert row["reward"] == pytest.approx(reward, rel=0, abs=tolerances[row["id"]])
    del written["p1"]["candidates"][0]["completion"]
    done = attune("score", "--json", f"model={policy}", f"reward_model={folder}",
                  f"data={write(tmp_path / 'some_ids.jsonl', written.values())}")
    assert done.returncode == 0 and "left out 1 row: for the reward model: holds only ids, of another" in done.stderr
    kept, rest = [json.loads(line) for line in done.stdout.splitlines()], [row for row in rows if row["id"] != "p1"]
    assert [(row["id"], row["ids"]) for row in kept] == [(row["id"], row["ids"]) for row in rest]
    for row, before in zip(kept, rest):  # other rows are computed together, so that sums may be rounded otherwise
        assert row["reward"] == pytest.approx(before["reward"], rel=0, abs=tolerances[row["id"]])
    for record in written.values():
        record["candidates"][0].pop("completion", None)
    ids = write(tmp_path / "ids.jsonl", written.values())
    done = attune("score", f"model={policy}", f"data={ids}", f"reward_model={folder}")
    assert done.returncode == 2 and "of another tokenizer" in done.stderr


def test_what_is_no_reward_model_is_refused(reward_model, data):
    folder, _ = reward_model
    done = attune("score", f"model={MODEL}", f"data={data}", f"reward_model={MODEL}")
    assert done.returncode == 2 and "no reward head" in done.stderr and "bradley_terry" in done.stderr
    done = attune("score", f"model={MODEL}", f"data={data}", f"reward_model={folder}", "rule=finished")
    assert done.returncode == 2 and "rule=" in done.stderr and "reward_model=" in done.stderr
    if (folder / "config.json").exists():
        done = attune("score", f"model={folder}", f"data={data}")
        assert done.returncode == 2 and f"reward_model={folder}" in done.stderr and not done.stdout
