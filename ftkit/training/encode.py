"""Conversations to token ids and labels: loss on the answer only, its end token included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ftkit.errors import BadInput

IGNORED = -100


@dataclass
class Encoded:
    """One training example.

    Attributes:
        input_ids: Token ids of prompt and answer.
        labels: The same ids where the loss counts, -100 elsewhere.
        cut: Prompt tokens left out at the front because the example was longer than ``max_length``.
    """

    input_ids: list[int]
    labels: list[int]
    cut: int


def encode_conversation(tokenizer: Any, messages: list[dict[str, str]], answer: str, max_length: int) -> Encoded:
    """Encode one prompt and its answer.

    The prompt is encoded exactly as at inference (``add_generation_prompt=True``), so that training and answering see
    the same tokens. What is too long is cut at the front of the prompt, as at inference, never from the answer.

    Raises:
        BadInput: The answer alone is longer than ``max_length``, so nothing would be left to learn from.
    """
    prompt_text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    full_text = tokenizer.apply_chat_template([*messages, {"role": "assistant", "content": answer}], tokenize=False)
    if full_text.startswith(prompt_text):
        answer_text = full_text[len(prompt_text) :]
    else:
        answer_text = answer + tokenizer.eos_token
    prompt: list[int] = tokenizer(prompt_text, add_special_tokens=False)["input_ids"]
    target: list[int] = tokenizer(answer_text, add_special_tokens=False)["input_ids"]
    target = target[: _end(target, tokenizer.eos_token_id)] or target
    if tokenizer.eos_token_id not in target:
        target = [*target, tokenizer.eos_token_id]
    if len(target) >= max_length:
        raise BadInput(
            f"an answer has {len(target)} tokens, more than max_length {max_length}", where="training.max_length",
            todo=f"set training.max_length above {len(target)}",
        )  # fmt: skip
    cut = max(0, len(prompt) + len(target) - max_length)
    prompt = prompt[cut:]
    return Encoded(prompt + target, [IGNORED] * len(prompt) + target, cut)


def _end(target: list[int], eos: int) -> int:
    """Return the length of the answer up to and with its last end token; 0 if there is none."""
    return len(target) - target[::-1].index(eos) if eos in target else 0


def loss_sample(tokenizer: Any, example: Encoded, last: int = 120) -> list[tuple[str, bool]]:
    """Return the last tokens of an example as text, each with whether it is in the loss."""
    pairs = list(zip(example.input_ids, example.labels, strict=True))[-last:]
    return [(tokenizer.decode([token]), label != IGNORED) for token, label in pairs]
