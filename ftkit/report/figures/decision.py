"""Pictures of 08: accuracy against cost, gates, what a year costs, from which volume it pays, and what flips the verdict."""

from __future__ import annotations

import math
from typing import Any

from ftkit.core.records.decision import Decision, PriceEffect, StrategyCost
from ftkit.core.records.evaluation import Evaluation
from ftkit.decision import words
from ftkit.report import theme

PARTS = [
    ("set-up, labelling, training", "#0072B2"),
    ("answering", "#56B4E9"),
    ("keeping up with changes", "#E69F00"),
]
STATES = {"failed": 0, "can't tell": 1, "not measured": 2, "passed": 3}
SIGNS = {"failed": "✗", "can't tell": "?", "not measured": "–", "passed": "✓"}
GATE_COLORS = [
    [0, "#E8B4A2"],
    [0.25, "#E8B4A2"],
    [0.25, "#F3DFA2"],
    [0.5, "#F3DFA2"],
    [0.5, "#D9DCE0"],
    [0.75, "#D9DCE0"],
    [0.75, "#A9D5BB"],
    [1, "#A9D5BB"],
]


PART_WORDS = {
    "items": "the test questions",
    "clusters": "their customers or groups",
    "seeds": "the luck of one training",
    "judge": "the judge's errors",
    "cut off": "replies that were cut off",
    "prices": "prices and volume",
}


def accuracy_against_cost(evaluation: Evaluation, decision: Decision) -> Any:
    """Return accuracy against the cost of the first year; the named strategy is ringed; dashed: equal net benefit."""
    import plotly.graph_objects as go

    cost = {c.strategy: c.first_year_usd for c in decision.costs}
    figure = go.Figure()
    chosen = decision.named
    _equal_worth(figure, evaluation, decision, cost)
    places = _label_places(
        {r.spec.name: (cost[r.spec.name], 100 * r.accuracy.value) for r in evaluation.results}
    )
    for r in sorted(evaluation.results, key=lambda r: cost[r.spec.name]):
        (at, left), e, color = places[r.spec.name], r.accuracy, theme.color(r.spec.family)
        ring = {"color": theme.MUTED, "width": 3 if r.spec.name == chosen else 0}
        figure.add_scatter(
            x=[cost[r.spec.name]],
            y=[100 * e.value],
            mode="markers",
            name=r.spec.name,
            marker={"size": 15, "color": color, "line": ring},
            cliponaxis=False,
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [100 * (e.high - e.value)],
                "arrayminus": [100 * (e.value - e.low)],
                "color": color,
                "thickness": 2,
                "width": 0,
            },
            hovertemplate=f"{r.spec.name}: {theme.interval(e, 1)} right, %{{x:,.0f}} USD in the first year<extra></extra>",
        )
        figure.add_annotation(
            x=cost[r.spec.name],
            y=at,
            text=f"<b>{r.spec.name}</b>",
            showarrow=False,
            font={"color": color, "size": 13},
            xanchor="right" if left else "left",
            xshift=-11 if left else 11,
        )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(title="cost of the first year, USD", rangemode="tozero", tickformat=",.0f")
    figure.update_yaxes(title="right answers, %", range=[0, 104])
    under = f"95% intervals; dashed: worth as much as it, in net benefit; ring: {_ring(decision)}"
    return theme.style(figure, _cost_title(evaluation, decision, cost), under, height=360)


def _label_places(points: dict[str, tuple[float, float]]) -> dict[str, tuple[float, bool]]:
    """Return the height of every label and whether it stands left of its dot, so that none covers a dot or another label.

    Args:
        points: Cost and height by name.
    """
    most, room = max(1.0, *(x for x, _ in points.values())), 7.0
    gap = 0.017 * most  # a little more than half a dot
    taken = [(x - gap, x + gap, y) for x, y in points.values()]
    placed: dict[str, tuple[float, bool]] = {}
    for name, (x, y) in sorted(points.items(), key=lambda p: p[1][1]):
        width = (0.03 + 0.014 * len(name)) * most
        spans = {True: (x - width, x - gap), False: (x + gap, x + width)}
        sides = [left for left in spans if (x > width if left else x < most)]
        placed[name] = min(
            (_free_height(*spans[left], y, taken, room), left) for left in sides or [True]
        )
        taken.append((*spans[placed[name][1]], placed[name][0]))
    return placed


def _free_height(
    low: float, high: float, y: float, taken: list[tuple[float, float, float]], room: float
) -> float:
    """Return the lowest height from ``y`` up at which a span has room above and below."""
    for start, end, at in sorted(taken, key=lambda spot: spot[2]):
        if start < high and low < end and abs(at - y) < room:
            y = at + room
    return y


