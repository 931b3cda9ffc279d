"""Pictures of 09: the same answers by each way of asking, and the server under load."""

from __future__ import annotations

from typing import Any

from ftkit.core.records.deployment import DeploymentCard
from ftkit.report import theme


def parity(card: DeploymentCard) -> Any:
    """Return the share of unchanged answers, by the export and with each planted fault; None where nothing was asked."""
    import plotly.graph_objects as go

    found = [*card.parity, *card.faults]
    if not found:
        return None
    figure = go.Figure()
    for p in found:
        color, name = theme.GOOD if p.passed else theme.BAD, p.path
        value, low, high = (100 * v for v in (p.identical.value, p.identical.low, p.identical.high))
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
            marker={"color": color, "size": 12, "symbol": "circle" if p.passed else "x"},
            hovertemplate=f"{name}: {value:.0f}% the same ({low:.0f} to {high:.0f})<extra></extra>",
        )
        told = (
            "the same" if p.passed else p.cause.partition(":")[0]
        )  # the table tells the whole of it
        figure.add_annotation(
            x=102,
            y=name,
            text=told,
            showarrow=False,
            xanchor="left",
            font_color=color,
            font_size=12,
        )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(
        title="answers that are the same text, %", range=[-2, 175], tickvals=[0, 25, 50, 75, 100]
    )
    figure.update_yaxes(showgrid=False, autorange="reversed")
    items = (
        f"{card.parity[0].items} test questions; faults: {card.faults[0].items}"
        if card.parity and card.faults
        else "test questions"
    )
    return theme.style(
        figure, _title(card), f"{items}; 95% intervals", height=110 + 36 * len(found)
    )


def _title(card: DeploymentCard) -> str:
    wrong = [p for p in card.parity if not p.passed]
    if wrong:
        return f"What ships does not answer as it was tested: {wrong[0].cause}"
    caught, planted = sum(not p.passed for p in card.faults), len(card.faults)
    told = f"; {caught} of {planted} planted faults are noticed" if planted else ""
    return f"What ships answers as it was tested{told}"


def load(card: DeploymentCard) -> Any:
    """Return throughput and latency against the clients at once; None where it was not measured."""
    from plotly.subplots import make_subplots

    if not card.load:
        return None
    clients = [str(x.clients) for x in card.load]
    figure = make_subplots(rows=1, cols=2, horizontal_spacing=0.14)
    figure.add_bar(
        x=clients,
        y=[x.answers_per_s for x in card.load],
        marker_color=theme.ACCENT,
        text=[f"{x.answers_per_s:.1f}" for x in card.load],
        textposition="outside",
        cliponaxis=False,
        row=1,
        col=1,
        width=0.5,
        name="answers a second",
    )
    for name, values, dash in (
        ("median", [x.p50_s for x in card.load], "solid"),
        ("95% within", [x.p95_s for x in card.load], "dot"),
    ):
        figure.add_scatter(
            x=clients,
            y=values,
            mode="lines+markers+text",
            name=name,
            line={"color": theme.MUTED, "dash": dash, "width": 2},
            row=1,
            col=2,
            text=[""] * (len(values) - 1) + [f"{name} "],
            textposition="middle left",
            textfont={"color": theme.MUTED},
            cliponaxis=False,
        )
    figure.update_layout(showlegend=False)
    figure.update_xaxes(title="clients at once", type="category")
    figure.update_yaxes(rangemode="tozero")
    figure.update_yaxes(title="answers a second", row=1, col=1)
    figure.update_yaxes(title="seconds per answer", row=1, col=2)
    first, best = card.load[0], max(card.load, key=lambda x: x.answers_per_s)
    gain = best.answers_per_s / first.answers_per_s if first.answers_per_s else 0
    title = f"{best.answers_per_s:.0f} answers a second with {best.clients} clients, {gain:.1f} times one client's"
    failed = sum(x.failed for x in card.load)
    note = f"{card.load[0].requests} requests per step, {failed} failed; on the machine that ran this notebook"
    return theme.style(figure, title, note, height=320)


def load_rows(card: DeploymentCard) -> list[dict[str, Any]]:
    """Return the load test as a table."""
    return [
        {
            "clients at once": x.clients,
            "requests": x.requests,
            "failed": x.failed,
            "answers a second": x.answers_per_s,
            "median, s": x.p50_s,
            "95%, s": x.p95_s,
        }
        for x in card.load
    ]
