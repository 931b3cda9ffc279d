"""Did preference tuning win? The win rate against the tuned model of 05, and the signs of reward hacking."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from statistics import fmean, variance
from typing import Any

from ftkit.core.records.training import RL, PreferenceCard, PreferencePoint
from ftkit.core.statistics import mean_interval, paired_difference, wilson

LONGER = 1.3  # answers this many times as long
REPEATED = 0.05  # more answers with a threefold repetition
NOISE = 0.02  # share right that may be lost by chance before a growing margin counts as hacking


def repeats(text: str, size: int = 3) -> bool:
    """Return whether a run of words stands three times in an answer."""
    words = text.split()
    runs = Counter(tuple(words[i : i + size]) for i in range(len(words) - size + 1))
    return any(count >= 3 for count in runs.values())


def conclude(
    card: PreferenceCard,
    before: Any,
    after: Any,
    texts: tuple[Sequence[str], Sequence[str]],
    seed: int = 0,
) -> PreferenceCard:
    """Return the card with what was measured on validation and the verdict.

    Args:
        card: The card with its log.
        before: Scores of the model of 05 on validation (columns ``records.SCORE_COLUMNS``).
        after: Scores of the new model on the same items, same order.
        texts: Answers of both.
        seed: Seed of the resamples.
    """
    one, two = (s["correct"].astype(float).to_numpy() for s in (before, after))
    parts, groups = (
        [s["partial"].to_numpy() for s in (before, after)],
        before["group"].astype(str).tolist(),
    )
    wins, losses = int((parts[1] > parts[0]).sum()), int((parts[1] < parts[0]).sum())
    words = [sum(len(t.split()) for t in side) / max(1, len(side)) for side in texts]
    repeated = [sum(map(repeats, side)) / max(1, len(side)) for side in texts]
    found = {
        "items": len(one),
        "wins": wins,
        "losses": losses,
        "win_rate": wilson(wins, wins + losses) if wins + losses else None,
        "accuracy_before": mean_interval(one.tolist(), groups),
        "accuracy_after": mean_interval(two.tolist(), groups),
        "difference": paired_difference(two.tolist(), one.tolist(), groups, seed=seed),
        "words_before": round(words[0], 2),
        "words_after": round(words[1], 2),
        "repeated_before": round(repeated[0], 4),
        "repeated_after": round(repeated[1], 4),
    }
    card = card.model_copy(update=found)
    return decided(card.model_copy(update={"hacked": hacking(card)}))


def decided(card: PreferenceCard) -> PreferenceCard:
    """Return the card with its verdict: used where nothing speaks for hacking and it won beyond chance, by the judge's word where
    there is one, else by the share right."""
    if card.judge:
        won = card.win_rate is not None and card.win_rate.low > 0.5
    else:
        won = card.difference is not None and card.difference.low > 0
    used = won and not card.hacked
    return card.model_copy(update={"used": used, "reason": _reason(card, used)})


def hacking(card: PreferenceCard) -> str:
    """Return what speaks for reward hacking: the reward rises while the answers do not get better; empty if nothing does."""
    margins = [x.held_margin for x in card.log if x.held_margin is not None] or quarters(card.log)
    rising = rose(card.log) if card.method in RL else len(margins) > 1 and margins[-1] > margins[0]
    before, after = card.accuracy_before, card.accuracy_after
    fell = before is not None and after is not None and after.value < before.value - NOISE
    if rising and fell and before and after:
        return f"the reward{' margin' if card.method in ('dpo', 'kto') else ''} rose from {margins[0]:.2f} to {margins[-1]:.2f} while the share right fell from {before.value:.0%} to {after.value:.0%}"
    if card.repeated_after > card.repeated_before + REPEATED:
        return f"{card.repeated_after:.0%} of the answers repeat themselves, {card.repeated_before:.0%} did before"
    if (
        card.words_before
        and card.words_after > LONGER * card.words_before
        and not (after and before and after.value > before.value)
    ):
        return f"answers grew from {card.words_before:.1f} to {card.words_after:.1f} words and are no better"
    return ""


def quarters(log: Sequence[PreferencePoint]) -> list[float]:
    """Return the mean reward of each quarter of an RL run's steps: single steps ask other questions and vary too much."""
    rewards = [x.reward for x in log if x.reward is not None]
    ends = [round(k * len(rewards) / 4) for k in range(5)]
    return [fmean(rewards[a:b]) for a, b in pairwise(ends) if b > a]


