"""Constrained decoding: an answer keeps to its response format whatever the weights want, and a free one is not touched."""

import json

import jsonschema
import pandas as pd
import pytest

from ftkit.core.errors import BadInput
from ftkit.core.records.base import Estimate
from ftkit.core.records.prompting import PromptBook, PromptTrial, ResponseFormat
from ftkit.core.records.retrieval import RetrievalCard
from ftkit.core.records.task import Check, TaskCard
from ftkit.core.statistics import paired_difference
from ftkit.models.constrain import KEPT, body_options, grammar_of
from ftkit.models.local import LocalModel
from ftkit.strategies import grid
from ftkit.strategies.prompt_candidates import with_hash
from ftkit.strategies.structured_output import (
    constrained,
    format_rows,
    free_name,
    gain,
    response_format,
)

FAMILIES = ["llama", "mistral", "qwen3", "phi3"]
SCHEMA = {
    "type": "object",
    "required": ["kind", "urgent", "count"],
    "additionalProperties": False,
    "properties": {
        "kind": {"enum": ["Rückgabe", 'a "b"', "delivery"]},
        "urgent": {"type": "boolean"},
        "count": {"enum": [1, 25, None]},
    },
}
RECORD = ResponseFormat(kind="json_schema", value=SCHEMA)
LABEL = ResponseFormat(kind="choice", value=["card arrival", "card", 'lost "card"', "größe?"])
NUMBER = ResponseFormat(kind="regex", value=r"[A-Z]{2}-[0-9]{3}")


@pytest.fixture(autouse=True)
def one_thread():
    import torch

    torch.set_num_threads(1)


def ask(n):
    return [
        [{"role": "user", "content": f"question {i} {'and more ' * (i % 4)}"}] for i in range(n)
    ]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_answer_of_random_weights_keeps_to_its_format_and_free_ones_stay_as_they_were(
    tiny_checkpoint, family
):
    model = LocalModel(str(tiny_checkpoint(family)), max_new_tokens=60, batch_size=4, threads=1)
    free = [r.text for r in model.answer(ask(8))]
    formats = [RECORD, LABEL, NUMBER, None] * 2
    texts = [r.text for r in model.answer(ask(8), formats=formats)]
    for text, wanted, before in zip(texts, formats, free, strict=True):
        if wanted is RECORD:
            jsonschema.validate(json.loads(text), SCHEMA)
            assert text == json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":"))
        elif wanted is LABEL:
            assert text in LABEL.value
        elif wanted is NUMBER:
            assert len(text) == 6 and text[:2].isupper() and text[3:].isdigit()
        else:
            assert text == before
    alone = LocalModel(str(tiny_checkpoint(family)), max_new_tokens=60, batch_size=1, threads=1)
    assert [r.text for r in alone.answer(ask(8), formats=formats)] == texts


def test_the_most_likely_allowed_token_is_taken_at_each_step(tiny_checkpoint):
    import torch

    model = LocalModel(str(tiny_checkpoint("llama")), max_new_tokens=8, threads=1)
    one = ResponseFormat(kind="choice", value=["a", "b", "c", "d", "e", "f"])
    got = model.answer(ask(1), formats=[one])[0].text
    with torch.inference_mode():
        logits = model.model(torch.tensor([model.prompt_ids(ask(1)[0])[0]])).logits[0, -1]
    ids = {
        word: model.tokenizer(word, add_special_tokens=False)["input_ids"][0] for word in one.value
    }
    assert got == max(ids, key=lambda word: float(logits[ids[word]]))


def test_blanks_are_written_as_the_format_says(tiny_checkpoint):
    model = LocalModel(str(tiny_checkpoint("llama")), max_new_tokens=60, threads=1)
    spaced = RECORD.model_copy(update={"blanks": True})
    text = model.answer(ask(1), formats=[spaced])[0].text
    assert text == json.dumps(json.loads(text), ensure_ascii=False)


def test_drawn_and_streamed_answers_keep_to_the_format_too(tiny_checkpoint):
    model = LocalModel(str(tiny_checkpoint("llama")), max_new_tokens=60, threads=1)
    drawn = model.sample(ask(2), 3, 1.5, seed=1, response_format=LABEL)
    assert (
        all(text in LABEL.value for texts in drawn for text in texts)
        and len({t for texts in drawn for t in texts}) > 1
    )
    pieces = []
    reply = model.stream(ask(1)[0], pieces.append, LABEL)
    assert (
        reply.text in LABEL.value
        and "".join(pieces).strip() == reply.text == model.answer(ask(1), formats=[LABEL])[0].text
    )


