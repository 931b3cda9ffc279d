"""Conversations to token ids and labels: loss on the answer only, its end token included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.models.chat import Messages
from ftkit.models.tokens import encode, fit, template, turn_ends

IGNORED = -100


@dataclass
class Encoded:
    """One training example.

    Attributes:
        input_ids: Token ids of prompt and answer.
        labels: The same ids where the loss counts, -100 elsewhere.
        cut: Prompt tokens left out because the example was longer than ``max_length``.
        id: Id of the example, for messages; empty for general ones.
    """

    input_ids: list[int]
    labels: list[int]
    cut: int
    id: str = ""


def encode_all(
    tokenizer: Any,
    conversations: Sequence[tuple[Messages, str, str]],
    max_length: int,
    context: int = 0,
) -> list[Encoded]:
    """Encode all conversations of (messages, answer, example id).

    Args:
        tokenizer: The model's tokenizer.
        conversations: What to learn.
        max_length: Longest example in tokens.
        context: Tokens that the model can see at all; 0: not known.

    Raises:
        BadInput: ``max_length`` is above the context, or answers do not fit (up to five are named, all are counted).
    """
    if context and max_length > context:
        raise BadInput(
            f"max_length {max_length} is above the model's context of {context} tokens",
            where="training.max_length",
            todo=f"set it to at most {context}",
        )
    found = [
        encode_conversation(tokenizer, messages, answer, max_length, row_id)
        for messages, answer, row_id in conversations
    ]
    long = [(e.id, len(e.input_ids)) for e in found if len(e.input_ids) > max_length]
    if long:
        named = ", ".join(f"{row_id} ({length} tokens)" for row_id, length in long[:5])
        raise BadInput(
            f"{len(long)} answers leave no room for their prompt in max_length {max_length}: {named}",
            where="training.max_length",
            todo=f"set training.max_length above {max(length for _, length in long)}, or shorten these answers",
        )
    return found


def encode_conversation(
    tokenizer: Any, messages: Messages, answer: str, max_length: int, row_id: str = ""
) -> Encoded:
    """Encode one prompt and its answer.

    The prompt is encoded exactly as for answering, so that training and answering see the same tokens; what is too long
    is cut from the prompt, never from the answer. An answer that leaves no room comes back longer than ``max_length``.
    """
    target = answer_ids(tokenizer, messages, answer)
    room = max_length - len(target)
    if room < 1:
        prompt = encode(tokenizer, messages)
        return Encoded([*prompt[-1:], *target], [IGNORED, *target], len(prompt) - 1, row_id)
    prompt, cut = fit(tokenizer, messages, room)
    return Encoded(prompt + target, [IGNORED] * len(prompt) + target, cut, row_id)


def answer_ids(tokenizer: Any, messages: Messages, answer: str) -> list[int]:
    """Return the tokens that the model must write after its prompt: the answer up to and with its end token."""
    before = template(tokenizer, messages, add_generation_prompt=True)
    whole = template(tokenizer, [*messages, {"role": "assistant", "content": answer}])
    ids = _after(tokenizer, before, whole if whole.startswith(before) else before + answer)
    ends = {int(tokenizer.eos_token_id), *turn_ends(tokenizer)}
    places = [i for i, token in enumerate(ids) if token in ends]
    return ids[: places[-1] + 1] if places else [*ids, int(tokenizer.eos_token_id)]


def _after(tokenizer: Any, before: str, whole: str) -> list[int]:
    """Return the tokens of ``whole`` after those of ``before``; of the rest alone where the joint falls inside a token."""
    first, both = (
        tokenizer(text, add_special_tokens=False)["input_ids"] for text in (before, whole)
    )
    if both[: len(first)] == first:
        return both[len(first) :]
    return tokenizer(whole[len(before) :], add_special_tokens=False)["input_ids"]


def loss_sample(tokenizer: Any, example: Encoded, last: int = 120) -> list[tuple[str, bool]]:
    """Return the last tokens of an example as text, each with whether it is in the loss."""
    pairs = list(zip(example.input_ids, example.labels, strict=True))[-last:]
    return [(tokenizer.decode([token]), label != IGNORED) for token, label in pairs]
