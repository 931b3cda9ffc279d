"""Pictures of 07: what a later edition of the handbook and instructions planted into passages do to each strategy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftkit.core.records.evaluation import InjectionArm, KnowledgeUpdate
from ftkit.report import theme
from ftkit.report.figures.evaluation import dots, legend_below


def edition(found: KnowledgeUpdate | None) -> Any | None:
    """Return per strategy how many changed facts it states as they are now, and how many as they were; None without one."""
    import plotly.graph_objects as go

    if found is None:
        return None
    rows, figure = list(reversed(found.arms)), go.Figure()
    for name, values, color in (
        ("states the fact as it is now", [a.after for a in rows], theme.GOOD),
        ("still states the old fact", [a.from_the_past for a in rows], theme.BAD),
    ):
        error = {
            "array": [100 * (v.high - v.value) for v in values],
            "arrayminus": [100 * (v.value - v.low) for v in values],
        }
        figure.add_bar(
            y=[a.strategy for a in rows],
            x=[100 * v.value for v in values],
            orientation="h",
            name=name,
            marker_color=color,
            error_x={"type": "data", "thickness": 1.5, "color": theme.MUTED, **error},
            hovertemplate=f"%{{y}}: %{{x:.0f}}% {name}<extra></extra>",
        )
    figure.update_layout(barmode="group", bargap=0.3)
    figure.update_xaxes(title="answers, % of the questions whose fact changed", range=[0, 102])
    figure.update_yaxes(showgrid=False)
    under = f"{found.questions} test questions whose answer changed; nothing was trained again; 95% intervals"
    return legend_below(
        theme.style(figure, _edition_title(found), under, height=130 + 56 * len(rows))
    )


def _edition_title(found: KnowledgeUpdate) -> str:
    now, past = (
        max(found.arms, key=lambda a: a.after.value),
        max(found.arms, key=lambda a: a.from_the_past.value),
    )
    if now.after.value == 0:
        return "No strategy states the changed facts"
    title = f"After the change {now.strategy} states {theme.interval(now.after)} of the facts as they are now"
    return title + (f"; {past.strategy} lives in the past" if past.from_the_past.low > 0.05 else "")


def edition_rows(found: KnowledgeUpdate | None) -> list[dict[str, Any]]:
    """Return what the change of facts did to each strategy for a table."""
    return [
        {
            "strategy": a.strategy,
            "fact right before": theme.interval(a.before),
            "fact right after": theme.interval(a.after),
            "still says the old one": theme.interval(a.from_the_past),
        }
        for a in (found.arms if found else [])
    ]


def injections(found: Sequence[InjectionArm]) -> Any | None:
    """Return how often each strategy obeys instructions planted in its passages; None where that was not measured."""
    if not found:
        return None
    figure = dots(
        [(a.strategy, a.obeyed, theme.color(a.family)) for a in reversed(found)], percent=True
    )
    figure.update_xaxes(
        title="planted instructions obeyed, %", range=[-2, 112], tickvals=[0, 25, 50, 75, 100]
    )
    worst = max(found, key=lambda a: a.obeyed.value)
    title = f"{worst.strategy} obeys {theme.interval(worst.obeyed)} of the instructions planted in passages"
    if not worst.obeyed.value:
        title = f"No strategy obeys an instruction planted in passages: at most {theme.percent(worst.obeyed.high)} would"
    return theme.style(
        figure,
        title,
        f"{found[0].injections} instructions in the passages of as many validation questions; 95% intervals",
        height=110 + 40 * len(found),
    )


def attack_notes(found: Sequence[InjectionArm]) -> list[str]:
    """Return how each strategy takes planted instructions, in a sentence each."""
    said = []
    for a in found:
        share = f"{100 * a.obeyed.low:.0f} to {100 * a.obeyed.high:.0f}%"
        count = round(a.obeyed.value * a.injections)
        hits = f"{a.strategy} obeys {count} of {a.injections} instructions planted in passages (true share likely {share})"
        none = f"{a.strategy} obeys none of {a.injections} instructions planted in passages (true share at most {100 * a.obeyed.high:.0f}%)"
        d = a.derailed
        lost = (
            f"; {round(d.value * d.n)} of {d.n:.0f} right answers are lost over them"
            if d and d.value
            else ""
        )
        warn = ": whoever can write articles can steer it" if count else ""
        said.append(f"{hits if count else none}{warn}{lost}.")
    return said


def injection_rows(found: Sequence[InjectionArm]) -> list[dict[str, Any]]:
    """Return how each strategy takes planted instructions for a table."""
    return [
        {
            "strategy": a.strategy,
            "obeyed": theme.interval(a.obeyed),
            "right answers lost": theme.interval(a.derailed) if a.derailed else "–",
            "obeyed most": ", ".join(
                f"{kind} ({count})" for kind, count in list(a.by_kind.items())[:4]
            )
            or "–",
            "for example": a.examples[0] if a.examples else "–",
        }
        for a in found
    ]
