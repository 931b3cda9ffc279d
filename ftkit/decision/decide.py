"""08: from measurements, prices and limits to a verdict as codes and values; its sentences are in ``words``."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

import numpy as np

from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.prices import SHARES, measured
from ftkit.core.records.base import Estimate
from ftkit.core.records.data import DataCard
from ftkit.core.records.decision import (
    Advice,
    Change,
    Decision,
    ErrorPart,
    Fit,
    Gate,
    NetDifference,
    Offer,
    StrategyCost,
)
from ftkit.core.records.evaluation import Evaluation, StrategyResult
from ftkit.core.records.task import Suitability
from ftkit.core.records.training import TrainingCard
from ftkit.decision import cost_model
from ftkit.decision.case import NONE, Case, Inputs
from ftkit.decision.claims import claims
from ftkit.decision.cost_uncertainty import DRAWS, TAIL, drawn, price_effects
from ftkit.decision.cost_uncertainty import costs as drawn_costs
from ftkit.decision.forecast_check import forecast_check
from ftkit.decision.provider_tuning import provider_tuning
from ftkit.decision.rule import PARTS, Choice, halves, points_of
from ftkit.decision.sensitivity import Figure, Outcome, choice_changes, number_changes
from ftkit.decision.tuning_ceiling import tuning_ceiling
from ftkit.decision.value_of_information import best_offer, offers, worth_now

VERDICTS = {"endpoint RAG": "endpoint"}
EXPECTED = {"fine-tuned": "fine-tuning", "RAG": "retrieval", "few-shot": "prompting"}
QUALITY = {"accuracy", "hallucination"}
AGREE = 0.8
"""Below this share of the draws of assumed figures the alternative stands in the sentence."""
MOST_EXAMPLES, POWER = 100_000, 0.8


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
        training: What 05 trained; None, or a card of method none: nothing.
        data: What 02 found.
        suitability: What 01 expected, and the values of answers.
        p: Limits, volume, how often things change, own figures.
        within_reach: What 04 expected each way out to mend (``error_attribution.mends``).

    Raises:
        BadInput: Unknown or impossible prices, or strategies that were not compared.
    """
    trained = training if training and training.trained else None
    case = Case(Inputs(evaluation, trained, data, suitability), p)
    made = verdict(case)
    return made.model_copy(
        update={
            "sensitivity": sensitivity(case),
            "forecast_check": forecast_check(within_reach or {}, evaluation),
            "claims": claims(evaluation, trained, case.setting, p),
            "tuning_ceiling": tuning_ceiling(case, made.best_measured, within_reach or {}),
        }
    )


def verdict(case: Case) -> Decision:
    """Return the decision without sensitivity, forecast check and claims."""
    choice, costs, spread = case.choice, _costs(case), _Spread(case)
    barred = _barred(case.gates)
    best = max(costs, key=lambda c: c.net_benefit_usd).strategy
    named = choice.strategy or best
    tried = _offers(case, choice)
    advice, advised = _advice(case, choice, tried, spread.holds)
    fit, unfit = _fit(case, named)
    pairs, effects_of = _pairs(case, named, barred), _effects_of(case, choice, named)
    nearest = _nearest(choice, pairs)
    return Decision(
        verdict=_verdict(choice, case),
        kind=choice.kind,  # pyright: ignore[reportArgumentType]
        basis=choice.basis,  # pyright: ignore[reportArgumentType]
        strategy=choice.strategy if choice.kind == "chosen" else None,
        leading=choice.strategy if choice.kind == "can't tell" else "",
        best_measured=best,
        most_accurate=max(case.results, key=lambda n: case.results[n].accuracy.value),
        fit=fit,
        unfit_gates=unfit,
        barred=barred,
        rivals=choice.rivals,
        supported=choice.supported,
        pairs=pairs,
        gates=case.gates,
        costs=[c.model_copy(update=spread.interval(c.strategy)) for c in costs],
        provider_tuning=provider_tuning(case.inputs.evaluation, case.setting, case.p.price_file),
        prices=[*_measured(case), *case.prices],
        answers_per_year=12 * float(case.setting.answers_per_month),
        stake_usd=case.stake / max(1.0, 12 * float(case.setting.answers_per_month)),
        **_context(case),
        expected_regret_usd=_regret(case, choice),
        advice=advice,
        advised=advised,
        offers=tried,
        parts=_parts(case, named, nearest, spread) if nearest else [],
        price_draws=spread.draws,
        holds_share=spread.holds,
        alternative=spread.alternative,
        price_effects=_effects(case, effects_of),
        effects_of=effects_of,
        extra_usd=_extra(case, effects_of),
        expected_met=_expected_met(case, choice),
    )


