"""Sequences beyond the length that a model was first trained for, against transformers: whatever lifts the context, and
whatever does not."""
import json
import os
import pathlib
import subprocess

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
from tolerance import logp_tolerance  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = pathlib.Path(os.environ.get("ATTUNE_BIN", ROOT / "build/attune"))
pytestmark = pytest.mark.skipif(not ATTUNE.exists(), reason=f"{ATTUNE} is not built")

IDS = [1] + [(7 * i * i + 3 * i) % 57 + 3 for i in range(39)]
ORIGINAL = 16
BASE = {"rope_theta": 10000.0}
LISTS = {"short_factor": [1.0, 1.1, 1.2, 1.3], "long_factor": [2.0, 2.5, 3.0, 4.0]}
# name → (rotation, max_position_embeddings, the context)
ROTATIONS = {
    "plain": (None, 16, 16),
    "linear": ({"rope_type": "linear", "factor": 2.0}, 16, 32),
    "dynamic": ({"rope_type": "dynamic", "factor": 3.0}, 16, 48),
    "yarn": ({"rope_type": "yarn", "factor": 4.0}, 16, 64),
    "yarn-stated": ({"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}, 64, 64),
    "llama3": ({"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                "original_max_position_embeddings": 16}, 16, 128),
    "longrope": ({"rope_type": "longrope", "original_max_position_embeddings": 16, **LISTS}, 48, 48),
}


def attune(*arguments):
    done = subprocess.run([ATTUNE, *map(str, arguments)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done


def saved(folder, config, seed=3):
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
        if parameter.dim() == 1:
            parameter.data += 1
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=ROTATIONS)
def rotated(request, tmp_path_factory):
    rotation, positions, context = ROTATIONS[request.param]
    folder = saved(tmp_path_factory.mktemp(request.param), transformers.LlamaConfig(
        vocab_size=61, hidden_size=32, intermediate_size=56, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=positions, bos_token_id=1, eos_token_id=2,
        **({"rope_parameters": rotation | BASE} if rotation else {})))
    return folder, context


def oracle(folder):
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


@torch.no_grad()
def expected_logps(folder, ids):
    logits = oracle(folder)(torch.tensor([ids])).logits[0].log_softmax(-1)
    return [logits[i, token].item() for i, token in enumerate(ids[1:])]


def row(path, prompt=4):
    path.write_text(json.dumps({"id": "a", "prompt_ids": IDS[:prompt], "candidates": [{"completion_ids": IDS[prompt:]}]}))
    return path


def assert_logps(logps, expected, folder):
    config = json.loads((folder / "config.json").read_text())
    assert logps == pytest.approx(expected, rel=0, abs=logp_tolerance(config, expected, len(IDS)))


def score(folder, data, *settings):
    done = attune("score", f"model={folder}", f"data={data}", "--json", *settings)
    return json.loads(done.stdout)["logps"], done.stderr


def test_a_length_that_is_asked_for_is_read(rotated, tmp_path):
    folder, context = rotated
    logps, said = score(folder, row(tmp_path / "row.jsonl"), "data.max_length=64")
    assert_logps(logps, expected_logps(folder, IDS)[3:], folder)
    assert ("warning" in said) == (len(IDS) - 1 > context), said  # the last token is only a target
    if len(IDS) - 1 > context:
        assert f"longest sequence has 39 tokens, and the model was made for {context}" in said


def test_without_a_length_the_scaled_context_counts(rotated, tmp_path):
    folder, context = rotated
    logps, said = score(folder, row(tmp_path / "row.jsonl"), "data.max_length=0")
    kept = min(len(IDS), context + 1)
    assert_logps(logps, expected_logps(folder, IDS[:kept])[3:], folder)
    assert ("cut to" in said) == (kept < len(IDS))
    lines = attune("tokenize", f"model={folder}", f"data={row(tmp_path / 'row.jsonl')}", "data.max_length=0", "--json").stdout
    assert len(json.loads(lines)["ids"]) == min(len(IDS), context)


def test_check_warns_of_what_train_reads(rotated, tmp_path):
    folder, context = rotated
    arguments = [f"model={folder}", f"data={row(tmp_path / 'row.jsonl')}", "method=sft", "data.max_length=64"]
    found = json.loads(attune("check", *arguments, "--json").stdout)
    assert found["longest"] == len(IDS)
    beyond = [text for text in found["warnings"] if f"made for {context}" in text]
    assert len(beyond) == (len(IDS) > context)
    done = attune("train", *arguments, f"output={tmp_path / 'run'}", "training.max_steps=1", "samples.prompts=0")
    assert ("warning: the longest" in done.stderr) == (len(IDS) > context), done.stderr
    assert f"{len(IDS) - 4} trained on" in done.stderr


def test_writing_goes_on_beyond_the_original_length(rotated, tmp_path):
    """Greedy, with a cache, as transformers does: keys keep the rotation of the step that wrote them."""
    folder, context = rotated
    data = tmp_path / "prompt.jsonl"
    data.write_text(json.dumps({"id": "a", "prompt_ids": IDS[:12]}))
    done = attune("generate", f"model={folder}", f"data={data}", "temperature=0", "max_new_tokens=18", "--json")
    found = json.loads(done.stdout)["candidates"][0]
    wanted = min(18, context - 12)
    with torch.no_grad():
        ids = oracle(folder).generate(torch.tensor([IDS[:12]]), do_sample=False, max_new_tokens=wanted, pad_token_id=0)[0]
    assert found["completion_ids"] == ids[12:].tolist()


def test_learned_positions_are_a_hard_limit(tmp_path):
    folder = saved(tmp_path / "gpt2", transformers.GPT2Config(vocab_size=61, n_positions=16, n_embd=24, n_layer=2, n_head=3))
    logps, said = score(folder, row(tmp_path / "row.jsonl"), "data.max_length=64")
    assert_logps(logps[:12], expected_logps(folder, IDS[:16])[3:], folder)
    assert len(logps) == 13 and "1 row cut to the model's context of 16" in said and "warning" not in said