def _ring(decision: Decision) -> str:
    return "the verdict" if decision.strategy else "ahead so far" if decision.leading else "none"


def _cost_title(evaluation: Evaluation, decision: Decision, cost: dict[str, float]) -> str:
    if not decision.strategy:
        return (
            "No strategy can be chosen yet"
            if decision.leading
            else "No strategy keeps to the limits"
        )
    right = {r.spec.name: r.accuracy.value for r in evaluation.results}
    share, usd = right[decision.strategy], cost[decision.strategy]
    return f"{decision.strategy}: {theme.percent(share)} right for about {round(usd, -2):,.0f} USD in the first year"


def _equal_worth(
    figure: Any, evaluation: Evaluation, decision: Decision, cost: dict[str, float]
) -> None:
    """Draw the line of equal net benefit through the strategy named: what lies above it brings more."""
    stake = decision.stake_usd * decision.answers_per_year
    right = {r.spec.name: r.accuracy.value for r in evaluation.results}
    if stake <= 0 or decision.named not in right:
        return
    ends, mine = [min(cost.values()), max(cost.values())], decision.named
    figure.add_scatter(
        x=ends,
        y=[100 * right[mine] + 100 * (x - cost[mine]) / stake for x in ends],
        mode="lines",
        line={"color": theme.MUTED, "dash": "dash", "width": 1.5},
        hoverinfo="skip",
        showlegend=False,
    )


def parts(decision: Decision) -> Any | None:
    """Return which sources make the verdict uncertain, in USD of net benefit; None where it has no rival."""
    import plotly.graph_objects as go

    rows = sorted(decision.parts, key=lambda x: x.sd_usd)
    if not rows:
        return None
    names = [f"{PART_WORDS[x.source]}{' (assumed)' if x.assumed else ''}" for x in rows]
    figure = go.Figure(
        go.Bar(
            y=names,
            x=[x.sd_usd for x in rows],
            orientation="h",
            marker_color=theme.ACCENT,
            text=[f" {x.share:.0%}" for x in rows],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:,.0f} USD (standard deviation)<extra></extra>",
        )
    )
    figure.update_xaxes(
        title="standard deviation, USD a year",
        tickformat=",.0f",
        nticks=4,
        tickangle=0,
        range=[0, 1.15 * max(x.sd_usd for x in rows)],
    )
    figure.update_yaxes(showgrid=False)
    title = f"Most of what is uncertain comes from {names[-1]}"
    return theme.style(
        figure,
        title,
        "of the net benefit over the nearest rival; at the bars' ends: share of the variance",
        height=120 + 42 * len(rows),
    )


def gates(decision: Decision) -> Any:
    """Return the state of every gate as a grid of gates × strategies."""
    import plotly.graph_objects as go

    names = list(reversed(dict.fromkeys(g.gate for g in decision.gates)))
    strategies = list(dict.fromkeys(g.strategy for g in decision.gates))
    found = {(g.strategy, g.gate): g for g in decision.gates}
    grid = [[found[s, n] for s in strategies] for n in names]
    figure = go.Figure(
        go.Heatmap(
            z=[[STATES[g.state] for g in row] for row in grid],
            x=strategies,
            y=names,
            zmin=-0.5,
            zmax=3.5,
            colorscale=GATE_COLORS,
            text=[[SIGNS[g.state] for g in row] for row in grid],
            texttemplate="%{text}",
            textfont={"color": "#1c2430", "size": 15},  # on pale cells, in both themes
            customdata=[[f"{g.strategy}, {g.gate}: {g.detail}" for g in row] for row in grid],
            hovertemplate="%{customdata}<extra></extra>",
            showscale=False,
            xgap=3,
            ygap=3,
        )
    )
    figure.update_xaxes(showgrid=False, tickfont={"size": 11})
    figure.update_yaxes(showgrid=False)
    failed = sorted({g.strategy for g in decision.gates if g.state == "failed"})
    open_ = sorted({g.strategy for g in decision.gates if g.state == "can't tell"} - set(failed))
    title = (
        f"{len(failed)} of {len(strategies)} strategies fail a limit"
        if failed
        else "No strategy fails a limit for sure"
    )
    under = (
        f"open for {', '.join(open_)}: the interval lies on both sides of the limit"
        if open_
        else "limits from this stage's parameters"
    )
    signs = "✓ passed, ✗ failed, ? open, – not measured"
    return theme.style(figure, title, f"{signs}; {under}", height=60 + 40 * len(names))


