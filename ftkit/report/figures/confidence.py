"""Pictures of 07: whether a strategy knows when it is right, and what it may answer without a person's look."""

from __future__ import annotations

from typing import Any

from ftkit.core.records.evaluation import Evaluation, Selective
from ftkit.report import theme


def alone(evaluation: Evaluation, chosen: str = "") -> Any | None:
    """Return how much is wrong among the surest answers, from few to all; None where no model tells its confidence.

    Args:
        evaluation: What 07 measured.
        chosen: Strategy that is drawn with its intervals; empty: the most accurate of those that tell.
    """
    import plotly.graph_objects as go

    mine = _selective(evaluation, chosen)
    if mine is None:
        return None
    figure, limit = go.Figure(), 100 * mine.allowed_wrong
    for s in sorted(evaluation.selective, key=lambda s: s is mine):
        x, color = [100 * p.coverage for p in s.curve], theme.color(s.family)
        if s is mine:
            band = [100 * p.wrong.high for p in s.curve] + [
                100 * p.wrong.low for p in reversed(s.curve)
            ]
            figure.add_scatter(
                x=x + x[::-1],
                y=band,
                fill="toself",
                fillcolor=color,
                opacity=0.15,
                line_width=0,
                mode="lines",
                hoverinfo="skip",
            )
        y = [100 * p.wrong.value for p in s.curve]
        told = [
            f"{s.strategy}: surest {a:.0f}%: {theme.interval(p.wrong)} wrong"
            for a, p in zip(x, s.curve, strict=True)
        ]
        line = {
            "color": color,
            "width": 3 if s is mine else 1.5,
            "dash": "solid" if s is mine else "dot",
        }
        figure.add_scatter(
            x=x, y=y, mode="lines", line=line, text=told, hovertemplate="%{text}<extra></extra>"
        )
    for place, s in zip(
        _apart([100 * s.curve[-1].wrong.value for s in evaluation.selective]),
        evaluation.selective,
        strict=True,
    ):
        label = {
            "text": f" {s.strategy}",
            "font": {"color": theme.color(s.family)},
            "xanchor": "left",
            "showarrow": False,
        }
        figure.add_annotation(x=100 * s.curve[-1].coverage, y=place, **label)
    figure.add_hline(y=limit, line={"color": theme.MUTED, "width": 1, "dash": "dash"})
    figure.add_annotation(
        x=124, y=limit, text=f"allowed: {limit:g}%", showarrow=False, xanchor="right", yanchor="top"
    )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(
        title="answered alone, surest first, % of the questions",
        range=[0, 124],
        tickvals=[0, 25, 50, 75, 100],
    )
    figure.update_yaxes(title="wrong among them, %", range=[0, 104])
    under = f"{mine.told} answers ordered by how sure the model was; band: 95% interval of {mine.strategy}"
    if mine.caught is not None:
        under += f"; corrected for the judge, who may miss {1 - mine.caught:.0%} of what is wrong; the sentence above allows for that"
    return theme.style(figure, alone_sentence(mine), under, height=330)


def alone_sentence(found: Selective) -> str:
    """Return in one sentence how much a strategy may answer without a person's look."""
    limit = f"at most {100 * found.allowed_wrong:g}% wrong"
    if found.least is not None:
        rest = (
            f"; the other {100 * (1 - found.alone):.0f}% go to a person"
            if found.alone < 0.995
            else ""
        )
        return f"{found.strategy} may answer {100 * found.alone:.0f}% of the questions alone, {limit}{rest}"
    best = min(found.curve, key=lambda point: (point.wrong.value, -point.coverage))
    share, wrong = f"surest {100 * best.coverage:.0f}%", f"{100 * best.wrong.value:.0f}%"
    why = f"of its {share} of answers {wrong} are wrong"
    why += "; too few answers to be sure of it" if best.wrong.value < found.allowed_wrong else ""
    return f"{found.strategy} should not answer alone ({limit}): {why}"


