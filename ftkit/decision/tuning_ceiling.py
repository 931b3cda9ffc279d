"""What tuning could add at most, where nothing was trained: a bound from measurements and prices, no forecast."""

from __future__ import annotations

from collections.abc import Mapping

from ftkit.core.records.base import Estimate
from ftkit.core.records.decision import Decision, TuningCeiling
from ftkit.decision import cost_model
from ftkit.decision.case import Case
from ftkit.decision.rule import points_of
from ftkit.decision.words import points, share, usd

WAY = "examples or tuning"
"""Way out of ``error_attribution.mends``."""


def tuning_ceiling(case: Case, best: str, in_reach: Mapping[str, Estimate]) -> TuningCeiling | None:
    """Return what tuning could add at most to the best measured strategy; None where tuned weights were tested.

    Args:
        case: The measurements, prices and limits.
        best: Name of the best measured strategy.
        in_reach: Share of the plain prompt's failures that each way out can mend at most, by 04.
    """
    parts = [p for r in case.results.values() for p in (r.cascade.parts if r.cascade else [r])]
    local = [r for r in parts if r.spec.model == "base" and not r.spec.votes]
    if not local or any(r.spec.model == "tuned" for r in parts):
        return None
    s, mine = case.setting, case.results[best]
    start = max(local, key=lambda r: r.accuracy.value)
    tuned = start.model_copy(update={"spec": start.spec.model_copy(update={"model": "tuned"})})
    extra = float(cost_model.first_year_usd(tuned, s) - cost_model.first_year_usd(mine, s))
    e = mine.accuracy
    gain = e.model_copy(update={"value": 1 - e.value, "low": 1 - e.high, "high": 1 - e.low})
    return TuningCeiling(
        strategy=best,
        gain=gain,
        worth_usd=case.stake * gain.value,
        worth_low_usd=case.stake * gain.low,
        worth_high_usd=case.stake * gain.high,
        cost_usd=extra,
        break_even_points=points_of(extra, case.stake),
        in_reach=in_reach.get(WAY),
    )


def sentence(d: Decision) -> str:
    """Return the bound in words; empty where tuned weights were tested."""
    c = d.tuning_ceiling
    if c is None:
        return ""
    missing = 100 * (d.needed_accuracy - (1 - c.gain.value))
    said = [
        "Nothing was trained, so what tuning would bring was not measured.",
        f"It could add at most {points(c.gain)} to {c.strategy}, if every answer became right:"
        f" {_worth(d, c)}, against about {usd(abs(c.cost_usd))}"
        f" {'more' if c.cost_usd >= 0 else 'less'} in the first year, without the training's machine time.",
        _pays(c),
    ]
    if missing > 0:
        said.append(
            f"The limit of {d.needed_accuracy:.0%} right answers asks for {missing:.1f} points more."
        )
    if c.in_reach:
        said.append(
            f"By 04, examples or tuning could mend at most {share(c.in_reach)} of the plain prompt's failures."
        )
    return " ".join(part for part in said if part)


def _worth(d: Decision, c: TuningCeiling) -> str:
    values = {x.origin for x in d.prices if x.name in ("right_answer_usd", "wrong_answer_usd")}
    assumed = "; the values of answers are assumed" if "assumed" in values else ""
    return f"worth {usd(c.worth_usd)} a year ({usd(c.worth_low_usd)} to {usd(c.worth_high_usd)}{assumed})"


def _pays(c: TuningCeiling) -> str:
    if c.cost_usd <= 0:
        return "It would cost less, so it pays if it is no worse."
    if c.worth_high_usd < c.cost_usd:
        return "At these figures it cannot pay."
    if c.break_even_points is None:
        return ""
    return f"It pays only from a gain of {c.break_even_points:.1f} points on."
