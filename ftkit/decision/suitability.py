"""Is fine-tuning even a candidate? The guide's criteria (G1) as questions, each with what it speaks for and why."""

from __future__ import annotations

from typing import Literal

from ftkit.core.parameters.task import TaskParameters
from ftkit.core.power import test_examples_needed
from ftkit.core.prices import VALUES
from ftkit.core.records.task import Reason, Suitability

DISCORDANT_SHARE = 0.2
"""Assumed share of items that one strategy gets right and the other wrong; a larger difference needs at least itself."""
Speaks = Literal["fine-tuning", "retrieval", "prompting", "nothing"]
Expected = Literal["fine-tuning", "retrieval", "prompting", "hybrid"]


def suitability(p: TaskParameters) -> Suitability:
    """Return what the guide's criteria lead one to expect; the decision itself is measured in 08.

    The expectation: fine-tuning needs a reason in behaviour and enough examples; missing knowledge speaks for retrieval
    whatever else holds; requirements that change monthly, or prompting not tried, speak for prompting first.
    """
    discordant = max(DISCORDANT_SHARE, p.difference_points / 100)
    reasons = [
        _problem(p),
        _changes(p),
        _facts(p),
        _prompting(p),
        _examples(p),
        _volume(p),
        _domain(p),
    ]
    expected = _expected(p, reasons)
    return Suitability(
        expected=expected,
        sentence=_sentence(expected, reasons),
        reasons=reasons,
        difference_points=p.difference_points,
        test_examples_needed=test_examples_needed(p.difference_points, discordant),
        discordant_share=discordant,
        answer_values=p.answer_values,
        min_accuracy=p.min_accuracy,
    )


def _problem(p: TaskParameters) -> Reason:
    verdicts: dict[str, tuple[Speaks, str]] = {
        "behaviour": ("fine-tuning", "Format, tone and decisions are what tuning teaches well."),
        "knowledge": (
            "retrieval",
            "Missing facts are looked up, not trained in: a tuned model still invents outside of its data.",
        ),
        "both": (
            "nothing",
            "Behaviour speaks for tuning, missing facts for retrieval: the two together are a candidate.",
        ),
    }
    speaks, why = verdicts[p.problem]
    return Reason(question="What is missing today?", answer=p.problem, speaks_for=speaks, why=why)


def _changes(p: TaskParameters) -> Reason:
    often = p.requirements_change != "rarely"
    why = (
        "Each change would need a new training run; a prompt is changed in minutes."
        if often
        else "A trained behaviour stays useful for long."
    )
    return Reason(
        question="How often does the wanted behaviour change?",
        answer=p.requirements_change,
        speaks_for="prompting" if often else "fine-tuning",
        why=why,
    )


def _facts(p: TaskParameters) -> Reason:
    fresh = p.facts_change in ("monthly", "daily")
    why = (
        "Facts that change are kept in an index that is updated without training."
        if fresh
        else "The facts stay as they are."
    )
    return Reason(
        question="How often do the facts behind the answers change?",
        answer=p.facts_change,
        speaks_for="retrieval" if fresh else "nothing",
        why=why,
    )


def _prompting(p: TaskParameters) -> Reason:
    tried = p.prompting_tried == "a week"
    why = (
        "What prompts can do is known, so tuning is compared with a fair rival."
        if tried
        else "Spend a week on the system prompt, few-shot examples and structured output before $5K-$50K: 03 does it with you."
    )
    return Reason(
        question="How much work has gone into prompting?",
        answer=p.prompting_tried,
        speaks_for="nothing" if tried else "prompting",
        why=why,
    )


def _examples(p: TaskParameters) -> Reason:
    enough = p.examples_at_hand >= 500
    why = (
        "500-1,000 good examples are enough for a narrow task."
        if enough
        else "Fewer than 500: tuning may not be learnt well; prompting needs none."
    )
    return Reason(
        question="How many good examples are at hand?",
        answer=f"{p.examples_at_hand:,}",
        speaks_for="fine-tuning" if enough else "prompting",
        why=why,
    )


def _volume(p: TaskParameters) -> Reason:
    high = p.answers_per_month >= 10_000
    why = (
        "At this volume a small tuned model is cheaper per answer than long prompts to a large one."
        if high
        else "At this volume the price per answer hardly matters."
    )
    return Reason(
        question="How many answers a month?",
        answer=f"{p.answers_per_month:,}",
        speaks_for="fine-tuning" if high else "prompting",
        why=why,
    )


