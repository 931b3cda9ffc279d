"""The report for a person who decides: two printed pages, with the full report as their annex."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftkit import __version__
from ftkit.core.power import pilot_plan
from ftkit.core.records.decision import Decision
from ftkit.decision import words
from ftkit.report import theme
from ftkit.report.blocks import HIDDEN
from ftkit.report.page_one import first, head
from ftkit.report.run_contents import RunContents

LONGEST, MOST = 230, 5
"""Characters of a point, and points of a list: what two pages hold. The annex holds the rest."""
MOST_ASSUMED = 9
COLORS = {"good": "#1b7f4b", "open": "#8a6100", "bad": "#b03a0c", "missing": "#56606c"}


def brief(found: RunContents) -> str:
    """Return the two pages as HTML that is laid out for A4."""
    import jinja2

    page, named = first(found), head(found)
    d = found.decision
    assumed = _assumed(d) if d else []
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    drawn = environment.get_template("brief.html").render(
        title=_cut(named["name"], 90),
        date=named["date"],
        run=found.run.name,
        version=__version__,
        color=COLORS[page.state],
        warning=page.warning,
        badge=page.badge,
        sentence=_cut(page.sentence, 420),
        task=_cut(named["instruction"]),
        rows=_rows(found, d) if d else [],
        tested=f"{found.evaluation.test_items:,}" if found.evaluation else "",
        why=_points(page.why),
        flips=_points(page.flips),
        risks=_points(page.risks),
        assumed=assumed[:MOST_ASSUMED],
        more_assumed=max(0, len(assumed) - MOST_ASSUMED),
        pilot=pilot(found),
        steps=_points(page.steps),
    )
    return HIDDEN.sub("\u2423", drawn)


def pilot(found: RunContents) -> list[str]:
    """Return how large a pilot must be and when to stop it, in sentences.

    The wrong answers of the test are what is expected; a share that is worse by the difference that counts for this task
    is to be noticed in 8 of 10 cases, and a pilot as good as the test is stopped in at most 1 of 20.
    """
    mine = found.result(found.chosen())
    if mine is None:
        return ["No strategy is ahead, so there is nothing to pilot yet."]
    points = found.suitability.difference_points if found.suitability else 10.0
    wrong = min(0.98, max(0.0, 1 - mine.accuracy.value))
    answers, most = pilot_plan(wrong, min(0.99, wrong + points / 100))
    return [
        f"Let {mine.spec.name} answer {answers:,} real questions, and let a person check every answer.",
        f"Stop as soon as {most + 1:,} answers are wrong. The test had {theme.percent(wrong)} wrong answers.",
        f"A pilot as good as the test stops by chance at most once in 20. One that is {points:g} points worse is "
        "stopped at least 8 times in 10.",
    ]


def _rows(found: RunContents, d: Decision) -> list[dict[str, Any]]:
    costs = {c.strategy: c for c in d.costs}
    rows = []
    for r in found.evaluation.results if found.evaluation else []:
        c = costs[r.spec.name]
        low, high = c.first_year_low_usd, c.first_year_high_usd
        span = "–" if low is None or high is None else f"{words.usd(low)} to {words.usd(high)}"
        barred = d.barred.get(r.spec.name, [])
        rows.append(
            {
                "name": r.spec.name,
                "mine": r.spec.name == d.named,
                "right": theme.interval(r.accuracy),
                "usable": theme.percent(r.format_ok.value),
                "year": words.usd(c.first_year_usd),
                "range": span.replace(" USD to", " to"),
                "limits": f"fails: {words.limits(barred)}" if barred else "none failed",
            }
        )
    return rows


def _assumed(d: Decision) -> list[dict[str, str]]:
    """Return the assumed figures, those that move the cost most first."""
    order = {effect.price: place for place, effect in enumerate(d.price_effects)}
    found = [p for p in d.prices if p.origin == "assumed"]
    return [
        {
            "name": p.name.replace("_", " ").replace("usd", "USD"),
            "value": f"{p.value:,.4g}",
            "range": "–" if p.low is None or p.high is None else f"{p.low:,.3g} to {p.high:,.3g}",
            "unit": p.unit,
        }
        for p in sorted(found, key=lambda p: order.get(p.name, len(order)))
    ]


def _points(said: list[str]) -> list[str]:
    return [_cut(point) for point in said[:MOST]]


def _cut(text: str, most: int = LONGEST) -> str:
    whole = " ".join(text.split())
    return whole if len(whole) <= most else f"{whole[: most - 1].rsplit(' ', 1)[0]} …"
