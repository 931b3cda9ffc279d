"""Where an index lies: a LanceDB table of passages with their vectors, and ``about.json``, which says what passages count.

An index is brought up to date in its place, at the cost of what has changed, or built in a temporary folder and put in place. Killed at any
point, the old one is there whole. The table may lie in object storage instead (``about["at"]``), under a name of its own each time that it is
built; ``about.json`` stays in the folder and decides what counts.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput, FtkitError, NotReady
from ftkit.core.records.retrieval import Passage
from ftkit.core.run_folder import write_text
from ftkit.models.embeddings import embed
from ftkit.models.weights import first_line

Progress = Callable[[int, int], None]
FORMAT, UPDATES, MOST_NAMED, MARK = 3, 40, 1000, 24
TEXTS = ("id", "source", "title", "text", "metadata")


def marks_of(passages: Sequence[Passage]) -> dict[str, str]:
    """Return the hash (of source, title, text and metadata) of each passage by its id, in their order."""
    hashed = functools.partial(hashlib.blake2b, digest_size=MARK // 2)
    return {
        p.id: hashed("\0".join((p.source, p.title, p.text, told_of(p))).encode()).hexdigest()
        for p in passages
    }


def told_of(passage: Passage) -> str:
    """Return a passage's metadata as it stands in the table: JSON, or empty."""
    return (
        json.dumps(passage.metadata, ensure_ascii=False, sort_keys=True) if passage.metadata else ""
    )


def hash_of(marks: Mapping[str, str]) -> str:
    """Return the SHA-256 of the ids and hashes of all passages, in their order."""
    return hashlib.sha256("\0".join((*marks, *marks.values())).encode()).hexdigest()


def kept_marks(about: Mapping[str, Any]) -> dict[str, str]:
    """Return the marks that ``about.json`` holds."""
    text = about["hashes"]
    return {name: text[MARK * k : MARK * (k + 1)] for k, name in enumerate(about["ids"])}


def searchable(passage: Passage) -> str:
    """Return the text of a passage that is embedded and searched by words."""
    return f"{passage.title}. {passage.text}"


def _rows(passages: Sequence[Passage], vectors: Any) -> Any:
    """Return passages and their vectors as rows of the table."""
    import pyarrow as pa

    vector = pa.FixedSizeListArray.from_arrays(
        pa.array(vectors.ravel(), pa.float32()), vectors.shape[1]
    )
    texts = {name: [getattr(p, name) for p in passages] for name in TEXTS[:-1]}
    return pa.table(texts | {"metadata": [told_of(p) for p in passages], "vector": vector})


def quoted(text: str) -> str:
    """Return a text as it is written in the table's conditions."""
    return "'" + text.replace("'", "''") + "'"


def open_table(folder: Path, about: Mapping[str, Any]) -> Any:
    """Return the table as it was when the index was finished: what a killed update has added since is not seen."""
    table = _connect(folder, about).open_table("passages")
    table.checkout(_tag(about))
    return table


def _connect(folder: Path, about: Mapping[str, Any]) -> Any:
    """Return the database that holds the table: in the folder, or where the index says that it lies.

    Raises:
        BadInput: The object storage cannot be reached.
    """
    import lancedb

    at = about.get("at")
    if not at:
        return lancedb.connect(str(folder / "lance"))
    try:
        found = lancedb.connect(at)
        found.list_tables()
    except (OSError, RuntimeError, ValueError) as error:
        raise BadInput(
            f"the object storage does not answer: {first_line(error)}",
            where=at,
            todo="check retrieval.store, and the credentials in the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT and so on)",
        ) from error
    return found


def _tag(about: Mapping[str, Any]) -> str:
    """Return the name that the table's version with these passages has."""
    return f"passages-{about['chunks_sha256'][:32]}"


def _name_version(table: Any, about: Mapping[str, Any]) -> None:
    """Give the table's present version the name of its passages; an older one of the same passages loses it."""
    name = _tag(about)
    (table.tags.update if name in table.tags.list() else table.tags.create)(name, table.version)


