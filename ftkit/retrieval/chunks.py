"""Chunks of articles: by section and page, then paragraph and sentence, no longer than asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ftkit.core.records.retrieval import Passage
from ftkit.retrieval.articles import Article


def chunks(articles: Sequence[Article], chunk_words: int) -> list[Passage]:
    """Cut articles into chunks of at most ``chunk_words`` words, at sections and pages, then paragraphs, then sentences.

    A chunk's title names its section and page, so that search finds it by them and a reader can look it up.
    """
    found = []
    for article in articles:
        pieces = [
            (part, text) for part in article.parts for text in _pieces(part.text, chunk_words)
        ]
        for number, (part, text) in enumerate(pieces):
            title = " – ".join(name for name in (article.title, part.section) if name)
            title += f" (page {part.page})" if part.page else ""
            found.append(
                Passage(
                    id=f"{article.source}#{number}",
                    source=article.source,
                    title=title,
                    text=text,
                    metadata=article.metadata,
                )
            )
    return found


def _pieces(text: str, limit: int) -> list[str]:
    """Join sentences up to the limit; a longer sentence is cut at words."""
    pieces: list[str] = []
    current: list[str] = []
    for sentence in _sentences(text, limit):
        words = sentence.split()
        if current and len(current) + len(words) > limit:
            pieces.append(" ".join(current))
            current = []
        current += words
    return [*pieces, " ".join(current)] if current else pieces


def _sentences(text: str, limit: int) -> list[str]:
    found = []
    for sentence in re.split(r"(?<=[.!?])\s+|\n{2,}", text):
        words = sentence.split()
        found += [" ".join(words[i : i + limit]) for i in range(0, len(words), limit)]
    return found
