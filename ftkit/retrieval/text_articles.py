"""Articles from Markdown and plain text: the first line is the title, Markdown's headings start sections."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from ftkit.core.errors import BadInput
from ftkit.retrieval.articles import Article, Part
from ftkit.retrieval.filters import front_matter

HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*\s*$")


def read_text(file: Path) -> Article:
    """Read Markdown or plain text; in Markdown, headings below the first start sections."""
    told, text = front_matter(decoded(file), str(file))
    named = next(iter(told.pop("title", [])), "")
    text = (
        text.strip() if not named or text.lstrip().startswith("# ") else f"{named}\n{text.strip()}"
    )
    first, _, rest = text.partition("\n")
    title = first.lstrip("# ").strip()
    if not title:
        raise BadInput("the article is empty", where=str(file), todo="fill or remove it")
    if not rest.strip():
        return Article(file.stem, "", [Part(title)], told)
    parts = list(_sections(rest)) if file.suffix.lower() == ".md" else [Part(rest.strip())]
    return Article(file.stem, title, parts or [Part(title)], told)


def decoded(file: Path) -> str:
    """Return a file's text.

    Raises:
        BadInput: It is not UTF-8, or empty.
    """
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput("is not UTF-8 text", where=str(file), todo="save it as UTF-8") from error
    if not text.strip():
        raise BadInput("the article is empty", where=str(file), todo="fill or remove it")
    return text


def _sections(text: str) -> Iterator[Part]:
    section, lines, fenced = "", [], False
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith("```")
        heading = None if fenced else HEADING.match(line)
        if heading is None:
            lines.append(line)
            continue
        yield from _part(lines, section)
        section, lines = heading.group(1), []
    yield from _part(lines, section)


def _part(lines: list[str], section: str) -> Iterator[Part]:
    """Yield what stands under a heading; a heading with nothing under it is kept as text."""
    text = "\n".join(lines).strip() or section
    if text:
        yield Part(text, section)
