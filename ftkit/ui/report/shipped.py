"""The section on what ships: does the export answer as the strategy did in the test?"""

from __future__ import annotations

from typing import Any

from ftkit.records import DeploymentCard, Parity
from ftkit.ui.report.blocks import Section, chart, data_text, more, table, text
from ftkit.ui.report.found import Found


def deployment(found: Found) -> Section:
    """What was exported, whether it answers the same, and the server under load."""
    section = Section("deployment", "What ships", "Does the exported artifact still answer the same?")
    card = found.deployment
    if card is None:
        section.missing = found.missing.get("deployment", "")
        return section
    from ftkit.ui.figures import deployment as figures

    section.blocks = [
        text(_told(card)), *chart(figures.parity(card)), *table([_row(p) for p in card.parity], "The same questions, asked again"),
        *more("Faults planted to see whether they would be noticed", table([_row(p) for p in card.faults])), *chart(figures.load(card)),
        *more("Files for serving platforms", table([{"file": f.name, "platform": f.platform, "checked": f.checked} for f in card.serving])),
    ]  # fmt: skip
    return section


def _told(card: DeploymentCard) -> str:
    ship = f"{card.strategy} was exported as {card.form}, {card.size_mib:.1f} MiB, into {card.export}."
    if card.verdict != card.strategy:
        ship += f" The decision says '{card.verdict}': this is a rehearsal, not a recommendation to ship."
    return ship


def _row(p: Parity) -> dict[str, Any]:
    return {
        "asked": p.path, "same answers": f"{p.identical.value:.0%} of {p.items}", "verdict": "as tested" if p.passed else "not as tested",
        "likely cause": p.cause, "because": p.explanation, "for example": data_text(p.first_differences[0], 200) if p.first_differences else "–",
    }  # fmt: skip
