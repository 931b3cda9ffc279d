"""The luck of a seed: intervals of tuned strategies hold it where it was measured, and say so where it was not."""

import numpy as np
import pytest

from ftkit import learning_curve
from ftkit.evaluation import luck
from ftkit.params import TrainingParameters
from ftkit.records import Comparison, CurvePoint, Effect, Estimate, Evaluation, LearningCurve, StrategyResult, StrategySpec
from ftkit.statistics import paired_difference, wilson


def estimate(value, half=0.05):
    return Estimate(value=value, low=value - half, high=value + half, n=200, method="m")


def curve(*shares, examples=100, smaller=()):
    points = [CurvePoint(examples=examples, seed=k, accuracy=estimate(s)) for k, s in enumerate(shares)]
    points += [CurvePoint(examples=examples // 2, seed=k, accuracy=estimate(s)) for k, s in enumerate(smaller)]
    flat = estimate(0.5)
    return LearningCurve(points=points, scale=1, exponent=0, fitted=flat, doubled=flat, gain=estimate(0.0))


def strategy(name, model, value):
    spec = StrategySpec(name=name, family="prompting", model=model, prompt="p", retriever=False)
    return StrategyResult(
        spec=spec, accuracy=estimate(value), partial=estimate(value), format_ok=estimate(0.9), missing=0, prompt_tokens_mean=1,
        completion_tokens_mean=1, seconds_per_answer=1,
    )  # fmt: skip


def compared(a, b, value, p=0.001):
    return Comparison(a=a, b=b, difference=estimate(value, 0.04), p_value=p, p_adjusted=p, wins=1, losses=1)


def evaluation(tuned=True):
    arms = [strategy("prompting", "base", 0.5), strategy("RAG", "base", 0.55)]
    pairs = [compared("prompting", "RAG", -0.05, 0.02)]
    if tuned:
        arms += [strategy("fine-tuned", "tuned", 0.6), strategy("hybrid", "tuned", 0.7)]
        pairs += [compared("prompting", "fine-tuned", -0.1), compared("fine-tuned", "hybrid", -0.1)]
    effects = [
        Effect(name=n, meaning="", difference=estimate(0.1), p_value=0.001) for n in ("tuning", "retrieval", "interaction")
    ]
    return Evaluation(results=arms, comparisons=pairs, test_items=200, openings=[], duration_s=1, effects=effects)


def test_only_what_rests_on_the_trained_weights_is_widened():
    before = evaluation()
    after = luck.with_seeds(before, curve(0.60, 0.64, 0.62, smaller=(0.1, 0.9)))
    half = np.hypot(0.05, 4.302653 * 0.02)
    assert after.results[:2] == before.results[:2]
    assert after.results[3].accuracy.low == pytest.approx(0.7 - half) and after.results[3].accuracy.value == 0.7
    same, against_base, both_tuned = after.comparisons
    assert same.difference == before.comparisons[0].difference and both_tuned.difference == before.comparisons[2].difference
    assert against_base.difference.low < before.comparisons[1].difference.low and against_base.p_value > 0.001
    assert [e.difference == b.difference for e, b in zip(after.effects, before.effects, strict=True)] == [False, True, True]
    assert "3 trainings that differ in their seed alone lie 2.0 points apart" in after.notes[-1]
    assert all(c.p_adjusted >= c.p_value for c in after.comparisons)


def test_where_it_was_not_measured_that_is_said_and_nothing_changes():
    before = evaluation()
    for nothing in (None, curve(0.6), curve(0.6, smaller=(0.5, 0.6))):
        after = luck.with_seeds(before, nothing)
        assert after.notes == [luck.ONCE] and after.results == before.results and after.comparisons == before.comparisons
    assert luck.with_seeds(evaluation(tuned=False), None).notes == []


def test_shares_stay_shares_and_no_spread_changes_nothing():
    assert luck.wider(estimate(0.98, 0.02), 0.5, 0.0).high == 1.0 and luck.wider(estimate(0.1), 0.5, 0.0).low == 0.0
    after = luck.with_seeds(evaluation(), curve(0.6, 0.6, 0.6))
    assert [r.accuracy.low for r in after.results] == pytest.approx([r.accuracy.low for r in evaluation().results])
    assert after.comparisons[1].p_value == 0.001


@pytest.mark.parametrize("seeds", [3, 5])
def test_intervals_hold_what_another_training_would_do_as_often_as_they_say(seeds):
    """Worlds in which the share right varies by 4 points from seed to seed: the truth is the mean over all seeds."""
    rng = np.random.default_rng(seeds)
    held = {"share": 0, "share, one training": 0, "difference": 0, "difference, one training": 0}
    worlds = 400
    for _ in range(worlds):
        truth, base = 0.6, 0.5
        shares = np.clip(truth + 0.04 * rng.standard_normal(seeds + 1), 0.05, 0.95)
        others = [float((rng.random(150) < s).mean()) for s in shares[1:]]  # on 150 validation examples
        tuned, plain = (rng.random(300) < shares[0]).astype(float), (rng.random(300) < base).astype(float)
        own, apart = wilson(tuned.sum(), 300), paired_difference(tuned.tolist(), plain.tolist(), list(range(300)), 200)
        n, sd = luck.spread(curve(*others))
        more = {3: 4.302653, 5: 2.776445}[n] * sd
        for name, e, true, least in (("share", own, truth, 0.0), ("difference", apart, truth - base, -1.0)):
            held[f"{name}, one training"] += e.low <= true <= e.high
            wide = luck.wider(e, more, least)
            held[name] += wide.low <= true <= wide.high
    assert min(held["share"], held["difference"]) >= 0.95 * worlds, held
    assert held["share, one training"] < 0.85 * worlds, "what is told without it is too narrow"


def test_other_seeds_alone_are_told_as_such():
    said = learning_curve.learned(curve(0.60, 0.64, 0.62), TrainingParameters(curve_shares=[1.0]), 100, 60.0)
    assert said == "3 trainings on all examples, each with its own seed, get 60% to 64% of the validation examples right."
