"""Pictures of 02: what became of the rows, classes, lengths, leakage, what the splits can tell, and near copies."""

from __future__ import annotations

import html
import itertools
import re
from typing import Any

from ftkit.core.records.data import DataCard
from ftkit.report import theme
from ftkit.scoring.text import tokens

SPLIT_COLORS = {"train": "#0072B2", "validation": "#E69F00", "test": "#009E73"}
MOST_NAMED = 25
TAKEN = "#C1440E"
LEFT_OUT = "left out by size"


def rows(card: DataCard) -> Any:
    """Return the way from rows read to rows used: one bar per reason why rows went."""
    import plotly.graph_objects as go

    steps = [(d.kind, d.removed) for d in card.defects if d.removed]
    names, ends = ["rows read", *[kind for kind, _ in steps], "rows used"], [card.rows_read]
    for _, removed in steps:
        ends.append(ends[-1] - removed)
    colors = [theme.MUTED if kind == LEFT_OUT else TAKEN for kind, _ in steps]
    figure = go.Figure()
    figure.add_bar(
        orientation="h",
        y=names,
        x=[card.rows_read, *[n for _, n in steps], card.rows_used],
        base=[0, *ends[1:], 0],
        marker={
            "color": [theme.ACCENT, *colors, theme.GOOD],
            "line": {"width": 2, "color": [theme.ACCENT, *colors, theme.GOOD]},
        },
        hovertemplate="%{y}: %{x:,}<extra></extra>",
    )
    labels = [f"{card.rows_read:,}", *[f"−{n:,}" for _, n in steps], f"{card.rows_used:,}"]
    right = [card.rows_read, *ends[:-1], card.rows_used]
    figure.add_scatter(
        x=right,
        y=names,
        mode="text",
        text=[f" {label}" for label in labels],
        textposition="middle right",
        hoverinfo="skip",
        textfont={"size": 13},
        cliponaxis=False,
    )
    figure.update_yaxes(
        autorange="reversed",
        showgrid=False,
        ticksuffix=" ",
        tickvals=names,
        ticktext=[_two_lines(n) for n in names],
    )
    figure.update_xaxes(title="rows", rangemode="tozero", range=[0, 1.18 * card.rows_read])
    figure.update_layout(showlegend=False, bargap=0.35)
    title = f"{card.rows_used:,} of {card.rows_read:,} rows are used; {card.rows_rejected:,} went as defects"
    return theme.style(
        figure,
        title,
        "every row that went stands in rejected.jsonl with its reason",
        height=90 + 38 * len(names),
    )


def _two_lines(name: str) -> str:
    return "<br>".join(re.findall(r".{1,18}(?:\s+|$)", name)).replace(" <br>", "<br>")


def classes(card: DataCard) -> Any:
    """Return the rows per label, or per allowed value of each field; None where the answers are free text."""
    if not card.classes:
        return None
    largest = max(
        (count, value, field)
        for field, counts in card.classes.items()
        for value, count in counts.items()
    )
    total = sum(card.classes[largest[2]].values())
    what = "be right" if "label" in card.classes else f"get {largest[2]} right"
    title = f"Always answering '{largest[1]}' would {what} in {theme.percent(largest[0] / total)}"
    if len(card.classes) == 1 and len(next(iter(card.classes.values()))) > MOST_NAMED:
        return _many_classes(next(iter(card.classes.values())), title)
    return _named_classes(card.classes, title)


def _named_classes(classes: dict[str, dict[str, int]], title: str) -> Any:
    import plotly.graph_objects as go

    figure, palette = (
        go.Figure(),
        [theme.ACCENT, "#009E73", "#D55E00", "#CC79A7", "#E69F00", "#56B4E9"],
    )
    names = []
    for number, (field, counts) in enumerate(classes.items()):
        lines = [value if len(classes) == 1 else f"{field}: {value}" for value in counts]
        names += lines
        figure.add_bar(
            orientation="h",
            y=lines,
            x=list(counts.values()),
            marker={"color": palette[number % len(palette)]},
            text=[f"{count:,}" for count in counts.values()],
            textposition="outside",
            cliponaxis=False,
            hovertemplate="%{y}: %{x:,} rows<extra></extra>",
        )
    figure.update_yaxes(
        autorange="reversed",
        showgrid=False,
        ticksuffix=" ",
        categoryorder="array",
        categoryarray=names,
    )
    most = max(count for counts in classes.values() for count in counts.values())
    figure.update_xaxes(title="examples", range=[0, 1.15 * most])
    figure.update_layout(showlegend=False, bargap=0.3)
    return theme.style(
        figure, title, "examples per allowed value, all splits", height=90 + 26 * len(names)
    )


