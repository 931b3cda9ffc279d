"""What an error of a server means: its cause, whether another try can help, and what to do about it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ftkit.core.records.strategy import Outcome
from ftkit.models.endpoint.transport import Response

KEY = re.compile(r"api.?key|token|credential|unauthori|authenticat|signature", re.IGNORECASE)
MONEY = re.compile(
    r"insufficient_quota|insufficient.{0,20}(?:balance|credit|quota|fund)|credit balance|"
    r"budget.{0,30}exceeded|exceeded.{0,30}budget|payment required|exceeded your current quota|"
    r"out of credits|more credits|billing",
    re.IGNORECASE,
)
POLICY = re.compile(
    r"content.?(?:filter|management|policy)|responsibleai|moderation|flagged|safety (?:system|polic)|"
    r"usage polic|prohibited.?content",
    re.IGNORECASE,
)
CONTEXT = re.compile(
    r"context.?(?:length|window)|maximum context|prompt is too long|too many (?:input )?tokens|"
    r"input is too long|exceeds? the (?:maximum|max).{0,40}token|reduce the length",
    re.IGNORECASE,
)
GONE = re.compile(r"deprecat|retired|no longer|decommission|sunset|end.of.life", re.IGNORECASE)
OWN_MODES = re.compile(
    r"response_format|structured_outputs|guided_|json_schema|unsupported.{0,20}schema|grammar",
    re.IGNORECASE,
)
WAITS, PASSES = (429, 503, 529), (408, 409, 425, 500, 502, 504, 520, 521, 522, 523, 524)

REMEDIES = {
    "key": "set {key_env} in the environment, never in a file; another name: {named}_connection.key_env",
    "forbidden": "ask the provider what is missing (region, plan, a header): {named}_connection.headers",
    "path": "check {named}_url (it usually ends in /v1) and {named}_model; `ftkit doctor --endpoint URL` lists the models",
    "gone": "name a model that the provider still serves: {named}_model",
    "money": "raise the quota or the budget at the provider, then run the same command again",
    "moved": "use the address that it names: {named}_url",
    "option": "correct {named}_connection.options",
    "format": "set {constrained} to false: it is then asked for free answers",
    "context": "use shorter prompts or fewer passages, or a model with a longer context",
    "request": "`ftkit doctor --endpoint URL --model NAME` shows what the server understands; fields of the request: {named}_connection.options",
    "name": "check the host in {named}_url; behind a proxy: {named}_connection.proxy or HTTPS_PROXY",
    "closed": "start the server or check {named}_url; then the same command asks only for the missing answers",
    "tls": "name your certificate authority: {named}_connection.ca, or correct http/https in {named}_url",
    "proxy": "correct {named}_connection.proxy or HTTPS_PROXY; NO_PROXY names hosts without one",
    "timeout": "raise {named}_connection.timeout_s, or lower {named}_connection.concurrency",
    "lost": "look into the server's log; then the same command asks only for the missing answers",
    "server": "look at the provider's status page; then the same command asks only for the missing answers",
    "throttled": "lower {named}_connection.concurrency or raise {named}_connection.patience_s; the same command asks only for the missing answers",
    "cut_off": "raise {named}_connection.thought_tokens for a model that thinks, else {named}_connection.answer_tokens; {{reasoning_effort: low}} in its options makes it think less",
    "filtered": "ask the provider to relax its content filter for this use, or leave these questions out",
    "empty": "ask the model by hand; a thinking model may need {named}_connection.thought_tokens or another prompt",
    "malformed": "check that {named}_url is an OpenAI-compatible API (it usually ends in /v1) and not a web page",
    "not_delivered": "look at the provider's status page; then the same command asks only for the missing answers",
}
"""What to do about each cause."""
STOPS = ("key", "forbidden", "path", "gone", "money", "moved", "option", "format", "name", "tls")
"""Causes that all requests would meet: the first one ends the run."""
FOUND = {
    "key": "the endpoint refuses the key",
    "forbidden": "the endpoint forbids this request",
    "path": "the endpoint knows no such path or model",
    "gone": "the endpoint no longer serves this model",
    "money": "the account's quota or budget is used up",
    "moved": "the endpoint sends requests to another address",
    "option": "the endpoint does not take a field of the request",
    "format": "the endpoint does not take this response format",
    "context": "the prompt does not fit the model's context",
    "request": "the endpoint refuses the request",
    "name": "the host's name is not known",
    "closed": "nothing answers at this address",
    "tls": "the secure connection fails",
    "proxy": "the proxy does not let the request through",
    "timeout": "the endpoint does not answer in time",
    "lost": "the connection is lost before the answer is there",
    "server": "the endpoint fails",
    "throttled": "the endpoint takes no more requests for now",
    "cut_off": "the answers run out of room",
    "filtered": "the provider withholds the answers",
    "empty": "the answers are empty",
    "malformed": "the replies are no chat completions",
    "not_delivered": "the provider ends the answers with an error",
}
"""Each cause in words."""


@dataclass(frozen=True)
class Fault:
    """An error of a server.

    Attributes:
        kind: Key of ``REMEDIES``.
        detail: The server's own words.
        outcome: What it makes of the answer.
        again: Whether another try can help.
    """

    kind: str
    detail: str
    outcome: Outcome = "not_delivered"
    again: bool = False


def error_in(response: Response) -> tuple[int, str] | None:
    """Return status and words of an error; None where the reply is none. An error object with status 200 counts as one."""
    body = response.body or {}
    error = body.get("error") or (body if response.status >= 400 else None)
    choices = body.get("choices")
    if response.status < 300 and (not body.get("error") or choices):
        return None
    words = _words(error) or response.text
    status = response.status
    if status < 300:
        code = error.get("code") if isinstance(error, dict) else None
        code = code if isinstance(code, int) else body.get("status")
        status = code if isinstance(code, int) and 400 <= code < 600 else _status_of(words)
    return status, f"HTTP {response.status}: {words}"


def _words(error: Any) -> str:
    if isinstance(error, str):
        return error
    if not isinstance(error, dict):
        return ""
    names = ("message", "detail", "code", "type", "param", "status", "metadata", "innererror")
    parts = [error.get(name) for name in names if error.get(name)]
    return "; ".join(str(part) for part in parts)


def _status_of(words: str) -> int:
    lower = words.lower()
    for status, marks in (
        (429, ("rate limit", "rate_limit", "too many requests")),
        (503, ("overloaded", "unavailable", "capacity")),
        (401, ("invalid api key", "incorrect api key", "unauthorized")),
    ):
        if any(mark in lower for mark in marks):
            return status
    return 500


def fault_of(status: int, words: str, *, waits: bool = False) -> Fault:
    """Return what an error means.

    Args:
        status: HTTP status.
        words: The server's own.
        waits: Whether it says how long to wait, so that a quota is one that passes.
    """
    if 300 <= status < 400:
        return Fault("moved", words)
    if status == 402 or (status in (400, 403, 429) and MONEY.search(words) and not waits):
        return Fault("money", words)
    if status == 401 or (
        status == 400 and re.search(r"api.?key.{0,30}(?:not valid|invalid)", words, re.I)
    ):
        return Fault("key", words)
    if status in (400, 403, 422, 451) and POLICY.search(words):
        return Fault("filtered", words, "filtered")
    if status == 403:
        return Fault("key" if KEY.search(words) else "forbidden", words)
    if status in (404, 410):
        return Fault("gone" if status == 410 or GONE.search(words) else "path", words)
    if status in WAITS:
        return Fault("throttled", words, again=True)
    if status in PASSES or status >= 500:
        return Fault("server", words, again=True)
    if status == 413 or CONTEXT.search(words):
        return Fault("context", words)
    if OWN_MODES.search(words):
        return Fault("format", words)
    return Fault("request", words)
