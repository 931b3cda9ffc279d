"""Paraphrases: inputs that say the same in other words, by the cosine of their embeddings.

The threshold comes from the data: unrelated rows (with different answers, from different groups) hardly ever reach it.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ftkit.data.duplicates import Union

STRANGERS, TAIL, LEAST = 200_000, 1e-4, 0.80
BLOCK = 1024
FRAME_WORDS, FILLERS = 3, 3
"""Words that two inputs share around the one place where they differ; ways of filling that place that make it a slot."""
Row = dict[str, Any]


@dataclass
class Paraphrases:
    """What was found.

    Attributes:
        threshold: Cosine from which two rows count as paraphrases.
        pairs: Index of either row and their cosine, the closest first; only pairs with the same answer.
        strangers: Cosines of random pairs with different answers, for the picture.
        nearest: Cosine of every row to its nearest other row, for the picture.
    """

    threshold: float
    pairs: list[tuple[int, int, float]] = field(default_factory=list)
    strangers: list[float] = field(default_factory=list)
    nearest: list[float] = field(default_factory=list)


def calibrate(matrix: Any, answers: Sequence[str], seed: int = 0) -> tuple[float, list[float]]:
    """Return the threshold, and the cosines of random pairs with different answers that it rests on.

    One in 10,000 such pairs lies above it; it is never below 0.80.

    Args:
        matrix: Unit vectors ``[rows, dimension]``.
        answers: The answer of every row.
        seed: Seed of the pairs.
    """
    import numpy as np

    rng = random.Random(f"strangers-{seed}")
    n = len(answers)
    drawn = [(rng.randrange(n), rng.randrange(n)) for _ in range(min(STRANGERS, n * n))]
    pairs = [(a, b) for a, b in drawn if answers[a] != answers[b]]
    if not pairs:
        return 0.95, []
    left, right = (np.array(side) for side in zip(*pairs, strict=True))
    cosines = np.einsum("ij,ij->i", matrix[left], matrix[right])
    return max(LEAST, float(np.quantile(cosines, 1 - TAIL))), [float(c) for c in cosines[:5000]]


def find(
    texts: Sequence[str],
    matrix: Any,
    answers: Sequence[str],
    clusters: Sequence[Any],
    seed: int = 0,
) -> Paraphrases:
    """Return the pairs of rows that say the same and have the same answer, beyond near copies.

    Rows that only fill a slot differently (a city, a number, a product) say different things, however close their
    vectors: they are what a model has to generalise over, and are no pair.

    Args:
        texts: The input of every row.
        matrix: Unit vectors ``[rows, dimension]``.
        answers: The answer of every row, in one form.
        clusters: Cluster of near copies of every row; pairs of one cluster are not told again.
        seed: Seed of the calibration.
    """
    import numpy as np

    threshold, strangers = calibrate(matrix, answers, seed)
    found, nearest = Paraphrases(threshold, strangers=strangers), np.zeros(len(answers))
    for start in range(0, len(answers), BLOCK):
        cosine = matrix[start : start + BLOCK] @ matrix.T
        rows = np.arange(len(cosine))
        cosine[rows, start + rows] = -1.0
        nearest[start : start + BLOCK] = cosine.max(1) if cosine.shape[1] > 1 else 0
        for a, b in zip(*np.nonzero(cosine >= threshold), strict=True):
            i, j = start + int(a), int(b)
            if i < j and answers[i] == answers[j] and clusters[i] != clusters[j]:
                found.pairs.append((i, j, float(cosine[a, b])))
    found.pairs = _without_slots(found.pairs, texts)
    found.pairs.sort(key=lambda pair: -pair[2])
    found.nearest = [float(v) for v in nearest]
    return found


def _without_slots(
    pairs: Sequence[tuple[int, int, float]], texts: Sequence[str]
) -> list[tuple[int, int, float]]:
    """Leave out the pairs that differ by the value of a slot alone.

    A slot is a place that the data themselves fill in three or more ways in otherwise equal words; two ways may be
    synonyms (parcel, package). Different numbers are always different values.
    """
    words = [re.findall(r"\w+|[^\w\s]", text.lower()) for text in texts]
    fillers: dict[tuple[tuple[str, ...], tuple[str, ...]], bool] = {}
    kept = []
    for i, j, cosine in pairs:
        frame = _frame(words[i], words[j])
        if frame is None:
            kept.append((i, j, cosine))
            continue
        before, after = frame
        if frame not in fillers:
            ways = {
                tuple(w[len(before) : len(w) - len(after)])
                for w in words
                if len(w) > len(before) + len(after)
                and tuple(w[: len(before)]) == before
                and tuple(w[len(w) - len(after) :]) == after
            }
            fillers[frame] = len(ways) >= FILLERS
        start, ends = len(before), (len(words[i]) - len(after), len(words[j]) - len(after))
        numbers = [
            re.findall(r"\d+", " ".join(words[k][start:end]))
            for k, end in zip((i, j), ends, strict=True)
        ]
        if not fillers[frame] and numbers[0] == numbers[1]:
            kept.append((i, j, cosine))
    return kept


def _frame(
    first: Sequence[str], second: Sequence[str]
) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return the words before and after the one place where two texts differ; None where they share too few."""
    most = min(len(first), len(second)) - 1
    start = next((k for k in range(max(0, most)) if first[k] != second[k]), max(0, most))
    room = most - start
    end = next((k for k in range(room) if first[-1 - k] != second[-1 - k]), max(0, room))
    if start + end < FRAME_WORDS or len(first) - start - end > len(first) / 2:
        return None
    return tuple(first[:start]), tuple(first[len(first) - end :])


def join(rows: Sequence[Row], pairs: Sequence[tuple[int, int, float]]) -> int:
    """Mark paraphrases as kin, in place, so that the split never parts them; return how many rows that touches.

    They stay items of their own in all statistics: the facts that people ask about are what the test is meant to cover,
    and not a sample of other facts.
    """
    union = Union(len(rows))
    for i, j, _ in pairs:
        union.join(i, j)
    for index, row in enumerate(rows):
        row["kin"] = union.root(index)
    return len({index for pair in pairs for index in pair[:2]})
