"""Near copies: candidates by MinHashes of a library, in bands, each verified by its exact Jaccard similarity."""

from __future__ import annotations

import re
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from statistics import median
from typing import Any

from ftkit.scoring.text import normalise

PERMUTATIONS = 256
RECALL = 0.98
"""Least chance that a pair right at the threshold becomes a candidate; pairs above it are found more surely."""
LONG_TEXT = 400
"""Characters from which a typical text is compared by runs of words: runs of characters of long texts are nearly all common."""
CHARACTERS, WORDS = 4, 3
BATCH = 500

Progress = Callable[[int, int], None]


def shingler(texts: Sequence[str]) -> tuple[Callable[[str], frozenset[str]], str]:
    """Return how these texts are cut into shingles, and the same in words for people."""
    if of_words(texts):
        return word_shingles, f"runs of {WORDS} words"
    return shingles, f"runs of {CHARACTERS} characters"


def of_words(texts: Sequence[str]) -> bool:
    """Return whether a typical text is so long that it is compared by runs of words."""
    return bool(texts) and median(len(text) for text in texts) > LONG_TEXT


def shingles(text: str) -> frozenset[str]:
    """Return the runs of 4 characters of a text, normalised; short texts are one shingle."""
    return _characters(normalise(text))


def word_shingles(text: str) -> frozenset[str]:
    """Return the runs of 3 words of a text, normalised; short texts are one shingle."""
    return _words(normalise(text))


def _characters(plain: str) -> frozenset[str]:
    return frozenset(plain[i : i + CHARACTERS] for i in range(max(1, len(plain) - CHARACTERS + 1)))


def _words(plain: str) -> frozenset[str]:
    words = re.findall(r"\w+", plain)
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


def clusters_of(
    texts: Sequence[str], threshold: float, progress: Progress | None = None
) -> list[int]:
    """Return for each text the index of the first text of its cluster.

    Equal texts (after normalisation) and texts whose exact Jaccard similarity reaches the threshold are joined, also in
    chains.

    Args:
        texts: Any texts.
        threshold: Jaccard similarity, above 0 and up to 1.
        progress: Called with different texts done and in all.
    """
    union, first = Union(len(texts)), {}
    for place, text in enumerate(texts):
        union.join(first.setdefault(normalise(text), place), place)
    cut = _words if of_words(texts) else _characters
    _join_near(union, list(first), list(first.values()), cut, threshold, progress)
    return [union.root(i) for i in range(len(texts))]


def _join_near(
    union: Union,
    plain: list[str],
    places: list[int],
    cut: Callable[[str], frozenset[str]],
    threshold: float,
    progress: Progress | None,
) -> None:
    """Join different normalised texts that share a band of their MinHashes and are near copies by their exact similarity."""
    keys = _band_keys(plain, cut, rows_per_band(threshold), progress)

    @lru_cache(maxsize=4096)  # the shingles of all long texts do not fit into memory together
    def grams_of(number: int) -> frozenset[str]:
        return cut(plain[number])

    for band in range(keys.shape[1]):
        for alike in _equal(keys[:, band]):
            if len({union.root(places[number]) for number in alike}) == 1:
                continue
            for at, later in enumerate(alike):
                for earlier in alike[:at]:
                    if (
                        union.root(places[earlier]) != union.root(places[later])
                        and not (
                            keys[earlier, :band] == keys[later, :band]
                        ).any()  # else compared before
                        and _near(grams_of(earlier), grams_of(later), threshold)
                    ):
                        union.join(places[earlier], places[later])


def _band_keys(
    plain: list[str], cut: Callable[[str], frozenset[str]], rows: int, progress: Progress | None
) -> Any:
    """Return one number per text and band, shape ``[texts, bands]``: equal MinHashes give equal numbers."""
    import numpy as np
    from rensa import RMinHash  # pyright: ignore[reportAttributeAccessIssue]

    keys = np.empty((len(plain), PERMUTATIONS // rows), dtype=np.uint64)
    factors = np.random.default_rng(42).integers(1, 2**63, rows, dtype=np.uint64) * np.uint64(
        2
    ) + np.uint64(1)
    for start in range(0, len(plain), BATCH):
        part = plain[start : start + BATCH]
        values = np.empty((len(part), PERMUTATIONS), dtype=np.uint64)
        for row, text in enumerate(part):
            sketch = RMinHash(PERMUTATIONS, 42)
            sketch.update(cut(text))
            values[row] = np.frombuffer(array("I", sketch.digest()), dtype=np.uint32)
        keys[start : start + len(part)] = (values.reshape(len(part), -1, rows) * factors).sum(
            axis=2, dtype=np.uint64
        )
        if progress:
            progress(start + len(part), len(plain))
    return keys


def _equal(keys: Any) -> Iterator[list[int]]:
    """Yield the places of each number that stands there more than once, in order."""
    import numpy as np

    order = np.argsort(keys, kind="stable")
    new = np.flatnonzero(np.diff(keys[order]) != 0) + 1
    starts, ends = np.concatenate([[0], new]), np.concatenate([new, [len(keys)]])
    for first, last in zip(starts[ends - starts > 1], ends[ends - starts > 1], strict=True):
        yield order[first:last].tolist()


def _near(ours: frozenset[str], theirs: frozenset[str], threshold: float) -> bool:
    """Return whether two sets of shingles are as similar as that; sizes alone often say no."""
    return (
        min(len(ours), len(theirs)) >= threshold * max(len(ours), len(theirs))
        and jaccard(ours, theirs) >= threshold
    )
