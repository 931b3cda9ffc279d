"""Tuning on single answers that people called good or bad, with TRL's KTOTrainer; the adapter as it was is the reference.

Feedback from production comes this way: a thumb up or down for one answer, and no second answer to compare it with.

Source: K. Ethayarajh et al., "KTO: Model Alignment as Prospect Theoretic Optimization" (ICML 2024).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.errors import BadInput
from ftkit.models.chat import Messages
from ftkit.models.local import LocalModel
from ftkit.params import PreferenceParameters
from ftkit.records import PreferencePoint
from ftkit.training.dpo import log_points
from ftkit.training.refine import check_adapter, refine

Progress = Callable[[int, int, str], None]
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
    local: LocalModel, graded: Sequence[Graded], held: Sequence[Graded], p: PreferenceParameters, folder: Path, base_folder: Path,
    progress: Progress | None = None,
) -> tuple[list[PreferencePoint], float]:  # fmt: skip
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
            where="preference.pairs", todo="collect more, good and bad ones",
        )  # fmt: skip
    if p.per_device_train_batch_size < 2:
        raise BadInput(
            "kto compares answers within a batch", where="preference.per_device_train_batch_size", todo="use at least 2"
        )

    def learn() -> list[PreferencePoint]:
        trainer = _trainer(local, graded, held, p, folder, progress)
        first = trainer.evaluate()
        trainer.train()
        return log_points([{"step": 0, **first}, *trainer.state.log_history])

    return refine(local, learn, p, folder, base_folder, "preference.per_device_train_batch_size")


def _trainer(local: LocalModel, graded: Sequence[Graded], held: Sequence[Graded], p: PreferenceParameters, folder: Path, progress: Progress | None) -> Any:  # fmt: skip
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl.trainer.kto_config import KTOConfig
    from trl.trainer.kto_trainer import KTOTrainer

    class Encoded(KTOTrainer):
        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset  # encoded already, with the very prompt tokens that the model is asked with

    class Watch(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if progress and logs and "loss" in logs:
                progress(state.global_step, state.max_steps, f"loss {float(logs['loss']):.3g}")

    on_gpu, size = torch.cuda.is_available(), p.per_device_train_batch_size
    good, bad = sum(g.label for g in graded), sum(not g.label for g in graded)
    config = KTOConfig(
        output_dir=str(folder / "checkpoints"), num_train_epochs=p.num_train_epochs, learning_rate=p.learning_rate, beta=p.beta, seed=p.seed,
        data_seed=p.seed, per_device_train_batch_size=size, per_device_eval_batch_size=size,
        desirable_weight=max(1.0, bad / good), undesirable_weight=max(1.0, good / bad), lr_scheduler_type="cosine", warmup_steps=0.1, logging_steps=1,
        eval_strategy="steps", eval_steps=max(1, math.ceil(len(graded) / size) // 4), save_strategy="no", report_to=[], disable_tqdm=True, use_cpu=not on_gpu,
        bf16=on_gpu, gradient_checkpointing=False, max_length=None, remove_unused_columns=False, dataloader_pin_memory=on_gpu, logging_nan_inf_filter=False,
    )  # fmt: skip
    rows = [Dataset.from_list(_with_others(part, size)) for part in (graded, held)]
    trainer = Encoded(
        model=local.model, args=config, train_dataset=rows[0], eval_dataset=rows[1], processing_class=local.tokenizer, callbacks=[Watch()],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)
    return trainer


def _with_others(graded: Sequence[Graded], size: int) -> list[dict[str, Any]]:
    """Return rows with the answer to another prompt of the same batch, from which the trainer estimates the divergence."""
    rows = []
    for start in range(0, len(graded), size):
        batch = graded[start : start + size]
        others = [batch[-1].completion_ids, *(g.completion_ids for g in batch[:-1])]
        rows += [{**vars(g), "KL_completion_ids": other} for g, other in zip(batch, others, strict=True)]
    return rows
