"""Near copies among many short texts, against datasketch in the same run: ``python -m benchmarks.duplicates [SIZES ...]``.

Texts of 8 to 25 words from a vocabulary of 20,000, and to one in ten a near copy with one word changed. Every size runs in
a process of its own (seconds, peak memory); recall is of the planted pairs whose exact Jaccard similarity reaches the
threshold. datasketch (MinHashLSH, 128 permutations, the same shingles and threshold, its candidates verified exactly as
well; and once more with the bands of ftkit, for equal recall) must be installed: ``pip install datasketch``. Writes ``benchmarks/duplicates/results.json``.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import time
from pathlib import Path

from ftkit.data.duplicates import PERMUTATIONS, clusters_of, rows_per_band, shingler

HERE = Path(__file__).parent
THRESHOLD = 0.8
WAYS = ("ftkit", "datasketch, 128 permutations", "datasketch, the bands of ftkit")
LARGEST_OTHER = 100_000
"""datasketch is not run on more texts than that: its time is read off its growth."""


def texts(n: int, seed: int = 7) -> tuple[list[str], list[tuple[int, int]]]:
    """Return texts and the planted pairs of near copies."""
    rng = random.Random(seed)
    words = [f"w{k}" for k in range(20_000)]
    found, pairs = [], []
    while len(found) < n:
        found.append(" ".join(rng.choice(words) for _ in range(rng.randint(8, 25))))
        if rng.random() < 0.1 and len(found) < n:
            parts = found[-1].split()
            parts[rng.randrange(len(parts))] = rng.choice(words)
            pairs.append((len(found) - 1, len(found)))
            found.append(" ".join(parts))
    return found, pairs


def other(given: list[str], same_bands: bool) -> list[int]:
    """Return clusters by datasketch: candidates of MinHashLSH, verified by the exact Jaccard similarity.

    Args:
        given: The texts.
        same_bands: Whether it takes as many permutations and bands as ftkit, for equal recall; else its own for 128.
    """
    from datasketch import MinHash, MinHashLSH

    shingles, _ = shingler(given)
    size, rows = (PERMUTATIONS, rows_per_band(THRESHOLD)) if same_bands else (128, 0)
    index = (
        MinHashLSH(THRESHOLD, size, params=(size // rows, rows))
        if rows
        else MinHashLSH(THRESHOLD, size)
    )
    sets, minhashes = [], []
    for k, text in enumerate(given):
        sets.append(set(shingles(text)))
        minhash = MinHash(num_perm=size)
        minhash.update_batch([s.encode() for s in sets[-1]])
        minhashes.append(minhash)
        index.insert(k, minhash)
    parent = list(range(len(given)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for k, minhash in enumerate(minhashes):
        for j in index.query(minhash):
            if j < k and len(sets[k] & sets[j]) >= THRESHOLD * len(sets[k] | sets[j]):
                parent[root(k)] = root(j)
    return [root(k) for k in range(len(given))]


def one(name: str, n: int) -> dict[str, float]:
    """Measure one way on one size, in this process."""
    given, pairs = texts(n)
    shingles, _ = shingler(given)
    near = []
    for i, j in pairs:
        a, b = set(shingles(given[i])), set(shingles(given[j]))
        if len(a & b) >= THRESHOLD * len(a | b):
            near.append((i, j))
    began = time.perf_counter()
    clusters = clusters_of(given, THRESHOLD) if name == WAYS[0] else other(given, name == WAYS[2])
    seconds = time.perf_counter() - began
    found = sum(clusters[i] == clusters[j] for i, j in near)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "texts": n,
        "seconds": round(seconds, 2),
        "peak_gib": round(peak, 2),
        "near_pairs": len(near),
        "recall": found / max(1, len(near)),
    }


def main() -> None:
    """Run all sizes, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("sizes", nargs="*", type=int, default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--one", nargs=2, metavar=("NAME", "N"))
    given = parser.parse_args()
    if given.one:
        print(json.dumps(one(given.one[0], int(given.one[1]))))
        return
    results = []
    for n in given.sizes:
        for name in WAYS:
            if name != WAYS[0] and n > LARGEST_OTHER:
                continue
            command = [sys.executable, "-m", "benchmarks.duplicates", "--one", name, str(n)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            results.append({"way": name, **json.loads(done.stdout.splitlines()[-1])})
            print(results[-1], flush=True)
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
