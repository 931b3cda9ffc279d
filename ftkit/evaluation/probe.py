"""Regression: does tuning cost general skills? Base and tuned model answer the same general items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ftkit.checks.text import normalise
from ftkit.evaluation.compare import compare
from ftkit.models.chat import ChatModel, Messages
from ftkit.records import SCORE_COLUMNS, Comparison, Estimate
from ftkit.statistics import mean_interval

ProbeItem = tuple[Messages, str, str]
NOT_MEASURED = "the general probe belongs to the embedded base; for another base measure it outside, e.g. with lm-eval"


def probe(model: ChatModel, name: str, items: Sequence[ProbeItem], progress: Callable[[int, int], None] | None = None) -> Any:
    """Let a model answer the general items.

    Args:
        model: The model.
        name: ``base`` or ``tuned``.
        items: Messages, right answer and skill per item.
        progress: Called with (done, total).

    Returns:
        One row per item, columns ``records.SCORE_COLUMNS`` and ``skill``; right is the same text after normalisation.
    """
    import pandas as pd

    replies = model.answer([messages for messages, _, _ in items], progress)
    rows = []
    for number, ((_, truth, skill), reply) in enumerate(zip(items, replies, strict=True)):
        right, said = normalise(reply.text) == normalise(truth), bool(reply.text.strip())
        rows.append((f"probe-{number}", name, f"probe-{number}", right, float(right), "strict", None, not said, skill))
    return pd.DataFrame(rows, columns=[*SCORE_COLUMNS, "skill"])


def regression(probes: Any, n_resamples: int = 10_000, seed: int = 0) -> list[Comparison]:
    """Return tuned minus base on the general items; empty where not both answered."""
    names = set(probes["strategy"]) if len(probes) else set()
    return compare(probes, [("tuned", "base")], n_resamples=n_resamples, seed=seed) if {"tuned", "base"} <= names else []


def general_accuracy(probes: Any) -> dict[str, Estimate]:
    """Return the accuracy on the general items by model name."""
    if not len(probes):
        return {}
    return {str(name): mean_interval(rows["correct"].astype(float)) for name, rows in probes.groupby("strategy")}


def by_skill(probes: Any) -> Any:
    """Return the share right per skill and model as a table."""
    return probes.pivot_table(index="skill", columns="strategy", values="correct", aggfunc="mean")


def probe_models(load: Callable[[str], ChatModel], items: Sequence[ProbeItem], progress: Callable[[str], Any]) -> Any:
    """Let base and tuned model answer the general items; without items an empty table, and no model is loaded.

    Args:
        load: Returns the model named ``base`` or ``tuned``.
        items: Messages, right answer and skill per item.
        progress: Returns the progress callable of a step.
    """
    import pandas as pd

    if not items:
        return pd.DataFrame(columns=[*SCORE_COLUMNS, "skill"])
    parts = [probe(load(name), name, items, progress(f"general questions, {name}")) for name in ("tuned", "base")]
    return pd.concat(parts, ignore_index=True)
