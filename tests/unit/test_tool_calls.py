"""Tool calls: one text for an answer, scored call by call, written and read in each family's own form."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from test_thinking import PUBLISHED, tokenizer_of
from test_training_form import Letters

from ftkit.core.errors import BadInput
from ftkit.core.records.prompting import Prompt
from ftkit.core.records.strategy import answers_of
from ftkit.core.records.task import TaskCard
from ftkit.data.read import open_source
from ftkit.models import tokens
from ftkit.models.endpoint.classify import reply_of
from ftkit.models.tool_forms import with_tools
from ftkit.scoring.score import score
from ftkit.scoring.tool_calls import Call, ToolAnswer, mistake, read_answer, read_tools
from ftkit.strategies.prompt_rendering import render
from ftkit.training.encode import answer_ids

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "tells the weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 1}},
            "required": ["city"],
        },
    },
}
TOOLS = read_tools([WEATHER], "test")
ROME, PARIS = Call("weather", {"city": "Rome", "days": 2}), Call("weather", {"city": "Paris"})
FAMILIES = [p for p in PUBLISHED if "tools" in p.read_text(encoding="utf-8")]


def answer(*calls, content=""):
    return ToolAnswer(calls, content)


def weather(**arguments):
    return Call("weather", arguments)


@pytest.mark.parametrize(
    ("said", "wanted", "name"),
    [
        (answer(PARIS, ROME), answer(ROME, PARIS), "right"),
        (answer(weather(city="Paris", days=1)), answer(PARIS), "right"),
        (answer(content="Hello!"), answer(content="Good day"), "right"),
        (answer(weather(city="Rome", days="2")), answer(ROME), "wrong arguments"),
        (answer(weather(city="Rome", days=2.5)), answer(ROME), "wrong arguments"),
        (answer(ROME), answer(ROME, PARIS), "missing call"),
        (answer(ROME), answer(content="Hello"), "needless call"),
        (answer(Call("news")), answer(ROME), "wrong function"),
        (None, answer(ROME), "unreadable"),
    ],
)
def test_calls_are_right_by_function_and_by_type_and_value_of_arguments(said, wanted, name):
    assert mistake(TOOLS, said, wanted) == name


def test_answers_are_scored_with_partly_right_calls_and_undeclared_ones_apart():
    card = TaskCard(name="t", instruction="help", kind="tool_call", tools=TOOLS)
    truth = answer(ROME, PARIS).text()
    items = pd.DataFrame({"id": list("abcd"), "input": ["?"] * 4, "output": [truth] * 4})
    items["group"], items["cluster"] = items["id"], items["id"]
    texts = [
        answer(PARIS, ROME).text(),
        answer(ROME).text(),
        answer(ROME, Call("news", {})).text(),
        '{"name": "weather"',
    ]
    scores = score(card, items, answers_of("s", items["id"], texts))
    assert scores["correct"].tolist() == [True, False, False, False]
    assert scores["partial"].tolist() == [1, 0.5, 0.5, 0]
    assert scores["format"].tolist() == ["strict", "strict", "failed", "failed"]
    assert scores["unsupported"].fillna(False).tolist() == [False, False, True, False]


@pytest.mark.parametrize("path", FAMILIES, ids=lambda p: p.stem)
def test_calls_are_learnt_as_the_template_writes_them_and_read_back_the_same(path):
    tok = tokenizer_of(path.read_text(encoding="utf-8"))
    form = tokens.tool_form(tok)
    one = answer(ROME, PARIS) if form.several or not form.native else answer(ROME)
    written = form.write(one)
    asked = with_tools([{"role": "user", "content": "hi"}], TOOLS)
    assert "weather" in tokens.template(tok, asked, add_generation_prompt=True)
    assert written in tokens.template(tok, [*asked, {"role": "assistant", "content": one.text()}])
    assert read_answer(form.read(written, TOOLS)) == one
    assert read_answer(form.read("Nice to meet you.", TOOLS)) == answer(content="Nice to meet you.")


def test_the_families_of_today_write_calls_in_their_own_form():
    native = {p.stem for p in FAMILIES if tokens.tool_form(tokenizer_of(p.read_text())).native}
    assert {"qwen3", "qwen3_5_think", "qwen2_5", "glm4moe", "llama3_1", "nemotron_3_nano"} <= native


def chat(i, **turn):
    call = {"id": "1", "type": "function"}
    function = {"name": "weather", "arguments": json.dumps({"city": f"Town {i}"})}
    return {
        "tools": [WEATHER],
        "messages": [
            {"role": "system", "content": "Help."},
            {"role": "user", "content": f"Weather in Town {i}?"},
            {"role": "assistant", "content": None, "tool_calls": [call | {"function": function}]},
            {"role": "tool", "tool_call_id": "1", "name": "weather", "content": "sun"},
            {"role": "assistant", "content": f"Sun in Town {i}."} | turn,
        ],
    }


def opened(path, rows):
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return open_source(path)


def test_each_answer_of_a_recorded_conversation_is_a_row_with_the_turns_before_it(tmp_path):
    raw = opened(tmp_path / "c.jsonl", [chat(i) for i in range(12)])
    assert raw.instruction == "Help." and [t["name"] for t in raw.tools] == ["weather"]
    first, second = (row for number, row in raw.rows if number == 1)
    assert first["input"] == "Weather in Town 0?"
    assert first["output"] == answer(weather(city="Town 0")).text()
    assert second["output"] == answer(content="Sun in Town 0.").text()
    turns = render(Prompt(name="p", system="Help.", tools=TOOLS), second["input"])
    assert [t["role"] for t in turns] == ["system", "user", "assistant", "tool"]
    qwen = next(p for p in FAMILIES if p.stem == "qwen3")
    tok = tokenizer_of(qwen.read_text(encoding="utf-8"))
    prompt = tokens.template(tok, turns, add_generation_prompt=True)
    assert '<tool_call>\n{"name": "weather", "arguments": {"city": "Town 0"}}' in prompt
    assert "<tool_response>\nsun\n</tool_response>" in prompt
    letters = Letters(qwen)
    learnt = letters.text(answer_ids(letters, turns[:2], first["output"]))
    call = '{"name": "weather", "arguments": {"city": "Town 0"}}'
    assert learnt == f"<tool_call>\n{call}\n</tool_call><|im_end|>"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"content": [{"type": "image_url", "image_url": {}}]}, "turn 5: .*image_url"),
        ({"tool_calls": [{"function": {"name": "news", "arguments": "{}"}}]}, "not declared"),
        ({"tool_calls": [{"function": {"name": "weather", "arguments": "{,"}}]}, "no JSON object"),
    ],
)
def test_turns_that_cannot_be_learnt_are_put_aside_by_name_and_row(tmp_path, change, reason):
    raw = opened(tmp_path / "c.jsonl", [*(chat(i) for i in range(12)), chat(12, **change)])
    [(number, found)] = raw.faults
    assert number == 13 and pytest.approx(len(raw.rows)) == 24
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(found)


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        ({"name": "a b"}, "templates escape"),
        ({"name": "a", "parameters": {"properties": {"x": {"$ref": "#"}}}}, "refers to itself"),
        ({"name": "a", "parameters": {"properties": {"x": {"$ref": "x.json"}}}}, "outside"),
        ({"name": "a", "parameters": {"properties": {"x": {"type": "text"}}}}, "no valid schema"),
    ],
)
def test_tools_that_no_model_can_be_shown_are_refused(tool, reason):
    with pytest.raises(BadInput, match=reason):
        read_tools([tool], "tools")


def test_an_endpoint_s_calls_are_the_same_text_where_functions_were_declared():
    function = {"name": "weather", "arguments": '{"city": "Paris"}'}
    message = {"content": None, "tool_calls": [{"type": "function", "function": function}]}
    body = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    asked = with_tools([{"role": "user", "content": "hi"}], TOOLS)
    reply = reply_of(body, "", asked, 0.1)
    assert (reply.outcome, reply.text) == ("answered", answer(PARIS).text())
    assert reply_of(body, "", [{"role": "user", "content": "hi"}], 0.1).outcome == "malformed"
