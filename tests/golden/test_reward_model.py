"""attune score reward_model=… against transformers and PEFT: the rewards of what bradley_terry wrote are the logits of
AutoModelForSequenceClassification on the same ids."""
import json
import math
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


@pytest.mark.parametrize("settings", [["data.append_eos=false"], ["micro_batch_tokens=30"]], ids=["plain", "as trained"])
def test_rewards_are_the_logits(reward_model, data, settings):
    """Without settings the texts are made as the folder says that training made them: with an end."""
    folder, oracle = reward_model
    rows = scored(f"model={MODEL}", f"data={data}", f"reward_model={folder}", *settings)
    encode = transformers.AutoTokenizer.from_pretrained(MODEL).backend_tokenizer.encode
    ended = "data.append_eos=false" not in settings
    texts = [encode(pair["prompt"] + pair[key]).ids + [2] * ended for pair in PAIRS for key in ("chosen", "rejected")]
    for ids, row in zip(texts, rows, strict=True):
        assert ids[-len(row["ids"]) - ended:][:len(row["ids"])] == row["ids"]  # log-probabilities of the texts as they stand
    rewards = assert_rewards(rows, oracle, texts)
    if ended:  # as it was trained
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


@pytest.fixture(scope="module")
def three(tmp_path_factory, data):
    """Reward models of one start that saw the pairs in other orders, the third as an adapter."""
    folders = []
    for seed, adapter in ((1, "none"), (2, "none"), (3, "lora")):
        output = tmp_path_factory.mktemp("runs") / "run"
        done = attune("train", f"model={MODEL}", f"data={data}", "method=bradley_terry", f"adapter.type={adapter}", f"output={output}",
                      "training.max_steps=4", "training.batch_size=3", "training.learning_rate=1e-3", "samples.prompts=0", f"seed={seed}")
        assert done.returncode == 0, done.stderr
        folders.append(output / "model")
    return folders


@pytest.mark.parametrize("combine", ["mean", "worst", "uwo"])
def test_several_reward_models_rate_together(three, data, combine):
    """Each member is what it is alone; numpy says what they come to."""
    numpy = pytest.importorskip("numpy")
    alone = numpy.array([[row["reward"] for row in scored(f"model={MODEL}", f"data={data}", f"reward_model={folder}")] for folder in three])
    expected = {"mean": alone.mean(0), "worst": alone.min(0), "uwo": alone.mean(0) - 2 * alone.var(0)}[combine]
    rows = scored(f"model={MODEL}", f"data={data}", f"reward_model={{path: [{', '.join(map(str, three))}], combine: {combine}, lambda: 2}}")
    assert [row["reward"] for row in rows] == pytest.approx(expected.tolist(), rel=1e-12)
    for i, row in enumerate(rows):
        assert [row["metrics"][f"reward_model/{m}"] for m in range(3)] == alone[:, i].tolist()
        assert row["metrics"]["spread"] == pytest.approx(alone[:, i].std(), rel=1e-9, abs=1e-9)


def test_a_list_is_the_mean_and_an_adapter_for_several_is_refused(three, data):
    paths = ", ".join(map(str, three[:2]))
    rows = scored(f"model={MODEL}", f"data={data}", f"reward_model=[{paths}]")
    assert rows[0]["reward"] == pytest.approx(sum(rows[0]["metrics"][f"reward_model/{m}"] for m in range(2)) / 2, rel=1e-12)
    done = attune("score", f"model={MODEL}", f"data={data}", f"reward_model={{path: [{paths}], adapter: {three[2]}}}")
    assert done.returncode == 2 and "reward_model.adapter" in done.stderr and "names 2" in done.stderr


