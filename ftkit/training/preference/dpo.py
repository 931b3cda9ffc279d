"""Direct preference optimisation on top of the tuned adapter, with TRL's DPOTrainer; the adapter as it was is the reference.

Source: R. Rafailov et al., "Direct preference optimization" (2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ftkit.core.errors import BadInput
from ftkit.core.parameters.preference import PreferenceParameters
from ftkit.core.records.training import PreferencePoint
from ftkit.models.chat import Messages
from ftkit.models.local import LocalModel
from ftkit.training.preference.preference_trainer import Progress, check_adapter, learn_rows, refine


@dataclass
class Preferred:
    """One encoded pair.

    Attributes:
        prompt_ids: Tokens of the prompt.
        chosen_ids: Tokens of the better answer, its end token included.
        rejected_ids: Tokens of the worse one, its end token included.
    """

    prompt_ids: list[int]
    chosen_ids: list[int]
    rejected_ids: list[int]


def encode(local: LocalModel, messages: Messages, chosen: str, rejected: str) -> Preferred:
    """Encode a pair as the model will be asked: the same prompt tokens as when it answers, and the end token learnt."""
    end = [int(local.tokenizer.eos_token_id)]
    sides = [
        [*local.tokenizer(text, add_special_tokens=False)["input_ids"], *end]
        for text in (chosen, rejected)
    ]
    return Preferred(local.prompt_ids(messages)[0], *sides)


def train(
    local: LocalModel,
    pairs: Sequence[Preferred],
    held: Sequence[Preferred],
    p: PreferenceParameters,
    folder: Path,
    base_folder: Path,
    progress: Progress | None = None,
) -> tuple[list[PreferencePoint], float]:
    """Train the adapter of a loaded model on pairs and write it to ``folder / "adapter"``.

    Args:
        local: The tuned model with its adapter; changed in place.
        pairs: Pairs to learn from.
        held: Pairs from validation, only measured.
        p: Rates and sizes.
        folder: The stage's folder.
        base_folder: Folder of the base's weights.
        progress: Called with step, steps and a note.

    Returns:
        The log, and the seconds that it took.

    Raises:
        BadInput: The model has no adapter, or there are no pairs.
        FtkitError: The loss is not a number any more, memory ran out, or the disk is full.
    """
    check_adapter(local)
    if not pairs or not held:
        raise BadInput(
            f"{len(pairs)} pairs to learn from and {len(held)} to measure",
            where="preference",
            todo="give more pairs",
        )

    def learn(resume: str | None) -> list[PreferencePoint]:
        from trl.trainer.dpo_config import DPOConfig
        from trl.trainer.dpo_trainer import DPOTrainer

        rows, measured = ([vars(pair) for pair in part] for part in (pairs, held))
        return learn_rows(DPOTrainer, DPOConfig, local, rows, measured, p, folder, progress, resume)

    return refine(
        local,
        learn,
        p,
        folder,
        base_folder,
        "preference.per_device_train_batch_size",
        [list(pairs), list(held)],
    )
