"""How far annotators agree, and the best accuracy that a test with such labels can show."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import combinations

from ftkit.core.errors import BadInput
from ftkit.core.records.base import Estimate
from ftkit.core.records.data import Agreement

RESAMPLES = 1000
Counts = dict[tuple[str, ...], float]
"""How often each row of labels occurs, one label per annotator; an empty label is a missing one."""


def agreement(columns: dict[str, Sequence[str]], seed: int = 0) -> Agreement:
    """Return Krippendorff's alpha, Cohen's kappa per pair and the noise ceiling, with 95% bootstrap intervals over rows.

    Args:
        columns: Per annotator the label of every row; empty text: not annotated.
        seed: Seed of the bootstrap.

    Raises:
        BadInput: Fewer than two annotators, columns of different length, or no row that two of them labelled.
    """
    names, size = list(columns), {len(c) for c in columns.values()}
    if len(names) < 2 or len(size) != 1:
        raise BadInput(
            "needs two columns of the same length",
            where="data.annotator_columns",
            todo="name one column per annotator",
        )
    rows = Counter(
        row for row in zip(*columns.values(), strict=True) if sum(bool(v) for v in row) >= 2
    )
    if not rows:
        raise BadInput(
            "no row has two labels", where=", ".join(names), todo="check data.annotator_columns"
        )
    pairs = {
        f"{names[a]} and {names[b]}": _estimate(
            rows, lambda counts, a=a, b=b: kappa(counts, a, b), seed
        )
        for a, b in combinations(range(len(names)), 2)
    }
    return Agreement(
        annotators=names,
        rows=rows.total(),
        alpha=_estimate(rows, alpha, seed),
        kappas=pairs,
        ceiling=_estimate(rows, ceiling, seed),
        disputed=sum(n for row, n in rows.items() if len({v for v in row if v}) > 1),
    )


def _estimate(
    rows: Counter[tuple[str, ...]], measure: Callable[[Counts], float], seed: int
) -> Estimate:
    """Return a measure with its interval; rows are drawn as counts of each kind of row, of which there are few."""
    import numpy as np

    kinds, n = sorted(rows), rows.total()
    shares = np.array([rows[kind] for kind in kinds]) / n
    draws = np.random.default_rng(seed).multinomial(n, shares, RESAMPLES)
    drawn = [
        measure({k: float(c) for k, c in zip(kinds, draw, strict=True) if c}) for draw in draws
    ]
    value = measure(dict(rows))
    low, high = (float(q) for q in np.quantile(drawn, [0.025, 0.975]))
    return Estimate(
        value=value, low=min(low, value), high=max(high, value), n=n, method="bootstrap over rows"
    )


def kappa(counts: Counts, a: int = 0, b: int = 1) -> float:
    """Return Cohen's kappa of two annotators on the rows that both labelled; 1 where both always say the same one thing.

    Source: J. Cohen, Educational and Psychological Measurement 20 (1960).
    """
    both = {row: n for row, n in counts.items() if row[a] and row[b]}
    total = sum(both.values())
    if not total:
        return 0.0
    left, right = _marginal(both, a), _marginal(both, b)
    seen = sum(n for row, n in both.items() if row[a] == row[b]) / total
    chance = sum(left[k] * right.get(k, 0.0) for k in left) / total**2
    return 1.0 if chance == 1 else (seen - chance) / (1 - chance)


def _marginal(counts: Counts, place: int) -> dict[str, float]:
    found: dict[str, float] = {}
    for row, n in counts.items():
        found[row[place]] = found.get(row[place], 0.0) + n
    return found


def alpha(counts: Counts) -> float:
    """Return Krippendorff's alpha for nominal labels; missing labels are left out.

    Source: K. Krippendorff, Computing Krippendorff's alpha-reliability (2011).
    """
    total: dict[str, float] = {}
    disagree = 0.0
    for row, n in counts.items():
        each = Counter(v for v in row if v)
        m = each.total()
        if m < 2:
            continue
        for label, c in each.items():
            total[label] = total.get(label, 0.0) + n * c
        disagree += n * (m * m - sum(c * c for c in each.values())) / (m - 1)
    size = sum(total.values())
    expected = size * size - sum(c * c for c in total.values())
    return 1.0 if not expected else 1 - (size - 1) * disagree / expected


def ceiling(counts: Counts) -> float:
    """Return the noise ceiling: how often one annotator says what the others' most frequent label is.

    A model that always knew what most people say would score that against one person's labels. Ties of the others count
    as their share.
    """
    right = asked = 0.0
    for row, n in counts.items():
        given = [v for v in row if v]
        for place, value in enumerate(given):
            others = Counter(given[:place] + given[place + 1 :])
            top = [label for label, c in others.items() if c == max(others.values())]
            right += n * (value in top) / len(top)
            asked += n
    return right / max(1.0, asked)
