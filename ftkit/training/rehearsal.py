"""Two batches before a long run: does a step, a validation pass, saving, loading and answering work, how fast, how large?"""

from __future__ import annotations

import math
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.errors import BadInput, FtkitError
from ftkit.models.local import quiet
from ftkit.params import TrainingParameters
from ftkit.training.batch import answer_loss, collate
from ftkit.training.encode import Encoded
from ftkit.training.methods import wrap_lora

EVERY_S = 0.01


@dataclass(frozen=True)
class Rehearsal:
    """What two batches showed.

    Attributes:
        tokens_per_s: Prompt and answer tokens that one second of training reads, on a batch of usual length; of several
            GPUs, as many times that as there are (the time to average their gradients comes on top).
        peak_gib: Largest memory during a step on the longest batch.
        loss: Loss of the untrained model on it, nats per answer token.
        seconds: How long the rehearsal took.
    """

    tokens_per_s: float
    peak_gib: float
    loss: float
    seconds: float


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


def rehearse(model: Any, tokenizer: Any, train_set: Sequence[Encoded], validation_set: Sequence[Encoded], p: TrainingParameters) -> Rehearsal:  # fmt: skip
    """Go once through all that a training does, on two batches and with a learning rate of 0: no weight changes.

    Nothing is rehearsed, and all figures are 0, where the weights were trained elsewhere.

    Args:
        model: The model to train, without an adapter; quantised for ``qlora``.
        tokenizer: Its tokenizer.
        train_set: Encoded examples.
        validation_set: Encoded validation examples.
        p: The stage's parameters.

    Raises:
        BadInput: A rank that does not fit, or nothing to train on.
        FtkitError: Out of memory, or a loss that is no number: what the long run would have died of.
    """
    import torch

    if p.adapter:
        return Rehearsal(0.0, 0.0, 0.0, 0.0)
    if not train_set or not validation_set:
        raise BadInput("there are no training or validation examples", where="training", todo="see 02_data's splits")
    began, size = time.monotonic(), p.per_device_train_batch_size
    order = sorted(range(len(train_set)), key=lambda i: len(train_set[i].input_ids))
    middle = max(0, len(order) // 2 - size // 2)
    longest, usual = ([train_set[i] for i in part] for part in (order[-size:], order[middle : middle + size]))
    state = torch.random.get_rng_state()
    tuned = model
    if p.method != "full":
        with quiet():
            tuned = wrap_lora(model, p.lora_r, p.lora_alpha, use_rslora=p.use_rslora, use_dora=p.use_dora)
    try:
        with quiet(), _Peak() as peak:
            optimizer = torch.optim.AdamW([w for w in tuned.parameters() if w.requires_grad], lr=0.0, weight_decay=0.0)
            loss, _ = _step(tuned, optimizer, longest, tokenizer.pad_token_id, p.packing)
            _, seconds = _step(tuned, optimizer, usual, tokenizer.pad_token_id, p.packing)
            with torch.no_grad():
                answer_loss(tuned, _on(tuned, collate(_rows(validation_set[:size]), tokenizer.pad_token_id, packing=p.packing)))
        _round_trip(tuned, usual[0], save=tuned is not model)
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, MemoryError) or "memory" in str(error).lower():
            todo = "lower training.per_device_train_batch_size or max_length, or use training.method qlora"
            raise FtkitError("the rehearsal ran out of memory", where="training", todo=todo) from error
        raise
    finally:
        model.zero_grad(set_to_none=True)
        if tuned is not model:
            tuned.unload()
        torch.random.set_rng_state(state)
    if not math.isfinite(loss):
        raise FtkitError(
            "the loss of the longest examples is no number before anything is learnt", where="training",
            todo=f"look at {', '.join(e.id for e in longest if e.id)[:200] or 'the longest examples'}",
        )  # fmt: skip
    together = p.processes if torch.cuda.is_available() else 1  # without GPUs they share the cores
    tokens = sum(len(e.input_ids) for e in usual) * together
    return Rehearsal(tokens / max(seconds, 1e-6), peak.gib, loss, time.monotonic() - began)


def _rows(examples: Sequence[Encoded]) -> list[dict[str, Any]]:
    return [{"input_ids": e.input_ids, "labels": e.labels, "row": i} for i, e in enumerate(examples)]


def _on(model: Any, batch: dict[str, Any]) -> dict[str, Any]:
    return {name: value.to(model.device) for name, value in batch.items()}


def _step(model: Any, optimizer: Any, examples: Sequence[Encoded], pad: int, packing: bool) -> tuple[float, float]:
    """Return loss and seconds of one step."""
    began = time.perf_counter()
    model.train()
    loss = answer_loss(model, _on(model, collate(_rows(examples), pad, packing=packing)))
    loss.backward()
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    model.eval()
    return float(loss.detach()), time.perf_counter() - began


def _round_trip(model: Any, example: Encoded, save: bool) -> None:
    """Save the adapter, read it back, and let the model write a few tokens; whole models are too large to write for a test."""
    import torch
    from safetensors.torch import load_file

    if save:
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            files = list(Path(folder).glob("*.safetensors"))
            if not files or not all(load_file(f) for f in files):
                raise FtkitError("the adapter that was written cannot be read back", where=folder, todo="check the disk")
    ids = torch.tensor([example.input_ids], device=model.device)
    with torch.inference_mode():
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=4, do_sample=False)
