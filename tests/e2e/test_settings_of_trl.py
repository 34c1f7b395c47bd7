"""Settings of TRL's scripts mean here what they mean there, and what does not fit comes in one message."""
import json
import re
import subprocess

import pytest

from runs import ATTUNE, MODEL


def attune(*arguments, folder=None):
    return subprocess.run([ATTUNE, *map(str, arguments)], capture_output=True, text=True, timeout=120, cwd=folder)


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """16 pairs, 16 groups of 4, and 16 answers with a label."""
    folder = tmp_path_factory.mktemp("data")
    write(folder / "pairs.jsonl", [{"prompt": f"Q{i}?", "chosen": " yes", "rejected": " no"} for i in range(16)])
    write(folder / "groups.jsonl", [{"prompt": f"Q{i}?", "candidates": [{"completion": f" a{j}", "reward": (i + j) % 3}
                                                                       for j in range(4)]} for i in range(16)])
    write(folder / "labels.jsonl", [{"prompt": f"Q{i}?", "completion": " yes", "label": i % 2 == 0} for i in range(16)])
    return folder


def checked(data, name, *settings):
    """Updates of an epoch, and what is said."""
    done = attune("check", f"model_name_or_path={MODEL}", f"dataset_name={data / name}.jsonl", *settings, "--json", "rows=0")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)["estimate"]["steps"], done.stderr


def refused(*arguments, **options):
    done = attune(*arguments, **options)
    assert done.returncode == 2, done.stderr
    return done.stderr


@pytest.mark.parametrize("settings, updates", [
    (["per_device_train_batch_size=8", "gradient_accumulation_steps=2"], 4),           # 16 completions, groups of 4
    (["per_device_train_batch_size=8", "num_generations=4"], 8),
    (["training.per_device_train_batch_size=4", "num_generations=4", "num_processes=2"], 8),
    (["gradient_accumulation_steps=8"], 1),                                            # TRL's 8 a device
    (["num_generations=4"], 2), ([], 2),                                               # ours: 8 groups
    (["per_device_train_batch_size=8", "training.batch_size=4"], 4),                   # ours, which come later
])
@pytest.mark.parametrize("method", ["grpo", "dapo"])
def test_a_batch_of_grpo_counts_completions(data, method, settings, updates):
    found, said = checked(data, "groups", f"method={method}", *settings)
    assert found == updates, said


def test_no_whole_number_of_groups(data):
    said = refused("check", f"model={MODEL}", f"data={data}/groups.jsonl", "method=dapo", "per_device_train_batch_size=6")
    assert "6 completions an update are no whole number of groups of 4" in said


def sized(path, sizes):
    return write(path, [{"prompt": f"Q{i}?", "candidates": [{"completion": f" a{j}", "reward": j, "label": j % 2 == 0} for j in range(size)]}
                        for i, size in enumerate(sizes)])


