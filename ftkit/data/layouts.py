"""The layouts of fine-tuning files: chat messages, ShareGPT, Alpaca, preference pairs and marked answers become input and output.

Sources: OpenAI's fine-tuning guide (messages with role and content), LLaMA-Factory's data README (Alpaca's instruction,
input, output, history; ShareGPT's from and value; KTO's label).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ftkit.data.file_formats import Raw

ROLES = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "chatgpt": "assistant",
    "system": "system",
    "developer": "system",
}
SPEAKERS = {"user": "User", "assistant": "Assistant"}
COLUMNS = ("messages", "conversations", "conversation", "prompt")
Turn = tuple[str, str]


class Unusable(ValueError):
    """A row whose turns cannot be an example."""


@dataclass
class Chat:
    """One row's turns, taken apart.

    Attributes:
        system: The system turn, or empty.
        asked: The turns before the answer.
        answer: The answer; None where the last turn is the user's.
    """

    system: str
    asked: list[Turn]
    answer: str | None


def flatten(raw: Raw) -> Raw:
    """Return a file with columns ``input`` and ``output`` where it has a known layout, else as it is.

    Of a conversation the last answer is learnt from; what was said before is its input. Rows that call tools, have no
    answer or hold anything but text are put aside with their reason. What was done stands in ``notes``.
    """
    column = next((c for c in COLUMNS if c in raw.columns and _is_chat(raw, c)), "")
    if column:
        return _chats(raw, column)
    if {"instruction", "output"} <= set(raw.columns):
        return _alpaca(raw)
    if {"prompt", "chosen", "rejected"} <= set(raw.columns):
        rows = [
            (number, {"input": row.get("prompt"), "output": _said(row.get("chosen")), **row})
            for number, row in raw.rows
        ]
        note = "Preference pairs: the chosen answer counts as the right one; for preference tuning give the file as preference.pairs."
        return _with(raw, rows, "preference pairs", [note])
    return raw


def _is_chat(raw: Raw, column: str) -> bool:
    cells = [row.get(column) for _, row in raw.rows[:200]]
    fine = sum(
        isinstance(c, list)
        and bool(c)
        and all(isinstance(t, dict) and ({"role", "from"} & set(t)) for t in c)
        for c in cells
    )
    return fine >= 0.8 * max(1, len(cells))


def _chats(raw: Raw, column: str) -> Raw:
    first = next(
        row[column][0] for _, row in raw.rows if isinstance(row.get(column), list) and row[column]
    )
    name = "OpenAI chat messages" if "role" in first else "ShareGPT conversations"
    preferred = "chosen" in raw.columns
    marked = (
        not preferred
        and "label" in raw.columns
        and all(isinstance(row.get("label"), bool) for _, row in raw.rows)
    )
    found: list[tuple[int, dict[str, Any], Chat]] = []
    faults = list(raw.faults)
    for number, row in raw.rows:
        try:
            chat = _chat(row.get(column), _said(row.get("chosen")) if preferred else None)
            if marked and not row["label"]:
                raise Unusable("its answer is marked as a bad one (label false)")
            found.append((number, row, chat))
        except Unusable as reason:
            faults.append((number, f"column '{column}': {reason}"))
    answered = sum(chat.answer is not None for _, _, chat in found)
    if answered >= 0.5 * len(found):
        faults += [
            (n, f"column '{column}': the last turn is the user's: there is no answer")
            for n, _, c in found
            if c.answer is None
        ]
        found = [one for one in found if one[2].answer is not None]
    systems = {chat.system for _, _, chat in found if chat.system}
    used = {column, "input", "output", *(("chosen", "rejected") if preferred else ())}
    rows = [(number, _row(row, chat, used, len(systems) > 1)) for number, row, chat in found]
    kind = name + (
        " with chosen and rejected answers"
        if preferred
        else " with marked answers"
        if marked
        else ""
    )
    return _with(replace(raw, faults=faults), rows, kind, _notes(found, systems, preferred, marked))


def _notes(
    found: Sequence[tuple[int, Any, Chat]], systems: set[str], preferred: bool, marked: bool
) -> list[str]:
    longer = sum(len(chat.asked) > 1 for _, _, chat in found)
    notes = []
    if longer:
        notes.append(
            f"{longer:,} of {len(found):,} conversations have several turns: the last answer is learnt, the turns before it are its input."
        )
    if len(systems) == 1:
        notes.append(
            f"All rows have the same system turn, which is not part of the input: put it into task.instruction: {next(iter(systems))[:200]!r}."
        )
    elif systems:
        notes.append(f"{len(systems):,} different system turns stand in front of their inputs.")
    if preferred:
        notes.append(
            "Preference pairs: the chosen answer counts as the right one; for preference tuning give the file as preference.pairs."
        )
    if marked:
        notes.append("Answers marked as bad (label false) are put aside.")
    return notes


def _chat(turns: Any, chosen: str | None) -> Chat:
    """Take a row's turns apart.

    Raises:
        Unusable: With the reason.
    """
    if not isinstance(turns, list) or not turns:
        raise Unusable("holds no turns")
    said = [_turn(turn, number) for number, turn in enumerate(turns, 1)]
    system = "\n".join(text for role, text in said if role == "system")
    said = [turn for turn in said if turn[0] != "system"]
    if chosen is not None:
        return Chat(system, said, chosen)
    if said and said[-1][0] == "assistant":
        return Chat(system, said[:-1], said[-1][1])
    return Chat(system, said, None)


def _turn(turn: Any, number: int) -> Turn:
    if not isinstance(turn, dict):
        raise Unusable(f"turn {number} is no object")
    role = ROLES.get(str(turn.get("role", turn.get("from", ""))).lower())
    if role is None or turn.get("tool_calls"):
        raise Unusable(
            f"turn {number} is a tool's or calls one ({turn.get('role', turn.get('from'))}): only texts are learnt"
        )
    return role, _said(turn)


def _said(value: Any) -> str:
    """Return the text of a message, of its parts, or of a list's last message.

    Raises:
        Unusable: A part is no text.
    """
    if isinstance(value, list):
        if value and isinstance(value[-1], dict) and "type" not in value[-1]:
            return _said(value[-1])
        if any(not isinstance(part, dict) or part.get("type") != "text" for part in value):
            raise Unusable("a turn holds something else than text")
        return "".join(str(part.get("text", "")) for part in value)
    if isinstance(value, dict):
        return _said(value.get("content", value.get("value", "")))
    return "" if value is None else str(value)


def _row(row: dict[str, Any], chat: Chat, used: set[str], with_system: bool) -> dict[str, Any]:
    text = (
        chat.asked[0][1]
        if len(chat.asked) == 1
        else "\n".join(f"{SPEAKERS[role]}: {said}" for role, said in chat.asked)
    )
    if with_system and chat.system:
        text = f"{chat.system}\n\n{text}"
    answer = {} if chat.answer is None else {"output": chat.answer}
    return {
        "input": text,
        **answer,
        **{name: cell for name, cell in row.items() if name not in used},
    }


def _alpaca(raw: Raw) -> Raw:
    """Join instruction and input where instructions differ; one instruction for all is the task's, not the input's."""
    instructions = {str(row.get("instruction") or "").strip() for _, row in raw.rows}
    if len(instructions) == 1 and "input" in raw.columns:
        told = f"All rows have the same instruction: put it into task.instruction: {next(iter(instructions))[:200]!r}."
        return replace(raw, notes=[*raw.notes, told])
    rows = [(number, {**row, "input": _alpaca_input(row)}) for number, row in raw.rows]
    return _with(
        raw, rows, "Alpaca", ["Instruction, input and earlier turns are joined into the input."]
    )


def _alpaca_input(row: dict[str, Any]) -> str:
    history = row.get("history") or []
    earlier = "".join(
        f"User: {pair[0]}\nAssistant: {pair[1]}\n"
        for pair in history
        if isinstance(pair, list) and len(pair) == 2
    )
    asked = "\n\n".join(
        text
        for text in (str(row.get(name) or "").strip() for name in ("instruction", "input"))
        if text
    )
    return f"{earlier}User: {asked}" if earlier else asked


def _with(raw: Raw, rows: list[tuple[int, dict[str, Any]]], kind: str, notes: list[str]) -> Raw:
    columns = list(dict.fromkeys(name for _, row in rows for name in row))
    told = f"{raw.encoding}, {kind}" if raw.encoding else kind
    return replace(raw, rows=rows, columns=columns, encoding=told, notes=[*raw.notes, *notes])
