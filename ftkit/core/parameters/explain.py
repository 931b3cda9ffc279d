"""What parameters do, found by section, by name or by any word of their description."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.parameters.files import nearest
from ftkit.core.parameters.models import MODELS


@dataclass
class Entry:
    """One parameter: section, name, default and description."""

    section: str
    name: str
    default: Any
    description: str

    def lines(self) -> str:
        """Return the entry for the terminal."""
        return f"  {self.section}.{self.name} = {self.default!r}\n      {self.description}"


def sections() -> list[str]:
    """Return one line per section: its name, what it asks, how many parameters it has."""
    return [
        f"  {stage:12s} {(model.__doc__ or '').strip().splitlines()[0]} ({len(model.model_fields)})"
        for stage, model in MODELS.items()
    ]


def explain(words: str) -> list[Entry]:
    """Return the parameters that a section, a name or words of a description mean; all for an empty text.

    Raises:
        BadInput: Nothing fits.
    """
    entries = [
        Entry(stage, name, field.get_default(call_default_factory=True), field.description or "")
        for stage, model in MODELS.items()
        for name, field in model.model_fields.items()
    ]
    section, dot, name = words.partition(".")
    exact = [e for e in entries if e.section == section and (not dot or e.name == name)]
    named = [e for e in entries if e.name == words]
    text = [e for e in entries if all(_names(e, word) for word in words.lower().split())]
    fitting = exact or named or (text if not dot else [])
    if not fitting:
        names = [f"{e.section}.{e.name}" for e in entries]
        known = names if dot else [*MODELS, *(e.name for e in entries)]
        raise BadInput(
            f"no section or parameter fits '{words}'{nearest(words, known)}",
            where="ftkit explain",
            todo=f"use a section ({', '.join(MODELS)}), a name, or other words",
        )
    return fitting


def _names(entry: Entry, word: str) -> bool:
    """Return whether a parameter's name or description has a word, in the singular or plural."""
    text = f"{entry.name} {entry.name.replace('_', ' ')} {entry.description}".lower()
    return re.search(rf"\b{re.escape(word)}s?\b", text) is not None
