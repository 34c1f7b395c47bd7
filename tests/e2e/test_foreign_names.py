"""Names of TRL, transformers, PEFT, LLaMA-Factory and Axolotl: taken as docs/from-*.md say, or refused all in one."""
import json
import math
import pathlib
import re
import subprocess

import pytest

from runs import ATTUNE, MODEL, ROOT, pairs, rows, run

PAGES = ["from-trl", "from-llama-factory", "from-axolotl"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return pairs(tmp_path_factory.mktemp("data") / "pairs.jsonl")


def attune(*arguments):
    return subprocess.run([ATTUNE, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def recipe_of(output):
    """{dotted key: text} of the saved recipe."""
    found, path = {}, []
    for line in (pathlib.Path(output) / "recipe.yaml").read_text().splitlines():
        indent = (len(line) - len(line.lstrip())) // 2
        key, _, value = line.strip().partition(":")
        path = [*path[:indent], key]
        found[".".join(path)] = value.strip().strip('"')
    return found


def trained(tmp_path, *arguments):
    done = attune("train", *arguments, "threads=1", "samples.prompts=0")
    assert done.returncode == 0, done.stderr
    (output,) = (path.parent for path in tmp_path.rglob("recipe.yaml"))
    return recipe_of(output), done.stderr


def refused(*arguments):
    done = attune(*arguments)
    assert done.returncode == 2, done.stderr
    return done.stderr


TRL = """# a file of: trl dpo --config dpo.yaml
model_name_or_path: {model}
dataset_name: {data}
dataset_train_split: train
learning_rate: 5.0e-6
lr_scheduler_type: cosine
num_train_epochs: 1
max_steps: -1
per_device_train_batch_size: 2
gradient_accumulation_steps: 4
gradient_checkpointing: true
gradient_checkpointing_kwargs: {{use_reentrant: false}}
bf16: false
logging_steps: 2
save_strategy: epoch
eval_strategy: "no"
warmup_steps: 0.1
optim: adamw_torch_fused
report_to: [wandb, tensorboard]
run_name: first
output_dir: {output}
use_peft: true
lora_r: 4
lora_alpha: 8
lora_target_modules: all-linear
beta: 0.3
loss_type: [sigmoid]
max_length: 256
remove_unused_columns: false
dataloader_num_workers: 4
push_to_hub: false
use_vllm: false
resume_from_checkpoint: null
seed: 7
"""


def test_a_file_of_trl_is_taken_as_it_is(data, tmp_path):
    config = tmp_path / "dpo.yaml"
    config.write_text(TRL.format(model=MODEL, data=data, output=tmp_path / "run").replace("dataset_train_split: train\n", ""))
    recipe, said = trained(tmp_path, config, "method=dpo")
    wanted = {"training.learning_rate": "5.0e-06", "training.schedule": "cosine", "training.epochs": "1.0",
              "training.max_steps": "0", "training.batch_size": "8", "training.dtype": "float32",
              "training.logging_steps": "2", "training.warmup_ratio": "0.1", "training.warmup_steps": "0",
              "adapter.type": "lora", "adapter.rank": "4", "adapter.alpha": "8.0", "adapter.target_modules": "[all-linear]",
              "method.name": "dpo", "method.beta": "0.3", "data.max_length": "256", "seed": "7"}
    assert {key: recipe[key] for key in wanted} == wanted
    (line,) = [line for line in said.splitlines() if "without effect here" in line]
    for name in ("gradient_checkpointing", "report_to", "run_name", "dataloader_num_workers"):
        assert name in line
    for name in ("use_vllm", "push_to_hub", "remove_unused_columns"):
        assert name not in line


def test_names_are_taken_alone_and_where_ours_stand(data, tmp_path):
    recipe, _ = trained(tmp_path, f"model_name_or_path={MODEL}", f"train_dataset={data}", "method=dpo", "beta=0.2",
                        f"output_dir={tmp_path}/run", "training.num_train_epochs=1", "training.bf16=false",
                        "training.save_strategy=no", "peft_config={r: 2, lora_alpha: 4, bias: none, task_type: CAUSAL_LM}",
                        "lr_scheduler_kwargs={num_cycles: 2}", "lr_scheduler_type=cosine_with_restarts",
                        f"eval_dataset={data}", "eval_strategy=steps", "eval_steps=3", "metric_for_best_model=eval_loss",
                        "load_best_model_at_end=true", "use_cpu=true", "adapter.use_rslora=true", "method.label_smoothing=0.1",
                        "resume_from_checkpoint=true", "overwrite_output_dir=false")
    wanted = {"adapter.type": "lora", "adapter.rank": "2", "adapter.alpha": "4.0", "training.num_cycles": "2.0",
              "training.schedule": "cosine_with_restarts", "eval.metric": "loss", "training.save_best": "true",
              "training.eval_steps": "3", "device": "cpu", "adapter.rslora": "true", "method.beta": "0.2",
              "method.label_smoothing": "0.1"}
    assert {key: recipe[key] for key in wanted} == wanted


def test_later_wins_whatever_the_name(data, tmp_path):
    config = tmp_path / "flat.yaml"
    config.write_text(f"model_name_or_path: {MODEL}\ntraining: {{epochs: 2}}\nlearning_rate: 1.0e-4\nmethod: dpo\nbeta: 0.5\n")
    recipe, _ = trained(tmp_path, config, f"data={data}", f"output={tmp_path}/run", "training.learning_rate=2e-4",
                        "method.beta=0.4", "num_train_epochs=1", "method=ipo")
    assert recipe["training.learning_rate"] == "0.0002" and recipe["training.epochs"] == "1.0"
    assert recipe["method.beta"] == "0.4" and recipe["method.name"] == "ipo"


def test_all_that_is_not_there_is_said_in_one_message(data, tmp_path):
    config = tmp_path / "grpo.yaml"
    config.write_text(f"model_name_or_path: {MODEL}\nuse_vllm: true\nvllm_mode: colocate\nnum_iterations: 2\n"
                      "deepspeed: zero3.json\nload_in_4bit: true\noptim: paged_adamw_8bit\nlogging_steps: 0.1\n"
                      "learnin_rate: 1\ntraining: {warmup_step: 3, neftune_noise_alpha: 5}\n")
    said = refused("train", config, f"data={data}", "method=grpo", f"output={tmp_path}/run", "push_to_hub=true")
    for line, name in ((2, "use_vllm"), (4, "num_iterations"), (5, "deepspeed"), (6, "load_in_4bit"),
                       (7, "optim"), (8, "logging_steps"), (10, "neftune_noise_alpha")):
        assert re.search(rf"{config}:{line}: {name}: \S.*\(docs/from-trl.md\)", said), (name, said)
    assert "argument 'push_to_hub=true': push_to_hub: nothing is sent anywhere" in said
    assert "is training.epochs" in said
    assert "did you mean 'training.learning_rate'?" in said and "'training.warmup_step'" in said
    assert "model is missing" not in said and "vllm_mode" not in said, "without use_vllm it says nothing"
    assert not (tmp_path / "run").exists()


def test_every_name_of_the_pages_is_known(tmp_path):
    """Given alone, each is taken, has no effect, or is refused with its row: none is an unknown key."""
    for page in PAGES:
        names = []
        for line in (ROOT / f"docs/{page}.md").read_text().splitlines():
            cells = line.split("|")
            if line.startswith("| `") and (len(cells) == 5 or "`method=" not in line):
                names += re.findall(r"`([^`]+)`", cells[1])
        assert len(names) > 20
        arguments = [f"{name.replace('*', 'x')}=true" for name in names if not name.endswith("Trainer")]
        done = attune("check", *arguments)
        assert done.returncode == 2 and "unknown key" not in done.stderr, (page, done.stderr)


LLAMA_FACTORY = """### model
model_name_or_path: {model}
trust_remote_code: true
### method
stage: dpo
do_train: true
finetuning_type: lora
lora_rank: 4
lora_target: all
pref_beta: 0.2
pref_loss: sigmoid
### dataset
dataset: pairs.jsonl
dataset_dir: {folder}
template: qwen
cutoff_len: 128
max_samples: 16
overwrite_cache: true
preprocessing_num_workers: 16
### output
output_dir: {output}
logging_steps: 1
save_steps: 500
plot_loss: true
overwrite_output_dir: true
### train
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 5.0e-6
num_train_epochs: 1.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: false
ddp_timeout: 180000000
"""


def test_a_file_of_llama_factory(data, tmp_path):
    config = tmp_path / "llama.yaml"
    config.write_text(LLAMA_FACTORY.format(model=MODEL, folder=data.parent, output=tmp_path / "run"))
    recipe, _ = trained(tmp_path, config)
    wanted = {"method.name": "dpo", "method.beta": "0.2", "adapter.type": "lora", "adapter.rank": "4",
              "adapter.target_modules": "[all-linear]", "data.path": str(data), "data.max_length": "128", "data.limit": "16",
              "training.batch_size": "8", "training.warmup_ratio": "0.1"}
    assert {key: recipe[key] for key in wanted} == wanted


def test_more_of_llama_factory(data, tmp_path):
    config = tmp_path / "llama.yaml"
    config.write_text(LLAMA_FACTORY.format(model=MODEL, folder=data.parent, output=tmp_path / "run")
                      + "val_size: 0.25\neval_strategy: steps\neval_steps: 1\nper_device_eval_batch_size: 1\n"
                      + "additional_target: embed_tokens, lm_head\ndpo_label_smoothing: 0.1\ndisable_shuffling: true\n"
                      + "early_stopping_steps: 3\nadd_tokens: null\nuse_galore: false\nrope_scaling: null\npure_bf16: false\n"
                      + "upcast_layernorm: false\nuse_swanlab: false\ncreate_new_adapter: false\n")
    recipe, _ = trained(tmp_path, config)
    wanted = {"val_size": "0.25", "adapter.modules_to_save": "[embed_tokens, lm_head]", "method.label_smoothing": "0.1",
              "training.shuffle": "false", "training.early_stopping_patience": "3", "training.eval_steps": "1",
              "training.dtype": "float32"}
    assert {key: recipe[key] for key in wanted} == wanted


AXOLOTL = """base_model: {model}
model_type: AutoModelForCausalLM
load_in_8bit: false
load_in_4bit: false
rl: dpo
datasets:
  - path: {data}
    split: train
    type: chatml.intel
dataset_prepared_path: last_run_prepared
output_dir: {output}
adapter: lora
lora_r: 4
lora_alpha: 8
lora_dropout: 0.0
lora_target_linear: true
sequence_len: 256
sample_packing: true
gradient_accumulation_steps: 2
micro_batch_size: 2
num_epochs: 1
optimizer: adamw_torch
lr_scheduler: cosine
learning_rate: 0.0002
gradient_checkpointing: true
flash_attention: true
saves_per_epoch: 1
wandb_project:
"""


def test_a_file_of_axolotl(data, tmp_path):
    config = tmp_path / "axolotl.yaml"
    config.write_text(AXOLOTL.format(model=MODEL, data=data, output=tmp_path / "run").replace("    split: train\n", ""))
    recipe, _ = trained(tmp_path, config)
    wanted = {"method.name": "dpo", "adapter.type": "lora", "adapter.rank": "4", "adapter.target_modules": "[all-linear]",
              "data.path": str(data), "data.max_length": "256", "training.batch_size": "4", "training.schedule": "cosine"}
    assert {key: recipe[key] for key in wanted} == wanted


def test_more_of_axolotl(data, tmp_path):
    config = tmp_path / "axolotl.yaml"
    config.write_text(AXOLOTL.format(model=MODEL, data=data, output=tmp_path / "run").replace("    split: train\n", "")
                      + "val_set_size: 8\nbf16: auto\ntf32: false\nlora_modules_to_save: [lm_head]\nlora_mlp_kernel: true\n"
                      + "loss_watchdog_threshold: 5.0\nshuffle_before_merging_datasets: true\npeft_init_lora_weights: true\n")
    recipe, _ = trained(tmp_path, config)
    wanted = {"val_size": "8.0", "adapter.modules_to_save": "[lm_head]", "training.dtype": "float32",
              "adapter.init": "default"}
    assert {key: recipe[key] for key in wanted} == wanted


@pytest.mark.parametrize("said, method", [
    ("reward_model: true\nnum_labels: 1", "bradley_terry"), ("reward_model: false\nrl: ipo", "ipo"), ("rl: orpo\norpo_alpha: 0.1", "orpo"),
    ("rl: simpo\ncpo_alpha: 0.5\nsimpo_gamma: 0.3", "cpo_simpo"), ("process_reward_model: true\nnum_labels: 2", "prm")])
def test_what_axolotl_learns(data, tmp_path, said, method):
    config = tmp_path / "axolotl.yaml"
    if method == "prm":
        data = tmp_path / "steps.jsonl"
        data.write_text(json.dumps({"prompt": "1 + 1 + 1", "completions": ["= 2 + 1", "= 4"], "labels": [True, False]}) + "\n")
    config.write_text(AXOLOTL.format(model=MODEL, data=data, output=tmp_path / "run").replace("    split: train\n", "")
                      .replace("rl: dpo\n", said + "\n") + "max_steps: 1\n")
    recipe, _ = trained(tmp_path, config)
    assert recipe["method.name"] == method
    if method == "cpo_simpo":
        assert (recipe["method.cpo_alpha"], recipe["method.gamma"]) == ("0.5", "0.3")
    if method == "orpo":
        assert recipe["method.beta"] == "0.1"


def test_a_model_that_rates_is_none_that_is_trained(data, tmp_path):
    said = refused("train", f"model={MODEL}", f"data={data}", "stage=rm", f"reward_model={MODEL}", f"output={tmp_path}/run")
    assert "attune score reward_model=FOLDER" in said
    assert "a reward model has one label" in refused("train", f"model={MODEL}", f"data={data}", "reward_model=true", "num_labels=3",
                                            f"output={tmp_path}/run")


@pytest.mark.parametrize("page", ["from-llama-factory", "from-axolotl"])
def test_what_is_held_out_has_its_row(page):
    assert "| `val_size` |" in (ROOT / f"docs/{page}.md").read_text()


MPO = ["method=dpo", "loss_type=[sigmoid, bco_pair, sft]", "loss_weights=[0.8, 0.2, 1.0]", "beta=0.3"]


def test_losses_with_weights_are_a_sum(data, tmp_path):
    """Before the first update each pair's log-ratios are 0, so the losses are ln 2, 2 ln 2 and what a run by sft alone has."""
    trained(tmp_path / "sum", f"model={MODEL}", f"data={data}", f"output={tmp_path}/sum/run", "max_steps=1", *MPO)
    text = (tmp_path / "sum/run/recipe.yaml").read_text()
    entries = [dict(re.findall(r"(\w+): (.*)", entry)) for entry in re.split(r"\n *-\n", text.split("\nmethod:", 1)[1])[1:4]]
    assert [(entry["name"], entry["weight"]) for entry in entries] == [("dpo", "0.8"), ("bco_pair", "0.2"), ("sft", "1.0")]
    assert [entry.get("beta") for entry in entries] == ["0.3", "0.3", None]
    trained(tmp_path / "one", f"model={MODEL}", f"data={data}", f"output={tmp_path}/one/run", "max_steps=1", "method=sft")
    alone = rows(tmp_path / "one/run")[0]["loss"]
    expected = 0.8 * math.log(2) + 0.2 * 2 * math.log(2) + alone
    assert rows(tmp_path / "sum/run")[0]["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_same_sum_in_other_words(data, tmp_path):
    forms = {"flat": MPO, "words": ["method=dpo", "--loss_type", "sigmoid", "bco_pair", "sft", "--loss_weights", "0.8", "0.2", "1.0",
                                    "--beta", "0.3"], "section": ["method={name: dpo, beta: 0.3, loss_type: [sigmoid, bco_pair, sft], "
                                      "loss_weights: [0.8, 0.2, 1.0]}"],
             "list": ["method=[{name: dpo, weight: 0.8, beta: 0.3}, {name: bco_pair, weight: 0.2, beta: 0.3}, sft]"]}
    found = []
    for name, settings in forms.items():
        trained(tmp_path / name, f"model={MODEL}", f"data={data}", f"output={tmp_path}/{name}/run", "max_steps=2", *settings)
        found.append(rows(tmp_path / name / "run"))
    assert all(other == found[0] for other in found)


@pytest.mark.parametrize("settings, said", [
    (["loss_type=[sigmoid, sft]", "loss_weights=[1.0]"], "loss_weights has 1 for 2 losses"),
    (["loss_type=[sigmoid, sft]", "loss_weights=[1.0, much]"], "loss_weights is the string 'much'"),
    (["loss_type=[sigmoid, soft]"], "soft"),
    (["loss_type=[sigmoid, sft]", "gama=1"], "gama"),
])
def test_sums_that_cannot_be(data, tmp_path, settings, said):
    assert said in refused("train", f"model={MODEL}", f"data={data}", "method=dpo", f"output={tmp_path}/run", *settings)


@pytest.mark.parametrize("asked, said", [
    ("dpoo", "did you mean 'dpo'?"), ("rso", "nearest is hinge"),
    ("ppo", "on groups of rewards"), ("gspo", "importance_sampling_level=sequence"), ("cdpo", "label_smoothing")])
def test_methods_that_are_not_there(data, asked, said):
    message = refused("train", f"model={MODEL}", f"data={data}", f"method={asked}", "output=none")
    assert said in message and "cispo" not in message


def test_beta_without_its_section():
    done = attune("explain", "dpo", "beta=0.7")
    assert done.returncode == 0 and "0.7" in done.stdout, done.stderr


def test_a_run_of_ours_says_nothing_of_others(data, tmp_path):
    done = run([ATTUNE, "check", f"model={MODEL}", f"data={data}", "method=dpo", "training.learning_rate=1e-4"])
    assert done.returncode == 0 and "without effect" not in done.stderr


def splits(folder, **counts):
    """A folder with a file of pairs for each split."""
    folder.mkdir()
    for name, count in counts.items():
        lines = [json.dumps({"prompt": f"{name} {i}?", "chosen": " yes", "rejected": " no"}) for i in range(count)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def checked(*arguments):
    done = attune("check", f"model_name_or_path={MODEL}", "method=dpo", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return found["rows_read"], [part["rows_read"] for part in found["others"]], done.stderr


def test_splits_with_names_of_their_own(tmp_path):
    folder = splits(tmp_path / "uf", train_prefs=10, train_sft=7, test_prefs=5, test_sft=3)
    settings = [f"dataset_name={folder}", "dataset_train_split=train_prefs", "dataset_test_split=test_prefs", "eval_strategy=epoch"]
    assert checked(*settings)[:2] == (10, [5])
    assert checked(f"data=[{{path: {folder}, split: train_prefs}}, {{path: {folder}, split: train_sft}}]")[0] == 17
    only = splits(tmp_path / "only", train=4)
    said = refused("check", f"model={MODEL}", "method=dpo", f"dataset_name={only}", "dataset_train_split=train_prefs")
    assert 'there is no split "train_prefs"; the folder has: train' in said


def test_of_several_test_splits_that_of_the_training_split_is_taken(tmp_path):
    folder = splits(tmp_path / "uf", train_prefs=10, train_sft=7, test_prefs=5, test_sft=3)
    for named in ([f"dataset_name={folder}", "dataset_train_split=train_prefs[:8]"], [f"data={{path: {folder}, split: 'train_prefs[:8]'}}"]):
        assert checked(*named, "eval_strategy=epoch")[:2] == (8, [5]), named
    said = refused("check", f"model={MODEL}", "method=dpo", f"data={folder}", "eval_strategy=epoch", f"output={tmp_path}/run")
    assert "has several: say which with dataset_test_split=test_prefs or dataset_test_split=test_sft" in said
    assert checked(f"data={folder}", "eval_strategy=epoch", "dataset_test_split=test")[:2] == (17, [8])


def test_evaluations_are_on_the_test_split(tmp_path):
    folder = splits(tmp_path / "pairs", train=6, test=3)
    assert checked(f"dataset_name={folder}", "eval_strategy=steps", "eval_steps=1")[:2] == (6, [3])
    assert checked(f"data={folder}", "dataset_test_split=test", "evaluation_strategy=epoch")[:2] == (6, [3])
    assert checked(f"data={folder}", "dataset_test_split=test")[:2] == (6, [])
    assert checked(f"data={folder}", "eval_strategy=no")[:2] == (6, [])
    said = refused("check", f"model={MODEL}", "method=dpo", f"dataset_name={folder}", "dataset_test_split=validation",
                   "eval_strategy=steps")
    assert "dataset_test_split: " in said and "has no split 'validation', but: test, train" in said
    said = refused("check", f"model={MODEL}", "method=dpo", f"dataset_name={folder}/train.jsonl", "eval_strategy=steps",
                   "eval_steps=1", "dataset_test_split=test")
    assert "one file without splits: give eval_dataset=FILE" in said


def test_names_of_llama_factory_s_list(tmp_path):
    folder = splits(tmp_path / "data", mine=4, other=2)
    (folder / "dataset_info.json").write_text(json.dumps({"demo": {"file_name": "mine.jsonl"}, "hub": {"hf_hub_url": "a/b"}}))
    assert checked("stage=dpo", "dataset=demo,other", f"dataset_dir={folder}")[0] == 6
    assert checked("stage=dpo", "dataset=hub,identity", f"data={folder}/other.jsonl")[0] == 2
    assert f"no file 'hub' is here or in {folder}" in refused("check", f"model={MODEL}", "stage=dpo", "dataset=hub",
                                                            f"dataset_dir={folder}")


def test_one_message_has_everything(data, tmp_path):
    said = refused("train", f"data={data}", "method=dpo", f"output={tmp_path}/run", "load_in_4bit=true", "training.eval_steps=5",
                   "loss_type=xyz", "bf16=yes", "foo_bar=1", "lr_scheduler_type=cosin", "save_steps=0.5", "torch_dtype=bf16",
                   "num_train_epochs=many", "eval.metric=loss_x", "early_stopping_steps=3")
    for part in ("load_in_4bit: no training", "training.eval_steps has no effect", "'xyz'", "unknown key 'foo_bar'", "'cosin'",
                 "save_steps: a whole number", "training.epochs must be a number", "model is missing", "eval.metric",
                 "training.early_stopping_patience needs"):
        assert said.count(part) == 1, (part, said)
    assert "bf16" not in said and "bfloat16" not in said


def test_a_command_line_of_trl_is_pasted(data, tmp_path):
    config = tmp_path / "x.cfg"
    config.write_text("beta: 0.3\nnum_train_epochs: 2\n")
    recipe, _ = trained(tmp_path, "--model_name_or_path", MODEL, "--dataset_name", data, "--method=dpo", "--config", config,
                        "--learning-rate", "1e-4", "--max-length", "128", "--max_steps", "-1", "--num_train_epochs", "1",
                        "--use_peft", "--lora_target_modules", "q_proj", "v_proj", "--no_remove_unused_columns", "--bf16", "no",
                        "--gradient_checkpointing_kwargs", '{"use_reentrant": false}', "--output_dir", tmp_path / "run")
    wanted = {"method.name": "dpo", "method.beta": "0.3", "training.learning_rate": "0.0001", "data.max_length": "128",
              "training.epochs": "1.0", "training.max_steps": "0", "adapter.type": "lora", "training.dtype": "float32",
              "adapter.target_modules": "[q_proj, v_proj]", "adapter.dropout": "0.05"}
    assert {key: recipe[key] for key in wanted} == wanted


def test_flags_that_are_none(data):
    assert "did you mean '--json'?" in refused("check", f"model={MODEL}", f"data={data}", "--jsn")
    assert "unknown key 'foo_bar'" in refused("check", f"model={MODEL}", f"data={data}", "--foo-bar", "1")
    assert "attune train method=dpo" in refused("dpo", "--beta", "1")
    assert "attune train method=sft" in refused("sft")


@pytest.mark.parametrize("key, meant", [("batch_size", "training.batch_size"), ("TrainingArguments.learning_rate", "training.learning_rate"),
                                        ("lr", "training.learning_rate"), ("warmup_step", "training.warmup_steps"),
                                        ("save_step", "training.save_steps"), ("eval_step", "training.eval_steps"),
                                        ("weight_decays", "training.weight_decay"), ("betas", "training.adam_beta1"),
                                        ("max_seq_len", "data.max_length")])
def test_what_is_meant_is_found(key, meant):
    assert f"did you mean '{meant}'?" in refused("check", f"{key}=4")


@pytest.mark.parametrize("method, loss", [("dapo", "dapo"), ("ipo", "ipo"), ("dr_grpo", "dr_grpo")])
def test_a_method_that_says_its_loss_too(method, loss):
    done = attune("check", f"method={{name: {method}, loss_type: {loss}}}")
    assert "loss" not in done.stderr, done.stderr


def test_a_loss_of_a_method_that_there_is_not():
    for loss in ("dapo", "simpo"):
        said = refused("check", f"model={MODEL}", f"data={ROOT}/x", "method=gmpo", f"loss_type={loss}")
        assert "'gmpo'" in said and "no loss of" not in said and "write method=" not in said, said


def test_rows_that_are_held_out_are_whole():
    said = refused("check", f"model={MODEL}", f"data={ROOT}/x", "method=dpo", "val_size=2.5")
    assert "val_size=2.5 is neither a share below 1 nor a whole number of rows" in said


def test_a_loss_that_is_a_method():
    assert "simpo is no loss of dpo, but a method: write method=simpo" in refused("check", f"model={MODEL}", f"data={ROOT}/x",
                                                                                "method=dpo", "loss_type=simpo")
