"""The order of a training's examples: all of them, mixed from step to step, little padded, the same again when asked again."""

import random

from ftkit.training.trainer import NEAR, OrderOfEpoch

SIZE = 8


def lengths(count):
    """Two kinds of examples, short and long, in random order."""
    drawn = random.Random(0)
    return [drawn.choice((20, 200)) + drawn.randrange(10) for _ in range(count)]


def batches(order):
    found = list(order)
    return [found[i : i + SIZE] for i in range(0, len(found), SIZE)]


def test_every_epoch_holds_every_example_once_in_an_order_of_its_own():
    order = OrderOfEpoch(lengths(203), SIZE, seed=7)
    found = []
    for epoch in range(3):
        order.set_epoch(epoch)
        found.append(list(order))
        assert list(order) == found[-1] and sorted(found[-1]) == list(range(len(order))) == list(
            range(203)
        )
    again = OrderOfEpoch(lengths(203), SIZE, seed=7)
    again.set_epoch(1)
    assert found[0] != found[1] != found[2] and list(again) == found[1]
    assert list(OrderOfEpoch(lengths(203), SIZE, seed=8)) != found[0]


def test_long_and_short_examples_alternate_and_little_is_padded():
    told = lengths(800)
    found = batches(OrderOfEpoch(told, SIZE, seed=7))
    means = [sum(told[i] for i in batch) / SIZE for batch in found]
    for start in range(0, len(found) - NEAR, NEAR):
        assert min(means[start : start + NEAR]) < 60 and max(means[start : start + NEAR]) > 150, (
            "a few steps see both kinds"
        )
    padded = sum(max(told[i] for i in batch) * SIZE for batch in found)
    plain = batches(random.Random(1).sample(range(800), 800))
    unsorted = sum(max(told[i] for i in batch) * SIZE for batch in plain)
    assert padded < 1.25 * sum(told) < unsorted
