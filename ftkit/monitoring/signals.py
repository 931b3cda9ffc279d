"""What is watched: the meaning, length and words of inputs, whether the handbook covers them, outputs and feedback."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ftkit.core.records.base import Estimate
from ftkit.core.records.task import TaskCard
from ftkit.monitoring.drift import FEWEST, WINDOW, Signal
from ftkit.monitoring.logs import Log
from ftkit.scoring.formats import format_of
from ftkit.scoring.parse import parse

LARGEST_WEEK, LARGEST_REFERENCE = 100, 500
ABSTENTIONS = ("we will check",)


def words(text: str) -> set[str]:
    """Return the words of a text in lower case, numbers left out."""
    return {w for w in re.findall(r"[^\W\d_]+(?:['-][^\W\d_]+)*", text.casefold())}


def thinned(log: Log, seed: int, largest: int = LARGEST_WEEK) -> Any:
    """Return at most so many rows of each week, drawn at random: what is watched needs no more."""
    parts = [
        week if len(week) <= largest else week.sample(largest, random_state=seed + int(str(number)))
        for number, week in log.table.groupby("week")
    ]
    import pandas as pd

    return pd.concat(parts).sort_values("time", kind="stable").reset_index(drop=True)


def signals_of(
    rows: Any,
    vectors: Any,
    reference: Sequence[str],
    reference_vectors: Any,
    weeks: int,
    card: TaskCard,
    *,
    usual_outputs: Sequence[str] = (),
    covered: tuple[Any, Any] | None = None,
) -> list[Signal]:
    """Return the signals that this log can show.

    Args:
        rows: Rows of the log (see ``Log.table``).
        vectors: Unit vectors of their inputs.
        reference: Inputs that are usual.
        reference_vectors: Their unit vectors.
        weeks: Number of weeks.
        card: The task.
        usual_outputs: Answers of the strategy in the test.
        covered: Similarity of the best passage, of the reference and of the rows; None without a handbook.
    """
    by_week = [np.flatnonzero(rows["week"].to_numpy() == w) for w in range(weeks)]

    def split(values: Any) -> list[Any]:
        return [np.asarray(values)[places] for places in by_week]

    counted = Counter(w for text in reference for w in words(text))
    inside = [_unknown(words(t), counted, 1) for t in reference]
    outside = [_unknown(words(t), counted, 0) for t in rows["input"]]
    lengths = [[float(len(t.split())) for t in texts] for texts in (reference, rows["input"])]
    found = [
        Signal(
            "meaning of the questions",
            "times what chance gives",
            "vectors",
            reference_vectors,
            split(vectors),
        ),
        Signal(
            "length of the questions", "words", "values", np.asarray(lengths[0]), split(lengths[1])
        ),
        Signal(
            "unknown words",
            "share of a question's words",
            "values",
            np.asarray(inside),
            split(outside),
        ),
    ]
    if covered is not None:
        found.append(
            Signal(
                "covered by the handbook",
                "similarity of the best passage",
                "values",
                np.asarray(covered[0]),
                split(covered[1]),
            )
        )
    if usual_outputs and (rows["output"] != "").all():
        found += _outputs(card, usual_outputs, rows["output"].tolist(), split)
    complaints = _feedback(rows["feedback"].to_numpy(dtype=float), by_week)
    return found + complaints


def passed_on(said: Any, tested: Estimate, by_week: list[Any]) -> list[Signal]:
    """Return the share that a cascade passes on to its large model, against that of the test; nothing where no row tells it.

    Args:
        said: 1 where a row was passed on, 0 where not, NaN where that is not told, shape (rows,).
        tested: Share of the test questions passed on.
        by_week: Places of the rows of each week.
    """
    weeks = [said[places][np.isfinite(said[places])] for places in by_week]
    if not any(map(len, weeks)):
        return []
    usual = np.arange(tested.n) < round(tested.value * tested.n)
    unit = "share of the questions"
    return [Signal("passed on to the large model", unit, "yes", usual.astype(float), weeks)]


def _unknown(found: set[str], counted: Counter[str], own: int) -> float:
    """Return the share of words that no other reference text holds."""
    return sum(counted[w] <= own for w in found) / len(found) if found else 0.0


def _outputs(card: TaskCard, usual: Sequence[str], now: Sequence[str], split: Any) -> list[Signal]:
    def failed(text: str) -> float:
        return float(format_of(card, text, parse(card, text)) == "failed")

    def declined(text: str) -> float:
        return float(any(a in text.casefold() for a in ABSTENTIONS))

    both = [[measure(t) for t in texts] for measure in (failed, declined) for texts in (usual, now)]
    lengths = [[float(len(t)) for t in texts] for texts in (usual, now)]
    return [
        Signal("answers in the wrong format", "share", "yes", np.asarray(both[0]), split(both[1])),
        Signal("answers that decline", "share", "yes", np.asarray(both[2]), split(both[3])),
        Signal(
            "length of the answers",
            "characters",
            "values",
            np.asarray(lengths[0]),
            split(lengths[1]),
        ),
    ]


def _feedback(said: Any, by_week: list[Any]) -> list[Signal]:
    """Feedback has no usual value from the test: the first four weeks that hold some stand for it."""
    weeks = [1 - said[places][np.isfinite(said[places])] for places in by_week]
    first = [number for number, week in enumerate(weeks) if len(week)][:WINDOW]
    usual = np.concatenate([weeks[number] for number in first]) if first else np.zeros(0)
    if len(usual) < FEWEST:
        return []
    later = [week[:0] if number <= first[-1] else week for number, week in enumerate(weeks)]
    return [Signal("complaints", "share of the feedback", "yes", usual, later)]
