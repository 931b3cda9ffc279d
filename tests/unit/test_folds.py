"""Folds: every row is tested once, units stay whole, and one careful decision is made over all of them."""

import math
from collections import Counter

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_run import make_run

from ftkit.cli import main
from ftkit.core import run_folder
from ftkit.core.errors import BadInput
from ftkit.core.parameters.files import build, to_yaml
from ftkit.core.parameters.models import MODELS
from ftkit.core.records.base import Estimate
from ftkit.core.records.decision import Decision
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.task import TaskCard
from ftkit.data.split import hold_fold, split
from ftkit.evaluation import judge
from ftkit.workflow.folds import pool, stretched
from ftkit.workflow.run import Selection
from ftkit.workflow.run import run as run_run

CARD = TaskCard(name="t", instruction="Choose.", kind="label")


def rows_of(groups, labels):
    return [
        {
            "input": f"text {i} about {i * 7919}",
            "output": label,
            "group": group,
            "cluster": i,
            "split": "",
        }
        for i, (group, label) in enumerate(zip(groups, labels, strict=True))
    ]


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefghij"), st.sampled_from(["x", "y", "z"])),
        min_size=30,
        max_size=120,
    ),
    st.integers(2, 6),
)
def test_every_row_is_tested_in_one_fold_and_no_group_crosses(drawn, folds):
    tested = Counter()
    for fold in range(1, folds + 1):
        rows = rows_of(
            [f"{g}{i // 3}" for i, (g, _) in enumerate(drawn)], [label for _, label in drawn]
        )
        hold_fold(rows, CARD, 7, folds, fold)
        split(rows, CARD, 7, 0.1, 0.0)
        tested.update(r["id"] for r in rows if r["split"] == "test")
        sides = {}
        for r in rows:
            sides.setdefault(r["group"], set()).add(r["split"])
        assert all(len(s) == 1 for s in sides.values())
        again = rows_of(
            [f"{g}{i // 3}" for i, (g, _) in enumerate(drawn)], [label for _, label in drawn]
        )[::-1]
        hold_fold(again, CARD, 7, folds, fold)
        assert {r["id"] for r in again if r["split"] == "test"} == {
            r["id"] for r in rows if r["split"] == "test"
        }
    assert set(tested.values()) == {1} and len(tested) == len(drawn)


def test_folds_are_of_one_size_and_hold_each_label_alike():
    sizes, shares = [], []
    for fold in range(1, 6):
        rows = rows_of([""] * 200, ["x"] * 140 + ["y"] * 60)
        hold_fold(rows, CARD, 7, 5, fold)
        mine = [r["output"] for r in rows if r["split"] == "test"]
        sizes.append(len(mine))
        shares.append(mine.count("y"))
    assert sizes == [40] * 5 and shares == [12] * 5


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({"folds": 1}, "use 2 folds or more"),
        ({"folds": 3, "fold": 4}, "fold 4 of 3"),
        ({"folds": 3, "test_data": "x.csv"}, "leave test_data, split_column and time_column empty"),
    ],
)
def test_impossible_folds_are_told(values, found):
    with pytest.raises(BadInput, match=found):
        build("data", values)


def test_a_pooled_interval_is_longer_and_stays_in_its_bounds():
    e = Estimate(value=0.95, low=0.9, high=0.99, n=100, method="Wilson")
    wide = stretched(e, 5, 0.0)
    assert (
        wide.value == 0.95
        and wide.low == pytest.approx(0.95 - 0.05 * math.sqrt(1 + 0.25 * 5 / 4))
        and wide.high <= 1.0
    )
    assert "5 folds" in wide.method


