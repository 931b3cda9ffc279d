"""What difference between strategies the test set shows, in a sentence."""

from __future__ import annotations

from typing import Any

from ftkit.core.power import detectable_before, detectable_difference
from ftkit.core.records.evaluation import Evaluation
from ftkit.scoring.items import cluster_of


def before(items: Any, arms: int, look: int) -> str:
    """Return the difference that 08 will probably prove, told before there are answers.

    Args:
        items: Test examples (columns ``records.EXAMPLE_COLUMNS``).
        arms: Strategies that will answer.
        look: Which look at these items it is.
    """
    groups = cluster_of(items)
    if arms < 2:
        return "One strategy is compared with none, so no difference can be shown."
    points = detectable_before(groups, arms, look)
    assumed = "if two strategies differ on a fifth of the questions"
    if len(set(groups)) < len(groups):
        assumed += " and those of one cluster are half alike"
    return f"{_said(points, len(items), len(set(groups)), arms, look)}, {assumed}."


def measured(scores: Any, evaluation: Evaluation, look: int) -> str:
    """Return the difference that another test of this size would probably prove, from the answers measured.

    Args:
        scores: Columns ``records.SCORE_COLUMNS``.
        evaluation: Names the strategies that count.
        look: Which look at these items it is.
    """
    names = [r.spec.name for r in evaluation.results]
    if len(names) < 2:
        return "One strategy is compared with none, so no difference can be shown."
    mine = scores[scores["strategy"].isin(names)]
    table = mine.pivot(index="item_id", columns="strategy", values="correct").dropna()
    groups = mine.drop_duplicates("item_id").set_index("item_id")["group"].astype(str)
    groups = groups.loc[table.index].tolist()
    points = detectable_difference(table.to_numpy(dtype=float), groups, look)
    said = _said(points, len(table), len(set(groups)), len(names), look)
    return f"{said}, as far apart as these answers lie."


def _said(points: float, items: int, clusters: int, arms: int, look: int) -> str:
    of = f"{items} questions in {clusters} clusters" if clusters < items else f"{items} questions"
    nth = f", look {look}" if look > 1 else ""
    if points >= 100:
        return f"With {of} and {arms} strategies{nth} no difference is likely to show"
    return (
        f"With {of} and {arms} strategies{nth} the best one is shown to be better than all others"
        f" 8 times out of 10 where it leads by {points:.1f} points"
    )
