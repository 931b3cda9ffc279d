"""The review queue: everything doubtful, worst first, and what people decided about it.

A decision names a row by a hash of its text, so that it holds in a new order of rows and in a new export. Decisions are
appended to ``review.jsonl`` with who and when; the last one on a row counts. They can also be made in a spreadsheet.
"""

from __future__ import annotations

import csv
import datetime as dt
import getpass
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from ftkit.core.errors import BadInput
from ftkit.core.records.task import TaskCard
from ftkit.core.run_folder import atomic
from ftkit.data.personal_data import points_to_somebody
from ftkit.scoring.parse import parse_record
from ftkit.scoring.values import compact, identity

Row = dict[str, Any]
Action = Literal["keep", "fix", "drop", "redact"]
ACTIONS: tuple[Action, ...] = ("keep", "fix", "drop", "redact")
COLUMNS = [
    "key",
    "row",
    "why",
    "input",
    "answer",
    "proposed",
    "decision",
    "new_answer",
    "who",
    "when",
]


@dataclass
class Doubt:
    """One row that a person should look at.

    Attributes:
        key: Hash of its input and answer.
        row: Its number in the file.
        why: What is doubtful.
        input: Its input.
        answer: Its answer.
        proposed: An answer that may be the right one; empty: none.
        weight: How doubtful, the highest first.
    """

    key: str
    row: int
    why: str
    input: str
    answer: str
    proposed: str = ""
    weight: float = 0.0


@dataclass
class Decision:
    """What a person decided about a row.

    Attributes:
        key: The row's key.
        action: keep, fix, drop or redact.
        answer: The new answer, for fix.
        who: Who decided.
        when: UTC time, ISO 8601.
    """

    key: str
    action: Action
    answer: str = ""
    who: str = ""
    when: str = ""


def key_of(row: Row) -> str:
    """Return the hash of a row's input and answer as they were read."""
    return hashlib.sha256(f"{identity(row['input'])}\x1f{row['output']}".encode()).hexdigest()[:16]


def queue(
    rows: Sequence[Row], suspects: Iterable[Any], near: Iterable[tuple[Row, Row]], card: TaskCard
) -> list[Doubt]:
    """Return every doubtful row once, worst first; rows that were decided about are left out.

    Args:
        rows: The rows in use; ``personal`` names the kinds of personal data in a row.
        suspects: Answers that a classifier contradicts (``suspects.Suspect``).
        near: Pairs of near copies with different answers (row numbers are read).
        card: The task.
    """
    found: dict[str, Doubt] = {}
    open_rows = {_place(row): row for row in rows if not row.get("reviewed")}

    def add(row: Row, why: str, weight: float, proposed: str = "") -> None:
        doubt = found.setdefault(
            row["key"], Doubt(row["key"], row["source_row"], "", row["input"], row["output"])
        )
        doubt.why = f"{doubt.why}; {why}" if doubt.why else why
        doubt.weight, doubt.proposed = max(doubt.weight, weight), doubt.proposed or proposed

    for s in suspects:
        if _place(s.row) in open_rows:
            add(
                s.row,
                f"{s.field} is {s.given}; a classifier expects {s.proposed}",
                2.0 - s.confidence,
                _with(card, s),
            )
    for a, b in near:
        for one, other in ((a, b), (b, a)):
            if _place(one) in open_rows:
                add(
                    open_rows[_place(one)],
                    f"nearly the same as row {other['source_row']}, with another answer",
                    1.0,
                )
    for row in open_rows.values():
        if points_to_somebody(row.get("personal", set())):
            add(row, f"holds personal data ({', '.join(sorted(row['personal']))})", 0.5)
    return sorted(found.values(), key=lambda d: (-d.weight, d.row))


def _place(row: Row) -> tuple[str, int]:
    return row.get("file", ""), row["source_row"]


def _with(card: TaskCard, suspect: Any) -> str:
    """Return the row's answer with the value that the classifier expects."""
    if card.kind == "label":
        return suspect.proposed
    record = parse_record(suspect.row["output"]) or {}
    if not record:
        return ""
    found: Any = suspect.proposed
    if not isinstance(record.get(suspect.field), str):  # true and 3 stay no texts
        found = (parse_record(f'{{"value": {found}}}') or {"value": found})["value"]
    return compact(record | {suspect.field: found})


