"""Intervals and tests equal scipy where it does the same, hold their level, and never claim what they cannot know."""

import time

import numpy as np
import pytest
from scipy import stats

from ftkit.core import statistics as s
from ftkit.core.errors import BadInput


@pytest.mark.parametrize(("k", "n"), [(0, 10), (10, 10), (3, 7), (61, 200), (1, 5000)])
def test_wilson_equals_scipy(k, n):
    ours, theirs = s.wilson(k, n), stats.binomtest(k, n).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-6)


@pytest.mark.parametrize(
    ("wins", "losses"), [(0, 0), (5, 0), (0, 1), (12, 30), (300, 250), (2000, 1800)]
)
def test_mcnemar_equals_the_exact_binomial_test(wins, losses):
    expected = stats.binomtest(wins, wins + losses).pvalue if wins + losses else 1.0
    assert s.mcnemar_exact(wins, losses) == pytest.approx(expected, abs=1e-6)


def test_the_sign_flip_test_equals_all_flips_tried_one_by_one():
    sums = np.array([3, -1, 2, 2, 0, -1, 1])
    flips = np.array([[1 - 2 * (k >> i & 1) for i in range(7)] for k in range(128)])
    expected = (np.abs(flips @ sums) >= abs(sums.sum())).mean()
    assert s.sign_flip_exact(sums) == pytest.approx(expected, abs=1e-12)


def test_bca_equals_scipy_on_the_same_draws():
    from benchmarks.decision.bca import bca_ends

    rng = np.random.default_rng(3)
    x = rng.gamma(1.0, size=60)
    theirs = stats.bootstrap((x,), np.mean, n_resamples=4000, method="BCa", rng=rng)
    jackknife = (x.sum() - x) / (len(x) - 1)
    low, high = bca_ends(x.mean(), theirs.bootstrap_distribution, jackknife)
    assert (low, high) == pytest.approx(
        (theirs.confidence_interval.low, theirs.confidence_interval.high), abs=1e-6
    )


def test_the_bootstrap_has_the_standard_error_of_scipy():
    rng = np.random.default_rng(4)
    x = rng.random(300)
    drawn = s.resample_means(s.clusters(x), 10_000, 0)[:, 0]
    theirs = stats.bootstrap((x,), np.mean, n_resamples=10_000, rng=rng).standard_error
    assert drawn.std() == pytest.approx(theirs, rel=0.04)


def test_drawing_equal_clusters_together_changes_nothing():
    rng = np.random.default_rng(5)
    few = (rng.random((400, 2)) < 0.6).astype(float)
    together = s.resample_means(s.clusters(few), 20_000, 0)
    one_by_one = s.resample_means(
        s.clusters(few + rng.random((400, 2)) * 1e-9 * (few < 1)), 20_000, 1
    )
    assert together.mean(axis=0) == pytest.approx(one_by_one.mean(axis=0), abs=1e-3)
    assert np.cov(together.T).ravel() == pytest.approx(np.cov(one_by_one.T).ravel(), abs=2.5e-5)


def test_holm_equals_the_textbook():
    assert s.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert s.holm([]) == [] and s.holm([0.9, 0.8]) == pytest.approx([1.0, 1.0])


def test_zero_failures_are_never_a_sure_zero_percent():
    e = s.mean_interval(np.zeros(100))
    assert e.value == 0 and 0.03 <= e.high <= 0.04, "the rule of three says 3%, two-sided 3.7%"
    assert s.mean_interval(np.ones(100)).low == pytest.approx(1 - e.high)


def test_no_difference_found_is_not_a_difference_of_zero():
    e = s.paired_difference(np.ones(40), np.ones(40))
    assert e.value == 0 and e.low < -0.04 and e.high > 0.04


def test_clusters_make_intervals_wider():
    rng = np.random.default_rng(6)
    cluster = np.repeat(np.arange(50), 8)
    a, b = (rng.random(50) < 0.7)[cluster], (rng.random(50) < 0.5)[cluster]
    alone, together = s.paired_difference(a, b), s.paired_difference(a, b, cluster)
    assert together.high - together.low > 2 * (alone.high - alone.low)
    whole, parts = s.mean_interval(a), s.mean_interval(a, cluster)
    assert parts.high - parts.low > 2 * (whole.high - whole.low)


def test_clusters_of_one_item_are_no_clusters():
    a, b = np.arange(30) % 2, np.arange(30) % 3 == 0
    assert s.paired_difference(a, b, list(range(30))) == s.paired_difference(a, b)


