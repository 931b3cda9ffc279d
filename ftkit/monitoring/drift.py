"""Weekly looks for drift with false alarms held to 5% a year.

The 5% are shared out among 52 looks and all tests of a look (the union bound): this holds however the tests depend on one
another. Each look tests this week and the last four weeks together, so that slow drift is found, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

FALSE_ALARMS_A_YEAR, LOOKS_A_YEAR, WINDOW = 0.05, 52, 4
FEWEST = 8  # rows of a week below which it is not tested
FIRST_DRAWS, ALL_DRAWS, CHUNK = 499, 39_999, 2_000
WORTH_MORE = 0.02  # p-value of the first draws from which all are made


@dataclass
class Signal:
    """One thing that is watched.

    Attributes:
        name: Its name.
        unit: What a week's value is.
        kind: vectors (compared by maximum mean discrepancy), values (by ranks) or yes (shares, exactly).
        reference: What is usual: ``[n, d]`` vectors, or ``[n]`` values or zeros and ones.
        weeks: The same of each week of the log.
    """

    name: str
    unit: str
    kind: Literal["vectors", "values", "yes"]
    reference: Any
    weeks: list[Any]


@dataclass
class Drift:
    """What became of a signal.

    Attributes:
        signal: Its name.
        unit: Its unit.
        usual: Value of the reference.
        values: Value per week; NaN where there were too few rows.
        p_values: Smallest p-value of the week's tests; 1 where not tested.
        since: Week of the first alarm, or None.
    """

    signal: str
    unit: str
    usual: float
    values: list[float] = field(default_factory=list)
    p_values: list[float] = field(default_factory=list)
    since: int | None = None


def weekly(
    signals: Sequence[Signal], seed: int = 0, progress: Callable[[int, int], None] | None = None
) -> list[Drift]:
    """Look at every week once, as it would have been looked at when it was over.

    Args:
        signals: What is watched.
        seed: Seed of the permutations.
        progress: Called with weeks done and in all.
    """
    limit = p_limit(len(signals))
    found = [Drift(s.name, s.unit, _usual(s)) for s in signals]
    tests = [_test_of(s, np.random.default_rng([seed, i])) for i, s in enumerate(signals)]
    weeks = max((len(s.weeks) for s in signals), default=0)
    for week in range(weeks):
        for signal, drift, test in zip(signals, found, tests, strict=True):
            now = signal.weeks[week]
            drift.values.append(_value(signal, now) if len(now) >= FEWEST else float("nan"))
            wide = np.concatenate(signal.weeks[max(0, week - WINDOW + 1) : week + 1])
            p = min(
                (
                    test(part, limit if drift.since is None else 1.0)
                    for part in (now, wide)
                    if len(part) >= FEWEST
                ),
                default=1.0,
            )
            drift.p_values.append(p)
            if drift.since is None and p <= limit:
                drift.since = week
        if progress:
            progress(week + 1, weeks)
    return found


def p_limit(signals: int) -> float:
    """Return the p-value of an alarm where so many signals are watched, each by two tests a week."""
    return FALSE_ALARMS_A_YEAR / LOOKS_A_YEAR / (2 * max(1, signals))


def _usual(signal: Signal) -> float:
    return 1.0 if signal.kind == "vectors" else float(np.mean(signal.reference))


def _value(signal: Signal, now: Any) -> float:
    """Return a week's value; of vectors, their distance from the usual as a multiple of what chance gives."""
    if signal.kind != "vectors":
        return float(np.mean(now))
    chance = 1 / len(now) + 1 / len(signal.reference)
    spread = 1 - float(np.mean(signal.reference @ signal.reference.mean(0)))
    gap = signal.reference.mean(0) - now.mean(0)
    return float(gap @ gap / (chance * spread))