def costs(decision: Decision) -> Any:
    """Return what makes up the first year of each strategy."""
    import plotly.graph_objects as go

    rows = sorted(decision.costs, key=lambda c: -c.first_year_usd)
    figure = go.Figure()
    for k, (name, color) in enumerate(PARTS):
        figure.add_bar(
            y=[c.strategy for c in rows],
            x=[_parts(c)[k] for c in rows],
            orientation="h",
            name=name,
            marker_color=color,
            hovertemplate=f"%{{y}}: %{{x:,.0f}} USD {name}<extra></extra>",
        )
    figure.add_scatter(
        y=[c.strategy for c in rows],
        x=[max(c.first_year_usd, c.first_year_high_usd or 0) for c in rows],
        mode="text",
        text=[f" {round(c.first_year_usd, -2):,.0f}" for c in rows],
        textposition="middle right",
        showlegend=False,
        hoverinfo="skip",
        cliponaxis=False,
    )
    if all(c.first_year_low_usd is not None for c in rows):
        figure.add_scatter(
            y=[c.strategy for c in rows],
            x=[c.first_year_usd for c in rows],
            mode="markers",
            showlegend=False,
            hoverinfo="skip",
            marker={"size": 1, "color": theme.MUTED},
            error_x={
                "type": "data",
                "symmetric": False,
                "color": theme.MUTED,
                "thickness": 1.5,
                "width": 5,
                "array": [max(0.0, (c.first_year_high_usd or 0) - c.first_year_usd) for c in rows],
                "arrayminus": [
                    max(0.0, c.first_year_usd - (c.first_year_low_usd or 0)) for c in rows
                ],
            },
        )
    most = max(max(c.first_year_usd, c.first_year_high_usd or 0) for c in rows)
    figure.update_layout(barmode="stack", bargap=0.35)
    figure.update_xaxes(
        title="USD in the first year",
        range=[0, most * 1.18 or 1],
        tickformat=",.0f",
        nticks=4,
        tickangle=0,
    )
    figure.update_yaxes(showgrid=False)
    title = f"{rows[-1].strategy} costs least, {rows[0].strategy} most: {round(rows[-1].first_year_usd, -2):,.0f} against {round(rows[0].first_year_usd, -2):,.0f} USD"
    drawn = (
        "; grey: 9 of 10 draws of the assumed prices"
        if rows[0].first_year_low_usd is not None
        else ""
    )
    styled = theme.style(
        figure,
        title,
        f"prices are assumed unless the list of prices says given{drawn}",
        height=130 + 42 * len(rows),
    )
    styled.update_layout(
        legend={"orientation": "h", "yanchor": "top", "y": -0.28, "x": 0, "traceorder": "normal"},
        margin_b=60,
    )
    return styled


def _parts(c: StrategyCost) -> tuple[float, float, float]:
    return (
        c.one_off_usd,
        max(0.0, c.first_year_usd - c.one_off_usd - c.upkeep_first_year_usd),
        c.upkeep_first_year_usd,
    )


def volume(evaluation: Evaluation, decision: Decision, answers_per_month: float) -> Any:
    """Return the cost of the first year over the volume, with today's volume and the break-even points."""
    import plotly.graph_objects as go

    family = {r.spec.name: r.spec.family for r in evaluation.results}
    figure, ends = go.Figure(), []
    for c in decision.costs:
        color = theme.color(family[c.strategy])
        figure.add_scatter(
            x=[v for v, _ in c.by_volume],
            y=[max(1.0, usd) for _, usd in c.by_volume],
            mode="lines",
            name=c.strategy,
            line={"color": color, "width": 3},
            hovertemplate=f"{c.strategy}: %{{y:,.0f}} USD at %{{x:,.0f}} a month<extra></extra>",
        )
        if c.break_even_answers_per_month and 100 <= c.break_even_answers_per_month <= 1e8:
            figure.add_vline(
                x=c.break_even_answers_per_month, line={"color": color, "dash": "dot", "width": 1}
            )
            ends.append(c)
    figure.add_vline(
        x=max(100.0, answers_per_month),
        line={"color": theme.MUTED, "width": 2},
        annotation_text="your volume",
        annotation_position="top left",
    )
    figure.update_xaxes(type="log", title="answers a month", exponentformat="SI")
    figure.update_yaxes(type="log", title="USD in the first year", exponentformat="SI")
    under = (
        "dotted: break-even against " + ends[0].replaces if ends else "both axes in powers of ten"
    )
    styled = theme.style(figure, _volume_title(decision, ends), under, height=380)
    styled.update_layout(
        legend={"orientation": "h", "yanchor": "top", "y": -0.22, "x": 0}, margin_b=70
    )
    return styled


def _volume_title(decision: Decision, ends: list[StrategyCost]) -> str:
    if not ends:
        return "No strategy overtakes another on cost at any volume drawn"
    c = min(ends, key=lambda c: c.break_even_answers_per_month or math.inf)
    return f"{c.strategy} is cheaper than {c.replaces} from about {c.break_even_answers_per_month:,.0f} answers a month"


