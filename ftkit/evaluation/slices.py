"""Where a strategy is weaker or stronger than elsewhere: slices of the test set, controlled for false discovery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import Neighbours, Slice
from ftkit.core.records.task import TaskCard
from ftkit.evaluation.comparisons import groups_of, pivot
from ftkit.scoring.parse import parse

FEWEST, FEWEST_CLUSTERS, MOST_VALUES = 15, 8, 12
FALSE_DISCOVERIES = 0.1


def slices(card: TaskCard, items: Any) -> dict[str, np.ndarray]:
    """Return masks of the test items by the slice's name: by right answer, length, and what the text holds.

    Args:
        card: The task.
        items: Examples (columns ``records.EXAMPLE_COLUMNS``).

    Returns:
        Per slice a boolean array ``[items]``; at least 15 items lie on either side.
    """
    named = dict([*_by_answer(card, items), *_by_text([str(text) for text in items["input"]])])
    return {name: mask for name, mask in named.items() if min(mask.sum(), (~mask).sum()) >= FEWEST}


def _by_answer(card: TaskCard, items: Any) -> Iterator[tuple[str, np.ndarray]]:
    truths = [parse(card, str(output)) for output in items["output"]]
    columns = {"right answer": [t.content for t in truths]} if card.kind == "label" else {}
    columns |= {name: [t.fields.get(name, "") for t in truths] for name in card.fields}
    for name, values in columns.items():
        counts = Counter(values)
        kept = (
            list(counts)
            if len(counts) <= MOST_VALUES
            else [value for value, n in counts.most_common(1) if n >= FEWEST]
        )
        for value in kept:
            yield f"{name} is {value or 'empty'}", np.array([v == value for v in values])


def _by_text(texts: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    words = np.array([len(text.split()) for text in texts])
    low, high = np.quantile(words, [1 / 3, 2 / 3]) if len(words) else (0, 0)
    yield f"short input (up to {low:.0f} words)", words <= low
    yield f"long input (over {high:.0f} words)", words > high
    yield "input holds a number", np.array([any(c.isdigit() for c in text) for text in texts])
    yield "input asks with a question mark", np.array(["?" in text for text in texts])
    yield "input holds letters beyond ASCII", np.array([not text.isascii() for text in texts])


def find(card: TaskCard, items: Any, scores: Any) -> list[Slice]:
    """Return the slices in which a strategy's accuracy differs from the rest of the test set, widest first.

    The difference is tested with a variance robust to clusters; the share of false finds among those returned is held
    at 10% (Benjamini and Hochberg, 1995, over all slices and strategies).

    Args:
        card: The task.
        items: Examples (columns ``records.EXAMPLE_COLUMNS``).
        scores: Columns ``records.SCORE_COLUMNS``.
    """
    from scipy.stats import false_discovery_control

    right, groups = pivot(scores).astype(float), groups_of(scores)
    ordered = items.set_index("id").loc[right.index].reset_index()
    tested = []
    for name, mask in slices(card, ordered).items():
        for strategy in right.columns:
            found = difference(right[strategy].to_numpy(), mask, groups)
            if found is not None:
                tested.append((name, strategy, mask, *found))
    if not tested:
        return []
    corrected = false_discovery_control([p for *_, p in tested])
    made = [
        _slice(name, str(strategy), right[strategy].to_numpy(), mask, gap, float(q))
        for (name, strategy, mask, gap, _), q in zip(tested, corrected, strict=True)
        if q <= FALSE_DISCOVERIES
    ]
    return sorted(made, key=lambda s: -abs(s.difference.value))


def neighbours(items: Any, scores: Any) -> list[Neighbours]:
    """Return every strategy's accuracy on questions like a training example, and on the others.

    A strategy that only remembers is right on the first and wrong on the others. Questions of one meaning with the same
    answer are what a classifier is asked again and again, so a difference need not be a leak: it says how far the
    accuracy carries to what nobody has asked yet.

    Args:
        items: Examples (columns ``records.EXAMPLE_COLUMNS``).
        scores: Columns ``records.SCORE_COLUMNS``.

    Returns:
        One record a strategy; none where no question, or every one, is like a training example.
    """
    if "like_train" not in items:
        return []
    right, groups = pivot(scores).astype(float), groups_of(scores)
    mask = items.set_index("id").loc[right.index, "like_train"].to_numpy(dtype=bool)
    if mask.all() or not mask.any():
        return []
    made = []
    for strategy in right.columns:
        values = right[strategy].to_numpy()
        gap = difference(values, mask, groups)
        made.append(
            Neighbours(
                strategy=str(strategy),
                items=int(mask.sum()),
                inside=float(values[mask].mean()),
                outside=float(values[~mask].mean()),
                difference=gap[0] if gap else None,
            )
        )
    return made


def _slice(
    name: str, strategy: str, right: np.ndarray, mask: np.ndarray, gap: Estimate, q: float
) -> Slice:
    inside, outside = float(right[mask].mean()), float(right[~mask].mean())
    return Slice(
        name=name,
        strategy=strategy,
        items=int(mask.sum()),
        inside=inside,
        outside=outside,
        difference=gap,
        q_value=q,
    )


def difference(right: np.ndarray, mask: np.ndarray, groups: Any) -> tuple[Estimate, float] | None:
    """Return the mean inside a slice minus outside with a 95% interval, and its p-value; None with too few clusters.

    Args:
        right: 1 where the answer is right ``[items]``.
        mask: True inside the slice ``[items]``.
        groups: Cluster of each item ``[items]``.
    """
    from scipy.special import stdtr, stdtrit

    _, cluster = np.unique(np.asarray(groups), return_inverse=True)
    count = int(cluster.max()) + 1
    if min(len(np.unique(cluster[mask])), len(np.unique(cluster[~mask]))) < FEWEST_CLUSTERS:
        return None
    inside, outside = right[mask].mean(), right[~mask].mean()
    pull = np.where(mask, (right - inside) / mask.sum(), -(right - outside) / (~mask).sum())
    sums = np.bincount(cluster, pull, minlength=count)
    # As if one more item of either side had the other outcome: a slice that is all wrong is not known without error.
    floor = 0.25 / mask.sum() ** 2 + 0.25 / (~mask).sum() ** 2
    error = float(np.sqrt(count / (count - 1) * (sums**2).sum() + floor))
    gap, reach = float(inside - outside), float(stdtrit(count - 1, 0.975)) * error
    estimate = Estimate(
        value=gap,
        low=max(-1.0, gap - reach),
        high=min(1.0, gap + reach),
        n=len(right),
        method="cluster-robust t",
    )
    return estimate, float(2 * stdtr(count - 1, -abs(gap) / error))
