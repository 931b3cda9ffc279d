"""Models that think: thoughts have their own room, are cut from what is scored, and never count as an answer by chance."""

from __future__ import annotations

import pandas as pd
import pytest
import thinkers

from ftkit.core.errors import BadInput
from ftkit.core.parameters.base import ModelParameters
from ftkit.core.records.prompting import ResponseFormat
from ftkit.core.records.strategy import ANSWER_COLUMNS
from ftkit.core.records.task import TaskCard
from ftkit.models.local import LocalModel
from ftkit.scoring.outcomes import cut_off_words, outcome_shares, too_small
from ftkit.scoring.score import score

CARD = TaskCard(name="desk", instruction="Name the topic.", kind="label", labels=thinkers.LABELS)
ASKED = [thinkers.question(k) for k in range(200, 212)]


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory, one_thread):
    folder = tmp_path_factory.mktemp("thinkers")
    return {kind: thinkers.make(kind, folder / kind) for kind in thinkers.KINDS}


def asked(folder, formats=(), **settings):
    model = LocalModel(str(folder), **{"max_new_tokens": 4, "threads": 1, **settings})
    return model.answer([thinkers.messages(text) for text, _, _ in ASKED], None, formats)


@pytest.mark.parametrize("kind", thinkers.KINDS)
@pytest.mark.parametrize("held", ["free", "choice", "ranked"])
def test_models_that_know_a_task_alike_answer_alike_however_they_think(checkpoints, kind, held):
    form = ResponseFormat(kind="choice", value=thinkers.LABELS, ranked=held == "ranked")
    replies = asked(
        checkpoints[kind],
        thinking_tokens=40,
        formats=[None if held == "free" else form] * len(ASKED),
    )
    assert [r.text for r in replies] == [label for _, label, _ in ASKED]
    assert {r.outcome for r in replies} == {"answered"}
    thinks = kind == "always"
    assert all(bool(r.thought) == thinks == bool(r.thought_tokens) for r in replies)
    assert all(r.confidence > 0.8 for r in replies)  # of the answer, not of the thought


def test_thinking_is_switched_on_where_the_family_can(checkpoints):
    replies = asked(checkpoints["switchable"], thinking="on", thinking_tokens=40)
    assert replies[0].text == ASKED[0][1] and replies[0].thought == ASKED[0][2]
    assert 0 < replies[0].thought_tokens < replies[0].completion_tokens
    with pytest.raises(BadInput, match="asked of a model that cannot"):
        asked(checkpoints["never"], thinking="on")


def test_a_thought_that_names_one_label_and_is_cut_off_is_wrong_with_its_own_outcome(checkpoints):
    replies = asked(checkpoints["always"], thinking_tokens=3)
    assert all(r.outcome == "cut_off" and r.detail == "thinking_tokens" for r in replies)
    assert all(r.text == "" and r.thought for r in replies)
    items = pd.DataFrame({"id": ["a"], "output": ["returns"]})
    row = dict.fromkeys(ANSWER_COLUMNS, 0) | {"item_id": "a", "strategy": "s"}
    cut = row | {"text": "I think of returns", "outcome": "cut_off", "detail": "max_new_tokens"}
    scores = score(CARD, items, pd.DataFrame([cut]))
    assert not scores["correct"][0] and not scores["missing"][0] and scores["format"][0] == "failed"
    whole = score(CARD, items, pd.DataFrame([cut | {"outcome": "answered"}]))
    assert whole["correct"][0]


def test_an_answer_without_end_token_is_cut_off_and_a_loop_is_told_apart(checkpoints):
    model = LocalModel(str(checkpoints["never"]), max_new_tokens=1, threads=1)
    reply = model.answer([thinkers.messages(ASKED[0][0])])[0]
    assert (reply.outcome, reply.detail) == ("cut_off", "max_new_tokens")
    loops = {"outcome": ["cut_off", "answered"], "detail": ["repetition", ""]}
    table = pd.DataFrame(loops)
    assert outcome_shares(table) == {"cut_off": 0.5} and too_small(table) == {}
    assert "more room would not help" in cut_off_words(outcome_shares(table), too_small(table))


def test_a_budget_larger_than_the_context_is_refused_before_anything_is_asked(checkpoints):
    with pytest.raises(BadInput, match=r"thinking_tokens 1024: leaves no room .* context of 512"):
        asked(checkpoints["always"], thinking_tokens=1024)
    asked(checkpoints["never"], thinking_tokens=1024)  # it does not think: nothing is reserved


def test_a_stream_hands_over_the_answer_alone(checkpoints):
    pieces = []
    model = LocalModel(str(checkpoints["always"]), max_new_tokens=4, thinking_tokens=40, threads=1)
    reply = model.stream(thinkers.messages(ASKED[0][0]), pieces.append)
    assert "".join(pieces) == reply.text == ASKED[0][1] and reply.thought == ASKED[0][2]


def test_votes_are_counted_over_answers_and_not_over_thoughts(checkpoints):
    model = LocalModel(str(checkpoints["always"]), max_new_tokens=4, thinking_tokens=40, threads=1)
    drawn = model.sample([thinkers.messages(ASKED[0][0])], 3, 0.7, 7)
    assert set(drawn[0]) <= {*thinkers.LABELS, ""} and ASKED[0][1] in drawn[0]


@pytest.mark.parametrize(("written", "read"), [("off", "off"), ("on", "on"), ("auto", "auto")])
def test_a_bare_on_or_off_of_yaml_is_the_word_that_was_written(tmp_path, written, read):
    from ftkit.core.parameters.files import load

    file = tmp_path / "desk.yaml"
    file.write_text(f"thinking: {written}\n")
    stage = load(file)["evaluation"]
    assert isinstance(stage, ModelParameters) and stage.answering()["thinking"] == read
