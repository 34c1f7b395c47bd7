"""Settings of training through the program: each has the effect that its name promises, or is refused."""
import json
import math
import shutil
import signal
import subprocess
import time

import pytest
import yaml

from runs import ATTUNE, MODEL, command, logps_may_differ, losses_may_differ, pairs, rows, run, weights


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return pairs(tmp_path_factory.mktemp("data") / "pairs.jsonl")


@pytest.fixture(scope="module")
def held_out(tmp_path_factory):
    return pairs(tmp_path_factory.mktemp("held_out") / "pairs.jsonl", 12)


@pytest.fixture(scope="module")
def adapter(data, tmp_path_factory):
    output = tmp_path_factory.mktemp("adapter") / "run"
    assert run(command(data, output, "adapter=lora", "adapter.rank=4")).returncode == 0
    return output / "model"


def losses(output, key="loss"):
    return [row[key] for row in rows(output) if key in row]


@pytest.fixture
def no_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.mark.parametrize("settings", [["method=dpo"], ["method=dpo", "adapter=lora"], ["method=kto"],
                                      ["method=kto", "adapter=lora"], ["method=mallows_dpo"], ["method=tdpo"], ["method=tdpo", "adapter=lora"]])
def test_a_cached_reference_is_the_reference(data, held_out, tmp_path, no_cache, settings):
    settings = [*settings, f"eval={held_out}", "training.eval_steps=4"]
    for name, extra in {"live": [], "cached": ["reference.cache=true"], "again": ["reference.cache=true"]}.items():
        done = run(command(data, tmp_path / name, *settings, *extra))
        assert done.returncode == 0, done.stderr
    for name in ("cached", "again"):
        assert losses(tmp_path / name) == pytest.approx(losses(tmp_path / "live"), rel=0, abs=losses_may_differ())
        assert losses(tmp_path / name, "eval_loss") == pytest.approx(losses(tmp_path / "live", "eval_loss"), rel=0,
                                                                     abs=losses_may_differ())
    assert abs(losses(tmp_path / "live")[-1] - losses(tmp_path / "live")[0]) > 100 * losses_may_differ()
    assert list((tmp_path / "cache/attune").glob("reference-*.safetensors"))


def test_a_continued_adapter_is_its_own_reference(data, adapter, tmp_path):
    done = run([*command(data, tmp_path / "run"), f"model={adapter}"])
    assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "run")[0] == pytest.approx(math.log(2), rel=0, abs=losses_may_differ())  # policy = reference
    assert yaml.safe_load((tmp_path / "run/recipe.yaml").read_text())["adapter"]["rank"] == 4
    against_base = run([*command(data, tmp_path / "base", f"reference={MODEL}"), f"model={adapter}"])
    assert against_base.returncode == 0, against_base.stderr
    assert losses(tmp_path / "base")[0] != pytest.approx(math.log(2), rel=0, abs=10 * losses_may_differ())
    other_rank = run([*command(data, tmp_path / "other"), f"model={adapter}", "adapter.rank=8"])
    assert other_rank.returncode == 2 and "adapter.rank" in other_rank.stderr


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_half_precision_follows_float32(data, tmp_path, dtype):
    """Updates that a half-precision weight is too coarse to show add up in the optimiser's own copy."""
    from safetensors.torch import load_file
    import torch

    moved = {}
    start = load_file(MODEL / "model.safetensors")
    start["model.embed_tokens.weight"] = start.pop("lm_head.weight")  # tied
    for name in ("float32", dtype):
        done = run(command(data, tmp_path / name, f"training.dtype={name}", "training.learning_rate=3e-5"))
        assert done.returncode == 0, done.stderr
        end = {key: tensor.float() for file in (tmp_path / name / "checkpoints").glob("step-000012/optimizer.safetensors")
               for key, tensor in load_file(file).items() if key.startswith("parameter.")}
        moved[name] = torch.cat([(end["parameter." + key] - start[key].float()).flatten()
                                 for key in start if "parameter." + key in end])
    norms = [losses(tmp_path / name, "grad_norm") for name in (dtype, "float32")]
    assert norms[0] == pytest.approx(norms[1], rel=0.05)
    cosine = torch.nn.functional.cosine_similarity(moved["float32"], moved[dtype], dim=0)
    assert cosine > 0.99, cosine
    assert moved[dtype].norm() == pytest.approx(moved["float32"].norm().item(), rel=0.01)


