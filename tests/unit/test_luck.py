"""The luck of a seed: intervals of tuned strategies hold it where it was measured, and say so where it was not."""

import numpy as np
import pytest

from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import Comparison, Effect, Evaluation, StrategyResult
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.records.training import CurvePoint, LearningCurve
from ftkit.core.statistics import wilson
from ftkit.evaluation import seed_variance
from ftkit.training import learning_curve


def estimate(value, half=0.05):
    return Estimate(value=value, low=value - half, high=value + half, n=200, method="m")


def curve(*shares, sd=None, examples=100, smaller=()):
    points = [
        CurvePoint(examples=examples, seed=k, accuracy=estimate(s)) for k, s in enumerate(shares)
    ]
    points += [
        CurvePoint(examples=examples // 2, seed=k, accuracy=estimate(s))
        for k, s in enumerate(smaller)
    ]
    flat = estimate(0.5)
    return LearningCurve(
        points=points,
        scale=1,
        exponent=0,
        fitted=flat,
        doubled=flat,
        gain=estimate(0.0),
        seed_sd=sd,
    )


def strategy(name, model, value):
    spec = StrategySpec(name=name, family="prompting", model=model, prompt="p", retriever=False)
    return StrategyResult(
        spec=spec,
        accuracy=estimate(value),
        partial=estimate(value),
        format_ok=estimate(0.9),
        missing=0,
        prompt_tokens_mean=1,
        completion_tokens_mean=1,
        seconds_per_answer=1,
    )


def compared(a, b, value, p=0.001):
    return Comparison(
        a=a, b=b, difference=estimate(value, 0.04), p_value=p, p_adjusted=p, wins=1, losses=1
    )


def evaluation(tuned=True):
    arms = [strategy("prompting", "base", 0.5), strategy("RAG", "base", 0.55)]
    pairs = [compared("prompting", "RAG", -0.05, 0.02)]
    if tuned:
        arms += [strategy("fine-tuned", "tuned", 0.6), strategy("hybrid", "tuned", 0.7)]
        pairs += [compared("prompting", "fine-tuned", -0.1), compared("fine-tuned", "hybrid", -0.1)]
    effects = [
        Effect(name=n, meaning="", difference=estimate(0.1), p_value=0.001)
        for n in ("tuning", "retrieval", "interaction")
    ]
    return Evaluation(
        results=arms,
        comparisons=pairs,
        test_items=200,
        test_accesses=[],
        duration_s=1,
        effects=effects,
    )


def test_only_what_rests_on_the_trained_weights_is_widened():
    before = evaluation()
    after = seed_variance.with_seeds(before, curve(0.60, 0.64, 0.62, sd=0.02, smaller=(0.1, 0.9)))
    half = np.hypot(0.05, 4.302653 * 0.02)
    assert after.results[:2] == before.results[:2]
    assert (
        after.results[3].accuracy.low == pytest.approx(0.7 - half)
        and after.results[3].accuracy.value == 0.7
    )
    same, against_base, both_tuned = after.comparisons
    assert (
        same.difference == before.comparisons[0].difference
        and both_tuned.difference.low < before.comparisons[2].difference.low
    )
    assert (
        against_base.difference.low < before.comparisons[1].difference.low
        and against_base.p_value > 0.001
    )
    assert [
        e.difference == b.difference for e, b in zip(after.effects, before.effects, strict=True)
    ] == [False, True, True]
    assert "3 trainings that differ in their seed alone lie 2.0 points apart" in after.notes[-1]
    assert all(c.p_adjusted >= c.p_value for c in after.comparisons)


def test_where_it_was_not_measured_that_is_said_and_nothing_changes():
    before = evaluation()
    for nothing in (None, curve(0.6), curve(0.6, smaller=(0.5, 0.6))):
        after = seed_variance.with_seeds(before, nothing)
        assert (
            after.notes == [seed_variance.ONCE]
            and after.results == before.results
            and after.comparisons == before.comparisons
        )
    assert seed_variance.with_seeds(evaluation(tuned=False), None).notes == []


def test_shares_stay_shares_and_no_spread_changes_nothing():
    assert (
        seed_variance.wider(estimate(0.98, 0.02), 0.5, 0.0).high == 1.0
        and seed_variance.wider(estimate(0.1), 0.5, 0.0).low == 0.0
    )
    after = seed_variance.with_seeds(evaluation(), curve(0.6, 0.6, 0.6, sd=0.0))
    assert [r.accuracy.low for r in after.results] == pytest.approx(
        [r.accuracy.low for r in evaluation().results]
    )
    assert after.comparisons[1].p_value == 0.001


def answers(rng, seeds, items, spread):
    """Right or wrong of trainings on the same items: items are of unequal difficulty, seeds differ, single answers flip."""
    hard, shift = rng.normal(size=items), spread * rng.normal(size=seeds)
    return rng.random((seeds, items)) < 1 / (1 + np.exp(-(0.4 + 1.5 * hard[None] + shift[:, None])))


def test_what_single_answers_flip_is_no_spread_of_seeds():
    rng = np.random.default_rng(1)
    calm = [learning_curve.seed_sd(answers(rng, 5, 150, 0.0).astype(float)) for _ in range(300)]
    wild = [learning_curve.seed_sd(answers(rng, 5, 150, 0.4).astype(float)) for _ in range(300)]
    true = np.std([answers(rng, 1, 20_000, 0.4).mean() for _ in range(200)])
    assert np.mean(np.square(calm)) < 0.02**2 and np.mean(np.square(wild)) == pytest.approx(
        true**2, rel=0.15
    )
    assert learning_curve.seed_sd(np.array([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]])) == 0


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_hold_what_another_training_would_do_about_as_often_as_they_say(seeds):
    """Worlds in which the share right varies by about 5 points from seed to seed: the truth is the mean over all seeds."""
    rng, spread, worlds = np.random.default_rng(seeds), 0.3, 600
    hard, shift = rng.normal(size=400_000), spread * rng.normal(size=400_000)
    truth = float((1 / (1 + np.exp(-(0.4 + 1.5 * hard + shift)))).mean())
    held = {"one training": 0, "with the spread": 0}
    more = {3: 4.302653, 5: 2.776445}[seeds]
    for _ in range(worlds):
        both = answers(rng, seeds, 450, spread)  # 150 validation examples, 300 test questions
        own = wilson(float(both[0, 150:].sum()), 300)
        wide = seed_variance.wider(
            own, more * learning_curve.seed_sd(both[:, :150].astype(float)), 0.0
        )
        held["one training"] += own.low <= truth <= own.high
        held["with the spread"] += wide.low <= truth <= wide.high
    assert 0.91 * worlds <= held["with the spread"] <= 0.99 * worlds, held
    assert held["one training"] < 0.85 * worlds, "what is told without it is too narrow"


def test_other_seeds_alone_are_told_as_such():
    said = learning_curve.learned(
        curve(0.60, 0.64, 0.62), TrainingParameters(curve_shares=[1.0]), 100, 60.0
    )
    assert (
        said
        == "3 trainings on all examples, each with its own seed, get 60% to 64% of the validation examples right."
    )
