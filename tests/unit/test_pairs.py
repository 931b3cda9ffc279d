"""Pairs for 06 are read or refused by row, made of drawn answers, or of what people corrected."""

import json

import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.preference import PreferenceParameters
from ftkit.training.preference.pairs import made_pairs, read_corrections, read_graded, read_pairs


def pairs_file(tmp_path, rows, name="pairs.jsonl"):
    path = tmp_path / name
    path.write_text(
        "\n".join(json.dumps(r) for r in rows) if name.endswith("jsonl") else json.dumps(rows)
    )
    return path


def good(n=10):
    return [{"prompt": f"q{i}", "chosen": "yes", "rejected": "no"} for i in range(n)]


def test_pairs_are_read_in_three_forms(tmp_path):
    messages = [{"role": "user", "content": "first"}, {"role": "user", "content": "q"}]
    rows = [
        *good(8),
        {"prompt": messages, "chosen": [{"role": "assistant", "content": "a"}], "rejected": "b"},
        {
            "conversations": [{"from": "human", "value": "q"}],
            "chosen": {"from": "gpt", "value": "a"},
            "rejected": {"from": "gpt", "value": "b"},
        },
        {"instruction": "do", "input": "this", "chosen": "a", "rejected": "b"},
    ]
    found = read_pairs(pairs_file(tmp_path, rows))
    assert [(p.prompt, p.chosen, p.rejected) for p in found[8:]] == [
        ("User: first\nUser: q", "a", "b"),
        ("q", "a", "b"),
        ("do\nthis", "a", "b"),
    ]
    csv = tmp_path / "p.csv"
    csv.write_text("prompt,chosen,rejected\n" + "".join(f"q{i},yes,no\n" for i in range(9)))
    assert len(read_pairs(csv)) == 9


def test_llamafactorys_own_example_is_read(shared_data):
    assert len(read_pairs(shared_data / "llamafactory_formats" / "dpo_en_demo.json")) == 60


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (
            {"prompt": "q", "chosen": "a", "rejected": "a"},
            "row 9: chosen and rejected are the same",
        ),
        ({"prompt": "q", "chosen": " ", "rejected": "a"}, "row 9: chosen is empty"),
        ({"prompt": "q", "chosen": "a"}, "row 9: rejected is missing"),
        ({"chosen": "a", "rejected": "b"}, "row 9: prompt is missing"),
        ("text", "row 9: is no JSON object"),
    ],
)
def test_a_pair_that_teaches_nothing_is_refused_by_row(tmp_path, row, told):
    with pytest.raises(BadInput, match=told):
        read_pairs(pairs_file(tmp_path, [*good(8), row]))


def test_too_few_pairs_and_no_file_are_told(tmp_path):
    with pytest.raises(BadInput, match="holds 3 pairs, at least 8"):
        read_pairs(pairs_file(tmp_path, good(3)))
    with pytest.raises(BadInput, match="no such file"):
        read_pairs(tmp_path / "gone.jsonl")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(BadInput, match="is not JSON"):
        read_pairs(tmp_path / "broken.json")


def test_corrections_of_the_review_are_pairs_by_split_and_too_few_are_told(tmp_path):
    row = {"prompt": "q", "chosen": "yes", "rejected": "no"}
    rows = [row | {"id": f"t{i}", "split": "train"} for i in range(8)] + [
        row | {"id": "v", "split": "validation"}
    ]
    found = read_corrections(pairs_file(tmp_path, rows))
    assert [p.id for p in found["train"]] == [f"t{i}" for i in range(8)] and [
        p.id for p in found["validation"]
    ] == ["v"]
    for path in (pairs_file(tmp_path, rows[1:], "few.jsonl"), tmp_path / "gone.jsonl"):
        with pytest.raises(BadInput, match=r"corrected . answers of training examples, at least 8"):
            read_corrections(path)


def test_unknown_strategies_and_two_sources_of_pairs_are_refused():
    with pytest.raises(ValueError, match="local strategies are prompting"):
        PreferenceParameters(pair_strategies=["endpoint"])
    with pytest.raises(ValueError, match="leave pairs or pair_strategies empty"):
        PreferenceParameters(pair_strategies=["RAG"], pairs="reviews")


def test_the_best_drawn_answer_is_set_against_the_worst_and_the_datas_where_none_is_right():
    prompts = [
        ("a", "qa", "right a"),
        ("b", "qb", "right b"),
        ("c", "qc", "right c"),
        ("d", "qd", "right d"),
    ]
    drawn = [
        [("x", 1.0), ("y", 0.2), ("z", 0.5)],
        [("x", 0.3), ("y", 0.1)],
        [("x", 1.0), ("w", 1.0)],
        [("", 0.0), ("", 0.0)],
    ]
    found = made_pairs(prompts, drawn)
    assert [(p.id, p.chosen, p.rejected, p.gold) for p in found] == [
        ("a", "x", "y", False),
        ("b", "right b", "y", True),
    ]


def test_graded_answers_and_logs_with_feedback_are_read(tmp_path):
    rows = [{"prompt": f"q{i}", "answer": "yes", "good": i % 2 == 0} for i in range(8)]
    found = read_graded(pairs_file(tmp_path, rows))
    assert [(p.chosen, p.rejected) for p in found[:2]] == [("yes", ""), ("", "yes")]
    log = [
        {
            "time": "2026-01-01",
            "input": f"q{i}",
            "output": "a",
            "feedback": ["up", "down", "", None][i % 4],
        }
        for i in range(20)
    ]
    assert len(read_graded(pairs_file(tmp_path, log))) == 10, "rows without feedback say nothing"
    assert len(read_graded(pairs_file(tmp_path, good()))) == 10, "pairs are read as pairs"


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"prompt": "q", "answer": "a", "good": "perhaps"}, "row 9: 'perhaps' is neither"),
        ({"answer": "a", "good": "yes"}, "row 9: has no prompt"),
        ({"prompt": "q", "good": "no"}, "row 9: has no answer"),
        ("text", "row 9: is no JSON object"),
    ],
)
def test_a_graded_answer_that_cannot_be_used_is_told_by_row(tmp_path, row, told):
    rows = [{"prompt": f"q{i}", "answer": "yes", "good": "yes"} for i in range(8)]
    with pytest.raises(BadInput, match=told):
        read_graded(pairs_file(tmp_path, [*rows, row]))
