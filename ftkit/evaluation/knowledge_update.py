"""What happens when the facts change: a later edition of the handbook is indexed, and nothing is trained again.

Strategies with a retriever answer anew from the later passages; the others keep the answers they gave. All are held
against the later truth.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ftkit.core import run_folder
from ftkit.core.errors import BadInput
from ftkit.core.parameters.base import Parameters
from ftkit.core.parameters.data import DataParameters
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import KnowledgeUpdate, KnowledgeUpdateArm
from ftkit.core.records.manifest import Manifest
from ftkit.core.records.prompting import PromptBook
from ftkit.core.records.retrieval import RetrievalCard
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.records.task import TaskCard
from ftkit.core.statistics import mean_interval
from ftkit.data.read import read
from ftkit.demo import write_examples
from ftkit.models.chat import ChatModel
from ftkit.retrieval.chunks import chunks
from ftkit.retrieval.handbook import open_handbook
from ftkit.retrieval.index import Index, Searcher
from ftkit.scoring.items import cluster_of
from ftkit.scoring.parse import parse
from ftkit.scoring.text import normalise
from ftkit.strategies.grid import answer_all

Progress = Callable[[int, int], None]
P = TypeVar("P", bound=Parameters)


def measure(
    specs: Sequence[StrategySpec],
    card: TaskCard,
    items: Any,
    answers: Any,
    load: Callable[[str], ChatModel],
    p: EvaluationParameters,
    stage: run_folder.Stage,
    *,
    book: PromptBook,
    examples: Any,
    progress: Callable[[str], Progress | None] = lambda label: None,
) -> KnowledgeUpdate | None:
    """Measure what the later edition of the handbook does to every strategy; None where none is named.

    Args:
        specs: The strategies.
        card: The task.
        items: Test examples (columns ``records.EXAMPLE_COLUMNS``).
        answers: Their answers under the first edition (columns ``records.ANSWER_COLUMNS``).
        load: Returns the model that ``spec.model`` stands for; none is trained here.
        p: Names the later handbook and the later answers.
        stage: The evaluation stage of the run; the index is kept in its folder ``later``.
        book: All prompts.
        examples: Training examples, for few-shot prompts.
        progress: Makes a progress callable from a label.

    Raises:
        BadInput: The later answers hold no test question that changed.
    """
    retrieval = run_folder.read_record(stage.of("retrieval", "retrieval.json"), RetrievalCard)
    if not p.later_handbook or not retrieval.enabled:
        return None
    folder = stage.path("later")
    changed = later_examples(p, parameters_of(stage.run, "data", DataParameters), items, folder)
    settings = parameters_of(stage.run, "retrieval", RetrievalParameters)
    finder = later_searcher(p, settings, retrieval, folder, progress("later edition, indexing"))
    mine = [s for s in specs if s.retriever]
    parts = {"book": book, "examples": examples, "searcher": finder}
    later = answer_all(
        mine, changed, load, **parts, progress=lambda name: progress(f"later edition, {name}")
    )
    return compare(specs, card, changed, answers, later, n_resamples=p.n_resamples, seed=p.seed)


def later_examples(p: EvaluationParameters, data: DataParameters, items: Any, folder: Path) -> Any:
    """Return the test questions whose right answer is another one under the later edition.

    Args:
        p: Names the file with the later answers (``later_data``); ``demo`` for the built-in domain's second edition.
        data: Parameters of 02, for the columns and for the demo's size and seed.
        items: Test examples (columns ``records.EXAMPLE_COLUMNS``).
        folder: Where the demo's file goes.

    Returns:
        Rows of ``items`` with ``output`` as it is now and a column ``before`` with what it was; in the same order.

    Raises:
        BadInput: The file holds none of the test questions, or no answer that changed.
    """
    file = Path(p.later_data)
    if p.later_data == "demo":
        file = write_examples(
            folder / "later.csv", data.demo_examples, scenario=data.demo_scenario, edition=2
        )
    answers = _answers(file, data)
    known = [answers.get(normalise(text)) for text in items["input"]]
    if not any(known):
        raise BadInput(
            "holds none of the test questions",
            where=str(file),
            todo=f"give the same questions (column '{data.input_column}') with their later answers",
        )
    changed = [bool(now) and now != was for now, was in zip(known, items["output"], strict=True)]
    if not any(changed):
        raise BadInput(
            "changes no test question's answer",
            where=str(file),
            todo="give the answers of the later edition",
        )
    found = items[changed].assign(before=items["output"][changed])
    return found.assign(
        output=[now for now, yes in zip(known, changed, strict=True) if yes]
    ).reset_index(drop=True)


def _answers(file: Path, data: DataParameters) -> dict[str, str]:
    """Return the later answer of every question that has just one."""
    table = read(
        file,
        data.input_column,
        data.output_column,
        "",
        data.encoding,
        1,
        context=data.context_columns,
    )
    found: dict[str, set[str]] = {}
    for row in table.rows:
        found.setdefault(normalise(row["input"]), set()).add(row["output"])
    return {question: next(iter(given)) for question, given in found.items() if len(given) == 1}


def later_searcher(
    p: EvaluationParameters,
    retrieval: RetrievalParameters,
    card: RetrievalCard,
    folder: Path,
    progress: Progress | None = None,
) -> Searcher:
    """Index the later handbook with the settings that 04 chose, and return the search in it.

    Args:
        p: Names the later handbook.
        retrieval: Parameters of 04.
        card: What 04 chose.
        folder: Where index and demo handbook go.
        progress: Called with passages embedded and in all.
    """
    later = retrieval.model_copy(update={"handbook": p.later_handbook, "demo_edition": 2})
    articles = open_handbook(later, folder / "handbook").articles
    passages = chunks(articles, card.chunk_words or retrieval.chunk_words)
    index = Index.build(
        folder / "index", passages, card.embedding_model, progress, card.reranker, card.filters
    )
    return Searcher(index, card.chosen, card.top_k, card.search_s)  # pyright: ignore[reportArgumentType]


def compare(
    specs: Sequence[StrategySpec],
    card: TaskCard,
    changed: Any,
    first: Any,
    later: Any,
    *,
    n_resamples: int,
    seed: int,
) -> KnowledgeUpdate:
    """Hold the facts in the answers to both editions against the later truth.

    Args:
        specs: The strategies.
        card: The task; its knowledge field is compared, or the whole answer where it has none.
        changed: From :func:`later_examples`.
        first: Answers under the first edition, of all strategies (columns ``records.ANSWER_COLUMNS``).
        later: Answers to ``changed`` under the later edition, of the strategies with a retriever.
        n_resamples: Bootstrap resamples.
        seed: Seed of the resamples.
    """
    groups = cluster_of(changed)
    was, now = (
        [fact_of(card, text) for text in changed[column]] for column in ("before", "output")
    )

    def share(given: list[str], truth: list[str]) -> Estimate:
        return mean_interval(
            [float(g == t) for g, t in zip(given, truth, strict=True)], groups, n_resamples, seed
        )

    arms = []
    for spec in specs:
        before = _facts(card, first, spec, changed)
        after = _facts(card, later, spec, changed) if spec.retriever else before
        arms.append(
            KnowledgeUpdateArm(
                strategy=spec.name,
                family=spec.family,
                before=share(before, was),
                after=share(after, now),
                from_the_past=share(after, was),
            )
        )
    return KnowledgeUpdate(questions=len(changed), arms=arms)


def _facts(card: TaskCard, answers: Any, spec: StrategySpec, items: Any) -> list[str]:
    mine = answers[answers["strategy"] == spec.name].set_index("item_id")
    return [fact_of(card, str(text or "")) for text in mine.loc[items["id"], "text"]]


def fact_of(card: TaskCard, answer: str) -> str:
    """Return the part of an answer that states a fact, normalised: the knowledge field, or the whole answer."""
    parsed = parse(card, answer)
    return normalise(
        parsed.fields.get(card.knowledge_field, "") if card.knowledge_field else parsed.content
    )


def parameters_of(run: Path, stage: str, kind: type[P]) -> P:
    """Return the parameters that a stage of a run was made with."""
    return kind.model_validate(
        run_folder.read_record(run / stage / "manifest.json", Manifest).parameters
        | {"run": str(run)}
    )
