"""Suspected wrong labels: a classifier that has not seen a row disagrees with its label.

Method: confident learning (C. Northcutt, L. Jiang, I. Chuang, JAIR 70, 2021) by the library cleanlab: probabilities from
cross-validation, rows ranked by the probability of the label that was given.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ftkit.core.records.task import TaskCard
from ftkit.scoring.parse import parse

FOLDS, FEWEST_PER_LABEL = 5, 5
Row = dict[str, Any]


@dataclass
class Suspect:
    """One answer that looks wrong.

    Attributes:
        row: The row.
        field: Field of the record, or ``label``.
        given: The value that stands there.
        proposed: The value that the classifier finds likeliest.
        confidence: Probability of the given value, 0..1; the lowest are the most suspicious.
    """

    row: Row
    field: str
    given: str
    proposed: str
    confidence: float


@dataclass
class Check:
    """Whether a field could be checked.

    Attributes:
        field: Its name.
        accuracy: Share of rows whose value the classifier names, in cross-validation.
        majority: Share of rows with the most frequent value.
        reliable: Whether its doubts were used.
    """

    field: str
    accuracy: float
    majority: float
    reliable: bool


@dataclass
class Judged:
    """What cross-validation says about the labels of one field; lists run over ``kept``.

    Attributes:
        names: Labels with enough rows.
        accuracy: Share of rows whose label was named.
        majority: Share of rows with the most frequent label.
        kept: Indices of the judged rows.
        likely: Index in ``names`` of the likeliest label.
        scores: Probability of the given label.
        doubtful: Whether confident learning takes it for wrong.
    """

    names: list[str]
    accuracy: float
    majority: float
    kept: Any
    likely: list[int]
    scores: list[float]
    doubtful: list[bool]

    @property
    def reliable(self) -> bool:
        """At most half of the mistakes that the most frequent label alone would make."""
        return bool(self.likely) and 1 - self.accuracy <= (1 - self.majority) / 2


def checked_fields(card: TaskCard) -> list[str]:
    """Return what can be checked: the label, or the fields whose values are known."""
    if card.kind == "label":
        return ["label"]
    return [c.field for c in card.checks if c.kind == "enum" and c.field]


def values_of(card: TaskCard, rows: Sequence[Row], field: str) -> list[str]:
    """Return the value of a field in every row's answer."""
    if card.kind == "label":
        return [str(row["output"]) for row in rows]
    return [parse(card, row["output"]).fields.get(field, "") for row in rows]


def judge(labels: Sequence[str], matrix: Any, groups: Sequence[Any], seed: int = 0) -> Judged:
    """Return what cross-validation says about every label.

    Args:
        labels: The label of every row; rows of labels with fewer than five rows are not judged.
        matrix: Vectors ``[rows, dimension]``.
        groups: Rows of one group (near copies) stay in one fold.
        seed: Seed of the folds.
    """
    import numpy as np
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict

    counts: Counter[str] = Counter(labels)
    names = sorted(name for name, n in counts.items() if n >= FEWEST_PER_LABEL)
    kept = np.array(
        [i for i, label in enumerate(labels) if counts[label] >= FEWEST_PER_LABEL], dtype=int
    )
    if len(names) < 2:
        return Judged(names, 0.0, 1.0, kept, [], [], [])
    places = {name: place for place, name in enumerate(names)}
    given = np.array([places[str(labels[i])] for i in kept])
    first: dict[Any, int] = {}  # groups by their place, so that their names change nothing
    group = [first.setdefault(groups[i], len(first)) for i in kept]
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed)
    try:
        probability: Any = cross_val_predict(
            LogisticRegression(C=10.0, max_iter=300),
            matrix[kept],
            given,
            groups=group,
            cv=folds,
            method="predict_proba",
        )
    except (
        ValueError
    ):  # a label's rows are all of one group, so that a fold has none of it to learn from
        return Judged(names, 0.0, 1.0, kept, [], [], [])
    likely = probability.argmax(1)
    return Judged(
        names,
        float((likely == given).mean()),
        counts.most_common(1)[0][1] / len(labels),
        kept,
        likely.tolist(),
        get_label_quality_scores(given, probability, method="self_confidence").tolist(),
        find_label_issues(given, probability, filter_by="both").tolist(),
    )


def suspects(
    card: TaskCard, rows: Sequence[Row], matrix: Any, seed: int = 0
) -> tuple[list[Suspect], list[Check]]:
    """Return the answers that a classifier contradicts, most suspicious first, and what could be checked at all.

    A field is checked where the classifier makes at most half of the mistakes of always naming its most frequent value;
    elsewhere its doubts would be noise.

    Args:
        card: Decides which fields there are.
        rows: Rows with ``output`` and ``cluster``.
        matrix: Vectors of the inputs ``[rows, dimension]``.
        seed: Seed of the folds.
    """
    found: list[Suspect] = []
    told: list[Check] = []
    for field in checked_fields(card):
        labels = values_of(card, rows, field)
        judged = judge(labels, matrix, [row["cluster"] for row in rows], seed)
        told.append(Check(field, judged.accuracy, judged.majority, judged.reliable))
        if judged.reliable:
            found += [
                Suspect(rows[i], field, labels[i], judged.names[likely], score)
                for i, likely, score, doubtful in zip(
                    judged.kept, judged.likely, judged.scores, judged.doubtful, strict=True
                )
                if doubtful
            ]
    return sorted(found, key=lambda s: s.confidence), told
