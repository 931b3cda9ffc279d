"""What an endpoint cost, and why an arm that asks it was not measured."""

from __future__ import annotations

from pydantic import Field

from ftkit.core.records.base import Record
from ftkit.core.records.strategy import Outcome


class EndpointBill(Record):
    """The bill of one model at one address, of all requests that a stage ever sent there."""

    role: str = Field(
        default="", description="what it was asked for: endpoint, judge, proposal, synthesis, ..."
    )
    url: str
    model: str
    input_usd: float = Field(default=0.0, description="USD per million prompt tokens")
    cached_usd: float = Field(default=0.0, description="USD per million cached prompt tokens")
    output_usd: float = Field(default=0.0, description="USD per million answer tokens")
    answers: int = Field(description="replies that are answers")
    failed: int = Field(description="replies that are none")
    input_tokens: int = Field(description="prompt tokens of all replies")
    cached_tokens: int = Field(default=0, description="those of them that the server had cached")
    output_tokens: int = Field(description="answer tokens of all replies, thoughts included")
    thought_tokens: int = Field(default=0, description="those of them that are thoughts")
    failed_tokens: int = Field(default=0, description="tokens of replies that are no answers")
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
