"""The layouts of fine-tuning files: chat messages, ShareGPT, Alpaca, prompt and completion, preference pairs and marked
answers become input and output.

Whatever a layout defines is used, puts its row aside with a reason, or is told in ``notes``.

Sources: OpenAI's fine-tuning guide (messages, weight, preferred_output), TRL's dataset formats (prompt, completion, label,
chosen, rejected, with or without roles), LLaMA-Factory's data README (Alpaca, ShareGPT, system, history, kto_tag).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ftkit.data.file_formats import Raw
from ftkit.data.tool_turns import declares_tools, tool_rows
from ftkit.data.turns import (
    MARKED_BAD,
    MARKS,
    SYSTEM,
    Chat,
    Seen,
    Unusable,
    as_input,
    from_text,
    is_turns,
    mark_of,
    preference,
    said,
    taken_apart,
)
from ftkit.scoring.values import is_missing, value_text

COLUMNS = (
    "messages conversations conversation chat_messages turns dialog dialogue chat prompt".split()
)
OFFERED = ("tools", "functions", "parallel_tool_calls", "images", "videos", "audios")
Numbered = list[tuple[int, dict[str, Any]]]
PAIRS_NOTE = "Preference pairs: the chosen answer counts as the right one; for preference tuning give the file as preference.pairs."


def flatten(raw: Raw) -> Raw:
    """Return a file with columns ``input`` and ``output`` where it has a known layout, else as it is.

    Of a conversation the last answer is learnt from; what was said before is its input. Where rows declare functions and call
    them, each answer is. Other rows that call tools, have no answer, are marked as bad or hold anything but text are put aside with their reason. What was done stands in ``notes``.
    """
    raw = lists_from_texts(openai_pairs(raw))
    if {"chosen", "rejected"} <= set(raw.columns) and _is_preference(raw):
        return _preferences(raw)
    column = next((c for c in COLUMNS if c in raw.columns and _is_chat(raw, c)), "")
    if column and declares_tools(raw, column):
        return tool_rows(raw, column)
    if column:
        return _chats(raw, column)
    if {"prompt", "completion"} <= set(raw.columns):
        return _completions(raw)
    if {"instruction", "output"} <= set(raw.columns):
        return _alpaca(raw)
    return raw


def _cells(raw: Raw, column: str) -> list[Any]:
    return [row[column] for _, row in raw.rows[:200] if not is_missing(row.get(column))]


def _is_chat(raw: Raw, column: str) -> bool:
    cells = _cells(raw, column)
    return sum(map(is_turns, cells)) >= 0.8 * max(1, len(cells))


def lists_from_texts(raw: Raw) -> Raw:
    """Return a file with the lists of turns that its columns hold as text (CSV, XLSX)."""
    taken = []
    for column in (*COLUMNS, "completion", "chosen", "rejected", "history"):
        cells = _cells(raw, column)
        if column in raw.columns and cells and all(isinstance(c, str) for c in cells):
            lists = [from_text(c) for c in cells]
            if sum(isinstance(c, list) for c in lists) >= 0.8 * len(cells):
                taken.append(column)
    if not taken:
        return raw
    rows = [
        (n, row | {c: from_text(row[c]) for c in taken if isinstance(row.get(c), str)})
        for n, row in raw.rows
    ]
    listed = ", ".join(f"'{c}'" for c in taken)
    return replace(
        raw, rows=rows, notes=[*raw.notes, f"The texts of {listed} hold lists: taken apart."]
    )


def openai_pairs(raw: Raw) -> Raw:
    """Return OpenAI's preference layout (input.messages, preferred_output) under the usual names."""
    names = {"preferred_output": "chosen", "non_preferred_output": "rejected"}
    if not {"input", *names} <= set(raw.columns):
        return raw
    rows: Numbered = []
    for number, row in raw.rows:
        asked = row.get("input")
        prompt = asked.get("messages") if isinstance(asked, dict) else asked
        rest = {k: v for k, v in row.items() if k not in ("input", *names)}
        rows.append(
            (
                number,
                {"prompt": prompt, **{new: row.get(old) for old, new in names.items()}, **rest},
            )
        )
    return replace(raw, rows=rows, columns=list(dict.fromkeys(n for _, r in rows for n in r)))


