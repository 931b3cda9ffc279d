"""Did it learn? A plain verdict from the loss curve, with what to change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from ftkit.records import TrainPoint

Verdict = Literal["learnt", "underfit", "overfit", "diverged"]


def judge(log: Sequence[TrainPoint], first_validation_loss: float) -> tuple[Verdict, str]:
    """Judge a training run.

    Args:
        log: Points in order of steps.
        first_validation_loss: Validation loss of the untrained model, in nats per token.

    Returns:
        The verdict and what to change. Diverged: a loss that is not finite, or the best validation loss above the
        untrained one. Overfit: the last validation loss more than 10% above the best. Underfit: the last evaluation
        still improved the best by more than 5%.
    """
    validation = [p.validation_loss for p in log if p.validation_loss is not None]
    losses = [p.loss for p in log if p.loss is not None] + validation
    if not validation or any(not math.isfinite(v) for v in losses) or min(validation) > first_validation_loss:
        return "diverged", "lower training.learning_rate to a third and train again"
    best = min(validation)
    if validation[-1] > 1.1 * best:
        return "overfit", "the best checkpoint was kept; fewer epochs would do, or more examples"
    if len(validation) > 1 and validation[-1] == best and validation[-1] < 0.95 * validation[-2]:
        return "underfit", "it was still improving when it stopped: raise training.num_train_epochs"
    return "learnt", "nothing to change"
