"""From messages to token ids: the one place that writes a conversation by a chat template, for answering and for training.

A family's own switch turns thinking off or on; it is found from the template's text and by what it changes in a prompt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

from ftkit.core.errors import BadInput
from ftkit.core.records.strategy import Thinking
from ftkit.models import thinking as thoughts
from ftkit.models import tool_forms
from ftkit.models.chat import Messages

TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "</s>")
PROBE, ANSWER = "qzprobeq", "qzanswerq"
SWITCHES = ("enable_thinking", "thinking")
EFFORTS = ("reasoning_effort", "reasoning_strength", "thinking_effort")
LEAST, MOST = ("none", "minimal", "low"), ("high", "medium")


@dataclass(frozen=True)
class Form:
    """How a model's family writes a prompt under one setting of thinking.

    Attributes:
        arguments: Arguments of the chat template that ask for the setting.
        opened: Whether the prompt opens a thought, which the model must close before it answers.
        thinks: Whether the model may think under this setting, so that thoughts need room beside the answer.
        switchable: Whether the family can turn thinking off.
        parts: Whether turns are written as lists of parts (vision-language templates lose plain texts).
        ends: Tokens with which an answer's turn ends, the first of them first.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    opened: bool = False
    thinks: bool = False
    switchable: bool = False
    parts: bool = False
    ends: tuple[int, ...] = ()


_FORMS: WeakKeyDictionary[Any, dict[tuple[str, str], Form]] = WeakKeyDictionary()


def form(tokenizer: Any, thinking: Thinking = "off") -> Form:
    """Return how the tokenizer's family writes a prompt under a setting of thinking.

    Raises:
        BadInput: Thinking is asked of a family that cannot, or the template has no generation prompt or drops texts.
    """
    known, key = _FORMS.setdefault(tokenizer, {}), (str(tokenizer.chat_template), thinking)
    if key not in known:
        known[key] = _find_form(tokenizer, thinking)
    return known[key]


_TOOL_FORMS: WeakKeyDictionary[Any, dict[str, tool_forms.ToolForm]] = WeakKeyDictionary()


def tool_form(tokenizer: Any) -> tool_forms.ToolForm:
    """Return how the tokenizer's family writes tool calls."""
    known, key = _TOOL_FORMS.setdefault(tokenizer, {}), str(tokenizer.chat_template)
    if key not in known:
        how = form(tokenizer)

        def write(turns: Messages, tools: Any, prompt: bool) -> str | None:
            options = {"tools": tools, "add_generation_prompt": prompt}
            return _tried(tokenizer, turns, how, **options)

        ends = [*tokenizer.convert_ids_to_tokens(list(how.ends)), tokenizer.eos_token]
        known[key] = tool_forms.find(write, [e for e in ends if e], how.opened)
    return known[key]


def _find_form(tokenizer: Any, thinking: Thinking) -> Form:
    parts = _needs_parts(tokenizer)
    base = Form(parts=parts)
    text = str(tokenizer.chat_template)
    off, on = _switch(tokenizer, base)
    plain = _prompt(tokenizer, base) or ""
    _check_generation_prompt(tokenizer, base, plain)
    knows = thoughts.marked(text) or thoughts.opens(plain) or bool(on)
    arguments = {"off": off, "on": on, "auto": {}}[thinking]
    prompt = _prompt(tokenizer, Form(arguments=arguments, parts=parts)) or plain
    switchable = (bool(off) and not any(name in EFFORTS for name in off)) or _silent(off)
    if thinking == "on" and (not knows or (thoughts.closes(prompt) and not thoughts.opens(prompt))):
        raise BadInput(
            "thinking is asked of a model that cannot: its chat template neither opens a thought nor has a switch for it",
            where="thinking",
            todo="set thinking to off, or take a model that thinks",
        )
    silent = thoughts.closes(prompt) or (thinking == "off" and switchable)
    opened = thoughts.opens(prompt)
    ends = _ends(tokenizer, base)
    thinks = opened or (knows and not silent)
    return Form(arguments, opened, thinks, switchable, parts, ends)


