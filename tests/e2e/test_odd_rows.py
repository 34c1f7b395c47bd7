"""Rows that are written in odd ways: understood where there is one reading, named where there is not."""
import csv
import json
import shutil
import subprocess

import pytest

from runs import ATTUNE, MODEL

tokenizers = pytest.importorskip("tokenizers")

CHATML_START = "<|im_start|>assistant\n"
CHATML = ("{% for m in messages %}<|im_start|>{{ m.role }}\n{% if m.content is string %}{{ m.content }}{% else %}"
          "{% for p in m.content %}{{ p.text if p.type == 'text' else '<image>' }}{% endfor %}{% endif %}<|im_end|>\n"
          "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")


@pytest.fixture(scope="module")
def chat(tmp_path_factory):
    folder = shutil.copytree(MODEL, tmp_path_factory.mktemp("chat") / "model")
    (folder / "chat_template.jinja").write_text(CHATML)
    return folder


def tokenized(text):
    tokenizer = tokenizers.Tokenizer.from_file(str(MODEL / "tokenizer.json"))
    return tokenizer.encode(text, add_special_tokens=False).ids


def check(data, *settings, model=MODEL, code=0):
    done = subprocess.run([ATTUNE, "check", f"tokenizer={model}", f"data={data}", "rows=8", "--json", *settings],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout) if code == 0 else done.stderr


def table(path, rows):
    with open(path, "w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def ids(found):
    return [[(one["ids"], one["mask"]) for one in row.get("candidates", [row])] for row in found["rows"]]


TALK = [{"role": "user", "content": "It's \"odd\"\nis it?"}, {"role": "assistant", "content": "Né\u00a0yes."}]


@pytest.mark.parametrize("written", [str, repr, lambda value: str(tuple(value)),
                                     lambda value: "[" + "\n ".join(map(str, value)) + "]",
                                     lambda value: "array([" + ",\n ".join(map(str, value)) + "], dtype=object)"])
@pytest.mark.parametrize("column", ["messages", "chosen"])
def test_lists_as_python_prints_them(chat, tmp_path, written, column):
    rows = [{"messages": TALK}] * 2 if column == "messages" else [
        {"chosen": TALK, "rejected": [TALK[0], {"role": "assistant", "content": "Certainly not."}]}] * 2
    expected = check(lines(tmp_path / "rows.jsonl", rows), model=chat)
    printed = [{name: written(value) for name, value in row.items()} for row in rows]
    found = check(table(tmp_path / "rows.csv", printed), model=chat)
    assert found["format"] == expected["format"] and ids(found) == ids(expected)
    assert ids(check(lines(tmp_path / "texts.jsonl", printed), model=chat)) == ids(expected)


def test_lists_of_texts_as_python_prints_them(tmp_path):
    rows = [{"prompt": "One", "completions": [" a", " it's b"], "labels": [True, False]}] * 2
    expected = check(lines(tmp_path / "rows.jsonl", rows))
    found = check(table(tmp_path / "rows.csv", [{name: str(value) for name, value in row.items()} for row in rows]))
    assert found["format"] == expected["format"] and ids(found) == ids(expected)


@pytest.mark.parametrize("text", ["['a' 'b']", "[not, a, list]", "[1, 2", "[it's]", "[see above]"])
def test_texts_in_brackets_are_texts(tmp_path, text):
    data = table(tmp_path / "rows.csv", [{"prompt": text, "completion": " yes"}] * 2)
    assert check(data, "data.append_eos=false")["rows"][0]["text"] == text + " yes"


def test_a_mapped_column_may_begin_late(tmp_path):
    rows = [{"question": f"a {i}", "answer": "b"} for i in range(100)]
    rows[90]["why"] = "c"
    data = lines(tmp_path / "rows.jsonl", rows)
    settings = ["data.columns={prompt: question, completion: answer, reference_answer: why}"]
    assert check(data, *settings)["rows_kept"] == 100
    said = check(data, "data.columns={prompt: question, completion: answer, reference_answer: wy}", code=2)
    assert "there is no column 'wy'; did you mean 'why'?" in said


def test_parts_that_are_no_text_are_named(chat, tmp_path):
    parts = [{"type": "image", "url": "a.png"}, {"type": "text", "text": "What is it?"}]
    rows = [{"messages": [{"role": "user", "content": parts}, {"role": "assistant", "content": "A cat."}]},
            {"messages": TALK}]
    found = check(lines(tmp_path / "rows.jsonl", rows), model=chat)
    (said,) = [text for text in found["warnings"] if "image" in text]
    assert "rows.jsonl:1" in said and "nothing but what the chat template writes" in said
    data = lines(tmp_path / "prompts.jsonl", [{"prompt": [{"role": "user", "content": parts}]}])
    done = subprocess.run([ATTUNE, "generate", f"model={chat}", f"data={data}", "max_new_tokens=2"], capture_output=True,
                          text=True, timeout=60)
    assert done.returncode == 0 and 'part of the type "image"' in done.stderr


def test_a_conversation_that_the_assistant_begins(chat, tmp_path):
    """Its first row has the template's words before the answer as its prompt, as a row with a question before it has."""
    row = {"messages": [{"role": "assistant", "content": "Hello you."}, *TALK]}
    found = check(lines(tmp_path / "rows.jsonl", [row]), "data.turns=split", "method=sft", model=chat)
    assert found["rows_kept"] == 2
    said = found["rows"][0]
    whole = tokenized(CHATML_START + "Hello you.<|im_end|>\n")
    assert said["ids"] == whole
    opening = len(tokenized(CHATML_START))
    assert said["mask"] == [0] * opening + [1] * (len(whole) - opening)


WHOLE = {"text": "Hello there, you."}
PAIR = {"prompt": "Once", "chosen": " a", "rejected": " b"}
SAID = {"prompt": "Once", "completion": " upon"}


@pytest.mark.parametrize("rows, odd", [
    ([SAID, SAID, WHOLE, PAIR], [(3, "language_modelling", "prompt_completion"), (4, "preference", "prompt_completion")]),
    ([WHOLE, SAID, SAID], [(1, "language_modelling", "prompt_completion")]),
    ([PAIR, PAIR, SAID], [(3, "prompt_completion", "preference")]),
])
def test_rows_of_several_shapes_in_a_file(tmp_path, rows, odd):
    data = lines(tmp_path / "rows.jsonl", rows)
    said = check(data, code=2)
    assert f"{len(odd)} of {len(rows)} row" in said
    for number, shape, file in odd:
        assert f"rows.jsonl:{number}: column missing" in said and f"a row of {shape}, and most rows are of {file}" in said, said
    assert check(data, "data.on_error=skip")["rows_kept"] == len(rows) - len(odd)


def test_a_row_that_says_more_than_the_others(tmp_path):
    """A label that the file's format has no use for is not passed over in silence."""
    rows = [SAID, SAID, {**SAID, "completion": " no", "label": False}]
    found = check(lines(tmp_path / "rows.jsonl", rows), "method=sft")
    (said,) = [text for text in found["warnings"] if "columns of" in text]
    assert "unpaired_preference is read as prompt_completion" in said and "rows.jsonl:3" in said
