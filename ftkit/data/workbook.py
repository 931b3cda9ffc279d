"""Workbooks: what a person sees on the first visible sheet, cell by cell, or why a cell cannot be used."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zipfile import BadZipFile, ZipFile

from ftkit.core.errors import BadInput
from ftkit.data.file_formats import Raw, UnusableCell, header_at, header_note, unreadable
from ftkit.data.number_formats import shown

LARGEST_SHEET, MOST_SHRUNK = 256 << 20, 100
"""Bytes of an unpacked workbook that are always read; how much smaller than these a larger one may be on disk."""
FAULTS = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    BadZipFile,
    ElementTree.ParseError,
    SyntaxError,
)
"""What openpyxl raises on damaged workbooks."""


def read_xlsx(path: Path, encoding: str) -> Raw:
    """Read the first visible sheet of a workbook that holds something.

    Numbers come as their format shows them, dates in ISO form, formulas with their stored value; a merged cell counts for
    each of its rows. Hidden rows, error cells and formulas without a stored value are put aside.

    Raises:
        BadInput: No workbook, a bomb, or no visible sheet with a header.
    """
    from openpyxl import load_workbook

    _no_bomb(path)
    try:
        formulas = _holds_formulas(path)
        book = load_workbook(path, data_only=True, keep_links=False)
        sheets = [(sheet, _filled(sheet)) for sheet in book.worksheets]
        seen = (s for s, rows in sheets if s.sheet_state == "visible" and rows)
        sheet = next(seen, None)
        raw = Raw([], [], encoding="xlsx")
        if sheet is not None:
            written = load_workbook(path, keep_links=False)[sheet.title] if formulas else None
            _read_sheet(raw, sheet, written, path)
    except FAULTS as error:
        if isinstance(error, BadInput):
            raise
        raise unreadable(path, "XLSX", error) from error
    if sheet is None or not raw.columns:
        raise BadInput(
            "no visible sheet holds a table with a header",
            where=str(path),
            todo="put the column names above the rows, on a sheet that is not hidden",
        )
    raw.encoding = f"xlsx, sheet '{sheet.title}'"
    raw.notes[:0] = _other_sheets(sheet, sheets)
    return raw


def _filled(sheet: Any) -> int:
    return sum(any(cell.value is not None for cell in row) for row in sheet.iter_rows())


def _other_sheets(chosen: Any, sheets: list[tuple[Any, int]]) -> list[str]:
    """Return a sentence on the sheets that were not read."""
    others = [
        f"'{sheet.title}' ({rows:,} rows{', hidden' if sheet.sheet_state != 'visible' else ''})"
        for sheet, rows in sheets
        if sheet is not chosen
    ]
    return [f"Read sheet '{chosen.title}'; not read: {', '.join(others[:8])}."] if others else []


def _holds_formulas(path: Path) -> bool:
    with ZipFile(path) as parts:
        names = [n for n in parts.namelist() if re.fullmatch(r"xl/worksheets/[^/]+\.xml", n)]
        return any(re.search(rb"<f[ >/]", parts.read(name)) for name in names)


def _read_sheet(raw: Raw, sheet: Any, written: Any, path: Path) -> None:
    merged = _merged(sheet)
    table = list(_rows(sheet, written, merged))
    hidden = {n for n, row in sheet.row_dimensions.items() if row.hidden}
    top = header_at([cells for _, cells in table])
    raw.notes += header_note([cells for _, cells in table], top)
    names = ["" if c is None else str(c).strip() for c in table[top][1]]
    while names and not names[-1]:
        names.pop()
    raw.columns = names
    out_of_sight = 0
    for number, cells in table[top + 1 :]:
        row = dict(zip(names, cells, strict=False))
        if all(cell is None for cell in row.values()):
            continue
        if number in hidden:
            out_of_sight += 1
            raw.faults.append((number, "is hidden on the sheet: show it there to use it"))
        else:
            raw.rows.append((number, row))
    if out_of_sight:
        raw.notes.append(f"{out_of_sight:,} hidden rows are put aside.")
    unseen = [name for name, column in zip(names, _hidden_columns(sheet), strict=False) if column]
    if unseen:
        raw.notes.append(f"Hidden columns, read like the others: {', '.join(unseen)}.")
    if merged:
        raw.notes.append(f"{len(sheet.merged_cells.ranges):,} merged cells count for each row.")


def _hidden_columns(sheet: Any) -> list[bool]:
    hidden = [False] * sheet.max_column
    for column in sheet.column_dimensions.values():
        for place in range(column.min or 1, min(column.max or 0, sheet.max_column) + 1):
            hidden[place - 1] |= bool(column.hidden)
    return hidden


def _merged(sheet: Any) -> dict[tuple[int, int], tuple[int, int]]:
    """Return for the lower cells of each merged range the one that holds its value."""
    return {
        (row, area.min_col): (area.min_row, area.min_col)
        for area in sheet.merged_cells.ranges
        for row in range(area.min_row + 1, area.max_row + 1)
    }


def _rows(
    sheet: Any, written: Any, merged: dict[tuple[int, int], tuple[int, int]]
) -> Iterator[tuple[int, list[Any]]]:
    for row in sheet.iter_rows():
        cells = []
        for cell in row:
            place = merged.get((cell.row, cell.column))
            source = cell if place is None else sheet.cell(*place)
            formula = written is not None and written.cell(source.row, source.column)
            cells.append(_cell(source, formula))
        if any(value is not None for value in cells):
            yield row[0].row, cells


def _cell(cell: Any, written: Any) -> Any:
    value = cell.value
    if cell.data_type == "e":
        return UnusableCell(str(value), f"holds the error {value}")
    if value is None:
        if written and written.data_type == "f":
            return UnusableCell(
                "", "holds a formula without a stored value: open the file, save it, give it again"
            )
        return None
    if isinstance(value, bool):
        return value
    if isinstance(value, int | float):
        return shown(value, cell.number_format)
    return _unescaped(value) if isinstance(value, str) else value


def _unescaped(text: str) -> str:
    """Return a text with the letters that the format writes as ``_x000D_``."""
    return re.sub(r"_x([0-9A-Fa-f]{4})_", lambda m: chr(int(m[1], 16)), text)


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
