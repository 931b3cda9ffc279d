"""Repeated looks at one test set: how much of the allowed error each look may spend.

A test set that is looked at again, after prompts or models were changed or items were added, gives chance another try.
The first look spends three quarters of the allowed error, each later look ``k`` its part of the last quarter,
``0.25 × alpha / (k × (k - 1))``. These sum to alpha over any number of looks (the series telescopes), so by the union
bound the chance of one false claim stays below alpha over all of them, whatever was changed in between: the same items
with other strategies, further items, or both. That is what confidence sequences over items (Howard et al. 2021, Annals
of Statistics 49) do not cover, as they hold for one fixed pair of strategies.

Price: an interval of the first look is 6% wider than a plain 95% interval, of the second 39%, of the tenth 94%.

Source: Lan & DeMets (1983), Discrete sequential boundaries for clinical trials (alpha spending).
"""

from __future__ import annotations

from statistics import NormalDist

from ftkit.core.errors import BadInput

ALPHA, FIRST = 0.05, 0.75


def level_at(look: int, alpha: float = ALPHA) -> float:
    """Return the error level that a look may spend, two-sided, 0..1.

    Args:
        look: Which look at these test items it is, from 1 on.
        alpha: Error allowed over all looks together.

    Raises:
        BadInput: ``look`` is below 1: looks are out of order.
    """
    if look < 1:
        raise BadInput(
            f"look {look} at the test set", where="test access log", todo="count looks from 1 on"
        )
    return alpha * FIRST if look == 1 else alpha * (1 - FIRST) / (look * (look - 1))


def widening(look: int, alpha: float = ALPHA) -> float:
    """Return by what factor an interval of a look is wider than a plain one of level 1 - alpha."""
    normal = NormalDist()
    return normal.inv_cdf(1 - level_at(look, alpha) / 2) / normal.inv_cdf(1 - alpha / 2)
