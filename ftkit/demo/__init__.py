"""The quickstart domain: the customer desk of Fellmoor Outfitters, made up by ``recipes.demo`` and shipped as files."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from ftkit.core.errors import BadInput
from ftkit.core.run_folder import atomic, write_text

HERE = Path(__file__).parent
SCENARIOS = ("main", "prompting", "rag", "too_little")
FILES = (
    "main.csv",
    "main_2.csv",
    "prompting.csv",
    "rag.csv",
    "too_little.csv",
    "articles_1.json",
    "articles_2.json",
    "data_sheets_1.json",
    "data_sheets_2.json",
    "traffic.jsonl",
)
"""What is shipped; named here so that a change of one makes the stages stale that read it."""


def write_examples(path: Path, n: int = 0, *, scenario: str = "main", edition: int = 1) -> Path:
    """Write the first examples of a scenario as CSV (UTF-8) with the columns ``message, answer, customer``.

    Args:
        path: File to write.
        n: Number of rows; 0: all that there are.
        scenario: One of ``SCENARIOS``.
        edition: Edition of the handbook (1; of ``main`` also 2) that the answers follow.

    Raises:
        BadInput: There are fewer rows than ``n``.
    """
    source = HERE / f"{scenario}{'_2' if edition == 2 else ''}.csv"
    with source.open(encoding="utf-8", newline="") as handle:
        head, *rows = csv.reader(handle)
    if n > len(rows):
        raise BadInput(
            f"the demo '{scenario}' holds {len(rows):,} examples",
            where=f"data.demo_examples = {n}",
            todo="choose fewer, or 0 for all",
        )
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle, lineterminator="\n").writerows([head, *rows[: n or len(rows)]])
    return path


def write_handbook(folder: Path, *, edition: int = 1, scenario: str = "main") -> Path:
    """Write the handbook: one Markdown file per article, named by its id, e.g. ``H-012.md``.

    Args:
        folder: Folder to write to.
        edition: 1 or 2; a fifth of the facts differ.
        scenario: One of ``SCENARIOS``; all share the facts, ``rag`` has them as data sheets, which any model can read.
    """
    style = "data_sheets" if scenario == "rag" else "articles"
    source = HERE / f"{style}_{edition}.json"
    for name, text in json.loads(source.read_text(encoding="utf-8")).items():
        write_text(folder / name, text)
    return folder


def write_traffic(path: Path) -> Path:
    """Write three months of later traffic as JSON lines: time, customer, message."""
    write_text(path, (HERE / "traffic.jsonl").read_text(encoding="utf-8"))
    return path
