"""08: from measurements, prices and limits to a verdict with what it rests on and what would flip it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.prices import ASSUMED, SHARES, measured, prices
from ftkit.core.records.base import Estimate
from ftkit.core.records.data import DataCard
from ftkit.core.records.decision import Decision, Gate, StrategyCost
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.task import Suitability
from ftkit.core.records.training import TrainingCard
from ftkit.decision import cost_model, words
from ftkit.decision.claims import claims
from ftkit.decision.cost_uncertainty import Spread, price_effects, spread
from ftkit.decision.forecast_check import forecast_check
from ftkit.decision.gates import gates
from ftkit.decision.rule import Choice, Table, choose
from ftkit.decision.sensitivity import Figure, Flip, Outcome, choice_flips, number_flips

VERDICTS = {"endpoint RAG": "endpoint"}


class Case:
    """All that a decision rests on; ``outcome`` applies the rule again with one figure changed.

    Args:
        evaluation: What 07 measured.
        training: What 05 trained; None where nothing was.
        data: What 02 found.
        p: Limits, margin, volume, how often things change, own prices.

    Raises:
        BadInput: A pair of strategies was not compared, or a price cannot be used.
    """

    def __init__(
        self,
        evaluation: Evaluation,
        training: TrainingCard | None,
        data: DataCard,
        p: DecisionParameters,
    ) -> None:
        self.evaluation, self.training, self.data, self.p = evaluation, training, data, p
        self.results = {r.spec.name: r for r in evaluation.results}
        self.table = Table(evaluation.comparisons)
        self.prices = prices(p.prices)
        _check_pairs(evaluation)

    def setting(self, p: DecisionParameters) -> cost_model.Setting:
        """Return what costs depend on under these parameters."""
        needs_facts = any(
            r.spec.retriever or r.unsupported is not None for r in self.results.values()
        )
        return cost_model.setting(prices(p.prices), self.training, self.data, p, needs_facts)

    def costs(self, p: DecisionParameters) -> list[StrategyCost]:
        """Return the cost of every strategy."""
        s = self.setting(p)
        reference = cost_model.reference_of(self.evaluation.results, s)
        return [cost_model.cost(r, s, reference) for r in self.evaluation.results]

    def choice(self, p: DecisionParameters) -> Choice:
        """Apply the rule under these parameters."""
        s = self.setting(p)
        first_year = {name: cost_model.first_year_usd(r, s) for name, r in self.results.items()}
        found = gates(self.evaluation, p)
        return choose(
            self.evaluation.results,
            self.evaluation.comparisons,
            found,
            first_year,
            p.margin_points / 100,
        )

    def outcome(self, name: str, value: object) -> Outcome:
        """Return the verdict with one parameter or price changed."""
        change: dict[str, Any] = (
            {"prices": {**self.p.prices, name: value}} if name in ASSUMED else {name: value}
        )
        choice = self.choice(self.p.model_copy(update=change))
        return choice.kind, choice.strategy if choice.kind == "chosen" else ""


def _check_pairs(evaluation: Evaluation) -> None:
    have = {frozenset((c.a, c.b)) for c in evaluation.comparisons}
    names = [r.spec.name for r in evaluation.results]
    if not names:
        raise BadInput(
            "holds no strategies", where="evaluation.json", todo="run 07_evaluation first"
        )
    gone = [
        f"{a} and {b}"
        for i, a in enumerate(names)
        for b in names[i + 1 :]
        if frozenset((a, b)) not in have
    ]
    if gone:
        raise BadInput(
            f"not compared: {'; '.join(gone[:5])}",
            where="evaluation.json",
            todo="run 07_evaluation again",
        )


def decide(
    evaluation: Evaluation,
    training: TrainingCard | None,
    data: DataCard,
    suitability: Suitability | None,
    p: DecisionParameters,
    within_reach: Mapping[str, Estimate] | None = None,
) -> Decision:
    """Return the decision; see :mod:`ftkit.decision.rule` for the rule.

    Args:
        evaluation: What 07 measured.
        training: What 05 trained; None where nothing was.
        data: What 02 found.
        suitability: What 01 expected.
        p: Limits, margin, volume, how often things change, own prices.
        within_reach: What 04 expected each way out to mend (``error_attribution.mends``).

    Raises:
        BadInput: Unknown or impossible prices, or strategies that were not compared.
    """
    case = Case(evaluation, training, data, p)
    found, costs, choice = gates(evaluation, p), case.costs(p), case.choice(p)
    more, more_usd = _more(choice, case)
    results, flipped = case.results, flips(case)
    drawn, pair = _spread(case, found, choice), _pair(choice, case, costs)
    costs = [c.model_copy(update=_interval(drawn, c.strategy)) for c in costs]
    return Decision(
        verdict=_verdict(choice, case),
        strategy=choice.strategy if choice.kind == "chosen" else None,
        sentence=_sentence(choice, case, costs, more_usd),
        gates=found,
        costs=costs,
        reasons=[
            *words.reasons(choice, evaluation, results, found, case.table, p),
            *_carried(drawn),
            *_expectation(choice, case, suitability),
        ],
        prices=[*_measured(case), *case.prices],
        margin_points=p.margin_points,
        more_test_examples=more,
        more_test_usd=more_usd,
        leading=choice.strategy if choice.kind == "can't tell" else "",
        flips=[f.text for f in flipped],
        flip_factors=[f.closeness for f in flipped],
        expected=suitability.sentence if suitability else "",
        next_steps=words.next_steps(choice, results, found, more),
        forecast_check=forecast_check(within_reach or {}, evaluation),
        claims=claims(evaluation, training, case.setting(p), p),
        price_draws=drawn.draws,
        holds_share=drawn.holds if drawn.draws else None,
        price_effects=price_effects(
            results[pair[0]], results[pair[1]], case.prices, case.setting(p)
        )
        if pair
        else [],
        swings_of=pair,
        extra_usd=_extra(pair, costs),
    )


def _spread(case: Case, found: list[Gate], choice: Choice) -> Spread:
    def verdict(first_year: dict[str, float]) -> Outcome:
        e = case.evaluation
        again = choose(e.results, e.comparisons, found, first_year, case.p.margin_points / 100)
        return again.kind, again.strategy if again.kind == "chosen" else ""

    return spread(case.evaluation.results, case.prices, case.setting(case.p), verdict, case.p.seed)


def _carried(drawn: Spread) -> list[str]:
    """Return how far the assumed prices carry the verdict."""
    if not drawn.draws:
        return []
    share = "all" if drawn.holds == 1 else "none" if drawn.holds == 0 else f"{drawn.holds:.0%}"
    return [
        f"The verdict stays the same in {share} of {drawn.draws:,} draws of the assumed prices within their ranges."
    ]


def _interval(drawn: Spread, strategy: str) -> dict[str, float]:
    ends = drawn.interval(strategy)
    return {"first_year_low_usd": ends[0], "first_year_high_usd": ends[1]} if ends else {}


def _pair(choice: Choice, case: Case, costs: list[StrategyCost]) -> tuple[str, str] | None:
    """Return the strategy chosen or ahead and the one it is weighed against (beaten, rival, or cheapest), the dearer first."""
    if not choice.strategy or len(case.results) < 2:
        return None
    year = {c.strategy: c.first_year_usd for c in costs}
    others = [*choice.beaten, *choice.rivals]
    cheapest = min((o for o in year if o != choice.strategy), key=lambda o: year[o])
    other = max(others, key=lambda o: case.results[o].accuracy.value) if others else cheapest
    dearer, cheaper = sorted((choice.strategy, other), key=lambda o: -year[o])
    return dearer, cheaper


def _extra(pair: tuple[str, str] | None, costs: list[StrategyCost]) -> float | None:
    year = {c.strategy: c.first_year_usd for c in costs}
    return year[pair[0]] - year[pair[1]] if pair else None


def _verdict(choice: Choice, case: Case) -> str:
    if choice.kind != "chosen":
        return "none" if choice.kind == "none" else "can't tell yet"
    family = case.results[choice.strategy].spec.family
    return VERDICTS.get(family, family)


def _more(choice: Choice, case: Case) -> tuple[int | None, float | None]:
    if choice.kind != "can't tell" or not choice.more_examples:
        return None, None
    price = case.setting(case.p).price
    each = price["labelling_minutes_per_example"] / 60 * price["labour_usd_per_hour"]
    return choice.more_examples, choice.more_examples * each


def _sentence(choice: Choice, case: Case, costs: list[StrategyCost], more_usd: float | None) -> str:
    if choice.kind == "none":
        return words.none_sentence(gates(case.evaluation, case.p), case.results)
    if choice.kind == "can't tell":
        return words.open_sentence(choice, case.evaluation.test_items, more_usd, case.p)
    out = {g.strategy for g in gates(case.evaluation, case.p) if g.state == "failed"}
    left = [name for name in case.results if name not in out]
    return words.chosen_sentence(
        choice, case.results, {c.strategy: c for c in costs}, case.table, case.p, left
    )


def _expectation(choice: Choice, case: Case, suitability: Suitability | None) -> list[str]:
    """Return what 01 expected against what was measured, so that its questions can learn."""
    if suitability is None or choice.kind != "chosen":
        return []
    family = {"fine-tuned": "fine-tuning", "RAG": "retrieval", "few-shot": "prompting"}
    got = family.get(
        case.results[choice.strategy].spec.family, case.results[choice.strategy].spec.family
    )
    agree = (
        "as measured" if got == suitability.expected else f"but {got} was measured to be the choice"
    )
    return [f"Before measuring, {suitability.expected} was expected, {agree}."]


def _measured(case: Case) -> list[Any]:
    s = case.setting(case.p)
    return measured(
        s.training_s, s.parameters, s.examples, bool(case.training and case.training.elsewhere)
    )


def flips(case: Case) -> list[Flip]:
    """Return what would change the verdict, nearest first."""
    choice = case.choice(case.p)
    now: Outcome = (choice.kind, choice.strategy if choice.kind == "chosen" else "")
    found: list[Flip] = []
    for figure in _figures(case):
        found += number_flips(figure, case.outcome, now)
    for field, label, value, others in _choices(case.p):
        found += choice_flips(field, label, value, others, case.outcome, now)
    return sorted(found, key=lambda f: f.closeness)


def _figures(case: Case) -> list[Figure]:
    p, volume = case.p, max(1.0, float(case.p.answers_per_month))
    figures = [
        Figure(
            "margin_points", "a margin", p.margin_points, lambda v: f"{v:.1f} points", 0.5, 50.0
        ),
        Figure(
            "answers_per_month",
            "a volume",
            volume,
            lambda v: f"{v:,.0f} answers a month",
            volume / 1000,
            volume * 1000,
        ),
        Figure("min_accuracy", "an accuracy limit", p.min_accuracy, lambda v: f"{v:.0%}", 0.0, 1.0),
        Figure("min_format_ok", "a format limit", p.min_format_ok, lambda v: f"{v:.0%}", 0.0, 1.0),
        Figure(
            "max_unsupported",
            "a hallucination limit",
            p.max_unsupported,
            lambda v: f"{v:.0%}",
            0.0,
            1.0,
        ),
        Figure(
            "regression_margin_points",
            "a regression limit",
            p.regression_margin_points,
            lambda v: f"{v:.1f} points",
            0.5,
            100.0,
        ),
        Figure(
            "max_seconds_per_answer",
            "a latency limit",
            p.max_seconds_per_answer,
            lambda v: f"{v:.2g} s",
            p.max_seconds_per_answer / 1000,
            p.max_seconds_per_answer * 1000,
        ),
    ]
    return figures + [
        Figure(
            x.name,
            x.name.replace("_", " "),
            x.value,
            lambda v: f"{v:,.3g}",
            x.value / 10,
            _most(x.name, x.value),
        )
        for x in case.prices
        if x.value > 0
    ]


def _most(name: str, value: float) -> float:
    return min(1.0, 10 * value) if name in SHARES else 10 * value


def _choices(p: DecisionParameters) -> list[tuple[str, str, object, list[tuple[object, str]]]]:
    changes: list[tuple[object, str]] = [
        (v, f"changing {v}") for v in cost_model.REQUIREMENT_CHANGES
    ]
    facts: list[tuple[object, str]] = [(v, f"changing {v}") for v in cost_model.FACT_CHANGES]
    leave: list[tuple[object, str]] = [(True, "allowed to leave"), (False, "not allowed to leave")]
    return [
        ("requirements_change", "requirements", p.requirements_change, changes),
        ("facts_change", "facts", p.facts_change, facts),
        ("data_may_leave", "inputs", p.data_may_leave, leave),
    ]
