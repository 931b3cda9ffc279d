"""Answers made to fail, so that a person sees what each check of the task card catches before any model runs."""

from __future__ import annotations

from typing import Any

from ftkit.core.records.task import Check, TaskCard
from ftkit.scoring.formats import failures, format_of
from ftkit.scoring.parse import parse
from ftkit.scoring.values import compact

VERDICTS = {"strict": "passes", "repairable": "passes after a fixed repair", "failed": "fails"}


def tries(card: TaskCard) -> list[dict[str, str]]:
    """Return answers made from the task card, what each was made to be, and what the checks say.

    Returns:
        Rows with ``made to be``, ``answer``, ``verdict`` and ``failed checks``; the first one is right.
    """
    return [_judged(card, purpose, answer) for purpose, answer in _answers(card)]


def _judged(card: TaskCard, purpose: str, answer: str) -> dict[str, str]:
    parsed = parse(card, answer)
    verdict = VERDICTS[format_of(card, answer, parsed)]
    failed = [] if verdict != "fails" else failures(card, answer, parsed)
    shown = answer if len(answer) <= 120 else f"{answer[:119]}…"
    return {
        "made to be": purpose,
        "answer": shown,
        "verdict": verdict,
        "failed checks": ", ".join(failed),
    }


def _answers(card: TaskCard) -> list[tuple[str, str]]:
    if card.kind == "label":
        if not card.labels:
            return [("any label of the data (02 reads them)", "..."), ("empty", "")]
        label = card.labels[0]
        found = [
            ("right", label),
            ("in other letters", label.upper()),
            ("in a sentence", f"I would say: {label}."),
        ]
        return [*found, ("unsure", "I do not know"), ("empty", "")]
    if card.kind == "fields":
        return _records(card)
    limit = _value(card, "max_words") or 20
    return [
        ("right", "A short answer."),
        ("too long", " ".join(["word"] * (limit + 1))),
        ("empty", ""),
    ]


def _records(card: TaskCard) -> list[tuple[str, str]]:
    right: dict[str, Any] = {
        name: (_value(card, "enum", name) or ["..."])[0] for name in card.fields
    }
    text, last = compact(right), card.fields[-1]
    found = [("right", text), ("in a code fence", f"Here you are:\n```json\n{text}\n```")]
    found.append(("without a field", compact({k: v for k, v in right.items() if k != last})))
    enum = next((check.field for check in card.checks if check.kind == "enum"), "")
    if enum:
        found.append(("with an unknown value", compact(right | {enum: "something else"})))
    limit = _value(card, "max_words")
    if limit:
        found.append(("too long", compact(right | {last: " ".join(["word"] * (limit + 1))})))
    return [
        *found,
        ("cut off", text[: 2 * len(text) // 3]),
        ("prose", "Your parcel is on its way."),
    ]


def _value(card: TaskCard, kind: str, field: str = "") -> Any:
    return next(
        (check.value for check in card.checks if check.kind == kind and check.field == field), None
    )


def described(check: Check) -> dict[str, str]:
    """Return a check in words: what is looked at, and what it asks for."""
    value = check.value
    asks = {
        "json": "one JSON object and nothing else",
        "non_empty": "not empty",
        "keys": f"the fields {_listed(value)}",
        "enum": f"one of {_listed(value)}",
        "max_words": f"at most {value} words",
        "min_words": f"at least {value} words",
        "regex": f"matches {value}",
        "not_regex": f"never matches {value}",
    }[check.kind]
    return {"check": check.name, "looks at": check.field or "the whole answer", "asks for": asks}


def _listed(value: Any) -> str:
    names = [str(v) for v in value] if isinstance(value, list) else []
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def overview(card: TaskCard) -> list[dict[str, str]]:
    """Return the task card in words: instruction, output, when it is right, tone."""
    output = {
        "label": f"one label: {_listed(card.labels) or 'those that 02 finds in the data'}",
        "fields": f"a JSON record with the fields {_listed(card.fields)}",
        "text": "a text",
    }[card.kind]
    right = (
        f"right fields: {_listed(card.key_fields)}"
        if card.kind == "fields"
        else f"the {card.kind} is the expected one"
    )
    lines = {
        "is told": card.instruction,
        "is given": "one input (02 names its column)",
        "must return": output,
        "right if": right,
    }
    lines["tone"] = card.tone
    lines["must be supported by a passage"] = card.knowledge_field
    return [{"the model": name, "what": value} for name, value in lines.items() if value]
