"""What 05 shows and says: the mix, answers before and after, and what was learnt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.training import ChosenSetting, TrainingCard
from ftkit.training.encode import IGNORED, Encoded
from ftkit.training.import_adapter import trained_on
from ftkit.training.methods import variant
from ftkit.training.plan import Offer, proposed
from ftkit.training.rehearsal import Rehearsal

VERDICTS = {
    "none": "Nothing was trained",
    "learnt": "The model learnt from your examples",
    "underfit": "The model was still learning when it stopped",
    "overfit": "The model began to learn your examples by heart; the checkpoint before that was kept",
    "diverged": "The model did not learn",
}


def mix_rows(
    own: Sequence[Encoded], general: Sequence[Encoded], validation: Sequence[Encoded]
) -> list[dict[str, Any]]:
    """Return one row per part of the mix: examples, tokens, tokens in the loss, and examples whose prompt was cut."""
    return [
        {
            "part": name,
            "examples": len(part),
            "tokens, mean": round(sum(len(e.input_ids) for e in part) / len(part), 1),
            "longest": max(len(e.input_ids) for e in part),
            "tokens learnt, mean": round(
                sum(label != IGNORED for e in part for label in e.labels) / len(part), 1
            ),
            "prompts cut": sum(e.cut > 0 for e in part),
        }
        for name, part in (
            ("your examples", own),
            ("general lessons", general),
            ("validation (only measured)", validation),
        )
        if part
    ]


REASONS = {
    "set": "set by you",
    "model_width": "method and the model's width (LoRA Without Regret, 2025)",
    "short_run": "the model's width, half as much again because the run is short",
    "rehearsal": "lowered: the loss rose at the rate chosen first",
    "steps": "number of steps; training stops earlier where validation no longer improves",
    "small_model": "so small a model has learnt little before and needs more passes",
    "examples": "number of examples",
    "longest": "the longest example of the data",
    "context": "all that the model can see",
    "limit": "the most that is taken unless you set it; longer prompts are cut and counted",
    "answer_tokens": "at least as many weights as answer tokens are learnt from",
    "width": "a quarter of the model's width",
    "rank": "with it the best learning rate does not depend on the rank",
}


def setting_rows(settings: Sequence[ChosenSetting]) -> list[dict[str, str]]:
    """Return one row per rate or size: its value, and what it was chosen from."""
    return [
        {
            "parameter": f"training.{s.name}",
            "value": f"{s.value:g}",
            "because of": REASONS[s.reason],
        }
        for s in settings
    ]


def answer_rows(table: Any, answers: Any, limit: int = 4) -> list[dict[str, str]]:
    """Return examples with the right answer and what the model said; see ``before_after``."""
    rows = zip(table["input"], table["output"], answers["text"], strict=True)
    return [
        {"input": a, "right answer": b, "the model says": c or "(no answer)"}
        for a, b, c in list(rows)[:limit]
    ]


def before_after(table: Any, before: Any, after: Any, limit: int = 6) -> list[dict[str, str]]:
    """Return examples with the right answer and what the model said before and after tuning.

    Args:
        table: Validation examples (columns ``input`` and ``output``).
        before: Answers of the base (column ``text``), same order.
        after: Answers of the tuned model, same order.
        limit: Most rows.
    """
    rows = zip(table["input"], table["output"], before["text"], after["text"], strict=True)
    names = ("input", "right answer", "before", "after")
    return [
        dict(zip(names, (*row[:2], row[2] or "(no answer)", row[3] or "(no answer)"), strict=True))
        for row in list(rows)[:limit]
    ]


UNTRAINED = (
    "training.method is none: no weights were changed. 07 compares prompts, passages and endpoints; "
    "what tuning would bring is not measured. To measure it, set training.method to lora."
)


def learned(card: TrainingCard, *notes: str) -> tuple[str, list[str]]:
    """Return the title and the points of the summary box."""
    if not card.trained:
        return VERDICTS["none"], [UNTRAINED]
    share = card.trainable_parameters / card.parameters
    return VERDICTS[card.verdict], [
        f"Loss per answer token on validation: {card.log[0].validation_loss:.2f} before, {card.best_validation_loss:.3g} for the kept checkpoint.",
        f"{card.variant or card.method}: {card.trainable_parameters:,} weights were trained, {share:.1%} of the base's {card.parameters:,}.",
        _took(card),
        *(note for note in notes if note),
        advised(card),
    ]


def advised(card: TrainingCard) -> str:
    """Return what to change before the next training, in a sentence."""
    return (
        "Nothing needs to change."
        if card.advice == "nothing"
        else f"{card.advice[0].upper()}{card.advice[1:]}."
    )


def _took(card: TrainingCard) -> str:
    if card.elsewhere:
        return f"Another tool trained it; {card.duration_s / 3600:g} hours are counted for that, as training.adapter_hours says."
    each = f" in each of {card.processes} processes" if card.processes > 1 else ""
    return f"It took {card.duration_s:.0f} s for {card.tokens:,} tokens, and {card.peak_memory_gib:.1f} GiB at its peak{each}."


def told(trial: Rehearsal, found: Sequence[Offer], p: TrainingParameters) -> str:
    """Return what the rehearsal measured, and which method the figures speak for."""
    if p.adapter:
        return f"Nothing is trained or rehearsed here: {p.adapter} holds what another tool learnt. {trained_on(Path(p.adapter))}"
    method, why = proposed(found)
    mine = next(o for o in found if o.need.method == p.method)
    same = "as chosen" if method == p.method else f"chosen is {variant(p)}"
    return (
        f"The rehearsal went through in {trial.seconds:.0f} s: {trial.tokens_per_s:,.0f} tokens a second, {trial.peak_gib:.1f} GiB at its peak "
        f"({mine.gib:.1f} expected). Proposed: {method}, because {why}; {same}."
    )


def expected(trial: Rehearsal, card: TrainingCard) -> str:
    """Return how the time that the rehearsal expected compares with what was spent."""
    if card.elsewhere:
        return ""
    minutes = card.tokens / trial.tokens_per_s / 60
    return f"The rehearsal's speed gives {minutes:.1f} min for these tokens; it took {card.duration_s / 60:.1f}, validation included."
