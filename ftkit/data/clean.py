"""Removing what should not be learnt from: broken answers, copies, contradictions; each with its count and samples."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ftkit.checks import format_of, normalise, parse
from ftkit.data.near import clusters_of
from ftkit.data.read import Rejected
from ftkit.records import Defect, TaskCard

Row = dict[str, Any]


@dataclass
class Cleaned:
    """Rows worth learning from, and what was done.

    Attributes:
        rows: Usable rows, each with ``cluster`` (rows of one cluster are near copies and stay in one split).
        removed: Rows taken out, with their reason.
        defects: Counts and masked samples, in the order of the steps.
        counts: Rows left after each step, by name.
        near: Pairs of near copies that stay because their answers differ, as rows.
    """

    rows: list[Row]
    removed: list[Rejected] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    near: list[tuple[Row, Row]] = field(default_factory=list)


def clean(rows: list[Row], card: TaskCard, threshold: float, progress: Callable[[int, int], None] | None = None) -> Cleaned:
    """Clean rows: broken answers, exact copies, contradictions, near copies with the same answer.

    Args:
        rows: As read; order matters only in that the first of several copies is kept.
        card: The task card whose checks a right answer must pass.
        threshold: Jaccard similarity of inputs from which rows are near copies.
        progress: Called with rows done and rows in all.
    """
    done = Cleaned([dict(row) for row in rows], counts={"read": len(rows)})
    _broken(done, card)
    _exact(done)
    if card.kind != "text":
        _contradictions(done)
    _near(done, threshold, progress)
    return done


def _take(done: Cleaned, kind: str, action: str, bad: list[tuple[Row, str]]) -> None:
    """Remove rows, and note the step."""
    gone = {id(row) for row, _ in bad}
    done.rows = [row for row in done.rows if id(row) not in gone]
    done.removed += [Rejected(row["source_row"], reason, row.get("file", "")) for row, reason in bad]
    done.defects.append(
        Defect(kind=kind, count=len(bad), action=action, examples=[sample(row, reason) for row, reason in bad[:5]])
    )
    done.counts[kind] = len(done.rows)


def sample(row: Row, reason: str) -> str:
    """Return a short masked sample with its row number."""
    return f"row {row['source_row']}: {mask(row['input'])[:80]} ({reason})"


MASKS = [
    (re.compile(r"[\w.+-]+@[\w-]+\.[\w.]+"), "<e-mail>"),
    (re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){3,}\b"), "<IBAN>"),
    (re.compile(r"\+?\d[\d ()/-]{7,}\d"), "<number>"),
]


def mask(text: str) -> str:
    """Replace e-mail addresses, IBANs and long numbers, so that samples show no personal data."""
    for pattern, name in MASKS:
        text = pattern.sub(name, text)
    return text


def _broken(done: Cleaned, card: TaskCard) -> None:
    bad = []
    for row in done.rows:
        if format_of(card, row["output"], parse(card, row["output"])) == "failed":
            bad.append((row, f"answer {mask(row['output'])[:40]!r} does not pass the task card's checks"))
    _take(done, "broken answers", "removed: a right answer must pass the task card's own checks", bad)


def _exact(done: Cleaned) -> None:
    first: dict[tuple[str, str], Row] = {}
    bad = []
    for row in done.rows:
        key = (normalise(row["input"]), normalise(row["output"]))
        if key in first:
            bad.append((row, f"the same as row {first[key]['source_row']}"))
        else:
            first[key] = row
    _take(done, "exact copies", "removed, the first was kept (compared without case, outer punctuation and double blanks)", bad)


def _contradictions(done: Cleaned) -> None:
    """Equal inputs with different answers: the majority's answer is kept; without one, none is."""
    same: dict[str, list[Row]] = defaultdict(list)
    for row in done.rows:
        same[normalise(row["input"])].append(row)
    bad = []
    for rows in same.values():
        counts = Counter(row["output"] for row in rows)
        answer, most = counts.most_common(1)[0]
        if len(counts) > 1:
            keep = answer if most > len(rows) / 2 else None
            bad += [(row, f"{len(counts)} different answers to the same input") for row in rows if row["output"] != keep]
    _take(done, "contradictions", "removed, unless one answer has the majority", bad)


def _near(done: Cleaned, threshold: float, progress: Callable[[int, int], None] | None) -> None:
    clusters = clusters_of([row["input"] for row in done.rows], threshold, progress)
    first: dict[tuple[int, str], Row] = {}
    bad = []
    for row, cluster in zip(done.rows, clusters, strict=True):
        row["cluster"] = cluster
        kept = first.setdefault((cluster, normalise(row["output"])), row)
        if kept is not row:
            bad.append((row, f"nearly the same as row {kept['source_row']}, with the same answer"))
    lead: dict[int, Row] = {}
    for (cluster, _), row in first.items():
        if lead.setdefault(cluster, row) is not row:
            done.near.append((lead[cluster], row))
    _take(
        done,
        "near copies",
        f"removed where the answer is the same (Jaccard {threshold:g} or more over runs of 4 characters)",
        bad,
    )
    done.defects.append(
        Defect(kind="near copies with different answers", count=len(done.near), action="kept, always in one split; worth a look",
               examples=[sample(b, f"close to row {a['source_row']}, other answer") for a, b in done.near[:5]])
    )  # fmt: skip
