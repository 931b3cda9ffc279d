"""Personal data in texts: found, shown masked, and redacted with the same pseudonym wherever the same value stands.

Numbers with a known form (mail addresses, IBANs, cards, phones, ...) are found by presidio, with their check digits. Names
and street addresses have no form: they are found by lists of names, by the words before them and by how addresses are
written; a token-classification model finds more where one is given. What is found and missed is told in ``docs/data.md``.
"""

from __future__ import annotations

import functools
import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

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
LONG_NUMBER = re.compile(r"\+?\d(?:[ ()/.-]{0,2}\d){6,}")
"""Seven digits or more in a row: whatever it is, it may point to somebody."""
HINT = re.compile(r"@|\d(?:[^\w\n]{0,3}\d){5,}|\b[A-Z]{2}\d{2}|[\da-fA-F]{1,4}::?[\da-fA-F]")
"""Whatever presidio is asked for has one of these: a sign of mail, six digits close by, the head of an IBAN, an IP address."""
AROUND = 120
"""Characters before and after such a sign that presidio sees."""
MASKED = re.compile(
    rf"<(?:{'|'.join(re.escape(k) for k in [*KINDS.values(), NUMBER, FIRST_NAME])})(?: \d+)?>"
)
REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "CH", "AT", "IN", "CA", "BR", "AU", "SE", "PL")
LEAST_SCORE = 0.4
"""Presidio's phone numbers have 0.4; guesses without a check digit or context lie below it."""


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

    Args:
        text: Any text.
        common: Words that are no names in these data (see ``common_words``), in lower case.
        names_model: Folder or Hugging Face name of a token-classification model that finds names too; empty: none.
    """
    kinds = {"EMAIL_ADDRESS", "IBAN_CODE", "CREDIT_CARD", "PHONE_NUMBER", "US_SSN", "IP_ADDRESS"}
    pieces = [
        Found(m.start(), m.end(), "phone" if m.group()[0] == "+" else NUMBER)
        for m in LONG_NUMBER.finditer(text)
    ]
    for start, end in _hinted(text):
        hits = _analyzer().analyze(
            text[start:end], language="en", entities=sorted(kinds), score_threshold=LEAST_SCORE
        )
        pieces += [Found(start + h.start, start + h.end, KINDS[h.entity_type]) for h in hits]
    if any(c.isdigit() for c in text):
        pieces += [Found(start, end, "address") for start, end in _addresses(text)]
    pieces += _names(text, common)
    if names_model:
        pieces += [Found(start, end, "name") for start, end in _modelled(text, names_model)]
    hidden = [m.span() for m in MASKED.finditer(text)]
    taken: list[Found] = []
    order = sorted(pieces, key=lambda f: (f.start - f.end, f.kind == NUMBER, f.start))
    for piece in order:
        apart = all(piece.end <= t.start or piece.start >= t.end for t in taken)
        if apart and all(piece.end <= a or piece.start >= b for a, b in hidden):
            taken.append(piece)
    return sorted(taken, key=lambda f: f.start)


def _hinted(text: str) -> list[tuple[int, int]]:
    """Return the parts of a text that presidio is asked about: around each hint, with the words that may explain it.

    Its search for phone numbers takes time for every digit of a text, in each of ``REGIONS``.
    """
    parts: list[tuple[int, int]] = []
    for hint in HINT.finditer(text):
        start, end = max(0, hint.start() - AROUND), min(len(text), hint.end() + AROUND)
        while start and not text[start - 1].isspace():
            start -= 1
        while end < len(text) and not text[end].isspace():
            end += 1
        if parts and start <= parts[-1][1]:
            start = parts.pop()[0]
        parts.append((start, end))
    return parts


@functools.lru_cache(maxsize=20_000)
def mask(text: str) -> str:
    """Return a text with its personal data replaced by what they are, e.g. ``<e-mail>``, so that samples show none."""
    return _replaced(text, find(text), lambda kind, value: f"<{kind}>")


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

    A list of names holds words such as Will, Rose or Grant; the data themselves tell which of them are meant as words.
    """
    small: Counter[str] = Counter()
    large: Counter[str] = Counter()
    for text in texts:
        for m in WORD.finditer(text):
            word = m.group()
            if word[0].islower():
                small[word] += 1
            elif not _opens_sentence(text, m.start()):
                large[word.lower()] += 1
    return frozenset(word for word, count in small.items() if count >= max(2, large[word]))


