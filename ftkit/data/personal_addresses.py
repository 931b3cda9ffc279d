"""Street addresses in texts, by how they are written."""

from __future__ import annotations

import re
from collections.abc import Iterator

CAP = r"[^\W\d_a-zà-þ][\w'’.-]{0,30}"
STREET = "Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Pl|Square|Sq|Terrace|Crescent|Close|Gardens|Highway|Hwy|Parkway|Pkwy|Quay|Row|Hill|Grove|Mews"
LEADING = r"Rue|Via|Viale|Calle|Avenida|Av\.|Rua|[Uu]l\.|Ulica|Plaza|Piazza|Chemin|Boulevard|Allée|Strada|Corso|Route|Quai|Praça|Camino|Carrera|Largo|Travessa"
ENDING = r"stra(?:ß|ss)e|str\.|gasse|weg|platz|allee|ring|straat|laan|plein|vej|gade|vägen|gatan|veien|gata|katu|tie|utca|tér|körút|ulica|trg"
UNIT = r"(?:\?\?\? ?)?(?:Apt\.?|Apartment|Suite|Flat) \d{1,5}\b"
LINE = r"(?:\n[ ?]{0,5})?"
START = r"(?<![\w.'’-])(?:\d{1,5}[a-zA-Z]?\.?|[^\W\d_a-zà-þ][\w'’.-]{0,30}|de|del|da|di|la) ?(?=[\w,\n?]|$)"
TAIL = (
    r"(?:\n[ ?]{0,5}[^\W\d_][^\d\n]{1,40}|, [^\W\d_][^\d\n,]{1,30}){1,2}\n?[^\d\n]{0,30} \d{4,6}\b"
)
CITY = r"[^\W\d_a-zà-þ][\w'’. -]{1,30}, [A-Z]{2} \d{5}\b"
FORCES = r"(?:APO|FPO|DPO) A[APE] \d{5}\b"
"""Units within a house, the line after a street, words of a street, and what follows: town, country, postal code."""
ADDRESSES = [
    re.compile(
        rf"\b\d{{1,5}}[A-Za-z]?(?:,? \d{{1,4}})? (?:{CAP} ){{1,3}}(?:{STREET})\b\.?(?: \d{{1,4}}\b)?"
    ),
    re.compile(
        rf"(?:\b\d{{1,5}} )?(?:\b\d{{1,4}}[,]? )?\b(?:{LEADING}) (?:d\w{{0,4}}['’ ] ?)?(?:{CAP} ?){{1,4}}(?:,? ?\d{{1,4}}\b)?"
    ),
    re.compile(rf"(?:\b\d{{3,5}} )?\b{CAP}(?:{ENDING})\b\.? \d{{1,4}}[a-z]?\b"),
    re.compile(rf"(?:\b\d{{3,5}} )?\b(?:{CAP} ){{1,3}}(?:{ENDING})\b\.? \d{{1,4}}[a-z]?\b"),
    re.compile(r"\b(?:Apt\.?|Apartment|Suite|Flat|P\.? ?O\.? Box|PSC) \d{1,5}\b"),
    re.compile(rf"\b\d{{2,5}} (?:{CAP} ){{1,3}}\d{{1,4}}(?=,? *\n| (?:Apt|Suite|Flat)\b)"),
    re.compile(rf"(?:{START}){{1,7}}[ ,]{{0,2}}{LINE}{UNIT}(?:,? ?{TAIL})?"),
    re.compile(rf"(?:{START}){{2,7}}[ ,]{{0,2}}{LINE}{CITY}"),
    re.compile(
        rf"\b(?:Unit \d{{1,5}} Box \d{{1,6}}|PSC \d{{1,5}}, Box \d{{1,6}}|US[NSCGV]{{1,3}} {CAP})\s{FORCES}"
    ),
    re.compile(rf"\bcorner of (?:{CAP} |\d{{1,5}} ){{1,5}}and (?:{CAP} ?|\d{{1,5}} ?){{1,4}}"),
]


def addresses(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and kind of the street addresses of a text; they may overlap."""
    if any(c.isdigit() for c in text):
        for pattern in ADDRESSES:
            yield from ((m.start(), m.end(), "address") for m in pattern.finditer(text))
