"""The report in another language: a translation of the finished page, sentence by sentence.

Records hold their sentences in English, and the English report is what was measured. Its translation is made from the
page itself, so a run needs not be made again: every text is looked up in ``LANGUAGE.po`` beside this file, with the
figures in it put where they belong. What is not in there stays English and is counted. Data are never touched.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ftkit.errors import BadInput

HERE = Path(__file__).parent
FIGURE = re.compile(r"(?<![\w./-])[+\-−]?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\w/]|\.\d)|(?<![\w./-])[+\-−]?\d+\.\d+(?![\w/]|\.\d)")
NUMBERLIKE = re.compile(r"[\d\s.,%+\-−–×()/]*")
ENDS = re.compile(r"(?<=[.;:!?]) ")
JOINTS = re.compile(r"( – |: | \(|\)|, | · | to | and |(?<=[a-z]) (?=[\d.])|(?<=\d) )")
SENTENCE = re.compile(r"[.;:] \w|[.;:!?,]$")
NAME = re.compile(r"[\w.-]+[./_][\w./-]*|[0-9a-f]{12,64}|\d{4}-\d\d-\d\d.*")
"""File names, parameters, hashes and times, which are the same in every language."""
SURE, MOST_FITS = 7, 6
"""Letters that a text with places must hold of its own, to be known by them whatever stands in its places; and how many such are tried."""
DEEPEST, MOST_UNKNOWN = 10, 0.6
"""How deep sentences lie in one another; and the share of a text's letters above which it stays English as a whole."""
AXES, WORDS = ("x", "y", "categoryarray", "ticktext"), ("text", "name", "hovertemplate", "hovertext", "title")


def known() -> list[str]:
    """Return the languages that there is a file for, besides English."""
    return sorted(path.stem for path in HERE.glob("*.po"))


@dataclass
class _Sentence:
    patterns: tuple[re.Pattern[str], ...]
    anchor: str
    letters: int
    told: str


class _Said(NamedTuple):
    """A text as it was said, and how many of its letters nothing was known for."""

    text: str
    unknown: int


