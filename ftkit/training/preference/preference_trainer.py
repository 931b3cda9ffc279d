"""What DPO, KTO and RL have in common: the tuned adapter is the start and the reference, and is written only if all went well.

Stopped at any point, the same call goes on from the last checkpoint; other data, settings or weights start anew.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.preference import PreferenceParameters
from ftkit.core.records.training import PreferencePoint
from ftkit.core.run_folder import write_text
from ftkit.models.load import follow_load, quiet
from ftkit.models.local import LocalModel
from ftkit.training.checkpoints import last_checkpoint, note_seconds, save_weights, seconds_before
from ftkit.training.distributed import check_equal, forget_evaluation

Progress = Callable[[int, int, str], None]
KEY, FIRST = "refined_from.txt", "before_refining.json"
PLACES = {
    "run",
    "threads",
    "batch_size",
    "judge_url",
    "judge_model",
    "judge_most_usd",
    "judge_prices",
}
"""Parameters that change nothing of what is learnt."""


def check_adapter(local: LocalModel) -> None:
    """Refuse a model without an adapter: it is the reference and the start.

    Raises:
        BadInput: 05 tuned all weights.
    """
    from peft import PeftModel

    if not isinstance(local.model, PeftModel):
        raise BadInput(
            "is trained on top of a LoRA adapter, and 05 tuned all weights",
            where="preference.method",
            todo="use method none, or training.method lora",
        )


def refine(
    local: LocalModel,
    learn: Callable[[str | None], list[PreferencePoint]],
    p: PreferenceParameters,
    folder: Path,
    base_folder: Path,
    smaller: str,
    data: Any,
) -> tuple[list[PreferencePoint], float]:
    """Train the adapter of a loaded model further and write it to ``folder / "adapter"``.

    Args:
        local: The tuned model with its adapter; changed in place.
        learn: Trains it, from a checkpoint where one is given, and returns the log.
        p: The stage's parameters.
        folder: The stage's folder.
        base_folder: Folder of the base's weights.
        smaller: Parameters to lower where memory runs out.
        data: All that is learnt from, as plain values.

    Returns:
        The log, and the seconds that it took.

    Raises:
        FtkitError: The loss is not a number any more, memory ran out, or the disk is full.
    """
    if not together():
        open_folder(local, p, folder, data)
    began, before = time.monotonic(), seconds_before(folder)
    for name, weight in local.model.named_parameters():
        weight.requires_grad_(".lora_" in name)
    with quiet():
        try:
            log = learn(last_checkpoint(folder))
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, MemoryError) or "memory" in str(error).lower():
                raise FtkitError(
                    "out of memory", where="preference", todo=f"lower {smaller}"
                ) from error
            raise
        if any(not math.isfinite(x.loss) for x in log if x.loss is not None):
            todo = "lower preference.learning_rate to a third"
            raise FtkitError("the loss is not a number any more", where="preference", todo=todo)
        if first_process():
            save_weights(
                local.model,
                local.tokenizer,
                folder,
                p.base_model,
                base_folder,
                selected_adapters=["default"],
            )
            shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    local.model.eval()
    return log, before + time.monotonic() - began


def together() -> bool:
    """Return whether this is one of several processes that torchrun started; the one that started them opened the folder."""
    return "RANK" in os.environ


def first_process() -> bool:
    """Return whether this process writes: the only one, or the first of several."""
    return os.environ.get("RANK", "0") == "0"


def open_folder(local: LocalModel, p: PreferenceParameters, folder: Path, data: Any) -> None:
    """Remove the checkpoints of another training: of other data, settings or weights."""
    digest = hashlib.sha256(
        json.dumps(
            [p.model_dump(mode="json", exclude=PLACES), data], sort_keys=True, default=vars
        ).encode()
    )
    for name, weight in sorted(local.model.state_dict().items()):
        if ".lora_" in name:
            digest.update(weight.detach().float().cpu().numpy().tobytes())
    mark, key = folder / KEY, digest.hexdigest()
    if not mark.exists() or mark.read_text() != key:
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
        (folder / FIRST).unlink(missing_ok=True)
        write_text(mark, key)


def options(p: PreferenceParameters, folder: Path) -> dict[str, Any]:
    """Return the settings that all of TRL's preference trainers get here."""
    import torch

    on_gpu, size = torch.cuda.is_available(), p.per_device_train_batch_size
    return {
        "output_dir": str(folder / "checkpoints"),
        "num_train_epochs": p.num_train_epochs,
        "learning_rate": p.learning_rate,
        "beta": p.beta,
        "seed": p.seed,
        "data_seed": p.seed,
        "per_device_train_batch_size": size,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 0.1,
        "logging_steps": 1,
        "save_strategy": "steps",
        "save_total_limit": 1,
        "report_to": [],
        "disable_tqdm": True,
        "use_cpu": not on_gpu,
        "bf16": on_gpu,
        "gradient_checkpointing": False,
        "remove_unused_columns": False,
        "dataloader_pin_memory": on_gpu,
        "logging_nan_inf_filter": False,
        "ddp_find_unused_parameters": False,
    }


