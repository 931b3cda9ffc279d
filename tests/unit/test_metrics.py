"""The registry of metrics, and own ones from a file."""

import json

import pandas as pd
import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.task import TaskParameters
from ftkit.core.records.strategy import ANSWER_COLUMNS
from ftkit.core.records.task import TaskCard
from ftkit.evaluation.conclude import notes
from ftkit.scoring.metrics import METRICS, last_number, metric
from ftkit.scoring.score import score
from ftkit.scoring.task_card import build_card


@pytest.mark.parametrize(
    ("name", "answer", "truth", "value"),
    [
        ("exact", " Yes. ", "yes", 1),
        ("exact", "no", "yes", 0),
        ("contains", "It is 34 days long.", "34 days", 1),
        ("contains", "It is 134 days", "34 days", 0),
        ("list", "a, b", "b; c", 0.5),
        ("list", '["x", "y"]', "- y\n- x", 1),
        ("list", "", "", 1),
        ("number", "so the total is 1,250.00 euros", "1250", 1),
        ("number", "none", "3", 0),
        ("number", "about 104", "100", 0),
        ("token_f1", "a b", "a c", 0.5),
    ],
)
def test_known_values(name, answer, truth, value):
    assert metric(name)(answer, truth) == pytest.approx(value)


def test_numbers_count_within_their_tolerance():
    assert metric("number", 0.05)("about 104", "100") == 1
    assert metric("number", 0.03)("about 104", "100") == 0
    assert (
        last_number("7 of 12 is 58.3%") == 58.3
        and last_number("-3") == -3
        and last_number("none") is None
    )


def test_every_metric_of_the_registry_is_there_and_gives_a_share():
    for name in METRICS:
        assert 0 <= metric(name)("12 a, b", "a, 13") <= 1
        assert metric(name)("12", "12") == 1


def answers(*texts):
    rows = [
        (f"i{k}", "s", text, 1, 1, 0.1, [], [], 0, float("nan")) for k, text in enumerate(texts)
    ]
    return pd.DataFrame([(*r, "answered", "", "", 0) for r in rows], columns=ANSWER_COLUMNS)


def items(*truths):
    return pd.DataFrame(
        {
            "id": [f"i{k}" for k in range(len(truths))],
            "input": "q",
            "output": truths,
            "group": "",
            "cluster": [str(k) for k in range(len(truths))],
        }
    )


def test_an_own_metric_decides_and_one_that_raises_costs_only_its_item(tmp_path):
    (tmp_path / "own.py").write_text(
        "def close(answer, truth):\n    return 1 - abs(len(answer) - len(truth)) / 10 if answer != 'boom' else 1 / 0\n"
    )
    own = f"{tmp_path / 'own.py'}:close"
    card = build_card(
        TaskParameters(
            kind="text",
            fields=[],
            key_fields=[],
            knowledge_field="",
            enums={},
            metric=own,
            metric_threshold=0.8,
        )
    )
    table = score(card, items("abcd", "abcd", "abcd"), answers("abc", "a", "boom"))
    assert table["correct"].tolist() == [True, False, False]
    assert table["partial"].tolist() == pytest.approx([0.9, 0.7, 0])
    assert table.attrs["faults"] == [
        "item i2: the metric raised ZeroDivisionError: division by zero"
    ]
    assert "failed on 1 answers" in notes(table, answers("abc", "a", "boom"))[0]


def test_a_field_can_have_a_metric_of_its_own():
    card = TaskCard(
        name="t",
        instruction="i",
        kind="fields",
        fields=["who", "amount"],
        key_fields=["who", "amount"],
        field_metrics={"amount": "number"},
        metric_tolerance=0.01,
    )
    truth = json.dumps({"who": "Ann", "amount": "1200"})
    given = [
        json.dumps({"who": "ann", "amount": "1,205 euros"}),
        json.dumps({"who": "Ann B", "amount": "1200"}),
    ]
    assert score(card, items(truth, truth), answers(*given))["correct"].tolist() == [True, False]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("accuray", "is no metric"),
        ("gone.py:f", "there is no such file"),
        ("{here}:nope", "has no function 'nope'"),
        ("{bad}:f", "does not load"),
    ],
)
def test_a_metric_that_is_not_there_is_told_before_anything_runs(name, told, tmp_path):
    (tmp_path / "here.py").write_text("def f(a, b):\n    return 1\n")
    (tmp_path / "bad.py").write_text("def f(:\n")
    with pytest.raises(BadInput, match=told):
        build_card(
            TaskParameters(metric=name.format(here=tmp_path / "here.py", bad=tmp_path / "bad.py"))
        )


def test_a_value_that_is_no_share_is_told(tmp_path):
    (tmp_path / "big.py").write_text("def f(a, b):\n    return 7\n")
    with pytest.raises(ValueError, match="returned 7, not a share"):
        metric(f"{tmp_path / 'big.py'}:f")("a", "b")


def test_squad_scores_equal_the_published_ones_on_xquad(shared_data):
    folder = shared_data / "xquad_rag"
    truth = {
        q["id"]: q["answers"][0]["text"]
        for article in json.loads((folder / "xquad.en.json").read_text())["data"]
        for paragraph in article["paragraphs"]
        for q in paragraph["qas"]
    }
    expected = json.loads((folder / "expected_scores.json").read_text())
    checked = 0
    for path in sorted((folder / "predictions").glob("*.json")):
        said = json.loads(path.read_text())
        for name, key in (("squad_exact", "exact"), ("squad_f1", "f1")):
            mean = (
                100
                * sum(metric(name)(said.get(i, ""), right) for i, right in truth.items())
                / len(truth)
            )
            assert mean == pytest.approx(expected[path.stem][key], abs=5e-5), (path.stem, name)
            checked += 1
    assert checked == 10
