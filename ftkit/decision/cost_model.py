"""What each strategy costs: once, a month, per 1,000 answers, in the first year, and from which volume it pays.

Prices may be numbers, or arrays of one shape (draws,) of all of them: the costs then have that shape.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ftkit.core import tariffs
from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.prices import ASSUMED, ENDPOINT, OWN_FACTOR, prices, usage
from ftkit.core.records.data import DataCard
from ftkit.core.records.decision import Price, StrategyCost
from ftkit.core.records.endpoint import EndpointBill
from ftkit.core.records.evaluation import StrategyResult
from ftkit.core.records.training import TrainingCard

HOURS_PER_MONTH = 730.0
CACHE_MINUTES = 5.0
GPU_FROM_PARAMETERS = 500_000_000
REQUIREMENT_CHANGES = {"rarely": 1.0, "monthly": 12.0, "weekly": 52.0}
FACT_CHANGES = {"never": 0.0, "yearly": 1.0, "monthly": 12.0, "daily": 365.0}


@dataclass(frozen=True)
class Setting:
    """What costs depend on beside a strategy's own figures.

    Attributes:
        price: Value by name, see :mod:`ftkit.core.prices`; numbers, or arrays over draws.
        answers_per_month: Volume.
        requirement_changes: Changes of the wanted behaviour a year.
        fact_changes: Changes of the facts a year; 0 where answers need no facts.
        examples: Examples labelled for tuning (train and validation).
        training_s: Seconds of training, measured.
        parameters: Parameters of the local model.
    """

    price: dict[str, Any]
    answers_per_month: Any
    requirement_changes: Any
    fact_changes: Any
    examples: int
    training_s: float
    parameters: int

    @property
    def gpu(self) -> bool:
        """Whether the local model needs a GPU machine."""
        return self.parameters >= GPU_FROM_PARAMETERS


def at_prices(s: Setting, price: dict[str, Any]) -> Setting:
    """Return a setting with other figures, volume and rates of change among them."""
    return replace(
        s,
        price=price,
        answers_per_month=price["answers_per_month"],
        requirement_changes=price["requirement_changes_per_year"],
        fact_changes=price["fact_changes_per_year"],
    )


def listed(
    p: DecisionParameters,
    values: dict[str, float],
    needs_facts: bool,
    bills: Sequence[EndpointBill] = (),
) -> list[Price]:
    """Return every figure of the cost model: prices, values of answers, volume and rates of change.

    Args:
        p: The parameters of 08.
        values: Values of answers that 01 was told; ``p.prices`` stand above them.
        needs_facts: Whether answers need facts.
        bills: What endpoints were paid in 07.
    """
    own = {**values, **p.prices}
    defaults = {k: f.default for k, f in DecisionParameters.model_fields.items()}
    usage_now = {
        "answers_per_month": float(p.answers_per_month),
        "fact_changes_per_year": FACT_CHANGES[p.facts_change] if needs_facts else 0.0,
        "requirement_changes_per_year": REQUIREMENT_CHANGES[p.requirements_change],
    }
    names = {
        "answers_per_month": "answers_per_month",
        "facts_change": "fact_changes_per_year",
        "requirements_change": "requirement_changes_per_year",
    }
    confirmed = {to for name, to in names.items() if getattr(p, name) != defaults[name]}
    found = usage(usage_now, confirmed, p.prices)
    return [*prices(own, endpoint_figures(bills, p.price_file)), *found]


def endpoint_figures(bills: Sequence[EndpointBill], price_file: str = "") -> list[Price]:
    """Return what is known of the endpoint's prices: by its own numbers or a price file, and what failed replies cost.

    A price that is not the provider's own, or is older than a year, stays assumed: half to twice of it is drawn.

    Args:
        bills: What endpoints were paid in 07.
        price_file: A price file in place of the shipped one.
    """
    bill = next((b for b in bills if b.role == "endpoint" and b.tariff), None)
    if bill is None or bill.tariff is None:
        return []
    t = bill.tariff
    if t.listed or not t.verified:
        t = tariffs.tariff(bill.url, bill.model, file=price_file)
    if not t.listed and not t.verified:
        known = []  # the assumed figures hold
    else:
        values = {
            "endpoint_usd_per_million_input_tokens": t.input,
            "endpoint_usd_per_million_output_tokens": t.output,
            "endpoint_usd_per_million_cached_tokens": t.cached_usd,
            "endpoint_usd_per_million_thought_tokens": t.reasoning_usd,
            "endpoint_cache_least_tokens": float(t.cache_least),
            "endpoint_least_usd_per_month": t.minimum_usd_per_month,
        }
        sure = t.verified and not tariffs.aged(t)
        known = [_endpoint_price(n, v, sure, tariffs.source(t)) for n, v in values.items()]
    if bill.usd > bill.failed_usd > 0:
        known.append(
            Price(
                name="endpoint_failed_share",
                value=bill.failed_usd / bill.usd,
                unit=ENDPOINT["endpoint_failed_share"],
                origin="measured",
                source=f"{bill.failed} of {bill.answers + bill.failed} replies in 07",
            )
        )
    return known


def _endpoint_price(name: str, value: float, sure: bool, source: str) -> Price:
    unit = ENDPOINT[name] if name in ENDPOINT else ASSUMED[name][1]
    drawn = not sure and name in ASSUMED and value > 0
    return Price(
        name=name,
        value=value,
        unit=unit,
        origin="given" if sure else "assumed",
        source=source,
        low=value / OWN_FACTOR if drawn else None,
        high=value * OWN_FACTOR if drawn else None,
    )


def setting(
    figures: list[Price], training: TrainingCard | None, data: DataCard, parameters: int = 0
) -> Setting:
    """Return what the costs of this run depend on.

    Args:
        figures: Every figure, see :func:`listed`.
        training: What 05 trained; None: nothing.
        data: What 02 found.
        parameters: Parameters of the local model, where nothing was trained.
    """
    empty = Setting({}, 0.0, 0.0, 0.0, 0, 0.0, 0)
    s = replace(
        empty,
        examples=data.splits.get("train", 0) + data.splits.get("validation", 0),
        training_s=training.duration_s if training else 0.0,
        parameters=(training.parameters if training else 0) or parameters,
    )
    return at_prices(s, {price.name: price.value for price in figures})


def one_off_usd(result: StrategyResult, s: Setting) -> Any:
    """Return what a strategy costs once: working hours, labelling, training."""
    if result.cascade:
        return sum(one_off_usd(part, s) for part in result.cascade.parts)
    spec, hours = result.spec, s.price["prompt_setup_hours"]
    hours = hours + (s.price["few_shot_setup_hours"] if spec.family == "few-shot" else 0)
    hours = hours + (s.price["retrieval_setup_hours"] if spec.retriever else 0)
    if spec.model != "tuned":
        return hours * s.price["labour_usd_per_hour"]
    hours = hours + (
        s.price["tuning_setup_hours"] + s.examples * s.price["labelling_minutes_per_example"] / 60
    )
    return hours * s.price["labour_usd_per_hour"] + training_usd(s)


def training_usd(s: Setting) -> Any:
    """Return the machine cost of one training run."""
    per_hour = (
        s.price["gpu_usd_per_hour"]
        if s.gpu
        else s.price["cpu_machine_usd_per_month"] / HOURS_PER_MONTH
    )
    return s.training_s / 3600 * per_hour


def updates_per_year(result: StrategyResult, s: Setting) -> Any:
    """Return how often the strategy is made anew: facts that sit in the weights change only by tuning again.

    Nobody trains every day: however often facts change, it is re-tuned ``retunings_per_year_most`` times at most for
    them, and answers from the past in between. Changes of the wanted behaviour are all followed.
    """
    if result.cascade:
        return np.maximum(*(updates_per_year(part, s) for part in result.cascade.parts))
    if result.spec.model == "tuned" and not result.spec.retriever:
        facts = np.minimum(s.fact_changes, s.price["retunings_per_year_most"])
        return np.maximum(s.requirement_changes, facts)
    return s.requirement_changes


def upkeep_usd(result: StrategyResult, s: Setting) -> Any:
    """Return what keeping up with changes of requirements and facts costs a year."""
    if result.cascade:
        return sum(upkeep_usd(part, s) for part in result.cascade.parts)
    hours, machine = s.price["prompt_update_hours"], 0.0
    if result.spec.model == "tuned":
        relabelled = s.price["relabel_share"] * s.examples
        hours = (
            s.price["tuning_update_hours"]
            + relabelled * s.price["labelling_minutes_per_example"] / 60
        )
        machine = training_usd(s)
    yearly = updates_per_year(result, s) * (hours * s.price["labour_usd_per_hour"] + machine)
    index = s.fact_changes * s.price["retrieval_update_hours"] if result.spec.retriever else 0.0
    return yearly + index * s.price["labour_usd_per_hour"]


def running_usd(result: StrategyResult, s: Setting) -> Any:
    """Return what answering costs a month: as many machines as the volume needs, or the endpoint's tokens."""
    return sum(running_parts(result, s).values())


