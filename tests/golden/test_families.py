"""Families against transformers, from a configuration with random weights: logits, gradients, decoding, saved folders,
reward models. Each family is an entry of CONFIGS."""
import json
import os
import pathlib
import subprocess

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")
from safetensors.torch import load_file, save_file  # noqa: E402

import test_model as models  # noqa: E402
from test_model import GROUPS, SEQUENCES, ask, ask_well  # noqa: E402
from tolerance import float32_tolerance, forward_terms  # noqa: E402

ATTUNE = pathlib.Path(os.environ.get("ATTUNE_BIN", models.ROOT / "build/attune"))

pytestmark = models.pytestmark

# Embeddings are scaled by the root of 64, a number that float32 holds: transformers rounds it to that in float64, too.
TINY = dict(vocab_size=61, hidden_size=64, intermediate_size=72, num_hidden_layers=4, num_attention_heads=4,
            max_position_embeddings=64, bos_token_id=1, eos_token_id=2,
            pad_token_id=None)  # no row of the embedding without a gradient
GROUPED = TINY | dict(num_key_value_heads=2)
WINDOWS = ["sliding_attention", "full_attention", "sliding_attention", "sliding_attention"]
LONG = {"rope_type": "longrope", "short_factor": [1.0 + i / 10 for i in range(8)], "long_factor": [2.0 + i for i in range(8)],
        "factor": 4.0, "rope_theta": 10000.0}

