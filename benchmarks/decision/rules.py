"""The workbench's rule and the two habits it is measured against: point estimates, and intervals that ignore the pairing."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import Comparison, StrategyResult
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.statistics import clusters, holm, paired_differences, sign_flip_exact
from ftkit.decision.rule import Choice, choose

NO = Estimate(value=1, low=1, high=1, n=1, method="")


def results(right: np.ndarray) -> list[StrategyResult]:
    """Return the records of strategies of which only the accuracy matters."""
    found = []
    for k, value in enumerate(right.mean(axis=0)):
        spec = StrategySpec(
            name=str(k), family="prompting", model="base", prompt="", retriever=False
        )
        accuracy = Estimate(value=value, low=0, high=1, n=len(right), method="")
        found.append(
            StrategyResult(
                spec=spec,
                accuracy=accuracy,
                partial=accuracy,
                format_ok=NO,
                missing=0,
                prompt_tokens_mean=0,
                completion_tokens_mean=0,
                seconds_per_answer=0,
            )
        )
    return found


def paired(right: np.ndarray, groups: np.ndarray, n_resamples: int, seed: int) -> list[Comparison]:
    """Return what 07 measures: paired, by cluster, exact, corrected."""
    pairs = list(combinations(range(right.shape[1]), 2))
    sums = clusters(right, groups).sums
    p = [sign_flip_exact(sums[:, i] - sums[:, j]) for i, j in pairs]
    return _records(pairs, paired_differences(right, pairs, groups, n_resamples, seed), p)


def unpaired(right: np.ndarray) -> list[Comparison]:
    """Return the usual z-interval of two independent shares, which forgets that the items are the same."""
    from scipy.special import ndtr

    pairs, n, share = list(combinations(range(right.shape[1]), 2)), len(right), right.mean(axis=0)
    errors = [
        np.sqrt(max((share[i] * (1 - share[i]) + share[j] * (1 - share[j])) / n, 1e-12))
        for i, j in pairs
    ]
    gaps = [share[i] - share[j] for i, j in pairs]
    found = [
        Estimate(value=g, low=g - 1.96 * e, high=g + 1.96 * e, n=n, method="")
        for g, e in zip(gaps, errors, strict=True)
    ]
    return _records(
        pairs, found, [float(2 * ndtr(-abs(g) / e)) for g, e in zip(gaps, errors, strict=True)]
    )


def _records(
    pairs: list[tuple[int, int]], differences: list[Estimate], p: list[float]
) -> list[Comparison]:
    return [
        Comparison(a=str(i), b=str(j), difference=d, p_value=x, p_adjusted=y, wins=0, losses=0)
        for (i, j), d, x, y in zip(pairs, differences, p, holm(p), strict=True)
    ]


def decide(
    right: np.ndarray, comparisons: list[Comparison], cost: np.ndarray, margin: float
) -> Choice:
    """Apply the workbench's rule."""
    return choose(
        results(right), comparisons, [], {str(k): float(c) for k, c in enumerate(cost)}, margin
    )


def by_points(right: np.ndarray, cost: np.ndarray, margin: float) -> int:
    """Return the cheapest strategy within the margin of the best, by point estimates."""
    share = right.mean(axis=0)
    return int(np.argmin(np.where(share >= share.max() - margin, cost, np.inf)))
