"""Is an answer in the right format: as it is, after a fixed repair, or not at all?"""

from __future__ import annotations

from typing import Any

from ftkit.core.records.task import Check, TaskCard
from ftkit.scoring.json_schema import faults
from ftkit.scoring.parse import Format, Parsed, parse, parse_record, record_within, text_of
from ftkit.scoring.patterns import safe_search
from ftkit.scoring.tool_calls import broken, read_answer


def format_of(card: TaskCard, text: str, parsed: Parsed) -> Format:
    """Return the format of an answer: failed also where a check of the task card fails after the repair."""
    if parsed.format == "failed":
        return "failed"
    if card.kind == "tool_call":
        called = read_answer(parsed.content)
        return "failed" if called is None or broken(card.tools, called) else parsed.format
    whole = text.strip() if parsed.format == "strict" else text_of(parsed)
    return "failed" if failures(card, whole, parsed) else parsed.format


def failures(card: TaskCard, text: str, parsed: Parsed | None = None) -> list[str]:
    """Return what an answer fails, in the card's order: names of checks, of a schema with the place.

    Args:
        card: The task card.
        text: The answer.
        parsed: The answer taken apart, if it is at hand.
    """
    parsed = parsed or parse(card, text)
    absent = set(card.optional_fields) - set(parsed.fields) if parsed.fields else set()
    checks = [check for check in card.checks if check.field not in absent]
    return [_told(check, text) for check in checks if not _passes(check, text, parsed)]


def _told(check: Check, text: str) -> str:
    """Return a failed check's name; of a schema also the first place that breaks it."""
    found = faults(check.value, _record(text)) if check.kind == "schema" else []
    return f"{check.name}: {found[0]}" if found else check.name


def _record(text: str) -> Any:
    record = parse_record(text)
    return record if record is not None else record_within(text)


def _passes(check: Check, text: str, parsed: Parsed) -> bool:
    value = parsed.fields.get(check.field, "") if check.field else text
    if check.kind == "json":
        return bool(parsed.fields) or text.strip() == "{}"
    if check.kind == "schema":
        return not faults(check.value, _record(text))
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
