"""From a file to a proposed project: which columns, what kind of task, which sizes; and why, in sentences."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from ftkit.checks import normalise
from ftkit.data.read import open_source
from ftkit.errors import BadInput

INPUT_NAMES = [
    "input",
    "message",
    "text",
    "question",
    "prompt",
    "query",
    "ticket",
    "email",
    "body",
    "dialogue",
    "instruction",
    "sentence",
    "review",
]
OUTPUT_NAMES = [
    "output",
    "answer",
    "label",
    "category",
    "intent",
    "class",
    "target",
    "response",
    "completion",
    "summary",
    "reply",
    "section_header",
]
GROUP_NAMES = [
    "customer",
    "customer_id",
    "user",
    "user_id",
    "document",
    "doc_id",
    "patient",
    "account_id",
    "thread",
    "conversation_id",
]
MOST_LABELS = 200
SAMPLED = 5000


@dataclass
class Guess:
    """What was guessed from a file.

    Attributes:
        input_column: Column with what the model is given.
        output_column: Column with the right answer.
        kind: label, fields or text.
        sentences: What was guessed and why, for a person to check.
        sections: Parameter values by section that differ from the defaults.
    """

    input_column: str
    output_column: str
    kind: str
    sentences: list[str] = field(default_factory=list)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass
class _Column:
    name: str
    values: list[str]

    @property
    def distinct(self) -> int:
        return len({normalise(v) for v in self.values})

    @property
    def words(self) -> float:
        return median(len(v.split()) for v in self.values) if self.values else 0.0

    def record_fields(self) -> list[str]:
        """Return the keys that most values share as JSON objects, in order; empty if they are none."""
        records = [r for r in (_record(v) for v in self.values) if r is not None]
        if len(records) < 0.8 * len(self.values) or not records:
            return []
        counts = Counter(key for record in records for key in record)
        return [key for key in records[0] if counts[key] >= 0.8 * len(records)]


def propose(path: Path, name: str = "", *, test_data: str = "", handbook: str = "", encoding: str = "") -> Guess:
    """Guess a project's parameters from a file of examples.

    Args:
        path: File of examples.
        name: Project name.
        test_data: File that holds the test examples, or empty.
        handbook: Folder of articles, or empty for no retrieval.
        encoding: Encoding of the file; empty for UTF-8.

    Raises:
        BadInput: The file cannot be read, or holds fewer than two columns with text.
    """
    raw = open_source(path, encoding)
    columns = [_Column(c, [_cell(row.get(c)) for _, row in raw.rows[:: max(1, len(raw.rows) // SAMPLED)]]) for c in raw.columns]
    columns = [_Column(c.name, [v for v in c.values if v]) for c in columns]
    columns = [c for c in columns if c.values]
    if len(columns) < 2:
        raise BadInput("fewer than two columns hold text", where=str(path), todo="give a file with an input and an output column")
    output = _pick(columns, OUTPUT_NAMES, _output_score)
    given = _pick([c for c in columns if c is not output], INPUT_NAMES, lambda c: c.words + (c.distinct / len(c.values)))
    guess = Guess(given.name, output.name, _kind(output))
    _explain(guess, raw, given, output)
    _sections(guess, path, name or path.stem, columns, output, len(raw.rows), test_data, handbook, encoding)
    return guess


def _cell(value: Any) -> str:
    if value is None or value != value:
        return ""
    return json.dumps(value) if isinstance(value, dict | list) else str(value).strip()


def _record(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _pick(columns: list[_Column], names: list[str], score: Any) -> _Column:
    named = [c for n in names for c in columns if c.name.lower() == n]
    return named[0] if named else max(columns, key=score)


def _output_score(column: _Column) -> float:
    """Prefer JSON records, then repeated short values, then later columns of text."""
    if column.record_fields():
        return 3.0
    share = column.distinct / len(column.values)
    return 2.0 - share if 1 < column.distinct <= MOST_LABELS and column.words <= 6 else 0.5 - share / 10


def _kind(output: _Column) -> str:
    if output.record_fields():
        return "fields"
    repeated = output.distinct <= max(2, len(output.values) / 5)
    return "label" if output.distinct <= MOST_LABELS and output.words <= 8 and repeated else "text"


def _explain(guess: Guess, raw: Any, given: _Column, output: _Column) -> None:
    table = f" (separator {raw.separator!r})" if raw.separator else ""
    guess.sentences.append(f"Read {len(raw.rows):,} rows with the columns {', '.join(raw.columns)}; {raw.encoding}{table}.")
    guess.sentences.append(
        f"Input: column '{given.name}' ({given.words:.0f} words in the middle). Example: {given.values[0][:80]!r}."
    )
    why = {
        "fields": f"its cells are JSON objects with {', '.join(output.record_fields())}",
        "label": f"it holds {output.distinct} different short values",
        "text": f"its {output.distinct} values are mostly different texts of {output.words:.0f} words",
    }[guess.kind]
    guess.sentences.append(f"Output: column '{output.name}', kind {guess.kind}, because {why}.")
    if guess.kind == "text":
        guess.sentences.append(
            "Free text is scored by exact match and shared words only: look at the item browser before you trust a figure."
        )


def _sections(
    guess: Guess, path: Path, name: str, columns: list[_Column], output: _Column, rows: int, test_data: str, handbook: str, encoding: str
) -> None:  # fmt: skip
    group = next((c.name for n in GROUP_NAMES for c in columns if c.name.lower() == n and c.distinct < rows), "")
    if group:
        guess.sentences.append(f"Rows with the same '{group}' stay together in one split.")
    guess.sentences.append(f"Retrieval: {'handbook ' + handbook if handbook else 'none (no handbook was given)'}.")
    longest = max(len(v) for v in output.values)
    tokens = min(512, max(16, int(longest / 2.5) + 8))
    guess.sections = {
        "task": {"name": name, **_task(guess.kind, output, handbook), "examples_at_hand": rows, "facts_change": "monthly" if handbook else "never"},
        "data": {
            "data": str(path), "test_data": test_data, "input_column": guess.input_column, "output_column": guess.output_column,
            "group_column": group, "encoding": encoding,
        },
        "prompting": {"max_new_tokens": tokens},
        "retrieval": {"handbook": handbook, "citation_field": "source" if handbook and "source" in output.record_fields() else ""},
        "training": {"max_new_tokens": tokens},
        "evaluation": {"max_new_tokens": tokens},
    }  # fmt: skip


def _task(kind: str, output: _Column, handbook: str) -> dict[str, Any]:
    base = {
        "kind": kind,
        "labels": [],
        "fields": [],
        "key_fields": [],
        "knowledge_field": "",
        "enums": {},
        "tone": "",
        "problem": "behaviour",
    }
    if kind == "label":
        return base | {"instruction": "Choose the label that fits the text.", "max_words": 0}
    if kind == "text":
        limit = int(1.5 * max(len(v.split()) for v in output.values)) + 5
        return base | {
            "instruction": "Answer as in the examples.",
            "max_words": limit,
            "problem": "both" if handbook else "behaviour",
        }
    fields = output.record_fields()
    return base | {
        "instruction": "Fill in the fields for the text.", "fields": fields, "key_fields": fields, "enums": _enums(output, fields), "max_words": 0,
        "knowledge_field": next((f for f in ("reply", "answer") if f in fields and handbook), ""), "problem": "both" if handbook else "behaviour",
    }  # fmt: skip


def _enums(output: _Column, fields: list[str]) -> dict[str, list[str]]:
    """Return the known values of fields that hold at most 12 different short ones, each at least 3 times."""
    found = {}
    for name in fields:
        counts = Counter(str(r.get(name, "")) for r in (_record(v) for v in output.values) if r is not None)
        plain = all(re.fullmatch(r"[\w \-/&]{1,40}", v) for v in counts)
        if plain and 1 < len(counts) <= 12 and min(counts.values()) >= 3:
            found[name] = sorted(counts)
    return found
