"""Whatever is wrong with the input: one clear message that names the place, exit code 1 or 2, within seconds, and nothing
left behind. Needs only the bundled model."""
import json
import os
import pathlib
import resource
import shutil
import signal
import struct
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = os.environ.get("ATTUNE_BIN", str(ROOT / "build/attune"))
MODEL = ROOT / "assets/tinystories-656k"
PAIRS = [{"prompt": "Once upon a time", "chosen": f" a cat {i}.", "rejected": " a dog."} for i in range(8)]


def refused(arguments, *parts, code=2, **options):
    start = time.monotonic()
    done = subprocess.run([ATTUNE, *map(str, arguments)], capture_output=True, text=True, errors="replace", timeout=60,
                          **options)
    assert done.returncode == code, (done.returncode, done.stderr)
    assert time.monotonic() - start < 10
    for part in parts:
        assert part in done.stderr, done.stderr
    assert "terminate called" not in done.stderr and not done.stdout
    return done.stderr


def train(folder, *parts, model=MODEL, data=None, method="dpo", settings=(), code=2):
    """Trains for two updates, which must be refused and leave no output."""
    if data is None:
        data = folder / "pairs.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
    output = folder / "run"
    said = refused(["train", f"model={model}", f"data={data}", f"method={method}", f"output={output}",
                    "training.max_steps=2", "training.batch_size=2", "samples.prompts=0", "threads=1", *settings], *parts, code=code)
    assert not output.exists()
    return said


@pytest.fixture
def model(tmp_path):
    return pathlib.Path(shutil.copytree(MODEL, tmp_path / "model"))


def change_json(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def write(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def split_weights(model):
    content = (model / "model.safetensors").read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8:8 + length]), content[8 + length:]


def join_weights(model, header, tensors):
    header = json.dumps(header).encode()
    write(model / "model.safetensors", struct.pack("<Q", len(header)) + header + tensors)


@pytest.mark.parametrize("length", [0, 5, 100, 100000])
def test_truncated_weights(model, tmp_path, length):
    os.truncate(model / "model.safetensors", length)
    train(tmp_path, "model.safetensors", "truncated", model=model)


@pytest.mark.parametrize("claim", [1 << 62, 99999999, 2**64 - 1])
def test_header_that_lies_about_its_length(model, tmp_path, claim):
    content = (model / "model.safetensors").read_bytes()
    write(model / "model.safetensors", struct.pack("<Q", claim) + content[8:])
    train(tmp_path, "model.safetensors", model=model)


@pytest.mark.parametrize("change", [
    {"shape": [2048006144, 128]}, {"shape": [-1, 128]}, {"shape": [2**62, 2**62]}, {"shape": "x"}, {"dtype": "F99"},
    {"data_offsets": [0, 2**63]}, {"data_offsets": [64, 0]}, {"data_offsets": [-8, 8]}])
def test_header_that_lies_about_a_tensor(model, tmp_path, change):
    header, tensors = split_weights(model)
    header["lm_head.weight"].update(change)
    join_weights(model, header, tensors)
    train(tmp_path, "model.safetensors", "lm_head.weight", model=model)


def test_nan_weights(model, tmp_path):
    header, tensors = split_weights(model)
    first = header["lm_head.weight"]["data_offsets"][0]
    join_weights(model, header, tensors[:first] + b"\xff" * 400 + tensors[first + 400:])
    train(tmp_path, "lm_head.weight", "NaN", model=model)


@pytest.mark.parametrize("key", ["hidden_size", "intermediate_size", "vocab_size"])
def test_a_missing_key_that_leads_to_a_mismatch_is_named(model, tmp_path, key):
    change_json(model / "config.json", lambda config: config.pop(key))
    train(tmp_path, key, "tensor '", "class default", model=model)


@pytest.mark.parametrize("key, value", [("hidden_size", -3), ("num_hidden_layers", 10**12), ("num_attention_heads", 0),
                                        ("vocab_size", "x"), ("rms_norm_eps", -1), ("hidden_act", "nope"),
                                        ("model_type", "unheard_of"), ("rope_parameters", [1])])
def test_senseless_config(model, tmp_path, key, value):
    change_json(model / "config.json", lambda config: config.update({key: value}))
    train(tmp_path, "config.json", key, model=model)


