"""Slices: planted weaknesses are found, and nothing is found where there is none."""

import json

import numpy as np
import pandas as pd
import pytest

from ftkit.core.records.evaluation import SCORE_COLUMNS
from ftkit.core.records.task import TaskCard
from ftkit.evaluation.slices import difference, find, neighbours, slices

CARD = TaskCard(
    name="t", instruction="i", kind="fields", fields=["category", "reply"], key_fields=["category"]
)


def items(n, rng):
    categories = rng.choice(["delivery", "billing", "returns"], n)
    rows = [
        (
            f"i{k}",
            f"message {'12' if k % 3 else ''} " + "word " * int(rng.integers(3, 30)),
            json.dumps({"category": c, "reply": f"r{k}"}),
        )
        for k, c in enumerate(categories)
    ]
    return pd.DataFrame(rows, columns=["id", "input", "output"]), categories


def scores(right, groups):
    rows = [
        (f"i{k}", "s", g, bool(r), float(r), "strict", None, False)
        for k, (r, g) in enumerate(zip(right, groups, strict=True))
    ]
    return pd.DataFrame(rows, columns=SCORE_COLUMNS)


def test_a_planted_weakness_is_found_with_its_size_and_nothing_else_is():
    rng = np.random.default_rng(3)
    table, categories = items(600, rng)
    right = rng.random(600) < np.where(categories == "billing", 0.3, 0.7)
    found = find(CARD, table, scores(right, [f"g{k}" for k in range(600)]))
    assert (
        found[0].name == "category is billing" and found[0].items == (categories == "billing").sum()
    )
    assert found[0].difference.low < -0.4 < found[0].difference.high
    assert found[0].inside == pytest.approx(right[categories == "billing"].mean())
    assert all("category" in s.name for s in found)


def test_a_strategy_that_remembers_is_right_where_a_training_example_asks_the_same():
    rng = np.random.default_rng(5)
    table, _ = items(300, rng)
    table["like_train"] = [k < 100 for k in range(300)]
    remembers = np.array([k < 100 or k % 4 == 0 for k in range(300)])
    (found,) = neighbours(table, scores(remembers, [f"g{k}" for k in range(300)]))
    assert (found.items, found.inside) == (100, 1.0)
    assert found.outside == pytest.approx(remembers[100:].mean())
    assert found.difference is not None and 0.6 < found.difference.low < 0.75
    assert neighbours(table.assign(like_train=False), scores(remembers, ["g"] * 300)) == []


def test_where_nothing_is_planted_a_find_is_rare_even_with_clusters():
    finds = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        table, _ = items(200, rng)
        group = rng.integers(0, 60, 200)
        level = rng.random(60)  # customers differ, slices do not
        finds += bool(
            find(CARD, table, scores(rng.random(200) < level[group], [f"g{g}" for g in group]))
        )
    assert finds <= 12, f"{finds} of 60 worlds without any weak slice; 10% would be 6"


def test_the_interval_covers_the_true_difference():
    covered = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        group = rng.integers(0, 50, 150)
        mask = rng.random(150) < 0.4
        level = np.clip(0.5 + 0.25 * rng.standard_normal(50), 0.1, 0.9)
        found = difference((rng.random(150) < level[group]).astype(float), mask, group)
        covered += found[0].low <= 0 <= found[0].high
    assert 0.92 <= covered / 300 <= 0.99


def test_small_slices_and_few_clusters_are_left_out():
    rng = np.random.default_rng(0)
    table, _ = items(24, rng)
    assert all(15 <= mask.sum() <= 9 for mask in slices(CARD, table).values()), (
        "24 items cannot have 15 on either side"
    )
    assert difference(np.ones(40), np.arange(40) < 20, [0] * 40) is None
