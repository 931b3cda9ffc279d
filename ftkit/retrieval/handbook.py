"""Articles of a handbook, and their chunks: by section and paragraph, no longer than asked for."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from ftkit.core.errors import BadInput
from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.core.records.retrieval import Passage
from ftkit.demo import write_handbook
from ftkit.retrieval import filters
from ftkit.retrieval.handbook_formats import READERS, Article, Part, decoded

ENDINGS = (*READERS, ".csv", ".jsonl")


def open_handbook(p: RetrievalParameters, folder: Path) -> list[Article]:
    """Return the articles of the handbook that the parameters name; none where it is empty.

    Args:
        p: Names the handbook; ``demo`` is written to ``folder`` first.
        folder: Where the built-in handbook goes.
    """
    if not p.handbook:
        return []
    if p.handbook != "demo":
        return filters.kept(read_handbook(Path(p.handbook)), p.filters, p.handbook)
    shutil.rmtree(folder, ignore_errors=True)
    written = write_handbook(folder, edition=p.demo_edition, scenario=p.demo_scenario)
    return filters.kept(read_handbook(written), p.filters, p.handbook)


def read_handbook(folder: Path) -> list[Article]:
    """Read every article below a folder: see ``formats``; CSV and JSONL hold many, with ``id``, ``title``, ``text``.

    What is told of an article beside its text (``metadata``) stands in a file of its name with ``.yaml`` behind it, between two
    lines ``---`` at the head of Markdown and text, in ``<meta>`` of HTML, and in further columns of CSV and JSONL.

    Raises:
        BadInput: The folder is missing or holds no article, a file is unreadable or empty, or an article is there twice.
    """
    if not folder.is_dir():
        raise BadInput(
            "there is no such folder",
            where=str(folder),
            todo="check retrieval.handbook; empty means no retrieval",
        )
    files = sorted(
        p
        for p in folder.rglob("*")
        if p.suffix.lower() in ENDINGS and p.is_file() and not p.name.startswith(".")
    )
    if not files:
        raise BadInput(
            f"holds no articles ({', '.join(ENDINGS)})",
            where=str(folder),
            todo="put articles there, or set retrieval.handbook to empty",
        )
    articles = [article for file in files for article in _read(file)]
    seen: dict[str, str] = {}
    for article in articles:
        if article.source in seen:
            raise BadInput(
                f"the article '{article.source}' is there twice",
                where=str(folder),
                todo="give each article its own name or id",
            )
        seen[article.source] = article.title
    return articles


def told_in(folder: Path) -> dict[str, set[str]]:
    """Return what the articles below a folder tell of themselves, see ``filters.told_by``; PDF and DOCX by the file beside them only.

    Raises:
        BadInput: A file is unreadable.
    """
    found: list[Article] = []
    for file in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix.lower() in ENDINGS):
        beside = file.with_name(file.name + ".yaml")
        if file.suffix.lower() not in (".pdf", ".docx"):
            found += _read(file)
        elif beside.exists():
            found.append(
                Article(file.stem, "", [], filters.metadata_of(_yaml(beside), str(beside)))
            )
    return filters.told_by(found)


def _read(file: Path) -> list[Article]:
    reader = READERS.get(file.suffix.lower())
    if reader is None:
        return _rows(file, decoded(file))
    article, beside = reader(file), file.with_name(file.name + ".yaml")
    if beside.exists():
        article.metadata |= filters.metadata_of(_yaml(beside), str(beside))
    return [article]


def _yaml(file: Path) -> Any:
    try:
        return yaml.safe_load(decoded(file))
    except yaml.YAMLError as error:
        raise BadInput(
            "is no YAML", where=str(file), todo="write name: value, one a line, e.g. region: EU"
        ) from error


def _rows(file: Path, text: str) -> list[Article]:
    found = []
    try:
        rows = (
            [json.loads(line) for line in text.splitlines() if line.strip()]
            if file.suffix == ".jsonl"
            else list(csv.DictReader(text.splitlines()))
        )
    except ValueError as error:
        raise BadInput(
            f"is not JSON lines: {error}", where=str(file), todo="mend that line"
        ) from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not row.get("id") or not row.get("text"):
            raise BadInput(
                "lacks 'id' or 'text'",
                where=f"{file}, row {number}",
                todo="give every article id, title and text",
            )
        rest = {
            name: value
            for name, value in row.items()
            if name and name not in ("id", "title", "text")
        }
        told = filters.metadata_of(rest, f"{file}, row {number}")
        found.append(
            Article(str(row["id"]), str(row.get("title") or ""), [Part(str(row["text"]))], told)
        )
    return found


def chunks(articles: list[Article], chunk_words: int) -> list[Passage]:
    """Cut articles into chunks of at most ``chunk_words`` words, at sections and pages, then paragraphs, then sentences.

    A chunk's title names its section and page, so that search finds it by them and a reader can look it up.
    """
    found = []
    for article in articles:
        pieces = [
            (part, text) for part in article.parts for text in _pieces(part.text, chunk_words)
        ]
        for number, (part, text) in enumerate(pieces):
            title = " – ".join(name for name in (article.title, part.section) if name)
            title += f" (page {part.page})" if part.page else ""
            found.append(
                Passage(
                    id=f"{article.source}#{number}",
                    source=article.source,
                    title=title,
                    text=text,
                    metadata=article.metadata,
                )
            )
    return found


def _pieces(text: str, limit: int) -> list[str]:
    """Join sentences up to the limit; a longer sentence is cut at words."""
    pieces: list[str] = []
    current: list[str] = []
    for sentence in _sentences(text, limit):
        words = sentence.split()
        if current and len(current) + len(words) > limit:
            pieces.append(" ".join(current))
            current = []
        current += words
    return [*pieces, " ".join(current)] if current else pieces


def _sentences(text: str, limit: int) -> list[str]:
    found = []
    for sentence in re.split(r"(?<=[.!?])\s+|\n{2,}", text):
        words = sentence.split()
        found += [" ".join(words[i : i + limit]) for i in range(0, len(words), limit)]
    return found
