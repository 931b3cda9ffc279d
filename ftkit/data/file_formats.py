"""The file formats: each reader returns columns, numbered rows, and rows that could not be taken apart."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile

from ftkit.core.errors import BadInput

LONGEST_CELL = 10_000_000


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
    """

    columns: list[str]
    rows: list[tuple[int, dict[str, Any]]]
    faults: list[tuple[int, str]] = field(default_factory=list)
    encoding: str = ""
    separator: str = ""
    notes: list[str] = field(default_factory=list)


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


def read_csv(path: Path, encoding: str) -> Raw:
    """Read CSV or TSV; the separator is found from the header."""
    text, used = decode(path, encoding)
    separator = "\t" if path.suffix.lower() == ".tsv" else separator_of(text)
    csv.field_size_limit(LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    raw = Raw([], [], encoding=used, separator=separator)
    start = 1
    try:
        for cells in reader:
            add_row(raw, start, cells)
            start = reader.line_num + 1
    except csv.Error as error:
        raise BadInput(
            f"cannot be read as a table: {error}",
            where=f"{path}, row starting at line {start}",
            todo="close the quotes or shorten the cell there",
        ) from error
    if not raw.columns:
        raise BadInput(
            "the file is empty", where=str(path), todo="give a file with a header and rows"
        )
    return raw


def add_row(raw: Raw, line: int, cells: list[str]) -> None:
    """Add a line of a table to what was read: the header, a row, or a fault."""
    if not raw.columns:
        raw.columns = [c.strip() for c in cells]
    elif len(cells) == len(raw.columns) or (
        len(cells) > len(raw.columns) and not any(cells[len(raw.columns) :])
    ):
        raw.rows.append((line, dict(zip(raw.columns, cells, strict=False))))
    elif any(c.strip() for c in cells):
        raw.faults.append((line, f"has {len(cells)} cells, the header has {len(raw.columns)}"))


def separator_of(text: str) -> str:
    """Return the candidate that splits the first lines into the same number of cells, most cells first."""
    lines = [line for line in text.splitlines()[:30] if line.strip()]
    best, most = ",", 1
    for candidate in (",", ";", "\t", "|"):
        try:
            rows = list(csv.reader(lines, delimiter=candidate))
        except csv.Error:
            continue
        width = len(rows[0]) if rows else 0
        if width > most and sum(len(r) == width for r in rows) >= 0.8 * len(rows):
            best, most = candidate, width
    return best


def read_jsonl(path: Path, encoding: str) -> Raw:
    """Read one JSON object per line; other lines are told."""
    text, used = decode(path, encoding)
    raw = Raw([], [], encoding=used)
    for number, line in enumerate(
        text.split("\n"), 1
    ):  # not splitlines: U+2028 and the like may stand inside a string
        if line.strip():
            _add(raw, number, *parsed(line))
    return named(raw, path)


def read_json(path: Path, encoding: str) -> Raw:
    """Read a JSON array of objects, or an object that holds one."""
    text, used = decode(path, encoding)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"is not JSON: {error}", where=str(path), todo="mend it; one object a line is .jsonl"
        ) from error
    if isinstance(content, dict):
        content = _by_column(content) or next(
            (v for v in content.values() if isinstance(v, list)), None
        )
    if not isinstance(content, list):
        raise BadInput(
            "holds no array of objects",
            where=str(path),
            todo="give an array of objects with the same keys",
        )
    raw = Raw([], [], encoding=used)
    for number, item in enumerate(content, 1):
        _add(raw, number, item if isinstance(item, dict) else None, "is no object")
    return named(raw, path)


