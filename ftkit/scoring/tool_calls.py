"""Tool calls as answers: one text for all models, which calls are right, and what was called that does not exist.

An answer is compact JSON: ``{"calls":[{"name":"weather","arguments":{"city":"Rome"}}]}``; where nothing is to be called
the list is empty and ``content`` holds what is said instead. Models write calls in forms of their own; they are turned
into this one where a model is asked (``models/tool_forms.py``), so that all else handles plain texts.

Source: OpenAI's chat format (tools, tool_calls); the Berkeley Function Calling Leaderboard (order free among parallel
calls, needless and missing calls counted apart).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from ftkit.core.errors import BadInput
from ftkit.scoring.json_schema import faults
from ftkit.scoring.text import normalise
from ftkit.scoring.values import compact, parse_record

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
"""What a function may be called, as OpenAI has it: templates escape or break all else."""
Mistake = Literal[
    "right", "missing call", "needless call", "wrong function", "wrong arguments", "unreadable"
]


@dataclass(frozen=True)
class Call:
    """One call: the function's name and its arguments."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ToolAnswer:
    """What a model does: it calls functions, or it says something, or both."""

    calls: tuple[Call, ...] = ()
    content: str = ""

    def text(self) -> str:
        """Return the answer as the one text that stands for it."""
        calls = [{"name": call.name, "arguments": call.arguments} for call in self.calls]
        return compact({"calls": calls} | ({"content": self.content} if self.content else {}))


def read_answer(text: str) -> ToolAnswer | None:
    """Return the calls of an answer's text; None where it is no such text."""
    record = parse_record(text)
    calls = record.get("calls") if record is not None else None
    if record is None or not isinstance(calls, list) or set(record) - {"calls", "content"}:
        return None
    found = []
    for call in calls:
        if not isinstance(call, dict) or set(call) != {"name", "arguments"}:
            return None
        if not isinstance(call["name"], str) or not isinstance(call["arguments"], dict):
            return None
        found.append(Call(call["name"], call["arguments"]))
    content = record.get("content") or ""
    return ToolAnswer(tuple(found), content) if isinstance(content, str) else None