def watch(progress: Progress | None, figure: str, before: float = 0.0, threads: int = 0) -> Any:
    """Return the callback that tells a figure of the trainer's log, e.g. ``loss``, at each step, and notes the time with each checkpoint.

    Args:
        progress: Called with step, steps and the figure.
        figure: Its name in the log.
        before: Seconds that were trained before, where this goes on from a checkpoint.
        threads: Most CPU threads; 0: the cores that others leave free.
    """
    from transformers import TrainerCallback

    began = time.monotonic()

    class Watch(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            follow_load(threads)

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            note_seconds(args, state, before + time.monotonic() - began)

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any
        ) -> None:
            if progress and logs and figure in logs:
                progress(state.global_step, state.max_steps, f"{figure} {float(logs[figure]):.3g}")

    return Watch()


def learn_rows(
    trainer: Any,
    config: Any,
    local: LocalModel,
    rows: Sequence[dict[str, Any]],
    held: Sequence[dict[str, Any]],
    p: PreferenceParameters,
    folder: Path,
    progress: Progress | None,
    resume: str | None,
    **more: Any,
) -> list[PreferencePoint]:
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
        resume: Folder of the checkpoint to go on from, or None.
        more: Further settings of the configuration.
    """
    from datasets import Dataset
    from transformers import PrinterCallback, set_seed

    class Encoded(trainer):
        def _prepare_dataset(self, dataset: Any, *args: Any, **kwargs: Any) -> Any:
            return dataset

    size = p.per_device_train_batch_size
    steps = max(1, math.ceil(len(rows) / (size * p.processes)))
    settings = config(
        **options(p, folder),
        per_device_eval_batch_size=size,
        eval_strategy="steps",
        eval_steps=max(1, steps // 4),
        save_steps=max(1, steps // 4),
        max_length=None,
        **more,
    )
    made = Encoded(
        model=local.model,
        args=settings,
        train_dataset=Dataset.from_list(list(rows)),
        eval_dataset=Dataset.from_list(list(held)),
        processing_class=local.tokenizer,
        callbacks=[watch(progress, "loss", seconds_before(folder), p.threads)],
    )
    made.remove_callback(PrinterCallback)
    mark = folder / FIRST
    if resume and mark.exists():
        first = json.loads(mark.read_text())
    else:
        first = made.evaluate()
        made.state.log_history.clear()
        forget_evaluation(made)
        if first_process():
            write_text(mark, json.dumps(first))
    set_seed(p.seed)  # the same draws whether or not the start was measured just before
    made.train(resume_from_checkpoint=resume)
    check_equal(made)
    return _points([{"step": 0, **first}, *made.state.log_history])


def _points(history: Sequence[dict[str, Any]]) -> list[PreferencePoint]:
    """Return the log: training loss and margin per step, validation figures where they were measured."""
    found = []
    for row in history:
        if "loss" not in row and "eval_loss" not in row:
            continue
        found.append(
            PreferencePoint(
                step=int(row["step"]),
                loss=_number(row.get("loss")),
                margin=_number(row.get("rewards/margins")),
                held_loss=_number(row.get("eval_loss")),
                held_margin=_number(row.get("eval_rewards/margins")),
                held_accuracy=_number(row.get("eval_rewards/accuracies")),
            )
        )
    return found


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