def read_about(folder: Path) -> dict[str, Any]:
    """Return what is told of an index.

    Raises:
        NotReady: There is none.
    """
    path = folder / "about.json"
    if not path.exists():
        raise NotReady(
            "there is no index", where=str(folder), todo="run notebooks/04_retrieval.ipynb first"
        )
    return json.loads(path.read_text(encoding="utf-8"))


def _update(
    folder: Path,
    passages: Sequence[Passage],
    marks: Mapping[str, str],
    model: Any,
    about: dict[str, Any],
    progress: Progress | None,
) -> dict[str, Any] | None:
    """Bring an index up to date in its place, at the cost of what has changed; return what is told of it, None where that cannot be done.

    The table keeps its versions, named by their passages, and ``about.json``, which says what passages count, is replaced last: killed
    before, the old index is there whole. After ``UPDATES`` versions, or where a half is new, it is better built anew.
    """
    try:
        old = read_about(folder)
        table = open_table(folder, old)
        same = all(old[name] == about[name] for name in ("format", "embedding_model"))
        same = (
            same and old.get("at", "").rpartition("/")[0] == about.get("at", "").rpartition("/")[0]
        )
        before = kept_marks(old)
        gone = [name for name, mark in before.items() if marks.get(name) != mark]
        fresh = [
            p
            for p, (name, mark) in zip(passages, marks.items(), strict=True)
            if before.get(name) != mark
        ]
        if (
            not same
            or len(table.list_versions()) > UPDATES
            or len(gone) + len(fresh) > len(marks) / 2
        ):
            return None
        if table.count_rows() != len(before):
            return None
    except (
        FtkitError,
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RuntimeError,
    ):  # no old index, or one that is of no use
        return None
    vectors = embed(model, [searchable(p) for p in fresh], progress) if fresh else None
    finished = table.version
    table.checkout_latest()
    if table.version != finished:
        table.restore(finished)
    for start in range(0, len(gone), MOST_NAMED):
        names = ", ".join(map(quoted, gone[start : start + MOST_NAMED]))
        table.delete(f"id IN ({names})")
    if vectors is not None:
        table.add(_rows(fresh, vectors))
    _name_version(table, about)
    told = about | {"dimension": old["dimension"]} | ({"at": old["at"]} if "at" in old else {})
    write_text(folder / "about.json", json.dumps(told, ensure_ascii=False))
    return told


def read_passages(table: Any, ids: Iterable[str]) -> list[Passage]:
    """Return the passages of a table in the order of their ids."""
    columns = table.to_arrow().select(TEXTS).to_pydict()
    columns["metadata"] = [json.loads(told) if told else {} for told in columns["metadata"]]
    found = {row[0]: row for row in zip(*(columns[name] for name in TEXTS), strict=True)}
    return [
        Passage.model_construct(None, **dict(zip(TEXTS, found[name], strict=True))) for name in ids
    ]


def read_vectors(table: Any, ids: Iterable[str]) -> Any:
    """Return the unit vectors of a table in the order of their passages' ids, shape ``[passages, dimension]``."""
    import numpy as np

    rows, place = table.to_arrow(), {name: number for number, name in enumerate(ids)}
    order = np.argsort([place[name] for name in rows.column("id").to_pylist()], kind="stable")
    flat = rows.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(order), -1)[order]


def read(folder: Path) -> tuple[dict[str, Any], Any, list[Passage]]:
    """Return what is told of an index, its table and its passages, which are held against their hashes.

    Raises:
        NotReady: There is no index.
        BadInput: It does not fit its passages.
    """
    recover(folder)
    about = read_about(folder)
    if "at" in about:
        _connect(folder, about)
    try:
        table, marks = open_table(folder, about), kept_marks(about)
        passages = read_passages(table, marks)
        whole = about["format"] == FORMAT and table.count_rows() == len(marks)
        whole = whole and marks_of(passages) == marks and hash_of(marks) == about["chunks_sha256"]
    except (KeyError, ValueError, RuntimeError, OSError):
        whole, table, passages = False, None, []
    if not whole:
        raise BadInput(
            "the index does not fit its passages", where=str(folder), todo="run 04_retrieval again"
        )
    return about, table, passages


