"""Weights that another tool trained come back in: checked, measured on validation, and kept as if trained here."""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.records.training import TrainingCard, TrainPoint
from ftkit.models.load import load_model, quiet
from ftkit.models.weights import (
    BASE_NOTE,
    check_base,
    check_weights,
    fingerprint,
    read_json,
    write_base_note,
)
from ftkit.training.batch import answer_loss, collate
from ftkit.training.encode import Encoded, loss_sample
from ftkit.training.memory import parameters_of
from ftkit.training.verdict import GAIN

SIGNS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
)
"""Files of a tokenizer: those of the base are kept, as the questions are asked with them."""


def adopt(
    model: Any,
    tokenizer: Any,
    train_set: Sequence[Encoded],
    validation_set: Sequence[Encoded],
    source: Path,
    folder: Path,
    *,
    base: str,
    base_folder: Path,
    general_examples: int,
    hours: float,
    prompt: str,
) -> TrainingCard:
    """Take weights that were trained elsewhere into the stage's folder and measure them on the validation examples.

    Args:
        model: The loaded base, for the loss before.
        tokenizer: The base's tokenizer, which stays in use.
        train_set: What it was meant to learn from, for the record.
        validation_set: Encoded examples that the loss is measured on.
        source: Folder of a PEFT adapter, or of a whole model of the same shape.
        folder: The stage's folder; the weights go to ``folder / "adapter"``.
        base: Name of the base model.
        base_folder: Folder of its weights.
        general_examples: How many of ``train_set`` are general instruction data.
        hours: What the training took there, as the user says; it enters the costs as a given figure.
        prompt: Name of the prompt that the examples are shown with.

    Returns:
        The card; its log holds the loss of the base and that of the weights, and no steps.

    Raises:
        BadInput: No weights, pickle weights, another base, or a method that PEFT does not load.
    """
    if not source.is_dir():
        raise BadInput("there is no such folder", where=str(source), todo="check training.adapter")
    check_weights(source)
    method, variant = _kind(source, base_folder)
    if method != "full":
        check_base(source, base_folder)
    first = _loss(model, tokenizer, validation_set)
    target = folder / "adapter"
    _copy(source, target, tokenizer, base, base_folder)
    tuned = load_model(
        str(base_folder if method != "full" else target), target if method != "full" else None
    )
    last, trainable = _loss(tuned, tokenizer, validation_set), _size(target)
    verdict, advice = _verdict(first, last)
    return TrainingCard(
        method=method,
        variant=f"{variant}, trained elsewhere",
        elsewhere=True,
        base=base,
        base_sha256=fingerprint(base_folder),
        adapter="training/adapter",
        prompt=prompt,
        parameters=parameters_of(model.config),
        trainable_parameters=trainable,
        examples=len(train_set),
        general_examples=general_examples,
        epochs=0,
        steps=0,
        tokens=0,
        duration_s=round(3600 * hours, 1),
        peak_memory_gib=0.0,
        log=[
            TrainPoint(step=0, epoch=0.0, validation_loss=first),
            TrainPoint(step=1, epoch=1.0, validation_loss=last),
        ],
        best_validation_loss=last,
        stopped_early=False,
        verdict=verdict,
        advice=advice,
        loss_sample=loss_sample(tokenizer, train_set[0]),
    )


def _kind(source: Path, base_folder: Path) -> tuple[Literal["lora", "full"], str]:
    """Return the method of the weights and what is known of it.

    Raises:
        BadInput: Another method than LoRA, an adapter with settings of its own that are unknown here, or a model of another shape.
    """
    config = source / "adapter_config.json"
    if config.exists():
        told = read_json(config)
        kind = str(told.get("peft_type"))
        if kind != "LORA":
            raise BadInput(
                f"is an adapter of the kind {kind}",
                where=str(config),
                todo="give a LoRA adapter or a whole model",
            )
        more = ["rsLoRA"] * bool(told.get("use_rslora")) + ["DoRA"] * bool(told.get("use_dora"))
        return "lora", f"LoRA (rank {told.get('r')}{''.join(f', {m}' for m in more)})"
    mine, theirs = (read_json(folder / "config.json") for folder in (base_folder, source))
    for name in ("model_type", "hidden_size", "num_hidden_layers", "vocab_size"):
        if mine.get(name) != theirs.get(name):
            raise BadInput(
                f"has {name} {theirs.get(name)!r}, the base has {mine.get(name)!r}",
                where=str(source / "config.json"),
                todo="give weights that were trained from this base",
            )
    return "full", "full tuning"


def _copy(source: Path, target: Path, tokenizer: Any, base: str, base_folder: Path) -> None:
    temporary = target.with_name(".adapter.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        for path in [
            *source.glob("*.safetensors"),
            *source.glob("*.safetensors.index.json"),
            *source.glob("*config.json"),
        ]:
            if path.name not in SIGNS:
                shutil.copy2(path, temporary / path.name)
        tokenizer.save_pretrained(str(temporary))
        write_base_note(temporary, base, base_folder)
    except OSError as error:
        raise FtkitError(
            f"could not be copied: {error}",
            where=str(source),
            todo="free some space, then run it again",
        ) from error
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)


def _size(folder: Path) -> int:
    """Return how many weights the files hold."""
    from safetensors import safe_open

    total = 0
    for path in folder.glob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            total += sum(math.prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118  no mapping
    return total


def _loss(model: Any, tokenizer: Any, examples: Sequence[Encoded], size: int = 8) -> float:
    """Return the mean negative log-likelihood per answer token, in nats."""
    import torch

    order, total, count = sorted(examples, key=lambda e: -len(e.input_ids)), 0.0, 0
    model.eval()
    with torch.no_grad(), quiet():
        for start in range(0, len(order), size):
            rows = [
                {"input_ids": e.input_ids, "labels": e.labels, "row": i}
                for i, e in enumerate(order[start : start + size])
            ]
            batch = {
                k: v.to(model.device) for k, v in collate(rows, tokenizer.pad_token_id).items()
            }
            tokens = int((batch["labels"][:, 1:] >= 0).sum())
            total, count = total + float(answer_loss(model, batch, 1)), count + tokens
    return total / max(1, count)


def _verdict(first: float, last: float) -> tuple[Literal["learnt", "underfit", "diverged"], str]:
    wrong = "check that it was trained on handover/train.jsonl, from this base, and with the base's own chat template"
    if not math.isfinite(last) or last >= first:
        return "diverged", f"the weights do no better on validation than the base: {wrong}"
    if first - last < GAIN * first:
        return "underfit", f"the weights hardly change what the base does: {wrong}"
    return "learnt", "nothing"


def trained_on(source: Path) -> str:
    """Return what is known of the base that an adapter belongs to, for a person to check."""
    if (source / BASE_NOTE).exists():
        return "The note beside it says that it belongs to this base."
    config = source / "adapter_config.json"
    named = read_json(config).get("base_model_name_or_path", "") if config.exists() else ""
    return (
        f"Nothing proves which base it belongs to; it names '{named}'."
        if named
        else "Nothing says which base it belongs to."
    )
