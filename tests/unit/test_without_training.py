"""Prompts only: what asks for tuned weights is refused before a run, and the decision bounds what tuning could add."""

import pytest
import test_decision as planted
from made_run import make_run

from ftkit.cli import main
from ftkit.core import run_folder
from ftkit.core.errors import BadInput
from ftkit.core.parameters.files import load
from ftkit.core.records.base import Estimate
from ftkit.core.records.data import DataCard
from ftkit.core.records.training import TrainingCard
from ftkit.decision import tuning_ceiling
from ftkit.decision.decide import decide
from ftkit.evaluation.general_skills import probe_models
from ftkit.report import data_check
from ftkit.report.page import write
from ftkit.report.page_one import first
from ftkit.report.run_contents import load as contents
from ftkit.training.summary import learned
from ftkit.workflow.preflight import preflight
from ftkit.workflow.retune import retune
from ftkit.workflow.search import search

UNTRAINED = TrainingCard(method="none")


@pytest.fixture
def file(tmp_path):
    file = tmp_path / "small.yaml"
    file.write_text(f"run: {tmp_path / 'run'}\ntask: {{name: Fellmoor}}\n")
    return file


@pytest.mark.parametrize(
    "more", ["training.adapter=params", "training.elsewhere=true", "training.curve_shares=[0.5]"]
)
def test_a_training_of_none_with_weights_or_trainings_is_refused_by_name(file, more):
    name = more.partition("=")[0].partition(".")[2]
    with pytest.raises(BadInput, match=f"method none trains nothing, but {name} is set"):
        load(file, ["training.method=none", more])


@pytest.mark.parametrize(
    ("more", "found"),
    [
        ("deployment.strategy=fine-tuned", "deployment.strategy names fine-tuned"),
        ("evaluation.vote_strategies=[hybrid]", "evaluation.vote_strategies names hybrid"),
        ("preference.method=dpo", "preference.method dpo tunes the weights of 05"),
    ],
)
def test_what_asks_for_tuned_weights_is_refused_before_anything_runs(file, more, found):
    with pytest.raises(BadInput, match=found):
        preflight(load(file, ["training.method=none", more]), set())
    preflight(load(file, [more]), set())
    preflight(load(file, ["training.method=none"]), set())


def test_a_search_and_a_retuning_of_nothing_are_refused(file):
    with pytest.raises(BadInput, match="nothing is trained here"):
        search(file, overrides=["training.method=none"], trials=2)
    file.write_text(file.read_text() + "training: {method: none}\n")
    with pytest.raises(BadInput, match="nothing to tune again"):
        retune(file)


def test_a_sweep_over_a_training_that_is_left_out_is_refused(file, capsys):
    given = ["run", str(file), "--without", "training", "--sweep", "training.lora_r=8,16"]
    assert main(given) == 2
    assert "nothing is trained, so there is nothing to vary" in capsys.readouterr().err


def decided(accuracies, in_reach=None, **parameters):
    limits = {"min_accuracy": 0.3, "prices": {"seed_sd_points": 0.0}} | parameters
    return decide(
        planted.world(accuracies),
        UNTRAINED,
        planted.DATA,
        planted.SUITABILITY,
        planted.DecisionParameters(**limits),
        in_reach,
    )


