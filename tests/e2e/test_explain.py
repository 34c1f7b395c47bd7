"""`attune explain METHOD model=… data=…`: what a method does to a real record, token by token. Its log-probabilities are
those of `attune score`, its loss and coefficients those of a fixture with the same numbers. Needs only the bundled model."""
import functools
import json
import math
import os
import pathlib
import pty
import shutil
import subprocess

import pytest

from tolerance import logp_tolerance

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
MODEL = ROOT / "assets/tinystories-656k"
CONFIG = json.loads((MODEL / "config.json").read_text())
FIXTURE_KEYS = ("group", "rank", "label", "reward", "weight", "margin", "source", "step_scores", "scores", "kl_logps", "kl_ref_logps")
TOKEN_KEYS = ("logps", "ref_logps", "old_logps")  # of trained tokens only
NEED_DISTRIBUTIONS = {"entropy", "mean_token_accuracy", "logits/chosen", "logits/rejected"}  # metrics that a fixture without logits has not
METHODS = sorted(path.stem for path in (ROOT / "src/algorithm/method").glob("*.cpp"))

STORIES = [
    ("Once upon a time, there was a girl named Lily.", " She liked to play with her cat.", " She was sad and went home."),
    ("Tom had a red ball.", " He threw it to his friend and they were happy.", " He lost it."),
    ("One day, a dog saw a bird in the park.", " The bird was big.", " The dog ran to the bird. It was not nice."),
]
OPENINGS = [row["prompt_ids"][1:] for row in map(json.loads, (ROOT / "assets/quickstart/openings.jsonl").open())]


