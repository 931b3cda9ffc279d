"""What a handbook is made of: articles in parts, and remarks on what of its files was not read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ftkit.core.errors import BadInput


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
        visible_words: Words that a reader of the file sees; 0: the format was not compared.
        remarks: What of it was not read, in sentences with what to do.
    """

    source: str
    title: str
    parts: list[Part]
    metadata: dict[str, list[str]] = field(default_factory=dict)
    visible_words: int = 0
    remarks: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """All of its text."""
        return "\n\n".join(part.text for part in self.parts)

    @property
    def words(self) -> int:
        """Words that were kept, title and headings included."""
        sections = dict.fromkeys(part.section for part in self.parts)
        return sum(len(text.split()) for text in (self.title, *sections, self.text))


@dataclass(frozen=True)
class Remark:
    """Something of a handbook's folder that was not read.

    Attributes:
        file: Path within the folder.
        text: What was not read and what to do, in a sentence.
    """

    file: str
    text: str


@dataclass
class Handbook:
    """The articles of a folder.

    Attributes:
        articles: In the order of their files.
        remarks: What was not read.
    """

    articles: list[Article] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)


def sentences_of(rows: list[list[str]]) -> list[str]:
    """Return a table's rows as sentences that stand alone: each cell with the name of its column, if the first row names them."""
    rows = [row for row in rows if any(row)]
    head = (
        rows[0] if len(rows) > 1 and all(rows[0]) and len(set(rows[0])) == len(rows[0]) > 1 else []
    )
    if not head:
        return [" | ".join(cell for cell in row if cell) + "." for row in rows]
    named = [
        [f"{name}: {cell}" for name, cell in zip(head, row, strict=False) if cell]
        + [cell for cell in row[len(head) :] if cell]
        for row in rows[1:]
    ]
    return ["; ".join(cells) + "." for cells in named if cells]


def assembled(
    file: Path,
    title: str,
    blocks: Iterator[tuple[str, str]],
    metadata: dict[str, list[str]] | None = None,
) -> Article:
    """Return an article from its blocks (kind and text): the first heading is its title, further ones start sections.

    A heading that nothing stands under is kept as text: it may be all that a page says of it.

    Raises:
        BadInput: There is no text.
    """
    parts: list[Part] = []
    section, first, empty = "", "", False
    texts: list[str] = []

    def close() -> None:
        if texts or (empty and section):
            parts.append(Part("\n\n".join(texts) or section, section))
            texts.clear()

    for kind, text in blocks:
        if kind == "heading" and not first and not parts and not texts:
            first = text
        elif kind == "heading":
            close()
            section, empty = text, True
        else:
            texts.append(text)
            empty = False
    close()
    if not parts and first:
        parts = [Part(first)]
    if not parts:
        raise BadInput("holds no text", where=str(file), todo="fill or remove it")
    return Article(file.stem, first or title, parts, metadata or {})
