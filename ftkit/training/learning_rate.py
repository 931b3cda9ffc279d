"""Does the loss fall at this learning rate? A few steps before the long run, forgotten again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ftkit.core.errors import FtkitError
from ftkit.core.parameters.training import TrainingParameters
from ftkit.models.load import quiet
from ftkit.training.batch import answer_loss, backward, collate, on_device, rows_of
from ftkit.training.encode import Encoded
from ftkit.training.methods import wrap_lora

STEPS, WARM = 6, 2  # steps of a trial, and those in which the rate rises
TOKENS = 512  # of a trial's batch: a smaller batch learns less surely, so what passes here passes with a larger one
LOWER, TRIES = 4.0, 5
NOISE = 0.05  # nats that the loss may rise by chance
CLEAR, SHARE = 0.8, 0.75
"""A loss that falls below CLEAR of what it was needs no second look. Else lower rates are tried too, and must not make it
fall more than the rate does by SHARE: weights that are lost end near chance, which is lower than a first loss above it."""


def proven(
    model: Any,
    tokenizer: Any,
    train_set: Sequence[Encoded],
    p: TrainingParameters,
    *,
    lower: bool,
    micro_batch_tokens: int = 0,
) -> float:
    """Return the learning rate of the parameters, or the highest of a quarter, a 16th, a 64th and a 256th of it at which the loss falls.

    The loss is that of examples that the steps learn from, before and after: it falls at every rate that is not too high.
    The weights are what they were, to the last bit.

    Args:
        model: The model to train, without an adapter.
        tokenizer: Its tokenizer.
        train_set: Encoded training examples.
        p: Method, rank and rate.
        lower: Whether a rate that diverges is lowered; else it is an error.
        micro_batch_tokens: Most tokens read at once; 0: no limit.

    Raises:
        FtkitError: The loss rises, becomes infinite or falls far less than at a lower rate, and the rate was set by the
            user, or no lower one is better.
    """
    import torch

    batches = _batches(train_set, p.per_device_train_batch_size, p.seed)
    state, tuned = torch.random.get_rng_state(), model
    try:
        with quiet():
            tuned = wrap_lora(model, p) if p.method != "full" else model
            size = micro_batch_tokens
            before, after = _trial(tuned, tokenizer, batches, p.learning_rate, size)
            fell, rate = {p.learning_rate: before - after}, p.learning_rate
            if after > CLEAR * before:
                for power in range(1, TRIES):
                    tried = p.learning_rate / LOWER**power
                    fell[tried] = before - _trial(tuned, tokenizer, batches, tried, size)[1]
                most = max(fell.values())
                good = [r for r, fall in fell.items() if fall >= SHARE * most - NOISE]
                rate = max(good) if most >= -NOISE else 0.0
    finally:
        model.zero_grad(set_to_none=True)
        if tuned is not model:
            tuned.unload()
        torch.random.set_rng_state(state)
    if rate == p.learning_rate or (rate and lower):
        return rate
    todo = f"set it to {rate:.2g}, or to 0: chosen" if rate else "look at the data and the base"
    raise FtkitError(
        f"at {p.learning_rate:g} the loss goes from {before:.3g} to {after:.3g} within {STEPS} steps",
        where="training.learning_rate",
        todo=todo,
    )


def _batches(train_set: Sequence[Encoded], size: int, seed: int) -> list[list[Encoded]]:
    """Return random batches, each of so few tokens that a trial is short."""
    import random

    order = random.Random(seed).sample(range(len(train_set)), len(train_set))
    found: list[list[Encoded]] = [[]]
    while len(found) <= STEPS:
        for place in order:
            one, batch = train_set[place], found[-1]
            tokens = sum(len(e.input_ids) for e in [*batch, one])
            if batch and (len(batch) == size or tokens > TOKENS):
                found.append([])
            found[-1].append(one)
        found.append([])
    return [batch for batch in found if batch][:STEPS]


def _trial(
    model: Any, tokenizer: Any, batches: Sequence[list[Encoded]], rate: float, size: int
) -> tuple[float, float]:
    """Return the loss before and after some steps; infinite after where it is no number. The weights are put back."""
    import torch

    made = [collate(rows_of(batch), tokenizer.pad_token_id) for batch in batches]
    weights = [w for w in model.parameters() if w.requires_grad]
    kept = [w.detach().clone() for w in weights]

    def loss() -> float:
        model.eval()
        with torch.no_grad():
            values = [float(answer_loss(model, on_device(model, b))) for b in made[:WARM]]
        return sum(values) / len(values)

    before = loss()
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.0)
    try:
        for step, batch in enumerate(made):
            optimizer.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / WARM)
            model.train()
            if not math.isfinite(backward(model, batch, size)):
                return before, math.inf
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        after = loss()
        return before, after if math.isfinite(after) else math.inf
    finally:
        model.eval()
        with torch.no_grad():
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)
