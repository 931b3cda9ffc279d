"""Did an endpoint answer at all? An arm with too many technical failures is not measured; single ones leave the comparison.

A cut, filtered or lost reply says nothing of what the model knows. Counted as wrong answers, they would make a finding of
a fault in the connection.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ftkit.core.records.endpoint import NotMeasured
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.strategy import ANSWERED, StrategySpec

PASSING = ("empty", "malformed", "not_delivered")
"""Outcomes that another run may mend; it asks again."""
WORDS = {
    "cut_off": "ran out of room",
    "filtered": "were withheld by the provider",
    "empty": "were empty",
    "malformed": "were no chat completions",
    "not_delivered": "did not arrive",
    "refused": "were declined by the model",
}
"""Outcomes in words, for a number of replies."""


def not_measured(specs: Sequence[StrategySpec], answers: Any, allowed: float) -> list[NotMeasured]:
    """Return the endpoint's arms with more technical failures than allowed.

    Args:
        specs: The strategies.
        answers: Columns ``records.ANSWER_COLUMNS``.
        allowed: Share of technical failures that is allowed, 0..1.
    """
    arms = []
    for spec in specs:
        mine = answers[answers["strategy"] == spec.name]
        failed = mine[~mine["outcome"].isin(ANSWERED)]
        if spec.model == "endpoint" and len(failed) > allowed * len(mine):
            counts = Counter(mine["outcome"]).most_common()
            common = Counter(failed["outcome"]).most_common(1)[0][0]
            detail = next((str(d) for d in failed[failed["outcome"] == common]["detail"] if d), "")
            arms.append(
                NotMeasured(
                    strategy=spec.name,
                    family=spec.family,
                    questions=len(mine),
                    outcomes=dict(counts),
                    detail=detail,
                    allowed=allowed,
                )
            )
    return arms


def sentence(arm: NotMeasured) -> str:
    """Return why an arm was not measured, in words."""
    failed = sum(n for outcome, n in arm.outcomes.items() if outcome not in ANSWERED)
    detail = f" The server said: {arm.detail}." if arm.detail else ""
    return (
        f"{arm.strategy} was not measured: of {arm.questions} replies {causes(arm.outcomes)}, so {failed / arm.questions:.0%} "
        f"were no answers, and at most {arm.allowed:.0%} may be.{detail}"
    )


def causes(outcomes: dict[Any, int]) -> str:
    """Return counts of outcomes in words, without the answered."""
    return ", ".join(f"{n} {WORDS[o]}" for o, n in outcomes.items() if o in WORDS)


def unanswered_items(specs: Sequence[StrategySpec], answers: Any) -> list[str]:
    """Return the items that an endpoint's arm has no answer to: they are compared for no strategy."""
    names = [spec.name for spec in specs if spec.model == "endpoint"]
    failed = answers["strategy"].isin(names) & ~answers["outcome"].isin(ANSWERED)
    return list(dict.fromkeys(answers[failed]["item_id"]))


def notes(specs: Sequence[StrategySpec], answers: Any, left_out: Sequence[str]) -> list[str]:
    """Return what a reader must know of replies that were no answers, and of refusals, of the endpoint's measured arms."""
    told = []
    for spec in specs:
        mine = answers[answers["strategy"] == spec.name]
        counts = Counter(mine["outcome"])
        if spec.model == "endpoint" and causes(counts):
            told.append(f"{spec.name}: of {len(mine)} replies {causes(counts)}.")
    if left_out:
        told.append(
            f"{len(left_out)} questions without an answer of the endpoint are left out for all strategies."
        )
    return told


def owed(answers: Any) -> int:
    """Return the answers that another run should ask for."""
    return int(answers["outcome"].isin(PASSING).sum())


def measured(specs: Sequence[StrategySpec], result: Evaluation) -> list[StrategySpec]:
    """Return the strategies that were measured."""
    gone = {arm.strategy for arm in result.not_measured}
    return [spec for spec in specs if spec.name not in gone]
