"""All figures of 07 in one record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import Evaluation, JudgeCheck
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.records.task import TaskCard
from ftkit.evaluation.comparisons import compare, effects
from ftkit.evaluation.general_skills import (
    NOT_MEASURED,
    NOTHING_TUNED,
    general_accuracy,
    regression,
)
from ftkit.evaluation.selective_answering import selective
from ftkit.evaluation.slices import find, neighbours
from ftkit.evaluation.summary import summarise
from ftkit.scoring.outcomes import cut_off_words, outcome_shares, too_small
from ftkit.strategies.delivery import not_measured, sentence, unanswered_items
from ftkit.strategies.delivery import notes as delivery_notes

FEW_CLUSTERS = 30


def conclude(
    specs: Sequence[StrategySpec],
    card: TaskCard,
    items: Any,
    answers: Any,
    scores: Any,
    *,
    probes: Any = None,
    test_accesses: Sequence[str] = (),
    looks: int = 1,
    duration_s: float = 0.0,
    allowed_wrong: float = 0.1,
    judge: JudgeCheck | None = None,
    failures_allowed: float = 0.05,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> Evaluation:
    """Summarise every strategy, compare all pairs, and estimate the effects of the grid.

    Args:
        specs: The strategies.
        card: The task.
        items: Test examples (columns ``records.EXAMPLE_COLUMNS``).
        answers: Columns ``records.ANSWER_COLUMNS``.
        scores: Columns ``records.SCORE_COLUMNS``.
        probes: Scores on the general probe, models named base and tuned; None or empty: not measured.
        test_accesses: The log of looks at the test set.
        looks: With how many different settings it was opened.
        duration_s: Seconds that answering and scoring took.
        allowed_wrong: Share of wrong answers allowed among those that a strategy gives without a person's look.
        judge: The model that said what is right; None: the task's metric did.
        failures_allowed: Share of an endpoint's replies that may be no answers; above it the arm is not measured.
        n_resamples: Bootstrap resamples.
        seed: Seed of the resamples.
    """
    gone = not_measured(specs, answers, failures_allowed)
    out = {arm.strategy for arm in gone}
    specs = [spec for spec in specs if not out & {spec.name, spec.small, spec.large}]
    names, faults = [spec.name for spec in specs], scores.attrs.get("faults", [])
    answers = answers[answers["strategy"].isin(names)]
    left_out = unanswered_items(specs, answers)
    told = delivery_notes(specs, answers, left_out)
    answers = answers[~answers["item_id"].isin(left_out)]
    scores = scores[scores["strategy"].isin(names) & ~scores["item_id"].isin(left_out)]
    scores.attrs["faults"] = faults
    items = items[~items["id"].isin(left_out)]
    general = general_accuracy(probes) if probes is not None else {}
    results = [
        summarise(
            spec,
            scores,
            answers,
            card=card,
            items=items,
            general=general.get(spec.model),
            n_resamples=n_resamples,
            seed=seed,
        )
        for spec in specs
    ]
    tuned = any(spec.model == "tuned" for spec in specs)
    return Evaluation(
        results=results,
        comparisons=compare(scores, n_resamples=n_resamples, seed=seed),
        effects=effects(scores, specs),
        regression=regression(probes, n_resamples, seed) if general else [],
        probe_items=len(probes) // len(general) if general and probes is not None else 0,
        probe_note="" if general else NOT_MEASURED if tuned else NOTHING_TUNED,
        test_items=len(items),
        clusters=int(scores["group"].nunique()),
        test_accesses=list(test_accesses),
        looks=looks,
        duration_s=duration_s,
        notes=[*(sentence(arm) for arm in gone), *told, *notes(scores, answers, looks)],
        not_measured=gone,
        left_out=len(left_out),
        slices=find(card, items, scores),
        neighbours=neighbours(items, scores),
        selective=selective(specs, answers, scores, allowed_wrong, judge)
        if "confidence" in answers
        else [],
    )


def notes(scores: Any, answers: Any, looks: int = 1) -> list[str]:
    """Return what a reader must know beside the figures."""
    said = []
    missing, cut = (
        scores[scores["missing"]].groupby("strategy").size(),
        answers[answers["cut"].astype(float) > 0],
    )
    said += [
        f"{name} gave no answer to {count} questions; they count as wrong."
        for name, count in missing.items()
    ]
    said += [
        f"{name}: {count} prompts did not fit the model's context and were cut."
        for name, count in cut.groupby("strategy").size().items()
    ]
    for name, replies in answers.groupby("strategy", sort=False):
        words = cut_off_words(outcome_shares(replies), too_small(replies))
        said += [f"{name}: replies were cut off and count as wrong: {words}."] if words else []
    faults = scores.attrs.get("faults", [])
    if faults:
        said.append(
            f"The metric failed on {len(faults)} answers, which count as wrong: {faults[0]}."
        )
    clusters = scores["group"].nunique()
    if clusters < FEW_CLUSTERS:
        said.append(
            f"The test questions come from only {clusters} independent customers or clusters: intervals are wide for that."
        )
    if looks > 1:
        said.append(
            f"This was look {looks} at these test questions (all runs of the project together): 08 pays for it with wider intervals."
        )
    return said


def learned(found: Evaluation) -> tuple[str, list[str]]:
    """Return the finding of 07 in one sentence, and the points under it."""
    best = max(found.results, key=lambda r: r.accuracy.value)
    title = f"{best.spec.name} is ahead with {_share(best.accuracy)} of {found.test_items} test questions right."
    if best.accuracy.value == 0:
        title = f"No strategy answers any of {found.test_items} test questions right."
    rivals = [
        (c.b if c.a == best.spec.name else c.a)
        for c in found.comparisons
        if best.spec.name in (c.a, c.b) and c.p_adjusted >= 0.05
    ]
    points = [
        f"Not told apart from it beyond chance: {', '.join(rivals)}."
        if rivals
        else "It beats every other strategy beyond chance."
    ]
    points += [
        f"{e.name.capitalize()}: {100 * e.difference.value:+.1f} points ({100 * e.difference.low:+.1f} to {100 * e.difference.high:+.1f})."
        for e in found.effects
    ]
    points += [
        f"General skills after tuning: {100 * c.difference.value:+.1f} points ({100 * c.difference.low:+.1f} to {100 * c.difference.high:+.1f})."
        for c in found.regression
    ]
    points += [] if found.regression else [f"General skills: not measured; {found.probe_note}."]
    return title, [
        *points,
        *found.notes,
        "Next: prices and limits turn these figures into a decision.",
    ]


def _share(e: Estimate) -> str:
    return f"{100 * e.value:.0f}% ({100 * e.low:.0f} to {100 * e.high:.0f})"