CONFIGS = {
    "qwen3": transformers.Qwen3Config(**GROUPED, head_dim=16),
    "qwen3-window": transformers.Qwen3Config(**GROUPED, head_dim=24, use_sliding_window=True, sliding_window=5,
                                             max_window_layers=2, attention_bias=True),
    "gemma": transformers.GemmaConfig(**TINY, num_key_value_heads=1, head_dim=16),
    "gemma2": transformers.Gemma2Config(**GROUPED, head_dim=12, query_pre_attn_scalar=30, sliding_window=5),
    "gemma2-uncapped": transformers.Gemma2Config(**GROUPED, head_dim=16, attn_logit_softcapping=None, sliding_window=6,
                                                 final_logit_softcapping=None, layer_types=WINDOWS),
    "gemma3": transformers.Gemma3TextConfig(**GROUPED, head_dim=16, sliding_window=5, layer_types=WINDOWS),
    "gemma3-scaled": transformers.Gemma3TextConfig(
        **GROUPED, head_dim=16, sliding_window=7, sliding_window_pattern=3,
        rope_parameters={"full_attention": {"rope_type": "linear", "factor": 4.0, "rope_theta": 5000.0},
                         "sliding_attention": {"rope_type": "default", "rope_theta": 300.0}}),
    "phi": transformers.PhiConfig(**TINY),
    "phi-grouped": transformers.PhiConfig(**GROUPED, hidden_act="gelu", rope_parameters={
        "rope_type": "default", "rope_theta": 500.0, "partial_rotary_factor": 0.25}),
    "phi3": transformers.Phi3Config(**GROUPED, sliding_window=6),
    "phi3-long": transformers.Phi3Config(**TINY, original_max_position_embeddings=16, rope_parameters=LONG),
    "phi3-partial": transformers.Phi3Config(**GROUPED, tie_word_embeddings=True, rope_parameters={
        "rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.75}),
    "smollm3": transformers.SmolLM3Config(**GROUPED),
    "smollm3-window": transformers.SmolLM3Config(**GROUPED, use_sliding_window=True, sliding_window=4, mlp_bias=True,
                                                 no_rope_layers=[1, 0, 0, 1], tie_word_embeddings=False),
    "smollm3-bias": transformers.SmolLM3Config(**GROUPED, attention_bias=True, no_rope_layers=[1] * 4),
    "starcoder2": transformers.Starcoder2Config(**GROUPED),
    "starcoder2-window": transformers.Starcoder2Config(**GROUPED, sliding_window=5, use_bias=False),
    "stablelm": transformers.StableLmConfig(**GROUPED),
    "stablelm-parallel": transformers.StableLmConfig(**TINY, num_key_value_heads=4, use_parallel_residual=True, use_qkv_bias=True),
    "gpt_neox": transformers.GPTNeoXConfig(**TINY),
    "gpt_neox-serial": transformers.GPTNeoXConfig(**TINY, use_parallel_residual=False, attention_bias=False,
                                                  tie_word_embeddings=True, hidden_act="gelu_new"),
}
FIRST = {name.split("-")[0]: name for name in reversed(CONFIGS)}  # one of each family


@pytest.fixture(autouse=True)
def exact_double_norms(monkeypatch):
    """transformers normalises in float32 even in a float64 model; here float64 stays float64."""
    def wide(x):
        return x if x.dtype == torch.float64 else x.float()

    def normed(x, eps):
        return wide(x) * torch.rsqrt(wide(x).pow(2).mean(-1, keepdim=True) + eps)

    def llama_forward(self, x):
        return self.weight * normed(x, self.variance_epsilon).to(x.dtype)

    def gemma_forward(self, x):
        return (normed(x, self.eps) * (1.0 + wide(self.weight))).type_as(x)
    for family, norm, forward in (("qwen3", "Qwen3RMSNorm", llama_forward), ("phi3", "Phi3RMSNorm", llama_forward),
                                  ("smollm3", "SmolLM3RMSNorm", llama_forward), ("gemma", "GemmaRMSNorm", gemma_forward),
                                  ("gemma2", "Gemma2RMSNorm", gemma_forward), ("gemma3", "Gemma3RMSNorm", gemma_forward)):
        module = __import__(f"transformers.models.{family}.modeling_{family}", fromlist=[norm])
        monkeypatch.setattr(getattr(module, norm), "forward", forward)
    softmax = torch.nn.functional.softmax
    monkeypatch.setattr(torch.nn.functional, "softmax", lambda x, dim=None, dtype=None: softmax(
        x, dim=dim, dtype=None if x.dtype == torch.float64 else dtype))


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for name, config in CONFIGS.items():
        torch.manual_seed(len(name))
        model = transformers.AutoModelForCausalLM.from_config(config)
        for key, parameter in model.named_parameters():  # larger than the usual start, so that every part matters
            torch.nn.init.normal_(parameter, std=0.2)
            if parameter.dim() == 1 and key.endswith("weight") and not name.startswith("gemma"):
                parameter.data += 1
        made[name] = tmp_path_factory.mktemp(name)
        model.save_pretrained(made[name])
    return made


def oracle(folder, dtype="float32"):
    """Only "eager" caps scores."""
    capped = json.loads((folder / "config.json").read_text())["model_type"] == "gemma2"
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, dtype), attn_implementation="eager" if capped else "sdpa").eval()


def expected_logits(folder, dtype):
    model = oracle(folder, dtype)
    return model, [model(torch.tensor([ids])).logits[0] for ids in SEQUENCES]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_logits_and_gradients_equal_transformers(folders, tmp_path, name, dtype):
    model, expected = expected_logits(folders[name], dtype)
    terms = forward_terms(model.config, max(map(len, SEQUENCES)))
    tolerance = 1e-9 if dtype == "float64" else float32_tolerance(max(rows.abs().max().item() for rows in expected), terms)
    for share in (True, False):
        answer = ask_well(op="logits", model=folders[name], dtype=dtype, sequences=SEQUENCES, groups=GROUPS, share=share)
        models.compare(answer["logits"], [rows.detach() for rows in expected], tolerance)
    models.waved_loss(expected, SEQUENCES)
    ask_well(op="gradients", model=folders[name], dtype=dtype, sequences=SEQUENCES, groups=GROUPS, share=True,
             output=tmp_path / "gradients.safetensors")
    ours = load_file(tmp_path / "gradients.safetensors")
    if name.startswith("gpt_neox"):
        ours = {key.replace("embed_out.", "lm_head."): value for key, value in ours.items()}
    if dtype == "float64":
        return models.check_gradients(ours, model, 1e-9)
    exact, logits = expected_logits(folders[name], "float64")
    models.waved_loss(logits, SEQUENCES)
    models.check_float32_gradients(ours, model, exact)


