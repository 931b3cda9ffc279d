"""CSV and TSV: separator, quoting and header are found from the text, and what was found is told."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ftkit.core.errors import BadInput
from ftkit.data.file_formats import LONGEST_CELL, Raw, decode, header_at, header_note

HEAD_ROWS = 50


@dataclass
class Dialect:
    """How a table is written.

    Attributes:
        separator: Between cells.
        quoted: Whether quote signs enclose cells; else they are letters like others.
        skipped: Lines before the table (``sep=;``).
        notes: What a person should know about it.
        at: Line where the row that is being read begins.
    """

    separator: str
    quoted: bool = True
    skipped: int = 0
    notes: list[str] = field(default_factory=list)
    at: int = 1

    def rows(self, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
        """Return the number of each row's first line, and its cells.

        Args:
            lines: The lines after those skipped, with their ends.

        Raises:
            csv.Error: A quote that is not closed, a cell longer than ``LONGEST_CELL``.
        """
        csv.field_size_limit(LONGEST_CELL)
        start = 1 + self.skipped
        if not self.quoted:
            for number, line in enumerate(lines, start):
                yield number, line.rstrip("\r\n").split(self.separator)
            return
        reader = csv.reader(lines, delimiter=self.separator, strict=True)
        for cells in reader:
            yield start, cells
            self.at = start = reader.line_num + 1 + self.skipped


def dialect_of(text: str, tabbed: bool, whole: bool = True) -> Dialect:
    """Find how a table is written.

    A separator named in a first line ``sep=;`` counts, then that of the ending, then that of the first lines. Quote signs
    are letters where every line has all cells without them and some are not closed within their cell: in a tab-separated
    file always, in others where reading them as quotes fails.

    Args:
        text: The file, or its beginning in whole lines.
        tabbed: Whether the ending says that tabs separate.
        whole: Whether it is the whole file: in a part of it a quote may be open at the end.
    """
    named = re.match(r'\s*"?sep=(.)"?[^\S\r\n]*(?:\r\n|\r|\n)', text)
    body = text[named.end() :] if named else text
    separator = named[1] if named else "\t" if tabbed else separator_of(body)
    found = Dialect(separator, skipped=1 if named else 0)
    if named:
        found.notes.append(f"Its first line names the separator {separator!r}.")
    if '"' in body and (whole or separator == "\t"):
        _quoting(found, body)
    return found


def _quoting(found: Dialect, body: str) -> None:
    lines = [line for line in re.split(r"\r\n|\r|\n", body) if line.strip()]
    width = lines[0].count(found.separator)
    even = width > 0 and all(line.count(found.separator) == width for line in lines)
    stray = [n for n, line in enumerate(lines, 1) if not _closed(line, found.separator)]
    if not even or not stray:
        return
    if found.separator == "\t" or not _reads(found, body, width + 1):
        found.quoted = False
        found.notes.append(
            f"Quote signs are letters: {len(stray):,} lines hold one that is not closed, the first is line {stray[0] + found.skipped}."
        )
    elif len(stray) > 1:
        found.notes.append(
            f"Not sure: from line {stray[0] + found.skipped} on a quoted cell runs over lines that look like rows; is a quote sign missing there?"
        )


def _closed(line: str, separator: str) -> bool:
    """Say whether each cell of a line that begins with a quote sign ends with one, those inside doubled."""
    return all(
        re.fullmatch(r'"(?:[^"]|"")*"', cell) is not None
        for cell in line.split(separator)
        if cell.startswith('"')
    )


def _reads(found: Dialect, body: str, width: int) -> bool:
    try:
        return all(
            len(cells) in (0, width) for _, cells in found.rows(io.StringIO(body, newline=""))
        )
    except csv.Error:
        return False


def read_csv(path: Path, encoding: str) -> Raw:
    """Read CSV or TSV; titles above the header are passed over and told."""
    text, used = decode(path, encoding)
    dialect = dialect_of(text, path.suffix.lower() in (".tsv", ".tab"))
    raw = Raw([], [], encoding=used, separator=dialect.separator, notes=list(dialect.notes))
    handle = io.StringIO(text, newline="")
    for _ in range(dialect.skipped):
        handle.readline()
    table: list[tuple[int, list[str]]] = []
    try:
        for line, cells in dialect.rows(handle):
            table.append((line, cells))
    except csv.Error as error:
        raise not_a_table(path, dialect.at, error) from error
    if not any(any(c.strip() for c in cells) for _, cells in table):
        raise BadInput(
            "the file is empty", where=str(path), todo="give a file with a header and rows"
        )
    head = [cells for _, cells in table[:HEAD_ROWS]]
    top = header_at(head)
    raw.notes += header_note(head, top)
    for line, cells in table[top:]:
        add_row(raw, line, cells)
    return raw


def not_a_table(path: Path, line: int, error: csv.Error) -> BadInput:
    """Return the error of a table that cannot be taken apart at the row that starts at a line."""
    return BadInput(
        f"cannot be read as a table: {error}",
        where=f"{path}, row starting at line {line}",
        todo="close the quotes or shorten the cell there",
    )


def add_row(raw: Raw, line: int, cells: list[str]) -> None:
    """Add a line of a table to what was read: the header, a row, or a fault."""
    if not raw.columns:
        if any(c.strip() for c in cells):
            raw.columns = [c.strip() for c in cells]
    elif len(cells) == len(raw.columns) or (
        len(cells) > len(raw.columns) and not any(cells[len(raw.columns) :])
    ):
        if any(c.strip() for c in cells):
            raw.rows.append((line, dict(zip(raw.columns, cells, strict=False))))
    elif any(c.strip() for c in cells):
        raw.faults.append((line, f"has {len(cells)} cells, the header has {len(raw.columns)}"))


def separator_of(text: str) -> str:
    """Return the candidate that splits the first lines into the same number of cells, most cells first."""
    head = text[: 1 << 20]
    best, most = ",", 1
    for candidate in (",", ";", "\t", "|"):
        rows: list[list[str]] = []
        try:
            for cells in csv.reader(io.StringIO(head, newline=""), delimiter=candidate):
                if any(cells):
                    rows.append(cells)
                if len(rows) == HEAD_ROWS:
                    break
        except csv.Error:
            continue
        widths = [len(r) for r in rows]
        width = max(set(widths), key=widths.count) if widths else 0
        if width > most and sum(w == width for w in widths) >= 0.8 * len(widths):
            best, most = candidate, width
    return best
