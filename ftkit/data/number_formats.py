"""A spreadsheet's number as its cell shows it: percent, currency, thousands, fixed decimals, leading zeros.

Source: ECMA-376 Part 1, 18.8.31 (number formats); fractions, exponents and conditions are shown as plain numbers.
"""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from ftkit.scoring.values import value_text

PLACES = re.compile(r"[0#?](?:[0#?,.]*[0#?.,])?")


def shown(value: float, number_format: str) -> str:
    """Return a number as text in its cell's format.

    Args:
        value: The stored number.
        number_format: The cell's format code, e.g. ``0.0%``.
    """
    if not number_format or number_format.lower() in ("general", "@"):
        return value_text(value)
    sections = re.split(r';(?=(?:[^"]*"[^"]*")*[^"]*$)', number_format)
    negative = value < 0
    code = sections[0]
    if negative and len(sections) > 1:
        code = sections[1]
    elif value == 0 and len(sections) > 2:
        code = sections[2]
    plain = _literals(code)
    places = PLACES.search(plain)
    if places is None or re.search(r"[eE][+-]|/|\bGeneral\b|[<>=]", plain):
        return value_text(value)
    before, after = plain[: places.start()], plain[places.end() :]
    try:
        number = _digits(Decimal(repr(value)).copy_abs(), places[0], plain.count("%"))
    except InvalidOperation:
        return value_text(value)
    sign = "-" if negative and len(sections) == 1 and re.search("[1-9]", number) else ""
    return re.sub("[\ue000-\uf8ff]", _restore, f"{sign}{before}{number}{after}").strip()


_PRIVATE = 0xE000


def _literals(code: str) -> str:
    """Return a format code with its literal letters moved out of the way of its digits, and without colours and padding."""
    code = re.sub(r"\[\$([^\]-]*)(?:-[^\]]*)?\]", lambda m: _hide(m[1]), code)
    code = re.sub(r"\[[^\]]*\]", "", code)
    code = re.sub(r'"([^"]*)"', lambda m: _hide(m[1]), code)
    code = re.sub(r"\\(.)", lambda m: _hide(m[1]), code)
    return re.sub(r"[_*].", "", code)


def _hide(text: str) -> str:
    return "".join(chr(_PRIVATE + ord(c)) if ord(c) < 0x80 else c for c in text)


def _restore(match: re.Match[str]) -> str:
    return chr(ord(match[0]) - _PRIVATE)


def _digits(number: Decimal, places: str, percent: int) -> str:
    """Return the digits of a number in the places of a format (``#,##0.00``)."""
    whole, _, fraction = places.partition(".")
    scaled = len(whole) - len(whole.rstrip(",")) if not fraction else 0
    number = number.scaleb(2 * percent - 3 * scaled)
    most, least = (len(re.findall(kind, fraction)) for kind in ("[0#?]", "0"))
    text = f"{number.quantize(Decimal(1).scaleb(-most), ROUND_HALF_UP):f}"
    digits, _, decimals = text.partition(".")
    digits = digits.lstrip("0").rjust(whole.count("0"), "0")
    if "," in whole.rstrip(","):
        digits = re.sub(r"(?<=\d)(?=(?:\d{3})+$)", ",", digits)
    while len(decimals) > least and decimals.endswith("0"):
        decimals = decimals[:-1]
    return f"{digits}.{decimals}" if decimals else digits or "0"