def test_the_bound_of_tuning_is_the_worth_of_the_missing_answers_against_the_listed_cost():
    own = {"right_answer_usd": 0.5, "wrong_answer_usd": 1.5, "seed_sd_points": 0.0}
    reach = Estimate(value=0.2, low=0.1, high=0.4, n=20, method="Wilson")
    d = decided({"prompting": 0.5, "RAG": 0.8}, {"examples or tuning": reach}, prices=own)
    c, price = d.tuning_ceiling, {x.name: x.value for x in d.prices}
    assert c is not None and c.strategy == d.best_measured == "RAG" and c.in_reach == reach
    accuracy = next(x.accuracy for x in d.costs if x.strategy == "RAG")
    assert accuracy is not None
    assert c.gain.value == pytest.approx(1 - accuracy.value)
    assert (c.gain.low, c.gain.high) == pytest.approx((1 - accuracy.high, 1 - accuracy.low))
    assert c.worth_usd == pytest.approx(2.0 * d.answers_per_year * c.gain.value)
    minutes = price["labelling_minutes_per_example"] / 60
    examples = planted.DATA.splits["train"] + planted.DATA.splits.get("validation", 0)
    once = price["tuning_setup_hours"] + examples * minutes
    again = price["tuning_update_hours"] + price["relabel_share"] * examples * minutes
    again -= price["prompt_update_hours"]
    hours = once + price["requirement_changes_per_year"] * again
    assert c.cost_usd == pytest.approx(hours * price["labour_usd_per_hour"])
    assert c.break_even_points == pytest.approx(100 * c.cost_usd / (2.0 * d.answers_per_year))
    said = tuning_ceiling.sentence(d)
    assert "was not measured" in said and "at most" in said and "20% (10 to 40)" in said
    assert f"from a gain of {c.break_even_points:.1f} points on" in said


def test_where_perfect_answers_would_not_pay_the_bound_says_that_tuning_cannot():
    own = {"right_answer_usd": 0.001, "wrong_answer_usd": 0.001, "seed_sd_points": 0.0}
    assert "it cannot pay" in tuning_ceiling.sentence(decided({"prompting": 0.8}, prices=own))


def test_the_bound_names_how_far_the_limit_asked_for_is():
    d = decided({"prompting": 0.5}, min_accuracy=0.9)
    right = d.costs[0].accuracy
    assert right is not None
    assert f"asks for {90 - 100 * right.value:.1f} points more" in tuning_ceiling.sentence(d)


def test_where_tuned_answers_were_tested_there_is_no_bound():
    d = planted.decide(planted.world({"prompting": 0.5, "hybrid": 0.8}), training=planted.TRAINING)
    assert d.tuning_ceiling is None and tuning_ceiling.sentence(d) == ""


def test_without_tuned_weights_no_general_question_is_asked():
    assert len(probe_models(None, [], [None], lambda label: None)) == 0  # pyright: ignore


def test_the_record_of_no_training_says_so_and_nothing_else():
    title, points = learned(UNTRAINED)
    assert title == "Nothing was trained" and "not measured" in points[0]
    assert not UNTRAINED.trained and UNTRAINED.verdict == "none" and not UNTRAINED.adapter


def only_data(tmp_path, **changed):
    """A run that ended with 02, its data card changed."""
    import shutil

    run = make_run(tmp_path / "desk", n=60)
    for stage in data_check.BEYOND:
        shutil.rmtree(run / stage, ignore_errors=True)
    path = run / "data" / "data_card.json"
    card = run_folder.read_record(path, DataCard).model_copy(update=changed)
    run_folder.write_record(path, card)
    return run


def test_a_run_that_checks_the_data_only_ends_with_a_verdict_on_them(tmp_path):
    run = only_data(tmp_path, defects=[], detectable_points=4.0)
    said = data_check.ending(run)
    assert "Data checked: ready to compare" in said
    assert said[-1] == f"Notebook: {run / 'notebooks' / '02_data.ipynb'}"
    assert first(contents(run)).state == "good"
    assert "Data checked: ready to compare" in write(run).read_text()


def test_a_test_set_that_shows_too_little_is_the_first_thing_to_mend(tmp_path):
    run = only_data(tmp_path, defects=[], detectable_points=30.0)
    page = first(contents(run))
    assert page.state == "open" and page.badge == "Data checked: look at one thing first"
    assert "differences from 30.0 points on" in page.steps[0]
    assert page.steps[0] in write(run).read_text()


def test_a_run_that_went_further_has_no_ending_of_its_own(tmp_path):
    assert data_check.ending(make_run(tmp_path / "desk", n=60)) == []
