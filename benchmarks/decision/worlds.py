"""Worlds whose truth is known: accuracies, how strategies agree on items, clusters, costs, ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from benchmarks.decision.rules import Money


@dataclass(frozen=True)
class World:
    """One simulated comparison.

    Attributes:
        accuracy: True accuracy per strategy, shape (arms,).
        money: Costs and stake.
        agreement: Share of the latent variance that strategies share on an item.
        stickiness: Share of the latent variance of one strategy that its answers in a cluster share.
    """

    accuracy: np.ndarray
    money: Money
    agreement: float = 0.5
    stickiness: float = 0.0

    def draw(
        self, rng: np.random.Generator, n: int, groups: np.ndarray | None = None
    ) -> np.ndarray:
        """Return right or wrong per item and strategy, shape (n, arms).

        Args:
            rng: Random numbers.
            n: Items.
            groups: Cluster of each item, from 0 on; None: each by itself.
        """
        arms, own = len(self.accuracy), 1 - self.agreement - self.stickiness
        latent = np.sqrt(self.agreement) * rng.standard_normal((n, 1))
        latent = latent + np.sqrt(own) * rng.standard_normal((n, arms))
        if groups is not None and self.stickiness:
            latent += (
                np.sqrt(self.stickiness) * rng.standard_normal((groups.max() + 1, arms))[groups]
            )
        elif self.stickiness:
            latent += np.sqrt(self.stickiness) * rng.standard_normal((n, arms))
        return (latent < ndtri(self.accuracy)).astype(float)


def prior_world(rng: np.random.Generator, arms: int = 0) -> World:
    """Return a world from the stated priors.

    2 to 6 strategies around a level of 50 to 85%, differences normal with SD 6 points; first-year costs 2,000 to 40,000
    USD; 5,000 to 100,000 answers a month (log-uniform), a right answer plus a wrong one worth 0.10 to 10 USD
    (log-uniform). ``arms`` above 0 gives the number of strategies.
    """
    arms = arms or int(rng.integers(2, 7))
    accuracy = np.clip(rng.uniform(0.5, 0.85) + rng.normal(0, 0.06, arms), 0.05, 0.97)
    answers = 12 * 10 ** rng.uniform(np.log10(5_000), 5)
    stake = answers * 10 ** rng.uniform(-1, 1)
    money = Money(rng.uniform(2_000, 40_000, arms), float(stake))
    return World(accuracy, money, float(rng.uniform(0.3, 0.7)))


def five_points(rng: np.random.Generator) -> World:
    """Return a world in which the dearest strategy is 5 points better; 600,000 answers a year, 9 USD at stake."""
    arms = int(rng.integers(2, 6))
    accuracy = np.full(arms, float(rng.uniform(0.5, 0.85)))
    accuracy[-1] += 0.05
    cost = np.sort(rng.uniform(2_000, 40_000, arms))
    return World(accuracy, Money(cost, 600_000 * 9.0), float(rng.uniform(0.4, 0.7)))


def one_customer(rng: np.random.Generator, n: int, share: float = 0.4) -> np.ndarray:
    """Return clusters of which one holds a share of the items and the others 1 to 5 each, shape (n,)."""
    big = int(share * n)
    rest = np.repeat(np.arange(1, n), rng.integers(1, 6, n - 1))[: n - big]
    return np.concatenate([np.zeros(big, dtype=int), rest])
