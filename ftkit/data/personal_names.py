"""Names of people in texts, by lists of names, the words before them, and where they stand."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator

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
CLOSED = re.compile(r"\s{0,40}(?:[.,;!?\n]|$)")
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


def opens_sentence(text: str, at: int) -> bool:
    """Return whether a word at this place of a text opens a sentence."""
    before = text[max(0, at - 12) : at].rstrip(" \t\"'“‘(")
    return (not before and at <= 12) or before[-1:] in tuple(".!?:;\n–-•*")


@functools.lru_cache(maxsize=1)
def name_lists() -> tuple[frozenset[str], frozenset[str]]:
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


def names(text: str, common: frozenset[str]) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and kind of names: runs of capitalised words that the lists, a title or an introduction speak for.

    Args:
        text: Any text.
        common: Words that are no names in these data, in lower case.
    """
    words = list(WORD.finditer(text))
    at = 0
    while at < len(words):
        run = _run(text, words, at)
        if not run:
            length = _small_letters(text, words, at, common)
            if length:
                last = words[at + length - 1]
                yield words[at].start(), last.end(), "name" if length > 1 else "first name"
            at += max(1, length)
            continue
        at += next(k for k, word in enumerate(words[at : at + 12], 1) if word is run[-1])
        if found := _of_run(text, run, common):
            yield found


def _small_letters(text: str, words: list[re.Match[str]], at: int, common: frozenset[str]) -> int:
    """Return how many words from ``at`` on are a name in lower case: "my name is lena andersson"."""
    first, last = name_lists()
    word = words[at]
    if not CERTAIN.search(_lead(text, word)) or _in(word.group(), common, DOUBLE, LITTLE):
        return 0
    if word.group() not in first and not CLOSED.match(text, word.end()):
        return 0
    after = words[at + 1] if at + 1 < len(words) else None
    both = after and after.group() in last and not text[word.end() : after.start()].strip()
    return 2 if both else 1


def _of_run(
    text: str, run: list[re.Match[str]], common: frozenset[str]
) -> tuple[int, int, str] | None:
    """Return the name that a run of capitalised words is, or None."""
    first, last = name_lists()
    names = [w.group().lower() for w in run]
    while len(run) > 1 and (
        names[0] in LITTLE or (_in(names[0], DOUBLE, common) and names[0] not in first)
    ):
        run, names = run[1:], names[1:]  # "Dear Anna Berg": the first word is none
    lead = _lead(text, run[0])
    before = text[max(0, run[0].start() - 40) : run[0].start()]
    alone = lead.endswith("\n") or not before.strip(" ?\t>*-")
    alone = alone and text[run[-1].end() : run[-1].end() + 1] in ("", "\n")
    listed = (
        alone
        and 1 < len(names) < 4
        and any(_in(n, first, last) and not _in(n, DOUBLE, common) for n in names)
    )
    if not listed and not _is_name(names, lead, first, last, common):
        return None
    lonely = len(run) == 1 and not TITLES.search(lead)
    return run[0].start(), run[-1].end(), "first name" if lonely else "name"


def _lead(text: str, word: re.Match[str]) -> str:
    return text[max(0, word.start() - 24) : word.start()]


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
    for word in words[at : at + 12]:
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


def introduced(text: str, at: int) -> bool:
    """Return whether the word at this place, in lower case, is introduced as a name or stands beside the rest of one."""
    lead = text[max(0, at - 40) : at]
    if BEFORE.search(lead[-24:]) or TITLES.search(lead[-24:]):
        return True
    word = WORD.match(text, at)
    before = list(WORD.finditer(lead))[-1:]
    after = WORD.match(text, word.end() + 1) if word else None
    first, last = name_lists()
    return bool(
        (before and word and _both(before[0].group(), word.group(), first, last))
        or (after and word and _both(word.group(), after.group(), first, last))
    )


def _both(one: str, other: str, first: frozenset[str], last: frozenset[str]) -> bool:
    """Return whether two words are a first and a last name that are no ordinary words."""
    return (
        one in first
        and other in last
        and not _in(one, DOUBLE, LITTLE)
        and not _in(other, DOUBLE, LITTLE)
    )
