"""Pictures of 10: what is watched, week by week."""

from __future__ import annotations

from typing import Any

from ftkit.core.records.monitoring import MonitoringCard, WatchedSignal
from ftkit.monitoring.advice import shown
from ftkit.report import theme


def signals(card: MonitoringCard) -> Any:
    """Return each signal over the weeks, the usual value as a line, weeks since an alarm in red; None without a log."""
    from plotly.subplots import make_subplots

    if not card.signals:
        return None
    rows = len(card.signals)  # one below the other: that fits a phone too
    names = [f"{s.name}{', since ' + s.since if s.since else ''}" for s in card.signals]
    figure = make_subplots(
        rows=rows, cols=1, shared_xaxes=True, subplot_titles=names, vertical_spacing=0.3 / rows
    )
    for row, signal in enumerate(card.signals, 1):
        _draw(figure, card, signal, row)
    figure.update_layout(showlegend=False)
    figure.update_annotations(font_size=13)
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(tickangle=0, nticks=5, tickformat="%d %b")
    figure.update_xaxes(title={"text": "week of", "font": {"size": 11}}, row=rows, col=1)
    under = f"{card.rows:,} messages; dotted: the usual; red: since an alarm"
    styled = theme.style(figure, _title(card), under, height=110 + 150 * rows)
    styled.update_layout(margin_t=styled.layout.margin.t + 20)
    return styled


def _draw(figure: Any, card: MonitoringCard, signal: WatchedSignal, row: int) -> None:
    late = [bool(signal.since) and week >= signal.since for week in card.weeks]
    colors = [theme.BAD if x else theme.ACCENT for x in late]
    figure.add_scatter(
        x=card.weeks,
        y=signal.values,
        name=signal.name,
        mode="lines+markers",
        line={"color": theme.MUTED, "width": 1.5},
        marker={"color": colors, "size": 8},
        customdata=signal.p_values,
        hovertemplate=f"%{{x}}: %{{y:.3g}} {signal.unit}, p = %{{customdata:.2g}}<extra></extra>",
        row=row,
        col=1,
    )
    figure.add_hline(
        y=signal.usual, line={"color": theme.MUTED, "dash": "dot", "width": 1.5}, row=row, col=1
    )
    figure.update_yaxes(title={"text": signal.unit, "font": {"size": 11}}, row=row, col=1)


def _title(card: MonitoringCard) -> str:
    alarms = sorted((s for s in card.signals if s.since), key=lambda s: s.since)
    if not alarms:
        return f"Nothing that is watched has changed in {len(card.weeks)} weeks"
    return f"{len(alarms)} of {len(card.signals)} signals have changed, the first ({alarms[0].name}) in the week of {alarms[0].since}"


def signal_rows(card: MonitoringCard) -> list[dict[str, Any]]:
    """Return the signals as a table."""
    return [
        {
            "watched": s.name,
            "usual": shown(s, s.usual),
            "last week": shown(s, s.values[-1]),
            "unit": s.unit,
            "changed since": s.since or "no change",
            "smallest p": f"{min(s.p_values):.2g}",
        }
        for s in card.signals
    ]


def word_rows(card: MonitoringCard) -> list[dict[str, str]]:
    """Return the words that have become more frequent."""
    return [
        {"word": w, "in messages before": f"{a:.1%}", "since": f"{b:.1%}"} for w, a, b in card.words
    ]