def test_averaged_weights_are_those_that_torch_averages(three, data, tmp_path):
    """WARM: one forward pass of the mean of the weights, heads included."""
    done = attune("merge", f"models=[{three[0]}, {three[1]}]", "weights=[3, 1]", f"output={tmp_path / 'warm'}", "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["weights"] == [0.75, 0.25], done.stderr
    load = transformers.AutoModelForSequenceClassification.from_pretrained
    one, other, found = (load(folder, dtype=torch.float32) for folder in (three[0], three[1], tmp_path / "warm"))
    theirs = other.state_dict()
    for name, weight in one.state_dict().items():
        torch.testing.assert_close(found.state_dict()[name], 0.75 * weight + 0.25 * theirs[name], rtol=0, atol=1e-6)
    assert not torch.equal(one.score.weight, other.score.weight)
    alike = scored(f"model={MODEL}", f"data={data}", f"reward_model={tmp_path / 'warm'}")
    encode = transformers.AutoTokenizer.from_pretrained(MODEL).backend_tokenizer.encode
    assert_rewards(alike, found.eval(), [encode(pair["prompt"] + pair[key]).ids + [2] for pair in PAIRS for key in ("chosen", "rejected")])


def test_averages_of_one_model_and_of_adapters(three, data, tmp_path):
    done = attune("merge", f"models=[{three[0]}, {three[0]}, {three[0]}]", f"output={tmp_path / 'same'}")
    assert done.returncode == 0, done.stderr
    load = transformers.AutoModelForSequenceClassification.from_pretrained
    before, after = (load(folder, dtype=torch.float32).state_dict() for folder in (three[0], tmp_path / "same"))
    for name, weight in before.items():
        torch.testing.assert_close(after[name], weight, rtol=1e-6, atol=1e-7)
    done = attune("merge", f"models=[{three[2]}, {three[0]}]", f"output={tmp_path / 'mixed'}")
    assert done.returncode == 0 and (tmp_path / "mixed/config.json").exists(), done.stderr
    assert scored(f"model={MODEL}", f"data={data}", f"reward_model={tmp_path / 'mixed'}")


@pytest.mark.parametrize("arguments, said", [
    (["models=[RM]", "output=OUT"], "two models or more"), (["models=[RM, RM]"], "output=FOLDER"),
    (["models=[RM, RM]", "weights=[1]", "output=OUT"], "one for each"), (["models=[RM, RM]", "weights=[0, 1]", "output=OUT"], "the first is 0"),
    (["models=[RM, LM]", "output=OUT"], "is not a reward model"),
])
def test_averages_that_cannot_be(three, tmp_path, arguments, said):
    names = {"RM": str(three[0]), "LM": str(MODEL), "OUT": str(tmp_path / "out")}
    for name, path in names.items():
        arguments = [argument.replace(name, path) for argument in arguments]
    done = attune("merge", *arguments)
    assert done.returncode == 2 and said in done.stderr and not (tmp_path / "out").exists(), done.stderr


def test_a_regularised_reward_model_is_a_reward_model(data, tmp_path):
    """GRM keeps the trunk able to write and is saved as any classifier; transformers reads its rewards."""
    for adapter in ("none", "lora"):
        output = tmp_path / adapter
        done = attune("train", f"model={MODEL}", f"data={data}", "method={name: grm, alpha: 0.3, aux: dpo, reference_free: false}",
                      f"adapter.type={adapter}", f"output={output}", "training.max_steps=4", "training.batch_size=3", "samples.prompts=0",
                      "training.learning_rate=1e-3")
        assert done.returncode == 0, done.stderr
        steps = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
        assert steps[0]["text_loss"] == pytest.approx(math.log(2), rel=1e-5)  # the policy is the reference at the start
        assert steps[-1]["text_loss"] < steps[0]["text_loss"] and steps[-1]["margin"] > steps[0]["margin"]
    oracle = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "none/model", dtype=torch.float32).eval()
    encode = transformers.AutoTokenizer.from_pretrained(MODEL).backend_tokenizer.encode
    assert_rewards(scored(f"model={MODEL}", f"data={data}", f"reward_model={tmp_path / 'none/model'}"), oracle,
                   [encode(pair["prompt"] + pair[key]).ids + [2] for pair in PAIRS for key in ("chosen", "rejected")])


