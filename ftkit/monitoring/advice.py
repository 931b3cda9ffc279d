"""Keep, refresh the handbook, write a new prompt, re-tune, or label first: a rule with its reasons (G8, G11)."""

from __future__ import annotations

from typing import Any

from ftkit.core.power import test_examples_needed
from ftkit.core.records.monitoring import MonitoringCard, Verdict10

QUARTER_DAYS = 91
AGAIN = "ftkit retune makes the labelled answers a new round of data: run that, then ftkit promote what is not worse"
MUCH_MORE = (
    0.5  # new labelled examples, as a share of those trained on, that make re-tuning worth a look
)


def advise(
    card: MonitoringCard,
    *,
    tuned: bool,
    retriever: bool,
    requirements_changed: bool,
    new_examples: int,
    trained_on: int,
) -> MonitoringCard:
    """Return the card with its verdict, reasons and next steps.

    Args:
        card: What was watched.
        tuned: Whether what serves was tuned.
        retriever: Whether what serves reads passages.
        requirements_changed: Whether the wanted behaviour has changed since (format, tone, rules).
        new_examples: New reviewed examples since the training.
        trained_on: Examples it was trained on.
    """
    reasons: list[str] = []
    verdict: Verdict10 = "keep"
    steps: list[str] = []
    if requirements_changed:
        verdict, told = (
            ("re-tune", "the tuned model keeps the old ones")
            if tuned
            else ("new prompt", "the prompt can say the new ones")
        )
        reasons.append(f"The requirements have changed: {told}.")
        steps.append(
            "Change the task card (01), correct the examples (02), and run the walk again."
            if tuned
            else "Change the prompt (03), and measure it anew (07)."
        )
    if card.handbook_changed:
        verdict = (
            verdict
            if verdict != "keep"
            else "refresh handbook"
            if retriever
            else "re-tune"
            if tuned
            else "new prompt"
        )
        how = (
            "indexing it again is enough, nothing is trained"
            if retriever
            else "what serves reads no passages and answers from the past"
        )
        reasons.append(
            f"{card.handbook_changed} of {card.handbook_articles} articles differ from those in use: {how}."
        )
        steps.append(
            "Run 04 with the new handbook, then 07."
            if retriever
            else "Put the facts into passages: see RAG and hybrid in 07."
        )
    verdict = _quality(card, verdict, reasons, steps)
    verdict = _inputs(card, verdict, reasons, steps)
    if card.days_since_training > QUARTER_DAYS:
        reasons.append(
            f"{card.days_since_training} days have passed since the training: a quarter is over, look at it even if nothing stands out."
        )
        steps.append("Draw a fresh test set from this month's messages and run 07 on it.")
    if tuned and trained_on and new_examples > MUCH_MORE * trained_on:
        verdict = "re-tune" if verdict == "keep" else verdict
        reasons.append(
            f"{new_examples:,} new reviewed examples, against {trained_on:,} trained on: re-tuning may gain."
        )
        steps.append(f"{AGAIN}; 07 tells whether it gained.")
    if not reasons:
        reasons.append("Nothing that is watched has changed beyond chance.")
    return card.model_copy(
        update={
            "verdict": verdict,
            "reasons": reasons,
            "next_steps": list(dict.fromkeys(steps)) or ["Look again next week."],
        }
    )


def _quality(
    card: MonitoringCard, verdict: Verdict10, reasons: list[str], steps: list[str]
) -> Verdict10:
    if card.quality is None or card.tested is None:
        return verdict
    told = f"{card.quality.value:.0%} of {card.quality.n} labelled answers are right ({card.quality.low:.0%} to {card.quality.high:.0%}), {card.tested.value:.0%} in the test"
    if card.quality.high >= card.tested.low:
        reasons.append(f"{told}: no fall beyond chance.")
        return verdict
    reasons.append(f"{told}: it has fallen beyond chance.")
    steps.append(
        "Look at the wrong ones: facts that are missing go into the handbook, behaviour into new examples."
    )
    steps.append(f"{AGAIN}.")
    return verdict if verdict in ("refresh handbook", "new prompt") else "re-tune"


def _inputs(
    card: MonitoringCard, verdict: Verdict10, reasons: list[str], steps: list[str]
) -> Verdict10:
    alarms = [s for s in card.signals if s.since]
    if not alarms:
        return verdict
    reasons += [f"Since the week of {s.since}: {s.name} {_change(s)}." for s in alarms]
    if card.quality is not None:
        return verdict
    needed = test_examples_needed(10.0)
    steps.append(
        f"Fill in label_sample.csv ({card.label_rows} rows) and run 10 again: drift of the questions alone does not say that answers are worse. "
        f"About {needed} labels show a fall of 10 points."
    )
    if any(s.name == "covered by the handbook" for s in alarms):
        steps.append("Read the examples below: what the handbook does not cover belongs into it.")
    return "label first" if verdict == "keep" else verdict


def _change(signal: Any) -> str:
    values = [v for v in signal.values if v is not None]
    return f"went from {shown(signal, signal.usual)} to {shown(signal, values[-1])} ({signal.unit})"


def shown(signal: Any, value: float | None) -> str:
    """Return a value of a signal as it is read: a share in per cent, anything else with three digits at most."""
    if value is None:
        return "–"
    if signal.unit.startswith("share"):
        return f"{100 * value:.2g}%" if value < 0.1 else f"{value:.0%}"
    return f"{value:.3g}"


def learned(card: MonitoringCard) -> tuple[str, list[str]]:
    """Return the title and the points of the summary box."""
    titles = {
        "keep": "Keep what serves",
        "refresh handbook": "Refresh the handbook; nothing needs to be trained",
        "new prompt": "Write a new prompt",
        "re-tune": "Re-tune",
        "label first": "The questions have changed: label some answers before deciding",
        "nothing to watch": "There is nothing to watch yet",
    }
    return titles[card.verdict], [*card.reasons, *(f"Next: {s}" for s in card.next_steps)]