@dataclass
class Kept:
    """Rows that were taken apart.

    Attributes:
        rows: Number, cells that are not part of the turns, and the turns.
        faults: Number and reason of the others.
        seen: Roles and keys met on the way.
    """

    rows: list[tuple[int, dict[str, Any], Chat]]
    faults: list[tuple[int, str]]
    seen: Seen


def _mark_column(raw: Raw) -> str:
    """Return the column that marks answers as good or bad: each cell is such a mark or empty, and some are bad."""
    for name in MARKS:
        column = next((c for c in raw.columns if c.lower() == name), "")
        cells = [row[column] for _, row in raw.rows if column and row.get(column) not in (None, "")]
        marks = [mark_of(c) for c in cells if not is_missing(c)]
        if marks and None not in marks:
            return column
    return ""


def _take(raw: Raw, used: set[str], make: Any, where: str) -> Kept:
    """Take every row apart; ``make`` returns its turns or raises :class:`Unusable`."""
    kept = Kept([], list(raw.faults), Seen())
    mark = _mark_column(raw)
    system = next((c for c in SYSTEM if c in raw.columns and c not in used), "")
    for number, row in raw.rows:
        try:
            if mark and mark_of(row.get(mark)) is False:
                raise Unusable(
                    f"its answer is marked as a bad one ({mark} {value_text(row[mark])})"
                )
            chat = make(row, kept.seen)
            if system and not is_missing(row.get(system)):
                chat.system = chat.system or said(row[system]).strip()
            rest = {
                k: v for k, v in row.items() if k not in {*used, "input", "output", mark, system}
            }
            kept.rows.append((number, rest, chat))
        except Unusable as reason:
            kept.faults.append((number, f"{where}: {reason}"))
    return kept


def _finished(raw: Raw, kept: Kept, kind: str, notes: list[str], where: str) -> Raw:
    """Return input and output of rows taken apart, with what a person should know."""
    answered = sum(chat.answer is not None for _, _, chat in kept.rows)
    if kept.rows and answered >= 0.5 * len(kept.rows):
        kept.faults += [
            (n, f"{where}: the last turn is the user's: there is no answer")
            for n, _, c in kept.rows
            if c.answer is None
        ]
        kept.rows = [one for one in kept.rows if one[2].answer is not None]
    systems = {chat.system for _, _, chat in kept.rows}
    shared = next(iter(systems)) if len(systems) == 1 else ""
    rows: Numbered = []
    for number, rest, chat in kept.rows:
        answer = {} if chat.answer is None else {"output": chat.answer}
        text = as_input(chat, "" if shared else chat.system)
        rows.append((number, {"input": text, **answer, **rest}))
    mark = _mark_column(raw)
    bad = sum(MARKED_BAD in reason for _, reason in kept.faults)
    if bad:
        notes = [*notes, f"{bad:,} answers marked as bad ('{mark or 'weight'}') are put aside."]
    offered = [c for c in OFFERED if c in raw.columns]
    if offered:
        notes = [*notes, f"Not shown to the model: {', '.join(offered)}."]
    notes += [*_turn_notes(kept.rows, systems), *kept.seen.notes()]
    read = replace(raw, faults=kept.faults, instruction=shared)
    return _with(read, rows, kind + (" with marked answers" if mark else ""), notes)


def _turn_notes(rows: Sequence[tuple[int, Any, Chat]], systems: set[str]) -> list[str]:
    longer = sum(len(chat.asked) > 1 for _, _, chat in rows)
    notes = []
    if longer:
        notes.append(
            f"{longer:,} of {len(rows):,} conversations have several turns: the last answer is learnt, the turns before it are its input."
        )
    if len(systems) == 1 and systems != {""}:
        notes.append(
            f"All rows have the same system turn, which is not part of the input: it belongs into task.instruction: {next(iter(systems))[:200]!r}."
        )
    elif systems - {""}:
        having = sum(bool(chat.system) for _, _, chat in rows)
        notes.append(
            f"{having:,} of {len(rows):,} rows have a system turn, {len(systems - {''}):,} different ones: each stands in front of its input."
        )
    return notes


