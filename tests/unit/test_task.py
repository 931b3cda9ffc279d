"""The task card's checks follow from the answers, and the guide's criteria lead to the right expectation."""

import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.task import TaskParameters
from ftkit.decision.suitability import learned, suitability
from ftkit.report.figures import task as figures
from ftkit.scoring.failing_answers import described, tries
from ftkit.scoring.task_card import build_card


def params(**values):
    return TaskParameters.model_validate(values)


def test_the_first_try_is_right_and_every_other_one_is_caught_or_mended():
    for p in (
        params(),
        params(kind="label", labels=["yes", "no"]),
        params(kind="text", max_words=9),
    ):
        first, *rest = tries(build_card(p))
        assert first["verdict"] == "passes"
        assert rest and all(r["verdict"] != "passes" for r in rest), [
            r for r in rest if r["verdict"] == "passes"
        ]


def test_every_check_of_the_card_is_described_in_words():
    card = build_card(params(forbidden_regex="sorry"))
    assert [c.kind for c in card.checks] == [
        "non_empty",
        "json",
        "keys",
        "enum",
        "enum",
        "max_words",
        "not_regex",
    ]
    assert all(all(described(c).values()) for c in card.checks)


@pytest.mark.parametrize(
    ("values", "where"),
    [
        ({"key_fields": ["categori"]}, "task.key_fields.*did you mean 'category'"),
        ({"knowledge_field": "answer"}, r"task\.knowledge_field"),
        ({"enums": {"mood": ["good"]}}, r"task\.enums"),
        ({"fields": []}, r"task\.fields"),
        ({"kind": "label", "labels": ["a", "a"]}, r"task\.labels"),
        ({"forbidden_regex": "(a+)+$"}, r"task\.forbidden_regex"),
    ],
)
def test_a_card_that_cannot_hold_is_told_with_its_parameter(values, where):
    with pytest.raises(BadInput, match=where):
        build_card(params(**values))


NARROW = {
    "problem": "behaviour",
    "facts_change": "never",
    "prompting_tried": "a week",
    "examples_at_hand": 1000,
    "answers_per_month": 100_000,
}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (NARROW, "fine-tuning"),
        (NARROW | {"problem": "knowledge"}, "retrieval"),
        (NARROW | {"problem": "both"}, "hybrid"),
        (NARROW | {"examples_at_hand": 200}, "prompting"),
        (NARROW | {"requirements_change": "monthly"}, "prompting"),
        (NARROW | {"problem": "both", "examples_at_hand": 200}, "retrieval"),
        (NARROW | {"prompting_tried": "no", "answers_per_month": 500}, "prompting"),
    ],
)
def test_the_guides_criteria_lead_to_the_expectation(values, expected):
    assert suitability(params(**values)).expected == expected


def test_the_published_numbers_of_test_examples_come_out():
    needed = {d: suitability(params(difference_points=d)).test_examples_needed for d in (10, 5, 3)}
    assert needed == {10: 155, 5: 626, 3: 1742}


def test_a_difference_larger_than_the_assumed_share_is_no_error():
    found = suitability(params(difference_points=60))
    assert found.discordant_share == 0.6 and 0 < found.test_examples_needed < 20


@pytest.mark.parametrize("points", [1, 10, 60])
def test_the_pictures_mark_the_given_difference(points):
    found = suitability(params(difference_points=points))
    curve = figures.examples_needed(found, at_hand=120)
    assert any(
        list(trace.x or []) == [points] and list(trace.y) == [found.test_examples_needed]
        for trace in curve.data
    )
    sides = figures.speaks_for(found)
    assert sum(len(trace.text or []) for trace in sides.data) == len(found.reasons)


def test_the_summary_says_whether_the_examples_at_hand_suffice():
    few, many = (
        learned(p, suitability(p))[1]
        for p in (params(examples_at_hand=600), params(examples_at_hand=800))
    )
    assert any("775 examples would do" in point for point in few)
    assert any("enough" in point for point in many)
