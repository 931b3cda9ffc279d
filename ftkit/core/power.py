"""How many test examples settle a difference between two strategies that answer the same items."""

from __future__ import annotations

import math
from statistics import NormalDist

from ftkit.core.errors import BadInput


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