def _chats(raw: Raw, column: str) -> Raw:
    first = next(c for c in _cells(raw, column) if is_turns(c))[0]
    name = "OpenAI chat messages" if "role" in first else "ShareGPT conversations"
    completes = column == "prompt" and "completion" in raw.columns

    def make(row: dict[str, Any], seen: Seen) -> Chat:
        chat = taken_apart(row.get(column), seen)
        if not completes:
            return chat
        answer = row.get("completion")
        found = taken_apart(answer, seen).answer if is_turns(answer) else said(answer).strip()
        turns = chat.asked + ([("assistant", chat.answer)] if chat.answer is not None else [])
        return Chat(chat.system, turns, found)

    where = f"column '{column}'"
    kept = _take(raw, {column, *(("completion",) if completes else ())}, make, where)
    return _finished(raw, kept, name, [], where)


def _completions(raw: Raw) -> Raw:
    """Return texts of prompt and completion as input and output."""

    def make(row: dict[str, Any], seen: Seen) -> Chat:
        answer = row.get("completion")
        return Chat(
            "", [("user", said(row.get("prompt")))], "" if is_missing(answer) else said(answer)
        )

    kept = _take(raw, {"prompt", "completion"}, make, "prompt and completion")
    return _finished(raw, kept, "prompt and completion", [], "prompt and completion")


def _is_preference(raw: Raw) -> bool:
    if (
        "prompt" in raw.columns
        or "instruction" in raw.columns
        or any(c in raw.columns for c in COLUMNS)
    ):
        return True
    try:
        return all(preference(row, Seen())[0].asked for _, row in raw.rows[:20])
    except Unusable:
        return False


def _preferences(raw: Raw) -> Raw:
    def make(row: dict[str, Any], seen: Seen) -> Chat:
        chat, chosen, _ = preference(row, seen)
        return Chat(chat.system, chat.asked, chosen)

    used = {"prompt", "chosen", "rejected", "instruction", *COLUMNS, *SYSTEM}
    kept = _take(raw, used, make, "preference pair")
    return _finished(raw, kept, "preference pairs", [PAIRS_NOTE], "preference pair")


def _alpaca(raw: Raw) -> Raw:
    """Join instruction and input where instructions differ; one instruction for all is the task's, not the input's."""
    instructions = {said(row.get("instruction")).strip() for _, row in raw.rows}
    shared = next(iter(instructions)) if len(instructions) == 1 and "input" in raw.columns else ""
    used = {"instruction", "history"}

    def make(row: dict[str, Any], seen: Seen) -> Chat:
        earlier = []
        for pair in row.get("history") or []:
            if not isinstance(pair, list) or len(pair) != 2:
                raise Unusable("history holds something else than pairs of question and answer")
            earlier += [("user", said(pair[0])), ("assistant", said(pair[1]))]
        parts = [] if shared else [said(row.get("instruction")).strip()]
        asked = "\n\n".join(text for text in (*parts, said(row.get("input")).strip()) if text)
        return Chat("", [*earlier, ("user", asked)], said(row.get("output")))

    kept = _take(raw, used, make, "Alpaca")
    note = (
        f"All rows have the same instruction: it belongs into task.instruction: {shared[:200]!r}."
        if shared
        else "Instruction, input and earlier turns are joined into the input."
    )
    done = _finished(raw, kept, "Alpaca", [note], "Alpaca")
    return replace(done, instruction=done.instruction or shared)


def _with(raw: Raw, rows: Numbered, kind: str, notes: list[str]) -> Raw:
    columns = list(dict.fromkeys(name for _, row in rows for name in row))
    told = f"{raw.encoding}, {kind}" if raw.encoding else kind
    return replace(raw, rows=rows, columns=columns, encoding=told, notes=[*raw.notes, *notes])