@pytest.mark.parametrize("method, sizes, settings, said", [
    ("grpo", [4, 2, 3, 3], ["per_device_train_batch_size=6"],
     "6 completions an update: training.batch_size=2 records of 2 to 4 (3 in the mean), about 6 in all"),
    ("grpo", [4, 4, 4, 3], ["per_device_train_batch_size=8"],
     "8 completions an update: training.batch_size=2 records of 3 to 4 (3.75 in the mean), about 7.5 in all"),
    ("grpo", [4, 4, 2, 2], ["per_device_train_batch_size=8", "num_generations=4"],
     "8 completions an update: training.batch_size=2 records of 2 to 4 (3 in the mean), about 6 in all"),
    ("grpo", [2, 2, 2, 2], ["per_device_train_batch_size=8", "num_generations=4"],
     "8 completions an update: training.batch_size=2 records of 2, 4 in all"),
    ("kto", [2, 2, 2, 2], ["per_device_train_batch_size=3"],
     "3 rows of one answer an update: training.batch_size=2 records of 2, 4 in all"),
    ("kto", [1, 2, 2, 2], ["per_device_train_batch_size=7"],
     "7 rows of one answer an update: training.batch_size=4 records of 1 to 2 (1.75 in the mean), about 7 in all"),
])
def test_the_line_on_a_batch_counts_what_the_data_hold(tmp_path, method, sizes, settings, said):
    sized(tmp_path / "rows.jsonl", sizes)
    found, heard = checked(tmp_path, "rows", f"method={method}", *settings)
    assert said in heard
    assert found == -(-len(sizes) // int(re.search(r"training.batch_size=(\d+)", heard)[1]))
    if "num_generations=4" in settings:
        assert f"num_generations=4, and the groups of the data have {'2' if sizes[0] == 2 else '2 to 4'}" in heard


def test_a_prompt_anywhere_in_the_data_is_not_trained_on(tmp_path):
    """Whatever the first row is like."""
    write(tmp_path / "rows.jsonl", [{"prompt": "", "completion": " a"}, {"prompt": "Q?", "completion": " b"}])
    said = refused("check", f"model={MODEL}", f"data={tmp_path}/rows.jsonl", "method=sft", "completion_only_loss=false")
    assert "a prompt is never trained on" in said


@pytest.mark.parametrize("name, updates", [("pairs", 4), ("labels", 2)])
def test_a_batch_of_kto_counts_answers(data, name, updates):
    found, said = checked(data, name, "method=kto", "per_device_train_batch_size=4", "gradient_accumulation_steps=2")
    assert found == updates
    assert ("8 rows of one answer an update: training.batch_size=4 records of 2" in said) == (name == "pairs")


def test_processes_multiply_a_batch(data):
    assert checked(data, "pairs", "method=dpo", "per_device_train_batch_size=2", "num_processes=4")[0] == 2
    assert "without effect here: num_machines" in checked(data, "pairs", "method=dpo", "num_machines=2")[1]


def test_what_is_not_there_comes_with_the_first_message(tmp_path):
    said = refused("train", "model=org/nobody", "dataset_name=org/nothing", "dataset_train_split=train_prefs", "method=dpo",
                   "eval_strategy=steps", "eval_steps=50", "load_in_4bit=true", "foo_bar=1", f"output={tmp_path}/run")
    for part in ("load_in_4bit: no training", "key 'foo_bar'", "org/nobody: no such folder", "data=org/nothing: no such file or folder",
                 'datasets.load_dataset("org/nothing")'):
        assert said.count(part) == 1, said
    assert "held-out" not in said and "eval.data" not in said
    folder = tmp_path / "sets"
    folder.mkdir()
    write(folder / "train_prefs.jsonl", [{"prompt": "a", "chosen": "b", "rejected": "c"}])
    said = refused("train", "model=org/nobody", f"data={folder}", "data.split=other", f"eval.data={tmp_path}/gone.jsonl",
                   "reference=org/base", "method=dpo", f"output={tmp_path}/run")
    for part in ("org/nobody: no such folder", "org/base: no such folder", 'there is no split "other"', "eval.data="):
        assert part in said, said


def test_a_strategy_without_a_split_is_said_once(data):
    said = refused("check", f"model={MODEL}", f"data={data}/pairs.jsonl", "method=dpo", "eval_strategy=steps", "eval_steps=50",
                   f"output={data}/run")
    assert "is one file without splits" in said and "held-out" not in said and said.count("\n") == 2, said


def test_dotted_keys_in_a_file(data, tmp_path):
    for name in "flat.yaml", "flat.json":
        config = tmp_path / name
        settings = {"model": str(MODEL), "data": str(data / "pairs.jsonl"), "data.limit": 8, "method": "dpo", "training.batch_size": 2,
                    "training": {"epochs": 1}, "training.bf16": False}
        config.write_text(json.dumps(settings))
        done = attune("check", config, "--json")
        assert done.returncode == 0 and json.loads(done.stdout)["estimate"]["steps"] == 4, done.stderr
    config = tmp_path / "both.yaml"
    config.write_text("training.max_steps: 5\ntraining:\n  max_steps: 6\n")
    assert f"{config}:1: training.max_steps is the number 5 here and the number 6 in {config}:3" in refused("check", config)
    config.write_text("data.path: a.jsonl\ndata: b.jsonl\n")
    assert "data.path is the string 'a.jsonl' here" in refused("check", config)


def test_splits(data, tmp_path):
    said = refused("check", f"model={MODEL}", "method=dpo", "data.path=F", "data.split=[a, b]")
    assert "data=[{path: F, split: a}, {path: F, split: b}]" in said
    said = refused("check", f"model={MODEL}", "method=dpo", f"data={data}", "dataset_splits=[a, b, c]")
    assert "dataset_train_split and dataset_test_split" in said
    help_text = attune("train", "--help").stdout
    assert "train_prefs" in re.sub(r"\s+", " ", help_text)


def test_settings_of_evaluations_without_any(data):
    _, said = checked(data, "pairs", "method=dpo", "eval_steps=5", "metric_for_best_model=eval_loss")
    assert "without effect here: eval_steps, metric_for_best_model (without eval_strategy" in said
    assert "has no effect without held-out data" in refused("check", f"model={MODEL}", f"data={data}/pairs.jsonl", "method=dpo",
                                                             "training.eval_steps=5")


def test_losses_of_a_trainer(data):
    _, said = checked(data, "groups", "method=dapo", "loss_type=grpo", "max_completion_length=512", "sapo_temperature_pos=1.0")
    assert "max_completion_length (of dr_grpo); sapo_temperature_pos (of sapo)" in said
    _, said = checked(data, "pairs", "method=dpo", "loss_type=ipo", "label_smoothing=0.0", "discopop_tau=0.05")
    assert "discopop_tau (of discopop)" in said
    assert "scale_rewards=group does, too" in checked(data, "groups", "method=grpo", "loss_type=dr_grpo",
                                                      "max_completion_length=8")[1]
    said = refused("check", f"model={MODEL}", f"data={data}/none.jsonl", "method=ipo", "loss_type=hinge")
    assert "method=ipo and loss_type=hinge are two losses" in said and "no such file" in said
    assert "unknown key 'method.discopop_tau'" in refused("check", f"model={MODEL}", f"data={data}/pairs.jsonl", "method=dpo",
                                                          "method.discopop_tau=1")


def test_what_else_a_script_takes_for_granted(data):
    said = refused("check", f"model={MODEL}", f"data={data}/pairs.jsonl", "method=dpo", "lora_r=8", "beata=1")
    assert "adapter.type=lora (use_peft=true)" in said and "did you mean 'method.beta'?" in said
    assert "arithmetic is float32 here" in checked(data, "pairs", "method=dpo", "bf16=auto")[1]


def test_scripts_of_simpo_and_of_the_handbook(data, tmp_path):
    config = tmp_path / "simpo.yaml"
    config.write_text(f"model_name_or_path: {MODEL}\ndataset_mixer:\n  {data}/pairs.jsonl: 1.0\ndataset_splits: [train]\n"
                      "trainer_type: simpo\nbeta: 2.5\ngamma_beta_ratio: 0.2\nmax_prompt_length: 64\nmax_steps: 1\n"
                      f"preprocessing_num_workers: 2\noutput_dir: {tmp_path}/run\nwandb_project: x\n")
    done = attune("train", config, "threads=1", "samples.prompts=0")
    assert done.returncode == 0, done.stderr
    recipe = (tmp_path / "run/recipe.yaml").read_text()
    assert re.search(r"name: simpo\n +beta: 2.5\n +gamma: 0.5\n", recipe), recipe
    assert "nothing is sent anywhere" in done.stderr and "padded" not in done.stderr
    said = refused("check", f"model={MODEL}", "dataset_mixer={a: 0.5, b: 1.0}", "method=dpo", 'chat_template="{{ x }}"')
    assert "data=[{path: A, weight: 0.5}, {path: B}]" in said and "chat_template.jinja" in said


def test_lists_of_others(data):
    said = refused("check", f"model={MODEL}", "dataset=one,two", "method=dpo")
    assert "no file 'one' and no file 'two'" in said
    entry = f"{{path: {data}/pairs.jsonl, roles_to_train: %s, train_on_eos: turn}}"
    for roles, only in (("[assistant]", True), ("[assistant, user]", False)):
        done = attune("check", f"base_model={MODEL}", f"datasets=[{entry % roles}]", "--json")
        assert done.returncode == 0, done.stderr
    assert "data.assistant_only=true trains on what the assistant said" in refused(
        "check", f"base_model={MODEL}", f"datasets=[{entry % '[narrator]'}]")


@pytest.mark.parametrize("strategy, checkpoints", [("no", 0), ("epoch", 2)])
def test_no_checkpoints(data, tmp_path, strategy, checkpoints):
    done = attune("train", f"model={MODEL}", f"data={data}/pairs.jsonl", "method=dpo", f"save_strategy={strategy}", "save_steps=1",
                  f"eval_dataset={data}/pairs.jsonl", "num_train_epochs=2",
                  f"output={tmp_path}/run", "threads=1", "samples.prompts=0")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "run").glob("checkpoints/step-*"))) == checkpoints
    assert (tmp_path / "run/model/model.safetensors").exists()
    rows = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").open()]
    assert [row["step"] for row in rows if "eval_loss" in row] == [0, 2, 4], "at the end of each epoch, saved or not"


