"""The index: LanceDB for vectors and texts, BM25 beside it, reciprocal-rank fusion of both, and a reranker on top."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ftkit.core.errors import BadInput
from ftkit.core.records.retrieval import Passage
from ftkit.models.embeddings import embed, load_embedder
from ftkit.retrieval import filters, store

Mode = Literal["vector", "bm25", "hybrid", "reranked"]
Progress = Callable[[int, int], None]
MODES: list[Mode] = ["vector", "bm25", "hybrid"]
RRF_K = 60
DEPTH = 30
IN_MEMORY_ROWS = 200_000


def words(text: str) -> list[str]:
    """Return the words that BM25 counts: in lower case, without the commonest English ones unless nothing else is there.

    On 534 questions of the demo, leaving them out lifts BM25's hit rate at 2 from 76% to 81%.
    """
    from bm25s.stopwords import STOPWORDS_EN

    found = re.findall(r"\w+(?:-\w+)*", text.casefold())
    return [word for word in found if word not in STOPWORDS_EN] or found


class Index:
    """An index that is open for searching.

    Args:
        folder: Where it lies.
        written: What is told of it and its passages, where they were written just now; None: they are read and held against their hashes.
    """

    def __init__(
        self, folder: Path, written: tuple[dict[str, Any], Sequence[Passage]] | None = None
    ) -> None:
        if written:
            self.about, self.passages = written[0], list(written[1])
            self.table = store.open_table(folder, self.about)
        else:
            self.about, self.table, self.passages = store.read(folder)
        self._place = {name: place for place, name in enumerate(self.about["ids"])}
        self._model: Any = None
        self._bm25: Any = None
        self._matrix: Any = None
        self._reranker: Any = None
        self._reranked: dict[str, list[tuple[int, float]]] = {}
        self._masks: dict[Any, Any] = {}
        self._filtered = True
        self._vectors: dict[str, Any] = {}

    @staticmethod
    def build(
        folder: Path,
        passages: Sequence[Passage],
        embedding_model: str,
        progress: Progress | None = None,
        reranker: str = "",
        restricted_by: Sequence[str] = (),
        address: str = "",
    ) -> Index:
        """Bring an index up to date, or build it anew, and open it; see :func:`ftkit.retrieval.store.build`.

        Raises:
            BadInput: There is nothing to index, two passages have the same id, or the embedding model is not at hand.
            FtkitError: The disk is full.
        """
        if not passages:
            raise BadInput(
                "there are no passages to index",
                where=str(folder),
                todo="give retrieval.handbook a folder of articles",
            )
        model = load_embedder(embedding_model)
        told = store.build(
            folder, passages, model, embedding_model, progress, reranker, restricted_by, address
        )
        index = Index(folder, (told, passages))
        index._model = model
        return index

    def copy(self, folder: Path) -> None:
        """Write these passages and nothing else into a new folder: what older versions of the table held stays behind."""
        store.write(
            folder,
            self.passages,
            self.vectors,
            {k: v for k, v in self.about.items() if k not in ("dimension", "at")},
        )

    def check_model(self, embedding_model: str) -> None:
        """Refuse an index that was made with another embedding model.

        Raises:
            BadInput: Naming both models and the dimension.
        """
        if self.about["embedding_model"] != embedding_model:
            raise BadInput(
                f"was made with {self.about['embedding_model']} ({self.about['dimension']} dimensions), not {embedding_model}",
                where="retrieval/index",
                todo="run 04_retrieval again",
            )

    def check_passages(self, chunks_sha256: str) -> None:
        """Refuse an index of other passages than those that were measured.

        Raises:
            BadInput: The handbook was indexed anew without its record.
        """
        if self.about["chunks_sha256"] != chunks_sha256:
            raise BadInput(
                "holds other passages than retrieval.json",
                where="retrieval/index",
                todo="run 04_retrieval again",
            )

    @property
    def filters(self) -> list[str]:
        """Names that restrict a search, see :mod:`ftkit.retrieval.filters`."""
        return self.about.get("filters", []) if self._filtered else []

    @contextmanager
    def unfiltered(self) -> Iterator[None]:
        """Search everything for a while, whatever a question asks for."""
        self._filtered, kept, self._reranked = False, self._reranked, {}
        try:
            yield
        finally:
            self._filtered, self._reranked = True, kept

    def _allowed(self, text: str) -> Any:
        """Return which passages may answer a question, shape ``[passages]``; None: all."""
        import numpy as np

        asked = filters.wanted(text, self.filters)
        if asked and asked not in self._masks:
            self._masks[asked] = np.array([filters.allows(p, asked) for p in self.passages])
        return self._masks[asked] if asked else None

    @property
    def modes(self) -> list[Mode]:
        """The searches that this index offers."""
        return [*MODES, "reranked"] if self.about.get("reranker") else MODES

    def search(
        self, texts: Sequence[str], k: int, mode: Mode = "hybrid", progress: Progress | None = None
    ) -> list[list[Passage]]:
        """Return for each text the best ``k`` passages, best first, with their scores.

        Scores: cosine similarity (vector), BM25 (bm25), sum of 1 / (60 + rank) (hybrid), the reranker's own, of the first
        30 of the hybrid search (reranked).
        Where the index has filters, a question gets only passages that it may be answered from: maybe fewer than ``k``.
        Source of the fusion: Cormack, Clarke & Buettcher (2009), Reciprocal Rank Fusion.
        """
        if mode == "reranked":
            return self._rerank(texts, k, progress)
        depth = min(len(self.passages), max(k, DEPTH))
        vector = self._vector(texts, depth, progress) if mode != "bm25" else [[] for _ in texts]
        lexical = self._lexical(texts, depth) if mode != "vector" else [[] for _ in texts]
        found = []
        for a, b in zip(vector, lexical, strict=True):
            ranked = (
                fuse([[place for place, _ in a], [place for place, _ in b]])
                if mode == "hybrid"
                else a or b
            )
            found.append(
                [
                    self.passages[place].model_copy(update={"score": round(score, 6)})
                    for place, score in ranked[:k]
                ]
            )
        return found

    def _rerank(
        self, texts: Sequence[str], k: int, progress: Progress | None
    ) -> list[list[Passage]]:
        """Return the first of the hybrid search in the order of the reranker; each text is ranked once."""
        if self._reranker is None:
            from ftkit.retrieval.reranker import Reranker

            self._reranker = Reranker(self.about["reranker"])
        place = {p.id: i for i, p in enumerate(self.passages)}
        fresh = [text for text in dict.fromkeys(texts) if text not in self._reranked]
        for done, (text, found) in enumerate(
            zip(fresh, self.search(fresh, max(k, DEPTH)), strict=True), 1
        ):
            scores = self._reranker.scores(text, [store.searchable(p) for p in found])
            pairs = [(place[p.id], score) for p, score in zip(found, scores, strict=True)]
            self._reranked[text] = sorted(pairs, key=lambda pair: -pair[1])
            if progress:
                progress(done, len(fresh))
        return [
            [
                self.passages[at].model_copy(update={"score": round(score, 6)})
                for at, score in self._reranked[text][:k]
            ]
            for text in texts
        ]

    def _embed(self, texts: Sequence[str], progress: Progress | None) -> Any:
        """Return unit vectors of the texts; each text is embedded once."""
        import numpy as np

        fresh = [text for text in dict.fromkeys(texts) if text not in self._vectors]
        if fresh:
            self._model = self._model or load_embedder(self.about["embedding_model"])
            vectors = embed(self._model, fresh, progress)
            if vectors.shape[1] != self.about["dimension"]:
                raise BadInput(
                    f"was made with {self.about['dimension']} dimensions, the embedding model gives {vectors.shape[1]}",
                    where="retrieval/index",
                    todo="run 04_retrieval again",
                )
            self._vectors.update(zip(fresh, vectors, strict=True))
        return np.stack([self._vectors[text] for text in texts])

    def _vector(
        self, texts: Sequence[str], depth: int, progress: Progress | None
    ) -> list[list[tuple[int, float]]]:
        """Search by cosine: one matrix product while the vectors fit in 300 MB (a tenth of LanceDB's time at 100,000), else LanceDB."""
        if not texts:
            return []
        queries = self._embed(texts, progress)
        if len(self.passages) > IN_MEMORY_ROWS:
            return [
                self._lance(query, depth, self._allowed(text))
                for query, text in zip(queries, texts, strict=True)
            ]
        return [
            _best(row, depth, self._allowed(text))
            for row, text in zip(queries @ self.vectors.T, texts, strict=True)
        ]

    @property
    def vectors(self) -> Any:
        """Unit vectors of all passages, shape ``[passages, dimension]``, in their order."""
        if self._matrix is None:
            self._matrix = store.read_vectors(self.table, self._place)
        return self._matrix

    def _lance(self, query: Any, depth: int, allowed: Any) -> list[tuple[int, float]]:
        asked: Any = self.table.search(query)
        if allowed is not None:
            told = sorted(
                {store.told_of(p) for p, yes in zip(self.passages, allowed, strict=True) if yes}
            )
            asked = asked.where(
                f"metadata IN ({', '.join(map(store.quoted, told))})" if told else "false",
                prefilter=True,
            )
        rows = asked.distance_type("cosine").select(["id", "_distance"]).limit(depth).to_list()
        return sorted(
            ((self._place[row["id"]], 1 - row["_distance"]) for row in rows),
            key=lambda pair: (-pair[1], pair[0]),
        )

    def _lexical(self, texts: Sequence[str], depth: int) -> list[list[tuple[int, float]]]:
        import bm25s

        if self._bm25 is None:
            self._bm25 = bm25s.BM25()
            self._bm25.index(
                [words(store.searchable(p)) for p in self.passages], show_progress=False
            )
        vocabulary = self._bm25.vocab_dict
        found: list[list[tuple[int, float]]] = []
        for text in texts:
            query = [word for word in words(text) if word in vocabulary]
            if not query:
                found.append([])
                continue
            places, scores = self._bm25.retrieve(
                [query], k=depth, show_progress=False, weight_mask=self._allowed(text)
            )
            pairs = zip(places[0].tolist(), scores[0].tolist(), strict=True)
            found.append(
                sorted(((p, s) for p, s in pairs if s > 0), key=lambda pair: (-pair[1], pair[0]))
            )
        return found


def _best(scores: Any, depth: int, allowed: Any = None) -> list[tuple[int, float]]:
    """Return the places of the highest scores, best first, of those that are allowed; ties by place."""
    import numpy as np

    if allowed is not None:
        places = np.flatnonzero(allowed)
        return (
            [
                (int(places[place]), score)
                for place, score in _best(scores[places], min(depth, len(places)))
            ]
            if len(places)
            else []
        )
    near = np.arange(len(scores))
    if depth < len(scores):
        near = np.flatnonzero(
            scores >= np.partition(scores, -depth)[-depth]
        )  # all that tie with the last one too
    places = near[np.argsort(-scores[near], kind="stable")][:depth]
    return [(int(place), float(scores[place])) for place in places]


def fuse(rankings: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """Return places by reciprocal-rank fusion, best first, with their scores; ties by place."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, place in enumerate(ranking, 1):
            scores[place] = scores.get(place, 0.0) + 1 / (RRF_K + rank)
    return sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))


@dataclass
class Searcher:
    """An index with the mode and number of passages that were chosen.

    Attributes:
        index: The index.
        mode: The search.
        top_k: Passages that a model is given.
        seconds: Seconds that one search took when 04 measured it, which an answer takes longer.
    """

    index: Index
    mode: Mode = "hybrid"
    top_k: int = 2
    seconds: float = 0.0

    def search(self, texts: Sequence[str], progress: Progress | None = None) -> list[list[Passage]]:
        """Return the passages that a model is given, per text, best first."""
        return self.index.search(texts, self.top_k, self.mode, progress)

    def evidence(self, texts: Sequence[str], k: int = 5) -> list[list[Passage]]:
        """Return the passages that an answer's claims are held against, per text."""
        return self.index.search(texts, k, self.mode)

    @property
    def sources(self) -> list[str]:
        """Ids of all articles."""
        return sorted({p.source for p in self.index.passages})