def test_tokenizer_without_merges(model, tmp_path):
    change_json(model / "tokenizer.json", lambda t: t["model"].pop("merges"))
    train(tmp_path, "tokenizer.json", "merges", model=model)


def test_tokenizer_with_merges_of_nothing(model, tmp_path):
    change_json(model / "tokenizer.json", lambda t: t["model"]["merges"].insert(0, ["zzzqq", "qqz"]))
    train(tmp_path, "tokenizer.json", "zzzqq", model=model)


@pytest.mark.parametrize("template", [
    "{% for i in range(99999999) %}{% for j in range(99999999) %}x{% endfor %}{% endfor %}",
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{{ 'x' * 10000000000 }}",
    "{% set ns = namespace(a='x') %}{% for i in range(1000) %}{% set ns.a = ns.a ~ ns.a %}{% endfor %}{{ ns.a }}"])
def test_template_without_end(model, tmp_path, template):
    write(model / "chat_template.jinja", template)
    talk = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "a"}]}
    data = write(tmp_path / "talk.jsonl", json.dumps(talk))
    train(tmp_path, "template", "talk.jsonl:1", model=model, data=data, method="sft")


@pytest.mark.parametrize("template", ["{{ " + "[" * 100000 + " }}", "{{ " + "(" * 100000, "{% if x %}" * 100000],
                         ids=["lists", "brackets", "blocks"])
def test_template_nested_without_end(model, tmp_path, template):
    write(model / "chat_template.jinja", template)
    train(tmp_path, "chat_template.jinja", model=model)


@pytest.mark.parametrize("name, content, parts", [
    ("empty.jsonl", "", ["empty"]),
    ("blank.jsonl", "\n\n\n", ["empty"]),
    ("deep.jsonl", "[" * 100000 + "]" * 100000 + "\n", [":1", "nested"]),
    ("deep.json", '{"a":' * 100000, [":1", "nested"]),
    ("bytes.jsonl", b'{"prompt":"a","chosen":"\xff\xfe","rejected":"b"}\n', [":1", "UTF-8"]),
    ("cut.jsonl", '{"prompt":"a","chosen":"b","rejected":"c"}\n{"prompt":"a","cho', [":2"]),
    ("none.jsonl", '{"prompt":"a","chosen":"","rejected":"b"}\n', [":1", "empty completion"]),
    ("same.jsonl", '{"prompt":"a","chosen":"b","rejected":"b"}\n', [":1", "chosen equal to rejected"]),
    ("long.jsonl", json.dumps({"prompt": "a cat " * 2000, "chosen": "b", "rejected": "c"}), [":1", "prompt leaves no room"]),
    ("number.jsonl", '{"prompt":"a","chosen":3,"rejected":"c"}\n', [":1", "chosen"]),
    ("columns.jsonl", '{"question":"a","reply":"c"}\n', [":1", "question"]),
    ("random.jsonl.gz", bytes(range(256)) * 9, ["random.jsonl.gz"]),
], ids=lambda value: value if isinstance(value, str) and value.count(".") and len(value) < 20 else "")
def test_data(tmp_path, name, content, parts):
    train(tmp_path, name, *parts, data=write(tmp_path / name, content))


def test_missing_data(tmp_path):
    train(tmp_path, "/nowhere.jsonl", "no such file", data="/nowhere.jsonl")


def test_no_token_to_train(tmp_path):
    row = {"prompt_ids": [5], "completion_ids": [6, 7], "completion_mask": [0, 0]}
    train(tmp_path, "masked.jsonl:1", "no trained tokens", method="sft",
          data=write(tmp_path / "masked.jsonl", json.dumps(row)))


@pytest.mark.parametrize("setting", [
    "training.learning_rate=.nan", "training.learning_rate=-1", "training.batch_size=0", "training.epochs=-2",
    "method.beta=.nan", "method.beta=-1", "seed=-4", "training.max_grad_norm=.inf", "adapter.rank=-3",
    "training.schedule=foo", "training.adam_beta1=2", "training.batch_size=two", "training.bach_size=2"])
def test_settings(tmp_path, setting):
    train(tmp_path, setting.split("=")[0], settings=[setting])


def test_adapter_on_nothing(tmp_path):
    train(tmp_path, "adapter.target_modules", "nope", settings=["adapter.type=lora", "adapter.target_modules=[nope]"])


