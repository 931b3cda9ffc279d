"""07 with a judge: human labels from a file, the judge's own verdicts, and scores that follow them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.records.evaluation import JudgeCheck
from ftkit.core.records.strategy import ANSWERED
from ftkit.core.records.task import TaskCard
from ftkit.data.read import open_source
from ftkit.evaluation.judge import Progress, Triple, calibrate, open_judge, verdicts
from ftkit.evaluation.judge_by_strategy import grades, unequal

COLUMNS = ("input", "output", "answer", "right")
FEWEST, FEWEST_OF_A_KIND = 30, 5
YES, NO = {"yes", "true", "right", "1", "1.0"}, {"no", "false", "wrong", "0", "0.0"}


def read_labels(path: Path) -> tuple[list[Triple], list[bool], list[str]]:
    """Read answers that people have graded: columns ``input``, ``output`` (the right answer), ``answer``, ``right``,
    and ``strategy`` where it is known; empty names where there is no such column.

    Raises:
        BadInput: The file or a row cannot be used, or there are too few labels of either kind.
    """
    if not path.exists() or path.is_dir():
        raise BadInput(
            "there is no file of human grades, and a judge is held against them before it is believed",
            where=f"evaluation.judge_labels = {str(path)!r}",
            todo="grade some answers, see docs/evaluation.md",
        )
    raw = open_source(path)
    missing = [name for name in COLUMNS if name not in raw.columns]
    todo = f"give the columns {', '.join(COLUMNS)}; right is yes or no"
    if missing:
        raise BadInput(f"there is no column '{missing[0]}'", where=str(path), todo=todo)
    triples, human, strategies = [], [], []
    for number, row in raw.rows:
        word = str(row.get("right")).strip().lower()
        if word not in YES | NO:
            raise BadInput(
                f"right is {row.get('right')!r}", where=f"{path}, row {number}", todo=todo
            )
        triples.append(
            (str(row["input"] or ""), str(row["output"] or ""), str(row["answer"] or ""))
        )
        human.append(word in YES)
        strategies.append(str(row.get("strategy") or "").strip())
    rarest = min(sum(human), len(human) - sum(human))
    if len(human) < FEWEST or rarest < FEWEST_OF_A_KIND:
        raise BadInput(
            f"holds {len(human)} labels, {sum(human)} of them right: at least {FEWEST} are needed, {FEWEST_OF_A_KIND} of each kind",
            where=str(path),
            todo="grade more answers, good and bad ones",
        )
    return triples, human, strategies if all(strategies) else []


def judged(
    card: TaskCard,
    items: Any,
    answers: Any,
    scores: Any,
    p: EvaluationParameters,
    folder: Path,
    progress: Callable[[str], Progress],
) -> tuple[Any, JudgeCheck | None]:
    """Let the judge that the parameters name say which answers are right; without one, scores stay as they are.

    Args:
        card: The task.
        items: Test examples.
        answers: Answers of all strategies.
        scores: Their scores by the task's metric, same order; ``correct`` is replaced.
        p: Names the judge and the labels.
        folder: Where the judge's replies are kept as they come, so that a stopped run asks for none twice.
        progress: Makes a progress callable from a label.

    Raises:
        BadInput: The labels cannot be used.
        FtkitError: The judge gives no verdicts, or is no better than chance.
    """
    if not p.judge_model:
        return scores, None
    triples, human, strategies = read_labels(Path(p.judge_labels))
    judge = open_judge(p, "evaluation", folder / "judge.jsonl")
    said, swapped = verdicts(
        judge, triples, card.instruction, progress("the judge, on labelled answers")
    )
    check = calibrate(p.judge_model, human, said, swapped)
    if strategies:
        counted = grades(strategies, human, said, list(dict.fromkeys(answers["strategy"])))
        check = check.model_copy(update={"grades": counted, "unequal_p": unequal(counted)})
    asked = {
        i: (text, output)
        for i, text, output in zip(items["id"], items["input"], items["output"], strict=True)
    }
    wanted = {
        (i, t): (*asked[i], t)
        for i, t, ended in zip(answers["item_id"], answers["text"], answers["outcome"], strict=True)
        if str(t).strip() and ended in ANSWERED
    }
    found, _ = verdicts(
        judge, list(wanted.values()), card.instruction, progress("the judge, on all answers")
    )
    right = dict(zip(wanted, found, strict=True))
    check = check.model_copy(update={"bill": judge.bill.sentence()})
    return scores.assign(
        correct=[
            ended in ANSWERED and right.get((i, t), False)
            for i, t, ended in zip(
                answers["item_id"], answers["text"], answers["outcome"], strict=True
            )
        ]
    ), check
