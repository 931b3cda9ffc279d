"""Personal data that have a form: mail addresses, IBANs, cards, social security numbers, IP addresses, phone numbers.

Every pattern has bounded repetitions, so that the time grows as the text does.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any

Span = tuple[int, int, str]
"""Start, end and kind."""

LONG_NUMBER = re.compile(r"\+?\d(?:[ ()/.-]{0,3}\d){6,40}")
"""Seven digits or more in a row: whatever it is, it may point to somebody."""
DIGITS = re.compile(r"\d(?:[^\w\n]{0,3}\d){5}")
LOCAL_PART = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}$")
DOMAIN = re.compile(
    r"\w[\w-]{0,62}(?:\.\w[\w-]{0,62}){0,8}\.(?:[^\W\d_]{2,63}|xn--[\w-]{1,59})(?!\w)"
)
IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?:[ .\t-]{0,2}[A-Za-z0-9]){11,30}")
AT = re.compile(r"@|\(at\)|\[at\]", re.IGNORECASE)
REGIONS = ("US", "GB", "DE", "FR", "ES", "IT", "NL", "CH", "AT", "IN", "CA", "BR", "AU", "SE", "PL")
"""Countries whose phone numbers are known without their prefix."""
MOST_PHONES = 200
"""Numbers of a text that are asked whether they are phone numbers; further ones stay long numbers and are hidden as these."""


class Identifiers:
    """Finds identifiers in the blocks of one text."""

    def __init__(self) -> None:
        self._phones = MOST_PHONES

    def find(self, text: str) -> Iterator[Span]:
        """Yield start, end and kind of the identifiers in a block of a text; they may overlap."""
        yield from mails(text)
        digits = DIGITS.search(text) is not None
        if digits or ":" in text or text.count(".") > 2:
            for recogniser, kind in _recognisers():
                hits = recogniser.analyze(text, recogniser.supported_entities, None)
                yield from ((h.start, h.end, kind) for h in hits if h.score >= 0.4)
        if not digits:
            return
        yield from ibans(text)
        numbers = list(LONG_NUMBER.finditer(text))
        yield from (
            (n.start(), n.end(), "phone" if n.group()[0] == "+" else "number") for n in numbers
        )
        if self._phones > 0:
            self._phones -= 1 + sum(len(n.group()) // 12 for n in numbers)
            yield from _phones(text)


def mails(text: str) -> Iterator[Span]:
    """Yield the mail addresses of a text."""
    for at in AT.finditer(text):
        local = LOCAL_PART.search(text[max(0, at.start() - 64) : at.start()])
        domain = DOMAIN.match(text, at.end(), at.end() + 600) if local else None
        if local and domain:
            yield at.start() - len(local.group().lstrip(".'!?&*/=|")), domain.end(), "e-mail"


def ibans(text: str) -> Iterator[Span]:
    """Yield the IBANs of a text, in capitals or not, whatever stands between their groups; the check digits must fit."""
    from presidio_analyzer.predefined_recognizers.generic.iban_patterns import regex_per_country

    for match in IBAN.finditer(text):
        form = regex_per_country.get(match.group()[:2].upper())
        if not form:
            continue
        places = [k for k, letter in enumerate(match.group()) if letter.isalnum()]
        compact = "".join(match.group()[k] for k in places).upper()
        for length in range(len(compact), 14, -1):
            iban = compact[:length]
            number = "".join(str(int(letter, 36)) for letter in iban[4:] + iban[:4])
            if int(number) % 97 == 1 and re.fullmatch(form, iban):
                yield match.start(), match.start() + places[length - 1] + 1, "IBAN"
                break


def _phones(text: str) -> Iterator[Span]:
    import phonenumbers

    known: set[tuple[int, int]] = set()
    for region in REGIONS:
        for match in phonenumbers.PhoneNumberMatcher(text, region, leniency=1, max_tries=500):
            if (match.start, match.end) not in known:
                known.add((match.start, match.end))
                yield match.start, match.end, "phone"


@functools.lru_cache(maxsize=1)
def _recognisers() -> list[tuple[Any, str]]:
    """Return presidio's recognisers of numbers with a form; no language model is loaded and nothing is fetched."""
    from presidio_analyzer.predefined_recognizers import (
        CreditCardRecognizer,
        IpRecognizer,
        UsSsnRecognizer,
    )

    return [(CreditCardRecognizer(), "card"), (IpRecognizer(), "IP"), (UsSsnRecognizer(), "SSN")]
