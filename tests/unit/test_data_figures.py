"""The pictures of 02 say what the data card says, and show no markup of the data as markup."""

import pandas as pd
import pytest

from ftkit.core.records.data import DataCard, Defect
from ftkit.report import theme
from ftkit.report.figures import data as figures


def card(**more):
    defects = [
        Defect(kind="unusable rows", count=3, action="aside", removed=3),
        Defect(kind="near copies with different answers", count=9, action="kept"),
        Defect(kind="left out by size", count=50, action="not used", removed=50),
    ]
    values = dict(
        file="f.csv",
        file_sha256="0",
        encoding="utf-8",
        rows_read=200,
        rows_rejected=3,
        rows_used=147,
        rows_left_out=50,
        defects=defects,
        splits={"train": 100, "validation": 17, "test": 30},
        input_words_p50=9,
        input_words_p95=20,
        output_words_p50=1,
        output_words_p95=1,
        leakage_before={"exact": 4, "near": 5, "group": 0},
        leakage_after={"exact": 0, "near": 0, "group": 0},
        volume_verdict="",
        detectable_points=16.0,
    )
    return DataCard.model_validate(values | more)


def test_the_steps_lead_from_rows_read_to_rows_used():
    bars = figures.rows(card()).data[0]
    assert list(bars.y) == ["rows read", "unusable rows", "left out by size", "rows used"]
    assert list(bars.x) == [200, 3, 50, 147] and list(bars.base) == [0, 197, 147, 0]


def test_the_title_names_the_most_frequent_answer_with_its_share():
    figure = figures.classes(
        card(classes={"urgency": {"low": 30, "high": 10}, "category": {"a": 20, "b": 20}})
    )
    assert (
        "'low' would get" in figure.layout.title.text.replace("<br>", " ")
        and "75%" in figure.layout.title.text
    )
    many = figures.classes(card(classes={"label": {f"l{i}": 90 - i for i in range(77)}}))
    assert [a.text for a in many.layout.annotations] == ["l0: 90", "l76: 14"]
    assert figures.classes(card()) is None


def test_leakage_shows_before_and_after_and_leaves_groups_out_where_there_are_none():
    before, after = figures.leakage(card()).data
    assert list(before.x) == [4, 5] and list(after.x) == [0, 0]


def test_a_split_too_small_to_tell_is_said():
    figure = figures.splits(
        card(splits={"train": 10, "validation": 3, "test": 5}, detectable_points=100.0)
    )
    assert "too small" in figure.layout.title.text and any(
        "tells no difference" in a.text for a in figure.layout.annotations
    )


@pytest.mark.parametrize("longest", [1, 9, 900])
def test_every_example_is_in_the_histogram_of_lengths(longest):
    table = pd.DataFrame(
        {"input": ["a " * n for n in range(1, longest + 1)], "output": ["x"] * longest}
    )
    bars = [trace for trace in figures.lengths(table).data if trace.type == "bar"]
    assert all(sum(trace.y) == longest and len(trace.y) <= 42 for trace in bars)


def test_differences_are_marked_and_the_text_is_escaped():
    marked = theme.marked("my <b>card</b> is late", "my <b>card</b> is very late")
    assert (
        "&lt;b&gt;card&lt;/b&gt;" in marked
        and ">very</ins>" in marked
        and "<b>" not in marked
        and "<del" not in marked
    )
    pairs = [
        (
            {"source_row": 1, "input": "a", "output": "<i>"},
            {"source_row": 2, "input": "<script>", "output": "x"},
        )
    ]
    page = figures.near_html(pairs * 9, "nine")
    assert "<script>" not in page and "<i>" not in page and "3 more pairs" in page
