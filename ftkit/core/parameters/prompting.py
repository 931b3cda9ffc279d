"""What 03_prompting is told."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from ftkit.core.parameters.base import CONNECTION, EndpointParameters, Prices
from ftkit.core.parameters.connection import ConnectionValues


class PromptingParameters(EndpointParameters):
    """03_prompting: how far does the base model get with better prompts?"""

    validation_items: int = Field(
        default=60, ge=5, description="validation examples that each prompt answers"
    )
    search_answers: int = Field(
        default=400,
        ge=0,
        description="answers that the search for a prompt may take in all; worse prompts are dropped early; 0: all answer all",
    )
    search_minutes: float = Field(
        default=0.0,
        ge=0,
        description="minutes that it should take at most: from there on only the best prompts go on; 0: no limit",
    )
    shots: list[int] = Field(default=[2, 4], description="numbers of few-shot examples to try")
    own_prompt: str = Field(
        default="",
        description="your own system prompt as a further candidate, or a file that holds it (.md, .txt); empty: none",
    )
    proposal_model: str = Field(
        default="",
        description="model that proposes instructions as further candidates; empty: none",
    )
    proposal_url: str = Field(
        default="", description="OpenAI-compatible server that it answers at; empty: a local model"
    )
    proposal_connection: ConnectionValues = Field(
        default={}, description=CONNECTION.format("that server")
    )
    proposal_most_usd: float = Field(
        default=0.0,
        ge=0,
        description="most that its proposals may cost, in USD, by proposal_prices; 0: no limit",
    )
    proposal_prices: Prices = Field(
        default=[],
        description="its USD per million tokens: prompt, answer; empty: by the price file",
    )
    proposals: int = Field(default=4, ge=1, le=20, description="instructions that it proposes")
    endpoint_url: str = Field(
        default="",
        description="OpenAI-compatible server whose own best prompt is searched as well; empty: it gets the base's",
    )
    endpoint_answers: int = Field(
        default=400,
        ge=0,
        description="answers that this may take in all; 0: every prompt answers every example",
    )
    constrained: bool = Field(
        default=True,
        description="also try the best prompts with constrained decoding, where answers were not all in the right format",
    )

    def external(self) -> list[Path]:
        named = self.own_prompt.strip()
        return super().external() + (
            [Path(named)] if "\n" not in named and named.lower().endswith((".md", ".txt")) else []
        )
