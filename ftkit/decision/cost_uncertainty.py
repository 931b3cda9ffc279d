"""How far the assumed prices carry the verdict: costs as distributions, and what each figure alone does (tornado).

Every assumed figure is drawn log-uniformly within its range, all at once and independently; given and measured figures
stay as they are. The rule is applied to every draw.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ftkit.core.records.decision import Price, PriceEffect
from ftkit.core.records.evaluation import StrategyResult
from ftkit.decision.cost_model import Setting, first_year_usd

DRAWS = 1000
TAIL = 0.05


@dataclass(frozen=True)
class Spread:
    """What the draws showed.

    Attributes:
        costs: First-year cost per strategy and draw, USD.
        holds: Share of the draws with today's verdict, 0..1.
        draws: Number of draws; 0 where nothing is assumed.
    """

    costs: dict[str, list[float]]
    holds: float
    draws: int

    def interval(self, strategy: str) -> tuple[float, float] | None:
        """Return the 5% and 95% quantiles of a strategy's first-year cost; None without draws."""
        drawn = sorted(self.costs.get(strategy, []))
        if not drawn:
            return None
        return drawn[int(TAIL * len(drawn))], drawn[
            min(len(drawn) - 1, int((1 - TAIL) * len(drawn)))
        ]


def drawn_prices(prices: Sequence[Price], rng: random.Random) -> dict[str, float]:
    """Return one draw of all figures: assumed ones log-uniform within their ranges."""
    return {
        x.name: x.value if not (x.low and x.high) else x.low * (x.high / x.low) ** rng.random()
        for x in prices
    }


def spread(
    results: Sequence[StrategyResult],
    prices: Sequence[Price],
    s: Setting,
    verdict: Callable[[dict[str, float]], object],
    seed: int,
) -> Spread:
    """Draw the assumed figures many times.

    Args:
        results: All strategies.
        prices: The figures of the cost model.
        s: What costs depend on today.
        verdict: Applies the rule to first-year costs by strategy.
        seed: Seed of the draws.
    """
    if not any(x.low and x.high for x in prices):
        return Spread({}, 1.0, 0)
    rng, costs = random.Random(f"prices-{seed}"), {r.spec.name: [] for r in results}
    now, same = verdict({r.spec.name: first_year_usd(r, s) for r in results}), 0
    for _ in range(DRAWS):
        at = replace(s, price=drawn_prices(prices, rng))
        each = {r.spec.name: first_year_usd(r, at) for r in results}
        for name, value in each.items():
            costs[name].append(value)
        same += verdict(each) == now
    return Spread(costs, same / DRAWS, DRAWS)


def price_effects(
    mine: StrategyResult, other: StrategyResult, prices: Sequence[Price], s: Setting
) -> list[PriceEffect]:
    """Return per assumed figure the extra first-year cost of one strategy over another at its ends, widest first.

    Args:
        mine: The strategy.
        other: The one it is held against.
        prices: The figures of the cost model.
        s: What costs depend on today.
    """

    def extra(name: str, value: float) -> float:
        at = replace(s, price={**s.price, name: value})
        return first_year_usd(mine, at) - first_year_usd(other, at)

    found = [
        PriceEffect(
            price=x.name,
            low=x.low,
            high=x.high,
            at_low_usd=extra(x.name, x.low),
            at_high_usd=extra(x.name, x.high),
        )
        for x in prices
        if x.low is not None and x.high is not None
    ]
    moved = [swing for swing in found if abs(swing.at_high_usd - swing.at_low_usd) > 0.5]
    return sorted(moved, key=lambda swing: -abs(swing.at_high_usd - swing.at_low_usd))
