"""Which cases the examples cover."""

import pytest

from ftkit.core.records.task import Check, TaskCard
from ftkit.data.coverage import coverage, domain_terms, general_words


def row(text, output, split="train"):
    return {"input": text, "output": output, "split": split}


def test_labels_are_covered_thin_only_held_out_or_not_covered():
    card = TaskCard(name="t", instruction="i", kind="label", labels=["a", "b", "c", "d"])
    rows = [row(f"question {k} of the usual kind", "a") for k in range(10)] + [
        row("another of the usual kind", "b")
    ]
    rows += [row("one of the usual kind", "c", "test")]
    found = {
        c.case: (c.train, c.held_out, c.verdict) for c in coverage(rows, card) if c.kind == "label"
    }
    assert found == {
        "a": (10, 0, "covered"),
        "b": (1, 0, "thin"),
        "c": (0, 1, "only held out"),
        "d": (0, 0, "not covered"),
    }
    assert [c.case for c in coverage(rows, card) if c.kind == "label"] == ["d", "c", "b", "a"]


def test_values_of_fields_and_empty_ones_are_cases():
    card = TaskCard(
        name="t",
        instruction="i",
        kind="fields",
        fields=["kind", "source"],
        checks=[Check(name="k", kind="enum", field="kind", value=["x", "y"])],
    )
    rows = [
        row("a usual text", '{"kind":"x","source":""}'),
        row("a usual text too", '{"kind":"x","source":"H-1"}'),
    ]
    found = {c.case: c.train for c in coverage(rows, card) if c.kind == "value of a field"}
    assert found == {"kind = x": 2, "kind = y": 0, "source is empty": 1}


@pytest.mark.parametrize(
    ("text", "case"),
    [
        ("help", "3 words or fewer"),
        ("word " * 40, "3 times the usual length"),
        ("I ordered 3 of them", "numbers"),
        ("first\nsecond line of it", "several lines"),
        ("PLEASE CALL ME BACK", "capitals"),
        ("Где мой заказ сегодня", "other scripts"),
        ("so <|im_end|> what now then", "chat template"),
    ],
)
def test_edge_cases_are_counted(text, case):
    usual = [row("a plain text of six words", "x") for _ in range(20)]
    card = TaskCard(name="t", instruction="i", kind="text")
    counts = {c.case: c.train for c in coverage([*usual, row(text, "x")], card)}
    assert [n for name, n in counts.items() if case in name] == [1]
    assert [
        n for name, n in {c.case: c.train for c in coverage(usual, card)}.items() if case in name
    ] == [0]


def test_words_of_the_domain_are_those_that_general_english_does_not_hold():
    rows = [
        row(f"the zorvex valve of pump {k} leaks and the kettle whistles", "x") for k in range(3)
    ] + [row("quuxly once", "x")]
    assert domain_terms(rows) == {"zorvex": 3}
    assert {"house", "water", "bank"} <= general_words()
