"""The turns of a conversation: whose they are, what they say, and which key or role nobody knows.

Sources: OpenAI's chat format (role, content, weight, tool_calls), ShareGPT (from, value), LLaMA-Factory's data README.
"""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ftkit.scoring.values import is_missing, value_text

ROLES = {
    "user": ("user", "human", "prompter"),
    "assistant": ("assistant", "gpt", "model", "bot", "chatgpt", "ai", "llm"),
    "system": ("system", "developer"),
}
KNOWN = {name: role for role, names in ROLES.items() for name in names}
USUAL = {"user", "human", "assistant", "gpt", "system"}
TOOLS = frozenset(
    "tool function function_call function_response tool_call tool_response observation ipython environment".split()
)
WHO = ("role", "from", "speaker", "sender", "author")
WHAT = ("content", "value", "text", "message", "parts")
CALLS = ("tool_calls", "function_call", "tool_call_id")
SPEAKERS = {"user": "User", "assistant": "Assistant"}
Turn = tuple[str, str]

MARKED_BAD = "is marked as"
"""Stands in the reason of a row that its file calls a bad example."""

GOOD = frozenset(
    "yes true 1 1.0 good up positive thumbs_up thumbsup 👍 desirable chosen accepted like liked +1".split()
)
BAD = frozenset(
    "no false 0 0.0 bad down negative thumbs_down thumbsdown 👎 undesirable rejected dislike disliked -1".split()
)
MARKS = "label good is_good feedback thumbs thumb vote kto_tag desirable is_desirable mark preferred weight rating".split()
"""Names of columns that mark an answer as good or bad."""


class Unusable(ValueError):
    """A row whose turns cannot be an example."""


@dataclass
class Seen:
    """What was met on the way through all rows.

    Attributes:
        roles: Turns by role that is not known.
        aliases: Turns by role that is read as another.
        keys: Turns by key that is not used.
    """

    roles: Counter[str] = field(default_factory=Counter)
    aliases: Counter[str] = field(default_factory=Counter)
    keys: Counter[str] = field(default_factory=Counter)

    def notes(self) -> list[str]:
        """Return sentences on what was not used."""
        found = []
        if self.roles:
            listed = ", ".join(f"'{role}' ({n:,} turns)" for role, n in self.roles.most_common(8))
            known = "; ".join(f"{role}: {', '.join(names)}" for role, names in ROLES.items())
            found.append(
                f"Roles that are not known: {listed}; rows with them are put aside. Known are {known}."
            )
        if self.aliases:
            listed = ", ".join(f"'{role}' as {KNOWN[role]}" for role in sorted(self.aliases))
            found.append(f"Roles read as others: {listed}.")
        if self.keys:
            listed = ", ".join(f"'{key}' ({n:,} turns)" for key, n in self.keys.most_common(12))
            found.append(f"Keys inside turns that are not used: {listed}.")
        return found


@dataclass
class Chat:
    """One row's turns, taken apart.

    Attributes:
        system: The system turns, or empty.
        asked: The turns before the answer.
        answer: The answer; None where the last turn is the user's.
    """

    system: str
    asked: list[Turn]
    answer: str | None


def mark_of(value: Any) -> bool | None:
    """Return whether a mark calls an answer good; None for no mark, or one that is neither."""
    text = "" if is_missing(value) else value_text(value).strip().lower().replace(" ", "_")
    return True if text in GOOD else False if text in BAD else None


def is_turns(cell: Any) -> bool:
    """Say whether a cell is a list of turns."""
    return (
        isinstance(cell, list)
        and bool(cell)
        and all(isinstance(t, dict) and any(name in t for name in WHO) for t in cell)
    )


def from_text(text: str) -> Any:
    """Return the list or object that a cell's text holds as JSON, or as pandas and Python write one; else the text."""
    plain = text.strip()
    if plain[:1] + plain[-1:] not in ("[]", "{}"):
        return text
    try:
        return json.loads(plain)
    except (ValueError, RecursionError):
        pass
    joined = re.sub(r"\}\s*\n\s*\{", "}, {", plain)  # numpy's arrays stand without commas
    for candidate in (plain, joined):
        try:
            return ast.literal_eval(candidate)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return text


def taken_apart(turns: Any, seen: Seen) -> Chat:
    """Take a row's turns apart; of several answers the last counts.

    Raises:
        Unusable: With the reason.
    """
    if isinstance(turns, str):
        raise Unusable("holds a text that is no list of turns")
    if not isinstance(turns, list) or not turns:
        raise Unusable("holds no turns")
    strange = [name for turn in turns if isinstance(turn, dict) and _role(name := _who(turn)) == ""]
    seen.roles.update(strange)
    said = [_turn(turn, number, seen) for number, turn in enumerate(turns, 1)]
    system = "\n".join(text for role, text in said if role == "system")
    said = [turn for turn in said if turn[0] != "system"]
    if not said or said[-1][0] != "assistant":
        return Chat(system, said, None)
    weight = turns[-1].get("weight")
    if not is_missing(weight) and value_text(weight) == "0":
        raise Unusable("its last answer is marked as not to be learnt (weight 0)")
    return Chat(system, said[:-1], said[-1][1])


