"""One look for notebooks and report: colours by strategy family, figure style, tables, summary boxes."""

from __future__ import annotations

import difflib
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

# Okabe-Ito, which stays apart for the common kinds of colour blindness; the same family has the same colour everywhere.
COLORS = {
    "prompting": "#0072B2",
    "few-shot": "#56B4E9",
    "RAG": "#009E73",
    "fine-tuned": "#D55E00",
    "hybrid": "#CC79A7",
    "endpoint": "#8A6D00",
    "endpoint RAG": "#6A51A3",
    "cascade": "#A6266E",
}
ACCENT, MUTED, BAD, GOOD = "#0072B2", "#7A828C", "#C1440E", "#1B7F4B"
SOFT_TEXT = "var(--jp-ui-font-color2,var(--soft,#5b6570))"
BAD_TEXT, GOOD_TEXT = f"var(--bad,{BAD})", f"var(--good,{GOOD})"
LINK_TEXT = f"var(--link,{ACCENT})"
NIGHT = {
    "#0072B2": "#4aa8e0",
    "#56B4E9": "#8fd0f5",
    "#009E73": "#3cc79d",
    "#D55E00": "#f5894a",
    "#CC79A7": "#e3a3c6",
    "#8A6D00": "#d0b04a",
    "#6A51A3": "#a892dd",
    "#A6266E": "#e884bd",
    "#1B7F4B": "#4fb886",
    "#C1440E": "#e8764a",
    "#5b6570": "#c3ccd6",
    "#7A828C": "#a3adb8",
}
"""On a dark page a colour keeps its hue and gains light; ink turns to paper. The report's script reads the same table."""


def _dark_css() -> str:
    """Return what can be read in the dark theme of Jupyter: words in our colours, and every word of a chart.

    plotly writes a word's colour into its own style, so the rules go by that.
    """
    rules = ["[data-jp-theme-light=false]{--bad:#ee8a63;--good:#5cc08d;--link:#6cb8ec}"]
    for day, night in NIGHT.items():
        red, green, blue = (int(day[k : k + 2], 16) for k in (1, 3, 5))
        words = f'.js-plotly-plot :is(text,tspan)[style*="fill: rgb({red}, {green}, {blue})"]'
        rules.append(f"[data-jp-theme-light=false] {words}{{fill:{night}!important}}")
    # a widget whose kernel is gone is an empty box with an error; it says what to do instead
    rules.append(
        ".jp-OutputArea-output.jupyter-widgets:not(:has(*)){font-size:0}"
        ".jp-OutputArea-output.jupyter-widgets:not(:has(*))::after{font-size:13px;"
        "content:'The fields that stood here need a running kernel: run this cell again (Shift+Enter).'}"
    )
    return "".join(rules)