@pytest.fixture
def folds(tmp_path):
    """Three finished folds whose test questions differ."""
    made = []
    for number in range(3):
        run = make_run(tmp_path / f"desk-fold{number + 1}", n=60, until="evaluation")
        for path, column in (
            ("data/examples", "id"),
            ("evaluation/answers", "item_id"),
            ("evaluation/scores", "item_id"),
        ):
            table = run_folder.read_table(run / f"{path}.parquet")
            table[column] = [f"{number}-{i}" if i.startswith("test") else i for i in table[column]]
            if "group" in table:
                table["group"] = f"{number}-" + table["group"]
            run_folder.write_table(run / f"{path}.parquet", table)
        run_folder.write_table(
            run / "evaluation" / "probe.parquet",
            pd.DataFrame(columns=["item_id", "model", "correct", "group"]),
        )
        made.append(run)
    return made


def built(run):
    return {stage: model(run=str(run)) for stage, model in MODELS.items()}


def test_all_folds_become_one_evaluation_with_wider_intervals(folds, tmp_path):
    pooled = tmp_path / "desk-folds"
    result = pool(folds, pooled, built(pooled))
    one = run_folder.read_record(folds[0] / "evaluation" / "evaluation.json", Evaluation)
    assert result.test_items == 180 and [r.spec.name for r in result.results] == [
        r.spec.name for r in one.results
    ]
    for mine, single in zip(result.results, one.results, strict=True):
        assert mine.accuracy.value == pytest.approx(single.accuracy.value)
        shrunk = (mine.accuracy.high - mine.accuracy.low) / (
            single.accuracy.high - single.accuracy.low
        )
        assert 1 / math.sqrt(3) < shrunk < 0.9, (
            "narrower than one fold, wider than three independent ones"
        )
    assert (
        "Cross-validated" in result.notes[0] and run_folder.states(pooled)["evaluation"] == "done"
    )
    assert len(run_folder.read_table(pooled / "data" / "examples.parquet")) == 180
    again = pool(folds, pooled, built(pooled))
    assert again.results == result.results


def test_a_strategy_that_one_fold_lacks_is_left_out_and_named(folds, tmp_path):
    path = folds[1] / "evaluation" / "evaluation.json"
    found = run_folder.read_record(path, Evaluation)
    kept = [r for r in found.results if r.spec.name != "few-shot"]
    run_folder.write_record(path, found.model_copy(update={"results": kept}))
    result = pool(folds, tmp_path / "desk-folds", built(tmp_path / "desk-folds"))
    assert "few-shot" not in {r.spec.name for r in result.results}
    assert any("few-shot is not in every fold" in note for note in result.notes)


def test_08_decides_over_the_pooled_answers(folds, tmp_path):
    pooled = tmp_path / "desk-folds"
    pool(folds, pooled, built(pooled))
    file = tmp_path / "desk.yaml"
    file.write_text(to_yaml({}))
    done = run_run(
        file, selection=Selection(["decision"]), overrides=[f"run={pooled}"], say=lambda line: None
    )
    decision = run_folder.read_record(pooled / "decision" / "decision.json", Decision)
    assert (
        decision.leading == "hybrid"
        and done.report
        and "Cross-validated" in done.report.read_text()
    )


def test_a_judge_of_the_folds_is_corrected_once_over_all_of_them(folds, tmp_path):
    plain = pool(folds, tmp_path / "plain-folds", built(tmp_path / "plain-folds"))
    human = [True] * 60 + [False] * 60
    check = judge.calibrate("m", human, [True] * 57 + [False] * 60 + [True] * 3)
    for folder in folds:
        path = folder / "evaluation" / "evaluation.json"
        run_folder.write_record(
            path, judge.corrected(run_folder.read_record(path, Evaluation), check)
        )
    result = pool(folds, tmp_path / "desk-folds", built(tmp_path / "desk-folds"))
    assert result.judge == check and sum("human labels" in note for note in result.notes) == 1
    for mine, before in zip(result.results, plain.results, strict=True):
        assert mine.accuracy == judge.corrected_share(before.accuracy, check)


def test_what_does_not_go_with_folds_is_refused(tmp_path, capsys):
    file = tmp_path / "desk.yaml"
    file.write_text(to_yaml({}))
    assert (
        main(["run", str(file), "--folds", "5", "--only", "data"]) == 2
        and "--folds" in capsys.readouterr().err
    )
