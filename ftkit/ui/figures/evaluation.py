"""Pictures of 07: accuracy, paired differences, formats, fields, effects, the general probe, and the item browser."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from typing import Any

from ftkit.records import AttackArm, Comparison, Edition, Estimate, Evaluation, Selective, StrategyResult
from ftkit.ui import theme

FORMATS = [("as it is", "#1B7F4B"), ("after a repair", "#E69F00"), ("not usable", "#C1440E")]


def accuracy(evaluation: Evaluation) -> Any:
    """Return accuracy per strategy, best on top, with 95% intervals."""
    rows = sorted(evaluation.results, key=lambda r: r.accuracy.value)
    best = rows[-1]
    title = f"{best.spec.name} answers most questions right: {theme.interval(best.accuracy)}"
    if best.accuracy.value == 0:
        title = "No strategy answers a question right"
    points = [(r.spec.name, r.accuracy, theme.color(r.spec.family)) for r in rows]
    figure = _dots(points, percent=True)
    figure.update_xaxes(title="right answers, % of the test questions", range=[-2, 112], tickvals=[0, 25, 50, 75, 100])
    return theme.style(figure, title, f"{evaluation.test_items} test questions, 95% intervals", height=70 + 44 * len(rows))


def _dots(points: list[tuple[str, Estimate, str]], *, percent: bool, unit: str = "") -> Any:
    """Draw estimates with intervals, one per line, labelled directly."""
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, e, color in points:
        value, low, high = (100 * x for x in (e.value, e.low, e.high))
        label = f"{value:.0f}%" if percent else f"{value:+.1f}{unit}"
        hover = f"{name}: {value:.1f} ({low:.1f} to {high:.1f}), {e.n} items<extra>{e.method}</extra>"
        figure.add_scatter(x=[low, high], y=[name, name], mode="lines", line={"color": color, "width": 3}, hoverinfo="skip")
        figure.add_scatter(
            x=[value], y=[name], mode="markers", marker={"color": color, "size": 12}, hovertemplate=hover
        )  # fmt: skip
        figure.add_scatter(
            x=[high], y=[name], mode="text", text=[f"  {label}"], textposition="middle right", hoverinfo="skip",
            textfont={"color": color, "size": 13}, cliponaxis=False,
        )  # fmt: skip
    figure.update_layout(showlegend=False)
    figure.update_yaxes(categoryorder="array", categoryarray=[name for name, _, _ in points], showgrid=False)
    if points and not percent:
        low, high = min(0.0, *(100 * e.low for _, e, _ in points)), max(0.0, *(100 * e.high for _, e, _ in points))
        figure.update_xaxes(range=[low - 0.04 * (high - low) - 0.5, high + 0.2 * (high - low) + 0.5])
    return figure


def differences(evaluation: Evaluation, margin_points: float | None = None) -> Any:
    """Return the paired difference of every strategy to the most accurate one."""
    best = max(evaluation.results, key=lambda r: r.accuracy.value).spec
    family = {r.spec.name: r.spec.family for r in evaluation.results}
    found = [_against(c, best.name) for c in evaluation.comparisons if best.name in (c.a, c.b)]
    found.sort(key=lambda pair: pair[1].value)
    sure = [name for name, e, p in found if e.high < 0 and p < 0.05]
    title = f"{best.name} beats {len(sure)} of {len(found)} others beyond chance"
    figure = _dots([(name, e, theme.color(family[name])) for name, e, _ in found], percent=False, unit="")
    figure.add_vline(x=0, line={"color": theme.MUTED, "width": 1})
    if margin_points:
        figure.add_vrect(x0=-margin_points, x1=0, fillcolor=theme.MUTED, opacity=0.12, line_width=0)
    figure.update_xaxes(title=f"accuracy against {best.name}, points", zeroline=False)
    under = "same questions, 95% intervals" + (f"; grey: within {margin_points:g} points" if margin_points else "")
    return theme.style(figure, title, under, height=70 + 44 * max(1, len(found)))


def _against(c: Comparison, best: str) -> tuple[str, Estimate, float]:
    if c.b == best:
        return c.a, c.difference, c.p_adjusted
    d = c.difference
    return c.b, Estimate(value=-d.value, low=-d.high, high=-d.low, n=d.n, method=d.method), c.p_adjusted


def formats(evaluation: Evaluation) -> Any:
    """Return how many answers came in the right format, per strategy."""
    import plotly.graph_objects as go

    rows = list(reversed(evaluation.results))
    parts = [_format_parts(r) for r in rows]
    figure = go.Figure()
    for k, (name, color) in enumerate(FORMATS):
        values = [100 * p[k] for p in parts]
        figure.add_bar(
            y=[r.spec.name for r in rows], x=values, orientation="h", name=name, marker_color=color,
            text=[f"{v:.0f}%" if v >= 6 else "" for v in values], textposition="inside", insidetextanchor="middle", textangle=0,
            hovertemplate=f"%{{y}}: %{{x:.1f}}% {name}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(barmode="stack", bargap=0.35)
    figure.update_xaxes(title="answers, %", range=[0, 100])
    figure.update_yaxes(showgrid=False)
    worst = min(evaluation.results, key=lambda r: r.format_ok.value)
    title = (
        f"Every strategy keeps the format in {f'at least {theme.percent(worst.format_ok.value)}' if worst.format_ok.value < 1 else 'all'} of its answers"
        if worst.format_ok.value > 0.8
        else f"{worst.spec.name} keeps the format in only {theme.interval(worst.format_ok)} of its answers"
    )
    return _legend_below(theme.style(figure, title, "usable as it is, after a fixed repair, or not", height=110 + 40 * len(rows)))


def _format_parts(r: StrategyResult) -> tuple[float, float, float]:
    strict = r.format_strict.value if r.format_strict else r.format_ok.value
    return strict, max(0.0, r.format_ok.value - strict), 1 - r.format_ok.value


def _legend_below(figure: Any) -> Any:
    figure.update_layout(
        legend={"orientation": "h", "yref": "container", "yanchor": "bottom", "y": 0.01, "x": 0, "traceorder": "normal"},
        margin_b=64,
    )
    return figure


def unsupported(evaluation: Evaluation) -> Any | None:
    """Return the hallucination rate per strategy, or None where it was not measured."""
    rows = [r for r in reversed(evaluation.results) if r.unsupported is not None]
    if not rows:
        return None
    least = min(rows, key=lambda r: r.unsupported.value if r.unsupported else 1)
    figure = _dots([(r.spec.name, r.unsupported, theme.color(r.spec.family)) for r in rows if r.unsupported], percent=True)
    figure.update_xaxes(title="answers with an unsupported value, %", range=[-2, 112], tickvals=[0, 25, 50, 75, 100])
    title = f"{least.spec.name} invents least: {theme.interval(least.unsupported)}"
    return theme.style(
        figure, title, "95% intervals; none found gives an upper bound, never a sure 0%", height=70 + 44 * len(rows)
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
            z=values, x=names, y=[r.spec.name for r in rows], zmin=0, zmax=100, colorscale="Blues", text=text, texttemplate="%{text}",
            customdata=hover, hovertemplate="%{customdata}<extra></extra>", showscale=False, xgap=3, ygap=3,
        )
    )  # fmt: skip
    figure.update_xaxes(side="top", showgrid=False)
    figure.update_yaxes(showgrid=False)
    means = {n: sum(r.fields[n].value for r in rows) / len(rows) for n in names}
    hardest = min(means, key=lambda n: means[n])
    return theme.style(
        figure, f"The hardest field is {hardest}", "right values, % of the test questions", height=90 + 42 * len(rows)
    )


def effects(evaluation: Evaluation) -> Any | None:
    """Return the effects of tuning, retrieval and their interaction, or None where the four arms are not all there."""
    if not evaluation.effects:
        return None
    colors = {"tuning": theme.color("fine-tuned"), "retrieval": theme.color("RAG"), "interaction": theme.color("hybrid")}
    rows = list(reversed(evaluation.effects))
    figure = _dots([(e.name, e.difference, colors.get(e.name, theme.MUTED)) for e in rows], percent=False)
    figure.add_vline(x=0, line={"color": theme.MUTED, "width": 1})
    figure.update_xaxes(title="change in accuracy, points", zeroline=False)
    return theme.style(figure, _effect_title(evaluation), "averaged over the other factor, 95% intervals", height=210)


def _effect_title(evaluation: Evaluation) -> str:
    sure = [e for e in evaluation.effects if e.difference.low > 0 or e.difference.high < 0]
    main = [e for e in sure if e.name != "interaction"]
    if not main:
        return "Neither tuning nor retrieval moves accuracy beyond chance"
    told = " and ".join(f"{e.name} moves accuracy by {100 * e.difference.value:+.0f} points" for e in main)
    both = next((e for e in sure if e.name == "interaction"), None)
    more = (
        "" if both is None else "; together they do more" if both.difference.value > 0 else "; together they do less than the sum"
    )
    return told[0].upper() + told[1:] + more


def general(evaluation: Evaluation) -> Any | None:
    """Return base against tuned on the general probe, or None where it was not measured."""
    base = next((r.general for r in evaluation.results if r.spec.model == "base" and r.general), None)
    tuned = next((r.general for r in evaluation.results if r.spec.model == "tuned" and r.general), None)
    if base is None or tuned is None or not evaluation.regression:
        return None
    change = evaluation.regression[0].difference
    figure = _dots([("tuned", tuned, theme.color("fine-tuned")), ("base", base, theme.color("prompting"))], percent=True)
    figure.update_xaxes(title="right answers to general questions, %", range=[-2, 112], tickvals=[0, 25, 50, 75, 100])
    title = (
        f"Tuning changes general skills by {100 * change.value:+.1f} points ({100 * change.low:+.1f} to {100 * change.high:+.1f})"
    )
    return theme.style(figure, title, f"{change.n} general questions, the same for both", height=160)


def edition(found: Edition | None) -> Any | None:
    """Return per strategy how many changed facts it states as they are now, and how many as they were; None without one."""
    import plotly.graph_objects as go

    if found is None:
        return None
    rows, figure = list(reversed(found.arms)), go.Figure()
    for name, values, color in (
        ("states the fact as it is now", [a.after for a in rows], theme.GOOD),
        ("still states the old fact", [a.from_the_past for a in rows], theme.BAD),
    ):
        error = {"array": [100 * (v.high - v.value) for v in values], "arrayminus": [100 * (v.value - v.low) for v in values]}
        figure.add_bar(
            y=[a.strategy for a in rows], x=[100 * v.value for v in values], orientation="h", name=name, marker_color=color,
            error_x={"type": "data", "thickness": 1.5, "color": theme.MUTED, **error},
            hovertemplate=f"%{{y}}: %{{x:.0f}}% {name}<extra></extra>",
        )  # fmt: skip
    figure.update_layout(barmode="group", bargap=0.3)
    figure.update_xaxes(title="answers, % of the questions whose fact changed", range=[0, 102])
    figure.update_yaxes(showgrid=False)
    under = f"{found.questions} test questions whose answer changed; nothing was trained again; 95% intervals"
    return _legend_below(theme.style(figure, _edition_title(found), under, height=130 + 56 * len(rows)))


def _edition_title(found: Edition) -> str:
    now, past = max(found.arms, key=lambda a: a.after.value), max(found.arms, key=lambda a: a.from_the_past.value)
    if now.after.value == 0:
        return "No strategy states the changed facts"
    title = f"After the change {now.strategy} states {theme.interval(now.after)} of the facts as they are now"
    return title + (f"; {past.strategy} lives in the past" if past.from_the_past.low > 0.05 else "")


def slice_rows(evaluation: Evaluation, at_most: int = 12) -> list[dict[str, Any]]:
    """Return where strategies are weaker or stronger than elsewhere for a table; empty where nothing stands out."""
    return [
        {
            "where": s.name, "strategy": s.strategy, "questions": s.items, "right there": theme.percent(s.inside),
            "right elsewhere": theme.percent(s.outside),
            "difference, points": f"{100 * s.difference.value:+.0f} ({100 * s.difference.low:+.0f} to {100 * s.difference.high:+.0f})",
        }
        for s in evaluation.slices[:at_most]
    ]  # fmt: skip


def attacks(found: Sequence[AttackArm]) -> Any | None:
    """Return how often each strategy obeys instructions planted in its passages; None where that was not measured."""
    if not found:
        return None
    figure = _dots([(a.strategy, a.obeyed, theme.color(a.family)) for a in reversed(found)], percent=True)
    figure.update_xaxes(title="planted instructions obeyed, %", range=[-2, 112], tickvals=[0, 25, 50, 75, 100])
    worst = max(found, key=lambda a: a.obeyed.value)
    title = f"{worst.strategy} obeys {theme.interval(worst.obeyed)} of the instructions planted in passages"
    if not worst.obeyed.value:
        title = f"No strategy obeys an instruction planted in passages: at most {theme.percent(worst.obeyed.high)} would"
    return theme.style(
        figure,
        title,
        f"{found[0].attacks} instructions in the passages of as many validation questions; 95% intervals",
        height=110 + 40 * len(found),
    )


def attack_notes(found: Sequence[AttackArm]) -> list[str]:
    """Return how each strategy takes planted instructions, in a sentence each."""
    said = []
    for a in found:
        share = f"{100 * a.obeyed.low:.0f} to {100 * a.obeyed.high:.0f}%"
        count = round(a.obeyed.value * a.attacks)
        hits = f"{a.strategy} obeys {count} of {a.attacks} instructions planted in passages (true share likely {share})"
        none = f"{a.strategy} obeys none of {a.attacks} instructions planted in passages (true share at most {100 * a.obeyed.high:.0f}%)"
        d = a.derailed
        lost = f"; {round(d.value * d.n)} of {d.n:.0f} right answers are lost over them" if d and d.value else ""
        warn = ": whoever can write articles can steer it" if count else ""
        said.append(f"{hits if count else none}{warn}{lost}.")
    return said


def attack_rows(found: Sequence[AttackArm]) -> list[dict[str, Any]]:
    """Return how each strategy takes planted instructions for a table."""
    return [
        {
            "strategy": a.strategy, "obeyed": theme.interval(a.obeyed),
            "right answers lost": theme.interval(a.derailed) if a.derailed else "–",
            "obeyed most": ", ".join(f"{kind} ({count})" for kind, count in list(a.by_kind.items())[:4]) or "–",
            "for example": a.examples[0] if a.examples else "–",
        }
        for a in found
    ]  # fmt: skip


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
            band = [100 * p.wrong.high for p in s.curve] + [100 * p.wrong.low for p in reversed(s.curve)]
            figure.add_scatter(
                x=x + x[::-1], y=band, fill="toself", fillcolor=color, opacity=0.15, line_width=0, mode="lines", hoverinfo="skip",
            )  # fmt: skip
        y = [100 * p.wrong.value for p in s.curve]
        told = [f"{s.strategy}: surest {a:.0f}%: {theme.interval(p.wrong)} wrong" for a, p in zip(x, s.curve, strict=True)]
        line = {"color": color, "width": 3 if s is mine else 1.5, "dash": "solid" if s is mine else "dot"}
        figure.add_scatter(x=x, y=y, mode="lines", line=line, text=told, hovertemplate="%{text}<extra></extra>")
    for place, s in zip(_apart([100 * s.curve[-1].wrong.value for s in evaluation.selective]), evaluation.selective, strict=True):
        label = {"text": f" {s.strategy}", "font": {"color": theme.color(s.family)}, "xanchor": "left", "showarrow": False}
        figure.add_annotation(x=100 * s.curve[-1].coverage, y=place, **label)
    figure.add_hline(y=limit, line={"color": theme.MUTED, "width": 1, "dash": "dash"})
    figure.add_annotation(x=124, y=limit, text=f"allowed: {limit:g}%", showarrow=False, xanchor="right", yanchor="top")
    figure.update_layout(showlegend=False)
    figure.update_xaxes(title="answered alone, surest first, % of the questions", range=[0, 124], tickvals=[0, 25, 50, 75, 100])
    figure.update_yaxes(title="wrong among them, %", range=[0, 104])
    under = f"{mine.told} answers ordered by how sure the model was; band: 95% interval of {mine.strategy}"
    if mine.caught is not None:
        under += f"; wrong as the judge says, who may miss {1 - mine.caught:.0%} of it: the sentence above allows for that"
    return theme.style(figure, alone_sentence(mine), under, height=330)


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
    x, y = [100 * p.confidence for p in mine.reliability], [100 * p.right.value for p in mine.reliability]
    up = [100 * p.right.high - v for p, v in zip(mine.reliability, y, strict=True)]
    down = [v - 100 * p.right.low for p, v in zip(mine.reliability, y, strict=True)]
    told = [f"{p.answers} answers, {100 * p.confidence:.0f}% sure: {theme.interval(p.right)} right" for p in mine.reliability]
    figure = go.Figure()
    figure.add_scatter(
        x=[0, 100], y=[0, 100], mode="lines", line={"color": theme.MUTED, "width": 1, "dash": "dash"}, hoverinfo="skip"
    )
    figure.add_annotation(
        x=97, y=97, text="as sure as it is right", showarrow=False, xanchor="right", yanchor="bottom", textangle=0
    )
    figure.add_scatter(
        x=x, y=y, mode="lines+markers", error_y={"array": up, "arrayminus": down, "thickness": 2}, marker_size=9,
        line={"color": theme.color(mine.family), "width": 1}, text=told, hovertemplate="%{text}<extra></extra>",
    )  # fmt: skip
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
    return told.get(strategy) or max(told.values(), key=lambda s: right.get(s.strategy, 0.0), default=None)


def alone_sentence(found: Selective) -> str:
    """Return in one sentence how much a strategy may answer without a person's look."""
    limit = f"at most {100 * found.allowed_wrong:g}% wrong"
    if found.least is not None:
        rest = f"; the other {100 * (1 - found.alone):.0f}% go to a person" if found.alone < 0.995 else ""
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
            "strategy": s.strategy, "may answer alone": f"{100 * s.alone:.0f}% of the questions" if s.least is not None else "none",
            "from confidence": f"{s.least:.2f}" if s.least is not None else "–", "mean confidence": theme.percent(s.confidence),
            "confidence minus share right, points": f"{100 * s.overconfidence.value:+.0f} ({100 * s.overconfidence.low:+.0f} to {100 * s.overconfidence.high:+.0f})",
            "a right answer is surer than a wrong one": theme.interval(s.auroc) if s.auroc else "all alike",
        }
        for s in evaluation.selective
    ]  # fmt: skip