def _many_classes(counts: dict[str, int], title: str) -> Any:
    import plotly.graph_objects as go

    names, values = list(counts), list(counts.values())
    figure = go.Figure()
    figure.add_bar(
        x=list(range(1, len(names) + 1)),
        y=values,
        customdata=names,
        marker={"color": theme.ACCENT},
        hovertemplate="%{customdata}: %{y:,}<extra></extra>",
    )
    for index, anchor in ((0, "left"), (len(names) - 1, "right")):
        figure.add_annotation(
            x=index + 1,
            y=values[index],
            text=f"{names[index]}: {values[index]:,}",
            xanchor=anchor,
            yanchor="bottom",
            ax=0,
            ayref="y",
            ay=1.06 * values[0],
            arrowhead=0,
            arrowwidth=1,
            arrowcolor=theme.MUTED,
            font={"size": 12},
        )
    figure.update_xaxes(title=f"{len(names)} labels, most frequent first", showgrid=False)
    figure.update_yaxes(title="examples", range=[0, 1.25 * values[0]])
    return theme.style(figure, title, "examples per label, all splits", height=300)


def lengths(examples: Any) -> Any:
    """Return how long inputs and outputs are, in words.

    Args:
        examples: Table with ``input`` and ``output``.
    """
    from plotly.subplots import make_subplots

    words = {
        name: examples[name].map(lambda text: len(tokens(text))) for name in ("input", "output")
    }
    parts = [
        (name, color)
        for name, color in (("input", theme.ACCENT), ("output", "#D55E00"))
        if words[name].nunique() > 1
    ]
    figure = make_subplots(rows=max(1, len(parts)), cols=1, vertical_spacing=0.3)
    for row, (name, color) in enumerate(parts, 1):
        _histogram(figure, row, words[name], color)
        step = 1 if words[name].max() < 12 else None
        figure.update_xaxes(
            title=f"words in the {name}", rangemode="tozero", row=row, col=1, dtick=step
        )
        figure.update_yaxes(title="examples", row=row, col=1)
    figure.update_layout(showlegend=False, bargap=0.05)
    half, most = int(words["input"].median()), int(words["input"].quantile(0.95))
    title = f"Half of the inputs have {half} words or fewer, 95% at most {most}"
    under = f"outputs: half {int(words['output'].median())}, 95% at most {int(words['output'].quantile(0.95))} words; dashed: 95%"
    return theme.style(figure, title, under, height=60 + 190 * max(1, len(parts)))