def running_parts(result: StrategyResult, s: Setting) -> dict[str, Any]:
    """Return what answering costs a month, USD, by what it is paid for; the parts add up to all of it."""
    if result.cascade and result.cascade.passed:
        return _cascade_parts(result.cascade.parts, result.cascade.passed.value, s)
    parts = {"search index": s.price["index_usd_per_month"]} if result.spec.retriever else {}
    if result.spec.model == "endpoint":
        return parts | _token_parts(result, s)
    machine = s.price["gpu_machine_usd_per_month" if s.gpu else "cpu_machine_usd_per_month"]
    return parts | {"machines": machine * machines(result, s)}


def _cascade_parts(parts: Sequence[StrategyResult], passed: float, s: Setting) -> dict[str, Any]:
    """Return the small model's bill for all questions and the large one's for those passed on, by kind."""
    bills = [running_parts(parts[0], s)]
    bills.append(
        running_parts(parts[1], replace(s, answers_per_month=s.answers_per_month * passed))
    )
    return {k: sum(bill.get(k, 0.0) for bill in bills) for bill in bills for k in bill}


def machines(result: StrategyResult, s: Setting) -> Any:
    """Return how many machines the volume needs; each is paid for all hours of the month, busy or not."""
    if result.cascade and result.cascade.passed:
        small, large = result.cascade.parts
        rest = replace(s, answers_per_month=s.answers_per_month * result.cascade.passed.value)
        own = machines(large, rest) if large.spec.model != "endpoint" else 0
        return own + (machines(small, s) if small.spec.model != "endpoint" else 0)
    capacity = (
        HOURS_PER_MONTH * 3600 * s.price["machine_use"] / max(result.seconds_per_answer, 1e-9)
    )
    return np.maximum(1, np.ceil(s.answers_per_month / capacity))