def _by_column(content: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of an object that holds one array per column, or None if it is none."""
    columns = list(content.values())
    if len(columns) < 2 or not all(
        isinstance(c, list) and len(c) == len(columns[0]) for c in columns
    ):
        return None
    if any(isinstance(cell, dict) for cell in columns[0][:1]):
        return None
    return [dict(zip(content, cells, strict=True)) for cells in zip(*columns, strict=True)]


def parsed(line: str) -> tuple[dict[str, Any] | None, str]:
    """Return the object of a line of JSON, or None and why it is none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return None, f"is not JSON: {error}"
    return (value, "") if isinstance(value, dict) else (None, "is no JSON object")


def _add(raw: Raw, number: int, item: dict[str, Any] | None, reason: str) -> None:
    if item is None:
        raw.faults.append((number, reason))
    else:
        raw.rows.append((number, item))


def named(raw: Raw, path: Path) -> Raw:
    """Return what was read with the names of its columns; refuse a file without rows."""
    if not raw.rows:
        why = f": row {raw.faults[0][0]} {raw.faults[0][1]}" if raw.faults else ""
        raise BadInput(
            f"holds no JSON object{why}", where=str(path), todo="give objects with the same keys"
        )
    raw.columns = list(dict.fromkeys(name for _, row in raw.rows for name in row))
    return raw


def read_parquet(path: Path, encoding: str) -> Raw:
    """Read a Parquet table; structures stay objects, lists stay lists."""
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise unreadable(path, "Parquet", error) from error
    return _from_arrow(table, "parquet")


def read_arrow(path: Path, encoding: str) -> Raw:
    """Read an Arrow file, in either of its two forms (file and stream)."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            try:
                table = pa.ipc.open_file(source).read_all()
            except pa.ArrowInvalid:
                source.seek(0)
                table = pa.ipc.open_stream(source).read_all()
    except (OSError, ValueError) as error:
        raise unreadable(path, "Arrow", error) from error
    return _from_arrow(table, "arrow")


def read_folder(path: Path, encoding: str) -> Raw:
    """Read a folder that the ``datasets`` library saved; of several splits the one called train."""
    from datasets import DatasetDict, load_from_disk

    try:
        found = load_from_disk(str(path))
    except (OSError, ValueError, KeyError) as error:
        raise unreadable(path, "a datasets folder", error) from error
    if not isinstance(found, DatasetDict):
        return _from_arrow(
            found.data.table if found._indices is None else found.flatten_indices().data.table,
            "datasets folder",
        )
    if "train" not in found:
        raise BadInput(
            f"has the splits {', '.join(map(str, found))} and none called train",
            where=str(path),
            todo="name the folder of one split",
        )
    others = [str(name) for name in found if name != "train"]
    raw = read_folder(path / "train", encoding)
    if others:
        raw.notes.append(
            f"Read split train; there are also {', '.join(others)}: one may be given as data.test_data."
        )
    return raw


def _from_arrow(table: Any, encoding: str) -> Raw:
    names = [name.strip() for name in table.column_names]
    cells = zip(*(table.column(i).to_pylist() for i in range(len(names))), strict=True)
    return Raw(names, _numbered(names, cells), encoding=encoding)


LARGEST_SHEET, MOST_SHRUNK = 256 << 20, 100
"""Bytes of an unpacked workbook that are always read; how much smaller than these a larger one may be on disk."""


def read_xlsx(path: Path, encoding: str) -> Raw:
    """Read the first sheet of a workbook; formulas count with their last computed value."""
    from openpyxl import load_workbook

    _no_bomb(path)
    try:
        book = load_workbook(path, read_only=True, data_only=True)
        sheet = book.worksheets[0]
        table = [list(cells) for cells in sheet.iter_rows(values_only=True)]
    except (
        OSError,
        ValueError,
        KeyError,
        IndexError,
        BadZipFile,
        ElementTree.ParseError,
        SyntaxError,
    ) as error:
        raise unreadable(path, "XLSX", error) from error
    header = [_header(cell) for cell in (table[0] if table else [])]
    while header and not header[-1]:
        header.pop()
    if not header:
        raise BadInput(
            "the first sheet has no header in its first row",
            where=str(path),
            todo="put the column names there",
        )
    others = f" (first of {len(book.worksheets)} sheets)" if len(book.worksheets) > 1 else ""
    return Raw(
        header, _numbered(header, table[1:]), encoding=f"xlsx, sheet '{sheet.title}'{others}"
    )


def _no_bomb(path: Path) -> None:
    """Refuse a workbook that is small on disk and huge in memory.

    Raises:
        BadInput: Its parts are larger than ``LARGEST_SHEET`` and shrunk more than any table of text is.
    """
    try:
        with ZipFile(path) as parts:
            whole = sum(part.file_size for part in parts.infolist())
    except (OSError, BadZipFile) as error:
        raise unreadable(path, "XLSX", error) from error
    if whole > LARGEST_SHEET and whole > MOST_SHRUNK * path.stat().st_size:
        raise BadInput(
            f"would take {whole / 2**30:.1f} GiB from {path.stat().st_size / 2**20:.1f} MiB on disk, which no table of texts does",
            where=str(path),
            todo="give it as CSV, if you know where it comes from",
        )


def _header(cell: Any) -> str:
    return "" if cell is None else str(cell).strip()


def _numbered(names: list[str], table: Iterable[Sequence[Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Return rows with their number as a person sees it (header = 1), without wholly empty ones."""
    rows = (
        (number, dict(zip(names, cells, strict=False))) for number, cells in enumerate(table, 2)
    )
    return [(number, row) for number, row in rows if any(cell is not None for cell in row.values())]


def unreadable(path: Path, kind: str, error: BaseException) -> BadInput:
    """Return the error of a file that is not what its ending says."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return BadInput(
        f"cannot be read as {kind}: {reason}",
        where=str(path),
        todo=f"open it and save it again as {kind}",
    )


SOURCES: dict[str, Callable[[Path, str], Raw]] = {
    ".csv": read_csv,
    ".tsv": read_csv,
    ".jsonl": read_jsonl,
    ".ndjson": read_jsonl,
    ".json": read_json,
    ".parquet": read_parquet,
    ".arrow": read_arrow,
    ".xlsx": read_xlsx,
}
