"""Pictures of 07: accuracy, paired differences, formats, fields, effects, slices and the general probe."""

from __future__ import annotations

from typing import Any

from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import Comparison, Evaluation, StrategyResult
from ftkit.report import theme

FORMATS = [("as it is", "#1B7F4B"), ("after a repair", "#E69F00"), ("not usable", "#C1440E")]


def accuracy(evaluation: Evaluation) -> Any:
    """Return accuracy per strategy, best on top, with 95% intervals."""
    rows = sorted(evaluation.results, key=lambda r: r.accuracy.value)
    best = rows[-1]
    title = f"{best.spec.name} answers most questions right: {theme.interval(best.accuracy)}"
    if best.accuracy.value == 0:
        title = "No strategy answers a question right"
    points = [(r.spec.name, r.accuracy, theme.color(r.spec.family)) for r in rows]
    figure = dots(points, percent=True)
    figure.update_xaxes(
        title="right answers, % of the test questions",
        range=[-2, 112],
        tickvals=[0, 25, 50, 75, 100],
    )
    return theme.style(
        figure,
        title,
        f"{evaluation.test_items} test questions, 95% intervals",
        height=70 + 44 * len(rows),
    )


def dots(points: list[tuple[str, Estimate, str]], *, percent: bool, unit: str = "") -> Any:
    """Draw estimates with intervals, one per line, labelled directly."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, e, color in points:
        value, low, high = (100 * x for x in (e.value, e.low, e.high))
        label = f"{value:.0f}%" if percent else f"{value:+.1f}{unit}"
        hover = (
            f"{name}: {value:.1f} ({low:.1f} to {high:.1f}), {e.n} items<extra>{e.method}</extra>"
        )
        figure.add_scatter(
            x=[low, high],
            y=[name, name],
            mode="lines",
            line={"color": color, "width": 3},
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=[value],
            y=[name],
            mode="markers",
            marker={"color": color, "size": 12},
            hovertemplate=hover,
        )
        figure.add_scatter(
            x=[high],
            y=[name],
            mode="text",
            text=[f"  {label}"],
            textposition="middle right",
            hoverinfo="skip",
            textfont={"color": color, "size": 13},
            cliponaxis=False,
        )
    figure.update_layout(showlegend=False)
    figure.update_yaxes(
        categoryorder="array", categoryarray=[name for name, _, _ in points], showgrid=False
    )
    if points and not percent:
        low, high = (
            min(0.0, *(100 * e.low for _, e, _ in points)),
            max(0.0, *(100 * e.high for _, e, _ in points)),
        )
        figure.update_xaxes(
            range=[low - 0.04 * (high - low) - 0.5, high + 0.2 * (high - low) + 0.5]
        )
    return figure


def differences(evaluation: Evaluation, margin_points: float | None = None) -> Any:
    """Return the paired difference of every strategy to the most accurate one."""
    best = max(evaluation.results, key=lambda r: r.accuracy.value).spec
    family = {r.spec.name: r.spec.family for r in evaluation.results}
    found = [_against(c, best.name) for c in evaluation.comparisons if best.name in (c.a, c.b)]
    found.sort(key=lambda pair: pair[1].value)
    sure = [name for name, e, p in found if e.high < 0 and p < 0.05]
    title = f"{best.name} beats {len(sure)} of {len(found)} others for sure"
    figure = dots(
        [(name, e, theme.color(family[name])) for name, e, _ in found], percent=False, unit=""
    )
    figure.add_vline(x=0, line={"color": theme.MUTED, "width": 1})
    if margin_points:
        figure.add_vrect(x0=-margin_points, x1=0, fillcolor=theme.MUTED, opacity=0.12, line_width=0)
    figure.update_xaxes(title=f"accuracy against {best.name}, points", zeroline=False)
    under = "same questions, 95% intervals" + (
        f"; grey: within {margin_points:g} points" if margin_points else ""
    )
    return theme.style(figure, title, under, height=70 + 44 * max(1, len(found)))


def _against(c: Comparison, best: str) -> tuple[str, Estimate, float]:
    if c.b == best:
        return c.a, c.difference, c.p_adjusted
    d = c.difference
    return (
        c.b,
        Estimate(value=-d.value, low=-d.high, high=-d.low, n=d.n, method=d.method),
        c.p_adjusted,
    )


def formats(evaluation: Evaluation) -> Any:
    """Return how many answers came in the right format, per strategy."""
    import plotly.graph_objects as go

    rows = list(reversed(evaluation.results))
    parts = [_format_parts(r) for r in rows]
    figure = go.Figure()
    for k, (name, color) in enumerate(FORMATS):
        values = [100 * p[k] for p in parts]
        figure.add_bar(
            y=[r.spec.name for r in rows],
            x=values,
            orientation="h",
            name=name,
            marker_color=color,
            text=[f"{v:.0f}%" if v >= 6 else "" for v in values],
            textposition="inside",
            insidetextanchor="middle",
            textangle=0,
            hovertemplate=f"%{{y}}: %{{x:.1f}}% {name}<extra></extra>",
        )
    figure.update_layout(barmode="stack", bargap=0.35)
    figure.update_xaxes(title="answers, %", range=[0, 100])
    figure.update_yaxes(showgrid=False)
    worst = min(evaluation.results, key=lambda r: r.format_ok.value)
    title = (
        f"Every strategy keeps the format in {f'at least {theme.percent(worst.format_ok.value)}' if worst.format_ok.value < 1 else 'all'} of its answers"
        if worst.format_ok.value > 0.8
        else f"{worst.spec.name} keeps the format in only {theme.interval(worst.format_ok)} of its answers"
    )
    return legend_below(
        theme.style(
            figure,
            title,
            "usable as it is, after a fixed repair, or not",
            height=110 + 40 * len(rows),
        )
    )


def _format_parts(r: StrategyResult) -> tuple[float, float, float]:
    strict = r.format_strict.value if r.format_strict else r.format_ok.value
    return strict, max(0.0, r.format_ok.value - strict), 1 - r.format_ok.value


def legend_below(figure: Any) -> Any:
    """Put a figure's legend under its axis, apart from its title."""
    figure.update_layout(
        legend={
            "orientation": "h",
            "yref": "container",
            "yanchor": "bottom",
            "y": 0.01,
            "x": 0,
            "traceorder": "normal",
        },
        margin_b=64,
    )
    return figure


