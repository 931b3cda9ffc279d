"""How a model's family writes tool calls, found by having its chat template write some; and the calls read back.

Where a template writes names and arguments as JSON or between marks, that form is used in prompts, in training and in
answers. All other models are told of the tools in the system turn and answer with the JSON of ``scoring/tool_calls.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ftkit.core.records.prompting import ResponseFormat
from ftkit.models import thinking
from ftkit.models.chat import Messages
from ftkit.scoring.tool_calls import Call, ToolAnswer, closed, read_answer, schema_of_answers

Tools = Sequence[dict[str, Any]]
Write = Callable[[list[dict[str, Any]], Tools, bool], str | None]
"""Writes messages and tools, with or without a generation prompt; None where the template refuses them."""
NAMES = ("qfna", "qfnb")
ARGUMENTS = {"qarga": "qvala", "qargb": "qvalb"}
MOST_CALLS = 8
"""Calls that constrained decoding allows in one turn."""


@dataclass(frozen=True)
class ToolForm:
    """How calls are written: ``opening (before NAME between ARGUMENTS after)* closing``, ``joint`` between two.

    Attributes:
        native: Whether the template writes calls in a form that can be read; else the answer's own JSON is written.
        several: Whether it can write several in one turn.
        marks: What stands before an argument's name, between name and value, and after it; None: arguments are JSON.
    """

    native: bool = False
    opening: str = ""
    before: str = ""
    between: str = ""
    after: str = ""
    joint: str = ""
    closing: str = ""
    several: bool = False
    marks: tuple[str, str, str] | None = None

    @property
    def written(self) -> str:
        """All that stands around names and values."""
        return "".join((self.opening, self.before, self.after, self.closing))

    def turns(self, messages: Messages) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return messages and tools as the template takes them.

        Args:
            messages: The first of them names the tools under ``tools``; turns that call hold an answer's JSON.
        """
        tools = tools_of(messages)
        plain: list[dict[str, Any]] = [
            {k: v for k, v in m.items() if k != "tools"} for m in messages
        ]
        if not self.native:
            return _told(plain, tools), []
        return openai_turns(plain), declared(tools)

    def write(self, answer: ToolAnswer) -> str:
        """Return calls as the family writes them; what is said where nothing is called."""
        if not answer.calls:
            return answer.content if self.native else answer.text()
        if not self.native:
            return answer.text()
        written = [
            f"{self.before}{call.name}{self.between}{self._arguments(call)}{self.after}"
            for call in answer.calls
        ]
        return self.opening + self.joint.join(written) + self.closing

    def _arguments(self, call: Call) -> str:
        if self.marks is None:
            return json.dumps(call.arguments, ensure_ascii=False)
        start, middle, end = self.marks
        return "".join(
            f"{start}{name}{middle}{value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}{end}"
            for name, value in call.arguments.items()
        )

    def read(self, text: str, tools: Tools) -> str:
        """Return a reply as an answer's JSON; one whose calls cannot be read comes back as it is.

        Args:
            text: What the model wrote, thoughts off.
            tools: The declared functions, for the types of arguments between marks.
        """
        own = read_answer(text.strip())
        if own is not None:
            return own.text()
        if not self.native:
            return text if '"calls"' in text else ToolAnswer((), text.strip()).text()
        calls, said, at = [], "", 0
        start = re.compile(_loose(self.before))
        while found := start.search(text, at):
            if not calls:
                said = text[: found.start()].strip().removesuffix(self.opening.strip()).strip()
            step = self._call(text, found.end(), tools)
            if step is None:
                return text
            call, at = step
            calls.append(call)
        if not calls and self.before.strip().split("\n")[0] in text:
            return text
        return ToolAnswer(tuple(calls), said if calls else text.strip()).text()

    def _call(self, text: str, at: int, tools: Tools) -> tuple[Call, int] | None:
        name = re.compile(rf"\s*([\w.-]+){_loose(self.between)}").match(text, at)
        if name is None:
            return None
        found = self._values(text, name.end(), name[1], tools)
        if found is None:
            return None
        arguments, at = found
        end = re.compile(_loose(self.after)).match(text, at)
        return (Call(name[1], arguments), end.end()) if end else None

    def _values(
        self, text: str, at: int, name: str, tools: Tools
    ) -> tuple[dict[str, Any], int] | None:
        if self.marks is None:
            try:
                value, end = json.JSONDecoder().raw_decode(text, at)
            except (ValueError, RecursionError):
                return None
            return (value, end) if isinstance(value, dict) else None
        types = next(
            (t["parameters"].get("properties", {}) for t in tools if t["name"] == name), {}
        )
        start, middle, end = map(_loose, self.marks)
        pattern = re.compile(rf"{start}([\w.-]+){middle}(.*?){end}", re.DOTALL)
        values = dict[str, Any]()
        while found := pattern.match(text, at):
            values[found[1]] = _typed(found[2], types.get(found[1]))
            at = found.end()
        return values, at

    def format_of(
        self, wanted: ResponseFormat, tools: Tools, special: Callable[[str], dict[str, int]]
    ) -> ResponseFormat:
        """Return the grammar of a turn that may call the tools, as ``wanted`` says.

        Args:
            wanted: Of kind ``tools``.
            tools: The declared functions.
            special: Returns the special tokens in a text, with their ids.
        """
        choice = str(wanted.value)
        if not self.native:
            return ResponseFormat(kind="json_schema", value=schema_of_answers(tools, choice))
        mark = (self.opening + self.before).strip()
        free = f"free: /[^{re.escape(mark[0])}\\s](.|\\n)*/" if mark else "free: /(.|\\n)+/"
        if mark and mark.startswith(tuple(special(mark))):
            free = "free: /\\S(.|\\n)*/"
        if choice == "none":
            return ResponseFormat(kind="lark", value=f"start: free\n{free}")
        named = [tool for tool in tools if choice in ("auto", "required", tool["name"])]
        literal = _Literal(special)
        more = MOST_CALLS - 1 if self.several and choice in ("auto", "required") else 0
        repeated = f" ({literal(self.joint)} call){{0,{more}}}" if more else ""
        rules = [
            f"start: {'free | ' if choice == 'auto' else ''}calls",
            f"calls: {literal(self.opening)} call{repeated} {literal(self.closing)}",
            "call: " + " | ".join(f"call_{k}" for k in range(len(named))),
            *([free] if choice == "auto" else []),
        ]
        for k, tool in enumerate(named):
            head = literal(self.before + tool["name"] + self.between)
            rules.append(f"call_{k}: {head} {self._grammar(tool, literal)} {literal(self.after)}")
        return ResponseFormat(kind="lark", value="\n".join(rules))

    def _grammar(self, tool: dict[str, Any], literal: _Literal) -> str:
        schema = closed(tool["parameters"])
        if self.marks is None:
            return f"%json {json.dumps(schema | JSON_FORM)}"
        start, middle, end = self.marks
        parts = []
        for name, inner in schema.get("properties", {}).items():
            stops = re.escape(end.strip()[:1] or "<")
            text = isinstance(inner, dict) and inner.get("type") == "string"
            value = f"%json {json.dumps((inner or {}) | JSON_FORM)}"
            if text and all(isinstance(v, str) for v in inner.get("enum") or [0]):
                value = "(" + " | ".join(json.dumps(v) for v in inner["enum"]) + ")"
            elif text:
                value = f"/[^{stops}\\n]+/"
            part = f"{literal(start + name + middle)} {value} {literal(end)}"
            parts.append(part if name in schema.get("required", []) else f"({part})?")
        return " ".join(parts) or '""'


