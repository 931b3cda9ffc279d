"""The verdict on planted loss curves."""

import math

import pytest

from ftkit.core.records.training import TrainPoint
from ftkit.training.verdict import judge


def log(train, validation):
    points = []
    for epoch, (loss, held) in enumerate(zip(train, validation, strict=True), 1):
        points.append(TrainPoint(step=epoch * 10, epoch=epoch, loss=loss))
        points.append(TrainPoint(step=epoch * 10, epoch=epoch, validation_loss=held))
    return points


def exponential(start, floor, rate, n):
    return [floor + (start - floor) * math.exp(-rate * k) for k in range(1, n + 1)]


@pytest.mark.parametrize("floor", [0.01, 0.3, 1.0])
def test_a_curve_that_flattens_has_learnt(floor):
    curve = exponential(2.3, floor, 1.2, 8)
    assert judge(log(curve, [v + 0.02 for v in curve]), 2.3)[0] == "learnt"


def test_a_curve_that_still_falls_steeply_is_underfit_and_wants_more_passes():
    verdict, advice = judge(log(exponential(2.3, 0.1, 0.3, 5), exponential(2.4, 0.1, 0.3, 5)), 2.4)
    assert verdict == "underfit" and "num_train_epochs" in advice


def test_a_flat_high_curve_is_underfit_and_wants_a_higher_rate():
    verdict, advice = judge(log([2.29, 2.28, 2.28], [2.30, 2.29, 2.29]), 2.31)
    assert verdict == "underfit" and "learning_rate" in advice


def test_validation_that_rises_while_training_falls_is_overfit():
    train, held = (
        [1.5, 0.8, 0.4, 0.2, 0.1, 0.05, 0.02, 0.01],
        [1.6, 1.0, 0.8, 0.75, 0.8, 0.9, 1.0, 1.1],
    )
    assert judge(log(train, held), 2.3)[0] == "overfit"


def test_noise_around_a_tiny_loss_is_not_overfitting():
    assert judge(log([0.5, 0.05, 0.004, 0.003], [0.5, 0.06, 0.005, 0.009]), 2.0)[0] == "learnt"


@pytest.mark.parametrize(
    ("train", "held"),
    [
        ([1.0, math.nan], [1.0, 1.0]),
        ([1.0, 2.0], [1.0, math.inf]),
        ([2.4, 2.9, 3.5], [2.5, 3.0, 3.6]),
    ],
    ids=["train nan", "validation infinite", "worse than untrained"],
)
def test_a_loss_that_breaks_or_never_improves_has_diverged(train, held):
    verdict, advice = judge(log(train, held), 2.3)
    assert verdict == "diverged" and "learning_rate" in advice


def test_no_evaluation_at_all_is_no_success():
    assert judge([TrainPoint(step=1, epoch=0.1, loss=1.0)], 2.0)[0] == "diverged"
