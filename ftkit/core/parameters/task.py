"""What 01_task is told."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from ftkit.core.parameters.base import Parameters


class TaskParameters(Parameters):
    """01_task: what the model must do, and is fine-tuning even a candidate?"""

    name: str = Field(default="demo", min_length=1, description="project name, shown in the report")
    instruction: str = Field(
        default="Answer the customer message in the house format.",
        min_length=5,
        description="the task in one or two sentences, as a person would be told",
    )
    kind: Literal["label", "fields", "text", "tool_call"] = Field(
        default="fields",
        description="type of output: label, fields (a JSON record), text, or tool_call (calls of the functions that the data declare)",
    )
    labels: list[str] = Field(
        default=[], description="allowed labels, for kind label; empty: taken from the data"
    )
    fields: list[str] = Field(
        default=["category", "urgency", "reply", "source"],
        description="fields of the record in order, for kind fields",
    )
    optional_fields: list[str] = Field(
        default=[], description="those of the fields that a record may leave out"
    )
    key_fields: list[str] = Field(
        default=["category", "urgency", "reply"],
        description="fields that must be right for an answer to count as right",
    )
    knowledge_field: str = Field(
        default="reply", description="field whose value must be supported by a passage; empty: none"
    )
    enums: dict[str, list[str]] = Field(
        default={
            "category": ["delivery", "returns", "billing", "product", "account"],
            "urgency": ["low", "normal", "high"],
        },
        description="allowed values of a field",
    )
    output_schema: str = Field(
        default="",
        description="file with a JSON Schema (2020-12) that every record must keep to, for kind fields; empty: none",
    )
    tone: str = Field(default="short, factual", description="tone wanted")
    max_words: int = Field(default=60, ge=0, description="longest answer in words; 0: no limit")
    forbidden_regex: str = Field(
        default="",
        description="pattern that an answer must never contain (a failure mode); empty: none",
    )
    metric: str = Field(
        default="exact",
        description="when a text or field is right: exact, token_f1, contains, number, list, squad_exact, squad_f1, or your own as file.py:function",
    )
    field_metrics: dict[str, str] = Field(
        default={}, description="another metric for single fields, e.g. {amount: number}"
    )
    metric_threshold: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="value of the metric from which an answer counts as right",
    )
    metric_tolerance: float = Field(
        default=0.0, ge=0, lt=1, description="tolerance of the metric number, a share"
    )
    decimal_mark: Literal["", ".", ","] = Field(
        default="",
        description="decimal mark of numbers such as 1.234 that can be read in two ways; empty: as the right answer shows it, else a point",
    )
    problem: Literal["behaviour", "knowledge", "both"] = Field(
        default="both",
        description="what is missing today: behaviour (format, tone, decisions), knowledge (facts) or both",
    )
    requirements_change: Literal["rarely", "monthly", "weekly"] = Field(
        default="rarely", description="how often the wanted behaviour changes"
    )
    facts_change: Literal["never", "yearly", "monthly", "daily"] = Field(
        default="monthly", description="how often the facts behind the answers change"
    )
    prompting_tried: Literal["no", "some", "a week"] = Field(
        default="some", description="how much work has gone into prompting before"
    )
    answers_per_month: int = Field(default=50_000, ge=0, description="volume, in answers a month")
    examples_at_hand: int = Field(
        default=600, ge=0, description="good input-output pairs at hand, in rows"
    )
    domain_language: bool = Field(
        default=False, description="terms or reasoning of a special domain (legal, medical, ...)"
    )
    difference_points: float = Field(
        default=10.0,
        gt=0,
        le=100,
        description="difference in accuracy that would change your mind, in percentage points",
    )

    answer_values: dict[str, float] = Field(
        default={},
        description="USD that a right answer is worth, a wrong one and one passed to a person cost: {right_answer_usd: 3, wrong_answer_usd: 6, person_answer_usd: 3}; empty: assumed",
    )
    min_accuracy: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of right answers below which nobody would use it; 0: from the values above",
    )

    @field_validator("answer_values")
    @classmethod
    def _are_values(cls, value: dict[str, float]) -> dict[str, float]:
        known = "right_answer_usd, wrong_answer_usd, person_answer_usd"
        for name, amount in value.items():
            if name not in known.split(", "):
                raise ValueError(f"'{name}' is no value of an answer; give {known}, in USD")
            if not 0 <= amount < 1e6:
                raise ValueError(
                    f"{name} = {amount}: give USD from 0 on; a loss is wrong_answer_usd"
                )
        if value and value.get("right_answer_usd", 1) + value.get("wrong_answer_usd", 1) == 0:
            raise ValueError(
                "right and wrong answers are both worth nothing: nothing can be decided"
            )
        return value

    def external(self) -> list[Path]:
        return [Path(self.output_schema)] if self.output_schema else []