def alone_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return per strategy what it may answer alone and how well it knows when it is right, for a table."""
    return [
        {
            "strategy": s.strategy,
            "may answer alone": f"{100 * s.alone:.0f}% of the questions"
            if s.least is not None
            else "none",
            "from confidence": f"{s.least:.2f}" if s.least is not None else "–",
            "mean confidence": theme.percent(s.confidence),
            "confidence minus share right, points": f"{100 * s.overconfidence.value:+.0f} ({100 * s.overconfidence.low:+.0f} to {100 * s.overconfidence.high:+.0f})",
            "a right answer is surer than a wrong one": theme.interval(s.auroc)
            if s.auroc
            else "all alike",
        }
        for s in evaluation.selective
    ]


def reliability(evaluation: Evaluation, chosen: str = "") -> Any | None:
    """Return how often answers are right against how sure the model was; None where no model tells its confidence.

    Args:
        evaluation: What 07 measured.
        chosen: Strategy that is drawn; empty: the most accurate of those that tell.
    """
    import plotly.graph_objects as go

    mine = _selective(evaluation, chosen)
    if mine is None or not mine.reliability:
        return None
    x, y = (
        [100 * p.confidence for p in mine.reliability],
        [100 * p.right.value for p in mine.reliability],
    )
    up = [100 * p.right.high - v for p, v in zip(mine.reliability, y, strict=True)]
    down = [v - 100 * p.right.low for p, v in zip(mine.reliability, y, strict=True)]
    told = [
        f"{p.answers} answers, {100 * p.confidence:.0f}% sure: {theme.interval(p.right)} right"
        for p in mine.reliability
    ]
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 100],
        y=[0, 100],
        mode="lines",
        line={"color": theme.MUTED, "width": 1, "dash": "dash"},
        hoverinfo="skip",
    )
    figure.add_annotation(
        x=97,
        y=97,
        text="as sure as it is right",
        showarrow=False,
        xanchor="right",
        yanchor="bottom",
        textangle=0,
    )
    figure.add_scatter(
        x=x,
        y=y,
        mode="lines+markers",
        error_y={"array": up, "arrayminus": down, "thickness": 2},
        marker_size=9,
        line={"color": theme.color(mine.family), "width": 1},
        text=told,
        hovertemplate="%{text}<extra></extra>",
    )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(title="how sure the model was, mean of each part, %", range=[0, 102])
    figure.update_yaxes(title="right among them, %", range=[0, 108])
    under = f"{mine.told} answers in {len(mine.reliability)} parts of like size, with 95% intervals"
    return theme.style(figure, reliability_sentence(mine), under, height=330)


def reliability_sentence(found: Selective) -> str:
    """Return in one sentence whether a strategy is as sure as it is right."""
    gap, right = found.overconfidence, found.confidence - found.overconfidence.value
    figures = f"{100 * found.confidence:.0f}% sure on average, {100 * right:.0f}% right"
    if gap.low > 0:
        return f"{found.strategy} thinks too well of itself: {figures}"
    if gap.high < 0:
        return f"{found.strategy} is right more often than it thinks: {figures}"
    off = [p for p in found.reliability if not p.right.low <= p.confidence <= p.right.high]
    if len(off) > max(1, len(found.reliability) // 10):
        return f"{found.strategy} is as sure as it is right on average, but not in {len(off)} of {len(found.reliability)} parts"
    return f"{found.strategy} is about as sure as it is right: {figures}"


def _apart(values: list[float], gap: float = 6.5) -> list[float]:
    """Return where labels stand beside values so that none covers another."""
    order, places = sorted(range(len(values)), key=lambda i: values[i]), [0.0] * len(values)
    for rank, i in enumerate(order):
        places[i] = values[i] if not rank else max(values[i], places[order[rank - 1]] + gap)
    over = max(0.0, max(places, default=0.0) - 101)
    return [place - over for place in places]


def _selective(evaluation: Evaluation, strategy: str) -> Selective | None:
    """Return what a strategy may answer alone; without a name, of the most accurate one that tells its confidence."""
    right = {r.spec.name: r.accuracy.value for r in evaluation.results}
    told = {s.strategy: s for s in evaluation.selective}
    return told.get(strategy) or max(
        told.values(), key=lambda s: right.get(s.strategy, 0.0), default=None
    )
