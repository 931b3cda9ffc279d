"""From messages to token ids: the same for answering and for training, with the system turn kept when a prompt is too long."""

from __future__ import annotations

from typing import Any

from ftkit.core.errors import BadInput
from ftkit.models.chat import Messages

TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<|end|>", "<end_of_turn>", "</s>")


def encode(tokenizer: Any, messages: Messages) -> list[int]:
    """Return the token ids of a prompt, ready for the answer to follow.

    Raises:
        BadInput: The chat template refuses these turns, e.g. a system turn.
    """
    text = template(tokenizer, messages, add_generation_prompt=True)
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def template(tokenizer: Any, messages: Messages, *, add_generation_prompt: bool = False) -> str:
    """Return messages as the model's chat template writes them; a system turn that it refuses goes before the first user turn."""
    from jinja2.exceptions import TemplateError

    def write(turns: Messages) -> str:
        return tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=add_generation_prompt
        )

    try:
        return write(messages)
    except TemplateError as error:
        merged = _merged(messages)
        if merged == messages:
            raise BadInput(
                f"the chat template refuses the turns: {error}",
                where="chat template",
                todo="try another model",
            ) from error
    try:
        return write(merged)
    except TemplateError as error:
        raise BadInput(
            f"the chat template refuses the turns: {error}",
            where="chat template",
            todo="try another model",
        ) from error


def _merged(messages: Messages) -> Messages:
    if len(messages) < 2 or messages[0]["role"] != "system":
        return messages
    first = {
        "role": messages[1]["role"],
        "content": f"{messages[0]['content']}\n\n{messages[1]['content']}",
    }
    return [first, *messages[2:]]


def turn_ends(tokenizer: Any) -> set[int]:
    """Return the tokens with which the chat template ends a turn; some checkpoints name another one as ``eos_token``."""
    known, written = tokenizer.get_added_vocab(), str(tokenizer.chat_template)
    return {known[name] for name in TURN_ENDS if name in known and name in written}


def fit(tokenizer: Any, messages: Messages, room: int) -> tuple[list[int], int]:
    """Return the prompt's token ids cut to ``room``, and how many were cut.

    The system turn stays, and what follows it loses its front (the earliest turns, then the start of the question). A
    system turn that leaves less than a quarter of the room to the question loses its own end.
    """
    ids = encode(tokenizer, messages)
    if len(ids) <= room:
        return ids, 0
    head = min(_system_length(tokenizer, messages, ids), room - -(-room // 4))
    return ids[:head] + ids[len(ids) - (room - head) :], len(ids) - room


def _system_length(tokenizer: Any, messages: Messages, ids: list[int]) -> int:
    """Return how many tokens two prompts with the same system turn share at their front."""
    if messages[0]["role"] != "system":
        return 0
    other = encode(tokenizer, [messages[0], {"role": "user", "content": "\n"}])
    return next(
        (i for i, (a, b) in enumerate(zip(ids, other, strict=False)) if a != b),
        min(len(ids), len(other)),
    )