def decide(path: Path, key: str, action: Action, answer: str = "", who: str = "") -> Decision:
    """Append one decision to ``review.jsonl`` and return it.

    Raises:
        BadInput: An unknown action, or a fix without a new answer.
    """
    decision = _checked(Decision(key, action, answer.strip(), who or user(), _now()), str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(asdict(decision), ensure_ascii=False) + "\n")
        handle.flush()
        os.fsync(
            handle.fileno()
        )  # a decision is a person's work: it survives a crash right after it
    return decision


def user() -> str:
    """Return the name of who sits here; 'unknown' where the system does not tell."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown"


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _checked(decision: Decision, where: str) -> Decision:
    if decision.action not in ACTIONS:
        raise BadInput(
            f"'{decision.action}' is no decision",
            where=where,
            todo=f"use one of {', '.join(ACTIONS)}, or leave it empty",
        )
    if decision.action == "fix" and not decision.answer:
        raise BadInput(
            "fix needs a new answer",
            where=where,
            todo="fill in new_answer, or choose keep, drop or redact",
        )
    return decision


def read(path: Path) -> dict[str, Decision]:
    """Read decisions from any file of rows that 02 reads; the last one on a row counts. No file: none were made.

    Raises:
        BadInput: A line that is no decision, with its number.
    """
    from ftkit.data.read import open_raw

    if not path.exists() or not path.stat().st_size:
        return {}
    raw = open_raw(path, parameter="data.review")
    if raw.faults:
        number, reason = raw.faults[0]
        raise BadInput(reason, where=f"{path}, row {number}", todo="mend or remove that row")
    found: dict[str, Decision] = {}
    for number, row in raw.rows:
        made = _decision(row, f"{path}, row {number}")
        if made is not None:
            found[made.key] = made
    return found


def _decision(row: Row, where: str) -> Decision | None:
    from ftkit.data.read import cell_text, fault

    names = [n for n in row if n in (*COLUMNS, "action")]
    reason = fault(row, (), names)
    if reason:
        raise BadInput(reason, where=where, todo="mend that cell")
    cells = {name: cell_text(row[name]) for name in names}
    action = (cells.get("action") or cells.get("decision", "")).lower()
    if not action:
        return None
    if not cells.get("key"):
        raise BadInput(
            "has a decision but no key",
            where=where,
            todo="keep the column 'key' as it was exported",
        )
    answer = _plain(cells.get("answer" if "action" in row else "new_answer", ""))
    who, when = cells.get("who", ""), cells.get("when", "")
    return _checked(Decision(cells["key"], cast(Action, action), answer, who, when), where)


def unmatched(rows: Iterable[Row], decisions: dict[str, Decision]) -> list[Decision]:
    """Return the decisions whose row is not there: its text was changed since, or the sheet is another file's."""
    keys = {key_of(row) for row in rows}
    return [made for key, made in decisions.items() if key not in keys]


def export(path: Path, doubts: Sequence[Doubt]) -> Path:
    """Write the queue as CSV for a spreadsheet: fill in ``decision`` (and ``new_answer`` for fix), then name it as data.review."""
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8-sig", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(COLUMNS)
        for d in doubts:
            writer.writerow(
                [
                    d.key,
                    d.row,
                    *(safe_cell(t) for t in (d.why, d.input, d.answer, d.proposed)),
                    "",
                    "",
                    "",
                    "",
                ]
            )
    return path


def safe_cell(text: str) -> str:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _plain(text: str) -> str:
    return text[1:] if text[:1] == "'" and text[1:2] in ("=", "+", "-", "@") else text


def apply(
    rows: list[Row], decisions: dict[str, Decision], redact: Callable[[str], str]
) -> tuple[list[Row], list[tuple[Row, str]], int]:
    """Apply decisions to rows as they were read.

    Args:
        rows: Rows with input and output; each gets its ``key``, ``reviewed`` where it was decided about, and ``before_review``, the
            answer as it was read, where a person gave another.
        decisions: By key.
        redact: Returns a text with pseudonyms instead of personal data.

    Returns:
        The rows left, the rows dropped with who dropped them, and how many were changed.
    """
    left, dropped, changed = [], [], 0
    for row in rows:
        row["key"] = key_of(row)
        made = decisions.get(row["key"])
        row["reviewed"] = bool(made)
        if made is None or made.action == "keep":
            left.append(row)
        elif made.action == "drop":
            dropped.append((row, f"dropped in review by {made.who or 'unknown'}"))
        else:
            fixed = (
                {"output": made.answer, "before_review": row["output"]}
                if made.action == "fix"
                else {n: redact(row[n]) for n in ("input", "output")}
            )
            left.append({**row, **fixed})
            changed += 1
    return left, dropped, changed
