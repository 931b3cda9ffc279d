"""Regression: does tuning cost general skills? Base and tuned model answer the same general items."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import SCORE_COLUMNS, Comparison
from ftkit.core.statistics import mean_interval
from ftkit.evaluation.comparisons import compare
from ftkit.evaluation.ifeval import Instructions, check_languages
from ftkit.models import nano
from ftkit.models.chat import ChatModel, Messages
from ftkit.scoring.metrics import number as number_metric
from ftkit.scoring.text import normalise

ProbeItem = tuple[Messages, str | Instructions, str]
"""Messages, right answer or instructions to follow, and skill."""
NOT_MEASURED = "no general question was asked (evaluation.probe_items is 0)"
NOTHING_TUNED = "nothing was tuned, so no general skill can be lost"
BUILT_IN = Path(__file__).parent / "general" / "questions.jsonl"
"""General questions for any base, made by ``recipes/general``."""
QUESTION_NAMES, ANSWER_NAMES = (
    ("prompt", "question", "instruction"),
    ("response", "answer", "output", "completion"),
)
FINAL = "####"
"""What stands before the final number in GSM8K's answers."""


def general_questions(
    p: TrainingParameters | EvaluationParameters, count: int, seed: int
) -> list[ProbeItem]:
    """Return the general questions that base and tuned model are asked: the file's, else built-in ones.

    A file is halved by a hash of its questions: 05, which chooses by them, gets one half, and 07, which measures, the other.

    Args:
        p: Names the base and the file (``general_questions``).
        count: Most questions; 0: none of the built-in ones, all of a file's half.
        seed: Draws them.

    Raises:
        BadInput: The file is missing, a line is no question with an answer, or its half is empty.
    """
    if p.general_questions:
        return _from_file(
            Path(p.general_questions), count, seed, isinstance(p, EvaluationParameters)
        )
    if p.base_model != "nano":  # which cannot do what any real base can, and has its own
        return (
            _from_file(BUILT_IN, count, seed, isinstance(p, EvaluationParameters)) if count else []
        )
    return list[ProbeItem](nano.probe_items(count, seed, isinstance(p, EvaluationParameters)))


def _from_file(path: Path, count: int, seed: int, second_half: bool) -> list[ProbeItem]:
    if not path.is_file():
        raise BadInput(
            "there is no such file",
            where=f"general_questions {path}",
            todo="check the path, or leave it empty",
        )
    lines = [
        (n, line)
        for n, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1)
        if line.strip()
    ]
    items = {
        item[0][0]["content"]: item
        for number, line in lines
        for item in [_item(path, number, line)]
    }
    mine = [(hashlib.sha256(text.encode()).hexdigest(), item) for text, item in items.items()]
    mine = [(digest, item) for digest, item in mine if (int(digest[0], 16) % 2 == 1) == second_half]
    if not mine:
        raise BadInput(
            f"holds {len(items)} questions, too few to halve",
            where=str(path),
            todo="add questions: 05 and 07 take a half each",
        )
    drawn = sorted(mine, key=lambda pair: hashlib.sha256(f"{seed}:{pair[0]}".encode()).hexdigest())
    return [item for _, item in drawn][: count or None]


def _item(path: Path, number: int, line: str) -> ProbeItem:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    row = row if isinstance(row, dict) else {}
    question = next((row[name] for name in QUESTION_NAMES if isinstance(row.get(name), str)), "")
    truth = next((row[name] for name in ANSWER_NAMES if isinstance(row.get(name), str)), "")
    if question.strip() and "instruction_id_list" in row:
        return (
            [{"role": "user", "content": question.strip()}],
            _instructions(path, number, row),
            str(row.get("skill") or "following instructions"),
        )
    if not question.strip() or not truth.strip():
        raise BadInput(
            'is no object with the texts "prompt" and "response"',
            where=f"{path} line {number}",
            todo='write one a line: {"prompt": "...", "response": "..."}; question and answer do as well',
        )
    return (
        [{"role": "user", "content": question.strip()}],
        truth.strip(),
        str(row.get("skill") or path.stem),
    )


