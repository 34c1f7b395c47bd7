"""Loading says what it did: tensors that config.json does not ask for, and heads that it invents, are named."""
import json
import pathlib
import shutil
import struct

import pytest

from runs import ATTUNE, MODEL, run


def tensors_of(path):
    raw = pathlib.Path(path).read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + size])
    header.pop("__metadata__", None)
    return {name: (entry["dtype"], entry["shape"], raw[8 + size:][slice(*entry["data_offsets"])]) for name, entry in header.items()}


def write_tensors(path, tensors):
    header, data = {}, b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    text = json.dumps(header).encode()
    pathlib.Path(path).write_bytes(struct.pack("<Q", len(text)) + text + data)


@pytest.fixture
def changed(tmp_path):
    """(name, settings of config.json, change of the tensors) → a folder"""
    def make(name, config=None, change=None):
        folder = pathlib.Path(shutil.copytree(MODEL, tmp_path / name))
        settings = json.loads((folder / "config.json").read_text()) | (config or {})
        (folder / "config.json").write_text(json.dumps(settings))
        if change:
            tensors = tensors_of(folder / "model.safetensors")
            change(tensors)
            write_tensors(folder / "model.safetensors", tensors)
        return folder
    return make


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "row.jsonl"
    path.write_text(json.dumps({"prompt": "Once", "completion": " upon a time"}) + "\n")
    return path


def zeros(*shape):
    count = 4
    for size in shape:
        count *= size
    return ("F32", list(shape), bytes(count))


def test_a_whole_model_says_nothing(data):
    done = run([ATTUNE, "score", f"model={MODEL}", f"data={data}"])
    assert done.returncode == 0 and "warning" not in done.stderr
    found = json.loads(run([ATTUNE, "check", f"model={MODEL}", f"data={data}", "method=sft", "--json"]).stdout)["load"]
    assert found["tensors"] == len(tensors_of(MODEL / "model.safetensors"))
    assert found["unused"] == [] and found["tied_head"] is None and found["untied_head"] is None


def said(folder, data, *names):
    """Every command that loads the model names them, and `check` as well."""
    for command in (["score"], ["generate", "prompt=Once", "max_new_tokens=1"], ["check", "method=sft"]):
        where = [] if command[0] == "generate" else [f"data={data}"]
        done = run([ATTUNE, *command, f"model={folder}", *where])
        assert done.returncode == 0, done.stderr
        for name in names:
            assert name in done.stderr + (done.stdout if command[0] == "check" else ""), (command, done.stderr)
    return json.loads(run([ATTUNE, "check", f"model={folder}", f"data={data}", "method=sft", "--json"]).stdout)["load"]


def test_tensors_that_are_not_asked_for_are_named(changed, data):
    def add(tensors):
        tensors["model.layers.0.self_attn.q_proj.bias"] = zeros(tensors["model.layers.0.self_attn.q_proj.weight"][1][0])
        tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = zeros(4)  # a buffer of older files
        tensors["vision.patch.weight"] = zeros(2, 2)
    report = said(changed("more", change=add), data, "2 tensors left out", "model.layers.0.self_attn.q_proj.bias", "vision.patch.weight")
    assert report["unused"] == ["model.layers.0.self_attn.q_proj.bias", "vision.patch.weight"]


def test_layers_beyond_the_configuration_are_named(changed, data):
    layers = json.loads((MODEL / "config.json").read_text())["num_hidden_layers"]
    folder = changed("fewer", {"num_hidden_layers": layers - 1})
    report = said(folder, data, "tensors left out", f"model.layers.{layers - 1}.")
    assert all(name.startswith(f"model.layers.{layers - 1}.") for name in report["unused"]) and len(report["unused"]) == 9


def test_a_head_that_is_missing_is_named(changed, data):
    folder = changed("headless", {"tie_word_embeddings": False}, lambda tensors: tensors.update({"model.embed_tokens.weight": tensors.pop("lm_head.weight")}))
    assert said(folder, data, "lm_head.weight is missing although config.json unties it")["tied_head"] == "lm_head.weight"


def test_a_head_of_its_own_under_a_tie_is_named(changed, data):
    def part(tensors):
        dtype, shape, content = tensors["lm_head.weight"]  # where the bundled file keeps the tensor of both
        tensors["model.embed_tokens.weight"] = (dtype, shape, content[4:] + content[:4])
    folder = changed("parted", {"tie_word_embeddings": True}, part)
    assert said(folder, data, "lm_head.weight differs from the embedding")["untied_head"] == "lm_head.weight"


def test_a_head_that_nothing_reads_is_named_and_left_out(changed, data, tmp_path):
    """As transformers does: a language model stays one."""
    width = json.loads((MODEL / "config.json").read_text())["hidden_size"]
    heads = {"score.weight": zeros(1, width), "v_head.summary.weight": zeros(1, width), "v_head.summary.bias": zeros(1)}
    folder = changed("headed", change=lambda tensors: tensors.update(heads))
    report = said(folder, data, *heads, "left out")
    assert report["unread_heads"] == sorted(heads) and report["unused"] == []
    done = run([ATTUNE, "train", f"model={folder}", f"data={data}", "method=sft", f"output={tmp_path / 'run'}",
                "training.max_steps=1", "samples.prompts=0", "threads=1"])
    assert done.returncode == 0 and all(name in done.stderr for name in heads), done.stderr
    saved = tmp_path / "run/model"
    assert json.loads((saved / "config.json").read_text())["architectures"] == ["LlamaForCausalLM"]
    assert not set(heads) & set(tensors_of(saved / "model.safetensors"))
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps({"prompt": "Once", "chosen": " upon a time", "rejected": " a dog"}) + "\n")
    rewards = run([ATTUNE, "check", f"model={folder}", f"data={pairs}", "method=bradley_terry", "--json"])
    assert json.loads(rewards.stdout)["load"]["unread_heads"] == ["v_head.summary.bias", "v_head.summary.weight"]
    scored = run([ATTUNE, "score", f"model={MODEL}", f"data={data}", f"reward_model={folder}"])
    assert scored.returncode == 0 and "score.weight" not in scored.stderr
    assert all(json.loads(line)["reward"] == 0 for line in scored.stdout.splitlines())


