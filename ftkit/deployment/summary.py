"""What 09 shows and says: parity, planted faults, own server or provider, and the summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftkit.core.records.decision import Decision
from ftkit.core.records.deployment import DeploymentCard, EngineCheck, Parity
from ftkit.deployment.gguf_export import said


def parity_rows(found: Sequence[Parity]) -> list[dict[str, Any]]:
    """Return one row per path or fault: answers equal, verdict, cause, and where the first answer parts."""
    return [
        {
            "asked": p.path,
            "same answers": f"{p.identical.value:.0%} of {p.items}",
            "verdict": "as tested" if p.passed else "not as tested",
            "likely cause": p.cause,
            "because": p.explanation,
            "for example": p.first_differences[0] if p.first_differences else "–",
        }
        for p in found
    ]


def engine_rows(found: Sequence[EngineCheck]) -> list[dict[str, Any]]:
    """Return one row per engine and form, and per fault planted there; a word on how to ask one where there is none."""
    if not found:
        return [{"engine": "none was asked: deployment.engines names none"}]
    rows: list[dict[str, Any]] = []
    for check in found:
        name = f"{check.engine} {check.version}".strip()
        asked = [*([check.parity] if check.parity else []), *check.faults]
        if check.unchecked:
            rows.append({"engine": name, "asked": f"not asked: {check.unchecked}"})
        rows += [{"engine": name} | row for row in parity_rows(asked)]
    return rows


def own_or_provider(decision: Decision, strategy: str) -> list[dict[str, str]]:
    """Return the table own server against a provider's (G11), with this run's own figures where it has them."""
    cost = next((c for c in decision.costs if c.strategy == strategy), None)
    money = (
        f"{cost.monthly_usd:,.0f} USD a month, {cost.per_1000_answers_usd:.2f} per 1,000 answers (see 08)"
        if cost
        else "see 08"
    )
    return [
        {
            "question": "what it costs",
            "own server": money,
            "a provider's endpoint": "by token; no cost while idle; see the price list in 08",
        },
        {
            "question": "where data goes",
            "own server": "nowhere",
            "a provider's endpoint": "to the provider, under its contract",
        },
        {
            "question": "who keeps it running",
            "own server": "you: updates, keys, on-call",
            "a provider's endpoint": "the provider, with its limits and outages",
        },
        {
            "question": "which model",
            "own server": "stays until you change it",
            "a provider's endpoint": "may be withdrawn: plan to re-tune",
        },
        {
            "question": "how it is taken along",
            "own server": "the export's folder",
            "a provider's endpoint": "training data only; adapters stay there",
        },
    ]


def learned(card: DeploymentCard) -> tuple[str, list[str]]:
    """Return the title and the points of the summary box."""
    if card.skipped:
        return "Nothing was exported", [card.skipped]
    wrong = [p for p in card.parity if not p.passed]
    caught = sum(not p.passed for p in card.faults)
    title = f"{card.strategy} answers from its export as it did in the test"
    if wrong:
        title = (
            f"The export of {card.strategy} does not answer as it did in the test: {wrong[0].cause}"
        )
    points = [
        f"{p.path}: {p.identical.value:.0%} of {p.items} answers are the same text ({p.cause})."
        for p in card.parity
    ]
    points += (
        [f"{caught} of {len(card.faults)} planted faults were noticed."] if card.faults else []
    )
    points += [
        f"{e.engine} {e.version}, {e.form}: {e.parity.identical.value:.0%} of {e.parity.items} answers are the same text ({e.parity.cause}); "
        f"{sum(not f.passed for f in e.faults)} of {len(e.faults)} faults planted there were noticed."
        for e in card.engines
        if e.parity
    ]
    if card.load:
        best = max(card.load, key=lambda x: x.answers_per_s)
        points += [
            f"At best {best.answers_per_s:.1f} answers a second, with {best.clients} clients: 95% come within {best.p95_s:.2f} s."
        ]
    if card.gguf and card.gguf.file:
        points += [
            f"Through llama.cpp (gguf/{card.gguf.file}, {card.gguf.kind}): {said(card.gguf)}."
        ]
    points += [
        f"The folder {card.export} holds all of it ({card.size_mib:.1f} MiB). Serve it: ftkit serve {card.export}"
    ]
    return title, points