DARK_CSS = _dark_css()
"""The strip above each notebook brings the rules along."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"

BOX_CSS = (
    "border-left:4px solid {color};padding:.7em 1em;margin:.6em 0;background:rgba(127,127,127,.09);"
    f"border-radius:3px;font-family:{FONT};line-height:1.45;max-width:860px"
)
CELL_CSS = (
    "padding:.3em .8em;border-bottom:1px solid rgba(127,127,127,.3);vertical-align:top;text-align:{align};white-space:pre-wrap;"
    "min-width:2.5em;max-width:26em;overflow-wrap:anywhere"
)


def color(family: str) -> str:
    """Return the colour of a strategy family; grey for a name that is none."""
    return COLORS.get(family, MUTED)


def style(figure: Any, title: str, subtitle: str = "", *, height: int = 360) -> Any:
    """Give a plotly figure the house style; the title says the finding.

    Args:
        figure: A plotly figure; it is changed and returned.
        title: The finding, in one sentence.
        subtitle: What is drawn, e.g. 'points and 95% intervals, 180 test items'.
        height: Height in pixels; the width follows the page.
    """
    text = f"<b>{wrap(title)}</b>" + (
        f"<br><span style='font-size:12px;color:{MUTED}'>{wrap(subtitle, 56)}</span>"
        if subtitle
        else ""
    )
    lines = text.count("<br>") + 1
    figure.update_layout(
        title={
            "text": text,
            "x": 0,
            "xref": "container",
            "xanchor": "left",
            "pad": {"l": 12, "t": 18},
            "y": 1,
            "yanchor": "top",
            "font": {"size": 15},
        },
        height=height + 18 * lines,
        margin={"l": 12, "r": 18, "t": 36 + 20 * lines, "b": 12},
        font={"family": FONT, "size": 13, "color": "#5b6570"},
        paper_bgcolor="rgba(0,0,0,0)",
        plot_bgcolor="rgba(0,0,0,0)",
        hoverlabel={"font": {"family": FONT}},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        autosize=True,
    )
    grid = {
        "gridcolor": "rgba(127,127,127,.25)",
        "zerolinecolor": "rgba(127,127,127,.5)",
        "automargin": True,
        "title_font_size": 13,
    }
    figure.update_xaxes(**grid)
    figure.update_yaxes(**grid)
    return figure


def wrap(text: str, width: int = 42) -> str:
    """Break a title into lines for plotly, which does not wrap by itself; markup characters are escaped."""
    import textwrap

    return (
        "<br>".join(
            html.escape(line, quote=False)
            for line in textwrap.wrap(text, width, break_on_hyphens=False)
        )
        or ""
    )


def show(figure: Any, otherwise: str = "") -> None:
    """Show a figure in a notebook, its title above it as text that wraps at every width; ``otherwise`` where there is none."""
    from IPython.display import display

    if figure is None:
        return note(otherwise)
    from ftkit.report.charts import untitled

    drawn = bundle(figure)
    title, under = untitled(drawn["application/vnd.plotly.v1+json"]["layout"])
    if title:
        small = f"<br><span style='color:{SOFT_TEXT};font-size:13px'>{html.escape(under)}</span>"
        look = f"font-family:{FONT};line-height:1.4;margin:.9em 0 0;max-width:860px"
        bold = f"<b style='font-size:15px'>{html.escape(title)}</b>"
        _display(f"<div style='{look}'>{bold}{small if under else ''}</div>", drawn["text/plain"])
    display(drawn | {"text/plain": "a chart"}, raw=True)


def bundle(figure: Any) -> dict[str, Any]:
    """Return a figure as what a notebook's display takes: plotly's form, and its title where nothing can draw."""
    import json
    import re

    from plotly.utils import PlotlyJSONEncoder

    told = (figure.layout.title.text or "a figure").replace("</b><br>", ". ")
    text = html.unescape(re.sub(r"<[^>]+>", " ", told))
    drawn = json.loads(json.dumps(figure.to_plotly_json(), cls=PlotlyJSONEncoder))
    return {"application/vnd.plotly.v1+json": drawn, "text/plain": " ".join(text.split())}


def table_html(
    rows: Any, columns: Sequence[str] | None = None, caption: str = "", limit: int = 200
) -> str:
    """Return an HTML table; every text is escaped.

    Args:
        rows: A pandas table, or a list of mappings.
        columns: Which columns, in order; all of the first row if not given.
        caption: A sentence above it.
        limit: Most rows shown; what is left out is told.
    """
    records: list[Mapping[str, Any]] = (
        rows.to_dict("records") if hasattr(rows, "to_dict") else list(rows)
    )
    names = list(columns) if columns else list(records[0]) if records else []
    numeric = {
        n for n in names if records and all(isinstance(r.get(n), int | float) for r in records)
    }
    widths = {n: _least_width(records[:limit], n) for n in names}
    head = "".join(
        f"<th style='{CELL_CSS.format(align='right' if n in numeric else 'left')};overflow-wrap:break-word'>{html.escape(str(n))}</th>"
        for n in names
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td style='{CELL_CSS.format(align='right' if n in numeric else 'left')};min-width:{widths[n]}'>{_cell(r.get(n))}</td>"
            for n in names
        )
        + "</tr>"
        for r in records[:limit]
    )
    left = (
        f"<p style='color:{SOFT_TEXT}'>{len(records) - limit} more rows are not shown.</p>"
        if len(records) > limit
        else ""
    )
    top = f"<p style='margin:.4em 0'><b>{html.escape(caption)}</b></p>" if caption else ""
    return f"<div style='font-family:{FONT};line-height:1.4;overflow-x:auto'>{top}<table style='border-collapse:collapse;font-size:13px'><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{left}</div>"


def _least_width(records: Sequence[Mapping[str, Any]], name: str) -> str:
    """Return how narrow a column may get: a short value keeps its line, a long text some words a line; then the table scrolls."""
    longest = max((len(str(r.get(name) or "")) for r in records), default=0)
    return f"{min(14.0, max(2.5, 0.75 * min(longest, 10), 0.35 * longest)):.1f}em"


def fields_of(text: str) -> dict[str, Any] | None:
    """Return the fields of an answer that is a JSON record; None for any other text."""
    import json

    if not text.lstrip().startswith("{"):
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) and record else None


def _cell(value: Any) -> str:
    record = fields_of(value) if isinstance(value, str) else None
    if record is not None:  # a line for each field, not raw JSON
        return "<br>".join(
            f"<span style='color:{SOFT_TEXT}'>{html.escape(str(k))}:</span> {html.escape(_plain(v))}"
            for k, v in record.items()
        )
    if isinstance(value, float):
        return html.escape(f"{value:,.3f}".rstrip("0").rstrip(".") if value == value else "–")
    return html.escape("–" if value is None else str(value))


def _plain(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _display(markup: str, text: str) -> None:
    from IPython.display import display

    display({"text/html": markup, "text/plain": text}, raw=True)


def table(rows: Any, columns: Sequence[str] | None = None, caption: str = "") -> None:
    """Show a table in a notebook."""
    _display(table_html(rows, columns, caption), caption or "a table")


def box_html(title: str, points: Iterable[str], color: str = ACCENT, link: str = "") -> str:
    """Return a box with a title and points; every text is escaped."""
    items = "".join(f"<li>{html.escape(point)}</li>" for point in points)
    after = (
        f"<p style='margin:.5em 0 0'>Next: <a href='{html.escape(link, quote=True)}'>{html.escape(link)}</a></p>"
        if link
        else ""
    )
    return f"<div style='{BOX_CSS.format(color=color)}'><b style='font-size:1.08em'>{html.escape(title)}</b><ul style='margin:.4em 0 0 1.1em;padding:0'>{items}</ul>{after}</div>"


def summary(title: str, points: Sequence[str], next_notebook: str = "") -> None:
    """Show the summary box of a notebook.

    Args:
        title: What we learned, in one sentence.
        points: Findings and what to do next.
        next_notebook: File name of the next notebook, e.g. ``03_prompting.ipynb``.
    """
    _display(box_html(title, points, GOOD, next_notebook), "\n- ".join([title, *points]))


def live(widget: Any) -> None:
    """Show a widget; where no kernel runs, as in a notebook that was executed in batch, a sentence says what stood there."""
    from IPython.display import display

    _display(f"<style>{DARK_CSS}</style>", "")
    shown = widget._repr_mimebundle_()
    display(
        {
            **shown,
            "text/plain": "Buttons and fields stand here while the notebook's kernel runs: open it by ftkit lab and run this cell.",
        },
        raw=True,
    )


def note_html(text: str, color: str = MUTED) -> str:
    """Return one sentence in a box."""
    return f"<div style='{BOX_CSS.format(color=color)}'>{html.escape(text)}</div>"


def note(text: str, color: str = MUTED) -> None:
    """Show one sentence beside a picture."""
    _display(note_html(text, color), text)


STATES = {
    "done": ("✔", GOOD, "done"),
    "stale": ("!", BAD, "rests on what has changed since: run it again"),
    "missing": ("·", MUTED, "not run yet"),
}
"""Sign, colour and words of a stage's state."""


