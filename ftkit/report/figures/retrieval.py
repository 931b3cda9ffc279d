"""Pictures of 04: is the right article among the passages?"""

from __future__ import annotations

from typing import Any

from ftkit.core.records.retrieval import RetrievalCard
from ftkit.report import theme

MODE_COLORS = {"vector": "#0072B2", "bm25": "#D55E00", "hybrid": "#009E73", "reranked": "#CC79A7"}
MODE_NAMES = {
    "vector": "by meaning",
    "bm25": "by words (BM25)",
    "hybrid": "both, fused",
    "reranked": "both, reranked",
}


def hit_rates(card: RetrievalCard) -> Any:
    """Return the hit rate by number of passages and search mode; None where retrieval is off."""
    if not card.hit_rate:
        return None
    import plotly.graph_objects as go

    figure = go.Figure()
    for place, (mode, color) in enumerate(MODE_COLORS.items()):
        if f"{mode}@1" not in card.hit_rate:
            continue
        points = [
            (int(key.split("@")[1]), e)
            for key, e in card.hit_rate.items()
            if key.startswith(f"{mode}@")
        ]
        xs = [k + 0.06 * (place - 1) for k, _ in points]
        ys = [100 * e.value for _, e in points]
        figure.add_scatter(
            x=xs,
            y=ys,
            mode="lines+markers",
            line={"color": color, "width": 2},
            marker={"size": 8},
            name=MODE_NAMES[mode],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [100 * (e.high - e.value) for _, e in points],
                "arrayminus": [100 * (e.value - e.low) for _, e in points],
                "thickness": 1.5,
                "width": 3,
            },
            hovertemplate="%{y:.0f}% within the first %{x:.0f}<extra>"
            + MODE_NAMES[mode]
            + "</extra>",
        )
    k = max(int(key.split("@")[1]) for key in card.hit_rate if int(key.split("@")[1]) <= card.top_k)
    found = card.hit_rate[f"{card.chosen}@{k}"]
    figure.update_xaxes(title="passages looked at", tickvals=[1, 2, 3, 5])
    figure.update_yaxes(title="right article among them, %", range=[0, 104])
    title = f"Search {MODE_NAMES[card.chosen]} finds the right article for {theme.interval(found)} with {card.top_k} passages"
    theme.style(
        figure, title, f"{card.questions} questions, none from the test; 95% intervals", height=350
    )
    return figure.update_layout(
        legend={"y": -0.22, "yanchor": "top"}
    )  # below: it wraps in a narrow window


RANKING = {
    "recall": "share of the right articles among them",
    "precision": "share of them that are right",
    "MRR": "1 / place of the first right one",
    "MAP": "precision at every right one, averaged",
    "nDCG": "right ones early count more; 1 is the best order",
}


def ranking_rows(card: RetrievalCard) -> list[dict[str, Any]]:
    """Return the figures of the chosen search for a table."""
    return [
        {
            "figure": name,
            "value (95% interval)": f"{e.value:.3f} ({e.low:.3f}–{e.high:.3f})",
            "what it says": RANKING[name.split("@")[0]],
        }
        for name, e in card.ranking.items()
    ]


CAUSES = {
    "knowledge": ("missing knowledge", "RAG"),
    "search": ("retrieval", "endpoint"),
    "reading": ("reading", "prompting"),
    "behaviour": ("behaviour", "fine-tuned"),
    "both": ("knowledge and<br>behaviour", "hybrid"),
    "label": ("doubtful label", "none"),
}
LACKED = {
    "knowledge": "missing facts",
    "search": "the search",
    "reading": "reading",
    "behaviour": "behaviour, not knowledge",
    "both": "facts and behaviour together",
    "label": "the labels",
}


def causes(card: RetrievalCard) -> Any:
    """Return what the plain prompt's wrong answers lacked; None where that was not looked at or nothing was wrong."""
    found = card.error_attribution
    if found is None or not found.causes:
        return None
    import plotly.graph_objects as go

    shown = [(*CAUSES[name], found.causes[name]) for name in reversed(CAUSES)]
    figure = go.Figure(
        go.Bar(
            x=[100 * e.value for _, _, e in shown],
            y=[label for label, *_ in shown],
            orientation="h",
            marker={"color": [theme.color(family) for _, family, _ in shown]},
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [100 * (e.high - e.value) for _, _, e in shown],
                "arrayminus": [100 * (e.value - e.low) for _, _, e in shown],
                "thickness": 1.5,
                "width": 4,
                "color": theme.MUTED,
            },
            hovertemplate="%{x:.0f}% of the wrong answers<extra></extra>",
        )
    )
    for label, family, e in shown:
        figure.add_annotation(
            x=100 * e.high,
            y=label,
            text=f"<b>{round(e.value * e.n)}</b>",
            showarrow=False,
            xanchor="left",
            xshift=6,
            font={"color": theme.color(family)},
        )
    figure.update_xaxes(title=f"% of {found.wrong} wrong answers", range=[0, 108])
    most = max(found.causes, key=lambda name: found.causes[name].value)
    title = f"Of {found.wrong} wrong answers, {round(found.causes[most].value * found.wrong)} lack {LACKED[most]}"
    if most in ("search", "label"):
        title = f"Of {found.wrong} wrong answers, {round(found.causes[most].value * found.wrong)} are the fault of {LACKED[most]}"
    return theme.style(
        figure,
        title,
        f"prompt '{found.prompt}', {found.items} validation examples; 95% intervals",
        height=330,
    )


def cause_rows(card: RetrievalCard) -> list[dict[str, Any]]:
    """Return the wrong answers per field and cause for a table."""
    if card.error_attribution is None:
        return [{"field": "not looked at"}]
    names = {name: label.replace("<br>", " ") for name, (label, _) in CAUSES.items()}
    rows = [
        {"field": field, **{names[c]: n for c, n in counts.items()}}
        for field, counts in card.error_attribution.parts.items()
    ]
    return rows or [{"field": "no answer was wrong"}]


def harm_sentence(card: RetrievalCard) -> str:
    """Return how many right fields turned wrong with the article in front; empty where that was not looked at."""
    if card.error_attribution is None or card.error_attribution.harmed is None:
        return ""
    e = card.error_attribution.harmed
    return (
        f"{theme.interval(e)} of the {e.n} fields that were right turned wrong with the right article in front. As many may turn "
        "right by chance, so small bars are no finding."
    )
