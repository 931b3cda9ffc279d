"""10,000 resamples of 8 strategies on 5,000 items, against scipy.stats.bootstrap in the same run."""

from __future__ import annotations

import time
from itertools import combinations

import numpy as np
from scipy.stats import bootstrap

from ftkit.core.statistics import paired_differences


def all_results(items: int = 5000, arms: int = 8, resamples: int = 10_000) -> dict[str, float]:
    """Return seconds: all 28 paired differences here, graded scores here, and one difference by scipy."""
    rng = np.random.default_rng(0)
    right = (rng.random((items, arms)) < 0.7).astype(float)
    pairs = list(combinations(range(arms), 2))
    ours = _seconds(lambda: paired_differences(right, pairs, None, resamples))
    clustered = _seconds(
        lambda: paired_differences(right, pairs, rng.integers(0, items // 3, items), resamples)
    )
    graded = _seconds(lambda: paired_differences(rng.random((items, arms)), pairs, None, resamples))
    moved = right[:, 0] - right[:, 1]
    one = _seconds(
        lambda: bootstrap(
            (moved,), np.mean, n_resamples=resamples, method="BCa", batch=500, rng=rng
        )
    )
    return {
        "right_or_wrong_s": ours,
        "clusters_s": clustered,
        "graded_s": graded,
        "scipy_one_difference_s": one,
        "scipy_all_differences_s": one * len(pairs),
        "ratio": one * len(pairs) / ours,
        "ratio_graded": one * len(pairs) / graded,
    }


def _seconds(work) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
