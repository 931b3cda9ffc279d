"""What drifted, in words and examples."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ftkit.monitoring.signals import words

ALIKE = 0.85  # cosine from which two examples say the same


def newest(
    texts: Sequence[str], vectors: Any, reference_vectors: Any, limit: int = 6
) -> list[tuple[int, float]]:
    """Return the places of the texts that are most unlike the usual ones, and how unlike (1 minus the nearest cosine).

    Args:
        texts: Texts since the drift began.
        vectors: Their unit vectors.
        reference_vectors: Unit vectors of the usual ones.
        limit: Most texts; ones that say the same are shown once.
    """
    if not len(texts):
        return []
    nearest = np.sort(vectors @ reference_vectors.T, axis=1)[:, -5:].mean(1)
    company = (
        np.sort(vectors @ vectors.T, axis=1)[:, -6:-1].mean(1)
        if len(texts) > 6
        else np.zeros(len(texts))
    )
    order, chosen = np.argsort(nearest - company, kind="stable"), []
    for place in order:
        if len(chosen) == limit:
            break
        if all(float(vectors[place] @ vectors[other]) < ALIKE for other, _ in chosen):
            chosen.append((int(place), round(1 - float(nearest[place]), 3)))
    return chosen


def new_words(
    before: Sequence[str], after: Sequence[str], limit: int = 8, z_least: float = 4.0
) -> list[tuple[str, float, float]]:
    """Return the words that have become much more frequent: word, share of texts before, share after.

    The order is by the z-value of the difference of both shares (pooled).
    """
    counts = [Counter(w for text in texts for w in words(text)) for texts in (before, after)]
    n, m = len(before), len(after)
    found = []
    for word, b in counts[1].items():
        a = counts[0][word]
        pooled = (a + b) / (n + m)
        spread = math.sqrt(max(pooled * (1 - pooled), 1e-9) * (1 / n + 1 / m))
        if b >= 3 and (b / m - a / n) / spread >= z_least:
            found.append(((b / m - a / n) / spread, word, a / n, b / m))
    return [
        (word, round(a, 4), round(b, 4)) for _, word, a, b in sorted(found, reverse=True)[:limit]
    ]
