"""A reply is classified before it is an answer: how it ended, its text, its thought, its tokens by kind."""

from __future__ import annotations

import math
from typing import Any

from ftkit.core.records.strategy import Outcome
from ftkit.models.chat import Messages, Reply
from ftkit.models.thinking import split
from ftkit.models.tool_forms import tools_of
from ftkit.scoring.tool_calls import ToolAnswer, calls_of

CHARACTERS_PER_TOKEN = 4  # usual for English; only used where a server tells no usable usage
MOST_PER_TOKEN = 12  # characters; a mean above it is impossible in any language
CUT = ("length", "max_tokens", "model_length", "model_context_window_exceeded", "max_output_tokens")
FILTERED = (
    *("content_filter", "content-filter", "safety", "recitation", "blocklist", "spii"),
    *("prohibited_content", "sensitive", "moderation", "guardrail_intervened"),
)
LOST = ("error", "abort", "aborted", "incomplete", "cancelled", "network_error", "other")
CALLS = ("tool_calls", "function_call", "tool_use", "malformed_function_call")
THOUGHTS = ("reasoning_content", "reasoning", "thinking")
ANSWER_PARTS, THOUGHT_PARTS = ("text", "output_text", ""), ("thinking", "reasoning", "thought")


def reply_of(body: dict[str, Any] | None, raw: str, messages: Messages, seconds: float) -> Reply:
    """Return a reply with status 200 as what it is.

    Args:
        body: Its JSON object; None: it is none.
        raw: The body as text, for the detail.
        messages: What was asked, for estimates.
        seconds: From the request to the last byte.
    """
    choices = body.get("choices") if body else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        detail = "no JSON object" if body is None else "no choices"
        reply = Reply("", seconds=seconds, outcome="malformed", detail=f"{detail}: {_short(raw)}")
        return _with_usage(reply, body, messages)
    message = choice.get("message")
    message = message if isinstance(message, dict) else {"content": choice.get("text")}
    content, thought = _content(message.get("content"))
    told = [str(message[name]) for name in THOUGHTS if isinstance(message.get(name), str)]
    found = split(content or "")
    thought = "\n".join(part for part in (*told[:1], thought, found.thought) if part.strip())
    text = found.answer
    if tools_of(messages):
        message, choice, text = _called(message, choice, text)
    outcome, detail = _ended(choice, message, content, text, found.closed)
    if outcome == "refused":
        text = text or str(message.get("refusal"))
    reply = Reply(text, seconds=seconds, outcome=outcome, detail=detail, thought=thought.strip())
    reply.confidence = _confidence(choice)
    return _with_usage(reply, body, messages)


def _called(
    message: dict[str, Any], choice: dict[str, Any], text: str
) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Return a reply to declared functions with the answer's JSON as its text; calls that cannot be read stay."""
    try:
        calls = calls_of(message)
    except ValueError:
        return message, choice, text
    ended = (
        choice if choice.get("finish_reason") not in CALLS else choice | {"finish_reason": "stop"}
    )
    rest = {k: v for k, v in message.items() if k not in ("tool_calls", "function_call")}
    return rest, ended, ToolAnswer(calls, text).text() if calls or text else ""


def _content(content: Any) -> tuple[str | None, str]:
    """Return text and thought of a content: a text, or a list of parts; None where it is neither."""
    if content is None:
        return "", ""
    if isinstance(content, str):
        return content, ""
    if not isinstance(content, list):
        return None, ""
    texts, thoughts = list[str](), list[str]()
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            kind = str(part.get("type") or "")
            value = part.get("text") or part.get("content") or part.get(kind) or ""
            value = value if isinstance(value, str) else (_content(value)[0] or "")
            (thoughts if kind in THOUGHT_PARTS else texts).append(
                value if kind in (*ANSWER_PARTS, *THOUGHT_PARTS) else ""
            )
        else:
            return None, ""
    return "".join(texts), "\n".join(thoughts)


def _ended(
    choice: dict[str, Any], message: dict[str, Any], content: str | None, text: str, closed: bool
) -> tuple[Outcome, str]:
    finish = str(choice.get("finish_reason") or "").lower()
    native = str(choice.get("native_finish_reason") or "").lower()
    told = f"finish_reason {finish or 'missing'}" + (f" ({native})" if native else "")
    if isinstance(choice.get("error"), dict):
        return "not_delivered", _short(str(choice["error"].get("message") or choice["error"]))
    if finish in FILTERED or native in FILTERED:
        return "filtered", told
    if finish in LOST:
        return "not_delivered", told
    if finish in CUT or (not closed and not finish):
        return "cut_off", told
    if message.get("refusal") or finish == "refusal":
        return "refused", _short(str(message.get("refusal") or told))
    calls = message.get("tool_calls") or message.get("function_call")
    if finish in CALLS or (calls and not text):
        return "malformed", "it called a tool that nobody offered"
    if content is None:
        return (
            "malformed",
            f"its content is neither text nor parts but {_short(str(message['content']))}",
        )
    if not closed:
        return "cut_off", "its thought came to no end"
    return ("answered", "") if text else ("empty", told)


def _with_usage(reply: Reply, body: dict[str, Any] | None, messages: Messages) -> Reply:
    """Add tokens by kind; what is absent or impossible is estimated and marked so."""
    usage = (body or {}).get("usage")
    usage = usage if isinstance(usage, dict) else {}
    read = _count(usage, "prompt_tokens", "input_tokens")
    written = _count(usage, "completion_tokens", "output_tokens")
    total = _count(usage, "total_tokens")
    thought = _detail(usage, "completion_tokens_details", "reasoning_tokens") or _detail(
        usage, "output_tokens_details", "reasoning_tokens"
    )
    cached = _detail(usage, "prompt_tokens_details", "cached_tokens")
    if read and written is not None and total and total > read + written:
        written = total - read  # some count thoughts beside the answer's tokens
    elif written is not None and thought > written:
        written += thought
    length = len(reply.text) + len(reply.thought)
    billed = bool(usage) or reply.outcome not in ("malformed", "not_delivered")
    if not billed:
        return reply
    if not read:
        sent = sum(len(m["content"]) + len(m.get("tools", "")) for m in messages)
        read, reply.estimated = -(-sent // CHARACTERS_PER_TOKEN), True
    if written is None or written * MOST_PER_TOKEN < length:
        written, reply.estimated = -(-length // CHARACTERS_PER_TOKEN), True
    reply.prompt_tokens, reply.completion_tokens = read, written
    reply.cached_tokens = min(cached, read)
    if thought or not reply.thought:
        reply.thought_tokens = min(thought, written)
    else:
        reply.thought_tokens = round(written * len(reply.thought) / max(1, length))
    return reply


def _count(usage: dict[str, Any], *names: str) -> int | None:
    for name in names:
        value = usage.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return int(value) if math.isfinite(value) and value >= 0 else None
    return None


def _detail(usage: dict[str, Any], group: str, name: str) -> int:
    inner = usage.get(group)
    return (_count(inner, name) if isinstance(inner, dict) else _count(usage, name)) or 0


def _confidence(choice: dict[str, Any]) -> float:
    """Return the probability of all tokens that a server tells, 0..1; NaN where it tells none."""
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    values = (
        [t.get("logprob") if isinstance(t, dict) else None for t in tokens]
        if isinstance(tokens, list)
        else []
    )
    numbers = [float(v) for v in values if isinstance(v, int | float) and v <= 1e-6]
    if not numbers or len(numbers) < len(values):
        return math.nan
    return math.exp(min(0.0, math.fsum(numbers)))


def _short(text: str) -> str:
    return " ".join(text.split())[:200]
