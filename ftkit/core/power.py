"""How many test examples settle a difference between two strategies that answer the same items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any

import numpy as np

from ftkit.core.errors import BadInput
from ftkit.core.looks import level_at
from ftkit.core.statistics import cluster_variance, clusters, paired_errors

DRAWS = 10_000
ALIKE = 0.5
"""Correlation of two strategies' differences within a cluster, assumed before there are answers."""


def test_examples_needed(
    difference_points: float, discordant_share: float = 0.2, power: float = 0.8, alpha: float = 0.05
) -> int:
    """Return the number of paired test examples that shows a difference in accuracy.

    Args:
        difference_points: Difference that matters, in percentage points (0..100].
        discordant_share: Share of items that one strategy gets right and the other wrong (0..1).
        power: Probability of finding the difference if it is there.
        alpha: Two-sided error level.

    Returns:
        Examples needed: 155 for 10 points, 626 for 5, 1,742 for 3 at the defaults.

    Raises:
        BadInput: A value is out of its range, or the difference is larger than the discordant share allows.

    Source: Connor (1987), sample size for McNemar's test, unconditional form.
    """
    _check(difference_points, discordant_share, power, alpha)
    difference = difference_points / 100
    z_alpha, z_power = NormalDist().inv_cdf(1 - alpha / 2), NormalDist().inv_cdf(power)
    root = z_alpha * math.sqrt(discordant_share) + z_power * math.sqrt(
        discordant_share - difference**2
    )
    return max(1, math.ceil((root / difference) ** 2 - 1e-9))


test_examples_needed.__test__ = False  # pyright: ignore[reportFunctionMemberAccess]  # the name is no pytest case


def detectable_points(
    n: int, discordant_share: float = 0.2, power: float = 0.8, alpha: float = 0.05
) -> float:
    """Return the smallest difference, in points, that ``n`` paired examples show (100 if not even the largest possible).

    Raises:
        BadInput: ``n`` is below 1 or another value is out of its range.
    """
    if n < 1:
        raise BadInput(
            f"{n} test examples tell nothing", where="n", todo="give at least one test example"
        )
    low, high = 1e-4, 100 * discordant_share
    _check(high, discordant_share, power, alpha)
    if test_examples_needed(high, discordant_share, power, alpha) > n:
        return 100.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (low, middle)
            if test_examples_needed(middle, discordant_share, power, alpha) <= n
            else (middle, high)
        )
    return high


def detectable_before(
    groups: Sequence[Any],
    arms: int,
    look: int = 1,
    discordant_share: float = 0.2,
    power: float = 0.8,
) -> float:
    """Return the difference, in points, that the rule of 08 shows with a probability of ``power``, before there are answers.

    Args:
        groups: Cluster of each test item.
        arms: Strategies that are compared; one is as much better than each of the others.
        look: Which look at these items it is, from 1 on.
        discordant_share: Share of items that one of two strategies gets right and the other wrong, assumed.
        power: Probability that the better one is proven better than every other.

    Returns:
        Points; 100 where not even the largest difference that the share allows would show.

    Raises:
        BadInput: There are no items, fewer than two strategies, or a share is out of its range.
    """
    _check(100 * discordant_share, discordant_share, power, 0.05)
    if arms < 2:
        raise BadInput(f"{arms} strategies cannot be compared", where="arms", todo="give 2 or more")
    _, sizes = np.unique(np.asarray(groups, dtype=str), return_counts=True)
    n = int(sizes.sum())
    if n < 1 or len(sizes) < 2:
        return 100.0
    _, df = cluster_variance(np.zeros(len(sizes)), sizes.astype(float))
    items = n / (1 + ALIKE * (float((sizes**2).sum()) / n - 1))
    others, difference = arms - 1, 0.0
    shape = (np.eye(others) + 1) / 2  # differences from the same strategy, all equally variable
    for _ in range(5):
        spread = max(discordant_share - difference**2, 1e-6)
        error = math.sqrt((spread * items + 1) / (items + 2) / (items + 2))
        covariance = shape * spread / items
        difference = _shown(covariance, np.full(others, error), np.full(others, df), look, power)
    return 100 * difference if difference <= discordant_share else 100.0


def detectable_difference(
    right: Any, groups: Sequence[Any] | None = None, look: int = 1, power: float = 0.8
) -> float:
    """Return the difference, in points, that the rule of 08 shows with a probability of ``power``, from measured answers.

    The most accurate strategy counts as the better one. Some of its answers are changed until it is as much better
    than the mean of the others, as variances depend on the shares; differences vary together as the answers say.

    Args:
        right: Scores in 0..1, shape (items, strategies).
        groups: Cluster of each item; None: each by itself.
        look: Which look at these items it is, from 1 on.
        power: Probability that the better one is proven better than every other.

    Raises:
        BadInput: Fewer than two strategies, no items, or scores that are missing or outside 0..1.
    """
    data = clusters(right, groups)
    if data.sums.shape[1] < 2:
        raise BadInput(
            "one strategy cannot be compared", where="scores", todo="score two or more strategies"
        )
    if len(data.sizes) < 2:
        return 100.0
    best = int(data.point.argmax())
    table = np.asarray(right, dtype=float)
    others = np.delete(table, best, axis=1)
    easy = others.mean(axis=1)
    difference = 0.0
    for _ in range(4):
        better = _moved(table[:, best], float(others.mean()) + difference, easy)
        difference = _planted(better, others, groups, look, power)
    return 100 * min(1.0, difference)


