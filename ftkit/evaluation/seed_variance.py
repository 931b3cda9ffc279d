"""The luck of one training: what another seed would have done, and intervals that hold it.

Two trainings that differ in nothing but their seed answer differently. Intervals over test questions know nothing of that. Where 05
trained on all examples with several seeds (``training.curve_shares`` with 1.0), their spread on validation widens every figure of
the tuned strategies; where it did not, that is said.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import Comparison, Effect, Evaluation
from ftkit.core.records.training import LearningCurve
from ftkit.core.statistics import holm

C = TypeVar("C", Comparison, Effect)
Z = 1.959964
ONCE = (
    "The tuned model was trained once. Training it again would give somewhat better or worse answers, and the intervals "
    "do not include that. To measure it, set training.curve_shares to [1.0]."
)


def spread(curve: LearningCurve | None) -> tuple[int, float] | None:
    """Return how many seeds were trained on all examples, and the standard deviation from seed to seed; None for fewer than two."""
    if curve is None or curve.seed_sd is None:
        return None
    most = max(point.examples for point in curve.points)
    return sum(point.examples == most for point in curve.points), curve.seed_sd


def with_seeds(result: Evaluation, curve: LearningCurve | None) -> Evaluation:
    """Return the evaluation with the spread of seeds in every interval and p-value of a tuned strategy.

    Two tuned strategies rest on the same weights, but trained again each would move by itself too: their difference is
    widened by half of the variance (assumed: half of it is common to both).

    Args:
        result: The evaluation over test questions.
        curve: What 05 trained besides; None: nothing.
    """
    tuned = {r.spec.name for r in result.results if r.spec.model == "tuned"}
    tuned |= {r.spec.name for r in result.results if r.spec.small in tuned or r.spec.large in tuned}
    found = spread(curve)
    if not tuned or found is None:
        return result.model_copy(update={"notes": [*result.notes, *([ONCE] if tuned else [])]})
    from scipy.stats import t

    seeds, sd = found
    more = float(t.ppf(0.975, seeds - 1)) * sd
    results = [
        r.model_copy(update={"accuracy": wider(r.accuracy, more, 0.0)})
        if r.spec.name in tuned
        else r
        for r in result.results
    ]
    told = (
        f"{seeds} trainings that differ in their seed alone lie {100 * sd:.1f} points apart (standard deviation on validation, beyond what single "
        "answers flip); the intervals of tuned strategies hold that."
    )

    def of_pair(c: Comparison) -> Estimate:
        factor = _factor(c, tuned)
        return wider(c.difference, more * math.sqrt(factor), -1.0) if factor else c.difference

    found = with_differences(
        result.model_copy(update={"results": results, "notes": [*result.notes, told]}),
        of_pair,
        lambda e: wider(e.difference, more, -1.0) if e.name == "tuning" else e.difference,
    )
    pairs = [
        _with_part(old, new, _factor(old, tuned) * sd**2, seeds)
        for old, new in zip(result.comparisons, found.comparisons, strict=True)
    ]
    return found.model_copy(update={"comparisons": pairs, "seeds": seeds})


def _factor(c: Comparison, tuned: set[str]) -> float:
    """Return how much of one training's variance a difference holds: none, half (both tuned) or all."""
    return {0: 0.0, 1: 1.0, 2: 0.5}[(c.a in tuned) + (c.b in tuned)]


def _with_part(old: Comparison, new: Comparison, variance: float, seeds: int) -> Comparison:
    """Return a comparison whose standard error holds the seeds' part; its degrees of freedom by Satterthwaite."""
    if not variance or not old.error:
        return new
    own, total = old.error**2, old.error**2 + variance
    df = total**2 / (own**2 / (old.df or 1e9) + variance**2 / max(1, seeds - 1))
    parts = {**old.parts, "seeds": variance}
    return new.model_copy(update={"error": math.sqrt(total), "df": df, "parts": parts})


def wider(e: Estimate, more: float, least: float) -> Estimate:
    """Return an estimate whose two sides are longer by an independent error.

    Args:
        e: The estimate.
        more: Half the width of the other error's 95% interval.
        least: Least value that is possible; the largest is 1.
    """
    low, high = (math.hypot(side, more) for side in (e.value - e.low, e.high - e.value))
    return e.model_copy(
        update={
            "low": max(least, e.value - low),
            "high": min(1.0, e.value + high),
            "method": f"{e.method}, spread of seeds",
        }
    )


def with_differences(
    result: Evaluation,
    of_pair: Callable[[Comparison], Estimate],
    of_effect: Callable[[Effect], Estimate],
) -> Evaluation:
    """Return an evaluation whose differences have longer intervals; where one has, its p-value is no smaller than that says.

    Args:
        result: The evaluation.
        of_pair: Returns the difference of a pair of strategies, the same one where nothing changes.
        of_effect: Returns that of an effect.
    """
    pairs = [_changed(c, of_pair(c)) for c in result.comparisons]
    adjusted = holm([c.p_value for c in pairs]) if pairs else []
    pairs = [c.model_copy(update={"p_adjusted": p}) for c, p in zip(pairs, adjusted, strict=True)]
    return result.model_copy(
        update={
            "comparisons": pairs,
            "effects": [_changed(e, of_effect(e)) for e in result.effects],
        }
    )


def _changed(old: C, difference: Estimate) -> C:
    if difference == old.difference:
        return old
    update: dict[str, object] = {"difference": difference}
    if isinstance(old, Comparison):
        update |= error_of(old, difference, "clusters")
    return old.model_copy(update=update | {"p_value": max(old.p_value, p_value(difference))})


def error_of(old: Comparison, difference: Estimate, source: str) -> dict[str, object]:
    """Return standard error and parts of a comparison whose interval was changed; what is new goes to one source.

    Args:
        old: The comparison before.
        difference: Its difference with the new interval.
        source: Where the new part of the variance comes from.
    """
    width = old.difference.high - old.difference.low
    if not old.error or width <= 0:
        return {"error": 0.0, "df": None, "parts": {}}
    error = old.error * (difference.high - difference.low) / width
    others = {name: v for name, v in old.parts.items() if name != source}
    rest = error**2 - sum(others.values())
    return {"error": error, "parts": {**others, **({source: rest} if rest > 0 else {})}}


def p_value(e: Estimate) -> float:
    """Return the two-sided p-value of a difference by the normal law, from the side of its interval towards zero."""
    side = (e.value - e.low if e.value > 0 else e.high - e.value) / Z
    return math.erfc(abs(e.value) / side / math.sqrt(2)) if side else float(e.value == 0)