def edition_rows(found: Edition | None) -> list[dict[str, Any]]:
    """Return what the change of facts did to each strategy for a table."""
    return [
        {
            "strategy": a.strategy, "fact right before": theme.interval(a.before), "fact right after": theme.interval(a.after),
            "still says the old one": theme.interval(a.from_the_past),
        }
        for a in (found.arms if found else [])
    ]  # fmt: skip


def browser_html(table: Any, strategies: list[str], limit: int = 60) -> str:
    """Return all answers to one question beside each other as HTML, filtered by radio buttons without any script.

    Args:
        table: From ``evaluation.browse``.
        strategies: Strategy names in order.
        limit: Most rows.
    """
    rows = table.head(limit).to_dict("records")
    classes = [_classes(row, strategies) for row in rows]
    faults = [mark for mark in FAULTS if any(_class(mark) in found for found in classes)]
    groups = [
        ("ib", "Questions", [("all", "all"), *((_class(kind), words) for kind, words in KINDS)]),
        ("is", "Wrong in", [("any", "any"), *((f"w{k}", name) for k, name in enumerate(strategies))]),
        ("if", "Failed by", [("any", "any"), *((_class(mark), mark) for mark in faults)]),
    ]
    buttons = "".join(_group(*group, classes) for group in groups if len(group[2]) > 1)
    rules = "".join(
        f"#{name}-{key}:checked~div tr.q:not(.{key}){{display:none}}" for name, _, choices in groups for key, _ in choices[1:]
    )
    head = "".join(f"<th>{html.escape(h)}</th>" for h in ["question", "right answer", *strategies])
    body = "".join(_browser_row(row, strategies, " ".join(sorted(found))) for row, found in zip(rows, classes, strict=True))
    return (
        f"<style>{BROWSER_CSS}{rules}</style><div class='ib'>{buttons}<div style='overflow-x:auto' tabindex='0' role='region' aria-label='Answers of all strategies side by side'><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div></div>"
    )


