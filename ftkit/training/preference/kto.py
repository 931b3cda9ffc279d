"""Tuning on single answers that people called good or bad, with TRL's KTOTrainer; the adapter as it was is the reference.

Feedback from production comes this way: a thumb up or down for one answer, and no second answer to compare it with.

Source: K. Ethayarajh et al., "KTO: Model Alignment as Prospect Theoretic Optimization" (ICML 2024).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.parameters.preference import PreferenceParameters
from ftkit.core.records.training import PreferencePoint
from ftkit.models.chat import Messages
from ftkit.models.local import LocalModel
from ftkit.training.preference.preference_trainer import Progress, check_adapter, learn_rows, refine

FEWEST_OF_A_KIND = 4


@dataclass
class Graded:
    """One encoded answer.

    Attributes:
        prompt_ids: Tokens of the prompt.
        completion_ids: Tokens of the answer, its end token included.
        label: Whether it is a good one.
    """

    prompt_ids: list[int]
    completion_ids: list[int]
    label: bool


def encode(local: LocalModel, messages: Messages, answer: str, good: bool) -> Graded:
    """Encode an answer as the model will be asked for it: the same prompt tokens, and the end token learnt."""
    ids = local.tokenizer(answer, add_special_tokens=False)["input_ids"]
    return Graded(local.prompt_ids(messages)[0], [*ids, int(local.tokenizer.eos_token_id)], good)


def train(
    local: LocalModel,
    graded: Sequence[Graded],
    held: Sequence[Graded],
    p: PreferenceParameters,
    folder: Path,
    base_folder: Path,
    progress: Progress | None = None,
) -> tuple[list[PreferencePoint], float]:
    """Train the adapter of a loaded model on graded answers and write it to ``folder / "adapter"``.

    The rarer kind weighs more, so that both kinds weigh the same in all.

    Args:
        local: The tuned model with its adapter; changed in place.
        graded: Answers to learn from.
        held: Answers that are only measured.
        p: Rates and sizes.
        folder: The stage's folder.
        base_folder: Folder of the base's weights.
        progress: Called with step, steps and a note.

    Returns:
        The log, and the seconds that it took.

    Raises:
        BadInput: The model has no adapter, too few answers of a kind, or a batch of one, which gives no reference.
        FtkitError: The loss is not a number any more, memory ran out, or the disk is full.
    """
    check_adapter(local)
    good, bad = sum(g.label for g in graded), sum(not g.label for g in graded)
    if min(good, bad) < FEWEST_OF_A_KIND or not held:
        raise BadInput(
            f"{good} good and {bad} bad answers to learn from, {len(held)} to measure: at least {FEWEST_OF_A_KIND} of each kind are needed",
            where="preference.pairs",
            todo="collect more, good and bad ones",
        )
    if p.per_device_train_batch_size < 2:
        raise BadInput(
            "kto compares answers within a batch",
            where="preference.per_device_train_batch_size",
            todo="use at least 2",
        )

    def learn(resume: str | None) -> list[PreferencePoint]:
        from trl.trainer.kto_config import KTOConfig
        from trl.trainer.kto_trainer import KTOTrainer

        rows, measured = (
            _with_others(part, p.per_device_train_batch_size) for part in (graded, held)
        )
        weights = {
            "desirable_weight": max(1.0, bad / good),
            "undesirable_weight": max(1.0, good / bad),
        }
        return learn_rows(
            KTOTrainer, KTOConfig, local, rows, measured, p, folder, progress, resume, **weights
        )

    return refine(
        local,
        learn,
        p,
        folder,
        base_folder,
        "preference.per_device_train_batch_size",
        [list(graded), list(held)],
    )


def _with_others(graded: Sequence[Graded], size: int) -> list[dict[str, Any]]:
    """Return rows with the answer to another prompt of the same batch, from which the trainer estimates the divergence."""
    rows = []
    for start in range(0, len(graded), size):
        batch = graded[start : start + size]
        others = [batch[-1].completion_ids, *(g.completion_ids for g in batch[:-1])]
        rows += [
            {**vars(g), "KL_completion_ids": other} for g, other in zip(batch, others, strict=True)
        ]
    return rows