@functools.lru_cache(maxsize=1)
def _analyzer() -> Any:
    """Return presidio with the recognisers used here; no language model is loaded and nothing is fetched."""
    import spacy
    import tldextract.tldextract as tld
    from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import SpacyNlpEngine
    from presidio_analyzer.predefined_recognizers import (
        CreditCardRecognizer,
        EmailRecognizer,
        IbanRecognizer,
        IpRecognizer,
        PhoneRecognizer,
        UsSsnRecognizer,
    )

    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    tld.TLD_EXTRACTOR = tld.TLDExtract(
        suffix_list_urls=(), cache_dir=None
    )  # else it asks the network for the list of domains

    class Blank(SpacyNlpEngine):
        """Words without a model: presidio would download one by itself."""

        def __init__(self) -> None:
            super().__init__(models=[{"lang_code": "en", "model_name": "blank"}])
            self.nlp = {"en": spacy.blank("en")}

        def load(self) -> None:
            """Do nothing: it is loaded."""

        def is_loaded(self) -> bool:
            return True

    recognisers = [
        CreditCardRecognizer(),
        EmailRecognizer(),
        IbanRecognizer(),
        IpRecognizer(),
        UsSsnRecognizer(),
    ]
    registry = RecognizerRegistry(
        recognizers=[*recognisers, PhoneRecognizer(supported_regions=REGIONS)]
    )
    return AnalyzerEngine(nlp_engine=Blank(), registry=registry, supported_languages=["en"])


# Names

WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|['’](?!s\b)|-(?=[^\W\d_]))*")
PARTICLES = frozenset("de da di del della van von der den bin al la le dos".split())
RUN = rf"[^\S\n]+(?:(?:{'|'.join(sorted(PARTICLES))})[^\S\n]+){{0,2}}"
BEFORE = re.compile(
    r"\b(?:my (?:full )?name is|name is|name's|i am|i'm|this is|named|called|dear|hi|hello|regards|sincerely|yours|signed|name|customer|patient"
    r"|contact|attn|sig|von|from)[,:]?\s+$",
    re.IGNORECASE,
)
CERTAIN = re.compile(
    r"\b(?:my (?:full )?name is|name's|named|regards|sincerely|signed|name)[,:]?\s+$", re.IGNORECASE
)
TITLES = re.compile(
    r"\b(?:(?:mr|mrs|ms|mx|dr|prof)\.?|(?:miss|doctor|professor|herrn?|frau|mme|mlle|monsieur|madame|señora?|signora?))\s+$",
    re.IGNORECASE,
)
LOCALES = (
    "en_US",
    "en_GB",
    "en_IN",
    "de_DE",
    "fr_FR",
    "es_ES",
    "it_IT",
    "nl_NL",
    "pt_BR",
    "pl_PL",
    "sv_SE",
    "da_DK",
    "no_NO",
    "fi_FI",
    "hu_HU",
    "cs_CZ",
    "hr_HR",
    "tr_TR",
    "ro_RO",
)
DOUBLE = frozenset(
    "will mark may rose hope grace faith joy bill grant frank jack drew chase art june april august summer autumn dawn sunny holly ivy"
    " lily iris amber ruby pearl crystal ginger pat rob sue don ray rich guy gene dean earl duke king prince page carol melody harmony"
    " destiny trinity chance skip victor mason hunter parker carter cooper taylor sage river lane dale glen cliff heath brook ford sky"
    " star paris london florence sydney jordan georgia virginia carolina chelsea austin dallas madison charlotte victoria milan china"
    " india israel kenya asia america savannah lincoln jackson houston angel christian may major justice royal precious major best long"
    " young price love house home office bank card cash loan money store street park north south west east monday friday sunday"
    " man see case new day labor".split()
)
LITTLE = frozenset(
    "an my do so in can thanks thank please hello dear hi hey the this that our your their his her they we you he she i it is are was"
    " were has have had yes no not if when where who what why how and or but for from with at by on to of as".split()
)
"""Names that are words or places as well: alone they count only after a title or an introduction."""


def _opens_sentence(text: str, at: int) -> bool:
    before = text[:at].rstrip(" \t\"'“‘(")
    return not before or before[-1] in ".!?:;\n–-•*"


@functools.lru_cache(maxsize=1)
def _name_lists() -> tuple[frozenset[str], frozenset[str]]:
    """Return first and last names in lower case, from Faker's lists of these locales."""
    import importlib

    first: set[str] = set()
    last: set[str] = set()
    for locale in LOCALES:
        provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
        for name in dir(provider):
            if name.startswith("first_names") and not callable(getattr(provider, name)):
                first.update(getattr(provider, name))
            if name.startswith("last_names") and not callable(getattr(provider, name)):
                last.update(getattr(provider, name))
    return frozenset(n.lower() for n in first if len(n) > 1), frozenset(
        n.lower() for n in last if len(n) > 1
    )


def _names(text: str, common: frozenset[str]) -> list[Found]:
    """Return the places of names: runs of capitalised words that the lists, a title or an introduction speak for."""
    first, last = _name_lists()
    words = list(WORD.finditer(text))
    found: list[Found] = []
    at = 0
    while at < len(words):
        run = _run(text, words, at)
        lead = text[max(0, words[at].start() - 24) : words[at].start()]
        if not run:
            lower = words[at].group()
            closed = re.match(r"\s*(?:[.,;!?\n]|$)", text[words[at].end() :])
            if (
                CERTAIN.search(lead)
                and not _in(lower, common, DOUBLE, LITTLE)
                and (lower in first or closed)
            ):  # "my name is lena andersson"
                end = at + 1
                if (
                    end < len(words)
                    and words[end].group() in last
                    and not text[words[at].end() : words[end].start()].strip()
                ):
                    end += 1
                found.append(
                    Found(
                        words[at].start(),
                        words[end - 1].end(),
                        KINDS["PERSON"] if end - at > 1 else FIRST_NAME,
                    )
                )
                at = end
                continue
            at += 1
            continue
        names = [w.group().lower() for w in run]
        while len(run) > 1 and (
            names[0] in LITTLE or (_in(names[0], DOUBLE, common) and names[0] not in first)
        ):
            run, names = run[1:], names[1:]  # "Dear Anna Berg": the first word is none
        lead = text[max(0, run[0].start() - 24) : run[0].start()]
        alone = lead.endswith("\n") or not text[: run[0].start()].strip(" ?\t>*-")
        alone = alone and text[run[-1].end() : run[-1].end() + 1] in ("", "\n")
        if _is_name(names, lead, first, last, common) or (
            alone and 1 < len(names) < 4 and {*names} & (first | last) - DOUBLE - common
        ):
            lonely = len(run) == 1 and not TITLES.search(lead)
            found.append(
                Found(run[0].start(), run[-1].end(), FIRST_NAME if lonely else KINDS["PERSON"])
            )
        at = words.index(run[-1]) + 1
    return found


def _in(word: str, *sets: frozenset[str]) -> bool:
    """Return whether a word is in one of several sets (a union of them would be made anew for every word)."""
    return any(word in each for each in sets)


def _is_name(
    names: list[str], lead: str, first: frozenset[str], last: frozenset[str], common: frozenset[str]
) -> bool:
    plain = not _in(names[0], common, DOUBLE, LITTLE)
    if TITLES.search(lead):
        return not _in(names[0], common, LITTLE)
    if CERTAIN.search(lead) and plain:
        return True
    if len(names) > 1 and (all(n in common for n in names) or names[-1] in LITTLE):
        return False
    if len(names) > 1:
        return names[0] in first or (plain and names[-1] in last - DOUBLE)
    return plain and (names[0] in first or (bool(BEFORE.search(lead)) and names[0] in last))


def _run(text: str, words: list[re.Match[str]], at: int) -> list[re.Match[str]]:
    """Return up to five capitalised words from ``at`` on that stand in one line with nothing but blanks or initials between."""
    run: list[re.Match[str]] = []
    for word in words[at:]:
        value = word.group()
        if run and value in PARTICLES:
            continue
        if not value[0].isupper() or (len(value) > 1 and value.isupper()):
            break
        if run:
            between = text[run[-1].end() : word.start()]
            initial = between.startswith(".") and len(run[-1].group()) == 1
            if not re.fullmatch(RUN, between[1:] if initial else between):
                break
        run.append(word)
        if len(run) == 5:
            break
    return run


# Addresses

CAP = r"[^\W\d_a-zà-þ][\w'’.-]*"
STREET = "Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl|Square|Sq|Terrace|Crescent|Close|Gardens|Highway|Hwy|Parkway|Pkwy|Quay|Row|Hill|Grove|Mews"
LEADING = r"Rue|Via|Viale|Calle|Avenida|Av\.|Rua|[Uu]l\.|Ulica|Plaza|Piazza|Chemin|Boulevard|Allée|Strada|Corso|Route|Quai|Praça|Camino|Carrera|Largo|Travessa"
ENDING = r"stra(?:ß|ss)e|str\.|gasse|weg|platz|allee|ring|straat|laan|plein|vej|gade|vägen|gatan|veien|gata|katu|tie|utca|tér|körút|ulica|trg"
ADDRESSES = [
    re.compile(
        rf"\b\d{{1,5}}[A-Za-z]?(?:,? \d{{1,4}})? (?:{CAP} ){{1,3}}(?:{STREET})\b\.?(?: \d{{1,4}}\b)?"
    ),
    re.compile(
        rf"(?:\b\d{{1,5}} )?(?:\b\d{{1,4}}[,]? )?\b(?:{LEADING}) (?:d\w{{0,4}}['’ ] ?)?(?:{CAP} ?){{1,4}}(?:,? ?\d{{1,4}}\b)?"
    ),
    re.compile(rf"(?:\b\d{{3,5}} )?\b{CAP[:-1]}*(?:{ENDING})\b\.? \d{{1,4}}[a-z]?\b"),
    re.compile(rf"(?:\b\d{{3,5}} )?\b(?:{CAP} ){{1,3}}(?:{ENDING})\b\.? \d{{1,4}}[a-z]?\b"),
    re.compile(r"\b(?:Apt\.?|Apartment|Suite|Flat|P\.? ?O\.? Box|PSC) \d{1,5}\b"),
    re.compile(rf"\b\d{{2,5}} (?:{CAP} ){{1,3}}\d{{1,4}}(?=,? *\n| (?:Apt|Suite|Flat)\b)"),
]


def _addresses(text: str) -> list[tuple[int, int]]:
    return [m.span() for pattern in ADDRESSES for m in pattern.finditer(text)]


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


def _modelled(text: str, name: str) -> list[tuple[int, int]]:
    """Return the names that a token-classification model finds (labels that begin with PER)."""
    return [
        (e["start"], e["end"])
        for e in _classifier(name)(text)
        if str(e["entity_group"]).upper().startswith("PER")
    ]


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
