"""What goes into the training: the prompt it is taught with, and general instructions so that other skills stay (guide: 10-15%)."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from random import Random

from ftkit.core.errors import BadInput
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.prompting import Prompt, PromptBook
from ftkit.models import nano
from ftkit.models.chat import Messages
from ftkit.scoring.text import normalise

Lesson = tuple[Messages, str, str]
ANSWER_NAMES = ("response", "completion", "output")


def chosen_prompt(book: PromptBook, name: str = "") -> Prompt:
    """Return the prompt that the tuned model is taught and asked with: the named one, or the best zero-shot one.

    Raises:
        BadInput: The book has no prompt of that name.
    """
    known = [trial.prompt.name for trial in book.trials]
    if name and name not in known:
        raise BadInput(
            f"there is no prompt '{name}' among those of 03",
            where="training.prompt",
            todo=f"use one of: {', '.join(known)}",
        )
    return book.get(name or book.zero_shot)


BUILT_IN = Path(__file__).parents[1] / "evaluation" / "general" / "lessons.jsonl"
"""General lessons for any base, made by ``recipes/general``, on other facts and words than the questions."""


def general_mix(
    p: TrainingParameters, examples: int, measured: Collection[str] = ()
) -> tuple[list[Lesson], str]:
    """Return general lessons for a share ``p.general_share`` of the whole mix, and a sentence that says what was added.

    Args:
        p: The stage's parameters.
        examples: Number of the task's own training examples.
        measured: Questions that are measured on; a file's copies of them are left out.

    Raises:
        BadInput: The file of general data is not usable.
    """
    wanted = round(examples * p.general_share / (1 - p.general_share))
    if wanted == 0:
        return (
            [],
            "No general instructions were added (general_share is 0): general skills may suffer.",
        )
    if p.general_data:
        found, copies = read_general(Path(p.general_data), wanted, p.seed, measured)
        left_out = (
            f" {copies} that are copies of questions measured on were left out." if copies else ""
        )
        return (
            found,
            f"{len(found)} general instructions from {p.general_data} are mixed in.{left_out}",
        )
    if p.base_model != "nano":
        found, _ = read_general(BUILT_IN, wanted, p.seed, measured)
        short = f"; the share asked for would be {wanted}" if len(found) < wanted else ""
        return (found, f"{len(found)} built-in general instructions are mixed in{short}.")
    found = [
        (messages, answer, f"general-{i}")
        for i, (messages, answer) in enumerate(nano.general_lessons(wanted, p.seed))
    ]
    return (found, f"{len(found)} general lessons of the nano base's own curriculum are mixed in.")


def read_general(
    path: Path, wanted: int, seed: int, measured: Collection[str] = ()
) -> tuple[list[Lesson], int]:
    """Return up to ``wanted`` lessons of a JSON-lines file with ``prompt`` and ``response``, drawn with a seed, and the copies left out.

    Args:
        path: The file.
        wanted: Most lessons.
        seed: Draws them.
        measured: Questions that no lesson may ask (compared without case, outer punctuation and double blanks).

    Raises:
        BadInput: The file is missing or a line is not such an object.
    """
    if not path.is_file():
        raise BadInput(
            "there is no such file",
            where=f"training.general_data {path}",
            todo="check the path, or leave it empty",
        )
    lines = [
        (n, line)
        for n, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if line.strip()
    ]
    order, barred = Random(seed).sample(lines, len(lines)), {normalise(text) for text in measured}
    found, copies = [], 0
    for number, line in order:
        if len(found) == wanted:
            break
        lesson = _lesson(path, number, line)
        if normalise(lesson[0][-1]["content"]) in barred:
            copies += 1
        else:
            found.append((number, lesson))
    return [lesson for _, lesson in sorted(found, key=lambda pair: pair[0])], copies


def _lesson(path: Path, number: int, line: str) -> Lesson:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    answer = (
        next((row[name] for name in ANSWER_NAMES if isinstance(row.get(name), str)), "")
        if isinstance(row, dict)
        else ""
    )
    if not isinstance(row, dict) or not isinstance(row.get("prompt"), str) or not answer.strip():
        raise BadInput(
            'is no object with the texts "prompt" and "response"',
            where=f"{path} line {number}",
            todo='write one a line: {"prompt": "...", "response": "..."}',
        )
    return (
        [{"role": "user", "content": row["prompt"].strip()}],
        answer.removesuffix("<|endoftext|>").strip(),
        f"general-{number}",
    )
