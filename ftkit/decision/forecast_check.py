"""What 04 expected of each way out against what the test measured, so that its five questions can be believed, or not."""

from __future__ import annotations

from collections.abc import Mapping

from ftkit.core.records.base import Estimate
from ftkit.core.records.decision import ForecastCheck
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.statistics import wilson

FAMILIES = {"retrieval": "RAG", "examples or tuning": "fine-tuned", "both together": "hybrid"}
"""Strategy by the way out of ``error_attribution.mends``."""


def forecast_check(expected: Mapping[str, Estimate], evaluation: Evaluation) -> list[ForecastCheck]:
    """Return for each way out which share of prompting's failures was in reach, and which its strategy mended in the test.

    Args:
        expected: Share of the plain prompt's wrong validation answers that each way can mend at most (``error_attribution.mends``).
        evaluation: What 07 measured.
    """
    by_family = {r.spec.family: r for r in evaluation.results if not r.spec.votes}
    base, found = by_family.get("prompting"), []
    if base is None:
        return []
    wrong = round((1 - base.accuracy.value) * base.accuracy.n)
    for way, e in expected.items():
        result = by_family.get(FAMILIES.get(way, ""))
        mended = None if result is None else _won(evaluation, result.spec.name, base.spec.name)
        if result is None or mended is None or not wrong:
            continue
        got = wilson(min(mended, wrong), wrong)
        verdict = (
            "more than expected"
            if got.low > e.high
            else "less than was in reach"
            if got.high < e.low
            else "as expected"
        )
        found.append(
            ForecastCheck(
                way=way, strategy=result.spec.name, expected=e, measured=got, verdict=verdict
            )
        )
    return found


def _won(evaluation: Evaluation, strategy: str, base: str) -> int | None:
    """Return how many questions a strategy got right that another got wrong; None where they were not compared."""
    for c in evaluation.comparisons:
        if (c.a, c.b) == (strategy, base):
            return c.wins
        if (c.a, c.b) == (base, strategy):
            return c.losses
    return None