def test_an_interrupt_before_an_evaluation_loses_nothing(data, held_out, tmp_path):
    settings = [f"eval={held_out}", "training.eval_steps=1", "training.save_steps=4", "training.schedule=greedy",
                "training.plateau_patience=0"]
    assert run(command(data, tmp_path / "whole", *settings)).returncode == 0
    process = subprocess.Popen(command(data, tmp_path / "parts", *settings), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    while not (tmp_path / "parts/metrics.jsonl").exists() or len(rows(tmp_path / "parts")) < 3:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) in (130, 0)
    if process.returncode == 130:
        assert run(command(data, tmp_path / "parts", *settings)).returncode == 0
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


@pytest.mark.parametrize("settings, said", [
    (["training.adam_beta1=1"], "adam_beta1"),
    (["training.adam_beta2=1"], "adam_beta2"),
    (["adapter.rank=8"], "add adapter.type=lora"),
    (["adapter.dropout=0.1"], "add adapter.type=lora"),
    (["training.decay_steps=5"], "warmup_stable_decay"),
    (["eval=nosuch.jsonl"], "eval.data=nosuch.jsonl: no such file"),
    (["reference=nosuch"], "nosuch"),
    (["adapter=lora", "adapter.target_modules=[zz]"], "matches no layer of this model"),
])
def test_what_would_have_no_effect_or_cannot_work_is_refused(data, tmp_path, settings, said):
    done = run(command(data, tmp_path / "run", *settings))
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert not (tmp_path / "run").exists()
    looked = run([ATTUNE, "check", f"model={MODEL}", f"data={data}", "method=dpo", *settings])
    assert looked.returncode == 2 and said in looked.stderr, looked.stderr


def test_a_wrong_metric_is_found_before_training(data, held_out, tmp_path):
    done = run(command(data, tmp_path / "run", f"eval={held_out}", "eval.metric=rewards/accuracy"))
    assert done.returncode == 2 and "rewards/accuracies" in done.stderr, done.stderr
    assert not (tmp_path / "run").exists()


