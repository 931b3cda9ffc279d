"""What would fit: parameters that each method trains, and an estimate of the memory that it needs."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.params import TrainingParameters
from ftkit.training.encode import IGNORED, Encoded

GIB = 1 << 30
RUNTIME_GIB = 0.9  # Python, torch, transformers and TRL, measured as resident memory before a model is loaded
SAVED_PER_LAYER = 16  # values kept for the backward pass, per token, layer and unit of width (Llama block, SDPA)


@dataclass
class Need:
    """What one method would take.

    Attributes:
        method: ``lora`` or ``full``.
        trainable: Parameters that it changes.
        share: Their share of all parameters, 0..1.
        weights_gib: Weights of the model and of the adapter.
        training_gib: Gradients and AdamW's two moments.
        activations_gib: What the largest batch keeps for the backward pass, logits included.
        total_gib: All of it with the libraries themselves: an estimate.
    """

    method: str
    trainable: int
    share: float
    weights_gib: float
    training_gib: float
    activations_gib: float
    total_gib: float


def needs(model: Any, examples: Sequence[Encoded], p: TrainingParameters) -> list[Need]:
    """Return what LoRA and full tuning would take for this model and data (an estimate, not a measurement)."""
    total = sum(w.numel() for w in model.parameters())
    size = next(model.parameters()).element_size()
    found = []
    for method, trainable in (("lora", lora_parameters(model, p.lora_r)), ("full", total)):
        weights = (total + (trainable if method == "lora" else 0)) * size / GIB
        training = trainable * (size + 8) / GIB  # AdamW keeps its two moments in float32
        activations = _activations(model.config, examples, p.per_device_train_batch_size, size)
        whole = RUNTIME_GIB + weights + training + activations
        found.append(Need(method, trainable, trainable / total, weights, training, activations, whole))
    return found


def lora_parameters(model: Any, rank: int) -> int:
    """Return the parameters of LoRA matrices of this rank on every linear layer but the output head."""
    import torch

    head = model.get_output_embeddings()
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Linear) and m is not head]
    return sum(rank * (m.in_features + m.out_features) for m in layers)


def _activations(config: Any, examples: Sequence[Encoded], batch: int, size: int) -> float:
    longest = max((len(e.input_ids) for e in examples), default=0)
    answer = max((sum(label != IGNORED for label in e.labels) for e in examples), default=0)
    width = config.hidden_size + getattr(config, "intermediate_size", 4 * config.hidden_size) / 2
    kept = batch * longest * config.num_hidden_layers * width * SAVED_PER_LAYER * size
    logits = 3 * batch * (answer + 1) * config.vocab_size * 4
    return (kept + logits) / GIB


def memory_gib() -> float:
    """Return the memory that this process may use, in GiB: the GPU's, else what the container or machine has free."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0] / GIB
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        found = re.search(r"MemAvailable:\s+(\d+) kB", meminfo.read_text())
        free = int(found[1]) / (1 << 20) if found else 0.0
        limit = Path("/sys/fs/cgroup/memory.max")
        told = limit.read_text().strip() if limit.exists() else "max"
        return min(free, int(told) / GIB) if told.isdigit() else free
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GIB
