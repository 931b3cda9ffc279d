"""A reply in OpenAI's form: finish reason, usage, log-probabilities, events, and what this server adds."""

from __future__ import annotations

import json
import math
import time
import uuid
from dataclasses import replace
from typing import Any

from fastapi.responses import Response

from ftkit.deployment.served_strategy import Asked, Served
from ftkit.deployment.server.passing import Routed
from ftkit.deployment.server.requests import ChatRequest, Refused
from ftkit.models.chat import Reply


def cut(served: Served, reply: Reply, limit: int | None, large: bool = False) -> tuple[Reply, str]:
    """Return the reply within the client's limit, and why it ended; a large model's tokens are those of its own server."""
    if large and (not limit or reply.completion_tokens <= limit):
        return reply, "stop"
    if limit and length_in_tokens(served, reply) > limit and served.tokenizer is not None:
        ids = served.tokenizer(reply.text, add_special_tokens=False)["input_ids"][:limit]
        return replace(reply, text=served.tokenizer.decode(ids), completion_tokens=limit), "length"
    return reply, finish_reason(served, reply)


def finish_reason(served: Served, reply: Reply) -> str:
    """Return why a reply ended, in OpenAI's words."""
    return "length" if length_in_tokens(served, reply) >= served.bundle.max_new_tokens else "stop"


def length_in_tokens(served: Served, reply: Reply) -> int:
    """Return the tokens of the answer itself; where it was voted on, the reply counts those of all draws."""
    if served.bundle.spec.votes and served.local is not None:
        return len(served.local.tokenizer(reply.text, add_special_tokens=False)["input_ids"]) + 1
    return reply.completion_tokens


def logprobs(served: Served, given: Asked, reply: Reply) -> dict[str, Any]:
    """Return the log-probability of each token of an answer, in OpenAI's form."""
    model: Any = served.model
    if given.version != served.version:
        raise Refused(
            "another version serves since this was answered: ask again",
            status=503,
            code="unavailable",
        )
    if not hasattr(model, "logprobs"):
        raise Refused("the model behind this server tells no logprobs", "logprobs")
    pairs = model.logprobs(given.messages, reply.text)
    return {
        "content": [
            {"token": t, "logprob": v, "bytes": list(t.encode()), "top_logprobs": []}
            for t, v in pairs
        ]
    }


def common(asked: ChatRequest, kind: str) -> dict[str, Any]:
    """Return what a whole reply and each of its events begin with."""
    return {
        "id": f"chatcmpl-{uuid.uuid4().hex}",
        "object": kind,
        "created": int(time.time()),
        "model": asked.model,
    }


def extensions(
    served: Served, given: Asked, reply: Reply, routed: Routed | None = None
) -> dict[str, Any]:
    """Return what this server adds to OpenAI's form, under ``ftkit``."""
    return (
        sureness(given, reply, routed)
        | (routed.shown() if routed else {})
        | {
            "version": given.version,
            "passages": [p.id for p in given.passages],
            "prompt_sha256": served.prompt_sha256(given.messages),
            "cut_tokens": reply.cut_tokens,
        }
    )


def sureness(given: Asked, reply: Reply, routed: Routed | None = None) -> dict[str, Any]:
    """Return how sure the model was, and whether the answer needs no person's look; both None where that is not known.

    Of a cascade it is the small model's confidence, whoever answers.
    """
    if routed is not None and routed.passed:
        sure = routed.small.confidence
        return {"confidence": None if math.isnan(sure) else round(sure, 6), "alone": None}
    if math.isnan(reply.confidence):
        return {"confidence": None, "alone": None}
    known = given.allowed_wrong is not None
    return {
        "confidence": round(reply.confidence, 6),
        "alone": (given.alone_from is not None and reply.confidence >= given.alone_from)
        if known
        else None,
    }


def usage(reply: Reply) -> dict[str, int]:
    """Return the tokens of a reply, in OpenAI's form."""
    return {
        "prompt_tokens": reply.prompt_tokens,
        "completion_tokens": reply.completion_tokens,
        "total_tokens": reply.prompt_tokens + reply.completion_tokens,
    }


def event(head: dict[str, Any], delta: dict[str, Any], finish: str | None = None) -> str:
    """Return one server-sent event of a stream."""
    return (
        "data: "
        + json.dumps(head | {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
        + "\n\n"
    )


def as_events(
    asked: ChatRequest, reply: Reply, finish: str, more: dict[str, Any], routed: Routed | None
) -> Response:
    """Return a cascade's answer as a stream of one piece: who answers is known only when the small model has."""
    head = common(asked, "chat.completion.chunk")
    events = [
        event(head, {"role": "assistant", "content": ""}),
        event(head, {"content": reply.text}),
        event(head | {"ftkit": more}, {}, finish),
        "data: [DONE]\n\n",
    ]
    headers = routed.headers() if routed else None
    return Response("".join(events), media_type="text/event-stream", headers=headers)
