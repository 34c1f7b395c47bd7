"""Chat templates and the Jinja interpreter against jinja2 as transformers sets it up: equal bytes, errors on the same
inputs, the same spans of `{% generation %}`.

Runs attune_render_tool from the folder in ATTUNE_HELPERS (default build/tests/helpers). ATTUNE_JINJA_SEED and
ATTUNE_JINJA_PROGRAMS choose other random programs.
"""
import collections
import copy
import json
import os
import pathlib
import random
import re
import subprocess
import warnings

import pytest

import jinja_programs

os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
chat_template_utils = pytest.importorskip("transformers.utils.chat_template_utils")

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODELS = ROOT.parent / "shared" / "models"
TOOL = pathlib.Path(os.environ.get("ATTUNE_HELPERS", ROOT / "build/tests/helpers")) / "attune_render_tool"
SEED = int(os.environ.get("ATTUNE_JINJA_SEED", "20"))
PROGRAMS = int(os.environ.get("ATTUNE_JINJA_PROGRAMS", "2000"))

pytestmark = pytest.mark.skipif(not TOOL.exists(), reason=f"{TOOL} is not built (target attune_render_tool)")

USER = {"role": "user", "content": "What is 2+2? <b>&\"ü\" 日本\n"}
ASSISTANT = {"role": "assistant", "content": "<think>\nTwo and two.\n</think>\n\nIt is 4."}
PLAIN = {"role": "assistant", "content": "Four."}
SYSTEM = {"role": "system", "content": "You are terse. /no_think"}
TOOL_DESCRIPTION = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Wetter für 'Ort' & <Tag>",
        "parameters": {"type": "object", "properties": {"place": {"type": "string", "enum": ["a", "b"]}, "days": {"type": "integer", "maximum": 7.5}},
                       "required": ["place"]},
        "return": {"type": "string"},
    },
}
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "abc123456", "type": "function", "function": {"name": "get_weather", "arguments": {"place": "Köln", "days": 2, "raw": None}}}]}
CALLS = {"role": "assistant", "content": "Let me see.", "tool_calls": CALL["tool_calls"] + [
    {"id": "def123456", "type": "function", "function": {"name": "get_weather", "arguments": {"place": "b"}}}]}
RESULT = {"role": "tool", "name": "get_weather", "tool_call_id": "abc123456", "content": "sunny"}
PARTS = {"role": "user", "content": [{"type": "text", "text": "part one"}, {"type": "text", "text": "two"}]}

CONVERSATIONS = {
    "plain": [USER],
    "answered": [USER, PLAIN],
    "thinking": [USER, ASSISTANT],
    "system": [SYSTEM, USER],
    "system answered": [SYSTEM, USER, ASSISTANT],
    "multi-turn": [USER, PLAIN, {"role": "user", "content": "And 3+3?"}],
    "long": [SYSTEM, USER, ASSISTANT, USER, PLAIN, USER, ASSISTANT],
    "reasoning field": [USER, {"role": "assistant", "content": "4", "reasoning_content": "hm\n"}, USER],
    "old reasoning field": [USER, {"role": "assistant", "content": "4", "reasoning": "hm\n"}],
    "tool call": [USER, CALL],
    "tool calls": [SYSTEM, USER, CALLS, RESULT, {"role": "tool", "content": "rain", "tool_call_id": "def123456"}, PLAIN, USER],
    "tool result": [USER, CALL, RESULT],
    "parts": [PARTS],
    "parts answered": [SYSTEM, PARTS, PLAIN],
    "empty": [],
    "no role": [{"content": "x"}],
    "no content": [{"role": "user"}],
    "wrong content": [{"role": "user", "content": 5}, {"role": "assistant", "content": None}],
    "odd order": [USER, USER, PLAIN, PLAIN],
    "unknown role": [{"role": "narrator", "content": "Once"}, USER],
}
SETTINGS = [
    {}, {"tools": [TOOL_DESCRIPTION]}, {"extra": {"enable_thinking": False}}, {"extra": {"enable_thinking": True, "bos_token": "!"}},
    {"tools": [TOOL_DESCRIPTION, TOOL_DESCRIPTION], "extra": {"enable_thinking": False}}, {"tools": []},
]
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


def sources():
    if not MODELS.exists():
        return {}
    found = {path.stem: path.read_text(encoding="utf-8") for path in sorted((MODELS / "chat_templates").glob("*.jinja"))}
    for path in sorted((MODELS / "tokenizers").glob("*/tokenizer_config.json")):
        template = json.loads(path.read_text(encoding="utf-8")).get("chat_template")
        if template:
            found["tokenizers/" + path.parent.name] = template
    return found


def run(requests):
    """Answers of the tool, one for each request."""
    text = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run([TOOL], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.split("\n")[:-1]]
    assert len(answers) == len(requests)
    return answers


def reference(request):
    """What transformers renders, or the exception."""
    settings = {key: copy.deepcopy(request[key]) for key in ("tools", "documents") if key in request}
    flags = {key: request.get(key, False) for key in ("add_generation_prompt", "continue_final_message")}
    if flags["add_generation_prompt"] and flags["continue_final_message"]:
        return ValueError("apply_chat_template refuses both")
    try:
        rendered, _ = chat_template_utils.render_jinja_template(
            [copy.deepcopy(request["messages"])], chat_template=request["template"], **flags, **settings,
            **{**request.get("special_tokens", {}), **request.get("extra", {})})
        return rendered[0]
    except Exception as error:  # whatever it is, it must be an error on our side too
        return error


