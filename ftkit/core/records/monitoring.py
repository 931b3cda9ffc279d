"""10: whether production has drifted."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ftkit.core.records.base import Estimate, Record

Verdict10 = Literal[
    "keep", "refresh handbook", "new prompt", "re-tune", "label first", "nothing to watch"
]


class WatchedSignal(Record):
    """One thing that is watched week by week."""

    name: str
    unit: str
    usual: float = Field(description="value of the reference")
    values: list[float | None] = Field(description="value per week; None: too few rows")
    p_values: list[float] = Field(
        description="smallest p-value of the week's tests; 1 where not tested"
    )
    since: str = Field(
        default="", description="first day of the week of the first alarm; empty: none"
    )


class MonitoringCard(Record):
    """Has production drifted since the test, and is it time to re-tune?"""

    log: str = Field(default="", description="the log's file; empty: nothing to watch yet")
    rows: int = 0
    rejected: int = Field(default=0, description="lines that could not be used")
    weeks: list[str] = Field(default_factory=list, description="first day of each week")
    rows_per_week: list[int] = Field(default_factory=list)
    reference: str = Field(default="", description="what stands for the usual")
    signals: list[WatchedSignal] = Field(default_factory=list)
    p_limit: float = Field(
        default=0.0, description="p-value of an alarm, so that 5% of quiet years have a false one"
    )
    examples: list[tuple[str, str]] = Field(
        default_factory=list, description="week and text of what is most unlike the usual"
    )
    words: list[tuple[str, float, float]] = Field(
        default_factory=list, description="word, share of texts before and since"
    )
    handbook_changed: int = Field(
        default=0, description="articles of the current handbook that differ from those in use"
    )
    handbook_articles: int = 0
    changed_articles: list[str] = Field(
        default_factory=list, description="ids of the articles that differ"
    )
    quality: Estimate | None = Field(
        default=None, description="share right of labelled production answers"
    )
    tested: Estimate | None = Field(default=None, description="share right in the test")
    days_since_training: int = 0
    label_rows: int = Field(default=0, description="rows of the sample to label")
    verdict: Verdict10 = "nothing to watch"
    reasons: list[str] = Field(default_factory=list)
    next_steps: list[str] = Field(default_factory=list)
