"""DPO with LoRA on human preferences (Anthropic's hh-rlhf) is learnt as far as pairs that it has not seen, and others read
the result: PEFT the adapter, TensorBoard the events. Needs ../shared, with the data and the model."""
import json
import math
import os
import pathlib
import subprocess

import pytest

from tolerance import logp_tolerance

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
SHARED = ROOT.parent / "shared"
MODEL, PAIRS = SHARED / "models/tinystories-656k", SHARED / "data/hh-rlhf"
UPDATES, LENGTH, BETA = 150, "data.max_length=256", 0.1

pytestmark = pytest.mark.skipif(not (MODEL.exists() and PAIRS.exists()), reason=f"{MODEL} or {PAIRS} is missing")


def attune(*arguments):
    done = subprocess.run([ATTUNE, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines(*arguments):
    return [json.loads(line) for line in attune(*arguments, "--json").splitlines()]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    output = tmp_path_factory.mktemp("hh") / "run"
    attune("train", f"model={MODEL}", f"data={PAIRS}/harmless-base.train.jsonl", "method=dpo", f"method.beta={BETA}",
           "adapter.type=lora", f"eval.data={PAIRS}/harmless-base.test.jsonl", LENGTH, f"output={output}", "threads=1",
           f"training.max_steps={UPDATES}", f"training.eval_steps={UPDATES}", "training.batch_size=8",
           "training.learning_rate=1e-3", "training.schedule=cosine", "training.warmup_ratio=0.1", "samples.prompts=0")
    return output


@pytest.fixture(scope="module")
def metrics(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").open()]


@pytest.fixture(scope="module")
def scored(run):
    """The held-out pairs: (candidate, candidate) of each, the chosen one first, as training saw them."""
    rows = lines("score", f"model={run / 'model'}", f"ref_model={MODEL}", f"data={PAIRS}/harmless-base.test.jsonl", LENGTH,
                 "data.append_eos=true", "threads=1")
    assert [row["candidate"] for row in rows] == [0, 1] * (len(rows) // 2)
    return list(zip(rows[::2], rows[1::2], strict=True))


@pytest.fixture(scope="module")
def shown():
    """The same pairs as tokens, with the prompt."""
    rows = lines("tokenize", f"model={MODEL}", f"data={PAIRS}/harmless-base.test.jsonl", LENGTH)
    return [row["candidates"] for row in rows if "unusable" not in row]


def test_held_out_pairs_are_told_apart(metrics, scored):
    before, after = (row for row in metrics if "eval_loss" in row)
    assert (before["step"], after["step"]) == (0, UPDATES)
    assert before["eval_rewards/margins"] == 0 and before["eval_loss"] == pytest.approx(math.log(2), abs=1e-9)
    assert after["eval_loss"] < before["eval_loss"] - 0.005
    assert after["eval_rewards/accuracies"] > 0.5 + 2 * math.sqrt(0.25 / len(scored)), len(scored)
    # The margins of the pairs one by one, from what `score` says of them.
    rewards = [[BETA * (row["sum"] - sum(row["ref_logps"])) for row in pair] for pair in scored]
    margins = [chosen - rejected for chosen, rejected in rewards]
    mean = sum(margins) / len(margins)
    error = math.sqrt(sum((margin - mean)**2 for margin in margins) / (len(margins) - 1) / len(margins))
    # Not to the last digit: see the next test.
    assert after["eval_rewards/margins"] == pytest.approx(mean, abs=5e-4)
    assert after["eval_rewards/accuracies"] == pytest.approx(sum(margin > 0 for margin in margins) / len(margins), abs=0.01)
    assert mean > 0.03 and mean > 3 * error, (mean, error)


def test_score_counts_the_tokens_that_are_trained_on(scored, shown):
    """As TRL has it: where one answer of a pair merges with the prompt's last token, both are trained on from there;
    `score`, which looks at every answer by itself, leaves that token of the other to the prompt."""
    for pair, told in zip(shown, scored, strict=True):
        trained = [[token for token, mask in zip(row["ids"], row["mask"], strict=True) if mask] for row in pair]
        more = [len(ids) - len(row["ids"]) for ids, row in zip(trained, told, strict=True)]
        assert sorted(more) in ([0, 0], [0, 1])
        assert all(ids[extra:] == row["ids"] for ids, extra, row in zip(trained, more, told, strict=True))


def test_peft_reads_the_adapter_and_computes_the_same(run, scored, shown):
    torch, peft, transformers = (pytest.importorskip(name) for name in ("torch", "peft", "transformers"))
    base = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    model = peft.PeftModel.from_pretrained(base, run / "model").eval()
    assert model.peft_config["default"].r == 16
    assert len(shown) == len(scored) > 200
    for pair, told in list(zip(shown, scored))[:12]:
        for candidate, row in zip(pair, told, strict=True):
            ids, beginning = torch.tensor(candidate["ids"]), len(candidate["ids"]) - len(row["ids"])
            assert row["ids"] == candidate["ids"][beginning:]
            with torch.no_grad():
                adapted = model(ids[None]).logits[0]
                with model.disable_adapter():
                    plain = model(ids[None]).logits[0]
            for logits, ours in ((adapted, row["logps"]), (plain, row["ref_logps"])):
                theirs = logits[:-1].log_softmax(-1).gather(1, ids[1:, None])[beginning - 1:, 0]
                assert ours == pytest.approx(theirs.tolist(), rel=0, abs=logp_tolerance(base.config, ours, len(ids)))


def test_tensorboard_reads_the_numbers_of_the_metrics(run, metrics):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    read = accumulator.EventAccumulator(str(run), size_guidance={"scalars": 0}).Reload()
    expected = {}
    for row in metrics:
        for name, value in row.items():
            if name != "step":
                tag = f"eval/{name.removeprefix('eval_')}" if name.startswith("eval_") else f"train/{name}"
                expected.setdefault(tag, []).append((row["step"], value))
    assert {"train/loss", "eval/loss", "train/rewards/margins", "eval/rewards/accuracies"} <= set(expected)
    assert set(read.Tags()["scalars"]) == set(expected)
    assert len(expected["train/loss"]) == UPDATES
    for tag, values in expected.items():
        events = read.Scalars(tag)
        assert [event.step for event in events] == [step for step, _ in values], tag
        assert [event.value for event in events] == pytest.approx([value for _, value in values], rel=1e-6), tag
