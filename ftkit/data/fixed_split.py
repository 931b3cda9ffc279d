"""What the data themselves say about the split: a column that names it, or a date, so that the newest rows are the test."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.parameters.data import DataParameters

Row = dict[str, Any]

NAMES = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "development": "validation",
    "test": "test",
    "testing": "test",
}
"""How a split may be called in a column, without case."""
HELD = ("test", "validation")
"""Splits that a row can be given to beforehand, the one to be kept cleanest first."""


def columns(p: DataParameters) -> list[str]:
    """Return the columns that say something about the split."""
    return [name for name in (p.split_column, p.time_column) if name]


def mark(rows: Sequence[Row], p: DataParameters) -> None:
    """Give rows the ``split`` that their column names, and the ``time`` that theirs holds, in place.

    Rows named as training, and rows whose cell is empty, stay free. As long as no row is given to validation or to the
    test, :func:`shares` draws that split from the free rows.

    Args:
        rows: Rows as read, with the columns of :func:`columns` in ``extra``.
        p: The stage's parameters.

    Raises:
        BadInput: A cell names no split or no date, the test is given twice, or nothing is left to learn from.
    """
    if p.split_column:
        _given(rows, p.split_column)
        if p.test_data and any(row["split"] == "test" for row in rows):
            raise BadInput(
                f"names rows of the test, and data.test_data is a test as well: {p.test_data}",
                where=f"data.split_column = {p.split_column}",
                todo="leave one of the two empty",
            )
    if p.time_column:
        _dated(rows, p.time_column, p.date_order)


def _given(rows: Sequence[Row], column: str) -> None:
    unknown = Counter(v for row in rows if (v := row["extra"][column]) and v.lower() not in NAMES)
    if unknown:
        first = next(row for row in rows if row["extra"][column] in unknown)
        raise BadInput(
            f"{first['extra'][column]!r} is no split{_more(len(unknown), 'values')}",
            where=f"{first['file']}, row {first['source_row']}, column {column}",
            todo="write train, validation or test there (empty: drawn), or leave data.split_column empty",
        )
    for row in rows:
        name = NAMES.get(row["extra"][column].lower(), "")
        row["split"] = name if name in HELD else ""
    if not any(row["split"] == "" for row in rows):
        raise BadInput(
            "leaves no row for training",
            where=f"data.split_column = {column}",
            todo="name some rows train",
        )


def _dated(rows: Sequence[Row], column: str, order: str) -> None:
    order = order or date_order([row["extra"][column] for row in rows])
    bad = []
    for row in rows:
        row["time"] = moment(row["extra"][column], order)
        if not row["time"]:
            bad.append(row)
    if bad:
        raise BadInput(
            f"{bad[0]['extra'][column]!r} is no date that can be read in one way only{_more(len(bad), 'rows')}",
            where=f"{bad[0]['file']}, row {bad[0]['source_row']}, column {column}",
            todo="set data.date_order: day first (or month first), write dates as 2026-03-31, or leave data.time_column empty",
        )


def _more(count: int, what: str) -> str:
    return f" ({count - 1:,} more such {what})" if count > 1 else ""


NUMBERED = re.compile(
    r"(\d{1,2})([./-])(\d{1,2})\2(\d{4}|\d{2})(?:[ T,]+(\d{1,2}:\d\d(?::\d\d)?))?"
)


def date_order(texts: Sequence[str]) -> str:
    """Return how a column's dates such as 03/04/26 are written, where one of them shows it (31/03/26); else an empty text.

    Full stops between the numbers mean that the day comes first.
    """
    parts = [found.groups() for text in texts if (found := NUMBERED.fullmatch(text.strip()))]
    day_first = any(int(first) > 12 or mark == "." for first, mark, *_ in parts)
    month_first = any(int(second) > 12 for _, _, second, *_ in parts)
    return "" if day_first == month_first else "day first" if day_first else "month first"


def moment(text: str, order: str = "") -> str:
    """Return a date or time in ISO form, or seconds since 1970, as ISO text in UTC; else an empty text.

    Args:
        text: A date, with or without a time.
        order: day first or month first, for forms such as 03/04/26; empty: these are not read, as they mean two days.
    """
    numbered = NUMBERED.fullmatch(text.strip()) if order else None
    if numbered:
        first, _, second, year, time = numbered.groups()
        day, month = (first, second) if order == "day first" else (second, first)
        year = year if len(year) == 4 else f"20{year}"
        text = f"{year}-{month:0>2}-{day:0>2}" + (f"T{time:0>5}" if time else "")
    try:
        found = (
            datetime.fromtimestamp(float(text), UTC)
            if text.replace(".", "", 1).isdigit() and len(text) >= 9
            else None
        )
        found = found or datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return ""
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC).isoformat()


def shares(rows: Sequence[Row], p: DataParameters) -> tuple[float, float]:
    """Return the shares of the free rows that validation and test are to be drawn from; 0 where they are given."""
    there = {row["split"] for row in rows}
    return (
        0.0 if "validation" in there else p.validation_share,
        0.0 if "test" in there else p.test_share,
    )


def by_time(units: Sequence[list[Row]], validation_share: float, test_share: float) -> None:
    """Give the newest units to the test, those before to validation, the oldest to train, in place.

    A unit (copies, one customer) counts as new as its newest row and stays whole, so that training never sees what came
    after the test began.

    Args:
        units: Free rows, joined; each row with ``time``.
        validation_share: Share of rows for validation.
        test_share: Share of rows for the test.
    """
    total = sum(map(len, units))
    room = {"test": test_share * total, "validation": validation_share * total}
    taken: dict[str, int] = defaultdict(int)
    for unit in sorted(
        units,
        key=lambda unit: (max(r["time"] for r in unit), min(r["id"] for r in unit)),
        reverse=True,
    ):
        name = next(
            (name for name, size in room.items() if taken[name] + len(unit) / 2 <= size), "train"
        )
        taken[name] += len(unit)
        for row in unit:
            row["split"] = name


def told(rows: Sequence[Row], p: DataParameters) -> str:
    """Return how the rows were split, in one sentence."""
    given = [
        name
        for name in HELD
        if p.split_column and any(_says(row, p.split_column) == name for row in rows)
    ]
    parts = [f"{' and '.join(given)} given by column '{p.split_column}'"] if given else []
    if p.folds:
        parts.append(f"fold {p.fold} of {p.folds} is the test")
    if p.test_data:
        parts.append("test given as a file of its own")
    drawn = [
        name
        for name in HELD
        if name not in given and not (name == "test" and (p.test_data or p.folds))
    ]
    if drawn and p.time_column:
        begins = {
            name: min((r["time"] for r in rows if r["split"] == name and r.get("time")), default="")
            for name in drawn
        }
        since = ", ".join(
            f"{name} from {begins[name][:10]}" for name in reversed(drawn) if begins[name]
        )
        order = p.date_order or date_order(
            [row.get("extra", {}).get(p.time_column, "") for row in rows]
        )
        read_as = f", dates read {order}" if order else ""
        parts.append(f"by time (column '{p.time_column}'{read_as}), the newest last: {since}")
    elif drawn:
        parts.append(
            f"{' and '.join(reversed(drawn))} drawn at random, each kind of answer in the same share"
        )
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}. Copies, groups and paraphrases stay on one side."


def _says(row: Row, column: str) -> str:
    return NAMES.get(row.get("extra", {}).get(column, "").lower(), "")
