"""One point of the grid model × prompt × retriever, and the table of its answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from ftkit.core.records.base import Record

ANSWER_COLUMNS = [
    "item_id",
    "strategy",
    "text",
    "prompt_tokens",
    "completion_tokens",
    "latency_s",
    "passage_ids",
    "passages",
    "cut",
    "confidence",
    "outcome",
    "detail",
    "thought",
    "thought_tokens",
]
Outcome = Literal[
    "answered", "cut_off", "refused", "filtered", "empty", "malformed", "not_delivered"
]
"""How a reply ended. Answered, and refused by the model itself, are answers; the others are none and are never scored as
one by chance: ``cut_off`` ran out of room (in the answer or in the thought before it), ``filtered`` was withheld by the
provider, ``empty`` holds no text, ``malformed`` is no reply at all (an error page, unasked tool calls), and
``not_delivered`` never came."""


REPETITION = "repetition"
"""The detail of a reply that was cut off while it repeated itself: more room would bring more of the same."""
ANSWERED: tuple[Outcome, ...] = ("answered", "refused")

Thinking = Literal["off", "on", "auto"]
"""Whether a model thinks before it answers: off where its family allows it, on, or as its family does by itself."""


def answers_of(strategy: str, ids: Sequence[str], texts: Sequence[str]) -> Any:
    """Return answers that came from elsewhere (production, a preference pair) as a table with ``ANSWER_COLUMNS``.

    Args:
        strategy: Name that they go by.
        ids: Item of each answer.
        texts: The answers, in the same order.
    """
    import pandas as pd

    rows = [
        (item, strategy, text, 0, 0, 0.0, [], [], 0, math.nan, "answered", "", "", 0)
        for item, text in zip(ids, texts, strict=True)
    ]
    return pd.DataFrame(rows, columns=ANSWER_COLUMNS)


class StrategySpec(Record):
    """A point of the grid model × prompt × retriever."""

    name: str
    family: Literal[
        "prompting",
        "few-shot",
        "RAG",
        "fine-tuned",
        "hybrid",
        "endpoint",
        "endpoint RAG",
        "cascade",
    ]
    model: Literal["base", "tuned", "endpoint", "cascade"]
    prompt: str = Field(description="name of the prompt in the prompt book")
    retriever: bool
    adapter: str = Field(
        default="", description="adapter folder relative to the run folder, for model=tuned"
    )
    votes: int = Field(
        default=0,
        description="answers drawn per question, of which the most agreed one is given; 0: one, greedily",
    )
    shot_passages: bool = Field(
        default=False, description="whether few-shot examples are shown with their own passages"
    )
    small: str = Field(default="", description="strategy that is asked first, for model=cascade")
    large: str = Field(
        default="",
        description="strategy that is asked where the first is not sure enough, for model=cascade",
    )
