"""The review queue: what is doubtful, worst first; decisions survive, hold in another order, and are applied headless."""

import json
import random

import pandas as pd
import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.data import DataParameters
from ftkit.core.records.task import TaskCard
from ftkit.data import review
from ftkit.data.curate import curate, load
from ftkit.data.curate import doubts as curate_doubts
from ftkit.data.data_card import data_card
from ftkit.data.label_errors import Suspect
from ftkit.notebook.review import Review
from ftkit.report import theme

CARD = TaskCard(name="t", instruction="i", kind="label", labels=["delivery", "billing"])
WORDS = "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo sierra tango".split()


def file_of(folder, order=None):
    rows = [
        (f"{word} number {k} asks something", "delivery" if k % 2 else "billing")
        for k, word in enumerate(WORDS * 2)
    ]
    rows[0] = ("alpha writes to jo@example.org", "billing")
    rows = [rows[i] for i in order] if order else rows
    pd.DataFrame(rows, columns=["message", "answer"]).to_csv(folder / "rows.csv", index=False)
    return DataParameters(
        run=str(folder / "run"),
        data=str(folder / "rows.csv"),
        meaning_rows=0,
        near_duplicate_threshold=1.0,
    )


def curated(p, folder):
    return curate(*load(p, folder), CARD, p)


def test_the_queue_puts_suspects_before_near_copies_before_personal_data():
    rows = [
        {"input": f"q{k}", "output": "billing", "source_row": k, "file": "f", "key": f"k{k}"}
        for k in range(4)
    ]
    rows[3]["personal"], rows[1]["personal"] = {"e-mail"}, {"first name"}
    found = review.queue(
        rows, [Suspect(rows[2], "label", "billing", "delivery", 0.1)], [(rows[0], rows[1])], CARD
    )
    assert [d.row for d in found] == [2, 0, 1, 3]
    assert (
        found[0].proposed == "delivery"
        and "expects delivery" in found[0].why
        and "personal data (e-mail)" in found[3].why
    )
    assert "personal" not in found[2].why  # a first name alone points to nobody


def test_a_corrected_answer_is_kept_with_the_one_before_as_a_pair_but_not_of_the_test(tmp_path):
    p = file_of(tmp_path)
    done = curated(p, tmp_path)
    split_of = {row["id"]: row["split"] for row in done.rows}
    for row in done.rows:
        answer = "billing" if row["output"] == "delivery" else "delivery"
        review.decide(
            p.decisions(),
            row["key"],
            *(("fix", answer) if row["source_row"] % 3 else ("keep", "")),
            who="Ann",
        )
    again = curated(p, tmp_path)
    pairs = {c["id"]: c for c in again.corrections()}
    fixed = [r for r in again.rows if r["source_row"] % 3]
    assert (
        set(pairs) == {r["id"] for r in fixed if r["split"] != "test"}
        and len(pairs) > 10
        and len(set(split_of.values())) == 3
    )
    assert {c["split"] for c in pairs.values()} == {"train", "validation"}
    for row in fixed:
        if row["id"] in pairs:
            assert pairs[row["id"]] == {
                "id": row["id"],
                "split": row["split"],
                "prompt": row["input"],
                "chosen": row["output"],
                "rejected": row["before_review"],
            }
            assert {row["output"], row["before_review"]} == {"billing", "delivery"}


@pytest.mark.parametrize("way", ["redact", "drop"])
def test_personal_data_in_the_answer_before_review_go_with_the_rest(tmp_path, way):
    p = file_of(tmp_path).model_copy(update={"personal_data": way})
    rows = pd.read_csv(p.data)
    rows.loc[4, "answer"] = "write to kim@example.org"
    rows.to_csv(p.data, index=False)
    card = CARD.model_copy(update={"kind": "text", "labels": []})
    key = review.key_of({"input": rows["message"][4], "output": rows["answer"][4]})
    review.decide(p.decisions(), key, "fix", "billing", who="Ann")
    found = curate(*load(p, tmp_path), card, p)
    fixed = next(r for r in found.rows if r["key"] == key)
    assert fixed["output"] == "billing" and "kim@" not in json.dumps(found.corrections())
    assert (
        ("write to" in fixed["before_review"])
        if way == "redact"
        else ("before_review" not in fixed)
    )


