"""Is the right passage found? Hit rate at k per search mode, with intervals."""

from __future__ import annotations

from collections.abc import Sequence

from ftkit.checks import parse, supported
from ftkit.records import Estimate, Passage, TaskCard
from ftkit.retrieval.index import MODES, Index
from ftkit.statistics import wilson

KS = (1, 2, 3, 5)


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


def best_mode(rates: dict[str, Estimate], k: int) -> str:
    """Return the mode with the best hit rate at the largest measured k up to ``k``; ties go to hybrid."""
    at = max(x for x in KS if x <= k)
    return max(MODES, key=lambda mode: (rates[f"{mode}@{at}"].value, rates[f"{mode}@1"].value, mode == "hybrid"))
