"""What notebooks draw as HTML passes axe in both themes of Jupyter: strip, tables, near copies, tokens, answers side by side."""

import pandas as pd
import pytest

from ftkit.core import run_folder
from ftkit.report import theme
from ftkit.report.figures import browser, data, training


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
