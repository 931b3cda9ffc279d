"""One strategy on the test set: every figure with its interval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from ftkit.core.errors import BadInput
from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import Confusion, StrategyResult
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.records.task import TaskCard
from ftkit.core.statistics import clusters, mean_interval, mean_intervals, resample_means
from ftkit.scoring.outcomes import outcome_shares, too_small
from ftkit.scoring.parse import parse
from ftkit.scoring.score import field_matches

ENOUGH = 2000  # a standard error from 2,000 resamples is off by 1.6%; 77 labels and 3,080 items take 0.4 s


def summarise(
    spec: StrategySpec,
    scores: Any,
    answers: Any,
    *,
    card: TaskCard | None = None,
    items: Any = None,
    general: Estimate | None = None,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> StrategyResult:
    """Summarise one strategy.

    Args:
        spec: The strategy; its rows are those with its name.
        scores: Columns ``records.SCORE_COLUMNS``.
        answers: Columns ``records.ANSWER_COLUMNS``.
        card: The task; with ``items`` it adds accuracy per field, macro-F1 and the confusions.
        items: Examples (columns ``records.EXAMPLE_COLUMNS``).
        general: Accuracy on the general probe, where measured.
        n_resamples: Bootstrap resamples.
        seed: Seed of the resamples.

    Raises:
        BadInput: There are no scores of this strategy.
    """
    mine, said = scores[scores["strategy"] == spec.name], answers[answers["strategy"] == spec.name]
    if not len(mine):
        raise BadInput(
            "has no scores", where=f"strategy {spec.name}", todo="score its answers first"
        )
    groups = mine["group"].astype(str).to_numpy()
    usable, strict = mine["format"] != "failed", mine["format"] == "strict"
    shares = np.column_stack([mine["correct"], mine["partial"], usable, strict]).astype(float)
    accuracy, partial, format_ok, format_strict = mean_intervals(shares, groups, n_resamples, seed)
    more = (
        _by_kind(card, items, said, groups, n_resamples, seed)
        if card is not None and items is not None
        else {}
    )
    return StrategyResult(
        spec=spec,
        accuracy=accuracy,
        partial=partial,
        format_ok=format_ok,
        format_strict=format_strict,
        unsupported=_unsupported(mine, n_resamples, seed),
        general=general,
        missing=int(mine["missing"].sum()),
        prompt_tokens_mean=float(said["prompt_tokens"].mean()),
        completion_tokens_mean=float(said["completion_tokens"].mean()),
        seconds_per_answer=float(said["latency_s"].mean()),
        seconds_p95=float(said["latency_s"].quantile(0.95)),
        cut_share=float(said["cut"].astype(bool).mean()),
        outcomes=outcome_shares(said),
        cut_off_by=too_small(said),
        thought_tokens_mean=float(said["thought_tokens"].mean())
        if "thought_tokens" in said
        else 0.0,
        **more,
    )


def _unsupported(mine: Any, n_resamples: int, seed: int) -> Estimate | None:
    told = mine[mine["unsupported"].notna()]
    if not len(told):
        return None
    return mean_interval(
        told["unsupported"].astype(float), told["group"].astype(str).to_numpy(), n_resamples, seed
    )


def _by_kind(
    card: TaskCard, items: Any, said: Any, groups: Any, n_resamples: int, seed: int
) -> dict[str, Any]:
    truth = dict(zip(items["id"], items["output"], strict=True))
    pairs = [
        (parse(card, str(text or "")), parse(card, str(truth[i])))
        for i, text in zip(said["item_id"], said["text"], strict=True)
    ]
    if card.kind == "fields" and card.fields:
        right = np.array(
            [[float(ok) for ok in field_matches(card, *pair).values()] for pair in pairs]
        )
        return {
            "fields": dict(
                zip(card.fields, mean_intervals(right, groups, n_resamples, seed), strict=True)
            )
        }
    if card.kind == "label":
        given = [a.content if a.format != "failed" else "(no label)" for a, _ in pairs]
        right_labels = [t.content for _, t in pairs]
        return {
            "macro_f1": macro_f1(given, right_labels, groups, n_resamples, seed),
            "confusions": confusions(given, right_labels),
        }
    return {}


def macro_f1(
    given: Sequence[str],
    truth: Sequence[str],
    groups: Sequence[Any] | None = None,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> Estimate:
    """Return the mean F1 over the labels that occur in ``truth``, with a cluster-bootstrap t interval."""
    from scipy.special import stdtrit

    names = sorted(set(truth))
    answered, wanted = (
        np.asarray(x, dtype=object)[:, None] == np.asarray(names, dtype=object)
        for x in (given, truth)
    )
    data = clusters(
        np.concatenate([answered & wanted, answered, wanted], axis=1).astype(float), groups
    )
    value = float(_macro(data.point[None])[0])
    g = len(data.sizes)
    if g == 1:
        return Estimate(
            value=value,
            low=0.0,
            high=1.0,
            n=len(truth),
            method="one cluster: no interval can be made",
        )
    spread = float(_macro(resample_means(data, min(n_resamples, ENOUGH), seed)).std())
    half = float(stdtrit(g - 1, 0.975)) * max(spread * np.sqrt(g / (g - 1)), 1 / (2 * len(truth)))
    return Estimate(
        value=value,
        low=max(0.0, value - half),
        high=min(1.0, value + half),
        n=len(truth),
        method="cluster bootstrap, t",
    )


def _macro(shares: np.ndarray) -> np.ndarray:
    """Return macro-F1 of draws whose columns are both, answered and true shares per label; absent labels do not count."""
    both, answered, wanted = np.split(shares, 3, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        f1 = np.where(wanted > 0, 2 * both / (answered + wanted), np.nan)
    return np.nanmean(f1, axis=1)


def confusions(given: Sequence[str], truth: Sequence[str], at_most: int = 10) -> list[Confusion]:
    """Return the most frequent wrong labels."""
    wrong = Counter((t, g) for g, t in zip(given, truth, strict=True) if g != t)
    return [Confusion(truth=t, answered=g, count=n) for (t, g), n in wrong.most_common(at_most)]
