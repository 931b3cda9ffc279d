"""Is the right passage found? Hit rate at k per search mode, with intervals."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.prompting import PromptTrial
from ftkit.core.records.retrieval import Passage, RetrievalCard
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.records.task import TaskCard
from ftkit.core.statistics import wilson
from ftkit.retrieval.articles import Article
from ftkit.retrieval.chunks import chunks
from ftkit.retrieval.filters import allows, wanted
from ftkit.retrieval.index import MODES, Index, Mode, Searcher
from ftkit.retrieval.ranking import figures
from ftkit.retrieval.written_questions import Written, as_questions
from ftkit.scoring.parse import parse
from ftkit.scoring.text import supported

Progress = Callable[[int, int], None]
KS = (1, 2, 3, 5)
CLOSE = 0.02
RANKED = 10
"""How far the ranking is looked at for MRR, MAP and nDCG."""


def relevant(
    card: TaskCard, output: str, passages: Sequence[Passage], citation_field: str
) -> tuple[set[str], str]:
    """Return the sources that answer a question, and how that was decided.

    By the citation in the right answer where there is one; else by the passages that contain the answer's value.
    An empty set: the answer needs no passage, or none can be told.
    """
    values = parse(card, output).fields if card.kind == "fields" else {}
    if citation_field and citation_field in values:
        return (
            {values[citation_field]} if values[citation_field] else set()
        ), "the citation in the right answer"
    value = (
        values.get(card.knowledge_field, "")
        if card.knowledge_field
        else output
        if card.kind == "text"
        else ""
    )
    return {
        p.source for p in passages if value and supported(value, [f"{p.title} {p.text}"])
    }, "passages that contain the right answer"


def right_for(
    card: TaskCard,
    text: str,
    output: str,
    passages: Sequence[Passage],
    citation_field: str,
    filters: Sequence[str] = (),
) -> tuple[set[str], str]:
    """Return :func:`relevant` of the passages that a question may be answered from; a citation in the right answer counts as it is.

    Args:
        card: The task.
        text: The question, with the head that the filters read.
        output: Its right answer.
        passages: All passages.
        citation_field: Field of the answer that names the article; empty: none.
        filters: What restricts the search.
    """
    right, how = relevant(card, output, passages, citation_field)
    asked = wanted(text, filters)
    if not asked or how.startswith("the citation"):
        return right, how
    return {p.source for p in passages if p.source in right and allows(p, asked)}, how


def hit_rates(
    index: Index, questions: Sequence[str], gold: Sequence[set[str]]
) -> dict[str, Estimate]:
    """Return the share of questions with a right passage among the first k, by ``mode@k``."""
    return timed_rates(index, questions, gold)[0]


def timed_rates(
    index: Index, questions: Sequence[str], gold: Sequence[set[str]]
) -> tuple[dict[str, Estimate], dict[str, float]]:
    """Return :func:`hit_rates`, and the seconds that a search of each mode takes per question, embedding included."""
    found, seconds = {}, dict[str, float]()
    for mode in index.modes:  # the later ones use what the earlier ones have embedded and ranked
        began = time.perf_counter()
        results = index.search(questions, max(KS), mode)
        seconds[mode] = (time.perf_counter() - began) / len(questions)
        for k in KS:
            hits = sum(
                bool({p.source for p in passages[:k]} & right)
                for passages, right in zip(results, gold, strict=True)
            )
            found[f"{mode}@{k}"] = wilson(hits, len(questions))
    both = seconds["vector"] + seconds["bm25"]
    return found, seconds | {"hybrid": both} | (
        {"reranked": both + seconds["reranked"]} if "reranked" in seconds else {}
    )


def best_mode(rates: dict[str, Estimate], k: int) -> Mode:
    """Return the mode with the best hit rate at the largest measured k up to ``k``; ties go to the one without a reranker,
    then to hybrid."""
    at = max(x for x in KS if x <= k)
    modes: list[Mode] = [*MODES, "reranked"] if f"reranked@{at}" in rates else MODES
    return max(
        modes,
        key=lambda mode: (
            rates[f"{mode}@{at}"].value,
            rates[f"{mode}@1"].value,
            mode != "reranked",
            mode == "hybrid",
        ),
    )


@dataclass
class Sizes:
    """Chunk sizes held against one another.

    Attributes:
        chosen: The size in use, in words.
        rows: Of each size: chunks, share of questions whose answer is among the passages, words that a model is given.
    """

    chosen: int
    rows: list[dict[str, Any]] = field(default_factory=list)


def compare_sizes(
    articles: list[Article],
    card: TaskCard,
    examples: Any,
    p: RetrievalParameters,
    folder: Path,
    progress: Progress | None = None,
) -> Sizes:
    """Index the handbook in every size of ``p.chunk_sizes`` beside ``p.chunk_words`` and return what is found with each.

    A question counts as found where a passage of its right article holds the answer's value, in the fused search with
    ``p.top_k`` passages. Of sizes within 2 points of the best, the one that puts fewest words before the model is chosen.

    Args:
        articles: The handbook.
        card: The task.
        examples: Validation and training examples.
        p: The stage's parameters.
        folder: Where the indexes are built; it is removed again.
        progress: Called with passages embedded and in all.
    """
    if not p.chunk_sizes or not articles:
        return Sizes(p.chunk_words)
    known = examples.head(p.questions)
    measured: dict[int, tuple[Estimate, float, int]] = {}
    for size in sorted({p.chunk_words, *p.chunk_sizes}):
        passages = chunks(articles, size)
        index = Index.build(
            folder / str(size), passages, p.embedding_model, progress, restricted_by=p.filters
        )
        hits, words, asked = 0, 0, 0
        for text, output in zip(known["input"], known["output"], strict=True):
            right, _ = right_for(card, text, output, passages, p.citation_field, p.filters)
            if right:
                value = _value(card, output)
                found = index.search([text], p.top_k)[0]
                hits += any(
                    x.source in right and (not value or supported(value, [f"{x.title} {x.text}"]))
                    for x in found
                )
                words, asked = words + sum(len(x.text.split()) for x in found), asked + 1
        if asked:
            measured[size] = (wilson(hits, asked), words / asked, len(passages))
    shutil.rmtree(folder, ignore_errors=True)
    if not measured:
        return Sizes(p.chunk_words)
    best = max(share.value for share, _, _ in measured.values())
    near = [size for size, (share, _, _) in measured.items() if share.value >= best - CLOSE]
    chosen = min(near, key=lambda size: measured[size][1])
    rows = [
        {
            "chunks of at most, words": size,
            "chunks": count,
            "answer among the passages": f"{share.value:.0%} ({share.low:.0%} to {share.high:.0%})",
            "words before the model": round(words),
            "in use": "yes" if size == chosen else "",
        }
        for size, (share, words, count) in measured.items()
    ]
    return Sizes(chosen, rows)


def _value(card: TaskCard, output: str) -> str:
    """Return the fact in a right answer that a passage must hold; empty where none is told."""
    if card.kind == "fields":
        return (
            parse(card, output).fields.get(card.knowledge_field, "") if card.knowledge_field else ""
        )
    return output if card.kind == "text" else ""


def questions(
    card: TaskCard,
    examples: Any,
    passages: Sequence[Passage],
    citation_field: str,
    filters: Sequence[str] = (),
) -> tuple[list[str], list[set[str]], str]:
    """Return the questions whose right article is known, these articles, and how that was decided."""
    asked, gold, how = [], [], ""
    for text, output in zip(examples["input"], examples["output"], strict=True):
        right, how = right_for(card, text, output, passages, citation_field, filters)
        if right:
            asked.append(text)
            gold.append(right)
    return asked, gold, how


def measure(
    index: Index | None,
    asked: Sequence[str],
    gold: Sequence[set[str]],
    p: RetrievalParameters,
    *,
    documents: int,
    labelled_by: str,
    words: int = 0,
    written: Sequence[Written] = (),
) -> RetrievalCard:
    """Measure every search mode and choose the best with ``p.top_k`` passages; hybrid where nothing can be measured.

    Where no question's right article is known, those that a model has written decide, and the card says so.
    """
    if index is None:
        return RetrievalCard(
            enabled=False, reason="no handbook was given (retrieval.handbook is empty)"
        )
    made = as_questions(written)
    by_model = hit_rates(index, *made) if made[0] else {}
    if not asked and by_model:
        (asked, gold), labelled_by = (
            made,
            f"the passage that {p.question_model} wrote the question to",
        )
    rates, seconds = timed_rates(index, asked, gold) if asked else ({}, {})
    chosen = best_mode(rates, p.top_k) if rates else "hybrid"
    found = index.search(asked, RANKED, chosen) if asked else []
    told = restricted(index, asked, gold, chosen, p.top_k) if p.filters and asked else {}
    return RetrievalCard(
        enabled=True,
        documents=documents,
        chunks=len(index.passages),
        embedding_model=p.embedding_model,
        top_k=p.top_k,
        hit_rate=rates,
        chosen=chosen,
        ranking=figures(found, gold, RANKED),
        labelled_by=labelled_by if asked else "",
        questions=len(asked),
        search_s=seconds.get(chosen, 0.0),
        chunk_words=words or p.chunk_words,
        reranker=p.reranker if chosen == "reranked" else "",
        chunks_sha256=str(index.about["chunks_sha256"]),
        written=by_model,
        written_by=p.question_model if by_model else "",
        filters=p.filters,
        **told,
    )


def restricted(
    index: Index, asked: Sequence[str], gold: Sequence[set[str]], mode: Mode, k: int
) -> dict[str, Any]:
    """Return how many questions the filters restrict, for how many they exclude the right article, and the hit rate without them."""
    with index.unfiltered():
        found = index.search(asked, k, mode)
    hits = sum(
        bool({p.source for p in passages} & right)
        for passages, right in zip(found, gold, strict=True)
    )
    wants = [wanted(text, index.filters) for text in asked]
    held = [
        any(p.source in right and allows(p, want) for p in index.passages)
        for want, right in zip(wants, gold, strict=True)
    ]
    return {
        "restricted": sum(map(bool, wants)),
        "excluded": held.count(False),
        "unfiltered": wilson(hits, len(asked)),
    }


def found_rows(
    asked: Sequence[str], gold: Sequence[set[str]], found: Sequence[Sequence[Passage]]
) -> list[dict[str, str]]:
    """Return questions with what was found, those without the right article first."""
    rows = []
    for text, right, passages in zip(asked, gold, found, strict=False):
        hit = bool(right & {p.source for p in passages})
        told = "; ".join(
            f"{'✔ ' if p.source in right else ''}[{p.source}] {p.title}" for p in passages
        )
        rows.append(
            {
                "question": text,
                "found": told,
                "right article": ", ".join(sorted(right)[:3]),
                "among them": "yes" if hit else "no",
            }
        )
    return sorted(rows, key=lambda row: row["among them"])


def with_prompts(
    card: RetrievalCard, specs: Sequence[StrategySpec], trials: Sequence[PromptTrial]
) -> RetrievalCard:
    """Return the card with the prompts that were tried with passages, and the best of them chosen.

    Args:
        card: The retrieval card.
        specs: The strategies tried: prompt, and whether examples come with passages.
        trials: Their figures, in the same order.
    """
    if not trials:
        return card
    best = max(range(len(trials)), key=lambda i: _rank(trials[i]))
    chosen = {"prompt": specs[best].prompt, "shot_passages": specs[best].shot_passages}
    return card.model_copy(update={**chosen, "prompt_trials": list(trials)})


def _rank(t: PromptTrial) -> tuple[float, ...]:
    return (t.accuracy.value, t.partial, t.format_ok, -t.prompt_tokens_mean)


@dataclass
class Given:
    """Passages set by hand instead of searched for, by text."""

    by_text: dict[str, list[Passage]]
    seconds: float = 0.0

    def search(
        self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None
    ) -> list[list[Passage]]:
        """Return the passages of each text."""
        return [self.by_text[text] for text in texts]


def with_right_article(
    searcher: Searcher, card: TaskCard, items: Any, citation_field: str
) -> Given:
    """Return for every item what a perfect search would give: the right article first, then the next best ones.

    Items that need no article, or whose right one is not known, keep what the search finds.
    """
    passages, texts, given = searcher.index.passages, items["input"].tolist(), {}
    for text, output, found in zip(texts, items["output"], searcher.search(texts), strict=True):
        right, _ = right_for(card, text, output, passages, citation_field, searcher.index.filters)
        held = [p for p in passages if p.source in right]
        value = (
            parse(card, output).fields.get(card.knowledge_field, "")
            if card.kind == "fields"
            else output
        )
        held.sort(key=lambda p: not supported(value, [p.text]))
        rest = [p for p in found if p.source not in right]
        given[text] = [*held[: max(1, searcher.top_k - 1)], *rest][: searcher.top_k]
    return Given(given)


def answer_rows(items: Any, answers: Any, scores: Any, limit: int = 6) -> list[dict[str, str]]:
    """Return questions with the passages they came with, the answer and the right one; wrong answers first."""
    rows = [
        {
            "message": text,
            "passages": "\n".join(passages),
            "answer": said or "(no answer)",
            "right answer": output,
            "right": "yes" if right else "no",
        }
        for text, output, said, passages, right in zip(
            items["input"],
            items["output"],
            answers["text"],
            answers["passages"],
            scores["correct"],
            strict=True,
        )
    ]
    return sorted(rows, key=lambda row: row["right"])[:limit]


def written_told(card: RetrievalCard) -> str:
    """Return how the search does on questions that a model wrote, in a sentence or two; empty where there are none."""
    k = max((x for x in KS if x <= card.top_k), default=1)
    rate = card.written.get(f"{card.chosen}@{k}")
    if rate is None:
        return ""
    if card.labelled_by.endswith("wrote the question to"):
        return f"All questions were written by {card.written_by} from the passages: people, who have not seen them, ask less well fitting ones."
    own = card.hit_rate.get(f"{card.chosen}@{k}")
    said = f"On {rate.n} questions that {card.written_by} wrote from passages it is {rate.value:.0%} ({rate.low:.0%} to {rate.high:.0%})"
    if own is not None and rate.high < own.low:
        return f"{said}, fewer than on the examples' own: read them before you trust that model as a writer."
    return f"{said}; whoever writes with the passage at hand asks what is easier to find than what people ask."


def filters_told(card: RetrievalCard) -> str:
    """Return what the filters do, in a sentence or two; empty where there are none."""
    if not card.filters:
        return ""
    names = ", ".join(card.filters)
    if not card.restricted:
        return f"No question begins with a line '{card.filters[0]}: ...', so {names} restricts no search: see data.context_columns."
    said = (
        f"The search is restricted by {names} for {card.restricted} of {card.questions} questions; without that, the right article is found for {card.unfiltered.value:.0%}."
        if card.unfiltered
        else ""
    )
    wrong = f" For {card.excluded} questions the right article is one that the restriction excludes: one of both is labelled wrongly."
    return said + (wrong if card.excluded else "")


def learned(card: RetrievalCard) -> tuple[str, list[str]]:
    """Return what 04 found, as a title and points."""
    if not card.enabled:
        return "No handbook, no retrieval", [
            "The walk goes on with prompting and fine-tuning only.",
            "Give retrieval.handbook a folder of articles to compare RAG too.",
        ]
    k = max((x for x in KS if x <= card.top_k), default=1)
    rate = card.hit_rate.get(f"{card.chosen}@{k}")
    title = (
        f"The right article is found for {rate.value:.0%} of the questions"
        if rate
        else "The search could not be measured"
    )
    points = [
        f"{card.documents} articles, {card.chunks} chunks; search: {card.chosen}, {card.top_k} passages, {1000 * card.search_s:.0f} ms a question."
    ]
    points += [told for told in (written_told(card), filters_told(card)) if told]
    if card.prompt_trials:
        best = max(card.prompt_trials, key=_rank)
        points.append(
            f"With passages the base model gets {best.accuracy.value:.0%} of {best.accuracy.n} validation examples right ('{best.prompt.name}')."
        )
    return title, [*points, "Next: does training teach the behaviour that prompts did not?"]