def _token_parts(result: StrategyResult, s: Setting) -> dict[str, Any]:
    """Return the endpoint's bill of a month by kind of token, failed replies and a commitment beside."""
    n, price = s.answers_per_month, s.price
    fresh = price["endpoint_usd_per_million_input_tokens"]
    written = price["endpoint_usd_per_million_output_tokens"]
    cached = np.minimum(price.get("endpoint_usd_per_million_cached_tokens", fresh), fresh)
    thoughts = price.get("endpoint_usd_per_million_thought_tokens", written)
    least = price.get("endpoint_cache_least_tokens", 0.0)
    stable = result.stable_tokens if 0 < least <= result.stable_tokens else 0.0
    hits = stable * (n - _cache_misses(n))
    parts = {
        "prompts": (n * result.prompt_tokens_mean - hits) * fresh / 1e6,
        "cached prompts": hits * cached / 1e6,
        "answers": n * (result.completion_tokens_mean - result.thought_tokens_mean) * written / 1e6,
        "thoughts": n * result.thought_tokens_mean * thoughts / 1e6,
    }
    paid, share = sum(parts.values()), price.get("endpoint_failed_share", 0.0)
    parts["replies that are no answers"] = paid * share / (1 - share)
    paid = paid + parts["replies that are no answers"]
    least_usd = price.get("endpoint_least_usd_per_month", 0.0)
    return parts | {"commitment not used up": np.maximum(0.0, least_usd - paid)}


def _cache_misses(answers_per_month: Any) -> Any:
    """Return how many prompts of a month find their beginning not cached, were they spread evenly over it.

    A beginning stays cached for ``CACHE_MINUTES`` (least time that providers promise); the first prompt of each such
    span misses: expected number of spans that are not empty, so that more traffic never costs less.
    """
    spans = HOURS_PER_MONTH * 60 / CACHE_MINUTES
    return spans * -np.expm1(-answers_per_month / spans)


def first_year_usd(result: StrategyResult, s: Setting) -> Any:
    """Return the cost of the first year: once, twelve months of answering, and upkeep."""
    return one_off_usd(result, s) + 12 * running_usd(result, s) + upkeep_usd(result, s)


def stake_usd(s: Setting) -> Any:
    """Return by how many USD a year net benefit rises if all answers turn from wrong to right."""
    return 12 * s.answers_per_month * (s.price["right_answer_usd"] + s.price["wrong_answer_usd"])


