"""The rule: gates first, then the largest net benefit that can be shown; and "can't tell yet" where finding out pays.

The net benefit of a strategy is ``answers × (right × share right - wrong × share wrong) - first-year cost``. For two
strategies on the same items it differs by ``stake × gain - extra cost``, with ``stake = answers × (right + wrong)``. So
the margin of a pair is no parameter: it is the gain that pays for the extra cost, ``extra cost / stake``; and *better*
means that the interval of the gain lies above it.

1. **Supported** is the dearest strategy that is better, beyond chance, than every cheaper one that passes the gates. The
   cheapest is always supported by itself. So no verdict buys a gain whose interval holds what it costs.
2. **Rivals** are strategies whose interval allows that they are better than the supported one.
3. Without rivals the supported one is chosen (*proven*, where its gains also hold corrected for the number of cheaper
   ones). With rivals it is chosen as the *best bet* if its expected net benefit is the largest and no information is
   worth its price (:mod:`ftkit.decision.value_of_information`); else it can't be told yet.

All intervals are at the level of this look (:mod:`ftkit.core.looks`).

Sources: Claxton (1999), The irrelevance of inference: a decision-making approach to stochastic evaluation of health care
technologies, J Health Econ 18; Stinnett & Mullahy (1998), Net health benefits, Med Decis Making 18.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ftkit.core.errors import BadInput
from ftkit.core.records.base import Estimate
from ftkit.core.records.decision import Gate
from ftkit.core.records.evaluation import Comparison, StrategyResult
from ftkit.decision.gates import CUT_OFF
from ftkit.scoring.outcomes import CUT_OFF_ALLOWED

ALPHA = 0.05
PRIOR_SD = 0.10
"""Differences between strategies before measuring: normal around none, with a standard deviation of 10 points."""
PARTS = ("items", "clusters", "seeds", "judge", "cut off")
"""What a difference's error comes from. Replies that were cut off are no answers: with more room all might have been right,
so where a strategy has too many of them its differences are as uncertain as that."""


@dataclass(frozen=True)
class Arms:
    """What was measured of all strategies, as arrays over them.

    Attributes:
        names: Names, shape (k,).
        accuracy: Share right, shape (k,).
        variance: Variance of each paired difference by part, shape (parts, k, k), share².
        df: Degrees of freedom of each difference, shape (k, k); infinite: the normal law.
        n: Test items.
        failed: Whether a gate bars it, shape (k,).
        unsettled: Whether a gate is open, shape (k,).
    """

    names: tuple[str, ...]
    accuracy: np.ndarray
    variance: np.ndarray
    df: np.ndarray
    n: int
    failed: np.ndarray
    unsettled: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        """Accuracy of the row minus that of the column, shape (k, k)."""
        return self.accuracy[:, None] - self.accuracy[None, :]

    @property
    def error(self) -> np.ndarray:
        """Standard error of each difference, shape (k, k)."""
        return np.sqrt(self.variance.sum(axis=0))

    @property
    def prior(self) -> float:
        """Variance of a difference before measuring."""
        return PRIOR_SD**2

    def shrunk(self) -> np.ndarray:
        """Return expected accuracies: measured ones drawn towards their mean by the prior, shape (k,)."""
        k = len(self.names)
        if k < 2:
            return self.accuracy
        v = float((self.error**2).sum() / (k * (k - 1)))
        middle = self.accuracy.mean()
        return middle + (self.accuracy - middle) * self.prior / (self.prior + v)


@dataclass
class Choice:
    """What the rule says.

    Attributes:
        kind: chosen, none or can't tell.
        basis: See :class:`ftkit.core.records.decision.Decision`.
        strategy: Chosen; where it can't tell, the largest expected net benefit; empty for none.
        supported: The dearest strategy whose gain over every cheaper one is beyond chance.
        rivals: Strategies that may be better than the supported one.
        open_gates: Gates of the supported one and its rivals that the test set cannot settle.
        beaten: Strategies that the supported one beats.
    """

    kind: str
    basis: str
    strategy: str = ""
    supported: str = ""
    rivals: list[str] = field(default_factory=list)
    open_gates: list[Gate] = field(default_factory=list)
    beaten: list[str] = field(default_factory=list)


class Table:
    """Paired differences by name, in either direction."""

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        self.found = {(c.a, c.b): c for c in comparisons}

    def of(self, a: str, b: str) -> Comparison:
        """Return the comparison of a pair, in the direction it was made."""
        return self.found.get((a, b)) or self.found[b, a]

    def difference(self, a: str, b: str) -> Estimate:
        """Return the difference in accuracy of ``a`` minus ``b``."""
        if (a, b) in self.found:
            return self.found[a, b].difference
        d = self.found[b, a].difference
        return d.model_copy(update={"value": -d.value, "low": -d.high, "high": -d.low})

    def superior(self, a: str, b: str) -> bool:
        """Say whether ``a`` is better than ``b`` beyond chance: corrected test and interval agree."""
        return self.of(a, b).p_adjusted < ALPHA and self.difference(a, b).low > 0


def arms(
    results: Sequence[StrategyResult],
    comparisons: Sequence[Comparison],
    gates: Sequence[Gate],
    seed_variance: float = 0.0,
) -> Arms:
    """Return the measurements of all strategies as arrays.

    Args:
        results: All strategies.
        comparisons: Every pair of them.
        gates: Every gate of every strategy.
        seed_variance: Assumed variance of accuracy from one training to another, where none was measured, share².

    Raises:
        BadInput: A pair was not compared.
    """
    names, table = [r.spec.name for r in results], Table(comparisons)
    k = len(names)
    variance, df = np.zeros((len(PARTS), k, k)), np.full((k, k), np.inf)
    tuned = [
        any(p.spec.model == "tuned" for p in (r.cascade.parts if r.cascade else [r]))
        for r in results
    ]
    cut = [sum(r.cut_off_by.values()) for r in results]
    cut = [share if share > CUT_OFF_ALLOWED else 0.0 for share in cut]
    for i in range(k):
        for j in range(i):
            try:
                c = table.of(names[i], names[j])
            except KeyError:
                raise BadInput(
                    f"not compared: {names[j]} and {names[i]}",
                    where="evaluation.json",
                    todo="run 07_evaluation again",
                ) from None
            parts = _variance(c)
            if not parts[2] and (tuned[i] or tuned[j]):
                parts[2] = seed_variance * (0.5 if tuned[i] and tuned[j] else 1.0)
            parts[-1] += (cut[i] ** 2 + cut[j] ** 2) / 1.959964**2
            variance[:, i, j] = variance[:, j, i] = parts
            df[i, j] = df[j, i] = c.df or np.inf
    n = min((c.difference.n for c in comparisons), default=results[0].accuracy.n)
    state = {s: {g.strategy for g in gates if g.state == s} for s in ("failed", "can't tell")}
    return Arms(
        tuple(names),
        np.array([r.accuracy.value for r in results]),
        variance,
        df,
        max(1, n),
        np.array([name in state["failed"] for name in names]),
        np.array([name in state["can't tell"] for name in names]),
    )


def _variance(c: Comparison) -> list[float]:
    if c.parts:
        return [c.parts.get(part, 0.0) for part in PARTS]
    error = c.error or (c.difference.high - c.difference.low) / 2 / 1.959964
    return [error**2, 0.0, 0.0, 0.0, 0.0]


def quantiles(df: np.ndarray, level: float) -> np.ndarray:
    """Return the two-sided quantile of Student's t for every pair, shape as ``df``."""
    from scipy.special import ndtri, stdtrit

    normal = float(-ndtri(level / 2))
    few = np.where(np.isfinite(df), df, 1e9)
    return np.where(few < 1e6, stdtrit(np.maximum(1.0, few), 1 - level / 2), normal)


