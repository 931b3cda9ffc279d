"""Direct preference optimisation on top of the tuned adapter, with TRL's DPOTrainer; the adapter as it was is the reference.

Source: R. Rafailov et al., "Direct preference optimization" (2023).
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
from ftkit.training.refine import check_adapter, refine

Progress = Callable[[int, int, str], None]


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
    sides = [[*local.tokenizer(text, add_special_tokens=False)["input_ids"], *end] for text in (chosen, rejected)]
    return Preferred(local.prompt_ids(messages)[0], *sides)


def train(
    local: LocalModel, pairs: Sequence[Preferred], held: Sequence[Preferred], p: PreferenceParameters, folder: Path, base_folder: Path,
    progress: Progress | None = None,
) -> tuple[list[PreferencePoint], float]:  # fmt: skip
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
        raise BadInput(f"{len(pairs)} pairs to learn from and {len(held)} to measure", where="preference", todo="give more pairs")

    def learn() -> list[PreferencePoint]:
        trainer = _trainer(local, pairs, held, p, folder, progress)
        first = trainer.evaluate()
        trainer.train()
        return log_points([{"step": 0, **first}, *trainer.state.log_history])

    return refine(local, learn, p, folder, base_folder, "preference.per_device_train_batch_size")


def _trainer(local: LocalModel, pairs: Sequence[Preferred], held: Sequence[Preferred], p: PreferenceParameters, folder: Path, progress: Progress | None) -> Any:  # fmt: skip
    import torch
    from datasets import Dataset
    from transformers import PrinterCallback, TrainerCallback
    from trl.trainer.dpo_config import DPOConfig
    from trl.trainer.dpo_trainer import DPOTrainer

    class Encoded(DPOTrainer):
        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset  # encoded already, with the very prompt tokens that the model is asked with

    class Watch(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if progress and logs and "loss" in logs:
                progress(state.global_step, state.max_steps, f"loss {float(logs['loss']):.3g}")

    on_gpu = torch.cuda.is_available()
    steps = max(1, math.ceil(len(pairs) / p.per_device_train_batch_size))
    config = DPOConfig(
        output_dir=str(folder / "checkpoints"), num_train_epochs=p.num_train_epochs, learning_rate=p.learning_rate, beta=p.beta, seed=p.seed,
        data_seed=p.seed, per_device_train_batch_size=p.per_device_train_batch_size, per_device_eval_batch_size=p.per_device_train_batch_size,
        lr_scheduler_type="cosine", warmup_steps=0.1, logging_steps=1, eval_strategy="steps", eval_steps=max(1, steps // 4), save_strategy="no", report_to=[],
        disable_tqdm=True, use_cpu=not on_gpu, bf16=on_gpu, gradient_checkpointing=False, max_length=None, remove_unused_columns=False,
        dataloader_pin_memory=on_gpu, logging_nan_inf_filter=False,
    )  # fmt: skip
    rows = [Dataset.from_list([vars(pair) for pair in part]) for part in (pairs, held)]
    trainer = Encoded(
        model=local.model,
        args=config,
        train_dataset=rows[0],
        eval_dataset=rows[1],
        processing_class=local.tokenizer,
        callbacks=[Watch()],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def log_points(history: Sequence[dict[str, Any]]) -> list[PreferencePoint]:
    """Return a preference trainer's log: training loss and margin per step, validation figures where they were measured."""
    found = []
    for row in history:
        if "loss" not in row and "eval_loss" not in row:
            continue
        found.append(PreferencePoint(
            step=int(row["step"]), loss=_number(row.get("loss")), margin=_number(row.get("rewards/margins")),
            held_loss=_number(row.get("eval_loss")), held_margin=_number(row.get("eval_rewards/margins")),
            held_accuracy=_number(row.get("eval_rewards/accuracies")),
        ))  # fmt: skip
    return found


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
