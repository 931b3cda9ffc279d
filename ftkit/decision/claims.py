"""The guide's claims, held against what this run measured: here, not in general."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.decision import Claim
from ftkit.core.records.evaluation import Evaluation, StrategyResult
from ftkit.core.records.training import TrainingCard
from ftkit.decision.cost_model import Setting, training_usd
from ftkit.decision.rule import Table
from ftkit.decision.words import points, share, usd

Held = Literal["holds here", "does not hold here", "can't tell", "not testable here"]
NOTICEABLE = 0.05
LARGE = 1e9
"""Weights from which a training's cost says something about a 7B model's."""


def claims(
    evaluation: Evaluation, training: TrainingCard | None, s: Setting, p: DecisionParameters
) -> list[Claim]:
    """Return every claim with its measurement and whether it holds here."""
    by_family: dict[str, StrategyResult] = {
        r.spec.family: r for r in evaluation.results if not r.spec.votes
    }
    table = Table(evaluation.comparisons)
    return [
        _pair(
            table,
            by_family,
            "few-shot",
            "prompting",
            "A better prompt helps before anything is tuned.",
            "G1",
        ),
        _effect(evaluation, "tuning", "Fine-tuning teaches how to behave.", "G9"),
        _effect(evaluation, "retrieval", "Retrieval gives what to know.", "G9"),
        _hybrid(table, by_family),
        _hallucination(by_family.get("fine-tuned")),
        _forgetting(evaluation, p),
        _pair(
            table,
            by_family,
            "fine-tuned",
            "endpoint",
            "A tuned small model beats a general large one on one task.",
            "G1",
            {arm.family for arm in evaluation.not_measured},
        ),
        _training_cost(training, s),
        Claim(
            claim="500 to 1,000 good examples do for a narrow task.",
            point="G4",
            verdict="not testable here",
            measured=f"trained on {training.examples if training else 0} examples; a learning curve would tell",
        ),
        Claim(
            claim="QLoRA comes close to LoRA.",
            point="G2",
            verdict="not testable here",
            measured="one method was trained",
        ),
    ]


def _held(e: Estimate) -> Held:
    return "holds here" if e.low > 0 else "does not hold here" if e.high <= 0 else "can't tell"


def _pair(
    table: Table,
    by_family: dict[str, StrategyResult],
    a: str,
    b: str,
    claim: str,
    point: str,
    broken: Collection[str] = (),
) -> Claim:
    if a not in by_family or b not in by_family:
        gone = a if a not in by_family else b
        why = "gave too few answers to be measured" if gone in broken else "was not run"
        return Claim(
            claim=claim, point=point, measured=f"{gone} {why}", verdict="not testable here"
        )
    e = table.difference(by_family[a].spec.name, by_family[b].spec.name)
    return Claim(claim=claim, point=point, measured=f"{a} minus {b}: {points(e)}", verdict=_held(e))


def _effect(evaluation: Evaluation, name: str, claim: str, point: str) -> Claim:
    found = next((e for e in evaluation.effects if e.name == name), None)
    if found is None:
        return Claim(
            claim=claim,
            point=point,
            measured="the four arms were not all run",
            verdict="not testable here",
        )
    return Claim(
        claim=claim,
        point=point,
        measured=f"{points(found.difference)} of accuracy",
        verdict=_held(found.difference),
    )


def _hybrid(table: Table, by_family: dict[str, StrategyResult]) -> Claim:
    claim = "Tuning and retrieval together are best."
    if "hybrid" not in by_family:
        return Claim(
            claim=claim, point="G9", measured="the hybrid was not run", verdict="not testable here"
        )
    hybrid = by_family["hybrid"].spec.name
    others = [r.spec.name for r in by_family.values() if r.spec.name != hybrid]
    gaps = {other: table.difference(hybrid, other) for other in others}
    nearest = min(gaps, key=lambda other: gaps[other].value)
    better = all(table.superior(hybrid, other) for other in others)
    verdict: Held = (
        "holds here"
        if better
        else "does not hold here"
        if gaps[nearest].high <= 0
        else "can't tell"
    )
    return Claim(
        claim=claim,
        point="G9",
        measured=f"hybrid minus {nearest}, its nearest rival: {points(gaps[nearest])}",
        verdict=verdict,
    )


def _hallucination(tuned: StrategyResult | None) -> Claim:
    claim = "A tuned model without sources still invents facts."
    if tuned is None or tuned.unsupported is None:
        return Claim(
            claim=claim,
            point="G1",
            measured="no sources to hold answers against",
            verdict="not testable here",
        )
    e = tuned.unsupported
    verdict: Held = (
        "holds here"
        if e.low > NOTICEABLE
        else "does not hold here"
        if e.high < NOTICEABLE
        else "can't tell"
    )
    return Claim(
        claim=claim,
        point="G1",
        measured=f"{share(e)} of its answers state an unsupported value",
        verdict=verdict,
    )


def _forgetting(evaluation: Evaluation, p: DecisionParameters) -> Claim:
    claim = "Parameter-efficient tuning forgets little."
    if not evaluation.regression:
        return Claim(
            claim=claim,
            point="G2",
            measured=evaluation.probe_note or "no general probe",
            verdict="not testable here",
        )
    e, margin = evaluation.regression[0].difference, p.regression_margin_points / 100
    verdict: Held = (
        "holds here"
        if e.low > -margin
        else "does not hold here"
        if e.high < -margin
        else "can't tell"
    )
    return Claim(
        claim=claim, point="G2", measured=f"{points(e)} on {e.n} general items", verdict=verdict
    )


def _training_cost(training: TrainingCard | None, s: Setting) -> Claim:
    claim = "Training costs little beside people's time: 5 to 20 USD for a 7B model."
    if training is None:
        return Claim(
            claim=claim, point="G10", measured="nothing was trained", verdict="not testable here"
        )
    cost = training_usd(s)
    hours = (
        cost / s.price["labour_usd_per_hour"]
        if s.price["labour_usd_per_hour"] > 0
        else float("inf")
    )
    told = f"about {usd(cost)} for {training.duration_s / 60:.1f} minutes of {training.parameters / 1e6:,.1f} million parameters"
    return Claim(
        claim=claim,
        point="G10",
        measured=told,
        verdict="not testable here"
        if training.parameters < LARGE
        else "holds here"
        if hours < 1
        else "does not hold here",
    )
