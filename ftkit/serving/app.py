"""The server: OpenAI's chat completions, models, health, readiness and Prometheus metrics for one exported strategy."""

from __future__ import annotations

import asyncio
import hmac
import json
import math
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from ftkit.data.personal import mask
from ftkit.deployment import releases
from ftkit.errors import BadInput, FtkitError
from ftkit.models.chat import Reply
from ftkit.records import ResponseFormat
from ftkit.serving.batching import Batcher, Full
from ftkit.serving.metrics import Metrics
from ftkit.serving.requests import ChatRequest, Refused, question, read, wanted_format
from ftkit.serving.served import Asked, Served

RAW = "-raw"
FOLLOW_S = 2.0


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
        served: The strategy.
        token: Bearer token that every question needs; empty: none is asked for.
        limits: What is taken.
        log: File that every answer is written to (JSON lines), or None.
        mask_log: Whether e-mail addresses, IBANs and long numbers are masked in the log.
    """

    def __init__(self, served: Served, token: str, limits: Limits, log: Path | None, mask_log: bool) -> None:
        self.served, self.token, self.limits, self.log, self.mask_log = served, token, limits, log, mask_log
        self.metrics, self.batcher, self.ready = Metrics(served.bundle.name), Batcher(served, limits.waiting), False
        self.metrics.release.set(served.version)

    async def follow(self, store: Path) -> None:
        """Answer from the release that is current, from now on: a new one is opened beside the old one, which serves until then.

        A release that cannot be opened is told on the error stream and counted; the old one serves on.

        Args:
            store: The release folder.
        """
        refused = 0
        while True:
            await asyncio.sleep(FOLLOW_S)
            try:
                version = releases.read(store).current
                if version in (self.served.version, refused):
                    continue
                refused = version
                path, threads = releases.folder(store, version), self.served.threads
                fresh = await asyncio.to_thread(Served, path, threads, version)
                await self.batcher.take(fresh)
            except (FtkitError, OSError) as error:
                self.metrics.release_failed.inc()
                print(f"ftkit: version {self.served.version} serves on: {error}", file=sys.stderr, flush=True)
                continue
            self.served, refused = fresh, 0
            self.metrics.release.set(version)
            print(f"Serving version {version}: {fresh.bundle.spec.name} of run {fresh.bundle.run}", flush=True)

    def allow(self, request: Request) -> None:
        """Raise Refused where the token is missing or wrong."""
        given = request.headers.get("authorization", "")
        if self.token and not hmac.compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            raise Refused("the bearer token is missing or wrong", status=401, code="invalid_api_key")

    async def body(self, request: Request) -> Any:
        """Return the request's JSON.

        Raises:
            Refused: It is too large, too slow, or no JSON.
        """
        too_large = Refused(f"the body is larger than {self.limits.body_bytes:,} bytes", status=413, code="too_large")
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
            raise Refused(f"the body did not arrive within {self.limits.body_s:g} s", status=408, code="timeout") from error
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise Refused("the body is no JSON") from error

    async def answer(self, asked: ChatRequest) -> Response:
        """Answer a request, whole or as a stream."""
        name, raw = self.served.bundle.name, False
        if asked.model != name:
            raw = asked.model == name + RAW and self.served.bundle.form != "endpoint"
            if not raw:
                raise Refused(f"there is no model '{asked.model[:80]}'; use {name}", "model", status=404, code="model_not_found")
        most = self.served.bundle.max_new_tokens
        if (asked.limit or 0) > most:
            raise Refused(f"answers are at most {most} tokens long", "max_tokens")
        text = None if raw else question(asked)
        messages = [{"role": turn.role, "content": turn.plain()} for turn in asked.messages] if raw else None
        form = wanted_format(asked)
        if form is not None:
            await self._check(form)
        if asked.stream:
            self.batcher.check_room()
            return StreamingResponse(self._stream(asked, text, messages, form), media_type="text/event-stream")
        return await self._whole(asked, text, messages, form)

    async def _check(self, form: ResponseFormat) -> None:
        """Refuse a schema that answers cannot be held within, before anything waits for the model."""
        model: Any = self.served.model
        if not hasattr(model, "constrainer"):
            return
        try:
            await self.batcher.alone(lambda: model.constrainer.matcher(form))
        except BadInput as error:
            raise Refused(error.found, "response_format") from error

    async def _whole(self, asked: ChatRequest, text: str | None, messages: Any, form: ResponseFormat | None) -> Response:
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self.limits.timeout_s):
                given, reply = await self.batcher.ask(text, messages, form)
                if reply.failed:
                    raise Refused(f"the model behind this server gave no answer: {reply.failed}", status=502, code="upstream")
                reply, finish = self._cut(reply, asked.limit)
                said = await self.batcher.alone(lambda: self._logprobs(given, reply)) if asked.logprobs else None
        except TimeoutError as error:
            raise Refused(f"no answer within {self.limits.timeout_s:g} s", status=504, code="timeout") from error
        seconds = time.perf_counter() - began
        self.metrics.answered(seconds, reply.prompt_tokens, reply.completion_tokens)
        self._write(text if text is not None else messages[-1]["content"], given, reply, seconds)
        choice = {"index": 0, "message": {"role": "assistant", "content": reply.text}, "finish_reason": finish, "logprobs": said}
        return JSONResponse(
            self._head(asked, "chat.completion")
            | {"choices": [choice], "usage": _usage(reply), "ftkit": self._more(given, reply)}
        )

    async def _stream(
        self, asked: ChatRequest, text: str | None, messages: Any, form: ResponseFormat | None
    ) -> AsyncIterator[str]:
        """Yield server-sent events while the model writes; a client that leaves ends the generation."""
        loop, pieces, left = asyncio.get_running_loop(), asyncio.Queue[str | None](), False
        head, began = self._head(asked, "chat.completion.chunk"), time.perf_counter()

        def on_text(piece: str) -> None:
            if left:
                raise Refused("the client left")
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

        def work() -> tuple[Asked, Reply]:
            try:
                given = self.served.prepare([text])[0] if text is not None else Asked(messages, [], version=self.served.version)
                given = given.within(form)
                model: Any = self.served.model
                if not hasattr(model, "stream"):
                    reply = self.served.replies([given])[0]
                    on_text(reply.text)
                    return given, reply
                return given, model.stream(given.messages, on_text, given.response_format)
            finally:
                loop.call_soon_threadsafe(pieces.put_nowait, None)

        self.batcher.streams += 1
        job = asyncio.ensure_future(self.batcher.alone(work))
        try:
            yield _event(head, {"role": "assistant", "content": ""})
            while (piece := await pieces.get()) is not None:
                if piece:
                    yield _event(head, {"content": piece})
            given, reply = await job
            yield _event(head, {}, "length" if reply.completion_tokens >= self.served.bundle.max_new_tokens else "stop")
            yield "data: [DONE]\n\n"
            self.metrics.answered(time.perf_counter() - began, reply.prompt_tokens, reply.completion_tokens)
            self._write(text or messages[-1]["content"], given, reply, time.perf_counter() - began)
        finally:
            left = True
            self.batcher.streams -= 1

    def _cut(self, reply: Reply, limit: int | None) -> tuple[Reply, str]:
        """Return the reply within the client's limit, and why it ended."""
        most = self.served.bundle.max_new_tokens
        if limit and reply.completion_tokens > limit and hasattr(self.served.model, "tokenizer"):
            tokenizer: Any = self.served.model.tokenizer  # pyright: ignore[reportAttributeAccessIssue]
            ids = tokenizer(reply.text, add_special_tokens=False)["input_ids"][:limit]
            return replace(reply, text=tokenizer.decode(ids), completion_tokens=limit), "length"
        return reply, "length" if reply.completion_tokens >= most else "stop"

    def _logprobs(self, given: Asked, reply: Reply) -> dict[str, Any]:
        model: Any = self.served.model
        if given.version != self.served.version:
            raise Refused("another version serves since this was answered: ask again", status=503, code="unavailable")
        if not hasattr(model, "logprobs"):
            raise Refused("the model behind this server tells no logprobs", "logprobs")
        pairs = model.logprobs(given.messages, reply.text)
        return {"content": [{"token": t, "logprob": v, "bytes": list(t.encode()), "top_logprobs": []} for t, v in pairs]}

    def _head(self, asked: ChatRequest, kind: str) -> dict[str, Any]:
        return {"id": f"chatcmpl-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": asked.model}

    def _more(self, given: Asked, reply: Reply) -> dict[str, Any]:
        return _sureness(given, reply) | {
            "version": given.version, "passages": [p.id for p in given.passages], "prompt_sha256": self.served.prompt_sha256(given.messages), "cut_tokens": reply.cut_tokens,
        }  # fmt: skip

    def _write(self, text: str, given: Asked, reply: Reply, seconds: float) -> None:
        if self.log is None:
            return
        clean = mask if self.mask_log else str
        row = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "input": clean(text), "output": clean(reply.text), "latency_s": round(seconds, 4),
            "prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens, "passages": [p.id for p in given.passages],
            "scores": [p.score for p in given.passages], "version": given.version, **_sureness(given, reply),
        }  # fmt: skip
        with self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _sureness(given: Asked, reply: Reply) -> dict[str, Any]:
    """Return how sure the model was, and whether the answer needs no person's look; both None where that is not known."""
    if math.isnan(reply.confidence):
        return {"confidence": None, "alone": None}
    known = given.allowed_wrong is not None
    return {
        "confidence": round(reply.confidence, 6),
        "alone": (given.alone_from is not None and reply.confidence >= given.alone_from) if known else None,
    }


