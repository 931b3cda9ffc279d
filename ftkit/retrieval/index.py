"""The index: LanceDB for vectors and texts, BM25 beside it, reciprocal-rank fusion of both, and a reranker on top."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ftkit.errors import BadInput, FtkitError, NotReady
from ftkit.models.embed import embed, load_embedder
from ftkit.records import Passage
from ftkit.runs import write_text

Mode = Literal["vector", "bm25", "hybrid", "reranked"]
Progress = Callable[[int, int], None]
MODES: list[Mode] = ["vector", "bm25", "hybrid"]
RRF_K = 60
DEPTH = 30
IN_MEMORY_ROWS = 200_000
FORMAT, UPDATES, MOST_NAMED, MARK = 2, 40, 1000, 24
TEXTS = ("id", "source", "title", "text")


def marks_of(passages: Sequence[Passage]) -> dict[str, str]:
    """Return the hash (of source, title and text) of each passage by its id, in their order."""
    hashed = functools.partial(hashlib.blake2b, digest_size=MARK // 2)
    return {p.id: hashed(f"{p.source}\0{p.title}\0{p.text}".encode()).hexdigest() for p in passages}


def hash_of(marks: Mapping[str, str]) -> str:
    """Return the SHA-256 of the ids and hashes of all passages, in their order."""
    return hashlib.sha256("\0".join((*marks, *marks.values())).encode()).hexdigest()


def kept_marks(about: Mapping[str, Any]) -> dict[str, str]:
    """Return the marks that ``about.json`` holds."""
    text = about["hashes"]
    return {name: text[MARK * k : MARK * (k + 1)] for k, name in enumerate(about["ids"])}


def words(text: str) -> list[str]:
    """Return the words that BM25 counts: in lower case, without the commonest English ones unless nothing else is there.

    On 534 questions of the demo, leaving them out lifts BM25's hit rate at 2 from 76% to 81%.
    """
    from bm25s.stopwords import STOPWORDS_EN

    found = re.findall(r"\w+(?:-\w+)*", text.casefold())
    return [word for word in found if word not in STOPWORDS_EN] or found


def _searchable(passage: Passage) -> str:
    return f"{passage.title}. {passage.text}"


def _rows(passages: Sequence[Passage], vectors: Any) -> Any:
    """Return passages and their vectors as rows of the table."""
    import pyarrow as pa

    vector = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float32()), vectors.shape[1])
    return pa.table({name: [getattr(p, name) for p in passages] for name in TEXTS} | {"vector": vector})


def _vectors(folder: Path, texts: Sequence[str], model: Any, embedding_model: str, progress: Progress | None) -> Any:
    """Return the vectors of all texts, those of an old index of the same embedding model where the text is the same."""
    import numpy as np

    known: dict[str, Any] = {}
    try:
        old = Index(folder)
        if old.about["embedding_model"] == embedding_model:
            known = {_searchable(p): v for p, v in zip(old.passages, old.vectors, strict=True)}
    except (FtkitError, OSError, ValueError):  # no old index, or one that is of no use
        known = {}
    fresh = [text for text in dict.fromkeys(texts) if text not in known]
    if fresh:
        known.update(zip(fresh, embed(model, fresh, progress), strict=True))
    return np.stack([known[text] for text in texts]).astype("float32")


def _open(folder: Path, about: Mapping[str, Any]) -> Any:
    """Return the table as it was when the index was finished: what a killed update has added since is not seen."""
    import lancedb

    table = lancedb.connect(str(folder / "lance")).open_table("passages")
    table.checkout(_tag(about))
    return table


def _tag(about: Mapping[str, Any]) -> str:
    """Return the name that the table's version with these passages has."""
    return f"passages-{about['chunks_sha256'][:32]}"


def _name_version(table: Any, about: Mapping[str, Any]) -> None:
    """Give the table's present version the name of its passages; an older one of the same passages loses it."""
    name = _tag(about)
    (table.tags.update if name in table.tags.list() else table.tags.create)(name, table.version)


