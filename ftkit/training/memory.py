"""How much memory a training takes, by estimate from the model's shape, and how large a micro-batch may be."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ftkit.core import machine
from ftkit.models.load import device
from ftkit.training.encode import IGNORED, Encoded
from ftkit.training.methods import NF4_BITS, Adapter, linear

GIB = 1 << 30
RUNTIME_GIB = (
    0.65  # Python, torch, transformers and TRL as resident memory, see benchmarks/memory.py
)
SAVED_PER_LAYER = {
    "full": 13,
    "lora": 18,
    "qlora": 21,
}  # values kept for the backward pass, per token, layer and unit of width; as before
SMALL_WIDTH = 1024  # from here on activations are computed again on a GPU instead of kept (gradient checkpointing)
PART = 0.5  # share of the free memory that the predicted peak may take: others work here, too, and estimates err
GATHERED = 2  # layers whose weights a process holds at once when they are shared: the one at work and the next
METHODS = ("lora", "qlora", "full")


@dataclass(frozen=True)
class Need:
    """What one method would take, by estimate.

    Attributes:
        method: ``lora``, ``qlora`` or ``full``.
        trainable: Parameters that it changes.
        share: Their share of all parameters, 0..1.
        weights_gib: Weights of the model and of the adapter.
        training_gib: Gradients and AdamW's two moments.
        activations_gib: What the largest micro-batch keeps for the backward pass, logits included.
        micro_batch_tokens: Most tokens of a micro-batch, padding included: as many as keep the whole below half of the
            memory that is free, at least the longest example.
        block_gib: Weights of one layer: each process gathers the next two where the model is shared between them (FSDP2).
        total_gib: All of it with the libraries themselves.
    """

    method: str
    trainable: int
    share: float
    weights_gib: float
    training_gib: float
    activations_gib: float
    micro_batch_tokens: int
    block_gib: float
    total_gib: float

    @property
    def shareable(self) -> bool:
        """Whether several processes can share the model (FSDP2): a quantised base they cannot."""
        return self.method != "qlora"

    def shared_gib(self, processes: int) -> float:
        """Return what each of several processes takes that share the model and what learns of it."""
        return (
            RUNTIME_GIB
            + (self.weights_gib + self.training_gib) / processes
            + self.activations_gib
            + GATHERED * self.block_gib
        )


def shape_of(config: Any) -> Any:
    """Return a model of a configuration without weights (on torch's meta device): its shapes cost no memory."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(config)


def parameters_of(config: Any) -> int:
    """Return the parameters of a model of this configuration."""
    return sum(w.numel() for w in shape_of(config).parameters())


class Sized(Adapter, Protocol):
    """What names an adapter and a step: the stage's parameters, or a training plan."""

    per_device_train_batch_size: int
    quantization_bits: Any


def needs(
    config: Any, examples: Sequence[Encoded], p: Sized, on_gpu: bool, free_gib: float = math.inf
) -> list[Need]:
    """Return what each method would take for a model and data, LoRA first: an estimate from shapes alone.

    Args:
        config: The model's configuration (Hugging Face).
        examples: What is learnt from; the longest ones decide.
        p: Rank, variants and batch size.
        on_gpu: Whether it runs on a GPU: frozen weights in 16 bits, activations of wide models computed again.
        free_gib: Memory that is free: a step is cut into micro-batches that keep the peak below half of it. Without it a
            step is read at once; with 0 one example at a time.
    """
    shape, size = shape_of(config), 2 if on_gpu else 4
    total = sum(w.numel() for w in shape.parameters())
    quantised = sum(m.in_features * m.out_features for _, m in linear(shape))
    adapter = lora_parameters(shape, p)
    bits = NF4_BITS if p.quantization_bits == 4 else 8.0
    weights = {
        "lora": total * size,
        "full": total * 4,
        "qlora": quantised * bits / 8 + (total - quantised) * 4,
    }
    again, found = on_gpu and config.hidden_size > SMALL_WIDTH, []
    longest = max((len(e.input_ids) for e in examples), default=1)
    for method in METHODS:
        one = _activations(config, examples, size, again, SAVED_PER_LAYER[method])
        trainable = total if method == "full" else adapter
        held = (weights[method] + (0 if method == "full" else adapter * 4)) / GIB
        training = (
            trainable * 3 * 4 / GIB
        )  # gradient and AdamW's two moments; what learns is held in 32 bits
        fixed = RUNTIME_GIB + held + training
        at_once = min(
            float(p.per_device_train_batch_size), max(1.0, (PART * free_gib - fixed) / one)
        )
        need = Need(
            method=method,
            trainable=trainable,
            share=trainable / total,
            weights_gib=held,
            training_gib=training,
            activations_gib=at_once * one,
            micro_batch_tokens=int(at_once * longest),
            block_gib=held / config.num_hidden_layers,
            total_gib=fixed + at_once * one,
        )
        found.append(need)
    return found


def lora_parameters(model: Any, p: Adapter) -> int:
    """Return the parameters of an adapter's matrices."""
    layers = [
        m
        for name, m in linear(model)
        if not p.target_modules or name.rsplit(".", 1)[-1] in p.target_modules
    ]
    return sum(
        p.lora_r * (m.in_features + m.out_features) + (m.out_features if p.use_dora else 0)
        for m in layers
    )


def _activations(
    config: Any, examples: Sequence[Encoded], size: int, again: bool, saved: int
) -> float:
    """Return what the longest example keeps for the backward pass, in GiB; in a batch each takes as much."""
    longest = max((len(e.input_ids) for e in examples), default=0)
    answer = max((sum(label != IGNORED for label in e.labels) for e in examples), default=0)
    width = config.hidden_size + getattr(config, "intermediate_size", 4 * config.hidden_size) / 2
    layer = longest * width * saved * size
    entries = longest * config.hidden_size * size
    kept = config.num_hidden_layers * entries + layer if again else config.num_hidden_layers * layer
    logits = 3 * (answer + 1) * config.vocab_size * 4
    return (kept + logits) / GIB


def micro_batch_tokens(config: Any, examples: Sequence[Encoded], p: Any, free_gib: float) -> int:
    """Return the most tokens of a micro-batch for a method and the memory that is free; see ``Need``."""
    found = needs(config, examples, p, device() == "cuda", free_gib)
    return next(need.micro_batch_tokens for need in found if need.method == p.method)


def memory_gib() -> float:
    """Return the memory that this process may use, in GiB: what is free, and what it holds already (the base is loaded by now).

    On a GPU that GPU's, else what the container or machine has.
    """
    import psutil
    import torch

    if torch.cuda.is_available():
        return (torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved()) / GIB
    return machine.usable_memory_gib(psutil.Process().memory_info().rss / GIB)
