"""All test questions can be searched, filtered, turned page by page and commented; comments lie beside the run."""

import pandas as pd
import pytest

from ftkit.core.errors import BadInput
from ftkit.evaluation.item_comments import comment, comments
from ftkit.notebook.item_browser import PER_PAGE, Items


@pytest.fixture
def items(tmp_path):
    rows = [
        {
            "item_id": f"q{k:02d}",
            "input": f"Where is parcel {k}?",
            "truth": "delivery",
            "kind": "differ" if k % 3 else "all wrong",
            "prompting": "returns",
            "prompting mark": "wrong",
            "hybrid": "delivery" if k % 3 else "",
            "hybrid mark": "right" if k % 3 else "no answer",
        }
        for k in range(25)
    ]
    return Items(pd.DataFrame(rows), ["prompting", "hybrid"], tmp_path)


def test_every_question_is_reached_page_by_page(items):
    seen = list(items.which.options)
    while not items.more.disabled:
        items.more.click()
        seen += items.which.options
    assert seen == [f"q{k:02d}" for k in range(25)] and len(items.which.options) == 25 % PER_PAGE


def test_search_and_filters_narrow_together_and_go_back_to_the_first_page(items):
    items.more.click()
    items.search.value = "PARCEL 1"
    assert len(items.matching()) == 12 and items.page == 0
    items.kind.value = "all wrong"
    assert [r["item_id"] for r in items.matching()] == ["q12", "q15", "q18", "q21"]
    items.fault.value = "wrong format"
    assert items.matching() == [] and "0 of 25" in items.shown.value


def test_a_comment_is_saved_beside_the_run_and_shown_escaped(items, tmp_path):
    items.which.value, items.text.value = "q01", "<b>Our handbook is wrong here</b>"
    items.save.click()
    (found,) = comments(tmp_path)
    assert (found["item_id"], found["comment"]) == ("q01", "<b>Our handbook is wrong here</b>")
    assert "&lt;b&gt;Our handbook" in items.shown.value and items.text.value == ""


def test_an_empty_comment_is_refused_and_a_cut_off_line_loses_no_other(tmp_path):
    comment(tmp_path, "q1", "first")
    with (tmp_path / "comments.jsonl").open("a") as file:
        file.write('{"item_id": "q')
    with pytest.raises(BadInput, match="is empty"):
        comment(tmp_path, "q1", "  ")
    comment(tmp_path, "q2", "second")
    assert [c["comment"] for c in comments(tmp_path)] == ["first", "second"]