JSON_FORM = {
    "x-guidance": {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}
}
"""Blanks as chat templates write JSON."""


@dataclass
class _Literal:
    """Writes a text as terms of a grammar: special tokens by their numbers, the rest as letters."""

    special: Callable[[str], dict[str, int]]

    def __call__(self, text: str) -> str:
        known = self.special(text)
        if not known:
            return json.dumps(text, ensure_ascii=False) if text else '""'
        pieces = re.split("(" + "|".join(map(re.escape, sorted(known, key=len)[::-1])) + ")", text)
        return " ".join(
            f"<[{known[piece]}]>" if piece in known else json.dumps(piece, ensure_ascii=False)
            for piece in pieces
            if piece
        )


def tools_of(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the functions that a conversation declares; none where it declares none."""
    return json.loads(messages[0]["tools"]) if messages and messages[0].get("tools") else []


def with_tools(messages: Messages, tools: Tools) -> Messages:
    """Return a conversation that declares functions: its first turn carries them as JSON text."""
    if not tools:
        return messages
    carried = json.dumps(list(tools), ensure_ascii=False, sort_keys=True)
    return [messages[0] | {"tools": carried}, *messages[1:]]


def declared(tools: Tools) -> list[dict[str, Any]]:
    """Return functions in OpenAI's form."""
    return [{"type": "function", "function": dict(tool)} for tool in tools]


def openai_turns(messages: Sequence[dict[str, Any]], *, text: bool = False) -> list[dict[str, Any]]:
    """Return messages with the calls of earlier answers in OpenAI's form.

    Args:
        messages: The conversation.
        text: Whether arguments are JSON text, as servers take them, or objects, as templates do.
    """
    turns, ids = list[dict[str, Any]](), list[str]()
    for turn in messages:
        answer = read_answer(turn["content"]) if turn["role"] == "assistant" else None
        if answer is None:
            known = {"tool_call_id": ids.pop(0)} if turn["role"] == "tool" and ids else {}
            turns.append(dict(turn) | known)
            continue
        ids = [f"call{len(turns):02d}{k:03d}" for k in range(len(answer.calls))]
        calls = [
            {
                "id": name,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": json.dumps(call.arguments, ensure_ascii=False)
                    if text
                    else call.arguments,
                },
            }
            for name, call in zip(ids, answer.calls, strict=True)
        ]
        more = {"tool_calls": calls} if calls else {}
        rest = {k: v for k, v in turn.items() if k not in ("role", "content")}
        turns.append({"role": "assistant", "content": answer.content, **more, **rest})
    return turns


