"""Doubtful right answers are told beside the verdict."""

import pytest

from ftkit.core.records.base import Estimate
from ftkit.core.records.data import Agreement, DataCard, LabelCheck
from ftkit.report.label_noise import label_noise


def share(value):
    return Estimate(value=value, low=value - 0.02, high=min(1, value + 0.02), n=200, method="made")


def card(*ceilings, annotators=None):
    checks = [
        LabelCheck(
            field=f"f{k}",
            accuracy=0.9,
            majority=0.4,
            reliable=c is not None,
            test_ceiling=c and share(c),
        )
        for k, c in enumerate(ceilings)
    ]
    together = annotators and Agreement(
        annotators=["a", "b"],
        rows=200,
        disputed=20,
        alpha=share(0.8),
        kappas={},
        ceiling=share(annotators),
    )
    return DataCard.model_construct(label_checks=checks, agreement=together)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (card(0.98, 0.93), "7.0% of the right answers"),
        (card(0.98, annotators=0.9), "10.0% of the labels differ"),
    ],
)
def test_the_largest_doubt_says_how_far_accuracy_may_move(made, says):
    said = label_noise(made)
    assert said.startswith(says) and f"up to {float(says.split('%')[0]):.1f} points" in said


@pytest.mark.parametrize("made", [card(), card(None), card(1.0, annotators=1.0)])
def test_where_nothing_is_doubted_nothing_is_said(made):
    assert label_noise(made) == ""
