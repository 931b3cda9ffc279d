"""Is the right passage found? Hit rate at k per search mode, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ftkit.checks import parse, supported
from ftkit.params import RetrievalParameters
from ftkit.records import Estimate, Passage, PromptTrial, RetrievalCard, StrategySpec, TaskCard
from ftkit.retrieval.index import MODES, Index, Mode, Searcher
from ftkit.retrieval.ranking import figures
from ftkit.statistics import wilson

KS = (1, 2, 3, 5)
RANKED = 10
"""How far the ranking is looked at for MRR, MAP and nDCG."""


def relevant(card: TaskCard, output: str, passages: Sequence[Passage], citation_field: str) -> tuple[set[str], str]:
    """Return the sources that answer a question, and how that was decided.

    By the citation in the right answer where there is one; else by the passages that contain the answer's value.
    An empty set: the answer needs no passage, or none can be told.
    """
    values = parse(card, output).fields if card.kind == "fields" else {}
    if citation_field and citation_field in values:
        return ({values[citation_field]} if values[citation_field] else set()), "the citation in the right answer"
    value = values.get(card.knowledge_field, "") if card.knowledge_field else output if card.kind == "text" else ""
    return {
        p.source for p in passages if value and supported(value, [f"{p.title} {p.text}"])
    }, "passages that contain the right answer"


def hit_rates(index: Index, questions: Sequence[str], gold: Sequence[set[str]]) -> dict[str, Estimate]:
    """Return the share of questions with a right passage among the first k, by ``mode@k``."""
    found = {}
    for mode in MODES:
        results = index.search(questions, max(KS), mode)
        for k in KS:
            hits = sum(bool({p.source for p in passages[:k]} & right) for passages, right in zip(results, gold, strict=True))
            found[f"{mode}@{k}"] = wilson(hits, len(questions))
    return found


def best_mode(rates: dict[str, Estimate], k: int) -> Mode:
    """Return the mode with the best hit rate at the largest measured k up to ``k``; ties go to hybrid."""
    at = max(x for x in KS if x <= k)
    return max(MODES, key=lambda mode: (rates[f"{mode}@{at}"].value, rates[f"{mode}@1"].value, mode == "hybrid"))


def questions(
    card: TaskCard, examples: Any, passages: Sequence[Passage], citation_field: str
) -> tuple[list[str], list[set[str]], str]:
    """Return the questions whose right article is known, these articles, and how that was decided."""
    asked, gold, how = [], [], ""
    for text, output in zip(examples["input"], examples["output"], strict=True):
        right, how = relevant(card, output, passages, citation_field)
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
) -> RetrievalCard:
    """Measure every search mode and choose the best with ``p.top_k`` passages; hybrid where nothing can be measured."""
    if index is None:
        return RetrievalCard(enabled=False, reason="no handbook was given (retrieval.handbook is empty)")
    rates = hit_rates(index, asked, gold) if asked else {}
    chosen = best_mode(rates, p.top_k) if rates else "hybrid"
    found = index.search(asked, RANKED, chosen) if asked else []
    return RetrievalCard(
        enabled=True, documents=documents, chunks=len(index.passages), embedding_model=p.embedding_model, top_k=p.top_k,
        hit_rate=rates, chosen=chosen, ranking=figures(found, gold, RANKED), labelled_by=labelled_by if asked else "",
        questions=len(asked), chunks_sha256=str(index.about["chunks_sha256"]),
    )  # fmt: skip


def found_rows(asked: Sequence[str], gold: Sequence[set[str]], found: Sequence[Sequence[Passage]]) -> list[dict[str, str]]:
    """Return questions with what was found, those without the right article first."""
    rows = []
    for text, right, passages in zip(asked, gold, found, strict=False):
        hit = bool(right & {p.source for p in passages})
        told = "; ".join(f"{'✔ ' if p.source in right else ''}[{p.source}] {p.title}" for p in passages)
        rows.append(
            {"question": text, "found": told, "right article": ", ".join(sorted(right)[:3]), "among them": "yes" if hit else "no"}
        )
    return sorted(rows, key=lambda row: row["among them"])


def with_prompts(card: RetrievalCard, specs: Sequence[StrategySpec], trials: Sequence[PromptTrial]) -> RetrievalCard:
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

    def search(self, texts: Sequence[str], progress: Callable[[int, int], None] | None = None) -> list[list[Passage]]:
        """Return the passages of each text."""
        return [self.by_text[text] for text in texts]


def with_right_article(searcher: Searcher, card: TaskCard, items: Any, citation_field: str) -> Given:
    """Return for every item what a perfect search would give: the right article first, then the next best ones.

    Items that need no article, or whose right one is not known, keep what the search finds.
    """
    passages, texts, given = searcher.index.passages, items["input"].tolist(), {}
    for text, output, found in zip(texts, items["output"], searcher.search(texts), strict=True):
        right, _ = relevant(card, output, passages, citation_field)
        held = [p for p in passages if p.source in right]
        value = parse(card, output).fields.get(card.knowledge_field, "") if card.kind == "fields" else output
        held.sort(key=lambda p: not supported(value, [p.text]))
        rest = [p for p in found if p.source not in right]
        given[text] = [*held[: max(1, searcher.top_k - 1)], *rest][: searcher.top_k]
    return Given(given)


def answer_rows(items: Any, answers: Any, scores: Any, limit: int = 6) -> list[dict[str, str]]:
    """Return questions with the passages they came with, the answer and the right one; wrong answers first."""
    rows = [
        {
            "message": text, "passages": "\n".join(passages), "answer": said or "(no answer)", "right answer": output,
            "right": "yes" if right else "no",
        }
        for text, output, said, passages, right in zip(
            items["input"], items["output"], answers["text"], answers["passages"], scores["correct"], strict=True
        )
    ]  # fmt: skip
    return sorted(rows, key=lambda row: row["right"])[:limit]


def learned(card: RetrievalCard) -> tuple[str, list[str]]:
    """Return what 04 found, as a title and points."""
    if not card.enabled:
        return "No handbook, no retrieval", [
            "The walk goes on with prompting and fine-tuning only.",
            "Give retrieval.handbook a folder of articles to compare RAG too.",
        ]
    k = max((x for x in KS if x <= card.top_k), default=1)
    rate = card.hit_rate.get(f"{card.chosen}@{k}")
    title = f"The right article is found for {rate.value:.0%} of the questions" if rate else "The search could not be measured"
    points = [f"{card.documents} articles, {card.chunks} chunks; search: {card.chosen}, {card.top_k} passages."]
    if card.prompt_trials:
        best = max(card.prompt_trials, key=_rank)
        points.append(
            f"With passages the base model gets {best.accuracy.value:.0%} of {best.accuracy.n} validation examples right ('{best.prompt.name}')."
        )
    return title, [*points, "Next: does training teach the behaviour that prompts did not?"]
