"""Truths about the data check: ``python -m benchmarks.data [--banking77 ../shared/data/banking77]``.

Flips labels of Banking77 and ranks the rows by suspicion; counts what is found of the defects planted in the demo.
Prints the tables of docs/data.md and writes ``benchmarks/data/results.json``.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftkit import data
from ftkit.data import meaning, suspects
from ftkit.demo.scenarios import example_rows
from ftkit.params import load
from ftkit.task import build_card

ROOT = Path(__file__).parents[2]


def flipped(folder: Path, rows: int, shares: tuple[float, ...] = (0.01, 0.05, 0.10)) -> Iterator[dict[str, Any]]:
    """Yield the average precision of the ranking, by MiniLM and by words, per share of flipped labels."""
    from sklearn.metrics import average_precision_score

    with (folder / "train.csv").open(encoding="utf-8") as handle:
        table = list(csv.reader(handle))[1:]
    random.Random(1).shuffle(table)
    texts, truth = [r[0] for r in table[:rows]], [r[1] for r in table[:rows]]
    names = sorted(set(truth))
    for source, most in (("MiniLM", rows), ("words", 0)):
        began = time.monotonic()
        matrix = meaning.vectors(texts, most).matrix
        embedded = time.monotonic() - began
        for share in shares:
            rng, given = random.Random(7), list(truth)
            wrong = set(rng.sample(range(len(given)), round(share * len(given))))
            for i in wrong:
                given[i] = rng.choice([n for n in names if n != truth[i]])
            judged = suspects.judge(given, matrix, range(len(given)))
            value = average_precision_score([i in wrong for i in judged.kept], [-s for s in judged.scores])
            named = [i for i, doubt in zip(judged.kept, judged.doubtful, strict=True) if doubt]
            hits = sum(i in wrong for i in named)
            yield {
                "vectors": source, "flipped": share, "average precision": round(float(value), 3), "named": len(named),
                "of these flipped": hits, "recall": round(hits / len(wrong), 3), "seconds for vectors": round(embedded, 1),
            }  # fmt: skip


def planted(seeds: range) -> Iterator[dict[str, Any]]:
    """Yield per kind of planted defect how many there are in the demo, how many are found, and how many finds are others."""
    built = load(ROOT / "params" / "demo.yaml")
    card = build_card(built["task"])
    for seed in seeds:
        p = built["data"].model_copy(update={"seed": seed})
        truth = example_rows(1200, seed)
        number = {id(row): i + 2 for i, row in enumerate(truth)}
        with tempfile.TemporaryDirectory() as folder:
            done = data.curate(*data.load(p, Path(folder)), card, p)
        gone: dict[str, set[int]] = {}
        for row in done.rejected():
            gone.setdefault(row["reason"].split(":")[0], set()).add(row["row"])
        kinds = {
            kind: {number[id(r)] for r in truth if r.planted == kind}
            for kind in (
                "exact_duplicate",
                "near_duplicate",
                "broken_format",
                "empty",
                "wrong_label",
                "personal_data",
                "paraphrase_duplicate",
            )
        }
        pairs = {frozenset((a["source_row"], b["source_row"])) for a, b, _ in done.meaning.pairs} if done.meaning else set()
        wanted = {frozenset((number[id(r)], number[id(r.of)])) for r in truth if r.planted == "paraphrase_duplicate"}
        doubted = {s.row["source_row"] for s in done.meaning.suspects} if done.meaning else set()
        masked = {r["source_row"] for r in done.rows if data.mask(r["input"]) != r["input"]}
        for kind, reason in (("exact_duplicate", "exact copies"), ("near_duplicate", "near copies")):
            both = [(number[id(r)], number[id(r.of)]) for r in truth if r.planted == kind]
            out = gone.get(reason, set())
            found, known = sum(bool(out & {*pair}) for pair in both), {i for pair in both for i in pair}
            yield {"seed": seed, "kind": kind, "planted": len(both), "found": found, "further finds": len(out - known)}
        yield _counted(seed, "broken_format", kinds, gone.get("broken answers", set()))
        yield _counted(seed, "wrong_label", kinds, doubted)
        yield _counted(seed, "personal_data", kinds, masked)
        yield {
            "seed": seed,
            "kind": "paraphrase_duplicate",
            "planted": len(wanted),
            "found": len(wanted & pairs),
            "further finds": len(pairs - wanted),
        }


def _counted(seed: int, kind: str, kinds: dict[str, set[int]], found: set[int]) -> dict[str, Any]:
    other = found - set().union(*kinds.values())
    return {
        "seed": seed,
        "kind": kind,
        "planted": len(kinds[kind]),
        "found": len(kinds[kind] & found),
        "further finds": len(other),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What the data check finds of what is known to be wrong.")
    parser.add_argument("--banking77", type=Path, default=ROOT.parent / "shared" / "data" / "banking77")
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    results = {"planted in the demo": list(planted(range(7, 7 + given.seeds)))}
    if given.banking77.is_dir():
        results["flipped labels of Banking77"] = list(flipped(given.banking77, given.rows))
    (Path(__file__).parent / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    for name, rows in results.items():
        print(f"\n{name}\n| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
        print("\n".join(f"| {' | '.join(str(v) for v in row.values())} |" for row in rows))


if __name__ == "__main__":
    main()
