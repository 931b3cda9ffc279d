"""Does what ships answer as what was tested? Texts, prompts, passages and log-probabilities are held against each other.

Served models that are silently worse than the trained ones are the field's commonest complaint; each of the usual causes
leaves another trace, so the likely one can be named.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ftkit.core.records.base import Estimate
from ftkit.core.records.deployment import Parity
from ftkit.core.statistics import paired_difference, wilson

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
TOLERANCES = {"float32": TOLERANCE, "float16": 5e-3, "bfloat16": 2e-2}
"""Nats per token by which other kernels of the same precision may differ; vLLM in float32 differs by 2e-6."""
LOW_PRECISION = 0.05
MOST_LOST = 0.1  # share of answers: what an engine's numerics may cost at most, at the end of the 95% interval
MOST_BY_ROUNDING = 0.1  # share of answers that near ties may turn; none of 40 did on the demo
ADAPTER, END, TEMPLATE, WEIGHTS, INDEX, ROUNDING, PRECISION, UNKNOWN, NONE, BASE, KERNELS = (
    "the adapter is not applied",
    "the end token is missing",
    "another chat template or prompt",
    "other weights: adapter twice, in part, or another",
    "another index: stale or of other articles",
    "rounding",
    "the same weights in lower precision",
    "not known",
    "none",
    "another base",
    "other kernels, the same precision",
)


@dataclass(frozen=True)
class Numerics:
    """How an engine computes, and what tells the kinds of differing numbers apart.

    Attributes:
        tested: Precision in which the strategy was tested.
        right: Whether each tested answer was right.
        groups: Cluster of each item.
        alone_same: Whether answers that differed are the same when asked one at a time; None: none differed.
        base_gap: Mean change of the log-probability per token under the engine's own base, nats; NaN: not known.
    """

    tested: str
    right: Sequence[bool]
    groups: Sequence[Any] | None = None
    alone_same: bool | None = None
    base_gap: float = math.nan


def compare(
    path: str,
    reference: Any,
    served: Any,
    base_texts: Sequence[str] | None = None,
    numerics: Numerics | None = None,
) -> Parity:
    """Hold served answers against the reference and name the likely cause of differences.

    Args:
        path: How the served answers were asked, in words.
        reference: Answers of the tested strategy, columns ``COLUMNS``; ``logprob`` is the mean per token of its own
            answer.
        served: Answers to the same items in the same order; ``logprob`` is of the *reference's* answers, NaN where it
            is not known.
        base_texts: What the untuned base answers to the same prompts; None where nothing was tuned.
        numerics: How an engine of another make computes; None: it is our own code, whose numbers are the same.

    Raises:
        ValueError: Other items, or another order.
    """
    if reference["item_id"].tolist() != served["item_id"].tolist():
        raise ValueError("the served answers are of other items, or in another order")
    same = reference["text"].to_numpy() == served["text"].to_numpy()
    gap = _gap(reference, served)
    cause, why = _cause(reference, served, same, gap, base_texts, numerics)
    loss = most_lost(same, numerics) if numerics and not same.all() else None
    if loss is not None:
        why += f"; if all that differ are wrong, {loss.value:.0%} of the right answers are lost ({max(0.0, loss.low):.0%} to {loss.high:.0%})"
    return Parity(
        path=path,
        items=len(same),
        identical=wilson(int(same.sum()), len(same)),
        cause=cause,
        explanation=why,
        first_differences=_parts(reference, served, same),
        logprob_gap=None if gap is None else round(gap, 6),
        loss=loss,
        passed=cause in (NONE, ROUNDING, KERNELS) and (loss is None or loss.high <= MOST_LOST),
    )


def most_lost(same: Any, numerics: Numerics) -> Estimate:
    """Return the share of right answers that an engine's numerics cost at most: what differs counts as wrong.

    The right answers themselves stay closed here. Non-inferior is what loses at most ``MOST_LOST`` at the interval's end.
    """
    right = np.asarray(numerics.right, dtype=float)
    return paired_difference(right, right * np.asarray(same, dtype=float), numerics.groups)


def _gap(reference: Any, served: Any) -> float | None:
    both = np.abs(
        reference["logprob"].to_numpy(dtype=float) - served["logprob"].to_numpy(dtype=float)
    )
    return float(np.nanmean(both)) if np.isfinite(both).any() else None


def _cause(
    reference: Any,
    served: Any,
    same: Any,
    gap: float | None,
    base_texts: Sequence[str] | None,
    numerics: Numerics | None,
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
    tolerance = TOLERANCES.get(numerics.tested, TOLERANCE) if numerics else TOLERANCE
    if numerics and gap is not None and gap > LOW_PRECISION:
        if base_texts is None:
            return BASE, f"the same answers are {gap:.2g} nats a token more or less likely"
        if numerics.base_gap > LOW_PRECISION:
            gone = f"{numerics.base_gap:.2g} nats a token"
            return BASE, f"the base beside the adapter finds the same answers {gone} other as well"
    if gap is not None and gap > tolerance:
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
    if numerics:
        if numerics.alone_same:
            return ROUNDING, f"{told}, and so are answers asked one at a time: batches"
        return (KERNELS if gap is not None else UNKNOWN), told
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