def rose(log: Sequence[PreferencePoint]) -> bool:
    """Return whether the reward of the last quarter of an RL run is above that of the first by two standard errors."""
    rewards = [x.reward for x in log if x.reward is not None]
    size = len(rewards) // 4
    if size < 2:
        return False
    first, last = rewards[:size], rewards[-size:]
    return fmean(last) - fmean(first) > 2 * math.sqrt((variance(first) + variance(last)) / size)


def _reason(card: PreferenceCard, used: bool) -> str:
    d, rate = card.difference, card.win_rate
    told = (
        f"{100 * d.value:+.1f} points right ({100 * d.low:+.1f} to {100 * d.high:+.1f})"
        if d
        else ""
    )
    if card.judge:
        told = (
            f"{card.judge} prefers its answer in {rate.value:.0%} ({rate.low:.0%} to {rate.high:.0%}) of those that it tells apart"
            if rate
            else f"{card.judge} tells no answers apart"
        )
    if card.hacked:
        return f"not used, a sign of reward hacking: {card.hacked}"
    return (
        f"used in 07: {told}"
        if used
        else f"not used: {told} on validation is no gain beyond chance"
    )


def learned(card: PreferenceCard) -> tuple[str, list[str]]:
    """Return the title and the points of the summary box."""
    if card.method == "none":
        return "No preference tuning", [card.reason]
    title = "Preference tuning won: 07 uses it" if card.used else "Preference tuning is not used"
    rate = f", {card.win_rate.value:.0%} of those that differ" if card.win_rate else ""
    judged = [f"{judged_by(card)}. Its bill: {card.judge_bill}."] if card.judge else []
    return title, [
        f"{card.reason[0].upper()}{card.reason[1:]}.",
        f"Better on {card.wins} and worse on {card.losses} of {card.items} validation answers{rate}.",
        *judged,
        learnt_from(card),
        f"It took {card.duration_s:.0f} s.",
    ]


def judged_by(card: PreferenceCard) -> str:
    """Return who compared the answers, and how far that may be believed; without a judge the task's own checks."""
    if not card.judge:
        return "Scored by the task's own checks"
    e = card.judge_agreement
    held = (
        f"; it takes the better side of {e.value:.0%} ({e.low:.0%} to {e.high:.0%}) of known pairs"
        if e
        else ""
    )
    return f"Compared by {card.judge} in both orders, {card.judge_swapped:.0%} of its verdicts changed with the order{held}"


def learnt_from(card: PreferenceCard) -> str:
    """Return what it was learnt from, in a sentence."""
    of_pairs = f"{card.pairs} pairs from {card.source}, {card.gold_pairs} of them with the data's own answer as the better one."
    if card.method in ("dpo", "kto"):
        return of_pairs
    found = quarters(card.log)
    told = (
        f"The mean reward of drawn answers went from {found[0]:.2f} to {found[-1]:.2f}."
        if found
        else ""
    )
    if card.reward == "task":
        return f"Rewarded by the task's own checks. {told}"
    e = card.reward_accuracy
    held = (
        f", which tells {e.value:.0%} ({e.low:.0%} to {e.high:.0%}) of the held-out ones apart"
        if e
        else ""
    )
    return f"Rewarded by a model learnt from {of_pairs.rstrip('.')}{held}. {told}"


def pair_rows(pairs: Sequence[Any], limit: int = 4) -> list[dict[str, str]]:
    """Return pairs as a table."""
    return [
        {
            "asked": p.prompt,
            "better": p.chosen,
            "worse": p.rejected,
            "the better one is": "the data's" if p.gold else "the model's own",
        }
        for p in pairs[:limit]
    ]


def margins(log: Sequence[PreferencePoint]) -> list[tuple[int, float]]:
    """Return step and reward margin on the held-out pairs."""
    return [(x.step, x.held_margin) for x in log if x.held_margin is not None]
