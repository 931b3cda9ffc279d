"""Is an answer in the right format: as it is, after a fixed repair, or not at all?"""

from __future__ import annotations

from ftkit.checks.parse import Format, Parsed, parse, text_of
from ftkit.checks.patterns import safe_search
from ftkit.records import Check, TaskCard


def format_of(card: TaskCard, text: str, parsed: Parsed) -> Format:
    """Return the format of an answer: failed also where a check of the task card fails after the repair."""
    if parsed.format == "failed":
        return "failed"
    whole = text.strip() if parsed.format == "strict" else text_of(parsed)
    return "failed" if failures(card, whole, parsed) else parsed.format


def failures(card: TaskCard, text: str, parsed: Parsed | None = None) -> list[str]:
    """Return the names of the checks that an answer fails, in the card's order.

    Args:
        card: The task card.
        text: The answer.
        parsed: The answer taken apart, if it is at hand.
    """
    parsed = parsed or parse(card, text)
    return [check.name for check in card.checks if not _passes(check, text, parsed)]


def _passes(check: Check, text: str, parsed: Parsed) -> bool:
    value = parsed.fields.get(check.field, "") if check.field else text
    if check.kind == "json":
        return bool(parsed.fields) or text.strip() == "{}"
    if check.kind == "keys":
        return set(check.value or []) <= set(parsed.fields)
    if check.kind == "enum":
        return value.strip() in (check.value or [])
    if check.kind in ("max_words", "min_words"):
        words = len(value.split())
        return words <= check.value if check.kind == "max_words" else words >= check.value
    if check.kind in ("regex", "not_regex"):
        return safe_search(check.value, value) == (check.kind == "regex")
    return bool(value.strip())