def _instructions(path: Path, number: int, row: dict[str, Any]) -> Instructions:
    kinds, values = row["instruction_id_list"], row.get("kwargs")
    try:
        found = Instructions.of(list(kinds), list(values or [{} for _ in kinds]))
        check_languages(found)
    except (BadInput, TypeError, AttributeError) as error:
        told = (
            error.found
            if isinstance(error, BadInput)
            else "instruction_id_list and kwargs are no lists"
        )
        todo = error.todo if isinstance(error, BadInput) else "write them as IFEval does"
        raise BadInput(told, where=f"{path} line {number}", todo=todo) from error
    return found


def is_right(said: str, truth: str | Instructions) -> bool:
    """Return whether an answer to a general question is right.

    Instructions (IFEval) must all be followed, read strictly.

    A truth with ``####`` or one that is a number asks for the same final number (GSM8K's rule: what stands after the answer's
    own ``####``, else its last number); any other one for the same text after normalisation.
    """
    if isinstance(truth, Instructions):
        return all(truth.followed(said))
    wanted = truth.rsplit(FINAL, 1)[-1].strip()
    if FINAL in truth or re.fullmatch(r"-?[\d,]+(?:\.\d+)?%?", wanted):
        return number_metric()(said.rsplit(FINAL, 1)[-1], wanted) == 1.0 and bool(said.strip())
    return normalise(said) == normalise(truth)


def probe(
    model: ChatModel,
    name: str,
    items: Sequence[ProbeItem],
    progress: Callable[[int, int], None] | None = None,
) -> Any:
    """Let a model answer the general items.

    Args:
        model: The model.
        name: ``base`` or ``tuned``.
        items: Messages, right answer and skill per item.
        progress: Called with (done, total).

    Returns:
        One row per item, columns ``records.SCORE_COLUMNS`` and ``skill``; see ``is_right``.
    """
    import pandas as pd

    replies = model.answer([messages for messages, _, _ in items], progress)
    rows = []
    for number, ((_, truth, skill), reply) in enumerate(zip(items, replies, strict=True)):
        right, said = is_right(reply.text, truth), bool(reply.text.strip())
        rows.append(
            (
                f"probe-{number}",
                name,
                f"probe-{number}",
                right,
                float(right),
                "strict",
                None,
                not said,
                skill,
            )
        )
    return pd.DataFrame(rows, columns=[*SCORE_COLUMNS, "skill"])


def regression(probes: Any, n_resamples: int = 10_000, seed: int = 0) -> list[Comparison]:
    """Return tuned minus base on the general items; empty where not both answered."""
    names = set(probes["strategy"]) if len(probes) else set()
    return (
        compare(probes, [("tuned", "base")], n_resamples=n_resamples, seed=seed)
        if {"tuned", "base"} <= names
        else []
    )


def general_accuracy(probes: Any) -> dict[str, Estimate]:
    """Return the accuracy on the general items by model name."""
    if not len(probes):
        return {}
    return {
        str(name): mean_interval(rows["correct"].astype(float))
        for name, rows in probes.groupby("strategy")
    }


def by_skill(probes: Any) -> Any:
    """Return the share right per skill and model as a table."""
    return probes.pivot_table(index="skill", columns="strategy", values="correct", aggfunc="mean")


def probe_models(
    load: Callable[[str], ChatModel],
    models: Sequence[str],
    items: Sequence[ProbeItem],
    progress: Callable[[str], Any],
) -> Any:
    """Let models answer the general items; without models or items an empty table, and no model is loaded.

    Args:
        load: Returns the model of a name.
        models: ``tuned`` and ``base``; none where nothing was tuned.
        items: Messages, right answer and skill per item.
        progress: Returns the progress callable of a step.
    """
    import pandas as pd

    if not items or not models:
        return pd.DataFrame(columns=[*SCORE_COLUMNS, "skill"])
    parts = [
        probe(load(name), name, items, progress(f"general questions, {name}")) for name in models
    ]
    return pd.concat(parts, ignore_index=True)