def _told(messages: list[dict[str, Any]], tools: Tools) -> list[dict[str, Any]]:
    """Return turns for a template without tools: they stand in the system turn, results in turns of the user."""
    lines = [
        "You can call these functions:",
        *(json.dumps(tool, ensure_ascii=False) for tool in tools),
        'Answer with JSON: {"calls":[{"name":...,"arguments":{...}}]}; where none is needed, {"calls":[],"content":...}.',
    ]
    said = "\n".join(lines)
    turns = [
        {"role": "user", "content": f"Result of {t.get('name') or 'the call'}: {t['content']}"}
        if t["role"] == "tool"
        else t
        for t in messages
    ]
    if turns[0]["role"] == "system":
        return [turns[0] | {"content": f"{turns[0]['content']}\n{said}"}, *turns[1:]]
    return [{"role": "system", "content": said}, *turns]


def find(write: Write, ends: Sequence[str], opened: bool = False) -> ToolForm:
    """Return how a template writes calls, found by having it write one and two.

    Args:
        write: Writes a conversation.
        ends: Tokens that end a turn.
        opened: Whether the generation prompt opens a thought.
    """
    texts = [_probe(write, count, ends, opened) for count in (1, 2)]
    one, two = texts
    if one is None or one.count(NAMES[0]) != 1 or thinking.CHANNEL.match(one.lstrip()):
        return ToolForm()
    head, _, rest = one.partition(NAMES[0])
    if "to=" in head or any(one.count(v) != 1 for v in (*ARGUMENTS, *ARGUMENTS.values())):
        return ToolForm()
    found = _json_form(head, rest) or _marked_form(head, rest)
    if found is None or NAMES[0] not in (write(_asked(), _tools(), True) or ""):
        return ToolForm()
    return _several(found, head, two) if two is not None else replace(found, before=head)


