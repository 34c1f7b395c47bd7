"""attune generate and attune score against transformers: greedy text, log-probabilities, filtered distributions."""
import json
import os
import pathlib
import random
import resource
import subprocess

import pytest

from tolerance import float32_tolerance

os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
STORIES = SHARED / "models" / "tinystories-656k"
SORT = SHARED / "models" / "gpt-nano-sort"
ATTUNE = pathlib.Path(os.environ.get("ATTUNE_BIN", ROOT / "build" / "attune")).resolve()
TOOL = pathlib.Path(os.environ.get("ATTUNE_HELPERS", ROOT / "build/tests/helpers")) / "attune_sampler_tool"

pytestmark = [
    pytest.mark.skipif(not ATTUNE.exists(), reason=f"{ATTUNE} is not built"),
    pytest.mark.skipif(not STORIES.exists(), reason="../shared/models is not here"),
]

PROMPTS = ["Once upon a time", "One day, a little dog named Max", "Lily was sad because", "The", "Tom said, \"I"]


def attune(*arguments):
    run = subprocess.run([ATTUNE, *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


def records(*arguments):
    return [json.loads(line) for line in attune(*arguments, "--json").splitlines()]


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def model():
    return transformers.AutoModelForCausalLM.from_pretrained(STORIES, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(str(STORIES)).backend_tokenizer


@torch.no_grad()
def logps_of(model, prompt, completion):
    logits = model(torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
    return [logits[i - 1, token].item() for i, token in enumerate(prompt + completion) if i >= max(len(prompt), 1)]


@torch.no_grad()
def greedy(model, prompt, tokens, **settings):
    out = model.generate(torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                         do_sample=False, max_new_tokens=tokens, pad_token_id=0, **settings)
    return out[0, len(prompt):].tolist()


def close(ours, theirs, tolerance=1e-4):
    assert len(ours) == len(theirs)
    assert max((abs(a - b) for a, b in zip(ours, theirs)), default=0) < tolerance


def test_greedy_equals_transformers(model, tokenizer, tmp_path):
    data = jsonl(tmp_path / "prompts.jsonl", [{"prompt": prompt} for prompt in PROMPTS])
    rows = records("generate", f"model={STORIES}", f"data={data}", "temperature=0", "max_new_tokens=200")
    assert [row["prompt"] for row in rows] == PROMPTS
    for row in rows:
        prompt = tokenizer.encode(row["prompt"]).ids
        (candidate,) = row["candidates"]
        ids = candidate["completion_ids"]
        assert ids == greedy(model, prompt, 200)
        assert candidate["completion"] == tokenizer.decode(ids, skip_special_tokens=True)
        assert candidate["finish_reason"] == ("stop" if ids[-1] == 2 else "length")
        close(candidate["logps"], logps_of(model, prompt, ids))


def test_prompt_argument_equals_data(model, tokenizer):
    (row,) = records("generate", f"model={STORIES}", f"prompt={PROMPTS[0]}", "temperature=0", "max_new_tokens=30")
    ids = greedy(model, tokenizer.encode(PROMPTS[0]).ids, 30)
    assert row["candidates"][0]["completion_ids"] == ids
    streamed = attune("generate", f"model={STORIES}", f"prompt={PROMPTS[0]}", "temperature=0", "max_new_tokens=30")
    assert streamed == tokenizer.decode(ids) + "\n"


def test_repetition_penalty_equals_transformers(model, tokenizer):
    (row,) = records("generate", f"model={STORIES}", f"prompt={PROMPTS[1]}", "temperature=0", "max_new_tokens=80",
                     "repetition_penalty=1.3")
    expected = greedy(model, tokenizer.encode(PROMPTS[1]).ids, 80, repetition_penalty=1.3)
    assert row["candidates"][0]["completion_ids"] == expected


@pytest.mark.skipif(not SORT.exists(), reason="gpt-nano-sort is not here")
def test_sorts_letters(tmp_path):
    draw = random.Random(1)
    inputs = [[draw.randrange(3) for _ in range(6)] for _ in range(60)]
    data = jsonl(tmp_path / "letters.jsonl", [{"prompt_ids": ids} for ids in inputs])
    rows = records("generate", f"model={SORT}", f"data={data}", "temperature=0", "max_new_tokens=6")
    # Six letters and five are the model's whole context: the sixth answer would be one token too many to train on.
    oracle = transformers.AutoModelForCausalLM.from_pretrained(SORT, dtype=torch.float32).eval()
    for ids, row in zip(inputs, rows, strict=True):
        (candidate,) = row["candidates"]
        assert candidate["completion_ids"] == sorted(ids)[:5] and candidate["finish_reason"] == "length"
        with torch.no_grad():
            logits = oracle(torch.tensor([ids + sorted(ids)[:5]])).logits[0].log_softmax(-1)
        close(candidate["logps"], [logits[5 + i, token].item() for i, token in enumerate(sorted(ids)[:5])])
        # What is scored may be one token longer than the context: its last letter is never fed back.
        candidate["completion_ids"] = sorted(ids)
        candidate["logps"] = [logits[5 + i, token].item() for i, token in enumerate(sorted(ids))]
    lines = records("score", f"model={SORT}", f"data={jsonl(tmp_path / 'scored.jsonl', rows)}")
    for row, line in zip(rows, lines, strict=True):
        close(line["logps"], row["candidates"][0]["logps"])


def test_sampled_logps_and_score_agree(model, tokenizer, tmp_path):
    data = jsonl(tmp_path / "prompts.jsonl", [{"prompt": prompt, "id": f"p{i}"} for i, prompt in enumerate(PROMPTS)])
    out = tmp_path / "samples.jsonl"
    attune("generate", f"model={STORIES}", f"data={data}", "temperature=0.8", "top_k=20", "n=3", "max_new_tokens=60",
           f"output={out}")
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == len(PROMPTS) and all(len(row["candidates"]) == 3 for row in rows)
    lines = records("score", f"model={STORIES}", f"data={out}", f"ref_model={STORIES}", "micro_batch_tokens=150")
    assert [(line["id"], line["candidate"]) for line in lines] == [(row["id"], c) for row in rows for c in range(3)]
    for line in lines:
        row = rows[int(line["id"][1:])]
        candidate = row["candidates"][line["candidate"]]
        expected = logps_of(model, tokenizer.encode(row["prompt"]).ids, candidate["completion_ids"])
        for logps in (candidate["logps"], line["logps"], line["ref_logps"]):
            close(logps, expected)
        assert line["ids"] == candidate["completion_ids"]
        assert abs(line["sum"] - sum(line["logps"])) < 1e-9
        assert abs(line["mean"] - sum(line["logps"]) / len(line["logps"])) < 1e-9


def test_samples_repeat_and_do_not_depend_on_the_batch(tmp_path):
    data = jsonl(tmp_path / "prompts.jsonl", [{"prompt": prompt} for prompt in PROMPTS])
    base = ("generate", f"model={STORIES}", f"data={data}", "temperature=1", "max_new_tokens=40", "n=2")
    first = attune(*base, "--json", "seed=3")
    assert attune(*base, "--json", "seed=3") == first
    assert attune(*base, "--json", "seed=4") != first
    ids = [c["completion_ids"] for line in first.splitlines() for c in json.loads(line)["candidates"]]
    small = records(*base, "seed=3", "batch_tokens=80")
    assert [c["completion_ids"] for row in small for c in row["candidates"]] == ids


def test_stop_texts(tokenizer):
    (plain,) = records("generate", f"model={STORIES}", f"prompt={PROMPTS[0]}", "temperature=0", "max_new_tokens=80")
    text, ids = plain["candidates"][0]["completion"], plain["candidates"][0]["completion_ids"]
    stop = text[30:34]
    (row,) = records("generate", f"model={STORIES}", f"prompt={PROMPTS[0]}", "temperature=0", "max_new_tokens=80",
                     f"stop={json.dumps([stop, 'never there'])}")
    (candidate,) = row["candidates"]
    assert candidate["completion"] == text[: text.index(stop)]
    assert candidate["finish_reason"] == "stop"
    length = next(n for n in range(1, len(ids) + 1) if stop in tokenizer.decode(ids[:n]))
    assert candidate["completion_ids"] == ids[:length]


def test_score_real_text_equals_transformers(model, tokenizer, tmp_path):
    texts = [
        "Once upon a time there was a little girl who loved to read books about the sea.",
        "The sun rose over the hills. Tim and his dog ran to the river, and they played until it was dark.",
        "Zwölf Boxkämpfer jagen Viktor — quer über den großen Sylter Deich 🙂",
    ]
    plain = jsonl(tmp_path / "plain.jsonl", [{"text": text} for text in texts])
    for text, line in zip(texts, records("score", f"model={STORIES}", f"data={plain}"), strict=True):
        ids = tokenizer.encode(text).ids
        assert line["ids"] == ids and line["logps"][0] is None
        close(line["logps"][1:], logps_of(model, [], ids))
        assert abs(line["mean"] - sum(line["logps"][1:]) / (len(ids) - 1)) < 1e-9
    pairs = [{"prompt": "Once upon a time", "chosen": " there was a cat.", "rejected": " there was a dog who was sad."}]
    lines = records("score", f"model={STORIES}", f"data={jsonl(tmp_path / 'pairs.jsonl', pairs)}")
    for key, line in zip(("chosen", "rejected"), lines, strict=True):
        whole, prompt = tokenizer.encode("Once upon a time" + pairs[0][key]).ids, tokenizer.encode("Once upon a time").ids
        shared = next((i for i, (a, b) in enumerate(zip(whole, prompt)) if a != b), len(prompt))
        assert line["ids"] == whole[shared:]
        close(line["logps"], logps_of(model, whole[:shared], whole[shared:]))


def test_score_with_a_rule(tmp_path):
    rows = [{"prompt": "Hi", "candidates": [{"completion": " there."}, {"completion": " and then"}]}]
    lines = records("score", f"model={STORIES}", f"data={jsonl(tmp_path / 'r.jsonl', rows)}", "rule=ends_properly")
    assert [line["reward"] for line in lines] == [1, 0]


def test_bad_requests(tmp_path):
    long = jsonl(tmp_path / "long.jsonl", [{"prompt_ids": [5] * 513}])
    cases = [
        (["generate", f"model={STORIES}"], "prompt"),
        (["generate", f"model={STORIES}", "prompt=a", "temperature=.nan"], "temperature"),
        (["generate", f"model={STORIES}", "prompt=a", "temperature=-1"], "temperature"),
        (["generate", f"model={STORIES}", "prompt=a", "temprature=1"], "temperature"),
        (["generate", f"model={STORIES}", "prompt=a", "top_p=2"], "top_p"),
        (["generate", f"model={STORIES}", f"data={long}"], "512"),
        (["generate", "model=/nowhere", "prompt=a"], "/nowhere"),
        (["score", f"model={STORIES}"], "data"),
        (["score", f"model={STORIES}", f"data={long}", "rule=nonsense"], "rule"),
    ]
    for arguments, part in cases:
        run = subprocess.run([ATTUNE, *arguments], capture_output=True, text=True)
        assert run.returncode == 2, (arguments, run.stderr)
        assert part in run.stderr and not run.stdout
    output = tmp_path / "none" / "out.jsonl"
    run = subprocess.run([ATTUNE, "generate", f"model={STORIES}", "prompt=a", f"output={output}"], capture_output=True)
    assert run.returncode in (1, 2) and not output.parent.exists()


@pytest.mark.cold
def test_cold_start_is_quick():
    # Processor time rather than wall time: the machine may be busy with other things.
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    attune("generate", f"model={STORIES}", f"prompt={PROMPTS[0]}", "max_new_tokens=1", "threads=1")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


def further_filters(draw):
    """None, one or several of those that are techniques here."""
    values = {"top_h": [0.1, 0.4, 0.9], "typical_p": [0.2, 0.7, 0.95], "epsilon_cutoff": [3e-4, 0.03, 0.5],
              "eta_cutoff": [3e-4, 0.02, 0.4]}
    return {name: draw.choice(values[name]) for name in values if draw.random() < 0.3}


@pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")
def test_filters_equal_logits_processors():
    draw = random.Random(5)
    generator = torch.Generator().manual_seed(5)
    requests, expected, unfiltered, tolerances = [], [], [], []
    for trial in range(400):
        size = draw.choice([2, 3, 17, 300, 5000])
        logits = torch.randn(1, size, generator=generator) * draw.choice([0.1, 1, 4])
        if trial % 4 == 0:
            logits = (logits * 2).round() / 2  # many ties
        settings = {"temperature": draw.choice([0.3, 1.0, 2.5]), "top_k": draw.choice([0, 1, 5, 60]),
                    "top_p": draw.choice([1.0, 0.9, 0.5, 0.05]), "min_p": draw.choice([0.0, 0.02, 0.3]),
                    "repetition_penalty": draw.choice([1.0, 1.3, 0.8]), **further_filters(draw)}
        seen = sorted(draw.sample(range(size), min(size, draw.randrange(1, 20))))
        chain = transformers.LogitsProcessorList()
        chain.append(transformers.RepetitionPenaltyLogitsProcessor(settings["repetition_penalty"]))
        chain.append(transformers.TemperatureLogitsWarper(settings["temperature"]))
        unfiltered.append(chain(torch.tensor([seen]), logits.clone()).softmax(-1)[0])
        if settings.get("top_h"):
            chain.append(transformers.TopHLogitsWarper(settings["top_h"]))
        if settings["top_k"]:
            chain.append(transformers.TopKLogitsWarper(settings["top_k"]))
        if settings["top_p"] < 1:
            chain.append(transformers.TopPLogitsWarper(settings["top_p"]))
        if settings["min_p"]:
            chain.append(transformers.MinPLogitsWarper(settings["min_p"]))
        if settings.get("typical_p", 1) < 1:
            chain.append(transformers.TypicalLogitsWarper(settings["typical_p"]))
        if settings.get("epsilon_cutoff"):
            chain.append(transformers.EpsilonLogitsWarper(settings["epsilon_cutoff"]))
        if settings.get("eta_cutoff"):
            chain.append(transformers.EtaLogitsWarper(settings["eta_cutoff"]))
        # The sum of the softmax, and the exponent of its largest argument.
        tolerances.append(float32_tolerance(1, size) + float32_tolerance(logits.abs().max().item() / settings["temperature"], 4))
        requests.append(json.dumps({"logits": logits[0].tolist(), "seen": seen, **settings}))
        expected.append(chain(torch.tensor([seen]), logits.clone()).softmax(-1)[0])
    run = subprocess.run([TOOL], input="\n".join(requests) + "\n", capture_output=True, text=True, check=True)
    different = []
    for trial, (line, wanted) in enumerate(zip(run.stdout.splitlines(), expected, strict=True)):
        ours, tolerance = torch.tensor(json.loads(line)), tolerances[trial]
        # torch.sort leaves the order of equal logits open, so which of them a top-p cut keeps is open as well: how many
        # of each value are kept is not.
        if (ours.sort().values - wanted.sort().values).abs().max() > tolerance:
            different.append((trial, requests[trial][-140:], (ours > 0).sum().item(), (wanted > 0).sum().item()))
        kept = ours > 0
        given = unfiltered[trial][kept]
        assert torch.allclose(ours[kept], given / given.sum(), rtol=0, atol=tolerance), requests[trial][-140:]
        if len(unfiltered[trial].unique()) == len(ours):
            assert torch.equal(kept, wanted > 0) or (ours - wanted).abs().max() < tolerance, requests[trial][-140:]
    assert not different, different[:3]
