"""What DPO, KTO and RL have in common: the tuned adapter is the start and the reference, and is written only if all went well."""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ftkit.errors import BadInput, FtkitError
from ftkit.models.local import LocalModel, quiet
from ftkit.params import PreferenceParameters
from ftkit.records import PreferencePoint
from ftkit.training.keep import save_weights

Progress = Callable[[int, int, str], None]


def check_adapter(local: LocalModel) -> None:
    """Refuse a model without an adapter: it is the reference and the start.

    Raises:
        BadInput: 05 tuned all weights.
    """
    from peft import PeftModel

    if not isinstance(local.model, PeftModel):
        raise BadInput(
            "is trained on top of a LoRA adapter, and 05 tuned all weights", where="preference.method",
            todo="use method none, or training.method lora",
        )  # fmt: skip


def refine(
    local: LocalModel, learn: Callable[[], list[PreferencePoint]], p: PreferenceParameters, folder: Path, base_folder: Path, smaller: str
) -> tuple[list[PreferencePoint], float]:  # fmt: skip
    """Train the adapter of a loaded model further and write it to ``folder / "adapter"``.

    Args:
        local: The tuned model with its adapter; changed in place.
        learn: Trains it and returns the log.
        p: The stage's parameters.
        folder: The stage's folder.
        base_folder: Folder of the base's weights.
        smaller: Parameters to lower where memory runs out.

    Returns:
        The log, and the seconds that it took.

    Raises:
        FtkitError: The loss is not a number any more, memory ran out, or the disk is full.
    """
    began = time.monotonic()
    for name, weight in local.model.named_parameters():
        weight.requires_grad_(".lora_" in name)
    with quiet():
        try:
            log = learn()
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or "memory" in str(error).lower():
                raise FtkitError("out of memory", where="preference", todo=f"lower {smaller}") from error
            raise
        if any(not math.isfinite(x.loss) for x in log if x.loss is not None):
            todo = "lower preference.learning_rate to a third"
            raise FtkitError("the loss is not a number any more", where="preference", todo=todo)
        save_weights(local.model, local.tokenizer, folder, p.base_model, base_folder, selected_adapters=["default"])
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    local.model.eval()
    return log, time.monotonic() - began


def options(p: PreferenceParameters, folder: Path) -> dict[str, Any]:
    """Return the settings that all of TRL's preference trainers get here."""
    import torch

    on_gpu, size = torch.cuda.is_available(), p.per_device_train_batch_size
    return {
        "output_dir": str(folder / "checkpoints"), "num_train_epochs": p.num_train_epochs, "learning_rate": p.learning_rate, "beta": p.beta,
        "seed": p.seed, "data_seed": p.seed, "per_device_train_batch_size": size, "lr_scheduler_type": "cosine", "warmup_steps": 0.1, "logging_steps": 1,
        "save_strategy": "no", "report_to": [], "disable_tqdm": True, "use_cpu": not on_gpu, "bf16": on_gpu, "gradient_checkpointing": False,
        "remove_unused_columns": False, "dataloader_pin_memory": on_gpu, "logging_nan_inf_filter": False,
    }  # fmt: skip


def watch(progress: Progress | None, figure: str) -> Any:
    """Return the callback that tells a figure of the trainer's log, e.g. ``loss``, at each step."""
    from transformers import TrainerCallback

    class Watch(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
            if progress and logs and figure in logs:
                progress(state.global_step, state.max_steps, f"{figure} {float(logs[figure]):.3g}")

    return Watch()


def learn_rows(
    trainer: Any, config: Any, local: LocalModel, rows: Sequence[dict[str, Any]], held: Sequence[dict[str, Any]], p: PreferenceParameters,
    folder: Path, progress: Progress | None, **more: Any,
) -> list[PreferencePoint]:  # fmt: skip
    """Train with one of TRL's trainers on rows that are encoded already, and return the log; four times an epoch the held ones are measured.

    Args:
        trainer: The trainer's class.
        config: Its configuration's class.
        local: The model with its adapter; changed in place.
        rows: What is learnt from, with the very prompt tokens that the model is asked with.
        held: What is only measured.
        p: Rates and sizes.
        folder: The stage's folder.
        progress: Called with step, steps and a note.
        more: Further settings of the configuration.
    """
    from datasets import Dataset
    from transformers import PrinterCallback

    class Encoded(trainer):
        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

    size = p.per_device_train_batch_size
    steps = max(1, math.ceil(len(rows) / size))
    settings = config(
        **options(p, folder),
        per_device_eval_batch_size=size,
        eval_strategy="steps",
        eval_steps=max(1, steps // 4),
        max_length=None,
        **more,
    )
    made = Encoded(
        model=local.model, args=settings, train_dataset=Dataset.from_list(list(rows)), eval_dataset=Dataset.from_list(list(held)),
        processing_class=local.tokenizer, callbacks=[watch(progress, "loss")],
    )  # fmt: skip
    made.remove_callback(PrinterCallback)
    first = made.evaluate()
    made.train()
    return _points([{"step": 0, **first}, *made.state.log_history])


def _points(history: Sequence[dict[str, Any]]) -> list[PreferencePoint]:
    """Return the log: training loss and margin per step, validation figures where they were measured."""
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