def test_decisions_are_applied_headless_and_hold_in_another_order(tmp_path):
    p = file_of(tmp_path)
    done = curated(p, tmp_path)
    queue = curate_doubts(done, CARD)
    assert [d.why for d in queue] == ["holds personal data (e-mail)"]
    by_input = {row["input"]: row for row in done.rows}
    keys = {
        name: by_input[text]["key"]
        for name, text in (
            ("redact", "alpha writes to jo@example.org"),
            ("fix", f"{WORDS[1]} number 1 asks something"),
            ("drop", f"{WORDS[2]} number 2 asks something"),
        )
    }
    review.decide(p.decisions(), keys["redact"], "redact", who="Ann")
    review.decide(p.decisions(), keys["fix"], "fix", "billing", who="Ann")
    review.decide(p.decisions(), keys["drop"], "drop", who="Ann")
    order = random.Random(2).sample(range(40), 40)
    for again in (curated(p, tmp_path), curated(file_of(tmp_path, order), tmp_path)):
        rows = {row["input"]: row["output"] for row in again.rows}
        assert "alpha writes to <e-mail 1>" in rows and not any("jo@" in text for text in rows)
        assert rows[f"{WORDS[1]} number 1 asks something"] == "billing"
        assert f"{WORDS[2]} number 2 asks something" not in rows
        assert [r["reason"] for r in again.rejected()] == [
            "dropped in review: dropped in review by Ann"
        ]
        assert curate_doubts(again, CARD) == []
        card = data_card(again, p, tmp_path, CARD)
        assert card.rows_read == card.rows_used + card.rows_rejected


def test_the_last_decision_on_a_row_counts_and_says_who_and_when(tmp_path):
    path = tmp_path / "review.jsonl"
    review.decide(path, "k1", "drop", who="Ann")
    review.decide(path, "k1", "keep", who="Bob")
    found = review.read(path)["k1"]
    assert (found.action, found.who) == ("keep", "Bob") and found.when.endswith("Z")
    assert len(path.read_text().splitlines()) == 2, "nothing that was decided is lost"


def test_the_same_decisions_can_be_made_in_a_spreadsheet(tmp_path):
    doubts = [
        review.Doubt("k1", 4, "odd", "=cmd()", "billing", "delivery"),
        review.Doubt("k2", 9, "odd", "text", "billing"),
    ]
    table = pd.read_csv(
        review.export(tmp_path / "review.csv", doubts), dtype=str, keep_default_na=False
    )
    assert table["input"][0] == "'=cmd()", "no spreadsheet runs it"
    table.loc[0, ["decision", "new_answer", "who"]] = ["Fix", "delivery", "Ann"]
    table.to_csv(tmp_path / "done.csv", index=False)
    table.to_excel(tmp_path / "done.xlsx", index=False)
    for name in ("done.csv", "done.xlsx"):
        found = review.read(tmp_path / name)
        assert list(found) == ["k1"] and (
            found["k1"].action,
            found["k1"].answer,
            found["k1"].who,
        ) == ("fix", "delivery", "Ann")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "row 2.*is not JSON"),
        ("[1]", "is no JSON object"),
        ('{"key": "k", "action": "burn"}', "'burn' is no decision"),
        ('{"action": "keep"}', "no key"),
        ('{"key": "k", "action": "fix"}', "needs a new answer"),
    ],
)
def test_a_line_that_is_no_decision_is_told_with_its_number(tmp_path, line, told):
    (tmp_path / "review.jsonl").write_text(
        json.dumps({"key": "a", "action": "keep"}) + "\n" + line + "\n"
    )
    with pytest.raises(BadInput, match=told):
        review.read(tmp_path / "review.jsonl")


def test_the_widget_decides_by_one_letter_and_goes_back(tmp_path):
    doubts = [
        review.Doubt("k1", 4, "odd", "<script>alert(1)</script>", "billing", "delivery"),
        review.Doubt("k2", 9, "odd", "text", "billing"),
    ]
    path = tmp_path / "review.jsonl"
    widget = Review(
        doubts, lambda key, action, answer: review.decide(path, key, action, answer, who="Ann")
    )
    assert "1 of 2" in widget.shown.value and "<script>" not in widget.shown.value
    widget.key.value = "f"
    assert (
        review.read(path)["k1"].answer == "delivery"
        and "2 of 2" in widget.shown.value
        and widget.key.value == ""
    )
    widget.key.value = "x"
    assert "2 of 2" in widget.shown.value, "another letter does nothing"
    widget.key.value = "b"
    assert "1 of 2" in widget.shown.value and "decided" in widget.shown.value
    widget.answer.value = " "
    widget.key.value = "f"
    assert (
        "fix needs a new answer" in widget.shown.value
        and review.read(path)["k1"].answer == "delivery"
    )
    widget.key.value = "d"
    widget.buttons[0].click()
    assert {k: d.action for k, d in review.read(path).items()} == {"k1": "drop", "k2": "keep"}
    assert "All rows are decided" in widget.shown.value


def test_in_a_notebook_that_was_executed_in_batch_a_sentence_stands_for_the_widget(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw=False: shown.append(data))
    theme.live(Review([review.Doubt("k", 1, "why", "in", "out")], lambda *told: None).box)
    assert (
        "run this cell" in shown[-1]["text/plain"]
        and shown[-1]["application/vnd.jupyter.widget-view+json"]["model_id"]
    )
