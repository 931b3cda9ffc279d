"""Parameter values for a guessed project: task text, sizes and training that suit the rows and the answers."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any, Protocol

from ftkit.core.parameters.shared import SECTION
from ftkit.data.columns import Column
from ftkit.data.file_formats import Raw
from ftkit.data.proposed_base import propose
from ftkit.data.read import cell_text, fault
from ftkit.scoring.values import decimal_mark, merged, value_text

MOST_VALUES, LONG_VALUE, SHORT_ANSWER = 12, 8, 6
MANY_LABELS = 20
"""Labels from which the tuned model is taught without their list in the prompt (03 offers that prompt above 10 labels)."""
SHORTEST_INSTRUCTION, CONTEXT, LETTERS = 5, 2048, 4
"""Letters of the shortest instruction; tokens that the bases read at most in training as proposed; letters of a token, about."""
LARGE = 3000
"""Rows from which validation and test are capped: more would cost minutes and hardly sharpen a figure."""


class Guessed(Protocol):
    """The guess, as far as it matters here."""

    input_column: str
    output_column: str
    kind: str
    labels: list[str]
    optional_fields: list[str]
    group_column: str
    split_column: str
    context_columns: list[str]
    citation_field: str


def sections(
    guess: Guessed,
    path: Path,
    name: str,
    output: Column,
    raw: Raw,
    *,
    test_data: str,
    handbook: str,
    encoding: str,
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return parameter values by section, and sentences that say why."""
    rows = len(raw.rows)
    task, said = _task(guess, output, handbook, _asks(raw, guess.input_column))
    if len(raw.instruction) >= SHORTEST_INSTRUCTION:
        task["instruction"] = raw.instruction
        said.append("The task's instruction is what all rows are told alike.")
    mark, numbers = _decimal_mark(output)
    said += numbers
    tokens = max_new_tokens(output.values)
    said += _too_long(raw, guess.input_column, output, tokens)
    sized, why = _sizes(rows, bool(test_data))
    inputs = [str(row.get(guess.input_column) or "") for _, row in raw.rows]
    listed = guess.labels if output.distinct <= MANY_LABELS else []
    base, reason = propose(inputs, output.values, listed, handbook=bool(handbook))
    many = output.distinct > MANY_LABELS and guess.kind == "label"
    if many:
        said.append(
            f"The tuned model is taught without the list of {output.distinct} labels: it needs none, and answers cost less."
        )
    said += [
        reason,
        *why,
        f"Retrieval: {'the handbook ' + handbook if handbook else 'none, as no handbook was given'}.",
    ]
    facts = "monthly" if handbook else "never"
    cites = guess.citation_field or (
        "source" if handbook and "source" in output.record_fields else ""
    )
    return {
        "task": {"name": name, **task, **mark, "examples_at_hand": rows, "facts_change": facts},
        "data": {
            "data": str(path),
            "test_data": test_data,
            "input_column": guess.input_column,
            "output_column": guess.output_column,
            "group_column": guess.group_column,
            "split_column": guess.split_column,
            "encoding": encoding,
            **({"context_columns": guess.context_columns} if guess.context_columns else {}),
            **sized,
        },
        SECTION: {"base_model": base, "max_new_tokens": tokens},
        "retrieval": {
            "handbook": handbook,
            "citation_field": cites,
            **({"filters": guess.context_columns} if guess.context_columns else {}),
        },
        "training": {"prompt": "task only"} if many else {},
        "decision": {"facts_change": facts},
    }, said