def strip_html(stage: str, states: Mapping[str, str], notebooks: Mapping[str, str]) -> str:
    """Return where the walk stands: one link per notebook, with its state as a sign and in words.

    Args:
        stage: The stage of this notebook.
        states: done, stale or missing, by stage in order.
        notebooks: File name by stage.
    """
    parts = []
    for name, state in states.items():
        sign, color, words = STATES[state]
        link, label = (
            html.escape(notebooks[name], quote=True),
            html.escape(notebooks[name].removesuffix(".ipynb")),
        )
        look = f"display:inline-block;padding:.15em .55em;margin:.1em .25em .1em 0;border-radius:3px;border:1px solid {color};text-decoration:none;color:inherit"
        here = name == stage
        look += ";font-weight:bold;background:rgba(127,127,127,.16)" if here else ""
        told = f"{label}: {'this notebook' if here else words}"
        mark = "▶" if here else sign
        parts.append(
            f"<a href='{link}' title='{told}' aria-label='{told}'{' aria-current=page' if here else ''} style='{look}'>"
            f"<span style='color:{color}' aria-hidden='true'>{mark}</span> {label}</a>"
        )
    return f"<style>{DARK_CSS}</style><nav aria-label='notebooks of this project' style='font-family:{FONT};font-size:13px;line-height:1.9'>{''.join(parts)}</nav>"


