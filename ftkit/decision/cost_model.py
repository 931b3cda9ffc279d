"""What each strategy costs: once, a month, per 1,000 answers, in the first year, and from which volume it pays.

Prices may be numbers, or arrays of one shape (draws,) of all of them: the costs then have that shape.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.prices import prices, usage
from ftkit.core.records.data import DataCard
from ftkit.core.records.decision import Price, StrategyCost
from ftkit.core.records.evaluation import StrategyResult
from ftkit.core.records.training import TrainingCard

HOURS_PER_MONTH = 730.0
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


def listed(p: DecisionParameters, values: dict[str, float], needs_facts: bool) -> list[Price]:
    """Return every figure of the cost model: prices, values of answers, volume and rates of change.

    Args:
        p: The parameters of 08.
        values: Values of answers that 01 was told; ``p.prices`` stand above them.
        needs_facts: Whether answers need facts.
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
    return [*prices(own), *found]


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
    if result.spec.model == "tuned" and not result.spec.retriever:
        facts = np.minimum(s.fact_changes, s.price["retunings_per_year_most"])
        return np.maximum(s.requirement_changes, facts)
    return s.requirement_changes


def upkeep_usd(result: StrategyResult, s: Setting) -> Any:
    """Return what keeping up with changes of requirements and facts costs a year."""
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
    index = s.price["index_usd_per_month"] if result.spec.retriever else 0.0
    if result.spec.model == "endpoint":
        tokens = result.prompt_tokens_mean * s.price["endpoint_usd_per_million_input_tokens"]
        tokens = (
            tokens
            + result.completion_tokens_mean * s.price["endpoint_usd_per_million_output_tokens"]
        )
        return index + s.answers_per_month * tokens / 1e6
    machine = s.price["gpu_machine_usd_per_month" if s.gpu else "cpu_machine_usd_per_month"]
    capacity = (
        HOURS_PER_MONTH * 3600 * s.price["machine_use"] / max(result.seconds_per_answer, 1e-9)
    )
    return index + machine * np.maximum(1, np.ceil(s.answers_per_month / capacity))


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
    e = result.accuracy
    return StrategyCost(
        strategy=result.spec.name,
        one_off_usd=one_off,
        monthly_usd=running + upkeep / 12,
        per_1000_answers_usd=per_1000,
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
