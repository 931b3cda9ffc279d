"""What a request must be before any route sees it: asked by a program, not by a web page that somebody has open.

A page can reach a server on loopback from the user's own browser: by a form (``text/plain``), by a script (it sends an
``Origin``), or by a name of its own that it lets point to 127.0.0.1 (DNS rebinding; the ``Host`` is that name).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from typing import Any

import h11
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from ftkit.deployment.server.requests import Refused

HEADER_S = 10.0
"""Longest time in seconds for the headers of a request to arrive; after it the connection is closed."""
CONNECTIONS = 512
"""Most connections at a time; a further one gets 503."""
DEEPEST = 100
"""Most levels of lists and objects in a request's body."""


class Guard:
    """Middleware that refuses what only a web page sends.

    Args:
        app: The application behind it.
        any_host: Whether every ``Host`` is taken, as behind a gateway or with a token, which no foreign page knows; else
            addresses (127.0.0.1, ::1, ...) and ``localhost`` are, which no foreign name can stand for.
        any_origin: Whether web pages may ask, as behind a gateway that says which.
        count: Called with the status of each refusal.
    """

    def __init__(self, app: ASGIApp, any_host: bool, any_origin: bool, count: Any) -> None:
        self.app, self.any_host, self.any_origin, self.count = app, any_host, any_origin, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the refusal, or pass the request on."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            return await self.app(scope, receive, send)
        from fastapi.responses import JSONResponse

        self.count(refusal.status)
        answer = JSONResponse(refusal.body(), refusal.status, {"Connection": "close"})
        await answer(scope, receive, send)

    def _refusal(self, scope: Scope) -> Refused | None:
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        host = headers.get("host", "")
        if not self.any_host and not own_host(host):
            return Refused(
                f"the host '{host[:80]}' is not this server: ask by address or as localhost, "
                "or start it with a token (FTKIT_TOKEN)",
                "Host",
                status=421,
                code="wrong_host",
            )
        if "origin" in headers and not self.any_origin:
            return Refused(
                "web pages may not ask this server: let your own service ask it, or put a gateway "
                "in front (FTKIT_BEHIND_GATEWAY=1)",
                "Origin",
                status=403,
                code="origin_refused",
            )
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if scope["method"] == "POST" and kind != "application/json":
            return Refused(
                f"the body's type is '{kind[:80]}'; send Content-Type: application/json",
                "Content-Type",
                status=415,
                code="wrong_content_type",
            )
        return None


def own_host(host: str) -> bool:
    """Return whether a ``Host`` header is an address or localhost, with or without a port."""
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    if name.lower().rstrip(".") == "localhost":
        return True
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name)
        return True
    return False


def check_body(body: Any) -> None:
    """Refuse what no answer can be made of: half a character, or a nesting that no parser takes.

    Raises:
        Refused: Naming the field.
    """
    waiting: list[tuple[str, Any, int]] = [("", body, 0)]
    while waiting:
        place, value, depth = waiting.pop()
        if depth > DEEPEST:
            field = ".".join(place.split(".")[:3])
            raise Refused(f"{field}: more than {DEEPEST} levels of lists and objects", field)
        if isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
            raise Refused(f"{place}: half a character (a lone surrogate); send valid text", place)
        if isinstance(value, dict):
            for key, inner in value.items():
                clean = key.encode("utf-8", "replace").decode()
                if clean != key:
                    raise Refused(f"{place or 'body'}: a name holds half a character", place)
                waiting.append((f"{place}.{key}" if place else key, inner, depth + 1))
        elif isinstance(value, list):
            waiting += [(f"{place}.{n}", inner, depth + 1) for n, inner in enumerate(value)]


class TimedHeaders(H11Protocol):
    """HTTP/1.1 of uvicorn that closes a connection whose headers take longer than ``HEADER_S``."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start to wait for the first headers."""
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Stop waiting where the headers are whole; wait for those that have begun."""
        super().data_received(data)
        half = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if not half:
            self._stop()
        elif self._timer is None:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._stop()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._timer = self.loop.call_later(HEADER_S, self.transport.close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
