"""A handbook: the articles of a folder, and what of it was not read."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import yaml

from ftkit.core.errors import BadInput
from ftkit.core.foreign_files import (
    SETTINGS_SIZE,
    TEXT_SIZE,
    check_size,
    in_child,
    inside,
    reading,
    unreadable,
)
from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.data.delimited import separator_of
from ftkit.demo import write_handbook
from ftkit.retrieval import filters
from ftkit.retrieval.articles import Article, Handbook, Part, Remark
from ftkit.retrieval.html_articles import read_html
from ftkit.retrieval.office_articles import read_docx, read_pptx, read_xlsx
from ftkit.retrieval.pdf_articles import read_pdf
from ftkit.retrieval.text_articles import decoded, read_text

TEXTS = (".md", ".txt")
PARSED: dict[str, Callable[[Path], Article]] = {
    ".html": read_html,
    ".htm": read_html,
    ".docx": read_docx,
    ".pdf": read_pdf,
    ".pptx": read_pptx,
    ".xlsx": read_xlsx,
}
"""Readers that take a file apart; they run in a process of their own."""
TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")
ENDINGS = (*TEXTS, *PARSED, *TABLES)
CONVERTED = {".doc": "DOCX", ".rtf": "DOCX", ".odt": "DOCX", ".ppt": "PPTX", ".xls": "XLSX"}
"""What other endings should be saved as; the rest as PDF."""


def open_handbook(p: RetrievalParameters, folder: Path) -> Handbook:
    """Return the handbook that the parameters name; none of its articles where it is empty.

    Args:
        p: Names the handbook; ``demo`` is written to ``folder`` first.
        folder: Where the built-in handbook goes.
    """
    if not p.handbook:
        return Handbook()
    place = Path(p.handbook)
    if p.handbook == "demo":
        shutil.rmtree(folder, ignore_errors=True)
        place = write_handbook(folder, edition=p.demo_edition, scenario=p.demo_scenario)
    handbook = look_through(place)
    return Handbook(filters.kept(handbook.articles, p.filters, p.handbook), handbook.remarks)


def read_handbook(folder: Path) -> list[Article]:
    """Return the articles below a folder; see ``look_through``."""
    return look_through(folder).articles


def look_through(folder: Path) -> Handbook:
    """Read every article below a folder, and tell what was not read.

    CSV and JSONL hold many articles, with ``id``, ``title``, ``text``. What is told of an article beside its text (``metadata``)
    stands in a file of its name with ``.yaml`` behind it, between two lines ``---`` at the head of Markdown and text, in
    ``<meta>`` of HTML, and in further columns of CSV and JSONL. Links that lead out of the folder are not followed.

    Raises:
        BadInput: The folder is missing or holds no article, a file is unreadable or empty, or an article is there twice.
    """
    if not folder.is_dir():
        raise BadInput(
            "there is no such folder",
            where=str(folder),
            todo="check retrieval.handbook; empty means no retrieval",
        )
    handbook, places = Handbook(), {}
    for file in _files(folder, handbook.remarks):
        name = file.relative_to(folder).as_posix()
        for article in _read(file):
            if article.source in places:
                raise BadInput(
                    f"the article '{article.source}' is there twice: in {places[article.source]} and {name}",
                    where=str(folder),
                    todo="give each article its own name or id: rename one of the files, or leave it out",
                )
            places[article.source] = name
            handbook.articles.append(article)
            handbook.remarks += [Remark(name, text) for text in article.remarks]
            if article.words < 0.9 * article.visible_words:
                handbook.remarks.append(
                    Remark(
                        name,
                        f"{article.words:,} of {article.visible_words:,} visible words were read; the others"
                        " stand in menus, heads and feet, or outside of <main>",
                    )
                )
    if not handbook.articles:
        raise BadInput(
            f"holds no articles ({', '.join(ENDINGS)})",
            where=str(folder),
            todo="put articles there, or set retrieval.handbook to empty",
        )
    return handbook


def _files(folder: Path, remarks: list[Remark]) -> Iterator[Path]:
    """Yield the files to read, in order; what is not read is remarked."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_symlink() and not (inside(path, folder) and path.exists()):
            remarks.append(
                Remark(
                    name.as_posix(),
                    "is a link that leads out of the folder, or nowhere: put a copy there",
                )
            )
        elif not path.is_file() or not inside(path, folder):
            continue
        elif any(part.startswith((".", "~$", "__MACOSX")) for part in name.parts):
            if not path.name.startswith("._") and path.name not in (".DS_Store", ".gitkeep"):
                remarks.append(
                    Remark(name.as_posix(), "is hidden: rename it if it belongs to the handbook")
                )
        elif path.suffix.lower() in ENDINGS:
            yield path
        elif path.suffix.lower() == ".yaml" and path.with_suffix("").is_file():
            continue  # metadata of the file beside it
        else:
            kind = CONVERTED.get(path.suffix.lower(), "PDF, Markdown or text")
            remarks.append(
                Remark(
                    name.as_posix(), f"'{path.suffix or path.name}' is not read: save it as {kind}"
                )
            )


