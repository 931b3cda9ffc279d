"""Pictures of 05: what would fit, which tokens count, the loss while it trains and after, and answers before and after."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence
from typing import Any

from ftkit.core.records.base import Estimate
from ftkit.core.records.training import LearningCurve, TrainingCard, TrainPoint
from ftkit.report import theme

TRAIN, VALIDATION = "#7A828C", theme.COLORS["fine-tuned"]
PARTS = [
    ("weights_gib", "weights", "#0072B2"),
    ("training_gib", "gradients and optimizer", "#E69F00"),
    ("activations_gib", "one batch on its way", "#009E73"),
]
WORDS = {
    "learnt": "It learnt",
    "underfit": "It was still learning when it stopped",
    "overfit": "It began to learn by heart",
    "diverged": "It did not learn",
}


def needs(found: Sequence[Any], parameters: int, memory_gib: float, chosen: str) -> Any:
    """Return the memory that each method would take, split into its parts (estimates).

    Args:
        found: One ``training.Need`` per method.
        parameters: Parameters of the model.
        memory_gib: Memory that is free on this machine.
        chosen: The method that the parameters name.
    """
    import plotly.graph_objects as go

    figure, names = go.Figure(), [n.method for n in found]
    libraries = [n.total_gib - n.weights_gib - n.training_gib - n.activations_gib for n in found]
    figure.add_bar(
        y=names,
        x=libraries,
        name="the libraries themselves",
        orientation="h",
        marker_color="#B9BFC7",
    )
    for field, name, color in PARTS:
        figure.add_bar(
            y=names,
            x=[getattr(n, field) for n in found],
            name=name,
            orientation="h",
            marker_color=color,
        )
    for n in found:
        figure.add_annotation(
            x=n.total_gib,
            y=n.method,
            text=f" {n.total_gib:.1f} GiB",
            showarrow=False,
            xanchor="left",
            font_size=12,
        )
    figure.update_traces(hovertemplate="%{fullData.name}: %{x:.2f} GiB<extra></extra>")
    longest = max(n.total_gib for n in found)
    figure.update_layout(barmode="stack", bargap=0.45)
    figure.update_xaxes(title="memory, GiB (estimate)", range=[0, 1.25 * longest])
    figure.update_yaxes(showgrid=False, autorange="reversed")
    if memory_gib < 1.2 * longest:
        figure.add_vline(
            x=memory_gib,
            line={"color": theme.BAD, "width": 2, "dash": "dot"},
            annotation_text="free here",
        )
    need = next(n for n in found if n.method == chosen)
    fits = "fits into" if need.total_gib < memory_gib else "does not fit into"
    title = f"{chosen} changes {theme.percent(need.share, 1)} of {millions(parameters)} weights and {fits} the {memory_gib:.0f} GiB free here"
    figure = theme.style(
        figure, title, "estimates from the model's shape and your longest examples", height=310
    )
    figure.update_layout(
        legend={"orientation": "h", "yanchor": "top", "y": -0.38, "x": 0}, margin_b=95
    )
    return figure


def millions(count: int) -> str:
    """Return a number of weights as people say it."""
    for size, name in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if count >= size:
            return f"{count / size:.3g} {name}"
    return str(count)


def tokens_html(sample: Sequence[tuple[str, bool]]) -> str:
    """Return an example's tokens as HTML: those in the loss coloured, the others grey; every text is escaped."""
    parts = []
    for text, counts in sample:
        shown = html.escape(text).replace("\n", "↵<br>").replace(" ", "&nbsp;") or "·"
        look = (
            f"background:{theme.COLORS['fine-tuned']}33;border-bottom:2px solid {theme.COLORS['fine-tuned']}"
            if counts
            else ""
        )
        parts.append(
            f"<span style='{look or f'color:{theme.SOFT_TEXT}'};padding:0 1px;margin-right:1px'>{shown}</span><wbr>"
        )
    inside = sum(counts for _, counts in sample)
    head = f"{inside} of the {len(sample)} tokens shown are learnt (coloured); the others are only read"
    return (
        f"<div style='font-family:{theme.FONT};max-width:860px'><p style='margin:.4em 0'><b>{head}</b></p>"
        f"<div style='font-family:ui-monospace,monospace;font-size:13px;line-height:1.9'>{''.join(parts)}</div></div>"
    )


def show_tokens(sample: Sequence[tuple[str, bool]]) -> None:
    """Show which tokens of one example are in the loss."""
    from IPython.display import display

    text = "in the loss: " + "".join(t for t, counts in sample if counts)
    display({"text/html": tokens_html(sample), "text/plain": text}, raw=True)


