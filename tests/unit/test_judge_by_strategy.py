"""Grades by strategy: bad ones are refused, unequal errors are seen, and estimates are right whatever the judge's errors."""

import numpy as np
import pytest

from ftkit.core.errors import BadInput
from ftkit.core.records.evaluation import Grades
from ftkit.evaluation.judge_by_strategy import grades, rectifier, unequal, weight


def counts(name, *four):
    keys = ("right_called_right", "right_called_wrong", "wrong_called_right", "wrong_called_wrong")
    return Grades(strategy=name, **dict(zip(keys, four, strict=True)))


def test_grades_of_a_strategy_that_is_not_under_test_are_refused_by_its_name():
    with pytest.raises(BadInput, match="'stranger', which is not under test"):
        grades(["RAG", "stranger"], [True] * 2, [True] * 2, ["RAG"])


@pytest.mark.parametrize("few", [0, 1, 19])
def test_too_few_grades_of_a_strategy_are_refused_with_their_number(few):
    with pytest.raises(BadInput, match=rf"{few} grade\(s\) of answers of 'RAG'"):
        grades(["RAG"] * few, [True] * few, [True] * few, ["RAG"])


def test_grades_are_counted_by_what_people_and_the_judge_said():
    human, judged = [True] * 14 + [False] * 6, [True] * 12 + [False] * 2 + [True] * 5 + [False]
    assert grades(["RAG"] * 20, human, judged, ["RAG"]) == [counts("RAG", 12, 2, 5, 1)]


def test_unequal_errors_show_and_equal_ones_do_not():
    assert unequal([counts("a", 90, 10, 10, 90), counts("b", 90, 10, 10, 90)]) == 1.0
    assert unequal([counts("a", 90, 10, 5, 95), counts("b", 90, 10, 40, 60)]) < 1e-6


def test_a_judge_that_tells_nothing_gets_no_weight_and_a_perfect_one_nearly_all():
    assert weight([counts("a", 50, 50, 50, 50)], 1000) == 0.0
    assert weight([counts("a", 60, 0, 0, 40)], 100_000) > 0.99


@pytest.mark.parametrize("lam", [0.0, 0.4, 1.0])
def test_the_share_is_unbiased_for_a_lenient_judge_at_any_weight(lam):
    rng, estimates = np.random.default_rng(3), []
    for _ in range(400):
        right = rng.random(400) < 0.6
        called = right | (rng.random(400) < 0.5)  # half of the wrong answers pass
        h, j = right[:100], called[:100]
        four = [int(x.sum()) for x in (h & j, h & ~j, ~h & j, ~h & ~j)]
        mean, variance = rectifier(counts("a", *four), lam)
        estimates.append(lam * called.mean() + mean)
        assert variance > 0
    assert np.mean(estimates) == pytest.approx(0.6, abs=0.01)
