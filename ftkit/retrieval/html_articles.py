"""Articles from HTML pages: every visible word but menus, in one pass over the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftkit.retrieval.articles import Article, assembled, sentences_of
from ftkit.retrieval.filters import metadata_of

UNSEEN = frozenset("script style template noscript svg head title meta link iframe object".split())
MENUS = frozenset("nav aside header footer".split())
"""Left out, but ``header`` and ``footer`` of an article or the main part, which belong to it."""
HEADINGS = frozenset(f"h{n}" for n in range(1, 7))
INLINE = frozenset(
    "a abbr acronym b bdi bdo big cite code data del dfn em font i img input ins kbd label map mark meter output"
    " picture progress q ruby rb rp rt s samp small span strike strong sub sup time tt u var wbr".split()
)
"""What stands within a line; every other element begins and ends one."""


def read_html(file: Path) -> Article:
    """Read an HTML page: its main text without menus, headings of any level as sections, tables row by row."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(file.read_bytes(), "html.parser")
    told = metadata_of(
        {
            tag["name"]: tag["content"]
            for tag in soup("meta", attrs={"name": True, "content": True})
        },
        str(file),
    )
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    page = _Page()
    main = soup.find("main") or soup.select_one("[role=main]")
    page.read(main or soup.body or soup, inside=main is not None)
    article = assembled(file, title, iter(page.blocks), told)
    seen = _Page()
    seen.read(soup, inside=True, menus=True)
    article.visible_words = sum(len(text.split()) for _, text in seen.blocks)
    return article


class _Page:
    """Collects the blocks of a page: kind (heading or text) and text."""

    def __init__(self) -> None:
        self.blocks: list[tuple[str, str]] = []
        self._line: list[str] = []
        self._kind, self._mark = "text", ""
        self._rows: list[list[list[str]]] = []

    def read(self, root: Any, inside: bool, menus: bool = False) -> None:
        """Read what an element holds, without recursion: pages may be nested as deeply as they like."""
        stack: list[Iterator[Any]] = [iter(root.contents)]
        open_tags: list[Any] = [root]
        articles = int(inside)
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
                tag = open_tags.pop()
                articles -= tag.name in ("article", "main") and tag is not root
                self._close(tag.name)
            elif getattr(node, "name", None) is None:
                if type(node).__name__ == "NavigableString" or type(node).__name__ == "CData":
                    self._line.append(str(node))
            elif (
                node.name in UNSEEN
                or (
                    node.name in MENUS
                    and not menus
                    and not (articles and node.name in ("header", "footer"))
                )
                or "hidden" in node.attrs
            ):
                continue
            else:
                articles += node.name in ("article", "main")
                self._open(node)
                stack.append(iter(node.contents))
                open_tags.append(node)
        self._flush()

    def _open(self, tag: Any) -> None:
        name = tag.name
        if name == "img" and tag.get("alt"):
            self._line.append(f" {tag['alt']} ")
        elif name == "input" and tag.get("type", "text") in ("submit", "button", "text"):
            self._line.append(f" {tag.get('value') or tag.get('placeholder') or ''} ")
        if name in INLINE:
            return
        if name == "br":
            self._line.append(" ")
            return
        if self._rows and name not in ("table", "tr", "td", "th", "caption"):
            self._line.append(" ")
            return
        if name in ("td", "th") and self._rows and self._rows[-1]:
            self._line = []
            return
        self._flush()
        if name == "table":
            self._rows.append([])
        elif name == "tr" and self._rows:
            self._rows[-1].append([])
        elif name in HEADINGS:
            self._kind = "heading"
        elif name == "li":
            self._mark = "- "

    def _close(self, name: str) -> None:
        if name in INLINE or name == "br":
            return
        if name in ("td", "th") and self._rows and self._rows[-1]:
            self._rows[-1][-1].append(" ".join("".join(self._line).split()))
            self._line = []
        elif name == "table" and self._rows:
            self._flush()
            sentences = sentences_of(self._rows.pop())
            if self._rows and self._rows[-1]:  # a table in a cell of another one
                self._line = [" ".join(sentences)]
            else:
                self.blocks += [("text", sentence) for sentence in sentences]
        elif self._rows and name not in ("tr", "caption"):
            self._line.append(" ")
        else:
            self._flush()

    def _flush(self) -> None:
        text = " ".join("".join(self._line).split())
        if text:
            self.blocks.append((self._kind, self._mark + text))
            self._mark = ""
        self._line, self._kind = [], "text"