def _usage(reply: Reply) -> dict[str, int]:
    return {
        "prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.completion_tokens,
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
    }  # fmt: skip


def _event(head: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> str:
    return "data: " + json.dumps(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}) + "\n\n"


def create_app(
    served: Served,
    *,
    token: str = "",
    limits: Limits | None = None,
    log: Path | None = None,
    mask_log: bool = True,
    store: Path | None = None,
) -> FastAPI:
    """Return the application.

    Args:
        served: The strategy.
        token: Bearer token; empty: none is asked for, which only loopback may do.
        limits: What is taken.
        log: File of answers (JSON lines); None: nothing is kept.
        mask_log: Whether personal data is masked in it.
        store: Release folder whose current version is served, also when that changes; None: the export stays.
    """
    server = Server(served, token, limits or Limits(), log, mask_log)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        server.batcher.start()
        following = asyncio.ensure_future(server.follow(store)) if store else None
        server.ready = True
        yield
        server.ready = False
        if following:
            following.cancel()
        await server.batcher.stop()

    app = FastAPI(title=f"ftkit: {served.bundle.name}", lifespan=life, docs_url=None, redoc_url=None)
    app.state.server = server
    _errors(app, server)
    _routes(app, server)
    _documented(app)
    return app


def _errors(app: FastAPI, server: Server) -> None:
    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        server.metrics.refused(error.status)
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        return JSONResponse(error.body(), status_code=error.status, headers=headers)

    @app.exception_handler(Full)
    async def full(_: Request, __: Full) -> JSONResponse:
        server.metrics.refused(429)
        wait = math.ceil(server.metrics.mean_seconds() * server.limits.waiting / served_at_once(server))
        told = Refused(
            f"{server.limits.waiting} questions wait already: ask again in {wait} s", status=429, code="rate_limit_exceeded"
        )
        return JSONResponse(told.body(), status_code=429, headers={"Retry-After": str(max(1, wait))})

    @app.exception_handler(BadInput)
    async def bad(_: Request, error: BadInput) -> JSONResponse:
        server.metrics.refused(400)
        return JSONResponse(Refused(error.found, "messages").body(), status_code=400)

    @app.exception_handler(FtkitError)
    async def failed(_: Request, error: FtkitError) -> JSONResponse:
        server.metrics.refused(503)
        return JSONResponse(Refused(error.found, status=503, code="unavailable").body(), status_code=503)


