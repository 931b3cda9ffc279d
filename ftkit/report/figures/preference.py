"""Pictures of 06: the reward margin while it trains, and what became of the answers."""

from __future__ import annotations

from typing import Any

from ftkit.core.records.training import RL, PreferenceCard
from ftkit.report import theme
from ftkit.report.figures import training
from ftkit.report.figures.evaluation import legend_below
from ftkit.training.preference import win_rate


def margins(card: PreferenceCard) -> Any:
    """Return the reward margin over the steps, on training pairs and on pairs from validation; None where nothing was trained."""
    import plotly.graph_objects as go

    if card.method in RL:
        return rewards(card)
    held = [(x.step, x.held_margin) for x in card.log if x.held_margin is not None]
    if not held:
        return None
    figure = go.Figure()
    train = [(x.step, x.margin) for x in card.log if x.margin is not None]
    for name, points, color in (
        ("training pairs", train, theme.MUTED),
        ("validation pairs", held, theme.COLORS["fine-tuned"]),
    ):
        if points:
            figure.add_scatter(
                x=[a for a, _ in points],
                y=[b for _, b in points],
                name=name,
                mode="lines+markers",
                line={"color": color, "width": 2},
            )
    figure.add_hline(y=0, line={"color": theme.MUTED, "dash": "dot", "width": 1})
    figure.update_xaxes(title="step", rangemode="tozero")
    figure.update_yaxes(title="reward margin, better minus worse")
    first, last = held[0][1] or 0.0, held[-1][1] or 0.0
    title = f"The model tells better from worse answers {'more' if last > first else 'no more'} clearly: margin {first:.2f} to {last:.2f}"
    return theme.style(
        figure,
        title,
        f"{card.pairs} pairs, {card.held_pairs} held out; a margin is no proof of better answers",
        height=320,
    )


def rewards(card: PreferenceCard) -> Any:
    """Return the mean reward of drawn answers over the steps of RL, each step and smoothed; None where nothing was trained."""
    import plotly.graph_objects as go

    points = [(x.step, x.reward) for x in card.log if x.reward is not None]
    if not points:
        return None
    figure, quarter = go.Figure(), win_rate.quarters(card.log)
    figure.add_scatter(
        x=[a for a, _ in points],
        y=[b for _, b in points],
        mode="lines+markers",
        name="each step",
        line={"color": theme.MUTED, "width": 1},
        opacity=0.5,
    )
    smooth = training.smooth([(float(x.step), x.reward) for x in card.log if x.reward is not None])
    figure.add_scatter(
        x=[a for a, _ in smooth],
        y=[b for _, b in smooth],
        mode="lines",
        name="smoothed",
        line={"color": theme.COLORS["fine-tuned"], "width": 3},
    )
    figure.update_xaxes(title="step", rangemode="tozero")
    figure.update_yaxes(
        title=f"mean reward ({'task checks, 0 to 1' if card.reward == 'task' else 'reward model'})"
    )
    kl = [x.kl for x in card.log if x.kl is not None]
    moved = f"; moved {kl[-1]:.2g} nats a token from the model of 05" if kl else ""
    title = f"Drawn answers earn {'more' if win_rate.rose(card.log) else 'no more beyond chance'}: {quarter[0]:.2f} to {quarter[-1]:.2f}"
    return theme.style(
        figure,
        title,
        f"each step asks other questions{moved}; a reward is no proof of better answers",
        height=320,
    )


def outcome(card: PreferenceCard) -> Any:
    """Return wins, ties and losses on validation; None where nothing was compared."""
    import plotly.graph_objects as go

    if not card.items:
        return None
    parts = [
        ("better", card.wins, theme.GOOD),
        ("the same", card.items - card.wins - card.losses, "#B9BFC7"),
        ("worse", card.losses, theme.BAD),
    ]
    figure = go.Figure()
    for name, count, color in parts:
        figure.add_bar(
            x=[count],
            y=["answers"],
            orientation="h",
            name=name,
            marker_color=color,
            text=[f"{count}" if count else ""],
            textposition="inside",
            textangle=0,
            constraintext="none",
        )
    figure.update_layout(barmode="stack")
    figure.update_yaxes(showticklabels=False)
    figure.update_xaxes(title="validation answers")
    d = card.difference
    told = (
        f"{100 * d.value:+.1f} points right ({100 * d.low:+.1f} to {100 * d.high:+.1f})"
        if d
        else ""
    )
    title = (
        f"{'Used in 07' if card.used else 'Not used'}: {told}"
        if not card.hacked
        else f"A sign of reward hacking: {told}"
    )
    if card.judge and not card.hacked and card.win_rate:
        title = f"{'Used in 07' if card.used else 'Not used'}: preferred in {theme.interval(card.win_rate)} of the answers told apart"
    under = f"{card.items} validation answers against those of 05. {win_rate.judged_by(card)}"
    return legend_below(theme.style(figure, title, under, height=220))


def facts(card: PreferenceCard) -> list[dict[str, Any]]:
    """Return the signs that are watched for reward hacking."""
    if not card.items or card.accuracy_before is None or card.accuracy_after is None:
        return []
    return [
        {
            "watched": "right answers",
            "before": theme.interval(card.accuracy_before),
            "after": theme.interval(card.accuracy_after),
        },
        {
            "watched": "words per answer",
            "before": f"{card.words_before:.1f}",
            "after": f"{card.words_after:.1f}",
        },
        {
            "watched": "answers that repeat themselves",
            "before": f"{card.repeated_before:.0%}",
            "after": f"{card.repeated_after:.0%}",
        },
    ]
