"""Charts in one file: every figure as JSON, and the drawing library once, compressed.

plotly's only bundle in the Python package has 4.8 MB. Gzip and base64 make 2.0 MB of it, which the browser unpacks with
DecompressionStream (Chrome and Edge 80, Firefox 113, Safari 16.4, or later). Every chart has its figures as a table
beside it, which needs no script at all.
"""

from __future__ import annotations

import base64
import gzip
import html
import json
import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from markupsafe import Markup

MOST_ROWS = 120


@dataclass
class Charts:
    """Figures collected while the page is drawn."""

    figures: list[str] = field(default_factory=list)

    def add(self, figure: Any) -> dict[str, Any]:
        """Keep a figure; return its number, title, subtitle, height in pixels, and its values as a table.

        The title becomes text of the page, which wraps at every width and can be read aloud.
        """
        content = json.loads(figure.to_json())
        layout = content["layout"]
        layout.pop("template", None)
        title, under = untitled(layout)
        self.figures.append(for_script(content))
        return {
            "number": len(self.figures) - 1,
            "title": title or "Chart",
            "under": under,
            "height": layout["height"],
            "values": values(figure),
        }


def untitled(layout: dict[str, Any]) -> tuple[str, str]:
    """Take the title and its room away and return title and subtitle; a legend above the plot and titles of panels keep theirs."""
    told = titles(layout)
    layout.pop("title", None)
    margin, height = layout.setdefault("margin", {}), layout.get("height", 360)
    legend = (
        layout.get("legend", {}).get("yanchor") == "bottom"
        and layout.get("showlegend") is not False
    )
    panels = any(
        x.get("yref") == "paper" and x.get("y", 0) >= 0.99 for x in layout.get("annotations", [])
    )  # their titles
    kept = 44 if legend or layout.get("xaxis", {}).get("side") == "top" else 32 if panels else 14
    layout["height"] = max(120, height - max(0, margin.get("t", 0) - kept))
    margin["t"] = kept
    return told


def for_script(content: Any) -> Markup:
    """Return JSON that cannot end the script element it stands in."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return Markup(
        text.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )


def titles(layout: dict[str, Any]) -> tuple[str, str]:
    """Return a figure's title and subtitle without their markup."""
    whole = layout.get("title", {}).get("text", "")
    bold = re.search(r"<b>(.*?)</b>", whole, re.S)
    return (plain(bold.group(1)), plain(whole[bold.end() :])) if bold else (plain(whole), "")


def plain(text: str) -> str:
    """Return text without plotly's markup."""
    return html.unescape(re.sub(r"<[^>]+>", " ", text)).replace("  ", " ").strip()


def values(figure: Any) -> dict[str, Any]:
    """Return what a figure draws as columns and rows; decoration that carries no hover text is left out."""
    rows: list[list[str]] = []
    for trace in figure.data:
        if getattr(trace, "hoverinfo", None) != "skip":
            found = _grid(trace) if getattr(trace, "z", None) is not None else _points(trace)
            rows += [[*row, *_axes(figure, trace)] for row in found]
    if not rows:
        told = [[plain(a.text)] for a in reversed(figure.layout.annotations) if a.text]
        return {"names": ["shown"], "numeric": [], "rows": told, "left": 0}
    across, down = (sorted({row[place] for row in rows}) for place in (3, 4))
    heads = [
        "series",
        across[0] if len(across) == 1 else "at",
        down[0] if len(down) == 1 else "value",
        "unit of at",
        "unit",
    ]
    needed = (any(row[0] for row in rows), True, True, len(across) > 1, len(down) > 1)
    shown = [place for place, yes in enumerate(needed) if yes]
    return {
        "names": [heads[place] for place in shown],
        "numeric": [],
        "rows": [[row[place] for place in shown] for row in rows[:MOST_ROWS]],
        "left": max(0, len(rows) - MOST_ROWS),
    }


def _axes(figure: Any, trace: Any) -> list[str]:
    """Return the titles of the two axes that a trace is drawn on; an axis without one holds names."""
    found = []
    for letter in "xy":
        axis = figure.layout[f"{letter}axis{(getattr(trace, f'{letter}axis', None) or letter)[1:]}"]
        found.append(plain(axis.title.text or "name"))
    return found


def _points(trace: Any) -> list[list[str]]:
    x, y = (
        list(v) if v is not None else []
        for v in (getattr(trace, "x", None), getattr(trace, "y", None))
    )
    name = plain(str(getattr(trace, "name", None) or ""))
    return [[name, _shown(a), _shown(b)] for a, b in zip(x, y, strict=False)]


def _grid(trace: Any) -> list[list[str]]:
    text = trace.text if trace.text is not None else trace.z
    return [
        [_shown(row), _shown(column), _shown(text[i][j])]
        for i, row in enumerate(trace.y)
        for j, column in enumerate(trace.x)
    ]


def _shown(value: Any) -> str:
    if isinstance(value, int | float) or hasattr(value, "dtype"):
        return f"{float(value):,.0f}" if abs(float(value)) >= 10_000 else f"{float(value):,.4g}"
    return plain(str(value))


@cache
def library() -> str:
    """Return plotly's script, gzipped and in base64."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), 9, mtime=0)).decode()
