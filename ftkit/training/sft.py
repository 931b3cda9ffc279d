"""Supervised fine-tuning: LoRA or full, on TRL's SFTTrainer, resumable from its last checkpoint."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ftkit.errors import BadInput, FtkitError
from ftkit.records import TrainingCard, TrainPoint
from ftkit.training.encode import Encoded, loss_sample
from ftkit.training.verdict import judge

Progress = Callable[[TrainPoint, int], None]


@dataclass
class TrainingPlan:
    """What to train and how; names are Hugging Face's.

    Attributes:
        folder: Where checkpoints and the adapter go; a second call with the same folder resumes.
        evaluations_per_epoch: Validation passes per epoch.
    """

    folder: Path
    method: Literal["lora", "full"] = "lora"
    num_train_epochs: float = 3.0
    learning_rate: float = 2e-4
    per_device_train_batch_size: int = 16
    lora_r: int = 16
    lora_alpha: int = 32
    early_stopping_patience: int = 2
    seed: int = 7


def wrap_lora(model: Any, rank: int, alpha: int) -> Any:
    """Put LoRA matrices on every linear layer.

    Raises:
        BadInput: The rank is larger than the model's width, where LoRA saves nothing.
    """
    from peft import LoraConfig, get_peft_model

    width = int(model.config.hidden_size)
    if rank > width:
        raise BadInput(f"rank {rank} is above the model's width {width}", where="training.lora_r", todo=f"use at most {width}")
    config = LoraConfig(r=rank, lora_alpha=alpha, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, config)


def train(
    model: Any, tokenizer: Any, train_set: Sequence[Encoded], validation_set: Sequence[Encoded], plan: TrainingPlan,
    *, base: str, base_sha256: str, general_examples: int = 0, progress: Progress | None = None,
) -> TrainingCard:  # fmt: skip
    """Train and keep the checkpoint with the best validation loss.

    Args:
        model: A loaded causal model without an adapter.
        tokenizer: Its tokenizer.
        train_set: Encoded examples, general ones included.
        validation_set: Encoded examples that choose the checkpoint.
        plan: Method, rates and folder.
        base: Name of the base model, for the record.
        base_sha256: Hash of the base's weights.
        general_examples: How many of ``train_set`` are general instruction data.
        progress: Called with each log point and the total number of steps.

    Returns:
        The card; the weights are in ``plan.folder / "adapter"``.

    Raises:
        BadInput: Nothing to train on, or a rank that does not fit.
        FtkitError: Out of memory.
    """
    from transformers import set_seed

    if not train_set or not validation_set:
        raise BadInput("there are no training or validation examples", where="training", todo="see 02_data's splits")
    set_seed(plan.seed)
    total = sum(p.numel() for p in model.parameters())
    if plan.method == "lora":
        model = wrap_lora(model, plan.lora_r, plan.lora_alpha)
    trainable = sum(p.numel() for p in model.parameters() if p.requires_grad)
    trainer = _trainer(model, tokenizer, train_set, validation_set, plan, progress)
    began = time.monotonic()
    first = _first_loss(trainer, plan.folder)
    try:
        trainer.train(resume_from_checkpoint=_last_checkpoint(plan.folder))
    except (MemoryError, RuntimeError) as error:
        if "out of memory" in str(error).lower() or isinstance(error, MemoryError):
            raise FtkitError("out of memory", where="training", todo="lower per_device_train_batch_size or max_length") from error
        raise
    seconds = time.monotonic() - began
    log = _points(trainer.state.log_history)
    _save(trainer, tokenizer, plan.folder)
    verdict, advice = judge(log, first)
    best = min((p.validation_loss for p in log if p.validation_loss is not None), default=float("nan"))
    card = TrainingCard(
        method=plan.method, base=base, base_sha256=base_sha256, adapter="training/adapter", parameters=total,
        trainable_parameters=trainable, examples=len(train_set), general_examples=general_examples,
        epochs=round(float(trainer.state.epoch or 0), 2), steps=trainer.state.global_step,
        tokens=int(trainer.state.num_input_tokens_seen or 0), duration_s=round(seconds, 1), peak_memory_gib=_peak_gib(),
        log=[TrainPoint(step=0, epoch=0.0, validation_loss=first), *log], best_validation_loss=best,
        stopped_early=trainer.state.global_step < trainer.state.max_steps, verdict=verdict, advice=advice,
        loss_sample=loss_sample(tokenizer, train_set[0]),
    )  # fmt: skip
    del trainer
    gc.collect()
    return card


def _trainer(
    model: Any, tokenizer: Any, train_set: Any, validation_set: Any, plan: TrainingPlan, progress: Progress | None
) -> Any:
    import torch
    from datasets import Dataset
    from transformers import EarlyStoppingCallback
    from trl import SFTConfig, SFTTrainer

    on_gpu = torch.cuda.is_available()
    config = SFTConfig(
        output_dir=str(plan.folder / "checkpoints"), num_train_epochs=plan.num_train_epochs, learning_rate=plan.learning_rate,
        per_device_train_batch_size=plan.per_device_train_batch_size, per_device_eval_batch_size=plan.per_device_train_batch_size,
        lr_scheduler_type="cosine", warmup_steps=0.05, weight_decay=0.0, seed=plan.seed, data_seed=plan.seed,
        eval_strategy="epoch", save_strategy="epoch", save_total_limit=2, logging_steps=5, report_to=[], disable_tqdm=True,
        load_best_model_at_end=True, metric_for_best_model="eval_loss", greater_is_better=False,
        use_cpu=not on_gpu, bf16=on_gpu, gradient_checkpointing=on_gpu and model.config.hidden_size > 1024,
        include_num_input_tokens_seen="non_padding", dataset_kwargs={"skip_prepare_dataset": True}, max_length=None, dataloader_pin_memory=on_gpu,
        torch_compile=False, average_tokens_across_devices=False,
    )  # fmt: skip
    rows = [
        Dataset.from_list([{"input_ids": e.input_ids, "labels": e.labels} for e in part]) for part in (train_set, validation_set)
    ]
    callbacks: list[Any] = [EarlyStoppingCallback(plan.early_stopping_patience), _progress_callback(progress)]
    return SFTTrainer(
        model=model, args=config, train_dataset=rows[0], eval_dataset=rows[1], processing_class=tokenizer, callbacks=callbacks
    )


def _progress_callback(progress: Progress | None) -> Any:
    from transformers import PrinterCallback, TrainerCallback

    class Report(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if progress and state.log_history:
                for point in _points(state.log_history[-1:]):
                    progress(point, state.max_steps)

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            kwargs.get("train_dataloader")

    _ = PrinterCallback
    return Report()


def _points(history: list[dict[str, Any]]) -> list[TrainPoint]:
    return [
        TrainPoint(
            step=int(row["step"]), epoch=float(row.get("epoch") or 0), loss=row.get("loss"),
            validation_loss=row.get("eval_loss"), learning_rate=row.get("learning_rate"),
        )
        for row in history
        if "loss" in row or "eval_loss" in row
    ]  # fmt: skip


def _first_loss(trainer: Any, folder: Path) -> float:
    """Return the untrained model's validation loss, kept in a file so that a resumed run knows it too."""
    path = folder / "first_loss.json"
    if path.exists():
        return float(json.loads(path.read_text())["eval_loss"])
    value = float(trainer.evaluate()["eval_loss"])
    trainer.state.log_history.clear()
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"eval_loss": value}))
    return value


def _last_checkpoint(folder: Path) -> str | None:
    """Return the newest complete checkpoint; the trainer writes trainer_state.json last."""
    found = [p for p in (folder / "checkpoints").glob("checkpoint-*") if (p / "trainer_state.json").exists()]
    return str(max(found, key=lambda p: int(p.name.split("-")[1]))) if found else None


def _save(trainer: Any, tokenizer: Any, folder: Path) -> None:
    target, temporary = folder / "adapter", folder / ".adapter.tmp"
    trainer.model.save_pretrained(str(temporary), safe_serialization=True)
    tokenizer.save_pretrained(str(temporary))
    if target.exists():
        import shutil

        shutil.rmtree(target)
    temporary.rename(target)


def _peak_gib() -> float:
    import torch

    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**30, 3)
    from ftkit.runs import peak_memory_gib

    return round(peak_memory_gib(), 3)
