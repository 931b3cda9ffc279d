"""From a file to a proposed project: which columns, what kind of task, which sizes; and why, in sentences."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.data.columns import Column
from ftkit.data.damage import whole
from ftkit.data.file_formats import Raw
from ftkit.data.fixed_split import NAMES
from ftkit.data.proposed_parameters import MOST_VALUES, sections, values_of
from ftkit.data.read import MOST_REMOVED, cell_text, fault, kind_of, open_source
from ftkit.data.tool_turns import CONVERSATION
from ftkit.data.turns import MARKED_BAD, MARKS, mark_of
from ftkit.scoring.values import is_missing, merged

INPUT_NAMES = (
    "input message text question prompt query ticket email body dialogue dialog content description instruction sentence "
    "review utterance document"
).split()
OUTPUT_NAMES = (
    "output answer label labels category intent class target response completion summary reply topic sentiment"
).split()
GROUP_NAMES = (
    "customer customer_id customerid user user_id userid client client_id patient patient_id document_id doc_id account "
    "account_id article article_id thread thread_id conversation_id session session_id"
).split()
SPLIT_NAMES = "split subset fold partition set".split()
TIME_NAMES = (
    "date time timestamp datetime created created_at received received_at sent_at opened_at".split()
)
SAMPLED = 5000

CITES = 0.8
"""Share of a field's values that must be names of articles for it to be the citation."""


@dataclass
class Guess:
    """What was guessed from a file.

    Attributes:
        input_column: Column with what the model is given.
        output_column: Column with the right answer.
        kind: label, fields or text.
        labels: The labels found, for kind label.
        fields: The fields found, in order, for kind fields.
        optional_fields: Those of them that some records lack.
        group_column: Column whose rows stay together, or empty.
        split_column: Column that names the split of each row, or empty.
        context_columns: Columns whose values articles of the handbook tell too: the search is restricted by them.
        sentences: What was guessed and why, for a person to check; doubts start with "Not sure".
        sections: Parameter values by section that differ from the defaults.
    """

    input_column: str
    output_column: str
    kind: str
    labels: list[str] = field(default_factory=list)
    fields: list[str] = field(default_factory=list)
    optional_fields: list[str] = field(default_factory=list)
    group_column: str = ""
    split_column: str = ""
    context_columns: list[str] = field(default_factory=list)
    citation_field: str = ""
    sentences: list[str] = field(default_factory=list)
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)


def propose(
    path: Path,
    name: str = "",
    *,
    test_data: str = "",
    handbook: str = "",
    encoding: str = "",
    told: Mapping[str, set[str]] | None = None,
    articles: Collection[str] = (),
) -> Guess:
    """Guess a project's parameters from a file of examples.

    Args:
        path: File of examples.
        name: Project name.
        test_data: File that holds the test examples, or empty.
        handbook: Folder of articles, or empty for no retrieval.
        encoding: Encoding of the file; empty for UTF-8.
        told: What the articles tell of themselves: values by name, both in lower case.
        articles: Ids of the articles, as an answer cites them.

    Raises:
        BadInput: The file cannot be read, or holds fewer than two columns with text.
    """
    raw = open_source(path, encoding)
    columns, lost = _columns(raw)
    if len(columns) < 2:
        raise BadInput(
            f"fewer than two columns hold text{_lost_columns(lost)}{_lost_rows(raw.faults)}",
            where=str(path),
            todo=" ".join(["give a file with an input and an output column.", *raw.notes]),
        )
    output = _pick(columns, OUTPUT_NAMES, _output_score)
    given = _pick([c for c in columns if c is not output], INPUT_NAMES, _input_score)
    group = next(
        (
            c
            for n in GROUP_NAMES
            for c in columns
            if c.name.lower() == n and c not in (given, output)
        ),
        None,
    )
    group = group if group and group.distinct < len(group.values) else None
    guess = Guess(
        given.name,
        output.name,
        output.kind,
        fields=output.record_fields,
        optional_fields=output.optional_fields,
        group_column=group.name if group else "",
    )
    if raw.tools:
        guess.kind, guess.fields, guess.optional_fields = "tool_call", [], []
        guess.group_column = CONVERSATION
    guess.split_column = _split_column([c for c in columns if c not in (given, output, group)])
    if guess.kind == "label":
        guess.labels = sorted(set(output.spelling.values()))
    guess.context_columns = _shared([c for c in columns if c not in (given, output)], told or {})
    guess.citation_field, cited = _citation(guess, columns, output, articles)
    guess.sentences += [
        *_explained(guess, raw, given, output),
        *cited,
        *_unused(guess, raw, lost),
        *_spelled(output),
        *_doubts(guess, columns, raw),
        *_beside(path, test_data),
    ]
    guess.sections, more = sections(
        guess,
        path,
        name or path.stem,
        output,
        raw,
        test_data=test_data,
        handbook=handbook,
        encoding=encoding,
    )
    guess.sentences = [whole(s) for s in [*guess.sentences, *more]]
    share = _lost_share(raw, guess)
    if share > MOST_REMOVED:
        allowed = min(1.0, round(share + 0.05, 2))
        guess.sections["data"]["most_removed"] = allowed
        guess.sentences.append(
            f"More than a tenth of the rows cannot be used ({share:.0%}); data.most_removed: {allowed:g} lets 02 go on all the same. Take it out of the file to be stopped there."
        )
    return guess


