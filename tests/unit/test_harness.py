"""Tasks of lm-evaluation-harness as general questions; the harness itself runs where it is installed."""

import json
import sys
from importlib.util import find_spec

import pandas as pd
import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.parameters.files import load
from ftkit.core.records.evaluation import SCORE_COLUMNS
from ftkit.evaluation import lm_eval_harness
from ftkit.evaluation.general_skills import regression
from ftkit.evaluation.lm_eval_harness import with_tasks
from ftkit.models.local import LocalModel
from ftkit.workflow.preflight import preflight

EMPTY = pd.DataFrame(columns=[*SCORE_COLUMNS, "skill"])
TASK = """task: desk_colours
dataset_path: json
dataset_kwargs: {{data_files: {{test: {data}}}}}
test_split: test
output_type: multiple_choice
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
doc_to_choice: ["red", "blue"]
metric_list: [{{metric: acc, aggregation: mean, higher_is_better: true}}]
"""


def silent(label):
    return lambda done, of: None


def test_without_tasks_nothing_changes_and_without_the_package_it_is_told(monkeypatch):
    assert with_tasks(EMPTY, None, ["tuned", "base"], EvaluationParameters(), silent) is EMPTY
    monkeypatch.setattr(lm_eval_harness, "find_spec", lambda name: None)
    with pytest.raises(BadInput, match=r"not installed[\s\S]*ftkit\[lm-eval\]"):
        with_tasks(
            EMPTY, None, ["tuned", "base"], EvaluationParameters(general_tasks=["gsm8k"]), silent
        )


def test_what_an_optional_part_lacks_is_told_before_anything_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules["ftkit.workflow.preflight"], "find_spec", lambda name: None)
    (tmp_path / "p.yaml").write_text(
        f"run: {tmp_path / 'run'}\ntraining: {{report_to: [mlflow]}}\nevaluation: {{general_tasks: [gsm8k]}}\n"
        f"deployment: {{llama_cpp: {tmp_path}}}\n"
    )
    built = load(tmp_path / "p.yaml")
    with pytest.raises(BadInput) as told:
        preflight(built, set(built))
    assert all(
        words in str(told.value)
        for words in (
            "mlflow, which is not installed",
            "ftkit[lm-eval]",
            "holds no convert_hf_to_gguf.py",
        )
    )
    preflight(built, {"task"})


def test_one_filter_counts_and_what_is_not_right_or_wrong_is_refused():
    sample = {"doc_id": 0, "filter": "strict", "metrics": ["exact_match"], "exact_match": 1.0}
    rows = lm_eval_harness._rows(
        "gsm8k",
        "tuned",
        [sample, {**sample, "filter": "flexible"}, {**sample, "doc_id": 1, "exact_match": 0.0}],
    )
    assert [(row[0], row[3]) for row in rows] == [("gsm8k-0", True), ("gsm8k-1", False)]
    with pytest.raises(BadInput, match="graded by rouge"):
        lm_eval_harness._rows(
            "sum", "base", [{"doc_id": 0, "filter": "none", "metrics": ["rouge"], "rouge": 0.4}]
        )


@pytest.mark.skipif(not find_spec("lm_eval"), reason="lm-evaluation-harness is not installed")
def test_base_and_tuned_model_answer_the_same_items_of_a_task_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    rows = [
        {
            "question": f"Answer with one of these labels: red, blue.\nThe car {i} is red.",
            "answer": ["red", "blue"][i % 2],
        }
        for i in range(12)
    ]
    (tmp_path / "colours.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "colours.yaml").write_text(TASK.format(data=tmp_path / "colours.jsonl"))
    model = LocalModel("nano", max_new_tokens=8, threads=1)
    p = EvaluationParameters(
        general_tasks=["desk_colours"], general_tasks_folder=str(tmp_path), probe_items=10
    )
    found = with_tasks(EMPTY, lambda name: model, ["tuned", "base"], p, silent)
    assert (
        len(found) == 20
        and set(found["strategy"]) == {"base", "tuned"}
        and set(found["skill"]) == {"desk_colours"}
    )
    base, tuned = (
        found[found["strategy"] == name]["correct"].tolist() for name in ("base", "tuned")
    )
    assert base == tuned and 0 < sum(base) < 10, "one model, asked twice"
    assert regression(found)[0].difference.value == 0
    with pytest.raises(BadInput, match="there is no task nothing"):
        with_tasks(
            EMPTY,
            lambda name: model,
            ["base"],
            EvaluationParameters(general_tasks=["nothing"]),
            silent,
        )
