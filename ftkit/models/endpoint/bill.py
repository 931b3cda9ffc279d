"""What an endpoint's replies cost: tokens by kind, those of replies that were no answers too, estimates marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from ftkit.core.records.endpoint import EndpointBill, Tariff
from ftkit.models.chat import Reply


class Bill:
    """The bill of one model at one address.

    Args:
        url: Base URL.
        model: The model's name there.
        role: What it is asked for, e.g. ``judge``.
        tariff: What its tokens cost.
    """

    def __init__(self, url: str, model: str, tariff: Tariff, role: str = "") -> None:
        self.url, self.model, self.role, self.tariff = url, model, role, tariff
        self.answers = self.failed = self.estimated = self.unknown = 0
        self.input_tokens = self.cached_tokens = self.output_tokens = self.thought_tokens = 0
        self.failed_tokens, self.failed_usd, self.usd = 0, 0.0, 0.0
        self.outcomes: Counter[str] = Counter()

    def add(self, reply: Reply) -> None:
        """Count one reply of the server."""
        self.outcomes[reply.outcome] += 1
        self.answers += reply.is_answer
        self.failed += not reply.is_answer
        self.estimated += reply.estimated
        self.input_tokens += reply.prompt_tokens
        self.cached_tokens += reply.cached_tokens
        self.output_tokens += reply.completion_tokens
        self.thought_tokens += reply.thought_tokens
        cost = usd_of(self.tariff, reply)
        self.usd += cost
        if not reply.is_answer:
            self.failed_tokens += reply.prompt_tokens + reply.completion_tokens
            self.failed_usd += cost

    def most_usd(self, sent_characters: int, room: int) -> float:
        """Return the most that one request can cost. See ``most_usd``."""
        return most_usd(self.tariff, sent_characters, room)

    def record(self) -> EndpointBill:
        """Return it as a record."""
        names = [name for name in EndpointBill.model_fields if hasattr(self, name)]
        return EndpointBill(**{name: getattr(self, name) for name in names})

    def sentence(self) -> str:
        """Return it in words."""
        return sentence(self.record())


def usd_of(t: Tariff, reply: Reply) -> float:
    """Return what one reply costs by its tokens, USD."""
    return (
        (reply.prompt_tokens - reply.cached_tokens) * t.input
        + reply.cached_tokens * t.cached_usd
        + (reply.completion_tokens - reply.thought_tokens) * t.output
        + reply.thought_tokens * t.reasoning_usd
    ) / 1e6


def most_usd(t: Tariff, sent_characters: int, room: int) -> float:
    """Return the most that one request can cost, USD: a character is at most a token, and all the room is used."""
    return (sent_characters * t.input + room * max(t.output, t.reasoning_usd)) / 1e6


def sentence(bill: EndpointBill) -> str:
    """Return a bill in words."""
    text = f"{bill.model}: {bill.answers:,} answers with {bill.input_tokens:,} prompt and {bill.output_tokens:,} answer tokens"
    parts = [
        f"{bill.cached_tokens:,} of the prompt's from the cache" if bill.cached_tokens else "",
        f"{bill.thought_tokens:,} of the answers' for thoughts" if bill.thought_tokens else "",
        f"{bill.failed_tokens:,} for {bill.failed:,} replies that were no answers"
        if bill.failed_tokens
        else "",
    ]
    told = ", ".join(part for part in parts if part)
    text += f" ({told})" if told else ""
    text += f" cost {bill.usd:.4g} USD"
    if bill.estimated:
        text += f"; the tokens of {bill.estimated:,} replies are estimated, as the server tells none that can be"
    if bill.unknown:
        text += f"; {bill.unknown:,} requests came to no reply, which the provider may bill all the same"
    return text


def rows(bills: Sequence[EndpointBill]) -> list[dict[str, Any]]:
    """Return bills as rows of a table, tokens by kind; with a last one for all where there are several."""
    found = [
        {
            "asked for": bill.role,
            "model": bill.model,
            "at": bill.url,
            "answers": bill.answers,
            "no answers": bill.failed,
            "prompt tokens": bill.input_tokens,
            "of them cached": bill.cached_tokens,
            "answer tokens": bill.output_tokens,
            "of them thoughts": bill.thought_tokens,
            "tokens of no answers": bill.failed_tokens,
            "replies estimated": bill.estimated,
            "requests without a reply": bill.unknown,
            "USD": f"{bill.usd:.4g}" + (" (estimated)" if bill.estimated else ""),
        }
        for bill in bills
    ]
    if len(found) > 1:
        names = [name for name, value in found[0].items() if isinstance(value, int)]
        total = {name: sum(row[name] for row in found) for name in names}
        blank = dict.fromkeys(found[0], "") | {"asked for": "all"}
        marked = " (partly estimated)" if total["replies estimated"] else ""
        found.append(blank | total | {"USD": f"{sum(bill.usd for bill in bills):.4g}{marked}"})
    return found
