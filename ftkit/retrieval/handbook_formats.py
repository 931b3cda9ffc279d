"""Articles from Markdown, text, HTML, PDF and DOCX: title, and parts that know their section and page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from ftkit.core.errors import BadInput
from ftkit.models.weights import first_line
from ftkit.retrieval.filters import front_matter, metadata_of

HEADING = re.compile(r"^#{2,4}\s+(.*?)\s*#*\s*$")
DROPPED = [
    "script",
    "style",
    "nav",
    "header",
    "footer",
    "aside",
    "form",
    "noscript",
    "template",
    "svg",
]
BLOCKS = [
    "h1",
    "h2",
    "h3",
    "h4",
    "p",
    "li",
    "dt",
    "dd",
    "pre",
    "blockquote",
    "table",
    "figcaption",
    "div",
    "section",
]


@dataclass
class Part:
    """A stretch of an article.

    Attributes:
        text: Its paragraphs, separated by blank lines; a row of a table is a sentence of its own.
        section: The heading that it stands under, or empty.
        page: Its page, or 0 where the format has none.
    """

    text: str
    section: str = ""
    page: int = 0


@dataclass
class Article:
    """One article.

    Attributes:
        source: Its id, as it is cited: the file's stem, or the column ``id``.
        title: First heading, document title or first line.
        parts: Its text in order.
        metadata: What is told of it beside its text, values by name in lower case.
    """

    source: str
    title: str
    parts: list[Part]
    metadata: dict[str, list[str]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """All of its text."""
        return "\n\n".join(part.text for part in self.parts)


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
    for line in [*text.splitlines(), "## "]:
        fenced ^= line.lstrip().startswith("```")
        found = None if fenced else HEADING.match(line) or re.match(r"^## $", line)
        if found is None:
            lines.append(line)
            continue
        if "\n".join(lines).strip():
            yield Part("\n".join(lines).strip(), section)
        section, lines = (found.group(1) if found.lastindex else ""), []


def read_html(file: Path) -> Article:
    """Read an HTML page: its main text without menus, headings as sections, tables row by row."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(file.read_bytes(), "html.parser")
    told = metadata_of(
        {
            tag["name"]: tag["content"]
            for tag in soup("meta", attrs={"name": True, "content": True})
        },
        str(file),
    )
    for tag in soup(DROPPED):
        tag.decompose()
    for tag in soup("br"):
        tag.replace_with("\n")
    title = _plain(soup.title) if soup.title else ""
    root = soup.find("main") or soup.find("article") or soup.body or soup
    if not root.find(BLOCKS):
        return _assembled(
            file, title, iter([("text", text)] if (text := _plain(root)) else []), told
        )
    return _assembled(file, title, _html_blocks(root), told)


def _html_blocks(root: Any) -> Iterator[tuple[str, str]]:
    """Yield kind (heading or text) and text of every block that holds no other block, tables row by row."""
    for tag in root.find_all(BLOCKS):
        if tag.find_parent("table") is not None:
            continue
        if tag.name == "table":
            rows = [
                [_plain(cell) for cell in row.find_all(["td", "th"])] for row in tag.find_all("tr")
            ]
            yield from (("text", sentence) for sentence in sentences_of(rows))
        elif (
            tag.find(BLOCKS) is not None
        ):  # it holds other blocks: only what stands between them is its own
            if own := " ".join(
                "".join(part for part in tag.find_all(string=True, recursive=False)).split()
            ):
                yield "text", own
        elif text := _plain(tag):
            yield (
                ("heading" if tag.name in ("h1", "h2", "h3", "h4") else "text"),
                ("- " if tag.name == "li" else "") + text,
            )