@pytest.fixture
def adapter(data, tmp_path):
    """(names of tensors that are added, changes of adapter_config.json) → a LoRA folder of the bundled model"""
    done = run([ATTUNE, "train", f"model={MODEL}", f"data={data}", "method=sft", "adapter=lora", f"output={tmp_path / 'lora'}",
                "training.max_steps=1", "samples.prompts=0", "threads=1"])
    assert done.returncode == 0, done.stderr

    def make(heads, config=None):
        folder = tmp_path / "lora/model"
        tensors = tensors_of(folder / "adapter_model.safetensors")
        write_tensors(folder / "adapter_model.safetensors", tensors | {f"base_model.model.{name}": head for name, head in heads.items()})
        settings = json.loads((folder / "adapter_config.json").read_text()) | (config or {})
        (folder / "adapter_config.json").write_text(json.dumps(settings))
        return folder
    return make


def test_a_head_beside_an_adapter_is_named_and_left_out(adapter, data, tmp_path):
    width = json.loads((MODEL / "config.json").read_text())["hidden_size"]
    heads = {"score.weight": zeros(1, width), "v_head.summary.weight": zeros(1, width), "v_head.summary.bias": zeros(1)}
    folder = adapter(heads)
    report = said(folder, data, *heads, "adapter_model.safetensors: ", "left out")
    assert report["unread_adapter_heads"] == sorted(heads) and report["unread_heads"] == []
    done = run([ATTUNE, "train", f"model={folder}", f"data={data}", "method=sft", f"output={tmp_path / 'run'}", "training.max_steps=1",
                "samples.prompts=0", "threads=1"])
    assert done.returncode == 0 and all(name in done.stderr for name in heads), done.stderr
    saved = tmp_path / "run/model"
    assert json.loads((saved / "adapter_config.json").read_text())["task_type"] == "CAUSAL_LM"
    assert not [name for name in tensors_of(saved / "adapter_model.safetensors") if "score" in name or "v_head" in name]
    scored = run([ATTUNE, "score", f"model={MODEL}", f"data={data}", f"reward_model={folder}"])
    assert scored.returncode == 0 and "score.weight" not in scored.stderr
    assert all(json.loads(line)["reward"] == 0 for line in scored.stdout.splitlines())


def test_the_head_of_an_adapter_that_is_a_reward_model_is_read(adapter, data):
    width = json.loads((MODEL / "config.json").read_text())["hidden_size"]
    folder = adapter({"score.weight": zeros(1, width)}, {"task_type": "SEQ_CLS", "modules_to_save": ["score"]})
    scored = run([ATTUNE, "score", f"model={MODEL}", f"data={data}", f"reward_model={folder}"])
    assert scored.returncode == 0 and "warning" not in scored.stderr, scored.stderr


@pytest.mark.parametrize("reference", ["none", "the same", "by another path", "as teacher"])
def test_warnings_of_a_folder_are_said_once(changed, tmp_path, reference):
    folder = changed("more", change=lambda tensors: tensors.update({"vision.patch.weight": zeros(2, 2)}))
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text(json.dumps({"prompt": "Once", "chosen": " upon a time", "rejected": " a dog"}) + "\n")
    other = {"none": [], "the same": [f"reference={folder}"], "by another path": [f"reference={folder}/../more/."],
             "as teacher": [f"teacher={folder}"]}[reference]
    method = "context_distillation" if reference == "as teacher" else "dpo"
    asked = [f"model={folder}", f"data={pairs}", f"method={method}", f"output={tmp_path / 'run'}", "training.max_steps=1",
             "samples.prompts=0", "threads=1", *other]
    checked, done = run([ATTUNE, "check", *asked, "--json"]), run([ATTUNE, "train", *asked])
    assert checked.returncode == 0 and done.returncode == 0, checked.stderr + done.stderr
    assert done.stderr.count("1 tensor left out") == 1, done.stderr
    assert len([text for text in json.loads(checked.stdout)["model_warnings"] if "1 tensor left out" in text]) == 1
    scored = run([ATTUNE, "score", f"model={folder}", f"data={pairs}", f"ref_model={folder}"])
    assert scored.returncode == 0 and scored.stderr.count("1 tensor left out") == 1, scored.stderr


def test_what_is_missing_is_refused_by_check_as_by_train(changed, data, tmp_path):
    folder = changed("damaged", change=lambda tensors: tensors.pop("model.norm.weight"))
    wide = changed("wide", {"intermediate_size": 12})
    for model, name in ((folder, "model.norm.weight"), (wide, "intermediate_size")):
        for command in (["check"], ["train", f"output={tmp_path / 'run'}"]):
            done = run([ATTUNE, *command, f"model={model}", f"data={data}", "method=sft"])
            assert done.returncode == 2 and name in done.stderr, done.stderr