def _check_generation_prompt(tokenizer: Any, base: Form, prompt: str) -> None:
    """Refuse a template that opens no assistant turn though it writes one with a header of its own.

    Raises:
        BadInput: The model would have to write the header itself.
    """
    asked = [{"role": "user", "content": PROBE}, {"role": "assistant", "content": ANSWER}]
    without = _tried(tokenizer, asked[:1], base) or ""
    header, mark, _ = (_tried(tokenizer, asked, base) or "").partition(ANSWER)
    if mark and prompt == without and re.search(r"\w", header.removeprefix(prompt)):
        raise BadInput(
            f"the chat template has no generation prompt: {header.removeprefix(prompt).strip()!r} is missing before an answer",
            where="chat template",
            todo="add it under {% if add_generation_prompt %}, or take the publisher's template",
        )


def _silent(off: dict[str, Any]) -> bool:
    return any(off.get(name) == "none" for name in EFFORTS)


def _needs_parts(tokenizer: Any) -> bool:
    """Return whether a template loses or refuses plain texts and takes lists of parts instead.

    Raises:
        BadInput: It loses both.
    """
    turns = [{"role": "user", "content": PROBE}]
    for parts in (False, True):
        if PROBE in (_tried(tokenizer, turns, Form(parts=parts)) or ""):
            return parts
    raise BadInput(
        "the chat template does not write the text of a user's turn",
        where="chat template",
        todo="try another model",
    )


def _prompt(tokenizer: Any, how: Form) -> str | None:
    turns = [{"role": "user", "content": PROBE}]
    return _tried(tokenizer, turns, how, add_generation_prompt=True)


def _tried(tokenizer: Any, turns: Messages, how: Form, **options: Any) -> str | None:
    """Return a conversation as written, or None where the template refuses it."""
    from jinja2.exceptions import TemplateError

    try:
        return _write(tokenizer, turns, how, **options)
    except (TemplateError, TypeError, ValueError):
        return None


def _write(tokenizer: Any, turns: Sequence[Any], how: Form, **options: Any) -> str:
    if how.parts:
        turns = [_in_parts(turn) for turn in turns]
    return tokenizer.apply_chat_template(turns, tokenize=False, **how.arguments, **options)


def _in_parts(turn: dict[str, Any]) -> dict[str, Any]:
    content = turn.get("content")
    return turn | {"content": [{"type": "text", "text": content}]} if content else turn


def _switch(tokenizer: Any, base: Form) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the template's arguments for thinking off and on; empty where it has none that change a prompt."""
    text = str(tokenizer.chat_template)
    for name in SWITCHES:
        if re.search(rf"\b{name}\b", text):
            off, on = (
                _prompt(tokenizer, Form(arguments={name: value}, parts=base.parts))
                for value in (False, True)
            )
            if off is not None and on is not None and off != on:
                return {name: False}, {name: True}
    for name in EFFORTS:
        if re.search(rf"\b{name}\b", text):
            least = next((v for v in LEAST if re.search(rf"['\"]{v}['\"]", text)), "low")
            most = next((v for v in MOST if re.search(rf"['\"]{v}['\"]", text)), "medium")
            off, on = (
                _prompt(tokenizer, Form(arguments={name: value}, parts=base.parts))
                for value in (least, most)
            )
            if off is not None and on is not None and off != on:
                return {name: least}, {name: most}
    return {}, {}


def _ends(tokenizer: Any, base: Form) -> tuple[int, ...]:
    """Return the tokens that the template writes after an answer: the first is what the model ends its turn with."""
    known = tokenizer.get_added_vocab()
    asked = [{"role": "user", "content": PROBE}, {"role": "assistant", "content": ANSWER}]
    for turns in (asked, [*asked, {"role": "user", "content": PROBE}]):
        _, mark, after = (_tried(tokenizer, turns, base) or "").rpartition(ANSWER)
        if mark and (found := _first_token(after, known)):
            return (known[found],)
    if mark and after:
        return ()  # it ends by plain text: eos_token alone ends an answer
    written = str(tokenizer.chat_template)
    return tuple(known[name] for name in TURN_ENDS if name in known and name in written)


