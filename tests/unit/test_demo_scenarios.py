"""The side scenarios hold what their right answers rest on."""

import csv
import json
from pathlib import Path

import pytest

from ftkit.core.parameters.files import load
from recipes.demo import write_examples, write_handbook
from recipes.demo.parameters import FILES, sections_of
from recipes.demo.scenarios import SCENARIOS
from recipes.demo.truth import write_truth

PARAMS = Path(__file__).parents[2] / "params"


def read(path):
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


@pytest.mark.parametrize("seed", range(1, 6))
def test_prompting_needs_only_what_stands_in_the_message(seed, tmp_path):
    rows = read(write_examples(tmp_path / "e.csv", 200, seed, scenario="prompting"))
    assert all(r["message"].count(r["answer"]) == 1 for r in rows)
    assert len({r["answer"] for r in rows}) > 195


@pytest.mark.parametrize("seed", range(1, 6))
def test_rag_answers_are_values_of_articles_that_few_customers_ask_for(seed, tmp_path):
    rows = read(write_examples(tmp_path / "e.csv", 400, seed, scenario="rag"))
    truth = json.loads(
        write_truth(tmp_path / "t.json", 400, seed, scenario="rag", traffic=50).read_text()
    )
    folder = write_handbook(tmp_path / "h", seed, scenario="rag")
    askers: dict[str, set] = {}
    for row, meant in zip(rows, truth["rows"], strict=True):
        assert row["answer"] in (folder / f"{meant['article']}.md").read_text()
        askers.setdefault(meant["article"], set()).add(row["customer"])
    assert max(len(customers) for customers in askers.values()) <= 2
    assert len(askers) > 50


@pytest.mark.parametrize("seed", range(1, 6))
def test_too_little_is_the_main_desk_with_a_dozen_test_messages(seed, tmp_path):
    rows = read(
        write_examples(
            tmp_path / "e.csv", SCENARIOS["too_little"].examples, seed, scenario="too_little"
        )
    )
    assert 60 <= len(rows) <= 80
    assert sum(r["answer"].startswith('{"category"') for r in rows) > 0.9 * len(rows)


def test_each_scenario_says_its_right_answer():
    assert {name: s.right_answer for name, s in SCENARIOS.items()} == {
        "main": "hybrid",
        "prompting": "prompting",
        "rag": "RAG",
        "too_little": "can't tell yet",
    }


@pytest.mark.parametrize("name", sorted(FILES))
def test_parameter_files_load_and_hold_what_the_generator_says(name):
    built = load(PARAMS / name)
    for stage, values in sections_of(name).items():
        assert {k: getattr(built[stage], k) for k in values} == values
    scenario = SCENARIOS[built["data"].demo_scenario]
    head = (PARAMS / name).read_text(encoding="utf-8").splitlines()[0]
    assert f"Right answer: {scenario.right_answer}, because" in head
