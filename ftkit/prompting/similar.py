"""Few-shot examples looked up per question: the training examples with the most telling words in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftkit.checks import tokens


def similar(texts: Sequence[str], examples: Any, k: int) -> list[list[tuple[str, str]]]:
    """Return for each text input and right answer of its ``k`` most similar examples, the most similar last.

    The last one stands next to the question, where models look most. Fewer come where fewer share a word with the text.

    Args:
        texts: What the model is given.
        examples: Training examples (columns ``records.EXAMPLE_COLUMNS``).
        k: How many.

    Source: BM25; Liu et al. (2022), What Makes Good In-Context Examples for GPT-3? (nearest examples).
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
        places, scores = searcher.retrieve([query], k=min(k, len(rows)), show_progress=False)
        ranked = sorted(zip(-scores[0], places[0].tolist(), strict=True))
        found.append([rows[place] for score, place in reversed(ranked) if score < 0])
    return found


def _words(text: str) -> list[str]:
    from bm25s.stopwords import STOPWORDS_EN

    found = tokens(text)
    return [word for word in found if word not in STOPWORDS_EN] or found
