"""What 08_decision is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from ftkit.core.parameters.base import DATA_MAY_LEAVE, PRICE_FILE, Parameters


class DecisionParameters(Parameters):
    """08_decision: fine-tune, RAG, prompt, hybrid, or can't tell yet?"""

    min_accuracy: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="gate: share of right answers below which nobody would use it; 0: as 01 was told, or from the values of answers",
    )
    min_format_ok: float = Field(
        default=0.95, ge=0, le=1, description="gate: share of answers in the right format"
    )
    max_unsupported: float = Field(
        default=0.05, ge=0, le=1, description="gate: share of answers with an unsupported value"
    )
    regression_margin_points: float = Field(
        default=10.0, gt=0, description="gate: loss allowed on the general probe, in points"
    )
    max_seconds_per_answer: float = Field(
        default=10.0, gt=0, description="gate: seconds one client waits for 95% of answers"
    )
    data_may_leave: bool = Field(default=False, description=DATA_MAY_LEAVE)
    answers_per_month: int = Field(default=50_000, ge=0, description="volume, in answers a month")
    requirements_change: Literal["rarely", "monthly", "weekly"] = Field(
        default="rarely", description="how often the wanted behaviour changes"
    )
    facts_change: Literal["never", "yearly", "monthly", "daily"] = Field(
        default="monthly", description="how often the facts behind the answers change"
    )
    prices: dict[str, float] = Field(
        default={},
        description="figures by name that replace the assumed ones, in USD; see the report's list",
    )
    price_file: str = Field(default="", description=PRICE_FILE)

    def external(self) -> list[Path]:
        """Return the files outside of the run folder that the stage reads."""
        return [Path(self.price_file)] if self.price_file else []
