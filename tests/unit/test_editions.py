"""What a later edition of the handbook does: who tells the new facts, who lives in the past."""

import json

import pandas as pd
import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.data import DataParameters
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.records.task import TaskCard
from ftkit.evaluation import knowledge_update

CARD = TaskCard(
    name="desk",
    instruction="Answer.",
    kind="fields",
    fields=["category", "reply"],
    key_fields=["reply"],
    knowledge_field="reply",
)


def answer(reply, category="returns"):
    return json.dumps({"category": category, "reply": reply}, separators=(",", ":"))


def items():
    rows = [
        (f"i{k}", f"How long may I keep item {k}?", answer(f"{k + 10} days"), f"c{k}", f"i{k}")
        for k in range(40)
    ]
    return pd.DataFrame(rows, columns=["id", "input", "output", "group", "cluster"])


def later_file(folder, changed=range(10)):
    rows = items().assign(message=lambda t: t["input"].str.upper(), answer=lambda t: t["output"])
    rows.loc[list(changed), "answer"] = [answer(f"{k + 60} days") for k in changed]
    rows[["message", "answer"]].to_csv(folder / "later.csv", index=False)
    return EvaluationParameters(later_handbook="x", later_data=str(folder / "later.csv"))


def test_only_questions_whose_answer_changed_are_asked_again(tmp_path):
    changed = knowledge_update.later_examples(
        later_file(tmp_path), DataParameters(), items(), tmp_path
    )
    assert changed["id"].tolist() == [f"i{k}" for k in range(10)]
    assert changed["output"].tolist() == [answer(f"{k + 60} days") for k in range(10)]
    assert changed["before"].tolist() == [answer(f"{k + 10} days") for k in range(10)]


def test_a_file_without_the_test_questions_or_without_a_change_is_refused(tmp_path):
    with pytest.raises(BadInput, match="changes no test question's answer"):
        knowledge_update.later_examples(
            later_file(tmp_path, []), DataParameters(), items(), tmp_path
        )
    with pytest.raises(BadInput, match="holds none of the test questions"):
        knowledge_update.later_examples(
            later_file(tmp_path), DataParameters(), items().assign(input="else"), tmp_path
        )


def test_the_demo_knows_its_own_second_edition(tmp_path):
    from recipes.demo.scenarios import example_rows

    rows = [r for r in example_rows(1200, 7)[:300] if not r.planted]
    given = pd.DataFrame(
        {
            "id": [str(i) for i in range(len(rows))],
            "input": [r.text for r in rows],
            "output": [r.right[0] for r in rows],
        }
    )
    p = EvaluationParameters(later_handbook="demo", later_data="demo")
    changed = knowledge_update.later_examples(p, DataParameters(demo_examples=300), given, tmp_path)
    right = {r.text: r.right for r in rows}
    assert 20 < len(changed) < 100, (
        "a fifth of the facts change, and three of five messages ask for one"
    )
    assert all(right[row.input] == (row.before, row.output) for row in changed.itertuples())


def answers(strategy, replies):
    return pd.DataFrame(
        {
            "item_id": [f"i{k}" for k in range(len(replies))],
            "strategy": strategy,
            "text": [answer(r) for r in replies],
        }
    )


def test_a_strategy_without_a_retriever_is_held_against_the_later_truth_with_its_old_answers(
    tmp_path,
):
    changed = knowledge_update.later_examples(
        later_file(tmp_path), DataParameters(), items(), tmp_path
    )
    old, new = [f"{k + 10} days" for k in range(10)], [f"{k + 60} days" for k in range(10)]
    specs = [
        StrategySpec(
            name="fine-tuned", family="fine-tuned", model="tuned", prompt="p", retriever=False
        ),
        StrategySpec(name="hybrid", family="hybrid", model="tuned", prompt="p", retriever=True),
    ]
    first = pd.concat([answers("fine-tuned", old), answers("hybrid", old)])
    later = answers("hybrid", [*new[:9], "12 days"])
    found = knowledge_update.compare(specs, CARD, changed, first, later, n_resamples=200, seed=1)
    tuned, hybrid = found.arms
    assert found.questions == 10
    assert (tuned.before.value, tuned.after.value, tuned.from_the_past.value) == (1, 0, 1)
    assert (hybrid.before.value, hybrid.after.value, hybrid.from_the_past.value) == (1, 0.9, 0)
    assert hybrid.after.low < 0.9 < hybrid.after.high
    assert tuned.from_the_past.low < 1, "ten questions do not prove 100%"
