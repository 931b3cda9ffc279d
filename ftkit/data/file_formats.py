"""What every reader of a file format returns, and what they share: encodings, headers, cells that cannot be used."""

from __future__ import annotations

import codecs
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput

LONGEST_CELL = 10_000_000
SHEET_ERRORS = frozenset(
    "#N/A #DIV/0! #REF! #VALUE! #NAME? #NUM! #NULL! #SPILL! #CALC! #GETTING_DATA #FIELD!".split()
)
"""What a spreadsheet shows for a failed formula; exports to CSV hold these texts."""


class UnusableCell(str):
    """A cell whose text stands for no value.

    Attributes:
        reason: Why, to be put behind the name of its column.
    """

    reason: str

    def __new__(cls, text: str, reason: str) -> UnusableCell:
        cell = super().__new__(cls, text)
        cell.reason = reason
        return cell

    def __getnewargs__(self) -> tuple[str, str]:
        """Return what a copy is made from: a cell passes from the process that reads a file to this one."""
        return str(self), self.reason


@dataclass
class Raw:
    """A file as it stands.

    Attributes:
        columns: Names in order.
        rows: Row number (header = 1; first line = 1 for JSONL) and cells by name.
        faults: Row number and reason of each row that could not be taken apart.
        encoding: Encoding, or the name of a binary format.
        separator: Column separator.
        notes: What was done to it on the way, in sentences.
        instruction: What all rows are told alike (one system turn for all); empty: nothing.
        tools: Functions that its conversations declare (name, description, parameters).
    """

    columns: list[str]
    rows: list[tuple[int, dict[str, Any]]]
    faults: list[tuple[int, str]] = field(default_factory=list)
    encoding: str = ""
    separator: str = ""
    notes: list[str] = field(default_factory=list)
    instruction: str = ""
    tools: list[dict[str, Any]] = field(default_factory=list)


def decode(path: Path, encoding: str) -> tuple[str, str]:
    """Return a text file's text and encoding.

    Raises:
        BadInput: It is not UTF-8 (with the encoding it looks like), or not in the encoding that was given.
    """
    data = path.read_bytes()
    if encoding:
        try:
            return data.decode(encoding).removeprefix("\ufeff"), encoding
        except LookupError as error:
            raise BadInput(
                f"'{encoding}' is no known encoding",
                where="data.encoding",
                todo="try utf-8, cp1252 or latin-1",
            ) from error
        except UnicodeDecodeError as error:
            raise BadInput(
                f"is not {encoding}: byte {error.start}",
                where=str(path),
                todo="set data.encoding to the right one, or leave it empty",
            ) from error
    for mark in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        if data.startswith(mark):
            try:
                return data.decode("utf-16"), "utf-16"
            except UnicodeDecodeError as error:
                raise BadInput(
                    f"begins as UTF-16, but is not (byte {error.start})",
                    where=str(path),
                    todo="save it as UTF-8",
                ) from error
    try:
        return data.decode("utf-8-sig"), "utf-8"
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise BadInput(
            f"is not UTF-8 (line {line}); it looks like {looks_like(data)}",
            where=str(path),
            todo=encoding_hint(data),
        ) from error


def looks_like(data: bytes) -> str:
    """Return the encoding that bytes look like, in words."""
    from charset_normalizer import from_bytes

    best = from_bytes(data[:200_000]).best()
    return best.encoding if best else "no text at all"


def encoding_hint(data: bytes) -> str:
    """Return what to do about bytes that are no UTF-8."""
    name = looks_like(data)
    return (
        "give a text file"
        if name == "no text at all"
        else f"set data.encoding: {name}, or save the file as UTF-8"
    )


def header_at(rows: Sequence[Sequence[Any]]) -> int:
    """Return the index of the row with the column names: the first as wide as the table below it.

    Lines above it with fewer cells are titles. A row is as wide as its last cell that holds something.
    """
    widths = [_width(row) for row in rows[:50]]
    filled = [w for w in widths if w]
    usual = max(set(filled), key=lambda w: (filled.count(w), w), default=0)
    first = next((i for i, w in enumerate(widths) if w), 0)
    if widths and widths[first] == 1 and len(rows[first]) > 1 and usual == 2 and len(filled) < 4:
        return first  # too few rows to tell a title from a column without a name
    return next((i for i, w in enumerate(widths) if w >= max(1, 0.8 * usual)), first)


def _width(row: Sequence[Any]) -> int:
    return max(
        (n for n, cell in enumerate(row, 1) if cell is not None and str(cell).strip()), default=0
    )


def header_note(rows: Sequence[Sequence[Any]], top: int) -> list[str]:
    """Return a sentence on what stands above the header."""
    texts = [str(c).strip() for row in rows[:top] for c in row if c is not None and str(c).strip()]
    if not texts:
        return []
    return [f"Above the header in row {top + 1} stand: {'; '.join(texts)[:200]!r}; passed over."]


def unreadable(path: Path, kind: str, error: BaseException) -> BadInput:
    """Return the error of a file that is not what its ending says."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return BadInput(
        f"cannot be read as {kind}: {reason}",
        where=str(path),
        todo=f"open it and save it again as {kind}",
    )
