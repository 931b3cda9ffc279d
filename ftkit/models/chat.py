"""What every chat model offers: messages in, replies with tokens and seconds out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ftkit.core.records.prompting import ResponseFormat
from ftkit.core.records.strategy import ANSWERED, Outcome

Messages = list[dict[str, str]]


@dataclass
class Reply:
    """One answer of a model.

    Attributes:
        text: The answer without special tokens; empty if the model gave none.
        prompt_tokens: Length of the prompt after any cut.
        completion_tokens: Tokens generated.
        seconds: Wall time of its batch divided by the batch's size; for an endpoint, of the request that was answered.
        cut_tokens: Prompt tokens that did not fit the context and were left out.
        estimated: Whether the token counts are estimates because the server tells none that can be.
        confidence: Probability that the model gave the whole answer, its end included, 0..1: of all answers, or of those in
            the format that it was held within; NaN where a model tells none.
        outcome: How the reply ended; only ``answered`` and ``refused`` are answers of the model.
        detail: The server's own words on the outcome, or an empty string.
        thought: What the model thought before it answered, cut off the text; empty if it did not think.
        thought_tokens: Tokens of the thought, counted in ``completion_tokens`` too.
        cached_tokens: Prompt tokens that an endpoint had in its cache, counted in ``prompt_tokens`` too.
    """

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    cut_tokens: int = 0
    estimated: bool = False
    confidence: float = math.nan
    outcome: Outcome = "answered"
    detail: str = ""
    thought: str = ""
    thought_tokens: int = 0
    cached_tokens: int = 0

    @property
    def is_answer(self) -> bool:
        """Whether the model answered or declined; all else is no finding about it."""
        return self.outcome in ANSWERED


class ChatModel(Protocol):
    """A model that answers many conversations, in order."""

    name: str

    def answer(
        self,
        conversations: list[Messages],
        progress: Callable[[int, int], None] | None = None,
        formats: Sequence[ResponseFormat | None] = (),
    ) -> list[Reply]:
        """Return one reply per conversation, in the same order.

        Args:
            conversations: What is asked.
            progress: Called with answers done and in all.
            formats: What each answer is held within (constrained decoding); None or no entry leaves it free.
        """
        ...
