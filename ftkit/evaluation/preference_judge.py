"""A model as judge of which of two answers is better: asked in both orders, and first held against pairs whose better side is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ftkit.core.errors import FtkitError
from ftkit.core.records.base import Estimate
from ftkit.core.statistics import wilson
from ftkit.evaluation.judge import check_heard
from ftkit.models.chat import ChatModel, Messages
from ftkit.scoring.text import normalise

Progress = Callable[[int, int], None]
Two = tuple[str, str, str]  # question and two answers
FEWEST = 8
SAYS = {"a": -1, "b": 1}
RULES = (
    "You compare two answers to one question. Reply with one letter: A if answer A does the task better, B if answer B does, "
    "C if they are equally good."
)


@dataclass
class Preferences:
    """What a judge said of pairs of answers.

    Attributes:
        verdicts: Of each pair 1 where the second answer is better in both orders, -1 where the first is, 0 otherwise.
        swapped: Share of the pairs that it was asked about whose verdict changed with their order.
    """

    verdicts: list[int]
    swapped: float

    @property
    def wins(self) -> int:
        """Pairs whose second answer is better."""
        return self.verdicts.count(1)

    @property
    def losses(self) -> int:
        """Pairs whose first answer is better."""
        return self.verdicts.count(-1)

    def rate(self) -> Estimate | None:
        """Return the share of wins among the pairs that it told apart; None where it told none apart."""
        return wilson(self.wins, self.wins + self.losses) if self.wins + self.losses else None


def ask(two: Two, task: str, swapped: bool) -> Messages:
    """Return what the judge is asked about two answers; ``swapped`` shows the second one first."""
    question, *answers = two
    first, second = answers[::-1] if swapped else answers
    text = f"Task: {task}\n\nQuestion: {question}\n\nAnswer A: {first}\n\nAnswer B: {second}\n\nWhich answer is better: A, B or C?"
    return [{"role": "system", "content": RULES}, {"role": "user", "content": text}]


def prefer(
    judge: ChatModel, pairs: Sequence[Two], task: str, progress: Progress | None = None
) -> Preferences:
    """Ask which answer of each pair is better, in both orders; equal answers are not asked about.

    Raises:
        FtkitError: More than a tenth of the judge's replies are no letter, or are missing.
    """
    asked = [i for i, (_, first, second) in enumerate(pairs) if first.strip() != second.strip()]
    replies = judge.answer(
        [ask(pairs[i], task, swapped) for i in asked for swapped in (False, True)], progress
    )
    said = [
        word if (word := normalise(reply.text)[:1]) in ("a", "b", "c") else None
        for reply in replies
    ]
    check_heard(replies, said, "preference.judge_model", "one letter, A, B or C")
    values, flipped = [0] * len(pairs), 0
    for place, plain, turned in zip(asked, said[::2], said[1::2], strict=True):
        one, two = SAYS.get(plain or "", 0), -SAYS.get(turned or "", 0)
        values[place] = one if one == two else 0
        flipped += one != two
    return Preferences(values, flipped / max(1, len(asked)))


def agreement(
    judge: ChatModel, known: Sequence[Two], task: str, progress: Progress | None = None
) -> Estimate:
    """Return how often the judge takes the better side (the second answer) of pairs that it tells apart.

    Raises:
        FtkitError: There are too few pairs, or it does so no better than chance: its word would prove nothing.
    """
    if len(known) < FEWEST:
        raise FtkitError(
            f"a judge is held against pairs that are not learnt from, and there are {len(known)} of them, at least {FEWEST} are needed",
            where="preference.judge_model",
            todo="give more pairs, or leave judge_model empty",
        )
    found = prefer(judge, known, task, progress)
    share = found.rate()
    if share is None or share.low <= 0.5:
        told = f"takes the better side of {found.wins} and the worse of {found.losses} of {len(known)} known pairs"
        raise FtkitError(
            f"the judge {judge.name} {told}: that is no better than chance",
            where="preference.judge_model",
            todo="take a better judge, or leave judge_model empty",
        )
    return share