def served_at_once(server: Server) -> int:
    """Return how many questions one batch answers."""
    return max(1, server.served.bundle.batch_size)


BODY: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": ChatRequest.model_json_schema(ref_template="#/components/schemas/{model}")}}}
}  # fmt: skip
"""What the documentation tells of a request; it is read by hand, so that a slow or large one is stopped on the way."""
TURNS = BODY["requestBody"]["content"]["application/json"]["schema"].pop("$defs")
ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "not a question that this server answers: the message names the field"}, 401: {"description": "the bearer token is missing or wrong"},
    404: {"description": "no such model"}, 408: {"description": "the body came too slowly"}, 413: {"description": "the body is too large"},
    429: {"description": "too many questions wait; Retry-After says how long"}, 502: {"description": "the model behind this server gave no answer"},
    503: {"description": "the server cannot answer now"}, 504: {"description": "no answer in time"},
}  # fmt: skip


def _documented(app: FastAPI) -> None:
    """Add the parts of a request to the server's own OpenAPI document."""
    document = app.openapi()
    document.setdefault("components", {}).setdefault("schemas", {}).update(TURNS)


def _routes(app: FastAPI, server: Server) -> None:
    name = server.served.bundle.name

    @app.post("/v1/chat/completions", openapi_extra=BODY, responses=ANSWERS)
    async def chat(request: Request) -> Response:
        server.allow(request)
        return await server.answer(read(await server.body(request)))

    @app.get("/v1/models", responses={401: ANSWERS[401]})
    async def models(request: Request) -> dict[str, Any]:
        server.allow(request)
        names = [name, *([name + RAW] if server.served.bundle.form != "endpoint" else [])]
        return {"object": "list", "data": [{"id": n, "object": "model", "created": 0, "owned_by": "ftkit"} for n in names]}

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", responses={503: {"description": "not ready"}})
    async def ready() -> JSONResponse:
        return JSONResponse(
            {"ready": server.ready, "waiting": server.batcher.queue.qsize()}, status_code=200 if server.ready else 503
        )

    @app.get("/metrics", responses={401: ANSWERS[401]})
    async def metrics(request: Request) -> PlainTextResponse:
        server.allow(request)
        return PlainTextResponse(server.metrics.text(server.batcher.queue.qsize()), media_type="text/plain; version=0.0.4")
