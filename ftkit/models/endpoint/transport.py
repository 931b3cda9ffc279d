"""One POST to a server: its whole reply within a time, or what kind of failure kept it away."""

from __future__ import annotations

import json
import os
import re
import ssl
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from ftkit.core.errors import BadInput
from ftkit.core.parameters.connection import Connection

SECRET = re.compile(r"key|token|secret|password|passwd|^sig$|signature", re.IGNORECASE)
LOCAL = ("localhost", "127.0.0.1", "::1", "0.0.0.0")


@dataclass
class Response:
    """What a server sent back.

    Attributes:
        status: HTTP status.
        headers: By lower-case name.
        text: The body as text.
        body: The body as a JSON object; None where it is none. A stream is put together into one.
        seconds: From the request to the last byte.
    """

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    body: dict[str, Any] | None = None
    seconds: float = 0.0


class Unreached(Exception):
    """A request that got no whole reply.

    Args:
        kind: name, closed, tls, proxy, timeout or lost.
        detail: The client's words.
    """

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, detail


class Transport:
    """A connection to one server, shared by all threads.

    Args:
        url: Base URL; a query that it holds goes with every request.
        connection: Key, headers, certificate authority, proxy and time allowed.
        named: How the parameters that name it begin, for messages.

    Raises:
        BadInput: The URL, a header's variable or the certificate authority cannot be used, or the URL holds a secret.
    """

    def __init__(self, url: str, connection: Connection, named: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise BadInput(
                f"'{url}' is no URL", where=f"{named}_url", todo="e.g. http://localhost:8000/v1"
            )
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        _refuse_secrets(parts, query, named)
        if connection.api_version:
            query["api-version"] = connection.api_version
        self.base = f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"
        self.base = self.base.removesuffix("/chat/completions")
        self.host, self.query, self.named = parts.hostname or "", query, named
        self.key = os.environ.get(connection.key_env, "") if connection.key_env else ""
        headers = {"authorization": f"Bearer {self.key}"} if self.key else {}
        self.secrets = [self.key] if self.key else []
        for name, value in connection.headers.items():
            headers[name.lower()] = self._header(name, value)
        self.timeout_s = connection.timeout_s
        self._settings: dict[str, Any] = {
            "headers": headers,
            "params": query,
            "verify": _verify(connection.ca, named),
            "proxy": connection.proxy or None,
            "timeout": httpx.Timeout(connection.timeout_s, connect=min(20.0, connection.timeout_s)),
            "limits": httpx.Limits(max_connections=None),
        }
        self.client = httpx.Client(**self._settings)

    def asynchronous(self) -> httpx.AsyncClient:
        """Return a client with the same key, headers, proxy and times for an event loop."""
        return httpx.AsyncClient(**self._settings)

    @property
    def local(self) -> bool:
        """Whether the server runs on this machine, so that nothing leaves it."""
        return self.host in LOCAL

    def _header(self, name: str, value: str) -> str:
        if not value.startswith("$"):
            return value
        found = os.environ.get(value[1:], "")
        if not found:
            raise BadInput(
                f"the header {name} is {value}, and that variable is not set",
                where=f"{self.named}_connection.headers",
                todo=f"set {value[1:]} in the environment",
            )
        self.secrets.append(found)
        return found

    def get(self, path: str) -> Response:
        """Return what the server answers to a GET. Raises Unreached."""
        return self._send("GET", path, None)

    def post(self, path: str, body: dict[str, Any]) -> Response:
        """Send a JSON body and return the whole reply. Raises Unreached."""
        return self._send("POST", path, body)

    def _send(self, method: str, path: str, body: dict[str, Any] | None) -> Response:
        began = time.perf_counter()
        try:
            with self.client.stream(method, f"{self.base}/{path}", json=body) as reply:
                pieces = []
                for piece in reply.iter_bytes():
                    pieces.append(piece)
                    if time.perf_counter() - began > self.timeout_s:
                        raise Unreached("timeout", f"not complete after {self.timeout_s:g} s")
        except httpx.HTTPError as error:
            raise Unreached(
                kind_of(error), self.masked(str(error) or type(error).__name__)
            ) from None
        except (httpx.InvalidURL, UnicodeError) as error:
            raise BadInput(
                f"the URL cannot be used: {error}", where=f"{self.named}_url", todo="correct it"
            ) from error
        text = b"".join(pieces).decode(reply.charset_encoding or "utf-8", errors="replace")
        headers = {name.lower(): value for name, value in reply.headers.items()}
        seconds = time.perf_counter() - began
        return Response(reply.status_code, headers, text, body_of(text), seconds)

    def masked(self, text: str) -> str:
        """Return a text in one line, cut, without any secret."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())[:300]


def _refuse_secrets(parts: Any, query: dict[str, str], named: str) -> None:
    if parts.username or parts.password or any(SECRET.search(name) for name in query):
        raise BadInput(
            "the URL holds a key or a password, and URLs are written into records and reports",
            where=f"{named}_url",
            todo=f"take it out and name it: {named}_connection = {{key_env: NAME}} or {{headers: {{name: $NAME}}}}",
        )


def _verify(ca: str, named: str) -> Any:
    if not ca:
        return True
    try:
        return ssl.create_default_context(cafile=str(Path(ca)))
    except (OSError, ssl.SSLError) as error:
        raise BadInput(
            f"the certificate authority cannot be read: {error}",
            where=f"{named}_connection.ca = {ca!r}",
            todo="name a PEM file",
        ) from error


def kind_of(error: httpx.HTTPError) -> str:
    """Return what kept a request from its reply: name, closed, tls, proxy, timeout or lost."""
    words, cause = str(error).lower(), error.__cause__ or error.__context__
    while cause is not None and cause.__cause__ is not None:
        cause = cause.__cause__
    if isinstance(error, httpx.ProxyError):
        return "proxy"
    if isinstance(error, httpx.TimeoutException):
        return "timeout"
    if isinstance(cause, ssl.SSLError) or "certificate" in words or "ssl" in words:
        return "tls"
    if isinstance(error, httpx.ConnectError):
        names = ("name or service", "nodename", "getaddrinfo", "name resolution", "no address")
        return "name" if any(word in words for word in names) else "closed"
    return "lost"


def body_of(text: str) -> dict[str, Any] | None:
    """Return a body as a JSON object, a stream of events put together into one; None where it is neither."""
    if text.lstrip().startswith(("data:", "event:", ": ", ":\n")):
        return _joined(text)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list) and len(found) == 1:
        found = found[0]  # Google wraps errors in a list
    return found if isinstance(found, dict) else None


def _joined(text: str) -> dict[str, Any]:
    message: dict[str, Any] = {}
    body: dict[str, Any] = {}
    finish, logprobs = None, []
    for line in text.splitlines():
        if not line.startswith("data:"):
            continue
        data = line[5:].strip()
        if data == "[DONE]":
            finish = finish or "stop"
            continue
        try:
            event = json.loads(data)
        except ValueError:
            continue  # a piece cut off on the way; a stream without its end is not an answer
        if not isinstance(event, dict):
            continue
        if isinstance(event.get("usage"), dict):
            body["usage"] = event["usage"]
        if event.get("error"):
            body["error"] = event["error"]
        for choice in event.get("choices") or []:
            if not isinstance(choice, dict) or choice.get("index") not in (None, 0):
                continue
            finish = choice.get("finish_reason") or finish
            _add(message, choice.get("delta") or choice.get("message") or {})
            told = choice.get("logprobs")
            logprobs += (told.get("content") or []) if isinstance(told, dict) else []
    choice = {"finish_reason": finish or "incomplete", "message": message}
    choice |= {"logprobs": {"content": logprobs}} if logprobs else {}
    return body | {"choices": [choice]}


def _add(message: dict[str, Any], delta: Any) -> None:
    if not isinstance(delta, dict):
        return
    for name, value in delta.items():
        if isinstance(value, str) and name != "role":
            message[name] = str(message.get(name) or "") + value
        elif isinstance(value, list):
            message[name] = [*(message.get(name) or []), *value]
