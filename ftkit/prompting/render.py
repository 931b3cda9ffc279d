"""From prompt, examples, passages and a text to chat messages. Texts are put in as they are, never through str.format."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ftkit.records import Passage, Prompt

Messages = list[dict[str, str]]
MARKERS = re.compile(r"<\|[^|<>\n]{1,40}\|>|</?s>|\[/?INST\]|<(?:start|end)_of_turn>|<(?:bos|eos|pad)>")


def neutral(text: str) -> str:
    """Break chat-template markers inside a text, so that no user text can end its turn or open another.

    ``<|end|>`` becomes ``< |end|>``: still readable, no longer a control token.
    """
    return MARKERS.sub(lambda found: found.group()[0] + " " + found.group()[1:], text)


def passage_block(passages: Sequence[Passage]) -> str:
    """Return passages as the model sees them: one a line, its source in brackets in front."""
    return "\n".join(f"[{p.source}] {p.title + '. ' if p.title else ''}{neutral(p.text)}" for p in passages)


def user_turn(text: str, passages: Sequence[Passage] | None) -> str:
    """Return the user's turn; None: no retriever; an empty list: the retriever found nothing, and that is said."""
    if passages is None:
        return neutral(text)
    return f"Passages:\n{passage_block(passages) or '(none found)'}\n\nMessage: {neutral(text)}"


def render(
    prompt: Prompt, text: str, passages: Sequence[Passage] | None = None, shots: Sequence[tuple[str, str]] = (),
) -> Messages:  # fmt: skip
    """Return the messages of one question.

    Args:
        prompt: System text; ``{input}`` in it is no placeholder, the text is always the last user turn.
        text: What the model is given.
        passages: Retrieved passages, best first; None without a retriever.
        shots: Input and right answer of few-shot examples, shown as earlier turns.
    """
    messages = [{"role": "system", "content": prompt.system}]
    for given, answer in shots:
        messages += [{"role": "user", "content": neutral(given)}, {"role": "assistant", "content": neutral(answer)}]
    return [*messages, {"role": "user", "content": user_turn(text, passages)}]