def max_new_tokens(values: list[str]) -> int:
    """Return room for nearly all answers, in tokens: about one per two characters, 16 to 512."""
    lengths = sorted(len(value) for value in values)
    return min(512, max(16, lengths[int(0.99 * (len(lengths) - 1))] // 2 + 12))


def _too_long(raw: Raw, given: str, output: Column, room: int) -> list[str]:
    """Return sentences on answers and examples that are longer than what is proposed holds."""
    found = []
    long = [len(v) // LETTERS for v in output.values if len(v) // LETTERS > room]
    if long:
        found.append(
            f"{len(long):,} of {len(output.values):,} answers are longer than max_new_tokens {room} (the longest about {max(long):,} tokens): no strategy can give them whole; shorten them, or raise prompting.max_new_tokens."
        )
    rows = [
        sum(len(cell_text(row.get(name))) for name in (given, output.name)) // LETTERS
        for _, row in raw.rows
        if not fault(row, (given, output.name))
    ]
    over = [n for n in rows if n > CONTEXT]
    if over:
        found.append(
            f"{len(over):,} of {len(rows):,} rows are longer than the {CONTEXT:,} tokens of training.max_length (the longest about {max(over):,}): 05 cannot learn them whole; cut their inputs, or take a base that reads more."
        )
    return found


def _decimal_mark(output: Column) -> tuple[dict[str, str], list[str]]:
    """Return the decimal mark of the answers where it is a comma, and a sentence on it."""
    marks = Counter(decimal_mark(v) for v in output.values if any(c.isdigit() for c in v))
    if output.kind == "fields" or marks[","] <= marks["."]:
        return {}, []
    why = f"Numbers in the answers are written with a decimal comma ({marks[',']:,} of them show it): 1.234 is read as 1234."
    return {"decimal_mark": ","}, [why]


def _sizes(rows: int, has_test: bool) -> tuple[dict[str, int], list[str]]:
    if rows < LARGE:
        return {}, []
    sizes = {"max_validation": 300, "max_test": 1000}
    tested = "of the test file " if has_test else ""
    return sizes, [
        f"As there are many rows, at most 300 are used for validation and 1,000 {tested}for the test."
    ]


def _asks(raw: Raw, column: str) -> bool:
    """Return whether most inputs are questions."""
    texts = [str(row.get(column) or "").strip() for _, row in raw.rows]
    return sum(text.endswith(("?", "？", "؟")) for text in texts) > 0.6 * len(texts)


def _task(
    guess: Guessed, output: Column, handbook: str, asks: bool
) -> tuple[dict[str, Any], list[str]]:
    problem = "both" if handbook else "behaviour"
    base = {
        "kind": guess.kind,
        "labels": [],
        "fields": [],
        "optional_fields": [],
        "key_fields": [],
        "knowledge_field": "",
        "enums": {},
        "tone": "",
        "problem": problem,
        "max_words": 0,
    }
    if guess.kind == "tool_call":
        return base | {"instruction": "Help the user; call functions where they are needed."}, []
    if guess.kind == "label":
        return base | {
            "instruction": f"Choose the {_readable(guess.output_column)} that fits the text."
        }, []
    if guess.kind == "text":
        lengths = sorted(len(v.split()) for v in output.values)
        limit = max(int(1.2 * lengths[int(0.99 * (len(lengths) - 1))]), lengths[-1]) + 5
        if asks and output.words <= SHORT_ANSWER:
            found = {
                "instruction": "Answer the question.",
                "max_words": limit,
                "metric": "squad_exact",
            }
            found |= {"problem": "knowledge"} if handbook else {}
            said = "Short answers to questions: they count as right by the words alone, without articles and punctuation (squad_exact)."
            return base | found, [said]
        return base | {
            "instruction": f"Write the {_readable(guess.output_column)} for the text.",
            "max_words": limit,
        }, []
    return _record_task(base, output, handbook, guess)


def _readable(column: str) -> str:
    return re.sub(r"[_\W]+", " ", column).strip().lower() or "answer"


def _record_task(
    base: dict[str, Any], output: Column, handbook: str, guess: Guessed
) -> tuple[dict[str, Any], list[str]]:
    fields, enums = output.record_fields, _enums(output)
    usual = ("source", "sources", "citation", "reference")
    cited = [f for f in fields if f == guess.citation_field or f.lower() in usual]
    long = [
        f for f in fields if f not in cited and f not in enums and _words(output, f) > LONG_VALUE
    ]
    keys = [f for f in fields if f not in cited and f not in long] or fields
    knows = (
        next((f for f in ("reply", "answer", "response") if f in fields), "") if handbook else ""
    )
    said = [
        f"Field '{name}' has the known values {', '.join(values)}."
        for name, values in enums.items()
    ]
    if long and keys != fields:
        said.append(
            f"An answer counts as right without {', '.join(long)}: such long texts never match word for word."
        )
    if cited:
        said.append(
            f"Field '{cited[0]}' names a passage: it need not be right for an answer to count as right."
        )
    return base | {
        "instruction": f"Fill in {', '.join(fields)} for the text.",
        "fields": fields,
        "optional_fields": guess.optional_fields,
        "key_fields": keys,
        "enums": enums,
        "knowledge_field": knows,
    }, said


def _words(output: Column, name: str) -> float:
    lengths = [len(value_text(record.get(name, "")).split()) for record in output.records]
    return sum(lengths) / max(1, len(lengths))


def values_of(output: Column) -> dict[str, Counter[str]]:
    """Return how often each value of a field occurs, as texts; fields that hold lists or records are left out."""
    found: dict[str, Counter[str]] = {}
    for name in output.record_fields:
        cells = [record[name] for record in output.records if name in record]
        if not any(isinstance(cell, list | dict) for cell in cells):
            found[name] = Counter(value_text(cell) for cell in cells)
    return found


def _enums(output: Column) -> dict[str, list[str]]:
    """Return the known values of fields that hold at most 12 different short ones; rare ones (typing errors) are left out."""
    found = {}
    for name, counts in values_of(output).items():
        spelled = merged(counts)
        values: Counter[str] = Counter()
        for text, count in counts.items():
            values[spelled[text]] += count
        known = {v: n for v, n in values.items() if n >= max(2, 0.003 * values.total())}
        plain = all(re.fullmatch(r"[\w \-/&.*+#]{1,40}", v) for v in known)
        if plain and 1 < len(known) <= MOST_VALUES and sum(known.values()) >= 0.98 * values.total():
            found[name] = sorted(known)
    return found
