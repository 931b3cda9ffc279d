"""Personal data in texts: found, shown masked, and redacted with the same pseudonym wherever the same value stands.

Numbers with a known form (mail addresses, IBANs, cards, phones, ...) are found by presidio, with their check digits. Names
and street addresses have no form: they are found by lists of names, by the words before them and by how addresses are
written; a token-classification model finds more where one is given. What is found and missed is told in ``docs/data.md``.
"""

from __future__ import annotations

import bisect
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ftkit.data.personal_addresses import addresses
from ftkit.data.personal_identifiers import Identifiers
from ftkit.data.personal_names import WORD, introduced, names, opens_sentence
from ftkit.data.plain_text import blocks, plain_text

Progress = Callable[[int, int], None]

KINDS = {
    "EMAIL_ADDRESS": "e-mail",
    "IBAN_CODE": "IBAN",
    "CREDIT_CARD": "card",
    "PHONE_NUMBER": "phone",
    "US_SSN": "SSN",
    "IP_ADDRESS": "IP",
    "PERSON": "name",
    "STREET_ADDRESS": "address",
}
NUMBER, FIRST_NAME = "number", "first name"
MASKED = re.compile(
    rf"<(?:{'|'.join(re.escape(k) for k in [*KINDS.values(), NUMBER, FIRST_NAME])})(?: \d{{1,9}})?>"
)
TOKEN = re.compile(r"\S+")
PARTS = re.compile(r"[@_/\\=]|\w[.:]\w")
"""Signs of a token whose parts are no words: an address, a path, a user's name."""
LONGEST_SHOWN = 100_000
"""Characters of a text that ``mask`` looks at; what follows is left out and its length told."""


@dataclass(frozen=True)
class Found:
    """One piece of personal data.

    Attributes:
        start: Its first character.
        end: The character after its last.
        kind: What it is: a value of ``KINDS``, a long ``NUMBER``, or a ``FIRST_NAME`` alone, which points to nobody by itself.
    """

    start: int
    end: int
    kind: str


def find(text: str, common: frozenset[str] = frozenset(), names_model: str = "") -> list[Found]:
    """Return the personal data in a text, in order and without overlaps; the longest of overlapping pieces stays.

    The time grows as the text does: patterns are matched against the plain form of one block after the other.

    Args:
        text: Any text.
        common: Words that are no names in these data (see ``common_words``), in lower case.
        names_model: Folder or Hugging Face name of a token-classification model that finds names too; empty: none.
    """
    plain, identifiers = plain_text(text), Identifiers()
    spans: set[tuple[int, int, str]] = set()
    for start, end in blocks(plain.text):
        block = plain.text[start:end]
        every = [identifiers.find(block), addresses(block), names(block, common)]
        if names_model:
            every.append(_modelled(block, names_model))
        spans.update((start + a, start + b, kind) for each in every for a, b, kind in each)
    hidden = [m.span() for m in MASKED.finditer(plain.text)]
    return [Found(*plain.original(a, b), kind) for a, b, kind in _apart(spans, hidden)]


def _apart(
    spans: Iterable[tuple[int, int, str]], hidden: Sequence[tuple[int, int]]
) -> list[tuple[int, int, str]]:
    """Return the spans that are left, in order, if the longest of overlapping ones stay and none touches a hidden one."""
    starts, ends = [a for a, _ in hidden], [b for _, b in hidden]
    taken: list[tuple[int, int, str]] = []
    for span in sorted(spans, key=lambda s: (s[0] - s[1], s[2] == NUMBER, s[0], s[2])):
        at = bisect.bisect_left(starts, span[1])
        if at and ends[at - 1] > span[0]:
            continue
        starts.insert(at, span[0])
        ends.insert(at, span[1])
        taken.append(span)
    return sorted(taken)


@functools.lru_cache(maxsize=4_000)
def mask(text: str) -> str:
    """Return a text with its personal data replaced by what they are, e.g. ``<e-mail>``, so that samples show none.

    Of a text longer than ``LONGEST_SHOWN`` the rest is left out.
    """
    shown = text[:LONGEST_SHOWN]
    if len(text) > LONGEST_SHOWN:  # half an address at the cut would not be known as one
        shown = shown[: max(shown.rfind(" "), shown.rfind("\n"), LONGEST_SHOWN - 1_000)]
    masked = _replaced(shown, find(shown), lambda kind, value: f"<{kind}>")
    left = len(text) - len(shown)
    return f"{masked} <{left:,} further characters are not shown>" if left else masked