def _about(folder: Path) -> dict[str, Any]:
    path = folder / "about.json"
    if not path.exists():
        raise NotReady("there is no index", where=str(folder), todo="run notebooks/04_retrieval.ipynb first")
    return json.loads(path.read_text(encoding="utf-8"))


def _changed(
    folder: Path, passages: Sequence[Passage], marks: Mapping[str, str], model: Any, about: dict[str, Any], progress: Progress | None
) -> dict[str, Any] | None:  # fmt: skip
    """Bring an index up to date in its place, at the cost of what has changed; return what is told of it, None where that cannot be done.

    The table keeps its versions, named by their passages, and ``about.json``, which says what passages count, is replaced last: killed
    before, the old index is there whole. After ``UPDATES`` versions, or where a half is new, it is better built anew.
    """
    try:
        old = _about(folder)
        table = _open(folder, old)
        same = all(old[name] == about[name] for name in ("format", "embedding_model"))
        before = kept_marks(old)
        gone = [name for name, mark in before.items() if marks.get(name) != mark]
        fresh = [p for p, (name, mark) in zip(passages, marks.items(), strict=True) if before.get(name) != mark]
        if not same or len(table.list_versions()) > UPDATES or len(gone) + len(fresh) > len(marks) / 2:
            return None
        if table.count_rows() != len(before):
            return None
    except (FtkitError, OSError, ValueError, KeyError, TypeError, RuntimeError):  # no old index, or one that is of no use
        return None
    vectors = embed(model, [_searchable(p) for p in fresh], progress) if fresh else None
    finished = table.version
    table.checkout_latest()
    if table.version != finished:
        table.restore(finished)
    for start in range(0, len(gone), MOST_NAMED):
        names = ", ".join("'" + name.replace("'", "''") + "'" for name in gone[start : start + MOST_NAMED])
        table.delete(f"id IN ({names})")
    if vectors is not None:
        table.add(_rows(fresh, vectors))
    _name_version(table, about)
    told = about | {"dimension": old["dimension"]}
    write_text(folder / "about.json", json.dumps(told, ensure_ascii=False))
    return told


def _write(folder: Path, passages: Sequence[Passage], vectors: Any, about: dict[str, Any]) -> dict[str, Any]:
    """Write a new index and return what is told of it."""
    import lancedb

    folder.mkdir(parents=True)
    table = lancedb.connect(str(folder / "lance")).create_table("passages", _rows(passages, vectors))
    _name_version(table, about)
    told = about | {"dimension": int(vectors.shape[1])}
    (folder / "about.json").write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    return told


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _swap(fresh: Path, folder: Path) -> None:
    """Put ``fresh`` in the place of ``folder``; killed in between, ``_recover`` brings the old one back."""
    _recover(folder)
    if folder.exists():
        os.rename(folder, _aside(folder))
    os.rename(fresh, folder)
    shutil.rmtree(_aside(folder), ignore_errors=True)


def _recover(folder: Path) -> None:
    old = _aside(folder)
    if old.exists() and not folder.exists():
        os.rename(old, folder)
    shutil.rmtree(old, ignore_errors=True)


