"""Worlds whose truth is known: accuracies, how strategies agree on items, clusters, costs, ties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri


@dataclass(frozen=True)
class World:
    """One simulated comparison.

    Attributes:
        accuracy: True accuracy per strategy, shape (arms,).
        cost: First-year cost per strategy in USD, shape (arms,).
        n: Test items.
        cluster_size: Mean items per cluster; 1: none.
        agreement: Share of the latent variance that strategies share on an item.
        stickiness: Share of the latent variance of one strategy that its answers in a cluster share.
    """

    accuracy: np.ndarray
    cost: np.ndarray
    n: int
    cluster_size: float
    agreement: float
    stickiness: float

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Return right or wrong per item and strategy, shape (n, arms), and each item's cluster, shape (n,)."""
        groups = _groups(rng, self.n, self.cluster_size)
        arms, clusters = len(self.accuracy), groups[-1] + 1
        own = 1 - self.agreement - self.stickiness
        latent = np.sqrt(self.agreement) * rng.standard_normal((self.n, 1)) + np.sqrt(
            own
        ) * rng.standard_normal((self.n, arms))
        latent += np.sqrt(self.stickiness) * rng.standard_normal((clusters, arms))[groups]
        return (latent < ndtri(self.accuracy)).astype(float), groups

    def right_choice(self, margin: float) -> int:
        """Return the strategy that full knowledge would choose: the cheapest within the margin of the best."""
        good = self.accuracy >= self.accuracy.max() - margin
        return int(np.argmin(np.where(good, self.cost, np.inf)))


def _groups(rng: np.random.Generator, n: int, mean: float) -> np.ndarray:
    if mean <= 1:
        return np.arange(n)
    sizes = 1 + rng.poisson(mean - 1, size=n)
    return np.repeat(np.arange(n), sizes)[:n]


def any_world(rng: np.random.Generator) -> World:
    """Return a random world: 2 to 6 strategies, 50 to 5,000 items, a third with ties, half with clusters."""
    arms, n = int(rng.integers(2, 7)), int(rng.choice([50, 100, 200, 500, 1000, 2000, 5000]))
    accuracy = np.clip(
        rng.uniform(0.3, 0.9) + rng.normal(0, rng.choice([0.02, 0.05, 0.12]), arms), 0.05, 0.97
    )
    if rng.random() < 1 / 3:
        accuracy[rng.permutation(arms)[:2]] = accuracy[0]
    clustered = rng.random() < 0.5
    return World(
        accuracy,
        rng.uniform(2_000, 40_000, arms),
        n,
        float(rng.choice([2, 4])) if clustered else 1.0,
        float(rng.uniform(0.2, 0.7)),
        float(rng.uniform(0.05, 0.25)) if clustered else 0.0,
    )


def tied_world(rng: np.random.Generator) -> World:
    """Return a world in which all strategies are equally good: any superiority found is false."""
    world = any_world(rng)
    return World(
        np.full_like(world.accuracy, world.accuracy[0]),
        world.cost,
        world.n,
        world.cluster_size,
        world.agreement,
        world.stickiness,
    )


def five_point_world(rng: np.random.Generator) -> World:
    """Return a world with 2,000 items in which the dearest strategy is 5 points better than all others."""
    arms = int(rng.integers(2, 6))
    accuracy = np.full(arms, float(rng.uniform(0.5, 0.85)))
    accuracy[-1] += 0.05
    return World(
        accuracy,
        np.sort(rng.uniform(2_000, 40_000, arms)),
        2000,
        1.0,
        float(rng.uniform(0.4, 0.7)),
        0.0,
    )
