"""Process reward models: what method=prm writes is transformers' AutoModelForTokenClassification, with the same numbers at
the same places, and `attune score` makes rewards of them."""
import json
import math
import os
import pathlib
import subprocess

import pytest

from tolerance import float32_tolerance, forward_terms

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
peft = pytest.importorskip("peft")

ROOT = pathlib.Path(__file__).resolve().parents[2]
ATTUNE = pathlib.Path(os.environ.get("ATTUNE_BIN", ROOT / "build/attune"))
MODEL = ROOT / "assets/tinystories-656k"
pytestmark = pytest.mark.skipif(not ATTUNE.exists(), reason=f"{ATTUNE} is not built")

ROWS = [{"id": f"r{i}", "prompt": f"{name} was sad.\n", "completions": [f"{name} cried.", "The sun came.", end], "labels": [True, True, right]}
        for i, (name, end, right) in enumerate([("Lily", "They smiled.", True), ("Tim", "He broke it.", False), ("Mia", "They smiled.", True),
                                                ("Ben", "He broke it.", False), ("Sue", "She smiled.", True), ("Tom", "He fell.", False)])]


def attune(*arguments):
    return subprocess.run([ATTUNE, *map(str, arguments)], capture_output=True, text=True, timeout=120)


def write(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module", params=["none", "lora"])
def trained(request, tmp_path_factory):
    """(folder, the oracle's model)"""
    place = tmp_path_factory.mktemp("prm")
    done = attune("train", f"model={MODEL}", f"data={write(place / 'steps.jsonl', ROWS)}", "method=prm", f"output={place / 'run'}",
                  f"adapter.type={request.param}", "training.max_steps=60", "training.batch_size=6", "training.learning_rate=1e-2",
                  "samples.prompts=0")
    assert done.returncode == 0, done.stderr
    folder = place / "run/model"
    classes = transformers.AutoModelForTokenClassification
    if request.param == "none":
        assert json.loads((folder / "config.json").read_text())["architectures"] == ["LlamaForTokenClassification"]
        oracle = classes.from_pretrained(folder, dtype=torch.float32)
    else:
        assert json.loads((folder / "adapter_config.json").read_text())["task_type"] == "TOKEN_CLS"
        base = classes.from_pretrained(MODEL, num_labels=1, dtype=torch.float32)
        base.model = transformers.AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).model
        oracle = peft.PeftModel.from_pretrained(base, folder).base_model.model
    return folder, oracle.eval()


@torch.no_grad()
def at_step_ends(oracle, row, special_tokens=True):
    """(logits at the last token of each step, what they may differ by)"""
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL).backend_tokenizer
    text, ends = row["prompt"], []
    for step in row["completions"]:
        text += step + "\n"
        ends.append(len(text))
    encoded = tokenizer.encode(text, add_special_tokens=special_tokens)
    places = [max(i for i, (begin, end) in enumerate(encoded.offsets) if begin < stop) for stop in ends]
    found = oracle(torch.tensor([encoded.ids]), output_hidden_states=True)
    terms = (found.hidden_states[-1][0] * oracle.score.weight[0]).norm(dim=1).max().item()
    return [found.logits[0, place, -1].item() for place in places], float32_tolerance(terms, forward_terms(oracle.config, len(encoded.ids)))


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize("aggregate", ["product", "min", "last", "mean"])
def test_rewards_are_made_of_the_probabilities_of_the_steps(trained, tmp_path, aggregate):
    folder, oracle = trained
    data = write(tmp_path / "steps.jsonl", ROWS)
    plain = write(tmp_path / "plain.jsonl", [{"id": row["id"], "prompt": row["prompt"],
                                              "completion": "".join(step + "\n" for step in row["completions"])} for row in ROWS])
    combine = {"product": math.prod, "min": min, "last": lambda p: p[-1], "mean": lambda p: sum(p) / len(p)}[aggregate]
    for file in (data, plain):
        done = attune("score", "--json", f"model={MODEL}", f"data={file}", f"reward_model={{path: {folder}, aggregate: {aggregate}}}")
        assert done.returncode == 0, done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        for line, row in zip(lines, ROWS, strict=True):
            logits, tolerance = at_step_ends(oracle, row)
            assert line["step_scores"] == pytest.approx([sigmoid(x) for x in logits], abs=tolerance)
            assert line["reward"] == pytest.approx(combine(line["step_scores"]), rel=1e-12)


