"""Data as TRL's trainers prepare it: `attune tokenize data=… --json` must give the ids and masks of the SFT, DPO and KTO
trainers' own dataset preparation (TRL 1.16) on real records, plain and conversational, whole and truncated.
"""
import json
import os
import pathlib
import shutil
import subprocess
import types

import pytest

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
datasets = pytest.importorskip("datasets")
transformers = pytest.importorskip("transformers")
pytest.importorskip("trl")

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared"
ATTUNE = pathlib.Path(os.environ.get("ATTUNE_BIN", ROOT / "build/attune"))
CHAT_MODELS = ["Qwen-Qwen2.5-7B-Instruct", "Qwen-Qwen3-0.6B", "microsoft-Phi-3.5-mini-instruct"]
ROWS = 120

pytestmark = [
    pytest.mark.skipif(not (SHARED / "models").exists(), reason="../shared/models is not here"),
    pytest.mark.skipif(not ATTUNE.exists(), reason=f"{ATTUNE} is not built"),
]


def plain_folder(name):
    return SHARED / "models" / ("tinystories-656k" if name == "tinystories-656k" else f"tokenizers/{name}")


def tokenizer_of(folder):
    return transformers.AutoTokenizer.from_pretrained(str(folder))


@pytest.fixture(scope="module", params=["tinystories-656k", "phi-2", "qwen3"])
def plain(request):
    """(folder, transformers tokenizer) for texts."""
    return plain_folder(request.param), tokenizer_of(plain_folder(request.param))


def without_template(folder):
    """Qwen3's vocabulary in a folder that waits for a chat template."""
    shutil.copytree(plain_folder("qwen3"), folder)
    config = json.loads((folder / "tokenizer_config.json").read_text())
    config.pop("chat_template", None)
    (folder / "tokenizer_config.json").chmod(0o644)
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module", params=CHAT_MODELS)
def chat(request, tmp_path_factory):
    """(folder, transformers tokenizer) with one of the shared chat templates on Qwen3's vocabulary."""
    folder = without_template(tmp_path_factory.mktemp("chat") / "model")
    shutil.copy(SHARED / f"models/chat_templates/{request.param}.jinja", folder / "chat_template.jinja")
    return folder, tokenizer_of(folder)


def attune(folder, path, *settings):
    """The lines of `attune tokenize`, with the sequences of every row as [(ids, mask) …]."""
    # Unlimited unless a test says otherwise: TRL does not look at the model's context.
    limits = [] if any(s.startswith("data.max_length") for s in settings) else ["data.max_length=1000000"]
    command = [ATTUNE, "tokenize", f"tokenizer={folder}", f"data={path}", *limits, *settings, "--json"]
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    for line in lines:
        line["sequences"] = [(c["ids"], c["mask"]) for c in line.get("candidates", [line])]
    return lines


