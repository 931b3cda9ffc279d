"""All that a decision rests on; the rule can be applied again with one figure changed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ftkit.core.errors import BadInput
from ftkit.core.looks import level_at, widening
from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.prices import ASSUMED, ENDPOINT, USAGE
from ftkit.core.records.base import Estimate
from ftkit.core.records.data import DataCard
from ftkit.core.records.decision import Gate, Price
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.task import Suitability
from ftkit.core.records.training import TrainingCard
from ftkit.decision import cost_model
from ftkit.decision.cost_uncertainty import costs as drawn_costs
from ftkit.decision.gates import gates
from ftkit.decision.rule import Arms, Choice, apply, arms, choose, halves
from ftkit.decision.sensitivity import Outcome
from ftkit.decision.value_of_information import Market, buys

NONE, OPEN = -1, -2


@dataclass(frozen=True)
class Inputs:
    """What the records of a run hold for a decision.

    Attributes:
        evaluation: What 07 measured.
        training: What 05 trained; None where nothing was.
        data: What 02 found.
        suitability: What 01 expected, and the values of answers that it was told; None: neither.
    """

    evaluation: Evaluation
    training: TrainingCard | None
    data: DataCard
    suitability: Suitability | None = None


def widened(e: Estimate, factor: float) -> Estimate:
    """Return a share with the interval of a later look: each side longer by a factor, within 0..1."""
    return e.model_copy(
        update={
            "low": max(0.0, e.value - factor * (e.value - e.low)),
            "high": min(1.0, e.value + factor * (e.high - e.value)),
        }
    )


class Case:
    """One way to look at a decision: measurements, figures and limits.

    Raises:
        BadInput: There are no strategies, a pair was not compared, or a price cannot be used.
    """

    def __init__(self, inputs: Inputs, p: DecisionParameters) -> None:
        e = inputs.evaluation
        if not e.results:
            raise BadInput(
                "holds no strategies", where="evaluation.json", todo="run 07_evaluation first"
            )
        self.inputs, self.p = inputs, p
        self.needs_facts = any(r.spec.retriever or r.unsupported is not None for r in e.results)
        own = inputs.suitability.answer_values if inputs.suitability else {}
        self.prices = cost_model.listed(p, own, self.needs_facts, e.bills)
        self.setting = cost_model.setting(
            self.prices, inputs.training, inputs.data, e.base_parameters
        )
        self.level, factor = level_at(e.looks), widening(e.looks)
        self.results = {
            r.spec.name: r.model_copy(
                update={
                    "accuracy": widened(r.accuracy, factor),
                    "format_ok": widened(r.format_ok, factor),
                    "unsupported": r.unsupported and widened(r.unsupported, factor),
                }
            )
            for r in e.results
        }

    @cached_property
    def needed(self) -> tuple[float, bool]:
        """Accuracy limit, and whether it follows from the values of answers."""
        s = self.inputs.suitability
        asked = self.p.min_accuracy or (s.min_accuracy if s else 0.0)
        price = self.setting.price
        stake = price["right_answer_usd"] + price["wrong_answer_usd"]
        return (asked, False) if asked or not stake else (price["wrong_answer_usd"] / stake, True)

    @cached_property
    def gates(self) -> list[Gate]:
        """Every gate of every strategy, by the intervals of this look."""
        e = self.inputs.evaluation.model_copy(update={"results": list(self.results.values())})
        return gates(e, self.p.model_copy(update={"min_accuracy": self.needed[0]}))

    @cached_property
    def arms(self) -> Arms:
        """What was measured of all strategies, as arrays."""
        e, sd = self.inputs.evaluation, self.setting.price["seed_sd_points"] / 100
        return arms(e.results, e.comparisons, self.gates, sd**2)

    @cached_property
    def cost(self) -> np.ndarray:
        """First-year cost per strategy, shape (k,), USD."""
        return drawn_costs(self.inputs.evaluation.results, self.setting)[0].astype(float)

    @cached_property
    def stake(self) -> float:
        """USD a year by which net benefit rises per unit of accuracy."""
        return float(cost_model.stake_usd(self.setting))

    @cached_property
    def market(self) -> Market:
        """What information costs."""
        price, e = self.setting.price, self.inputs.evaluation
        return Market(
            label_usd=label_usd(price),
            seed_usd=float(cost_model.training_usd(self.setting)),
            seeds=e.seeds,
            grades=e.judge.labels if e.judge else 0,
        )

    @cached_property
    def choice(self) -> Choice:
        """What the rule says."""
        return choose(self.arms, self.gates, self.cost, self.stake, self.level, self.worth_buying)

    def worth_buying(self) -> bool:
        """Say whether some number of labels or grades is worth its price."""
        m = self.arms
        stake, label = np.array([self.stake]), np.array([self.market.label_usd])
        return bool(buys(m, m.shrunk()[None], self.cost[None], stake, label, self.market)[0])

    def changed(self, name: str, value: object) -> Case:
        """Return the case with one parameter or figure changed."""
        change: dict[str, Any] = (
            {"prices": {**self.p.prices, name: value}}
            if name in ASSUMED or name in ENDPOINT or name in USAGE
            else {name: value}
        )
        return Case(self.inputs, self.p.model_copy(update=change))

    def outcome(self, name: str, value: object) -> Outcome:
        """Return the verdict with one parameter or figure changed."""
        choice = self.changed(name, value).choice
        return choice.kind, choice.strategy if choice.kind == "chosen" else ""

    def verdicts(self, at: cost_model.Setting) -> np.ndarray:
        """Return the verdict per draw of the figures, shape (draws,): index of the chosen one, NONE or OPEN."""
        m = self.arms
        cost, stake = (
            drawn_costs(self.inputs.evaluation.results, at),
            np.asarray(cost_model.stake_usd(at)),
        )
        if m.failed.all():
            return np.full(len(cost), NONE)
        found = apply(
            m.difference[None], m.shrunk()[None], halves(m, self.level), cost, stake, m.failed
        )
        buy = buys(m, m.shrunk()[None], cost, stake, np.asarray(label_usd(at.price)), self.market)
        alone = (~m.failed).sum() == 1
        sure = (~found.rivals.any(axis=1) & found.proven) | alone
        done = (sure | ((found.best == found.supported) & ~buy)) & ~m.unsettled[found.supported]
        return np.where(done, found.supported, OPEN)


def label_usd(price: dict[str, Any]) -> Any:
    """Return the price of one labelled test example, USD."""
    return price["labelling_minutes_per_example"] / 60 * price["labour_usd_per_hour"]


def assumed(prices: list[Price]) -> set[str]:
    """Return the names of the figures that nobody confirmed."""
    return {x.name for x in prices if x.origin == "assumed"}
