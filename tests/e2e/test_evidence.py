"""What a run keeps so that its report can tell a change from chance, and that the report never takes a result away."""
import json
import math
import re
import shutil

import pytest

from runs import command, pairs, rows, run


def evaluated(folder, *settings, data=None):
    """A run with five held-out prompts of seven records, and its evaluations.jsonl."""
    data = data or pairs(folder / "pairs.jsonl")
    held_out = folder / "held_out.jsonl"
    lines = data.read_text().splitlines()[-5:]
    held_out.write_text("\n".join([*lines, lines[0], lines[3]]) + "\n")
    done = run(command(data, folder / "run", f"eval.data={held_out}", "training.eval_steps=2", *settings))
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in (folder / "run/evaluations.jsonl").open()]


@pytest.fixture(scope="module")
def dpo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dpo")
    return folder / "run", evaluated(folder)


def mean(metric):
    return sum(metric["sums"]) / (sum(metric["counts"]) if "counts" in metric else len(metric["sums"]))


def by_step(output):
    return {row["step"]: {name: row[name] for name in row if name.startswith("eval_")} for row in rows(output) if "eval_loss" in row}


def compare(output, evaluations):
    """Sums over prompts come to the numbers of metrics.jsonl. Returns the metrics that are there prompt by prompt."""
    logged = by_step(output)
    for evaluation in evaluations:
        assert evaluation["prompts"] == 5
        for name, metric in evaluation["metrics"].items():
            assert len(metric["sums"]) == 5
            assert mean(metric) == pytest.approx(logged[evaluation["step"]][name], rel=1e-6, abs=1e-6), name
    return set(evaluations[0]["metrics"])


def test_evaluations_are_kept_prompt_by_prompt(dpo):
    output, evaluations = dpo
    names = compare(output, evaluations)
    assert {"eval_loss", "eval_rewards/margins", "eval_rewards/accuracies", "eval_entropy"} <= names
    steps = list(by_step(output))
    best = min(steps, key=lambda step: by_step(output)[step]["eval_loss"])
    assert [line["step"] for line in evaluations] == sorted({0, best, steps[-1]})
    assert sorted(evaluations[0]["metrics"]["eval_rewards/margins"]["counts"]) == [1, 1, 1, 2, 2]


def test_the_interval_of_the_page_is_that_of_the_prompts(dpo):
    """The ratio estimator's linearised standard error, computed here from the numbers that were kept."""
    output, evaluations = dpo
    first, last = (line["metrics"]["eval_rewards/margins"] for line in (evaluations[0], evaluations[-1]))
    counts = first["counts"]
    change = mean(last) - mean(first)
    residuals = [(b - a - change * count) / sum(counts) for a, b, count in zip(first["sums"], last["sums"], counts)]
    error = math.sqrt(5 / 4 * sum(value**2 for value in residuals))
    low, high = (change + sign * 2.7764451 * error for sign in (-1, 1))  # t(4)
    row = re.search(r"<tr><td><span class=\"what\">Reward margin \(held out\).*?</tr>", (output / "report.html").read_text(), re.S)[0]
    said = re.search(r"95 %: (\S+) to (\S+) ·\s5\sprompts", row)
    for text, value in zip(said.groups(), (low, high)):
        assert float(text.replace("−", "-")) == pytest.approx(value, rel=6e-3)


@pytest.mark.parametrize("method, expected", [
    ("sft", {"eval_loss", "eval_entropy", "eval_mean_token_accuracy"}),
    ("kto", {"eval_rewards/chosen", "eval_rewards/rejected"}),
    ("aot", {"eval_rewards/margins"}),
    ("bradley_terry", {"eval_loss", "eval_accuracy", "eval_margin"}),
])
def test_of_every_kind_of_method(tmp_path, method, expected):
    data = pairs(tmp_path / "pairs.jsonl")
    if method == "kto":
        lines = [json.loads(line) for line in data.open()]
        for line in lines:
            for i, candidate in enumerate(line["candidates"]):
                candidate["label"] = i == 0
        data.write_text("".join(json.dumps(line) + "\n" for line in lines))
    evaluations = evaluated(tmp_path, f"method={method}", "training.epochs=1", data=data)
    assert expected <= compare(tmp_path / "run", evaluations)
    assert re.search(r"95 %: \S+ to \S+ ·\s5\sprompts", (tmp_path / "run/report.html").read_text())
    if method == "kto":
        assert "Reward margin (held out)" in (tmp_path / "run/report.html").read_text().split("95 %")[0]


def test_of_several_methods_at_once(tmp_path):
    evaluations = evaluated(tmp_path, "method=[{name: dpo, weight: 0.8}, {name: sft, weight: 0.3}]")
    names = compare(tmp_path / "run", evaluations)
    assert {"eval_loss", "eval_dpo/rewards/margins", "eval_dpo/rewards/accuracies", "eval_sft/mean_token_accuracy"} <= names
    page = (tmp_path / "run/report.html").read_text()
    for name in "Reward margin of dpo", "Token accuracy of sft", "Loss":
        (row,) = re.findall(rf"<tr><td><span class=\"what\">{name} \(held out\).*?</tr>", page, re.S)
        assert re.search(r"95 %: (\S+) to (\S+) ·\s5\sprompts", row), row
    assert "count half: 7 of 7 before" in page


