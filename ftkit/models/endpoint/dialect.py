"""How a server wants to be asked: what it refuses is left away or renamed, for all requests from then on."""

from __future__ import annotations

import re
import threading
from typing import Any

from ftkit.core.parameters.connection import Connection
from ftkit.core.records.prompting import ResponseFormat
from ftkit.models.chat import Messages
from ftkit.models.constrain import body_options
from ftkit.models.tool_forms import declared, openai_turns, tools_of

LEAST = re.compile(
    r"(?:>=|at least|greater than or equal to|minimum(?: value)?(?: is| of|:)?|below minimum value.*?)\s*(\d+)",
    re.IGNORECASE,
)
MOST = re.compile(
    r"(?:<=|at most|less than or equal to|maximum(?: value| number)?(?: is| of|:)?|supports? (?:up to|at most))\s*(\d+)",
    re.IGNORECASE,
)
LIMITS = ("max_completion_tokens", "max_tokens")
NOT_TAKEN = re.compile(
    r"unsupported|not support|unrecogni[sz]ed|unknown|unexpected|extra|invalid|not allowed|not permitted|"
    r"does not|must|only|require|conversation roles",
    re.IGNORECASE,
)


class Dialect:
    """The form of a request; it changes as the server refuses parts of it.

    Args:
        model: The model's name.
        answer_tokens: Room for the answer, in tokens.
        connection: Room for thoughts, and fields of the request as they are.
        confidence: Whether log probabilities are asked for.
    """

    def __init__(
        self, model: str, answer_tokens: int, connection: Connection, confidence: bool
    ) -> None:
        self.model, self.answer_tokens, self.connection = model, answer_tokens, connection
        self.limit, self.least, self.most = "max_tokens", 1, 1 << 30
        self.temperature, self.logprobs, self.stream_usage = True, confidence, True
        self.system, self.parts, self.stream, self.thinks = True, False, False, False
        self._renamed, self._lock = False, threading.Lock()

    @property
    def room(self) -> int:
        """Tokens that an answer may take, its thought included."""
        thought = self.connection.thought_tokens if self.thinks else 0
        return min(self.most, max(self.least, self.answer_tokens + thought))

    def body(
        self, messages: Messages, form: ResponseFormat | None, *, logprobs: bool = True
    ) -> dict[str, Any]:
        """Return the body of a request."""
        with self._lock:
            body: dict[str, Any] = {"model": self.model, "messages": self._messages(messages)}
            body |= {"tools": declared(tools)} if (tools := tools_of(messages)) else {}
            body[self.limit] = self.room
            body |= {"temperature": 0} if self.temperature else {}
            body |= {"logprobs": True} if self.logprobs and logprobs else {}
            if self.stream:
                body["stream"] = True
                body |= {"stream_options": {"include_usage": True}} if self.stream_usage else {}
            body |= body_options(form) if form else {}
            for name, value in self.connection.options.items():
                if value is None:
                    body.pop(name, None)
                else:
                    body[name] = value
            return body

    def _messages(self, messages: Messages) -> list[dict[str, Any]]:
        sent = [{k: v for k, v in m.items() if k != "tools"} for m in messages]
        sent = openai_turns(sent, text=True) if tools_of(messages) else sent
        if not self.system and sent and sent[0]["role"] == "system":
            first, rest = sent[0]["content"], sent[1:]
            if rest and rest[0]["role"] == "user":
                rest[0]["content"] = f"{first}\n\n{rest[0]['content']}"
            else:
                rest = [{"role": "user", "content": first}, *rest]
            sent = rest
        if self.parts:
            return [m | {"content": [{"type": "text", "text": m["content"]}]} for m in sent]
        return sent

    def drop_logprobs(self) -> None:
        """Ask for none from now on."""
        self.logprobs = False

    def think(self, sent: dict[str, Any]) -> bool:
        """Give room for thoughts from now on; return whether a request with this body had less than there is now."""
        with self._lock:
            self.thinks = True
            return int(sent.get(self.limit) or sent.get("max_tokens") or 0) < self.room

    def adapt(self, words: str, sent: dict[str, Any]) -> bool:
        """Change what a server refuses; return whether a request asked now differs from the one that was sent.

        Args:
            words: The server's own.
            sent: The body that it refused: another thread may have changed that part already.
        """
        text = words.lower()
        with self._lock:
            return (
                self._stream(text, sent)
                or self._limit(text, sent)
                or self._fields(text, sent)
                or self._roles(text, sent)
            )

    def _stream(self, text: str, sent: dict[str, Any]) -> bool:
        if "stream_options" in text and "stream_options" in sent:
            self.stream_usage = False
            return True
        wanted = re.search(
            r"stream.{0,60}(?:must|only|require|true)|(?:only|must).{0,40}stream", text
        )
        if wanted and "stream" not in sent:
            self.stream = True
            return True
        return False

    def _limit(self, text: str, sent: dict[str, Any]) -> bool:
        name = next((n for n in LIMITS if n in sent), "")
        if not name or "tokens" not in text:
            return False
        named = any(n in text for n in (*LIMITS, "max_output_tokens"))
        least, most = LEAST.search(text), MOST.search(text)
        if named and least and int(least[1]) > sent[name]:
            self.least = max(self.least, int(least[1]))
            return True
        if named and most and 0 < int(most[1]) < sent[name]:
            self.most = min(self.most, int(most[1]))
            return True
        other = LIMITS[1] if name == LIMITS[0] else LIMITS[0]
        if not re.search(rf"\b{name}\b", text) or not NOT_TAKEN.search(text):
            return False
        if self.limit == name:
            if self._renamed:
                return False
            self.limit, self._renamed = other, True
        return True

    def _fields(self, text: str, sent: dict[str, Any]) -> bool:
        if re.search("temperature", text) and "temperature" in sent:
            self.temperature = False
            return "temperature" not in self.connection.options
        if re.search("log.?prob", text) and "logprobs" in sent:
            self.logprobs = False
            return "logprobs" not in self.connection.options
        return False

    def _roles(self, text: str, sent: dict[str, Any]) -> bool:
        messages: list[dict[str, Any]] = sent["messages"]
        if (
            messages
            and messages[0]["role"] == "system"
            and re.search(r"system|developer|conversation roles", text)
            and re.search(r"role|instruction|message|prompt", text)
            and NOT_TAKEN.search(text)
        ):
            self.system = False
            return True
        wants = re.search(r"content.{0,60}(?:list|array|parts?\b|sequence)", text)
        if wants and messages and isinstance(messages[0]["content"], str):
            self.parts = True
            return True
        return False