def write_jsonl(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def prepare(trainer, tokenizer, rows, **settings):
    """Rows as the trainer's own _prepare_dataset makes them."""
    from trl.trainer import DPOTrainer, KTOTrainer, SFTTrainer

    cls = {"dpo": DPOTrainer, "kto": KTOTrainer, "sft": SFTTrainer}[trainer]
    me = types.SimpleNamespace(
        _tokenizer=tokenizer, chat_template=None, calculate_KL=False, desirable_weight=1.0, undesirable_weight=1.0,
        completion_only_loss=settings.pop("completion_only_loss", False))
    args = types.SimpleNamespace(**{
        "dataset_num_proc": None, "max_length": None, "truncation_mode": "keep_start", "dataset_text_field": "text",
        "assistant_only_loss": False, "shuffle_dataset": False, "desirable_weight": 1.0, "undesirable_weight": 1.0,
        **settings})
    dataset = datasets.Dataset.from_list(rows)
    if trainer == "sft":
        return cls._prepare_dataset(me, dataset, tokenizer, args, False, None, "train")
    return cls._prepare_dataset(me, dataset, tokenizer, args, "train")


def marked(prompt, completion):
    return (prompt + completion, [0] * len(prompt) + [1] * len(completion))


def hh_rows(name="harmless-base.train"):
    lines = (SHARED / f"data/hh-rlhf/{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[:ROWS]]


def split_transcript(row):
    """Our reading of a transcript: the prompt ends in the last assistant marker that both share."""
    common = os.path.commonprefix([row["chosen"], row["rejected"]])
    end = common.rfind("\n\nAssistant:") + len("\n\nAssistant:")
    return {"prompt": row["chosen"][:end], "chosen": row["chosen"][end:], "rejected": row["rejected"][end:]}


def usable(row):
    return row["chosen"] != row["rejected"] and row["chosen"] and row["rejected"]


def compare_pairs(lines, prepared):
    expected = list(prepared)
    assert len(lines) == len(expected)
    for line, want in zip(lines, expected):
        assert line["sequences"] == [marked(want["prompt_ids"], want["chosen_ids"]),
                                     marked(want["prompt_ids"], want["rejected_ids"])], line["id"]


def test_transcripts(plain, tmp_path):
    folder, tokenizer = plain
    rows = [row for row in hh_rows() if usable(split_transcript(row))]
    compare_pairs(attune(folder, write_jsonl(tmp_path / "hh.jsonl", rows)),
                  prepare("dpo", tokenizer, [split_transcript(row) for row in rows]))


def test_implicit_prompts_of_texts(plain, tmp_path):
    folder, tokenizer = plain
    rows = [row for row in hh_rows("helpful-base.train") if row["chosen"] != row["rejected"]]
    # TRL's rule cuts characters; where one text begins the other, it leaves an empty completion, which we refuse.
    rows = [r for r in rows if not r["chosen"].startswith(r["rejected"]) and not r["rejected"].startswith(r["chosen"])]
    lines = attune(folder, write_jsonl(tmp_path / "rows.jsonl", rows), "data.format=implicit_preference")
    compare_pairs(lines, prepare("dpo", tokenizer, rows))


@pytest.mark.parametrize("mode", ["keep_start", "keep_end"])
def test_truncated_pairs(plain, tmp_path, mode):
    from trl.trainer.dpo_trainer import DataCollatorForPreference

    folder, tokenizer = plain
    limit = 96
    rows = [split_transcript(row) for row in hh_rows()]
    rows = [row for row in rows if usable(row)]
    lines = attune(folder, write_jsonl(tmp_path / "hh.jsonl", rows), f"data.max_length={limit}",
                   f"data.truncation={mode}")
    prepared = list(prepare("dpo", tokenizer, rows, max_length=limit, truncation_mode=mode))
    lines = [line for line in lines if "unusable" not in line]
    assert len(lines) == len(prepared)
    collate = DataCollatorForPreference(pad_token_id=0, max_length=limit, truncation_mode=mode)
    cut = 0
    for line, want in zip(lines, prepared):
        batch = collate([want])
        for i, (ids, mask) in enumerate(line["sequences"]):
            length = int(batch["attention_mask"][i].sum())
            expected = batch["completion_mask"][i][:length].tolist()
            # A sequence that lost its whole prompt has no log-probability for its first token; TRL's shift drops it too.
            expected[0] = 0
            assert ids == batch["input_ids"][i][:length].tolist()
            assert mask == expected
            cut += length == limit
    assert cut > 20


def test_conversational_pairs(chat, tmp_path):
    folder, tokenizer = chat
    source = json.loads((SHARED / "data/helpsteer2/helpsteer2_subset.json").read_text(encoding="utf-8"))
    rows = [{"chosen": r["chosen"], "rejected": r["rejected"]} for r in source if r["chosen"] != r["rejected"]]
    compare_pairs(attune(folder, write_jsonl(tmp_path / "rows.jsonl", rows)), prepare("dpo", tokenizer, rows))


def test_llama_factory_pairs(chat, tmp_path):
    folder, tokenizer = chat
    path = SHARED / "data/llamafactory-demo/dpo_en_demo.json"
    roles = {"human": "user", "gpt": "assistant", "system": "system"}

    def messages(turns):
        return [{"role": roles[t["from"]], "content": t["value"]} for t in turns]

    source = json.loads(path.read_text(encoding="utf-8"))
    rows = [{"prompt": messages(r["conversations"]), "chosen": messages([r["chosen"]]),
             "rejected": messages([r["rejected"]])} for r in source]
    lines, prepared = attune(folder, path), list(prepare("dpo", tokenizer, rows))
    kept = [(line, want) for line, want in zip(lines, prepared) if "unusable" not in line]
    assert len(lines) == len(prepared) and len(kept) > 230
    compare_pairs([line for line, _ in kept], [want for _, want in kept])


def test_llama_factory_labels(chat):
    folder, tokenizer = chat
    path = SHARED / "data/llamafactory-demo/kto_en_demo.json"
    source = json.loads(path.read_text(encoding="utf-8"))
    rows = [{"prompt": r["messages"][:-1], "completion": r["messages"][-1:], "label": r["label"]} for r in source]
    lines, prepared = attune(folder, path), list(prepare("kto", tokenizer, rows))
    assert len(lines) == len(prepared)
    for line, want in zip(lines, prepared):
        if "unusable" not in line:
            assert line["sequences"] == [marked(want["prompt_ids"], want["completion_ids"])]


def dolly():
    lines = (SHARED / "data/dolly/databricks-dolly-15k-subset.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines[:ROWS]]


def compare_labels(lines, prepared):
    expected = list(prepared)
    assert len(lines) == len(expected)
    for line, want in zip(lines, expected):
        (ids, mask), = line["sequences"]
        labels = [int(label != -100) for label in want["labels"]]
        labels[0] = 0  # the first token of a sequence has no log-probability: TRL's shift drops its label
        assert ids == want["input_ids"]
        assert mask == labels


def test_plain_demonstrations(plain, tmp_path):
    folder, tokenizer = plain
    rows = [{"prompt": r["instruction"] + "\n", "completion": r["response"]} for r in dolly() if r["response"]]
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    compare_labels(attune(folder, path), prepare("sft", tokenizer, rows, completion_only_loss=True))
    lines = [line for line in attune(folder, path, "data.max_length=64") if "unusable" not in line]
    compare_labels(lines, prepare("sft", tokenizer, rows, completion_only_loss=True, max_length=64))


def test_texts(plain, tmp_path):
    folder, tokenizer = plain
    rows = [{"text": r["instruction"] + "\n" + r["response"]} for r in dolly()]
    compare_labels(attune(folder, write_jsonl(tmp_path / "rows.jsonl", rows)), prepare("sft", tokenizer, rows))


def test_whole_conversations(chat, tmp_path):
    folder, tokenizer = chat
    source = json.loads((SHARED / "data/llamafactory-demo/kto_en_demo.json").read_text(encoding="utf-8"))
    rows = [{"messages": r["messages"]} for r in source[:ROWS]]
    compare_labels(attune(folder, write_jsonl(tmp_path / "rows.jsonl", rows)), prepare("sft", tokenizer, rows))


def test_conversational_demonstrations(chat, tmp_path):
    folder, tokenizer = chat
    rows = [{"prompt": [{"role": "user", "content": r["instruction"]}],
             "completion": [{"role": "assistant", "content": r["response"]}]} for r in dolly() if r["response"]]
    compare_labels(attune(folder, write_jsonl(tmp_path / "rows.jsonl", rows)),
                   prepare("sft", tokenizer, rows, completion_only_loss=True))


def test_assistant_masks(tmp_path):
    """`assistant_only` against the {% generation %} masks of transformers."""
    folder = without_template(tmp_path / "model")
    (folder / "chat_template.jinja").write_text(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.role == 'assistant' %}{% generation %}{{ m.content }}"
        "<|im_end|>{% endgeneration %}{% else %}{{ m.content }}<|im_end|>{% endif %}{{ '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")
    tokenizer = tokenizer_of(folder)
    source = json.loads((SHARED / "data/llamafactory-demo/kto_en_demo.json").read_text(encoding="utf-8"))
    rows = [{"messages": r["messages"]} for r in source[:ROWS]]
    lines = attune(folder, write_jsonl(tmp_path / "rows.jsonl", rows), "data.assistant_only=true")
    compare_labels(lines, prepare("sft", tokenizer, rows, assistant_only_loss=True))


def test_check_says_that_whole_conversations_are_trained_on(chat, tmp_path):
    folder, tokenizer = chat
    config = transformers.AutoConfig.from_pretrained(str(plain_folder("tinystories-656k")))
    config.vocab_size = len(tokenizer) + 64
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(str(folder))
    rows = [{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]}] * 2
    command = [ATTUNE, "check", f"model={folder}", f"data={write_jsonl(tmp_path / 'rows.jsonl', rows)}", "method=sft", "--json"]
    for extra, warned in ([], True), (["data.assistant_only=true"], False):
        done = subprocess.run([*command, *extra], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert ("assistant_only" in json.dumps(json.loads(done.stdout.splitlines()[0])["warnings"])) == warned


def test_check_counts(tmp_path):
    """`check --json` on a file whose rows are known: reasons, counts, lengths."""
    rows = [{"prompt": "a b", "chosen": " c", "rejected": " d"}, {"prompt": "a", "chosen": "x", "rejected": "x"},
            {"prompt": "a", "chosen": "", "rejected": "x"}]
    path = write_jsonl(tmp_path / "rows.jsonl", rows)
    folder = plain_folder("tinystories-656k")
    done = subprocess.run([str(ATTUNE), "check", f"model={folder}", f"data={path}", "method=dpo", "--json"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (report,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert report["format"] == "preference"
    assert (report["rows_read"], report["rows_kept"], report["candidates"]) == (3, 1, 2)
    assert report["dropped"] == {"chosen equal to rejected": 1, "empty completion": 1}
    tokenizer = tokenizer_of(folder)
    lengths = sorted(len(tokenizer(t + tokenizer.eos_token)["input_ids"]) for t in ("a b c", "a b d"))
    assert [report["lengths"]["min"], report["lengths"]["max"]] == lengths
    assert report["tokens"] == sum(lengths)
    assert report["rows"][0]["id"] == "0"


@pytest.mark.parametrize("method, row, titles", [
    ("dpo", {"prompt": "a", "chosen": " b", "rejected": " c"}, ["row 0, chosen", "row 0, rejected"]),
    ("kto", {"prompt": "a", "completion": " b", "label": False}, ["row 0, bad"]),
    ("grpo", {"prompt": "a", "candidates": [{"completion": " b", "reward": 0.5}, {"completion": " c", "reward": 1},
                                            {"completion": " d", "reward": -2}]},
     ["row 0, completion 0, reward 0.5", "row 0, completion 1, reward 1", "row 0, completion 2, reward -2"]),
    ("sft", {"prompt": "a", "completion": " b"}, ["row 0"]),
])
def test_the_picture_says_what_is_what(tmp_path, method, row, titles):
    path = write_jsonl(tmp_path / "rows.jsonl", [row])
    done = subprocess.run([str(ATTUNE), "check", f"model={plain_folder('tinystories-656k')}", f"data={path}", f"method={method}"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [line.strip("— ") for line in done.stdout.splitlines() if line.startswith("— row")] == titles


def test_malformed_rows_stop_the_command(tmp_path):
    path = tmp_path / "bad.jsonl"
    path.write_text('{"prompt": "a", "completion": "b"}\n{"prompt": "a"}\nnot json\n{"prompt": "a", "completion": "b"}\n')
    command = [str(ATTUNE), "tokenize", f"tokenizer={plain_folder('tinystories-656k')}", f"data={path}", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and done.stdout == ""
    assert "2 of 4 rows" in done.stderr and "bad.jsonl:2" in done.stderr and "bad.jsonl:3" in done.stderr
    assert "data.on_error=skip" in done.stderr
    done = subprocess.run([*command, "data.on_error=skip"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 2
