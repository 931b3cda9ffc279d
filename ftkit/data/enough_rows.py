"""When 02 stops: where a step would take out too much, or too little is left."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.parameters.data import DataParameters
from ftkit.data.clean import SAMPLES, Cleaned
from ftkit.data.read import FEWEST, Table
from ftkit.data.turns import MARKED_BAD

Row = dict[str, Any]
SPLITS = ("train", "validation", "test")
LEFT_OUT = "left out by size"
ASKED = ("unusable rows", LEFT_OUT, "personal data", "dropped in review")
"""Steps that take out what a parameter or a person asked for; unusable rows are counted by themselves."""


def check_removed(tables: Sequence[Table], cleaned: Cleaned, p: DataParameters) -> None:
    """Refuse to go on where one step would take out more than ``data.most_removed`` of the rows.

    Rows that the file itself marks as bad answers do not count.

    Raises:
        BadInput: With all such steps, their rows and samples.
    """
    read_rows = sum(table.rows_read for table in tables)
    steps = {d.kind: (d.removed, d.examples) for d in cleaned.defects if d.kind not in ASKED}
    broken = [r for t in tables for r in t.rejected if MARKED_BAD not in r.reason]
    steps["unusable rows"] = len(broken), [f"row {r.row}: {r.reason}" for r in broken[:SAMPLES]]
    over = {kind: s for kind, s in steps.items() if s[0] > p.most_removed * read_rows}
    if not over:
        return
    told = "; ".join(
        f"{count:,} of {read_rows:,} rows ({count / read_rows:.0%}) as {kind}: {', '.join(samples[:2])}"
        for kind, (count, samples) in over.items()
    )
    most = max(count for count, _ in over.values()) / read_rows
    allowed = min(1.0, math.ceil(100 * most) / 100)
    near = " If these are different cases, raise data.near_duplicate_threshold."
    raise BadInput(
        f"02 would take out {told}",
        where=f"{p.data}, data.most_removed = {p.most_removed:g}",
        todo=f"mend these rows, or allow it with data.most_removed: {allowed:g}."
        + (near if "near copies" in over else ""),
    )


def check_left(cleaned: Cleaned, p: DataParameters) -> None:
    """Refuse to go on where cleaning leaves too few examples.

    Raises:
        BadInput: With the step that took out most.
    """
    left = sum(row["split"] != "test" for row in cleaned.rows)
    if left >= FEWEST:
        return
    worst = max(cleaned.defects, key=lambda d: d.removed)
    todo = "mend these rows, or the task card that they do not fit"
    if worst.kind == "near copies":
        todo = "if these are different cases, raise data.near_duplicate_threshold"
    raise BadInput(
        f"only {left} examples are left after cleaning; most went as {worst.kind} ({worst.count}): {'; '.join(worst.examples[:2])}",
        where=p.data,
        todo=todo,
    )


def check_splits(rows: list[Row]) -> None:
    """Refuse to go on with an empty split.

    Raises:
        BadInput: Naming the split, and what to change.
    """
    counts = Counter(row["split"] for row in rows)
    for name in SPLITS:
        if not counts[name]:
            raise BadInput(
                f"the {name} split is empty: rows of one group or of one cluster of near copies stay together",
                where="data",
                todo=f"add examples, raise data.{name}_share, or check data.group_column and data.near_duplicate_threshold",
            )