def _replaced(text: str, found: Iterable[Found], name: Callable[[str, str], str]) -> str:
    parts, at = [], 0
    for f in found:
        parts += [text[at : f.start], name(f.kind, text[f.start : f.end])]
        at = f.end
    return "".join([*parts, text[at:]])


class Redactor:
    """Replaces personal data by pseudonyms: ``<name 3>`` is the same person in every row.

    They are numbered in the order in which they come first; what stands for what is kept in memory only.

    Args:
        common: Words that are no names in these data.
        names_model: A token-classification model that finds names too; empty: none.
    """

    def __init__(self, common: frozenset[str] = frozenset(), names_model: str = "") -> None:
        self.common, self.names_model = common, names_model
        self._known: dict[tuple[str, str], str] = {}
        self._count: Counter[str] = Counter()

    def find(self, text: str) -> list[Found]:
        """Return the personal data in a text; see ``find``."""
        return find(text, self.common, self.names_model)

    def redact(self, text: str) -> str:
        """Return a text without its personal data; a second time changes nothing."""
        return _replaced(text, self.find(text), self._pseudonym)

    def _pseudonym(self, kind: str, value: str) -> str:
        key = (kind, re.sub(r"\W+", "", value).casefold())
        if key not in self._known:
            self._count[kind] += 1
            self._known[key] = f"<{kind} {self._count[kind]}>"
        return self._known[key]


def common_words(texts: Iterable[str]) -> frozenset[str]:
    """Return the words that these texts write in lower case at least as often as with a capital inside of a sentence.

    A list of names holds words such as Will, Rose or Grant; the data themselves tell which of them are meant as words. The parts
    of addresses (mail, web, files, users) are no words, and neither are the words of an introduction ("my name is anna keller").
    """
    small: Counter[str] = Counter()
    large: Counter[str] = Counter()
    for text in texts:
        plain = plain_text(text).text
        for token in TOKEN.finditer(plain):
            if PARTS.search(token.group()):
                continue
            for m in WORD.finditer(token.group()):
                word, at = m.group(), token.start() + m.start()
                if not word[0].islower():
                    large[word.lower()] += not opens_sentence(plain, at)
                elif not introduced(plain, at):
                    small[word] += 1
    return frozenset(word for word, count in small.items() if count >= max(2, large[word]))


@functools.lru_cache(maxsize=1)
def _classifier(name: str) -> Any:
    import transformers

    from ftkit.models.weights import resolve

    model: Any = transformers.AutoModelForTokenClassification.from_pretrained(
        resolve(name), use_safetensors=True
    )
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(resolve(name))
    return transformers.pipeline(
        "token-classification", model=model, tokenizer=tokenizer, aggregation_strategy="simple"
    )


def _modelled(text: str, name: str) -> Iterator[tuple[int, int, str]]:
    """Yield the names that a token-classification model finds (labels that begin with PER)."""
    for entity in _classifier(name)(text):
        if str(entity["entity_group"]).upper().startswith("PER"):
            yield entity["start"], entity["end"], KINDS["PERSON"]


def kinds_of(
    rows: Sequence[dict[str, Any]], redactor: Redactor, progress: Progress | None = None
) -> list[set[str]]:
    """Return the kinds of personal data in input and output of each row.

    Args:
        rows: Rows with ``input`` and ``output``.
        redactor: Knows what is common in these data.
        progress: Called with rows done and in all.
    """
    kinds: list[set[str]] = []
    for done, row in enumerate(rows, 1):
        kinds.append({f.kind for name in ("input", "output") for f in redactor.find(row[name])})
        if progress and (done % 200 == 0 or done == len(rows)):
            progress(done, len(rows))
    return kinds


def ranked(kinds: Iterable[set[str]]) -> dict[str, int]:
    """Return the number of rows with each kind, the most frequent first."""
    counts = Counter(kind for row in kinds for kind in row)
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def points_to_somebody(kinds: set[str]) -> bool:
    """Return whether a row's personal data may point to a person; a first name alone does not."""
    return bool(kinds - {FIRST_NAME})
