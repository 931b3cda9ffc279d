"""Two batches before a long run: does a step, a validation pass, saving, loading and answering work, how fast, how large?"""

from __future__ import annotations

import json
import math
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.core.errors import BadInput, FtkitError, OutOfMemory
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.training import ChosenSetting
from ftkit.models.load import quiet
from ftkit.models.weights import resolve
from ftkit.training import learning_rate
from ftkit.training.batch import answer_loss, backward, collate, on_device, rows_of
from ftkit.training.distributed import JOB, launch, write_job
from ftkit.training.encode import Encoded
from ftkit.training.memory import memory_gib, micro_batch_tokens
from ftkit.training.methods import wrap_lora
from ftkit.training.sharded import is_sharded, whole

if TYPE_CHECKING:
    from ftkit.training.sft import TrainingPlan

EVERY_S, RESULT = 0.01, "rehearsal.json"


@dataclass(frozen=True)
class Rehearsal:
    """What two batches showed.

    Attributes:
        tokens_per_s: Prompt and answer tokens that one second of training reads, on a batch of usual length; of several
            GPUs, as many times that as there are (the time to average their gradients comes on top).
        peak_gib: Largest memory during a step on the longest batch.
        loss: Loss of the untrained model on it, nats per answer token.
        seconds: How long the rehearsal took.
        micro_batch_tokens: Most tokens of a micro-batch that fit; 0: each process finds its own.
        learning_rate: The rate to train with: that of the parameters, or the lowered one.
    """

    tokens_per_s: float
    peak_gib: float
    loss: float
    seconds: float
    micro_batch_tokens: int
    learning_rate: float


class _Peak:
    """Watches this process's memory from a thread; on a GPU, torch counts."""

    def __enter__(self) -> _Peak:
        import torch

        self.gpu, self.gib, self._done = torch.cuda.is_available(), 0.0, threading.Event()
        if self.gpu:
            torch.cuda.reset_peak_memory_stats()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def _watch(self) -> None:
        import psutil

        process = psutil.Process()
        while not self._done.wait(EVERY_S):
            self.gib = max(self.gib, process.memory_info().rss / 2**30)

    def __exit__(self, *_: object) -> None:
        import torch

        self._done.set()
        self._thread.join()
        if self.gpu:
            self.gib = torch.cuda.max_memory_allocated() / 2**30