def calls_of(message: dict[str, Any]) -> tuple[Call, ...]:
    """Return the calls of a message in OpenAI's form.

    Raises:
        ValueError: With the reason; arguments are an object, or text that holds one.
    """
    given = message.get("tool_calls")
    if not given and message.get("function_call"):
        given = [{"function": message["function_call"]}]
    found = []
    for number, each in enumerate(given or [], 1):
        function = each.get("function", each) if isinstance(each, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise ValueError(f"call {number} names no function")
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            arguments = parse_record(arguments) if arguments.strip() else {}
        if not isinstance(arguments or {}, dict) or arguments is None:
            raise ValueError(
                f"the arguments of '{function['name']}' are no JSON object: {str(function.get('arguments'))[:80]!r}"
            )
        found.append(Call(function["name"], arguments))
    return tuple(found)


def read_tools(given: Any, where: str) -> list[dict[str, Any]]:
    """Return declared functions, each with name, description and parameters.

    Args:
        given: A list in OpenAI's form, with or without the outer ``function``, or its JSON text.
        where: For messages.

    Raises:
        BadInput: They are no such list, a name stands twice or is one that templates escape, or a schema is invalid, refers
            to itself or outside.
    """
    todo = 'declare tools as [{"type": "function", "function": {"name": ..., "parameters": {...}}}]'
    if isinstance(given, str):
        try:
            given = json.loads(given)
        except ValueError as error:
            raise BadInput(f"the tools are no JSON: {error}", where=where, todo=todo) from error
    if not isinstance(given, list):
        raise BadInput("the tools are no list", where=where, todo=todo)
    found = [_tool(each, where, todo) for each in given]
    names = [tool["name"] for tool in found]
    twice = next((name for name in names if names.count(name) > 1), "")
    if twice:
        raise BadInput(f"the tool '{twice}' is declared twice", where=where, todo="name each once")
    return found


def _tool(given: Any, where: str, todo: str) -> dict[str, Any]:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    tool = given.get("function", given) if isinstance(given, dict) else None
    if not isinstance(tool, dict) or not isinstance(tool.get("name"), str):
        raise BadInput("a tool has no name", where=where, todo=todo)
    name = tool["name"]
    if not NAME.fullmatch(name):
        raise BadInput(
            f"the tool's name {name[:80]!r} holds signs that chat templates escape",
            where=where,
            todo="use letters, digits, dots, dashes and underscores, at most 64",
        )
    schema = tool.get("parameters") or {"type": "object", "properties": {}}
    if not isinstance(schema, dict) or not isinstance(schema.get("properties", {}), dict):
        raise BadInput(f"the parameters of '{name}' are no schema", where=where, todo=todo)
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise BadInput(
            f"the parameters of '{name}' are no valid schema: {error.message.splitlines()[0][:160]}",
            where=where,
            todo="mend the schema (JSON Schema 2020-12)",
        ) from error
    schema = {"type": "object", "properties": {}} | _resolved(schema, schema, (), name, where)
    schema.pop("$defs", None)
    schema.pop("definitions", None)
    return {"name": name, "description": str(tool.get("description") or ""), "parameters": schema}


def _resolved(value: Any, root: Any, path: tuple[str, ...], name: str, where: str) -> Any:
    """Return a schema with its references put in place: chat templates show it as it stands."""
    if isinstance(value, list):
        return [_resolved(each, root, path, name, where) for each in value]
    if not isinstance(value, dict):
        return value
    target = value.get("$ref")
    if not isinstance(target, str):
        return {key: _resolved(inner, root, path, name, where) for key, inner in value.items()}
    if not target.startswith("#"):
        raise BadInput(
            f"the schema of '{name}' refers to '{target}', outside of itself",
            where=where,
            todo="put the definitions under $defs",
        )
    if target in path:
        raise BadInput(
            f"the schema of '{name}' refers to itself: {' -> '.join([*path, target])}",
            where=where,
            todo="write the nesting out to the depth that is used",
        )
    found = root
    for key in target.removeprefix("#").strip("/").split("/") if target != "#" else []:
        key = key.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            raise BadInput(
                f"the schema of '{name}' refers to '{target}', which is not there",
                where=where,
                todo="put the definition under $defs",
            )
        found = found[key]
    rest = {key: inner for key, inner in value.items() if key != "$ref"}
    return _resolved(found, root, (*path, target), name, where) | rest


def undeclared(tools: Sequence[dict[str, Any]], answer: ToolAnswer) -> list[str]:
    """Return functions and arguments of an answer's calls that no tool declares."""
    known, found = {tool["name"]: tool["parameters"] for tool in tools}, []
    for call in answer.calls:
        if call.name not in known:
            found.append(f"function {call.name}")
            continue
        schema = known[call.name]
        if schema.get("additionalProperties") in (None, False):
            declared = schema.get("properties", {})
            found += [
                f"argument {call.name}.{key}" for key in call.arguments if key not in declared
            ]
    return found


def broken(tools: Sequence[dict[str, Any]], answer: ToolAnswer) -> list[str]:
    """Return where calls break the schemas of their functions: missing or ill-typed arguments, unknown names."""
    known = {tool["name"]: tool["parameters"] for tool in tools}
    found = undeclared(tools, answer)
    for call in answer.calls:
        if call.name in known:
            found += [f"{call.name}: {fault}" for fault in faults(known[call.name], call.arguments)]
    return found


def shares_right(
    tools: Sequence[dict[str, Any]], answer: ToolAnswer, wanted: ToolAnswer
) -> tuple[bool, float]:
    """Return whether an answer makes the right calls and no others, and the share of calls that are right, 0..1.

    Among calls of one turn the order is free. What is said beside them, or instead of one, is not scored.
    """
    most = max(len(answer.calls), len(wanted.calls))
    right = _matched(tools, answer, wanted)
    return right == most, right / most if most else 1.0


def mistake(
    tools: Sequence[dict[str, Any]], answer: ToolAnswer | None, wanted: ToolAnswer
) -> Mistake:
    """Return what is wrong with an answer, the first that applies: calls too few or too many, other functions, arguments."""
    if answer is None:
        return "unreadable"
    names, right = sorted(c.name for c in answer.calls), sorted(c.name for c in wanted.calls)
    if len(names) < len(right):
        return "missing call"
    if len(names) > len(right):
        return "needless call"
    if names != right:
        return "wrong function"
    return "right" if shares_right(tools, answer, wanted)[0] else "wrong arguments"


def _matched(tools: Sequence[dict[str, Any]], answer: ToolAnswer, wanted: ToolAnswer) -> int:
    known = {tool["name"]: tool["parameters"].get("properties", {}) for tool in tools}
    left, found = list(answer.calls), 0
    for call in wanted.calls:
        declared = known.get(call.name, {})
        same = next(
            (
                other
                for other in left
                if other.name == call.name
                and _same_arguments(other.arguments, call.arguments, declared)
            ),
            None,
        )
        if same is not None:
            left.remove(same)
            found += 1
    return found


def _same_arguments(one: dict[str, Any], other: dict[str, Any], declared: dict[str, Any]) -> bool:
    """An argument left out says the same as its declared default."""
    defaults = {
        k: s["default"] for k, s in declared.items() if isinstance(s, dict) and "default" in s
    }
    one, other = defaults | one, defaults | other
    return one.keys() == other.keys() and all(
        same_json(one[k], other[k], exact="enum" in (declared.get(k) or {})) for k in one
    )


def same_json(one: Any, other: Any, *, exact: bool = False) -> bool:
    """Say whether two JSON values are of one type and equal; texts up to letters and blanks, unless they must be exact."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other
    if isinstance(one, str) and isinstance(other, str):
        return one == other or (not exact and bool(one) and normalise(one) == normalise(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            same_json(a, b, exact=exact) for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            same_json(one[k], other[k], exact=exact) for k in one
        )
    return one is None and other is None


def schema_of_answers(tools: Sequence[dict[str, Any]], choice: str = "auto") -> dict[str, Any]:
    """Return the JSON Schema of an answer's text.

    Args:
        tools: The declared functions.
        choice: ``auto``, ``required``, ``none``, or the one function to call.
    """
    named = [tool for tool in tools if choice in ("auto", "required", tool["name"])]
    calls: dict[str, Any] = {"type": "array", "items": {"anyOf": [_call_schema(t) for t in named]}}
    if choice == "none" or not named:
        calls = {"type": "array", "maxItems": 0}
    elif choice != "auto":
        calls["minItems"] = 1
    if choice not in ("auto", "required", "none"):
        calls["maxItems"] = 1
    says = {"type": "string"}
    properties = {"calls": calls} | ({"content": says} if choice in ("auto", "none") else {})
    return {
        "type": "object",
        "properties": properties,
        "required": ["calls"],
        "additionalProperties": False,
    }


def _call_schema(tool: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": {"const": tool["name"]}, "arguments": closed(tool["parameters"])},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


def closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return an object's schema that allows no arguments beside the declared ones, unless it says so itself."""
    return {"additionalProperties": False} | schema
