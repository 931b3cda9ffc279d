"""From prompt, examples, passages and a text to chat messages. Texts are put in as they are, never through str.format."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

from ftkit.core.errors import BadInput
from ftkit.core.records.prompting import Prompt
from ftkit.core.records.retrieval import Passage
from ftkit.models.tool_forms import with_tools

Messages = list[dict[str, str]]
MARKERS = re.compile(
    r"<[|｜][^|｜<>\n]{1,40}[|｜]>|</?s>|\[/?INST\]|<</?SYS>>|<(?:start|end)_of_(?:turn|utterance|image)>|<(?:bos|eos|pad|unk|mask)>"
    r"|\[/?(?:SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]"
)
PLACES = re.compile(r"\{(input|passages)\}")
NAMES = re.compile(r"\{([A-Za-z_]\w*)\}")


def neutral(text: str) -> str:
    """Break chat-template markers inside a text, so that no user text can end its turn or open another.

    ``<|end|>`` becomes ``< |end|>``: still readable, no longer a control token.
    """
    return MARKERS.sub(lambda found: found.group()[0] + " " + found.group()[1:], text)


def markers(texts: Iterable[str]) -> int:
    """Return how many chat-template markers ``neutral`` breaks in texts."""
    return sum(len(MARKERS.findall(text)) for text in texts)


def check_template(system: str, where: str) -> None:
    """Refuse a prompt with a place to fill that is not known. Braces around anything but one name are plain text.

    Raises:
        BadInput: Naming it and the known ones.
    """
    unknown = [name for name in NAMES.findall(system) if name not in ("input", "passages")]
    if unknown:
        raise BadInput(
            f"{{{unknown[0]}}} is no place to fill",
            where=where,
            todo="use {input} for the text and {passages} for what was found, or write it without braces",
        )


def passage_block(passages: Sequence[Passage]) -> str:
    """Return passages as the model sees them: one a line, its source in brackets in front."""
    return "\n".join(
        f"[{neutral(p.source)}] {neutral(p.title) + '. ' if p.title else ''}{neutral(' '.join(p.text.split()))}"
        for p in passages
    )


def user_turn(text: str, passages: Sequence[Passage] | None) -> str:
    """Return the user's turn; None: no retriever; an empty list: the retriever found nothing, and that is said."""
    if passages is None:
        return neutral(text)
    return f"Passages:\n{passage_block(passages) or '(none found)'}\n\nMessage: {neutral(text)}"


def _filled(template: str, text: str, passages: Sequence[Passage] | None) -> str:
    """Fill ``{input}`` and ``{passages}`` in one pass, so that such words inside a text stay text."""
    own_place = "{passages}" in template
    values = {
        "input": neutral(text) if own_place else user_turn(text, passages),
        "passages": passage_block(passages or []) or "(none)",
    }
    return PLACES.sub(lambda found: values[found.group(1)], template)


def render(
    prompt: Prompt,
    text: str,
    passages: Sequence[Passage] | None = None,
    shots: Sequence[tuple[str, str]] = (),
    shot_passages: Sequence[Sequence[Passage]] | None = None,
) -> Messages:
    """Return the messages of one question.

    Args:
        prompt: Its text is the system turn, and the question a user turn of its own. A text with ``{input}`` is a
            template instead: filled for each question, it is the whole user turn.
        text: What the model is given.
        passages: Retrieved passages, best first; None without a retriever.
        shots: Input and right answer of few-shot examples, shown as earlier turns.
        shot_passages: The passages of each example, if they are shown with theirs.
    """
    template = "{input}" in prompt.system
    messages = [] if template else [{"role": "system", "content": prompt.system}]

    def ask(given: str, found: Sequence[Passage] | None) -> dict[str, str]:
        return {
            "role": "user",
            "content": _filled(prompt.system, given, found)
            if template
            else user_turn(given, found),
        }

    def turns(given: str, found: Sequence[Passage] | None) -> Messages:
        *earlier, last = (
            conversation(given) if prompt.tools else [{"role": "user", "content": given}]
        )
        if last["role"] != "user":  # a result of a call: it is what is answered now
            return [*earlier, last]
        return [*earlier, ask(last["content"], found)]

    for place, (given, answer) in enumerate(shots):
        messages += turns(given, shot_passages[place] if shot_passages else None)
        messages += [{"role": "assistant", "content": neutral(answer)}]
    return with_tools([*messages, *turns(text, passages)], prompt.tools)


def conversation(text: str) -> Messages:
    """Return the turns of an input that holds several as JSON (``data/tool_turns.py``), else one turn of the user."""
    if text.startswith('[{"role":'):
        with suppress(ValueError):
            turns = json.loads(text)
            if all(
                isinstance(t, dict) and all(isinstance(v, str) for v in t.values()) for t in turns
            ):
                return [t | {"content": neutral(t.get("content", ""))} for t in turns]
    return [{"role": "user", "content": text}]