def test_wrong_steps_are_found(trained):
    _, oracle = trained
    for row in ROWS:
        logits, _ = at_step_ends(oracle, row)
        assert [x > 0 for x in logits] == row["labels"]


def test_two_outputs_are_read_as_their_difference(trained, tmp_path):
    """As TRL's process reward models are saved: logits of "wrong" and "right"."""
    folder, oracle = trained
    if not (folder / "config.json").exists():
        pytest.skip("a whole model only")
    two = transformers.AutoModelForTokenClassification.from_pretrained(folder, num_labels=2, ignore_mismatched_sizes=True, dtype=torch.float32)
    with torch.no_grad():
        two.score.weight[0], two.score.weight[1] = 0.25 * oracle.score.weight[0], 1.25 * oracle.score.weight[0]
        two.score.bias[0], two.score.bias[1] = 0.5, 0.5 + oracle.score.bias[0]
    two.save_pretrained(tmp_path / "two")
    transformers.AutoTokenizer.from_pretrained(MODEL).save_pretrained(tmp_path / "two")
    done = attune("score", "--json", f"model={MODEL}", f"data={write(tmp_path / 'steps.jsonl', ROWS)}", f"reward_model={tmp_path / 'two'}")
    assert done.returncode == 0, done.stderr
    for line, row in zip(map(json.loads, done.stdout.splitlines()), ROWS, strict=True):
        logits, tolerance = at_step_ends(oracle, row)
        assert line["step_scores"] == pytest.approx([sigmoid(x) for x in logits], abs=2 * tolerance)


def test_a_run_goes_on_from_its_folder(trained, tmp_path):
    folder, _ = trained
    done = attune("train", f"model={folder}", f"data={write(tmp_path / 'steps.jsonl', ROWS)}", "method=prm", f"output={tmp_path / 'more'}",
                  "training.max_steps=1", "training.learning_rate=1e-30", "samples.prompts=0")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "more/metrics.jsonl").read_text().splitlines()[0])["accuracy"] == 1


@pytest.mark.parametrize("change,words", [
    ({"labels": [True]}, "1 \"labels\" for 3"), ({"labels": [1, 0.5, 7]}, "a step's score is no label"),
    ({"completions": None, "labels": None, "completion": "So."}, "no scored steps")])
def test_rows_without_labels_of_their_steps_are_named(tmp_path, change, words):
    row = {key: value for key, value in (ROWS[0] | change).items() if value is not None}
    done = attune("check", f"model={MODEL}", f"data={write(tmp_path / 'rows.jsonl', [row])}", "method=prm", f"output={tmp_path / 'run'}")
    assert done.returncode == 2 and words in done.stderr, done.stderr


def test_conversations_have_steps_as_well(tmp_path):
    """The steps are found in what the template wrote: their scores are those of the rendered text."""
    template = "{% for m in messages %}[{{ m.role }}] {{ m.content | trim }}\n{% endfor %}{% if add_generation_prompt %}[assistant] {% endif %}"
    base = tmp_path / "base"
    base.mkdir()
    for file in MODEL.iterdir():
        (base / file.name).write_bytes(file.read_bytes())
    (base / "chat_template.jinja").write_text(template)
    rows = [{"prompt": [{"role": "user", "content": row["prompt"]}], "candidates": [
        {"completion": [{"role": "assistant", "content": "".join(step + "\n" for step in row["completions"])}],
         "steps": [step + "\n" for step in row["completions"]], "step_scores": [float(x) for x in row["labels"]]}]} for row in ROWS]
    done = attune("train", f"model={base}", f"data={write(tmp_path / 'chat.jsonl', rows)}", "method=prm", f"output={tmp_path / 'run'}",
                  "training.max_steps=60", "training.batch_size=6", "training.learning_rate=5e-3", "samples.prompts=0")
    assert done.returncode == 0, done.stderr
    oracle = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path / "run/model", dtype=torch.float32).eval()
    for row in ROWS:
        said = dict(row, prompt=f"[user] {row['prompt'].strip()}\n[assistant] ")
        logits, _ = at_step_ends(oracle, said, special_tokens=False)  # templates write their own
        assert [x > 0 for x in logits] == row["labels"]
