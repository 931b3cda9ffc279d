"""One plain form of a text for matching (blanks, Unicode, invisible letters), and its blocks of bounded length.

Patterns are matched against this form; places in it are led back to the text as it stands.
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

BLOCK, OVERLAP = 2_000, 240
"""Characters that are looked at together, and how many of the block before are looked at again.

A pattern may take time by the square of what it is matched against; against blocks it cannot by the square of a text.
"""
DASHES = frozenset("‐‑‒–—−﹣－")


@dataclass(frozen=True)
class PlainText:
    """A text in plain form.

    Attributes:
        text: ASCII blanks, hyphens, digits and letters for their look-alikes; composed accents; no invisible letters.
        places: Place of each of its characters in the original text and, last, that text's length; empty where they are equal.
    """

    text: str
    places: Sequence[int] = ()

    def original(self, start: int, end: int) -> tuple[int, int]:
        """Return a span of the plain form as a span of the original text."""
        if not self.places:
            return start, end
        return self.places[start], self.places[end - 1] + 1 if end > start else self.places[start]


def plain_text(text: str) -> PlainText:
    """Return the plain form of a text."""
    if text.isascii():
        return PlainText(text)
    letters: list[str] = []
    places: list[int] = []
    for at, letter in enumerate(text):
        if letter < "\x80":
            letters.append(letter)
            places.append(at)
            continue
        if letters and unicodedata.combining(letter):
            both = unicodedata.normalize("NFC", letters[-1] + letter)
            if len(both) == 1:
                letters[-1] = both
            continue
        plain = _plain(letter)
        letters += plain
        places += [at] * len(plain)
    places.append(len(text))
    return PlainText("".join(letters), places)


@functools.lru_cache(maxsize=8_192)
def _plain(letter: str) -> str:
    category = unicodedata.category(letter)
    if letter in DASHES:
        return "-"
    if category == "Cf":  # soft hyphens, zero-width blanks, marks of direction
        return ""
    if category == "Zs":
        return " "
    if category in ("Zl", "Zp"):
        return "\n"
    if category == "Nd":
        return str(unicodedata.digit(letter))
    folded = unicodedata.normalize("NFKC", letter)
    return folded if len(folded) == 1 or folded.isascii() else letter


def blocks(text: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of blocks of a text that overlap, cut at blanks where there are some."""
    start = 0
    while len(text) - start > BLOCK + OVERLAP:
        end = start + BLOCK
        blank = max(
            text.rfind(" ", start + BLOCK // 2, end), text.rfind("\n", start + BLOCK // 2, end)
        )
        end = blank + 1 if blank > 0 else end
        yield start, end
        back = max(
            text.rfind(" ", end - OVERLAP, end - OVERLAP // 2),
            text.rfind("\n", end - OVERLAP, end - OVERLAP // 2),
        )
        start = back + 1 if back > 0 else end - OVERLAP
    yield start, len(text)
