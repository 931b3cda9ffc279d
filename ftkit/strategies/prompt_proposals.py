"""Instructions that a model proposes from the task card and a few examples: further candidates, never trusted, only measured.

Source of the idea: Zhou et al. (2022), Large Language Models Are Human-Level Prompt Engineers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.parameters.prompting import PromptingParameters
from ftkit.core.records.task import TaskCard
from ftkit.core.run_folder import write_text
from ftkit.data.personal_data import mask
from ftkit.models.chat import ChatModel, Messages
from ftkit.models.endpoint.model import Endpoint, endpoint_or_local
from ftkit.strategies.prompt_candidates import format_lines
from ftkit.strategies.prompt_rendering import check_template

FILE, LONGEST, MOST_WORDS, SHOWN = "proposals.jsonl", 512, 300, 6
RULES = (
    "You write instructions (a system prompt) for another language model that will do the task below. Write them so that a newcomer "
    "would do it right: what decides each answer, what is often got wrong, and the exact form of an answer. Do not answer the "
    "examples and do not repeat them. Reply with the instructions only."
)
WAYS = (
    "Be short: at most 80 words.",
    "Give the decision rules one by one, the commonest case first.",
    "Say what is often confused with what, and how to tell it apart.",
    "Write as an experienced colleague would explain it.",
    "First the form of the answer, then the rules.",
)


@dataclass
class Proposal:
    """One proposed instruction.

    Attributes:
        text: The instruction, with the lines that tell the format where it left them out.
        refused: Why it is no candidate; empty: it is one.
    """

    text: str
    refused: str = ""


def model_of(p: PromptingParameters, folder: Path) -> ChatModel:
    """Return the model that proposes instructions."""
    endpoint = Endpoint(
        url=p.proposal_url,
        model=p.proposal_model,
        named="prompting.proposal",
        answer_tokens=LONGEST,
        prices=p.proposal_prices,
        price_file=p.price_file,
        most_usd=p.proposal_most_usd,
        connection=p.proposal_connection,
        may_leave=p.data_may_leave,
    )
    return endpoint_or_local(endpoint, folder / "proposal_replies.jsonl", mask)


def propose(
    card: TaskCard,
    train: Any,
    p: PromptingParameters,
    folder: Path,
    hide: Callable[[str], str],
    *,
    retrieval: bool = False,
    model: ChatModel | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Proposal]:
    """Ask for instructions; those of an earlier run with the same task and model are kept and not asked for again.

    Args:
        card: The task card.
        train: Training examples, of which a few are shown with personal data masked.
        p: Names the model and how many instructions it proposes; an empty name: none.
        folder: The stage's folder.
        hide: Masks personal data in a text.
        retrieval: Whether passages may come.
        model: The model, if it is loaded already.
        progress: Called with replies done and in all.
    """
    if not p.proposal_model:
        return []
    asked = [ask(card, train, k, p.seed, hide) for k in range(p.proposals)]
    key = hashlib.sha256(json.dumps([asked, p.proposal_model, p.proposal_url]).encode()).hexdigest()
    path = folder / FILE
    if path.exists():
        known = [
            json.loads(line)
            for line in path.read_text(encoding="utf-8").splitlines()
            if line.strip()
        ]
        if known and all(row.get("key") == key for row in known):
            return [Proposal(row["text"], row["refused"]) for row in known]
    replies = (model or model_of(p, folder)).answer(asked, progress)
    found: list[Proposal] = []
    for reply in replies:
        text = reply.text.strip().strip("`").strip()
        refused = (
            f"no answer ({reply.outcome}): {reply.detail}"
            if not reply.is_answer
            else _refused(text, [x.text for x in found])
        )
        found.append(Proposal(text if refused else _with_format(text, card, retrieval), refused))
    lines = [
        json.dumps({"key": key, "text": x.text, "refused": x.refused}, ensure_ascii=False)
        for x in found
    ]
    write_text(path, "\n".join(lines) + "\n")
    return found


def ask(card: TaskCard, train: Any, k: int, seed: int, hide: Callable[[str], str]) -> Messages:
    """Return what is asked for the ``k``-th instruction: the task, its checks, some examples, and a way to write."""
    order = sorted(
        zip(train["id"], train["input"], train["output"], strict=True),
        key=lambda row: _draw(f"{seed}:{k}:{row[0]}"),
    )
    examples = [
        f"Input: {hide(str(given))[:400]}\nRight answer: {hide(str(output))[:400]}"
        for _, given, output in order[:SHOWN]
    ]
    parts = [
        f"Task: {card.instruction}",
        *format_lines(card, bool(card.knowledge_field)),
        *([f"Tone: {card.tone}."] if card.tone else []),
    ]
    checks = [f"An answer must be: {check.name}." for check in card.checks]
    user = "\n".join([*parts, *checks, "", *examples, "", WAYS[k % len(WAYS)]])
    return [{"role": "system", "content": RULES}, {"role": "user", "content": user}]


def _draw(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _refused(text: str, known: Sequence[str]) -> str:
    """Return why a text is no candidate, or an empty text."""
    if not text:
        return "it is empty"
    if len(text.split()) > MOST_WORDS:
        return f"it has {len(text.split())} words, more than {MOST_WORDS}"
    if any(text == other or text in other for other in known):
        return "it was proposed before"
    try:
        check_template(text, "a proposal")
    except BadInput as error:
        return error.found
    return ""


def _with_format(text: str, card: TaskCard, retrieval: bool) -> str:
    """Add the lines that tell the format where an instruction leaves out a label or a field."""
    needed = card.labels if card.kind == "label" else card.fields
    return (
        text
        if needed and all(name in text for name in needed)
        else "\n".join([text, *format_lines(card, retrieval)])
    )


def rows(found: Sequence[Proposal]) -> list[dict[str, str]]:
    """Return the proposals for a table."""
    return [
        {
            "proposal": str(k),
            "text": x.text,
            "candidate": "yes" if not x.refused else f"no: {x.refused}",
        }
        for k, x in enumerate(found, 1)
    ]
