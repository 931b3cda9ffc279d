"""The server: OpenAI's chat completions, models, health, readiness and Prometheus metrics for one exported strategy."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from ftkit.core.errors import BadInput, FtkitError
from ftkit.deployment.served_strategy import Served
from ftkit.deployment.server.answering import Limits, Server
from ftkit.deployment.server.guard import Guard
from ftkit.deployment.server.requests import ChatRequest, Refused, read
from ftkit.deployment.server.start import GATEWAY


def create_app(
    served: Served | Sequence[Served],
    *,
    token: str = "",
    limits: Limits | None = None,
    log: Path | None = None,
    mask_log: bool = True,
    pass_on: bool = True,
) -> FastAPI:
    """Return the application.

    Args:
        served: The strategy, or several, each with a name of its own; one with a ``store`` follows its current version.
        token: Bearer token; empty: none is asked for, which only loopback may do.
        limits: What is taken.
        log: File of answers (JSON lines); None: nothing is kept.
        mask_log: Whether personal data is masked in it.
        pass_on: Whether a cascade asks its large model; 09 holds its small one alone against the test.

    Raises:
        BadInput: Two strategies answer to one name.
    """
    several = [served] if isinstance(served, Served) else list(served)
    server = Server(several, token, limits or Limits(), log, mask_log, pass_on)

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        for slot in server.slots:
            slot.batcher.start()
        following = [asyncio.ensure_future(slot.follow()) for slot in server.slots]
        server.ready = True
        yield
        server.ready = False
        for task in following:
            task.cancel()
        for slot in server.slots:
            await slot.batcher.stop()
            if slot.passing:
                await slot.passing.close()
        server.thread.shutdown()

    app = FastAPI(
        title=f"ftkit: {', '.join(slot.name for slot in server.slots)}",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
    )
    app.state.server = server
    gateway = os.environ.get(GATEWAY) == "1"
    app.add_middleware(
        Guard, any_host=bool(token) or gateway, any_origin=gateway, count=server.refused
    )
    _errors(app, server)
    _routes(app, server)
    _documented(app)
    return app


def _errors(app: FastAPI, server: Server) -> None:
    @app.exception_handler(Refused)
    async def refused(_: Request, error: Refused) -> JSONResponse:
        server.refused(error.status, error.model)
        headers = {"WWW-Authenticate": "Bearer"} if error.status == 401 else {}
        headers |= {"Retry-After": str(error.retry_after_s)} if error.retry_after_s else {}
        return JSONResponse(error.body(), status_code=error.status, headers=headers)

    @app.exception_handler(BadInput)
    async def bad(_: Request, error: BadInput) -> JSONResponse:
        server.refused(400)
        return JSONResponse(Refused(error.found, "messages").body(), status_code=400)

    @app.exception_handler(FtkitError)
    async def failed(_: Request, error: FtkitError) -> JSONResponse:
        server.refused(503)
        return JSONResponse(
            Refused(error.found, status=503, code="unavailable").body(), status_code=503
        )


BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": ChatRequest.model_json_schema(ref_template="#/components/schemas/{model}")
            }
        },
    }
}
"""What the documentation tells of a request; it is read by hand, so that a slow or large one is stopped on the way."""
TURNS = BODY["requestBody"]["content"]["application/json"]["schema"].pop("$defs")
ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "not a question that this server answers: the message names the field"},
    401: {"description": "the bearer token is missing or wrong"},
    404: {"description": "no such model"},
    403: {"description": "a web page asks"},
    408: {"description": "the body came too slowly"},
    413: {"description": "the body is too large"},
    415: {"description": "the body's type is not application/json"},
    421: {"description": "asked by a name that is not this server's, without a token"},
    429: {"description": "too many questions wait; Retry-After says how long"},
    502: {"description": "the model behind this server gave no answer"},
    503: {"description": "the server cannot answer now"},
    504: {"description": "no answer in time"},
}


def _documented(app: FastAPI) -> None:
    """Add the parts of a request to the server's own OpenAPI document."""
    document = app.openapi()
    document.setdefault("components", {}).setdefault("schemas", {}).update(TURNS)


def _routes(app: FastAPI, server: Server) -> None:
    @app.post("/v1/chat/completions", openapi_extra=BODY, responses=ANSWERS)
    async def chat(request: Request) -> Response:
        server.allow(request)
        return await server.answer(read(await server.body(request)))

    @app.get("/v1/models", responses={401: ANSWERS[401]})
    async def models(request: Request) -> dict[str, Any]:
        server.allow(request)
        names = [name for slot in server.slots for name in slot.names]
        return {
            "object": "list",
            "data": [
                {"id": n, "object": "model", "created": 0, "owned_by": "ftkit"} for n in names
            ],
        }

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", responses={503: {"description": "not ready"}})
    async def ready() -> JSONResponse:
        waiting = sum(slot.batcher.queue.qsize() for slot in server.slots)
        good = server.ready and all(slot.batcher.ready for slot in server.slots)
        body = {"ready": good, "waiting": waiting, "problems": server.problems()}
        away = [slot.name for slot in server.slots if not slot.batcher.ready]
        body |= {"engine_away": away} if away else {}
        cascades = {slot.name: slot.cascade.state() for slot in server.slots if slot.cascade}
        body |= {"cascades": cascades} if cascades else {}
        return JSONResponse(body, status_code=200 if good else 503)

    @app.get("/metrics", responses={401: ANSWERS[401]})
    async def metrics(request: Request) -> PlainTextResponse:
        server.allow(request)
        for slot in server.slots:
            slot.counts.waiting.set(slot.batcher.queue.qsize())
        return PlainTextResponse(server.metrics.text(), media_type="text/plain; version=0.0.4")
