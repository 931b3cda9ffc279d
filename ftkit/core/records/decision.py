"""08: the verdict as codes and values, its costs, and what would change it. Sentences: :mod:`ftkit.decision.words`."""

from __future__ import annotations

import datetime as dt
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
    running_parts_usd: dict[str, float] = Field(
        default={}, description="what answering costs a month, by what it is paid for, USD"
    )
    machines: int | None = Field(
        default=None, description="machines that the volume needs; None: an endpoint answers"
    )
    machine_busy: float | None = Field(
        default=None, description="share of the month that these machines answer, 0..1"
    )
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
    accuracy: Estimate | None = Field(
        default=None, description="share of the test questions right, at the level of this look"
    )
    net_benefit_usd: float = Field(
        default=0.0,
        description="worth of right answers minus cost of wrong ones and of the first year, USD",
    )
    net_low_usd: float = Field(
        default=0.0, description="least net benefit by the accuracy's interval"
    )
    net_high_usd: float = Field(default=0.0, description="largest net benefit by that interval")
    with_person_share: float | None = Field(
        default=None,
        description="share of the answers that it may give alone, the others going to a person; None: none",
    )
    with_person_usd: float | None = Field(
        default=None, description="net benefit of the first year if it works so, USD"
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


class ProviderTuning(Record):
    """What the endpoint's model would cost if its provider tuned it; nothing of it was measured."""

    model: str
    training_usd: float = Field(description="one training, USD")
    monthly_usd: float = Field(description="answers and hosting of a month, USD")
    first_year_usd: float = Field(description="work, trainings and twelve months, USD")
    retunings: float = Field(description="trainings again in the first year")
    forced_retunings: int = Field(description="those of them that its retirement forces")
    retires: dt.date | None = Field(description="from when on it is no longer served")
    source: str = Field(description="where its prices were read, and when")


class PriceEffect(Record):
    """What one assumed figure does to the cost of a strategy against another, the rest as it is."""

    price: str
    low: float = Field(description="its least value")
    high: float = Field(description="its largest value")
    at_low_usd: float = Field(description="extra cost of the first year at the least value, USD")
    at_high_usd: float = Field(description="extra cost of the first year at the largest value, USD")


class NetDifference(Record):
    """What the strategy named by the verdict brings over another one, at the level of this look."""

    other: str
    gain: Estimate = Field(description="accuracy of the named strategy minus the other's, a share")
    extra_usd: float = Field(description="extra cost of its first year, USD; negative: it saves")
    break_even_points: float | None = Field(
        description="gain in points at which the extra cost is paid for; None: answers are worth nothing"
    )
    net_usd: float = Field(description="net benefit of the first year over the other's, USD")
    net_low_usd: float
    net_high_usd: float
    barred: list[str] = Field(
        default_factory=list, description="limits that the other fails; empty: it may be chosen"
    )
    beaten: bool = Field(description="whether the named one is better beyond chance in net benefit")


class ErrorPart(Record):
    """One source of the uncertainty between the named strategy and its nearest rival."""

    source: Literal["items", "clusters", "seeds", "judge", "cut off", "prices"]
    sd_usd: float = Field(
        description="standard deviation that it brings to the net difference, USD"
    )
    share: float = Field(description="its share of the variance, 0..1")
    assumed: bool = Field(default=False, description="whether it was assumed, not measured")


class Offer(Record):
    """Information that could be bought before choosing, what it costs and what it is worth."""

    what: Literal["labels", "seeds", "grades"]
    amount: int = Field(description="further test examples, trainings, or graded answers")
    cost_usd: float
    worth_usd: float = Field(
        description="expected gain in net benefit of the first year from choosing after it, USD"
    )
    settles: float = Field(description="chance that the verdict is settled after it, 0..1")


class Change(Record):
    """One figure changed alone, and the verdict that it leads to."""

    name: str = Field(description="parameter or figure of the list of prices")
    now: str = Field(description="its value today")
    at: str = Field(description="nearest value at which the verdict is another one")
    side: Literal["or less", "or more", ""] = Field(description="empty: a choice, not a number")
    kind: Literal["chosen", "none", "can't tell"]
    strategy: str = Field(default="", description="the strategy chosen then")
    factor: float = Field(description="factor by which the figure must move; 2 for a choice")


class TuningCeiling(Record):
    """What tuning could add at most, where nothing was trained: a bound from what was measured, no forecast."""

    strategy: str = Field(description="best measured strategy, none of whose weights were tuned")
    gain: Estimate = Field(
        description="accuracy that is missing to 100%: no tuning can add more, a share"
    )
    worth_usd: float = Field(description="what that gain would be worth a year, USD")
    worth_low_usd: float = Field(description="at the low end of the gain's interval, USD a year")
    worth_high_usd: float = Field(description="at its high end, USD a year")
    cost_usd: float = Field(
        description="extra cost of the first year of tuning the best local strategy by the list of prices, "
        "without the training's machine time, which was not measured, USD"
    )
    break_even_points: float | None = Field(
        description="gain in points from which tuning pays; None: answers are worth nothing"
    )
    in_reach: Estimate | None = Field(
        default=None,
        description="share of the plain prompt's failures that examples or tuning can mend at most, by 04",
    )


Kind = Literal["chosen", "none", "can't tell"]
Basis = Literal["proven", "best bet", "only one", "gates", "rivals", "open gate"]
Fit = Literal["alone", "with a person", "not fit", "not known"]
Advice = Literal["use it", "stop", "labels", "seeds", "grades", "prices", "probe", "mend", "limit"]


class Decision(Record):
    """The verdict and what it rests on."""

    verdict: str = Field(
        description="prompting, few-shot, RAG, fine-tuned, hybrid, endpoint, none or can't tell yet"
    )
    kind: Kind
    basis: Basis = Field(
        description="proven: beyond chance over all looks; best bet: largest expected net benefit, and finding out "
        "more costs more than it is worth; only one: no other passes the limits; gates: none passes; rivals or "
        "open gate: what keeps it open"
    )
    strategy: str | None = Field(description="the strategy chosen; None: none, or not yet")
    leading: str = Field(
        default="",
        description="largest expected net benefit, where none is chosen; barred where kind is none",
    )
    best_measured: str = Field(
        default="",
        description="largest expected net benefit of all strategies, those barred included",
    )
    most_accurate: str = Field(
        default="", description="largest measured accuracy of all strategies"
    )
    fit: Fit = Field(
        default="not known",
        description="whether the named strategy is fit to use: alone, only with a person behind it, or not",
    )
    unfit_gates: list[str] = Field(
        default_factory=list, description="limits that the named strategy fails or may fail"
    )
    barred: dict[str, list[str]] = Field(
        default_factory=dict, description="per strategy that fails limits: which"
    )
    rivals: list[str] = Field(
        default_factory=list,
        description="strategies that may be better in net benefit than the supported one",
    )
    supported: str = Field(
        default="",
        description="the dearest strategy whose gain over every cheaper one is beyond chance",
    )
    pairs: list[NetDifference] = Field(
        default_factory=list, description="the named strategy against every other"
    )
    gates: list[Gate]
    costs: list[StrategyCost]
    provider_tuning: ProviderTuning | None = Field(
        default=None, description="tuning at the endpoint's provider; None: no price is known"
    )
    tuning_ceiling: TuningCeiling | None = Field(
        default=None, description="what tuning could add at most; None: a tuned strategy was tested"
    )
    prices: list[Price]
    needed_accuracy: float = Field(
        default=0.0, description="accuracy limit that was used, asked or from the values of answers"
    )
    needed_from_values: bool = Field(
        default=False,
        description="whether it follows from the values of answers (wrong / (right + wrong))",
    )
    answers_per_year: float = Field(default=0.0)
    stake_usd: float = Field(
        default=0.0, description="worth of a right answer plus cost of a wrong one, USD per answer"
    )
    test_items: int = 0
    looks: int = Field(default=1, description="looks at these test items so far, over all runs")
    level: float = Field(default=0.05, description="two-sided error level that this look may spend")
    expected_regret_usd: float = Field(
        default=0.0, description="expected loss of choosing now against knowing the truth, at least"
    )
    advice: Advice = "use it"
    advised: Offer | None = Field(default=None, description="the offer that the advice takes")
    offers: list[Offer] = Field(default_factory=list, description="what could be bought, as tried")
    parts: list[ErrorPart] = Field(
        default_factory=list, description="parts of the interval against the nearest rival"
    )
    price_draws: int = Field(
        default=0, description="draws of all assumed figures within their ranges"
    )
    holds_share: float | None = Field(
        default=None, description="share of the draws in which the verdict stays the same, 0..1"
    )
    alternative: str = Field(
        default="",
        description="most frequent other verdict of the draws: a strategy, none or can't tell yet",
    )
    price_effects: list[PriceEffect] = Field(
        default_factory=list, description="extra cost per assumed figure, widest first"
    )
    effects_of: tuple[str, str] | None = Field(
        default=None, description="strategy, and the one its extra cost is counted against"
    )
    extra_usd: float | None = Field(
        default=None, description="extra cost of the first year with all figures as they are, USD"
    )
    sensitivity: list[Change] = Field(
        default_factory=list, description="what would change the verdict, nearest first"
    )
    expected: str = Field(
        default="", description="what 01 expected before measuring: fine-tuning, retrieval, ..."
    )
    expected_met: bool | None = Field(
        default=None, description="whether the choice is what was expected; None: none was made"
    )
    requirements_change: str = "rarely"
    facts_change: str = "never"
    needs_facts: bool = Field(default=False, description="whether answers need facts")
    families: dict[str, str] = Field(default_factory=dict, description="family of each strategy")
    forecast_check: list[ForecastCheck] = Field(
        default_factory=list, description="what 04 expected against what the test measured"
    )
    claims: list[Claim] = Field(
        default_factory=list, description="the guide's claims held against this run"
    )

    @property
    def named(self) -> str:
        """The strategy that the verdict speaks of: chosen, leading, or best measured."""
        return self.strategy or self.leading or self.best_measured