@dataclass
class Language:
    """A language's texts.

    Attributes:
        name: Its code, e.g. ``de``.
        point: Decimal point.
        group: What stands between thousands.
        texts: Text by English text, where nothing is put in.
        sentences: Those with places, the longest first.
        missed: English texts that were looked up in vain.
        found: How many were found.
    """

    name: str
    point: str
    group: str
    texts: dict[str, str] = field(default_factory=dict)
    sentences: list[_Sentence] = field(default_factory=list)
    missed: dict[str, int] = field(default_factory=dict)
    found: int = 0
    _seen: dict[str, _Said] = field(default_factory=dict)

    def say(self, text: str) -> str:
        """Return a text in this language, with the white space around it as it was; what is not known stays English."""
        inner = text.strip()
        if _letters(inner) < 2:
            return self.figures(text)
        said = self._say(" ".join(inner.split()), 0)
        if said.unknown > MOST_UNKNOWN * _letters(inner):  # half a sentence helps nobody
            said = _Said(self.figures(inner), 0)
            self.missed[inner] = self.missed.get(inner, 0) + 1
        else:
            self.found += 1
        start = text.index(inner[0])
        return text[:start] + said.text + text[start + len(inner) :]

    def figures(self, text: str) -> str:
        """Return a text with its figures written as in this language."""
        swap = str.maketrans({",": self.group, ".": self.point})
        return FIGURE.sub(lambda found: found[0].translate(swap), text)

    def _say(self, text: str, depth: int) -> _Said:
        """Return the way of saying a text that leaves least unknown."""
        if _letters(text) < 2 or NAME.fullmatch(text):
            return _Said(self.figures(text), 0)
        if text in self.texts:
            return _Said(self.texts[text], 0)
        if text not in self._seen:
            none = self._seen[text] = _Said(self.figures(text), _letters(text))  # a text within itself is not known
            if depth >= DEEPEST:
                del self._seen[text]
                return none
            order = (self._simple, self._ended, self._parts, self._pieces, self._beside, self._nested)
            ways = (said for way in order for said in way(text, depth + 1))
            self._seen[text] = best = none
            for said in ways:
                if said.unknown < best.unknown:
                    self._seen[text] = best = said
                if not best.unknown:
                    break
        return self._seen[text]

    def _simple(self, text: str, depth: int) -> Iterator[_Said]:
        """Yield what sentences with places make of a text that have no second sentence in a place."""
        lower = text[:1].lower() + text[1:]
        if lower in self.texts:
            yield _Said(self.texts[lower][:1].upper() + self.texts[lower][1:], 0)
        yield from self._whole(text, depth, nested=False)

    def _nested(self, text: str, depth: int) -> Iterator[_Said]:
        """Yield what sentences with places make of a text that have other sentences in a place, the fewest first."""
        yield from self._whole(text, depth, nested=True)

    def _whole(self, text: str, depth: int, *, nested: bool) -> Iterator[_Said]:
        fits = []
        for sentence in self.sentences:
            if sentence.anchor not in text:
                continue
            for pattern in sentence.patterns:
                found = pattern.fullmatch(text)
                places = [part or "" for part in found.groups()] if found else []
                if found is None or (sentence.letters < SURE and not all(self._sure(part, depth) for part in places)):
                    continue
                inner = sum(len(SENTENCE.findall(part)) for part in places)
                if bool(inner) == nested:
                    fits.append((inner, -sentence.letters, len(fits), sentence, places))
        for *_, sentence, places in sorted(fits)[:MOST_FITS]:
            said = [self._say(part.strip(), depth) for part in places]
            shown = [part.replace(part.strip(), s.text) if part.strip() else part for part, s in zip(places, said, strict=True)]
            yield _Said(sentence.told.format(*shown), sum(s.unknown for s in said))

    def _sure(self, part: str, depth: int) -> bool:
        return NUMBERLIKE.fullmatch(part) is not None or part in self.texts or self._say(part, depth).unknown == 0

    def _ended(self, text: str, depth: int) -> Iterator[_Said]:
        """Yield a text whose last sign belongs to what it stands in."""
        if text[-1] in ".;:!?,":
            said = self._say(text[:-1], depth)
            yield _Said(said.text + text[-1], said.unknown)

    def _parts(self, text: str, depth: int) -> Iterator[_Said]:
        """Yield several sentences in a row, the first and the rest looked up by themselves."""
        parts = ENDS.split(text)
        for end in range(len(parts) - 1, 0, -1):
            yield _row([self._say(" ".join(parts[:end]), depth), self._say(" ".join(parts[end:]), depth)], [" "])

    def _pieces(self, text: str, depth: int) -> Iterator[_Said]:
        """Yield names and values that stand beside each other, such as ``a – b`` or ``a (12)``."""
        for joint in reversed(list(JOINTS.finditer(text))):
            left, right = text[: joint.start()], text[joint.end() :]
            between = self.texts.get(joint[0].strip())
            said = [self._say(part, depth) if part else _Said("", 0) for part in (left, right)]
            yield _row(said, [f" {between} " if between else joint[0]])

    def _beside(self, text: str, depth: int) -> Iterator[_Said]:
        """Yield a name and what is said of it."""
        for blank in re.finditer(" ", text):
            if text[: blank.start()] in self.texts:
                yield _row([self._say(text[: blank.start()], depth), self._say(text[blank.end() :], depth)], [" "])


def _row(said: Sequence[_Said], between: Sequence[str]) -> _Said:
    joined = "".join(s.text + joint for s, joint in zip(said, [*between, ""], strict=True))
    return _Said(joined, sum(s.unknown for s in said))


def _letters(text: str) -> int:
    return sum(c.isalpha() for c in text)


def load(name: str) -> Language:
    """Return a language.

    Raises:
        BadInput: There is no file of it.
    """
    from babel.core import Locale
    from babel.messages.pofile import read_po

    path = HERE / f"{name}.po"
    if name not in known():
        raise BadInput(
            f"there are no texts in '{name}'", where="--language",
            todo=f"use {', '.join(['en', *known()])}; docs/languages.md tells how another one is added",
        )  # fmt: skip
    signs = Locale.parse(name).number_symbols["latn"]
    language = Language(name, signs["decimal"], signs["group"])
    with path.open("rb") as file:
        messages = [m for m in read_po(file, locale=name) if m.id and m.string]
    for message in messages:
        text, told = str(message.id), str(message.string)
        if re.search(r"\{\d+\}", text):
            language.sentences.append(_sentence(text, told))
        else:
            language.texts[" ".join(unescaped(text).split())] = unescaped(told).strip()
    language.sentences.sort(key=lambda s: -s.letters)
    return language