def build(
    folder: Path,
    passages: Sequence[Passage],
    model: Any,
    embedding_model: str,
    progress: Progress | None = None,
    reranker: str = "",
    filters: Sequence[str] = (),
    address: str = "",
) -> dict[str, Any]:
    """Bring an index up to date, or build it anew; return what is told of it.

    A changed article costs its own embedding and rows; where it is built anew, passages that stand in the old index word for word
    keep their vectors. ``address`` names object storage for the table (``s3://bucket/folder``); empty: the folder holds it.

    Raises:
        BadInput: Two passages have the same id, or the object storage cannot be reached.
        FtkitError: The disk is full.
    """
    marks = marks_of(passages)
    if len(marks) < len(passages):
        raise BadInput(
            "two passages have the same id",
            where=str(folder),
            todo="give every article its own name",
        )
    recover(folder)
    about: dict[str, Any] = {
        "format": FORMAT,
        "embedding_model": embedding_model,
        "chunks_sha256": hash_of(marks),
    }
    about |= {"ids": list(marks), "hashes": "".join(marks.values())} | (
        {"reranker": reranker} if reranker else {}
    )
    about |= {"filters": list(filters)} if filters else {}
    about |= {"at": f"{address.rstrip('/')}/{uuid.uuid4().hex[:16]}"} if address else {}
    for left in folder.parent.glob(f".{folder.name}.*.tmp"):  # of builds that were killed
        shutil.rmtree(left, ignore_errors=True)
    fresh = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        told = _update(folder, passages, marks, model, about, progress)
        if told is None:
            vectors, before = (
                _vectors(folder, passages, model, embedding_model, progress),
                _address(folder),
            )
            told = write(fresh, passages, vectors, about)
            _swap(fresh, folder)
            _forget(before)
        return told
    except (OSError, RuntimeError) as error:
        if "No space left" in str(error):
            raise FtkitError(
                "the disk is full", where=str(folder), todo="free some space, then run again"
            ) from error
        raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _vectors(
    folder: Path,
    passages: Sequence[Passage],
    model: Any,
    embedding_model: str,
    progress: Progress | None,
) -> Any:
    """Return the vectors of all passages, those of an old index of the same embedding model where the text is the same."""
    import numpy as np

    known: dict[str, Any] = {}
    try:
        about, table, old = read(folder)
        if about["embedding_model"] == embedding_model:
            known = {
                searchable(p): v
                for p, v in zip(old, read_vectors(table, about["ids"]), strict=True)
            }
    except (FtkitError, OSError, ValueError):  # no old index, or one that is of no use
        known = {}
    texts = [searchable(p) for p in passages]
    fresh = [text for text in dict.fromkeys(texts) if text not in known]
    if fresh:
        known.update(zip(fresh, embed(model, fresh, progress), strict=True))
    return np.stack([known[text] for text in texts]).astype("float32")


def write(
    folder: Path, passages: Sequence[Passage], vectors: Any, about: dict[str, Any]
) -> dict[str, Any]:
    """Write a new index and return what is told of it."""
    folder.mkdir(parents=True)
    table = _connect(folder, about).create_table("passages", _rows(passages, vectors))
    _name_version(table, about)
    told = about | {"dimension": int(vectors.shape[1])}
    (folder / "about.json").write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    return told


def _address(folder: Path) -> str:
    """Return where in object storage the table of a folder's index lies; empty: nowhere, or there is no index."""
    try:
        return read_about(folder).get("at", "")
    except (NotReady, ValueError):
        return ""


def _forget(address: str) -> None:
    """Remove a table that no index counts on any longer; where that fails it stays, unused."""
    if address:
        with contextlib.suppress(BadInput, OSError, RuntimeError, ValueError):
            _connect(Path(), {"at": address}).drop_table("passages")


def _aside(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")


def _swap(fresh: Path, folder: Path) -> None:
    """Put ``fresh`` in the place of ``folder``; killed in between, ``recover`` brings the old one back."""
    recover(folder)
    if folder.exists():
        os.rename(folder, _aside(folder))
    os.rename(fresh, folder)
    shutil.rmtree(_aside(folder), ignore_errors=True)


def recover(folder: Path) -> None:
    """Bring the old index back where a kill came between the two renames of a new one."""
    old = _aside(folder)
    if old.exists() and not folder.exists():
        os.rename(old, folder)
    shutil.rmtree(old, ignore_errors=True)
