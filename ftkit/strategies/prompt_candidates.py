"""Prompt candidates written from the task card: instruction variants, and few-shot examples from the training split."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from ftkit.core.records.prompting import Prompt, ResponseFormat
from ftkit.core.records.task import TaskCard
from ftkit.scoring.parse import parse
from ftkit.scoring.tool_calls import read_answer
from ftkit.strategies import answer_form
from ftkit.strategies.prompt_files import own_text
from ftkit.strategies.prompt_rendering import check_template

ABSTENTION = "we will check"
TASK_ONLY = "task only"
FORM = "form of the answers"
MANY_LABELS = (
    10  # from here on the list of labels is most of the prompt; a tuned model can do without it
)


def with_hash(
    name: str,
    system: str,
    shots: Sequence[str] = (),
    similar: int = 0,
    response_format: ResponseFormat | None = None,
    diverse: bool = False,
    tools: Sequence[dict[str, Any]] = (),
) -> Prompt:
    """Return a prompt with the hash of its content."""
    more = [
        *([similar] if similar else []),
        *([response_format.model_dump()] if response_format else []),
        *(["diverse"] if diverse else []),
        *([list(tools)] if tools else []),
    ]
    content = json.dumps([system, list(shots), *more], ensure_ascii=False)
    return Prompt(
        name=name,
        system=system,
        shots=list(shots),
        similar=similar,
        response_format=response_format,
        diverse=diverse,
        tools=list(tools),
        sha256=hashlib.sha256(content.encode()).hexdigest(),
    )


def format_lines(card: TaskCard, retrieval: bool) -> list[str]:
    """Return the lines that tell the output format."""
    if card.kind == "label":
        return ["Answer with one of these labels:", *card.labels]
    if card.kind == "tool_call":
        return ["Call the functions that the message needs, and none that it does not need."]
    if card.kind == "text":
        limit = next((c.value for c in card.checks if c.kind == "max_words" and not c.field), 0)
        return [f"Answer in at most {limit} words."] if limit else []
    quoted = ",".join(json.dumps(name, ensure_ascii=False) for name in card.fields)
    lines = [f"Answer with JSON with the keys {quoted}."]
    if card.optional_fields:
        lines.append(
            f"Leave out what the message does not tell of {','.join(card.optional_fields)}."
        )
    for check in card.checks:
        if check.kind == "enum" and check.field:
            lines.append(
                f"{check.field} is one of {','.join(json.dumps(v, ensure_ascii=False) for v in check.value)}."
            )
    if card.knowledge_field and retrieval:
        lines.append(
            f'{card.knowledge_field} comes from the passages; if they do not tell, {card.knowledge_field} "{ABSTENTION}".'
        )
        if "source" in card.fields:
            lines.append("source is the id of the passage.")
    return lines


def candidates(
    card: TaskCard,
    train: Any,
    shots: Sequence[int],
    seed: int,
    *,
    own_prompt: str = "",
    retrieval: bool = False,
    proposed: Sequence[str] = (),
) -> list[Prompt]:
    """Return the prompts to compare.

    Args:
        card: The task card.
        train: Training examples (columns ``records.EXAMPLE_COLUMNS``); few-shot examples come from here only.
        shots: Numbers of few-shot examples to try.
        seed: Seed of their choice.
        own_prompt: The user's own system prompt, or a file that holds it, as one more candidate.
        retrieval: Whether passages may come, so that the format tells how to use them.
        proposed: Instructions that a model proposed, as further candidates.
    """
    own_prompt = own_text(own_prompt)
    check_template(own_prompt, "prompting.own_prompt")
    form = _form_lines(card, train, retrieval)
    variants = _variants(card, retrieval, own_prompt.strip(), form)
    systems = {name: text for name, text in variants.items() if text}
    systems |= {f"proposed {k}": text for k, text in enumerate(proposed, 1)}
    prompts = [with_hash(name, system) for name, system in systems.items()]
    picked = {
        len(chosen): chosen for k in shots if k > 0 and (chosen := pick(card, train, k, seed))
    }
    shown = FORM if FORM in systems else "plain"
    for k, chosen in picked.items():
        prompts.append(with_hash(f"{k} example{'s' * (k > 1)}", systems[shown], chosen))
    if picked:
        k = max(picked)
        if "your own" in systems:
            prompts.append(
                with_hash(f"your own, {k} example{'s' * (k > 1)}", systems["your own"], picked[k])
            )
        prompts.append(with_hash(f"{k} similar example{'s' * (k > 1)}", systems[shown], similar=k))
        if k > 1:
            prompts.append(with_hash(f"{k} examples, other order", systems[shown], picked[k][::-1]))
            prompts.append(
                with_hash(
                    f"{k} similar, differing examples", systems[shown], similar=k, diverse=True
                )
            )
    return [_offering(prompt, card.tools) for prompt in prompts]


def _offering(p: Prompt, tools: Sequence[dict[str, Any]]) -> Prompt:
    """Return a prompt that declares functions."""
    held = p.name, p.system, p.shots, p.similar, p.response_format, p.diverse
    return with_hash(*held, tools) if tools else p


def _form_lines(card: TaskCard, train: Any, retrieval: bool) -> list[str]:
    """Return the lines that ask for the form of the right answers, for free text."""
    if card.kind != "text":
        return []
    outputs, inputs = train["output"].tolist(), train["input"].tolist()
    return answer_form.lines(answer_form.form_of(outputs, inputs), passages=retrieval)


def _variants(
    card: TaskCard, retrieval: bool, own_prompt: str, asked: Sequence[str]
) -> dict[str, str]:
    """Return system texts by name; an empty one is no candidate. ``asked``: lines that ask for the form of the answers."""
    plain = format_lines(card, retrieval)
    form = list(asked) or plain
    role = "You answer exactly as the rules say and add nothing."
    return {
        "plain": "\n".join([card.instruction, *plain]),
        FORM: "\n".join([card.instruction, *form]) if asked else "",
        "format first": "\n".join([*form, card.instruction])
        if form and card.kind != "label"
        else "",
        "role and rules": "\n".join([role, card.instruction, *_rules(card), *form]),
        TASK_ONLY: card.instruction if len(card.labels) > MANY_LABELS else "",
        "your own": own_prompt,
    }


def _rules(card: TaskCard) -> list[str]:
    """Return the task card's rules in words: tone, length, and that nothing stands around the answer."""
    rules = [f"Tone: {card.tone}."] if card.tone and card.kind != "label" else []
    limit = next((c.value for c in card.checks if c.kind == "max_words" and not c.field), 0)
    rules += [f"At most {limit} words."] if limit and card.kind == "fields" else []
    only = {
        "label": "Write one label exactly as it stands in the list, and nothing else.",
        "fields": "Write no words around the JSON.",
    }
    return rules + ([only[card.kind]] if card.kind in only else [])


