"""What a small and a large model together bring, in one sentence: the share passed on, how right, at which bill."""

from __future__ import annotations

from ftkit.core.records.decision import Decision
from ftkit.core.records.evaluation import Cascade, Evaluation

WHY_NOT = {
    "no confidence": "the small model tells no confidence",
    "confidence tells nothing": "the small model's confidence does not tell which of its answers are wrong",
    "not shown": "on validation no share of its answers was shown to be right often enough",
    "too dear": "more questions would have to be passed on than the limit allows",
    "small alone": "{small} alone is as right as {large} within {margin:g} points on validation",
    "judged": "answers are judged by a model, whose errors on single questions are not known",
}


def cascade_sentence(evaluation: Evaluation, decision: Decision | None = None) -> str:
    """Return what the cascade brings, or why none pays; empty where none was tried.

    Args:
        evaluation: What 07 measured.
        decision: What 08 reckoned; None: no bill is told.
    """
    c = evaluation.cascade
    if c is None:
        return ""
    if c.state != "cascade" or c.passed is None:
        words = WHY_NOT.get(c.state, "its models were not both measured")
        return f"No cascade pays here: {words.format(small=c.small, large=c.large, margin=100 * c.margin)}."
    bill = _bill(c, decision)
    if bill is not None and bill >= 1:
        return f"No cascade pays here: its monthly bill is {bill:.0%} of that of {c.large} alone."
    passed = round(100 * c.passed.value)
    said = f"Answer {100 - passed}% with {c.small}, pass {passed}% on to {c.large}: {_right(evaluation, c)}"
    return said + (f", at {bill:.0%} of its bill." if bill is not None else ".")


def _right(evaluation: Evaluation, c: Cascade) -> str:
    names = {"cascade", c.large}
    pair = next(x for x in evaluation.comparisons if {x.a, x.b} == names)
    e, sign = pair.difference, 1 if pair.a == "cascade" else -1
    low = min(sign * e.low, sign * e.high)
    if low >= -c.margin:
        return f"as right as {c.large} alone"
    low, value, high = (100 * v for v in sorted((sign * e.low, sign * e.value, sign * e.high)))
    return f"{value:+.1f} points against {c.large} alone ({low:+.1f} to {high:+.1f})"


def _bill(c: Cascade, decision: Decision | None) -> float | None:
    """Return the cascade's running cost as a share of the large model's; None where it is not known."""
    usd = {x.strategy: x.per_1000_answers_usd for x in decision.costs} if decision else {}
    return usd["cascade"] / usd[c.large] if usd.get(c.large) and "cascade" in usd else None
