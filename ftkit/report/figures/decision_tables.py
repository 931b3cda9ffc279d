"""The decision as tables: figures and their sources, limits, costs, forecast, claims and what could be bought."""

from __future__ import annotations

from typing import Any

from ftkit.core.records.decision import Decision, Price, StrategyCost
from ftkit.core.records.evaluation import Evaluation
from ftkit.report import theme


def measured_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return what enters the decision for a table."""
    return [
        {
            "strategy": r.spec.name,
            "right": theme.interval(r.accuracy),
            "seconds per answer": r.seconds_per_answer,
            "tokens read": round(r.prompt_tokens_mean),
            "tokens written": round(r.completion_tokens_mean),
        }
        for r in evaluation.results
    ]


def price_rows(decision: Decision) -> list[dict[str, Any]]:
    """Return the prices for a table: given and measured ones first, assumed ones after."""
    order = {"given": 0, "measured": 1, "assumed": 2}
    return [
        {
            "price": x.name,
            "value": x.value,
            "range": _range(x),
            "unit": x.unit,
            "origin": x.origin,
            "source": x.source,
        }
        for x in sorted(decision.prices, key=lambda x: order[x.origin])
    ]


def gate_rows(decision: Decision) -> list[dict[str, Any]]:
    """Return the gates that were not passed for a table."""
    found = [g for g in decision.gates if g.state != "passed"]
    return [
        {"strategy": g.strategy, "gate": g.gate, "state": g.state, "measured": g.detail}
        for g in found
    ]


def cost_rows(decision: Decision) -> list[dict[str, Any]]:
    """Return what each strategy costs for a table, cheapest first."""
    return [
        {
            "strategy": c.strategy,
            "once, USD": round(c.one_off_usd),
            "a month, USD": round(c.monthly_usd),
            "1,000 answers, USD": round(c.per_1000_answers_usd, 2),
            "1,000 right answers, USD": None
            if c.per_1000_right_usd is None
            else round(c.per_1000_right_usd, 2),
            "first year, USD": round(c.first_year_usd),
            "9 of 10 draws": _drawn(c),
            "updates a year": c.updates_per_year,
            "machines": "–" if c.machines is None else f"{c.machines}, busy {c.machine_busy:.0%}",
        }
        for c in sorted(decision.costs, key=lambda c: c.first_year_usd)
    ]


def _range(x: Price) -> str:
    return "–" if x.low is None or x.high is None else f"{x.low:,.3g} to {x.high:,.3g}"


def _drawn(c: StrategyCost) -> str:
    if c.first_year_low_usd is None or c.first_year_high_usd is None:
        return "–"
    return f"{round(c.first_year_low_usd, -2):,.0f} to {round(c.first_year_high_usd, -2):,.0f}"


def forecast_rows(decision: Decision) -> list[dict[str, Any]]:
    """Return what 04 expected against what the test measured, for a table."""
    return [
        {
            "way out": f.way,
            "strategy": f.strategy,
            "expected by the error analysis": theme.interval(f.expected),
            "prompting's wrong answers corrected in the test": theme.interval(f.measured),
            "that is": f.verdict,
        }
        for f in decision.forecast_check
    ] or [{"way out": "the error analysis saw no wrong answers"}]


def claim_rows(decision: Decision) -> list[dict[str, Any]]:
    """Return the guide's claims for a table."""
    return [
        {
            "common advice says": f"{c.claim} ({c.point})",
            "this run": c.verdict,
            "measured": c.measured,
        }
        for c in decision.claims
    ]


def offer_rows(decision: Decision) -> list[dict[str, Any]]:
    """Return what could be bought before choosing, for a table."""
    return [
        {
            "buy": f"{o.amount:,} more {o.what}",
            "costs, USD": round(o.cost_usd),
            "worth, USD": round(o.worth_usd),
            "settles it": f"{o.settles:.0%}" if o.worth_usd > o.cost_usd else "not worth it",
            "advised": "yes" if o == decision.advised else "",
        }
        for o in decision.offers
    ] or [{"buy": "nothing: the verdict is settled, or only limits are open"}]
