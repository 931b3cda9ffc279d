"""How texts are compared: normalised, by tokens, and as values that a passage supports."""

from __future__ import annotations

import re
import string
import unicodedata
from collections import Counter
from collections.abc import Iterable

EDGE = " \t\r\n\"'“”‘’„«».,;:!?"
WRAPS = {"(": ")", "[": "]", "{": "}", "*": "*", "`": "`"}
"""Signs that count for nothing only as a pair around a text: in A* and :) they carry meaning."""


HIDDEN = re.compile(
    "[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]"
)
"""Characters that nobody sees: zero-width ones, soft hyphens, and those that turn the direction of writing."""


def normalise(text: object) -> str:
    """Return text in NFKC form and lower case, with single spaces, without hidden characters and without quotes or
    punctuation at its ends, and without a pair of brackets or stars around it.

    NFKC makes ligatures, full-width letters, no-break spaces and composed accents the same as their plain forms. A text of
    punctuation alone stays as it is, so that "***" and "?" differ.
    """
    seen = HIDDEN.sub("", str(text))
    plain = re.sub(r"\s+", " ", unicodedata.normalize("NFKC", seen).casefold()).strip()
    text = plain.strip(EDGE)
    while len(text) > 1 and WRAPS.get(text[0]) == text[-1]:
        text = text[1:-1].strip(EDGE)
    return text or plain


def tokens(text: object) -> list[str]:
    """Return the words and numbers of a text in lower case; 3.50 and 10:30 stay whole."""
    return re.findall(r"\w+(?:[.,:'’-]\w+)*", str(text).casefold())


def token_f1(answer: object, truth: object) -> float:
    """Return the F1 of the words of an answer against the right answer (two empty texts: 1)."""
    return _overlap(Counter(tokens(answer)), Counter(tokens(truth)))


def _overlap(given: Counter[str], wanted: Counter[str]) -> float:
    if not given or not wanted:
        return float(given == wanted)
    shared = sum((given & wanted).values())
    return 2 * shared / (given.total() + wanted.total())


def squad_words(text: object) -> list[str]:
    """Return the words of a text as SQuAD's scoring compares them: lower case, without ASCII punctuation and English articles.

    Source: P. Rajpurkar et al., "SQuAD: 100,000+ Questions for Machine Comprehension of Text", EMNLP 2016, section 6.1.
    """
    plain = str(text).lower().translate(str.maketrans("", "", string.punctuation))
    return re.sub(r"\b(?:a|an|the)\b", " ", plain).split()


def squad_f1(answer: object, truth: object) -> float:
    """Return SQuAD's F1 of the words of an answer against the right answer (two empty texts: 1)."""
    return _overlap(Counter(squad_words(answer)), Counter(squad_words(truth)))


def squad_exact(answer: object, truth: object) -> float:
    """Return 1 where SQuAD's scoring takes both for the same."""
    return float(squad_words(answer) == squad_words(truth))


def contains(passage: str, value: str) -> bool:
    """Say whether a value's words stand in a passage in the same order, at word boundaries."""
    inner = tokens(value)
    return bool(inner) and f" {' '.join(inner)} " in f" {' '.join(tokens(passage))} "


def supported(value: str, passages: Iterable[str]) -> bool:
    """Say whether one of the passages contains the value."""
    return any(contains(passage, value) for passage in passages)
