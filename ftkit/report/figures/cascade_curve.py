"""The picture of a cascade: from all to the small model to all to the large one, with the point that was chosen."""

from __future__ import annotations

from typing import Any

from ftkit.core.records.decision import Decision
from ftkit.core.records.evaluation import Cascade, CascadePoint, Evaluation
from ftkit.decision.cascade_words import cascade_sentence
from ftkit.report import theme


def curve(evaluation: Evaluation, decision: Decision | None = None) -> Any | None:
    """Return accuracy at every share passed on, or against USD per answer where that is reckoned; None without a cascade.

    Args:
        evaluation: What 07 measured.
        decision: What 08 reckoned; None: costs are not known yet.
    """
    import plotly.graph_objects as go

    c = evaluation.cascade
    if c is None or not c.curve:
        return None
    usd = usd_of(c, decision)
    at = {id(p): p.passed * 100 if usd is None else usd(p) for p in c.curve}
    best = sorted((p for p in c.curve if not p.dominated), key=lambda p: p.passed)
    figure = go.Figure()
    line = {"color": theme.color("cascade"), "width": 2}
    figure.add_scatter(
        x=[at[id(p)] for p in best],
        y=[100 * p.accuracy.value for p in best],
        mode="lines",
        line=line,
        hoverinfo="skip",
    )
    for name, points, color in (
        ("dominated", [p for p in c.curve if p.dominated], theme.MUTED),
        ("not dominated", best, theme.color("cascade")),
    ):
        figure.add_scatter(
            x=[at[id(p)] for p in points],
            y=[100 * p.accuracy.value for p in points],
            mode="markers",
            name=name,
            marker={"color": color, "size": 8, "opacity": 0.45 if name == "dominated" else 1},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [100 * (p.accuracy.high - p.accuracy.value) for p in points],
                "arrayminus": [100 * (p.accuracy.value - p.accuracy.low) for p in points],
                "color": color,
                "thickness": 1,
                "width": 0,
            },
            text=[_hover(p, usd) for p in points],
            hovertemplate="%{text}<extra></extra>",
        )
    _ends(figure, c, at)
    figure.update_layout(showlegend=False)
    figure.update_xaxes(
        title="passed on, % of the questions" if usd is None else "running cost, USD per answer",
        rangemode="tozero",
    )
    figure.update_yaxes(title="right, %")
    under = "each point: another confidence from which the small model answers; 95% intervals; grey: a point that passes on fewer is as right"
    return theme.style(figure, cascade_sentence(evaluation, decision), under, height=360)


def _ends(figure: Any, c: Cascade, at: dict[int, float]) -> None:
    """Name both ends, and ring the point that was chosen."""
    for p, name, side in ((c.curve[0], c.small, "left"), (c.curve[-1], c.large, "right")):
        figure.add_annotation(
            x=at[id(p)],
            y=100 * p.accuracy.low,
            text=f"all {name}",
            xanchor=side,
            yanchor="top",
            showarrow=False,
            font={"color": theme.MUTED},
        )
    if c.state != "cascade" or c.passed is None:
        return
    passed = c.passed.value
    chosen = min(c.curve, key=lambda p: abs(p.passed - passed))
    figure.add_scatter(
        x=[at[id(chosen)]],
        y=[100 * chosen.accuracy.value],
        mode="markers",
        marker={
            "symbol": "circle-open",
            "size": 18,
            "color": theme.color("cascade"),
            "line": {"width": 3},
        },
        hoverinfo="skip",
    )
    figure.add_annotation(
        x=at[id(chosen)],
        y=100 * chosen.accuracy.low,
        text=f"chosen: {100 * passed:.0f}% passed on",
        xanchor="left",
        yanchor="top",
        showarrow=False,
        font={"color": theme.color("cascade")},
    )


def usd_of(c: Cascade, decision: Decision | None) -> Any | None:
    """Return what gives a point's running cost in USD per answer; None where it is not reckoned.

    All questions cost what the small model costs; those passed on cost the large one's tokens beside. Without the small
    model (all to the large one) its cost falls away.
    """
    each = {x.strategy: x.per_1000_answers_usd / 1000 for x in decision.costs} if decision else {}
    if c.small not in each or c.large not in each:
        return None
    small, large = each[c.small], each[c.large]

    def usd(p: CascadePoint) -> float:
        return large if p.passed >= 1 else small + p.passed * large

    return usd


def rows(evaluation: Evaluation, decision: Decision | None = None) -> list[dict[str, Any]]:
    """Return the points that are not dominated, for a table."""
    c = evaluation.cascade
    usd = usd_of(c, decision) if c else None
    return [
        {
            "small model answers from confidence": "–" if p.least is None else f"{p.least:.3f}",
            "passed on": theme.percent(p.passed),
            "right": theme.interval(p.accuracy),
            "seconds, median": round(p.seconds_p50, 2),
            "seconds, 95%": round(p.seconds_p95, 2),
        }
        | ({"USD per answer": f"{usd(p):.3g}"} if usd else {})
        for p in (c.curve if c else [])
        if not p.dominated
    ]


def _hover(p: CascadePoint, usd: Any | None) -> str:
    money = f", {usd(p):.3g} USD an answer" if usd else ""
    return f"{100 * p.passed:.0f}% passed on: {theme.interval(p.accuracy)} right{money}"