def test_of_the_same_method_twice(tmp_path):
    """Their metrics have one name, so that no number by prompt could be that of metrics.jsonl; the loss is the sum of both."""
    evaluations = evaluated(tmp_path, "method=[{name: dpo, beta: 0.1}, {name: dpo, beta: 0.5}]", "training.epochs=1")
    assert compare(tmp_path / "run", evaluations) == {"eval_loss"}


def test_ties_of_the_start_are_named(dpo):
    page = (dpo[0] / "report.html").read_text()
    assert "count half: 7 of 7 before" in page


def test_a_run_keeps_its_result_when_the_report_cannot_be_written(tmp_path):
    data = pairs(tmp_path / "pairs.jsonl")
    assert run(command(data, tmp_path / "run")).returncode == 0
    state = json.loads((tmp_path / "run/run.json").read_text())
    (tmp_path / "run/run.json").write_text(json.dumps({**state, "state": "running"}))
    shutil.rmtree(tmp_path / "run/model")
    (tmp_path / "run/report.html").unlink()
    (tmp_path / "run/report.html/in the way").mkdir(parents=True)
    done = run(command(data, tmp_path / "run"))
    assert done.returncode == 0, done.stderr
    assert "the report could not be written" in done.stderr
    assert (tmp_path / "run/model/model.safetensors").exists()
    assert json.loads((tmp_path / "run/run.json").read_text())["state"] == "finished"


def test_a_run_that_stops_at_a_loss_that_is_no_number_shows_why_and_where(tmp_path):
    data = tmp_path / "prefs.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"Once upon a time {i}", "chosen": f" there was one {i}.",
                                        "rejected": f" there were two {i}."}) + "\n" for i in range(8)))
    failed = run(command(data, tmp_path / "run", "training.learning_rate=1e30", "training.max_grad_norm=0"))
    assert failed.returncode == 1, failed.stderr
    assert "training.learning_rate" in failed.stderr
    records = [json.loads(line) for line in (tmp_path / "run/bad_batch.jsonl").open()]
    assert len(records) == 8 and all(record["meta"]["file"] == str(data) for record in records)
    page = (tmp_path / "run/report.html").read_text()
    reason = json.loads((tmp_path / "run/run.json").read_text())["reason"]
    assert "the loss is" in reason and reason.split(". The batch")[0] in page
    kept = sorted((tmp_path / "run/checkpoints").glob("step-*"))
    where = f"the last weights that were kept are in {kept[-1]}" if kept else "so no weights are kept"
    assert where in reason and (tmp_path / "run/checkpoints").exists()
    assert "Where it stopped" in page and "The run failed" in page
    for record in records:
        row = record["meta"]["row"]
        assert f"row {row} of {data}" in page
        assert f"Once upon a time {row - 1}</p>" in page
        assert record["candidates"][0]["completion"].strip().startswith("there w")


def test_numbers_on_one_line_agree(tmp_path):
    """Updates and tokens a second are those of the time that the line gives, evaluations included; the report's are those of
    the updates alone."""
    data = pairs(tmp_path / "pairs.jsonl")
    done = run(command(data, tmp_path / "run", f"eval.data={data}", "training.eval_steps=1", "training.epochs=4"))
    assert done.returncode == 0, done.stderr
    line = [line for line in done.stderr.splitlines() if line.startswith("training  100%")][-1]
    seconds = float(re.search(r"  in ([\d.]+) s", line)[1])
    speed, tokens = (float(re.search(rf"([\d.,]+) {unit}/s", line)[1].replace(",", "")) for unit in ("updates", "tokens"))
    last = rows(tmp_path / "run")[-1]
    assert speed * seconds == pytest.approx(last["step"], rel=0.05), line
    assert tokens * seconds == pytest.approx(last["num_tokens"], rel=0.05), line
    page = (tmp_path / "run/report.html").read_text()
    facts = dict(re.findall(r"<dt>(Tokens|Tokens per second|Training time)</dt><dd>([^<]+)</dd>", page))
    time, rate, count = (float(re.match(r"[\d.]+", facts[name])[0]) for name in ("Training time", "Tokens per second", "Tokens"))
    assert rate * time == pytest.approx(count, rel=0.06), facts


def test_a_run_that_ends_as_a_uniform_distribution_is_no_success(tmp_path):
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps({"prompt": f"Once {i}", "completion": f" there was {i}."}) + "\n" for i in range(12)))
    done = run(command(data, tmp_path / "run", f"eval.data={data}", "method=sft", "training.learning_rate=1e6",
                       "training.max_grad_norm=0", "samples.prompts=0"))
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "run")[-1]["entropy"] == pytest.approx(math.log(2048), rel=1e-6)
    page = (tmp_path / "run/report.html").read_text()
    assert "gives every token the same probability" in page and "The gradient was exactly zero" in page
    assert "✓ better" not in page