def net_benefit_usd(accuracy: Any, first_year: Any, s: Setting) -> Any:
    """Return the worth of right answers minus the cost of wrong ones and of the first year, USD."""
    answers = 12 * s.answers_per_month
    right, wrong = s.price["right_answer_usd"], s.price["wrong_answer_usd"]
    return answers * (accuracy * right - (1 - accuracy) * wrong) - first_year


def with_person_usd(share: float, wrong: float, first_year: Any, s: Setting) -> Any:
    """Return the net benefit where a person answers what the strategy may not answer alone.

    Args:
        share: Share of the answers that it gives alone, 0..1.
        wrong: Share of these that is wrong, 0..1.
        first_year: Its first-year cost, USD.
        s: What costs depend on.
    """
    right, bad = s.price["right_answer_usd"], s.price["wrong_answer_usd"]
    alone = share * ((1 - wrong) * right - wrong * bad)
    passed = (1 - share) * (right - s.price["person_answer_usd"])
    return 12 * s.answers_per_month * (alone + passed) - first_year


def cost(
    result: StrategyResult, s: Setting, reference: StrategyResult | None = None
) -> StrategyCost:
    """Return the cost and net benefit of a strategy; ``reference`` is the one whose place it would take."""
    one_off, running, upkeep = one_off_usd(result, s), running_usd(result, s), upkeep_usd(result, s)
    volume, year = max(s.answers_per_month, 1), one_off + 12 * running + upkeep
    per_1000 = running / volume * 1000
    other = reference if reference is not None and reference.spec.name != result.spec.name else None
    e, endpoint = result.accuracy, result.spec.model == "endpoint"
    return StrategyCost(
        strategy=result.spec.name,
        one_off_usd=one_off,
        monthly_usd=running + upkeep / 12,
        per_1000_answers_usd=per_1000,
        running_parts_usd={k: float(v) for k, v in running_parts(result, s).items() if v},
        machines=None if endpoint else int(machines(result, s)),
        machine_busy=None if endpoint else _busy(result, s),
        first_year_usd=year,
        accuracy=e,
        net_benefit_usd=net_benefit_usd(e.value, year, s),
        net_low_usd=net_benefit_usd(e.low, year, s),
        net_high_usd=net_benefit_usd(e.high, year, s),
        updates_per_year=updates_per_year(result, s),
        per_1000_right_usd=per_1000 / e.value if e.value > 0 else None,
        upkeep_first_year_usd=upkeep,
        by_volume=by_volume(result, s),
        break_even_answers_per_month=break_even(result, other, s) if other else None,
        replaces=other.spec.name if other else "",
    )


def _busy(result: StrategyResult, s: Setting) -> float:
    """Return the share of the month that the machines answer, 0..1."""
    seconds = s.answers_per_month * result.seconds_per_answer
    return float(min(1.0, seconds / (machines(result, s) * HOURS_PER_MONTH * 3600)))


def by_volume(result: StrategyResult, s: Setting) -> list[tuple[float, float]]:
    """Return the first-year cost at volumes from 100 to 100 million answers a month."""
    volumes = np.array([10 ** (2 + k / 8) for k in range(49)])
    usd = np.broadcast_to(first_year_usd(result, replace(s, answers_per_month=volumes)), 49)
    return list(zip(volumes.tolist(), usd.tolist(), strict=True))


def break_even(
    result: StrategyResult, other: StrategyResult, s: Setting, most: float = 1e9
) -> float | None:
    """Return the smallest monthly volume from which a strategy stays cheaper over the first year, or None up to 1e9."""

    def saves(volume: Any) -> Any:
        at = replace(s, answers_per_month=volume)
        return first_year_usd(result, at) < first_year_usd(other, at)

    grid = np.array([0.0, *(10 ** (k / 40) for k in range(int(40 * math.log10(most)) + 1))])
    losing = np.flatnonzero(~np.broadcast_to(saves(grid), grid.shape))
    if not len(losing):
        return 0.0
    if losing[-1] == len(grid) - 1:
        return None
    low, high = float(grid[losing[-1]]), float(grid[losing[-1] + 1])
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (low, middle) if saves(middle) else (middle, high)
    return high


def reference_of(results: list[StrategyResult], s: Setting) -> StrategyResult:
    """Return the strategy that others would replace: the endpoint if there is one, else the one quickest to set up."""
    endpoints = [r for r in results if r.spec.model == "endpoint"]
    return (
        max(endpoints, key=lambda r: r.accuracy.value)
        if endpoints
        else min(results, key=lambda r: one_off_usd(r, s))
    )