def test_one_run_at_a_time_writes_to_a_folder(data, tmp_path):
    first = subprocess.Popen(command(data, tmp_path / "run", "training.epochs=200"), stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
    while not (tmp_path / "run/metrics.jsonl").exists():
        time.sleep(0.01)
    second = run(command(data, tmp_path / "run", "training.epochs=200"))
    first.kill()
    first.wait()
    assert second.returncode == 2 and "another run" in second.stderr, second.stderr
    steps = [row["step"] for row in rows(tmp_path / "run")]
    assert steps == sorted(set(steps))


def test_overwrite_is_said_anew_each_time(data, tmp_path):
    assert run(command(data, tmp_path / "run", "overwrite=true")).returncode == 0
    again = run([ATTUNE, "train", str(tmp_path / "run/recipe.yaml")])
    assert again.returncode == 2 and "finished run" in again.stderr
    assert run(command(data, tmp_path / "run", "overwrite=true")).returncode == 0


def test_a_recipe_states_every_setting_and_works_from_any_folder(data, tmp_path):
    relative = [word.replace(str(data), data.name) for word in command(data, tmp_path / "run", "method.beta=0.2")]
    assert run(relative, cwd=data.parent).returncode == 0
    recipe = yaml.safe_load((tmp_path / "run/recipe.yaml").read_text())
    assert recipe["method"]["beta"] == 0.2 and "label_smoothing" in recipe["method"]
    assert recipe["data"]["path"] == str(data) and recipe["data"]["max_length"] == 1024
    done = run([ATTUNE, "train", str(tmp_path / "run/recipe.yaml"), f"output={tmp_path / 'again'}"], cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert weights(tmp_path / "again") == weights(tmp_path / "run")


def test_methods_add_up_over_their_own_data(data, tmp_path):
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": f"Once upon a time there were {i} cats. They ran."}) + "\n" for i in range(9)))
    order = ["training.shuffle=false", "training.epochs=1"]
    both = f"method=[{{name: dpo}}, {{name: sft, weight: 0.25, data: {texts}}}]"
    for name, settings, path in (("both", [both], data), ("sft", ["method=sft"], texts)):
        done = run(command(path, tmp_path / name, *order, *settings))
        assert done.returncode == 0, done.stderr
    mixed, plain = rows(tmp_path / "both"), rows(tmp_path / "sft")
    # A mean over tokens errs less than one of them.
    assert mixed[0]["loss"] == pytest.approx(math.log(2) + 0.25 * plain[0]["loss"], rel=0, abs=0.25 * logps_may_differ())
    assert mixed[0]["sft/entropy"] == pytest.approx(plain[0]["entropy"], rel=0, abs=logps_may_differ())
    assert mixed[0]["num_tokens"] > plain[0]["num_tokens"] and "dpo/rewards/margins" in mixed[0]
    assert len(mixed) == 6  # the first method's data decides; nine texts in batches of four begin anew
    killed = subprocess.Popen(command(data, tmp_path / "killed", *order, both), stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL)
    while not list((tmp_path / "killed").glob("checkpoints/step-*")) and killed.poll() is None:
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    run(command(data, tmp_path / "killed", *order, both))
    assert rows(tmp_path / "killed") == mixed and weights(tmp_path / "killed") == weights(tmp_path / "both")


def test_order_of_rows(data, tmp_path):
    for name, settings in {"file": ["data.shuffle=false"], "same": ["training.shuffle=false"], "mixed": []}.items():
        assert run(command(data, tmp_path / name, *settings)).returncode == 0
    assert losses(tmp_path / "file") == losses(tmp_path / "same") != losses(tmp_path / "mixed")


def test_held_out_data_is_read_as_the_training_data(tmp_path):
    row = {"q": "The little dog ran. ", "good": "He was happy and went home to his mom.", "bad": "He ran he ran ran."}
    path = tmp_path / "named.jsonl"
    path.write_text("".join(json.dumps({**row, "q": f"{row['q']}{i} "}) + "\n" for i in range(8)))
    columns = "data.columns={prompt: q, chosen: good, rejected: bad}"
    done = run(command(path, tmp_path / "run", columns, "data.max_length=24", f"eval={path}"))
    assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "run", "eval_loss")
    recipe = yaml.safe_load((tmp_path / "run/recipe.yaml").read_text())
    assert recipe["eval"]["data"]["columns"] == recipe["data"]["columns"]
    assert recipe["eval"]["data"]["max_length"] == 24


def checkpoints(output):
    return sorted(path.name for path in (output / "checkpoints").glob("step-*"))


def test_as_many_checkpoints_are_kept_as_asked_for(data, held_out, tmp_path):
    settings = [f"eval={held_out}", "training.save_steps=2", "training.save_total_limit=2"]
    assert run(command(data, tmp_path / "last", *settings)).returncode == 0
    assert checkpoints(tmp_path / "last") == ["step-000010", "step-000012"]
    # A metric that is best at the start of training: the first checkpoint stays, and counts.
    best = [*settings, "training.save_best=true", "eval.metric=kept_loss"]
    assert run(command(data, tmp_path / "best", *best[:-1], "training.learning_rate=0.1")).returncode == 0
    assert len(checkpoints(tmp_path / "best")) == 2 and checkpoints(tmp_path / "best")[-1] == "step-000012"


def test_training_stops_early_and_says_so(data, held_out, tmp_path):
    done = run(command(data, tmp_path / "run", f"eval={held_out}", "training.eval_steps=1", "training.epochs=20",
                       "training.early_stopping_patience=2", "training.learning_rate=0.05"))
    assert done.returncode == 0, done.stderr
    last = rows(tmp_path / "run")[-1]["step"]
    assert last < 60
    assert f"done: {last} updates" in done.stderr and "has not improved" in done.stderr, done.stderr
    assert checkpoints(tmp_path / "run")[-1] == f"step-{last:06}"


def test_check_looks_at_everything_that_train_reads(data, held_out, tmp_path):
    text = tmp_path / "texts.jsonl"
    text.write_text(json.dumps({"text": "Once upon a time there was a cat."}) + "\n")
    method = f"method=[{{name: dpo}}, {{name: sft, data: {text}}}]"
    done = run([ATTUNE, "check", f"model={MODEL}", f"data={data}", f"eval={held_out}", method, "--json"])
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [part["what"] for part in found["others"]] == ["eval", "sft", "eval"]
    assert (found["rows_kept"], found["others"][0]["rows_kept"], found["others"][1]["rows_kept"]) == (24, 12, 1)


def test_only_what_was_preferred_is_demonstrated(data):
    looked = json.loads(run([ATTUNE, "check", f"model={MODEL}", f"data={data}", "method=sft", "--json"]).stdout)
    assert looked["candidates"] == looked["rows_kept"] == 24


def test_mismatched_completions_are_no_tokens_of_the_data(data, tmp_path):
    for method in ("kto", "apo_zero"):  # the same rows, with and without derived candidates
        assert run(command(data, tmp_path / method, f"method={method}", "training.max_steps=6")).returncode == 0
    tokens = {method: rows(tmp_path / method)[-1]["num_tokens"] for method in ("kto", "apo_zero")}
    assert tokens["kto"] == tokens["apo_zero"]


def test_a_schedule_whose_moment_does_not_come_says_so(data, held_out, tmp_path):
    settings = [f"eval={held_out}", "training.schedule=greedy", "training.max_steps=3"]
    said = run(command(data, tmp_path / "run", *settings)).stderr
    assert "the run has 3 evaluations, and the rate may change after 11" in run(
        command(data, tmp_path / "often", *settings, "training.eval_steps=1")).stderr
    assert "the run has 2 evaluations, and" in said, said  # at checkpoints: updates 2 and 3
    said = run(command(data, tmp_path / "soon", *settings, "training.eval_steps=1", "training.plateau_patience=1",
                       "training.early_stopping_patience=1")).stderr
    assert "the run ends after 1 evaluation without improvement" in said and "may change after" not in said, said


MOVING = ["reference.sync=true", "reference.sync_steps=3", "training.ema_decay=0.7",
          "training.parameter_groups=[{match: q_proj, learning_rate: 1e-4}]",
          "training.schedule=greedy", "training.plateau_patience=0"]


@pytest.mark.parametrize("adapter_settings", [[], ["adapter=lora", "adapter.rank=4"]])
def test_what_moves_beside_the_weights_survives_an_interrupt(data, held_out, tmp_path, adapter_settings):
    settings = [*MOVING, *adapter_settings, f"eval={held_out}", "training.eval_steps=4"]
    assert run(command(data, tmp_path / "whole", *settings)).returncode == 0
    broken = command(data, tmp_path / "broken", *settings)
    with subprocess.Popen(broken, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while '"step":5' not in (tmp_path / "broken/metrics.jsonl").read_text() if (
                tmp_path / "broken/metrics.jsonl").exists() else True:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        process.kill()
    again = run(broken)
    assert again.returncode == 0 and "continuing from" in again.stderr, again.stderr
    assert rows(tmp_path / "broken") == rows(tmp_path / "whole")
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole")


@pytest.mark.parametrize("adapter_settings", [[], ["adapter=lora", "adapter.rank=4"]])
def test_a_reference_that_is_always_the_policy_or_never(data, tmp_path, adapter_settings):
    """alpha = 1 at every update: policy and reference agree, the loss is log 2. alpha = 0: plain DPO."""
    always, never = ([*adapter_settings, "reference.sync=true", "reference.sync_steps=1", f"reference.mixup_alpha={alpha}"]
                     for alpha in (1, 0))
    for name, settings in {"always": always, "never": never, "plain": adapter_settings}.items():
        done = run(command(data, tmp_path / name, *settings))
        assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "always") == pytest.approx([math.log(2)] * 12, rel=0, abs=losses_may_differ())
    assert losses(tmp_path / "never") == pytest.approx(losses(tmp_path / "plain"), rel=0, abs=losses_may_differ())
    assert losses(tmp_path / "plain")[-1] < 0.69


def test_a_continued_adapter_has_a_moving_reference_too(data, adapter, tmp_path):
    done = run([*command(data, tmp_path / "run", "reference.sync=true", "reference.sync_steps=1",
                         "reference.mixup_alpha=1"), f"model={adapter}"])
    assert done.returncode == 0, done.stderr
    assert losses(tmp_path / "run") == pytest.approx([math.log(2)] * 12, rel=0, abs=losses_may_differ())


@pytest.mark.parametrize("settings, said", [
    (["training.parameter_groups=[{match: no_such_weight, learning_rate: 1e-3}]"], "parameter_groups[0].match"),
    (["training.parameter_groups=[{match: mlp}]"], "no effect"),
    (["training.parameter_groups=[{learning_rate: 1}]"], "match is missing"),
    (["training.parameter_groups=[{match: '(', learning_rate: 1}]"], "parameter_groups[0].match"),
    (["training.parameter_groups=[{match: mlp, rate: 1}]"], "learning_rate"),
    (["training.parameter_groups={match: '.', learning_rate: 0}"], "nothing is left to train"),
    (["training.ema_decay=1.5"], "training.ema_decay"),
    (["reference.sync_steps=3"], "reference.sync=true"),
    (["reference.sync=true", "reference.cache=true"], "use one of them"),
    (["method=sft", "reference.sync=true"], "no method of this run compares"),
    (["training.eval_steps=3"], "set eval.data"),
    (["eval.metric=rewards/margins"], "set eval.data"),
    (["training.schedule=greedy"], "set eval.data"),
    (["training.schedule=linear", "training.plateau_patience=3"], "heeds it: reduce_lr_on_plateau, greedy"),
    (["training.schedule=greedy", "training.warmup_steps=3"], "training.warmup_steps has no effect"),
    (["training.schedule=cosine", "training.power=2"], "heeds it: polynomial"),
])
def test_groups_averages_and_references_that_cannot_be(data, tmp_path, settings, said):
    done = run(command(data, tmp_path / "run", *settings))
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert not (tmp_path / "run").exists()
    if "left to train" not in said:  # `check` says the same
        done = run([ATTUNE, "check", f"model={MODEL}", f"data={data}", "method=dpo", *settings])
        assert done.returncode == 2 and said in done.stderr, done.stderr


def test_a_profile_says_where_the_time_went(data, tmp_path):
    for name, settings in {"plain": [], "profiled": ["training.profile=2"]}.items():
        done = run(command(data, tmp_path / name, *settings))
        assert done.returncode == 0, done.stderr
    assert "profile/summary.txt" in done.stderr and "USDT" not in done.stderr
    assert rows(tmp_path / "profiled") == rows(tmp_path / "plain")
    assert weights(tmp_path / "profiled") == weights(tmp_path / "plain")
    summary = (tmp_path / "profiled/profile/summary.txt").read_text()
    trace = json.loads((tmp_path / "profiled/profile/trace.json").read_text())["traceEvents"]
    for phase in ("forward, policy", "forward, reference", "signals", "backward", "optimizer"):
        assert phase in summary
        calls = [event for event in trace if event.get("name") == phase and event.get("ph") == "X"]
        assert len(calls) >= 2 and all(event["dur"] > 0 for event in calls), phase
    shares = [float(line.split("%")[0].split()[-1]) for line in summary.split("operator")[0].splitlines() if "%" in line]
    assert sum(shares) == pytest.approx(100, abs=1)


def test_a_checkpoint_at_least_every_so_many_minutes(data, tmp_path):
    """By the clock, besides save_steps and epochs; evaluations and metrics do not depend on it."""
    settings = ["training.save_steps=1000", "training.save_total_limit=0", f"eval={data}"]
    for name, minutes in {"often": 1e-6, "never": 0}.items():
        done = run(command(data, tmp_path / name, *settings, f"training.save_minutes={minutes}"))
        assert done.returncode == 0, done.stderr
    kept = {name: len(list((tmp_path / name / "checkpoints").iterdir())) for name in ("often", "never")}
    assert kept == {"often": 12, "never": 1}
    assert rows(tmp_path / "often") == rows(tmp_path / "never")
    assert weights(tmp_path / "often") == weights(tmp_path / "never")



def unfinished(output, *gone):
    """As a run that died before its result was there."""
    info = json.loads((output / "run.json").read_text())
    (output / "run.json").write_text(json.dumps({**info, "state": "running"}))
    for path in (output / "model", *gone):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_the_result_is_the_best_one_and_so_are_its_samples(data, held_out, tmp_path):
    arguments = command(data, tmp_path / "run", f"eval={held_out}", "training.save_best=true", "training.eval_steps=1",
                        "training.learning_rate=0.02", "training.ema_decay=0.2", "samples.temperature=0", "samples.max_new_tokens=16")
    done = run(arguments)
    assert done.returncode == 0, done.stderr
    scores = {row["step"]: row["eval_loss"] for row in rows(tmp_path / "run") if "eval_loss" in row and row["step"] > 0}
    best = min(scores, key=scores.get)
    assert best < 12, "the last one is the best: this shows nothing"
    info = json.loads((tmp_path / "run/run.json").read_text())
    assert info["result_step"] == best and f"update {best}, the best by eval_loss" in done.stderr
    assert f"model of step {best}" in (tmp_path / "run/report.html").read_text()
    before, after = [json.loads(line) for line in (tmp_path / "run/samples.jsonl").open()]
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text(json.dumps({"prompt_ids": after["prompt_ids"]}) + "\n")
    drawn = run([ATTUNE, "generate", f"model={tmp_path}/run/model", f"data={prompts}", "temperature=0", "max_new_tokens=16", "--json"])
    ids = json.loads(drawn.stdout)["candidates"][0]["completion_ids"]
    assert after["step"] == 12 and after["candidates"][0]["completion_ids"] == ids != before["candidates"][0]["completion_ids"]
    samples = (tmp_path / "run/samples.jsonl").read_text()
    unfinished(tmp_path / "run")
    assert run(arguments).returncode == 0
    assert (tmp_path / "run/samples.jsonl").read_text() == samples


def test_a_run_that_stopped_early_does_not_go_on(data, held_out, tmp_path):
    arguments = command(data, tmp_path / "run", f"eval={held_out}", "training.early_stopping_patience=1", "training.eval_steps=1",
                        "training.epochs=5", "training.learning_rate=0.03", "training.ema_decay=0.9")
    done = run(arguments)
    assert done.returncode == 0 and "stopped after" in done.stderr, done.stderr
    before = rows(tmp_path / "run"), weights(tmp_path / "run")
    unfinished(tmp_path / "run")
    assert run(arguments).returncode == 0
    assert (rows(tmp_path / "run"), weights(tmp_path / "run")) == before


def test_a_checkpoint_without_its_averages_is_damaged(data, tmp_path):
    arguments = command(data, tmp_path / "run", "training.ema_decay=0.9")
    assert run(arguments).returncode == 0
    unfinished(tmp_path / "run", tmp_path / "run/checkpoints/step-000012/hooks.safetensors")
    done = run(arguments)
    assert done.returncode == 2 and "average." in done.stderr and "missing" in done.stderr


def test_a_profile_counts_updates_only(data, held_out, tmp_path):
    done = run(command(data, tmp_path / "run", f"eval={held_out}", "training.eval_steps=1", "training.profile=3"))
    assert done.returncode == 0, done.stderr
    summary = (tmp_path / "run/profile/summary.txt").read_text().splitlines()
    calls = {line[:40].strip(): int(line.split()[-1]) for line in summary if "%" in line}
    assert calls["forward, policy"] == calls["update, the rest"] == 3 and "evaluation" not in calls
    names = {event.get("name") for event in json.loads((tmp_path / "run/profile/trace.json").read_text())["traceEvents"]}
    assert {"evaluation", "checkpoint"} <= names
    again = run(command(data, tmp_path / "run", "training.profile=3", "training.max_steps=1", "overwrite=true"))
    assert again.returncode == 0 and "nothing was recorded" in again.stderr
    assert not (tmp_path / "run/profile").exists()