def _first_token(text: str, known: dict[str, int]) -> str:
    """Return the added token that stands first in a text; an empty string if none does."""
    places = [(at, -len(name), name) for name in known if name and (at := text.find(name)) >= 0]
    return min(places)[2] if places else ""


def encode(tokenizer: Any, messages: Messages, thinking: Thinking = "off") -> list[int]:
    """Return the token ids of a prompt, ready for the answer to follow.

    Raises:
        BadInput: The chat template refuses these turns, e.g. a system turn.
    """
    text = template(tokenizer, messages, add_generation_prompt=True, thinking=thinking)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def template(
    tokenizer: Any,
    messages: Messages,
    *,
    add_generation_prompt: bool = False,
    thinking: Thinking = "off",
) -> str:
    """Return messages as the model's chat template writes them; a system turn that it refuses goes before the first user turn.

    Args:
        tokenizer: The model's tokenizer.
        messages: The conversation; functions that the model may call stand as JSON text under ``tools`` of its first turn.
        add_generation_prompt: Whether an answer of the model follows.
        thinking: Off and on by the family's own switch, where it has one; auto: as the template does by itself.

    Raises:
        BadInput: The template refuses the turns, or thinking is asked of a family that cannot.
    """
    from jinja2.exceptions import TemplateError

    how = form(tokenizer, thinking)
    options: dict[str, Any] = {"add_generation_prompt": add_generation_prompt}
    if messages and messages[0].get("tools"):
        turns, tools = tool_form(tokenizer).turns(messages)
        messages, options = turns, options | ({"tools": tools} if tools else {})
    merged = _merged(messages)
    try:
        return _write(tokenizer, messages, how, **options)
    except TemplateError as error:
        if merged == messages:
            raise _refused(error, messages) from error
    try:
        return _write(tokenizer, merged, how, **options)
    except TemplateError as error:
        raise _refused(error, messages) from error


def _refused(error: Exception, messages: Messages) -> BadInput:
    roles = ", ".join(dict.fromkeys(str(turn.get("role")) for turn in messages))
    return BadInput(
        f"the chat template refuses the turns ({roles}): {error}",
        where="chat template",
        todo="try another model",
    )


def _merged(messages: Messages) -> Messages:
    if len(messages) < 2 or messages[0]["role"] != "system":
        return messages
    first = {
        "role": messages[1]["role"],
        "content": f"{messages[0]['content']}\n\n{messages[1]['content']}",
    }
    return [first, *messages[2:]]


def turn_ends(tokenizer: Any) -> set[int]:
    """Return the tokens with which the chat template ends an answer; some checkpoints name another one as ``eos_token``."""
    return set(form(tokenizer).ends)


def fit(
    tokenizer: Any, messages: Messages, room: int, thinking: Thinking = "off"
) -> tuple[list[int], int]:
    """Return the prompt's token ids cut to ``room``, and how many were cut.

    The system turn stays, and what follows it loses its front (the earliest turns, then the start of the question). A
    system turn that leaves less than a quarter of the room to the question loses its own end.
    """
    ids = encode(tokenizer, messages, thinking)
    if len(ids) <= room:
        return ids, 0
    head = min(_system_length(tokenizer, messages, ids, thinking), room - -(-room // 4))
    return ids[:head] + ids[len(ids) - (room - head) :], len(ids) - room


def _system_length(tokenizer: Any, messages: Messages, ids: list[int], thinking: Thinking) -> int:
    """Return how many tokens two prompts with the same system turn share at their front."""
    if messages[0]["role"] != "system":
        return 0
    other = encode(tokenizer, [messages[0], {"role": "user", "content": "\n"}], thinking)
    return next(
        (i for i, (a, b) in enumerate(zip(ids, other, strict=False)) if a != b),
        min(len(ids), len(other)),
    )