def unsupported(evaluation: Evaluation) -> Any | None:
    """Return the hallucination rate per strategy, or None where it was not measured."""
    rows = [
        (r.spec, r.unsupported) for r in reversed(evaluation.results) if r.unsupported is not None
    ]
    if not rows:
        return None
    most, share = max(rows, key=lambda row: row[1].value)
    figure = dots(
        [(spec.name, value, theme.color(spec.family)) for spec, value in rows], percent=True
    )
    figure.update_xaxes(
        title="answers with an unsupported value, %", range=[-2, 112], tickvals=[0, 25, 50, 75, 100]
    )
    title = (
        f"{most.name} invents most: {theme.interval(share)}"
        if share.value
        else f"No strategy was seen to invent a value: at most {theme.percent(max(value.high for _, value in rows))} would"
    )
    return theme.style(
        figure,
        title,
        "95% intervals; none found gives an upper bound, never a sure 0%",
        height=70 + 44 * len(rows),
    )


def fields(evaluation: Evaluation) -> Any | None:
    """Return accuracy per field and strategy as a grid, or None where answers have no fields."""
    import plotly.graph_objects as go

    rows = [r for r in reversed(evaluation.results) if r.fields]
    if not rows:
        return None
    names = list(rows[0].fields)
    values = [[100 * r.fields[n].value for n in names] for r in rows]
    text = [[f"<b>{v:.0f}%</b>" for v in line] for line in values]
    hover = [[f"{r.spec.name}, {n}: {theme.interval(r.fields[n], 1)}" for n in names] for r in rows]
    figure = go.Figure(
        go.Heatmap(
            z=values,
            x=names,
            y=[r.spec.name for r in rows],
            zmin=0,
            zmax=100,
            colorscale="Blues",
            text=text,
            texttemplate="%{text}",
            customdata=hover,
            hovertemplate="%{customdata}<extra></extra>",
            showscale=False,
            xgap=3,
            ygap=3,
        )
    )
    figure.update_xaxes(side="top", showgrid=False)
    figure.update_yaxes(showgrid=False)
    means = {n: sum(r.fields[n].value for r in rows) / len(rows) for n in names}
    hardest = min(means, key=lambda n: means[n])
    return theme.style(
        figure,
        f"The hardest field is {hardest}",
        "right values, % of the test questions",
        height=90 + 42 * len(rows),
    )


