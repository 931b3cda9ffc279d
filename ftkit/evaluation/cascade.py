"""A small model answers where it is sure, a large one the rest: from which confidence, and what that does.

The confidence is chosen on validation, the cascade is measured on the test from answers that both models gave anyway.
The thresholds are tried from "all to the large one" downwards, each only where the one before held, so the chance of a
broken promise stays 5% over all of them. Where the small model's confidence does not tell on which questions it loses
against the large one, there is no cascade: passing questions on would be a lottery.

Sources: Angelopoulos, Bates, Candès, Jordan & Lei (2021), Learn then Test (fixed-sequence testing); Tango (1998),
Equivalence test and confidence interval for the difference in proportions for the paired-sample design.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ftkit.core.errors import BadInput
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.records.evaluation import Cascade, CascadePoint, Evaluation, JudgeCheck
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.records.task import TaskCard
from ftkit.core.statistics import mean_interval
from ftkit.evaluation.selective_answering import auroc
from ftkit.models.chat import ChatModel
from ftkit.scoring.score import score
from ftkit.strategies import grid
from ftkit.strategies.delivery import unanswered_items

NAME = "cascade"
MARGIN = 0.02
"""A cascade counts as being as right as the large model where it is worse by less than this share."""
STEPS, LEVEL, FEWEST = 20, 0.05, 30
VALIDATION = 400
"""Validation questions that both models answer at most: the large one's answers are paid for."""
SMALL = ("fine-tuned", "hybrid", "few-shot", "prompting")


@dataclass(frozen=True)
class Pairs:
    """Questions that both models answered.

    Attributes:
        sure: The small model's confidence, 0..1, shape (questions,); NaN where it tells none.
        small: 1 where the small model is right, else 0, shape (questions,).
        large: 1 where the large model is right, else 0, shape (questions,).
        groups: Cluster of each question, shape (questions,).
    """

    sure: Any
    small: Any
    large: Any
    groups: Any

    @property
    def known(self) -> Any:
        """The confidence, with -inf where there is none: such a question is always passed on."""
        return np.where(np.isfinite(self.sure), self.sure, -np.inf)


def thresholds(sure: Any) -> list[float]:
    """Return the confidences to try, highest first: at most ``STEPS``, with equal shares of the answers between them."""
    known = np.sort(sure[np.isfinite(sure)])[::-1]
    ends = [math.ceil(len(known) * k / STEPS) - 1 for k in range(1, STEPS + 1)]
    return sorted({float(known[e]) for e in ends if e >= 0}, reverse=True)


def choose(
    pairs: Pairs, accuracy: float = 0.0, most_passed: float = 1.0
) -> tuple[str, float | None]:
    """Return whether there is a cascade (see ``Cascade.state``), and from which confidence the small model answers.

    Args:
        pairs: Validation questions.
        accuracy: Share of right answers wanted; 0: as right as the large model, within ``MARGIN``.
        most_passed: Largest share of the questions that may be passed on, 0..1: what the bill allows.
    """
    sure = pairs.known
    told = np.isfinite(sure)
    if told.sum() < FEWEST:
        return "no confidence", None
    loses = (pairs.large > pairs.small).astype(float)
    chosen = None
    for least in thresholds(sure):
        if not _holds(pairs, sure >= least, accuracy):
            break
        chosen = least
    if chosen is None:
        return "not shown", None
    if chosen <= sure.min():
        return "small alone", chosen
    sense = auroc(sure[told], 1 - loses[told], pairs.groups[told])
    if sense is None or sense.low <= 0.5:
        return "confidence tells nothing", None
    if (sure < chosen).mean() > most_passed:
        return "too dear", None
    return "cascade", chosen


def _holds(pairs: Pairs, kept: Any, accuracy: float) -> bool:
    """Say whether the cascade is shown, with 95% certainty, to be as right as wanted; a cluster counts as one answer."""
    n = len(np.unique(pairs.groups))
    if accuracy:
        from scipy.special import betainc

        right = n * float(np.where(kept, pairs.small, pairs.large).mean())
        return right > accuracy * n and bool(betainc(right, n - right + 1, accuracy) <= LEVEL)
    change = np.where(kept, pairs.small - pairs.large, 0.0)
    wins, losses = n * float((change > 0).mean()), n * float((change < 0).mean())
    return score_z(wins, losses, n, -MARGIN) > 1.6448536


def score_z(wins: float, losses: float, n: int, difference: float) -> float:
    """Return Tango's score statistic of a paired difference of shares against a fixed ``difference`` below 0.

    Args:
        wins: Questions on which only the first is right.
        losses: Questions on which only the second is right.
        n: Questions in all.
        difference: The difference under test, a share.
    """
    a = 2 * n
    b = -wins - losses + (2 * n - wins + losses) * difference
    c = -losses * difference * (1 - difference)
    q = (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)
    variance = n * (2 * q + difference * (1 - difference))
    return (wins - losses - n * difference) / math.sqrt(max(variance, 1e-12))


