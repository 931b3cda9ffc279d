"""What a section of the report is made of; the template draws one block after another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ftkit.core.records.base import Estimate
from ftkit.data.personal_data import mask

# Marks that turn the direction of text or hide it: they could make a message read as something else.
HIDDEN = re.compile(
    "[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"
)


@dataclass
class Block:
    """One piece of a section.

    Attributes:
        kind: text, points, table, chart, code, html, tokens or more (a folded list of blocks).
        content: What it shows; the type follows from the kind.
        caption: A sentence above it.
    """

    kind: str
    content: Any
    caption: str = ""


@dataclass
class Section:
    """One section of the report.

    Attributes:
        id: Anchor.
        title: Heading.
        question: The question that its notebook answers.
        blocks: What it shows.
        missing: Why there is nothing to show; empty if there is.
    """

    id: str
    title: str
    question: str = ""
    blocks: list[Block] = field(default_factory=list)
    missing: str = ""


@dataclass
class Bar:
    """A share with its interval, drawn in a table cell."""

    estimate: Estimate
    color: str = "currentColor"


@dataclass
class Dot:
    """A name with the colour of its strategy family."""

    text: str
    color: str


def text(content: str) -> Block:
    """Return a paragraph."""
    return Block("text", content)


def points(content: Iterable[str], caption: str = "") -> list[Block]:
    """Return a list, or nothing where it is empty."""
    said = [c for c in content if c]
    return [Block("points", said, caption)] if said else []


def table(rows: Sequence[Mapping[str, Any]], caption: str = "", limit: int = 300) -> list[Block]:
    """Return a table, or nothing where there are no rows; the first row names the columns."""
    if not rows:
        return []
    names = list(rows[0])
    numeric = {n for n in names if all(isinstance(r.get(n), int | float | None) for r in rows)}
    content = {
        "names": names,
        "numeric": numeric,
        "rows": [[r.get(n) for n in names] for r in rows[:limit]],
        "left": max(0, len(rows) - limit),
    }
    return [Block("table", content, caption)]


def chart(figure: Any) -> list[Block]:
    """Return a figure, or nothing where there is none."""
    return [Block("chart", figure)] if figure is not None else []


def code(content: str, caption: str = "") -> Block:
    """Return text that is shown as it is."""
    return Block("code", content, caption)


def more(caption: str, blocks: list[Block]) -> list[Block]:
    """Return blocks that are folded away under a caption."""
    return [Block("more", blocks, caption)] if blocks else []


class DataText(str):
    """Text that came from data: the page marks it, so that nothing translates it."""


def data_text(content: Any, limit: int = 600) -> DataText:
    """Return text that came from data: personal data masked, hidden marks made visible, cut to a length that can be read."""
    whole = HIDDEN.sub("\u2423", mask(str(content)[: limit + 200]))
    length = len(str(content))
    return DataText(whole if length <= limit else f"{whole[:limit]}… ({length:,} characters)")


def number(value: Any) -> str:
    """Return a number as it is read: thousands apart, no more digits than it has."""
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.3f}".rstrip("0").rstrip(".")
    return f"{int(value):,}"
