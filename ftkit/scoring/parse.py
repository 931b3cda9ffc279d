"""What an answer says: its label, fields or text, and whether it came in the right format."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from ftkit.core.records.task import TaskCard
from ftkit.scoring.text import normalise, tokens

Format = Literal["strict", "repairable", "failed"]


@dataclass
class Parsed:
    """An answer taken apart.

    Attributes:
        format: strict (usable as it is), repairable (usable after a fixed repair) or failed.
        content: The label or text; empty for a record of fields or a failed answer.
        fields: Value per field as text, for kind=fields.
    """

    format: Format
    content: str = ""
    fields: dict[str, str] = field(default_factory=dict)


def parse(card: TaskCard, answer: str) -> Parsed:
    """Take an answer apart by the task's kind of output.

    The repairs are fixed and need no model, so a deployment can do the same: a label is found in other letters or
    alone in a sentence; a JSON record is freed from code fences and words around it.
    """
    if card.kind == "label":
        return _label(card.labels, answer)
    if card.kind == "fields":
        return _fields(card.fields, answer)
    return Parsed("strict" if answer.strip() else "failed", answer.strip())


def _label(labels: list[str], answer: str) -> Parsed:
    if answer.strip() in labels or (not labels and answer.strip()):
        return Parsed("strict", answer.strip())
    by_name = {label_key(label): label for label in labels}
    if label_key(answer) in by_name:
        return Parsed("repairable", by_name[label_key(answer)])
    named = _labels_within(labels, answer)
    return Parsed("repairable", named[0]) if len(named) == 1 else Parsed("failed", answer.strip())


def label_key(label: str) -> str:
    """Return what spellings of one label have in common: no case, outer punctuation, or difference of _, - and blank."""
    return re.sub(r"[_\-\s]+", " ", normalise(label))


def _labels_within(labels: list[str], answer: str) -> list[str]:
    """Return the labels named in a sentence; a label inside a longer named one does not count."""
    rest, found = f" {' '.join(tokens(answer))} ", []
    for label in sorted(labels, key=len, reverse=True):
        inner = f" {' '.join(tokens(label))} "
        if inner.strip() and inner in rest:
            found.append(label)
            rest = rest.replace(inner, " | ")
    return found


def _fields(names: list[str], answer: str) -> Parsed:
    record = parse_record(answer)
    if record is not None:
        strict = not names or set(record) == set(names)
        return Parsed("strict" if strict else _repaired(names, record), fields=_values(record))
    record = record_within(answer)
    return (
        Parsed("failed")
        if record is None
        else Parsed(_repaired(names, record), fields=_values(record))
    )


def record_within(answer: str) -> dict[str, Any] | None:
    """Return the record between the first and the last brace (found without a pattern: no backtracking)."""
    start, end = answer.find("{"), answer.rfind("}")
    return parse_record(answer[start : end + 1]) if 0 <= start < end else None


def _repaired(names: list[str], record: dict[str, Any]) -> Format:
    return "repairable" if set(names) <= set(record) else "failed"


def parse_record(text: str) -> dict[str, Any] | None:
    """Return a text that is one JSON object and nothing else, or None.

    Stricter than Python's reader, as another program may read the answer: NaN, Infinity and a key that stands twice
    are no JSON.
    """
    try:
        record = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key stands twice")
    return record


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")


def compact(record: dict[str, Any]) -> str:
    """Return a record as the JSON text that models are taught: no blanks, letters as they are."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def text_of(parsed: Parsed) -> str:
    """Return the repaired answer as the text that the task asked for."""
    return compact(parsed.fields) if parsed.fields else parsed.content


def _values(record: dict[str, Any]) -> dict[str, str]:
    return {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in record.items()
    }
