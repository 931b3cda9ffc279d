"""What notebooks draw as HTML passes axe in both themes of Jupyter: strip, tables, near copies, tokens, answers side by side."""

import re

import pandas as pd
import pytest
from made_run import make_run

from ftkit.core import run_folder
from ftkit.report import theme
from ftkit.report.figures import browser, data, training
from ftkit.report.page import sections
from ftkit.report.run_contents import load


def pieces():
    rows = [
        {
            "source_row": k,
            "input": f"Where is parcel {k}? Please tell me soon.",
            "output": "x" * (k % 2),
        }
        for k in range(16)
    ]
    answers = {"input": "where", "truth": '{"reply":"34 days"}', "kind": "differ"}
    marks = {
        "prompting": "no",
        "prompting mark": "wrong",
        "hybrid": "34 days",
        "hybrid mark": "right",
    }
    states = {
        stage: state
        for stage, state in zip(run_folder.STAGES, ["done", "stale", "missing"] * 4, strict=False)
    }
    return "".join(
        [
            theme.strip_html(
                "data", states, {s: f"{run_folder.stage_name(s)}.ipynb" for s in run_folder.STAGES}
            ),
            theme.table_html([{"a": 1, "b": "text"}] * 4, caption="a table", limit=2),
            theme.box_html("What we learned", ["one", "two"], theme.GOOD, "03_prompting.ipynb"),
            data.near_html([(rows[k], rows[k + 1]) for k in range(0, 16, 2)], "near copies"),
            training.tokens_html([("the", False), (" answer", True)]),
            browser.browser_html(pd.DataFrame([{**answers, **marks}]), ["prompting", "hybrid"]),
        ]
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_violation_in_what_notebooks_draw(chromium, dark):
    from axe_playwright_python.sync_playwright import Axe

    look = (
        "--jp-ui-font-color2:rgba(255,255,255,.54);background:#111;color:#eee"
        if dark
        else "--jp-ui-font-color2:rgba(0,0,0,.54);background:#fff;color:#222"
    )
    link = "a{color:#6cb8ec}" if dark else ""
    page = chromium.new_page()
    page.set_content(
        f"<html lang='en'><head><title>pieces</title><style>{link}</style></head><body data-jp-theme-light='{str(not dark).lower()}' style='{look}'><main><h1>Pieces</h1>{pieces()}</main></body></html>"
    )
    found = Axe().run(page).response["violations"]
    page.close()
    assert [
        (v["id"], v["nodes"][0]["html"][:200], v["nodes"][0]["failureSummary"][:200]) for v in found
    ] == []


def test_every_word_of_a_chart_can_be_read_in_the_dark_theme_of_jupyter(chromium, tmp_path):
    """Drawn by plotly itself on the dark theme's ground, with the rules that the strip brings along."""
    from plotly.offline import get_plotlyjs

    run = load(make_run(tmp_path / "desk"))
    charts = [b.content for part in sections(run) for b in part.blocks if b.kind == "chart"]
    page = chromium.new_page()
    page.set_content(
        f"<style>{theme.DARK_CSS}</style><body data-jp-theme-light='false' style='background:#111'>"
    )
    page.add_script_tag(content=get_plotlyjs())
    words = []
    for chart in charts:
        drawn = theme.bundle(chart)["application/vnd.plotly.v1+json"]
        words += page.evaluate(FILLS, drawn)
    page.close()
    assert len(charts) >= 12 and len(words) > 300
    assert [(text, fill) for text, fill in words if contrast(fill) < 4.5 and fill not in PALE] == []


FILLS = """async (figure) => {
  const place = document.createElement("div");
  document.body.append(place);
  await Plotly.newPlot(place, figure.data, figure.layout);
  const texts = [...place.querySelectorAll("text")].filter((t) => t.textContent.trim());
  return texts.map((t) => [t.textContent, getComputedStyle(t).fill]);
}"""
PALE = ("rgb(68, 68, 68)", "rgb(28, 36, 48)")
"""Ink that stands within pale bars and cells only."""


def contrast(fill):
    """Contrast of a colour on the dark theme's ground (WCAG 2)."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", fill)[:3]]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return (sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True)) + 0.05) / (
        0.0056 + 0.05
    )


def test_a_widget_whose_kernel_is_gone_says_what_to_do(chromium):
    """What Lab makes of it after a restart of the server, as read from its page; one that lives is left as it is."""
    dead = "<div class='lm-Widget jp-OutputArea-output jupyter-widgets'>Error displaying widget: model not found</div>"
    alive = "<div class='lm-Widget jp-OutputArea-output jupyter-widgets'><b>fields</b></div>"
    page = chromium.new_page()
    page.set_content(f"<style>{theme.DARK_CSS}</style>{dead}{alive}")
    looks = page.evaluate(
        "[...document.querySelectorAll('.jupyter-widgets')].map(e => [getComputedStyle(e).fontSize, getComputedStyle(e, '::after').content])"
    )
    page.close()
    assert looks[0][0] == "0px" and "run this cell again" in looks[0][1]
    assert looks[1][0] != "0px" and looks[1][1] == "none"
