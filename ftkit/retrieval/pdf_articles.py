"""Articles from PDF: the text page by page; pages without text are told."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.retrieval.articles import Article, Part

FEWEST_LETTERS = 20
"""A page with a picture and fewer letters than this is a scanned one: a page number was set upon it."""


def read_pdf(file: Path) -> Article:
    """Read a PDF's text page by page; lines that the page's width broke are joined again.

    Raises:
        BadInput: It is protected by a password, or holds no text.
    """
    from pypdf import PdfReader

    reader = PdfReader(file)
    if reader.is_encrypted and not reader.decrypt(""):
        raise BadInput("is protected by a password", where=str(file), todo="save it without one")
    parts: list[Part] = []
    scanned: list[int] = []
    pages = 0
    for number, page in enumerate(reader.pages, 1):
        pages = number
        text = joined(page.extract_text() or "")
        if text:
            parts.append(Part(text, page=number))
        if not text or (len(text) < FEWEST_LETTERS and _has_picture(page)):
            scanned.append(number)
    title = str((reader.metadata.title if reader.metadata else "") or "")
    if not parts:
        raise BadInput(
            "holds no text, only pictures",
            where=str(file),
            todo="run text recognition (OCR) on it first",
        )
    article = Article(file.stem, title.strip() or parts[0].text.split("\n")[0][:100], parts)
    if scanned:
        article.remarks.append(
            f"{_counted(scanned)} of {pages} without text were not read: run text recognition (OCR) on the file"
        )
    return article


def _counted(pages: list[int]) -> str:
    """Return page numbers as a person writes them: pages 2-4, 7."""
    runs: list[list[int]] = []
    for page in pages:
        if runs and page == runs[-1][-1] + 1:
            runs[-1][1:] = [page]
        else:
            runs.append([page])
    named = ", ".join("-".join(map(str, run)) for run in runs)
    return f"page {named}" if len(pages) == 1 else f"pages {named}"


def _has_picture(page: Any) -> bool:
    resources = page.get("/Resources")
    objects = resources.get_object().get("/XObject") if resources else None
    return bool(objects and objects.get_object())


def joined(text: str) -> str:
    """Return a page's text with words and lines joined that its width broke."""
    text = re.sub(r"(\w)-\n(?=[a-zäöüß])", r"\1", text)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return "\n\n".join(
        " ".join(block.split("\n"))
        for block in "\n".join(lines).strip().split("\n\n")
        if block.strip()
    )
