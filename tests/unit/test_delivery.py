"""A technical failure is never a finding: broken arms enter no comparison, single failures leave it."""

import pandas as pd

from ftkit.core.records.strategy import ANSWER_COLUMNS, StrategySpec
from ftkit.core.records.task import TaskCard
from ftkit.evaluation.conclude import conclude
from ftkit.scoring.score import score

CARD = TaskCard(name="t", instruction="Say.", kind="label", labels=["yes", "no"])
SPECS = [
    StrategySpec(name="prompting", family="prompting", model="base", prompt="p", retriever=False),
    StrategySpec(name="endpoint", family="endpoint", model="endpoint", prompt="p", retriever=False),
]


def table(name, ends, text="yes"):
    rows = []
    for place, outcome in enumerate(ends):
        row = dict.fromkeys(ANSWER_COLUMNS, 0)
        row |= {"item_id": f"i{place}", "strategy": name, "outcome": outcome, "confidence": 0.5}
        row |= {"text": text if outcome == "answered" else "", "thought": ""}
        row |= {"detail": "" if outcome == "answered" else "finish_reason length"}
        rows.append(row | {"passages": [], "passage_ids": []})
    return pd.DataFrame(rows, columns=ANSWER_COLUMNS)


def evaluation(ends, allowed=0.05):
    n = len(ends)
    items = pd.DataFrame(
        {
            "id": [f"i{k}" for k in range(n)],
            "input": [f"q{k}" for k in range(n)],
            "output": ["yes"] * n,
            "cluster": range(n),
            "split": ["test"] * n,
        }
    )
    answers = pd.concat([table("prompting", ["answered"] * n, "no"), table("endpoint", ends)])
    scores = score(CARD, items, answers)
    options = {"failures_allowed": allowed, "n_resamples": 200}
    return conclude(SPECS, CARD, items, answers, scores, **options)


def test_an_arm_with_too_many_failures_enters_no_comparison_and_the_cause_is_told():
    result = evaluation(["answered"] * 90 + ["cut_off"] * 10)
    assert [r.spec.name for r in result.results] == ["prompting"] and not result.comparisons
    (arm,) = result.not_measured
    assert arm.outcomes == {"answered": 90, "cut_off": 10} and arm.questions == 100
    assert "endpoint was not measured: of 100 replies 10 ran out of room" in result.notes[0]
    assert evaluation(["answered"] * 90 + ["cut_off"] * 10, allowed=0.1).not_measured == []


def test_single_failures_are_wrong_for_nobody():
    result = evaluation(["answered"] * 97 + ["not_delivered"] * 3)
    by_name = {r.spec.name: r for r in result.results}
    assert by_name["endpoint"].accuracy.value == 1.0 and by_name["endpoint"].accuracy.n == 97
    assert by_name["prompting"].accuracy.n == 97 and result.left_out == 3
    assert any("3 did not arrive" in note for note in result.notes)


def test_a_refusal_is_an_answer_and_told():
    ends = ["answered"] * 60 + ["refused"] * 40
    result = evaluation(ends)
    assert {r.spec.name: r.accuracy.value for r in result.results}["endpoint"] == 0.6
    assert any("40 were declined by the model" in note for note in result.notes)
