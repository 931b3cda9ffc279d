"""Supervised fine-tuning: LoRA or full, on TRL's SFTTrainer, resumable from its last checkpoint, in one process or several."""

from __future__ import annotations

import contextlib
import errno
import gc
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from ftkit.core.errors import BadInput, FtkitError, OutOfMemory
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.training import TrainingCard, TrainPoint
from ftkit.core.run_folder import peak_memory_gib, write_record, write_text
from ftkit.models.load import device, quiet
from ftkit.models.weights import fingerprint
from ftkit.training.checkpoints import last_checkpoint, save_weights, seconds_before
from ftkit.training.distributed import check_equal, forget_evaluation, train_together
from ftkit.training.encode import Encoded, loss_sample
from ftkit.training.epoch_samples import EpochSamples
from ftkit.training.import_adapter import adopt
from ftkit.training.memory import memory_gib, micro_batch_tokens, parameters_of
from ftkit.training.methods import release, use_variable_lengths, variant, wrap_lora
from ftkit.training.sharded import is_sharded, whole
from ftkit.training.trainer import make_trainer, points
from ftkit.training.verdict import judge

Progress = Callable[[TrainPoint, int], None]
FINISHED = "finished.json"
UNLEARNT = {"folder", "report_to", "threads", "micro_batch_tokens", "memory_share"}
"""What changes nothing of what is learnt by a plan."""


@dataclass
class TrainingPlan:
    """What to train and how; names are Hugging Face's.

    Attributes:
        folder: Where checkpoints and the adapter go; a second call with the same folder and plan resumes.
        prompt: Name of the prompt that the examples were shown with, for the record.
        adapter: Folder of weights that were trained elsewhere; empty: train here.
        adapter_hours: What that took there.
        report_to: Experiment trackers that get the curve too; they change nothing of what is learnt.
        micro_batch_tokens: Most tokens read at once; 0: what keeps the predicted peak below half of the free memory.
        memory_share: Share of the free memory that it counts on: others of several trainings at once take the rest.
    """

    folder: Path
    method: Literal["lora", "qlora", "full"] = "lora"
    num_train_epochs: float = 3.0
    learning_rate: float = 2e-4
    per_device_train_batch_size: int = 16
    gradient_accumulation_steps: int = 1
    micro_batch_tokens: int = 0
    memory_share: float = 1.0
    lr_scheduler_type: str = "cosine"
    warmup_ratio: float = 0.05
    weight_decay: float = 0.0
    neftune_noise_alpha: float = 0.0
    lora_r: int = 16
    lora_alpha: int = 32
    target_modules: tuple[str, ...] = ()
    use_rslora: bool = False
    use_dora: bool = False
    quantization_bits: int = 4
    packing: bool = False
    processes: int = 1
    fsdp: bool = False
    report_to: tuple[str, ...] = ()
    early_stopping_patience: int = 2
    seed: int = 7
    threads: int = 0
    prompt: str = ""
    adapter: str = ""
    adapter_hours: float = 0.0


def plan_of(
    p: TrainingParameters, folder: Path, prompt: str = "", micro_batch_tokens: int = 0
) -> TrainingPlan:
    """Return the plan that the stage's parameters name; each of them must have a value, see ``defaults.choose``."""
    names = [
        f.name
        for f in fields(TrainingPlan)
        if f.name in TrainingParameters.model_fields and f.name != "prompt"
    ]
    chosen: dict[str, Any] = {
        name: tuple(value) if isinstance(value := getattr(p, name), list) else value
        for name in names
    }
    return TrainingPlan(
        folder=folder, prompt=prompt, micro_batch_tokens=micro_batch_tokens, **chosen
    )