def effects(evaluation: Evaluation) -> Any | None:
    """Return the effects of tuning, retrieval and their interaction, or None where the four arms are not all there."""
    if not evaluation.effects:
        return None
    colors = {
        "tuning": theme.color("fine-tuned"),
        "retrieval": theme.color("RAG"),
        "interaction": theme.color("hybrid"),
    }
    rows = list(reversed(evaluation.effects))
    figure = dots(
        [(e.name, e.difference, colors.get(e.name, theme.MUTED)) for e in rows], percent=False
    )
    figure.add_vline(x=0, line={"color": theme.MUTED, "width": 1})
    figure.update_xaxes(title="change in accuracy, points", zeroline=False)
    return theme.style(
        figure, _effect_title(evaluation), "mean over the other factor, 95% intervals", height=210
    )


def _effect_title(evaluation: Evaluation) -> str:
    sure = [e for e in evaluation.effects if e.difference.low > 0 or e.difference.high < 0]
    main = [e for e in sure if e.name != "interaction"]
    if not main:
        return "Neither tuning nor retrieval moves accuracy beyond chance"
    told = " and ".join(
        f"{e.name} moves accuracy by {100 * e.difference.value:+.0f} points" for e in main
    )
    both = next((e for e in sure if e.name == "interaction"), None)
    more = (
        ""
        if both is None
        else "; together they do more"
        if both.difference.value > 0
        else "; together they do less than the sum"
    )
    return told[0].upper() + told[1:] + more


def general(evaluation: Evaluation) -> Any | None:
    """Return base against tuned on the general probe, or None where it was not measured."""
    base = next(
        (r.general for r in evaluation.results if r.spec.model == "base" and r.general), None
    )
    tuned = next(
        (r.general for r in evaluation.results if r.spec.model == "tuned" and r.general), None
    )
    if base is None or tuned is None or not evaluation.regression:
        return None
    change = evaluation.regression[0].difference
    figure = dots(
        [("tuned", tuned, theme.color("fine-tuned")), ("base", base, theme.color("prompting"))],
        percent=True,
    )
    figure.update_xaxes(
        title="right answers to general questions, %",
        range=[-2, 112],
        tickvals=[0, 25, 50, 75, 100],
    )
    title = f"Tuning changes general skills by {100 * change.value:+.1f} points ({100 * change.low:+.1f} to {100 * change.high:+.1f})"
    return theme.style(
        figure, title, f"{change.n} general questions, the same for both", height=160
    )


def slice_rows(evaluation: Evaluation, at_most: int = 12) -> list[dict[str, Any]]:
    """Return where strategies are weaker or stronger than elsewhere for a table; empty where nothing stands out."""
    return [
        {
            "where": s.name,
            "strategy": s.strategy,
            "questions": s.items,
            "right there": theme.percent(s.inside),
            "right elsewhere": theme.percent(s.outside),
            "difference, points": f"{100 * s.difference.value:+.0f} ({100 * s.difference.low:+.0f} to {100 * s.difference.high:+.0f})",
        }
        for s in evaluation.slices[:at_most]
    ]


def neighbour_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return accuracy on questions with and without a training example of the same meaning for a table."""
    return [
        {
            "strategy": n.strategy,
            f"right on {n.items:,} like a training example": theme.percent(n.inside),
            f"right on the other {evaluation.test_items - n.items:,}": theme.percent(n.outside),
            "difference, points": f"{100 * n.difference.value:+.0f} ({100 * n.difference.low:+.0f} to {100 * n.difference.high:+.0f})"
            if n.difference
            else "too few questions to tell",
        }
        for n in evaluation.neighbours
    ]


def pair_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return every pair with its difference for a table."""
    return [
        {
            "pair": f"{c.a} – {c.b}",
            "points": f"{100 * c.difference.value:+.1f}",
            "95% interval": f"{100 * c.difference.low:+.1f} to {100 * c.difference.high:+.1f}",
            "only the first right": c.wins,
            "only the second right": c.losses,
            "p, corrected": f"{c.p_adjusted:.3f}" if c.p_adjusted >= 0.001 else "< 0.001",
        }
        for c in evaluation.comparisons
    ]


def label_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return macro-F1 and the most frequent mix-ups per strategy for a table; empty where answers are no labels."""
    return [
        {
            "strategy": r.spec.name,
            "macro-F1": theme.interval(r.macro_f1),
            "most frequent mix-ups": "; ".join(
                f"{c.truth} answered as {c.answered} ({c.count})" for c in r.confusions[:3]
            )
            or "none",
        }
        for r in evaluation.results
        if r.macro_f1
    ]


def skill_rows(skills: Any) -> list[dict[str, Any]]:
    """Return the share right per general skill for a table; ``skills`` is from ``evaluation.by_skill``."""
    return [
        {"skill": skill, **{k: theme.percent(v) for k, v in row.items()}}
        for skill, row in skills.iterrows()
    ]