def _test_of(signal: Signal, rng: np.random.Generator) -> Callable[[Any, float], float]:
    if signal.kind == "vectors":
        return Discrepancy(signal.reference, rng).p_value
    if signal.kind == "values":
        return lambda now, limit: _ranks(signal.reference, now)
    return lambda now, limit: _exact(signal.reference, now)


def _ranks(reference: Any, now: Any) -> float:
    from scipy.stats import mannwhitneyu

    return (
        float(mannwhitneyu(reference, now).pvalue)
        if np.ptp(np.concatenate([reference, now])) > 0
        else 1.0
    )


def _exact(reference: Any, now: Any) -> float:
    from scipy.stats import fisher_exact

    counts = [[int(np.sum(part)), int(len(part) - np.sum(part))] for part in (reference, now)]
    return float(fisher_exact(counts)[1])  # pyright: ignore[reportArgumentType]


class Discrepancy:
    """Maximum mean discrepancy with a Gaussian kernel, tested by permutation.

    Args:
        reference: Unit vectors ``[n, d]``.
        rng: Draws the permutations.

    Source: A. Gretton et al., "A kernel two-sample test" (2012); bandwidth: the median distance within the reference.
    """

    def __init__(self, reference: Any, rng: np.random.Generator) -> None:
        self.reference, self.rng = np.asarray(reference, dtype="float32"), rng
        distances = np.maximum(0.0, 2 - 2 * self.reference @ self.reference.T)
        off = distances[np.triu_indices(len(distances), 1)]
        self.width = float(np.median(off)) or 1.0
        self.inner = np.exp(-distances / self.width)

    def _kernel(self, a: Any, b: Any) -> Any:
        return np.exp(-np.maximum(0.0, 2 - 2 * a @ b.T) / self.width)

    def p_value(self, now: Any, limit: float) -> float:
        """Return the permutation p-value of a week; many draws are only made where the first few make it doubtful.

        Args:
            now: Unit vectors ``[m, d]``.
            limit: p-value that decides: where it needs no fine p-value, the first draws suffice.
        """
        now = np.asarray(now, dtype="float32")
        cross = self._kernel(self.reference, now)
        kernel = np.block([[self.inner, cross], [cross.T, self._kernel(now, now)]]).astype(
            "float32"
        )
        sums, n, m = kernel.sum(1), len(self.reference), len(now)
        seen = self._statistic(
            kernel, sums, np.r_[np.zeros(n), np.ones(m)].astype("float32")[:, None]
        )[0]
        above = self._above(kernel, sums, m, FIRST_DRAWS, seen)
        p = (above + 1) / (FIRST_DRAWS + 1)
        if p > WORTH_MORE or limit > WORTH_MORE:
            return p
        above, draws = 0, 0
        while draws < ALL_DRAWS:
            take = min(CHUNK, ALL_DRAWS - draws)
            above, draws = above + self._above(kernel, sums, m, take, seen), draws + take
            if above + 1 > 4 * limit * ALL_DRAWS:  # the limit is out of reach
                break
        return (above + 1) / (draws + 1)

    def _above(self, kernel: Any, sums: Any, m: int, draws: int, seen: float) -> int:
        marks = np.zeros((len(kernel), draws), dtype="float32")
        chosen = self.rng.random((draws, len(kernel)), dtype="float32").argpartition(m, axis=1)[
            :, :m
        ]
        marks[chosen.T, np.arange(draws)] = 1
        return int(np.sum(self._statistic(kernel, sums, marks) >= seen - 1e-7))

    @staticmethod
    def _statistic(kernel: Any, sums: Any, marks: Any) -> Any:
        """Return the squared discrepancy of each column of marks (1: in the week)."""
        total, m = float(sums.sum(dtype="float64")), float(marks[:, 0].sum())
        n = len(kernel) - m
        inside = np.einsum("ij,ij->j", marks, kernel @ marks).astype("float64")
        edge = (sums @ marks).astype("float64")
        return inside / m**2 + (total - 2 * edge + inside) / n**2 - 2 * (edge - inside) / (n * m)
