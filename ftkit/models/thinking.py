"""What a model writes before its answer: thoughts and channels of all families, taken off a text.

The answer is what a person would read. A thought stands before it between two marks, or in a channel of its own. Marks
that stand later belong to the answer: a text may speak of ``<think>``.

Sources: the chat templates that TRL ships; OpenAI's harmony format (gpt-oss); vLLM's list of reasoning parsers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

THOUGHTS = (
    ("<think>", "</think>"),  # Qwen, DeepSeek, GLM, Nemotron, LFM, SmolLM and most others
    ("<thinking>", "</thinking>"),
    ("<thought>", "</thought>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("[THINK]", "[/THINK]"),  # Mistral
    ("<|START_THINKING|>", "<|END_THINKING|>"),  # Cohere
    ("<|channel>thought", "<channel|>"),  # Gemma 4
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("◁think▷", "◁/think▷"),  # Kimi
)
RESPONSES = (("<|START_RESPONSE|>", "<|END_RESPONSE|>"),)  # around the answer itself
CHANNEL = re.compile(
    r"(?:<\|start\|>)?(?:assistant)?\s*(?:<\|channel\|>(?P<channel>\w*)|to=(?P<to>[\w.]+))[^<]*"
    r"<\|message\|>(?P<text>.*?)(?P<end><\|(?:end|return|call|eom|eot)\|>|$)",
    re.DOTALL,
)  # gpt-oss: channels; Muse: recipients
ANSWERS, PRIVATE = ("final", "user"), ("analysis", "commentary", "self")
CONTROL = (
    *(mark for pair in (*THOUGHTS, *RESPONSES) for mark in pair),
    *(f"<|{name}|>" for name in ("start", "channel", "message", "end", "eom", "call", "return")),
)
"""Every mark; a tokenizer may hold them as special tokens, which are not read as text otherwise."""


@dataclass(frozen=True)
class Split:
    """A text taken apart.

    Attributes:
        answer: What is left for a reader, outer blanks off.
        thought: What was thought before, outer blanks off; empty if nothing was.
        closed: Whether the thought came to its end, so that what follows is an answer.
        unknown: Name of a channel that no family has; empty: none.
    """

    answer: str
    thought: str = ""
    closed: bool = True
    unknown: str = ""


def split(text: str, *, opened: bool = False) -> Split:
    """Take thoughts and channels off a text.

    Args:
        text: What the model wrote, its marks included.
        opened: Whether the prompt opened a thought already, so that the text begins within it.
    """
    if CHANNEL.match(text.lstrip()):
        return _channels(text.lstrip())
    thoughts, rest = list[str](), text
    while True:
        step = _first_thought(rest, opened)
        if step is None:
            break
        thought, after = step
        thoughts.append(thought.strip())
        if after is None:
            return Split("", _joined(thoughts), closed=False)
        rest, opened = after, False
    return Split(_unwrapped(rest), _joined(thoughts))


def _first_thought(text: str, opened: bool) -> tuple[str, str | None] | None:
    """Return the thought at the front and what follows (None: it is not closed), or None if there is no thought."""
    front = text.lstrip()
    for start, end in THOUGHTS:
        if front.startswith(start):
            thought, mark, after = front[len(start) :].partition(end)
            return thought, after if mark else None
    # A prompt that opened the thought, or a server that kept its beginning to itself: only its end is to be seen.
    ends = [(at, end) for _, end in THOUGHTS if (at := text.find(end)) >= 0]
    if ends and (opened or not any(start in text[: min(ends)[0]] for start, _ in THOUGHTS)):
        at, end = min(ends)
        return text[:at], text[at + len(end) :]
    return (text, None) if opened else None


def _channels(text: str) -> Split:
    thoughts, answers, unknown, closed = list[str](), list[str](), "", True
    for found in CHANNEL.finditer(text):
        name = found["channel"] or found["to"]
        if name in ANSWERS:
            answers.append(found["text"])
        elif name in PRIVATE or found["to"]:
            thoughts.append(found["text"].strip())
            closed = bool(found["end"])
        else:
            unknown = name
    done = bool(answers)
    return Split("".join(answers).strip(), _joined(thoughts), done or closed, unknown)


def _unwrapped(text: str) -> str:
    for start, end in RESPONSES:
        if text.lstrip().startswith(start):
            text = text.lstrip()[len(start) :]
        text = text.rstrip().removesuffix(end)
    return text.strip()


def _joined(thoughts: list[str]) -> str:
    return "\n".join(thought for thought in thoughts if thought)


def opens(prompt: str) -> bool:
    """Return whether a prompt ends with an opened thought, which the answer must close first."""
    return prompt.rstrip().endswith(tuple(start for start, _ in THOUGHTS))


def closes(prompt: str) -> bool:
    """Return whether a prompt ends behind a thought or at the beginning of the answer, so that none is thought."""
    ends = (*(end for _, end in THOUGHTS), *(start for start, _ in RESPONSES))
    return prompt.rstrip().endswith(ends)


def marked(template: str) -> bool:
    """Return whether a chat template knows thoughts or channels at all."""
    marks = (*(end for _, end in THOUGHTS), "<|channel|>", "to=self")
    return any(mark in template for mark in marks)


def repeats(text: str, least: int = 4) -> bool:
    """Return whether a text ends in the same piece over and over: more room would bring more of it."""
    tail = text[-2000:]
    for width in range(1, len(tail) // least + 1):
        piece = tail[-width:]
        if piece.strip() and tail.endswith(piece * least) and width * least >= 24:
            return True
    return False


def phase(text: str, before: str) -> str:
    """Return the phase of a reply that is being written: ``undecided``, ``thinking`` or ``answer``.

    Args:
        text: Its text up to now; its last few tokens suffice once it is thinking.
        before: The phase that it was in.
    """
    if before == "undecided":
        front = text.lstrip()
        if any(front.startswith(start) for start in STARTS):
            return "thinking"
        return "undecided" if any(start.startswith(front) for start in STARTS) else "answer"
    answers = (*(end for _, end in THOUGHTS), "final<|message|>", "to=user<|message|>")
    return "answer" if any(mark in text for mark in answers) else before


STARTS = (*(start for start, _ in THOUGHTS), "<|channel|>", "<|start|>", "to=self", "to=user")
"""How a thought or a channel begins."""