def test_held_out_data_that_is_trained_on(data, tmp_path):
    settings = [f"model={MODEL}", f"data={data}/pairs.jsonl", "method=dpo", f"eval_dataset={data}/../{data.name}/pairs.jsonl",
                "max_steps=1", f"output={tmp_path}/run", "threads=1", "samples.prompts=0"]
    done = attune("check", *settings, "--json")
    (held_out,) = json.loads(done.stdout)["others"]
    assert any("is trained on, too" in text for text in held_out["warnings"]), done.stdout
    assert "pairs.jsonl is trained on, too" in attune("train", *settings).stderr


@pytest.mark.parametrize("settings, follows", [
    (["adapter=qlora", "lora_r=8"], "adapter.rank"), (["stage=ppo"], "method is missing"), (["rl=ppo"], "method is missing"),
    (["finetuning_type=oft", "lora_rank=8"], "adapter.rank"), (["dataset=none_such", "method=dpo"], "data is missing"),
    (["dataset_mixer={a: 0.5}", "method=dpo"], "data is missing"),
    (["lr_scheduler_type=cosin", "training.min_lr_ratio=0.1", "method=dpo"], "min_lr_ratio"),
])
def test_what_follows_from_a_refused_key_is_not_said(data, tmp_path, settings, follows):
    asked = [f"model={MODEL}", f"output={tmp_path}/run", *settings]
    if "data" not in follows:
        asked.append(f"data={data}/pairs.jsonl")
    said = refused("train", *asked)
    assert follows not in said, said


def test_rows_that_do_not_fit_come_with_the_first_message(data, tmp_path):
    write(tmp_path / "texts.jsonl", [{"text": "a b"}] * 3)
    (tmp_path / "broken.jsonl").write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n{"prompt": \n')
    settings = [f"model={MODEL}", "method=dpo", f"output={tmp_path}/run", "load_in_4bit=true"]
    said = refused("train", *settings, f"data={tmp_path}/texts.jsonl", f"eval_dataset={tmp_path}/broken.jsonl")
    for part in ("load_in_4bit: no training", "data: no row of 3 can be used by dpo", "3 rows: no pair", "1 of 2 rows is malformed"):
        assert said.count(part) == 1, said
    said = refused("train", *settings, f"data={data}/pairs.jsonl")
    assert "no row" not in said and said.count("\n") == 2, said