@pytest.mark.parametrize("name", CONFIGS)
def test_saved_folder_loads_in_transformers(folders, tmp_path, name):
    ask_well(op="save", model=folders[name], output=tmp_path / "saved", dtype="float64", shard_bytes=20000)
    assert (tmp_path / "saved/config.json").read_bytes() == (folders[name] / "config.json").read_bytes()
    with torch.no_grad():
        for ids in SEQUENCES[:3]:
            one, other = (oracle(folder)(torch.tensor([ids])).logits for folder in (folders[name], tmp_path / "saved"))
            assert torch.equal(one, other)


def edited(folder, tmp_path, **changes):
    """A copy of the folder whose config.json says something else; None takes the key away."""
    copy = tmp_path / "edited"
    subprocess.run(["cp", "-r", folder, copy], check=True)
    config = json.loads((copy / "config.json").read_text()) | changes
    gone = {key for key, value in changes.items() if value is None}
    (copy / "config.json").write_text(json.dumps({key: value for key, value in config.items() if key not in gone}))
    return copy


@pytest.mark.parametrize("name,changes", [
    ("gemma3", dict(rope_parameters=None, rope_theta=900.0, rope_local_base_freq=77.0,
                    rope_scaling={"rope_type": "linear", "factor": 8.0})),
    ("gpt_neox", dict(rope_parameters=None, rotary_pct=0.5, rotary_emb_base=300)),
    ("phi", dict(rope_parameters=None, partial_rotary_factor=0.5, rope_theta=200.0)),
    ("qwen3", dict(rope_parameters=None, rope_theta=1e6, layer_types=None)),
    ("qwen3", dict(partial_rotary_factor=0.5)),
    ("qwen3", dict(rope_scaling={})),
    ("phi", dict(rope_scaling={})),
    ("gemma", dict(hidden_act="gelu")),
    ("gemma", dict(hidden_act="silu", hidden_activation="relu")),
    ("gemma3", dict(attn_logit_softcapping=2.0, final_logit_softcapping=5.0)),
    ("gemma3", dict(rope_parameters={"rope_type": "linear", "factor": 4.0, "rope_theta": 500.0})),
    ("gemma3", dict(rope_scaling={"rope_type": "linear", "factor": 4.0})),
    ("gemma3", dict(rope_parameters={"full_attention": {"rope_type": "default"}}, rope_theta=900.0,
                    rope_local_base_freq=77.0)),
    ("gpt_neox", dict(rope_parameters=None, rope_theta=300.0)),
    ("gpt_neox", dict(rope_parameters=None, rotary_pct=0.5, partial_rotary_factor=0.25)),
    ("smollm3", dict(no_rope_layers=[1, 0, 1, 0, 1, 1])),
    ("smollm3", dict(layer_types=WINDOWS, sliding_window=3, use_sliding_window=False)),
    ("phi3-long", dict(rope_parameters=None, rope_scaling={**{k: LONG[k] for k in LONG if k != "rope_type"}, "type": "yarn"})),
    ("phi3-long", dict(original_max_position_embeddings=None, max_position_embeddings=8192)),
])
def test_older_spellings_mean_the_same(folders, tmp_path, name, changes):
    folder = edited(folders[name], tmp_path, **changes)
    with torch.no_grad():
        _, expected = expected_logits(folder, "float64")
    answer = ask_well(op="logits", model=folder, dtype="float64", sequences=SEQUENCES, groups=GROUPS, share=True)
    models.compare(answer["logits"], expected, 1e-9)


