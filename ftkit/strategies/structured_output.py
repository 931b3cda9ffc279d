"""Structured output: the response format that a task asks for, and what holding answers within it gains or costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftkit.core.records.base import Estimate
from ftkit.core.records.prompting import Prompt, PromptTrial, ResponseFormat
from ftkit.core.records.task import TaskCard
from ftkit.core.statistics import paired_difference
from ftkit.scoring.json_schema import schema_of
from ftkit.scoring.parse import parse_record
from ftkit.strategies.prompt_candidates import TASK_ONLY, with_hash
from ftkit.strategies.prompt_choice import ranked

CONSTRAINED, RANKED = ", constrained", ", ranked"
MOST_RANKED = 200
"""Labels up to which they are ranked as well: each is read once per answer."""


def response_format(card: TaskCard, outputs: Sequence[str]) -> ResponseFormat | None:
    """Return what every answer must look like; None for free text, which has no form to hold it within.

    A label is one of the card's. Calls are of declared functions, with arguments of their schemas. A record keeps to the card's JSON Schema; without one it has the card's fields in
    their order, of the types that the examples have, with the card's allowed values where these are texts.

    Args:
        card: The task card.
        outputs: Right answers of training examples.
    """
    if card.kind == "label":
        return ResponseFormat(kind="choice", value=card.labels) if card.labels else None
    if card.kind == "tool_call":
        return ResponseFormat(kind="tools", value="auto") if card.tools else None
    if card.kind != "fields" or not card.fields:
        return None
    records = [record for record in map(parse_record, outputs) if record is not None]
    blanks = sum('": ' in output for output in outputs) > len(outputs) / 2
    return ResponseFormat(kind="json_schema", value=schema_of(card, records), blanks=blanks)


def constrained(trials: Sequence[PromptTrial], form: ResponseFormat | None) -> list[Prompt]:
    """Return the best prompt without and the best with examples once more, held within a response format.

    A prompt whose answers were all in the right format is left out: constrained decoding would change none of them. With the better
    of both, labels are also ranked: the likeliest label as a whole is not always the one that the likeliest first token leads to.

    Args:
        trials: The prompts measured without constraint.
        form: What answers are held within; None: there is nothing to try.
    """
    if form is None:
        return []
    kinds = (
        [t for t in trials if t.prompt.few_shot is few and t.prompt.name != TASK_ONLY]
        for few in (False, True)
    )
    best = [ranked(kind)[0] for kind in kinds if kind]
    held = [_held(t, CONSTRAINED, form) for t in best if t.format_strict < 1]
    if best and form.kind == "choice" and len(form.value) <= MOST_RANKED:
        held.append(_held(ranked(best)[0], RANKED, form.model_copy(update={"ranked": True})))
    return held


def _held(t: PromptTrial, suffix: str, form: ResponseFormat) -> Prompt:
    return with_hash(
        t.prompt.name + suffix,
        t.prompt.system,
        t.prompt.shots,
        t.prompt.similar,
        form,
        t.prompt.diverse,
        t.prompt.tools,
    )


def free_name(name: str) -> str:
    """Return the name of the prompt that a held one was made from."""
    return name.removesuffix(CONSTRAINED).removesuffix(RANKED)


def gain(free: Any, held: Any, n_resamples: int = 2000) -> Estimate:
    """Return how much more answers are right held within a format than free, on the same items, with its interval.

    Args:
        free: Scores without constraint (columns ``records.SCORE_COLUMNS``).
        held: Scores with it, of the same items in the same order.
        n_resamples: Bootstrap resamples.
    """
    after, before = (s["correct"].astype(float).tolist() for s in (held, free))
    return paired_difference(after, before, free["group"].tolist(), n_resamples)


def format_rows(trials: Sequence[PromptTrial], scores: dict[str, Any]) -> list[dict[str, str]]:
    """Return per prompt the shares in the right format as it is, after a repair and not at all, and what constraint changed.

    Args:
        trials: The prompts measured.
        scores: Their scores by name.
    """
    rows = []
    for t in trials:
        name, shares = (
            t.prompt.name,
            (t.format_strict, t.format_ok - t.format_strict, 1 - t.format_ok),
        )
        change = "–"
        if t.prompt.response_format:
            e = gain(scores[free_name(name)], scores[name])
            change = f"{100 * e.value:+.1f} points ({100 * e.low:+.1f} to {100 * e.high:+.1f})"
        rows.append(
            {
                "prompt": name,
                **dict(
                    zip(
                        ("as it is", "after a repair", "unusable"),
                        (f"{s:.0%}" for s in shares),
                        strict=True,
                    )
                ),
                "right": f"{t.accuracy.value:.0%}",
                "right, against free": change,
            }
        )
    return rows


def held_sentence(held: Sequence[Prompt], form: ResponseFormat | None, wanted: bool) -> str:
    """Return what was tried with constrained decoding, or why nothing was."""
    if held:
        return f"Held within its format once more: {', '.join(p.name for p in held)}."
    if not wanted:
        return "Constrained decoding was not tried: prompting.constrained is off."
    if form is None:
        return "Constrained decoding was not tried: free text has no form to be held within."
    return "Constrained decoding was not tried: all answers of the best prompts are in the right format already."
