"""Intervals and tests: paired by item, resampled by cluster, corrected for the number of comparisons.

Three things decide what is used here. Items come in clusters (customer, near copies), so the variance is that of whole
clusters (CR2, unbiased where errors are alike). Answers are right or wrong, so an interval must not collapse to one point
where no item happened to differ. Clusters can be few, or one can hold half of the items, so Student's t with
Satterthwaite's degrees of freedom takes the place of the normal law. ``benchmarks/decision`` shows what each of these is worth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from ftkit.core.errors import BadInput
from ftkit.core.records.base import Estimate

BLOCK_CELLS = 4_000_000


def wilson(successes: float, n: float, alpha: float = 0.05) -> Estimate:
    """Return a share with Wilson's score interval. Zero failures give an upper bound, never a sure 0%.

    Args:
        successes: Number of items that count, 0..n.
        n: Number of items; may be an effective number.
        alpha: 1 minus the level of the interval.

    Raises:
        BadInput: ``n`` is not positive or ``successes`` not in 0..n.
    """
    if not n > 0 or not 0 <= successes <= n:
        raise BadInput(
            f"{successes} of {n} items is no share", where="wilson", todo="give at least one item"
        )
    low, high = _wilson(successes / n, n, NormalDist().inv_cdf(1 - alpha / 2))
    return Estimate(value=successes / n, low=low, high=high, n=math.ceil(n), method="Wilson")


def _wilson(share: float, n: float, z: float) -> tuple[float, float]:
    middle = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if share == 0 else max(0.0, middle - half)
    return low, 1.0 if share == 1 else min(1.0, middle + half)


@dataclass
class Clusters:
    """Scores summed by cluster.

    Attributes:
        sums: Sum of the scores per cluster and arm, shape (clusters, arms).
        sizes: Items per cluster, shape (clusters,).
    """

    sums: np.ndarray
    sizes: np.ndarray

    @property
    def point(self) -> np.ndarray:
        """Mean score per arm."""
        return self.sums.sum(axis=0) / self.sizes.sum()


def clusters(values: Any, groups: Sequence[Any] | None = None) -> Clusters:
    """Sum scores by cluster.

    Args:
        values: Scores in 0..1, shape (items,) or (items, arms).
        groups: Cluster of each item; None: each item by itself.

    Raises:
        BadInput: No items, a score that is missing or not in 0..1, or groups of another length.
    """
    table = np.asarray(values, dtype=float)
    table = table[:, None] if table.ndim == 1 else table
    if not table.size:
        raise BadInput("there are no items", where="scores", todo="give at least one scored item")
    bad = np.argwhere(~((table >= 0) & (table <= 1)))
    if len(bad):
        raise BadInput(
            f"{len(bad)} score(s) are missing or outside 0..1, first {table[tuple(bad[0])]} in row {bad[0][0]}",
            where="scores",
            todo="score every item between 0 and 1; a missing answer counts as 0",
        )
    if groups is None:
        return Clusters(table, np.ones(len(table)))
    if len(groups) != len(table):
        raise BadInput(
            f"{len(groups)} groups for {len(table)} items",
            where="groups",
            todo="give one group per item",
        )
    _, first, named = np.unique(
        np.asarray(groups, dtype=str), return_index=True, return_inverse=True
    )
    index = np.argsort(np.argsort(first))[
        named
    ]  # clusters in their first order, so that their names decide nothing
    sums = np.stack(
        [np.bincount(index, weights=table[:, k]) for k in range(table.shape[1])], axis=1
    )
    return Clusters(sums, np.bincount(index).astype(float))


def resample_means(data: Clusters, n_resamples: int, seed: int) -> np.ndarray:
    """Return bootstrap means, shape (resamples, arms), from one set of resampled clusters shared by all arms.

    Equal clusters are drawn together: 5,000 right-or-wrong items of 8 arms are at most 256 distinct rows, so a
    multinomial over these rows is the same bootstrap with a twentieth of the draws.
    """
    rows = np.column_stack([data.sizes, data.sums])
    distinct, counts = np.unique(rows, axis=0, return_counts=True)
    rng, total = np.random.default_rng(seed), len(rows)
    few = len(distinct) * 8 <= total
    table = distinct if few else rows
    means = np.empty((n_resamples, data.sums.shape[1]))
    step = max(1, BLOCK_CELLS // len(table))
    for start in range(0, n_resamples, step):
        size = min(step, n_resamples - start)
        weights = (
            rng.multinomial(total, counts / total, size=size) if few else _draw(rng, total, size)
        )
        drawn = weights.astype(float) @ table
        means[start : start + size] = drawn[:, 1:] / drawn[:, :1]
    return means


def _draw(rng: np.random.Generator, total: int, size: int) -> np.ndarray:
    """Return how often each of ``total`` clusters is drawn, shape (size, total)."""
    picked = rng.integers(0, total, size=(size, total), dtype=np.int32)
    picked += (np.arange(size, dtype=np.int32) * total)[:, None]
    return np.bincount(picked.ravel(), minlength=size * total).reshape(size, total)


def _quantile(alpha: float, df: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(max(1.0, df), 1 - alpha / 2))


def cluster_variance(sums: np.ndarray, sizes: np.ndarray) -> tuple[float, float]:
    """Return the CR2 variance of a mean of clustered items, and its degrees of freedom by Satterthwaite.

    For a mean (a regression on a constant) both have a closed form. With ``n_g`` items in a cluster, ``n`` in all and
    ``S_g`` the cluster's sum of deviations from the mean: ``V = sum(S_g^2 / (1 - n_g / n)) / n^2``, and with
    ``t_g = n_g^2 / (n - n_g)``: ``df = n^2 / (sum(n_g^2) + sum(t_g)^2 - sum(t_g^2))``, which is n - 1 for single items.

    Args:
        sums: Sum of the scores per cluster, shape (clusters,).
        sizes: Items per cluster, shape (clusters,).

    Sources: Bell & McCaffrey (2002), Bias reduction in standard errors for linear regression with multi-stage samples;
    Imbens & Kolesár (2016), Robust standard errors in small samples, Rev Econ Stat 98.
    """
    n = float(sizes.sum())
    if len(sizes) < 2:
        return 0.0, 1.0
    away = sums - sums.sum() / n * sizes
    t = sizes**2 / (n - sizes)
    df = n**2 / float((sizes**2).sum() + t.sum() ** 2 - (t**2).sum())
    return float((away**2 / (1 - sizes / n)).sum()) / n**2, max(1.0, df)


def mean_intervals(
    values: Any,
    groups: Sequence[Any] | None = None,
    n_resamples: int = 0,
    seed: int = 0,
    alpha: float = 0.05,
) -> list[Estimate]:
    """Return the mean of each arm (column) with its interval; see :func:`mean_interval`."""
    data = clusters(values, groups)
    squares = (np.asarray(values, dtype=float).reshape(int(data.sizes.sum()), -1) ** 2).mean(axis=0)
    return [_mean_estimate(data, k, float(squares[k]), alpha) for k in range(data.sums.shape[1])]


def mean_interval(
    values: Any,
    groups: Sequence[Any] | None = None,
    n_resamples: int = 10_000,
    seed: int = 0,
    alpha: float = 0.05,
) -> Estimate:
    """Return the mean score of one arm with its interval.

    Wilson's interval on the effective number of right-or-wrong items: as many as would have the variance that whole
    clusters show (:func:`cluster_variance`). So it holds its level near 0% and 100%, where a plain bootstrap collapses.
    One cluster of several items tells nothing: the interval is 0..1.

    Raises:
        BadInput: No items, or scores that are missing or outside 0..1.

    Source: Dean & Pagano (2015), Evaluating confidence interval methods for binomial proportions in clustered surveys.
    """
    return mean_intervals(values, groups, n_resamples, seed, alpha)[0]


def _mean_estimate(data: Clusters, arm: int, square: float, alpha: float) -> Estimate:
    point, n, g = float(min(1.0, data.point[arm])), int(data.sizes.sum()), len(data.sizes)
    graded = square < point - 1e-12
    if g == 1 and n > 1:
        return Estimate(
            value=point, low=0.0, high=1.0, n=n, method="one cluster: no interval can be made"
        )
    if g == n and not graded:
        return wilson(point * n, n, alpha)
    variance, df = cluster_variance(data.sums[:, arm], data.sizes)
    low, high = _wilson(point, _effective(point, n, g, variance, graded), _quantile(alpha, df))
    return Estimate(
        value=point, low=low, high=high, n=n, method="CR2 clusters, Wilson on effective items"
    )


def _effective(point: float, n: int, n_clusters: int, variance: float, graded: bool) -> float:
    """Return how many right-or-wrong items tell as much; two pseudo-clusters of the widest kind keep it finite."""
    if point in (0, 1):
        return float(n_clusters)
    widest = point * (1 - point)
    smoothed = (variance * n_clusters + 2 * widest / n_clusters) / (n_clusters + 2)
    return (
        widest / smoothed
        if graded
        else min(float(n), widest / variance if variance > 0 else n_clusters)
    )


def paired_differences(
    values: Any,
    pairs: Sequence[tuple[int, int]],
    groups: Sequence[Any] | None = None,
    n_resamples: int = 10_000,
    seed: int = 0,
    alpha: float = 0.05,
) -> list[Estimate]:
    """Return the paired difference of pairs of arms (columns) with intervals; see :func:`paired_difference`.

    Args:
        values: Scores in 0..1, shape (items, arms).
        pairs: Columns to compare, first minus second.
        groups: Cluster of each item; None: each item by itself.
        n_resamples: Bootstrap resamples, one set shared by all arms.
        seed: Seed of the resamples.
        alpha: 1 minus the level of the intervals.
    """
    return [x.estimate for x in paired_errors(values, pairs, groups, alpha)]


@dataclass(frozen=True)
class Paired:
    """A paired difference with what its interval is made of.

    Attributes:
        estimate: The difference with its interval.
        error: Its standard error, a share.
        df: Degrees of freedom of its Student's t.
        items: Part of the squared error that single items bring, 0..1; clusters bring the rest.
    """

    estimate: Estimate
    error: float
    df: float
    items: float


def paired_errors(
    values: Any,
    pairs: Sequence[tuple[int, int]],
    groups: Sequence[Any] | None = None,
    alpha: float = 0.05,
) -> list[Paired]:
    """Return paired differences with their standard errors; see :func:`paired_difference`."""
    table, data = np.asarray(values, dtype=float), clusters(values, groups)
    squares = [float(((table[:, i] - table[:, j]) ** 2).sum()) for i, j in pairs]
    return [_difference(data, p, square, alpha) for p, square in zip(pairs, squares, strict=True)]


def paired_difference(
    a: Any,
    b: Any,
    groups: Sequence[Any] | None = None,
    n_resamples: int = 10_000,
    seed: int = 0,
    alpha: float = 0.05,
) -> Estimate:
    """Return the mean of ``a`` minus the mean of ``b`` on the same items, with its interval.

    The variance is that of whole clusters (:func:`cluster_variance`); to it come two pseudo-items, of which half differ,
    and Student's t with Satterthwaite's degrees of freedom. The pseudo-items keep the interval from collapsing
    where no item differs: no difference found is not a difference of zero. Coverage: see ``benchmarks/decision``.

    Raises:
        BadInput: Lengths differ, no items, or scores that are missing or outside 0..1.

    Source: Agresti & Min (2005), Simple improved confidence intervals for comparing matched proportions.
    """
    if len(a) != len(b):
        raise BadInput(
            f"{len(a)} items against {len(b)}",
            where="paired_difference",
            todo="score both on the same items",
        )
    return paired_differences(np.column_stack([a, b]), [(0, 1)], groups, n_resamples, seed, alpha)[
        0
    ]


def _difference(data: Clusters, pair: tuple[int, int], square: float, alpha: float) -> Paired:
    n, g = int(data.sizes.sum()), len(data.sizes)
    value = float(data.point[pair[0]] - data.point[pair[1]])
    if g == 1:
        whole = Estimate(
            value=value, low=-1.0, high=1.0, n=n, method="one cluster: no interval can be made"
        )
        return Paired(whole, 1.0, 1.0, 0.0 if n > 1 else 1.0)
    variance, df = cluster_variance(data.sums[:, pair[0]] - data.sums[:, pair[1]], data.sizes)
    plain = (square / n - value**2) / n
    effect = variance / plain if plain > 1e-15 else n / g
    effect = max(1.0, effect) if g < n else effect
    items = n / effect + 2
    middle = value * n / effect / items
    error = math.sqrt(((square / effect + 1) / items - middle**2) / items)
    half = _quantile(alpha, df) * error
    low, high = max(-1.0, middle - half), min(1.0, middle + half)
    estimate = Estimate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        n=n,
        method="paired, CR2 clusters, Agresti-Min",
    )
    return Paired(estimate, error, df, 1.0 if g == n else min(1.0, 1 / effect))


def mcnemar_exact(wins: int, losses: int) -> float:
    """Return the two-sided exact p-value of McNemar's test (binomial on the items that differ; 1 where none does).

    Raises:
        BadInput: A count is negative.
    """
    if wins < 0 or losses < 0:
        raise BadInput(
            f"{wins} wins and {losses} losses", where="mcnemar_exact", todo="give counts of items"
        )
    return sign_flip_exact(np.concatenate([np.ones(wins), -np.ones(losses)]))


def sign_flip_exact(sums: Any) -> float:
    """Return the two-sided exact p-value of the sign-flip test on each cluster's wins minus losses.

    Under no difference either strategy's answers could carry either name, cluster by cluster. With one item per
    cluster this is McNemar's exact test; with larger clusters it keeps its level where McNemar's does not.

    Args:
        sums: Wins minus losses per cluster; whole numbers exactly, graded ones from 20,000 random signs.

    Source: Fisher (1935), randomisation test of paired differences; the null distribution is convolved exactly.
    """
    from scipy.stats import binom

    exact = np.asarray(sums, dtype=float)
    if np.any(np.abs(exact - np.rint(exact)) > 1e-9):
        return _sign_flip_drawn(exact)
    counts = np.abs(np.rint(exact)).astype(int)
    observed, law = abs(int(np.rint(np.sum(sums)))), np.ones(1)
    for size in np.unique(counts[counts > 0]):
        times = int((counts == size).sum())
        step = np.zeros(2 * size * times + 1)
        step[:: 2 * size] = binom.pmf(np.arange(times + 1), times, 0.5)
        law = np.convolve(law, step)
    middle = len(law) // 2
    totals = np.abs(np.arange(len(law)) - middle)
    return float(min(1.0, law[totals >= observed].sum()))


def _sign_flip_drawn(sums: np.ndarray, draws: int = 20_000) -> float:
    """Return the sign-flip p-value of graded sums from random signs; never 0 (Phipson & Smyth 2010)."""
    own, rng = sums[sums != 0], np.random.default_rng(0)
    if not len(own):
        return 1.0
    total, beyond, step = abs(own.sum()) - 1e-12, 0, max(1, BLOCK_CELLS // len(own))
    for start in range(0, draws, step):
        size = min(step, draws - start)
        signs = rng.integers(0, 2, size=(size, len(own)), dtype=np.int8) * 2.0 - 1
        beyond += int((np.abs(signs @ own) >= total).sum())
    return (beyond + 1) / (draws + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p-values, in the order given.

    Raises:
        BadInput: A p-value is missing or not in 0..1.

    Source: Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    p = np.asarray(p_values, dtype=float)
    if not np.all((p >= 0) & (p <= 1)):
        raise BadInput("a p-value is missing or not in 0..1", where="holm", todo="give p-values")
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted.tolist()
