"""How a question becomes a reply: checks, the wait for the model, the whole answer or its events, and the log."""

from __future__ import annotations

import asyncio
import hmac
import json
import sys
import threading
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from ftkit.core.errors import BadInput
from ftkit.core.records.prompting import ResponseFormat
from ftkit.data.personal_data import mask
from ftkit.deployment.served_strategy import Asked, Served
from ftkit.deployment.server.batching import Full
from ftkit.deployment.server.guard import check_body
from ftkit.deployment.server.metrics import Metrics
from ftkit.deployment.server.passing import Passing, Routed
from ftkit.deployment.server.reply_form import (
    as_events,
    common,
    cut,
    event,
    extensions,
    finish_reason,
    logprobs,
    sureness,
    usage,
)
from ftkit.deployment.server.requests import ChatRequest, Refused, question, wanted_format
from ftkit.deployment.server.slot import Slot
from ftkit.models.chat import Reply

WITHOUT_ANSWER = ("filtered", "malformed", "not_delivered")
"""Outcomes of an endpoint behind this server; an empty or cut-off reply is what its model said."""


@dataclass
class Limits:
    """What the server takes.

    Attributes:
        body_bytes: Largest request.
        waiting: Most questions that wait; a further one gets 429.
        timeout_s: Longest wait for an answer; after it the client gets 504.
        body_s: Longest time for a request's body to arrive.
    """

    body_bytes: int = 256 << 10
    waiting: int = 64
    timeout_s: float = 60.0
    body_s: float = 10.0


