"""Near copies: MinHash candidates from a library, each verified by its exact Jaccard similarity."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from statistics import median

from ftkit.checks import normalise

PERMUTATIONS = 256
RECALL = 0.98
"""Least chance that a pair right at the threshold becomes a candidate; pairs above it are found more surely."""
LONG_TEXT = 400
"""Characters from which a typical text is compared by runs of words: runs of characters of long texts are nearly all common."""
CHARACTERS, WORDS = 4, 3

Progress = Callable[[int, int], None]


def shingler(texts: Sequence[str]) -> tuple[Callable[[str], frozenset[str]], str]:
    """Return how these texts are cut into shingles, and the same in words for people."""
    if texts and median(len(text) for text in texts) > LONG_TEXT:
        return word_shingles, f"runs of {WORDS} words"
    return shingles, f"runs of {CHARACTERS} characters"


def shingles(text: str) -> frozenset[str]:
    """Return the runs of 4 characters of a normalised text; short texts are one shingle."""
    plain = normalise(text)
    return frozenset(plain[i : i + CHARACTERS] for i in range(max(1, len(plain) - CHARACTERS + 1)))


def word_shingles(text: str) -> frozenset[str]:
    """Return the runs of 3 words of a normalised text; short texts are one shingle."""
    words = re.findall(r"\w+", normalise(text))
    return frozenset(" ".join(words[i : i + WORDS]) for i in range(max(1, len(words) - WORDS + 1)))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the share of shingles that two texts have in common, 0..1."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if a or b else 1.0


def rows_per_band(threshold: float) -> int:
    """Return the MinHash values per band: as many as leave pairs at the threshold the recall wanted, for fewest candidates."""
    fits = [r for r in (32, 16, 8, 4, 2) if 1 - (1 - threshold**r) ** (PERMUTATIONS // r) >= RECALL]
    return fits[0] if fits else 1


class Union:
    """Union-find over ``n`` items; the root of a cluster is its first item."""

    def __init__(self, n: int) -> None:
        self.parent = list(range(n))

    def root(self, i: int) -> int:
        """Return the first item of i's cluster."""
        while self.parent[i] != i:
            self.parent[i] = self.parent[self.parent[i]]
            i = self.parent[i]
        return i

    def join(self, i: int, j: int) -> None:
        """Put two items into one cluster."""
        a, b = sorted((self.root(i), self.root(j)))
        self.parent[b] = a


def clusters_of(texts: Sequence[str], threshold: float, progress: Progress | None = None) -> list[int]:
    """Return for each text the index of the first text of its cluster.

    Equal texts (after normalisation) and texts whose exact Jaccard similarity reaches the threshold are joined, also in
    chains.

    Args:
        texts: Any texts.
        threshold: Jaccard similarity, above 0 and up to 1.
        progress: Called with different texts done and in all.
    """
    first: dict[str, int] = {}
    plain = [normalise(text) for text in texts]
    places = [index for index, key in enumerate(plain) if first.setdefault(key, index) == index]
    union = Union(len(texts))
    for index, key in enumerate(plain):
        union.join(first[key], index)
    _join_near(union, places, texts, threshold, progress)
    return [union.root(i) for i in range(len(texts))]


def _join_near(union: Union, places: list[int], texts: Sequence[str], threshold: float, progress: Progress | None) -> None:
    from rensa import RMinHash, RMinHashLSH  # pyright: ignore[reportAttributeAccessIssue]

    index = RMinHashLSH(threshold, PERMUTATIONS, PERMUTATIONS // rows_per_band(threshold))
    cut, _ = shingler(texts)

    @lru_cache(maxsize=4096)  # the shingles of all long texts do not fit into memory together
    def grams_of(place: int) -> frozenset[str]:
        return cut(texts[place])

    for number, place in enumerate(places):
        grams = grams_of(place)
        sketch = RMinHash(PERMUTATIONS, 42)
        sketch.update(sorted(grams))
        for other in index.query(sketch):
            _join_if_near(union, place, places[other], grams, grams_of, threshold)
        index.insert(number, sketch)
        if progress and ((number + 1) % 500 == 0 or number + 1 == len(places)):
            progress(number + 1, len(places))


def _join_if_near(
    union: Union, place: int, other: int, grams: frozenset[str], grams_of: Callable[[int], frozenset[str]], threshold: float
) -> None:
    """Join two texts if they are near copies; one comparison per cluster is enough once it has succeeded."""
    if union.root(place) == union.root(other):
        return
    theirs = grams_of(other)
    if min(len(grams), len(theirs)) >= threshold * max(len(grams), len(theirs)) and jaccard(grams, theirs) >= threshold:
        union.join(place, other)
