"""What 10_monitoring is told."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from ftkit.core.parameters.base import Parameters


class MonitoringParameters(Parameters):
    """10_monitoring: has production drifted; is it time to re-tune?"""

    log: str = Field(
        default="",
        description="production log (JSON lines, CSV, Parquet: time, input, output, feedback); demo; empty: none",
    )
    served_name: str = Field(
        default="",
        description="only the rows that the log's model column gives this name, where several strategies share it; empty: all",
    )
    labels: str = Field(
        default="",
        description="label_sample.csv of an earlier look with the right answers filled in; empty: none",
    )
    handbook: str = Field(
        default="",
        description="the handbook as it is today, to compare with the one in use; demo; empty: not compared",
    )
    reference_weeks: int = Field(
        default=0,
        ge=0,
        description="first weeks of the log that are the usual; 0: the examples of 02",
    )
    label_items: int = Field(default=60, ge=2, description="rows of this week's sample to label")
    requirements_changed: bool = Field(
        default=False, description="has the wanted behaviour changed since the training?"
    )
    new_examples: int = Field(
        default=0, ge=0, description="new reviewed examples since the training"
    )

    def external(self) -> list[Path]:
        return [Path(p) for p in (self.log, self.labels, self.handbook) if p not in ("", "demo")]
