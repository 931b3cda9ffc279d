"""Pairs of a better and a worse answer to the same prompt: from a file, or from answers of the tuned model itself."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.data.damage import half_character
from ftkit.data.layouts import lists_from_texts, openai_pairs
from ftkit.data.read import open_raw
from ftkit.data.turns import (
    Seen,
    Unusable,
    as_input,
    is_turns,
    mark_of,
    preference,
    said,
    taken_apart,
)
from ftkit.scoring.values import is_missing

FEWEST = 8
Row = dict[str, Any]
TODO = "give columns prompt, chosen and rejected (or conversations, chosen and rejected)"


@dataclass
class Pair:
    """Two answers to one prompt.

    Attributes:
        prompt: What was asked, as text.
        chosen: The better answer.
        rejected: The worse one.
        id: Where it comes from: a row of the file, or the id of an example.
        gold: Whether the better one is the right answer of the data, because no sampled answer was right.
    """

    prompt: str
    chosen: str
    rejected: str
    id: str = ""
    gold: bool = False


def read_pairs(path: Path) -> list[Pair]:
    """Read pairs from JSON, JSON lines or CSV.

    Understood are ``prompt``/``chosen``/``rejected`` (texts, or lists of messages whose last one counts), Alpaca's
    ``instruction`` and ``input``, and ShareGPT's ``conversations`` with one chosen and one rejected message.

    Raises:
        BadInput: Naming file and row: a side is missing, empty, or both are the same; or there are too few pairs.
    """
    found = [_pair(path, number, row) for number, row in _rows(path)]
    if len(found) < FEWEST:
        raise BadInput(
            f"holds {len(found)} pairs, at least {FEWEST} are needed",
            where=str(path),
            todo="collect more pairs",
        )
    return found


def read_corrections(path: Path) -> dict[str, list[Pair]]:
    """Read what 02 wrote of its review, by split: the answer that a person gave is better than the one it replaced.

    Raises:
        BadInput: Too few answers of training examples were corrected.
    """
    found: dict[str, list[Pair]] = {"train": [], "validation": []}
    for _, row in _rows(path) if path.exists() and path.stat().st_size else []:
        found[row["split"]].append(Pair(row["prompt"], row["chosen"], row["rejected"], row["id"]))
    if len(found["train"]) < FEWEST:
        raise BadInput(
            f"the review of 02 corrected {len(found['train'])} answers of training examples, at least {FEWEST} are needed",
            where="preference.pairs",
            todo="correct more in 02's review, or leave preference.pairs empty",
        )
    return found


ANSWERS, MARKS = (
    ("answer", "completion", "response", "output"),
    ("good", "label", "feedback", "rating"),
)


def read_graded(path: Path) -> list[Pair]:
    """Read answers that people called good or bad, as pairs of which one side is empty; a file of pairs is read as pairs.

    Columns: ``prompt`` (or ``input``), ``answer`` (or completion, response, output) and ``good`` (or label, feedback, rating): yes or no,
    true or false, up or down. So a production log with feedback can be named as it is; rows without feedback are passed over.

    Raises:
        BadInput: Naming file and row: no prompt or answer, or a mark that is neither; or there are too few.
    """
    rows = _rows(path)
    if any("chosen" in row for _, row in rows[:1]):
        return read_pairs(path)
    _check_marks(path, rows)
    found = [pair for number, row in rows if (pair := _graded(path, number, row)) is not None]
    if len(found) < FEWEST:
        raise BadInput(
            f"holds {len(found)} graded answers, at least {FEWEST} are needed",
            where=str(path),
            todo="collect more feedback",
        )
    return found


def _check_marks(path: Path, rows: Sequence[tuple[int, Row]]) -> None:
    """Refuse ratings of several steps: 1 of 5 is not yes.

    Raises:
        BadInput: A mark that is neither good nor bad, with what else the column holds.
    """
    marks = Counter(mark for _, row in rows if (mark := _mark(row)))
    strange = [mark for mark in marks if mark_of(mark) is None]
    if not strange:
        return
    row = next(number for number, row in rows if _mark(row) == strange[0])
    steps = all(re.fullmatch(r"\d+(\.\d+)?", mark) for mark in marks)
    raise BadInput(
        f"{strange[0]!r} is neither good nor bad; the marks are {', '.join(sorted(marks)[:12])}"
        + (": a rating of several steps is not yes or no" if steps else ""),
        where=f"{path}, row {row}",
        todo="write yes or no in the column good, e.g. yes from 4 of 5 on, and leave the others empty",
    )


def _mark(row: Row) -> str:
    return next((text for name in MARKS if (text := _text(row.get(name)).strip())), "")


def _graded(path: Path, number: int, row: Row) -> Pair | None:
    where, todo = f"{path}, row {number}", "give columns prompt, answer and good (yes or no)"
    good = mark_of(_mark(row))
    if good is None:
        return None
    try:
        asked = _asked(row)
        answer = next((t for name in ANSWERS if (t := said(row.get(name)).strip())), "")
    except Unusable as reason:
        raise BadInput(str(reason), where=where, todo=todo) from reason
    if not asked or not answer:
        raise BadInput(f"has no {'prompt' if not asked else 'answer'}", where=where, todo=todo)
    return Pair(asked, answer if good else "", "" if good else answer, f"row {number}")


def _asked(row: Row) -> str:
    cell = row.get("prompt", row.get("input"))
    if not is_turns(cell):
        return said(cell).strip()
    chat = taken_apart(cell, Seen())
    return as_input(chat, chat.system)


def _rows(path: Path) -> list[tuple[int, Row]]:
    if not path.exists():
        raise BadInput(
            "there is no such file",
            where=str(path),
            todo="check preference.pairs; empty: pairs are made from answers",
        )
    raw = lists_from_texts(openai_pairs(open_raw(path, parameter="preference.pairs")))
    if raw.faults:
        number, reason = raw.faults[0]
        raise BadInput(reason, where=f"{path}, row {number}", todo="mend or remove that row")
    return raw.rows


def _pair(path: Path, number: int, row: Row) -> Pair:
    where = f"{path}, row {number}"
    seen = Seen()
    try:
        chat, chosen, rejected = preference(row, seen)
    except Unusable as reason:
        raise BadInput(" ".join([str(reason), *seen.notes()]), where=where, todo=TODO) from reason
    texts = {"prompt": as_input(chat, chat.system), "chosen": chosen, "rejected": rejected}
    for name, text in texts.items():
        if not text.strip():
            lacks = is_missing(row.get(name)) and not (name == "prompt" and "instruction" in row)
            raise BadInput(f"{name} is {'missing' if lacks else 'empty'}", where=where, todo=TODO)
        if half_character(text):
            raise BadInput(f"{name} holds half a character", where=where, todo="mend that text")
    if texts["chosen"] == texts["rejected"]:
        raise BadInput(
            "chosen and rejected are the same text",
            where=where,
            todo="take the row out: it teaches nothing",
        )
    return Pair(texts["prompt"], texts["chosen"], texts["rejected"], f"row {number}")


def _text(value: Any) -> str:
    return "" if is_missing(value) else said(value)


def made_pairs(
    prompts: Sequence[tuple[str, str, str]], sampled: Sequence[Sequence[tuple[str, float]]]
) -> list[Pair]:
    """Return pairs from scored answers: the best against the worst; where none is right, the data's answer is the better one.

    Args:
        prompts: Id, text and right answer of each example.
        sampled: Per example its sampled answers with their score, 0 (wrong) to 1 (right as a whole).
    """
    pairs = []
    for (row, text, right), answers in zip(prompts, sampled, strict=True):
        ranked = sorted(
            {t.strip(): s for t, s in answers if t.strip()}.items(),
            key=lambda pair: (-pair[1], pair[0]),
        )
        if not ranked or ranked[-1][1] >= 1:
            continue
        best, worst = ranked[0], ranked[-1]
        gold = best[1] < 1
        chosen = right if gold else best[0]
        if chosen.strip() != worst[0]:
            pairs.append(Pair(text, chosen, worst[0], row, gold))
    return pairs