@pytest.mark.parametrize("name,changes,said", [
    ("gemma2", {"layer_types": ["full_attention"]}, "layer_types"),
    ("gemma3", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
    ("phi", {"qk_layernorm": True}, "qk_layernorm"),
    ("smollm3", {"no_rope_layers": [1]}, "no_rope_layers"),
    ("qwen3", {"layer_types": ["chunked_attention"] * 4}, "layer_types"),
    ("qwen3", {"layer_types": WINDOWS}, "sliding_window"),
    ("phi3", {"rope_parameters": {"rope_type": "linear", "factor": 2.0}}, "longrope"),
    ("phi3", {"rope_parameters": {"rope_type": 3}}, "rope_type"),
    ("gemma", {"eos_token_id": 10**18}, "eos_token_id"),
])
def test_what_a_family_cannot_do_is_named(folders, tmp_path, name, changes, said):
    answer = ask(op="logits", model=edited(folders[name], tmp_path, **changes), sequences=SEQUENCES[:1], groups=[0])
    assert said in answer["error"], answer


def attune(*arguments):
    done = subprocess.run([ATTUNE, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def rows_of_ids(path):
    path.write_text("".join(json.dumps({"prompt_ids": [1, i + 3, i + 4], "candidates": [
        {"completion_ids": [i + 5, i + 6, 2], "rank": 0}, {"completion_ids": [i + 9, 2], "rank": 1}]}) + "\n"
        for i in range(8)))
    return path


@pytest.mark.parametrize("name", FIRST.values())
def test_a_reward_model_scores_as_transformers_says(folders, tmp_path, name):
    attune("train", f"model={folders[name]}", f"data={rows_of_ids(tmp_path / 'rows.jsonl')}",
                "method=bradley_terry", f"output={tmp_path / 'run'}", "training.max_steps=2", "training.learning_rate=1e-3")
    saved = tmp_path / "run/model"
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(
        saved, dtype=torch.float64, attn_implementation="eager" if name.startswith("gemma2") else "sdpa").eval()
    ours = ask_well(op="logits", score=True, model=saved, dtype="float64", sequences=SEQUENCES, groups=GROUPS)["logits"]
    with torch.no_grad():
        for ids, rows in zip(SEQUENCES, ours):
            score = theirs(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long)).logits[0]
            assert rows[-1] == pytest.approx(score.tolist(), abs=1e-9 * max(1, abs(score).max().item()))


@pytest.mark.parametrize("name", FIRST.values())
def test_an_adapter_loads_in_peft(folders, tmp_path, name):
    attune("train", f"model={folders[name]}", f"data={rows_of_ids(tmp_path / 'rows.jsonl')}", "method=sft",
                "adapter.type=lora", f"output={tmp_path / 'run'}", "training.max_steps=2", "training.learning_rate=1e-2")
    theirs = peft.PeftModel.from_pretrained(oracle(folders[name], "float64"), tmp_path / "run/model")
    assert any(parameter.abs().max() > 0 for key, parameter in theirs.named_parameters() if "lora_B" in key)
    with torch.no_grad():
        expected = [theirs(torch.tensor([ids])).logits[0] for ids in SEQUENCES]
    answer = ask_well(op="logits", model=tmp_path / "run/model", dtype="float64", sequences=SEQUENCES, groups=GROUPS)
    models.compare(answer["logits"], expected, 1e-6)


@pytest.mark.parametrize("name", FIRST.values())
def test_the_likeliest_tokens_are_those_of_transformers(folders, tmp_path, name):
    prompts = tmp_path / "prompts.jsonl"
    prompts.write_text("".join(json.dumps({"prompt_ids": ids}) + "\n" for ids in SEQUENCES[:3]))
    attune("generate", f"model={folders[name]}", f"data={prompts}", f"output={tmp_path / 'out.jsonl'}",
                "temperature=0", "max_new_tokens=12")
    model = oracle(folders[name])
    for ids, line in zip(SEQUENCES, (tmp_path / "out.jsonl").read_text().splitlines()):
        with torch.no_grad():
            expected = model.generate(torch.tensor([ids]), do_sample=False, max_new_tokens=12)[0, len(ids):].tolist()
        assert json.loads(line)["candidates"][0]["completion_ids"] == expected


def test_log_probabilities_that_are_no_numbers_are_not_printed(folders, tmp_path):
    folder = edited(folders["gemma3"], tmp_path, final_logit_softcapping=1e308)
    done = subprocess.run([ATTUNE, "score", f"model={folder}", f"data={rows_of_ids(tmp_path / 'rows.jsonl')}"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "not numbers" in done.stderr and "null" not in done.stdout