def train(
    model: Any,
    tokenizer: Any,
    train_set: Sequence[Encoded],
    validation_set: Sequence[Encoded],
    plan: TrainingPlan,
    *,
    base: str,
    base_folder: Path,
    general_examples: int = 0,
    progress: Progress | None = None,
    watched: EpochSamples | None = None,
) -> TrainingCard:
    """Train and keep the checkpoint with the best validation loss.

    Stopped at any point and called again with the same plan, data and base, it goes on from its last checkpoint, or
    returns the card at once if it had finished. Another plan, other data or another base start anew.

    Args:
        model: A loaded causal model without an adapter, quantised for ``qlora``. Several processes load their own: on a GPU this
            one is empty after, and may be None.
        tokenizer: Its tokenizer.
        train_set: Encoded examples, general ones included.
        validation_set: Encoded examples that choose the checkpoint.
        plan: Method, rates and folder.
        base: Name of the base model, for the record.
        base_folder: Folder of its weights; their hash goes into the record and beside the adapter.
        general_examples: How many of ``train_set`` are general instruction data.
        progress: Called with each log point and the total number of steps.
        watched: Questions to answer after each pass; the answers stand in the log.

    Returns:
        The card; the weights are in ``plan.folder / "adapter"``.

    Raises:
        BadInput: Nothing to train on, a rank that does not fit, or more processes than there are GPUs (cores without one).
        FtkitError: Out of memory, a loss that is not finite, or a process that ended.
    """
    if not train_set or not validation_set:
        raise BadInput(
            "there are no training or validation examples",
            where="training",
            todo="see 02_data's splits",
        )
    if plan.adapter:
        return adopt(
            model,
            tokenizer,
            train_set,
            validation_set,
            Path(plan.adapter),
            plan.folder,
            base=base,
            base_folder=base_folder,
            general_examples=general_examples,
            hours=plan.adapter_hours,
            prompt=plan.prompt,
        )
    from transformers import AutoConfig

    base_sha256 = fingerprint(base_folder)
    kept = finished_before(plan, train_set, validation_set, base_sha256)
    if kept is not None:
        return kept
    names: dict[str, Any] = {
        "base": base,
        "base_folder": base_folder,
        "general_examples": general_examples,
    }
    if plan.processes == 1:
        return fit(
            model,
            tokenizer,
            train_set,
            validation_set,
            plan,
            progress=progress,
            watched=watched,
            **names,
        )
    release(model)
    config = AutoConfig.from_pretrained(base_folder, trust_remote_code=False)
    plan = sized(config, train_set, plan)  # here, so that all processes cut their steps alike
    asked = {"watched": asdict(watched) if watched else None}
    train_together(asdict(plan), [train_set, validation_set], names | asked, plan.folder, progress)
    return TrainingCard.model_validate_json((plan.folder / FINISHED).read_text())


def sized(config: Any, train_set: Sequence[Encoded], plan: TrainingPlan) -> TrainingPlan:
    """Return the plan with the size of its micro-batches; a run that goes on keeps that of its beginning, so that it
    learns the same to the last bit."""
    path = plan.folder / "micro_batch.json"
    before = json.loads(path.read_text())["tokens"] if path.exists() else 0
    tokens = plan.micro_batch_tokens
    if not tokens:
        here = plan.memory_share / (1 if device() == "cuda" else plan.processes)
        tokens = micro_batch_tokens(config, train_set, plan, memory_gib() * here)
    tokens = before or tokens
    if not before and int(os.environ.get("RANK", "0")) == 0:
        write_text(path, json.dumps({"tokens": tokens}))
    return replace(plan, micro_batch_tokens=tokens)


def fit(
    model: Any,
    tokenizer: Any,
    train_set: Sequence[Encoded],
    validation_set: Sequence[Encoded],
    plan: TrainingPlan,
    *,
    base: str,
    base_folder: Path,
    general_examples: int = 0,
    progress: Progress | None = None,
    watched: EpochSamples | None = None,
) -> TrainingCard:
    """Train in this process, which may be one of several that torchrun started; see ``train``. The first of them writes."""
    from transformers import set_seed

    set_seed(plan.seed)
    if plan.packing:
        use_variable_lengths(model)
    total, plan = parameters_of(model.config), sized(model.config, train_set, plan)
    began, before = time.monotonic(), seconds_before(plan.folder)
    with quiet():
        if plan.method != "full":
            model = wrap_lora(model, plan)
        trainer = make_trainer(
            model, tokenizer, train_set, validation_set, plan, progress, before, watched
        )
        with _told(plan):
            first = _first_loss(trainer, plan.folder)
            _run(trainer, plan)
        check_equal(trainer)
        first_process = trainer.is_world_process_zero()
        gathered: dict[str, Any] = whole(trainer.model) if is_sharded(model) else {}
        if plan.method == "full" and device() == "cuda" and not gathered:
            trainer.model.bfloat16()  # as it will be loaded
        if first_process:
            save_weights(trainer.model, tokenizer, plan.folder, base, base_folder, **gathered)
    card = TrainingCard(
        method=plan.method,
        variant=variant(plan),
        base=base,
        base_sha256=fingerprint(base_folder),
        adapter="training/adapter",
        prompt=plan.prompt,
        parameters=total,
        trainable_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        examples=len(train_set),
        general_examples=general_examples,
        duration_s=round(before + time.monotonic() - began, 1),
        peak_memory_gib=_peak_gib(),
        loss_sample=loss_sample(tokenizer, train_set[0]),
        processes=plan.processes,
        micro_batch_tokens=plan.micro_batch_tokens,
        **_curve(trainer.state, first),
    )
    if first_process:
        write_record(plan.folder / FINISHED, card)
        shutil.rmtree(plan.folder / "checkpoints", ignore_errors=True)
    del trainer
    gc.collect()
    return card


