"""Which prompt is best on validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.records.prompting import Prompt, PromptBook, PromptTrial
from ftkit.core.statistics import mean_interval
from ftkit.scoring.outcomes import CUT_OFF_ALLOWED, cut_off_words, outcome_shares, too_small
from ftkit.strategies.prompt_candidates import TASK_ONLY


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
        accuracy=mean_interval(
            scores["correct"].astype(float).tolist(), scores["group"].tolist(), n_resamples
        ),
        partial=float(scores["partial"].mean()),
        format_ok=float((scores["format"] != "failed").mean()),
        format_strict=float((scores["format"] == "strict").mean()),
        prompt_tokens_mean=float(answers["prompt_tokens"].mean()),
        seconds_per_answer=float(answers["latency_s"].mean()),
        cut_share=float((answers["cut"] > 0).mean()),
        outcomes=outcome_shares(answers),
        cut_off_by=too_small(answers),
    )


def ranked(trials: Sequence[PromptTrial]) -> list[PromptTrial]:
    """Return trials, best first: measured on most examples (the others were dropped on the way); most right answers; then
    most fields right, best format, the shorter prompt."""
    return sorted(
        trials,
        key=lambda t: (
            -t.accuracy.n,
            -t.accuracy.value,
            -t.partial,
            -t.format_ok,
            t.prompt_tokens_mean,
        ),
    )


def choose(trials: Sequence[PromptTrial], validation_items: int) -> PromptBook:
    """Return the book of prompts with the best zero-shot and the best few-shot one, by :func:`ranked`.

    The winner's interval is of one prompt measured alone: the best of several looks better than it is, so 07 measures
    it again on the test. The prompt without the list of labels is for a tuned model: the base cannot know them.

    Raises:
        BadInput: No zero-shot prompt was tried.
    """
    zero, few = (
        [t for t in trials if not t.prompt.few_shot and t.prompt.name != TASK_ONLY],
        [t for t in trials if t.prompt.few_shot],
    )
    if not zero:
        raise BadInput("no zero-shot prompt was tried", where="prompting", todo="keep at least one")
    return PromptBook(
        trials=list(trials),
        zero_shot=ranked(zero)[0].prompt.name,
        few_shot=ranked(few or zero)[0].prompt.name,
        validation_items=validation_items,
    )


def answer_rows(
    items: Any, best: Any, worst: Any, scores: Any, limit: int = 8
) -> list[dict[str, str]]:
    """Return messages with the answers of two prompts beside the right one; those that the best gets wrong first.

    Args:
        items: Validation examples.
        best: Answers of the best prompt, in the order of ``items``.
        worst: Answers of the worst one.
        scores: Scores of the best one.
        limit: Most rows.
    """
    rows = [
        {
            "message": text,
            "right answer": output,
            "best prompt": a or "(no answer)",
            "right": "yes" if right else "no",
            "worst prompt": b or "(no answer)",
        }
        for text, output, a, b, right in zip(
            items["input"],
            items["output"],
            best["text"],
            worst["text"],
            scores["correct"],
            strict=True,
        )
    ]
    return sorted(rows, key=lambda row: row["right"])[:limit]


def trial_rows(trials: Sequence[PromptTrial]) -> list[dict[str, Any]]:
    """Return what each prompt gives and costs, for a table."""
    return [
        {
            "prompt": t.prompt.name,
            "examples answered": t.accuracy.n,
            "right": _interval(t),
            "fields right": f"{t.partial:.0%}",
            "usable format": f"{t.format_ok:.0%}",
            "prompt tokens": round(t.prompt_tokens_mean),
            "seconds per answer": t.seconds_per_answer,
            "prompt cut to the context": f"{t.cut_share:.0%}",
            "cut off": cut_off_words(t.outcomes, t.cut_off_by) or "–",
        }
        for t in trials
    ]


def learned(book: PromptBook) -> tuple[str, list[str]]:
    """Return what 03 found, as a title and points."""
    zero, few = (
        next(t for t in book.trials if t.prompt.name == name)
        for name in (book.zero_shot, book.few_shot)
    )
    best = ranked([zero, few])[0]
    told = f"Prompting alone gets {_interval(best)} of the validation examples right"
    points = [
        f"Best without examples: '{zero.prompt.name}', {_interval(zero)}, {zero.format_ok:.0%} in a usable format."
    ]
    if few.prompt.few_shot:
        cost = few.prompt_tokens_mean / max(1.0, zero.prompt_tokens_mean)
        points.append(
            f"Best with examples: '{few.prompt.name}', {_interval(few)}; its prompt is {cost:.1f} times as long."
        )
    first = book.trials[0]
    if best.prompt.name != first.prompt.name:
        points.append(
            f"The first prompt, '{first.prompt.name}', would have got {_interval(first)}."
        )
    cut = [t.prompt.name for t in book.trials if t.cut_share > 0]
    if cut:
        points.append(f"Too long for the model's context in part, so cut: {', '.join(cut)}.")
    short = [t.prompt.name for t in book.trials if sum(t.cut_off_by.values()) > CUT_OFF_ALLOWED]
    if short:
        names = sorted({name for t in book.trials for name in t.cut_off_by})
        points.append(
            f"Answers were cut off with {', '.join(short)}: they count as wrong; raise {' and '.join(names)}."
        )
    return told, [*points, "Next: can the facts that are missing be found in the handbook?"]


def _interval(t: PromptTrial) -> str:
    return f"{t.accuracy.value:.0%} ({t.accuracy.low:.0%} to {t.accuracy.high:.0%})"
