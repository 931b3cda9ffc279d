"""Articles from DOCX, PPTX and XLSX: read from their XML, so that wrapped and inserted text is not lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZipFile

from ftkit.core.errors import BadInput
from ftkit.core.foreign_files import check_archive
from ftkit.retrieval.articles import Article, assembled, sentences_of

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
SKIPPED = {
    f"{W}del",
    f"{W}moveFrom",
    f"{W}instrText",
    f"{W}pPr",
    f"{W}rPr",
    f"{W}sdtPr",
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",
}
"""Deleted text, the text of fields' instructions, formats, and the second copy of a text box."""
MOST_CELLS = 200_000


def _xml(parts: ZipFile, name: str) -> Any:
    import lxml.etree as etree

    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, huge_tree=False, load_dtd=False
    )
    return etree.fromstring(parts.read(name), parser)


def read_docx(file: Path) -> Article:
    """Read a Word document: styles Title and Heading give title and sections, tables row by row."""
    check_archive(file, "DOCX")
    with ZipFile(file) as parts:
        names = set(parts.namelist())
        document = _xml(parts, "word/document.xml")
        styles = _styles(_xml(parts, "word/styles.xml")) if "word/styles.xml" in names else {}
        title = _title(parts) if "docProps/core.xml" in names else ""
        blocks = list(_blocks(document, styles))
        for name in ("word/footnotes.xml", "word/endnotes.xml"):
            if name in names:
                blocks += list(_blocks(_xml(parts, name), styles))
        pictures = sum(name.startswith("word/media/") for name in names)
    if not blocks and pictures:
        raise BadInput(
            "holds no text, only pictures",
            where=str(file),
            todo="run text recognition (OCR) on it first",
        )
    article = assembled(file, title, iter(blocks))
    article.visible_words = sum(len(_text(p).split()) for p in document.iter(f"{W}p"))
    if pictures:
        article.remarks.append(
            f"{pictures} pictures were not read; if they hold text, write it below them"
        )
    return article


def _styles(root: Any) -> dict[str, str]:
    return {
        style.get(f"{W}styleId", ""): name.get(f"{W}val", "")
        for style in root.iter(f"{W}style")
        if (name := style.find(f"{W}name")) is not None
    }


def _title(parts: ZipFile) -> str:
    found = _xml(parts, "docProps/core.xml").find("{http://purl.org/dc/elements/1.1/}title")
    return (found.text or "").strip() if found is not None else ""


