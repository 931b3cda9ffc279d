"""Reading examples from files and saved datasets; a row that cannot be used is kept aside with its reason."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.foreign_files import in_child, reading
from ftkit.core.parameters.files import nearest
from ftkit.data import large
from ftkit.data.arrow_files import read_arrow, read_folder, read_parquet
from ftkit.data.damage import half_character
from ftkit.data.delimited import read_csv
from ftkit.data.file_formats import SHEET_ERRORS, Raw, UnusableCell
from ftkit.data.json_files import read_json, read_jsonl
from ftkit.data.layouts import flatten
from ftkit.data.tool_turns import CONVERSATION
from ftkit.data.workbook import read_xlsx
from ftkit.scoring.context_header import with_head
from ftkit.scoring.values import is_missing, value_text

FEWEST = 20
MOST_REMOVED = 0.1
"""Share of the rows above which no step takes rows out without asking (``data.most_removed``)."""
ROWS = 20_000
UNBOUNDED = (".xlsx", ".xlsm", ".parquet", ".arrow")
"""Formats whose libraries may take any amount of memory and time for a small file; they are read in a process of their own."""


@dataclass
class Rejected:
    """A row that cannot be used.

    Attributes:
        row: Line or row number in the file, the header being 1.
        reason: Why, with the column.
        file: Name of the file.
    """

    row: int
    reason: str
    file: str = ""


@dataclass
class Table:
    """What was read.

    Attributes:
        rows: One dict per usable row with ``input``, ``output``, ``group`` and ``source_row``, and ``head``, the values of its context, if there is one.
        rejected: The others.
        rows_read: Both together.
        encoding: Encoding of the text, or the format's name for binary formats.
        separator: Column separator of a CSV or TSV file.
        file: Name of the file.
        notes: What was done to it on the way, in sentences.
    """

    rows: list[dict[str, Any]]
    rejected: list[Rejected] = field(default_factory=list)
    rows_read: int = 0
    encoding: str = ""
    separator: str = ""
    file: str = ""
    notes: list[str] = field(default_factory=list)
    tools: list[dict[str, Any]] = field(default_factory=list)


def read(
    path: Path,
    input_column: str,
    output_column: str,
    group_column: str = "",
    encoding: str = "",
    fewest: int = FEWEST,
    extra: Sequence[str] = (),
    most: int = ROWS,
    seed: int = 7,
    context: Sequence[str] = (),
) -> Table:
    """Read a file of examples.

    Args:
        path: The file; its ending decides the format.
        input_column: Column with what the model is given.
        output_column: Column with the right answer; a JSON object is kept as compact JSON.
        group_column: Column whose rows stay together in one split; empty for none.
        encoding: Encoding of a text file; empty for UTF-8.
        fewest: Fewest usable rows; 1 for a test file, whose answers may also be all the same.
        extra: Further columns to keep, as text under ``extra`` of each row.
        most: Most rows kept of a file above ``large.LARGE`` bytes.
        seed: Draws them.
        context: Columns that are put in front of the input, a line ``name: value`` each.

    Raises:
        BadInput: The file is missing, empty or not readable, a column is not there, there are too few rows, or all
            outputs are the same.
    """
    raw = open_source(path, encoding, most, seed)
    group_column = group_column or (CONVERSATION if raw.tools else "")
    wanted = [c for c in (input_column, output_column, group_column, *context, *extra) if c]
    _check_columns(path, raw.columns, wanted)
    table = Table(
        [],
        list(_told(raw, path)),
        encoding=raw.encoding,
        separator=raw.separator,
        file=path.name,
        notes=list(raw.notes),
        tools=raw.tools,
    )
    used = [name for name in wanted if name not in (input_column, output_column)]
    for number, row in raw.rows:
        reason = fault(row, (input_column, output_column), used)
        if reason:
            table.rejected.append(Rejected(number, reason, path.name))
            continue
        group = cell_text(row.get(group_column)) if group_column else ""
        head = {name: cell_text(row.get(name)) for name in context}
        table.rows.append(
            {
                "input": with_head(head, cell_text(row[input_column])),
                "output": cell_text(row[output_column]),
                "group": group,
                "source_row": number,
                "file": path.name,
                **({"head": tuple(head.values())} if context else {}),
                **({"extra": {name: cell_text(row.get(name)) for name in extra}} if extra else {}),
            }
        )
    table.rows_read = len(table.rows) + len(table.rejected)
    table.rejected.sort(key=lambda r: r.row)
    _check_enough(path, table, output_column, fewest)
    return table


def open_source(path: Path, encoding: str = "", most: int = ROWS, seed: int = 7) -> Raw:
    """Open a file by its ending, or a folder of the ``datasets`` library; known layouts become input and output.

    Of a file above ``large.LARGE`` bytes at most ``most`` rows are kept, drawn with a seed.

    Raises:
        BadInput: No such file, an unknown ending, or an empty or unreadable file.
    """
    return flatten(open_raw(path, encoding, most, seed))


def open_raw(
    path: Path, encoding: str = "", most: int = ROWS, seed: int = 7, parameter: str = "data.data"
) -> Raw:
    """Open a file by its ending, its columns as they stand: the one reader for data, pairs, labels and review sheets.

    Raises:
        BadInput: As :func:`open_source`.
    """
    if path.is_dir() and any(
        (path / name).exists() for name in ("dataset_info.json", "dataset_dict.json")
    ):
        return read_folder(path, encoding)
    if path.is_dir() or not path.exists():
        raise BadInput(
            "there is no such file",
            where=str(path),
            todo=f"check {parameter} in the parameter file",
        )
    ending = path.suffix.lower()
    reader = SOURCES.get(ending)
    if reader is None:
        raise BadInput(
            f"'{path.suffix}' is no known kind of file",
            where=str(path),
            todo=f"use one of {', '.join(SOURCES)}",
        )
    if path.stat().st_size == 0:
        raise BadInput(
            "the file is empty", where=str(path), todo="give a file with a header and rows"
        )
    with reading(path, ending[1:].upper()):
        if path.stat().st_size > (large.LARGE if ending in large.STREAMED else large.WHOLE):
            return large.read_large(path, encoding, most, seed)
        if ending in UNBOUNDED:
            return in_child(reader, path, encoding, kind=ending[1:].upper())
        return reader(path, encoding)


SOURCES: dict[str, Callable[[Path, str], Raw]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".tab": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".xlsx": read_xlsx,
    ".xlsm": read_xlsx,
}


def _told(raw: Raw, path: Path) -> Iterable[Rejected]:
    return (Rejected(number, reason, path.name) for number, reason in raw.faults)


def _check_columns(path: Path, columns: list[str], wanted: list[str]) -> None:
    twice = sorted({c for c in columns if c and columns.count(c) > 1})
    if twice:
        raise BadInput(
            f"the column name '{twice[0]}' stands twice",
            where=f"{path}, row 1",
            todo="give each column its own name",
        )
    for name in wanted:
        if name not in columns:
            raise BadInput(
                f"there is no column '{name}'{nearest(name, columns)}",
                where=str(path),
                todo=f"set data.input_column and data.output_column (and data.context_columns); the columns are: {', '.join(columns[:30])}",
            )


def fault(row: dict[str, Any], needed: Sequence[str], more: Sequence[str] = ()) -> str:
    """Return why a row cannot be used, or an empty text.

    Args:
        row: Cells by column.
        needed: Columns that must hold a text.
        more: Further columns whose cells must be readable, but may be empty.
    """
    for name in (*needed, *more):
        value = row.get(name)
        if isinstance(value, list):
            return f"column '{name}' holds a list, not a text"
        if isinstance(value, UnusableCell):
            return f"column '{name}' {value.reason}"
        try:
            text = cell_text(value)
        except ValueError as error:
            return f"column '{name}' {error}"
        if not text and name in needed:
            return f"column '{name}' is empty"
        if text in SHEET_ERRORS:
            return f"column '{name}' holds the error {text}"
        if "\x00" in text:
            return f"column '{name}' holds a NUL byte"
        if half_character(text):
            return f"column '{name}' holds half a character (a lone surrogate)"
    return ""


def kind_of(reason: str) -> str:
    """Return a reason without what differs from row to row: numbers, and quoted texts but for names of columns."""
    plain = re.sub(r"(?<!column )'[^']*'", "…", reason.split(" (char ")[0])
    return re.sub(r"\d[\d,.]*", "N", plain.split(": line ")[0])


def cell_text(value: Any) -> str:
    """Return a cell as text without outer blanks; a missing value is empty.

    Raises:
        ValueError: Bytes that are no UTF-8 text.
    """
    return "" if is_missing(value) else value_text(value).strip()


def _check_enough(path: Path, table: Table, output_column: str, fewest: int) -> None:
    if len(table.rows) < fewest:
        why = (
            f"; {len(table.rejected)} rows were rejected, the first: row {table.rejected[0].row}: {table.rejected[0].reason}"
            if table.rejected
            else ""
        )
        raise BadInput(
            f"only {len(table.rows)} usable rows, at least {fewest} are needed{why}",
            where=str(path),
            todo="add examples or mend these rows",
        )
    if fewest > 1 and len({row["output"] for row in table.rows}) == 1:
        raise BadInput(
            f"all outputs are the same: {table.rows[0]['output'][:60]!r}",
            where=f"{path}, column {output_column}",
            todo="check data.output_column: there is nothing to learn from one answer",
        )
