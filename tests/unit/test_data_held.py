"""Splits that the data say themselves: a column of splits, and dates."""

import random

import pytest
from test_data import LABEL, curated, defect, distinct, params, table

from ftkit.core.errors import BadInput
from ftkit.data import fixed_split
from ftkit.data.curate import curate, load
from ftkit.data.guess import propose

COLUMNS = ("text", "label", "part", "day")


def dated(n=120, part=lambda k: ""):
    return [
        (*row, part(k), f"2026-{1 + k // 28:02d}-{1 + k % 28:02d}")
        for k, row in enumerate(distinct(n))
    ]


def of(done):
    return {row["source_row"]: row["split"] for row in done.rows}


def test_the_newest_rows_are_the_test_whatever_their_order(tmp_path):
    rows = dated()
    random.Random(3).shuffle(rows)
    done, card = curated(tmp_path, rows, columns=COLUMNS, time_column="day")
    days = {
        name: sorted(r["time"] for r in done.rows if r["split"] == name)
        for name in ("train", "validation", "test")
    }
    assert days["train"][-1] < days["validation"][0] and days["validation"][-1] < days["test"][0]
    assert [len(days[name]) for name in days] == [84, 12, 24]
    assert (
        f"test from {days['test'][0][:10]}" in card.split_by
        and "By time (column 'day')" in card.split_by
    )


def test_a_customer_who_wrote_lately_is_not_learnt_from(tmp_path):
    rows = [(*row[:3], row[3], "c1" if k in (0, 119) else f"c{k}") for k, row in enumerate(dated())]
    done, card = curated(
        tmp_path, rows, columns=(*COLUMNS, "who"), time_column="day", group_column="who"
    )
    assert {of(done)[2], of(done)[121]} == {"test"} and card.leakage_after["group"] == 0


def test_a_column_of_splits_is_kept_to(tmp_path):
    part = lambda k: {0: "TEST", 1: "dev", 2: "Training"}.get(k % 6, "train")  # noqa: E731
    done, card = curated(tmp_path, dated(part=part), columns=COLUMNS, split_column="part")
    assert card.splits == {"train": 80, "validation": 20, "test": 20}
    assert all(of(done)[k + 2] == fixed_split.NAMES[part(k).lower()] for k in range(120))
    assert (
        "Test and validation given by column 'part'" in card.split_by
        and "drawn" not in card.split_by
    )


def test_what_the_column_does_not_name_is_drawn_or_dated(tmp_path):
    part = lambda k: "test" if k < 20 else ""  # noqa: E731
    done, card = curated(
        tmp_path, dated(part=part), columns=COLUMNS, split_column="part", time_column="day"
    )
    assert card.splits["test"] == 20 and card.splits["validation"] == 10
    newest = sorted(r["time"] for r in done.rows if r["split"] == "validation")
    assert newest[0] > max(r["time"] for r in done.rows if r["split"] == "train")
    assert "Test given by column 'part'; by time" in card.split_by


def test_a_copy_gives_way_to_validation_and_both_to_the_test(tmp_path):
    rows = dated(part=lambda k: {0: "test", 1: "validation"}.get(k % 6, "train"))
    copy = lambda k, part: (rows[k][0], rows[k][1], part, rows[k][3])  # noqa: E731
    rows += [
        copy(0, "train"),
        copy(6, "validation"),
        copy(1, "train"),
    ]  # of a test row, of another, of a validation row
    done, card = curated(tmp_path, rows, columns=COLUMNS, split_column="part")
    assert card.splits == {"train": 80, "validation": 20, "test": 20}
    assert {122, 123, 124}.isdisjoint(of(done))
    assert (
        defect(card, "copies of test examples").removed == 2
        and defect(card, "copies of validation examples").removed == 1
    )
    assert (
        sum(card.leakage_after.values()) == 0
        and card.rows_read == card.rows_used + card.rows_rejected
    )


def test_a_given_test_keeps_its_contradictions_and_the_careless_split_keeps_to_it(tmp_path):
    rows = dated(part=lambda k: "test" if k < 20 else "train")
    rows.append((rows[0][0], "blue" if rows[0][1] != "blue" else "red", "test", "2026-01-01"))
    _, card = curated(tmp_path, rows, columns=COLUMNS, split_column="part")
    assert card.splits["test"] == 21


@pytest.mark.parametrize(
    ("cell", "more", "said"),
    [
        ({"part": "holdout"}, {"split_column": "part"}, "'holdout' is no split"),
        (
            {"day": "03/04/26"},
            {"time_column": "day"},
            "'03/04/26' is no date that can be read in one way only",
        ),
        ({"day": ""}, {"time_column": "day"}, "'' is no date"),
    ],
)
def test_a_cell_that_says_nothing_is_named_with_its_row(tmp_path, cell, more, said):
    rows = dated(part=lambda k: "train" if k % 2 else "test")
    rows[7] = (*rows[7][:2], cell.get("part", rows[7][2]), cell.get("day", rows[7][3]))
    with pytest.raises(BadInput) as told:
        curated(tmp_path, rows, columns=COLUMNS, **more)
    assert said in str(told.value) and "row 9" in str(told.value)


def test_two_tests_or_nothing_to_learn_from_is_refused(tmp_path):
    rows = dated(part=lambda k: "test" if k < 20 else "train")
    with pytest.raises(BadInput, match="a test as well"):
        curated(
            tmp_path,
            rows,
            columns=COLUMNS,
            split_column="part",
            test_rows=[(*r, "", "") for r in distinct(30, 9)],
        )
    with pytest.raises(BadInput, match="no row for training"):
        curated(tmp_path, dated(part=lambda k: "test"), columns=COLUMNS, split_column="part")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("2026-03-31", "2026-03-31T00:00:00+00:00"),
        ("2026-03-31 14:05:00", "2026-03-31T14:05:00+00:00"),
        ("2026-03-31T14:05:00Z", "2026-03-31T14:05:00+00:00"),
        ("2026-03-31T14:05:00+02:00", "2026-03-31T12:05:00+00:00"),
        ("1774965900", "2026-03-31T14:05:00+00:00"),
        ("31.03.2026", ""),
        ("soon", ""),
        ("1e400", ""),
        ("9" * 40, ""),
        ("", ""),
    ],
)
def test_only_dates_that_mean_one_day_are_read(text, read):
    assert fixed_split.moment(text) == read


def test_a_column_of_splits_is_found_and_a_date_pointed_at(tmp_path):
    rows = dated(part=lambda k: "test" if k < 20 else "train")
    path = table(tmp_path, rows, columns=("text", "label", "split", "date"))
    found = propose(path)
    assert found.split_column == "split" and found.sections["data"]["split_column"] == "split"
    plain = propose(
        table(tmp_path, [(r[0], r[1], r[3]) for r in rows], "b.csv", ("text", "label", "date"))
    )
    assert plain.split_column == "" and any(
        "data.time_column: date" in line for line in plain.sentences
    )


def test_the_order_of_rows_changes_no_split(tmp_path):
    rows = dated(part=lambda k: "validation" if k % 9 == 0 else "")
    p = params(table(tmp_path, rows, columns=COLUMNS), split_column="part", time_column="day")
    first = curate(*load(p, tmp_path), LABEL, p)
    q = params(
        table(tmp_path, rows[::-1], "back.csv", COLUMNS), split_column="part", time_column="day"
    )
    again = curate(*load(q, tmp_path), LABEL, q)
    assert {(r["id"], r["split"]) for r in first.rows} == {
        (r["id"], r["split"]) for r in again.rows
    }
