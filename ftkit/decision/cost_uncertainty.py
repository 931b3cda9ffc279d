"""How far the assumed figures carry the verdict: costs as distributions, and what each figure alone does (tornado).

Every assumed figure is drawn log-uniformly within its range, all at once and independently; given and measured figures
stay as they are. The rule is applied to every draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ftkit.core.records.decision import Price, PriceEffect
from ftkit.core.records.evaluation import StrategyResult
from ftkit.decision.cost_model import Setting, at_prices, first_year_usd

DRAWS = 1000
TAIL = 0.05


def drawn(prices: Sequence[Price], s: Setting, seed: int, draws: int = DRAWS) -> Setting | None:
    """Return a setting whose figures are arrays over draws, shape (draws,); None where nothing is assumed.

    Args:
        prices: Every figure of the cost model.
        s: What costs depend on today.
        seed: Seed of the draws.
        draws: Their number.
    """
    if not any(x.low and x.high for x in prices):
        return None
    rng = np.random.default_rng(seed)
    at: dict[str, Any] = {}
    for x in prices:
        u = rng.random(draws)
        at[x.name] = x.low * (x.high / x.low) ** u if x.low and x.high else np.full(draws, x.value)
    return at_prices(s, at)


def costs(results: Sequence[StrategyResult], s: Setting) -> np.ndarray:
    """Return the first-year cost of every strategy, shape (draws, strategies), USD."""
    size = np.shape(s.answers_per_month) or (1,)
    return np.stack([np.broadcast_to(first_year_usd(r, s), size) for r in results], axis=1)


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
        at = at_prices(s, {**s.price, name: value})
        return float(first_year_usd(mine, at) - first_year_usd(other, at))

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
    moved = [effect for effect in found if abs(effect.at_high_usd - effect.at_low_usd) > 0.5]
    return sorted(moved, key=lambda effect: -abs(effect.at_high_usd - effect.at_low_usd))
