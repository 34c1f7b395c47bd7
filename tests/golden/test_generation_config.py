"""Every key of generation_config.json: the same tokens as transformers draws, or a warning that names it."""
import json
import os
import pathlib
import subprocess

import pytest

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = ROOT / "assets/tinystories-656k"
ATTUNE = pathlib.Path(os.environ.get("ATTUNE_BIN", ROOT / "build" / "attune")).resolve()
pytestmark = pytest.mark.skipif(not ATTUNE.exists(), reason=f"{ATTUNE} is not built")

PROMPTS = [[1, 403, 407, 261], [1], [1, 56, 99, 3, 400, 7, 7, 500]]
ENDS = [97, 628, 309]  # tokens that greedy decoding of the prompts meets soon

# Keys whose values change what is drawn, each with one that does on these prompts.
FOLLOWED = {
    "no_repeat_ngram_size": [1, 2, 3],
    "min_new_tokens": [40],
    "min_length": [40],
    "max_new_tokens": [7],
    "max_length": [20],
    "suppress_tokens": [[36, 147, 67, 9999]],
    "begin_suppress_tokens": [[36, 147, 56]],
    "bad_words_ids": [[[36], [61, 112], [97], [499, 826]]],
    "sequence_bias": [[[[67], -3.5], [[499, 826], -9.0], [[97], 2.0], [[36], -5.0]]],
    "exponential_decay_length_penalty": [[5, 1.3], [0, 1.05]],
    "repetition_penalty": [1.3],
    "encoder_repetition_penalty": [1.6, 0.5],
    "encoder_no_repeat_ngram_size": [1],
    "forced_bos_token_id": [5],
    "forced_eos_token_id": [2, [7, 2]],
}
# Keys that change what is drawn, and nothing of greedy decoding.
FILTERS = {"top_h": 0.05, "typical_p": 0.05, "epsilon_cutoff": 0.3, "eta_cutoff": 0.5}
# Keys without an effect on the tokens of greedy decoding or of sampling from one model.
WITHOUT_EFFECT = """do_sample temperature top_k top_p min_p stop_strings eos_token_id pad_token_id bos_token_id
    decoder_start_token_id use_cache max_cache_len output_attentions output_hidden_states output_scores output_logits
    return_dict_in_generate remove_invalid_values renormalize_logits is_assistant num_assistant_tokens
    num_assistant_tokens_schedule assistant_confidence_threshold prompt_lookup_num_tokens max_matching_ngram_size
    assistant_lookbehind target_lookbehind assistant_ensemble_weight speculation_type assistant_early_exit use_mtp
    compile_config disable_compile transformers_version continuous_batching_config
    prefill_chunk_size low_memory""".split()
# Named in a warning, with a value that is not off.
NAMED = {
    "num_beams": 4, "early_stopping": True, "length_penalty": 2.0, "max_time": 3.0, "cache_implementation": "quantized",
    "cache_config": {"backend": "quanto"}, "token_healing": True, "guidance_scale": 1.5, "watermarking_config": {"bias": 2.5},
    "num_return_sequences": 3, "num_beam_groups": 2, "diversity_penalty": 0.5, "constraints": [1],
    "force_words_ids": [[5]], "penalty_alpha": 0.6, "dola_layers": "low",
}


@pytest.fixture(scope="module")
def model():
    return transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()


@pytest.fixture
def folder(tmp_path):
    copy = tmp_path / "model"
    copy.mkdir()
    for file in MODEL.iterdir():
        (copy / file.name).symlink_to(file)
    return copy


def say(folder, config, name="generation_config.json"):
    (folder / name).unlink()
    (folder / name).write_text(json.dumps(config))


def generate(folder, *settings, code=0):
    data = folder.parent / "prompts.jsonl"
    data.write_text("".join(json.dumps({"prompt_ids": ids}) + "\n" for ids in PROMPTS))
    run = subprocess.run([ATTUNE, "generate", f"model={folder}", f"data={data}", "--json", *settings],
                         capture_output=True, text=True)
    assert run.returncode == code, run.stderr
    return [json.loads(line)["candidates"][0]["completion_ids"] for line in run.stdout.splitlines()], run.stderr


@torch.no_grad()
def expected(model, config):
    found = []
    for ids in PROMPTS:
        settings = transformers.GenerationConfig(**{"eos_token_id": ENDS, "pad_token_id": 0, **config})
        out = model.generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long),
                             generation_config=settings)
        found.append(out[0, len(ids):].tolist())
    return found


def test_the_lists_are_those_of_transformers():
    keys = {key for key in vars(transformers.GenerationConfig()) if not key.startswith("_")}
    assert keys == set(FOLLOWED) | set(FILTERS) | set(WITHOUT_EFFECT) | set(NAMED)