def strip(stage: str, states: Mapping[str, str], notebooks: Mapping[str, str]) -> None:
    """Show where the walk stands, in a notebook; nothing outside of one. What must be run first is named and linked."""
    import sys

    if "IPython" not in sys.modules or sys.modules["IPython"].get_ipython() is None:
        return
    text = ", ".join(
        f"{notebooks[name].removesuffix('.ipynb')} {state}" for name, state in states.items()
    )
    _display(strip_html(stage, states, notebooks), text)


def hundredths(share: float, digits: int = 0) -> str:
    """Return a share in per cent without the sign; what is not quite none or all keeps a digit that shows it.

    E.g. 0.734 -> '73', 0.004 -> '0.4', 0.9996 -> '99.96', 0 -> '0'.
    """
    value = 100 * share
    near = min(abs(value), abs(100 - value))
    if near > 1e-9:
        while digits < 4 and float(f"{value:.{digits}f}") in (0, 100):
            digits += 1
    return f"{value:.{digits}f}"


def percent(share: float, digits: int = 0) -> str:
    """Return a share as text, e.g. 0.734 -> '73%', 0.004 -> '0.4%'."""
    return f"{hundredths(share, digits)}%"


def span(low: float, high: float, digits: int = 0) -> str:
    """Return a range of shares in per cent, e.g. '66 to 79', without the sign."""
    return f"{100 * low:.{digits}f} to {100 * high:.{digits}f}"


def interval(estimate: Any, digits: int = 0) -> str:
    """Return an estimate with its interval, e.g. '73% (66 to 79)'."""
    return f"{percent(estimate.value, digits)} ({span(estimate.low, estimate.high, digits)})"


def marked(first: str, second: str) -> str:
    """Return the second text with what it adds in bold and what it lacks struck out; all text is escaped."""
    a, b = re.findall(r"\S+\s*", first), re.findall(r"\S+\s*", second)
    parts = []
    for kind, i, j, k, m in difflib.SequenceMatcher(
        None, [w.strip() for w in a], [w.strip() for w in b], autojunk=False
    ).get_opcodes():
        gone, new = html.escape("".join(a[i:j])), html.escape("".join(b[k:m]))
        if kind == "equal":
            parts.append(new)
            continue
        parts.append(f"<del style='color:{BAD_TEXT}'>{gone.strip()}</del> " if gone else "")
        parts.append(
            f"<ins style='font-weight:700;text-decoration:none;background:rgba(230,159,0,.28)'>{new.strip()}</ins> "
            if new
            else ""
        )
    return "".join(parts)
