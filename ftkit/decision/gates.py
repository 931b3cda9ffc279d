"""What a strategy must pass before accuracy and cost count. Passed and failed only where the whole interval says so."""

from __future__ import annotations

import math
from typing import Literal

from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.decision import Gate
from ftkit.core.records.evaluation import Evaluation, StrategyResult
from ftkit.scoring.outcomes import CUT_OFF_ALLOWED, cut_off_words

CUT_OFF = "cut off"
State = Literal["passed", "failed", "can't tell", "not measured"]


def gates(evaluation: Evaluation, p: DecisionParameters) -> list[Gate]:
    """Return every gate of every strategy."""
    found = []
    for result in evaluation.results:
        found += [
            at_least(result, "accuracy", _lifted(result.accuracy, result), p.min_accuracy),
            at_least(result, "format", _lifted(result.format_ok, result), p.min_format_ok),
            at_most(result, "hallucination", result.unsupported, p.max_unsupported),
            regression(result, evaluation, p),
            cut_off(result),
            latency(result, p),
            privacy(result, p),
        ]
    return found


def _lifted(measured: Estimate, result: StrategyResult) -> Estimate:
    """Return a share whose upper end allows for too many replies that were cut off: with more room all might be right."""
    share = sum(result.cut_off_by.values())
    if share <= CUT_OFF_ALLOWED:
        return measured
    return measured.model_copy(update={"high": min(1.0, measured.high + share)})


def at_least(result: StrategyResult, name: str, measured: Estimate, limit: float) -> Gate:
    """Return a gate on a share that must not lie below a limit."""
    state = (
        "passed"
        if measured.low >= limit or limit <= 0
        else "failed"
        if measured.high < limit
        else "can't tell"
    )
    return _gate(result, name, state, f"{_share(measured)}, needs at least {limit:.0%}", limit)


def at_most(result: StrategyResult, name: str, measured: Estimate | None, limit: float) -> Gate:
    """Return a gate on a share that must not lie above a limit."""
    if measured is None:
        return _gate(result, name, "not measured", "no sources to hold the answers against")
    state = (
        "passed"
        if measured.high <= limit or limit >= 1
        else "failed"
        if measured.low > limit
        else "can't tell"
    )
    return _gate(result, name, state, f"{_share(measured)} unsupported, allowed {limit:.0%}", limit)


def regression(result: StrategyResult, evaluation: Evaluation, p: DecisionParameters) -> Gate:
    """Return the gate on general skills: the tuned model must not be worse than its base by more than the margin."""
    if "tuned" not in _models(result):
        return _gate(result, "regression", "passed", "the model is not changed")
    if not evaluation.regression:
        return _gate(
            result, "regression", "not measured", evaluation.probe_note or "no general probe"
        )
    change, margin = evaluation.regression[0].difference, p.regression_margin_points / 100
    state = (
        "passed" if change.low > -margin else "failed" if change.high < -margin else "can't tell"
    )
    text = f"{100 * change.value:+.1f} points ({100 * change.low:+.1f} to {100 * change.high:+.1f}) on {change.n} general items"
    return _gate(result, "regression", state, f"{text}, allowed -{100 * margin:g}")


def cut_off(result: StrategyResult) -> Gate:
    """Return the gate on replies that were cut off: too many, and what the strategy can do has not been measured."""
    words = cut_off_words(result.outcomes, result.cut_off_by) or "no reply was cut off"
    state = "can't tell" if sum(result.cut_off_by.values()) > CUT_OFF_ALLOWED else "passed"
    return _gate(result, CUT_OFF, state, words)


def latency(result: StrategyResult, p: DecisionParameters) -> Gate:
    """Return the gate on the time that 95% of single requests take on this machine; runs before them have only batches.

    It can't tell where the limit lies within the interval of that percentile, which few requests leave wide.
    """
    single, batch = result.single_requests, f"{result.seconds_per_answer:.2g} s per answer"
    waits = single.p95_s if single else result.seconds_per_answer
    low, high, limit = waits, waits, p.max_seconds_per_answer
    between = ""
    if single and single.p95_low_s is not None:
        low = single.p95_low_s
        high = math.inf if single.p95_high_s is None else single.p95_high_s
        between = f" ({low:.2g} to {'any' if math.isinf(high) else f'{high:.2g}'} s)"
    state = "passed" if high <= limit else "failed" if low > limit else "can't tell"
    measured = (
        f"95% of {single.requests} single requests within {single.p95_s:.2g} s{between} on this machine"
        f"; median {single.p50_s:.2g} s, {batch} in batches"
        if single
        else f"{batch} in batches on this machine; single requests were not timed"
    )
    return _gate(result, "latency", state, f"{measured}, allowed {limit:g} s")


def privacy(result: StrategyResult, p: DecisionParameters) -> Gate:
    """Return the gate on where inputs may go."""
    if "endpoint" not in _models(result):
        return _gate(result, "privacy", "passed", "inputs stay on your machines")
    allowed = (
        "inputs may leave"
        if p.data_may_leave
        else "inputs would leave, and decision.data_may_leave is false"
    )
    return _gate(result, "privacy", "passed" if p.data_may_leave else "failed", allowed)


def _models(result: StrategyResult) -> set[str]:
    """Return the kinds of model that answer: two where a cascade does."""
    parts = result.cascade.parts if result.cascade else [result]
    return {part.spec.model for part in parts}


def _gate(
    result: StrategyResult, name: str, state: State, detail: str, limit: float | None = None
) -> Gate:
    passed = {"passed": True, "failed": False}.get(state)
    return Gate(
        strategy=result.spec.name, gate=name, passed=passed, detail=detail, state=state, limit=limit
    )


def _share(measured: Estimate) -> str:
    return f"{measured.value:.0%} ({measured.low:.0%} to {measured.high:.0%})"
