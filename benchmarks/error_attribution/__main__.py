"""Does the triage name the planted causes? ``python -m benchmarks.error_attribution RUN`` on a finished run of the demo.

The demo's truth tells of every message what its answer needs: a fact of the handbook (and which article) or only the house
rules, and which right answers are planted errors; and from every third question the search hides the right article. Every wrong field of the plain prompt's answers is held against that:
once with the base model on validation and training examples, once with the tuned model on validation and test examples.
Prints a confusion matrix for each and writes ``benchmarks/error_attribution/results.json``.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ftkit.core import run_folder
from ftkit.core.parameters.base import ModelParameters
from ftkit.core.records.prompting import PromptBook
from ftkit.core.records.retrieval import Passage, RetrievalCard
from ftkit.core.records.task import TaskCard
from ftkit.core.records.training import TrainingCard
from ftkit.evaluation import error_attribution
from ftkit.notebook import stage as stages
from ftkit.notebook.progress import progress
from ftkit.scoring.parse import parse
from ftkit.strategies import grid
from recipes.demo.truth import truth

HERE = Path(__file__).parent
PLANTED = ("fact, found", "fact, not found", "house rule", "wrong label")


class Blind:
    """A search that misses the right article of every third question."""

    def __init__(self, searcher: Any, right: dict[str, str]) -> None:
        self.searcher, self.index, self.top_k = searcher, searcher.index, searcher.top_k
        self.hidden = {
            text: article
            for number, (text, article) in enumerate(right.items())
            if article and number % 3 == 0
        }

    def search(self, texts: Sequence[str], progress: Any = None) -> list[list[Passage]]:
        """Return the passages of each text without the hidden article."""
        found = self.searcher.search(texts, progress)
        return [
            [p for p in ps if p.source != self.hidden.get(t)]
            for t, ps in zip(texts, found, strict=True)
        ]


def planted(row: dict[str, Any], name: str, given: str, card: TaskCard, cited: set[str]) -> str:
    """Return what a wrong field truly lacked.

    Args:
        row: The truth about the row.
        name: The field.
        given: The right answer as it stands in the data.
        card: The task.
        cited: Articles that the search puts before the model.
    """
    if row["planted"] == "wrong_label":
        true, said = (parse(card, text).fields for text in (row["answers"][0], given))
        if true.get(name) != said.get(name):
            return "wrong label"
    if name != card.knowledge_field or row["cause"] != "fact":
        return "house rule"
    return "fact, found" if row["article"] in cited else "fact, not found"


def confusion(stage: run_folder.Stage, tuned: bool, limit: int) -> dict[str, dict[str, int]]:
    """Return planted cause × named cause, counted in wrong fields."""
    book = run_folder.read_record(stage.of("prompting", "prompts.json"), PromptBook)
    card, searcher = stages.task_card(stage), grid.open_searcher(stage)
    assert searcher is not None
    table = run_folder.read_table(stage.of("data", "examples.parquet"))
    train = table[table["split"] == "train"].reset_index(drop=True)
    shots = {row for t in book.trials for row in t.prompt.shots}
    others = table[table["split"] == ("test" if tuned else "train")]
    items = (
        pd.concat([table[table["split"] == "validation"], others[~others["id"].isin(shots)]])
        .head(limit)
        .reset_index(drop=True)
    )
    spec = grid.base_spec(book)
    if tuned:
        training = run_folder.read_record(stage.of("training", "training.json"), TrainingCard)
        spec = spec.model_copy(update={"model": "tuned", "adapter": training.adapter})
    model = grid.load_model(spec, ModelParameters(run=str(stage.run)), stage.run)
    names = error_attribution.plain_and_shown(book)
    rows = truth(1200, 7, "main", 1, 1)["rows"]
    articles = {
        text: rows[number - 2]["article"]
        for text, number in zip(items["input"], items["source_row"], strict=True)
    }
    searcher: Any = Blind(searcher, articles)
    before = pd.concat(
        [
            grid.answer_with(
                name, book.get(name), model, items, train, progress=progress(name, str(stage.run))
            )
            for name in names
            if name
        ]
    )
    found = error_attribution.look_for_causes(
        model,
        card,
        items,
        book=book,
        examples=train,
        searcher=searcher,
        before=before,
        citation_field="source",
        doubtful=stages.doubtful(stage),
        progress=lambda what: progress(what, str(stage.run)),
    )
    cited = [{p.source for p in passages} for passages in searcher.search(items["input"].tolist())]
    by_id = {
        item: (rows[number - 2], output, sources)
        for item, number, output, sources in zip(
            items["id"], items["source_row"], items["output"], cited, strict=True
        )
    }
    pairs = Counter()
    for part in found.parts:
        row, output, sources = by_id[part.item]
        pairs[planted(row, part.name, output, card, sources), part.cause] += 1
    return {
        true: {cause: pairs[true, cause] for cause in error_attribution.CAUSES} for true in PLANTED
    }


def main() -> None:
    """Print and write both matrices."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("run", type=Path, help="a finished run of params/demo.yaml")
    parser.add_argument("--limit", type=int, default=340, help="items asked, at most")
    given = parser.parse_args()
    trained = (given.run / "training" / "training.json").exists()
    stage = run_folder.Stage(given.run, "preference" if trained else "training", {})
    retrieval = run_folder.read_record(stage.of("retrieval", "retrieval.json"), RetrievalCard)
    results: dict[str, Any] = {"search": retrieval.chosen, "passages": retrieval.top_k}
    for name, tuned in (("base", False), ("tuned", True))[: 1 + trained]:
        results[name] = confusion(stage, tuned, given.limit)
        print(pd.DataFrame(results[name]).T.to_string())
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