def _asked() -> list[dict[str, Any]]:
    return [{"role": "user", "content": "qprobe"}]


def _tools() -> list[dict[str, Any]]:
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in ARGUMENTS}}
    return declared([{"name": n, "description": "d", "parameters": schema} for n in NAMES])


def _probe(write: Write, count: int, ends: Sequence[str], opened: bool) -> str | None:
    calls = [
        {"id": "qcallid12", "type": "function", "function": {"name": n, "arguments": ARGUMENTS}}
        for n in NAMES[:count]
    ]
    turns = [*_asked(), {"role": "assistant", "content": "", "tool_calls": calls}]
    before, whole = write(_asked(), _tools(), True), write(turns, _tools(), False)
    if before is None or whole is None or "qcallid12" in whole:
        return None
    written = whole.removeprefix(before)
    if not whole.startswith(before):  # e.g. the history closes a thought that the prompt opens
        opened = False
        written = whole[whole.rfind("qprobe") :].rpartition("assistant")[2]
    split = thinking.split(written, opened=opened)
    written = written[written.find(split.answer) :] if split.answer else written
    cut = min((at for end in ends if (at := written.find(end)) >= 0), default=len(written))
    return written[:cut].rstrip()


def _json_form(head: str, rest: str) -> ToolForm | None:
    for found in re.finditer(r"\{", rest):
        try:
            value, end = json.JSONDecoder().raw_decode(rest, found.start())
        except ValueError:
            continue
        if value == ARGUMENTS:
            return ToolForm(True, before=head, between=rest[: found.start()], after=rest[end:])
    return None


def _marked_form(head: str, rest: str) -> ToolForm | None:
    (one, first), (other, second) = ARGUMENTS.items()
    pieces = re.split(f"({one}|{first}|{other}|{second})", rest)
    if pieces[1::2] != [one, first, other, second]:
        return None
    begin, middle, joint, again, last = pieces[::2]
    start = _common_end(begin, joint)
    end = joint.removesuffix(start)
    if middle != again or not start.strip() or not last.startswith(end) or not end.strip():
        return None
    between, after = begin.removesuffix(start), last.removeprefix(end)
    return ToolForm(True, before=head, between=between, after=after, marks=(start, middle, end))


def _several(form: ToolForm, head: str, two: str) -> ToolForm:
    """Return the form with what stands around all calls and between two, found in a turn with two."""
    arguments = form._arguments(Call(NAMES[0], dict(ARGUMENTS)))
    first = f"{NAMES[0]}{form.between}{arguments}"
    at, second = two.find(first), two.find(NAMES[1])
    if at < 0 or second < at:
        return replace(form, before=head)
    middle, tail = two[at + len(first) : second], form.after
    before = _common_end(middle, head)
    joined = middle.removesuffix(before)
    after = _common_start(joined, tail)
    return replace(
        form,
        opening=head.removesuffix(before),
        before=before,
        after=after,
        joint=joined.removeprefix(after),
        closing=tail.removeprefix(after),
        several=True,
    )


def _common_start(one: str, other: str) -> str:
    pairs = enumerate(zip(one, other, strict=False))
    return one[: next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))]


def _common_end(one: str, other: str) -> str:
    return _common_start(one[::-1], other[::-1])[::-1]


def _loose(text: str) -> str:
    """Return a pattern of a text in which blanks are free."""
    return r"\s*" + r"\s*".join(map(re.escape, text.split())) + (r"\s*" if text.strip() else "")


def _typed(text: str, schema: Any) -> Any:
    """Return the value of an argument between marks, of the type that its schema names."""
    kind = schema.get("type") if isinstance(schema, dict) else None
    if kind == "string":
        return text.strip("\n")
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        plain = text.strip()
        return {"True": True, "False": False, "None": None}.get(plain, plain)
