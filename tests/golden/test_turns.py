"""Conversations turn by turn (`data.turns`), with each of the shared chat templates: every row holds the ids that
transformers' template gives for the messages up to that turn, trained where the answer to the opened prompt begins.
"""
import json

import pytest

from test_data import ATTUNE, SHARED, attune, tokenizer_of, without_template, write_jsonl

pytestmark = [
    pytest.mark.skipif(not (SHARED / "models").exists(), reason="../shared/models is not here"),
    pytest.mark.skipif(not ATTUNE.exists(), reason=f"{ATTUNE} is not built"),
]

TEMPLATES = sorted(path.stem for path in (SHARED / "models/chat_templates").glob("*.jinja"))
# Which of them write a turn differently once others follow, or open an answer in another way than they show it.
REWRITING = {"Qwen-Qwen3-0.6B", "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B"}


def user(text):
    return {"role": "user", "content": text}


def answer(text, **more):
    return {"role": "assistant", "content": text, **more}


def conversations():
    source = json.loads((SHARED / "data/llamafactory-demo/kto_en_demo.json").read_text(encoding="utf-8"))
    found = [[{"role": m["role"], "content": m["content"]} for m in row["messages"]] for row in source[:40]]
    found = [messages for messages in found if len(messages) > 2][:6] + found[:2]
    return found + [
        [user("What is 2+2?"), answer("<think>\nTwo and two.\n</think>\n\nIt is 4."), user("And 3+3?"),
         answer("<think>\nThree and three: 6.\n</think>\n\nIt is 6."), user("Thanks"), answer("You are welcome. é e\u0301")],
        [user("Why?"), answer("Because.", reasoning_content="They ask why."), user("Why that?"),
         answer("So.", reasoning_content="Again.")],
        [user("One question"), answer("<think>\nhm\n</think>\n\nOne answer")],
        [user("left open"), answer("yes"), user("no answer follows")],
    ]


@pytest.fixture(scope="module", params=TEMPLATES)
def model(request, tmp_path_factory):
    folder = without_template(tmp_path_factory.mktemp("turns") / "model")
    template = (SHARED / f"models/chat_templates/{request.param}.jinja").read_text(encoding="utf-8")
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return request.param, folder, tokenizer_of(folder)


def ids_of(tokenizer, messages, opened=False):
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=opened)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def expected_rows(tokenizer, messages, generation_blocks):
    for at, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        whole, opened = ids_of(tokenizer, messages[:at + 1]), ids_of(tokenizer, messages[:at], True)
        begin = next((i for i, (a, b) in enumerate(zip(whole, opened)) if a != b), min(len(whole), len(opened)))
        mask = [0] * begin + [1] * (len(whole) - begin)
        if generation_blocks:
            inside = tokenizer.apply_chat_template(messages[:at + 1], tokenize=True, return_dict=True,
                                                   return_assistant_tokens_mask=True)["assistant_masks"]
            mask = [a * b for a, b in zip(mask, inside)]
        yield whole, mask


def taken(tokenizer, messages):
    """Whether the template takes every prefix that ends in an assistant's turn."""
    try:
        list(expected_rows(tokenizer, messages, False))
        return True
    except Exception:  # noqa: BLE001 – jinja2's
        return False


@pytest.mark.parametrize("assistant_only", ["false", "true"])
def test_every_turn_is_a_row_as_transformers_writes_it_then(model, tmp_path, assistant_only):
    name, folder, tokenizer = model
    blocks = "generation %}" in (folder / "chat_template.jinja").read_text() and assistant_only == "true"
    rows = [messages for messages in conversations() if taken(tokenizer, messages)]
    path = write_jsonl(tmp_path / "rows.jsonl", [{"messages": messages} for messages in rows])
    lines = attune(folder, path, "data.turns=split", f"data.assistant_only={assistant_only}")
    for number, messages in enumerate(rows):
        expected = list(expected_rows(tokenizer, messages, blocks))
        found, lines = lines[:len(expected)], lines[len(expected):]
        assert [line["sequences"] for line in found] == [[row] for row in expected], (name, number)
        assert [line["id"] for line in found] == [f"{number}/turn-{turn + 1}" for turn in range(len(expected))]
    assert rows and not lines


def test_conversations_split_by_themselves_where_the_template_rewrites_history(model, tmp_path):
    name, folder, tokenizer = model
    messages = [user("What is 2+2?"), answer("<think>\nTwo and two.\n</think>\n\nIt is 4."), user("And 3+3?"), answer("6.")]
    path = write_jsonl(tmp_path / "rows.jsonl", [{"messages": messages}])
    lines = attune(folder, path, "data.assistant_only=true")
    assert all("unusable" not in line for line in lines)
    assert len(lines) == (2 if name in REWRITING else 1), name
    if name in REWRITING:
        assert [line["sequences"] for line in lines] == [[row] for row in expected_rows(tokenizer, messages, False)]
        whole = attune(folder, path, "data.assistant_only=true", "data.turns=whole")
        assert [line["unusable"] for line in whole] == ["the chat template writes earlier turns differently once others follow"]
    assert len(attune(folder, path)) == 1  # trained on from end to end, there is nothing to tell apart


PAIR = {"prompt": [{"role": "system", "content": "Be nice to me."}, user("Tell me of winter")],
        "chosen": [answer("It is cold, and long.")], "rejected": [answer("Snow falls.")]}


def test_only_the_answer_is_trained_on_wherever_the_template_puts_the_system_text(model, tmp_path):
    """The row is what transformers renders, and what is trained on begins with the answer, or with what opens it."""
    name, folder, tokenizer = model
    try:
        wholes = [ids_of(tokenizer, PAIR["prompt"] + PAIR[side]) for side in ("chosen", "rejected")]
    except Exception:  # noqa: BLE001 – jinja2's
        pytest.skip("the template refuses system texts")
    talk = [*PAIR["prompt"], *PAIR["chosen"], user("And of summer"), answer("Hot.")]
    (pair,) = attune(folder, write_jsonl(tmp_path / "pair.jsonl", [PAIR]))
    turns = attune(folder, write_jsonl(tmp_path / "talk.jsonl", [{"messages": talk}]), "data.assistant_only=true")
    assert [ids for ids, _ in pair["sequences"]] == wholes, name
    trained = [tokenizer.decode([token for token, on in zip(ids, mask) if on])
               for line in [pair, *turns] for ids, mask in line["sequences"]]
    assert all("cold" in text or "Snow" in text or "Hot" in text for text in trained), trained
    for text in trained:
        assert not any(words in text for words in ("Be nice", "Tell me", "And of")), (name, trained)
    assert "cold" in "".join(trained[2:]) and "Hot" in "".join(trained[2:])
