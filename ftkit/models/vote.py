"""Several drawn answers to one question, and the one that agrees most with the others: self-consistency for any kind of answer.

For labels this is the majority vote, for records and texts the answer nearest to all others (minimum Bayes risk).
Source: Wang et al. (2022), Self-Consistency Improves Chain of Thought Reasoning; Eikema & Aziz (2020), Is MAP Decoding All You Need?
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ftkit.core.records.prompting import ResponseFormat
from ftkit.models.chat import ChatModel, Messages, Reply
from ftkit.scoring.parse import parse_record
from ftkit.scoring.text import normalise, token_f1

LONG = 4  # words from which two texts can agree in part


@dataclass
class Voting:
    """A local model asked several times per question; it answers as ``ChatModel`` does.

    The draws of a question depend on the question alone, so that it is answered alike whatever it is asked with.

    Args:
        model: The model.
        votes: Answers drawn per question.
        temperature: Of the draws, above 0.
        seed: Seed of the draws.
    """

    model: Any
    votes: int
    temperature: float = 0.7
    seed: int = 7

    def __post_init__(self) -> None:
        self.name = self.model.name

    def answer(
        self,
        conversations: list[Messages],
        progress: Callable[[int, int], None] | None = None,
        formats: Sequence[ResponseFormat | None] = (),
    ) -> list[Reply]:
        """Return the most agreed answer per conversation, in the same order; its tokens are those of all draws. See ``ChatModel``."""
        wanted, replies = list(formats) or [None] * len(conversations), []
        for messages, form in zip(conversations, wanted, strict=True):
            replies.append(self._ask(messages, form))
            if progress:
                progress(len(replies), len(conversations))
        return replies

    def _ask(self, messages: Messages, form: ResponseFormat | None) -> Reply:
        if form is not None and form.ranked:
            return self.model.answer([messages], None, [form])[
                0
            ]  # the likeliest of a closed list: nothing to draw
        began = time.perf_counter()
        prompt, cut = self.model.prompt_ids(messages)
        seed = int(
            hashlib.sha256(
                f"{self.seed}:{json.dumps(messages, sort_keys=True)}".encode()
            ).hexdigest()[:8],
            16,
        )
        texts = self.model.sample([messages], self.votes, self.temperature, seed, None, form)[0]
        best, share = agreed(texts)
        length = sum(
            len(self.model.tokenizer(text, add_special_tokens=False)["input_ids"]) + 1
            for text in texts
        )
        return Reply(
            texts[best], len(prompt), length, time.perf_counter() - began, cut, confidence=share
        )

    def __getattr__(self, name: str) -> Any:
        """Return what the model offers beside answering, e.g. its tokenizer."""
        if name in ("stream", "model"):  # a stream would be one draw, not the vote
            raise AttributeError(name)
        return getattr(self.model, name)


def voting(model: ChatModel, votes: int, seed: int = 7) -> ChatModel:
    """Return a model that votes, or the model itself where there is nothing to draw."""
    return Voting(model, votes, seed=seed) if votes > 1 and hasattr(model, "sample") else model


def agreed(texts: Sequence[str]) -> tuple[int, float]:
    """Return which answer agrees most with the others, the first of equals, and how much, 0..1."""
    known = [_parts(text) for text in texts]
    totals = [
        sum(_agreement(a, b) for k, b in enumerate(known) if k != i) for i, a in enumerate(known)
    ]
    best = max(range(len(texts)), key=lambda i: (totals[i], -i))
    return best, totals[best] / max(1, len(texts) - 1)


def _parts(text: str) -> dict[str, str]:
    """Return an answer's fields; a text that is no record has one."""
    record = parse_record(text)
    return (
        {key: normalise(value) for key, value in record.items()}
        if record
        else {"": normalise(text)}
    )


def _agreement(a: dict[str, str], b: dict[str, str]) -> float:
    """Return the share of fields that two answers have alike; long texts may be alike in part."""
    names = a.keys() | b.keys()
    return sum(_alike(a[n], b[n]) for n in names if n in a and n in b) / len(names)


def _alike(a: str, b: str) -> float:
    return token_f1(a, b) if min(len(a.split()), len(b.split())) >= LONG else float(a == b)
