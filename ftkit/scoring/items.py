"""The frame of every comparison: the same items for every strategy, each once, in known clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftkit.core.errors import BadInput


def check_items(items: Any) -> None:
    """Refuse a table of items that is empty or names an id twice.

    Raises:
        BadInput: With the ids.
    """
    if not len(items):
        raise BadInput(
            "there are no items to score", where="items", todo="give at least one example"
        )
    twice = items["id"][items["id"].duplicated()].unique().tolist()
    if twice:
        raise BadInput(
            f"{len(twice)} id(s) occur twice: {some(twice)}",
            where="items, column id",
            todo="give each example its own id",
        )


def check_answers(items: Any, answers: Any) -> None:
    """Refuse strategies that did not answer exactly these items once each.

    Raises:
        BadInput: With the strategy and the ids that are missing, unknown or there twice.
    """
    wanted = set(items["id"])
    if not len(answers):
        raise BadInput(
            "there are no answers",
            where="answers",
            todo="let at least one strategy answer the items",
        )
    for strategy, rows in answers.groupby("strategy", sort=False):
        twice = rows["item_id"][rows["item_id"].duplicated()].unique().tolist()
        missing, unknown = (
            sorted(wanted - set(rows["item_id"])),
            sorted(set(rows["item_id"]) - wanted),
        )
        for ids, fault in (
            (twice, "answered twice"),
            (missing, "not answered"),
            (unknown, "not among the items"),
        ):
            if ids:
                raise BadInput(
                    f"{len(ids)} item(s) {fault}: {some(ids)}",
                    where=f"strategy {strategy}",
                    todo="let every strategy answer the same items once each (an answer may be empty)",
                )


def some(ids: Sequence[Any], at_most: int = 5) -> str:
    """Return the first few ids as text."""
    shown = ", ".join(str(i) for i in ids[:at_most])
    return shown + (f" and {len(ids) - at_most} more" if len(ids) > at_most else "")


def cluster_of(items: Any) -> list[str]:
    """Return each item's cluster: items that share a group (customer) or a near-duplicate cluster hang together.

    Both count, also in chains: if A and B share a customer and B and C are near copies, all three are one cluster.
    """
    parent = list(range(len(items)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for column in ("group", "cluster"):
        first: dict[str, int] = {}
        for i, key in enumerate(_keys(items, column)):
            if key:
                parent[root(i)] = root(first.setdefault(key, i))
    ids = [str(i) for i in items["id"]]
    return [ids[root(i)] for i in range(len(ids))]


def _keys(items: Any, column: str) -> list[str]:
    if column not in items:
        return [""] * len(items)
    return ["" if value is None or value != value else str(value) for value in items[column]]
