"""A real judge held against people: ``python -m benchmarks.judge FOLDER`` with the folder of PandaLM's test set.

999 pairs of replies, each judged by three people and once by gpt-3.5-turbo. What people mostly say is the truth: the share of
pairs in which the first reply is better. From 200 labelled pairs the judge's error rates are learnt; on 300 others only the
judge is asked, and the corrected share with its interval is held against what people say of them. 1,000 draws. Beside it: the
judge's own share, the labels alone, and what happens where labels come from other pairs of systems than the questions.
Writes ``benchmarks/judge/results.json``.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ftkit.core.errors import FtkitError
from ftkit.core.records.base import Estimate
from ftkit.core.statistics import wilson
from ftkit.evaluation.judge import calibrate, corrected_share

HERE = Path(__file__).parent
DRAWS, LABELS, QUESTIONS = 1000, 200, 300


def read(folder: Path) -> tuple[np.ndarray, np.ndarray, list[str], dict[str, Any]]:
    """Return per pair whether people and the judge prefer the first reply, the systems compared, and plain counts."""
    rows = json.loads((folder / "testset-v1.json").read_text(encoding="utf-8"))
    said = json.loads((folder / "gpt-3.5-turbo-testset-v1.json").read_text(encoding="utf-8"))
    verdict = {row["idx"]: row["gpt_result"] for row in said}
    human = [Counter([row[f"annotator{k}"] for k in (1, 2, 3)]).most_common(1)[0] for row in rows]
    kept = [(row, value) for row, (value, votes) in zip(rows, human, strict=True) if votes > 1]
    people, judge = [v for _, v in kept], [verdict[row["idx"]] for row, _ in kept]
    counts = {
        "pairs": len(rows),
        "with a majority": len(kept),
        "people": dict(Counter(people)),
        "judge": dict(Counter(judge)),
        "agree": sum(
            {"1": 1, "2": 2, "Tie": 0}.get(j) == p for p, j in zip(people, judge, strict=True)
        )
        / len(kept),
    }
    return (
        np.array([p == 1 for p in people]),
        np.array([j == "1" for j in judge]),
        [r["cmp_key"] for r, _ in kept],
        counts,
    )


def holds(e: Estimate, truth: float) -> bool:
    """Say whether an interval holds the truth."""
    return e.low <= truth <= e.high


def draws(people: np.ndarray, judge: np.ndarray, keys: list[str], apart: bool) -> dict[str, Any]:
    """Return coverage and width of each way, over random draws.

    Args:
        people: What people say.
        judge: What the judge says.
        keys: The systems compared.
        apart: Whether labels come from other pairs of systems than the questions.
    """
    rng, names = np.random.default_rng(7), sorted(set(keys))
    found: dict[str, list[tuple[bool, float, float]]] = {
        "judge, corrected": [],
        "judge, as it is": [],
        "labels alone": [],
    }
    refused = 0
    for _ in range(DRAWS):
        order = rng.permutation(len(people))
        if apart:
            labelled = set(rng.permutation(names)[: len(names) // 2])
            mine = [i for i in order if keys[i] in labelled]
            order = np.array([*mine[:LABELS], *(i for i in order if keys[i] not in labelled)])
        known, asked = order[:LABELS], order[LABELS : LABELS + QUESTIONS]
        truth = float(people[asked].mean())
        own, plain = (
            wilson(int(judge[asked].sum()), len(asked)),
            wilson(int(people[known].sum()), len(known)),
        )
        try:
            better = corrected_share(
                own, calibrate("gpt-3.5-turbo", people[known].tolist(), judge[known].tolist())
            )
        except FtkitError:
            refused += 1
            continue
        for name, e in (
            ("judge, corrected", better),
            ("judge, as it is", own),
            ("labels alone", plain),
        ):
            found[name].append((holds(e, truth), e.high - e.low, abs(e.value - truth)))
    return {
        name: {
            "held": float(np.mean([h for h, _, _ in rows])),
            "width": float(np.mean([w for _, w, _ in rows])),
            "error": float(np.mean([e for _, _, e in rows])),
        }
        for name, rows in found.items()
    } | {"refused": refused}


def main() -> None:
    """Print and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    people, judge, keys, counts = read(parser.parse_args().folder)
    check = calibrate("gpt-3.5-turbo", people.tolist(), judge.tolist())
    rates = {}
    for key in sorted(set(keys)):
        at = np.array([k == key for k in keys])
        rates[key] = {
            "pairs": int(at.sum()),
            "first better": float(people[at].mean()),
            "sensitivity": float(judge[at & people].mean()),
            "specificity": float(1 - judge[at & ~people].mean()),
        }
    results = {
        "counts": counts,
        "sensitivity": check.sensitivity.value,
        "specificity": check.specificity.value,
        "kappa": check.kappa,
        "by systems": rates,
        "labels from the same systems": draws(people, judge, keys, False),
        "labels from other systems": draws(people, judge, keys, True),
    }
    print(json.dumps(results, indent=1))
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
