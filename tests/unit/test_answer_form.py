"""Prompts ask for the form that the training rows show, and a right answer in another form is told from misreading."""

import json
from pathlib import Path

import pandas as pd
import pytest

from ftkit.core.records.task import TaskCard
from ftkit.evaluation.error_attribution import look
from ftkit.strategies.answer_form import form_of, lines
from ftkit.strategies.prompt_candidates import FORM, candidates

XQUAD = Path(__file__).parents[3] / "shared" / "data" / "xquad_rag" / "xquad.en.json"
CARD = TaskCard(name="t", instruction="Answer the question.", kind="text")


def rows(outputs, inputs=None):
    inputs = inputs or [f"question {i}" for i in range(len(outputs))]
    ids = [str(i) for i in range(len(outputs))]
    return pd.DataFrame({"id": ids, "input": inputs, "output": outputs})


@pytest.mark.parametrize(
    "outputs, shape, said",
    [
        (["yes", "no"] * 15, "yes or no", "Answer with yes or no."),
        ([f"{n} kg" for n in range(30)], "number", "the number and its unit"),
        ([f"2026-11-{d:02d}" for d in range(1, 31)], "date", "Answer with the date"),
        (["milk; eggs", "salt; oil; rice"] * 15, "list", "Answer with a list"),
        (["The parcel comes on Monday."] * 30, "sentence", "one sentence of at most 5 words"),
        (["James Hutton", "the river Nile"] * 15, "phrase", "at most 3 words: the bare answer"),
        (["word " * 60] * 30, "text", "in at most 60 words"),
    ],
)
def test_the_form_of_the_answers_is_named(outputs, shape, said):
    form = form_of(outputs)
    assert form is not None and form.shape == shape
    assert said in " ".join(lines(form))


def test_case_full_stop_and_copying_are_asked_for_only_where_nearly_all_rows_show_them():
    inputs = [f"the order {n} left the shop" for n in range(30)]
    form = form_of([f"order {n}" for n in range(30)], inputs)
    assert lines(form)[1:] == [
        "Copy the answer word for word from the text.",
        "Do not end with a full stop.",
        "Write it in lower case.",
    ]
    mixed = form_of(["Order one.", "order two"] * 15, inputs)
    assert len(lines(mixed)) == 1, "half of the rows are no rule"


def test_a_few_rows_say_nothing_of_the_form():
    assert form_of(["a"] * 19) is None and lines(None) == []


def test_a_prompt_that_asks_for_the_form_is_among_the_first_tried():
    train = rows(["James Hutton", "the Nile"] * 20)
    tried = candidates(CARD, train, [2], seed=7)
    assert tried[1].name == FORM and "the bare answer" in tried[1].system
    assert all("the bare answer" in c.system for c in tried if c.few_shot)
    assert FORM not in [c.name for c in candidates(CARD, rows(["a"] * 5), [2], seed=7)]


def test_a_right_answer_in_another_form_is_behaviour_and_a_misread_one_is_reading():
    items = rows(["James Hutton"] * 3)
    wrong, right = "Charles Lyell wrote it.", "The first geologist is James Hutton."
    answers = {
        "plain": ["I do not know.", right, "I do not know."],
        "found": [right, right, wrong],
        "given": [right, right, wrong],
        "shown": ["I do not know."] * 3,
        "both": [right, right, wrong],
    }
    causes = look(CARD, items, answers, knows=["0", "1", "2"]).by_item()
    assert causes == {"0": "both", "1": "behaviour", "2": "reading"}


@pytest.mark.skipif(not XQUAD.exists(), reason="the public data are not beside the project")
def test_of_xquad_short_spans_are_asked_for():
    articles = json.loads(XQUAD.read_text())["data"]
    paragraphs = [p for a in articles for p in a["paragraphs"]]
    outputs = [q["answers"][0]["text"] for p in paragraphs for q in p["qas"]]
    form = form_of(outputs[:300], [p["context"] for p in paragraphs])
    assert form is not None and form.copied > 0.95 and form.words[0] <= 3
    assert "Copy the answer word for word" in " ".join(lines(form)) or form.shape == "text"
