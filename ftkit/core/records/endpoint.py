"""What an endpoint cost, and why an arm that asks it was not measured."""

from __future__ import annotations

import datetime as dt

from pydantic import Field, model_validator

from ftkit.core.records.base import Record
from ftkit.core.records.strategy import Outcome

MOST_USD = 1e5
"""A price per million tokens above it is a slip (a price per token or per thousand)."""


class Tariff(Record):
    """What a model's tokens cost, USD per million, and where that is known from."""

    model: str = Field(description="its name, without the date of an edition", min_length=1)
    host: str = Field(default="", description="part of the address that it holds for; empty: any")
    input: float = Field(ge=0, le=MOST_USD, description="prompt tokens")
    cached: float | None = Field(
        default=None, ge=0, le=MOST_USD, description="cached prompt tokens; None: as the others"
    )
    output: float = Field(ge=0, le=MOST_USD, description="answer tokens")
    reasoning: float | None = Field(
        default=None, ge=0, le=MOST_USD, description="tokens of thoughts; None: as answer tokens"
    )
    cache_least: int = Field(
        default=1024,
        ge=0,
        description="least tokens of a stable beginning that is cached; 0: none is",
    )
    batch: float = Field(
        default=1.0, gt=0, le=1, description="share of the price that a batch costs, 0..1"
    )
    minimum_usd_per_month: float = Field(
        default=0.0, ge=0, description="commitment, paid whatever is asked, USD a month"
    )
    tuning: float | None = Field(
        default=None, ge=0, le=MOST_USD, description="tokens trained on at the provider"
    )
    tuned_input: float | None = Field(default=None, ge=0, description="prompt tokens, tuned model")
    tuned_output: float | None = Field(default=None, ge=0, description="answer tokens, tuned model")
    hosting_usd_per_month: float = Field(
        default=0.0, ge=0, description="hosting of a tuned model, USD a month"
    )
    retires: dt.date | None = Field(
        default=None, description="from when on it is no longer served; None: not known"
    )
    date: dt.date | None = Field(default=None, description="when the price was read")
    source: str = Field(default="", description="where it was read")
    verified: bool = Field(default=True, description="whether that was the provider's own page")
    listed: bool = Field(default=False, description="whether a price file names it")

    @model_validator(mode="after")
    def _cached_costs_no_more(self) -> Tariff:
        if self.cached is not None and self.cached > self.input:
            raise ValueError(f"cached {self.cached:g} is more than input {self.input:g}")
        return self

    @property
    def cached_usd(self) -> float:
        """USD per million cached prompt tokens."""
        return self.input if self.cached is None else self.cached

    @property
    def reasoning_usd(self) -> float:
        """USD per million tokens of thoughts."""
        return self.output if self.reasoning is None else self.reasoning


class EndpointBill(Record):
    """The bill of one model at one address, of all requests that a stage ever sent there."""

    role: str = Field(
        default="", description="what it was asked for: endpoint, judge, proposal, synthesis, ..."
    )
    url: str
    model: str
    tariff: Tariff | None = Field(default=None, description="the prices that it is made by")
    answers: int = Field(description="replies that are answers")
    failed: int = Field(description="replies that are none")
    input_tokens: int = Field(description="prompt tokens of all replies")
    cached_tokens: int = Field(default=0, description="those of them that the server had cached")
    output_tokens: int = Field(description="answer tokens of all replies, thoughts included")
    thought_tokens: int = Field(default=0, description="those of them that are thoughts")
    failed_tokens: int = Field(default=0, description="tokens of replies that are no answers")
    failed_usd: float = Field(default=0.0, description="what these cost, USD, part of usd")
    usd: float = Field(description="USD, by the endpoint's prices")
    estimated: int = Field(default=0, description="replies whose tokens are estimated")
    unknown: int = Field(default=0, description="requests that came to no reply, billed or not")


class NotMeasured(Record):
    """An arm with so many technical failures that it says nothing of the model."""

    strategy: str
    family: str
    questions: int = Field(description="questions that it was asked")
    outcomes: dict[Outcome, int] = Field(description="how they ended, the most frequent first")
    detail: str = Field(default="", description="the server's own words on the commonest failure")
    allowed: float = Field(description="share of technical failures that is allowed, 0..1")
