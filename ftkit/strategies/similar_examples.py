"""Few-shot examples looked up per question: the training examples with the most telling words in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftkit.scoring.text import tokens

POOL, TRADE = 5, 0.5
"""Diverse examples are chosen among ``POOL`` times as many; weight of likeness to the question against novelty."""


def similar(
    texts: Sequence[str], examples: Any, k: int, diverse: bool = False
) -> list[list[tuple[str, str]]]:
    """Return for each text input and right answer of its ``k`` most similar examples, the most similar last.

    The last one stands next to the question, where models look most. Fewer come where fewer share a word with the text.

    Args:
        texts: What the model is given.
        examples: Training examples (columns ``records.EXAMPLE_COLUMNS``).
        k: How many.
        diverse: Whether they must also differ from one another (maximal marginal relevance).

    Source: BM25; Liu et al. (2022), What Makes Good In-Context Examples for GPT-3? (nearest examples); J. Carbonell and
    J. Goldstein, "The Use of MMR, Diversity-Based Reranking", SIGIR 1998.
    """
    import bm25s

    rows = list(zip(examples["input"], examples["output"], strict=True))
    searcher = bm25s.BM25()
    searcher.index([_words(given) for given, _ in rows], show_progress=False)
    known, found = searcher.vocab_dict, []
    for text in texts:
        query = [word for word in _words(text) if word in known]
        if not query:
            found.append([])
            continue
        places, scores = searcher.retrieve(
            [query], k=min(POOL * k if diverse else k, len(rows)), show_progress=False
        )
        ranked = sorted(
            (score, place)
            for score, place in zip(-scores[0], places[0].tolist(), strict=True)
            if score < 0
        )
        order = (
            _differing([(-score, _words(rows[place][0])) for score, place in ranked], k)
            if diverse
            else range(len(ranked))
        )
        found.append([rows[ranked[i][1]] for i in reversed(order)])
    return found


def _differing(ranked: Sequence[tuple[float, list[str]]], k: int) -> list[int]:
    """Return the places of ``k`` texts, each as like the question and as unlike those before it as can be."""
    best, chosen = ranked[0][0] if ranked else 1.0, list[int]()
    sets = [set(words) for _, words in ranked]

    def worth(i: int) -> float:
        near = max(
            (len(sets[i] & sets[j]) / max(1, len(sets[i] | sets[j])) for j in chosen), default=0.0
        )
        return TRADE * ranked[i][0] / best - (1 - TRADE) * near

    while len(chosen) < min(k, len(ranked)):
        chosen.append(
            max((i for i in range(len(ranked)) if i not in chosen), key=lambda i: (worth(i), -i))
        )
    return chosen


def _words(text: str) -> list[str]:
    from bm25s.stopwords import STOPWORDS_EN

    found = tokens(text)
    return [word for word in found if word not in STOPWORDS_EN] or found
