"""Pictures of the proof, from results.json: ``python -m benchmarks.decision.pictures`` (needs Playwright and Chromium).

Writes ``coverage.svg`` and ``verdicts.svg``, which the README shows.
"""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

HERE = Path(__file__).parent
SIZES = ("50", "100", "200", "500", "1000", "2000", "5000")
COLORS = {"ours": "#0072B2", "BCa": "#D55E00", "unpaired": "#666666"}
NAMES = {"ours": "ours", "BCa": "BCa, the textbook's", "unpaired": "unpaired"}


def half(share: float, n: float) -> float:
    """Return half the width of a 95% interval of a share, in points."""
    return 196 * math.sqrt(share * (1 - share) / n)


def styled(figure: go.Figure, title: str, under: str, y: str) -> go.Figure:
    """Return a figure with its finding as title and its axes named."""
    figure.update_layout(
        template="plotly_white",
        width=860,
        height=400,
        showlegend=False,
        font={"family": "sans-serif", "size": 14},
        margin={"t": 80, "r": 150},
        title={"text": f"<b>{title}</b><br><sup>{under}</sup>", "x": 0.01, "font": {"size": 17}},
    )
    figure.update_xaxes(title="test questions", type="category")
    figure.update_yaxes(title=y)
    return figure


def coverage(simulated: dict[str, Any]) -> go.Figure:
    """Return how often each interval of a paired difference holds the truth, by the number of test questions."""
    each = simulated["worlds"]["any"] / len(SIZES)
    figure, slack = go.Figure(), half(0.95, each)
    x = [f"{int(n):,}" for n in SIZES]
    figure.add_hrect(y0=95 - slack, y1=95 + slack, fillcolor="#888888", opacity=0.15, line_width=0)
    figure.add_hline(y=95, line={"color": "#888888", "dash": "dash", "width": 1})
    for name, color in COLORS.items():
        y = [100 * simulated["coverage"][name][n] for n in SIZES]
        figure.add_scatter(
            x=x,
            y=y,
            mode="lines+markers",
            line={"color": color, "width": 3 if name == "ours" else 1.5},
        )
        label = {
            "text": NAMES[name],
            "font": {"color": color},
            "showarrow": False,
            "xanchor": "left",
            "xshift": 8,
        }
        shift = {"ours": -6, "BCa": 8, "unpaired": 10}[name]
        figure.add_annotation(x=x[-1], y=y[-1], yshift=shift, **label)
    ours, least = simulated["coverage"]["ours"], min(simulated["coverage"]["BCa"][n] for n in SIZES)
    found = [100 * ours[n] for n in SIZES]
    title = f"Our intervals hold the truth in {min(found):.0f} to {max(found):.0f}%; BCa falls to {100 * least:.0f}% on small test sets"
    under = f"paired differences in {simulated['worlds']['any']:,} made worlds; grey: what chance allows around 95% with {each:.0f} worlds a size"
    figure.update_yaxes(range=[89, 100])
    return styled(figure, title, under, "intervals that hold the truth, %")


def verdicts(simulated: dict[str, Any]) -> go.Figure:
    """Return how often the rule decides, by the number of test questions."""
    each, by = simulated["worlds"]["any"] / len(SIZES), simulated["verdicts by items"]
    x, decides = [f"{int(n):,}" for n in SIZES], [by[n]["decides"] for n in SIZES]
    figure = go.Figure()
    error: dict[str, Any] = {"array": [half(share, each) for share in decides], "thickness": 1.5}
    figure.add_bar(x=x, y=[100] * len(x), marker_color="#DDDDDD")
    figure.add_bar(
        x=x, y=[100 * share for share in decides], marker_color=COLORS["ours"], error_y=error
    )
    figure.update_layout(barmode="overlay")
    figure.add_annotation(
        x=len(SIZES) - 1, y=12, text="decides", showarrow=False, font={"color": "white"}
    )
    figure.add_annotation(
        x=0, y=60, text="can't tell yet", showarrow=False, font={"color": "#444444"}
    )
    worlds, rule = simulated["worlds"]["any"], simulated["verdicts"]["ours"]
    decided = round(worlds * rule["decides"])
    wrong = round(decided * rule["wrong"])
    title = f"It decides {decides[0]:.0%} of the time with 50 questions, {decides[-2]:.0%} with 2,000; wrong: {wrong} of {decided:,}"
    at_most = f" (so at most {3 / decided:.1%})" if not wrong else ""
    under = f"{worlds:,} made worlds, {each:.0f} a size with 95% intervals; wrong: more than the margin worse than the best{at_most}"
    return styled(figure, title, under, "made worlds, %")


def main() -> None:
    """Draw both and write them as SVG."""
    from playwright.sync_api import sync_playwright
    from plotly.offline import get_plotlyjs

    simulated = json.loads((HERE / "results.json").read_text())["simulated"]
    browser = (
        shutil.which("chromium")
        or shutil.which("chromium-browser")
        or shutil.which("google-chrome")
    )
    with sync_playwright() as started:
        page = started.chromium.launch(executable_path=browser, args=["--no-sandbox"]).new_page()
        page.set_content("<div id='figure'></div>")
        page.add_script_tag(content=get_plotlyjs())
        for name, figure in (("coverage", coverage(simulated)), ("verdicts", verdicts(simulated))):
            drawn = page.evaluate(
                "async figure => decodeURIComponent((await Plotly.toImage(figure, {format: 'svg', width: 860, height: 400})).split(',').slice(1).join(','))",
                json.loads(figure.to_json() or "{}"),
            )
            (HERE / f"{name}.svg").write_text(drawn + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