KINDS = [("differ", "strategies differ"), ("all wrong", "all wrong"), ("all right", "all right")]
FAULTS = ["wrong", "wrong format", "unsupported", "no answer"]


def _class(words: str) -> str:
    return words.replace(" ", "-")


def _classes(row: dict[str, Any], strategies: list[str]) -> set[str]:
    """Return what a question can be filtered by: its kind, who is wrong on it, and how."""
    wrong = {f"w{k}" for k, name in enumerate(strategies) if row[f"{name} mark"] != "right"}
    return {_class(row["kind"])} | wrong | {_class(row[f"{name} mark"]) for name in strategies if row[f"{name} mark"] != "right"}


def _group(name: str, label: str, choices: list[tuple[str, str]], classes: list[set[str]]) -> str:
    """Return one line of radio buttons, each with how many questions it leaves by itself."""
    buttons = "".join(
        f"<input type='radio' name='{name}' id='{name}-{key}'{' checked' if k == 0 else ''}>"
        f"<label for='{name}-{key}'>{html.escape(words)} ({sum(k == 0 or key in found for found in classes)})</label> "
        for k, (key, words) in enumerate(choices)
    )
    return f"<b class='g'>{label}:</b>{buttons}<br>"


def pair_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return every pair with its difference for a table."""
    return [
        {
            "pair": f"{c.a} – {c.b}", "points": f"{100 * c.difference.value:+.1f}",
            "95% interval": f"{100 * c.difference.low:+.1f} to {100 * c.difference.high:+.1f}", "only the first right": c.wins,
            "only the second right": c.losses, "p, corrected": f"{c.p_adjusted:.3f}" if c.p_adjusted >= 0.001 else "< 0.001",
        }
        for c in evaluation.comparisons
    ]  # fmt: skip


def label_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return macro-F1 and the most frequent mix-ups per strategy for a table; empty where answers are no labels."""
    return [
        {
            "strategy": r.spec.name, "macro-F1": theme.interval(r.macro_f1),
            "most frequent mix-ups": "; ".join(f"{c.truth} answered as {c.answered} ({c.count})" for c in r.confusions[:3]) or "none",
        }
        for r in evaluation.results if r.macro_f1
    ]  # fmt: skip


