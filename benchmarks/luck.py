"""Does an interval hold what another training would do? ``python -m benchmarks.luck``.

Made worlds: validation examples (150) and test questions (300) of unequal difficulty; trainings whose seed moves the share right by
a known spread; single answers flip. The truth is the mean over all seeds. Told: how often the interval of one training holds it, and
how often the one that is widened by what 3 or 5 seeds differ by on validation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import t

from ftkit.core.statistics import wilson
from ftkit.evaluation.seed_variance import wider
from ftkit.training.learning_curve import seed_sd

WORLDS, VALIDATION, TEST, LOGIT = 1500, 150, 300, 4.5
"""A shift of 1 on the logit scale moves the share right by about 1 / 4.5 here."""


def share(hard: Any, shift: Any) -> Any:
    """Return the probability of a right answer by an item's difficulty and a seed's shift."""
    return 1 / (1 + np.exp(-(0.4 + 1.5 * hard + shift)))


def held(seeds: int, spread: float, rng: Any) -> tuple[float, float]:
    """Return how often one training's interval and the widened one hold the truth."""
    truth = float(share(rng.normal(size=400_000), spread * LOGIT * rng.normal(size=400_000)).mean())
    more, one, widened = float(t.ppf(0.975, seeds - 1)), 0, 0
    for _ in range(WORLDS):
        hard, shift = rng.normal(size=VALIDATION + TEST), spread * LOGIT * rng.normal(size=seeds)
        right = rng.random((seeds, VALIDATION + TEST)) < share(hard[None], shift[:, None])
        own = wilson(float(right[0, VALIDATION:].sum()), TEST)
        wide = wider(own, more * seed_sd(right[:, :VALIDATION].astype(float)), 0.0)
        one, widened = (
            one + (own.low <= truth <= own.high),
            widened + (wide.low <= truth <= wide.high),
        )
    return one / WORLDS, widened / WORLDS


def main() -> None:
    """Print the table."""
    rng = np.random.default_rng(7)
    print(
        "| spread of seeds, points | seeds | one training's interval | widened |\n|---|---|---|---|"
    )
    for spread in (0.0, 0.02, 0.04, 0.08):
        for seeds in (3, 5):
            one, widened = held(seeds, spread, rng)
            print(f"| {100 * spread:.0f} | {seeds} | {one:.1%} | {widened:.1%} |", flush=True)


if __name__ == "__main__":
    main()
