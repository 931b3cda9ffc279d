"""Pictures of 01: what each answer speaks for, and how many test examples settle a difference."""

from __future__ import annotations

import textwrap
from typing import Any

from ftkit.core.power import detectable_points, test_examples_needed
from ftkit.core.records.task import Reason, Suitability
from ftkit.report import theme

SIDES = ["prompting", "retrieval", "fine-tuning", "nothing"]
COLORS = {
    "prompting": theme.COLORS["prompting"],
    "retrieval": theme.COLORS["RAG"],
    "fine-tuning": theme.COLORS["fine-tuned"],
    "nothing": theme.MUTED,
}
EXPECTED = {
    "prompting": "prompting",
    "retrieval": "RAG",
    "fine-tuning": "fine-tuning",
    "hybrid": "a hybrid",
}


def speaks_for(suitability: Suitability) -> Any:
    """Return one line per question: the side that the answer speaks for, labelled with the answer."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for side in SIDES:
        rows = [r for r in suitability.reasons if r.speaks_for == side]
        figure.add_scatter(
            x=[side] * max(1, len(rows)),
            y=[_question(r) for r in rows] or [None],
            mode="markers+text",
            marker={
                "size": 17,
                "color": COLORS[side],
                "symbol": "circle-open" if side == "nothing" else "circle",
                "line": {"width": 2},
            },
            text=[r.answer for r in rows],
            textposition="bottom center",
            textfont={"size": 12, "color": COLORS[side]},
            customdata=[[r.why] for r in rows],
            hovertemplate="%{text}<br>%{customdata[0]}<extra></extra>",
            cliponaxis=False,
        )
    order = [_question(r) for r in reversed(suitability.reasons)]
    figure.update_yaxes(
        categoryorder="array",
        categoryarray=order,
        range=[-0.75, len(order) - 0.5],
        tickfont={"size": 12},
    )
    ticks = ["prompts", "RAG", "tuning", "none"]
    figure.update_xaxes(
        side="top",
        type="category",
        categoryorder="array",
        categoryarray=SIDES,
        tickvals=SIDES,
        ticktext=ticks,
        tickangle=0,
        range=[-0.6, 3.6],
        tickfont={"size": 12},
    )
    figure.update_layout(showlegend=False)
    title = f"The answers lead one to expect {EXPECTED[suitability.expected]}: {_count(suitability.reasons)}"
    figure = theme.style(
        figure,
        title,
        "what each answer speaks for, before anything is measured",
        height=100 + 54 * len(order),
    )
    return figure.update_layout(margin={"t": figure.layout.margin.t + 26})


def _question(reason: Reason) -> str:
    return "<br>".join(textwrap.wrap(reason.question, 20))


def _count(reasons: list[Reason]) -> str:
    counts = {
        side: sum(r.speaks_for == side for r in reasons)
        for side in ("fine-tuning", "retrieval", "prompting")
    }
    return ", ".join(f"{count} for {EXPECTED[side]}" for side, count in counts.items() if count)


def examples_needed(suitability: Suitability, at_hand: int = 0) -> Any:
    """Return the test examples that a difference needs, with the given difference and the data at hand marked.

    Args:
        suitability: Of the task.
        at_hand: Test examples that the data at hand would give; 0 leaves the mark out.
    """
    import plotly.graph_objects as go

    given, share = suitability.difference_points, suitability.discordant_share
    points = [x / 4 for x in range(8, int(4 * min(25.0, 95 * share)) + 1)]
    figure = go.Figure()
    low, high = (
        [test_examples_needed(x, max(s, x / 100)) for x in points]
        for s in (share / 2, min(1.0, share * 1.5))
    )
    figure.add_scatter(x=points, y=low, mode="lines", line={"width": 0}, hoverinfo="skip")
    figure.add_scatter(
        x=points,
        y=high,
        mode="lines",
        line={"width": 0},
        fill="tonexty",
        fillcolor="rgba(0,114,178,.15)",
        hoverinfo="skip",
    )
    curve = [test_examples_needed(x, share) for x in points]
    hover = "%{x} points: %{y:,} test examples<extra></extra>"
    figure.add_scatter(
        x=points,
        y=curve,
        mode="lines",
        line={"color": theme.ACCENT, "width": 3},
        hovertemplate=hover,
    )
    needed = suitability.test_examples_needed
    _mark(figure, given, needed, f"{given:g} points: {needed:,}", theme.COLORS["fine-tuned"])
    if at_hand:
        tells = detectable_points(at_hand, share)
        if points[0] <= tells <= max(points[-1], given):
            _mark(
                figure,
                tells,
                at_hand,
                f"at hand: {at_hand:,} tell {tells:.1f}",
                theme.COLORS["RAG"],
                above=False,
            )
    figure.update_yaxes(
        type="log", title="test examples", tickvals=[20, 50, 100, 200, 500, 1000, 2000, 5000]
    )
    figure.update_xaxes(title="difference in accuracy, points", rangemode="tozero")
    figure.update_layout(showlegend=False)
    title = f"{needed:,} test examples settle a difference of {given:g} points"
    band = f"at 80% power, 5% level; line: {share:.0%} of items differ, band: {share / 2:.0%} to {min(1.0, share * 1.5):.0%}"
    return theme.style(figure, title, band, height=360)


def _mark(figure: Any, x: float, y: float, text: str, color: str, *, above: bool = True) -> None:
    figure.add_scatter(
        x=[x],
        y=[y],
        mode="markers+text",
        text=[text],
        textposition="top right" if above else "bottom left",
        cliponaxis=False,
        marker={"size": 12, "color": color},
        textfont={"color": color, "size": 13},
        hoverinfo="skip",
    )