def _moved(right: np.ndarray, share: float, easy: np.ndarray) -> np.ndarray:
    """Return scores that mean ``share``: some wrong ones made right, or right ones wrong.

    An item is chosen with a weight that raises the odds alike whatever the others said of it: the share right (or wrong)
    among items that the others find as easy. So strategies agree on items as they did.

    Args:
        right: Scores of the better strategy, shape (items,).
        share: Mean to reach.
        easy: Mean score of the others, shape (items,).
    """
    change, moved = round((share - float(right.mean())) * len(right)), right.copy()
    _, level = np.unique(np.round(easy, 6), return_inverse=True)
    known = (np.bincount(level, weights=right) + 0.5) / (np.bincount(level) + 1)
    weight = known[level] if change > 0 else 1 - known[level]
    can = np.flatnonzero(right < 1 if change > 0 else right > 0)
    wait = np.random.default_rng(0).exponential(size=len(right))[can] / weight[can]
    moved[can[np.argsort(wait)][: abs(change)]] = float(change > 0)
    return moved


def _planted(
    better: np.ndarray, others: np.ndarray, groups: Sequence[Any] | None, look: int, power: float
) -> float:
    table = np.column_stack([better, others])
    measured = paired_errors(table, [(0, j) for j in range(1, table.shape[1])], groups)
    data = clusters(table, groups)
    n, away = data.sizes.sum(), data.sums[:, [0]] - data.sums[:, 1:]
    away = away - away.sum(axis=0) / n * data.sizes[:, None]
    covariance = (away / (1 - data.sizes[:, None] / n)).T @ away / n**2
    error, df = (np.array([getattr(x, part) for x in measured]) for part in ("error", "df"))
    return _shown(covariance, error, df, look, power)


def _shown(
    covariance: np.ndarray, error: np.ndarray, df: np.ndarray, look: int, power: float
) -> float:
    """Return the difference that is shown with a probability, simulated.

    In each draw a difference is proven from the size on at which every estimate lies above its corrected half width, so
    the quantile of these sizes is the answer.
    """
    from scipy.special import stdtrit

    rng, others = np.random.default_rng(0), len(error)
    away = rng.multivariate_normal(np.zeros(others), covariance, DRAWS, method="eigh")
    spread = np.sqrt(rng.chisquare(df.mean(), DRAWS) / df.mean())[:, None] * error
    half = stdtrit(np.maximum(1.0, df), 1 - level_at(look) / others / 2) * spread
    return float(np.quantile((half - away).max(axis=1), power))


def pilot_plan(
    expected: float, worst: float, power: float = 0.8, alpha: float = 0.05
) -> tuple[int, int]:
    """Return how many answers a pilot checks, and the most wrong ones with which it goes on.

    Args:
        expected: Share of wrong answers that was measured (0..1).
        worst: Share that the pilot must notice, larger than ``expected``.
        power: Least probability of stopping at ``worst``.
        alpha: Largest probability of stopping at ``expected``.

    Returns:
        The least number of answers that keeps both, and the number of wrong ones: one more stops the pilot, at any time
        (stopping early changes neither probability, as the count only grows).

    Raises:
        BadInput: ``worst`` is not larger than ``expected``, or a share is out of its range.

    Source: single sampling by attributes; A'Hern (2001), exact binomial.
    """
    from scipy.stats import binom

    if not 0 <= expected < worst < 1:
        raise BadInput(
            f"{worst:.3f} must lie between the expected {expected:.3f} and 1",
            where="the pilot's worst share of wrong answers",
        )
    n = 1
    while True:
        most = int(binom.ppf(1 - alpha, n, expected))
        if binom.sf(most, n, worst) >= power:
            return n, most
        n += 1


def _check(difference_points: float, discordant_share: float, power: float, alpha: float) -> None:
    ranges = [("discordant_share", discordant_share), ("power", power), ("alpha", alpha)]
    for name, value in ranges:
        if not 0 < value <= (1 if name == "discordant_share" else 1 - 1e-12):
            raise BadInput(
                f"{value} is not between 0 and 1", where=name, todo="give a share, e.g. 0.2"
            )
    if not 0 < difference_points <= 100 * discordant_share + 1e-9:
        raise BadInput(
            f"a difference of {difference_points:g} points cannot come from {discordant_share:.0%} of items that differ",
            where="difference_points",
            todo=f"give more than 0 and at most {100 * discordant_share:g} points",
        )