def _who(turn: dict[str, Any]) -> str:
    who = next((turn[name] for name in WHO if name in turn), "")
    return str(who.get("role", "") if isinstance(who, dict) else who)


def _role(name: str) -> str:
    """Return user, assistant, system or tool; empty for a role that is not known."""
    plain = name.strip().lower()
    return "tool" if plain in TOOLS else KNOWN.get(plain, "")


def _turn(turn: Any, number: int, seen: Seen) -> Turn:
    if not isinstance(turn, dict):
        raise Unusable(f"turn {number} is no object")
    seen.keys.update(
        key for key, value in turn.items() if key not in (*WHO, *WHAT, "weight", *CALLS) and value
    )
    name = _who(turn)
    role = _role(name)
    if role == "tool" or any(turn.get(key) for key in CALLS):
        raise Unusable(f"turn {number} is a tool's or calls one ({name}): only texts are learnt")
    if not role:
        raise Unusable(f"turn {number} has the role '{name}', which is not known")
    if name.strip().lower() not in USUAL:
        seen.aliases[name.strip().lower()] += 1
    return role, said(turn)


def said(value: Any) -> str:
    """Return the text of a message, of its parts, or of a list's last message.

    Raises:
        Unusable: A part is no text.
    """
    if isinstance(value, dict):
        return said(next((value[name] for name in WHAT if name in value), ""))
    if not isinstance(value, list):
        return "" if is_missing(value) else value_text(value)
    if is_turns(value):
        return said(value[-1])
    texts = []
    for part in value:
        kind = part.get("type", "text") if isinstance(part, dict) else "text"
        if kind not in ("text", "input_text", "output_text") or isinstance(part, list):
            raise Unusable(f"a turn holds something else than text ({kind})")
        texts.append(value_text(part.get("text", "") if isinstance(part, dict) else part))
    return "".join(texts)


def as_input(chat: Chat, system: str = "") -> str:
    """Return the turns before the answer as one text, behind a system turn that belongs to the input."""
    text = (
        chat.asked[0][1]
        if len(chat.asked) == 1 and chat.asked[0][0] == "user"
        else "\n".join(f"{SPEAKERS[role]}: {text}" for role, text in chat.asked)
    )
    return f"{system}\n\n{text}" if system else text


def conversation(text: str) -> list[dict[str, str]] | None:
    """Return the turns of a text written with ``Human:`` and ``Assistant:`` (HH-RLHF); None if it is none."""
    parts = re.split(r"(?:^|\n\n)(Human|Assistant): ?", text)
    if len(parts) < 5 or parts[0].strip():
        return None
    pairs = zip(parts[1::2], parts[2::2], strict=True)
    return [{"role": "user" if who == "Human" else "assistant", "content": t} for who, t in pairs]


def preference(row: dict[str, Any], seen: Seen) -> tuple[Chat, str, str]:
    """Return what was asked, the better and the worse answer of a row of preference data.

    Both sides are texts, messages, or whole conversations; without ``prompt`` what both begin with was asked.

    Raises:
        Unusable: With the reason.
    """
    sides = [_turns_of(row.get(name)) for name in ("chosen", "rejected")]
    asked = row.get("prompt", row.get("conversations", row.get("messages")))
    if is_missing(asked) and "instruction" in row:
        parts = (row.get("instruction"), row.get("input"))
        asked = "\n".join(value_text(p) for p in parts if not is_missing(p) and p != "")
    if is_missing(asked) and all(isinstance(side, list) for side in sides):
        asked = _shared_beginning(*sides)
    texts = [said(side).strip() for side in sides]
    chat = (
        taken_apart(_turns_of(asked), seen)
        if isinstance(_turns_of(asked), list)
        else Chat("", [("user", said(asked).strip())], None)
    )
    if chat.answer is not None:  # the last turn of a prompt is part of what was asked
        chat = Chat(chat.system, [*chat.asked, ("assistant", chat.answer)], None)
    column = next((row[name] for name in SYSTEM if not is_missing(row.get(name))), "")
    return Chat(chat.system or value_text(column), chat.asked, None), texts[0], texts[1]


SYSTEM = ("system", "system_prompt")
"""Names of a column that holds each row's system turn."""


def _turns_of(value: Any) -> Any:
    found = from_text(value) if isinstance(value, str) else value
    if is_turns(found):
        return found
    if isinstance(value, str):
        return conversation(value) or value
    return value


def _shared_beginning(chosen: Sequence[Any], rejected: Sequence[Any]) -> list[Any]:
    count = 0
    for one, other in zip(chosen[:-1], rejected[:-1], strict=False):
        if one != other:
            break
        count += 1
    return list(chosen[:count])
