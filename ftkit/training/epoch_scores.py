"""What the model in training answered after each pass, scored as the task says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ftkit.core.records.task import TaskCard
from ftkit.core.records.training import TrainPoint
from ftkit.core.statistics import mean_interval
from ftkit.scoring.score import score_texts


def right(card: TaskCard, items: Any, texts: Sequence[str]) -> list[bool]:
    """Return which answers are right.

    Args:
        card: The task.
        items: The questions with their right answers (columns ``records.EXAMPLE_COLUMNS``).
        texts: An answer to each.
    """
    return [bool(x) for x in score_texts(card, items, texts)["correct"]]


def counter(card: TaskCard, items: Any) -> Callable[[Sequence[str]], str]:
    """Return a function that says how many of the answers after a pass are right."""
    return lambda texts: f"{sum(right(card, items, texts))} of {len(texts)} right"


def mark(card: TaskCard, items: Any, log: Sequence[TrainPoint]) -> None:
    """Write into each point with answers the share that is right."""
    for point in log:
        if point.answers:
            correct = [float(x) for x in right(card, items, point.answers)]
            point.right = mean_interval(correct, items["group"].astype(str).tolist())


def rows(items: Any, log: Sequence[TrainPoint], most: int = 4) -> list[dict[str, str]]:
    """Return questions whose answer changed most often, with the answer after each pass.

    Args:
        items: The questions.
        log: The training log.
        most: How many questions at most.
    """
    asked = [point for point in log if point.answers]
    if not asked:
        return [{"after each pass": "nothing was asked (training.epoch_sample_items)"}]
    kinds = [len({point.answers[k] for point in asked}) for k in range(len(items))]
    order = sorted(range(len(items)), key=lambda k: -kinds[k])[:most]
    return [
        {"asked": items["input"].iloc[k], "right answer": items["output"].iloc[k]}
        | {f"after pass {point.epoch:g}": point.answers[k] for point in _spread(asked)}
        for k in order
    ]


def _spread(points: Sequence[TrainPoint]) -> list[TrainPoint]:
    """Return the first, a middle and the last point."""
    return [points[i] for i in sorted({0, len(points) // 2, len(points) - 1})]
