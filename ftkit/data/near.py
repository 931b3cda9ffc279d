"""Near copies: MinHash candidates from a library, each verified by its exact Jaccard similarity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ftkit.checks import normalise

PERMUTATIONS, BANDS, SHINGLE = 128, 32, 4


def shingles(text: str) -> frozenset[str]:
    """Return the runs of 4 characters of a normalised text; short texts are one shingle."""
    plain = normalise(text)
    return frozenset(plain[i : i + SHINGLE] for i in range(max(1, len(plain) - SHINGLE + 1)))


def jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    """Return the share of shingles that two texts have in common, 0..1."""
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared) if a or b else 1.0


def near_pairs(
    texts: Sequence[str], threshold: float, progress: Callable[[int, int], None] | None = None
) -> Iterator[tuple[int, int]]:
    """Yield pairs ``(i, j)``, i < j, of texts whose exact Jaccard similarity reaches the threshold.

    Equal texts are paired along a chain only, so that a text that stands a thousand times costs a thousand pairs.
    """
    first: dict[str, int] = {}
    for index, text in enumerate(texts):
        key = normalise(text)
        if key in first:
            yield first[key], index
        else:
            first[key] = index
    yield from _verified([*first.values()], [shingles(text) for text in first], threshold, progress)


def _verified(
    places: list[int], sets: list[frozenset[str]], threshold: float, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[int, int]]:
    from rensa import RMinHash, RMinHashLSH  # pyright: ignore[reportAttributeAccessIssue]

    index = RMinHashLSH(threshold, PERMUTATIONS, BANDS)
    for number, grams in enumerate(sets):
        sketch = RMinHash(PERMUTATIONS, 42)
        sketch.update(sorted(grams))
        for other in index.query(sketch):
            if jaccard(grams, sets[other]) >= threshold:
                yield places[other], places[number]
        index.insert(number, sketch)
        if progress and (number % 500 == 0 or number + 1 == len(sets)):
            progress(number + 1, len(sets))


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


def clusters_of(texts: Sequence[str], threshold: float, progress: Callable[[int, int], None] | None = None) -> list[int]:
    """Return for each text the index of the first text of its cluster of near copies."""
    union = Union(len(texts))
    for i, j in near_pairs(texts, threshold, progress):
        union.join(i, j)
    return [union.root(i) for i in range(len(texts))]
