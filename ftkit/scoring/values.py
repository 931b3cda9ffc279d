"""From a typed value to the one text that stands for it everywhere, and what spellings of one value share.

Files hold true, 1.0, null, a date or bytes; a model reads and writes texts. Guessing, checks, schema, canonical answers,
scoring, review and serving all go through :func:`value_text`, so that no value has two spellings inside the program.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from ftkit.scoring.text import HIDDEN, normalise

WHOLE_FLOATS = 1e15
"""Size up to which a float without a fraction is written as a whole number: above it, floats skip whole numbers."""
TYPING_MARKS = ".,;:!?'\"()[]"
"""Marks that people type around a label by accident; others (A*, C#, B+) belong to it."""
RARE = 0.1
"""Share of a label's rows up to which a spelling with other marks around it is taken for a typing error."""


def is_missing(value: Any) -> bool:
    """Say whether a cell holds nothing: None, NaN, NaT and pandas' NA."""
    if value is None:
        return True
    if isinstance(value, str | bool | int | bytes | list | dict):
        return False
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # pandas' NA has no truth value
        return True


def value_text(value: Any) -> str:
    """Return the text of a typed value, as JSON writes it, without quotes around texts.

    true and false in lower case, null for what is missing, 1 for 1.0, decimals without exponent, dates and times in ISO
    form (a time of midnight is left off), bytes as UTF-8, lists and records as compact JSON.

    Raises:
        ValueError: Bytes that are no UTF-8 text.
    """
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return _decoded(bytes(value))
    plain = _plain(value)
    return (
        plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False, separators=SEP)
    )


SEP = (",", ":")


def compact(record: Mapping[str, Any]) -> str:
    """Return a record as the JSON text that models are taught: no blanks, letters as they are."""
    return json.dumps(_plain(record), ensure_ascii=False, separators=SEP)


def _plain(value: Any) -> Any:
    """Return a value of JSON's own types; each number in one spelling."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            return None
        return int(value) if value.is_integer() and abs(value) < WHOLE_FLOATS else value
    if isinstance(value, Mapping):
        return {value_text(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(v) for v in value]
    return None if is_missing(value) else _scalar(value)


def _scalar(value: Any) -> Any:
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, dt.datetime):
        bare = value.time() == dt.time() and value.tzinfo is None
        return value.date().isoformat() if bare else value.isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return _decoded(bytes(value))
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return _plain(value.tolist())
    return str(value)


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"holds bytes that are no UTF-8 text (byte {error.start})") from error


def identity(text: object) -> str:
    """Return text without differences that nobody sees: case, kinds of blanks, composed letters, hidden characters.

    Signs stay: 'fine :)' and 'fine :(' are two inputs.
    """
    plain = unicodedata.normalize("NFKC", HIDDEN.sub("", str(text))).casefold()
    return re.sub(r"\s+", " ", plain).strip()


def value_key(text: object) -> str:
    """Return what spellings of one value have in common: no case, quotes around it, full stop behind it, difference of
    ``_``, ``-`` and blank inside, or of 1 and 1.0. Other signs belong to it: A and A* differ.
    """
    key = identity(text)
    while len(key) > 2 and key[0] + key[-1] in ('""', "''", "``", "“”", "‘’", "„“"):
        key = key[1:-1].strip()
    key = re.sub(r"(?<=\w)[.,;:]+$", "", key)
    key = re.sub(r"(?<=\w)[_\-\s]+(?=\w)", " ", key)
    return re.sub(r"^([+-]?\d+)\.0+$", r"\1", key)


def same_value(one: str, other: str, allowed: Sequence[str] = ()) -> bool:
    """Say whether two texts are the same value; two values that are declared apart never are."""
    if one == other:
        return True
    return not (one in allowed and other in allowed) and value_key(one) == value_key(other)


def merged(counts: Mapping[str, int]) -> dict[str, str]:
    """Return the spelling that stands for each text: of one key the most frequent, then the first in the alphabet.

    Marks around a value (``delivery!``) propose a merge, which is made where they look like a typing error: the plain
    spelling is there and at least ten times as frequent.

    Args:
        counts: How often each text occurs.
    """
    by_key: dict[str, Counter[str]] = defaultdict(Counter)
    for text, count in counts.items():
        by_key[value_key(text)][text.strip()] += count
    totals = {key: found.total() for key, found in by_key.items()}
    for key in list(by_key):
        bare = value_key(key.strip(TYPING_MARKS + " "))
        if bare != key and bare in totals and totals[key] <= RARE * totals[bare]:
            totals[bare] += totals[key]
            by_key[key] = by_key[bare]
    best = {key: min(found, key=lambda text: (-found[text], text)) for key, found in by_key.items()}
    return {text: best[value_key(text)] for text in counts}


def by_key(values: Iterable[str]) -> dict[str, str]:
    """Return the values by their key; keys that several share are left out, as they decide nothing."""
    found: dict[str, list[str]] = defaultdict(list)
    for value in values:
        found[value_key(value)].append(value)
    return {key: same[0] for key, same in found.items() if len(same) == 1}


def by_loose_key(values: Iterable[str]) -> dict[str, str]:
    """Return the values by their text without any mark around it; what several share is left out."""
    found: dict[str, list[str]] = defaultdict(list)
    for value in values:
        found[loose_key(value)].append(value)
    return {key: same[0] for key, same in found.items() if len(same) == 1}


def loose_key(text: object) -> str:
    """Return a value's text without marks at its ends: what may name it in an answer."""
    return re.sub(r"[_\-\s]+", " ", normalise(text))


NUMBER = re.compile(r"-?\d(?:[\d.,'\u2019\u00a0\u202f]*\d)?(?:[eE][-+]?\d+)?")


def decimal_mark(text: str) -> str:
    """Return the decimal mark that the numbers of a text show for certain, or an empty text."""
    for found in NUMBER.findall(text):
        points, commas = found.count("."), found.count(",")
        if points and commas:
            return max(".,", key=found.rfind)
        for mark, count in ((".", points), (",", commas)):
            if count > 1:
                return "," if mark == "." else "."
            tail = re.split(r"[eE]", found)[0].rpartition(mark)[2]
            if count == 1 and (len(tail) != 3 or found.lstrip("-").startswith("0")):
                return mark
    return ""


def last_number(text: str, mark: str = "") -> float | None:
    """Return the last number of a text; None without one.

    Args:
        text: Any text.
        mark: Decimal mark where the writing leaves it open (1,234 and 1.234); empty: a point, as in English.
    """
    found = NUMBER.findall(text)
    if not found:
        return None
    number = re.sub(r"['\u2019\u00a0\u202f]", "", found[-1])
    used = decimal_mark(number) or mark or "."
    other = "," if used == "." else "."
    try:
        return float(number.replace(other, "").replace(used, "."))
    except ValueError:  # 1.2.3 is a version, not a number
        return None


def parse_record(text: str) -> dict[str, Any] | None:
    """Return a text that is one JSON object and nothing else, or None.

    Stricter than Python's reader, as another program may read the answer: NaN, Infinity and a key that stands twice
    are no JSON.
    """
    try:
        record = json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        raise ValueError("a key stands twice")
    return record


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no JSON")
