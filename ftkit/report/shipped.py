"""The sections on what ships and on what became of it: does the export answer as the strategy did in the test?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftkit.core.records.deployment import DeploymentCard, Parity
from ftkit.deployment.gguf_export import rows as gguf_rows
from ftkit.deployment.summary import parity_rows
from ftkit.report.blocks import Section, chart, data_text, more, table, text
from ftkit.report.run_contents import RunContents


def deployment(found: RunContents) -> Section:
    """What was exported, whether it answers the same, and the server under load."""
    section = Section(
        "deployment", "What ships", "Does the exported artifact still answer the same?"
    )
    card = found.deployment
    if card is None:
        section.missing = found.missing.get("deployment", "")
        return section
    from ftkit.report.figures import deployment as figures

    section.blocks = [
        text(_told(card)),
        *chart(figures.parity(card)),
        *table(_rows(card.parity), "The same questions, asked again"),
        *more("Faults planted to see whether they would be noticed", table(_rows(card.faults))),
        *chart(figures.load(card)),
        *more(
            "One file for llama.cpp and Ollama", table(gguf_rows(card.gguf) if card.gguf else [])
        ),
        *more(
            "Files for serving platforms",
            table(
                [
                    {"file": f.name, "platform": f.platform, "checked": f.checked}
                    for f in card.serving
                ]
            ),
        ),
    ]
    return section


def monitoring(found: RunContents) -> Section:
    """What production looks like against what was tested, and what to do."""
    section = Section("monitoring", "Production", "Has it drifted, and is it time to re-tune?")
    card = found.monitoring
    if card is None:
        section.missing = found.missing.get("monitoring", "")
        return section
    if not card.rows:
        section.blocks = [
            text(
                "There is no log yet. ftkit serve writes one (--log FILE); name it as monitoring.log and run 10."
            )
        ]
        return section
    from ftkit.report.figures import monitoring as figures

    examples = [
        {"week of": week, "message": data_text(message, 300)} for week, message in card.examples
    ]
    section.blocks = [
        text(
            f"Verdict: {card.verdict}. {card.rows:,} messages in {len(card.weeks)} weeks, held against {card.reference}."
        ),
        *table([{"reason": r} for r in card.reasons], "What it rests on"),
        *table([{"next": s} for s in card.next_steps], "What to do"),
        *chart(figures.signals(card)),
        *table(figures.signal_rows(card)),
        *more("Messages most unlike the usual ones", table(examples)),
        *more(
            "Words that have become more frequent",
            table([{k: data_text(v) for k, v in r.items()} for r in figures.word_rows(card)]),
        ),
    ]
    return section


def _told(card: DeploymentCard) -> str:
    ship = (
        f"{card.strategy} was exported as {card.form}, {card.size_mib:.1f} MiB, into {card.export}."
    )
    if card.verdict != card.strategy:
        ship += f" The decision says '{card.verdict}': this is a rehearsal, not a recommendation to ship."
    return ship


def _rows(found: Sequence[Parity]) -> list[dict[str, Any]]:
    return [
        {**row, "for example": data_text(row["for example"], 200)} for row in parity_rows(found)
    ]
