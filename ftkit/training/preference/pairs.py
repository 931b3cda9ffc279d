"""Pairs of a better and a worse answer to the same prompt: from a file, or from answers of the tuned model itself."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput

FEWEST = 8
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
    for _, row in _rows(path) if path.exists() else []:
        found[row["split"]].append(Pair(row["prompt"], row["chosen"], row["rejected"], row["id"]))
    if len(found["train"]) < FEWEST:
        raise BadInput(
            f"the review of 02 corrected {len(found['train'])} answers of training examples, at least {FEWEST} are needed",
            where="preference.pairs",
            todo="correct more in 02's review, or leave preference.pairs empty",
        )
    return found


GOOD = {"yes", "true", "1", "1.0", "good", "up", "positive", "thumbs_up", "👍"}
BAD = {"no", "false", "0", "0.0", "bad", "down", "negative", "thumbs_down", "👎"}
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
    if any(isinstance(row, dict) and "chosen" in row for _, row in rows[:1]):
        return read_pairs(path)
    found = [pair for number, row in rows if (pair := _graded(path, number, row)) is not None]
    if len(found) < FEWEST:
        raise BadInput(
            f"holds {len(found)} graded answers, at least {FEWEST} are needed",
            where=str(path),
            todo="collect more feedback",
        )
    return found


def _graded(path: Path, number: int, row: Any) -> Pair | None:
    where, todo = f"{path}, row {number}", "give columns prompt, answer and good (yes or no)"
    if not isinstance(row, dict):
        raise BadInput("holds no record", where=where, todo=todo)
    mark = next(
        (str(row[name]).strip().lower() for name in MARKS if row.get(name) not in (None, "")), ""
    )
    if not mark:
        return None
    if mark not in GOOD | BAD:
        raise BadInput(f"{mark!r} is neither good nor bad", where=where, todo=todo)
    asked = _text(row.get("prompt", row.get("input"))).strip()
    answer = next((_text(row[name]).strip() for name in ANSWERS if row.get(name)), "")
    if not asked or not answer:
        raise BadInput(f"has no {'prompt' if not asked else 'answer'}", where=where, todo=todo)
    return Pair(
        asked, answer if mark in GOOD else "", "" if mark in GOOD else answer, f"row {number}"
    )


def _rows(path: Path) -> list[tuple[int, Any]]:
    if not path.is_file():
        raise BadInput(
            "there is no such file",
            where=str(path),
            todo="check preference.pairs; empty: pairs are made from answers",
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
        if path.suffix.lower() == ".csv":
            return list(enumerate(csv.DictReader(text.splitlines()), 2))
        if path.suffix.lower() == ".json":
            return list(enumerate(json.loads(text), 1))
        return [
            (number, json.loads(line))
            for number, line in enumerate(text.splitlines(), 1)
            if line.strip()
        ]
    except (ValueError, TypeError, csv.Error) as error:
        raise BadInput(
            f"is not readable: {error}",
            where=str(path),
            todo="use JSON, JSON lines or CSV in UTF-8",
        ) from error


def _pair(path: Path, number: int, row: Any) -> Pair:
    where = f"{path}, row {number}"
    if not isinstance(row, dict):
        raise BadInput("holds no record", where=where, todo=TODO)
    asked = row.get("prompt", row.get("conversations"))
    if asked is None and "instruction" in row:
        asked = "\n".join(t for t in (str(row["instruction"]), str(row.get("input") or "")) if t)
    sides = {"prompt": asked, "chosen": row.get("chosen"), "rejected": row.get("rejected")}
    texts = {name: _text(value).strip() for name, value in sides.items()}
    empty = [name for name, text in texts.items() if not text]
    if empty:
        raise BadInput(
            f"{empty[0]} is {'missing' if sides[empty[0]] is None else 'empty'}",
            where=where,
            todo=TODO,
        )
    if texts["chosen"] == texts["rejected"]:
        raise BadInput(
            "chosen and rejected are the same text",
            where=where,
            todo="take the row out: it teaches nothing",
        )
    return Pair(texts["prompt"], texts["chosen"], texts["rejected"], f"row {number}")


def _text(value: Any) -> str:
    """Return a text; of messages the last one's, of one message its content."""
    if isinstance(value, list):
        return _text(value[-1]) if value else ""
    if isinstance(value, dict):
        return _text(value.get("content", value.get("value", "")))
    return "" if value is None else str(value)


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
