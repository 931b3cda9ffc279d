"""Vectors that stand for the meaning of the inputs, for finding suspected labels and paraphrases.

Up to a number of rows they come from the packaged MiniLM; above it from the words alone (TF-IDF, then its 256 main
directions), which takes seconds for 100,000 rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Progress = Callable[[int, int], None]
DIRECTIONS = 256


@dataclass
class Vectors:
    """Unit vectors of texts.

    Attributes:
        matrix: ``[texts, dimension]``, float32.
        semantic: Whether they come from a language model; words alone cannot see a paraphrase.
    """

    matrix: Any
    semantic: bool

    @property
    def source(self) -> str:
        """What they come from, for people."""
        return (
            "MiniLM embeddings"
            if self.semantic
            else f"TF-IDF of the words, {self.matrix.shape[1]} directions"
        )


def vectors(texts: Sequence[str], most_embedded: int, progress: Progress | None = None) -> Vectors:
    """Return vectors of texts.

    Args:
        texts: Any texts.
        most_embedded: Most texts for the language model (about 170 a second on one core); more are compared by words.
        progress: Called with texts done and in all.
    """
    if len(texts) <= most_embedded:
        from ftkit.models.embeddings import PACKAGED, embed, load_embedder

        return Vectors(embed(load_embedder(PACKAGED), list(texts), progress), True)
    return Vectors(_words(texts), False)


def _words(texts: Sequence[str]) -> Any:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    counted: Any = TfidfVectorizer(
        ngram_range=(1, 2), min_df=2, sublinear_tf=True, max_features=50_000
    ).fit_transform(texts)
    size = max(1, min(DIRECTIONS, min(counted.shape) - 1))
    reduced: Any = normalize(TruncatedSVD(size, random_state=0).fit_transform(counted))
    return reduced.astype("float32")
