"""The frozen split: seeded, stratified, and never through a group or a cluster of near copies."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

from ftkit.core.records.task import TaskCard
from ftkit.data.duplicates import Union, clusters_of
from ftkit.data.fixed_split import by_time
from ftkit.scoring.parse import parse
from ftkit.scoring.text import normalise

Row = dict[str, Any]


def split(
    rows: list[Row], card: TaskCard, seed: int, validation_share: float, test_share: float
) -> None:
    """Give every row an ``id`` and a ``split``, in place.

    Units (rows joined by cluster or group) are taken from large to small, within a size class in an order drawn from the
    seed and their content, so that the order of rows in the file changes nothing. Large first, or small ones would fill the
    small splits, and customers with many rows would be in train only. Each goes where it brings the sizes, of its stratum and in all, closest to
    the shares.

    Args:
        rows: Rows with input, output, group and cluster; rows that already have a split (given beforehand) keep it. Rows
            with ``time`` are split by it: the newest are the test.
        card: Decides the stratum: the label, or the first field with known values.
        seed: Seed of the order.
        validation_share: Share of rows for validation, 0..0.5; 0 where it is given.
        test_share: Share of rows for the test; 0 where it is given.
    """
    name_rows(rows)
    free = [row for row in rows if not row.get("split")]
    if free and "time" in free[0]:
        return by_time(units(free), validation_share, test_share)
    _assign(
        free,
        card,
        seed,
        {
            "train": 1 - test_share - validation_share,
            "validation": validation_share,
            "test": test_share,
        },
    )


def hold_fold(rows: list[Row], card: TaskCard, seed: int, folds: int, fold: int) -> None:
    """Give the rows of one of several folds to the test, in place; units and strata stay as in :func:`split`.

    Args:
        rows: Rows without a split.
        card: Decides the stratum.
        seed: Seed of the folds, the same for all.
        folds: How many.
        fold: Which one, from 1.
    """
    name_rows(rows)
    _assign(rows, card, seed, {str(number): 1 / folds for number in range(1, folds + 1)})
    for row in rows:
        row["split"] = "test" if row["split"] == str(fold) else ""


def name_rows(rows: list[Row]) -> None:
    """Give every row its ``id``, in place."""
    for row in rows:
        row["id"] = row_id(row)
    _tell_apart(rows)


def _assign(free: list[Row], card: TaskCard, seed: int, shares: dict[str, float]) -> None:
    """Give rows to parts of certain shares, in place."""
    wanted = Counter(stratum(card, row["output"]) for row in free)
    taken: dict[str, Counter[str]] = {name: Counter() for name in shares}
    for unit in sorted(
        units(free),
        key=lambda unit: (-len(unit).bit_length(), _draw(seed, min(row["id"] for row in unit))),
    ):
        kinds = Counter(stratum(card, row["output"]) for row in unit)
        kind = min(
            kinds, key=lambda name: (-kinds[name], name)
        )  # most_common would go by the order of rows in a tie
        costs = {
            name: _cost(taken[name][kind], share * wanted[kind], len(unit))
            + _cost(taken[name].total(), share * len(free), len(unit))
            for name, share in shares.items()
            if share
        }
        name = min(costs, key=costs.__getitem__)
        taken[name][kind] += len(unit)
        for row in unit:
            row["split"] = name


def _cost(taken: int, wanted: float, more: int) -> float:
    """Return the growth of the chi-square distance to the wanted size when ``more`` rows are taken in."""
    return more * (2 * (taken - wanted) + more) / wanted


def row_id(row: Row) -> str:
    """Return an id made from the content, so that it survives a new order of rows."""
    return hashlib.sha256(
        f"{normalise(row['input'])}\x1f{normalise(row['output'])}".encode()
    ).hexdigest()[:12]


def _tell_apart(rows: list[Row]) -> None:
    """Number rows of equal content (a test file may hold copies)."""
    seen: Counter[str] = Counter()
    for row in rows:
        seen[row["id"]] += 1
        if seen[row["id"]] > 1:
            row["id"] += f"-{seen[row['id']]}"


def _draw(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()


def stratum(card: TaskCard, output: str) -> str:
    """Return what the split is stratified by: the label, or the first field that has known values."""
    if card.kind == "label":
        return output
    field = next((check.field for check in card.checks if check.kind == "enum" and check.field), "")
    return parse(card, output).fields.get(field, "") if field else ""


def units(rows: list[Row]) -> list[list[Row]]:
    """Return the rows joined by cluster of near copies, by group or as paraphrases, also in chains."""
    union, seen = Union(len(rows)), {}
    for index, row in enumerate(rows):
        for name in ("cluster", "group", "kin"):
            if row.get(name, "") != "":
                union.join(seen.setdefault((name, row[name]), index), index)
    found: dict[int, list[Row]] = defaultdict(list)
    for index, row in enumerate(rows):
        found[union.root(index)].append(row)
    return list(found.values())


def at_most(rows: list[Row], card: TaskCard, name: str, limit: int, seed: int) -> list[Row]:
    """Keep at most ``limit`` rows of one split, the same share of every stratum; 0 keeps all."""
    mine = [row for row in rows if row["split"] == name]
    if not limit or len(mine) <= limit:
        return rows
    strata: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(
        mine, key=lambda row: _draw(seed, f"kept {row['id']}")
    ):  # not the draw of who is shown passages in 05
        strata[stratum(card, row["output"])].append(row)
    ranked = sorted(
        ((i + 0.5) / len(group), _draw(seed, f"kept {row['id']}"), row["id"])
        for group in strata.values()
        for i, row in enumerate(group)
    )
    kept = {row for _, _, row in ranked[:limit]}
    return [row for row in rows if row["split"] != name or row["id"] in kept]


def leaks(rows: list[Row], threshold: float) -> dict[str, int]:
    """Count the rows outside of train that have an exact copy, a near copy or a group member in another split.

    Clusters are found afresh from the texts, so that the frozen split is checked, not believed.

    Returns:
        Counts by kind: ``exact``, ``near`` (exact ones not counted again) and ``group``.
    """
    plain = [normalise(row["input"]) for row in rows]
    clusters = clusters_of([row["input"] for row in rows], threshold)
    exact = _crossing(rows, plain)
    near = _crossing(rows, clusters) - exact
    group = _crossing(rows, [row["group"] for row in rows])
    return {"exact": len(exact), "near": len(near), "group": len(group)}


def _crossing(rows: list[Row], keys: Sequence[str | int]) -> set[int]:
    """Return the rows outside of train whose key stands in more than one split; an empty key is none."""
    places: dict[str | int, set[str]] = defaultdict(set)
    for row, key in zip(rows, keys, strict=True):
        places[key].add(row["split"])
    return {
        i
        for i, (row, key) in enumerate(zip(rows, keys, strict=True))
        if key != "" and row["split"] != "train" and len(places[key]) > 1
    }


def random_split(
    rows: list[Row], seed: int, validation_share: float, test_share: float, anew: bool = False
) -> list[Row]:
    """Return copies of the rows, split row by row at random: what a careless split would have done.

    Args:
        rows: The rows; those with a split (given beforehand) keep it.
        seed: Seed of the draw.
        validation_share: Share of rows for validation.
        test_share: Share of rows for the test; 0 where it is given.
        anew: Draw again for rows that are split by now, but for splits that were given (share 0).
    """
    copies = []
    for index, row in enumerate(rows):
        at = int(_draw(seed, str(index))[:8], 16) / 16**8
        name = (
            "test"
            if at < test_share
            else "validation"
            if at < test_share + validation_share
            else "train"
        )
        keeps = not anew or not {"test": test_share, "validation": validation_share}.get(
            row.get("split", ""), 1.0
        )
        given = row.get("split") if keeps else ""
        copies.append({**row, "split": given or name})
    return copies
