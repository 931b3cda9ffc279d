"""Thousands of worlds: do intervals cover, are superiorities real, what does a verdict cost, when is it refused?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.decision import rules
from benchmarks.decision.worlds import World, any_world, five_point_world, tied_world
from ftkit.core.statistics import (
    bca_ends,
    clusters,
    leave_one_out,
    mcnemar_exact,
    mean_intervals,
    resample_means,
)

MARGIN = 0.05
RESAMPLES = 1000


def one(world: World, rng: np.random.Generator, seed: int) -> dict[str, Any]:
    """Return what each rule says of one draw from a world, held against the truth."""
    right, groups = world.draw(rng)
    true = world.accuracy
    ours, plain = rules.paired(right, groups, RESAMPLES, seed), rules.unpaired(right)
    gaps = [true[int(c.a)] - true[int(c.b)] for c in ours]
    row: dict[str, Any] = {"n": world.n, "clustered": world.cluster_size > 1}
    row["covers"] = [
        c.difference.low - 1e-12 <= g <= c.difference.high + 1e-12
        for c, g in zip(ours, gaps, strict=True)
    ]
    row["covers_unpaired"] = [
        c.difference.low <= g <= c.difference.high for c, g in zip(plain, gaps, strict=True)
    ]
    means = mean_intervals(right, groups, RESAMPLES, seed)
    row["covers_mean"] = [e.low <= t <= e.high for e, t in zip(means, true, strict=True)]
    row["covers_bca"] = _bca(right, groups, float(true[0] - true[1]), seed)
    row["false"] = any(_false(c, g) for c, g in zip(ours, gaps, strict=True))
    row["false_mcnemar"] = any(_false_mcnemar(right, c, g) for c, g in zip(ours, gaps, strict=True))
    row["ours"] = _verdict(world, rules.decide(right, ours, world.cost, MARGIN))
    row["unpaired"] = _verdict(world, rules.decide(right, plain, world.cost, MARGIN))
    row["points"] = _held(world, rules.by_points(right, world.cost, MARGIN))
    return row


def _bca(right: np.ndarray, groups: np.ndarray, gap: float, seed: int) -> bool:
    data = clusters(right[:, :2], groups)
    drawn = resample_means(data, RESAMPLES, seed)
    low, high = bca_ends(
        float(data.point[0] - data.point[1]), drawn[:, 0] - drawn[:, 1], leave_one_out(data, 0, 1)
    )
    return low <= gap <= high


def _false(comparison: Any, gap: float) -> bool:
    """A superiority is false where the truth is a tie or the other way round."""
    d = comparison.difference
    return comparison.p_adjusted < 0.05 and (
        (d.low > 0 and gap <= 1e-12) or (d.high < 0 and gap >= -1e-12)
    )


def _false_mcnemar(right: np.ndarray, comparison: Any, gap: float) -> bool:
    """McNemar's test on items, uncorrected: what is done where clusters and the number of comparisons are forgotten."""
    a, b = right[:, int(comparison.a)], right[:, int(comparison.b)]
    wins, losses = int((a > b).sum()), int((a < b).sum())
    return mcnemar_exact(wins, losses) < 0.05 and (
        (wins > losses and gap <= 1e-12) or (losses > wins and gap >= -1e-12)
    )


def _verdict(world: World, choice: Any) -> dict[str, float] | None:
    return _held(world, int(choice.strategy)) if choice.kind == "chosen" else None


def _held(world: World, k: int) -> dict[str, float]:
    best, ideal = world.accuracy.max(), world.right_choice(MARGIN)
    return {
        "right": float(k == ideal),
        "lost": float(max(0.0, world.accuracy[ideal] - world.accuracy[k])),
        "beyond": float(max(0.0, best - MARGIN - world.accuracy[k])),
        "dearer": float(world.cost[k] > world.cost[ideal]),
    }


def run(
    kind: Callable[[np.random.Generator], World], count: int, seed: int
) -> list[dict[str, Any]]:
    """Return one row per world."""
    rng = np.random.default_rng(seed)
    return [one(kind(rng), rng, k) for k in range(count)]


def coverage(rows: list[dict[str, Any]], key: str) -> float:
    """Return the share of intervals that hold the truth."""
    return float(np.mean(np.concatenate([np.atleast_1d(row[key]) for row in rows])))


def verdicts(rows: list[dict[str, Any]], rule: str) -> dict[str, float]:
    """Return how often a rule decides, and what its decisions cost."""
    decided = [row[rule] for row in rows if row[rule] is not None]
    return {
        "decides": len(decided) / len(rows),
        "wrong": float(np.mean([d["beyond"] > 0 for d in decided])) if decided else 0.0,
        "right_choice": float(np.mean([d["right"] for d in decided])) if decided else 0.0,
        "accuracy_lost_points": 100 * float(np.mean([d["lost"] for d in decided]))
        if decided
        else 0.0,
        "lost_beyond_margin_points": 100 * float(np.mean([d["beyond"] for d in decided]))
        if decided
        else 0.0,
        "dearer_than_needed": float(np.mean([d["dearer"] for d in decided])) if decided else 0.0,
    }


def all_results(count: int = 3000, seed: int = 11) -> dict[str, Any]:
    """Run the three kinds of worlds and return every figure."""
    rows, ties, five = (
        run(any_world, count, seed),
        run(tied_world, count // 3, seed + 1),
        run(five_point_world, count // 6, seed + 2),
    )
    sizes = sorted({row["n"] for row in rows})
    return {
        "worlds": {"any": len(rows), "tied": len(ties), "five points at 2,000 items": len(five)},
        "coverage": {
            name: {
                "all": coverage(rows, key),
                "items alone": coverage([r for r in rows if not r["clustered"]], key),
                "clusters": coverage([r for r in rows if r["clustered"]], key),
                **{str(n): coverage([r for r in rows if r["n"] == n], key) for n in sizes},
            }
            for name, key in (
                ("ours", "covers"),
                ("one strategy", "covers_mean"),
                ("BCa", "covers_bca"),
                ("unpaired", "covers_unpaired"),
            )
        },
        "false superiority": {
            name: {
                "any": float(np.mean([r[key] for r in rows])),
                "all tied": float(np.mean([r[key] for r in ties])),
                "all tied, clusters": float(np.mean([r[key] for r in ties if r["clustered"]])),
            }
            for name, key in (("ours", "false"), ("McNemar by item, uncorrected", "false_mcnemar"))
        },
        "verdicts": {rule: verdicts(rows, rule) for rule in ("ours", "unpaired", "points")},
        "verdicts by items": {
            str(n): verdicts([r for r in rows if r["n"] == n], "ours") for n in sizes
        },
        "five points at 2,000 items": {
            rule: verdicts(five, rule) for rule in ("ours", "unpaired", "points")
        },
    }
