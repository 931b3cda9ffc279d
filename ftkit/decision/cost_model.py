"""What each strategy costs: once, a month, per 1,000 answers, in the first year, and from which volume it pays."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from ftkit.core.parameters.decision import DecisionParameters
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
        price: Value by name, see :mod:`ftkit.core.prices`.
        answers_per_month: Volume.
        requirement_changes: Changes of the wanted behaviour a year.
        fact_changes: Changes of the facts a year; 0 where answers need no facts.
        examples: Examples labelled for tuning (train and validation).
        training_s: Seconds of training, measured.
        parameters: Parameters of the local model.
    """

    price: dict[str, float]
    answers_per_month: float
    requirement_changes: float
    fact_changes: float
    examples: int
    training_s: float
    parameters: int

    @property
    def gpu(self) -> bool:
        """Whether the local model needs a GPU machine."""
        return self.parameters >= GPU_FROM_PARAMETERS


def setting(
    listed: list[Price],
    training: TrainingCard | None,
    data: DataCard,
    p: DecisionParameters,
    needs_facts: bool,
) -> Setting:
    """Return what the costs of this run depend on."""
    return Setting(
        price={price.name: price.value for price in listed},
        answers_per_month=p.answers_per_month,
        requirement_changes=REQUIREMENT_CHANGES[p.requirements_change],
        fact_changes=FACT_CHANGES[p.facts_change] if needs_facts else 0.0,
        examples=data.splits.get("train", 0) + data.splits.get("validation", 0),
        training_s=training.duration_s if training else 0.0,
        parameters=training.parameters if training else 0,
    )


def one_off_usd(result: StrategyResult, s: Setting) -> float:
    """Return what a strategy costs once: working hours, labelling, training."""
    spec, hours = result.spec, s.price["prompt_setup_hours"]
    hours += s.price["few_shot_setup_hours"] if spec.family == "few-shot" else 0
    hours += s.price["retrieval_setup_hours"] if spec.retriever else 0
    if spec.model != "tuned":
        return hours * s.price["labour_usd_per_hour"]
    hours += (
        s.price["tuning_setup_hours"] + s.examples * s.price["labelling_minutes_per_example"] / 60
    )
    return hours * s.price["labour_usd_per_hour"] + training_usd(s)


def training_usd(s: Setting) -> float:
    """Return the machine cost of one training run."""
    per_hour = (
        s.price["gpu_usd_per_hour"]
        if s.gpu
        else s.price["cpu_machine_usd_per_month"] / HOURS_PER_MONTH
    )
    return s.training_s / 3600 * per_hour


def updates_per_year(result: StrategyResult, s: Setting) -> float:
    """Return how often the strategy is made anew: facts that sit in the weights change only by tuning again."""
    if result.spec.model == "tuned" and not result.spec.retriever:
        return max(s.requirement_changes, s.fact_changes)
    return s.requirement_changes


def upkeep_usd(result: StrategyResult, s: Setting) -> float:
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


def running_usd(result: StrategyResult, s: Setting) -> float:
    """Return what answering costs a month: as many machines as the volume needs, or the endpoint's tokens."""
    index = s.price["index_usd_per_month"] if result.spec.retriever else 0.0
    if result.spec.model == "endpoint":
        tokens = result.prompt_tokens_mean * s.price["endpoint_usd_per_million_input_tokens"]
        tokens += result.completion_tokens_mean * s.price["endpoint_usd_per_million_output_tokens"]
        return index + s.answers_per_month * tokens / 1e6
    machine = s.price["gpu_machine_usd_per_month" if s.gpu else "cpu_machine_usd_per_month"]
    capacity = (
        HOURS_PER_MONTH * 3600 * s.price["machine_use"] / max(result.seconds_per_answer, 1e-9)
    )
    return index + machine * max(1, math.ceil(s.answers_per_month / capacity))


def first_year_usd(result: StrategyResult, s: Setting) -> float:
    """Return the cost of the first year: once, twelve months of answering, and upkeep."""
    return one_off_usd(result, s) + 12 * running_usd(result, s) + upkeep_usd(result, s)


def cost(
    result: StrategyResult, s: Setting, reference: StrategyResult | None = None
) -> StrategyCost:
    """Return the cost of a strategy; ``reference`` is the one whose place it would take."""
    one_off, running, upkeep = one_off_usd(result, s), running_usd(result, s), upkeep_usd(result, s)
    volume = max(s.answers_per_month, 1)
    per_1000 = running / volume * 1000
    other = reference if reference is not None and reference.spec.name != result.spec.name else None
    return StrategyCost(
        strategy=result.spec.name,
        one_off_usd=one_off,
        monthly_usd=running + upkeep / 12,
        per_1000_answers_usd=per_1000,
        first_year_usd=one_off + 12 * running + upkeep,
        updates_per_year=updates_per_year(result, s),
        per_1000_right_usd=per_1000 / result.accuracy.value if result.accuracy.value > 0 else None,
        upkeep_first_year_usd=upkeep,
        by_volume=by_volume(result, s),
        break_even_answers_per_month=break_even(result, other, s) if other else None,
        replaces=other.spec.name if other else "",
    )


def by_volume(result: StrategyResult, s: Setting) -> list[tuple[float, float]]:
    """Return the first-year cost at volumes from 100 to 100 million answers a month."""
    volumes = [10 ** (2 + k / 8) for k in range(49)]
    return [
        (volume, first_year_usd(result, replace(s, answers_per_month=volume))) for volume in volumes
    ]


def break_even(
    result: StrategyResult, other: StrategyResult, s: Setting, most: float = 1e9
) -> float | None:
    """Return the smallest monthly volume from which a strategy stays cheaper over the first year, or None up to 1e9."""

    def saves(volume: float) -> bool:
        at = replace(s, answers_per_month=volume)
        return first_year_usd(result, at) < first_year_usd(other, at)

    grid = [0.0, *(10 ** (k / 40) for k in range(int(40 * math.log10(most)) + 1))]
    losing = [i for i, volume in enumerate(grid) if not saves(volume)]
    if not losing:
        return 0.0
    if losing[-1] == len(grid) - 1:
        return None
    low, high = grid[losing[-1]], grid[losing[-1] + 1]
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
