"""The search for a prompt within a budget of answers: successive halving on validation.

All prompts answer the first examples; of each kind (without and with examples) the worse half is dropped, and whoever is
worse than the leader beyond chance; the others answer twice as many; and so on. The first prompt stays to the end: it is
what the winner's gain is measured against.

Source: K. Jamieson, A. Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016.
"""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.records.base import Estimate
from ftkit.core.records.prompting import Prompt, PromptTrial
from ftkit.core.records.strategy import ANSWERED
from ftkit.core.records.task import TaskCard
from ftkit.core.statistics import paired_difference
from ftkit.models.chat import ChatModel
from ftkit.scoring.score import score
from ftkit.strategies.grid import Progress, answer_with
from ftkit.strategies.prompt_candidates import TASK_ONLY
from ftkit.strategies.prompt_choice import ranked, trial

FEWEST = 20
"""Examples of the first round, at least: fewer tell nothing."""
ALPHA = 0.05
BUDGET = "prompting.search_answers"
Meter = Callable[[], float]


def minutes(most: float) -> list[Meter]:
    """Return the meter of a budget of minutes that begins now; none for 0."""
    began = time.monotonic()
    return [lambda: (time.monotonic() - began) / 60 / most] if most else []


@dataclass
class Round:
    """One round of the search.

    Attributes:
        items: Examples that each prompt has answered after it.
        asked: Names of the prompts that took part.
        dropped: Why each prompt that was dropped after it was dropped, by name.
    """

    items: int
    asked: list[str]
    dropped: dict[str, str]


@dataclass
class PromptSearch:
    """What the search found.

    Attributes:
        answers: Answers by prompt (columns ``records.ANSWER_COLUMNS``); dropped prompts have fewer rows.
        scores: Their scores.
        trials: Their figures, in the order of the candidates.
        rounds: What happened.
        spent: Answers asked for.
        most: Answers that asking everyone everything would have taken.
    """

    answers: dict[str, Any] = field(default_factory=dict)
    scores: dict[str, Any] = field(default_factory=dict)
    trials: list[PromptTrial] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    spent: int = 0
    most: int = 0

    def rows(self) -> list[dict[str, Any]]:
        """Return the rounds for a table."""
        return [
            {
                "round": number,
                "examples each": r.items,
                "prompts": len(r.asked),
                "dropped after it": "; ".join(f"{name} ({why})" for name, why in r.dropped.items())
                or "–",
            }
            for number, r in enumerate(self.rounds, 1)
        ]

    def sentence(self) -> str:
        """Return what the search took and what the winner gained over the first prompt."""
        took = f"{self.spent} answers were asked for"
        took += (
            f", {1 - self.spent / self.most:.0%} less than all prompts on all examples."
            if self.spent < self.most
            else "."
        )
        best, first = self.best(), self.trials[0].prompt.name
        if best == first:
            return f"{took} No prompt did better than the first one, '{first}'."
        e = self.gain()
        if e.value <= 0:
            return f"{took} '{best}' gets as many right as the first prompt, '{first}', and is better in its fields, its format or its length."
        return (
            f"{took} '{best}' gets {100 * e.value:+.1f} points more right than the first prompt, '{first}' ({100 * e.low:+.1f} to {100 * e.high:+.1f}; "
            f"the interval is wide enough for having chosen the best of {len(self.trials)})."
        )

    def best(self) -> str:
        """Return the name of the best prompt; the one without its list of labels is for a tuned model and does not count."""
        return next(t.prompt.name for t in ranked(self.trials) if t.prompt.name != TASK_ONLY)

    def gain(self) -> Estimate:
        """Return the winner's gain over the first prompt, with an interval that holds for all comparisons at once (Bonferroni)."""
        after, before = (self.scores[name] for name in (self.best(), self.trials[0].prompt.name))
        right, first = (s["correct"].astype(float).tolist() for s in (after, before))
        return paired_difference(
            right, first, before["group"].tolist(), 4000, alpha=ALPHA / max(1, len(self.trials) - 1)
        )


def plan(
    kinds: Sequence[int],
    items: int,
    budget: int,
    once: int = 0,
    where: str = BUDGET,
    *,
    watched: bool = False,
) -> list[int]:
    """Return the examples that each prompt has answered after every round.

    Args:
        kinds: Prompts of each kind; the first prompt is one more, and stays.
        items: Examples at hand.
        budget: Answers allowed; 0: as many as it takes.
        once: Prompts that are asked in the first round only.
        where: The parameter that sets the budget.
        watched: Whether a meter may end the search between rounds, so that there must be some.

    Raises:
        BadInput: The budget is too small for two rounds from ``FEWEST`` examples on.
    """
    everyone = (1 + sum(kinds) + once) * items
    if items <= FEWEST:
        return [items]
    if not budget or everyone <= budget:
        return _doubling(FEWEST, items) if watched else [items]
    plans = [_doubling(start, items) for start in range(items - 1, FEWEST - 1, -1)]
    for ends in plans:
        if _cost(kinds, ends) + once * ends[0] <= budget:
            return ends
    least = min(_cost(kinds, ends) + once * ends[0] for ends in plans)
    raise BadInput(
        f"{budget} answers are too few to compare {1 + sum(kinds) + once} prompts: it takes {least}",
        where=where,
        todo=f"allow {least} or more, or 0 for all prompts on all examples",
    )


def _doubling(start: int, items: int) -> list[int]:
    ends = [start]
    while ends[-1] < items:
        ends.append(min(items, 2 * ends[-1]))
    return ends


