"""03: prompts and how they did on validation."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from ftkit.core.records.base import Estimate, Record
from ftkit.core.records.strategy import Outcome


class ResponseFormat(Record):
    """What an answer must look like: constrained decoding lets a model choose only tokens that lead to it."""

    kind: Literal["json_schema", "choice", "regex", "lark", "tools"] = Field(
        description="how it is told"
    )
    value: Any = Field(
        description="the JSON Schema, the texts to choose from, the pattern, the grammar, or for tools whether they are "
        "called: auto, required, none, or the name of one"
    )
    ranked: bool = Field(
        default=False,
        description="whether the likeliest of the texts to choose from is taken, instead of the likeliest next token at each step",
    )
    blanks: bool = Field(
        default=False, description="whether a blank follows each comma and colon of the JSON"
    )


class Prompt(Record):
    """One prompt candidate; ``{input}`` and ``{passages}`` are filled literally, never by str.format."""

    name: str
    system: str
    shots: list[str] = Field(
        default_factory=list, description="ids of few-shot examples, from train only"
    )
    similar: int = Field(
        default=0,
        description="few-shot examples looked up per question: the most similar ones of train",
    )
    diverse: bool = Field(
        default=False, description="whether looked-up examples must also differ from one another"
    )
    response_format: ResponseFormat | None = Field(
        default=None,
        description="what answers are held within by constrained decoding; none: the model writes freely",
    )
    tools: list[dict[str, Any]] = Field(
        default_factory=list,
        description="functions that the model may call (name, description, parameters), in the form of its own template",
    )
    sha256: str = ""

    @property
    def few_shot(self) -> bool:
        """Whether examples are shown, fixed or looked up."""
        return bool(self.shots or self.similar)


class PromptTrial(Record):
    """One prompt candidate measured on validation."""

    prompt: Prompt
    accuracy: Estimate
    partial: float = Field(
        default=0.0, description="mean share of fields right; equals accuracy for labels"
    )
    format_ok: float = Field(description="share of answers in the right format, repairs included")
    format_strict: float = Field(
        default=0.0, description="share of answers in the right format as they are"
    )
    prompt_tokens_mean: float
    seconds_per_answer: float
    cut_share: float = Field(
        default=0.0, description="share of prompts that had to be cut to the context"
    )
    outcomes: dict[Outcome, float] = Field(
        default_factory=dict,
        description="share of replies by how they ended, of those that were not simply answered",
    )
    cut_off_by: dict[str, float] = Field(
        default_factory=dict,
        description="share of replies that a room cut off, by the parameter to raise; those that repeat themselves apart",
    )


class PromptBook(Record):
    """All prompts tried on validation; ``zero_shot`` and ``few_shot`` name the chosen ones."""

    trials: list[PromptTrial]
    zero_shot: str
    few_shot: str
    validation_items: int
    endpoint: str = Field(
        default="",
        description="the prompt that the endpoint does best with; empty: it was not asked",
    )
    endpoint_trials: list[PromptTrial] = Field(
        default_factory=list, description="prompts as the endpoint answered them"
    )

    def get(self, name: str) -> Prompt:
        """Return the prompt of that name. Raises KeyError if there is none."""
        for trial in [*self.trials, *self.endpoint_trials]:
            if trial.prompt.name == name:
                return trial.prompt
        raise KeyError(name)