def _beside(file: Path) -> Path:
    return file.with_name(file.name + ".yaml")


def _read(file: Path) -> list[Article]:
    check_size(file, TEXT_SIZE)
    ending = file.suffix.lower()
    if ending in TABLES:
        return _rows(file)
    if ending in TEXTS:
        with reading(file, "text"):
            article = read_text(file)
    else:
        kind = "HTML" if ending.startswith(".htm") else ending[1:].upper()
        article = in_child(PARSED[ending], file, kind=kind)
    if _beside(file).exists() and inside(_beside(file), file.parent):
        article.metadata |= _metadata(_beside(file))
    return [article]


def _metadata(file: Path) -> filters.Metadata:
    check_size(file, SETTINGS_SIZE)
    with reading(file, "YAML"):
        try:
            values = yaml.safe_load(decoded(file))
        except yaml.YAMLError as error:
            raise BadInput(
                "is no YAML", where=str(file), todo="write name: value, one a line, e.g. region: EU"
            ) from error
        return filters.metadata_of(values, str(file))


def _rows(file: Path) -> list[Article]:
    """Return the articles of a table: a CSV or TSV file with a header, or JSON lines."""
    articles = []
    with reading(file, file.suffix[1:].upper()):
        for number, row in _table(file, decoded(file)):
            where = f"{file}, row {number}"
            source, text = (_cell(row.get(name)) for name in ("id", "text"))
            if not source or not text:
                raise BadInput(
                    "lacks 'id' or 'text'",
                    where=where,
                    todo="give every article id, title and text",
                )
            rest = {
                name: value
                for name, value in row.items()
                if name and name not in ("id", "title", "text")
            }
            told = filters.metadata_of(rest, where)
            articles.append(Article(source, _cell(row.get("title")), [Part(text)], told))
    if not articles:
        raise BadInput("holds no rows", where=str(file), todo="fill or remove it")
    return articles


def _cell(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _table(file: Path, text: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield number (header = 1) and cells of the rows."""
    if file.suffix.lower() in (".jsonl", ".ndjson"):
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise unreadable(f"{file}, row {number}", "JSON lines", error) from error
                yield number, row if isinstance(row, dict) else {}
        return
    import csv

    csv.field_size_limit(TEXT_SIZE.value << 20)
    separator = "\t" if file.suffix.lower() == ".tsv" else separator_of(text)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    reader.fieldnames = [str(name).strip() for name in reader.fieldnames or []]
    try:
        for row in reader:
            yield (
                reader.line_num,
                {name: cell for name, cell in row.items() if isinstance(name, str)},
            )
    except csv.Error as error:
        raise unreadable(f"{file}, line {reader.line_num}", "CSV", error) from error
