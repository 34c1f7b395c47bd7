"""What `attune check` says that a run will take against what the run took: the peak of its memory."""
import array
import json
import math
import pathlib
import struct

import pytest

from runs import ATTUNE, MODEL, run

pytestmark = pytest.mark.cold  # the memory of a process of its own


def llama(**changes):
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "bos_token_id": 1, "eos_token_id": 2,
            "rms_norm_eps": 1e-6, "tie_word_embeddings": False, "max_position_embeddings": 4096} | changes


MODELS = {
    "wide": llama(vocab_size=2000, hidden_size=256, intermediate_size=704, num_hidden_layers=6, num_attention_heads=8,
                  num_key_value_heads=4, tie_word_embeddings=True),
    "words": llama(vocab_size=30000, hidden_size=128, intermediate_size=352, num_hidden_layers=2, num_attention_heads=4,
                   num_key_value_heads=4),
    "gpt2": {"model_type": "gpt2", "architectures": ["GPT2LMHeadModel"], "vocab_size": 3000, "n_positions": 1024,
             "n_embd": 192, "n_layer": 6, "n_head": 6, "bos_token_id": 1, "eos_token_id": 2},
    "deep": llama(vocab_size=1000, hidden_size=128, intermediate_size=384, num_hidden_layers=16, num_attention_heads=4,
                  num_key_value_heads=2, tie_word_embeddings=True),
    "large": llama(vocab_size=4000, hidden_size=512, intermediate_size=1536, num_hidden_layers=8, num_attention_heads=8,
                   num_key_value_heads=8, tie_word_embeddings=True),
}
LORA = ["adapter.type=lora"]
EIGHT, SIXTEEN = ["training.batch_size=8"], ["training.batch_size=16"]
# model, method, records, tokens of prompt and completion, settings
RUNS = {
    "sft, long, lora": ("wide", "sft", "one", 40, 984, [*LORA, "training.batch_size=2"]),
    "dpo": ("wide", "dpo", "pair", 60, 40, []),
    "dpo, lora of all layers": ("wide", "dpo", "pair", 60, 60, [*LORA, "adapter.rank=64", "adapter.target_modules=all-linear"]),
    "dpo, reference read once": ("wide", "dpo", "pair", 60, 40, ["reference.cache=true"]),
    "sft, many words": ("words", "sft", "one", 20, 60, []),
    "dpo, many words, lora": ("words", "dpo", "pair", 40, 60, LORA),
    "kto": ("gpt2", "kto", "label", 40, 60, []),
    "reward model": ("gpt2", "bradley_terry", "pair", 30, 60, []),
    "sft, averaged weights": ("gpt2", "sft", "one", 10, 500, ["training.ema_decay=0.9", "training.batch_size=2"]),
    "grpo": ("deep", "grpo", "group", 60, 50, ["training.batch_size=4"]),
    "small micro-batches": ("deep", "sft", "one", 16, 100, ["training.micro_batch_tokens=512", "training.batch_size=16"]),
    "large": ("large", "dpo", "pair", 8, 24, ["training.batch_size=2"]),
    # of the bundled model, where logits and activations weigh more than the weights
    "small, dpo": ("bundled", "dpo", "pair", 62, 82, EIGHT),
    "small, dpo, lora": ("bundled", "dpo", "pair", 62, 82, [*LORA, *EIGHT]),
    "small, dpo, eight updates": ("bundled", "dpo", "pair", 62, 82, [*EIGHT, "training.max_steps=8", "training.epochs=4"]),
    "small, kto": ("bundled", "kto", "label", 39, 38, SIXTEEN),
    "small, two methods, moving reference": ("bundled", "[{name: dpo}, {name: sft, weight: 0.2}]", "pair", 62, 82,
                                             [*EIGHT, "reference.sync=true", "reference.sync_steps=1"]),
    "small, reward model, lora": ("bundled", "bradley_terry", "pair", 62, 82, [*LORA, *SIXTEEN]),
    "small, distributions compared": ("bundled", "tdpo", "pair", 62, 82, EIGHT),
    "small, more than a micro-batch": ("bundled", "sft", "one", 3, 372, SIXTEEN),
}


def shapes(config):
    """Names and shapes as transformers writes them."""
    if config["model_type"] == "gpt2":
        width = config["n_embd"]
        yield "transformer.wte.weight", [config["vocab_size"], width]
        yield "transformer.wpe.weight", [config["n_positions"], width]
        for i in range(config["n_layer"]):
            layer = f"transformer.h.{i}."
            for name, shape in (("attn.c_attn", [width, 3 * width]), ("attn.c_proj", [width, width]),
                                ("mlp.c_fc", [width, 4 * width]), ("mlp.c_proj", [4 * width, width])):
                yield f"{layer}{name}.weight", shape
                yield f"{layer}{name}.bias", shape[1:]
            for name in ("ln_1", "ln_2"):
                yield f"{layer}{name}.weight", [width]
                yield f"{layer}{name}.bias", [width]
        yield "transformer.ln_f.weight", [width]
        yield "transformer.ln_f.bias", [width]
        return
    width, inner = config["hidden_size"], config["intermediate_size"]
    keys = width // config["num_attention_heads"] * config["num_key_value_heads"]
    yield "model.embed_tokens.weight", [config["vocab_size"], width]
    for i in range(config["num_hidden_layers"]):
        for name, shape in (("self_attn.q_proj", [width, width]), ("self_attn.k_proj", [keys, width]),
                            ("self_attn.v_proj", [keys, width]), ("self_attn.o_proj", [width, width]),
                            ("mlp.gate_proj", [inner, width]), ("mlp.up_proj", [inner, width]),
                            ("mlp.down_proj", [width, inner]), ("input_layernorm", [width]),
                            ("post_attention_layernorm", [width])):
            yield f"model.layers.{i}.{name}.weight", shape
    yield "model.norm.weight", [width]
    if not config["tie_word_embeddings"]:
        yield "lm_head.weight", [config["vocab_size"], width]


