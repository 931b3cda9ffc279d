"""What an answer says: its label, fields or text, and whether it came in the right format."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Literal

from ftkit.core.records.task import TaskCard
from ftkit.scoring.text import WRAPS
from ftkit.scoring.tool_calls import read_answer
from ftkit.scoring.values import (
    by_key,
    by_loose_key,
    compact,
    identity,
    loose_key,
    parse_record,
    value_key,
    value_text,
)

Format = Literal["strict", "repairable", "failed"]


@dataclass
class Parsed:
    """An answer taken apart.

    Attributes:
        format: strict (usable as it is), repairable (usable after a fixed repair) or failed.
        content: The label or text; empty for a record of fields or a failed answer.
        fields: Value per field as text, for kind=fields.
        record: The same values with their types.
    """

    format: Format
    content: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)


def parse(card: TaskCard, answer: str) -> Parsed:
    """Take an answer apart by the task's kind of output.

    The repairs are fixed and need no model, so a deployment can do the same: a label is found in other letters or
    alone in a sentence; a JSON record is freed from code fences and words around it.
    """
    if card.kind == "label":
        return _label(card.labels, answer)
    if card.kind == "fields":
        return _fields(card.fields, card.optional_fields, answer)
    if card.kind == "tool_call":
        called = read_answer(answer)
        return Parsed("strict", called.text()) if called else Parsed("failed", answer.strip())
    return Parsed("strict" if answer.strip() else "failed", answer.strip())


def _label(labels: list[str], answer: str) -> Parsed:
    text = answer.strip()
    if text in labels or (not labels and text):
        return Parsed("strict", text)
    keys = by_key(labels)
    for plain in (text, _unwrapped(text)):
        if plain in labels:
            return Parsed("repairable", plain)
        if value_key(plain) in keys:
            return Parsed("repairable", keys[value_key(plain)])
    loose = by_loose_key(labels)
    if loose_key(text) in loose:
        return Parsed("repairable", loose[loose_key(text)])
    named = _labels_within(labels, text)
    return Parsed("repairable", named[0]) if len(named) == 1 else Parsed("failed", text)


def _unwrapped(text: str) -> str:
    """Return a text without pairs of brackets, stars or quotes around it."""
    pairs = WRAPS | {'"': '"', "'": "'"}
    while len(text) > 2 and pairs.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    return text


PIECES = re.compile(r"\w+(?:[.,:'’-]\w+)*|[^\w\s]")


def _labels_within(labels: list[str], answer: str) -> list[str]:
    """Return the labels named in a sentence; a label inside a longer named one does not count.

    Signs are pieces of their own, so that A* is no A; stars around a word are its emphasis.
    """
    plain = re.sub(r"\*\*(.+?)\*\*", r" \1 ", identity(answer))
    rest, found = f" {' '.join(PIECES.findall(plain))} ", []
    for label in sorted(labels, key=len, reverse=True):
        inner = f" {' '.join(PIECES.findall(identity(label)))} "
        if inner.strip() and inner in rest:
            found.append(label)
            rest = rest.replace(inner, " | ")
    return found


def _fields(names: list[str], optional: list[str], answer: str) -> Parsed:
    record, strict = parse_record(answer), True
    if record is None:
        record, strict = record_within(answer), False
    if record is None:
        return Parsed("failed")
    whole = {name: value_text(value) for name, value in record.items()}
    if not set(names) - set(optional) <= set(record):
        return Parsed("failed", fields=whole, record=record)
    strict = strict and (not names or set(record) <= set(names))
    return Parsed("strict" if strict else "repairable", fields=whole, record=record)


def record_within(answer: str) -> dict[str, Any] | None:
    """Return the record between the first and the last brace (found without a pattern: no backtracking)."""
    start, end = answer.find("{"), answer.rfind("}")
    return parse_record(answer[start : end + 1]) if 0 <= start < end else None


def text_of(parsed: Parsed) -> str:
    """Return the repaired answer as the text that the task asked for."""
    return compact(parsed.record) if parsed.record else parsed.content
