"""Answers in canonical form: one spelling per value, records as compact JSON with the card's fields in order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ftkit.core.records.task import TaskCard
from ftkit.scoring.parse import parse, parse_record, record_within
from ftkit.scoring.text import normalise
from ftkit.scoring.tool_calls import ToolAnswer, read_answer
from ftkit.scoring.values import by_key, compact, merged, value_key, value_text


@dataclass
class Spellings:
    """The one spelling of each value.

    Attributes:
        labels: Label by text as it stands in the data, for kind label.
        fields: Per field with known values, the value with its type by its text.
    """

    labels: dict[str, str] = field(default_factory=dict)
    fields: dict[str, dict[str, Any]] = field(default_factory=dict)


def spellings(card: TaskCard, outputs: Iterable[str]) -> Spellings:
    """Return the spelling of each value: the card's, or the most frequent one in the data (first in the alphabet on a tie).

    Values that the card declares stay apart, however alike they are.
    """
    counts = Counter(outputs)
    if card.kind == "label":
        return Spellings(labels=_declared(card.labels, counts) if card.labels else merged(counts))
    if card.kind in ("text", "tool_call"):
        return Spellings()
    known = {name: allowed for name in card.fields if (allowed := card.allowed(name))}
    seen: dict[str, dict[str, Counter[Any]]] = {name: defaultdict(Counter) for name in known}
    for output, count in counts.items() if known else ():
        record = _record(output) or {}
        for name in known.keys() & record.keys():
            value = record[name]
            if not isinstance(value, dict | list):
                seen[name][value_text(value)][(type(value), value)] += count
    return Spellings(fields={name: _typed(known[name], seen[name]) for name in known})


def _declared(labels: list[str], texts: Iterable[str]) -> dict[str, str]:
    keys = by_key(labels)
    return {text: text if text in labels else keys.get(value_key(text), text) for text in texts}


def _typed(allowed: list[str], seen: dict[str, Counter[Any]]) -> dict[str, Any]:
    """Return for each text the allowed value that it spells, of the type that it mostly has."""
    keys, found = by_key(allowed), {}
    for text in seen:
        value = text if text in allowed else keys.get(value_key(text))
        if value is not None:
            types = seen.get(value, Counter())
            found[text] = types.most_common(1)[0][0][1] if types else value
    return found


def canonical(card: TaskCard, output: str, known: Spellings) -> str:
    """Return an answer as the task card wants it; one that no fixed repair can mend comes back as it is.

    Args:
        card: The task card.
        output: The answer in the data.
        known: Spelling of each value, from ``spellings``.
    """
    if card.kind == "label":
        if output in known.labels and known.labels[output] != output:
            return known.labels[output]
        parsed = parse(card, output)
        return parsed.content if parsed.format == "repairable" else output
    if card.kind in ("text", "tool_call"):
        return output
    record = _record(output)
    if record is None or not set(card.fields) - set(card.optional_fields) <= set(record):
        return output
    return compact(
        {name: _known(known, name, record[name]) for name in card.fields if name in record}
    )


def cut_keys(card: TaskCard, output: str) -> list[str]:
    """Return the keys of a record that are none of the card's fields, so that the canonical form lacks them."""
    record = _record(output) if card.kind == "fields" else None
    return [name for name in record or {} if name not in card.fields]


def _record(output: str) -> dict[str, Any] | None:
    record = parse_record(output)
    return record if record is not None else record_within(output)


def _known(known: Spellings, name: str, value: Any) -> Any:
    if isinstance(value, dict | list) or name not in known.fields:
        return value
    return known.fields[name].get(value_text(value), value)


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
    if card.kind == "tool_call":
        called = read_answer(output)
        return ToolAnswer(called.calls).text() if called else output
    record = parse_record(output) or {}
    names = card.key_fields or card.fields
    return compact({name: _field_key(card, name, record.get(name, "")) for name in names})


def _field_key(card: TaskCard, name: str, value: Any) -> str:
    text = value_text(value)
    return value_key(text) if card.allowed(name) else normalise(text)
