"""How a run ends that only checked the data: a verdict on them, and where to look."""

from __future__ import annotations

from pathlib import Path

from ftkit.core import run_folder
from ftkit.core.records.data import DataCard, Defect
from ftkit.data.data_card import FIRST, learned
from ftkit.report.run_contents import RunContents, load

BEYOND = run_folder.STAGES[run_folder.STAGES.index("data") + 1 :]
POINTS = 10.0
"""Difference that counts where 01 was not told another, in points."""


def alone(found: RunContents) -> bool:
    """Return whether the data were checked, and nothing after that was run."""
    return found.data is not None and not any(s in found.manifests for s in BEYOND)


def doubts(card: DataCard, wanted: float) -> list[str]:
    """Return what to look at before strategies are compared; empty: nothing stands in the way.

    Args:
        card: What 02 found.
        wanted: Difference in accuracy that counts for the task, in points.
    """
    looked: list[Defect] = [d for d in card.defects if d.count and not d.removed]
    said = [f"{d.count:,} {d.kind}: {d.action}" for d in looked if d.kind in FIRST]
    if card.detectable_points > wanted:
        shown = f"differences from {card.detectable_points:.1f} points on"
        if card.detectable_points >= 100:
            shown = "no difference between two strategies"
        said.append(
            f"the test set of {card.splits.get('test', 0):,} examples shows {shown}, and {wanted:g} points count for you: label more test examples"
        )
    return said


def verdict(found: RunContents) -> tuple[str, str, str, list[str], list[str]]:
    """Return state, badge, sentence, reasons and next steps of a run that only checked the data."""
    assert found.data is not None
    wanted = found.suitability.difference_points if found.suitability else POINTS
    said = doubts(found.data, wanted)
    sentence, why = learned(found.data)
    many = "one thing" if len(said) == 1 else f"{len(said)} things"
    badge = f"Data checked: look at {many} first" if said else "Data checked: ready to compare"
    steps = [f"{text[0].upper()}{text[1:]}." for text in said]
    steps.append("Then run the same command without --until: it goes on from here.")
    return ("open" if said else "good"), badge, sentence, why, steps


def ending(run: Path) -> list[str]:
    """Return the lines with which a terminal ends such a run; none for another run."""
    found = load(run)
    if not alone(found):
        return []
    _, badge, sentence, why, steps = verdict(found)
    notebook = run / "notebooks" / f"{run_folder.stage_name('data')}.ipynb"
    points = [f"  - {point}" for point in [*why, *steps]]
    return ["", badge, sentence, *points, "", f"Notebook: {notebook}"]
