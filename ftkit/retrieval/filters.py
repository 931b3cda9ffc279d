"""What restricts a search: a question that says "region: EU" at its head is answered from articles of the EU, and from those for everybody.

It makes answers fit; it guards no secrets: whoever asks writes the head of the question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import yaml

from ftkit.core.errors import BadInput
from ftkit.core.parameters.files import nearest
from ftkit.core.records.retrieval import Passage
from ftkit.scoring.context_header import head_of
from ftkit.scoring.text import normalise

if TYPE_CHECKING:
    from ftkit.retrieval.articles import Article

Metadata = dict[str, list[str]]


def metadata_of(values: Any, where: str) -> Metadata:
    """Return what is told of an article: each name in lower case with its values as texts; what holds more than values is left out.

    Args:
        values: Names with a value or a list of values each; a text with ``;`` is a list.
        where: Names the place, for messages.

    Raises:
        BadInput: It is no mapping of names to values.
    """
    if not isinstance(values, Mapping):
        raise BadInput(
            "tells no 'name: value'", where=where, todo="write one a line, e.g. region: EU"
        )
    found: Metadata = {}
    for name, value in values.items():
        items = (
            value.split(";")
            if isinstance(value, str)
            else value
            if isinstance(value, list)
            else [value]
        )
        if any(isinstance(item, Mapping | list) for item in items):
            continue
        texts = [
            str(item).lower() if isinstance(item, bool) else str(item).strip()
            for item in items
            if item is not None
        ]
        if any(texts):
            found[str(name).strip().casefold()] = [text for text in texts if text]
    return found


def front_matter(text: str, where: str) -> tuple[Metadata, str]:
    """Return what stands between two lines ``---`` at the head of a text, and the text without it.

    A text that begins with a ruler, not with names and values, is left as it is. A head that is no YAML ("title: Lamps: a guide") is
    read line by line.
    """
    lines = text.lstrip("\ufeff").splitlines()
    end = next((k for k, line in enumerate(lines[1:], 1) if line.rstrip() in ("---", "...")), 0)
    if not lines or lines[0].rstrip() != "---" or not end:
        return {}, text
    try:
        values = yaml.safe_load("\n".join(lines[1:end]))
    except yaml.YAMLError:
        values = {
            name: value
            for name, colon, value in (line.partition(":") for line in lines[1:end])
            if colon and name == name.strip()
        }
    if not isinstance(values, Mapping):
        return {}, text
    return metadata_of(values, where), "\n".join(lines[end + 1 :])


def kept(articles: Sequence[Article], filters: Sequence[str], where: str) -> list[Article]:
    """Return the articles with what the filters need of their metadata, and nothing else of it.

    Raises:
        BadInput: No article tells a filter's value.
    """
    names = [name.casefold() for name in filters]
    known = sorted({name for article in articles for name in article.metadata})
    for name in names:
        if name not in known:
            raise BadInput(
                f"no article tells its '{name}'{nearest(name, known)}",
                where=f"{where}, retrieval.filters",
                todo=f"use some of {', '.join(known)}"
                if known
                else f"begin articles with ---, {name}: value, ---, a line each",
            )
    return [
        replace(a, metadata={name: a.metadata[name] for name in names if name in a.metadata})
        for a in articles
    ]


def told_by(articles: Sequence[Article]) -> dict[str, set[str]]:
    """Return what articles tell of themselves: all values by name, in lower case."""
    found: dict[str, set[str]] = {}
    for article in articles:
        for name, values in article.metadata.items():
            found.setdefault(name, set()).update(value.casefold() for value in values)
    return found


def wanted(text: str, filters: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Return what a question asks for: names of filters with its values, in the form in which they are compared."""
    told = head_of(text) if filters else {}
    return tuple(
        (name, normalise(told[name])) for name in (f.casefold() for f in filters) if name in told
    )


def allows(passage: Passage, asked: Sequence[tuple[str, str]]) -> bool:
    """Return whether a passage may answer a question: it tells no other value than the one asked for, or none."""
    told = passage.metadata
    return all(name not in told or value in map(normalise, told[name]) for name, value in asked)
