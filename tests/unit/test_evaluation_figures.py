"""Pictures say the finding, draw intervals, escape texts, and stay away where nothing was measured."""

import pandas as pd
import pytest
from test_decision import decide, world
from test_evaluation import FIELDS, GRID, TRUTH, answers_of, items_of

from ftkit.evaluation.conclude import conclude
from ftkit.evaluation.item_table import browse
from ftkit.report.figures import decision as decision_figures
from ftkit.report.figures import evaluation as figures
from ftkit.report.figures.browser import browser_html
from ftkit.scoring.score import score


@pytest.fixture(scope="module")
def measured():
    items = items_of([TRUTH] * 12)
    right = {"prompting": 3, "RAG": 6, "fine-tuned": 5, "hybrid": 11}
    said = pd.concat(
        [
            answers_of(n, [TRUTH] * k + ["<script>alert(1)</script>"] * (12 - k))
            for n, k in right.items()
        ]
    )
    scores = score(FIELDS, items, said, {f"i{k}": ["34 days"] for k in range(12)})
    found = conclude(GRID, FIELDS, items, said, scores, n_resamples=200)
    return items, said, scores, found


def title(figure):
    return figure.layout.title.text.replace("<br>", " ")


def test_titles_say_the_finding(measured):
    found = measured[3]
    assert "hybrid answers most questions right: 92%" in title(figures.accuracy(found))
    assert "keeps the format in only" in title(figures.formats(found))
    assert "retrieval" in title(figures.effects(found)).lower()
    assert "hybrid beats" in title(figures.differences(found, 5))


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ((0.0, 0.1, 0.3, 0.2), "fine-tuned invents most: 30%"),
        ((0.0,) * 4, "seen to invent a value: at most 8%"),
    ],
)
def test_the_picture_of_invented_values_names_who_invents_most_if_anybody_does(
    measured, shares, said
):
    found = measured[3]
    estimates = [
        found.results[0].accuracy.model_copy(update={"value": v, "low": v, "high": v + 0.08})
        for v in shares
    ]
    results = [
        r.model_copy(update={"unsupported": e})
        for r, e in zip(found.results, estimates, strict=True)
    ]
    assert said in title(figures.unsupported(found.model_copy(update={"results": results})))


def test_every_estimate_is_drawn_with_its_interval(measured):
    found = measured[3]
    lines = [t for t in figures.accuracy(found).data if t.mode == "lines"]
    drawn = sorted((round(t.x[0], 6), round(t.x[1], 6)) for t in lines)
    assert drawn == sorted(
        (round(100 * r.accuracy.low, 6), round(100 * r.accuracy.high, 6)) for r in found.results
    )


def test_what_was_not_measured_has_no_picture(measured):
    assert figures.general(measured[3]) is None
    assert (
        figures.fields(
            measured[3].model_copy(
                update={
                    "results": [r.model_copy(update={"fields": {}}) for r in measured[3].results]
                }
            )
        )
        is None
    )


def test_the_browser_escapes_answers_and_filters_without_script(measured):
    items, said, scores, _ = measured
    markup = browser_html(browse(items, said, scores), [s.name for s in GRID])
    assert "<script" not in markup and "&lt;script&gt;" in markup
    assert markup.count("<tr class='q ") == 12 and "strategies differ (8)" in markup
    table = browse(items, said, scores)
    for k, spec in enumerate(GRID):
        wrong = int((table[f"{spec.name} mark"] != "right").sum())
        assert f"<label for='is-w{k}'>{spec.name} ({wrong})</label>" in markup
    assert "Failed by:" in markup and "no answer (0)" not in markup, (
        "only faults that occur are offered"
    )


def test_the_decision_is_drawn_with_gates_costs_and_flips():
    case = world({"prompting": 0.5, "RAG": 0.6, "hybrid": 0.8, "endpoint": 0.9})
    d = decide(case)
    assert "hybrid: 79% right" in title(decision_figures.accuracy_against_cost(case, d))
    assert "1 of 4 strategies fail a limit" in title(decision_figures.gates(d))
    assert "prompting costs least" in title(
        decision_figures.costs(d)
    ) or "endpoint costs least" in title(decision_figures.costs(d))
    assert "is cheaper than endpoint from about" in title(decision_figures.volume(case, d, 50_000))
    assert title(decision_figures.sensitivity(d)).count("Nearest to change it") == 1
    assert decision_figures.sensitivity(d.model_copy(update={"sensitivity": []})) is None
    assert "Most of what is uncertain comes from" in title(decision_figures.parts(d))
    assert decision_figures.parts(d.model_copy(update={"parts": []})) is None
