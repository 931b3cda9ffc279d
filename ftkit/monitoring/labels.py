"""What to label this week, and the accuracy that labelled answers show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.records.strategy import answers_of
from ftkit.data.read import cell_text, fault, open_raw

COLUMNS = ["id", "time", "why", "input", "output", "right_answer"]
FORMULA = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "'",
)  # the last one so that a text's own quote is not taken for ours
RANDOM, NEW, UNSURE = "random", "unlike the usual", "least sure"


def label_sample(rows: Any, unlike: Any, size: int, seed: int) -> Any:
    """Return the rows to label: half drawn at random (for an estimate without bias), the others the most unlike the usual
    and, where the log tells the model's confidence, as many of those that it was least sure of.

    Args:
        rows: Rows of the last four weeks (``time``, ``input``, ``output``, and ``confidence`` where it is known).
        unlike: Per row, how unlike the usual it is.
        size: Rows in all.
        seed: Seed of the draw.

    Returns:
        A table with ``COLUMNS``; ``right_answer`` is empty.
    """
    import hashlib

    import pandas as pd

    rows = rows.assign(unlike=unlike)
    drawn = rows.sample(min(len(rows), -(-size // 2)), random_state=seed)
    left, more = rows.drop(drawn.index), size - len(drawn)
    unsure = (
        left.sort_values("confidence", kind="stable").dropna(subset="confidence")
        if "confidence" in left
        else left.head(0)
    )
    unsure = unsure.head(more // 2)
    rest = (
        left.drop(unsure.index)
        .sort_values("unlike", ascending=False, kind="stable")
        .head(more - len(unsure))
    )
    found = pd.concat([drawn.assign(why=RANDOM), unsure.assign(why=UNSURE), rest.assign(why=NEW)])
    found["time"] = found["time"].dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    found["id"] = [
        hashlib.sha256(f"{t}{x}".encode()).hexdigest()[:12]
        for t, x in zip(found["time"], found["input"], strict=True)
    ]
    found["right_answer"] = ""
    return safe(found[COLUMNS]).reset_index(drop=True)


def safe(table: Any) -> Any:
    """Return a label file's rows so that a spreadsheet does not run what a customer wrote; ``labelled`` takes it off again."""
    guarded = {
        column: [f"'{t}" if t.startswith(FORMULA) else t for t in table[column]]
        for column in ("input", "output")
    }
    return table.assign(**guarded)


def sample_path(folder: Path) -> Path:
    """Return where a new sample may be written: a file in which somebody has filled in a label stays as it is."""
    number = 1
    while (
        path := folder / f"label_sample{f'-{number}' if number > 1 else ''}.csv"
    ).exists() and _filled(path):
        number += 1
    return path


def _filled(path: Path) -> bool:
    try:
        return bool(len(labelled(path)))
    except (BadInput, ValueError):
        return True  # what cannot be read is not ours to write over


def read_labels(path: Path) -> tuple[Any, Any]:
    """Return labelled answers as items and answers that 07's scores take; only those drawn at random.

    Raises:
        BadInput: The file is missing, lacks a column, or holds no labelled answer.
    """
    import pandas as pd

    table = labelled(path)
    table = table[table["why"] == RANDOM]
    if table.empty:
        raise BadInput(
            "holds no labelled answer among those drawn at random",
            where=str(path),
            todo="fill in the column right_answer",
        )
    items = pd.DataFrame(
        {
            "id": table["id"],
            "input": table["input"],
            "output": table["right_answer"],
            "group": "",
            "cluster": "",
            "split": "test",
            "source_row": range(len(table)),
        }
    )
    answers = answers_of("production", table["id"], table["output"])
    return items.reset_index(drop=True), answers


def labelled(path: Path) -> Any:
    """Return the rows of a label file whose right answer is filled in (``COLUMNS``), without what made them safe in a spreadsheet.

    Raises:
        BadInput: The file is missing, lacks a column, or a row cannot be read.
    """
    import pandas as pd

    if not path.is_file():
        raise BadInput(
            "there is no such file",
            where=str(path),
            todo="check monitoring.labels; empty: none yet",
        )
    raw = open_raw(path, parameter="monitoring.labels")
    faults = [*raw.faults, *((n, why) for n, row in raw.rows if (why := fault(row, (), list(row))))]
    if faults:
        number, reason = min(faults)
        raise BadInput(reason, where=f"{path}, row {number}", todo="mend or remove that row")
    cells = [{name: cell_text(row.get(name)) for name in raw.columns} for _, row in raw.rows]
    table = pd.DataFrame(cells, columns=raw.columns, dtype=str)
    missing = [c for c in ("id", "input", "output", "right_answer") if c not in table]
    if missing:
        raise BadInput(
            f"has no column {missing[0]}",
            where=str(path),
            todo="fill in the file that 10_monitoring wrote (label_sample.csv)",
        )
    for column in ("input", "output"):
        table[column] = [
            t[1:] if t.startswith("'") and t[1:].startswith(FORMULA) else t for t in table[column]
        ]
    table["why"] = table.get("why", RANDOM)
    return table[table["right_answer"].str.strip() != ""].reset_index(drop=True)
