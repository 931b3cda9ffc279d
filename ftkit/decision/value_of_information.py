"""What finding out more is worth before choosing: further test examples, trainings, or graded answers, against their price.

The expected gain of further information about a pair of strategies whose net benefit differs by ``mu`` in expectation, and
whose expectation will move by a standard deviation ``s`` once the information is there, is ``s × Psi(|mu| / s)``, with
``Psi(z) = phi(z) - z × (1 - Phi(z))`` the unit normal loss. The worth told is the largest over the pairs with the
strategy of the largest expected net benefit, so it is a lower bound where several are near. Expected regret of choosing
now is the same with everything found out.

How likely the verdict is then settled is simulated: truths from the posterior, what the further information would show,
and the rule at the level of the next look.

Sources: Raiffa & Schlaifer (1961), Applied Statistical Decision Theory, ch. 5; Wilson (2015), A practical guide to value
of information analysis, PharmacoEconomics 33.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ftkit.core.looks import level_at
from ftkit.core.records.decision import Offer
from ftkit.decision.rule import Arms, apply, halves

LABELS = tuple(50 * 2**k for k in range(10))
SEEDS = (2, 5, 10)
GRADES = (100, 200, 400, 800)
LIKELY, DRAWS = 0.8, 400
"""An offer is advised only where it is likely to settle the verdict; above the 75% that must hold (82% of 190 followed)."""


@dataclass(frozen=True)
class Market:
    """What information costs.

    Attributes:
        label_usd: One further test example, labelled.
        seed_usd: One further training with another seed.
        seeds: Trainings whose spread was measured; 0: the spread is assumed.
        grades: Answers that people graded for the judge; 0: no judge.
    """

    label_usd: float
    seed_usd: float = 0.0
    seeds: int = 0
    grades: int = 0


def unit_loss(z: np.ndarray) -> np.ndarray:
    """Return the unit normal loss function."""
    from scipy.special import ndtr

    return np.maximum(0.0, np.exp(-z * z / 2) / np.sqrt(2 * np.pi) - z * ndtr(-z))


def gains(
    expected: np.ndarray, moved: np.ndarray, cost: np.ndarray, stake: np.ndarray, failed: np.ndarray
) -> np.ndarray:
    """Return the expected gain of information, at least, shape (draws,), USD.

    Args:
        expected: Expected accuracies, shape (draws or 1, k).
        moved: Variance by which the information will move each expected difference, shape (k, k), share².
        cost: First-year cost, shape (draws or 1, k), USD.
        stake: USD a year per unit of accuracy, shape (draws or 1,).
        failed: Whether a strategy is barred, shape (k,).
    """
    value = np.where(failed, -np.inf, stake[:, None] * expected - cost)
    if failed.all():
        return np.zeros(len(value))
    best = value.argmax(axis=1)
    away = value.max(axis=1)[:, None] - np.where(failed, -1e300, value)
    s = stake[:, None] * np.sqrt(np.maximum(0.0, moved))[best]
    with np.errstate(over="ignore"):
        z = np.minimum(40.0, away / np.maximum(s, 1e-12))
        found = s * unit_loss(z)
    found[np.arange(len(value)), best] = 0.0
    return found.max(axis=1)


def buys(
    m: Arms,
    expected: np.ndarray,
    cost: np.ndarray,
    stake: np.ndarray,
    label_usd: np.ndarray,
    market: Market,
) -> np.ndarray:
    """Say per draw whether some number of labels or grades is worth its price, shape (draws,).

    Args:
        m: What was measured.
        expected: Expected accuracies, shape (draws or 1, k).
        cost: First-year cost, shape (draws or 1, k), USD.
        stake: USD a year per unit of accuracy, shape (draws or 1,).
        label_usd: Price of one label, shape (draws or 1,), USD.
        market: What else information costs.
    """
    before, found = posterior(m, m.error**2), np.zeros(1, dtype=bool)
    for what, amounts in (("labels", LABELS), ("grades", GRADES if market.grades else ())):
        for amount in amounts:
            moved = before - posterior(m, with_more(m, what, amount, market).error ** 2)
            found = found | (gains(expected, moved, cost, stake, m.failed) > amount * label_usd)
    return found


def posterior(m: Arms, error2: np.ndarray) -> np.ndarray:
    """Return the posterior variance of every difference, shape (k, k), share²."""
    return np.where(error2 > 0, m.prior * error2 / (m.prior + error2), 0.0)


def with_more(m: Arms, what: str, amount: int, market: Market) -> Arms:
    """Return the measurements as they would be with further information: only the part that it shrinks shrinks."""
    v, df = m.variance.copy(), m.df
    if what == "labels":
        v[:2] *= m.n / (m.n + amount)
        return replace(m, variance=v, n=m.n + amount)
    if what == "grades":
        v[3] *= market.grades / (market.grades + amount)
        return replace(m, variance=v)
    # Further seeds make the spread better known; they do not make one training's luck smaller.
    share = np.divide(v[2], v.sum(axis=0), out=np.zeros_like(v[2]), where=v.sum(axis=0) > 0)
    known = max(2, market.seeds + amount)
    df = np.where(share > 0, np.minimum(1e9, (known - 1) / np.maximum(share, 1e-9) ** 2), df)
    return replace(m, df=np.maximum(df, m.df))


def _covariance(variance: np.ndarray) -> np.ndarray:
    """Return a root of the covariance of centred accuracies from the variances of their differences, shape (k, k)."""
    k = len(variance)
    centre = np.eye(k) - 1 / k
    values, vectors = np.linalg.eigh(-centre @ variance @ centre / 2)
    return vectors * np.sqrt(np.maximum(0.0, values))


def worth_now(m: Arms, cost: np.ndarray, stake: float, after: Arms | None) -> float:
    """Return the expected gain of information now, USD; ``after`` None: of knowing everything."""
    before = posterior(m, m.error**2)
    left = 0.0 if after is None else posterior(after, after.error**2)
    one = gains(m.shrunk()[None], before - left, cost[None], np.array([stake]), m.failed)
    return float(one[0])


def settles(
    m: Arms, after: Arms, cost: np.ndarray, stake: float, look: int, market: Market
) -> float:
    """Return the chance that the verdict is settled with the information, 0..1."""
    k = len(m.names)
    v1 = float((after.error**2).sum() / max(1, k * (k - 1)))
    moved = np.maximum(0.0, posterior(m, m.error**2) - posterior(after, after.error**2))
    rng = np.random.default_rng(1)
    z = rng.standard_normal((DRAWS // 2, k))
    expected = m.shrunk() + np.concatenate([z, -z]) @ _covariance(moved).T
    middle = m.accuracy.mean()
    shown = middle + (expected - middle) * (m.prior + v1) / m.prior
    difference = shown[:, :, None] - shown[:, None, :]
    stakes, level = np.array([stake]), level_at(look + 1)
    found = apply(difference, expected, halves(after, level), cost[None], stakes, m.failed)
    buy = buys(after, expected, cost[None], stakes, np.array([market.label_usd]), market)
    done = ~found.rivals.any(axis=1) & found.proven
    return float((done | ((found.best == found.supported) & ~buy)).mean())


def offers(m: Arms, cost: np.ndarray, stake: float, look: int, market: Market) -> list[Offer]:
    """Return what could be bought, its price, its worth, and how likely it settles the verdict.

    Args:
        m: What was measured.
        cost: First-year cost per strategy, shape (k,), USD.
        stake: USD a year per unit of accuracy.
        look: The look that was just taken.
        market: What information costs.
    """
    tried: list[tuple[str, int, float]] = [("labels", n, n * market.label_usd) for n in LABELS]
    if market.seeds and m.variance[2].any():
        tried += [("seeds", n, n * market.seed_usd) for n in SEEDS]
    if market.grades and m.variance[3].any():
        tried += [("grades", n, n * market.label_usd) for n in GRADES]
    found = []
    for what, amount, price in tried:
        after = with_more(m, what, amount, market)
        # Seeds change what can be claimed, not what is expected: their worth is what the claim is then worth at most.
        gain = worth_now(m, cost, stake, None if what == "seeds" else after)
        chance = settles(m, after, cost, stake, look, market) if gain > price else 0.0
        found.append(
            Offer(what=what, amount=amount, cost_usd=price, worth_usd=gain, settles=chance)  # pyright: ignore[reportArgumentType]
        )
    return found


def best_offer(found: Sequence[Offer]) -> Offer | None:
    """Return the offer to take: of those worth their price and likely to settle, the one with the largest net worth."""
    good = [o for o in found if o.worth_usd > o.cost_usd and o.settles >= LIKELY]
    return max(good, key=lambda o: o.settles * o.worth_usd - o.cost_usd, default=None)