@pytest.mark.parametrize("key, value", [(key, value) for key, values in FOLLOWED.items() for value in values])
def test_followed(model, folder, key, value):
    length = {} if key in ("max_length", "max_new_tokens") else {"max_new_tokens": 4 if "forced_eos" in key else 48}
    say(folder, {"eos_token_id": ENDS, **length, key: value})
    ours, said = generate(folder)
    assert ours == expected(model, {**length, key: value})
    assert ours != expected(model, length or {"max_new_tokens": 48}), "the value changes nothing: this tests nothing"
    assert "not followed" not in said
    # Asked for with the command, it is the same.
    say(folder, {"eos_token_id": ENDS, **length})
    assert generate(folder, f"{key}={json.dumps(value)}")[0] == ours


@pytest.mark.parametrize("key", FILTERS)
def test_filters_are_followed(folder, key):
    say(folder, {"do_sample": True, "max_new_tokens": 24})
    plain = generate(folder, "seed=3")[0]
    asked = generate(folder, "seed=3", f"{key}={FILTERS[key]}")[0]
    assert asked != plain
    say(folder, {"do_sample": True, "max_new_tokens": 24, key: FILTERS[key]})
    ours, said = generate(folder, "seed=3")
    assert ours == asked and "not followed" not in said
    name = key.removesuffix("_p")
    assert generate(folder, "seed=3", f"decoding=[sample, {{name: {name}, {key}: {FILTERS[key]}}}]")[0] == asked or key == "top_h"


def test_the_least_that_filters_leave_is_greedy(folder):
    say(folder, {"max_new_tokens": 24})
    greedy = generate(folder)[0]
    for setting in "epsilon_cutoff=1", "top_h=1e-9":
        assert generate(folder, "temperature=1", setting)[0] == greedy


def test_together(model, folder):
    config = {"max_new_tokens": 48, "no_repeat_ngram_size": 2, "min_new_tokens": 30, "suppress_tokens": [67],
              "sequence_bias": [[[97], 2.0], [[499, 826], -9.0]], "bad_words_ids": [[61, 112]],
              "repetition_penalty": 1.2, "exponential_decay_length_penalty": [30, 1.1]}
    say(folder, {"eos_token_id": ENDS, **config})
    assert generate(folder)[0] == expected(model, config)


def test_named_once_where_not_followed(folder):
    say(folder, {"eos_token_id": ENDS, "max_new_tokens": 5, **NAMED, "chat_format": "chatml"})
    _, said = generate(folder)
    for key in (*NAMED, "chat_format"):
        assert said.count(f"{key}=") + said.count(f"{key} (") == 1, (key, said)
    say(folder, {"eos_token_id": ENDS, "max_new_tokens": 5, "num_beams": 1, "typical_p": 1.0, "forced_eos_token_id": None, "length_penalty": 1,
                 "cache_implementation": "hybrid", "guidance_scale": None, "use_cache": False,
                 "transformers_version": "5.24.0", "_from_model_config": True})
    assert generate(folder)[1] == ""


def test_config_json_where_there_is_no_generation_config(model, folder):
    (folder / "generation_config.json").unlink()
    config = json.loads((MODEL / "config.json").read_text())
    say(folder, {**config, "eos_token_id": ENDS, "no_repeat_ngram_size": 2, "max_new_tokens": 40, "num_beams": 3}, "config.json")
    ours, said = generate(folder)
    assert ours == expected(model, {"max_new_tokens": 40, "no_repeat_ngram_size": 2})
    assert said.count("num_beams=3") == 1 and "vocab_size" not in said


def test_what_is_asked_for_goes_before_the_folder(model, folder):
    say(folder, {"eos_token_id": ENDS, "max_length": 20, "min_new_tokens": 12})
    assert generate(folder, "max_new_tokens=30", "min_length=1")[0] == expected(model, {"max_new_tokens": 30})
    say(folder, {"eos_token_id": ENDS, "max_length": 20, "max_new_tokens": 9})
    assert generate(folder)[0] == expected(model, {"max_new_tokens": 9})


@pytest.mark.parametrize("key, value", [("bad_words_ids", [5]), ("bad_words_ids", [[100000]]), ("sequence_bias", [[1, 2.0]]),
                                        ("exponential_decay_length_penalty", [3]), ("no_repeat_ngram_size", -1),
                                        ("suppress_tokens", "two"), ("max_new_tokens", "many")])
def test_unreadable_values_are_refused(folder, key, value):
    say(folder, {key: value})
    _, said = generate(folder, code=2)
    assert key in said


def test_a_prompt_beyond_max_length(folder):
    say(folder, {"eos_token_id": ENDS, "max_length": 6})
    ours, said = generate(folder)
    assert len(ours) == 2 and "max_length=6" in said  # the third prompt has eight tokens
