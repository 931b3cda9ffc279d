"""Did it learn? A plain verdict from the loss curve, with what to change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from ftkit.core.records.training import TrainPoint

Verdict = Literal["learnt", "underfit", "overfit", "diverged"]
GAIN = 0.05  # share of the untrained loss that must be gone before one may speak of learning
STILL_FALLING = (
    0.08  # a last pass that takes off this share of what was left: more passes would help
)
RISEN = 0.10  # last validation loss this far above the best, while training loss fell on: learning by heart
SMALLEST = 0.02  # nats; below this a rise or fall of the loss no longer changes answers


def judge(log: Sequence[TrainPoint], first_validation_loss: float) -> tuple[Verdict, str]:
    """Judge a training run.

    Args:
        log: Points in order of steps.
        first_validation_loss: Validation loss of the untrained model, in nats per token.

    Returns:
        The verdict and what to change. Diverged: a loss that is not finite, or no validation loss below the untrained
        one. Underfit: less than 5% of the untrained loss is gone, or the last evaluation is the best and still took off
        more than 8% of the one before. Overfit: the last validation loss is more than 10% (and 0.02 nats) above the
        best while the training loss had gone on falling.
    """
    validation = [p.validation_loss for p in log if p.validation_loss is not None]
    losses = [p.loss for p in log if p.loss is not None]
    if any(not math.isfinite(v) for v in [*losses, *validation]):
        return (
            "diverged",
            "the loss became infinite: lower training.learning_rate to a third and train again",
        )
    if not validation or min(validation) >= first_validation_loss:
        return (
            "diverged",
            "validation never got better than untrained: lower training.learning_rate to a third and train again",
        )
    best, last = min(validation), validation[-1]
    if last - best > max(RISEN * best, SMALLEST) and _fell_on(losses):
        return (
            "overfit",
            "the best checkpoint was kept; more examples would help, or a smaller training.lora_r",
        )
    if first_validation_loss - best < GAIN * first_validation_loss:
        return (
            "underfit",
            "it hardly learnt: raise training.learning_rate threefold or training.lora_r",
        )
    if _still_falling(validation, first_validation_loss):
        return "underfit", "it was still improving when it stopped: raise training.num_train_epochs"
    return "learnt", "nothing"


def _fell_on(losses: Sequence[float]) -> bool:
    """Return whether the training loss of the last quarter is below that of the second quarter."""
    quarter = len(losses) // 4
    if quarter == 0:
        return True
    return sum(losses[-quarter:]) < sum(losses[quarter : 2 * quarter])


def _still_falling(validation: Sequence[float], first: float) -> bool:
    before = validation[-2] if len(validation) > 1 else first
    last = validation[-1]
    return last == min(validation) and before - last > max(STILL_FALLING * before, SMALLEST)
