"""False alarms in quiet years, weeks until shifts of known size are found, and the demo's planted drift.

``python -m benchmarks.monitoring --years 300`` writes results.json beside this file. The messages are the demo's, embedded once;
a quiet year draws reference and 52 weeks from one pool, a shifted one takes a share of each week from another pool.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from pathlib import Path
from typing import Any

import numpy as np

from ftkit.core.statistics import wilson
from ftkit.models.embeddings import embed, load_embedder
from ftkit.monitoring.drift import Signal, weekly
from ftkit.monitoring.signals import words
from recipes.demo.company import NEW_PRODUCT
from recipes.demo.examples import conversations
from recipes.demo.messages import Sender, ask_absent

WEEKS, REFERENCE, PER_WEEK = 52, 500, 100
SHARES = (0.05, 0.1, 0.2, 0.4)


def pools(size: int, seed: int) -> dict[str, tuple[list[str], Any]]:
    """Return texts and unit vectors of usual messages, messages on a new product, and messages in another wording."""
    rng, model = random.Random(f"monitoring-{seed}"), load_embedder("minilm")
    usual = [m.text for m in conversations(rng, size, seed)]
    wording = [m.text for m in conversations(rng, size // 4, seed + 1, "chat")]
    senders = conversations(rng, size // 4, seed + 2)
    new = [ask_absent(rng, Sender(m.customer, m.business), NEW_PRODUCT, "").text for m in senders]
    made = {"usual": usual, "new topic": new, "wording": wording}
    return {name: (texts, embed(model, texts)) for name, texts in made.items()}


def year(
    made: dict[str, tuple[list[str], Any]],
    rng: np.random.Generator,
    kind: str = "",
    share: float = 0.0,
    begin: int = 8,
    weeks: int = WEEKS,
) -> list[Any]:
    """Return what becomes of the signals in one simulated year; from week ``begin`` on a share comes from another pool."""
    texts, vectors = made["usual"]
    places = rng.permutation(len(texts))
    reference, rest = places[:REFERENCE], places[REFERENCE:]
    rows = []
    for week in range(weeks):
        other = int(rng.binomial(PER_WEEK, share)) if kind and week >= begin else 0
        usual = rng.choice(rest, PER_WEEK - other, replace=False)
        shifted = rng.choice(len(made[kind][0]), other, replace=False) if other else []
        part = [texts[i] for i in usual] + [made[kind][0][i] for i in shifted]
        rows.append(
            (part, np.concatenate([vectors[usual]] + ([made[kind][1][shifted]] if other else [])))
        )
    return weekly(
        _signals([texts[i] for i in reference], vectors[reference], rows),
        int(rng.integers(1 << 30)),
    )


def _signals(reference: list[str], vectors: Any, rows: list[tuple[list[str], Any]]) -> list[Signal]:
    counted: dict[str, int] = {}
    for text in reference:
        for word in words(text):
            counted[word] = counted.get(word, 0) + 1

    def unknown(text: str, own: int) -> float:
        found = words(text)
        return sum(counted.get(w, 0) <= own for w in found) / len(found) if found else 0.0

    def length(text: str) -> float:
        return float(len(text.split()))

    return [
        Signal("meaning", "", "vectors", vectors, [v for _, v in rows]),
        Signal(
            "length",
            "",
            "values",
            np.array([length(t) for t in reference]),
            [np.array([length(t) for t in part]) for part, _ in rows],
        ),
        Signal(
            "unknown words",
            "",
            "values",
            np.array([unknown(t, 1) for t in reference]),
            [np.array([unknown(t, 0) for t in part]) for part, _ in rows],
        ),
    ]


def quiet(made: Any, years: int, rng: np.random.Generator) -> dict[str, Any]:
    """Return the share of quiet years with a false alarm."""
    alarms, began = {"any": 0}, time.monotonic()
    for number in range(years):
        found = [d.signal for d in year(made, rng) if d.since is not None]
        alarms["any"] += bool(found)
        for name in found:
            alarms[name] = alarms.get(name, 0) + 1
        if number % 10 == 9:
            print(
                f"{number + 1} quiet years, {alarms}, {time.monotonic() - began:.0f} s", flush=True
            )
    e = wilson(alarms["any"], years)
    return {"years": years, "with a false alarm": alarms, "share": [e.value, e.low, e.high]}


def delays(made: Any, trials: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    """Return, per kind and size of a shift that begins in week 8, the weeks until the alarm (12 weeks are watched)."""
    rows = []
    for kind in ("new topic", "wording"):
        for share in SHARES:
            found = [
                min(
                    (d.since for d in year(made, rng, kind, share, 8, 20) if d.since is not None),
                    default=99,
                )
                for _ in range(trials)
            ]
            late = [f - 8 for f in found if 8 <= f < 99]
            rows.append(
                {
                    "kind": kind,
                    "share of messages": share,
                    "trials": trials,
                    "found within 12 weeks": len(late),
                    "median weeks": float(np.median(late)) if late else None,
                    "in the first week": sum(x == 0 for x in late),
                    "before it began": sum(f < 8 for f in found),
                }
            )
            print(rows[-1], flush=True)
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--years", type=int, default=300)
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--pool", type=int, default=6000)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    generator, made_pools = np.random.default_rng(given.seed), pools(given.pool, given.seed)
    results = {
        "delays": delays(made_pools, given.trials, generator),
        "quiet": quiet(made_pools, given.years, generator),
    }
    (Path(__file__).parent / "results.json").write_text(json.dumps(results, indent=1) + "\n")