def padless(folder, **changes):
    """A base whose folder and tokenizer name no padding token, with what else `changes` says."""
    shutil.copytree(MODEL, folder)
    for name in ("config.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).exists():
            settings = json.loads((folder / name).read_text())
            settings.pop("pad_token", None), settings.pop("pad_token_id", None)
            (folder / name).write_text(json.dumps(settings | (changes if name == "config.json" else {})))
    return folder


@pytest.mark.parametrize("pad", [{}, {"pad_token_id": 2}, {"pad_token_id": 0}, {"pad_token_id": 77}], ids=str)
def test_scores_are_read_where_transformers_reads(tmp_path, data, pad):
    """At the last token that is not the folder's padding, in training and in rating; a batch of several lengths is rated
    alike, since every folder names a padding token."""
    base = padless(tmp_path / "base", **pad)
    done = attune("train", f"model={base}", f"data={data}", "method=bradley_terry", f"output={tmp_path / 'run'}",
                  "training.max_steps=6", "training.learning_rate=1e-2", "samples.prompts=0", "training.save_steps=6")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "run/model"
    oracle = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    named = oracle.config.pad_token_id
    assert named == pad.get("pad_token_id", 2)  # without one, end-of-sequence stands in, as in TRL
    texts = [[1, 400, 401, 77, 5, 2], [1, 400, 401, 77, 5], [1, 400, named, 401, named, named], [1, 77, 77], [1, 2]]
    records = [{"prompt_ids": ids[:1], "candidates": [{"completion_ids": ids[1:]}]} for ids in texts]
    rows = scored(f"model={base}", f"data={write(tmp_path / 'ids.jsonl', records)}", f"reward_model={folder}")
    longest = max(map(len, texts))
    with torch.no_grad():
        alone, tolerances = zip(*(logit(oracle, ids) for ids in texts))
        batch = oracle(torch.tensor([ids + [named] * (longest - len(ids)) for ids in texts]),
                       attention_mask=torch.tensor([[1] * len(ids) + [0] * (longest - len(ids)) for ids in texts])).logits[:, 0]
    for row, together, expected, tolerance in zip(rows, batch.tolist(), alone, tolerances, strict=True):
        assert row["reward"] == pytest.approx(expected, rel=0, abs=tolerance)
        assert together == pytest.approx(expected, rel=0, abs=tolerance)
    if named == 2:
        assert rows[0]["reward"] == pytest.approx(rows[1]["reward"], rel=0, abs=tolerances[0])
    assert (tmp_path / "run/checkpoints/step-000006/reward_texts.json").exists()
    # what was trained is what is read there: the loss of the last update's model, by transformers alone
    encode = transformers.AutoTokenizer.from_pretrained(base).backend_tokenizer.encode
    with torch.no_grad():
        margins = [[oracle(torch.tensor([encode(pair["prompt"] + pair[key]).ids + [2]])).logits.item() for key in
                    ("chosen", "rejected")] for pair in PAIRS]
    assert sum(better > worse for better, worse in margins) >= 5


def test_the_first_loss_is_that_of_transformers(tmp_path, data):
    """Training pools as the saved folder is read: its loss before any update is −log σ of the margins of the start."""
    base = padless(tmp_path / "base")
    done = attune("train", f"model={base}", f"data={data}", "method=bradley_terry", f"output={tmp_path / 'run'}",
                  "training.max_steps=1", "training.batch_size=6", "training.learning_rate=1e-30", "samples.prompts=0",
                  "training.shuffle=false")
    assert done.returncode == 0, done.stderr
    loss = json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[0])["loss"]
    oracle = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "run/model", dtype=torch.float32).eval()
    encode = transformers.AutoTokenizer.from_pretrained(base).backend_tokenizer.encode
    rewards = [[logit(oracle, encode(pair["prompt"] + pair[key]).ids + [2]) for key in ("chosen", "rejected")] for pair in PAIRS]
    expected = [math.log1p(math.exp(worse[0] - better[0])) for better, worse in rewards]
    # −log σ has a slope of at most 1: its error is that of the margin, of two rewards
    tolerance = sum(math.hypot(better[1], worse[1]) for better, worse in rewards) / len(rewards)
    assert loss == pytest.approx(sum(expected) / len(expected), rel=0, abs=tolerance)


def test_a_folder_says_how_its_texts_were_made(tmp_path, data):
    """Lengths and the end: `score` follows them without being told, and settings that are given win."""
    done = attune("train", f"model={MODEL}", f"data={data}", "method=bradley_terry", f"output={tmp_path / 'run'}",
                  "training.max_steps=2", "samples.prompts=0", "data.append_eos=false", "data.max_length=9",
                  "data.truncation=keep_end")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "run/model"
    assert json.loads((folder / "reward_texts.json").read_text()) == {
        "append_eos": False, "max_length": 9, "max_prompt_length": 0, "truncation": "keep_end"}
    oracle = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    encode = transformers.AutoTokenizer.from_pretrained(MODEL).backend_tokenizer.encode
    texts = [encode(pair["prompt"] + pair[key]).ids for pair in PAIRS for key in ("chosen", "rejected")]
    with torch.no_grad():
        for settings, made in (([], lambda ids: ids[-9:]), (["data.truncation_mode=keep_start"], lambda ids: ids[:9]),
                               (["data.max_length=64", "data.append_eos=true"], lambda ids: ids + [2])):
            kept = [made(ids) for ids in texts if len(ids) > 9]
            rows = [row for row, ids in zip(scored(f"model={MODEL}", f"data={data}", f"reward_model={folder}", *settings), texts)
                    if len(ids) > 9] if "data.truncation_mode=keep_start" not in settings else None
            if rows is None:
                done = attune("score", "--json", f"model={MODEL}", f"data={data}", f"reward_model={folder}", *settings)
                assert done.returncode == 0 and "9 tokens (keep_start)" in done.stderr
                continue
            assert len(kept) > 6
            for row, ids in zip(rows, kept, strict=True):
                expected, tolerance = logit(oracle, ids)
                assert row["reward"] == pytest.approx(expected, rel=0, abs=tolerance)
