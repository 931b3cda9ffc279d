"""Sample sizes agree with the published figures and with each other."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from ftkit.core import power
from ftkit.core.errors import BadInput
from ftkit.report import power_words


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


def test_more_strategies_clusters_and_looks_need_larger_differences():
    single, few = list(range(240)), [k % 87 for k in range(240)]
    two = power.detectable_before(single, 2)
    assert two == pytest.approx(power.detectable_points(240), abs=1.0)
    assert (
        two + 1.5 < power.detectable_before(single, 5) < power.detectable_before(single, 5, look=3)
    )
    assert two + 1.5 < power.detectable_before(few, 2) < power.detectable_before(few, 5)


def test_measured_answers_say_what_would_show():
    rng = np.random.default_rng(0)
    right = (rng.random((400, 3)) < 0.7).astype(float)
    same = right.copy()
    same[:380, 1] = same[:380, 2] = same[:380, 0]
    assert power.detectable_difference(same) < 6 < power.detectable_difference(right)
    clustered = power.detectable_difference(right, [k // 100 for k in range(400)])
    assert clustered > power.detectable_difference(right), (
        "four clusters leave few degrees of freedom"
    )


def test_one_cluster_shows_nothing():
    assert power.detectable_before(["a"] * 50, 2) == 100.0
    assert power.detectable_difference(np.eye(2), ["a", "a"]) == 100.0


def test_one_strategy_is_not_compared():
    for call in (
        lambda: power.detectable_before([1, 2], 1),
        lambda: power.detectable_difference([[1.0], [0.0]]),
    ):
        with pytest.raises(BadInput, match="compared"):
            call()


def test_looks_out_of_order_are_refused():
    with pytest.raises(BadInput, match="count looks from 1"):
        power.detectable_before([1, 2, 3], 2, look=0)


def test_the_sentence_names_strategies_clusters_and_the_look():
    items = pd.DataFrame(
        {"id": range(240), "group": [f"c{k % 87}" for k in range(240)], "cluster": None}
    )
    said = power_words.before(items, 5, 2)
    points = power.detectable_before([k % 87 for k in range(240)], 5, 2)
    assert "240 questions in 87 clusters and 5 strategies, look 2" in said
    assert f"{points:.1f} points" in said and "half alike" in said
    assert "half alike" not in power_words.before(items.assign(group=""), 5, 1)


@pytest.mark.parametrize("strategies", [1, 3])
def test_the_sentence_after_the_answers_counts_only_strategies_that_were_measured(strategies):
    rng, names = np.random.default_rng(0), ["a", "b", "c", "lost"]
    rows = [(f"q{k}", name, rng.random() < 0.7, f"q{k}") for name in names for k in range(60)]
    scores = pd.DataFrame(rows, columns=["item_id", "strategy", "correct", "group"])
    results = [SimpleNamespace(spec=SimpleNamespace(name=name)) for name in names[:strategies]]
    said = power_words.measured(scores, SimpleNamespace(results=results), 1)
    assert "3 strategies" in said if strategies > 1 else "compared with none" in said
