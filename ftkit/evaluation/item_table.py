"""All strategies' answers to one item beside each other, the telling items first."""

from __future__ import annotations

from typing import Any

from ftkit.evaluation.comparisons import pivot

SHARES = {"differ": 0.6, "all wrong": 0.25, "all right": 0.15}


def browse(items: Any, answers: Any, scores: Any, at_most: int = 60) -> Any:
    """Return items with every strategy's answer and mark.

    Items on which strategies differ come first (most evenly split first), then those that all get wrong, then some that
    all get right; each kind has its share of the rows, and what one does not need goes to the next.

    Args:
        items: Examples (columns ``records.EXAMPLE_COLUMNS``).
        answers: Columns ``records.ANSWER_COLUMNS``.
        scores: Columns ``records.SCORE_COLUMNS``.
        at_most: Rows returned.

    Returns:
        One row per item: item_id, input, truth, kind (``differ``, ``all wrong`` or ``all right``), and per strategy its
        answer (column named as the strategy) and mark (``<strategy> mark``: right, wrong, wrong format, unsupported,
        no answer).
    """
    import pandas as pd

    right = pivot(scores).astype(bool)
    share = right.mean(axis=1)
    ended = answers.set_index(["item_id", "strategy"]).get("outcome")
    marks = scores.assign(
        mark=[
            _mark(row, "" if ended is None else ended[(row["item_id"], row["strategy"])])
            for row in scores.to_dict("records")
        ]
    )
    said = answers.pivot(index="item_id", columns="strategy", values="text").reindex(right.index)
    marked = marks.pivot(index="item_id", columns="strategy", values="mark").reindex(right.index)
    shown = items.set_index("id").loc[right.index]
    table = pd.DataFrame(
        {
            "item_id": right.index,
            "input": shown["input"].to_numpy(),
            "truth": shown["output"].to_numpy(),
        }
    )
    table["kind"] = ["all right" if s == 1 else "all wrong" if s == 0 else "differ" for s in share]
    for name in right.columns:
        table[name], table[f"{name} mark"] = (
            said[name].fillna("").to_numpy(),
            marked[name].to_numpy(),
        )
    order = sorted(
        range(len(table)), key=lambda i: (_rank(float(share.iloc[i])), str(table["item_id"][i]))
    )
    return table.iloc[_mixed(order, table["kind"].tolist(), at_most)].reset_index(drop=True)


def _mixed(order: list[int], kinds: list[str], at_most: int) -> list[int]:
    """Return places in order with each kind's share of the rows; left-over room is filled from the front."""
    of_kind = {kind: [i for i in order if kinds[i] == kind] for kind in SHARES}
    taken = {i for kind, share in SHARES.items() for i in of_kind[kind][: round(share * at_most)]}
    for i in order:
        if len(taken) >= min(at_most, len(order)):
            break
        taken.add(i)
    return [i for i in order if i in taken]


def _rank(share: float) -> float:
    """Differing items by how evenly they split (0..0.5), then all wrong, then all right."""
    return 2.0 if share == 1 else 1.0 if share == 0 else abs(share - 0.5)


def _mark(row: dict[str, Any], outcome: str = "") -> str:
    if outcome == "cut_off":
        return "cut off"
    if row["missing"]:
        return "no answer"
    if row["correct"]:
        return "right"
    if row["format"] == "failed":
        return "wrong format"
    return "unsupported" if row["unsupported"] is True else "wrong"