@dataclass(frozen=True)
class Outcomes:
    """The rule applied to many draws (of prices, or of what a further look would show).

    Attributes:
        supported: Index of the supported strategy, shape (draws,); -1: none passes.
        best: Index of the largest expected net benefit, shape (draws,).
        rivals: Whether a strategy may be better than the supported one, shape (draws, k).
        proven: Whether the supported one's gains hold corrected for the number of cheaper ones, shape (draws,).
    """

    supported: np.ndarray
    best: np.ndarray
    rivals: np.ndarray
    proven: np.ndarray


def apply(
    difference: np.ndarray,
    expected: np.ndarray,
    half: tuple[np.ndarray, np.ndarray],
    cost: np.ndarray,
    stake: np.ndarray,
    failed: np.ndarray,
) -> Outcomes:
    """Apply the rule to draws.

    Args:
        difference: Measured differences in accuracy, shape (draws or 1, k, k).
        expected: Expected accuracies, shape (draws or 1, k).
        half: Half widths of the differences' intervals, plain and corrected for the number of strategies,
            each shape (k, k) or (draws, k, k).
        cost: First-year cost, shape (draws or 1, k), USD.
        stake: USD a year by which net benefit rises per unit of accuracy, shape (draws or 1,).
        failed: Whether a strategy is barred, shape (k,).
    """
    k = cost.shape[1]
    extra = cost[:, :, None] - cost[:, None, :]
    worth = stake[:, None, None]
    net = worth * difference - extra
    order = np.arange(k)
    tie = (extra == 0) & (order[:, None] > order[None, :])
    cheaper = ((extra > 0) | tie) & ~failed[None, None, :]
    better, surely = net > worth * half[0], net > worth * half[1]
    supported_by = (~cheaper | better).all(axis=2) & ~failed
    rank = np.where(supported_by, cost, -np.inf)
    draws = np.broadcast_shapes(rank.shape, net.shape[:2])[0]
    rank = np.broadcast_to(rank, (draws, k))
    ordered = rank[:, ::-1]  # of equal costs the later one, which beat the earlier
    c = k - 1 - ordered.argmax(axis=1)
    rows = np.arange(draws)
    against = np.broadcast_to(net, (draws, k, k))[rows, :, c]
    room = np.broadcast_to(worth * half[0], (draws, k, k))[rows, :, c]
    rivals = (against + room > 0) & ~failed[None, :]
    rivals[rows, c] = False
    held = np.asarray(np.broadcast_to(~cheaper | surely, (draws, k, k)).all(axis=2))[rows, c]
    value = stake[:, None] * expected - cost
    best = np.broadcast_to(np.where(failed[None, :], -np.inf, value), (draws, k)).argmax(axis=1)
    return Outcomes(np.where(failed.all(), -1, c), best, rivals, held)


