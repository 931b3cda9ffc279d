"""How texts are compared: normalised, by tokens, and as values that a passage supports."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

EDGE = " \t\r\n\"'`“”‘’.,;:!?()[]{}*"


def normalise(text: object) -> str:
    """Return text in NFKC form and lower case, with single spaces and without quotes or punctuation at its ends.

    NFKC makes ligatures, full-width letters, no-break spaces and composed accents the same as their plain forms. A text of
    punctuation alone stays as it is, so that "***" and "?" differ.
    """
    plain = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", str(text)).casefold()).strip()
    return plain.strip(EDGE) or plain


def tokens(text: object) -> list[str]:
    """Return the words and numbers of a text in lower case; 3.50 and 10:30 stay whole."""
    return re.findall(r"\w+(?:[.,:'’-]\w+)*", str(text).casefold())


def token_f1(answer: object, truth: object) -> float:
    """Return the F1 of the words of an answer against the right answer (two empty texts: 1)."""
    given, wanted = Counter(tokens(answer)), Counter(tokens(truth))
    if not given or not wanted:
        return float(given == wanted)
    shared = sum((given & wanted).values())
    return 2 * shared / (given.total() + wanted.total())


def contains(passage: str, value: str) -> bool:
    """Say whether a value's words stand in a passage in the same order, at word boundaries."""
    inner = tokens(value)
    return bool(inner) and f" {' '.join(inner)} " in f" {' '.join(tokens(passage))} "


def supported(value: str, passages: Iterable[str]) -> bool:
    """Say whether one of the passages contains the value."""
    return any(contains(passage, value) for passage in passages)