def _context(case: Case) -> dict[str, Any]:
    e, s = case.inputs.evaluation, case.inputs.suitability
    return {
        "needed_accuracy": case.needed[0],
        "needed_from_values": case.needed[1],
        "test_items": e.test_items,
        "looks": e.looks,
        "level": case.level,
        "expected": s.expected if s else "",
        "requirements_change": case.p.requirements_change,
        "facts_change": case.p.facts_change,
        "needs_facts": case.needs_facts,
        "families": {n: r.spec.family for n, r in case.results.items()},
    }


class _Spread:
    """What the draws of the assumed figures show."""

    def __init__(self, case: Case) -> None:
        self.at = drawn(case.prices, case.setting, case.p.seed)
        self.draws, self.holds, self.alternative = 0, None, ""
        self.cost: np.ndarray | None = None
        self.names = list(case.results)
        if self.at is None:
            return
        self.draws = DRAWS
        self.cost = drawn_costs(case.inputs.evaluation.results, self.at)
        codes, choice = case.verdicts(self.at), case.choice
        now = -2 if choice.kind == "can't tell" else NONE
        now = self.names.index(choice.strategy) if choice.kind == "chosen" else now
        self.holds = float((codes == now).mean())
        others = Counter(codes[codes != now].tolist()).most_common(1)
        if others:
            code = int(others[0][0])
            words = {NONE: "none", -2: "can't tell yet"}
            self.alternative = words[code] if code < 0 else self.names[code]

    def interval(self, strategy: str) -> dict[str, float]:
        """Return the 5% and 95% quantiles of a strategy's first-year cost."""
        if self.cost is None:
            return {}
        low, high = np.quantile(self.cost[:, self.names.index(strategy)], [TAIL, 1 - TAIL])
        return {"first_year_low_usd": float(low), "first_year_high_usd": float(high)}


def _costs(case: Case) -> list[StrategyCost]:
    s, found = case.setting, []
    reference = cost_model.reference_of(list(case.results.values()), s)
    alone = {a.strategy: a for a in case.inputs.evaluation.selective}
    for result in case.results.values():
        c = cost_model.cost(result, s, reference)
        own = alone.get(result.spec.name)
        if own and own.alone > 0:
            year = c.first_year_usd
            usd = cost_model.with_person_usd(own.alone, own.allowed_wrong, year, s)
            c = c.model_copy(update={"with_person_share": own.alone, "with_person_usd": float(usd)})
        found.append(c)
    return found