def curve(card: TrainingCard) -> Any:
    """Return the loss curve of a finished training with the kept checkpoint marked; the title is the verdict."""
    figure = draw_curve(card.log)
    scored = [p for p in card.log if p.validation_loss is not None]
    best = min(
        scored, key=lambda p: p.validation_loss if p.validation_loss is not None else math.inf
    )
    first = scored[0].validation_loss or 0.0
    figure.add_scatter(
        x=[best.epoch],
        y=[best.validation_loss],
        mode="markers+text",
        text=[f"kept: {best.validation_loss:.3g}"],
        showlegend=False,
        textposition="top center",
        marker={"size": 15, "color": VALIDATION, "symbol": "circle-open", "line_width": 3},
        hoverinfo="skip",
        textfont={"color": VALIDATION},
        cliponaxis=False,
    )
    title = f"{WORDS[card.verdict]}: validation loss went from {first:.2f} to {card.best_validation_loss:.2g}"
    spent = (
        f"{card.duration_s / 60:.1f} minutes"
        if card.duration_s >= 90
        else f"{card.duration_s:.0f} seconds"
    )
    early = ", stopped early" if card.stopped_early else ""
    if card.elsewhere:
        return theme.style(
            figure, title, f"{card.variant}; the loss of the base and of these weights", height=330
        )
    return theme.style(
        figure,
        title,
        f"{card.examples:,} examples, {card.epochs:g} pass{'' if card.epochs == 1 else 'es'} in {spent}{early}",
        height=330,
    )


PANELS = (
    ("right answers to watched questions, %", lambda p: 100 * p.right.value if p.right else None),
    ("gradient norm before clipping", lambda p: p.grad_norm),
    ("learning rate", lambda p: p.learning_rate if p.loss is not None else None),
    ("tokens per second, mean so far", lambda p: p.tokens_per_s),
    ("memory in use, GiB", lambda p: p.memory_gib),
)


def watched(card: TrainingCard) -> Any:
    """Return what else was watched over the passes, a panel each; None where nothing was noted (trained elsewhere, older runs)."""
    from plotly.subplots import make_subplots

    series = [
        (name, [(p.epoch, value) for p in card.log if (value := read(p)) is not None])
        for name, read in PANELS
    ]
    series = [(name, found) for name, found in series if found]
    if not any("gradient" in name for name, _ in series):
        return None
    lines = len(series)  # one below the other: that fits a phone too
    figure = make_subplots(
        rows=lines,
        cols=1,
        shared_xaxes=True,
        subplot_titles=[name for name, _ in series],
        vertical_spacing=0.3 / lines,
    )
    for row, (name, found) in enumerate(series, 1):
        right = name == PANELS[0][0]
        spread = [p.right for p in card.log if p.right is not None] if right else []
        figure.add_scatter(
            x=[x for x, _ in found],
            y=[y for _, y in found],
            mode="lines+markers" if right else "lines",
            showlegend=False,
            name=name,
            row=row,
            col=1,
            line={"color": theme.COLORS["fine-tuned"] if right else TRAIN, "width": 2},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [100 * (e.high - e.value) for e in spread],
                "arrayminus": [100 * (e.value - e.low) for e in spread],
                "thickness": 1.5,
                "width": 4,
            }
            if right
            else None,
            hovertemplate=f"{name}: %{{y:.3g}} at pass %{{x:.2f}}<extra></extra>",
        )
        figure.update_yaxes(rangemode="tozero", nticks=4, row=row, col=1)
    figure.update_xaxes(rangemode="tozero")
    figure.update_xaxes(title="passes", row=lines, col=1)
    figure.update_annotations(font_size=12)
    norms, shares = (
        [p.grad_norm for p in card.log if p.grad_norm is not None],
        [p.right for p in card.log if p.right is not None],
    )
    title, told = (
        f"The gradient's norm was {max(norms):.2g} at most",
        "what else was watched while it trained",
    )
    if shares:
        title = f"Watched questions right: {shares[0].value:.0%} after the first pass, {shares[-1].value:.0%} after the last"
        told = f"{shares[0].n} validation questions, 95% intervals; the gradient's norm was {max(norms):.2g} at most"
    return theme.style(figure, title, told, height=90 + 125 * lines)


