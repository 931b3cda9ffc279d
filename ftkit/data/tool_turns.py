"""Conversations with declared functions: each answer of the assistant, calls and all, becomes a row.

The turns before an answer are its input: one turn of the user as its text, several as a JSON list of turns, in which
earlier answers are written as ``scoring/tool_calls.py`` has it. All answers of a conversation stay in one split.

Sources: OpenAI's chat format (tools, tool_calls, tool); ShareGPT with function_call and observation (LLaMA-Factory).
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.data.file_formats import Raw
from ftkit.data.turns import KNOWN, Unusable, from_text, is_turns, said
from ftkit.scoring.tool_calls import Call, ToolAnswer, calls_of, read_tools
from ftkit.scoring.values import is_missing

OFFERED = ("tools", "functions")
CALLING, RESULTS = (
    ("function_call", "tool_call"),
    ("tool", "function", "observation", "tool_response", "function_response", "ipython"),
)
CONVERSATION = "conversation"
"""Column that keeps the answers of a conversation together."""


def declares_tools(raw: Raw, column: str) -> bool:
    """Say whether the rows of a file declare functions and call some."""
    offered = next((c for c in OFFERED if c in raw.columns), "")
    if not offered or not any(not is_missing(row.get(offered)) for _, row in raw.rows):
        return False
    turns = [
        from_text(row[column]) if isinstance(row.get(column), str) else row.get(column)
        for _, row in raw.rows
    ]
    return any(_calls(turn) for each in turns if is_turns(each) for turn in each or [])


def _who(turn: dict[str, Any]) -> str:
    return str(turn.get("role", turn.get("from", ""))).strip().lower()


def _calls(turn: dict[str, Any]) -> bool:
    return bool(turn.get("tool_calls") or turn.get("function_call")) or _who(turn) in CALLING


def tool_rows(raw: Raw, column: str) -> Raw:
    """Return a file's answers with their inputs, and the functions that its rows declare in ``tools``.

    A row with anything that cannot be learnt is put aside with the reason: pictures, arguments that are no JSON object, a
    call of a function that it does not declare, a schema that refers to itself.
    """
    offered = next(c for c in OFFERED if c in raw.columns)
    tools = dict[str, dict[str, Any]]()
    rows, faults, instructions = list[tuple[int, dict[str, Any]]](), list(raw.faults), set[str]()
    for number, row in raw.rows:
        try:
            own = _declared(row.get(offered))
            examples, system = _answers(row.get(column), {tool["name"] for tool in own})
            clash = next((t["name"] for t in own if tools.get(t["name"], t) != t), "")
            if clash:
                raise Unusable(f"it declares '{clash}' in another way than rows before it")
        except Unusable as reason:
            faults.append((number, f"column '{column}': {reason}"))
            continue
        tools |= {tool["name"]: tool for tool in own}
        instructions.add(system)
        rest = {k: v for k, v in row.items() if k not in (column, offered, "input", "output")}
        rows += [(number, one | rest | {CONVERSATION: str(number)}) for one in examples]
    shared = next(iter(instructions)) if len(instructions) == 1 else ""
    if not shared:
        rows = _with_systems(rows)
    for _, row in rows:
        row.pop("system", None)
    notes = [
        f"{len(rows):,} answers of {len({n for n, _ in rows}):,} conversations: each answer is an example, the turns before it are its input.",
        f"Functions declared: {', '.join(sorted(tools))}. The model is shown all of them in each row.",
    ]
    columns = list(dict.fromkeys(name for _, row in rows for name in row))
    return replace(
        raw,
        rows=rows,
        columns=columns,
        faults=faults,
        encoding=f"{raw.encoding}, conversations with tools"
        if raw.encoding
        else "conversations with tools",
        notes=[*raw.notes, *notes],
        instruction=shared,
        tools=[tools[name] for name in sorted(tools)],
    )


def _with_systems(rows: list[tuple[int, dict[str, Any]]]) -> list[tuple[int, dict[str, Any]]]:
    """Return rows with each its own system turn in front of its input."""
    found = []
    for number, row in rows:
        system, given = row["system"], row["input"]
        turns = json.loads(given) if given.startswith('[{"role":') else []
        if system and turns:
            given = _as_input([{"role": "system", "content": system}, *turns])
        elif system:
            given = f"{system}\n\n{given}"
        found.append((number, row | {"input": given}))
    return found


def _declared(value: Any) -> list[dict[str, Any]]:
    given = from_text(value) if isinstance(value, str) else value
    try:
        return [] if is_missing(given) else read_tools(given, "tools")
    except BadInput as error:
        raise Unusable(error.found) from error


def _answers(value: Any, names: set[str]) -> tuple[list[dict[str, Any]], str]:
    """Return input and output of each answer of a conversation, and its system turn."""
    given = from_text(value) if isinstance(value, str) else value
    if not is_turns(given):
        raise Unusable("holds no list of turns")
    turns, found, system = list[dict[str, str]](), [], ""
    for number, turn in enumerate(given, 1):
        try:
            role, content = _turn(turn, names)
        except (Unusable, ValueError) as reason:
            raise Unusable(f"turn {number}: {reason}") from reason
        if role == "system":
            system = f"{system}\n{content}".strip()
            continue
        if role == "assistant" and not any(t["role"] == "user" for t in turns):
            raise Unusable(f"turn {number} answers before anything was asked")
        if role == "assistant" and turns[-1]["role"] != "assistant":
            found.append({"input": _as_input(turns), "output": content})
        named = {"name": str(turn["name"])} if role == "tool" and turn.get("name") else {}
        turns.append({"role": role, "content": content, **named})
    if not found:
        raise Unusable("it holds no answer")
    return [row | {"system": system} for row in found], system


def _as_input(turns: list[dict[str, str]]) -> str:
    if len(turns) == 1:
        return turns[0]["content"]
    return json.dumps(turns, ensure_ascii=False)


def _turn(turn: dict[str, Any], names: set[str]) -> tuple[str, str]:
    who = _who(turn)
    if who in RESULTS:
        return "tool", said(turn)
    role = "assistant" if who in CALLING else KNOWN.get(who, "")
    if not role:
        raise Unusable(f"the role '{who}' is not known")
    if role != "assistant":
        return role, said(turn)
    if who in CALLING:
        calls, content = _written_calls(said(turn)), ""
    else:
        calls, content = (
            calls_of(turn),
            said(turn | {"content": turn.get("content") or turn.get("value") or ""}),
        )
    strange = next((call.name for call in calls if call.name not in names), "")
    if strange:
        raise Unusable(f"it calls '{strange}', which is not declared")
    return "assistant", ToolAnswer(calls, content.strip()).text()


def _written_calls(text: str) -> tuple[Call, ...]:
    """Return the calls that a turn of ShareGPT holds as text."""
    given = from_text(text)
    listed = given if isinstance(given, list) else [given]
    return calls_of({"tool_calls": listed})