def curve(pairs: Pairs, seconds: Any, more_seconds: Any) -> list[CascadePoint]:
    """Return the cascade at every share passed on, from all to the small model to all to the large one.

    Args:
        pairs: Test questions.
        seconds: Seconds of the small model per answer, shape (questions,).
        more_seconds: Seconds of the large model per answer, shape (questions,).
    """
    sure, points = pairs.known, []
    for least in [-math.inf, *thresholds(sure)[::-1], math.inf]:
        kept = sure >= least
        right = np.where(kept, pairs.small, pairs.large).astype(float)
        whole = np.where(kept, seconds, seconds + more_seconds)
        whole = more_seconds if not kept.any() else whole
        points.append(
            CascadePoint(
                least=least if math.isfinite(least) else None,
                passed=float(1 - kept.mean()),
                accuracy=mean_interval(right, pairs.groups, 2_000),
                seconds_p50=float(np.median(whole)),
                seconds_p95=float(np.quantile(whole, 0.95)),
            )
        )
    points = list({p.passed: p for p in points}.values())
    best = np.maximum.accumulate([p.accuracy.value for p in points])
    return [
        p.model_copy(update={"dominated": k > 0 and p.accuracy.value <= best[k - 1]})
        for k, p in enumerate(points)
    ]


def pair(specs: Sequence[StrategySpec], named: Sequence[str]) -> tuple[StrategySpec, StrategySpec]:
    """Return the small and the large strategy.

    Args:
        specs: The strategies that were measured.
        named: Small and large one by name; empty: the tuned one (else the best-equipped local one) and the endpoint.

    Raises:
        BadInput: Not two names, the same one twice, or no such strategy.
        LookupError: None is named, and no endpoint takes part.
    """
    by_name = {s.name: s for s in specs}
    if not named:
        if "endpoint" not in by_name:
            raise LookupError("no endpoint takes part")
        small = next(by_name[n] for n in SMALL if n in by_name)
        return small, by_name["endpoint"]
    wrong = [n for n in named if n not in by_name]
    if len(named) != 2 or named[0] == named[1] or wrong:
        raise BadInput(
            f"there is no strategy '{wrong[0]}'" if wrong else "is not two different strategies",
            where="evaluation.cascade",
            todo=f"name the small and the large one of {', '.join(by_name)}; or leave it empty",
        )
    return by_name[named[0]], by_name[named[1]]


def spec_of(small: StrategySpec, large: StrategySpec) -> StrategySpec:
    """Return the strategy that asks the small one first, then the large one."""
    return small.model_copy(
        update={
            "name": NAME,
            "family": "cascade",
            "model": "cascade",
            "retriever": small.retriever or large.retriever,
            "small": small.name,
            "large": large.name,
        }
    )


def on_validation(
    specs: Sequence[StrategySpec],
    card: TaskCard,
    validation: Any,
    p: EvaluationParameters,
    load: Callable[[str], ChatModel],
    parts: dict[str, Any],
    judge: JudgeCheck | None = None,
) -> Cascade | None:
    """Return the cascade as chosen on validation; None where no two strategies make one.

    Args:
        specs: The strategies.
        card: The task.
        validation: Validation examples (columns ``records.EXAMPLE_COLUMNS``); at most ``VALIDATION`` are asked.
        p: The parameters of 07.
        load: Returns the model that ``spec.model`` stands for.
        parts: Prompt book, examples and searcher, and what makes a progress callable from a name.
        judge: The model that said what is right; with one there is no cascade, as its errors are not known per question.

    Raises:
        BadInput: ``p.cascade`` does not name two strategies.
    """
    import pandas as pd

    try:
        small, large = pair(specs, p.cascade)
    except LookupError:
        return None
    plan = Cascade(
        small=small.name,
        large=large.name,
        state="judged",
        validation_items=0,
        margin=MARGIN,
        wanted=p.cascade_accuracy,
    )
    if judge is not None:
        return plan
    items, progress = validation.head(VALIDATION), parts["progress"]
    rest = {k: v for k, v in parts.items() if k != "progress"}
    said = [
        grid.answer(
            s, load(s.model), items, **rest, progress=progress(f"cascade, validation, {s.name}")
        )
        for s in (small, large)
    ]
    lost = unanswered_items([small, large], pd.concat(said))
    said = [table[~table["item_id"].isin(lost)] for table in said]
    items = items[~items["id"].isin(lost)]
    if not len(items):
        return plan.model_copy(update={"state": "not shown"})
    pairs = paired(said[0], *(score(card, items, table) for table in said))
    state, least = choose(pairs, p.cascade_accuracy, p.cascade_most_passed)
    update = {"state": state, "least": least, "validation_items": len(pairs.small)}
    return plan.model_copy(update=update)


