"""Two runs beside one another: what was set differently, and strategies compared on the questions that both asked."""

import json
import shutil

import pytest
from made_run import HOSTILE, make_run

from ftkit import cli
from ftkit.core import run_folder
from ftkit.core.errors import NotReady
from ftkit.core.records.prompting import PromptBook
from ftkit.strategies.prompt_candidates import with_hash
from ftkit.workflow.compare_runs import compare, lines
from ftkit.workflow.comparison_page import write_comparison


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture
def second(first, tmp_path):
    return shutil.copytree(first, tmp_path / "second")


def change(folder, stage, **values):
    path = folder / stage / "manifest.json"
    content = json.loads(path.read_text())
    content["parameters"] |= values
    path.write_text(json.dumps(content))


def test_the_same_run_differs_in_nothing(first, second):
    found = compare(first, second)
    assert (
        found.parameters == []
        and found.findings == []
        and found.shared == found.asked[0] == found.asked[1] > 0
    )
    assert (
        all(row["difference"].value == 0 for row in found.strategies)
        and found.verdicts[0] == found.verdicts[1] != ""
    )
    told = lines(found, ("first", "second"))
    assert "  nothing" in told and any(
        "+0.0 points" in line and "within chance" in line for line in told
    )


def test_parameters_and_answers_that_differ_are_told_with_a_paired_interval(first, second):
    change(second, "training", lora_r=99, run="elsewhere")
    path = second / "evaluation" / "scores.parquet"
    scores = run_folder.read_table(path)
    name = scores["strategy"].iloc[0]
    scores.loc[scores["strategy"] == name, "correct"] = True
    run_folder.write_table(path, scores)
    found = compare(first, second)
    assert [row[0] for row in found.parameters] == ["training.lora_r"] and found.parameters[0][
        2
    ] == "99"
    row = next(r for r in found.strategies if r["strategy"] == name)
    before = run_folder.read_table(first / "evaluation" / "scores.parquet")
    wrong = 1 - before[before["strategy"] == name]["correct"].mean()
    assert row["difference"].value == pytest.approx(wrong) and row["difference"].low > 0


def test_prompts_that_differ_are_shown_line_by_line(first, second):
    path = second / "prompting" / "prompts.json"
    book = run_folder.read_record(path, PromptBook)
    trials = [
        t.model_copy(
            update={
                "prompt": with_hash(t.prompt.name, t.prompt.system + "\nBe brief.", t.prompt.shots)
            }
        )
        if t.prompt.name == book.zero_shot
        else t
        for t in book.trials
    ]
    run_folder.write_record(path, book.model_copy(update={"trials": trials}))
    found = compare(first, second)
    assert any(line.startswith(f"without examples: {book.zero_shot} (") for line in found.prompts)
    assert "  +Be brief." in found.prompts and not any(
        "@@" in line or "+++" in line for line in found.prompts
    )
    assert "Prompts chosen differently:" in lines(found, ("a", "b"))
    assert compare(first, first).prompts == []


def test_only_questions_with_the_same_right_answer_are_compared(first, second):
    path = second / "data" / "examples.parquet"
    examples = run_folder.read_table(path)
    asked = set(run_folder.read_table(second / "evaluation" / "scores.parquet")["item_id"])
    changed = examples["id"].isin(sorted(asked)[:5])
    examples.loc[changed, "output"] = "another answer"
    run_folder.write_table(path, examples)
    found = compare(first, second)
    assert found.shared == len(asked) - 5 and found.asked == (len(asked), len(asked))


def test_runs_that_are_not_there_or_not_evaluated_are_told(first, second, tmp_path):
    shutil.rmtree(second / "decision")
    shutil.rmtree(second / "evaluation")
    found = compare(first, second)
    assert found.strategies == [] and found.verdicts[0] and not found.verdicts[1]
    assert any(stage == "07_evaluation" and b == "–" for stage, _, b in found.findings)
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotReady, match="there is no run"):
        compare(first, tmp_path / "empty")


def first_strategy(run, correct):
    """Make the first strategy right, or wrong, on all questions."""
    path = run / "evaluation" / "scores.parquet"
    scores = run_folder.read_table(path)
    scores.loc[scores["strategy"] == "hybrid", "correct"] = correct
    run_folder.write_table(path, scores)


@pytest.mark.parametrize(
    ("correct", "badge"),
    [(True, "Better"), (False, "Worse"), (None, "No difference beyond chance")],
)
def test_the_page_says_what_is_better_worse_or_chance_and_shows_what_turned(
    first, second, correct, badge
):
    if correct is not None:
        first_strategy(second, correct)
    page = write_comparison(first, second)
    assert page == second / "against_first.html"
    words = page.read_text()
    assert (
        f'<p class="badge">{badge}</p>' in words
        and "hybrid" in words
        and "default-src 'none'" in words
    )
    scores = [
        run_folder.read_table(run / "evaluation" / "scores.parquet") for run in (first, second)
    ]
    was, now = (
        t[t["strategy"] == "hybrid"].set_index("item_id")["correct"].astype(bool) for t in scores
    )
    now = now.reindex(was.index)
    told = f"{(~was & now).sum()} were wrong in first and are right in second, and {(was & ~now).sum()} were right and are wrong"
    assert told in words
    if correct is None:
        assert "Nothing was set differently." in words and "Every step found the same." in words


def test_the_page_tells_what_was_set_differently_and_that_it_cannot_be_put_down_to_one(
    first, second
):
    change(second, "training", lora_r=99, num_train_epochs=3.0)
    words = write_comparison(first, second).read_text()
    assert (
        "training.lora_r" in words
        and "2 values were set differently: a difference cannot be put down to one of them."
        in words
    )


def test_runs_without_a_common_question_are_no_comparison(first, second, capsys):
    path = second / "data" / "examples.parquet"
    examples = run_folder.read_table(path)
    run_folder.write_table(path, examples.assign(output="another answer"))
    words = write_comparison(first, second).read_text()
    assert "share no test question" in words and "Questions that turned" not in words
    shutil.rmtree(second / "evaluation")
    assert "Both runs must have run 07_evaluation" in write_comparison(first, second).read_text()
    assert cli.main(["compare", str(first), str(second), "--html"]) == 0
    assert capsys.readouterr().out.strip() == str(second / "against_first.html")


def test_nothing_from_the_data_runs_on_the_page(tmp_path):
    runs_ = [make_run(tmp_path / name, hostile=HOSTILE, n=60) for name in ("one", "two")]
    words = write_comparison(*runs_).read_text()
    assert "<script>alert" not in words and "&lt;script&gt;" in words
