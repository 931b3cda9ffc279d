"""Answers in house form: one spelling per label, records as compact JSON with the card's fields in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from ftkit.core.records.task import TaskCard
from ftkit.scoring.parse import compact, label_key, parse, parse_record, record_within
from ftkit.scoring.text import normalise


def spellings(card: TaskCard, outputs: Iterable[str]) -> dict[str, str]:
    """Return the spelling of each label: the card's, or the most frequent one in the data (first in the alphabet on a tie)."""
    if card.kind != "label" or card.labels:
        return {label_key(label): label for label in card.labels}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for output in outputs:
        counts[label_key(output)][output] += 1
    return {
        key: min(found, key=lambda label: (-found[label], label)) for key, found in counts.items()
    }


def house_form(card: TaskCard, output: str, known: dict[str, str]) -> str:
    """Return an answer as the task card wants it; one that no fixed repair can mend comes back as it is.

    Args:
        card: The task card.
        output: The answer in the data.
        known: Spelling of each label, from ``spellings``.
    """
    if card.kind == "label":
        parsed = parse(card, output)
        return known.get(
            label_key(output), parsed.content if parsed.format == "repairable" else output
        )
    if card.kind == "text":
        return output
    record = _record(output)
    if record is None or not set(card.fields) <= set(record):
        return output
    return compact({name: _known(card, name, record[name]) for name in card.fields})


def _record(output: str) -> dict[str, Any] | None:
    record = parse_record(output)
    return record if record is not None else record_within(output)


def _known(card: TaskCard, field: str, value: Any) -> Any:
    """Return a value in the spelling of the card's allowed values, where it is one of them."""
    allowed = (
        next(
            (check.value for check in card.checks if check.kind == "enum" and check.field == field),
            None,
        )
        or []
    )
    return (
        {normalise(a): a for a in allowed}.get(normalise(value), value)
        if isinstance(value, str)
        else value
    )


def same_content(output: str, mended: str) -> bool:
    """Say whether two answers differ at most in the blanks and the order of a JSON record."""
    return output == mended or (
        parse_record(output) is not None and parse_record(output) == parse_record(mended)
    )


def answer_key(card: TaskCard, output: str) -> str:
    """Return what two answers must share to be the same answer: the label, the key fields, or the normalised text."""
    if card.kind == "label":
        return output
    if card.kind == "text":
        return normalise(output)
    record = parse_record(output) or {}
    return compact(
        {name: normalise(record.get(name, "")) for name in card.key_fields or card.fields}
    )
