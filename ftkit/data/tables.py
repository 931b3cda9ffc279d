"""The data stage as small tables for people; samples are masked."""

from __future__ import annotations

from typing import Any

from ftkit.core.records.data import DataCard
from ftkit.data.personal_data import mask
from ftkit.data.read import Table

SEPARATORS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", "": "–"}


def files(table: Table, test: Table | None) -> list[dict[str, Any]]:
    """Return what was read, one row per file."""
    return [
        {
            "file": found.file,
            "used for": name,
            "rows": found.rows_read,
            "of these unusable": len(found.rejected),
            "encoding": found.encoding,
            "separator": SEPARATORS[found.separator],
            **({"to know": " ".join(found.notes)} if found.notes else {}),
        }
        for name, found in (
            ("all splits" if test is None else "training and validation", table),
            ("test", test),
        )
        if found
    ]


def preview(table: Table, count: int = 4, longest: int = 160) -> list[dict[str, Any]]:
    """Return the first rows, masked and shortened."""
    rows = (
        [("row", "group", "input", "answer")]
        if any(row["group"] for row in table.rows)
        else [("row", "input", "answer")]
    )
    return [{name: _short(row, name, longest) for name in rows[0]} for row in table.rows[:count]]


def _short(row: dict[str, Any], name: str, longest: int) -> Any:
    if name == "row":
        return row["source_row"]
    text = mask(str(row[{"answer": "output"}.get(name, name)]))
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def defects(card: DataCard) -> list[dict[str, Any]]:
    """Return the defects with what was done and one sample each."""
    return [
        {
            "defect": d.kind,
            "found": d.count,
            "removed": d.removed,
            "what was done": d.action,
            "for example": (d.examples or [""])[0],
        }
        for d in card.defects
    ]
