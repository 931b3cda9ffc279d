"""01: the task card and the suitability interview (G1, G3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from ftkit.core.records.base import Origin, Record

TaskKind = Literal["label", "fields", "text", "tool_call"]


class Check(Record):
    """One executable format check of the task card."""

    name: str = Field(description="short name shown to people")
    kind: Literal[
        "json",
        "keys",
        "enum",
        "max_words",
        "min_words",
        "regex",
        "not_regex",
        "non_empty",
        "schema",
    ] = Field(description="what is checked")
    field: str = Field(
        default="", description="field of a structured output; empty for the whole answer"
    )
    value: Any = Field(
        default=None, description="keys, allowed values, limit, pattern or JSON Schema"
    )


class TaskCard(Record):
    """What the model must do (G3)."""

    name: str = Field(description="project name")
    instruction: str = Field(description="the task in one or two sentences, as told to the model")
    kind: TaskKind = Field(
        description="type of output: a label, a JSON record of fields, free text, or calls of declared functions"
    )
    labels: list[str] = Field(default_factory=list, description="allowed labels, for kind=label")
    fields: list[str] = Field(
        default_factory=list, description="fields of the record in order, for kind=fields"
    )
    tools: list[dict[str, Any]] = Field(
        default_factory=list,
        description="functions that may be called (name, description, parameters as JSON Schema), for kind=tool_call",
    )
    optional_fields: list[str] = Field(
        default_factory=list, description="fields that a record may leave out"
    )
    key_fields: list[str] = Field(
        default_factory=list, description="fields that must be right for an answer to be right"
    )
    tone: str = Field(default="", description="tone wanted, for people and for the prompt")
    checks: list[Check] = Field(
        default_factory=list, description="executable format, length and failure-mode checks"
    )
    knowledge_field: str = Field(
        default="", description="field whose value must be supported by a passage"
    )
    metric: str = Field(
        default="exact", description="how a text (or every field) is held against the right one"
    )
    field_metrics: dict[str, str] = Field(
        default_factory=dict, description="another metric for single fields"
    )
    metric_threshold: float = Field(
        default=1.0, description="share of the metric from which an answer counts as right"
    )
    metric_tolerance: float = Field(
        default=0.0, description="relative tolerance of the metric number"
    )

    decimal_mark: str = Field(
        default="",
        description="decimal mark of numbers that can be read in two ways; empty: a point",
    )

    def allowed(self, field: str) -> list[str]:
        """Return the known values of a field; empty where any is allowed."""
        found = (c.value for c in self.checks if c.kind == "enum" and c.field == field)
        return list(next(found, None) or [])

    def completed(self, labels: list[str], tools: Sequence[dict[str, Any]] = ()) -> TaskCard:
        """Return the card with the labels or the tools found in the data, where none were given."""
        if self.kind == "tool_call" and not self.tools:
            return self.model_copy(update={"tools": list(tools)})
        if self.kind != "label" or self.labels or not labels:
            return self
        checks = [*self.checks, Check(name="a known label", kind="enum", value=labels)]
        return self.model_copy(update={"labels": labels, "checks": checks})


class Reason(Record):
    """One question of the suitability interview with what it speaks for."""

    question: str
    answer: str
    speaks_for: Literal["fine-tuning", "retrieval", "prompting", "nothing"]
    why: str
    origin: Origin = "given"


class Suitability(Record):
    """Is fine-tuning even a candidate (G1)? Expectation only: the decision is measured later."""

    expected: Literal["fine-tuning", "retrieval", "prompting", "hybrid"]
    sentence: str
    reasons: list[Reason]
    difference_points: float = Field(
        description="difference in accuracy that matters, in percentage points"
    )
    test_examples_needed: int = Field(
        description="test examples to settle that difference at 80% power, 5% level"
    )
    discordant_share: float = Field(
        description="assumed share of items on which two strategies differ"
    )
    answer_values: dict[str, float] = Field(
        default_factory=dict,
        description="what an answer is worth and costs, USD, where the user said so: right_answer_usd, "
        "wrong_answer_usd, person_answer_usd; a name that is missing is assumed",
    )
    min_accuracy: float = Field(
        default=0.0,
        description="share right below which nobody would use it; 0: from the values of answers",
    )