def draw_curve(log: Sequence[TrainPoint]) -> Any:
    """Return training and validation loss over the passes, both labelled at the line's end."""
    import plotly.graph_objects as go

    figure = go.Figure()
    train = [(p.epoch, p.loss) for p in log if p.loss is not None and math.isfinite(p.loss)]
    valid = [
        (p.epoch, p.validation_loss)
        for p in log
        if p.validation_loss is not None and math.isfinite(p.validation_loss)
    ]
    if len(train) > 8:
        figure.add_scatter(
            x=[x for x, _ in train],
            y=[y for _, y in train],
            mode="lines",
            showlegend=False,
            hoverinfo="skip",
            opacity=0.35,
            line={"color": TRAIN, "width": 1},
        )
    for points, name, color, mode in (
        (smooth(train), "training", TRAIN, "lines"),
        (valid, "validation", VALIDATION, "lines+markers"),
    ):
        if not points:
            continue
        figure.add_scatter(
            x=[x for x, _ in points],
            y=[y for _, y in points],
            mode=mode,
            name=name,
            line={"color": color, "width": 2.5 if name == "validation" else 1.5},
            hovertemplate=f"{name}: %{{y:.3g}} at pass %{{x:.2f}}<extra></extra>",
        )
    values = [y for _, y in train + valid if y > 0]
    if values and max(values) > 15 * min(values):
        figure.update_yaxes(type="log", tickvals=[0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10])
    figure.update_xaxes(title="passes over the examples", rangemode="tozero")
    figure.update_yaxes(title="loss per answer token, nats")
    return figure