def _curve(state: Any, first: float) -> dict[str, Any]:
    """Return what the trainer's log says: steps, losses, and the verdict on them."""
    log = points(state.log_history)
    verdict, advice = judge(log, first)
    scored = [p.validation_loss for p in log if p.validation_loss is not None]
    return {
        "log": [TrainPoint(step=0, epoch=0.0, validation_loss=first), *log],
        "verdict": verdict,
        "advice": advice,
        "best_validation_loss": min(scored, default=first),
        "epochs": round(float(state.epoch or 0), 2),
        "steps": state.global_step,
        "tokens": int(state.num_input_tokens_seen or 0),
        "stopped_early": state.global_step < state.max_steps,
    }


def key_of(
    plan: TrainingPlan,
    train_set: Sequence[Encoded],
    validation_set: Sequence[Encoded],
    base_sha256: str,
) -> str:
    """Return the hash of everything that decides the weights."""
    chosen = {k: v for k, v in asdict(plan).items() if k not in UNLEARNT}
    digest = hashlib.sha256(json.dumps([chosen, base_sha256], sort_keys=True).encode())
    for part in (train_set, validation_set):
        for example in part:
            digest.update(json.dumps([example.input_ids, example.labels]).encode())
    return digest.hexdigest()


def finished_before(
    plan: TrainingPlan,
    train_set: Sequence[Encoded],
    validation_set: Sequence[Encoded],
    base_sha256: str,
) -> TrainingCard | None:
    """Return the card of a finished run of the same plan; remove what another plan left."""
    key, mark = key_of(plan, train_set, validation_set, base_sha256), plan.folder / "key.txt"
    finished = plan.folder / FINISHED
    if mark.exists() and mark.read_text() == key:
        if finished.exists() and (plan.folder / "adapter").is_dir():
            return TrainingCard.model_validate_json(finished.read_text())
        return None
    for name in ("checkpoints", "adapter"):
        shutil.rmtree(plan.folder / name, ignore_errors=True)
    for name in ("first_loss.json", "micro_batch.json", FINISHED):
        (plan.folder / name).unlink(missing_ok=True)
    write_text(mark, key)
    return None


def _run(trainer: Any, plan: TrainingPlan) -> None:
    from transformers import set_seed

    set_seed(
        plan.seed
    )  # the same draws whether or not the untrained model was measured just before
    trainer.train(resume_from_checkpoint=last_checkpoint(plan.folder))


@contextlib.contextmanager
def _told(plan: TrainingPlan) -> Iterator[None]:
    """Say in a sentence that memory ran out or the disk is full."""
    full = FtkitError(
        "the disk is full", where=str(plan.folder), todo="free some space, then run it again"
    )
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        said = str(error).lower()
        if (
            isinstance(error, MemoryError)
            or "out of memory" in said
            or "can't allocate memory" in said
        ):
            todo = "lower training.max_length, or use training.method qlora; the same command goes on from the last checkpoint"
            raise OutOfMemory("out of memory", where="training", todo=todo) from error
        if "no space left" in said or "write error" in said:
            raise full from error
        raise
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        raise full from error


def _first_loss(trainer: Any, folder: Path) -> float:
    """Return the untrained model's validation loss, kept in a file so that a resumed run knows it too."""
    path = folder / "first_loss.json"
    if path.exists():
        return float(json.loads(path.read_text())["eval_loss"])
    value = float(trainer.evaluate()["eval_loss"])
    trainer.state.log_history.clear()
    if not is_sharded(trainer.model):
        forget_evaluation(trainer)
    if trainer.is_world_process_zero():
        write_text(path, json.dumps({"eval_loss": value}))
    return value


def _peak_gib() -> float:
    import torch

    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**30, 3)
    return round(peak_memory_gib(), 3)