def write(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def in_steps(text):
    """Two steps, as right as each other; the second half begins at a space."""
    middle = text.index(" ", len(text) // 2)
    return {"steps": [text[:middle], text[middle:]], "step_scores": [1.0, 0.75]}


def native():
    """Two rated answers a record, so that every kind of feedback is there."""
    records = [{"id": f"story-{i}", "prompt": prompt,
                "candidates": [{"completion": worse, "rank": 1, "label": False, "reward": 0.25, "source": "greedy", **in_steps(worse)},
                               {"completion": better, "rank": 0, "label": True, "reward": 1.0 + i, **in_steps(better)}]}
               for i, (prompt, better, worse) in enumerate(STORIES)]
    better, worse = OPENINGS[1] + [2], OPENINGS[2][:7] + [2]  # nothing straddles where ids are given
    return records + [{"id": "ids", "prompt_ids": [1] + OPENINGS[0], "candidates": [
        {"completion_ids": better, "rank": 0, "label": True, "reward": 0.5},
        {"completion_ids": worse, "rank": 1, "label": False, "reward": -2.0, "source": "greedy"}]}]


def attune(*arguments, **options):
    return subprocess.run([ATTUNE, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)


def lines(*arguments):
    done = attune(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def explain(method, data, *settings):
    found = lines("explain", method, f"model={MODEL}", f"data={data}", "threads=1", *settings)
    assert len(found) == 1
    return found[0]


def trained(candidate, values):
    return [value for value, wanted in zip(values, candidate["mask"], strict=True) if wanted]


def fixture(found):
    """The same numbers as a fixture."""
    rows = []
    for candidate in found["candidates"]:
        row = {key: candidate[key] for key in FIXTURE_KEYS if key in candidate}
        for key in TOKEN_KEYS:
            if candidate.get(key):
                row[key] = trained(candidate, candidate[key])
        rows.append(row)
    return {"candidates": rows}


def by_fixture(tmp_path, method, found, settings=(), content=None):
    path = tmp_path / "fixture.json"
    path.write_text(json.dumps(content or fixture(found)))
    settings = [setting for setting in settings if setting.startswith("method.")]
    return lines("explain", method, f"fixture={path}", *settings)[0]


def assert_same(found, expected):
    """Loss, metrics and coefficients of real data are those of the fixture."""
    assert found["method"] == expected["method"] and found["options"] == expected["options"]
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    assert set(found["metrics"]) - set(expected["metrics"]) <= NEED_DISTRIBUTIONS
    for name, value in expected["metrics"].items():
        if value is None:  # a mean of nothing
            assert found["metrics"][name] is None, name
            continue
        assert found["metrics"][name] == pytest.approx(value, rel=1e-6, abs=1e-12), name
    assert len(found["candidates"]) == len(expected["candidates"])
    for ours, theirs in zip(found["candidates"], expected["candidates"], strict=True):
        assert ours["score_coefficients"] == pytest.approx(theirs["score_coefficients"], rel=1e-6)
        for key in ("coefficients", "advantages", "value_coefficients"):
            assert (trained(ours, ours[key]) if ours[key] else []) == pytest.approx(theirs[key], rel=1e-6), key


@functools.cache
def scored(model, data):
    return {(row["id"], row["candidate"]): row for row in
            lines("score", f"model={model}", f"data={data}", "data.append_eos=true", "threads=1")}


def assert_scored(found, data, model=MODEL, key="logps"):
    """Log-probabilities are those of `attune score` of the same model."""
    scores = scored(model, data)
    for candidate in found["candidates"]:
        row = scores[candidate["id"], candidate["candidate"]]
        # Where another answer's first token straddles the end of the prompt, training counts from there.
        front = len(candidate["ids"]) - len(row["ids"])
        assert front == 0 if candidate["id"] == "ids" else 0 <= front <= 1
        assert candidate["ids"][front:] == row["ids"] and set(candidate["mask"]) == {1}
        tokens = len(found["prompt_ids"]) + len(candidate["ids"])
        assert candidate[key][front:] == pytest.approx(row["logps"], rel=0, abs=logp_tolerance(CONFIG, row["logps"], tokens))


@pytest.fixture(scope="module")
def other_model(tmp_path_factory):
    """The bundled weights with other positions: another model with the same vocabulary."""
    folder = tmp_path_factory.mktemp("models") / "other"
    shutil.copytree(MODEL, folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"rope_theta": 1000.0}))
    return folder


@pytest.fixture(scope="module")
def rated(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "rated.jsonl", native())


OF_TEACHERS = {"context_distillation", "sr_dpo"}  # explain shows no model that the recipe of a run would name
BY_DISTRIBUTIONS = {"eaft", "mallows_dpo"}  # weigh by numbers that a fixture has only with logits


@pytest.mark.parametrize("method, record", [(method, 0 if method == "prm" else 3 * (i % 2))  # of given ids nobody knows the steps
                                             for i, method in enumerate(METHODS) if method not in OF_TEACHERS])
def test_loss_and_coefficients_are_those_of_the_fixture(method, record, rated, other_model, tmp_path):
    found = explain(method, rated, f"reference.path={other_model}", f"record={record}")
    assert_scored(found, rated)
    assert_scored(found, rated, other_model, "ref_logps")
    assert found["reference"] == str(other_model)
    if "signal_coefficients" not in found["candidates"][0] and method not in BY_DISTRIBUTIONS:  # those are below
        assert_same(found, by_fixture(tmp_path, method, found))


@pytest.mark.parametrize("method, settings, size", [
    ("dpo", ["method.beta=0.3"], 2), ("dpo", ["method.label_smoothing=0.1"], 2), ("sft", [], 1),
    ("kto", ["method.undesirable_weight=0.5"], 8), ("grpo", ["method.beta=0.04"], 2)])
def test_without_a_reference_it_is_the_policy(method, settings, size, rated, tmp_path):
    found = explain(method, rated, *settings)
    assert len(found["candidates"]) == size
    assert_scored(found, rated)
    for candidate in found["candidates"]:
        assert candidate["ref_logps"] == ([] if method == "sft" else candidate["logps"])
    assert found["reference"] == (None if method == "sft" else "policy")
    assert_same(found, by_fixture(tmp_path, method, found, settings))
    if method == "dpo":
        assert found["loss"] == pytest.approx(math.log(2), rel=1e-6)


def test_the_objects_tell_the_record(rated):
    found = explain("dpo", rated, "record=1")
    assert (found["record"], found["row"], found["id"], found["format"]) == (1, 1, "story-1", "native")
    assert "Tom had a red" in found["prompt"]
    chosen, rejected = found["candidates"]
    assert (chosen["feedback"], rejected["feedback"]) == ("chosen", "rejected")
    assert (chosen["candidate"], rejected["candidate"]) == (1, 0)
    assert all(push > 0 for push in chosen["coefficients"]) and all(push < 0 for push in rejected["coefficients"])
    for candidate in (chosen, rejected):
        assert len(candidate["tokens"]) == len(candidate["ids"]) == len(candidate["mask"])
        assert candidate["ids"][-1] == 2  # end of sequence, as in training
    assert [row["rank"] for row in found["candidates"]] == [0, 1]
    assert [row["reward"] for row in explain("grpo", rated, "record=1")["candidates"]] == [0.25, 2.0]
    assert [row["label"] for row in explain("kto", rated, "step_records=1")["candidates"]] == [False, True]


def distributions(logp, ref_logp, kl):
    """Logits [id, rest, rest] of policy and reference with these log-probabilities of the id and this divergence
    KL(ref ‖ policy): the reference's rest is split evenly, the policy's as the divergence asks."""
    p, r = math.exp(logp), math.exp(ref_logp)
    reference = [r, (1 - r) / 2, (1 - r) / 2]

    def policy(split):
        return [p, (1 - p) * (1 - split), (1 - p) * split]

    def divergence(split):
        return sum(a * math.log(a / b) for a, b in zip(reference, policy(split)))
    low, high = 1e-300, 0.5  # the smaller the split, the larger the divergence
    for _ in range(4000):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if divergence(middle) > kl else (low, middle)
    return [[math.log(x) for x in row] for row in (policy(high), reference)]


@pytest.mark.parametrize("variant", ["tdpo1", "tdpo2"])
def test_tdpo_reads_the_whole_distribution(variant, rated, other_model, tmp_path):
    settings = [f"method.variant={variant}", f"reference.path={other_model}"]
    found = explain("tdpo", rated, *settings)
    rows = []
    for candidate in found["candidates"]:
        divergence = candidate["signals"]["reference_kl"]
        assert all(value > 0 for value in divergence)
        logits = [distributions(*numbers) for numbers in
                  zip(candidate["logps"], candidate["ref_logps"], divergence, strict=True)]
        rows.append({"group": 0, "rank": candidate["rank"], "ids": [0] * len(logits),
                     "logits": [pair[0] for pair in logits], "ref_logits": [pair[1] for pair in logits]})
    expected = by_fixture(tmp_path, "tdpo", found, settings, {"candidates": rows})
    assert found["loss"] == pytest.approx(expected["loss"], rel=1e-6)
    for name in ("kl/chosen", "kl/rejected", "rewards/margins", "logps/chosen"):
        assert found["metrics"][name] == pytest.approx(expected["metrics"][name], rel=1e-6), name
    # The push on a token's own logit: that of its log-probability and that of the divergence together.
    for ours, theirs in zip(found["candidates"], expected["candidates"], strict=True):
        pushes = zip(ours["coefficients"], ours["signal_coefficients"]["reference_kl"], ours["logps"],
                     ours["ref_logps"], strict=True)
        assert [a * (1 - math.exp(p)) + b * (math.exp(p) - math.exp(r)) for a, b, p, r in pushes] == pytest.approx(
            [row[0] for row in theirs["logit_coefficients"]], rel=1e-6, abs=1e-12)


def test_a_reward_model_is_explained_by_its_scores(rated, tmp_path):
    found = explain("bradley_terry", rated, "seed=3")
    assert found["score_head"] == "fresh" and found["reference"] is None
    chosen, rejected = found["candidates"]
    assert chosen["scores"] != rejected["scores"] and chosen["coefficients"] == []
    assert chosen["score_coefficients"][0] == -rejected["score_coefficients"][0] > 0
    assert_same(found, by_fixture(tmp_path, "bradley_terry", found))
    assert explain("bradley_terry", rated, "seed=4")["loss"] != found["loss"]


def test_masked_tokens_are_not_read(tmp_path):
    ids = OPENINGS[:2]
    mask = [int(i % 3 != 1) for i in range(len(ids[1]))]
    data = write(tmp_path / "masked.jsonl", [{"prompt_ids": [1] + ids[0], "candidates": [
        {"completion_ids": ids[1], "completion_mask": mask}]}])
    candidate = explain("sft", data, "data.append_eos=false")["candidates"][0]
    whole = explain("sft", write(tmp_path / "whole.jsonl", [{"prompt_ids": [1] + ids[0], "candidates": [
        {"completion_ids": ids[1]}]}]), "data.append_eos=false")["candidates"][0]
    assert candidate["ids"] == ids[1] and candidate["mask"] == mask and 0 in mask
    tolerance = logp_tolerance(CONFIG, whole["logps"], 1 + len(ids[0]) + len(ids[1]))
    for wanted, push, logp, unmasked in zip(mask, candidate["coefficients"], candidate["logps"], whole["logps"]):
        assert (push > 0) == bool(wanted)
        assert logp == pytest.approx(unmasked, rel=0, abs=tolerance) if wanted else logp is None
    assert sum(candidate["coefficients"]) == pytest.approx(1)


def test_the_first_token_of_a_text_has_no_number(tmp_path):
    data = write(tmp_path / "text.jsonl", [{"text": STORIES[0][0]}])
    found = explain("sft", data)
    candidate = found["candidates"][0]
    assert candidate["mask"][0] == 0 and candidate["logps"][0] is None and candidate["coefficients"][0] == 0
    assert found["prompt_ids"] == [] and set(candidate["mask"][1:]) == {1}
    assert_same(found, by_fixture(tmp_path, "sft", found))


def test_a_step_of_kto_can_be_made_smaller(rated, tmp_path):
    found = explain("kto", rated, "record=1", "step_records=2")
    assert [candidate["id"] for candidate in found["candidates"]] == ["story-1", "story-1", "story-2", "story-2"]
    assert_same(found, by_fixture(tmp_path, "kto", found))


def test_people_see_tokens_and_words(rated, other_model):
    arguments = ["explain", "dpo", f"model={MODEL}", f"data={rated}", "threads=1"]
    shown = attune(*arguments, "tokens=3")
    assert shown.returncode == 0, shown.stderr
    text = shown.stdout
    found = explain("dpo", rated)
    sizes = [len(candidate["ids"]) for candidate in found["candidates"]]
    for size in sizes:
        assert f"… {size - 3} more tokens (tokens={size} shows all)" in text
    assert "format native" in text and "id story-0" in text and "policy = reference" in text
    assert "girl named" in text and "▲" in text and "▼" in text and "\x1b" not in text
    assert "(chosen) is made more likely: every token is pushed up by 0.05" in text
    assert "loss = 0.693147" in text and "rewards/margins = 0" in text
    everything = attune(*arguments, f"tokens={max(sizes)}", f"reference.path={other_model}").stdout
    assert "more tokens" not in everything and f"Reference: {other_model}" in everything
    for logp in found["candidates"][0]["logps"]:
        assert f"{logp:.4g}" in everything


def test_long_prompts_are_shortened_and_controls_shown(tmp_path):
    data = write(tmp_path / "long.jsonl", [{"id": "\x1b[31m", "prompt": "The cat sat on the mat and saw a dog. " * 30 + "It",
                                            "completion": " was\nhappy."}])
    text = attune("explain", "sft", f"model={MODEL}", f"data={data}", "threads=1").stdout
    assert " tokens … " in text and text.count("The cat sat") < 10
    assert "\\n" in text and "id \\x1b[31m" in text and "\x1b" not in text


def on_a_terminal(arguments, environment):
    leader, follower = pty.openpty()
    process = subprocess.Popen([ATTUNE, *map(str, arguments)], stdout=follower, stderr=subprocess.PIPE,
                               env=environment)
    os.close(follower)
    output = b""
    try:
        while part := os.read(leader, 65536):
            output += part
    except OSError:  # the other side was closed
        pass
    os.close(leader)
    assert process.wait(timeout=60) == 0, process.stderr.read()
    return output.decode()


def test_colours_on_a_terminal_only(tmp_path):
    ids = OPENINGS[0]
    mask = [1] * (len(ids) - 1) + [0]
    data = write(tmp_path / "pair.jsonl", [{"prompt_ids": [1], "candidates": [
        {"completion_ids": ids, "completion_mask": mask, "rank": 0}, {"completion_ids": ids[:-2], "rank": 1}]}])
    arguments = ["explain", "dpo", f"model={MODEL}", f"data={data}", "threads=1", "data.append_eos=false"]
    with_colour = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    coloured = on_a_terminal(arguments, with_colour)
    assert coloured.count("\x1b[32m") == len(ids) - 1  # up: the chosen answer
    assert coloured.count("\x1b[31m") == len(ids) - 2  # down: the rejected one
    assert coloured.count("\x1b[2m") == 1 and "not trained on" in coloured
    assert "\x1b" not in on_a_terminal(arguments, with_colour | {"NO_COLOR": "1"})
    assert "\x1b" not in attune(*arguments, env=with_colour).stdout


PROMPTS_ONLY = [{"prompt": "Once upon a time"}]


@pytest.mark.parametrize("method, settings, said", [
    ("dpo", ["model=MODEL"], ["data=", "missing"]),
    ("dpo", ["data=RATED"], ["model=", "missing"]),
    ("dpo", ["model.dtype=float32", "data=RATED"], ["model"]),
    ("dpo", ["model=MODEL", "data=PROMPTS"], ["none of 1 rows", "dpo", "no completion (row 0)"]),
    ("dpo", ["model=MODEL", "data=DEMONSTRATION"], ["no pair of completions"]),
    ("kto", ["model=MODEL", "data=DEMONSTRATION"], ["no labels"]),
    ("grpo", ["model=MODEL", "data=DEMONSTRATION"], ["no rewards"]),
    ("dpo", ["model=MODEL", "data=RATED", "record=4"], ["record=4", "4 records", "from 0"]),
    ("dpo", ["model=MODEL", "data=RATED", "record=-1"], ["record"]),
    ("dpo", ["model=MODEL", "data=RATED", "tokens=0"], ["tokens"]),
    ("dpo", ["model=MODEL", "data=RATED", "recrd=1"], ["recrd", "record"]),
    ("dpo", ["model=MODEL", "data=RATED", "method.bta=1"], ["bta", "beta"]),
    ("dpo", ["model=MODEL", "data=RATED", "reference.pth=x"], ["pth", "path"]),
    ("dpo", ["model=MODEL", "data=RATED", "reference.path=/nowhere"], ["/nowhere"]),
    ("dpo", ["model=/nowhere", "data=RATED"], ["/nowhere"]),
    ("dpo", ["model=MODEL", "data=/nowhere.jsonl"], ["/nowhere.jsonl"]),
    ("dpo", ["model=MODEL", "data=RATED", "fixture=x.json"], ["fixture"]),
    ("dpo", ["record=1"], ["record=", "model="]),
    ("dpo", ["reference.path=MODEL"], ["reference=", "model="]),
])
def test_wrong_requests_are_refused(method, settings, said, rated, tmp_path):
    places = {"MODEL": MODEL, "RATED": rated, "PROMPTS": write(tmp_path / "prompts.jsonl", PROMPTS_ONLY),
              "DEMONSTRATION": write(tmp_path / "one.jsonl", [{"prompt": "Tom had", "completion": " a ball."}])}
    filled = []
    for setting in settings:
        key, _, value = setting.partition("=")
        filled.append(f"{key}={places.get(value, value)}")
    refused = attune("explain", method, *filled)
    assert refused.returncode == 2, refused.stderr
    assert refused.stdout == ""
    for words in said:
        assert words in refused.stderr


def test_unusable_rows_are_passed_over(tmp_path):
    prompt, better, worse = STORIES[0]
    data = write(tmp_path / "pairs.jsonl", [{"prompt": prompt, "chosen": better, "rejected": better},
                                            {"prompt": prompt, "chosen": better, "rejected": worse}])
    found = explain("dpo", data)
    assert (found["record"], found["row"], found["format"]) == (0, 1, "preference")


def test_a_model_without_the_head_that_is_read_is_refused(rated, tmp_path):
    folder = tmp_path / "reward-model"
    done = attune("train", f"model={MODEL}", f"data={rated}", "method=bradley_terry", f"output={folder}", "threads=1",
                  "training.max_steps=1", "training.batch_size=2")
    assert done.returncode == 0, done.stderr
    refused = attune("explain", "dpo", f"model={folder / 'model'}", f"data={rated}")
    assert refused.returncode == 2 and "no language-model head" in refused.stderr and "'logps'" in refused.stderr
    found = lines("explain", "bradley_terry", f"model={folder / 'model'}", f"data={rated}", "threads=1")[0]
    assert found["score_head"] == "model" and found["candidates"][0]["logps"] == []


def test_compare_keeps_its_own_example(rated):
    refused = attune("explain", "--compare", "dpo", "ipo", f"model={MODEL}", f"data={rated}")
    assert refused.returncode == 2 and "--compare" in refused.stderr


def test_the_unified_view_is_what_each_method_says_of_its_part(tmp_path):
    shown, = lines("explain", "--unified")
    assert [row["method"] for row in shown["methods"]] and sorted(row["method"] for row in shown["methods"]) == METHODS
    families = [row["family"] for row in shown["methods"]]
    assert families == sorted(families, key=["point", "pair", "list"].index)
    taken = {"sft": [0, 1], "kto": [0, 1, 2, 3], "dpo": [0, 3], "simpo": [0, 3], "grpo": [0, 1, 2, 3], "rrhf": [0, 1, 2, 3]}
    for method, kept in taken.items():
        row = next(row for row in shown["methods"] if row["method"] == method)
        assert [i for i, answer in enumerate(row["answers"]) if not answer["dropped"]] == kept
        rated = [dict(c, rank=i, label=i < 2, reward=a["reward"]) for i, (c, a) in enumerate(zip(shown["candidates"], shown["answers"]))]
        alone = by_fixture(tmp_path, method, None, content={"candidates": [rated[i] for i in kept]})
        assert row["loss"] == pytest.approx(alone["loss"], rel=1e-12)
        for i, said in zip(kept, alone["candidates"], strict=True):
            assert row["answers"][i]["delta"] == pytest.approx([3 * c for c in said["coefficients"]], rel=1e-12)
    text = attune("explain", "--unified").stdout
    assert all(f"\n{method} " in text or f"\n{method}|" in text for method in METHODS) and "dropped" in text


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """A prompt with four rated answers, and a record that fewer methods can use before it."""
    said = [(" She liked to play with her cat.", 1.0, True), (" She had a dog.", 0.7, True), (" She was sad and went home.", 0.3, False), (" No.", 0.0, False)]
    return write(tmp_path_factory.mktemp("data") / "four.jsonl", [
        {"id": "one", "prompt": STORIES[1][0], "candidates": [{"completion": STORIES[1][1]}]},
        {"id": "four", "prompt": STORIES[0][0], "candidates": [
            {"completion": text, "reward": reward, "rank": rank, "label": label, "source": "greedy" if rank == 2 else "policy",
             "steps": [text], "step_scores": [reward]} for rank, (text, reward, label) in enumerate(said)]}])


@pytest.mark.parametrize("reference", [True, False])
def test_the_unified_view_of_a_record_is_what_each_method_says_of_it(four, other_model, reference):
    settings = [f"reference.path={other_model}"] if reference else []
    shown, = lines("explain", "--unified", f"model={MODEL}", f"data={four}", "record=1", "threads=1", *settings)
    assert (shown["id"], shown["row"], shown["record"]) == ("four", 1, 1) and "girl named" in shown["prompt"]
    assert [answer["reward"] for answer in shown["answers"]] == [1.0, 0.7, 0.3, 0.0]
    assert all(len(answer["tokens"]) == len(answer["ids"]) > 1 for answer in shown["answers"])
    rows = {row["method"]: row for row in shown["methods"]}
    assert sorted(rows) == METHODS and not {name for name, row in rows.items() if "reason" in row}
    families = [row["family"] for row in shown["methods"]]
    assert families == sorted(families, key=["point", "pair", "list"].index)
    some = ["sft", "kto", "dpo", "grpo", "prm", "bradley_terry", "tdpo", "grm", "unlikelihood", "rrhf"]
    for method in METHODS[::6] + some if reference else some[:3]:
        alone = explain(method, write_without_first(four), "step_records=1", *settings)
        answers = rows[method]["answers"]
        assert rows[method]["loss"] == pytest.approx(alone["loss"], rel=1e-6), method
        assert [not answer["dropped"] for answer in answers] == [i in {c["candidate"] for c in alone["candidates"]} for i in range(4)]
        for candidate in alone["candidates"]:
            answer, length = answers[candidate["candidate"]], sum(candidate["mask"])
            assert answer["delta"] == pytest.approx([length * c for c in candidate["coefficients"]], rel=1e-6, abs=1e-9), method
            assert answer["score"] == pytest.approx(candidate["score_coefficients"], rel=1e-6, abs=1e-9), method
            for signal, pushes in candidate.get("signal_coefficients", {}).items():
                assert answer["signals"][signal] == pytest.approx([length * c for c in pushes], rel=1e-6, abs=1e-9), method


def write_without_first(path):
    """The same file from its second record on, whichever a method would take first."""
    return write(path.with_name("second.jsonl"), [json.loads(line) for line in path.read_text().splitlines()[1:]])


def test_the_unified_view_of_a_record_says_who_cannot_use_it(four):
    text = attune("explain", "--unified", f"model={MODEL}", f"data={four}", "threads=1", "tokens=3").stdout
    table = {line.split("|")[0].strip(): line for line in text.splitlines()}
    assert "not here" not in table["sft"] and "not here: no pair" in table["dpo"]
    assert set(METHODS) <= set(table) and "first 3 tokens" in text
    refused = attune("explain", "--unified", f"model={MODEL}", f"data={four}", "record=2")
    assert refused.returncode == 2 and "record=2" in refused.stderr and "2 records" in refused.stderr
    refused = attune("explain", "--unified", f"data={four}")
    assert refused.returncode == 2 and "--unified: model= and data= go together" in refused.stderr


def test_compared_methods_see_the_same_answers():
    text = attune("explain", "--compare", "dpo", "kto", "grpo").stdout
    table = text[text.index("The same four rated answers"):]
    assert [line.split()[0] for line in table.splitlines() if line.startswith(("dpo", "kto", "grpo"))] == ["dpo", "kto", "grpo"]
    refused = attune("explain", "--unified", "dpo")
    assert refused.returncode == 2 and "--compare dpo" in refused.stderr


@pytest.mark.parametrize("arguments, parts", [
    (["--compare", "dpo", "dpo"], ["--compare is given dpo twice"]),
    (["--compare", "dpo", "ipo", "bradley_terry", "reward"], ["argument 'reward'", "bradley_terry twice"]),
    (["--unified", "--compare", "dpo", "ipo"], ["use one of them", "attune explain --compare dpo ipo"]),
    (["--compare", "--unified"], ["use one of them", "attune explain --compare dpo ipo"]),
])
def test_comparisons_that_say_nothing(arguments, parts):
    done = attune("explain", *arguments)
    assert done.returncode == 2 and not done.stdout
    for part in parts:
        assert part in done.stderr, done.stderr