def smooth(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return points with each value averaged over its neighbours, a ninth of all of them: batches differ in difficulty."""
    reach = len(points) // 18
    found = []
    for i, (x, _) in enumerate(points):
        near = [y for _, y in points[max(0, i - reach) : i + reach + 1]]
        found.append((x, sum(near) / len(near)))
    return found


def accuracy(found: dict[str, Estimate]) -> Any:
    """Return the share of validation examples right before and after tuning, with 95% intervals.

    Args:
        found: Estimates by name, such as 'base' and 'tuned, with passages'.
    """
    import plotly.graph_objects as go

    figure, names = go.Figure(), list(found)
    colors = [
        theme.COLORS[
            ("hybrid" if "passages" in n else "fine-tuned")
            if "tuned" in n
            else "RAG"
            if "passages" in n
            else "prompting"
        ]
        for n in names
    ]
    for name, color in zip(names, colors, strict=True):
        e = found[name]
        low, value, high = (100 * v for v in (e.low, e.value, e.high))
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
            hovertemplate=f"{name}: {value:.0f}% ({low:.0f} to {high:.0f})<extra></extra>",
        )
        figure.add_annotation(
            x=high,
            y=name,
            text=f"  {value:.0f}%",
            showarrow=False,
            xanchor="left",
            font_color=color,
        )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(
        title="right answers, % of the validation sample",
        range=[-2, 112],
        tickvals=[0, 25, 50, 75, 100],
    )
    figure.update_yaxes(showgrid=False, autorange="reversed")
    base = max((n for n in names if "tuned" not in n), key=lambda n: found[n].value)
    tuned = max((n for n in names if "tuned" in n), key=lambda n: found[n].value)
    shares = f"{found[base].value:.0%} right before, {found[tuned].value:.0%} after"
    sure = found[tuned].low > found[base].high or found[tuned].high < found[base].low
    verb = "raises" if found[tuned].value > found[base].value else "lowers"
    title = (
        f"Tuning {verb} the share of right answers: {shares}"
        if sure
        else f"{shares}: too few examples to be sure"
    )
    n = found[tuned].n
    return theme.style(
        figure,
        title,
        f"{n} validation examples, 95% intervals; 07 measures on the test",
        height=110 + 44 * len(names),
    )


def adapter_scales(card: TrainingCard) -> Any:
    """Return general skills lost and answers right against the share of the change applied; None where not measured."""
    import plotly.graph_objects as go

    if not card.scale_trials:
        return None
    figure, trials = go.Figure(), card.scale_trials
    lines = [("general skills lost", theme.BAD, [_negative(t.general) for t in trials])]
    lines += [
        (
            f"right, {arm}",
            theme.COLORS["hybrid" if "passages" in arm else "fine-tuned"],
            [t.accuracy[arm] for t in trials],
        )
        for arm in trials[0].accuracy
    ]
    for name, color, found in lines:
        share, value = [100 * t.strength for t in trials], [100 * e.value for e in found]
        spread = {
            "type": "data",
            "symmetric": False,
            "array": [100 * (e.high - e.value) for e in found],
            "arrayminus": [100 * (e.value - e.low) for e in found],
            "thickness": 1.5,
            "width": 4,
        }
        figure.add_scatter(
            x=share,
            y=value,
            error_y=spread,
            mode="lines+markers",
            name=name,
            line={"color": color, "width": 2},
            marker_size=9,
            hovertemplate=f"{name}: %{{y:.1f}} at %{{x:.0f}}% of the change<extra></extra>",
        )
    figure.add_hline(
        y=100 * card.general_allowed, line={"color": theme.BAD, "dash": "dot", "width": 1.5}
    )
    figure.add_annotation(
        x=0,
        xref="paper",
        y=100 * card.general_allowed,
        text="loss allowed",
        showarrow=False,
        yanchor="bottom",
        xanchor="left",
        font_color=theme.BAD,
    )
    figure.update_xaxes(
        title="share of the learnt change that is applied, %", range=[36, 104], dtick=15, tick0=40
    )
    figure.update_yaxes(title="% of the questions; points lost")
    return theme.style(
        figure,
        _strength_title(card),
        f"{trials[0].general.n} general questions, 95% intervals",
        height=340,
    )


def _negative(e: Estimate) -> Estimate:
    return e.model_copy(update={"value": -e.value, "low": -e.high, "high": -e.low})


def _strength_title(card: TrainingCard) -> str:
    first, last = card.scale_trials[0], card.scale_trials[-1]
    lost, at_last = -100 * first.general.value, -100 * last.general.value
    if card.strength < 1:
        return f"Applied at {card.strength:.0%}, tuning costs {max(0.0, at_last):.0f} points of general skills instead of {lost:.0f}"
    if lost <= 100 * card.general_allowed:
        return (
            f"The whole change is applied: it costs {max(0.0, lost):.0f} points of general skills"
        )
    return f"Even {last.strength:.0%} of the change costs {at_last:.0f} points of general skills, so applying less of it gains nothing"


def learning(curve: LearningCurve | None) -> Any:
    """Return the share right by number of examples, the fitted curve and what twice as many would bring; None without a curve,
    or where only seeds differ."""
    if curve is None or len({p.examples for p in curve.points}) == 1:
        return None
    import plotly.graph_objects as go

    color, figure = theme.COLORS["fine-tuned"], go.Figure()
    for p in curve.points:
        figure.add_scatter(
            x=[p.examples],
            y=[100 * p.accuracy.value],
            mode="markers",
            showlegend=False,
            name=f"seed {p.seed}",
            cliponaxis=False,
            marker={"color": color, "size": 9, "opacity": 0.75},
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [100 * (p.accuracy.high - p.accuracy.value)],
                "arrayminus": [100 * (p.accuracy.value - p.accuracy.low)],
                "color": theme.MUTED,
                "thickness": 1,
                "width": 0,
            },
            hovertemplate=f"{p.examples} examples, seed {p.seed}: {theme.interval(p.accuracy)}<extra></extra>",
        )
    first, now = curve.points[0].examples, curve.points[-1].examples
    for start, end, dash in ((first, now, "solid"), (now, 2 * now, "dot")):
        x = [start * (end / start) ** (k / 24) for k in range(25)]
        y = [100 * (1 - min(1.0, curve.scale * n**-curve.exponent)) for n in x]
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines",
            line={"color": color, "width": 2, "dash": dash},
            hoverinfo="skip",
            showlegend=False,
        )
    e = curve.doubled
    figure.add_scatter(
        x=[2 * now],
        y=[100 * e.value],
        mode="markers",
        name="expected",
        showlegend=False,
        cliponaxis=False,
        marker={"color": color, "size": 13, "symbol": "circle-open", "line_width": 3},
        error_y={
            "type": "data",
            "symmetric": False,
            "array": [100 * (e.high - e.value)],
            "arrayminus": [100 * (e.value - e.low)],
            "color": color,
            "thickness": 3,
            "width": 0,
        },
        hovertemplate=f"expected with {2 * now} examples: {theme.interval(e)}<extra></extra>",
    )
    ticks = sorted({p.examples for p in curve.points} | {2 * now})
    figure.update_xaxes(
        title="training examples", type="log", tickvals=ticks, ticktext=[f"{t:,}" for t in ticks]
    )
    figure.update_yaxes(title="right answers on validation, %", rangemode="tozero")
    gain = curve.gain
    title = f"Twice the examples would bring about {100 * gain.value:+.1f} points ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
    title += "" if gain.low > 0.005 else ": perhaps nothing"
    runs = len({p.seed for p in curve.points})
    return theme.style(
        figure,
        title,
        f"each dot one training ({runs} seeds), 95% intervals; dotted: expected, no further than twice",
        height=330,
    )
