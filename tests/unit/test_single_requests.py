"""What one client waits: asked one question at a time, of the model itself, alike for all strategies."""

import time

import numpy as np
import pandas as pd
import pytest
from test_strategies import EXAMPLES, ITEMS, book

from ftkit.core.records.strategy import ANSWER_COLUMNS, StrategySpec
from ftkit.evaluation import single_requests
from ftkit.models.chat import Reply
from ftkit.models.reply_cache import CachedModel
from ftkit.strategies import grid


class Slow:
    """Takes 20 ms for a batch of any size, as throughput hides, and notes how many it was asked at once."""

    name, batch_size = "slow", 16

    def __init__(self):
        self.sizes = []

    def answer(self, conversations, progress=None, formats=()):
        self.sizes.append(len(conversations))
        time.sleep(0.02)
        return [
            Reply(text="x", seconds=0.02 / len(conversations), prompt_tokens=1, completion_tokens=1)
            for _ in conversations
        ]


def cached(model):
    wrapped = CachedModel.__new__(CachedModel)
    wrapped.inner, wrapped._known = model, {}
    return wrapped


def spec(model="base"):
    return StrategySpec(
        name=f"{model} one", family="prompting", model=model, prompt="zero", retriever=False
    )


def timed(model, specs, answers=None, items=ITEMS):
    return single_requests.time_single(
        specs, items, answers, lambda name: model, book=book(), examples=EXAMPLES
    )


def test_single_requests_take_the_whole_wait_where_batches_share_it():
    model = Slow()
    batch = grid.answer(spec(), model, ITEMS, book=book(), examples=EXAMPLES)
    assert batch["latency_s"].mean() < 0.005
    found = timed(model, [spec()])["base one"]
    assert model.sizes == [5, 1, 1, 1, 1, 1] and found.requests == 4, "the first one warms up"
    assert 0.02 <= found.p50_s <= found.p95_s < 0.1


def test_replies_of_a_cache_are_not_timed():
    model = Slow()
    timed(cached(model), [spec()])
    timed(cached(model), [spec()])
    assert model.sizes == [1] * 10


def test_a_slow_model_is_timed_on_three_requests(monkeypatch):
    monkeypatch.setattr(single_requests, "MOST_SECONDS", 0.01)
    items = pd.concat([ITEMS.assign(id=ITEMS["id"] + str(k)) for k in range(10)], ignore_index=True)
    assert timed(Slow(), [spec()], items=items)["base one"].requests == 3


def test_an_endpoint_is_not_asked_and_paid_again():
    answers = pd.DataFrame(columns=ANSWER_COLUMNS, index=range(3))
    answers["strategy"], answers["latency_s"] = "endpoint one", [1.0, 2.0, 3.0]
    model = Slow()
    found = timed(model, [spec("endpoint")], answers)["endpoint one"]
    assert model.sizes == [] and found.p50_s == pytest.approx(2.0) and found.requests == 3


@pytest.mark.parametrize("requests", [3, 9, 300])
def test_the_interval_of_the_95th_percentile_holds_it(requests):
    rng, truth = np.random.default_rng(1), np.exp(0.4 * 1.6448536)
    ends = [
        single_requests.p95_interval(np.exp(0.4 * rng.standard_normal(requests)).tolist())
        for _ in range(1000)
    ]
    assert 0.93 <= np.mean([low <= truth <= high for low, high in ends]) <= 0.985


def test_one_request_bounds_nothing():
    assert single_requests.p95_interval([0.2]) == (0.0, None)
