"""The large model of a cascade, asked once and within a time: its prompt, its server, what a reply costs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Literal

import httpx

from ftkit.core.parameters.connection import Connection
from ftkit.core.records.deployment import LargeModel
from ftkit.data.personal_data import mask
from ftkit.models.chat import Messages, Reply
from ftkit.models.endpoint.bill import most_usd, usd_of
from ftkit.models.endpoint.classify import reply_of
from ftkit.models.endpoint.dialect import Dialect
from ftkit.models.endpoint.faults import error_in
from ftkit.models.endpoint.limiter import asked_wait
from ftkit.models.endpoint.transport import Response, Transport, body_of, kind_of

Failure = Literal["", "timeout", "down", "throttled", "no answer"]
PATH = "chat/completions"
ADAPTATIONS = 4
"""How often one question is asked anew because the server refused a field of the request."""


@dataclass
class Said:
    """What came of asking the large model once.

    Attributes:
        reply: Its reply; None: there is none, or none that is an answer.
        failure: Why there is none; empty: there is one.
        detail: The server's own words.
        usd: What it cost; of a reply that did not come in time the most that it can cost, as it may be billed.
        prompt_tokens: Tokens it read, by its own count.
        completion_tokens: Tokens it wrote.
        wait_s: Seconds that the server asks to be left alone; 0: not told.
    """

    reply: Reply | None = None
    failure: Failure = ""
    detail: str = ""
    usd: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    wait_s: float = 0.0


class LargeClient:
    """Asks the large model of a cascade; for one event loop.

    Args:
        record: How it is asked.
        answer_tokens: Room for an answer, in tokens, where its connection names none.

    Raises:
        BadInput: Its URL, a header's variable or the certificate authority cannot be used.
    """

    def __init__(self, record: LargeModel, answer_tokens: int) -> None:
        self.record = record
        self.connection = Connection.model_validate(record.connection)
        self.transport = Transport(record.url, self.connection, "evaluation.endpoint")
        room = self.connection.answer_tokens or answer_tokens
        self.dialect = Dialect(record.model, room, self.connection, confidence=False)
        self.http: httpx.AsyncClient | None = None
        self.room = asyncio.Semaphore(self.connection.concurrency)

    def most_usd(self, messages: Messages) -> float:
        """Return the most that one question can cost, USD."""
        sent = sum(len(m["content"]) + len(m.get("tools", "")) for m in messages)
        room = self.dialect.room + (0 if self.dialect.thinks else self.connection.thought_tokens)
        return most_usd(self.record.tariff, sent, room)

    async def ask(self, messages: Messages, seconds: float) -> Said:
        """Ask once; a server that refuses a field of the request is asked again without it.

        Args:
            messages: The prompt.
            seconds: Longest wait for the whole reply, for a free place among the requests included.
        """
        if self.connection.mask:
            messages = [m | {"content": mask(m["content"])} for m in messages]
        said = Said()
        sent = False
        try:
            async with asyncio.timeout(seconds), self.room:
                for _ in range(ADAPTATIONS):
                    sent = True
                    if await self._once(messages, said):
                        sent = False
                        return said
                sent = False
        except TimeoutError:
            said.failure, said.detail = "timeout", f"no whole reply within {seconds:.3g} s"
        except httpx.HTTPError as error:
            kind = kind_of(error)
            sent = sent and kind in ("timeout", "lost")
            said.failure = "timeout" if kind == "timeout" else "down"
            said.detail = self.transport.masked(str(error) or type(error).__name__)
        if sent:
            said.usd += self.most_usd(messages)
        return said

    async def _once(self, messages: Messages, said: Said) -> bool:
        """Send one request and fill in what came; return whether that is all, or another request may do better."""
        self.http = self.http or self.transport.asynchronous()
        body = self.dialect.body(messages, self.record.prompt.response_format)
        began = time.perf_counter()
        got = await self.http.post(f"{self.transport.base}/{PATH}", json=body)
        seconds = time.perf_counter() - began
        response = Response(
            got.status_code,
            {k.lower(): v for k, v in got.headers.items()},
            got.text,
            body_of(got.text),
            seconds,
        )
        error = error_in(response)
        if error is None or isinstance((response.body or {}).get("usage"), dict):
            reply = reply_of(response.body, response.text, messages, seconds)
            said.usd += usd_of(self.record.tariff, reply)
            said.prompt_tokens += reply.prompt_tokens
            said.completion_tokens += reply.completion_tokens
            if error is None:
                return self._answered(reply, body, said)
        status, words = error
        said.detail = self.transport.masked(words)
        if status == 429:
            said.failure, said.wait_s = "throttled", asked_wait(response.headers, words) or 0.0
            return True
        said.failure = "down"
        refused = status in (400, 403, 404, 405, 415, 422, 500, 501)
        return not (refused and self.dialect.adapt(words, body))

    def _answered(self, reply: Reply, body: dict[str, object], said: Said) -> bool:
        if reply.is_answer:
            said.reply, said.failure, said.detail = reply, "", ""
            return True
        said.failure = "no answer"
        said.detail = self.transport.masked(f"{reply.outcome}: {reply.detail}")
        thinks = bool(reply.thought or reply.thought_tokens or not reply.text)
        return not (
            reply.outcome == "cut_off"
            and self.connection.thought_tokens
            and thinks
            and self.dialect.think(body)
        )

    async def close(self) -> None:
        """Close its connections."""
        if self.http is not None:
            await self.http.aclose()
