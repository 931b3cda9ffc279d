"""Pictures of 04: is the right article among the passages?"""

from __future__ import annotations

from typing import Any

from ftkit.records import RetrievalCard
from ftkit.ui import theme

MODE_COLORS = {"vector": "#0072B2", "bm25": "#D55E00", "hybrid": "#009E73"}
MODE_NAMES = {"vector": "by meaning", "bm25": "by words (BM25)", "hybrid": "both, fused"}


def hit_rates(card: RetrievalCard) -> Any:
    """Return the hit rate by number of passages and search mode; None where retrieval is off."""
    if not card.hit_rate:
        return None
    import plotly.graph_objects as go

    figure = go.Figure()
    for place, (mode, color) in enumerate(MODE_COLORS.items()):
        points = [(int(key.split("@")[1]), e) for key, e in card.hit_rate.items() if key.startswith(f"{mode}@")]
        xs = [k + 0.06 * (place - 1) for k, _ in points]
        ys = [100 * e.value for _, e in points]
        figure.add_scatter(
            x=xs, y=ys, mode="lines+markers", line={"color": color, "width": 2}, marker={"size": 8}, name=MODE_NAMES[mode],
            error_y={
                "type": "data", "symmetric": False, "array": [100 * (e.high - e.value) for _, e in points],
                "arrayminus": [100 * (e.value - e.low) for _, e in points], "thickness": 1.5, "width": 3,
            },
            hovertemplate="%{y:.0f}% within the first %{x:.0f}<extra>" + MODE_NAMES[mode] + "</extra>",
        )  # fmt: skip
    k = max(int(key.split("@")[1]) for key in card.hit_rate if int(key.split("@")[1]) <= card.top_k)
    found = card.hit_rate[f"{card.chosen}@{k}"]
    figure.update_xaxes(title="passages looked at", tickvals=[1, 2, 3, 5])
    figure.update_yaxes(title="right article among them, %", range=[0, 104])
    title = f"Search {MODE_NAMES[card.chosen]} finds the right article for {theme.interval(found)} with {card.top_k} passages"
    return theme.style(figure, title, f"{card.questions} validation questions, 95% intervals", height=330)