def pick(card: TaskCard, train: Any, k: int, seed: int) -> list[str]:
    """Return the ids of ``k`` examples, spread over the labels (or categories), short ones first within each.

    Short examples leave room in the context: of each stratum the shorter half is drawn from, in a seeded order.
    """
    strata: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for row_id, given, output in zip(train["id"], train["input"], train["output"], strict=True):
        draw = hashlib.sha256(f"{seed}:{row_id}".encode()).hexdigest()
        strata[_stratum(card, output)].append((len(given), draw, row_id))
    queues = []
    for rows in strata.values():
        short = sorted(rows)[: max(1, (len(rows) + 1) // 2)]
        queues.append([row_id for _, _, row_id in sorted(short, key=lambda row: row[1])])
    queues.sort(key=lambda q: hashlib.sha256(f"{seed}:{q[0]}".encode()).hexdigest())
    return _round_robin(queues, k)


def _round_robin(queues: list[list[str]], k: int) -> list[str]:
    found: list[str] = []
    depth = 0
    while len(found) < k and any(len(q) > depth for q in queues):
        found += [q[depth] for q in queues if len(q) > depth]
        depth += 1
    return found[:k]


def _stratum(card: TaskCard, output: str) -> str:
    if card.kind == "tool_call":
        called = read_answer(output)
        return " ".join(sorted(call.name for call in called.calls)) if called else ""
    if card.kind != "fields":
        return output if card.kind == "label" else ""
    enums = [c.field for c in card.checks if c.kind == "enum" and c.field]
    values = parse(card, output).fields
    known = "" if not card.knowledge_field else str(values.get(card.knowledge_field) == ABSTENTION)
    return "/".join([*(values.get(f, "") for f in enums[:1]), known])