class Server:
    """The state behind the routes.

    Args:
        served: The strategies, each with a name of its own.
        token: Bearer token that every question needs; empty: none is asked for.
        limits: What is taken.
        log: File that every answer is written to (JSON lines), or None.
        mask_log: Whether e-mail addresses, IBANs and long numbers are masked in the log.
        pass_on: Whether a cascade asks its large model.

    Raises:
        BadInput: Two strategies answer to one name, or a cascade's connection names a variable that is not set.
    """

    def __init__(
        self,
        served: Sequence[Served],
        token: str,
        limits: Limits,
        log: Path | None,
        mask_log: bool,
        pass_on: bool = True,
    ) -> None:
        self.token, self.limits, self.log, self.mask_log, self.ready = (
            token,
            limits,
            log,
            mask_log,
            False,
        )
        self.metrics, self.thread = Metrics(), ThreadPoolExecutor(1, thread_name_prefix="model")
        self._one_line, self._half_line, self.log_failure = threading.Lock(), False, ""
        for one in served:  # the first one's next release shares the base as well
            one.beside = one.beside or next((other for other in served if other is not one), None)
        self.slots = [
            Slot(
                one,
                limits.waiting,
                self.metrics,
                self.thread,
                Passing(one.bundle.name, self.metrics, log) if pass_on else None,
            )
            for one in served
        ]
        for slot in self.slots:
            if slot.passing:
                slot.passing.client(slot.served)  # a variable that is not set is told at the start
        names = [name for slot in self.slots for name in slot.names]
        twice = next((name for name in names if names.count(name) > 1), "")
        if twice:
            raise BadInput(
                f"two strategies answer to the name '{twice}'",
                where="ftkit serve",
                todo="give one of them another deployment.served_name and run 09 again",
            )

    def slot(self, model: str) -> Slot:
        """Return the strategy that a client asks by its name, or by that of its bare model.

        Raises:
            Refused: There is none.
        """
        found = next((slot for slot in self.slots if model in slot.names), None)
        if found is None:
            known = ", ".join(slot.name for slot in self.slots)
            raise Refused(
                f"there is no model '{model[:80]}'; use {known}",
                "model",
                status=404,
                code="model_not_found",
            )
        return found

    def refused(self, status: int, model: str = "") -> None:
        """Count a request without an answer; where it is not known whom it was for, with the only strategy, or with none."""
        name = model or (self.slots[0].name if len(self.slots) == 1 else "")
        self.metrics.refused.labels(name, str(status)).inc()

    def problems(self) -> list[dict[str, str]]:
        """Return what fails while answers go out: the log, or the folder of releases."""
        faults = [("log", self.log_failure)]
        faults += [(f"release of {slot.name}", slot.release_failure) for slot in self.slots]
        faults += [
            (f"large model of {slot.name}", slot.cascade.problem())
            for slot in self.slots
            if slot.cascade
        ]
        return [{"part": part, "reason": reason} for part, reason in faults if reason]

    def allow(self, request: Request) -> None:
        """Raise Refused where the token is missing or wrong."""
        given = request.headers.get("authorization", "")
        if self.token and not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            raise Refused(
                "the bearer token is missing or wrong", status=401, code="invalid_api_key"
            )

    async def body(self, request: Request) -> Any:
        """Return the request's JSON.

        Raises:
            Refused: It is too large, too slow, or no JSON.
        """
        too_large = Refused(
            f"the body is larger than {self.limits.body_bytes:,} bytes",
            status=413,
            code="too_large",
        )
        told = request.headers.get("content-length", "")
        if told.isdigit() and int(told) > self.limits.body_bytes:
            raise too_large
        content = bytearray()
        try:
            async with asyncio.timeout(self.limits.body_s):
                async for piece in request.stream():
                    content += piece
                    if len(content) > self.limits.body_bytes:
                        raise too_large
        except TimeoutError as error:
            raise Refused(
                f"the body did not arrive within {self.limits.body_s:g} s",
                status=408,
                code="timeout",
            ) from error
        try:
            body = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise Refused("the body is no JSON") from error
        check_body(body)
        return body

    async def answer(self, asked: ChatRequest) -> Response:
        """Answer a request, whole or as a stream."""
        slot = self.slot(asked.model)
        try:
            return await self._answer(slot, asked)
        except Refused as error:
            error.model = slot.name
            raise

    async def _answer(self, slot: Slot, asked: ChatRequest) -> Response:
        raw, most = asked.model != slot.name, slot.served.bundle.max_new_tokens
        if (asked.limit or 0) > most:
            raise Refused(f"answers are at most {most} tokens long", "max_tokens")
        text = None if raw else question(asked)
        messages = (
            [{"role": turn.role, "content": turn.plain()} for turn in asked.messages]
            if raw
            else None
        )
        form = wanted_format(asked)
        if form is not None:
            await self._check(slot, form)
        try:
            if asked.stream and (raw or slot.cascade is None):
                slot.batcher.check_room()
                return StreamingResponse(
                    self._stream(slot, asked, text, messages, form), media_type="text/event-stream"
                )
            return await self._whole(slot, asked, text, messages, form)
        except Full as error:
            wait = slot.retry_after_s()
            told = f"{error.waiting} questions wait already: ask again in {wait} s"
            raise Refused(
                told, status=429, code="rate_limit_exceeded", retry_after_s=wait
            ) from error

    async def _check(self, slot: Slot, form: ResponseFormat) -> None:
        """Refuse a schema that answers cannot be held within, before anything waits for the model."""
        model: Any = slot.served.model
        if not hasattr(model, "constrainer"):
            return
        try:
            await slot.batcher.alone(lambda: model.constrainer.matcher(form))
        except BadInput as error:
            # a parser's own words can go on for pages: the first line says what is wrong
            told = next((line for line in error.found.splitlines() if line.strip()), "")[:200]
            raise Refused(told, "response_format") from error

    async def _whole(
        self,
        slot: Slot,
        asked: ChatRequest,
        text: str | None,
        messages: Any,
        form: ResponseFormat | None,
    ) -> Response:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                given, reply = await slot.batcher.ask(text, messages, form)
                if reply.outcome in WITHOUT_ANSWER:
                    raise Refused(
                        f"the model behind this server gave no answer ({reply.outcome}): {reply.detail}",
                        status=502,
                        code="upstream",
                    )
                routed = await self._routed(slot, text, given, reply, began)
                large = routed is not None and routed.reply is not routed.small
                reply = routed.reply if routed else reply
                reply, finish = cut(slot.served, reply, asked.limit, large)
                said = (
                    await slot.batcher.alone(lambda: logprobs(slot.served, given, reply))
                    if asked.logprobs and not large
                    else None
                )
        except TimeoutError as error:
            raise Refused(
                f"no answer within {self.limits.timeout_s:g} s", status=504, code="timeout"
            ) from error
        seconds = time.perf_counter() - began
        small = routed.small if routed else reply
        slot.counts.answered(seconds, small.prompt_tokens, small.completion_tokens)
        logged = text if text is not None else messages[-1]["content"]
        await asyncio.to_thread(self._write, slot, logged, given, reply, seconds, routed)
        more = extensions(slot.served, given, reply, routed)
        if asked.stream:
            return as_events(asked, reply, finish, more, routed)
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": reply.text},
            "finish_reason": finish,
            "logprobs": said,
        }
        return JSONResponse(
            common(asked, "chat.completion")
            | {"choices": [choice], "usage": usage(reply), "ftkit": more},
            headers=routed.headers() if routed else None,
        )

    async def _routed(
        self, slot: Slot, text: str | None, given: Asked, reply: Reply, began: float
    ) -> Routed | None:
        """Return which model of a cascade answers; None for a strategy that is none, and for its bare model."""
        if slot.cascade is None or text is None or given.version != slot.served.version:
            return None
        left = began + self.limits.timeout_s - time.perf_counter()
        left -= min(1.0, 0.1 * self.limits.timeout_s)  # so that the small one's answer is in time
        return await slot.cascade.route(slot.served, text, given, reply, slot.batcher, left)

    async def _stream(
        self,
        slot: Slot,
        asked: ChatRequest,
        text: str | None,
        messages: Any,
        form: ResponseFormat | None,
    ) -> AsyncIterator[str]:
        """Yield server-sent events while the model writes; a client that leaves ends the generation."""
        loop, pieces, left = asyncio.get_running_loop(), asyncio.Queue[str | None](), False
        head, began = common(asked, "chat.completion.chunk"), time.perf_counter()

        def on_text(piece: str) -> None:
            if left:
                raise Refused("the client left")
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        def work() -> tuple[Asked, Reply]:
            try:
                given = (
                    slot.served.prepare([text])[0]
                    if text is not None
                    else Asked(messages, [], version=slot.served.version)
                )
                given = given.within(form)
                model: Any = slot.served.model
                if not hasattr(model, "stream"):
                    reply = slot.served.replies([given])[0]
                    on_text(reply.text)
                    return given, reply
                return given, model.stream(given.messages, on_text, given.response_format)
            finally:
                loop.call_soon_threadsafe(pieces.put_nowait, None)

        slot.batcher.streams += 1
        job = asyncio.ensure_future(slot.batcher.alone(work))
        try:
            yield event(head, {"role": "assistant", "content": ""})
            while (piece := await pieces.get()) is not None:
                if piece:
                    yield event(head, {"content": piece})
            given, reply = await job
            yield event(head, {}, finish_reason(slot.served, reply))
            yield "data: [DONE]\n\n"
            slot.counts.answered(
                time.perf_counter() - began, reply.prompt_tokens, reply.completion_tokens
            )
            seconds = time.perf_counter() - began
            logged = text or messages[-1]["content"]
            await asyncio.to_thread(self._write, slot, logged, given, reply, seconds)
        finally:
            left = True
            slot.batcher.streams -= 1

    def _write(
        self,
        slot: Slot,
        text: str,
        given: Asked,
        reply: Reply,
        seconds: float,
        routed: Routed | None = None,
    ) -> None:
        """Write a line of the log, masked; in a thread, since masking a long text takes its time."""
        if self.log is None:
            return
        clean = mask if self.mask_log else str
        row = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "input": clean(text),
            "output": clean(reply.text),
            "latency_s": round(seconds, 4),
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            "passages": [p.id for p in given.passages],
            "scores": [p.score for p in given.passages],
            "model": slot.name,
            "version": given.version,
            **sureness(given, reply, routed),
            **(routed.shown() if routed else {}),
        }
        line = (json.dumps(row, ensure_ascii=False) + "\n").encode("utf-8", "replace")
        try:  # the answer is there: it goes out, whatever becomes of its line
            with self._one_line, self.log.open("ab", buffering=0) as file:
                if self._half_line:
                    line = b"\n" + line
                self._half_line = file.write(line) < len(line)
                if self._half_line:
                    raise OSError("half a line was written")
            self.log_failure = ""
        except OSError as error:
            self.metrics.log_failed.inc()
            if not self.log_failure:
                print(f"ftkit: the log {self.log} is not written: {error}", file=sys.stderr)
            self.log_failure = error.strerror or str(error)