def sentences_of(rows: list[list[str]]) -> list[str]:
    """Return a table's rows as sentences that stand alone: each cell with the name of its column, if the first row names them."""
    rows = [row for row in rows if any(row)]
    head = (
        rows[0] if len(rows) > 1 and all(rows[0]) and len(set(rows[0])) == len(rows[0]) > 1 else []
    )
    if not head:
        return [" | ".join(cell for cell in row if cell) + "." for row in rows]
    told = [
        [f"{name}: {cell}" for name, cell in zip(head, row, strict=False) if cell]
        for row in rows[1:]
    ]
    return ["; ".join(cells) + "." for cells in told if cells]


def _plain(tag: Any) -> str:
    return " ".join(tag.get_text().split())


def read_docx(file: Path) -> Article:
    """Read a Word document: styles Title and Heading give title and sections, tables row by row."""
    from docx import Document
    from docx.opc.exceptions import PackageNotFoundError
    from docx.table import Table

    def blocks(document: Any) -> Iterator[tuple[str, str]]:
        for block in document.iter_inner_content():
            if isinstance(block, Table):
                rows = [[" ".join(cell.text.split()) for cell in row.cells] for row in block.rows]
                yield from (("text", sentence) for sentence in sentences_of(rows))
                continue
            text, style = " ".join(block.text.split()), str(getattr(block.style, "name", ""))
            if text:
                yield (
                    ("heading" if style.startswith(("Title", "Heading")) else "text"),
                    ("- " if style.startswith("List") else "") + text,
                )

    try:
        document = Document(str(file))
        return _assembled(file, str(document.core_properties.title or ""), blocks(document))
    except (PackageNotFoundError, BadZipFile, KeyError, ValueError) as error:
        raise BadInput(
            f"cannot be read as DOCX: {first_line(error)}",
            where=str(file),
            todo="open it and save it again as DOCX",
        ) from error


def _assembled(
    file: Path,
    title: str,
    blocks: Iterator[tuple[str, str]],
    metadata: dict[str, list[str]] | None = None,
) -> Article:
    """Return an article from its blocks: the first heading is its title, further ones start sections."""
    parts: list[Part] = []
    section, found, new = "", "", True
    for kind, text in blocks:
        if kind == "heading" and not found:
            found = text
        elif kind == "heading":
            section, new = text, True
        elif new:
            parts.append(Part(text, section))
            new = False
        else:
            parts[-1].text += "\n\n" + text
    if not parts:
        raise BadInput("holds no text", where=str(file), todo="fill or remove it")
    return Article(file.stem, found or title, parts, metadata or {})


def read_pdf(file: Path) -> Article:
    """Read a PDF's text page by page; lines that the page's width broke are joined again."""
    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    try:
        reader = PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise BadInput(
                "is protected by a password", where=str(file), todo="save it without one"
            )
        parts = [
            Part(text, page=n)
            for n, page in enumerate(reader.pages, 1)
            if (text := _joined(page.extract_text() or ""))
        ]
        title = str((reader.metadata.title if reader.metadata else "") or "")
    except (PyPdfError, ValueError, KeyError, OSError) as error:
        raise BadInput(
            f"cannot be read as PDF: {first_line(error)}",
            where=str(file),
            todo="open it and save it again as PDF",
        ) from error
    if not parts:
        raise BadInput(
            "holds no text, only pictures",
            where=str(file),
            todo="run text recognition (OCR) on it first",
        )
    return Article(file.stem, title.strip() or parts[0].text.split("\n")[0][:100], parts)


def _joined(text: str) -> str:
    text = re.sub(r"(\w)-\n(?=[a-zäöüß])", r"\1", text)
    lines = [" ".join(line.split()) for line in text.splitlines()]
    return "\n\n".join(
        " ".join(block.split("\n"))
        for block in "\n".join(lines).strip().split("\n\n")
        if block.strip()
    )


READERS: dict[str, Callable[[Path], Article]] = {
    ".md": read_text,
    ".txt": read_text,
    ".html": read_html,
    ".htm": read_html,
    ".docx": read_docx,
    ".pdf": read_pdf,
}