def _domain(p: TaskParameters) -> Reason:
    why = (
        "Special terms and reasoning are learnt from examples."
        if p.domain_language
        else "Everyday language needs no training."
    )
    return Reason(
        question="Special terms or reasoning of a domain?",
        answer="yes" if p.domain_language else "no",
        speaks_for="fine-tuning" if p.domain_language else "nothing",
        why=why,
    )


def _expected(p: TaskParameters, reasons: list[Reason]) -> Expected:
    votes = {
        k: sum(r.speaks_for == k for r in reasons)
        for k in ("fine-tuning", "retrieval", "prompting")
    }
    tuning = (
        p.problem != "knowledge" and p.examples_at_hand >= 500 and p.requirements_change == "rarely"
    )
    tuning = tuning and p.prompting_tried != "no" and votes["fine-tuning"] >= votes["prompting"]
    if p.problem in ("knowledge", "both"):
        return "hybrid" if tuning and p.problem == "both" else "retrieval"
    return "fine-tuning" if tuning else "prompting"


def _sentence(expected: Expected, reasons: list[Reason]) -> str:
    words = {
        "fine-tuning": "fine-tuning",
        "retrieval": "retrieval (RAG)",
        "prompting": "better prompting",
        "hybrid": "fine-tuning and retrieval together",
    }
    for_it = [r.question.rstrip("?").lower() for r in reasons if r.speaks_for == expected]
    because = f", mostly for: {'; '.join(for_it)}" if for_it else ""
    return f"Before measuring, the guide's criteria lead one to expect {words[expected]}{because}."


def learned(p: TaskParameters, found: Suitability) -> tuple[str, list[str]]:
    """Return the title and points of the notebook's summary box."""
    needed = found.test_examples_needed
    rows = f"{needed:,} test examples settle a difference of {found.difference_points:g} points; fewer can end in 'can't tell yet'."
    first = [r for r in found.reasons if r.speaks_for == "prompting"]
    points = [
        rows,
        _enough(p, needed),
        "Nothing is decided here: 08 decides from what 03 to 07 measure.",
    ]
    if first:
        points.insert(
            0,
            f"Speaks for prompting first: {'; '.join(f'{r.question} {r.answer}' for r in first)}.",
        )
    return found.sentence, points


def _enough(p: TaskParameters, needed: int, test_share: float = 0.2) -> str:
    held_out = round(p.examples_at_hand * test_share)
    if held_out >= needed:
        return f"With {p.examples_at_hand:,} examples at hand, a test share of {test_share:.0%} gives {held_out:,}: enough."
    total = -(-needed // test_share)
    return (
        f"With {p.examples_at_hand:,} examples at hand, a test share of {test_share:.0%} gives only {held_out:,}; "
        f"{total:,.0f} examples would do, or a larger difference."
    )


def sizes(found: Suitability) -> list[dict[str, str]]:
    """Return differences with the test examples that each needs, the given one among them."""
    points = sorted({2.0, 3.0, 5.0, 10.0, 15.0, found.difference_points})
    needed = {d: test_examples_needed(d, max(found.discordant_share, d / 100)) for d in points}
    return [
        {
            "difference": f"{d:g} points" + (" (yours)" if d == found.difference_points else ""),
            "test examples": f"{n:,}",
            "examples in all, at a test share of 20%": f"{5 * n:,}",
        }
        for d, n in needed.items()
    ]


def value_rows(p: TaskParameters) -> list[dict[str, str]]:
    """Return what an answer is worth and costs, and the share right that follows, for a table."""
    value = {name: p.answer_values.get(name, VALUES[name][0]) for name in VALUES}
    rows = [
        {
            "what": unit,
            "USD": f"{value[name]:g}",
            "origin": "given" if name in p.answer_values else "assumed",
            "why": "parameter task.answer_values" if name in p.answer_values else why,
        }
        for name, (_, unit, why) in VALUES.items()
    ]
    right, wrong = value["right_answer_usd"], value["wrong_answer_usd"]
    need = p.min_accuracy or (wrong / (right + wrong) if right + wrong else 0.0)
    return [
        *rows,
        {
            "what": "share right that is needed",
            "USD": f"{need:.0%}",
            "origin": "given" if p.min_accuracy else "from the values",
            "why": "parameter task.min_accuracy" if p.min_accuracy else "wrong / (right + wrong)",
        },
    ]