@pytest.mark.parametrize(
    "wanted",
    [
        ResponseFormat(kind="json_schema", value={"type": "strange"}),
        ResponseFormat(kind="regex", value="(unclosed"),
        ResponseFormat(kind="lark", value="start: missing"),
        ResponseFormat(kind="json_schema", value={"$ref": "http://elsewhere/x"}),
    ],
)
def test_a_format_that_cannot_be_read_is_told(tiny_checkpoint, wanted):
    model = LocalModel(str(tiny_checkpoint("llama")), max_new_tokens=8, threads=1)
    with pytest.raises(BadInput, match="cannot be used for constrained decoding") as told:
        model.answer(ask(1), formats=[wanted])
    assert told.value.where == "response_format"


def test_compiled_formats_are_bounded(tiny_checkpoint):
    model = LocalModel(str(tiny_checkpoint("llama")), max_new_tokens=8, threads=1)
    for i in range(KEPT + 5):
        model.constrainer.matcher(ResponseFormat(kind="choice", value=[f"word {i}"]))
    assert len(model.constrainer._compiled) == KEPT


def test_a_grammar_and_a_choice_reach_an_endpoint_by_the_fields_that_its_server_knows():
    assert body_options(RECORD)["response_format"]["json_schema"]["schema"] == SCHEMA
    assert body_options(LABEL) == {"structured_outputs": {"choice": LABEL.value}}
    assert body_options(ResponseFormat(kind="lark", value="start: x")) == {
        "structured_outputs": {"grammar": "start: x"}
    }
    assert "größe?" in grammar_of(LABEL)


FIELDS = TaskCard(
    name="t",
    instruction="Fill in.",
    kind="fields",
    fields=["kind", "reply", "count", "tags"],
    checks=[
        Check(name="kind", kind="enum", field="kind", value=["x", "y"]),
        Check(name="n", kind="enum", field="count", value=["1", "2"]),
    ],
)


def test_the_schema_of_a_record_has_the_types_of_the_examples_and_the_values_of_the_card():
    outputs = [
        '{"kind": "x", "reply": "a", "count": 1, "tags": ["p"]}',
        '{"kind": "y", "reply": null, "count": 2.5, "tags": []}',
        "no record",
    ]
    form = response_format(FIELDS, outputs)
    assert form is not None and form.kind == "json_schema" and form.blanks
    assert form.value["properties"] == {
        "kind": {"enum": ["x", "y"]},
        "reply": {"type": ["null", "string"]},
        "count": {"type": "number"},
        "tags": {"type": "array"},
    }
    assert list(form.value["properties"]) == form.value["required"] == FIELDS.fields
    for text in outputs[:2]:
        jsonschema.validate(json.loads(text), form.value)
    tight = response_format(FIELDS, ['{"kind":"x","reply":"a, b: c","count":1,"tags":[]}'])
    assert tight is not None and not tight.blanks


def test_labels_are_a_choice_and_free_text_has_no_format():
    label = TaskCard(name="t", instruction="Classify.", kind="label", labels=["a", "b"])
    assert response_format(label, ["a"]) == ResponseFormat(kind="choice", value=["a", "b"])
    assert response_format(TaskCard(name="t", instruction="Say.", kind="text"), ["a"]) is None
    assert response_format(label.model_copy(update={"labels": []}), ["a"]) is None


def trial(name, right, strict, shots=(), form=None):
    e = Estimate(value=right, low=0, high=1, n=10, method="")
    return PromptTrial(
        prompt=with_hash(name, "S", shots, response_format=form),
        accuracy=e,
        format_ok=1,
        format_strict=strict,
        prompt_tokens_mean=1,
        seconds_per_answer=1,
    )


def test_the_best_prompt_of_each_kind_is_held_unless_all_its_answers_are_in_format():
    trials = [
        trial("a", 0.5, 0.9),
        trial("b", 0.6, 0.8),
        trial("one", 0.7, 1.0, ["e1"]),
        trial("two", 0.2, 0.1, ["e1", "e2"]),
    ]
    held = [p for p in constrained(trials, LABEL) if not p.response_format.ranked]
    assert [(p.name, p.response_format, p.system) for p in held] == [("b, constrained", LABEL, "S")]
    assert held[0].sha256 != trials[1].prompt.sha256
    assert constrained(trials, None) == []


