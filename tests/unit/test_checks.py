"""What an answer says, whether its format is right, and patterns that must not hang."""

import time

import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.task import TaskParameters
from ftkit.core.records.task import TaskCard
from ftkit.scoring.formats import failures, format_of
from ftkit.scoring.parse import parse, parse_record
from ftkit.scoring.patterns import check_pattern, safe_search
from ftkit.scoring.task_card import build_card
from ftkit.scoring.text import normalise
from ftkit.scoring.values import loose_key as label_key

DESK = build_card(TaskParameters(forbidden_regex="(?i)as an ai", max_words=5))
LABELS = TaskCard(
    name="l",
    instruction="sort",
    kind="label",
    labels=["card_arrival", "card_arrival_late", "billing"],
)
RIGHT = '{"category":"delivery","urgency":"low","reply":"34 days","source":"H-012"}'


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ('{"a": 1}', {"a": 1}),
        (' {"a": null}\n', {"a": None}),
        ('{"a": 1, "a": 2}', None),
        ('{"a": NaN}', None),
        ('{"a": Infinity}', None),
        ("[1]", None),
        ('"a"', None),
        ("{'a': 1}", None),
        ('{"a": 1} and more', None),
        ('{"a":' * 5000, None),
        ('{"a": ' + "9" * 5000 + "}", None),
    ],
)
def test_a_record_is_one_strict_json_object_or_none(text, record):
    assert parse_record(text) == record


@pytest.mark.parametrize(
    ("text", "failed", "form"),
    [
        (RIGHT, [], "strict"),
        (f"Sure!\n```json\n{RIGHT}\n```", [], "repairable"),
        (RIGHT.replace("delivery", "weather"), ["category is a known value"], "failed"),
        (RIGHT.replace("34 days", "one two three four five six"), ["at most 5 words"], "failed"),
        (RIGHT.replace("34 days", "As an AI I"), ["forbidden pattern absent"], "failed"),
        (
            "",
            [
                "not empty",
                "valid JSON",
                "all fields there",
                "category is a known value",
                "urgency is a known value",
            ],
            "failed",
        ),
    ],
)
def test_the_failed_checks_are_named_in_the_cards_order(text, failed, form):
    assert format_of(DESK, text, parse(DESK, text)) == form
    if form != "repairable":
        assert failures(DESK, text) == failed


@pytest.mark.parametrize(
    ("text", "label", "form"),
    [
        ("billing", "billing", "strict"),
        ("BILLING.", "billing", "repairable"),
        ("card arrival", "card_arrival", "repairable"),
        ("It is card_arrival_late, I think", "card_arrival_late", "repairable"),
        ("billing or card_arrival", "billing or card_arrival", "failed"),
        ("none", "none", "failed"),
    ],
)
def test_a_label_is_found_as_it_is_or_after_a_fixed_repair(text, label, form):
    parsed = parse(LABELS, text)
    assert (parsed.content, parsed.format) == (label, form)


def test_a_wall_of_braces_is_read_in_no_time():
    began = time.perf_counter()
    assert parse(DESK, "{" * 200_000 + "x").format == "failed"
    assert time.perf_counter() - began < 1, (
        "linear: 0.02 s alone; a backtracking pattern would take minutes"
    )


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Straße", "STRASSE"),
        ("ﬁne", "fine"),
        ("A  B\n", "a b"),
        ("“34 days.”", "34 days"),
        ("cafe\u0301", "café"),
        ("34\u00a0days", "34 days"),
        ("ＡＢＣ", "abc"),
        ("a\u200bb\u00adc", "abc"),
    ],
)
def test_texts_that_people_call_equal_are_equal_after_normalising(a, b):
    assert normalise(a) == normalise(b)


@pytest.mark.parametrize(
    ("a", "b"), [("3.50", "350"), ("not ok", "ok"), ("***", "**"), (":)", ":("), ("-1", "1")]
)
def test_texts_with_different_meaning_stay_apart(a, b):
    assert normalise(a) != normalise(b) and label_key(a) != label_key(b)


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", r"(\w+\s?)*$x", "(", "*a", "[z-a]", ".*", "a{100000}{100000}"]
)
def test_a_bad_or_catastrophic_pattern_is_told_when_the_card_is_made(pattern):
    began = time.perf_counter()
    with pytest.raises(BadInput, match=r"task\.forbidden_regex"):
        check_pattern(pattern, "task.forbidden_regex")
    assert time.perf_counter() - began < 20, "1 s alone"


def test_a_pattern_that_explodes_on_an_answer_is_stopped():
    with pytest.raises(BadInput, match="takes too long"):
        safe_search("(a|aa|aab)+$", "a" * 3000 + "!")


@pytest.mark.parametrize("pattern", [r"\bsorry\b", "(?i)as an ai", r"\d{16}", "[^\x00-\x7f]"])
def test_ordinary_patterns_are_taken(pattern):
    check_pattern(pattern, "task.forbidden_regex")
