"""The matrix of overlaps, and general instructions that would bring test questions into training."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from ftkit.core import run_folder
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.data import EXAMPLE_COLUMNS
from ftkit.core.records.retrieval import Passage
from ftkit.evaluation import leakage
from ftkit.training.mix import general_mix

LONG = "where is the parcel with the blue kettle that I ordered in the spring sale"


def test_copies_are_counted_where_they_stand():
    parts = {
        "train": [LONG, "an own question of training"],
        "validation": ["An own question of TRAINING."],
        "test": [LONG + " please", "q"],
        "handbook": [],
        "general mix": ["say hello", LONG + " please"],
    }
    found = leakage.matrix(parts)
    assert found["train", "test"] == (0, 1) and found["train", "validation"] == (1, 0)
    assert found["general mix", "test"] == (1, 0) and found["test", "general mix"] == (1, 0)
    assert found["test", "validation"] == (0, 0)
    assert "1 of general mix in test" in leakage.told(found)
    table = leakage.rows(found, parts)
    assert [row["part"] for row in table] == [
        "train (2)",
        "validation (1)",
        "test (2)",
        "general mix (2)",
    ]
    assert table[0]["copies in test"] == "0 exact, 1 near" and table[0]["copies in train"] == "–"


def test_a_general_instruction_that_says_the_same_in_other_words_is_counted():
    parts = {
        "train": [],
        "few-shot examples": [],
        "handbook": [],
        "validation": ["How do I return a kettle?"],
        "test": ["Where is Rome?"],
        "general mix": ["What is the way to return a kettle?", "Count to ten."],
    }
    alike = leakage.by_meaning(parts, 0.8)
    assert alike == {("general mix", "validation"): 1, ("general mix", "test"): 0}
    assert leakage.by_meaning(parts, None) == {}
    found = leakage.matrix(parts)
    assert leakage.rows(found, parts, alike)[-1]["copies in validation"] == "1 in other words"
    assert "1 of general mix in validation" in leakage.told(found, alike)


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (
            {"exact": 0, "near": 0, "group": 0, "paraphrase": 0},
            "groups and paraphrases cross nowhere",
        ),
        ({"exact": 0, "near": 0, "group": 2}, "rows still cross: 2 by group"),
    ],
)
def test_what_02_compared_between_the_splits_is_told(after, said):
    assert said in leakage.told({}, {}, SimpleNamespace(leakage_after=after))


def test_nothing_in_common_is_said():
    found = leakage.matrix({"train": ["a kettle is loud"], "test": ["the moon rises late"]})
    assert "Nothing" in leakage.told(found)


def test_a_general_file_brings_no_question_that_is_measured_on(tmp_path):
    lines = [{"prompt": f"General question {k}?", "response": "yes"} for k in range(20)] + [
        {"prompt": LONG.upper(), "response": "a"}
    ]
    (tmp_path / "general.jsonl").write_text("\n".join(map(json.dumps, lines)))
    p = TrainingParameters(general_data=str(tmp_path / "general.jsonl"), general_share=0.49)
    mix, note = general_mix(p, 100, [LONG])
    assert len(mix) == 20 and "1 that are copies" in note
    assert general_mix(p, 100)[1].count("copies") == 0
    few = TrainingParameters(general_data=str(tmp_path / "general.jsonl"), general_share=0.1)
    assert general_mix(few, 90, [LONG])[0] == general_mix(few, 90, [LONG])[0]


def test_the_parts_of_a_run_hold_no_right_answer(tmp_path):
    rows = [
        ("t1", "a", "secret 1", "train"),
        ("v1", "b", "secret 2", "validation"),
        ("x1", "c", "secret 3", "test"),
    ]
    table = pd.DataFrame(
        [
            {
                "id": i,
                "input": t,
                "output": o,
                "split": s,
                "group": "",
                "cluster": i,
                "source_row": 1,
                "like_train": False,
            }
            for i, t, o, s in rows
        ]
    )
    run_folder.write_table(tmp_path / "data" / "examples.parquet", table[EXAMPLE_COLUMNS])
    stage = SimpleNamespace(of=lambda part, name: tmp_path / part / name)
    searcher = SimpleNamespace(
        index=SimpleNamespace(passages=[Passage(id="H#0", source="H", text="an article")])
    )
    parts = leakage.parts_of(
        stage,
        SimpleNamespace(trials=[SimpleNamespace(prompt=SimpleNamespace(shots=["t1"]))]),
        [([{"role": "user", "content": "g"}], "r", "general-1")],
        searcher,
    )
    assert parts == {
        "train": ["a"],
        "validation": ["b"],
        "test": ["c"],
        "few-shot examples": ["a"],
        "handbook": ["an article"],
        "general mix": ["g"],
    }
    assert leakage.measured(stage) == ["b", "c"]
