"""Search in a large handbook, and one changed article: ``python -m benchmarks.retrieval [SIZES ...]``.

Passages of 40 to 80 words from a vocabulary of 20,000 and unit vectors drawn at random (the embedding is left out: it takes the
same time for any index). Questions take words of a passage. Per size: seconds to build, milliseconds per question for each search
(median and 95th percentile, one at a time), against scoring all vectors and all words by brute force in the same run; and seconds
to put one changed article in. Writes ``benchmarks/retrieval/results.json``.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ftkit.core.records.retrieval import Passage
from ftkit.retrieval import index as indexing
from ftkit.retrieval import store
from ftkit.retrieval.index import MODES, Index, words

HERE = Path(__file__).parent
DIMENSION, QUESTIONS = 384, 200


def passages(n: int, seed: int = 7) -> list[Passage]:
    """Return passages of words that are drawn as unevenly as in real texts."""
    rng = random.Random(seed)
    vocabulary = [f"w{k}" for k in range(20_000)]
    weights = np.cumsum(1 / np.arange(1, 20_001)).tolist()
    return [
        Passage(
            id=f"A-{k:06d}#0",
            source=f"A-{k:06d}",
            title=f"w{k % 20_000}",
            text=" ".join(rng.choices(vocabulary, cum_weights=weights, k=rng.randint(40, 80))),
        )
        for k in range(n)
    ]


def unit(n: int, seed: int) -> Any:
    """Return random unit vectors ``[n, 384]``."""
    vectors = np.random.default_rng(seed).standard_normal((n, DIMENSION), dtype="float32")
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def timed(calls: list[Callable[[], Any]]) -> dict[str, float]:
    """Return median and 95th percentile of the calls, in milliseconds."""
    spent = []
    for call in calls:
        began = time.perf_counter()
        call()
        spent.append(1000 * (time.perf_counter() - began))
    return {
        "median_ms": round(float(np.median(spent)), 2),
        "p95_ms": round(float(np.quantile(spent, 0.95)), 2),
    }


class Known:
    """Stands for the embedding model: every text has the vector that it was given."""

    def __init__(self, texts: list[str], vectors: Any) -> None:
        self.by_text = dict(zip(texts, vectors, strict=True))

    def embed(self, _: Any, texts: list[str], progress: Any = None) -> Any:
        """Return the vectors of texts; a new text gets that of the first."""
        first = next(iter(self.by_text.values()))
        return np.stack([self.by_text.get(text, first) for text in texts])


def measure(n: int) -> dict[str, Any]:
    """Build an index of ``n`` passages, search in it, and change one article."""
    made = passages(n)
    known = Known([store.searchable(p) for p in made], unit(n, 1))
    store.embed, indexing.load_embedder = known.embed, lambda name: None  # pyright: ignore[reportAttributeAccessIssue]
    rng = random.Random(3)
    asked = [" ".join(rng.sample(made[rng.randrange(n)].text.split(), 8)) for _ in range(QUESTIONS)]
    vectors = unit(QUESTIONS, 2)
    with tempfile.TemporaryDirectory() as work:
        folder, began = Path(work) / "index", time.perf_counter()
        index = Index.build(folder, made, "minilm")
        found: dict[str, Any] = {"passages": n, "build_s": round(time.perf_counter() - began, 2)}
        index._vectors = dict(zip(asked, vectors, strict=True))
        for mode in MODES:
            index.search(asked[:1], 5, mode)  # what is made at the first question is made
            found[mode] = timed([lambda q=q, m=mode: index.search([q], 5, m) for q in asked])
        matrix = np.stack([known.by_text[store.searchable(p)] for p in made])
        sets = [set(words(store.searchable(p))) for p in made]
        found["brute force, vectors"] = timed(
            [lambda v=v: np.argsort(-(matrix @ v))[:5] for v in vectors]
        )
        queries = [set(words(q)) for q in asked[:20]]
        found["brute force, words"] = timed(
            [lambda q=q: sorted(range(n), key=lambda i: -len(q & sets[i]))[:5] for q in queries]
        )
        made[n // 2] = made[n // 2].model_copy(update={"text": "the rule has changed"})
        began = time.perf_counter()
        Index.build(folder, made, "minilm")
        found["one_changed_article_s"] = round(time.perf_counter() - began, 2)
    return found


def main() -> None:
    """Measure the sizes that are asked for."""
    parser = argparse.ArgumentParser(
        description="Search in a large handbook, and one changed article."
    )
    parser.add_argument("sizes", nargs="*", type=int, default=[1_000, 10_000, 100_000])
    rows = []
    for n in parser.parse_args().sizes:
        rows.append(measure(n))
        print(json.dumps(rows[-1]), flush=True)
    (HERE / "results.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