@pytest.mark.parametrize("recipe, parts", [
    ("method: dpo\nseed: 1\nseed: 2\n", [":3", "seed", "twice"]),
    ("a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{i}: &a{i} [{','.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)),
     ["aliases"]),
    ("a: " + "[" * 100000, [":1"]),
    (b"\x00\xff\xfe\x01" * 500, [":1", "UTF-8"]),
    (f"model: {MODEL}\ndata: {ROOT}/assets/quickstart/openings.jsonl\nmethod: {{name: dpo, bta: 1}}\n",
     [":3", "bta", "beta"])],
    ids=["twice", "aliases", "nested", "bytes", "unknown"])
def test_recipes(tmp_path, recipe, parts):
    path = write(tmp_path / "recipe.yaml", recipe)
    refused(["train", path, f"output={tmp_path}/run"], "recipe.yaml", *parts)
    assert not (tmp_path / "run").exists()


def test_output_that_cannot_be_written(tmp_path):
    data = write(tmp_path / "pairs.jsonl", "".join(json.dumps(row) + "\n" for row in PAIRS))
    taken = write(tmp_path / "taken", "mine")
    common = ["train", f"model={MODEL}", f"data={data}", "method=dpo"]
    for output in (taken, taken / "run", "/proc/attune-run"):
        refused([*common, f"output={output}"], str(output))
    assert taken.read_text() == "mine"


def test_full_disk(tmp_path):
    said = refused(["generate", f"model={MODEL}", "prompt=a", "max_new_tokens=5", "output=/dev/full"], "No space left",
                   code=1)
    assert "/dev/full" in said and pathlib.Path("/dev/full").is_char_device()


@pytest.mark.parametrize("limit", [200, 20_000, 3_000_000, 6_000_000])
def test_training_on_a_full_disk(tmp_path, limit):
    """A limit on the size of files fails writes as a full disk does, at different moments of a run."""
    data = write(tmp_path / "pairs.jsonl", "".join(json.dumps(row) + "\n" for row in PAIRS))

    def limited():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    said = refused(["train", f"model={MODEL}", f"data={data}", "method=dpo", f"output={tmp_path}/run",
                    "training.max_steps=2", "training.batch_size=2", "samples.prompts=0"],
                   "cannot write", code=1, preexec_fn=limited, env={**os.environ, "HOME": str(tmp_path)})
    assert str(tmp_path) in said
    leftovers = [p for p in (tmp_path / "run").rglob("*") if ".partial" in p.name or ".tmp-" in p.name]
    assert not leftovers


def test_a_setting_without_a_value_names_its_place(tmp_path):
    refused(["generate", f"model={MODEL}", "prompt=a", "output="], "argument 'output='", "needs a value")
    recipe = write(tmp_path / "recipe.yaml", f"model: {MODEL}\noutput:\n\nseed: 1\n")
    refused(["train", recipe], "recipe.yaml:2", "output needs a value")


@pytest.mark.parametrize("arguments", [["tokenizer={}", "text=a"], ["tokenizer={}", "ids=[1]"], ["model={}", "text=a"]])
@pytest.mark.parametrize("file, part", [("tokenizer.model", "SentencePiece"), ("vocab.json", "merges.txt")])
def test_a_missing_tokenizer_says_why(tmp_path, arguments, file, part):
    shutil.copy(MODEL / "config.json", tmp_path)
    write(tmp_path / file, "{}")
    refused(["tokenize", *(argument.format(tmp_path) for argument in arguments)], str(tmp_path), part)


@pytest.mark.parametrize("id", [2048, 99999, -1, 2**40])
def test_ids_outside_the_vocabulary(id):
    for where in ("model", "tokenizer"):
        refused(["tokenize", f"{where}={MODEL}", f"ids=[1,{id}]"], str(id), "2048")


def test_one_row_is_no_rows(tmp_path):
    data = write(tmp_path / "rows.jsonl", '{"prompt":"a","completion":"b"}\n{"prompt":"a","completion":""}\n')
    done = subprocess.run([ATTUNE, "score", f"model={MODEL}", f"data={data}", f"output={tmp_path}/scores"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "left out 1 row: empty completion\n" in done.stderr and "wrote 1 score to" in done.stderr
