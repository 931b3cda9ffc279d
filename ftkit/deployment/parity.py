"""Does what ships answer as what was tested? Texts, prompts, passages and log-probabilities are held against each other.

Served models that are silently worse than the trained ones are the field's commonest complaint; each of the usual causes
leaves another trace, so the likely one can be named.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ftkit.core.records.deployment import Parity
from ftkit.core.statistics import wilson

COLUMNS = [
    "item_id",
    "text",
    "prompt_tokens",
    "completion_tokens",
    "passages",
    "prompt_sha256",
    "logprob",
]
TOLERANCE = 1e-4  # nats per token; a merged adapter in float32 differs by 1e-6, the demo's weights rounded to bf16 by 5e-4
LOW_PRECISION = 0.05
MOST_BY_ROUNDING = 0.1  # share of answers that near ties may turn; none of 40 did on the demo
ADAPTER, END, TEMPLATE, WEIGHTS, INDEX, ROUNDING, PRECISION, UNKNOWN, NONE = (
    "the adapter is not applied",
    "the end token is missing",
    "another chat template or prompt",
    "other weights: adapter twice, in part, or another",
    "another index: stale or of other articles",
    "rounding",
    "the same weights in lower precision",
    "not known",
    "none",
)


def compare(
    path: str, reference: Any, served: Any, base_texts: Sequence[str] | None = None
) -> Parity:
    """Hold served answers against the reference and name the likely cause of differences.

    Args:
        path: How the served answers were asked, in words.
        reference: Answers of the tested strategy, columns ``COLUMNS``; ``logprob`` is the mean per token of its own
            answer.
        served: Answers to the same items in the same order; ``logprob`` is of the *reference's* answers, NaN where it
            is not known.
        base_texts: What the untuned base answers to the same prompts; None where nothing was tuned.

    Raises:
        ValueError: Other items, or another order.
    """
    if reference["item_id"].tolist() != served["item_id"].tolist():
        raise ValueError("the served answers are of other items, or in another order")
    same = reference["text"].to_numpy() == served["text"].to_numpy()
    gap = _gap(reference, served)
    cause, why = _cause(reference, served, same, gap, base_texts)
    return Parity(
        path=path,
        items=len(same),
        identical=wilson(int(same.sum()), len(same)),
        cause=cause,
        explanation=why,
        first_differences=_parts(reference, served, same),
        logprob_gap=None if gap is None else round(gap, 6),
        passed=cause in (NONE, ROUNDING),
    )


def _gap(reference: Any, served: Any) -> float | None:
    both = np.abs(
        reference["logprob"].to_numpy(dtype=float) - served["logprob"].to_numpy(dtype=float)
    )
    return float(np.nanmean(both)) if np.isfinite(both).any() else None


def _cause(
    reference: Any, served: Any, same: Any, gap: float | None, base_texts: Sequence[str] | None
) -> tuple[str, str]:
    n = len(same)
    passages = sum(
        list(a) != list(b) for a, b in zip(reference["passages"], served["passages"], strict=True)
    )
    if passages:
        return INDEX, f"{passages} of {n} questions get other passages"
    prompts = _other_prompts(reference, served)
    if prompts:
        return TEMPLATE, f"{prompts} of {n} prompts are other tokens, with the same passages"
    if gap is not None and gap > TOLERANCE:
        return _weights(served, same, gap, base_texts)
    went_on = sum(
        long > short and text.startswith(start)
        for long, short, text, start in zip(
            served["completion_tokens"],
            reference["completion_tokens"],
            served["text"],
            reference["text"],
            strict=True,
        )
    )
    if went_on * 2 > n:
        return END, f"{went_on} of {n} answers go on after the right end"
    if same.all():
        return NONE, "all answers are the same"
    differ, weights = int((~same).sum()), " and weights" if gap is not None else ""
    told = f"{differ} of {n} answers differ, prompts{weights} are the same"
    if differ > max(1, MOST_BY_ROUNDING * n):
        return UNKNOWN, f"{told}: too many for batches of another size"
    return ROUNDING, f"{told}: batches of another size"


def _weights(
    served: Any, same: Any, gap: float, base_texts: Sequence[str] | None
) -> tuple[str, str]:
    moved = f"the same answers are {gap:.2g} nats a token more or less likely"
    if base_texts is not None:
        as_base = sum(a == b for a, b in zip(served["text"], base_texts, strict=True))
        if as_base >= 0.9 * len(same):
            return ADAPTER, f"{as_base} of {len(same)} answers are the untuned base's"
    if gap < LOW_PRECISION and same.mean() > 0.5:
        return PRECISION, moved
    return WEIGHTS, moved


def _other_prompts(reference: Any, served: Any) -> int:
    by_hash = bool(served["prompt_sha256"].astype(bool).all())
    column = "prompt_sha256" if by_hash else "prompt_tokens"
    return int((reference[column].to_numpy() != served[column].to_numpy()).sum())


def _parts(reference: Any, served: Any, same: Any, most: int = 3) -> list[str]:
    """Return where the first differing answers part: the item, the word's number, and both words."""
    found = []
    for place in np.flatnonzero(~same)[:most]:
        first, second = (str(t["text"].iloc[place]).split(" ") for t in (reference, served))
        at = next(
            (i for i, (a, b) in enumerate(zip(first, second, strict=False)) if a != b),
            min(len(first), len(second)),
        )
        told, said = (" ".join(words[at : at + 3]) or "(the end)" for words in (first, second))
        found.append(f"{reference['item_id'].iloc[place]}, word {at + 1}: '{told}' became '{said}'")
    return found