def _histogram(figure: Any, row: int, values: Any, color: str) -> None:
    """Add counts per length in at most about 40 bins, so that the page holds bins and not every row."""
    import numpy as np

    width = max(1, -(-int(values.max() + 1) // 40))
    counts, edges = np.histogram(values, bins=np.arange(0, values.max() + 2 * width, width) - 0.5)
    centre = [(a + b) / 2 for a, b in itertools.pairwise(edges)]
    span = [
        f"{int(a + 0.5)} to {int(b - 0.5)}" if width > 1 else f"{int(a + 0.5)}"
        for a, b in itertools.pairwise(edges)
    ]
    figure.add_bar(
        x=centre,
        y=counts.tolist(),
        width=width,
        marker={"color": color},
        customdata=span,
        row=row,
        col=1,
        hovertemplate="%{customdata} words: %{y:,} examples<extra></extra>",
    )
    figure.add_vline(
        x=float(values.quantile(0.95)), line={"dash": "dash", "color": theme.MUTED}, row=row, col=1
    )


def leakage(card: DataCard) -> Any:
    """Return the held-out rows with a copy or a group member on another side: split at random, and as frozen."""
    import plotly.graph_objects as go

    names = {
        "exact": "exact copies",
        "near": "near copies",
        "paraphrase": "paraphrases",
        "group": "same group",
    }
    seen = card.leakage_before | card.leakage_after
    kinds = [
        k
        for k in names
        if k in ("exact", "near")
        or (k == "paraphrase" and k in seen)
        or card.leakage_before.get(k)
        or card.leakage_after.get(k)
    ]
    figure = go.Figure()
    for label, found, color in (
        ("split at random", card.leakage_before, TAKEN),
        ("as frozen here", card.leakage_after, theme.GOOD),
    ):
        values = [found.get(k, 0) for k in kinds]
        figure.add_bar(
            orientation="h",
            name=label,
            y=[names[k] for k in kinds],
            x=values,
            marker={"color": color},
            text=[f"{v:,}" for v in values],
            textposition="outside",
            cliponaxis=False,
        )
    before, after = sum(card.leakage_before.values()), sum(card.leakage_after.values())
    most = max([1, *card.leakage_before.values(), *card.leakage_after.values()])
    figure.update_xaxes(title="held-out rows", range=[0, 1.15 * most])
    figure.update_yaxes(autorange="reversed", showgrid=False, ticksuffix=" ")
    figure.update_layout(bargap=0.35, legend={"traceorder": "normal"})
    title = (
        f"A split at random would have leaked {before:,} times; the frozen one does {after:,} times"
    )
    under = "held-out rows with a copy or a relative elsewhere"
    figure = theme.style(figure, title, under, height=160 + 60 * len(kinds))
    return figure.update_layout(
        margin={"t": figure.layout.margin.t + 30}
    )  # the legend takes two lines in a narrow window


def paraphrases(found: Any) -> Any | None:
    """Return how near every row is to its nearest one, against unrelated rows, with the threshold; None where not compared.

    Args:
        found: ``meaning`` of what 02 curated; None where the comparison was not made.
    """
    import plotly.graph_objects as go

    if found is None or found.paraphrases is None:
        return None
    p, figure = found.paraphrases, go.Figure()
    bins = {"start": -0.2, "end": 1.0, "size": 0.02}
    for name, values, color in (
        ("unrelated rows (other answer)", p.strangers, theme.MUTED),
        ("every row and its nearest", p.nearest, theme.ACCENT),
    ):
        figure.add_histogram(
            x=values, name=name, marker_color=color, opacity=0.7, xbins=bins, histnorm="percent"
        )
    figure.add_vline(x=p.threshold, line={"color": TAKEN, "width": 2})
    figure.update_layout(barmode="overlay", bargap=0.02, legend={"traceorder": "normal"})
    figure.update_xaxes(title="cosine of the embeddings, 1: the same meaning", range=[-0.1, 1.0])
    figure.update_yaxes(title="rows, %")
    title = f"{len(p.pairs):,} pairs say the same in other words and have the same answer"
    under = f"line: threshold {p.threshold:.2f}, which 1 in 10,000 unrelated pairs passes (at least 0.80)"
    figure = theme.style(figure, title, under, height=320)
    return figure.update_layout(margin={"t": figure.layout.margin.t + 30})


def suspect_rows(found: Any, limit: int = 12) -> list[dict[str, Any]]:
    """Return the answers that look wrong for a table, most suspicious first, personal data masked."""
    from ftkit.data.personal_data import mask

    return [
        {
            "row": s.row["source_row"],
            "input": mask(s.row["input"])[:220],
            "field": s.field,
            "given": mask(s.given),
            "expected": mask(s.proposed),
            "probability of the given": theme.percent(s.confidence),
        }
        for s in (found.suspects if found else [])[:limit]
    ]


def personal_rows(card: DataCard) -> list[dict[str, Any]]:
    """Return how many rows hold which kind of personal data for a table."""
    return [
        {
            "kind": kind,
            "rows": count,
            "share of rows": theme.percent(count / max(1, card.rows_read)),
        }
        for kind, count in card.personal.items()
    ]


def coverage_rows(card: DataCard, most: int = 40) -> list[dict[str, Any]]:
    """Return the cases and how many examples each has for a table; covered labels are left out where there are many."""
    shown = [c for c in card.coverage if len(card.coverage) <= most or c.verdict != "covered"]
    return [
        {
            "case": c.case,
            "training": c.train,
            "validation and test": c.held_out,
            "verdict": c.verdict,
        }
        for c in shown
    ]


def terms(card: DataCard) -> str:
    """Return the words of the domain as one sentence."""
    found = ", ".join(f"{word} ({count})" for word, count in card.domain_terms.items())
    return (
        f"Words that general English does not hold, and the training examples with them: {found}."
        if found
        else "No words of a domain stand out."
    )


def check_rows(card: DataCard) -> list[dict[str, Any]]:
    """Return which answers could be checked for a table."""
    return [
        {
            "field": c.field,
            "classifier right": theme.percent(c.accuracy),
            "most frequent value": theme.percent(c.majority),
            "doubtful rows": c.suspects
            if c.reliable
            else "not told: the input does not say enough",
            "best a test can show": theme.interval(c.test_ceiling) if c.test_ceiling else "–",
        }
        for c in card.label_checks
    ]


def agreement_rows(card: DataCard) -> list[dict[str, Any]]:
    """Return how far annotators agree for a table; empty where there is one."""
    a = card.agreement
    if a is None:
        return []
    told = [
        ("Krippendorff's alpha (1: always agree, 0: chance)", a.alpha),
        *((f"Cohen's kappa, {n}", k) for n, k in a.kappas.items()),
    ]
    rows = [
        {"figure": name, "value": f"{e.value:.2f} ({e.low:.2f} to {e.high:.2f})"}
        for name, e in told
    ]
    return [
        *rows,
        {
            "figure": "noise ceiling: one annotator says what most others say",
            "value": theme.interval(a.ceiling),
        },
    ]


def splits(card: DataCard) -> Any:
    """Return the size of each split and the smallest difference that the held-out ones can tell."""
    import plotly.graph_objects as go

    from ftkit.core.power import detectable_points

    texts = {"train": "to learn from"}
    for name in ("validation", "test"):
        points = detectable_points(card.splits[name]) if card.splits[name] else 100.0
        texts[name] = f"tells {points:.1f} points" if points < 100 else "tells no difference"
    names = list(texts)
    figure = go.Figure()
    figure.add_bar(
        orientation="h",
        y=names,
        x=[card.splits[n] for n in names],
        marker={"color": [SPLIT_COLORS[n] for n in names]},
        hovertemplate="%{y}: %{x:,}<extra></extra>",
    )
    most = max(card.splits.values())
    for name in names:
        size = card.splits[name]
        inside = size > 0.6 * most
        figure.add_annotation(
            x=size,
            y=name,
            text=f"<b>{size:,}</b> {texts[name]}",
            showarrow=False,
            xanchor="right" if inside else "left",
            xshift=-6 if inside else 6,
            font={"color": "white" if inside else theme.MUTED, "size": 13},
        )
    figure.update_yaxes(autorange="reversed", showgrid=False, ticksuffix=" ")
    figure.update_xaxes(title="examples", range=[0, 1.05 * most])
    figure.update_layout(showlegend=False, bargap=0.35)
    title = f"The test set can tell strategies that differ by {card.detectable_points:.1f} points or more"
    if card.detectable_points >= 100:
        title = "The test set is too small to tell any two strategies apart"
    return theme.style(
        figure,
        title,
        "smallest difference found 8 times out of 10, if a fifth of the items differ",
        height=240,
    )


def near_html(
    pairs: list[tuple[dict[str, Any], dict[str, Any]]], caption: str, limit: int = 6
) -> str:
    """Return a table of near copies with the words marked in which the second differs from the first.

    Args:
        pairs: Rows with ``source_row``, ``input`` and ``output``, already masked.
        caption: A sentence above the table.
        limit: Most pairs shown.
    """
    cell = theme.CELL_CSS.format(align="left")
    body = "".join(
        f"<tr>{_near_cells(first, second, cell)}</tr>" for first, second in pairs[:limit]
    )
    head = "".join(
        f"<th style='{cell}'>{name}</th>"
        for name in ("rows", "input, differences marked", "answers")
    )
    left = (
        f"<p style='color:{theme.SOFT_TEXT}'>{len(pairs) - limit} more pairs are not shown.</p>"
        if len(pairs) > limit
        else ""
    )
    return f"<div style='font-family:{theme.FONT};overflow-x:auto'><p style='margin:.4em 0'><b>{html.escape(caption)}</b></p><table style='border-collapse:collapse;font-size:13px'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{left}</div>"


def _near_cells(first: dict[str, Any], second: dict[str, Any], cell: str) -> str:
    same = first["output"] == second["output"]
    answers = "the same" if same else f"{first['output']} | {second['output']}"
    texts = [
        html.escape(f"{first['source_row']}, {second['source_row']}"),
        theme.marked(first["input"], second["input"]),
        html.escape(answers),
    ]
    return "".join(f"<td style='{cell}'>{text}</td>" for text in texts)


def show_near(cleaned: Any) -> None:
    """Show near copies in a notebook: those removed, and those kept because their answers differ."""
    found = (
        (cleaned.alike, "near copies with the same answer: the second row was removed"),
        (
            cleaned.near,
            "near copies with different answers: both were kept in one split; is one of them wrong?",
        ),
    )
    if not cleaned.alike and not cleaned.near:
        return theme.note("No near copies were found.")
    for pairs, caption in (pair for pair in found if pair[0]):
        theme._display(near_html(pairs, f"{len(pairs)} {caption}"), f"{len(pairs)} {caption}")
