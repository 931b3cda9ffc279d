"""Sample sizes agree with the published figures and with each other."""

import numpy as np
import pytest

from ftkit.core import power
from ftkit.core.errors import BadInput


@pytest.mark.parametrize(("points", "n"), [(10, 155), (5, 626), (3, 1742)])
def test_examples_needed_are_the_published_ones(points, n):
    assert power.test_examples_needed(points) == n
    assert power.detectable_points(n) <= points < power.detectable_points(n - 1)


def test_the_promised_power_is_reached_by_simulation():
    n, rng = power.test_examples_needed(10), np.random.default_rng(0)
    draws = rng.multinomial(n, [0.15, 0.05, 0.8], size=20_000)
    z = (draws[:, 0] - draws[:, 1]) / np.sqrt(np.maximum(1, draws[:, 0] + draws[:, 1]))
    assert 0.78 < (np.abs(z) > 1.96).mean() < 0.83


def test_a_few_items_detect_nothing():
    assert power.detectable_points(5) == 100.0


@pytest.mark.parametrize("values", [(0,), (30,), (5, 0.2, 1.0), (5, 0.0)])
def test_impossible_values_are_told(values):
    with pytest.raises(BadInput):
        power.test_examples_needed(*values)


def test_a_pilot_stops_a_worse_model_and_seldom_a_good_one():
    answers, most = power.pilot_plan(0.1, 0.25)
    rng = np.random.default_rng(1)
    stopped = {p: (rng.binomial(answers, p, 200_000) > most).mean() for p in (0.1, 0.25)}
    assert stopped[0.1] <= 0.052 and stopped[0.25] >= 0.798
    less, fewer = power.pilot_plan(0.1, 0.4)
    assert less < answers and fewer < most, "a larger difference is seen sooner"


def test_a_pilot_without_a_worse_share_is_refused():
    with pytest.raises(BadInput, match="must lie between"):
        power.pilot_plan(0.3, 0.3)
