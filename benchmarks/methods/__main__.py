"""Base, LoRA, QLoRA and full tuning side by side on one project: ``python -m benchmarks.methods params/demo.yaml``.

Stages 01 to 04 run once; each method then trains in a copy of that run, and answers the whole test set, with passages
where the project has a retriever. Finished trainings are kept, so a stopped benchmark goes on. Prints a table and adds it
to ``benchmarks/methods/results.json``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import Any

import numpy as np

from ftkit.core import run_folder
from ftkit.core.parameters.files import load
from ftkit.core.records.prompting import PromptBook
from ftkit.core.records.retrieval import RetrievalCard
from ftkit.core.records.training import TrainingCard
from ftkit.core.statistics import paired_difference, wilson
from ftkit.notebook import stage as stages
from ftkit.scoring.score import score
from ftkit.strategies import grid
from ftkit.workflow.run import Selection, run

HERE = Path(__file__).parent
METHODS = ("lora", "qlora", "full")


def train(file: Path, out: Path, method: str, overrides: list[str]) -> Path:
    """Run the walk to the end of 05 with one method and return its run folder; ``method`` empty: to the end of 04."""
    first, folder = out / "first", out / (method or "first")
    if method and not folder.exists():
        shutil.copytree(first, folder)
    sets = [f"run={folder}", *overrides, *([f"training.method={method}"] if method else [])]
    last = "training" if method else "retrieval"
    run(file, selection=Selection(last=last), overrides=sets, say=print)
    return folder


def tested(folder: Path) -> Any:
    """Return the test questions of a run; the runs are this benchmark's own, and no project decides by them."""
    table = run_folder.read_table(folder / "data" / "examples.parquet")
    return table[table["split"] == "test"].reset_index(drop=True)


def answered(folder: Path, p: Any, trained: bool) -> tuple[list[bool], float]:
    """Return which test questions are answered right, and the answers per second."""
    stage = run_folder.Stage(folder, "preference", {})
    book = run_folder.read_record(folder / "prompting" / "prompts.json", PromptBook)
    retrieval = run_folder.read_record(folder / "retrieval" / "retrieval.json", RetrievalCard)
    card = (
        run_folder.read_record(folder / "training" / "training.json", TrainingCard)
        if trained
        else None
    )
    specs = {s.name: s for s in grid.grid(book, retrieval, card)}
    order = ["hybrid", "fine-tuned"] if trained else ["RAG", "few-shot", "prompting"]
    spec = next(specs[name] for name in order if name in specs)
    items, examples, task = tested(folder), stages.examples(stage, "train"), stages.task_card(stage)
    model, began = grid.load_model(spec, p, folder), time.monotonic()
    table = grid.answer(
        spec, model, items, book=book, examples=examples, searcher=grid.open_searcher(stage)
    )
    return score(task, items, table)["correct"].tolist(), len(items) / (time.monotonic() - began)


def main() -> None:
    """Train every method, answer the test, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("params", type=Path)
    parser.add_argument("--out", type=Path, default=Path("outputs/methods"))
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        help="section.name=value, as in ftkit run",
    )
    given = parser.parse_args()
    out = given.out / given.params.stem
    train(given.params, out, "", given.overrides)
    right: dict[str, list[bool]] = {}
    rows: list[dict[str, Any]] = []
    for method in METHODS:
        folder = train(given.params, out, method, given.overrides)
        p = load(given.params, [f"run={folder}", *given.overrides])["training"]
        if not right:
            right["base"], speed = answered(folder, p, False)
            rows.append({"method": "base", "answers_per_s": speed})
        right[method], speed = answered(folder, p, True)
        card = run_folder.read_record(folder / "training" / "training.json", TrainingCard)
        rows.append(
            {
                "method": method,
                "answers_per_s": speed,
                "minutes": card.duration_s / 60,
                "gib": card.peak_memory_gib,
                "epochs": card.epochs,
                "trainable": card.trainable_parameters,
                "loss": card.best_validation_loss,
                "strength": card.strength,
            }
        )
    groups = tested(out / "lora")["cluster"].tolist()
    for row in rows:
        mine = right[row["method"]]
        share = wilson(sum(mine), len(mine))
        row["accuracy"] = [share.value, share.low, share.high]
        if row["method"] != "lora":
            against = paired_difference(
                np.array(mine, float), np.array(right["lora"], float), groups, seed=7
            )
            row["minus_lora"] = [against.value, against.low, against.high]
    kept = HERE / "results.json"
    results = json.loads(kept.read_text()) if kept.exists() else {}
    results[given.params.stem] = {
        "test_items": len(groups),
        "overrides": given.overrides,
        "rows": rows,
    }
    run_folder.write_text(kept, json.dumps(results, indent=1) + "\n")
    print(table(results[given.params.stem]))


def table(result: dict[str, Any]) -> str:
    """Return one project's figures as Markdown."""
    lines = [
        f"{result['test_items']} test questions\n",
        "| method | right, % (95%) | against LoRA, points | learnt numbers | minutes | GiB | passes |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        value, low, high = (100 * x for x in row["accuracy"])
        gap = (
            "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * x for x in row["minus_lora"]))
            if "minus_lora" in row
            else ""
        )
        took = (
            f"{row['trainable']:,} | {row['minutes']:.1f} | {row['gib']:.2f} | {row['epochs']:.0f}"
            if "minutes" in row
            else "0 | | | "
        )
        lines.append(
            f"| {row['method']} | {value:.0f} ({low:.0f} to {high:.0f}) | {gap} | {took} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
