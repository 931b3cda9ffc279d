"""A judge that may favour one strategy: grades by strategy, estimates that hold whatever its errors are.

The judge's verdicts on all answers give precision, people's grades of some answers of the same strategy take its bias away:
``share = lam × mean(judge, all) + mean(grade - lam × judge, graded)``. It is unbiased for every strategy, however
unequally the judge errs, and ``lam`` is chosen so that its variance is least; a useless judge gets 0. One ``lam`` is used
for all strategies, so that what the judge says of the same questions stays paired in differences.

Source: Angelopoulos, Duchi & Zrnic (2023), PPI++: Efficient prediction-powered inference, arXiv 2311.01453.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ftkit.core.errors import BadInput
from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import Comparison, Evaluation, Grades, JudgeCheck
from ftkit.core.statistics import holm
from ftkit.evaluation.seed_variance import p_value

FEWEST = 20
Z = 1.959964
UNKNOWN_SD = 0.05
"""Assumed standard deviation of a judge's two rates from strategy to strategy, where grades do not name the strategy."""


def grades(
    strategies: Sequence[str], human: Sequence[bool], judged: Sequence[bool], wanted: Sequence[str]
) -> list[Grades]:
    """Count grades against verdicts by strategy.

    Args:
        strategies: Strategy of each graded answer.
        human: What people said.
        judged: What the judge says.
        wanted: The strategies under test.

    Raises:
        BadInput: A grade names a strategy that is not under test, or a strategy has fewer than 20 grades.
    """
    where, known = "evaluation.judge_labels, column strategy", set(wanted)
    strange = sorted(set(strategies) - known)
    if strange:
        raise BadInput(
            f"grades of '{strange[0]}', which is not under test",
            where=where,
            todo=f"use the names {', '.join(wanted)}",
        )
    found = []
    for name in wanted:
        rows = [(h, j) for s, h, j in zip(strategies, human, judged, strict=True) if s == name]
        if len(rows) < FEWEST:
            raise BadInput(
                f"{len(rows)} grade(s) of answers of '{name}'",
                where=where,
                todo=f"grade at least {FEWEST} answers of every strategy, drawn at random",
            )
        found.append(
            Grades(
                strategy=name,
                right_called_right=sum(h and j for h, j in rows),
                right_called_wrong=sum(h and not j for h, j in rows),
                wrong_called_right=sum(not h and j for h, j in rows),
                wrong_called_wrong=sum(not h and not j for h, j in rows),
            )
        )
    return found


def unequal(found: Sequence[Grades]) -> float:
    """Return the p-value that the judge errs alike for all strategies: chi-square of both rates, Bonferroni."""
    from scipy.stats import chi2_contingency

    tables = (
        [(g.right_called_right, g.right_called_wrong) for g in found],
        [(g.wrong_called_wrong, g.wrong_called_right) for g in found],
    )
    worst = 1.0
    for table in tables:
        rows = [row for row in table if sum(row)]
        if len(rows) > 1 and all(sum(column) for column in zip(*rows, strict=True)):
            worst = min(worst, float(chi2_contingency(rows).pvalue))  # pyright: ignore[reportAttributeAccessIssue]
    return min(1.0, 2 * worst)


def weight(found: Sequence[Grades], questions: int) -> float:
    """Return the weight of the judge that makes the variance least, 0..1, pooled over the strategies."""
    n = sum(_n(g) for g in found)
    y = sum(g.right_called_right + g.right_called_wrong for g in found) / n
    f = sum(g.right_called_right + g.wrong_called_right for g in found) / n
    both = sum(g.right_called_right for g in found) / n
    ratio = n / len(found) / max(1, questions)
    return min(1.0, max(0.0, (both - y * f) / max(1e-9, f * (1 - f)) / (1 + ratio)))


def _n(g: Grades) -> int:
    return g.right_called_right + g.right_called_wrong + g.wrong_called_right + g.wrong_called_wrong


def rectifier(g: Grades, lam: float) -> tuple[float, float]:
    """Return the mean of grade minus weighted verdict, and its variance; two pseudo-grades keep it from being sure."""
    values = (
        (1 - lam, g.right_called_right),
        (1.0, g.right_called_wrong),
        (-lam, g.wrong_called_right),
        (0.0, g.wrong_called_wrong),
    )
    n = _n(g)
    mean = sum(v * c for v, c in values) / n
    spread = sum(c * (v - mean) ** 2 for v, c in values) + 0.5
    return mean, spread / (n - 1) / n


def corrected_by_strategy(result: Evaluation, check: JudgeCheck) -> Evaluation:
    """Return the evaluation with shares and differences from verdicts and grades together, by strategy.

    Args:
        result: The evaluation by the judge's verdicts.
        check: The judge, with grades of every strategy.
    """
    own = {g.strategy: g for g in check.grades}
    lam = weight(check.grades, result.test_items)
    fix = {name: rectifier(g, lam) for name, g in own.items()}
    results = [
        r.model_copy(update={"accuracy": _share(r.accuracy, lam, *fix[r.spec.name])})
        for r in result.results
    ]
    pairs = [_pair(c, lam, fix[c.a], fix[c.b]) for c in result.comparisons]
    adjusted = holm([c.p_value for c in pairs]) if pairs else []
    pairs = [c.model_copy(update={"p_adjusted": p}) for c, p in zip(pairs, adjusted, strict=True)]
    return result.model_copy(update={"results": results, "comparisons": pairs})


def _share(e: Estimate, lam: float, mean: float, variance: float) -> Estimate:
    value = min(1.0, max(0.0, lam * e.value + mean))
    half = Z * math.sqrt((lam * (e.high - e.low) / (2 * Z)) ** 2 + variance)
    return Estimate(
        value=value,
        low=max(0.0, value - half),
        high=min(1.0, value + half),
        n=e.n,
        method="PPI++, judge and grades",
    )


def _pair(c: Comparison, lam: float, a: tuple[float, float], b: tuple[float, float]) -> Comparison:
    own = c.error or (c.difference.high - c.difference.low) / (2 * Z)
    judged, items = a[1] + b[1], (lam * own) ** 2
    value, error = lam * c.difference.value + a[0] - b[0], math.sqrt(items + judged)
    d = Estimate(
        value=min(1.0, max(-1.0, value)),
        low=max(-1.0, value - Z * error),
        high=min(1.0, value + Z * error),
        n=c.difference.n,
        method="PPI++, judge and grades",
    )
    parts = {name: lam**2 * v for name, v in c.parts.items()} or {"items": items}
    return c.model_copy(
        update={
            "difference": d,
            "error": error,
            "parts": {**parts, "judge": judged},
            "p_value": p_value(d),
        }
    )


def unknown_bias(share: float, gap: float) -> float:
    """Return the variance that unequal errors may bring to a difference, where grades do not name the strategy.

    Args:
        share: Share of right answers, 0..1.
        gap: Sensitivity plus specificity minus one.
    """
    return 2 * UNKNOWN_SD**2 * ((1 - share) ** 2 + share**2) / gap**2
