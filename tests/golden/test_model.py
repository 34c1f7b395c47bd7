"""Models against transformers and PEFT: logits, log-probabilities, gradients, adapters, saved folders."""
import functools
import json
import os
import pathlib
import subprocess

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two programs whose threads wait for each other are slow
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")
from safetensors.torch import load_file, save_file  # noqa: E402

from convert_stories260k import convert  # noqa: E402
from exact_doubles import exact_double_norms  # noqa: E402, F401
from tolerance import float32_tolerance, forward_terms, logp_tolerance  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "models"
TOOL = pathlib.Path(os.environ.get("ATTUNE_HELPERS", ROOT / "build/tests/helpers")) / "attune_model_tool"

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built")


@functools.cache
def tool():
    return subprocess.Popen([TOOL], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ask(**request):
    tool().stdin.write(json.dumps(request, default=str) + "\n")
    tool().stdin.flush()
    return json.loads(tool().stdout.readline())


def ask_well(**request):
    answer = ask(**request)
    assert "error" not in answer and "crash" not in answer, answer
    return answer


def oracle(folder, dtype="float32", cls=transformers.AutoModelForCausalLM):
    return cls.from_pretrained(folder, dtype=getattr(torch, dtype), attn_implementation="sdpa").eval()


TINY = dict(vocab_size=61, hidden_size=32, intermediate_size=56, num_hidden_layers=3, num_attention_heads=4,
            max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}
LONG = {"rope_type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [2.0, 2.5, 3.0, 4.0],
        "original_max_position_embeddings": 16, "factor": 4.0}


def llama(**changes):
    return transformers.LlamaConfig(**(TINY | dict(num_key_value_heads=2) | changes))


CONFIGS = {
    "llama": llama(),
    "llama-mha-tied": llama(num_key_value_heads=4, tie_word_embeddings=True),
    "llama-bias": llama(attention_bias=True, mlp_bias=True, num_key_value_heads=1),
    "llama-head-dim": llama(head_dim=16),
    "llama-linear": llama(rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0}),
    "llama-dynamic": llama(rope_parameters={"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0},
                           max_position_embeddings=12),
    "llama-llama3": llama(rope_parameters=LLAMA3 | {"rope_theta": 10000.0}),
    "llama-yarn": llama(rope_parameters=YARN | {"rope_theta": 10000.0}),
    "llama-yarn-mscale": llama(rope_parameters=YARN | {"rope_theta": 10000.0, "mscale": 0.7, "mscale_all_dim": 0.3,
                                                       "beta_fast": 16, "beta_slow": 2, "truncate": False}),
    "llama-longrope": llama(rope_parameters=LONG | {"rope_theta": 10000.0}),
    "mistral-window": transformers.MistralConfig(**TINY, num_key_value_heads=2, sliding_window=7, head_dim=12),
    "mistral-full": transformers.MistralConfig(**TINY, num_key_value_heads=2, sliding_window=None),
    "qwen2": transformers.Qwen2Config(**TINY, num_key_value_heads=2),
    "qwen2-window": transformers.Qwen2Config(**TINY, num_key_value_heads=2, use_sliding_window=True, sliding_window=5,
                                             max_window_layers=1),
    "qwen2-layer-types": transformers.Qwen2Config(
        **TINY, num_key_value_heads=2, use_sliding_window=True, sliding_window=9, tie_word_embeddings=True,
        layer_types=["sliding_attention", "full_attention", "sliding_attention"]),
    "gpt2": transformers.GPT2Config(vocab_size=61, n_positions=48, n_embd=24, n_layer=3, n_head=3),
    "gpt2-untied": transformers.GPT2Config(vocab_size=61, n_positions=48, n_embd=24, n_layer=2, n_head=2, n_inner=40,
                                           tie_word_embeddings=False, activation_function="gelu",
                                           scale_attn_by_inverse_layer_idx=True),
    "gpt2-unscaled": transformers.GPT2Config(vocab_size=61, n_positions=48, n_embd=24, n_layer=2, n_head=2,
                                             scale_attn_weights=False, activation_function="relu"),
}

# One prompt with candidates, prefixes of one another, equal ones, one token long, a second group with two levels.
SEQUENCES = [[1, 5, 9, 13, 20, 21], [1, 5, 9, 13, 30], [1, 5, 9, 13, 30], [1, 5, 9, 13], [1, 5, 9, 13, 40, 41, 42, 43, 44, 45],
             [7], [7, 8], [2, 3, 4, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
             [2, 3, 4, 50, 51, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 11, 12, 13, 14, 15, 16, 17], [2, 3, 4, 50, 51, 9, 8, 1]]
GROUPS = [0, 0, 0, 0, 0, 1, 1, 2, 2, 2]


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    made = {}
    for name, config in CONFIGS.items():
        torch.manual_seed(len(name))
        model = transformers.AutoModelForCausalLM.from_config(config)
        for parameter in model.parameters():  # larger than the usual start, so that every part matters
            torch.nn.init.normal_(parameter, std=0.2)
            if parameter.dim() == 1:
                parameter.data += 1
        made[name] = tmp_path_factory.mktemp(name)
        model.save_pretrained(made[name])
    return made


def real_model(name, tmp_path):
    if not SHARED.exists():
        pytest.skip("needs ../shared/models")
    if name != "stories260K":
        return SHARED / name
    convert(SHARED / name / "stories260K.bin", tmp_path / name)
    return tmp_path / name


def expected_logits(model, sequences):
    out = []
    for ids in sequences:
        rope = getattr(getattr(model, "model", None), "rotary_emb", None)
        if rope is not None:  # dynamic rope keeps state between calls
            rope.inv_freq, rope.max_seq_len_cached = rope.original_inv_freq.clone(), rope.original_max_seq_len
        out.append(model(torch.tensor([ids])).logits[0])
    return out


def doubles(rows):
    return [torch.tensor(row, dtype=torch.float64) for row in rows]


def compare(actual, expected, tolerance):
    for got, want in zip(actual, expected, strict=True):
        difference = (torch.tensor(got, dtype=torch.float64) - want.double()).abs().max().item()
        assert difference < tolerance


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_logits_equal_transformers(folders, name, dtype):
    model = oracle(folders[name], dtype)
    with torch.no_grad():
        expected = expected_logits(model, SEQUENCES)
    terms = forward_terms(model.config, max(map(len, SEQUENCES)))
    tolerance = 1e-9 if dtype == "float64" else float32_tolerance(max(rows.abs().max().item() for rows in expected), terms)
    for share in (True, False):
        answer = ask_well(op="logits", model=folders[name], dtype=dtype, sequences=SEQUENCES, groups=GROUPS, share=share)
        compare(answer["logits"], expected, tolerance)


def expected_logps(model, sequences):
    return logps_of(expected_logits(model, sequences), sequences)


def logps_of(logits, sequences):
    return torch.cat([torch.log_softmax(rows[:-1], -1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0]
                      for rows, ids in zip(logits, sequences)])


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("share", [True, False])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_gradients_equal_transformers(folders, tmp_path, name, share, dtype):
    model = oracle(folders[name], dtype)
    logps, loss = waved_loss(expected_logits(model, SEQUENCES), SEQUENCES)
    answer = ask_well(op="gradients", model=folders[name], dtype=dtype, sequences=SEQUENCES, groups=GROUPS, share=share,
                      output=tmp_path / "gradients.safetensors")
    assert answer["loss"] == pytest.approx(loss, rel=0, abs=loss_tolerance(model.config, logps.tolist(), dtype))
    ours = load_file(tmp_path / "gradients.safetensors")
    if dtype == "float64":
        return check_gradients(ours, model, 1e-9)
    exact = oracle(folders[name], "float64")
    waved_loss(expected_logits(exact, SEQUENCES), SEQUENCES)
    check_float32_gradients(ours, model, exact)


def waved_loss(logits, sequences):
    """Log-probabilities of the sequences, and the loss that the gradients are of; the model has them afterwards."""
    logps = logps_of(logits, sequences)
    loss = (logps * torch.cos(torch.arange(len(logps), dtype=logps.dtype))).sum()
    loss.backward()
    return logps, loss.item()


def loss_tolerance(config, logps, dtype="float32"):
    """Of a sum of log-probabilities times cosines: their errors add up as independent ones do. The sum itself says
    nothing, for its terms have both signs."""
    finer = 2.0**-29 if dtype == "float64" else 1
    return finer * logp_tolerance(config, logps, max(map(len, SEQUENCES))) * len(logps)**0.5


def gradients_of(model):
    return {name: p.grad.double() for name, p in model.named_parameters() if p.requires_grad}


def check_gradients(actual, model, tolerance):
    expected = gradients_of(model)
    assert set(actual) == set(expected)
    for name, gradient in expected.items():
        scale = gradient.abs().max().item() + 1e-3
        assert (actual[name] - gradient).abs().max().item() < tolerance * scale, name


def check_float32_gradients(actual, rough, exact):
    """What float32 may cost is what it costs transformers: `rough` has its gradients in float32, `exact` in float64. Each
    tensor is as near to the exact one, by the magnitude of its entries, as the worst of transformers' own; twice, for the
    largest of some thousand errors lies here one deviation higher and there one lower."""
    theirs, expected = gradients_of(rough), gradients_of(exact)
    assert set(actual) == set(expected)

    def error(gradients, name):
        scale = expected[name].abs().max().item() + 1e-3  # that of a bias of keys is 0 but for rounding
        return (gradients[name].double() - expected[name]).abs().max().item() / scale
    allowed = 2 * max(error(theirs, name) for name in expected)
    assert allowed < 1e-3
    for name in expected:
        assert error(actual, name) <= allowed, (name, error(actual, name), allowed)


@pytest.mark.parametrize("name", ["stories260K", "tinystories-656k", "gpt-nano-sort"])
def test_real_models(tmp_path, name):
    folder = real_model(name, tmp_path)
    model = oracle(folder)
    vocabulary, context = model.config.vocab_size, 11 if name == "gpt-nano-sort" else 200
    generator = torch.Generator().manual_seed(3)
    prompt = torch.randint(0, vocabulary, (context // 2,), generator=generator).tolist()
    sequences = [prompt + torch.randint(0, vocabulary, (n,), generator=generator).tolist()
                 for n in (1, 2, context // 4, context // 2)]
    logps, _ = waved_loss(expected_logits(model, sequences), sequences)
    answer = ask_well(op="signals", names=["logps"], model=folder, sequences=sequences)
    tolerance = logp_tolerance(model.config, logps.tolist(), max(map(len, sequences)))
    assert (torch.tensor(answer["logps"]) - logps).abs().max() < tolerance
    ask_well(op="gradients", model=folder, sequences=sequences, output=tmp_path / "gradients.safetensors")
    exact = oracle(folder, "float64")
    waved_loss(expected_logits(exact, sequences), sequences)
    check_float32_gradients(load_file(tmp_path / "gradients.safetensors"), model, exact)


def test_packed_and_shared_equals_one_at_a_time(folders, tmp_path):
    shared = ask_well(op="gradients", model=folders["mistral-window"], sequences=SEQUENCES, groups=GROUPS, share=True,
                      dtype="float64", output=tmp_path / "shared.safetensors")
    alone = ask_well(op="gradients", model=folders["mistral-window"], sequences=SEQUENCES, groups=GROUPS, share=False,
                     dtype="float64", output=tmp_path / "alone.safetensors")
    assert shared["tokens"] < alone["tokens"] == sum(map(len, SEQUENCES))
    logps = ask_well(op="signals", names=["logps"], model=folders["mistral-window"], sequences=SEQUENCES)["logps"]
    assert shared["loss"] == pytest.approx(alone["loss"], rel=0, abs=loss_tolerance(CONFIGS["mistral-window"], logps, "float64"))
    one, other = load_file(tmp_path / "shared.safetensors"), load_file(tmp_path / "alone.safetensors")
    for name in one:
        assert (one[name] - other[name]).abs().max() < 1e-12 * (other[name].abs().max() + 1e-3), name


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["llama", "qwen2-window", "gpt2"])
def test_half_precisions_follow_float32(folders, tmp_path, name, dtype):
    exact = ask_well(op="logits", model=folders[name], dtype="float64", sequences=SEQUENCES, groups=GROUPS)["logits"]
    half = ask_well(op="logits", model=folders[name], dtype=dtype, sequences=SEQUENCES, groups=GROUPS)["logits"]
    with torch.no_grad():
        theirs = expected_logits(oracle(folders[name], dtype), SEQUENCES)
    flat = lambda rows: torch.cat([torch.as_tensor(row, dtype=torch.float64) for row in rows])  # noqa: E731
    ours_off, theirs_off = (flat(half) - flat(exact)).abs().mean(), (flat(theirs) - flat(exact)).abs().mean()
    assert ours_off < 1.3 * theirs_off, (ours_off, theirs_off)
    ask_well(op="gradients", model=folders[name], dtype=dtype, sequences=SEQUENCES, groups=GROUPS,
             output=tmp_path / "g.safetensors")


def test_signals_equal_log_softmax(folders):
    model = oracle(folders["llama"], "float64")
    names = ["logps", "entropy", "argmax_hit", "mean_logit", "wpo_weight"]
    with torch.no_grad():
        logits = torch.cat([rows[:-1] for rows in expected_logits(model, SEQUENCES)])
    targets = torch.cat([torch.tensor(ids[1:], dtype=torch.long) for ids in SEQUENCES])
    for temperature in (1.0, 0.7):
        answer = ask_well(op="signals", model=folders["llama"], dtype="float64", sequences=SEQUENCES, groups=GROUPS,
                          names=names, temperature=temperature)
        log_p = torch.log_softmax(logits / temperature, -1)
        chosen = log_p.gather(1, targets[:, None])[:, 0]
        expected = {"logps": chosen, "entropy": -(log_p.exp() * log_p).sum(-1),
                    "argmax_hit": (log_p.argmax(-1) == targets).double(),
                    "mean_logit": (logits / temperature).mean(-1),
                    "wpo_weight": chosen - torch.logsumexp(2 * log_p, -1)}
        for name in names:
            assert (torch.tensor(answer[name], dtype=torch.float64) - expected[name]).abs().max() < 1e-9, name


# --- saving -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CONFIGS)
def test_saved_folder_loads_in_transformers(folders, tmp_path, name):
    source = tmp_path / "source"
    subprocess.run(["cp", "-r", folders[name], source], check=True)
    config = json.loads((source / "config.json").read_text()) | {"my_own_key": {"kept": [1, 2.5, "é"]}}
    (source / "config.json").write_text(json.dumps(config, indent=3, ensure_ascii=False))
    for extra in ("tokenizer.json", "chat_template.jinja", "generation_config.json", "merges.txt"):
        (source / extra).write_bytes(f"{extra} \x00 bytes\r\n".encode())
    (source / "README.md").write_text("not copied")
    ask_well(op="save", model=source, output=tmp_path / "saved", dtype="float64", shard_bytes=20000)
    assert (tmp_path / "saved/model.safetensors.index.json").exists()
    for kept in ("config.json", "tokenizer.json", "chat_template.jinja", "generation_config.json", "merges.txt"):
        assert (tmp_path / "saved" / kept).read_bytes() == (source / kept).read_bytes()
    assert not (tmp_path / "saved/README.md").exists()
    (tmp_path / "saved/generation_config.json").unlink()
    with torch.no_grad():
        for ids in SEQUENCES[:3]:
            one, other = (oracle(folder)(torch.tensor([ids])).logits for folder in (folders[name], tmp_path / "saved"))
            assert torch.equal(one, other)


def test_tied_weights_stored_under_the_head_name(tmp_path):
    folder = real_model("tinystories-656k", tmp_path)
    ask_well(op="save", model=folder, output=tmp_path / "saved")
    assert (tmp_path / "saved/config.json").read_bytes() == (folder / "config.json").read_bytes()
    assert (tmp_path / "saved/tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()
    with torch.no_grad():
        ids = torch.tensor([[1, 5, 9, 100, 3]])
        assert torch.equal(oracle(folder)(ids).logits, oracle(tmp_path / "saved")(ids).logits)
    one = ask_well(op="fingerprint", model=folder)
    assert one == ask_well(op="fingerprint", model=tmp_path / "saved")
    assert one != ask_well(op="fingerprint", model=folder, dtype="bfloat16")


def test_dtype_is_kept_unless_asked(folders, tmp_path):
    oracle(folders["llama"], "bfloat16").save_pretrained(tmp_path / "bf16")
    ask_well(op="save", model=tmp_path / "bf16", output=tmp_path / "same", dtype="float32")
    same = load_file(tmp_path / "same/model.safetensors")
    for name, tensor in load_file(tmp_path / "bf16/model.safetensors").items():
        assert same[name].dtype == torch.bfloat16 and torch.equal(same[name], tensor)
    assert (tmp_path / "same/config.json").read_bytes() == (tmp_path / "bf16/config.json").read_bytes()
    ask_well(op="save", model=tmp_path / "bf16", output=tmp_path / "f16", save_dtype="float16")
    assert load_file(tmp_path / "f16/model.safetensors")["model.norm.weight"].dtype == torch.float16
    assert transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "f16").dtype == torch.float16


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_old_and_bare_spellings(folders, tmp_path, name):
    """v4 keys (rope_theta, torch_dtype) and GPT-2 files without `transformer.` and with mask buffers."""
    config = json.loads((folders[name] / "config.json").read_text())
    if "rope_parameters" in config:
        config["rope_theta"], config["rope_scaling"] = 10000.0, {"type": "linear", "factor": 2.0}
        del config["rope_parameters"]
    tensors = load_file(folders[name] / "model.safetensors")
    if name == "gpt2":
        tensors = {key.removeprefix("transformer."): value for key, value in tensors.items()}
        tensors |= {f"h.{i}.attn.bias": torch.ones(1, 1, 48, 48) for i in range(3)}
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.full((4,), float("nan"))
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    model = oracle(tmp_path, "float64")
    answer = ask_well(op="logits", model=tmp_path, dtype="float64", sequences=SEQUENCES, groups=GROUPS)
    with torch.no_grad():
        compare(answer["logits"], expected_logits(model, SEQUENCES), 1e-9)


# --- adapters -----------------------------------------------------------------------------------------------------

LORAS = {
    "default": {},
    "suffixes": {"targets": ["v_proj", "self_attn.o_proj", "mlp.c_proj"], "rank": 3},
    "regex": {"targets": [r".*\.(1|2)\..*(q_proj|down_proj|c_fc)"], "rank": 2, "alpha": 5},
    "all-linear": {"targets": ["all-linear"], "rslora": True},
    "head": {"targets": ["q_proj", "c_attn", "lm_head"]},
    "embedding": {"targets": ["q_proj", "c_attn", "embed_tokens", "wte"], "rank": 3},
    "both-ends": {"targets": ["q_proj", "c_attn", "lm_head", "embed_tokens", "wte"], "rslora": True},
    "whole-head": {"save": ["lm_head"]},
    "whole-embedding-and-norms": {"save": ["embed_tokens", "norm"]},
    "whole-mlp": {"save": ["mlp"], "targets": ["q_proj", "c_attn"]},
}
GPT2_NAMES = {"embed_tokens": "wte", "norm": "ln_f"}
PARTED = {"head", "embedding", "both-ends", "whole-head", "whole-embedding-and-norms"}  # what ties two tensors no more


def lora_of(name, lora):
    """The request's adapter, with names that the family has."""
    settings = dict(LORAS[lora])
    if name == "gpt2" and "save" in settings:
        settings["save"] = [GPT2_NAMES.get(module, module) for module in settings["save"]]
    return settings


def peft_logits(folder, adapter, merged=False):
    model = peft.PeftModel.from_pretrained(oracle(folder, "float64"), adapter, autocast_adapter_dtype=False)
    if merged:
        model = model.merge_and_unload()
    inner = model if merged else model.base_model.model
    with torch.no_grad():
        return expected_logits(inner, SEQUENCES)


@pytest.mark.parametrize("lora", LORAS)
@pytest.mark.parametrize("name", ["llama", "gpt2", "qwen2"])
def test_our_adapter_loads_in_peft(folders, tmp_path, name, lora):
    request = dict(model=folders[name], dtype="float64", lora=lora_of(name, lora))
    ours = ask_well(op="logits", sequences=SEQUENCES, groups=GROUPS, **request)["logits"]
    plain = ask_well(op="logits", sequences=SEQUENCES, groups=GROUPS, model=folders[name], dtype="float64")["logits"]
    reference = ask_well(op="logits", sequences=SEQUENCES, groups=GROUPS, reference=True, **request)["logits"]
    assert reference == plain and ours != plain
    ask_well(op="save_adapter", output=tmp_path / "adapter", **request)
    compare(ours, peft_logits(folders[name], tmp_path / "adapter"), 1e-9)
    # and back, from the adapter's folder alone
    compare(ask_well(op="logits", sequences=SEQUENCES, groups=GROUPS, model=tmp_path / "adapter", dtype="float64")["logits"],
            doubles(ours), 1e-9)


@pytest.mark.parametrize("lora", ["all-linear", *sorted(PARTED)])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_merge_equals_merge_and_unload(folders, tmp_path, name, lora):
    request = dict(model=folders[name], dtype="float64", lora=lora_of(name, lora), sequences=SEQUENCES, groups=GROUPS)
    ask_well(op="save_adapter", output=tmp_path / "adapter", **request)
    # PEFT merges an adapter of one of two tied tensors into both, and warns; here the merged model answers as before
    tied = name == "gpt2" and lora in ("head", "embedding", "both-ends")
    expected = peft_logits(folders[name], tmp_path / "adapter", merged=not tied)
    compare(ask_well(op="logits", merge=True, **request)["logits"], expected, 1e-9)
    compare(ask_well(op="logits", merge=True, unmerge=True, **request)["logits"], expected, 1e-9)
    plain = ask_well(op="logits", model=folders[name], dtype="float64", sequences=SEQUENCES, groups=GROUPS)["logits"]
    compare(ask_well(op="logits", merge=True, reference=True, **request)["logits"], doubles(plain), 1e-9)
    ask_well(op="save", output=tmp_path / "merged", save_dtype="float64", **request)
    with torch.no_grad():
        compare(ask_well(op="logits", **request)["logits"], expected_logits(oracle(tmp_path / "merged", "float64"), SEQUENCES),
                1e-9)


@pytest.mark.parametrize("name,settings", [
    ("llama", dict(target_modules=["q_proj", "down_proj"], r=4, lora_alpha=6, rank_pattern={"down_proj": 2},
                   alpha_pattern={"layers.1.self_attn.q_proj": 32})),
    ("llama", dict(target_modules=["k_proj", "o_proj"], use_rslora=True, layers_to_transform=[1])),
    ("gpt2", dict(target_modules=["c_attn", "c_proj"], fan_in_fan_out=True)),
    ("llama", dict(target_modules=["q_proj"], modules_to_save=["lm_head"])),
    ("llama", dict(target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head", "norm"])),
    ("gpt2", dict(target_modules=["c_attn"], modules_to_save=["wte", "mlp"])),
    ("gpt2", dict(target_modules=["c_attn"], modules_to_save=["lm_head"])),
    ("llama", dict(target_modules=["q_proj", "lm_head", "embed_tokens"], r=3)),
    ("llama", dict(target_modules=r".*(q_proj|embed_tokens)", r=3)),
    ("gpt2", dict(target_modules=["wte", "c_fc"])),
    ("gpt2", dict(target_modules=["lm_head"])),
])
def test_their_adapter_loads_here(folders, tmp_path, name, settings):
    torch.manual_seed(1)
    model = peft.get_peft_model(oracle(folders[name], "float64"), peft.LoraConfig(task_type="CAUSAL_LM", **settings),
                                autocast_adapter_dtype=False)
    for key, parameter in model.named_parameters():
        if "lora_B" in key or "lora_embedding_A" in key or "modules_to_save" in key:
            torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"unknown_key": 1}))
    answer = ask_well(op="logits", model=tmp_path, dtype="float64", sequences=SEQUENCES, groups=GROUPS)
    expected = peft_logits(folders[name], tmp_path)
    compare(answer["logits"], expected, 1e-9)
    # written again by us it is still the same adapter
    ask_well(op="save_adapter", model=tmp_path, dtype="float64", output=tmp_path / "again")
    compare([rows.tolist() for rows in peft_logits(folders[name], tmp_path / "again")], expected, 1e-9)


@pytest.mark.parametrize("lora", ["all-linear", "both-ends", "whole-head", "whole-embedding-and-norms"])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_adapter_gradients_equal_peft(folders, tmp_path, name, lora):
    request = dict(model=folders[name], dtype="float64", lora=lora_of(name, lora), sequences=SEQUENCES, groups=GROUPS)
    ask_well(op="save_adapter", output=tmp_path / "adapter", **request)
    ask_well(op="gradients", output=tmp_path / "gradients.safetensors", **request)
    model = peft.PeftModel.from_pretrained(oracle(folders[name], "float64"), tmp_path / "adapter", is_trainable=True,
                                           autocast_adapter_dtype=False)
    logps = expected_logps(model.base_model.model, SEQUENCES)
    (logps * torch.cos(torch.arange(len(logps), dtype=logps.dtype))).sum().backward()
    actual = load_file(tmp_path / "gradients.safetensors")
    expected = {key.replace(".modules_to_save", "").replace(".default", ""): p.grad
                for key, p in model.named_parameters() if p.requires_grad}
    assert set(actual) == set(expected)
    for key, gradient in expected.items():
        assert (actual[key] - gradient).abs().max() < 1e-9 * (gradient.abs().max() + 1), key


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_reward_head(folders, tmp_path, name):
    """A saved reward model is <X>ForSequenceClassification; with LoRA the head is one of PEFT's modules_to_save."""
    classifier = transformers.AutoModelForSequenceClassification
    request = dict(model=folders[name], dtype="float64", add_score=True, sequences=SEQUENCES, groups=GROUPS)
    ours = [rows[-1] for rows in ask_well(op="logits", score=True, **request)["logits"]]
    ask_well(op="save", output=tmp_path / "full", save_dtype="float64", **request)
    model = oracle(tmp_path / "full", "float64", classifier)
    assert model.config.num_labels == 1
    with torch.no_grad():
        compare(ours, [model(torch.tensor([ids])).logits[0] for ids in SEQUENCES], 1e-9)
    again = ask_well(op="logits", score=True, model=tmp_path / "full", dtype="float64", sequences=SEQUENCES, groups=GROUPS)
    assert [rows[-1] for rows in again["logits"]] == ours

    request["lora"] = LORAS["default"]
    ours = [rows[-1] for rows in ask_well(op="logits", score=True, **request)["logits"]]
    ask_well(op="save_adapter", output=tmp_path / "adapter", **request)
    base = classifier.from_pretrained(folders[name], num_labels=1, pad_token_id=0, dtype=torch.float64)
    model = peft.PeftModel.from_pretrained(base, tmp_path / "adapter", autocast_adapter_dtype=False).eval()
    with torch.no_grad():
        compare(ours, [model(input_ids=torch.tensor([[i + 0 for i in ids]])).logits[0] for ids in SEQUENCES], 1e-9)
    again = ask_well(op="logits", score=True, model=tmp_path / "adapter", dtype="float64", sequences=SEQUENCES, groups=GROUPS)
    assert [rows[-1] for rows in again["logits"]] == ours


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_value_head(folders, tmp_path, name, outputs):
    """A value head lies beside the other tensors under TRL's names, and transformers and PEFT pass over it."""
    request = dict(model=folders[name], dtype="float64", add_value=outputs, sequences=SEQUENCES, groups=GROUPS)

    def values(model, folder, prefix=""):
        tensors = {}
        for file in folder.glob("*.safetensors"):
            tensors |= {key: value.double() for key, value in load_file(file).items()}
        head = torch.nn.Linear(model.config.hidden_size, outputs, dtype=torch.float64)
        head.load_state_dict({part: tensors[f"{prefix}v_head.summary.{part}"] for part in ("weight", "bias")})
        rows = []
        with torch.no_grad():
            for ids in SEQUENCES:
                hidden = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[-1][0, :-1]
                rows += head(hidden).squeeze(-1).tolist() if outputs == 1 else head(hidden).tolist()
        return torch.tensor(rows, dtype=torch.float64)

    for lora in ({}, {"lora": LORAS["default"]}):
        folder = tmp_path / ("adapter" if lora else "full")
        ours = ask_well(op="signals", names=["value"], **request, **lora)["value"]
        ask_well(op="save_adapter" if lora else "save", output=folder, save_dtype="float64", **request, **lora)
        model = oracle(folders[name] if lora else folder, "float64")
        if lora:
            model = peft.PeftModel.from_pretrained(model, folder, autocast_adapter_dtype=False).eval()
        expected = values(model, folder, "base_model.model." if lora else "")
        actual = torch.tensor(ours, dtype=torch.float64)
        assert actual.shape == expected.shape
        assert (actual - expected).abs().max() < 1e-9
        again = ask_well(op="signals", names=["value"], model=folder, dtype="float64", sequences=SEQUENCES, groups=GROUPS)
        assert again["value"] == ours


# --- what is wrong is named ---------------------------------------------------------------------------------------


def broken(folders, tmp_path, change_config=None, change_tensors=None):
    config = json.loads((folders["llama"] / "config.json").read_text())
    tensors = load_file(folders["llama"] / "model.safetensors")
    if change_config:
        change_config(config)
    if change_tensors:
        change_tensors(tensors)
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    answer = ask(op="fingerprint", model=tmp_path)
    assert answer["exit_code"] == 2
    return answer["error"]


def test_missing_key_leads_to_a_named_mismatch(folders, tmp_path):
    message = broken(folders, tmp_path, lambda config: config.pop("num_key_value_heads"))
    assert "num_key_value_heads (missing" in message and "k_proj.weight" in message, message
    assert "[16, 32]" in message and "[32, 32]" in message


def test_missing_and_nan_tensors_are_named(folders, tmp_path):
    assert "model.norm.weight" in broken(folders, tmp_path, None, lambda t: t.pop("model.norm.weight"))
    def spoil(tensors):
        tensors["model.layers.2.mlp.up_proj.weight"][3, 4] = float("nan")
    assert "model.layers.2.mlp.up_proj.weight" in broken(folders, tmp_path, None, spoil)


def test_pickles_are_refused(folders, tmp_path):
    (tmp_path / "config.json").write_bytes((folders["llama"] / "config.json").read_bytes())
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    assert "safetensors" in ask(op="fingerprint", model=tmp_path)["error"]


def test_dora_is_refused(folders, tmp_path):
    model = peft.get_peft_model(oracle(folders["llama"]), peft.LoraConfig(target_modules=["q_proj"], use_dora=True))
    model.save_pretrained(tmp_path)
    assert "DoRA" in ask(op="fingerprint", model=tmp_path)["error"]
