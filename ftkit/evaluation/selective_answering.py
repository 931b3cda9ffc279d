"""Does a strategy know when it is right? Which questions it may answer alone, and which should go to a person.

An answer's confidence is the probability that the model gave it. The questions are ordered by it, and the share of wrong
answers is told for the surest part, from small to all. How much may be answered alone is not read off that curve (the
best of many looks would flatter), but tested: the surest answers first, then more and more, until it can no longer be
said with 95% certainty that at most the allowed share is wrong.

Source: Angelopoulos, Bates, Candès, Jordan & Lei (2021), Learn then Test: fixed-sequence testing;
Obuchowski (1997), Nonparametric analysis of clustered ROC curve data; Niculescu-Mizil & Caruana (2005), Predicting Good
Probabilities With Supervised Learning (reliability diagrams).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import CoveragePoint, JudgeCheck, ReliabilityPoint, Selective
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.statistics import mean_interval

STEPS = 20
BINS, FEWEST = 10, 20
LEVEL = 0.05
START = 0.25


def selective(
    specs: Sequence[StrategySpec],
    answers: Any,
    scores: Any,
    allowed_wrong: float,
    judge: JudgeCheck | None = None,
) -> list[Selective]:
    """Return of every strategy whose model tells its confidence what it may answer alone.

    Args:
        specs: The strategies.
        answers: Columns ``records.ANSWER_COLUMNS``.
        scores: Columns ``records.SCORE_COLUMNS``.
        allowed_wrong: Share of wrong answers allowed among those that it gives alone, 0..1.
        judge: The model that said what is right; None: the task's metric did.
    """
    found, caught = [], judge.specificity.low if judge else None
    for spec in specs:
        said, marks = (
            answers[answers["strategy"] == spec.name],
            scores[scores["strategy"] == spec.name],
        )
        right = marks.set_index("item_id").loc[said["item_id"]]
        sure = said["confidence"].to_numpy(dtype=float)
        known = np.isfinite(sure) & ~right["missing"].to_numpy(dtype=bool)
        if known.sum() > 1:
            groups = right["group"].astype(str).to_numpy()[known]
            found.append(
                of(
                    spec,
                    sure[known],
                    right["correct"].to_numpy(dtype=float)[known],
                    groups,
                    len(said),
                    allowed_wrong,
                    caught,
                )
            )
    return found


def of(
    spec: StrategySpec,
    sure: Any,
    right: Any,
    groups: Any,
    questions: int,
    allowed_wrong: float,
    caught: float | None = None,
) -> Selective:
    """Return what one strategy may answer alone.

    A judge calls some wrong answers right. Of those that it calls wrong at least the share ``caught`` of the truly wrong
    ones are among, so no more than ``allowed_wrong * caught`` may be called wrong; half of the 5% go to that share's bound.

    Args:
        spec: The strategy.
        sure: Confidence per answer, 0..1, shape (answers,).
        right: 1 where the answer is right, else 0, shape (answers,).
        groups: Cluster of each answer, shape (answers,).
        questions: Questions in all; what has no answer is never answered alone.
        allowed_wrong: Share of wrong answers allowed among those that it gives alone, 0..1.
        caught: Least share of wrong answers that a judge calls wrong, with 97.5% certainty; None: no judge says what is right.
    """
    order = np.lexsort((np.arange(len(sure)), -sure))
    sure, right, groups = sure[order], right[order], groups[order]
    curve = []
    for size in sizes(len(sure)):
        size = int((sure >= sure[size - 1]).sum())  # answers that are equally sure stay together
        wrong = mean_interval(1 - right[:size], groups[:size], 2_000)
        curve.append(
            CoveragePoint(coverage=size / questions, least=float(sure[size - 1]), wrong=wrong)
        )
    alone, least = (
        allowed(sure, right, groups, allowed_wrong)
        if caught is None
        else allowed(sure, right, groups, allowed_wrong * caught, LEVEL / 2)
    )
    return Selective(
        strategy=spec.name,
        family=spec.family,
        told=len(sure),
        confidence=float(sure.mean()),
        overconfidence=_over(sure, right, groups),
        auroc=auroc(sure, right, groups),
        curve=curve,
        reliability=reliability(sure[::-1], right[::-1], groups[::-1]),
        allowed_wrong=allowed_wrong,
        alone=alone / questions,
        least=least,
        caught=caught,
    )


def reliability(sure: Any, right: Any, groups: Any) -> list[ReliabilityPoint]:
    """Return how often answers are right that the model is about equally sure of, from the least sure to the surest.

    The answers are cut into at most ten parts of like size, of at least twenty answers; equally sure ones stay together.

    Args:
        sure: Confidence per answer, lowest first, shape (answers,).
        right: 1 where the answer is right, shape (answers,).
        groups: Cluster of each answer, shape (answers,).
    """
    n = len(sure)
    parts = max(1, min(BINS, n // FEWEST))
    cuts = sorted(
        {int(np.searchsorted(sure, sure[n * k // parts], side="left")) for k in range(1, parts)}
        | {0, n}
    )
    return [
        ReliabilityPoint(
            answers=b - a,
            confidence=float(sure[a:b].mean()),
            right=mean_interval(right[a:b], groups[a:b], 2_000),
        )
        for a, b in pairwise(cuts)
        if b > a
    ]


def sizes(n: int) -> list[int]:
    """Return how many of ``n`` answers each step takes, up to all; they do not depend on what is right."""
    return sorted({max(1, math.ceil(n * k / STEPS)) for k in range(1, STEPS + 1)})


def allowed(
    sure: Any, right: Any, groups: Any, share: float, level: float = LEVEL
) -> tuple[int, float | None]:
    """Return how many of the surest answers may be given alone, and from which confidence; (0, None): none.

    The first test takes a quarter of the steps between the fewest answers that could show it (29 for 10%) and all, each
    further one takes a step more and is made only where the one before held: so the chance of a wrong promise stays 5%
    over all of them. Where to start was chosen in ``benchmarks/selective``. Each cluster counts as one answer.

    Args:
        sure: Confidence per answer, highest first, shape (answers,).
        right: 1 where the answer is right, shape (answers,).
        groups: Cluster of each answer, shape (answers,).
        share: Share of wrong answers allowed, 0..1.
        level: Chance of a wrong promise.
    """
    from scipy.special import betainc

    if not 0 < share < 1:
        return 0, None
    new = np.zeros(len(groups), dtype=int)
    new[np.unique(groups, return_index=True)[1]] = 1
    seen = np.cumsum(new)  # clusters among the surest so many answers
    fewest = int(np.searchsorted(seen, math.ceil(math.log(level) / math.log(1 - share)))) + 1
    steps = [
        s for s in sorted({*(s for s in sizes(len(sure)) if s > fewest), fewest}) if s <= len(sure)
    ]

    def holds(size: int) -> bool:
        n, wrong = int(seen[size - 1]), float((1 - right[:size]).mean())
        return wrong < share and betainc(n - n * wrong, n * wrong + 1, 1 - share) <= level

    found = 0
    for size in steps[int(START * len(steps)) :]:
        size = int((sure >= sure[size - 1]).sum())
        if not holds(size):
            break
        found = size
    return (found, float(sure[found - 1])) if found else (0, None)


def _over(sure: Any, right: Any, groups: Any) -> Estimate:
    """Return mean confidence minus share right with its interval; the gap lies in -1..1, so it is shifted into 0..1."""
    e = mean_interval((sure - right + 1) / 2, groups, 2_000)
    return Estimate(
        value=2 * e.value - 1, low=2 * e.low - 1, high=2 * e.high - 1, n=e.n, method=e.method
    )


def auroc(sure: Any, right: Any, groups: Any) -> Estimate | None:
    """Return the chance that a right answer is surer than a wrong one (ties count half), clusters taken as a whole.

    Returns:
        The estimate with a 95% interval on the logit scale; None where all answers are right or all wrong.
    """
    from scipy.special import stdtrit
    from scipy.stats import rankdata

    yes = right.astype(bool)
    m, n = int(yes.sum()), int((~yes).sum())
    if not m or not n:
        return None
    ranks = rankdata(sure)
    above = (
        ranks[yes] - rankdata(sure[yes])
    ) / n  # of each right answer, the share of wrong ones below it
    below = (
        1 - (ranks[~yes] - rankdata(sure[~yes])) / m
    )  # of each wrong answer, the share of right ones above it
    value = float(above.mean())
    _, index = np.unique(groups, return_inverse=True)
    g = int(index.max()) + 1
    if g < 3:
        return Estimate(
            value=value,
            low=0.0,
            high=1.0,
            n=len(sure),
            method="fewer than three clusters: no interval can be made",
        )
    pull = (
        np.bincount(index[yes], above - value, g) / m
        + np.bincount(index[~yes], below - value, g) / n
    )
    error = math.sqrt(float((pull**2).sum()) * g / (g - 1))
    inside = min(max(value, 0.5 / len(sure)), 1 - 0.5 / len(sure))
    error = max(
        error, 1 / (2 * min(m, n) + 2) / 2
    )  # all right ones above all wrong ones is no sure thing
    half = float(stdtrit(g - 1, 0.975)) * error / (inside * (1 - inside))
    low, high = (
        1 / (1 + math.exp(-(math.log(inside / (1 - inside)) + side * half))) for side in (-1, 1)
    )
    return Estimate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        n=len(sure),
        method="Obuchowski, logit",
    )
