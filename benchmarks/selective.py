"""Is what a model may answer alone promised rightly? ``python -m benchmarks.selective``.

Made worlds: answers whose true chance to be right rises with the model's confidence, more or less steeply, alone or in clusters
of four. Told: how often more than the allowed 10% of what is answered alone is truly wrong, and how much is answered alone,
against the most that could be. Beside the tests of 07: reading the largest share off the curve, and tests that start elsewhere.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.evaluation import selective_answering

WORLDS, ALLOWED = 1000, 0.1
STEEP = {
    "63% right, steep": (2.0, 1.0),
    "87% right, flat": (0.5, 2.0),
    "85% right, steep": (2.0, 3.0),
    "90% right, no signal": (0.0, 2.2),
}


def world(n: int, slope: float, level: float, cluster: int, rng: Any) -> tuple[Any, Any, Any, Any]:
    """Return confidence, true chance to be right, right or not, and cluster of ``n`` answers, the surest first."""
    groups = np.arange(n) // cluster
    sense = 0.6 * rng.normal(size=n) + rng.normal(size=groups.max() + 1)[groups]
    sure, chance = 1 / (1 + np.exp(-1.2 * sense)), 1 / (1 + np.exp(-(slope * sense + level)))
    order = np.argsort(-sure)
    return (
        sure[order],
        chance[order],
        (rng.random(n) < chance).astype(float)[order],
        groups[order].astype(str),
    )


def most(wrong: Any) -> int:
    """Return the largest number of the surest answers of which at most the allowed share is wrong."""
    fits = np.flatnonzero(np.cumsum(wrong) / np.arange(1, len(wrong) + 1) <= ALLOWED)
    return int(fits[-1]) + 1 if len(fits) else 0


def row(n: int, slope: float, level: float, cluster: int, rng: Any) -> list[str]:
    """Return broken promises and share answered alone of every rule, and the most that could be answered alone."""
    rules, could = {"curve": [0, 0.0], 0.0: [0, 0.0], 0.25: [0, 0.0], 0.5: [0, 0.0]}, 0.0
    for _ in range(WORLDS):
        sure, chance, right, groups = world(n, slope, level, cluster, rng)
        could += most(1 - chance) / n
        for rule, told in rules.items():
            if rule == "curve":
                size = most(1 - right)
            else:
                selective_answering.START = rule
                size, _ = selective_answering.allowed(sure, right, groups, ALLOWED)
            told[0] += size > 0 and (1 - chance[:size]).mean() > ALLOWED
            told[1] += size / n
    return [f"{bad / WORLDS:.1%}, {share / WORLDS:.0%}" for bad, share in rules.values()] + [
        f"{could / WORLDS:.0%}"
    ]


def main() -> None:
    """Print the table: promises broken, and mean share answered alone."""
    rng = np.random.default_rng(7)
    print(
        "| world | questions | in clusters of | read off the curve | tests from the fewest | from a quarter (07) | from half | at most |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, (slope, level) in STEEP.items():
        for n in (240, 1000):
            for cluster in (1, 4):
                print(
                    f"| {name} | {n} | {cluster} | {' | '.join(row(n, slope, level, cluster, rng))} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