def _sentence(text: str, told: str) -> _Sentence:
    text, told = _joined(text, told)
    pieces = [unescaped(piece) for piece in re.split(r"\{\d+\}", " ".join(text.split()))]
    patterns = tuple(re.compile(place.join(re.escape(piece) for piece in pieces), re.S) for place in ("(.*?)", "(.*)"))
    return _Sentence(patterns, max(pieces, key=len), sum(map(_letters, pieces)), told.strip())


def _joined(text: str, told: str) -> tuple[str, str]:
    """Make one place of two that stand beside each other in both texts: nothing tells where the first of them ends."""
    count = len(re.findall(r"\{\d+\}", text))
    for k in range(count - 1):
        both = f"{{{k}}} {{{k + 1}}}"
        if both in text and both in told:
            text, told = (t.replace(both, f"{{{k}}}") for t in (text, told))
            for later in range(k + 2, count):
                text, told = (t.replace(f"{{{later}}}", f"{{{later - 1}}}") for t in (text, told))
            return _joined(text, told)
    return text, told


def unescaped(text: str) -> str:
    """Return a text without places as it is shown: its braces stand for themselves."""
    return text.replace("{{", "{").replace("}}", "}")


def translated(page: str, name: str) -> tuple[str, Language]:
    """Return a finished report in another language, and the language with what it did not know.

    Raises:
        BadInput: There is no file of this language.
    """
    from ftkit.ui.language.catalogue import NOTE
    from ftkit.ui.language.page import Page

    language = load(name)
    reader = Page(language)
    reader.feed(page.replace("</footer>", f"<br>{NOTE}</footer>"))
    reader.close()
    return "".join(reader.out), language


def figure_texts(figure: dict[str, Any], language: Language) -> dict[str, Any]:
    """Return a plotly figure, as JSON holds it, with its words in a language.

    Names on its axes are translated only where all of them are known: others are data.
    """
    names = {name for part in (*figure.get("data", []), figure.get("layout", {})) for name in _names(part)}
    known = {name: language.texts[name] for name in names} if all(name in language.texts for name in names) else {}
    said = _said(figure, language, known)
    said.get("layout", {})["separators"] = language.point + language.group
    return said


def _names(part: Any) -> Iterator[str]:
    """Return what stands on the axes of a trace or a layout, where that is words."""
    if isinstance(part, list):
        for inner in part:
            yield from _names(inner)
    elif isinstance(part, dict):
        for key, value in part.items():
            values = value if isinstance(value, list) else [value]
            if key in AXES:
                yield from (v for v in values if isinstance(v, str) and _letters(v) > 1)
            elif key != "data":
                yield from _names(value)


def _said(part: Any, language: Language, known: Mapping[str, str], key: str = "") -> Any:
    if isinstance(part, dict):
        return {name: _said(value, language, known, name) for name, value in part.items()}
    if isinstance(part, list):
        return [_said(value, language, known, key) for value in part]
    if isinstance(part, str) and key in AXES:
        return known.get(part, part)
    return _marked(part, language) if isinstance(part, str) and key in WORDS else part


def _marked(text: str, language: Language) -> str:
    """Return plotly's text with its words in a language; its tags and places stay, and its lines are one text."""
    parts = re.split(r"(<(?!br)[^>]+>|%\{[^}]+\})", text)
    lines = [part.replace("<br>", " ") if part.count("<br>") and part.strip("<br>") else part for part in parts]
    return "".join(
        line if at % 2 else _wrapped(language.say(line), parts[at]) if line.strip() else line for at, line in enumerate(lines)
    )


def _wrapped(said: str, before: str) -> str:
    """Break a text into about as many lines as it had."""
    lines = before.split("<br>")
    width = max(map(len, lines)) + 4
    return said if len(lines) == 1 else "<br>".join(textwrap.wrap(said, width, break_long_words=False)) or said