def write_model(folder, config):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(config))
    header, at = {}, 0
    for name, shape in shapes(config):
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    pattern = array.array("f", [0.02 * math.sin(i * i) for i in range(9973)])
    with open(folder / "model.safetensors", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text)
        out.write((pattern * (at // 4 // len(pattern) + 1))[:at // 4].tobytes())
    return folder


def write_rows(path, kind, prompt, completion):
    def ids(count, start):
        return [(7 * j * j + 3 * j + 11 * start) % 900 + 3 for j in range(count)]

    with open(path, "w") as out:
        for i in range(32):
            answers = {"one": [{}], "pair": [{"rank": 0}, {"rank": 1}], "label": [{"label": i % 2 == 0}],
                       "group": [{"reward": float(g)} for g in range(4)]}[kind]
            length = completion + (7 * i) % 13 - 6
            candidates = [{"completion_ids": ids(length, i + 100 * k + 50), **said} for k, said in enumerate(answers)]
            out.write(json.dumps({"prompt_ids": ids(prompt, i), "candidates": candidates}) + "\n")
    return path


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    place = tmp_path_factory.mktemp("models")
    return {name: write_model(place / name, config) for name, config in MODELS.items()} | {"bundled": MODEL}


def estimated_and_measured(models, place, name):
    model, method, kind, prompt, completion, settings = RUNS[name]
    data = write_rows(place / "rows.jsonl", kind, prompt, completion)
    arguments = [f"model={models[model]}", f"data={data}", f"method={method}", "samples.prompts=0", "threads=1", *settings]
    if not any(setting.startswith("training.max_steps") for setting in settings):
        arguments.append("training.max_steps=2")
    checked = run([ATTUNE, "check", *arguments, "--json"])
    assert checked.returncode == 0, checked.stderr
    done = run([ATTUNE, "train", *arguments, f"output={place / 'run'}"])
    assert done.returncode == 0, done.stderr
    last = json.loads(pathlib.Path(place / "run/metrics.jsonl").read_text().splitlines()[-1])
    return json.loads(checked.stdout)["estimate"], last


@pytest.mark.parametrize("name", RUNS)
def test_the_peak_is_estimated(models, tmp_path, name):
    estimate, last = estimated_and_measured(models, tmp_path, name)
    assert estimate["memory_mb"] == pytest.approx(last["peak_rss_mb"], rel=0.15), (estimate, last["peak_rss_mb"])


def test_the_time_counts_every_update(models, tmp_path):
    data = write_rows(tmp_path / "rows.jsonl", "pair", 60, 40)
    def estimate(*settings):
        done = run([ATTUNE, "check", f"model={models['wide']}", f"data={data}", "method=dpo", "--json", "threads=1", *settings])
        return json.loads(done.stdout)["estimate"]
    once = estimate("training.epochs=1", "training.batch_size=8")
    assert once["steps"] == 4
    many = estimate("training.epochs=50", "training.batch_size=8")
    assert many["steps"] == 200 and many["seconds"] == pytest.approx(50 * once["seconds"], rel=0.05)
    capped = estimate("training.epochs=50", "training.batch_size=8", "training.max_steps=10")
    assert capped["steps"] == 10 and capped["seconds"] == pytest.approx(2.5 * once["seconds"], rel=0.05)
    assert once["parameters"] == once["trained"] == sum(math.prod(shape) for _, shape in shapes(MODELS["wide"]))
    lora = estimate("adapter.type=lora", "adapter.rank=8")
    assert lora["trained"] == 6 * 8 * ((256 + 256) + (256 + 128))


def header_of(path):
    """The tensors of a safetensors file."""
    raw = pathlib.Path(path).read_bytes()
    header = json.loads(raw[8:8 + struct.unpack("<Q", raw[:8])[0]])
    return {name: entry for name, entry in header.items() if name != "__metadata__"}


@pytest.mark.parametrize("settings", [["adapter.modules_to_save=[lm_head]"],
                                      ["adapter.modules_to_save=[embed_tokens]", "adapter.rank=4"],
                                      ["adapter.target_modules=[q_proj, embed_tokens, lm_head]"]])
def test_the_numbers_that_are_trained_are_those_of_the_file(tmp_path, settings):
    """Of the bundled model embedding and output head are one tensor: what is trained in full of it is another."""
    data = write_rows(tmp_path / "rows.jsonl", "pair", 6, 9)
    command = [f"model={MODEL}", f"data={data}", "method=dpo", *LORA, *settings]
    estimate = json.loads(run([ATTUNE, "check", *command, "--json"]).stdout)["estimate"]
    done = run([ATTUNE, "train", *command, f"output={tmp_path / 'run'}", "training.max_steps=1", "samples.prompts=0"])
    assert done.returncode == 0, done.stderr
    file = tmp_path / "run/model/adapter_model.safetensors"
    # PEFT keeps the plain weights of an embedding with an adapter beside it
    sizes = [math.prod(entry["shape"]) for name, entry in header_of(file).items() if ".base_layer." not in name]
    assert estimate["trained"] == sum(sizes) and estimate["parameters"] == 656000