def _cost(kinds: Sequence[int], ends: Sequence[int], before: int = 0) -> int:
    """Return the answers of all rounds, of which the first begins after ``before`` examples."""
    alive, cost = list(kinds), 0
    for end in ends:
        cost += (1 + sum(alive)) * (end - before)
        before, alive = end, [math.ceil(n / 2) for n in alive]
    return cost


def race(
    candidates: Sequence[Prompt],
    model: ChatModel,
    card: TaskCard,
    items: Any,
    examples: Any,
    *,
    budget: int = 0,
    where: str = BUDGET,
    meters: Sequence[Meter] = (),
    progress: Callable[[str], Progress] | None = None,
) -> PromptSearch:
    """Compare prompts within a budget of answers, and of what the meters tell (minutes, money).

    Where the rounds that are left would go beyond a meter's budget, only the best of each kind goes on; it still answers all examples.

    Args:
        candidates: The prompts; the first one is the one that others are held against.
        model: What answers.
        card: The task.
        items: Validation examples, in the order in which they are asked.
        examples: Training examples, for the few-shot texts.
        budget: Answers allowed over all prompts; 0: every prompt answers every example.
        where: The parameter that sets it.
        meters: Each returns which share of its budget is spent, 0 to 1.
        progress: Makes a progress callable from a label.

    Raises:
        BadInput: The budget is too small.
    """
    tell = progress or (lambda label: lambda done, of: None)
    once = [c for c in candidates[1:] if c.name == TASK_ONLY]
    kinds = [
        [c for c in candidates[1:] if c.few_shot is few and c not in once] for few in (False, True)
    ]
    ends = plan(
        [len(kind) for kind in kinds], len(items), budget, len(once), where, watched=bool(meters)
    )
    found, before, began = (
        PromptSearch(most=len(candidates) * len(items)),
        0,
        [meter() for meter in meters],
    )
    for end in ends:
        asked = [candidates[0], *kinds[0], *kinds[1], *(once if not before else [])]
        part, ask = (
            items.iloc[before:end],
            tell(f"answers, round {len(found.rounds) + 1}, {len(asked)} prompts"),
        )
        for place, prompt in enumerate(asked):
            step = functools.partial(_of_all, ask, place * len(part), len(asked) * len(part))
            table = answer_with(prompt.name, prompt, model, part, examples, progress=step)
            _add(found, card, items.iloc[:end], prompt.name, table)
            found.spent += len(part)
        if hasattr(model, "endpoint"):
            leave_out_failures(found)
        dropped = {}
        if end < len(items):
            for place, kind in enumerate(kinds):
                kinds[place], reasons = _halved(kind, found, end)
                dropped |= reasons
            left = _cost([len(kind) for kind in kinds], ends[ends.index(end) + 1 :], end)
            shares = [
                (meter() - first, 1 - first) for meter, first in zip(meters, began, strict=True)
            ]
            if any(spent + spent / found.spent * left > room for spent, room in shares):
                for place, kind in enumerate(kinds):
                    kinds[place], reasons = _leader(kind, found)
                    dropped |= reasons
        found.rounds.append(Round(end, [p.name for p in asked], dropped))
        before = end
    found.trials = [trial(c, found.answers[c.name], found.scores[c.name]) for c in candidates]
    return found


def _of_all(progress: Progress, before: int, of: int, done: int, _: int) -> None:
    progress(before + done, of)


def _add(found: PromptSearch, card: TaskCard, items: Any, name: str, table: Any) -> None:
    import pandas as pd

    known = [found.answers[name]] if name in found.answers else []
    found.answers[name] = pd.concat([*known, table], ignore_index=True)
    found.scores[name] = score(card, items, found.answers[name])


def leave_out_failures(found: PromptSearch) -> None:
    """Take items that an endpoint did not answer for one prompt out of the scores of all: they are wrong for nobody."""
    failed = {
        item
        for table in found.answers.values()
        for item in table[~table["outcome"].isin(ANSWERED)]["item_id"]
    }
    for name, scores in found.scores.items():
        kept = scores[~scores["item_id"].isin(failed)]
        if 2 * len(kept) > len(scores):  # else the endpoint is not measured at all
            found.scores[name] = kept


def _halved(
    kind: Sequence[Prompt], found: PromptSearch, items: int
) -> tuple[list[Prompt], dict[str, str]]:
    """Return the prompts that go on, and why each other one does not."""
    if len(kind) < 2:
        return list(kind), {}
    order = ranked([trial(c, found.answers[c.name], found.scores[c.name], 200) for c in kind])
    keep, leader, going, dropped = math.ceil(len(kind) / 2), order[0], [], {}
    for place, t in enumerate(order):
        name = t.prompt.name
        if place >= keep:
            dropped[name] = f"{t.accuracy.value:.0%} right on {items}, the worse half"
        elif place and _worse(found.scores[name], found.scores[leader.prompt.name], len(kind)):
            dropped[name] = (
                f"{t.accuracy.value:.0%} right on {items}, worse than '{leader.prompt.name}' beyond chance"
            )
        else:
            going.append(name)
    return [c for c in kind if c.name in going], dropped


def _leader(kind: Sequence[Prompt], found: PromptSearch) -> tuple[list[Prompt], dict[str, str]]:
    """Return the best prompt alone, and why the others do not go on."""
    order = ranked([trial(c, found.answers[c.name], found.scores[c.name], 200) for c in kind])
    return [t.prompt for t in order[:1]], {
        t.prompt.name: "the budget is nearly spent" for t in order[1:]
    }


def _worse(scores: Any, leader: Any, compared: int) -> bool:
    best, right = (s["correct"].astype(float).tolist() for s in (leader, scores))
    e = paired_difference(best, right, scores["group"].tolist(), 1000, alpha=ALPHA / compared)
    return e.low > 0
