"""Conversations to token ids and labels: loss on the answer only, its end token included."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from ftkit.core.errors import BadInput
from ftkit.models.chat import Messages
from ftkit.models.thinking import THOUGHTS, Split, split
from ftkit.models.tokens import encode, fit, form, template, tool_form, turn_ends
from ftkit.models.tool_forms import tools_of
from ftkit.scoring.tool_calls import read_answer

IGNORED = -100
Thoughts = Literal["learn", "drop", "refuse"]


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
    thoughts: Thoughts = "drop",
) -> list[Encoded]:
    """Encode all conversations of (messages, answer, example id).

    Args:
        tokenizer: The model's tokenizer.
        conversations: What to learn.
        max_length: Longest example in tokens.
        context: Tokens that the model can see at all; 0: not known.
        thoughts: What becomes of thoughts before the answers: ``learn`` (the prompt then asks for thinking), ``drop`` or
            ``refuse``.

    Raises:
        BadInput: ``max_length`` is above the context, or answers do not fit or have thoughts that are refused (up to five
            are named, all are counted).
    """
    if context and max_length > context:
        raise BadInput(
            f"max_length {max_length} is above the model's context of {context} tokens",
            where="training.max_length",
            todo=f"set it to at most {context}",
        )
    if thoughts == "refuse":
        _refuse_thoughts(conversations)
    found = [
        encode_conversation(tokenizer, messages, answer, max_length, row_id, thoughts)
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


def _refuse_thoughts(conversations: Sequence[tuple[Messages, str, str]]) -> None:
    thinking = [row_id for _, answer, row_id in conversations if split(answer).thought]
    if thinking:
        raise BadInput(
            f"{len(thinking)} answers have a thought before them: {', '.join(thinking[:5])}",
            where="training.thoughts",
            todo="set training.thoughts to drop or learn, or take the thoughts out of the data",
        )


def encode_conversation(
    tokenizer: Any,
    messages: Messages,
    answer: str,
    max_length: int,
    row_id: str = "",
    thoughts: Thoughts = "drop",
) -> Encoded:
    """Encode one prompt and its answer.

    The prompt is encoded exactly as for answering, so that training and answering see the same tokens; what is too long
    is cut from the prompt, never from the answer. An answer that leaves no room comes back longer than ``max_length``.
    """
    thinking = "on" if thoughts == "learn" else "off"
    target = answer_ids(tokenizer, messages, answer, thoughts)
    room = max_length - len(target)
    if room < 1:
        prompt = encode(tokenizer, messages, thinking)
        return Encoded([*prompt[-1:], *target], [IGNORED, *target], len(prompt) - 1, row_id)
    prompt, cut = fit(tokenizer, messages, room, thinking)
    return Encoded(prompt + target, [IGNORED] * len(prompt) + target, cut, row_id)


def answer_ids(
    tokenizer: Any, messages: Messages, answer: str, thoughts: Thoughts = "drop"
) -> list[int]:
    """Return the tokens that the model must write after its prompt: the answer up to and with the end of its turn.

    They are what the chat template writes after the prompt: channels before the answer, too, and the end of a thought that
    the prompt has opened.
    """
    thinking = "on" if thoughts == "learn" else "off"
    parts = split(answer)
    if parts.thought and thoughts != "learn":
        parts = Split(parts.answer)
    elif not parts.thought:
        parts = Split(answer)
    before = template(tokenizer, messages, add_generation_prompt=True, thinking=thinking)
    turn: dict[str, Any] = {"role": "assistant", "content": parts.answer}
    called = read_answer(parts.answer) if tools_of(messages) else None
    if (
        called is not None
    ):  # the turn holds the answer's JSON; the template writes it in its own form
        parts = replace(parts, answer=tool_form(tokenizer).write(called))
    if parts.thought:
        turn |= {"reasoning_content": parts.thought, "thinking": parts.thought}
    whole = template(tokenizer, [*messages, turn], thinking=thinking)
    written = whole[len(before) :] if whole.startswith(before) else ""
    if parts.answer not in written or parts.thought not in written:
        opened = form(tokenizer, thinking).opened
        written_by = str(tokenizer.chat_template)
        begin, end = next((pair for pair in THOUGHTS if pair[1] in written_by), THOUGHTS[0])
        thought = f"{'' if opened else begin}\n{parts.thought}\n{end}\n\n".lstrip("\n")
        thought = thought if opened or parts.thought else ""
        written = thought + parts.answer
    at = written.rfind(parts.answer) + len(parts.answer)
    return _after(tokenizer, before, written[:at] + _turn_end(tokenizer, written[at:]))


def _turn_end(tokenizer: Any, after: str) -> str:
    """Return what ends a turn, of the text that a template writes after an answer: its first end token, and those that
    follow it directly."""
    ends = [tokenizer.eos_token, *tokenizer.convert_ids_to_tokens(sorted(turn_ends(tokenizer)))]
    places = [(after.find(end), end) for end in ends if end in after]
    if not places:
        return after.rstrip() + ends[-1]
    at, end = min(places)
    until, added = at + len(end), tuple(tokenizer.get_added_vocab())
    while more := next((name for name in added if name and after.startswith(name, until)), ""):
        until += len(more)
    return after[:until]


def _after(tokenizer: Any, before: str, written: str) -> list[int]:
    """Return the tokens of what stands after a prompt; by themselves where the joint falls inside a token."""
    first, both = (
        tokenizer(text, add_special_tokens=False)["input_ids"]
        for text in (before, before + written)
    )
    if both[: len(first)] == first:
        return both[len(first) :]
    return tokenizer(written, add_special_tokens=False)["input_ids"]


def loss_sample(tokenizer: Any, example: Encoded, last: int = 120) -> list[tuple[str, bool]]:
    """Return the last tokens of an example as text, each with whether it is in the loss."""
    pairs = list(zip(example.input_ids, example.labels, strict=True))[-last:]
    return [(tokenizer.decode([token]), label != IGNORED) for token, label in pairs]