class Index:
    """An index that is open for searching.

    Args:
        folder: Where it lies.
        written: What is told of it and its passages, where they were written just now; None: they are read and held against their hashes.
    """

    def __init__(self, folder: Path, written: tuple[dict[str, Any], Sequence[Passage]] | None = None) -> None:
        _recover(folder)
        self.about = written[0] if written else _about(folder)
        ids = self.about.get("ids", [])
        self._place = {name: place for place, name in enumerate(ids)}
        self._model: Any = None
        self._bm25: Any = None
        self._matrix: Any = None
        self._reranker: Any = None
        self._reranked: dict[str, list[tuple[int, float]]] = {}
        self._vectors: dict[str, Any] = {}
        unfit = BadInput("the index does not fit its passages", where=str(folder), todo="run 04_retrieval again")
        try:
            self.table = _open(folder, self.about)
            self.passages = list(written[1]) if written else self._read()
            whole = self.about["format"] == FORMAT and self.table.count_rows() == len(ids)
            if not written:
                marks = kept_marks(self.about)
                whole = whole and marks_of(self.passages) == marks and hash_of(marks) == self.about["chunks_sha256"]
        except (KeyError, ValueError, RuntimeError, OSError) as error:
            raise unfit from error
        if not whole:
            raise unfit

    def _read(self) -> list[Passage]:
        """Return the passages in their order."""
        columns = self.table.to_arrow().select(TEXTS).to_pydict()
        found = {row[0]: row for row in zip(*(columns[name] for name in TEXTS), strict=True)}
        return [Passage.model_construct(None, **dict(zip(TEXTS, found[name], strict=True))) for name in self._place]

    @staticmethod
    def build(
        folder: Path, passages: Sequence[Passage], embedding_model: str, progress: Progress | None = None, reranker: str = ""
    ) -> Index:  # fmt: skip
        """Bring an index up to date, or build it in a temporary folder and put it in place; interrupted, it leaves the old one.

        A changed article costs its own embedding and rows; where it is built anew, passages that stand in the old index word for
        word keep their vectors.

        Raises:
            BadInput: There is nothing to index, or the embedding model is not at hand.
            FtkitError: The disk is full.
        """
        if not passages:
            raise BadInput(
                "there are no passages to index", where=str(folder), todo="give retrieval.handbook a folder of articles"
            )
        marks = marks_of(passages)
        if len(marks) < len(passages):
            raise BadInput("two passages have the same id", where=str(folder), todo="give every article its own name")
        _recover(folder)
        model = load_embedder(embedding_model)
        about = {
            "format": FORMAT,
            "embedding_model": embedding_model,
            "chunks_sha256": hash_of(marks),
            "ids": list(marks),
            "hashes": "".join(marks.values()),
        }
        about |= {"reranker": reranker} if reranker else {}
        for left in folder.parent.glob(f".{folder.name}.*.tmp"):  # of builds that were killed
            shutil.rmtree(left, ignore_errors=True)
        fresh = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
        try:
            told = _changed(folder, passages, marks, model, about, progress)
            if told is None:
                vectors = _vectors(folder, [_searchable(p) for p in passages], model, embedding_model, progress)
                told = _write(fresh, passages, vectors, about)
                _swap(fresh, folder)
        except (OSError, RuntimeError) as error:
            if "No space left" in str(error):
                raise FtkitError("the disk is full", where=str(folder), todo="free some space, then run again") from error
            raise
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        index = Index(folder, (told, passages))
        index._model = model
        return index

    def copy(self, folder: Path) -> None:
        """Write these passages and nothing else into a new folder: what older versions of the table held stays behind."""
        _write(folder, self.passages, self.vectors, {k: v for k, v in self.about.items() if k != "dimension"})

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

    def check_passages(self, chunks_sha256: str) -> None:
        """Refuse an index of other passages than those that were measured.

        Raises:
            BadInput: The handbook was indexed anew without its record.
        """
        if self.about["chunks_sha256"] != chunks_sha256:
            raise BadInput("holds other passages than retrieval.json", where="retrieval/index", todo="run 04_retrieval again")

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
        Source of the fusion: Cormack, Clarke & Buettcher (2009), Reciprocal Rank Fusion.
        """
        if mode == "reranked":
            return self._rerank(texts, k, progress)
        depth = min(len(self.passages), max(k, DEPTH))
        vector = self._vector(texts, depth, progress) if mode != "bm25" else [[] for _ in texts]
        lexical = self._lexical(texts, depth) if mode != "vector" else [[] for _ in texts]
        found = []
        for a, b in zip(vector, lexical, strict=True):
            ranked = fuse([[place for place, _ in a], [place for place, _ in b]]) if mode == "hybrid" else a or b
            found.append([self.passages[place].model_copy(update={"score": round(score, 6)}) for place, score in ranked[:k]])
        return found

    def _rerank(self, texts: Sequence[str], k: int, progress: Progress | None) -> list[list[Passage]]:
        """Return the first of the hybrid search in the order of the reranker; each text is ranked once."""
        if self._reranker is None:
            from ftkit.models.rerank import Reranker

            self._reranker = Reranker(self.about["reranker"])
        place = {p.id: i for i, p in enumerate(self.passages)}
        fresh = [text for text in dict.fromkeys(texts) if text not in self._reranked]
        for done, (text, found) in enumerate(zip(fresh, self.search(fresh, max(k, DEPTH)), strict=True), 1):
            scores = self._reranker.scores(text, [_searchable(p) for p in found])
            pairs = [(place[p.id], score) for p, score in zip(found, scores, strict=True)]
            self._reranked[text] = sorted(pairs, key=lambda pair: -pair[1])
            if progress:
                progress(done, len(fresh))
        return [
            [self.passages[at].model_copy(update={"score": round(score, 6)}) for at, score in self._reranked[text][:k]]
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
                    where="retrieval/index", todo="run 04_retrieval again",
                )  # fmt: skip
            self._vectors.update(zip(fresh, vectors, strict=True))
        return np.stack([self._vectors[text] for text in texts])

    def _vector(self, texts: Sequence[str], depth: int, progress: Progress | None) -> list[list[tuple[int, float]]]:
        """Search by cosine: one matrix product while the vectors fit in 300 MB (a tenth of LanceDB's time at 100,000), else LanceDB."""
        if not texts:
            return []
        queries = self._embed(texts, progress)
        if len(self.passages) > IN_MEMORY_ROWS:
            return [self._lance(query, depth) for query in queries]
        similar = queries @ self.vectors.T
        return [_best(row, depth) for row in similar]

    @property
    def vectors(self) -> Any:
        """Unit vectors of all passages, shape ``[passages, dimension]``, in their order."""
        if self._matrix is None:
            import numpy as np

            rows = self.table.to_arrow()
            order = np.argsort([self._place[name] for name in rows.column("id").to_pylist()], kind="stable")
            flat = rows.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
            self._matrix = flat.reshape(len(order), -1)[order]
        return self._matrix

    def _lance(self, query: Any, depth: int) -> list[tuple[int, float]]:
        asked: Any = self.table.search(query)
        rows = asked.distance_type("cosine").select(["id", "_distance"]).limit(depth).to_list()
        return sorted(((self._place[row["id"]], 1 - row["_distance"]) for row in rows), key=lambda pair: (-pair[1], pair[0]))

    def _lexical(self, texts: Sequence[str], depth: int) -> list[list[tuple[int, float]]]:
        import bm25s

        if self._bm25 is None:
            self._bm25 = bm25s.BM25()
            self._bm25.index([words(_searchable(p)) for p in self.passages], show_progress=False)
        vocabulary = self._bm25.vocab_dict
        queries = [[t for t in words(text) if t in vocabulary] for text in texts]
        found: list[list[tuple[int, float]]] = []
        for query in queries:
            if not query:
                found.append([])
                continue
            places, scores = self._bm25.retrieve([query], k=depth, show_progress=False)
            pairs = zip(places[0].tolist(), scores[0].tolist(), strict=True)
            found.append(sorted(((p, s) for p, s in pairs if s > 0), key=lambda pair: (-pair[1], pair[0])))
        return found


def _best(scores: Any, depth: int) -> list[tuple[int, float]]:
    """Return the places of the highest scores, best first; ties by place."""
    import numpy as np

    near = np.arange(len(scores))
    if depth < len(scores):
        near = np.flatnonzero(scores >= np.partition(scores, -depth)[-depth])  # all that tie with the last one too
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