def _blocks(root: Any, styles: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield kind and text of the paragraphs and rows of tables, in order, content controls and insertions among them."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node.tag == f"{W}tbl":
            yield from (("text", sentence) for sentence in sentences_of(_rows(node)))
        elif node.tag == f"{W}p":
            text = " ".join(_text(node).split())
            style = node.find(f"{W}pPr/{W}pStyle")
            name = styles.get(style.get(f"{W}val", ""), "") if style is not None else ""
            listed = name.lower().startswith("list") or node.find(f"{W}pPr/{W}numPr") is not None
            if text:
                heading = name.lower().startswith(("title", "heading"))
                yield (
                    "heading" if heading else "text",
                    ("- " if listed and not heading else "") + text,
                )
        elif node.tag not in SKIPPED:
            stack += reversed(node)


def _rows(table: Any) -> list[list[str]]:
    """Return the cells of a table, each where it stands: one merged over rows holds for each of these, one merged over columns once."""
    rows: list[list[str]] = []
    above: dict[int, str] = {}
    cells = 0
    for row in _within(table, f"{W}tr"):
        line: list[str] = []
        at = 0
        for cell in _within(row, f"{W}tc"):
            merged = cell.find(f"{W}tcPr/{W}vMerge")
            text = " ".join(" ".join(_text(p).split()) for p in cell.iter(f"{W}p")).strip()
            if merged is not None and merged.get(f"{W}val", "continue") == "continue":
                text = above.get(at, "")
            above[at] = text
            span = cell.find(f"{W}tcPr/{W}gridSpan")
            value = span.get(f"{W}val", "1") if span is not None else "1"
            wide = min(int(value), 64) if value.isdecimal() and len(value) < 9 else 1
            line += [text, *[""] * (max(1, wide) - 1)]
            at += max(1, wide)
        cells += len(line)
        if cells > MOST_CELLS:
            raise ValueError(f"a table has more than {MOST_CELLS:,} cells")
        rows.append(line)
    return rows


def _within(node: Any, tag: str) -> Iterator[Any]:
    """Yield the elements of a kind below a node, wrapped ones too, but none of a table within."""
    stack = list(reversed(node))
    while stack:
        child = stack.pop()
        if child.tag == tag:
            yield child
        elif child.tag != f"{W}tbl" and child.tag not in SKIPPED:
            stack += reversed(child)


def _text(node: Any) -> str:
    """Return the text of a paragraph as its reader sees it: with insertions and without deletions."""
    texts: list[str] = []
    stack = [node]
    while stack:
        part = stack.pop()
        if part.tag in (f"{W}t", f"{A}t"):
            texts.append(part.text or "")
        elif part.tag in (f"{W}tab", f"{W}br", f"{W}cr", f"{A}br"):
            texts.append(" ")
        elif part.tag == f"{W}noBreakHyphen":
            texts.append("-")
        elif part.tag not in SKIPPED:
            if part is not node and part.tag == f"{W}p":
                texts.append(" ")
            stack += reversed(part)
    return "".join(texts)


def read_pptx(file: Path) -> Article:
    """Read slides: the first line of each is its section, tables row by row, notes behind."""
    check_archive(file, "PPTX")
    parts_of_slides: list[tuple[str, str]] = []
    with ZipFile(file) as parts:
        names = [
            n for n in parts.namelist() if n.startswith("ppt/slides/slide") and n.endswith(".xml")
        ]
        number = {
            n: int("".join(c for c in PurePosixPath(n).stem if c.isdigit()) or 0) for n in names
        }
        for name in sorted(names, key=number.__getitem__):
            lines = list(_slide(_xml(parts, name)))
            notes = f"ppt/notesSlides/notesSlide{number[name]}.xml"
            if notes in parts.namelist():
                lines += [line for line in _slide(_xml(parts, notes)) if not line.isdecimal()]
            parts_of_slides += [("text" if k else "heading", line) for k, line in enumerate(lines)]
    return assembled(file, "", iter(parts_of_slides))


def _slide(root: Any) -> Iterator[str]:
    stack = [root]
    while stack:
        node = stack.pop()
        if node.tag == f"{A}tbl":
            cells = [
                [" ".join(_text(cell).split()) for cell in row.iter(f"{A}tc")]
                for row in node.iter(f"{A}tr")
            ]
            yield from sentences_of(cells)
        elif node.tag == f"{A}p":
            if text := " ".join(_text(node).split()):
                yield text
        else:
            stack += reversed(node)


def read_xlsx(file: Path) -> Article:
    """Read a workbook: each visible sheet is a section, its rows sentences; formulas count with their last value."""
    from openpyxl import load_workbook

    check_archive(file, "XLSX")
    book = load_workbook(file, read_only=True, data_only=True)
    blocks: list[tuple[str, str]] = [("heading", file.stem)]
    hidden, cells = [], 0
    for sheet in book.worksheets:
        if sheet.sheet_state != "visible":
            hidden.append(sheet.title)
            continue
        rows: list[list[str]] = []
        for row in sheet.iter_rows(values_only=True):
            rows.append(["" if cell is None else " ".join(str(cell).split()) for cell in row])
            cells += len(row)
            if cells > 10 * MOST_CELLS:
                raise ValueError(f"it has more than {10 * MOST_CELLS:,} cells")
        if any(any(row) for row in rows):
            blocks += [("heading", sheet.title), *(("text", s) for s in sentences_of(rows))]
    article = assembled(file, "", iter(blocks))
    if hidden:
        article.remarks.append(f"hidden sheets were not read: {', '.join(hidden)}")
    return article
