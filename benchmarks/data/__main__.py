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
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftkit.core.parameters.files import load
from ftkit.data import input_vectors, label_errors, personal_data
from ftkit.data.curate import curate
from ftkit.data.curate import load as curate_load
from ftkit.scoring.task_card import build_card
from recipes.demo.scenarios import example_rows

ROOT = Path(__file__).parents[2]


def flipped(
    folder: Path, rows: int, shares: tuple[float, ...] = (0.01, 0.05, 0.10)
) -> Iterator[dict[str, Any]]:
    """Yield the average precision of the ranking, by MiniLM and by words, per share of flipped labels."""
    from sklearn.metrics import average_precision_score

    with (folder / "train.csv").open(encoding="utf-8") as handle:
        table = list(csv.reader(handle))[1:]
    random.Random(1).shuffle(table)
    texts, truth = [r[0] for r in table[:rows]], [r[1] for r in table[:rows]]
    names = sorted(set(truth))
    for source, most in (("MiniLM", rows), ("words", 0)):
        began = time.monotonic()
        matrix = input_vectors.vectors(texts, most).matrix
        embedded = time.monotonic() - began
        for share in shares:
            rng, given = random.Random(7), list(truth)
            wrong = set(rng.sample(range(len(given)), round(share * len(given))))
            for i in wrong:
                given[i] = rng.choice([n for n in names if n != truth[i]])
            judged = label_errors.judge(given, matrix, range(len(given)))
            value = average_precision_score(
                [i in wrong for i in judged.kept], [-s for s in judged.scores]
            )
            named = [i for i, doubt in zip(judged.kept, judged.doubtful, strict=True) if doubt]
            hits = sum(i in wrong for i in named)
            yield {
                "vectors": source,
                "flipped": share,
                "average precision": round(float(value), 3),
                "named": len(named),
                "of these flipped": hits,
                "recall": round(hits / len(wrong), 3),
                "seconds for vectors": round(embedded, 1),
            }


def planted(seeds: range) -> Iterator[dict[str, Any]]:
    """Yield per kind of planted defect how many there are in the demo, how many are found, and how many finds are others."""
    built = load(ROOT / "params" / "demo.yaml")
    card = build_card(built["task"])
    for seed in seeds:
        p = built["data"].model_copy(update={"seed": seed})
        truth = example_rows(1200, seed)
        number = {id(row): i + 2 for i, row in enumerate(truth)}
        with tempfile.TemporaryDirectory() as folder:
            done = curate(*curate_load(p, Path(folder)), card, p)
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
        pairs = (
            {frozenset((a["source_row"], b["source_row"])) for a, b, _ in done.meaning.pairs}
            if done.meaning
            else set()
        )
        wanted = {
            frozenset((number[id(r)], number[id(r.of)]))
            for r in truth
            if r.planted == "paraphrase_duplicate"
        }
        doubted = {s.row["source_row"] for s in done.meaning.suspects} if done.meaning else set()
        masked = {
            r["source_row"] for r in done.rows if personal_data.points_to_somebody(r["personal"])
        }
        for kind, reason in (
            ("exact_duplicate", "exact copies"),
            ("near_duplicate", "near copies"),
        ):
            both = [(number[id(r)], number[id(r.of)]) for r in truth if r.planted == kind]
            out = gone.get(reason, set())
            found, known = (
                sum(bool(out & {*pair}) for pair in both),
                {i for pair in both for i in pair},
            )
            yield {
                "seed": seed,
                "kind": kind,
                "planted": len(both),
                "found": found,
                "further finds": len(out - known),
            }
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


def public_personal(path: Path) -> Iterator[dict[str, Any]]:
    """Yield, per kind of labelled span, how many are hidden, by ftkit and by presidio as it comes without a language model.

    The half of the templates with odd numbers is counted: the rules were written with the other half in view. A span is
    hidden if half of its characters are; a find is right if it touches labelled personal data.
    """
    import spacy
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    blank = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "blank"}])
    blank.nlp = {"en": spacy.blank("en")}
    rows = json.loads(path.read_text(encoding="utf-8"))
    common = personal_data.common_words(row["full_text"] for row in rows)
    rows = [row for row in rows if row["template_id"] % 2]
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"])
    plain = AnalyzerEngine(nlp_engine=blank, registry=registry, supported_languages=["en"])
    ways = {
        "ftkit": lambda text: [(f.start, f.end, f.kind) for f in personal_data.find(text, common)],
        "presidio": lambda text: [
            (f.start, f.end, f.entity_type) for f in plain.analyze(text, language="en")
        ],
    }
    named = {kind: [entity] for entity, kind in personal_data.KINDS.items()} | {
        personal_data.FIRST_NAME: ["PERSON"]
    }
    total = Counter(span["entity_type"] for row in rows for span in row["spans"])
    hidden, right, made, seconds = Counter(), Counter(), Counter(), {}
    for way, look in ways.items():
        began = time.monotonic()
        found = [look(row["full_text"]) for row in rows]
        seconds[way] = time.monotonic() - began
        for row, pieces in zip(rows, found, strict=True):
            for span in row["spans"]:
                start, end = span["start_position"], span["end_position"]
                covered = sum(max(0, min(b, end) - max(a, start)) for a, b, _ in pieces)
                hidden[way, span["entity_type"]] += 2 * covered >= end - start
            for a, b, kind in pieces:
                for entity in named.get(kind, [kind]):
                    made[way, entity] += 1
                    right[way, entity] += any(
                        s["start_position"] < b
                        and s["end_position"] > a
                        and s["entity_type"] in total
                        and _personal(s["entity_type"])
                        for s in row["spans"]
                    )
    for entity in sorted((e for e in total if _personal(e)), key=lambda e: -total[e]):
        line: dict[str, Any] = {"kind": entity, "spans": total[entity]}
        for way in ways:
            recall = hidden[way, entity] / total[entity]
            precision = right[way, entity] / made[way, entity] if made[way, entity] else 0.0
            line |= {f"{way} recall": round(recall, 2), f"{way} precision": round(precision, 2)}
            line |= {
                f"{way} F2": round(5 * precision * recall / (4 * precision + recall), 2)
                if precision + recall
                else 0.0
            }
        yield line
    yield {"kind": "texts a second", "spans": len(rows)} | {
        f"{way} recall": round(len(rows) / s) for way, s in seconds.items()
    }


def _personal(entity: str) -> bool:
    return entity not in ("GPE", "ORGANIZATION", "NRP", "TITLE", "DATE_TIME", "DOMAIN_NAME", "AGE")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description="What the data check finds of what is known to be wrong."
    )
    parser.add_argument(
        "--banking77", type=Path, default=ROOT.parent / "shared" / "data" / "banking77"
    )
    parser.add_argument(
        "--presidio",
        type=Path,
        default=ROOT.parent / "shared" / "data" / "presidio_pii" / "synth_dataset_v2.json",
    )
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    results = {"planted in the demo": list(planted(range(7, 7 + given.seeds)))}
    if given.presidio.is_file():
        results["personal data of presidio-research"] = list(public_personal(given.presidio))
    if given.banking77.is_dir():
        results["flipped labels of Banking77"] = list(flipped(given.banking77, given.rows))
    (Path(__file__).parent / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    for name, rows in results.items():
        print(f"\n{name}\n| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
        print("\n".join(f"| {' | '.join(str(v) for v in row.values())} |" for row in rows))


if __name__ == "__main__":
    main()