def test_one_cluster_or_one_item_tells_nothing():
    one = s.paired_difference([1, 0, 1], [0, 0, 1], ["c"] * 3)
    assert (one.low, one.high) == (-1, 1)
    assert (
        s.mean_interval([1, 0, 1], ["c"] * 3).high == 1
        and s.mean_interval([1, 0, 1], ["c"] * 3).low == 0
    )
    single = s.paired_difference([1], [0])
    assert single.value == 1 and single.low <= -0.5
    assert s.mean_interval([1]).low < 0.3


@pytest.mark.parametrize(
    ("values", "groups"),
    [([], None), ([0.5, float("nan")], None), ([2.0], None), ([-0.1], None), ([1, 0], ["a"])],
)
def test_scores_that_cannot_be_used_are_told(values, groups):
    with pytest.raises(BadInput):
        s.mean_interval(values, groups)


def test_lists_of_different_length_are_told():
    with pytest.raises(BadInput, match="3 items against 2"):
        s.paired_difference([1, 1, 1], [1, 1])


def test_intervals_hold_their_level_with_clusters_and_few_items():
    rng, held, runs = np.random.default_rng(7), 0, 600
    for seed in range(runs):
        cluster = np.repeat(np.arange(60), 2)
        shared = rng.standard_normal((60, 2))[cluster] * 0.5
        latent = (
            shared
            + rng.standard_normal((120, 1)) * 0.6
            + rng.standard_normal((120, 2)) * np.sqrt(1 - 0.25 - 0.36)
        )
        right = latent < stats.norm.ppf([0.75, 0.65])
        e = s.paired_difference(right[:, 0], right[:, 1], cluster, 500, seed)
        held += e.low <= 0.10 <= e.high
    assert 0.93 <= held / runs <= 0.985


def test_the_same_seed_gives_the_same_interval():
    a, b = np.arange(50) % 2, np.arange(50) % 3 == 0
    assert s.paired_difference(a, b, seed=3) == s.paired_difference(a, b, seed=3)


def test_ten_thousand_resamples_of_eight_arms_take_seconds():
    right = (np.random.default_rng(0).random((5000, 8)) < 0.7).astype(float)
    began = time.perf_counter()
    s.paired_differences(right, [(i, j) for i in range(8) for j in range(i)])
    assert time.perf_counter() - began < 6, "0.7 s alone; room for a busy machine"


def test_the_cluster_variance_and_its_degrees_of_freedom_are_those_of_the_matrix_formulas():
    rng, sizes = np.random.default_rng(0), np.array([40, 3, 7, 1, 5, 9, 10])
    group, n = np.repeat(np.arange(7), sizes), sizes.sum()
    y = rng.random(n) + 0.3 * rng.random(7)[group]
    hat, away, variance, columns = np.full((n, n), 1 / n), y - y.mean(), 0.0, []
    for k in range(7):
        mine = group == k
        values, vectors = np.linalg.eigh(np.eye(sizes[k]) - hat[np.ix_(mine, mine)])
        root = vectors @ np.diag(values**-0.5) @ vectors.T
        variance += (root @ away[mine]).sum() ** 2 / n**2
        columns.append((np.eye(n) - hat)[:, mine] @ root.sum(axis=1) / n)
    inner = np.array(columns) @ np.array(columns).T
    df = np.trace(inner) ** 2 / np.trace(inner @ inner)
    found = s.cluster_variance(np.bincount(group, y), sizes.astype(float))
    assert found == pytest.approx((variance, df), rel=1e-10)


def test_single_items_have_the_usual_variance_and_degrees_of_freedom():
    x = np.random.default_rng(1).random(50)
    variance, df = s.cluster_variance(x, np.ones(50))
    assert variance == pytest.approx(x.var(ddof=1) / 50) and df == pytest.approx(49)


def test_the_sign_flip_test_of_graded_scores_is_never_sure_and_agrees_with_all_flips():
    x = np.random.default_rng(2).normal(0.3, 0.5, 12)
    flips = np.array([[1 - 2 * (k >> i & 1) for i in range(12)] for k in range(4096)])
    expected = (np.abs(flips @ x) >= abs(x.sum()) - 1e-12).mean()
    assert s.sign_flip_exact(x) == pytest.approx(expected, abs=0.01)
    assert s.sign_flip_exact(np.full(200, 0.37)) > 0


def test_looks_spend_no_more_than_they_may_and_the_first_costs_little():
    from ftkit.core.errors import BadInput
    from ftkit.core.looks import level_at, widening

    assert 0.0499 < sum(level_at(k) for k in range(1, 20_000)) <= 0.05
    assert 1.0 < widening(1) < 1.07 and 1.3 < widening(2) < 1.45
    with pytest.raises(BadInput, match="count looks from 1 on"):
        level_at(0)
