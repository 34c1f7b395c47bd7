"""What `tokenize` and `check` show of rows, and what samples of conversations answer."""
import json
import re
import shutil

import pytest

from runs import ATTUNE, MODEL, run

CHATML = ("{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
          "{% if add_generation_prompt %}<|assistant|>{% endif %}")


@pytest.fixture(scope="module")
def chat(tmp_path_factory):
    folder = tmp_path_factory.mktemp("chat") / "model"
    shutil.copytree(MODEL, folder)
    (folder / "chat_template.jinja").write_text(CHATML)
    return folder


def conversation(*said):
    return {"messages": [{"role": "assistant" if i % 2 else "user", "content": text} for i, text in enumerate(said)]}


def write(path, *records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.mark.parametrize("name", ["tokenize", "check"])
def test_nothing_is_cut_away_where_training_begins_or_ends(chat, tmp_path, name):
    said = [f"start{i} " + "the cat sat on the mat and " * 11 + f"finish{i}" for i in range(4)]
    data = write(tmp_path / "rows.jsonl", conversation(*said))
    extra = ["method=sft"] if name == "check" else []
    done = run([ATTUNE, name, f"model={chat}", f"data={data}", "data.assistant_only=true", "data.max_length=100000", *extra])
    assert done.returncode == 0, done.stderr
    trained = re.findall("⟦(.*?)⟧", done.stdout, re.DOTALL)
    assert len(trained) == 2
    for text, number in zip(trained, (1, 3)):
        assert text.startswith(f"start{number} ") and " tokens … " in text and f"finish{number}" in text[-30:]
    between = re.split("⟦.*?⟧", done.stdout, flags=re.DOTALL)[1]
    assert "start2 " in between[:40] and " tokens … " in between and "finish2" in between[-40:]


def test_rows_that_are_left_out_show_their_tokens(chat, tmp_path):
    data = write(tmp_path / "rows.jsonl", {"prompt": "Once upon a time", "completion": " there was"},
                 {"prompt": "the cat " * 60, "completion": "sat"}, {"prompt": "one day", "completion": ""})
    settings = [f"model={chat}", f"data={data}", "data.max_length=40"]
    lines = [json.loads(line) for line in run([ATTUNE, "tokenize", *settings, "--json"]).stdout.splitlines()]
    assert [line.get("unusable") for line in lines] == [None, "prompt leaves no room", "empty completion"]
    assert len(lines[1]["ids"]) > 60 and set(lines[1]["mask"]) == {0} and len(lines[1]["tokens"]) == len(lines[1]["ids"])
    assert lines[2]["ids"] and "one day" in run([ATTUNE, "tokenize", *settings]).stdout
    report = json.loads(run([ATTUNE, "check", *settings, "method=sft", "--json"]).stdout)
    assert [row["unusable"] for row in report["left_out_rows"]] == ["prompt leaves no room", "empty completion"]
    assert report["left_out_rows"][0]["ids"] == lines[1]["ids"]
    assert "left out: empty completion" in run([ATTUNE, "check", *settings, "method=sft"]).stdout


@pytest.mark.parametrize("only", ["true", "false"])
def test_samples_of_conversations_answer_the_last_question(chat, tmp_path, only):
    data = write(tmp_path / "rows.jsonl", *[conversation("What did the cat see?", f"A mouse {i}.", "What then?", "It ran.")
                                            for i in range(4)])
    done = run([ATTUNE, "train", f"model={chat}", f"data={data}", "method=sft", f"output={tmp_path / 'run'}", "threads=1",
                "training.max_steps=1", "training.batch_size=2", "samples.prompts=2", "samples.max_new_tokens=4",
                f"data.assistant_only={only}"])
    assert done.returncode == 0, done.stderr
    samples = [json.loads(line) for line in (tmp_path / "run/samples.jsonl").open()]
    wanted = [run([ATTUNE, "tokenize", f"model={chat}", "--json",
                   "text=<|user|>What did the cat see?<|end|><|assistant|>A mouse %d.<|end|><|user|>What then?<|end|><|assistant|>" % i])
              for i in range(2)]
    wanted = [json.loads(done.stdout)["ids"][1:] for done in wanted]  # templates bring their own start token
    assert [sample["prompt_ids"] for sample in samples[:2]] == wanted


def test_ids_that_the_vocabulary_does_not_have_are_shown_as_numbers(chat, tmp_path):
    data = tmp_path / "ids.jsonl"
    data.write_text('{"prompt_ids": [1, 2, 5000], "completion_ids": [3]}\n')
    done = run([ATTUNE, "tokenize", f"tokenizer={MODEL}", f"data={data}", "--json"])
    assert json.loads(done.stdout)["tokens"][2] == "<5000>", done.stderr
    done = run([ATTUNE, "tokenize", f"model={MODEL}", f"data={data}"])
    assert "vocabulary" in done.stdout and "<5000>" in done.stdout, done.stderr
