"""One point of the grid model × prompt × retriever, and the table of its answers."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from ftkit.records.base import Record

ANSWER_COLUMNS = [
    "item_id", "strategy", "text", "prompt_tokens", "completion_tokens", "latency_s", "passage_ids", "passages", "cut",
    "confidence",
]  # fmt: skip


class StrategySpec(Record):
    """A point of the grid model × prompt × retriever."""

    name: str
    family: Literal["prompting", "few-shot", "RAG", "fine-tuned", "hybrid", "endpoint", "endpoint RAG"]
    model: Literal["base", "tuned", "endpoint"]
    prompt: str = Field(description="name of the prompt in the prompt book")
    retriever: bool
    adapter: str = Field(default="", description="adapter folder relative to the run folder, for model=tuned")
    votes: int = Field(
        default=0, description="answers drawn per question, of which the most agreed one is given; 0: one, greedily"
    )
    shot_passages: bool = Field(default=False, description="whether few-shot examples are shown with their own passages")