def _barred(gates: list[Gate]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for gate in gates:
        if gate.state == "failed":
            found.setdefault(gate.strategy, []).append(gate.gate)
    return found


def _fit(case: Case, named: str) -> tuple[Fit, list[str]]:
    mine = [g for g in case.gates if g.strategy == named]
    failed = [g.gate for g in mine if g.state == "failed"]
    unsure = [g.gate for g in mine if g.state == "can't tell"]
    alone = any(s.strategy == named and s.alone > 0 for s in case.inputs.evaluation.selective)
    if not failed and not unsure:
        return "alone", []
    if set(failed + unsure) <= {"accuracy"} and alone:
        return "with a person", failed + unsure
    return ("not fit" if failed else "not known"), failed + unsure


def _pairs(case: Case, named: str, barred: dict[str, list[str]]) -> list[NetDifference]:
    m, stake = case.arms, case.stake
    half, _ = halves(m, case.level)
    i, found = m.names.index(named), []
    for j, other in enumerate(m.names):
        if j == i:
            continue
        gain, room = float(m.difference[i, j]), float(half[i, j])
        extra = float(case.cost[i] - case.cost[j])
        low, high = gain - room, gain + room
        e = Estimate(
            value=gain, low=max(-1.0, low), high=min(1.0, high), n=m.n, method="level of this look"
        )
        found.append(
            NetDifference(
                other=other,
                gain=e,
                extra_usd=extra,
                break_even_points=points_of(extra, stake),
                net_usd=stake * gain - extra,
                net_low_usd=stake * low - extra,
                net_high_usd=stake * high - extra,
                barred=barred.get(other, []),
                beaten=stake * low - extra > 0,
            )
        )
    return found


def _nearest(choice: Choice, pairs: list[NetDifference]) -> NetDifference | None:
    """Return the other strategy that is most likely the better one, the barred only where nothing else is left."""
    free = [x for x in pairs if not x.barred] or pairs
    return min(free, key=lambda x: x.net_low_usd, default=None)


def _parts(case: Case, named: str, other: NetDifference, spread: _Spread) -> list[ErrorPart]:
    m, stake = case.arms, case.stake
    i, j = m.names.index(named), m.names.index(other.other)
    sd = {part: stake * math.sqrt(m.variance[k, i, j]) for k, part in enumerate(PARTS)}
    if spread.at is not None and spread.cost is not None:
        stakes = np.asarray(cost_model.stake_usd(spread.at))
        net = stakes * m.difference[i, j] - (spread.cost[:, i] - spread.cost[:, j])
        sd["prices"] = float(net.std())
    total = sum(v * v for v in sd.values())
    guess = not case.inputs.evaluation.seeds
    return [
        ErrorPart(
            source=source,  # pyright: ignore[reportArgumentType]
            sd_usd=v,
            share=v * v / total,
            assumed=source == "prices" or (source == "seeds" and guess),
        )
        for source, v in sd.items()
        if v > 0
    ]


def _offers(case: Case, choice: Choice) -> list[Offer]:
    if choice.kind != "can't tell":
        return []
    if choice.basis == "open gate":
        return _gate_offers(case, choice)
    looks = case.inputs.evaluation.looks
    return offers(case.arms, case.cost, case.stake, looks, case.market)


def _gate_offers(case: Case, choice: Choice) -> list[Offer]:
    """Return the labels that would show at 80% power on which side of their limits the supported strategy lies."""
    result, need = case.results[choice.supported], 0
    for gate in case.gates:
        if gate.strategy == choice.supported and gate.state == "can't tell":
            need = max(need, examples_for_gate(gate, result))
    if not need or need >= MOST_EXAMPLES:
        return []
    value = {
        c: case.stake * r.accuracy.value - case.cost[i]
        for i, (c, r) in enumerate(case.results.items())
    }
    unsure = {g.strategy for g in case.gates if g.state in ("failed", "can't tell")}
    else_ = max((v for c, v in value.items() if c not in unsure), default=0.0)
    worth = max(0.0, value[choice.supported] - else_) / 2
    price = need * case.market.label_usd
    return [Offer(what="labels", amount=need, cost_usd=price, worth_usd=worth, settles=POWER)]


def examples_for_gate(gate: Gate, result: StrategyResult) -> int:
    """Return how many further test examples would show, at 80% power, on which side of its limit a share lies."""
    shares = {"accuracy": result.accuracy, "format": result.format_ok}
    e = shares.get(gate.gate, result.unsupported if gate.gate == "hallucination" else None)
    if e is None or gate.limit is None:
        return 0
    # Wilson's interval holds the limit out where the score test at the limit refuses it; it also says how many
    # independent items the measured ones are worth.
    p, limit = e.value, min(max(gate.limit, 1e-6), 1 - 1e-6)
    if abs(p - limit) < 1e-9:
        return MOST_EXAMPLES
    z, power = NormalDist().inv_cdf(0.975), NormalDist().inv_cdf(POWER)
    bound = min(max(e.low if p > limit else e.high, 1e-6), 1 - 1e-6)
    worth = z * z * bound * (1 - bound) / max(1e-12, (p - bound) ** 2)
    spread = z * math.sqrt(limit * (1 - limit)) + power * math.sqrt(p * (1 - p))
    times = (spread / (p - limit)) ** 2 / worth
    return int(min(MOST_EXAMPLES, max(1, math.ceil(e.n * (min(times, 1e9) - 1)))))


def _advice(
    case: Case, choice: Choice, tried: list[Offer], holds: float | None
) -> tuple[Advice, Offer | None]:
    doubtful = holds is not None and holds < AGREE
    if choice.kind == "none":
        return "mend", None
    if choice.kind == "chosen":
        stop: Advice = "stop" if choice.basis == "best bet" else "use it"
        return ("prices" if doubtful else stop), None
    if choice.basis == "open gate":
        open_ = {g.gate for g in choice.open_gates if g.strategy == choice.supported}
        if tried:
            return "labels", tried[0]
        return ("probe" if "regression" in open_ else "limit"), None
    best = best_offer(tried)
    if best is not None:
        return best.what, best
    return ("prices" if doubtful else "stop"), None


def _regret(case: Case, choice: Choice) -> float:
    if choice.kind == "none":
        return 0.0
    return worth_now(case.arms, case.cost, case.stake, None)


def _effects_of(case: Case, choice: Choice, named: str) -> tuple[str, str] | None:
    """Return the strategy named and the one its cost is weighed against, the dearer first."""
    if len(case.results) < 2:
        return None
    year = dict(zip(case.results, case.cost, strict=True))
    near = [o for o in [*choice.rivals, *choice.beaten] if o != named]
    cheapest = min((o for o in year if o != named), key=lambda o: year[o])
    other = max(near, key=lambda o: case.results[o].accuracy.value) if near else cheapest
    dearer, cheaper = sorted((named, other), key=lambda o: -year[o])
    return dearer, cheaper


def _effects(case: Case, pair: tuple[str, str] | None) -> list[Any]:
    if pair is None:
        return []
    mine, other = (case.results[name] for name in pair)
    return price_effects(mine, other, case.prices, case.setting)


def _extra(case: Case, pair: tuple[str, str] | None) -> float | None:
    year = dict(zip(case.results, case.cost, strict=True))
    return float(year[pair[0]] - year[pair[1]]) if pair else None


def _verdict(choice: Choice, case: Case) -> str:
    if choice.kind != "chosen":
        return "none" if choice.kind == "none" else "can't tell yet"
    family = case.results[choice.strategy].spec.family
    return VERDICTS.get(family, family)


def _expected_met(case: Case, choice: Choice) -> bool | None:
    s = case.inputs.suitability
    if s is None or choice.kind != "chosen":
        return None
    family = case.results[choice.strategy].spec.family
    return EXPECTED.get(family, family) == s.expected


def _measured(case: Case) -> list[Any]:
    s, training = case.setting, case.inputs.training
    return measured(s.training_s, s.parameters, s.examples, bool(training and training.elsewhere))


def sensitivity(case: Case) -> list[Change]:
    """Return what would change the verdict, nearest first."""
    choice = case.choice
    now: Outcome = (choice.kind, choice.strategy if choice.kind == "chosen" else "")
    found: list[Change] = []
    for figure in _figures(case):
        found += number_changes(figure, case.outcome, now)
    p = case.p
    for field, others in (
        ("requirements_change", list(cost_model.REQUIREMENT_CHANGES)),
        ("facts_change", list(cost_model.FACT_CHANGES)),
        ("data_may_leave", [True, False]),
    ):
        found += choice_changes(field, getattr(p, field), others, case.outcome, now)
    return sorted(found, key=lambda f: f.factor)


def _figures(case: Case) -> list[Figure]:
    p = case.p

    def percent(v: float) -> str:
        return f"{100 * v:.1f}%"

    limits = [
        Figure("min_accuracy", case.needed[0], percent, 0.001, 1.0),
        Figure("min_format_ok", p.min_format_ok, percent, 0.0, 1.0),
        Figure("max_unsupported", p.max_unsupported, percent, 0.0, 1.0),
        Figure("regression_margin_points", p.regression_margin_points, "{:.1f}".format, 0.5, 100.0),
        Figure(
            "max_seconds_per_answer",
            p.max_seconds_per_answer,
            "{:.2g}".format,
            p.max_seconds_per_answer / 1000,
            p.max_seconds_per_answer * 1000,
        ),
    ]
    return limits + [
        Figure(x.name, x.value, "{:,.3g}".format, x.value / 10, _most(x.name, x.value))
        for x in case.prices
        if x.value > 0
    ]


def _most(name: str, value: float) -> float:
    return min(1.0, 10 * value) if name in SHARES else 10 * value
