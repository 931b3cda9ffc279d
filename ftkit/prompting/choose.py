"""Which prompt is best on validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftkit.errors import BadInput
from ftkit.records import Prompt, PromptBook, PromptTrial
from ftkit.statistics import mean_interval


def trial(prompt: Prompt, answers: Any, scores: Any, n_resamples: int = 2000) -> PromptTrial:
    """Return one prompt's figures on validation.

    Args:
        prompt: The prompt.
        answers: Its answers (columns ``records.ANSWER_COLUMNS``).
        scores: Their scores (columns ``records.SCORE_COLUMNS``).
        n_resamples: Bootstrap resamples.
    """
    return PromptTrial(
        prompt=prompt,
        accuracy=mean_interval(scores["correct"].astype(float).tolist(), scores["group"].tolist(), n_resamples),
        partial=float(scores["partial"].mean()),
        format_ok=float((scores["format"] != "failed").mean()),
        prompt_tokens_mean=float(answers["prompt_tokens"].mean()),
        seconds_per_answer=float(answers["latency_s"].mean()),
        cut_share=float((answers["cut"] > 0).mean()),
    )


def choose(trials: Sequence[PromptTrial], validation_items: int) -> PromptBook:
    """Return the book of prompts with the best zero-shot and the best few-shot one.

    Best: most right answers; then most fields right, then best format, then the shorter prompt. The winner's interval
    is of one prompt measured alone: the best of several looks better than it is, so 07 measures it again on the test.

    Raises:
        BadInput: No zero-shot prompt was tried.
    """

    def rank(t: PromptTrial) -> tuple[float, ...]:
        return (t.accuracy.value, t.partial, t.format_ok, -t.prompt_tokens_mean)

    zero, few = [t for t in trials if not t.prompt.shots], [t for t in trials if t.prompt.shots]
    if not zero:
        raise BadInput("no zero-shot prompt was tried", where="prompting", todo="keep at least one")
    best_zero = max(zero, key=rank)
    best_few = max(few, key=rank) if few else best_zero
    return PromptBook(
        trials=list(trials), zero_shot=best_zero.prompt.name, few_shot=best_few.prompt.name, validation_items=validation_items
    )