def sensitivity(decision: Decision, at_most: int = 8) -> Any | None:
    """Return how far each figure must move before the verdict changes, nearest first; None where nothing does."""
    import plotly.graph_objects as go

    factors = [c.factor for c in decision.sensitivity]
    found = list(zip(words.sensitivity(decision), factors, strict=True))[:at_most]
    if not found:
        return None
    found.reverse()
    lines = [theme.wrap(text, 42) for text, _ in found]
    at = [float(sum(_room(line) for line in lines[: k + 1])) for k in range(len(lines))]
    figure = go.Figure(
        go.Bar(
            x=[f for _, f in found],
            y=at,
            width=0.45,
            orientation="h",
            marker_color=theme.ACCENT,
            textposition="outside",
            text=[f" ×{f:.3g}" for _, f in found],
            cliponaxis=False,
            hoverinfo="skip",
            base=1,
        )
    )
    figure.update_traces(x=[max(f - 1, 0.01) for _, f in found])
    for y, line in zip(at, lines, strict=True):
        figure.add_annotation(
            x=0,
            xref="paper",
            y=y + 0.26,
            text=line,
            showarrow=False,
            xanchor="left",
            yanchor="bottom",
            align="left",
            font={"size": 12},
        )
    most = math.log10(max(f for _, f in found))
    figure.update_xaxes(
        type="log", title="factor to move it by (×1: at the edge)", range=[0, most * 1.18 + 0.05]
    )
    figure.update_yaxes(
        showgrid=False,
        showticklabels=False,
        range=[at[0] - 0.5, at[-1] + 0.4 + _room(lines[-1]) / 2],
        zeroline=False,
    )
    title = f"Nearest to change it: {found[-1][0]}"
    return theme.style(
        figure,
        title,
        "one figure changed at a time, all others as they are",
        height=70 + round(30 * (at[-1] - at[0] + 2)),
    )


def price_effects(decision: Decision, at_most: int = 8) -> Any | None:
    """Return what each assumed figure alone does to the extra cost (tornado), widest on top; None where nothing is assumed."""
    import plotly.graph_objects as go

    if not decision.price_effects or decision.effects_of is None or decision.extra_usd is None:
        return None
    rows, now, (mine, other) = (
        list(reversed(decision.price_effects[:at_most])),
        decision.extra_usd,
        decision.effects_of,
    )
    figure, names = go.Figure(), [_effect_name(s) for s in rows]
    for end, color, values in (
        ("at its least", "#56B4E9", [s.at_low_usd for s in rows]),
        ("at its largest", "#E69F00", [s.at_high_usd for s in rows]),
    ):
        figure.add_bar(
            y=names,
            x=[v - now for v in values],
            base=now,
            orientation="h",
            name=end,
            marker_color=color,
            customdata=values,
            hovertemplate=f"%{{y}} {end}: {mine} costs %{{customdata:,.0f}} USD more than {other}<extra></extra>",
        )
    figure.add_vline(x=now, line={"color": theme.MUTED, "width": 2})
    if (
        min(min(s.at_low_usd, s.at_high_usd) for s in rows)
        < 0
        < max(max(s.at_low_usd, s.at_high_usd) for s in rows)
    ):
        figure.add_vline(x=0, line={"color": theme.MUTED, "width": 1, "dash": "dot"})
    figure.update_layout(barmode="overlay", bargap=0.35)
    figure.update_xaxes(
        title="extra cost of the first year, USD",
        tickformat=",.0f",
        nticks=4,
        tickangle=0,
        zeroline=False,
    )
    figure.update_yaxes(showgrid=False)
    top = _spoken(decision.price_effects[0].price)
    under = (
        "one assumed figure at the ends of its range, all others as they are; line: today's figures"
    )
    styled = theme.style(
        figure,
        f"What {mine} costs more than {other} hangs most on {top}",
        under,
        height=120 + 48 * len(rows),
    )
    styled.update_layout(
        legend={"orientation": "h", "yanchor": "top", "y": -0.25, "x": 0, "traceorder": "normal"},
        margin_b=70,
    )
    return styled


def _effect_name(s: PriceEffect) -> str:
    return f"{theme.wrap(_spoken(s.price), 30)}<br>{s.low:,.3g} to {s.high:,.3g}"


def _spoken(price: str) -> str:
    return price.replace("_", " ").replace("usd", "USD")


def _room(line: str) -> float:
    """Return the height of a bar with its text, in units of one bar line."""
    return 1.2 + 0.55 * (line.count("<br>") + 1)
