"""Pictures of 03: prompts on validation."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from ftkit.core.records.prompting import Prompt, PromptBook, PromptTrial
from ftkit.report import theme


def prompts(book: PromptBook) -> Any:
    """Return accuracy per prompt on validation, best on top, with 95% intervals."""
    return _trials(
        book.trials,
        f"{book.validation_items} validation examples",
        "gets most validation examples right",
    )


def with_passages(trials: list[PromptTrial]) -> Any:
    """Return accuracy per prompt when retrieved passages stand before the message; None if none was tried."""
    if not trials:
        return None
    return _trials(
        trials,
        f"{trials[0].accuracy.n} validation examples with their passages",
        "reads passages best",
    )


def _trials(trials: list[PromptTrial], what: str, finding: str) -> Any:
    import plotly.graph_objects as go

    most = max(t.accuracy.n for t in trials)
    rows = sorted(trials, key=lambda t: (t.accuracy.n == most, t.accuracy.value, t.partial))
    figure, names = go.Figure(), list[str]()
    for t in rows:
        color = theme.color("few-shot" if t.prompt.few_shot else "prompting")
        name = t.prompt.name.replace(", ", ",<br>") + (
            f"<br>(dropped after {t.accuracy.n})" if t.accuracy.n < most else ""
        )
        names.append(name)
        value, low, high = (100 * x for x in (t.accuracy.value, t.accuracy.low, t.accuracy.high))
        figure.add_scatter(
            x=[low, high],
            y=[name] * 2,
            mode="lines",
            line={"color": color, "width": 3},
            hoverinfo="skip",
        )
        figure.add_scatter(
            x=[value],
            y=[name],
            mode="markers",
            marker={"color": color, "size": 11},
            hovertemplate=f"{value:.0f}% ({low:.0f} to {high:.0f}), {t.prompt_tokens_mean:.0f} prompt tokens<extra></extra>",
        )
        figure.add_scatter(
            x=[high],
            y=[name],
            mode="text",
            text=[f"  {value:.0f}%"],
            textposition="middle right",
            hoverinfo="skip",
            cliponaxis=False,
        )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(title="right answers, %", range=[-2, 112], tickvals=[0, 25, 50, 75, 100])
    figure.update_yaxes(showgrid=False)
    lines = max(1 + name.count("<br>") for name in names)
    best = rows[-1]
    title = f"'{best.prompt.name}' {finding}: {theme.interval(best.accuracy)}"
    if best.accuracy.value == 0:
        title = "No prompt gets a whole answer right"
    return theme.style(
        figure,
        title,
        f"{what}, 95% intervals; blue: zero-shot, light blue: with examples",
        height=110 + max(36, 18 * lines + 8) * len(rows),
    )


def show_texts(found: Sequence[Prompt]) -> None:
    """Show instructions word for word: the first as it is, the others with what they add to it and leave out marked."""
    from IPython.display import HTML, display

    cell = theme.CELL_CSS.format(align="left") + ";white-space:pre-wrap;vertical-align:top"
    head = "".join(f"<th style='{cell}'>{name}</th>" for name in ("prompt", "hash", "text"))
    rows = "".join(
        f"<tr><td style='{cell}'>{html.escape(p.name)}</td><td style='{cell}'>{p.sha256[:8]}</td><td style='{cell}'>"
        f"{theme.marked(found[0].system, p.system) if k else html.escape(p.system)}</td></tr>"
        for k, p in enumerate(found)
    )
    told = (
        f"against '{html.escape(found[0].name)}': added in bold, left out struck through"
        if len(found) > 1
        else ""
    )
    display(
        HTML(
            f"<div style='font-family:{theme.FONT};overflow-x:auto'><table style='border-collapse:collapse;font-size:13px'><caption style='text-align:left'>{told}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"
        )
    )
