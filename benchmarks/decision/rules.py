"""The workbench's rule on planted answers, and the habits it is measured against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ftkit.core.looks import level_at
from ftkit.core.statistics import paired_errors
from ftkit.decision.rule import PARTS, Arms, apply, halves
from ftkit.decision.value_of_information import Market, buys

LABEL_USD = 3.0
OPEN = -1


@dataclass(frozen=True)
class Money:
    """What a world's answers and strategies cost.

    Attributes:
        cost: First-year cost per strategy, shape (k,), USD.
        stake: USD a year per unit of accuracy.
        label_usd: One more test question.
    """

    cost: np.ndarray
    stake: float
    label_usd: float = LABEL_USD

    def net(self, accuracy: np.ndarray) -> np.ndarray:
        """Return net benefit up to a constant, shape (k,), USD."""
        return self.stake * accuracy - self.cost


def measured(right: np.ndarray, groups: np.ndarray | None = None) -> Arms:
    """Return what 07 would measure: paired differences with their standard errors, whole clusters.

    Args:
        right: Right or wrong per item and strategy, shape (items, k).
        groups: Cluster of each item; None: each by itself.
    """
    k = right.shape[1]
    pairs = [(i, j) for i in range(k) for j in range(i)]
    variance, df = np.zeros((len(PARTS), k, k)), np.full((k, k), np.inf)
    found = paired_errors(right, pairs, None if groups is None else list(groups))
    for (i, j), x in zip(pairs, found, strict=True):
        variance[0, i, j] = variance[0, j, i] = x.error**2 * x.items
        variance[1, i, j] = variance[1, j, i] = x.error**2 * (1 - x.items)
        df[i, j] = df[j, i] = x.df
    no = np.zeros(k, dtype=bool)
    names = tuple(str(i) for i in range(k))
    return Arms(names, right.mean(axis=0), variance, df, len(right), no, no)


@dataclass(frozen=True)
class Verdict:
    """What the rule says: the chosen index or ``OPEN``, whether proven, and the best bet."""

    chosen: int
    proven: bool
    best: int


def decide(m: Arms, money: Money, look: int = 1) -> Verdict:
    """Apply the workbench's rule as ``ftkit.decision.rule.choose`` does, without records."""
    stake = np.array([money.stake])
    found = apply(
        m.difference[None],
        m.shrunk()[None],
        halves(m, level_at(look)),
        money.cost[None],
        stake,
        m.failed,
    )
    c, best = int(found.supported[0]), int(found.best[0])
    proven = bool(~found.rivals.any() & found.proven[0])
    if proven:
        return Verdict(c, True, best)
    label, market = np.array([money.label_usd]), Market(money.label_usd)
    if best == c and not buys(m, m.shrunk()[None], money.cost[None], stake, label, market)[0]:
        return Verdict(c, False, best)
    return Verdict(OPEN, False, best)


def by_points(right: np.ndarray, money: Money, margin: float = 0.05) -> int:
    """Return the cheapest strategy within a margin of the best, by point estimates."""
    share = right.mean(axis=0)
    return int(np.argmin(np.where(share >= share.max() - margin, money.cost, np.inf)))


def by_margin(right: np.ndarray, money: Money, margin: float = 0.05) -> int:
    """Return what the earlier rule did: the cheapest that is not beaten beyond zero and within the margin of all others.

    Where it could not tell, the best by points within the margin, as it advised until then.
    """
    m = measured(right)
    k = right.shape[1]
    room = 1.96 * m.error
    beyond = 1.96 * m.error * (1 + 0.17 * np.log(max(1, k * (k - 1) / 2)))
    for i in np.argsort(money.cost, kind="stable"):
        if (m.difference[i] - room[i] > -margin)[np.arange(k) != i].all():
            return int(i)
        if not (m.difference[:, i] - beyond[:, i] > 0).any():
            break
    return by_points(right, money, margin)