def paired(said: Any, small: Any, large: Any) -> Pairs:
    """Return both models' marks of the same questions, in the order of the small one's answers.

    Args:
        said: The small model's answers.
        small: Its scores.
        large: The large model's scores.
    """
    ids = said["item_id"]
    mine, other = (marks.set_index("item_id").loc[ids] for marks in (small, large))
    return Pairs(
        np.where(mine["missing"], np.nan, said["confidence"].to_numpy(dtype=float)),
        mine["correct"].to_numpy(dtype=float),
        other["correct"].to_numpy(dtype=float),
        mine["group"].astype(str).to_numpy(),
    )


def composed(
    plan: Cascade | None, specs: Sequence[StrategySpec], answers: Any, scores: Any
) -> tuple[list[StrategySpec], Any, Any]:
    """Return strategies, answers and scores with those of the cascade added, made of answers that are there.

    Args:
        plan: What was chosen on validation.
        specs: The strategies.
        answers: Their answers to the test questions (columns ``records.ANSWER_COLUMNS``).
        scores: Their scores (columns ``records.SCORE_COLUMNS``).
    """
    if plan is None or plan.state != "cascade" or plan.least is None:
        return list(specs), answers, scores
    import pandas as pd

    by_name = {s.name: s for s in specs}
    first, second = (
        answers[answers["strategy"] == name].set_index("item_id", drop=False)
        for name in (plan.small, plan.large)
    )
    passed = passed_on(plan, first, scores)
    rows = first.copy()
    rows[passed] = second.loc[rows.index][passed]
    rows.loc[passed, "latency_s"] += first.loc[passed, "latency_s"]
    rows.loc[passed, "confidence"] = np.nan
    marks = [scores[scores["strategy"] == n].set_index("item_id", drop=False) for n in by_name]
    of = dict(zip(by_name, marks, strict=True))
    mine = of[plan.small].loc[rows.index].copy()
    mine[passed] = of[plan.large].loc[rows.index][passed]
    rows["strategy"] = mine["strategy"] = NAME
    merged = pd.concat([scores, mine.reset_index(drop=True)], ignore_index=True)
    merged.attrs.update(scores.attrs)
    return (
        [*specs, spec_of(by_name[plan.small], by_name[plan.large])],
        pd.concat([answers, rows.reset_index(drop=True)], ignore_index=True),
        merged,
    )


def passed_on(plan: Cascade, first: Any, scores: Any) -> Any:
    """Return for each of the small model's answers (index: item) whether the large one is asked, shape (questions,)."""
    mine = scores[scores["strategy"] == plan.small].set_index("item_id").loc[first.index]
    sure = first["confidence"].to_numpy(dtype=float)
    return ~(np.nan_to_num(sure, nan=-np.inf) >= plan.least) | mine["missing"].to_numpy(dtype=bool)


def with_cascade(
    evaluation: Evaluation, plan: Cascade | None, answers: Any, scores: Any
) -> Evaluation:
    """Return an evaluation with the cascade's curve, share passed on, and what each of its two models is asked.

    Args:
        evaluation: What was measured.
        plan: What was chosen on validation; None: nothing was tried.
        answers: All answers to the test questions.
        scores: Their scores.
    """
    results = {r.spec.name: r for r in evaluation.results}
    if plan is None or plan.small not in results or plan.large not in results:
        return evaluation.model_copy(update={"cascade": plan})
    first, second = (
        answers[answers["strategy"] == name].set_index("item_id", drop=False)
        for name in (plan.small, plan.large)
    )
    second = second.loc[first.index]
    pairs = paired(first, *(scores[scores["strategy"] == n] for n in (plan.small, plan.large)))
    seconds = (x["latency_s"].to_numpy(dtype=float) for x in (first, second))
    update: dict[str, Any] = {"curve": curve(pairs, *seconds)}
    if NAME in results and plan.least is not None:
        passed = passed_on(plan, first, scores)
        asked = second[passed] if passed.any() else second
        update |= {
            "passed": mean_interval(passed.astype(float), pairs.groups, 2_000),
            "seconds_p50": float(
                np.median(answers[answers["strategy"] == NAME]["latency_s"].astype(float))
            ),
            "parts": [
                results[plan.small],
                results[plan.large].model_copy(
                    update={
                        "prompt_tokens_mean": float(asked["prompt_tokens"].mean()),
                        "completion_tokens_mean": float(asked["completion_tokens"].mean()),
                        "thought_tokens_mean": float(asked["thought_tokens"].mean()),
                        "seconds_per_answer": float(asked["latency_s"].mean()),
                    }
                ),
            ],
        }
    plan = plan.model_copy(update=update)
    changed = [
        r.model_copy(update={"cascade": plan}) if r.spec.name == NAME else r
        for r in evaluation.results
    ]
    return evaluation.model_copy(update={"cascade": plan, "results": changed})
