"""What the inputs mean: answers that look wrong, and rows that say the same in other words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ftkit.core.parameters.data import DataParameters
from ftkit.core.records.data import Defect
from ftkit.core.records.task import TaskCard
from ftkit.data import fixed_split
from ftkit.data.canonical import answer_key
from ftkit.data.clean import SAMPLES, Cleaned, outranks, place, sample, take
from ftkit.data.input_vectors import vectors
from ftkit.data.label_errors import Check, Suspect, suspects
from ftkit.data.paraphrases import Paraphrases, join
from ftkit.data.paraphrases import find as find_paraphrases
from ftkit.data.personal_data import mask

Progress = Callable[[int, int], None]
Row = dict[str, Any]


@dataclass
class Meaning:
    """What the comparison by meaning found.

    Attributes:
        source: What it rests on.
        suspects: Answers that look wrong, most suspicious first.
        checks: Which fields could be checked.
        paraphrases: Inputs that say the same; None where only words were compared.
        pairs: The paraphrases as rows, the closest first.
    """

    source: str
    suspects: list[Suspect]
    checks: list[Check]
    paraphrases: Paraphrases | None = None
    pairs: list[tuple[Row, Row, float]] = field(default_factory=list)


def by_meaning(
    cleaned: Cleaned, card: TaskCard, p: DataParameters, progress: Progress | None
) -> Meaning | None:
    """Look for wrong answers and paraphrases by meaning; paraphrases go into one cluster, so that no split parts them."""
    if not p.meaning_rows:
        return None
    rows = sorted(
        cleaned.rows, key=lambda row: (row["input"], row["output"])
    )  # the file's order changes nothing
    found = vectors([row["input"] for row in rows], p.meaning_rows, progress)
    doubted, checks = suspects(card, rows, found.matrix, p.seed)
    made = Meaning(found.source, doubted, checks)
    if doubted:
        action = "kept: a classifier that had not seen the row expects another answer; look at them first"
        samples = [
            sample(s.row, f"{s.field} is {mask(s.given)}, expected {mask(s.proposed)}")
            for s in doubted[:SAMPLES]
        ]
        cleaned.defects.append(
            Defect(
                kind="suspected wrong answers", count=len(doubted), action=action, examples=samples
            )
        )
    if found.semantic:
        answers, clusters = (
            [answer_key(card, row["output"]) for row in rows],
            [row["cluster"] for row in rows],
        )
        made.paraphrases = find_paraphrases(
            [row["input"] for row in rows], found.matrix, answers, clusters, p.seed
        )
        _paraphrases_of_fixed(
            cleaned, [(rows[i], rows[j]) for i, j, _ in made.paraphrases.pairs], p.paraphrases
        )
        kept = {id(row) for row in cleaned.rows}
        free = [
            (i, j, c)
            for i, j, c in made.paraphrases.pairs
            if id(rows[i]) in kept and id(rows[j]) in kept
        ]
        made.pairs = [(rows[i], rows[j], cosine) for i, j, cosine in free]
        touched = join(rows, free)
        if touched:
            action = f"kept, always in one split (cosine {made.paraphrases.threshold:.2f} or more, same answer)"
            samples = [
                sample(b, f"says the same as {place(a)}") for a, b, _ in made.pairs[:SAMPLES]
            ]
            cleaned.defects.append(
                Defect(kind="paraphrases", count=touched, action=action, examples=samples)
            )
    return made


def _paraphrases_of_fixed(
    cleaned: Cleaned, pairs: Sequence[tuple[Row, Row]], what: Literal["keep", "remove"]
) -> None:
    """Count the rows that say the same as a row of a given test or validation, or take them out."""
    both = [(a, b) for pair in pairs for a, b in (pair, pair[::-1])]
    for name in fixed_split.HELD:
        told = {id(a): b for a, b in both if a["split"] in outranks(name) and b["split"] == name}
        bad = [
            (row, f"says the same as {place(told[id(row)])}")
            for row in cleaned.rows
            if id(row) in told
        ]
        kind = f"paraphrases of {name} examples"
        if bad and what == "remove":
            take(cleaned, kind, f"removed: the {name} would measure memory", bad)
        elif bad:
            action = "kept (data.paraphrases: remove takes them out)"
            samples = [sample(row, reason) for row, reason in bad[:SAMPLES]]
            cleaned.defects.append(
                Defect(kind=kind, count=len(bad), action=action, examples=samples)
            )


def crossing(pairs: Sequence[tuple[Row, Row, float]], split_of: Callable[[Row], str]) -> int:
    """Count the rows outside of train that have a paraphrase in another split."""
    out = {
        id(row)
        for a, b, _ in pairs
        for row in (a, b)
        if split_of(a) != split_of(b) and split_of(row) != "train"
    }
    return len(out)