def _columns(raw: Raw) -> tuple[list[Column], dict[str, str]]:
    """Return the columns with text, and why the others hold none."""
    rows = [row for _, row in raw.rows[:: max(1, len(raw.rows) // SAMPLED)]]
    found, lost = [], {}
    for name in dict.fromkeys(raw.columns):
        cells = [c for c in (row.get(name) for row in rows) if not is_missing(c) and c != ""]
        if any(isinstance(c, list) for c in cells):
            lost[name] = "holds lists, e.g. whole conversations: write input and answer as texts"
            continue
        faults = [fault({name: c}, (name,)) for c in cells]
        texts = [cell_text(c) for c, reason in zip(cells, faults, strict=True) if not reason]
        if texts and name:
            found.append(Column(name, texts))
        elif name:
            lost[name] = next(iter(faults), "is empty").removeprefix(f"column '{name}' ")
    return found, lost


def _lost_columns(lost: dict[str, str]) -> str:
    return "".join(f"; column '{name}' {why}" for name, why in list(lost.items())[:8])


def _lost_rows(faults: Sequence[tuple[int, str]]) -> str:
    """Return how many rows cannot be used, by reason, with the first row of each."""
    kinds: dict[str, list[tuple[int, str]]] = {}
    for number, reason in sorted(faults):
        kinds.setdefault(kind_of(reason), []).append((number, reason))
    most = sorted(kinds.values(), key=len, reverse=True)[:4]
    told = "; ".join(f"{len(rows):,} rows: {rows[0][1]} (first row {rows[0][0]})" for rows in most)
    return f"; put aside: {told}" if told else ""


def _row_faults(raw: Raw, guess: Guess) -> list[tuple[int, str]]:
    needed = (guess.input_column, guess.output_column)
    more = [c for c in (guess.group_column, guess.split_column, *guess.context_columns) if c]
    own = ((number, fault(row, needed, more)) for number, row in raw.rows)
    return [*raw.faults, *((number, reason) for number, reason in own if reason)]


def _lost_share(raw: Raw, guess: Guess) -> float:
    faults = [reason for _, reason in _row_faults(raw, guess) if MARKED_BAD not in reason]
    return len(faults) / max(1, len(raw.rows) + len(raw.faults))


def _unused(guess: Guess, raw: Raw, lost: dict[str, str]) -> list[str]:
    """Return sentences on rows and columns that cannot be used."""
    faults, found = _row_faults(raw, guess), []
    if faults:
        total = len(raw.rows) + len(raw.faults)
        listed = _lost_rows(faults).removeprefix("; put aside: ")
        found.append(f"{len(faults):,} of {total:,} rows cannot be used: {listed}.")
    if lost:
        found.append(f"Not used: {_lost_columns(lost).removeprefix('; ')}.")
    return found


def _spelled(output: Column) -> list[str]:
    """Return sentences on spellings that were merged and on keys that few records have, or lack."""
    found = []
    if output.kind == "label":
        spelled = {v: to for v, to in output.spelling.items() if v != to}
        listed = ", ".join(f"{a!r} as {b!r}" for a, b in list(spelled.items())[:5])
        found += [f"Spellings read as one label: {listed}."] if spelled else []
    if output.kind == "fields":
        for name, counts in values_of(output).items():
            spelled = {v: to for v, to in merged(counts).items() if v != to}
            if spelled and len(set(merged(counts).values())) <= MOST_VALUES:
                listed = ", ".join(f"{a!r} as {b!r}" for a, b in list(spelled.items())[:5])
                found.append(f"Spellings of '{name}' read as one value: {listed}.")
        count = len(output.records)
        rare = {k: n for k, n in output.keys.items() if k not in output.record_fields}
        if rare:
            listed = ", ".join(f"'{k}' ({n:,})" for k, n in list(rare.items())[:8])
            found.append(
                f"Keys of few records are cut out of the answers: {listed}; name them in task.fields and task.optional_fields to keep them."
            )
        if output.optional_fields:
            listed = ", ".join(
                f"'{k}' (in {output.keys[k]:,} of {count:,})" for k in output.optional_fields
            )
            found.append(f"Fields that a record may leave out: {listed}.")
        needed = [
            k
            for k in output.record_fields
            if k not in output.optional_fields and output.keys[k] < count
        ]
        if needed:
            listed = ", ".join(f"'{k}' ({count - output.keys[k]:,})" for k in needed)
            found.append(
                f"Records that lack a field are put aside as broken: {listed}; name it in task.optional_fields to keep them."
            )
    return found


def _pick(columns: list[Column], names: Sequence[str], score: Callable[[Column], float]) -> Column:
    """Return the column with the best known name, else the one that looks most like it."""
    named = [
        c for n in names for c in columns if c.name.lower().replace(" ", "_") == n and not c.is_id
    ]
    return named[0] if named else max(columns, key=score)


def _split_column(columns: Sequence[Column]) -> str:
    """Return the column whose every value names a split, or an empty text."""
    named = [
        c
        for c in columns
        if c.name.lower() in SPLIT_NAMES and {v.lower() for v in c.values} <= set(NAMES)
    ]
    return next((c.name for c in named if c.distinct > 1), "")


def _shared(columns: Sequence[Column], told: Mapping[str, set[str]]) -> list[str]:
    """Return the columns of which articles tell the same values, most of the rows being of one that they tell."""
    rows = {
        c.name: [v.casefold() in told.get(c.name.casefold(), ()) for v in c.values]
        for c in columns
        if c.distinct > 1
    }
    return [name for name, known in rows.items() if sum(known) > 0.5 * len(known)]


def _citation(
    guess: Guess, columns: Sequence[Column], output: Column, articles: Collection[str]
) -> tuple[str, list[str]]:
    """Return the field of the answer that names articles, and what to say of it: its values are ids of the handbook."""
    ids = {name.lower() for name in articles}
    found = {
        name: share
        for name in output.record_fields
        if (share := _cited([str(r.get(name) or "") for r in output.records], ids)) >= CITES
    }
    if found:
        name = max(found, key=lambda name: found[name])
        return name, [
            f"Field '{name}' cites the handbook: {found[name]:.0%} of its values are names of articles."
        ]
    beside = [c.name for c in columns if c is not output and _cited(c.values, ids) >= CITES]
    return "", [
        f"Column '{name}' names articles of the handbook. It is not part of the answer, so nothing is cited: "
        "make the answer a JSON object with it as a field to have citations checked."
        for name in beside[:1]
        if name != guess.input_column
    ]


def _cited(values: Sequence[str], ids: Collection[str]) -> float:
    """Return which share of the values that are there name an article, with or without the ending of its file."""
    there = [value.strip().lower() for value in values if value.strip()]
    return sum(v in ids or v.rpartition(".")[0] in ids for v in there) / max(1, len(there))


def _output_score(column: Column) -> float:
    """Prefer JSON records, then repeated short values, then text; ids last."""
    if column.is_id:
        return -1.0
    share = column.distinct / len(column.values)
    return {"fields": 3.0, "label": 2.0 - share}.get(column.kind, 0.5 - share / 10)


def _input_score(column: Column) -> float:
    """Prefer long and varied text; ids last."""
    return -1.0 if column.is_id else column.words + column.distinct / len(column.values)


def _explained(guess: Guess, raw: Raw, given: Column, output: Column) -> list[str]:
    table = f", separator {raw.separator!r}" if raw.separator else ""
    shown = given.values[0] if len(given.values[0]) <= 80 else f"{given.values[0][:79]}…"
    why = {
        "fields": f"its cells are JSON objects with {', '.join(output.record_fields)}",
        "label": f"it holds {output.distinct} different short values",
        "text": f"its values are mostly different texts of about {output.words:.0f} words",
        "tool_call": f"its conversations call {len(raw.tools)} declared functions",
    }[guess.kind]
    said = [
        f"Read {len(raw.rows) + len(raw.faults):,} rows ({raw.encoding}{table}) with the columns {', '.join(raw.columns)[:500]}.",
        f"Input: column '{given.name}', about {given.words:.0f} words long; the first is {shown!r}.",
        f"Output: column '{output.name}', kind {guess.kind}, because {why}.",
    ]
    said[1:1] = raw.notes
    if guess.group_column:
        said.append(f"Rows with the same '{guess.group_column}' stay together in one split.")
    if guess.split_column:
        said.append(
            f"Column '{guess.split_column}' says what is training, validation and test; it is kept to."
        )
    if guess.context_columns:
        named = ", ".join(f"'{name}'" for name in guess.context_columns)
        said.append(
            f"Articles tell their {named}, as the rows do: it stands in front of each input, and a question gets only articles of its own, or of none."
        )
    dated = [
        n for n in raw.columns if n.lower() in TIME_NAMES and n not in (given.name, output.name)
    ]
    if dated and not guess.split_column:
        said.append(
            f"Not sure: '{dated[0]}' looks like a date; data.time_column: {dated[0]} would test on the newest rows."
        )
    return said


def _doubts(guess: Guess, columns: list[Column], raw: Raw) -> list[str]:
    """Return what else the file could mean, so that a person can correct the guess."""
    chosen = (
        guess.input_column,
        guess.output_column,
        guess.group_column,
        guess.split_column,
        *guess.context_columns,
    )
    rest = [c for c in columns if c.name not in chosen and not c.is_id]
    outputs = [f"'{c.name}' ({c.kind})" for c in rest if c.kind != "text" or c.words > 2]
    inputs = [f"'{c.name}'" for c in rest if c.kind == "text" and c.words >= 4]
    said = []
    if outputs:
        said.append(
            f"Not sure: the output could also be {' or '.join(outputs[:4])}; if so, set data.output_column and task.kind."
        )
    if inputs:
        said.append(
            f"Not sure: the input could also be {' or '.join(inputs[:4])}; one column is used; name others in data.context_columns if they count too."
        )
    if {"chosen", "rejected"} <= {c.lower() for c in raw.columns}:
        said.append(
            "Not sure: 'chosen' and 'rejected' look like preference pairs, which are not examples of one right answer."
        )
    marks = [
        c.name
        for c in rest
        if c.name.lower() in MARKS and c.distinct == 2 and None not in map(mark_of, c.values)
    ]
    if marks:
        said.append(
            f"Not sure: '{marks[0]}' looks like marks of good and bad answers; rows marked as bad are learnt like others: name the columns prompt, completion and label to leave them out."
        )
    if guess.kind == "text":
        said.append(
            "Free text is scored by exact match and shared words only: look at answers before you trust a figure."
        )
    return said


def _beside(path: Path, test_data: str) -> list[str]:
    """Point at a test file that lies beside the file of examples."""
    if test_data or "train" not in path.stem.lower():
        return []
    other = path.with_name(re.sub("train(ing)?", "test", path.name, flags=re.IGNORECASE))
    return (
        [f"There is a {other.name} beside it: give it with --test-data to use it as the test."]
        if other.is_file()
        else []
    )