def rehearse(
    model: Any,
    tokenizer: Any,
    train_set: Sequence[Encoded],
    validation_set: Sequence[Encoded],
    p: TrainingParameters,
    settings: Sequence[ChosenSetting] = (),
) -> Rehearsal:
    """Go once through all that a training does, on two batches; then learn for a few steps and forget it again: no weight
    is another one after.

    Nothing is rehearsed, and all figures are 0, where the weights were trained elsewhere. A base that is shared between processes
    (``p.fsdp``) is rehearsed by these processes, its learning rate is not tried.

    Args:
        model: The model to train, without an adapter; quantised for ``qlora``; not looked at with ``fsdp``.
        tokenizer: Its tokenizer.
        train_set: Encoded training examples.
        validation_set: Encoded validation examples.
        p: The stage's parameters, each with a value.
        settings: Where these values come from: a learning rate that ftkit chose is lowered where it diverges.

    Raises:
        BadInput: A rank that does not fit, or nothing to train on.
        OutOfMemory: Not even one example at a time fits.
        FtkitError: A loss that is no number, or a learning rate, set by the user, that makes the loss rise: what the long
            run would have died of.
    """
    import torch

    if p.adapter:
        return Rehearsal(0.0, 0.0, 0.0, 0.0, 0, 0.0)
    if not train_set or not validation_set:
        raise BadInput(
            "there are no training or validation examples",
            where="training",
            todo="see 02_data's splits",
        )
    began, size = time.monotonic(), p.per_device_train_batch_size
    order = sorted(range(len(train_set)), key=lambda i: len(train_set[i].input_ids))
    middle = max(0, len(order) // 2 - size // 2)
    longest, usual = (
        [train_set[i] for i in part] for part in (order[-size:], order[middle : middle + size])
    )
    batches, checks, rate = longest + usual, validation_set[:size], p.learning_rate
    if p.fsdp:
        found = _by_all(batches, checks, p)
    else:
        share = 1 if torch.cuda.is_available() else p.processes
        tokens = micro_batch_tokens(model.config, train_set, p, memory_gib() / share)
        found = _as_memory_allows(model, tokenizer, batches, checks, (p, tokens))
        lower = any(s.name == "learning_rate" and s.reason != "set" for s in settings)
        tokens = int(found["tokens"])
        rate = learning_rate.proven(
            model, tokenizer, train_set, p, lower=lower, micro_batch_tokens=tokens
        )
    together = (
        p.processes if p.fsdp or torch.cuda.is_available() else 1
    )  # copies without GPUs share the cores
    return Rehearsal(
        tokens_per_s=sum(len(e.input_ids) for e in usual) * together / max(found["seconds"], 1e-6),
        peak_gib=found["peak_gib"],
        loss=found["loss"],
        seconds=time.monotonic() - began,
        micro_batch_tokens=int(found["tokens"]),
        learning_rate=rate,
    )


def _as_memory_allows(
    model: Any,
    tokenizer: Any,
    batches: Sequence[Encoded],
    checks: Sequence[Encoded],
    sized: tuple[TrainingParameters, int],
) -> dict[str, float]:
    """Rehearse with micro-batches of so many tokens, or of half as many where memory runs out all the same."""
    p, tokens = sized
    longest = max(len(e.input_ids) for e in batches)
    while True:
        try:
            return two_batches(model, tokenizer, batches, checks, p, tokens)
        except OutOfMemory:
            if tokens <= longest:
                raise
            tokens = max(longest, tokens // 2)


def _by_all(
    batches: Sequence[Encoded], validation_set: Sequence[Encoded], p: TrainingParameters
) -> dict[str, float]:
    """Rehearse in the processes that will train, each with its share of the base, and return what the first one found."""
    from ftkit.training.sft import plan_of

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = {
            "base": p.base_model,
            "base_folder": Path(resolve(p.base_model)),
            "general_examples": 0,
        }
        write_job(folder / JOB, asdict(plan_of(p, folder)), [batches, validation_set], base)
        launch(
            "ftkit.training.worker",
            [str(folder / JOB), "rehearse"],
            folder,
            p.processes,
            "training.processes",
        )
        return json.loads((folder / RESULT).read_text())


def two_batches(
    model: Any,
    tokenizer: Any,
    batches: Sequence[Encoded],
    validation_set: Sequence[Encoded],
    p: TrainingParameters | TrainingPlan,
    tokens: int = 0,
) -> dict[str, float]:
    """Return loss, seconds, peak memory and tokens of a micro-batch, of a step with a learning rate of 0.

    Args:
        model: The model to train, without an adapter, or this process's share of it.
        tokenizer: Its tokenizer.
        batches: The longest batch and a usual one, one after the other.
        validation_set: A batch to be measured.
        p: Method, rank and batch size.
        tokens: Most tokens of a micro-batch; 0: no limit.
    """
    import torch

    longest, usual = batches[: len(batches) // 2], batches[len(batches) // 2 :]
    state, tuned = torch.random.get_rng_state(), model
    if p.method != "full":
        with quiet():
            tuned = wrap_lora(model, p)
    try:
        with quiet(), _Peak() as peak:
            optimizer = torch.optim.AdamW(
                [w for w in tuned.parameters() if w.requires_grad], lr=0.0, weight_decay=0.0
            )
            large, middle = (
                collate(rows_of(part), tokenizer.pad_token_id, packing=p.packing)
                for part in (longest, usual)
            )
            loss, _ = _step(tuned, optimizer, large, tokens)
            _, seconds = _step(tuned, optimizer, middle, tokens)
            with torch.no_grad():
                answer_loss(
                    tuned,
                    on_device(
                        tuned,
                        collate(rows_of(validation_set), tokenizer.pad_token_id, packing=p.packing),
                    ),
                )
        _round_trip(tuned, usual[0], save=tuned is not model)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "memory" in str(error).lower():
            todo = "lower training.max_length, use training.method qlora, or take a smaller base"
            raise OutOfMemory(
                "the rehearsal ran out of memory", where="training", todo=todo
            ) from error
        raise
    finally:
        model.zero_grad(set_to_none=True)
        if tuned is not model:
            tuned.unload()
        torch.random.set_rng_state(state)
    if not math.isfinite(loss):
        raise FtkitError(
            "the loss of the longest examples is no number before anything is learnt",
            where="training",
            todo=f"look at {', '.join(e.id for e in longest if e.id)[:200] or 'the longest examples'}",
        )
    return {"loss": loss, "seconds": seconds, "peak_gib": peak.gib, "tokens": tokens}


def _step(model: Any, optimizer: Any, batch: dict[str, Any], tokens: int) -> tuple[float, float]:
    """Return loss and seconds of one step, cut into micro-batches of so many tokens."""
    began = time.perf_counter()
    model.train()
    loss = backward(model, batch, tokens)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    model.eval()
    return loss, time.perf_counter() - began


def _round_trip(model: Any, example: Encoded, save: bool) -> None:
    """Save the adapter, read it back, and let the model write a few tokens; whole models are too large to write for a test."""
    import torch
    from safetensors.torch import load_file

    if save:
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder, **(whole(model) if is_sharded(model) else {}))
            files = list(Path(folder).glob("*.safetensors"))
            if not files or not all(load_file(f) for f in files):
                raise FtkitError(
                    "the adapter that was written cannot be read back",
                    where=folder,
                    todo="check the disk",
                )
    ids = torch.tensor([example.input_ids], device=model.device)
    with torch.inference_mode():
        model.generate(
            input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=4, do_sample=False
        )
