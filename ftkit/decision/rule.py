"""The rule: gates first, then accuracy, then the cheapest within the margin; and "can't tell yet" where neither shows.

A strategy is **good enough** if no other can be more than the margin better: the lower end of its difference to every
other lies above minus the margin. It is **beaten** if a strategy that passes all gates is better beyond chance (exact
test, corrected by Holm). From the cheapest up, the first that is not beaten must be good enough and past all gates;
if it is not, the test set cannot tell.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

from ftkit.core.records.base import Estimate
from ftkit.core.records.decision import Gate
from ftkit.core.records.evaluation import Comparison, StrategyResult

ALPHA, POWER = 0.05, 0.8
MOST_EXAMPLES = 1_000_000


@dataclass
class Choice:
    """What the rule says.

    Attributes:
        kind: chosen, none or can't tell.
        strategy: The chosen strategy; where it can't tell, the one ahead so far; empty for none.
        rivals: Strategies that the test set cannot tell apart from it.
        open_gates: Gates that the test set cannot settle.
        beaten: Cheaper strategies that are beaten, each with the one that beats it.
        more_examples: Further test examples that would settle it at 80% power; 0 where only the probe is too small.
    """

    kind: str
    strategy: str = ""
    rivals: list[str] = field(default_factory=list)
    open_gates: list[Gate] = field(default_factory=list)
    beaten: dict[str, str] = field(default_factory=dict)
    more_examples: int | None = None


class Table:
    """Paired differences by name, in either direction."""

    def __init__(self, comparisons: Sequence[Comparison]) -> None:
        self.found = {(c.a, c.b): c for c in comparisons}

    def difference(self, a: str, b: str) -> Estimate:
        """Return the difference in accuracy of ``a`` minus ``b``."""
        if (a, b) in self.found:
            return self.found[a, b].difference
        d = self.found[b, a].difference
        return Estimate(value=-d.value, low=-d.high, high=-d.low, n=d.n, method=d.method)

    def superior(self, a: str, b: str) -> bool:
        """Say whether ``a`` is better than ``b`` beyond chance: corrected test and interval agree."""
        comparison = self.found.get((a, b)) or self.found[b, a]
        return comparison.p_adjusted < ALPHA and self.difference(a, b).low > 0


def choose(
    results: Sequence[StrategyResult],
    comparisons: Sequence[Comparison],
    gates: Sequence[Gate],
    cost: dict[str, float],
    margin: float,
) -> Choice:
    """Apply the rule.

    Args:
        results: All strategies.
        comparisons: Every pair of them.
        gates: Every gate of every strategy.
        cost: First-year cost by strategy, USD.
        margin: Accuracy one would give up for a cheaper strategy, a share.
    """
    out = {g.strategy for g in gates if g.state == "failed"}
    open_gates = {
        g.strategy: [h for h in gates if h.strategy == g.strategy and h.state == "can't tell"]
        for g in gates
    }
    left = sorted(
        (r for r in results if r.spec.name not in out),
        key=lambda r: (cost[r.spec.name], -r.accuracy.value, r.spec.name),
    )
    names, table = [r.spec.name for r in left], Table(comparisons)
    if not names:
        return Choice("none")
    beaten: dict[str, str] = {}
    for name in names:
        better = [other for other in names if other != name and table.superior(other, name)]
        sure = [other for other in better if not open_gates.get(other)]
        if _good_enough(table, name, names, margin) and not open_gates.get(name):
            return Choice("chosen", name, beaten=beaten)
        if not sure:
            return _open(
                table, name, names, beaten, open_gates, margin, {r.spec.name: r for r in left}
            )
        beaten[name] = min(
            sure, key=lambda other: (-table.difference(other, name).value, cost[other])
        )
    raise AssertionError("the best strategy cannot be beaten by a strategy that is beaten itself")


def _good_enough(table: Table, name: str, names: list[str], margin: float) -> bool:
    return all(table.difference(name, other).low > -margin for other in names if other != name)


def _open(
    table: Table,
    name: str,
    names: list[str],
    beaten: dict[str, str],
    open_gates: dict[str, list[Gate]],
    margin: float,
    results: dict[str, StrategyResult],
) -> Choice:
    rivals = [
        o
        for o in names
        if o not in beaten and o != name and table.difference(name, o).low <= -margin
    ]
    unsettled = [o for o in rivals if not table.superior(o, name)]
    ahead = _ahead(table, name, rivals, margin)
    unclear = [gate for other in [name, *rivals] for gate in open_gates.get(other, [])]
    family = max(1, len(table.found))
    needs = [
        examples_to_settle(table.difference(other, name), margin, family) for other in unsettled
    ]
    needs += [
        examples_for_gate(gate, results[gate.strategy])
        for gate in unclear
        if gate.gate != "regression"
    ]
    more = max(needs) if needs else 0
    untold = [o for o in [name, *unsettled] if o != ahead] if unsettled else []
    return Choice("can't tell", ahead, untold, unclear, beaten, more)


def _ahead(table: Table, name: str, rivals: list[str], margin: float) -> str:
    """Return the best guess by the point estimates: the cheapest unless another is better by more than the margin."""
    best = max(rivals, key=lambda o: table.difference(o, name).value, default=name)
    return best if best != name and table.difference(best, name).value > margin else name


def examples_to_settle(gap: Estimate, margin: float, family: int = 1) -> int:
    """Return how many further test examples would show, at 80% power, that a gap is there or within the margin.

    Args:
        gap: The dearer strategy minus the cheaper, with its 95% interval.
        margin: The margin, a share.
        family: Number of comparisons that the test is corrected for.
    """
    error = (gap.high - gap.low) / 2 / 1.96
    by_superiority = _times(error, gap.value, ALPHA / family)
    by_margin = _times(error, margin - gap.value, ALPHA)
    return _further(gap.n, min(by_superiority, by_margin))


def examples_for_gate(gate: Gate, result: StrategyResult) -> int:
    """Return how many further test examples would show, at 80% power, on which side of its limit a share lies."""
    measured = {"accuracy": result.accuracy, "format": result.format_ok}.get(
        gate.gate, result.unsupported
    )
    if measured is None or gate.limit is None:
        return 0
    error = (measured.high - measured.low) / 2 / 1.96
    return _further(measured.n, _times(error, abs(measured.value - gate.limit), ALPHA))


def _times(error: float, distance: float, alpha: float) -> float:
    """Return by what factor the test set must grow for a distance to show with a standard error of today ``error``."""
    if distance <= 0:
        return math.inf
    z = NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(POWER)
    return (z * error / distance) ** 2


def _further(n: int, times: float) -> int:
    return int(min(MOST_EXAMPLES, max(1, math.ceil(n * (min(times, 1e9) - 1)))))
