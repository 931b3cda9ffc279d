"""How right an answer is: one registry of metrics, each a share in 0..1, and own functions from a Python file."""

from __future__ import annotations

import importlib.util
import json
import math
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.scoring.text import contains, normalise, squad_exact, squad_f1, token_f1
from ftkit.scoring.values import decimal_mark, last_number

Metric = Callable[[str, str], float]


def exact(answer: str, truth: str) -> float:
    """Return 1 where both are the same after normalisation (case, blanks, punctuation at the ends)."""
    return float(normalise(answer) == normalise(truth))


def contains_truth(answer: str, truth: str) -> float:
    """Return 1 where the right answer's words stand in the answer in the same order."""
    return float(contains(answer, truth))


def listed(answer: str, truth: str) -> float:
    """Return the F1 of two lists as sets: JSON arrays, or items between commas, semicolons and line ends."""
    given, wanted = _items(answer), _items(truth)
    if not given or not wanted:
        return float(given == wanted)
    return 2 * len(given & wanted) / (len(given) + len(wanted))


def _items(text: str) -> set[str]:
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        parsed = None
    parts = [str(x) for x in parsed] if isinstance(parsed, list) else re.split(r"[,;\n]+", text)
    return {
        item for part in parts if (item := normalise(re.sub(r"^\s*(?:[-*•]|\d+[.)])\s+", "", part)))
    }


def number(tolerance: float = 0.0, mark: str = "") -> Metric:
    """Return the metric for numbers: 1 where the last number of both differs by at most a share of the right one.

    Args:
        tolerance: Largest relative difference, 0..1.
        mark: Decimal mark where the writing leaves it open; empty: that of the right answer, else a point.
    """

    def near(answer: str, truth: str) -> float:
        known = mark or decimal_mark(truth) or decimal_mark(answer)
        given, wanted = last_number(answer, known), last_number(truth, known)
        if given is None or wanted is None:
            return float(given is wanted)
        return float(math.isclose(given, wanted, rel_tol=max(tolerance, 1e-9), abs_tol=1e-12))

    return near


METRICS: dict[str, str] = {
    "exact": "the same text after normalisation",
    "token_f1": "F1 of the words",
    "contains": "the right answer's words stand in the answer",
    "number": "the last number, within metric_tolerance",
    "list": "F1 of the items of two lists",
    "squad_exact": "the same words by SQuAD's rules: without punctuation and articles",
    "squad_f1": "F1 of the words by SQuAD's rules",
}


def metric(name: str, tolerance: float = 0.0, mark: str = "") -> Metric:
    """Return a metric by its name, or an own one as ``file.py:function``.

    Args:
        name: A name of ``METRICS``, or a Python file and a function ``f(answer: str, truth: str) -> float`` in it.
        tolerance: Relative tolerance of ``number``.
        mark: Decimal mark of ``number``.

    Raises:
        BadInput: An unknown name, a file that is not there or does not load, or a function that is not in it.
    """
    known: dict[str, Metric] = {
        "exact": exact,
        "token_f1": token_f1,
        "contains": contains_truth,
        "list": listed,
        "squad_exact": squad_exact,
        "squad_f1": squad_f1,
    }
    if name == "number":
        return number(tolerance, mark)
    if name in known:
        return known[name]
    file, colon, function = name.rpartition(":")
    if not colon or not file.endswith(".py"):
        raise BadInput(
            f"'{name}' is no metric",
            where="task.metric",
            todo=f"use one of {', '.join(METRICS)}, or file.py:function",
        )
    return _own(str(Path(file).resolve()), function)


@cache
def _own(file: str, function: str) -> Metric:
    path = Path(file)
    if not path.is_file():
        raise BadInput(
            "there is no such file", where=file, todo="check task.metric: file.py:function"
        )
    spec = importlib.util.spec_from_file_location(f"own_metric_{path.stem}", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise BadInput(
            f"does not load: {type(error).__name__}: {error}", where=file, todo="mend the file"
        ) from error
    found = getattr(module, function, None)
    if not callable(found):
        raise BadInput(
            f"has no function '{function}'", where=file, todo="check task.metric: file.py:function"
        )
    return checked(found)


def checked(own: Callable[[str, str], Any]) -> Metric:
    """Return an own metric that tells what is wrong with a value: it must be a share in 0..1 (True and False count)."""

    def measure(answer: str, truth: str) -> float:
        value = own(answer, truth)
        if not isinstance(value, int | float) or not 0 <= value <= 1:
            raise ValueError(f"returned {value!r}, not a share between 0 and 1")
        return float(value)

    return measure