def halves(m: Arms, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Return half widths at a level, plain and by Bonferroni over the cheaper strategies that one is held against."""
    family = max(1, int((~m.failed).sum()) - 1)
    return quantiles(m.df, level) * m.error, quantiles(m.df, level / family) * m.error


def choose(
    m: Arms,
    gates: Sequence[Gate],
    cost: np.ndarray,
    stake: float,
    level: float,
    worth_buying: Callable[[], bool],
) -> Choice:
    """Apply the rule once.

    Args:
        m: What was measured.
        gates: Every gate of every strategy.
        cost: First-year cost per strategy, shape (k,), USD.
        stake: USD a year by which net benefit rises per unit of accuracy.
        level: Two-sided error level of this look.
        worth_buying: Says whether some information is worth its price.
    """
    if m.failed.all():
        return Choice("none", "gates")
    found = apply(
        m.difference[None],
        m.shrunk()[None],
        halves(m, level),
        cost[None],
        np.array([stake]),
        m.failed,
    )
    c, best = int(found.supported[0]), int(found.best[0])
    rivals = [m.names[i] for i in np.flatnonzero(found.rivals[0])]
    near = {m.names[c], *rivals}
    open_gates = [g for g in gates if g.state == "can't tell" and g.strategy in near]
    beaten = [n for i, n in enumerate(m.names) if i != c and not m.failed[i] and n not in rivals]
    choice = Choice("can't tell", "rivals", m.names[best], m.names[c], rivals, open_gates, beaten)
    if m.unsettled[c] or any(g.gate == CUT_OFF for g in open_gates):
        return replace(choice, basis="open gate")
    if int((~m.failed).sum()) == 1:
        return replace(choice, kind="chosen", basis="only one")
    if not rivals and bool(found.proven.all()):
        return replace(choice, kind="chosen", basis="proven", strategy=m.names[c])
    if best == c and not worth_buying():
        return replace(choice, kind="chosen", basis="best bet", strategy=m.names[c])
    return choice


def points_of(extra_usd: float, stake: float) -> float | None:
    """Return the gain in points that pays for an extra cost; None where answers are worth nothing."""
    return 100 * extra_usd / stake if stake > 0 and math.isfinite(extra_usd) else None
