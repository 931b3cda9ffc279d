"""08: the verdict, its costs and what would flip it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ftkit.core.records.base import Estimate, Origin, Record


class Price(Record):
    """One figure of the cost model with where it comes from."""

    name: str
    value: float
    unit: str
    origin: Origin
    source: str = ""
    low: float | None = Field(
        default=None,
        description="least value that an assumed figure may have; None: taken as it is",
    )
    high: float | None = Field(
        default=None, description="largest value that an assumed figure may have"
    )


class StrategyCost(Record):
    """What a strategy costs."""

    strategy: str
    one_off_usd: float
    monthly_usd: float
    per_1000_answers_usd: float
    first_year_usd: float
    first_year_low_usd: float | None = Field(
        default=None, description="5% of the drawn first-year costs lie below, USD"
    )
    first_year_high_usd: float | None = Field(
        default=None, description="5% of the drawn first-year costs lie above, USD"
    )
    break_even_answers_per_month: float | None = Field(
        default=None,
        description="monthly volume above which it is cheaper over a year than the strategy it replaces",
    )
    replaces: str = Field(
        default="", description="the strategy that the break-even volume is counted against"
    )
    per_1000_right_usd: float | None = Field(
        default=None, description="running cost of 1,000 right answers; None: none right"
    )
    updates_per_year: float = Field(
        default=0.0, description="re-tunings or rewrites a year that the cost holds"
    )
    upkeep_first_year_usd: float = Field(
        default=0.0, description="part of the first year that keeps up with changes"
    )
    by_volume: list[tuple[float, float]] = Field(
        default_factory=list,
        description="first-year cost in USD at other volumes: (answers a month, USD)",
    )


class Gate(Record):
    """One gate that a strategy must pass before accuracy and cost count."""

    strategy: str
    gate: str
    passed: bool | None = Field(
        description="None: not measured, or the interval lies on both sides of the limit"
    )
    detail: str
    state: Literal["passed", "failed", "can't tell", "not measured"] = Field(
        default="not measured", description="passed or failed only where the whole interval says so"
    )
    limit: float | None = Field(default=None, description="the limit that a share was held against")


class Claim(Record):
    """A claim of the guide held against what this run measured."""

    claim: str
    point: str = Field(description="the guide's point, e.g. G9")
    measured: str = Field(description="what this run measured, with its interval")
    verdict: Literal["holds here", "does not hold here", "can't tell", "not testable here"]


class ForecastCheck(Record):
    """What 04 expected of one way out, and what the test measured of it."""

    way: str = Field(description="retrieval, examples or tuning, or both together")
    strategy: str = Field(description="the strategy that goes this way")
    expected: Estimate = Field(
        description="share of the plain prompt's wrong validation answers within its reach"
    )
    measured: Estimate = Field(
        description="share of prompting's wrong test answers that it got right"
    )
    verdict: Literal["as expected", "more than expected", "less than was in reach"]


class PriceEffect(Record):
    """What one assumed figure does to the cost of a strategy against another, the rest as it is."""

    price: str
    low: float = Field(description="its least value")
    high: float = Field(description="its largest value")
    at_low_usd: float = Field(description="extra cost of the first year at the least value, USD")
    at_high_usd: float = Field(description="extra cost of the first year at the largest value, USD")


class Decision(Record):
    """The verdict and what it rests on."""

    verdict: str = Field(
        description="prompting, few-shot, RAG, fine-tuned, hybrid, endpoint, none or can't tell yet"
    )
    strategy: str | None
    sentence: str = Field(description="the verdict in one sentence a manager can repeat")
    reasons: list[str]
    gates: list[Gate]
    costs: list[StrategyCost]
    prices: list[Price]
    margin_points: float
    more_test_examples: int | None = None
    more_test_usd: float | None = Field(
        default=None, description="what labelling these test examples would cost"
    )
    leading: str = Field(
        default="", description="strategy ahead so far, where the verdict is can't tell yet"
    )
    flips: list[str] = Field(description="what would change the verdict, and how close it is")
    flip_factors: list[float] = Field(
        default_factory=list,
        description="per flip: the factor by which its figure must move, 2 for a choice",
    )
    expected: str = Field(description="what 01 expected before measuring")
    next_steps: list[str] = Field(
        default_factory=list, description="what to do on Monday, in order"
    )
    forecast_check: list[ForecastCheck] = Field(
        default_factory=list, description="what 04 expected against what the test measured"
    )
    claims: list[Claim] = Field(
        default_factory=list, description="the guide's claims held against this run"
    )
    price_draws: int = Field(
        default=0, description="draws of all assumed figures within their ranges"
    )
    holds_share: float | None = Field(
        default=None, description="share of the draws in which the verdict stays the same, 0..1"
    )
    price_effects: list[PriceEffect] = Field(
        default_factory=list, description="extra cost per assumed figure, widest first"
    )
    swings_of: tuple[str, str] | None = Field(
        default=None, description="strategy, and the one its extra cost is counted against"
    )
    extra_usd: float | None = Field(
        default=None, description="extra cost of the first year with all figures as they are, USD"
    )
