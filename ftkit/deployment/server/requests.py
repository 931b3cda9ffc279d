"""What a client may ask, in OpenAI's form; what is not supported is refused by name, never passed over."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ftkit.core.records.prompting import ResponseFormat

HARMLESS = {
    "user",
    "metadata",
    "store",
    "seed",
    "service_tier",
    "parallel_tool_calls",
    "stream_options",
}
NEUTRAL: dict[str, Any] = {
    "n": 1,
    "temperature": 0,
    "top_p": 1,
    "presence_penalty": 0,
    "frequency_penalty": 0,
    "tools": [],
    "tool_choice": "none",
    "logit_bias": {},
    "stop": [],
    "top_logprobs": 0,
}


class Refused(Exception):
    """A request that cannot be answered.

    Args:
        message: What is wrong and what to do.
        param: The field.
        status: HTTP status.
        code: Short word for programs.
        retry_after_s: Seconds after which it is worth asking again; 0: not told.

    Attributes:
        model: Name of the strategy that was asked; empty where that is not known.
    """

    def __init__(
        self,
        message: str,
        param: str = "",
        status: int = 400,
        code: str = "invalid_request_error",
        retry_after_s: int = 0,
    ) -> None:
        super().__init__(message)
        self.message, self.param, self.status, self.code = message, param, status, code
        self.retry_after_s, self.model = retry_after_s, ""

    def body(self) -> dict[str, Any]:
        """Return the error as OpenAI's clients read it."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        return {
            "error": {
                "message": self.message,
                "type": kind,
                "param": self.param or None,
                "code": self.code,
            }
        }


class Part(BaseModel):
    """A part of a message's content."""

    type: str
    text: str = ""


class Turn(BaseModel):
    """One message."""

    model_config = ConfigDict(extra="ignore")
    role: str
    content: str | list[Part]

    def plain(self) -> str:
        """Return its text. Raises Refused where a part is none."""
        if isinstance(self.content, str):
            return self.content
        if any(part.type != "text" for part in self.content):
            raise Refused("only text is answered, no images, sound or files", "messages")
        return "".join(part.text for part in self.content)


class ChatRequest(BaseModel):
    """A chat completion's request."""

    model_config = ConfigDict(extra="allow")
    model: str
    messages: list[Turn] = Field(min_length=1)
    stream: bool = False
    logprobs: bool = False
    response_format: dict[str, Any] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)

    @property
    def limit(self) -> int | None:
        """The longest answer that the client wants, in tokens."""
        return self.max_completion_tokens or self.max_tokens


def read(body: Any) -> ChatRequest:
    """Return the request of a body.

    Raises:
        Refused: Naming the first field that does not fit or is not supported.
    """
    try:
        asked = ChatRequest.model_validate(body)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "body"
        raise Refused(f"{place}: {fault['msg']}", place) from error
    for name, value in (asked.model_extra or {}).items():
        if name in HARMLESS or value is None or value == NEUTRAL.get(name):
            continue
        if name in NEUTRAL:
            raise Refused(
                f"{name}={value!r} is not supported: this strategy answers as it was tested ({name}={NEUTRAL[name]!r})",
                name,
            )
        raise Refused(f"'{name}' is no parameter of this server", name)
    if asked.stream and asked.logprobs:
        raise Refused("logprobs are not given while streaming", "logprobs")
    return asked


def wanted_format(asked: ChatRequest) -> ResponseFormat | None:
    """Return what the client wants its answer held within; None: nothing beside what the strategy does itself.

    Raises:
        Refused: It is none of text, json_object and json_schema, or holds no schema.
    """
    given = asked.response_format or {"type": "text"}
    kind = given.get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return ResponseFormat(kind="json_schema", value={"type": "object"})
    schema = (
        (given.get("json_schema") or {}).get("schema")
        if isinstance(given.get("json_schema") or {}, dict)
        else None
    )
    if kind != "json_schema" or not isinstance(schema, dict):
        raise Refused(
            "response_format: give the type text, json_object, or json_schema with json_schema.schema",
            "response_format",
        )
    circle = _circle(schema)
    if circle:
        raise Refused(
            f"response_format: the $ref '{circle[:80]}' leads back to itself, so that it says nothing",
            "response_format",
        )
    return ResponseFormat(kind="json_schema", value=schema)


def _circle(schema: dict[str, Any]) -> str:
    """Return a ``$ref`` that leads back to itself with nothing between, or an empty string; each is followed once."""
    waiting: list[Any] = [schema]
    ending: set[str] = set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting += node
        if not isinstance(node, dict):
            continue
        waiting += node.values()
        followed: dict[str, None] = {}
        while isinstance(node, dict) and isinstance(ref := node.get("$ref"), str):
            if ref in followed:
                return ref
            if ref in ending:
                break
            followed[ref] = None
            node = _at(schema, ref)
        ending.update(followed)
    return ""


def _at(schema: Any, ref: str) -> Any:
    """Return what a pointer of this schema leads to; None where it leads elsewhere or nowhere."""
    if not ref.startswith("#"):
        return None
    for key in ref[1:].split("/")[1:]:
        name = key.replace("~1", "/").replace("~0", "~")
        schema = schema.get(name) if isinstance(schema, dict) else None
    return schema


def question(asked: ChatRequest) -> str:
    """Return the one text that the strategy is asked; prompt, examples and passages are its own.

    Raises:
        Refused: There is another turn than one of the user.
    """
    if [turn.role for turn in asked.messages] != ["user"]:
        raise Refused(
            "this model is a whole strategy with its own prompt: send one user message, or use the model's '-raw' name, "
            "which takes all messages as they are",
            "messages",
        )
    return asked.messages[0].plain()