def assert_same(request, wanted, answer):
    if isinstance(wanted, Exception):
        assert "error" in answer, f"transformers raises {wanted!r}, we render {answer!r} for {request}"
    else:
        assert answer.get("text") == wanted, f"{answer} instead of {wanted!r} for {request}"


@pytest.mark.skipif(not MODELS.exists(), reason="../shared/models is not here")
@pytest.mark.parametrize("name", sources())
def test_shared_templates(name):
    requests = [{"template": sources()[name], "messages": messages, "special_tokens": TOKENS, "add_generation_prompt": prompt, **settings}
                for messages in CONVERSATIONS.values() for settings in SETTINGS for prompt in (False, True)]
    rendered = 0
    for request, answer in zip(requests, run(requests)):
        wanted = reference(request)
        assert_same(request, wanted, answer)
        rendered += isinstance(wanted, str)
    assert rendered > len(requests) // 3


@pytest.mark.skipif(not MODELS.exists(), reason="../shared/models is not here")
@pytest.mark.parametrize("name", sources())
def test_continue_final_message(name):
    conversations = [messages for messages in CONVERSATIONS.values()]
    conversations += [[USER, {"role": "assistant", "content": text}] for text in ("Sure, ", "  two  ", "", "x\n\n", "a<think>b</think> c ")]
    requests = [{"template": sources()[name], "messages": messages, "special_tokens": TOKENS, "continue_final_message": True,
                 "add_generation_prompt": both} for messages in conversations for both in (False, True)]
    for request, answer in zip(requests, run(requests)):
        assert_same(request, reference(request), answer)


GENERATION = """{{- bos_token }}{%- for m in messages %}
  {%- if m.role == 'assistant' %}<a>{% generation %}{{ m.content }}<end>{% endgeneration %}{{ '\n' }}
  {%- else %}<{{ m.role }}>{{ m.content }}{{ '\n' }}{% endif %}
{%- endfor %}{% if add_generation_prompt %}<a>{% endif %}"""


def test_generation_spans():
    conversations = [CONVERSATIONS[key] for key in ("plain", "answered", "thinking", "long", "multi-turn", "odd order", "empty")]
    answers = run([{"template": GENERATION, "messages": messages, "special_tokens": TOKENS, "masks": True} for messages in conversations])
    for messages, answer in zip(conversations, answers):
        rendered, indices = chat_template_utils.render_jinja_template(
            [copy.deepcopy(messages)], chat_template=GENERATION, return_assistant_tokens_mask=True, **TOKENS)
        assert answer["text"] == rendered[0] and answer["problem"] is None
        text = answer["text"].encode()
        assert [text[a:b].decode() for a, b in answer["spans"]] == [rendered[0][a:b] for a, b in indices[0]]
        assert [text[a:b].decode() for a, b in answer["spans"]] == [m["content"] + "<end>" for m in messages if m["role"] == "assistant"]


def outcome(template):
    """What jinja2 renders, or the exception. Rendered with the context as JSON brings it, new for every program."""
    try:
        compiled = chat_template_utils._cached_compile_jinja_template(template)
        return compiled.render(**json.loads(json.dumps(jinja_programs.CONTEXT)))
    except Exception as error:
        return error


def test_random_programs():
    warnings.simplefilter("ignore")
    programs = [jinja_programs.program(random.Random(SEED * 1_000_003 + i)) for i in range(PROGRAMS)]
    answers = run([{"template": program, "context": jinja_programs.CONTEXT} for program in programs])
    count = collections.Counter()
    differences = []
    for program, answer in zip(programs, answers):
        wanted = outcome(program)
        if isinstance(wanted, str) and re.search(" at 0x", wanted, re.IGNORECASE):
            count["address"] += 1  # the text of a function holds where it lies in memory
        elif isinstance(wanted, str):
            count["text"] += 1
            if answer.get("text") != wanted:
                differences.append((program, wanted, answer))
        else:
            count["error"] += 1
            if "error" not in answer:
                differences.append((program, wanted, answer))
    assert not differences, f"{len(differences)} of {PROGRAMS} differ, the first: {differences[0]}"
    assert count["text"] > PROGRAMS * 0.4 and count["error"] > PROGRAMS * 0.05 and count["address"] < PROGRAMS * 0.02, count


RUNAWAY = {
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "macro": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "text": "{% set ns = namespace(x='aaaaaaaa') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    "deep list": "{% set ns = namespace(x=[1]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
    "shared list": "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|tojson|length }}",
    "long text": "{{ 'x' * 10000000000 }}", "long list": "{{ [1] * 9999999999 }}", "wide number": "{{ '%9999999999d' % 1 }}",
    "wide text": "{{ 'a'.center(99999999999) }}", "parentheses": "{{ " + "(" * 100000 + "1" + ")" * 100000 + " }}",
    "sum": "{{ " + "1+" * 100000 + "1 }}", "not": "{{ " + "not " * 100000 + "1 }}", "if": "{% if 1 %}" * 100000,
    "items": "{{ x" + "[0]" * 100000 + " }}", "filters": "{{ x" + "|upper" * 100000 + " }}", "brackets": "{{ " + "[" * 100000,
}


@pytest.mark.parametrize("name", RUNAWAY)
def test_runaway_templates_stop(name):
    request = {"template": RUNAWAY[name], "context": {"x": []}}
    done = subprocess.run([TOOL], input=json.dumps(request) + "\n", capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0
    assert "error" in json.loads(done.stdout)
