"""What a server understands, found by a few requests of fixed words: no data of a run is sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ftkit.core.errors import FtkitError
from ftkit.core.records.prompting import ResponseFormat
from ftkit.models.chat import Messages
from ftkit.models.endpoint.model import PATH, Endpoint, EndpointModel
from ftkit.models.endpoint.transport import Unreached

ASKED: Messages = [
    {"role": "system", "content": "Reply with one word."},
    {"role": "user", "content": "Say yes."},
]
SCHEMA = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}


@dataclass
class Trait:
    """One thing that a server does or does not do.

    Attributes:
        name: What was tried.
        text: What came of it.
        fine: Whether it is as most servers do it.
    """

    name: str
    text: str
    fine: bool = True


def profile(endpoint: Endpoint, cache: Path | None = None) -> list[Trait]:
    """Return what a server understands; about five requests of a few tokens each.

    Args:
        endpoint: What is asked.
        cache: File that keeps the replies, so that they stand on the bill; None: they are not kept.

    Raises:
        BadInput: The address, the model or the connection cannot be used.
        FtkitError: The server gives no answer.
    """
    terms = replace(endpoint, role=f"profile of the {endpoint.named.rpartition('.')[2]}")
    model = EndpointModel(terms, cache=cache, notice=lambda text: None)
    model.cache.answers.clear()  # a server may have changed since: what it answers now counts
    traits = [_models(model)] if endpoint.model else []
    reply = model.answer([ASKED])[0]
    if not reply.is_answer:
        raise FtkitError(
            f"the endpoint gives no answer: {reply.outcome}, {reply.detail}",
            where=endpoint.url,
            todo="see docs/endpoints.md for what each provider needs",
        )
    d = model.dialect
    traits += [
        Trait("Answer", f"{reply.text[:40]!r} after {reply.seconds:.2f} s"),
        Trait("System role", "taken" if d.system else "refused: sent within the user's", d.system),
        Trait("Content", "as list of parts" if d.parts else "as text"),
        Trait("Room", f"{d.limit}" + (f", at least {d.least}" if d.least > 1 else "")),
        Trait("Temperature 0", "taken" if d.temperature else "refused: left away", d.temperature),
        Trait("Stream", "the only way" if d.stream else "not needed", not d.stream),
        Trait("Thinks first", f"{reply.thought_tokens} tokens" if d.thinks else "no"),
        Trait(
            "Usage",
            "absent or impossible: tokens are estimated"
            if reply.estimated
            else f"{reply.prompt_tokens} prompt, {reply.completion_tokens} answer tokens",
            not reply.estimated,
        ),
        Trait(
            "Log probabilities",
            "told" if reply.confidence == reply.confidence else "not told: no confidence",
            reply.confidence == reply.confidence,
        ),
    ]
    forms = {
        "JSON Schema": ResponseFormat(kind="json_schema", value=SCHEMA),
        "Choice of labels": ResponseFormat(kind="choice", value=["yes", "no"]),
    }
    return [*traits, *(_form(model, name, form) for name, form in forms.items())]


def _models(model: EndpointModel) -> Trait:
    try:
        response = model.transport.get("models")
    except Unreached as error:
        return Trait("Models", f"not listed: {error.detail}", False)
    listed: Any = (response.body or {}).get("data")
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    if not rows:
        return Trait("Models", f"not listed (HTTP {response.status})", False)
    mine = next((row for row in rows if row.get("id") == model.name), None)
    names = ", ".join(str(row.get("id")) for row in rows[:8])
    if mine is None:
        return Trait("Models", f"'{model.name}' is not among {len(rows)}: {names}", False)
    lengths = ("max_model_len", "context_length", "context_window")
    context = next((mine[name] for name in lengths if mine.get(name)), "")
    return Trait("Models", f"lists '{model.name}'" + (f", context {context}" if context else ""))


def _form(model: EndpointModel, name: str, form: ResponseFormat) -> Trait:
    try:
        response = model.transport.post(PATH, model.dialect.body(ASKED, form))
    except Unreached as error:
        return Trait(name, error.detail, False)
    model.count(response, ASKED)
    if response.status >= 400:
        return Trait(name, f"refused: {model.transport.masked(response.text)[:120]}", False)
    return Trait(name, "taken; whether answers keep to it shows in 03")