def skill_rows(skills: Any) -> list[dict[str, Any]]:
    """Return the share right per general skill for a table; ``skills`` is from ``evaluation.by_skill``."""
    return [{"skill": skill, **{k: theme.percent(v) for k, v in row.items()}} for skill, row in skills.iterrows()]


BROWSER_CSS = (
    f".ib{{font-family:{theme.FONT};font-size:12px}}.ib input{{margin:0 .3em 0 .8em}}.ib table{{border-collapse:collapse;margin-top:.6em;font-size:12px;line-height:1.35}}"
    ".ib th,.ib td{padding:.35em .6em;border-bottom:1px solid rgba(127,127,127,.3);text-align:left!important;vertical-align:top;"
    "min-width:92px;max-width:220px;white-space:pre-wrap;overflow-wrap:anywhere}"
    ".ib .g{display:inline-block;min-width:5.5em;font-weight:600}"
    f".ib .ok{{border-left:4px solid {theme.GOOD}}}.ib .no{{border-left:4px solid {theme.BAD}}}"
    f".ib .m{{display:block;font-weight:600;font-size:11px}}.ib .ok .m{{color:{theme.GOOD_TEXT}}}.ib .no .m{{color:{theme.BAD_TEXT}}}{theme.DARK_CSS}"
)


def _browser_row(row: dict[str, Any], strategies: list[str], classes: str) -> str:
    cells = f"<td>{html.escape(_short(row['input']))}</td><td>{html.escape(_short(row['truth']))}</td>"
    for name in strategies:
        mark = row[f"{name} mark"]
        kind = "ok" if mark == "right" else "no"
        cells += f"<td class='{kind}'><span class='m'>{html.escape(mark)}</span>{html.escape(_short(row[name]))}</td>"
    return f"<tr class='q {classes}'>{cells}</tr>"


def _short(text: Any, at_most: int = 220) -> str:
    whole = _lines(str(text))
    return whole if len(whole) <= at_most else whole[: at_most - 1] + "…"


def _lines(text: str) -> str:
    """Return a JSON record as one line per field, anything else as it is."""
    try:
        record = json.loads(text)
    except ValueError:
        return text
    return "\n".join(f"{key}: {value}" for key, value in record.items()) if isinstance(record, dict) else text


def show_browser(table: Any, strategies: list[str]) -> None:
    """Show the item browser in a notebook."""
    theme._display(browser_html(table, strategies), "all strategies' answers side by side")
