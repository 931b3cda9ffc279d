"""Strategies against one another on the same items, and what each factor of the grid does."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from statistics import NormalDist
from typing import Any

import numpy as np

from ftkit.core.errors import BadInput
from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import Comparison, Effect
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.statistics import Paired, clusters, holm, paired_errors, sign_flip_exact
from ftkit.scoring.items import some


def pivot(scores: Any, column: str = "correct") -> Any:
    """Return scores as a table of items × strategies, strategies in their first order.

    Raises:
        BadInput: A strategy lacks an item, or scored one twice.
    """
    twice = scores[scores.duplicated(["item_id", "strategy"])]
    if len(twice):
        ids = twice["item_id"].unique().tolist()
        raise BadInput(
            f"{len(ids)} item(s) scored twice: {some(ids)}",
            where=f"strategy {twice['strategy'].iloc[0]}",
            todo="keep one score per item and strategy",
        )
    table = scores.pivot(index="item_id", columns="strategy", values=column)
    table = table.reindex(index=scores["item_id"].unique(), columns=scores["strategy"].unique())
    for strategy in table.columns:
        missing = table.index[table[strategy].isna()].tolist()
        if missing:
            raise BadInput(
                f"{len(missing)} item(s) not scored: {some(missing)}",
                where=f"strategy {strategy}",
                todo="compare strategies on the same items only",
            )
    return table


def groups_of(scores: Any) -> Any:
    """Return each item's cluster, in the order of :func:`pivot`."""
    return scores.drop_duplicates("item_id")["group"].astype(str).to_numpy()


def compare(
    scores: Any,
    pairs: Sequence[tuple[str, str]] | None = None,
    *,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> list[Comparison]:
    """Compare strategies in pairs on accuracy.

    Args:
        scores: Columns ``records.SCORE_COLUMNS``; ``group`` is the cluster of an item.
        pairs: Names to compare, first minus second; None: every pair.
        n_resamples: Bootstrap resamples, one set shared by all strategies.
        seed: Seed of the resamples.

    Returns:
        Paired differences with 95% intervals, exact p-values, and these corrected by Holm over all pairs.

    Raises:
        BadInput: Strategies with different items, or an unknown name in ``pairs``.
    """
    table, groups = pivot(scores), groups_of(scores)
    names = list(table.columns)
    wanted = list(pairs) if pairs is not None else list(combinations(names, 2))
    unknown = sorted({name for pair in wanted for name in pair} - set(names))
    if unknown:
        raise BadInput(
            f"no scores of {', '.join(unknown)}",
            where="pairs",
            todo=f"choose from {', '.join(names)}",
        )
    if not wanted:
        return []
    values = table.to_numpy(dtype=float)
    index = [(names.index(a), names.index(b)) for a, b in wanted]
    differences = paired_errors(values, index, groups)
    sums = clusters(values, groups).sums
    p_values = [sign_flip_exact(sums[:, i] - sums[:, j]) for i, j in index]
    return [
        Comparison(
            a=a,
            b=b,
            difference=x.estimate,
            error=x.error,
            df=x.df,
            parts=_parts(x),
            p_value=p,
            p_adjusted=adjusted,
            wins=int((values[:, i] > values[:, j]).sum()),
            losses=int((values[:, i] < values[:, j]).sum()),
        )
        for (a, b), (i, j), x, p, adjusted in zip(
            wanted, index, differences, p_values, holm(p_values), strict=True
        )
    ]


def _parts(x: Paired) -> dict[str, float]:
    """Return the variance of a difference by source: single items, and what their clusters add."""
    parts = {"items": x.error**2 * x.items, "clusters": x.error**2 * (1 - x.items)}
    return {name: v for name, v in parts.items() if v > 0}


def effects(scores: Any, specs: Sequence[StrategySpec]) -> list[Effect]:
    """Return the effects of tuning, of retrieval, and their interaction on accuracy, from the four arms of the grid.

    The four arms are base and tuned model, each with and without passages, all without few-shot examples. Empty where
    one of them was not run. Source: the 2×2 factorial design, contrasts taken within each item.
    """
    arms = _four_arms(specs)
    if arms is None:
        return []
    table, groups = pivot(scores), groups_of(scores)
    base, rag, tuned, hybrid = (table[name].to_numpy(dtype=float) for name in arms)
    contrasts = [
        (
            "tuning",
            "the tuned model against the base, mean of both with and without passages",
            (tuned + hybrid - base - rag) / 2,
        ),
        (
            "retrieval",
            "with passages against without, mean of both models",
            (rag + hybrid - base - tuned) / 2,
        ),
        (
            "interaction",
            "how much more retrieval helps the tuned model than the base",
            (hybrid - tuned) - (rag - base),
        ),
    ]
    return [_effect(name, meaning, values, groups) for name, meaning, values in contrasts]


def _four_arms(specs: Sequence[StrategySpec]) -> list[str] | None:
    families = {"prompting": "", "RAG": "", "fine-tuned": "", "hybrid": ""}
    for spec in specs:
        if spec.family in families and not families[spec.family]:
            families[spec.family] = spec.name
    return list(families.values()) if all(families.values()) else None


def _effect(name: str, meaning: str, contrast: np.ndarray, groups: Any) -> Effect:
    """Contrasts lie in -2..2, so the interval is Student's t on the sums of the clusters."""
    from scipy.special import stdtr, stdtrit

    _, index = np.unique(groups, return_inverse=True)
    sizes, sums, value = (
        np.bincount(index),
        np.bincount(index, weights=contrast),
        float(contrast.mean()),
    )
    g, n = len(sizes), len(contrast)
    if g == 1:
        whole = Estimate(
            value=value, low=-2.0, high=2.0, n=n, method="one cluster: no interval can be made"
        )
        return Effect(name=name, meaning=meaning, difference=whole, p_value=1.0)
    spread = (
        (sums - value * sizes) ** 2
    ).sum() + 1.0  # one pseudo-item that differs, so that nothing collapses
    error = float(np.sqrt(g / (g - 1) * spread) / n)
    half = float(stdtrit(g - 1, NormalDist().cdf(1.959964))) * error
    estimate = Estimate(
        value=value, low=value - half, high=value + half, n=n, method="cluster t, one pseudo-item"
    )
    return Effect(
        name=name,
        meaning=meaning,
        difference=estimate,
        p_value=float(2 * stdtr(g - 1, -abs(value) / error)),
    )