def test_what_constraint_changes_is_told_with_its_interval():
    free = pd.DataFrame({"correct": [True] * 10 + [False] * 30, "group": range(40)})
    held = pd.DataFrame({"correct": [True] * 30 + [False] * 10, "group": range(40)})
    e = gain(free, held)
    assert (
        e
        == paired_difference(
            [1.0] * 30 + [0.0] * 10, [1.0] * 10 + [0.0] * 30, list(range(40)), 2000
        )
        and e.low > 0.2
    )
    trials = [trial("a", 0.25, 0.4), trial("a, constrained", 0.75, 1.0, form=LABEL)]
    rows = format_rows(trials, {"a": free, "a, constrained": held})
    assert rows[0]["right, against free"] == "–" and rows[1]["right, against free"].startswith(
        "+50.0 points (+"
    )
    assert (rows[0]["as it is"], rows[0]["after a repair"], rows[0]["unusable"]) == (
        "40%",
        "60%",
        "0%",
    )


def test_an_endpoint_without_constrained_decoding_is_asked_with_the_free_prompt():
    trials = [trial("a", 0.25, 0.4), trial("a, constrained", 0.75, 1.0, form=LABEL)]
    book = PromptBook(
        trials=trials, zero_shot="a, constrained", few_shot="a, constrained", validation_items=10
    )
    off = RetrievalCard(enabled=False, reason="none")
    prompts = [
        [(s.name, s.prompt) for s in grid.grid(book, off, None, True, asked_for)]
        for asked_for in (True, False)
    ]
    assert prompts[0] == [("prompting", "a, constrained"), ("endpoint", "a, constrained")]
    assert prompts[1] == [("prompting", "a, constrained"), ("endpoint", "a")]


def test_with_passages_only_the_better_of_one_text_free_and_held_is_tried():
    trials = [trial("a", 0.25, 0.4), trial("a, constrained", 0.75, 1.0, form=LABEL)]
    book = PromptBook(
        trials=trials, zero_shot="a, constrained", few_shot="a, constrained", validation_items=10
    )
    assert [s.prompt for s in grid.rag_candidates(book)] == ["a, constrained"]


@pytest.mark.parametrize("family", ["llama", "mistral", "qwen3", "phi3"])
def test_the_likeliest_label_as_a_whole_is_chosen(tiny_checkpoint, family):
    model = LocalModel(str(tiny_checkpoint(family)), max_new_tokens=8, batch_size=3, threads=1)
    ranked = ResponseFormat(
        kind="choice",
        value=["a", "a longer one", "b", "cc", "delivery", "aa", "ab", "e"],
        ranked=True,
    )
    asked = ask(4)
    got = model.answer(asked, formats=[ranked, None, ranked, ranked])
    for place in (0, 2, 3):
        sums = {
            word: sum(v for _, v in model.logprobs(asked[place], word)) for word in ranked.value
        }
        assert got[place].text == max(sums, key=sums.__getitem__)
    assert got[1].text == model.answer([asked[1]])[0].text, "others of the batch stay free"
    pieces = []
    assert model.stream(asked[0], pieces.append, ranked).text == "".join(pieces) == got[0].text


def test_labels_are_ranked_besides_and_records_are_not():
    label = TaskCard(name="t", instruction="Say.", kind="label", labels=["a", "b"])
    trial = PromptTrial(
        prompt=with_hash("plain", "s"),
        accuracy=Estimate(value=0.5, low=0.4, high=0.6, n=9, method=""),
        format_ok=1,
        format_strict=1,
        prompt_tokens_mean=1,
        seconds_per_answer=1,
    )
    held = constrained([trial], response_format(label, ["a"]))
    assert [(p.name, p.response_format.ranked) for p in held] == [("plain, ranked", True)], (
        "all in the right format: nothing to hold"
    )
    loose = trial.model_copy(update={"format_strict": 0.5})
    assert [p.name for p in constrained([loose], response_format(label, ["a"]))] == [
        "plain, constrained",
        "plain, ranked",
    ]
    assert constrained([trial], response_format(FIELDS, [])) == []
    assert free_name("plain, ranked") == free_name("plain, constrained") == "plain"
