"""The beginning that many prompts share (instruction, labels, fixed examples), read once for all of them."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

LEAST = 24
"""Tokens from which a shared beginning is worth a pass of its own."""


def shared(prompts: Sequence[list[int]]) -> int:
    """Return how many tokens all prompts begin with, at least one token of each left over; 0 where it is not worth while."""
    if len(prompts) < 2:
        return 0
    first, last = min(prompts), max(prompts)  # in this order they differ the earliest
    most = min(map(len, prompts)) - 1
    length = next((k for k in range(most) if first[k] != last[k]), max(0, most))
    return length if length >= LEAST else 0


class Prefix:
    """Keys and values of the tokens that all prompts begin with.

    Args:
        ids: These tokens.
        cache: What the model made of them, one row.
        name: Keyword by which this version of transformers takes a cache.
    """

    def __init__(self, ids: list[int], cache: Any, name: str) -> None:
        self.ids, self.cache, self.name = ids, cache, name

    def options(self, rows: int = 1) -> dict[str, Any]:
        """Return the keyword argument that gives a model its own copy, for so many rows."""
        cache = copy.deepcopy(self.cache)
        if rows > 1:
            cache.batch_repeat_interleave(rows)
        return {self.name: cache}


def read(model: Any, ids: list[int]) -> Prefix | None:
    """Return what a model makes of a beginning; None where its state cannot be gone on from with padding in between
    (sliding windows, linear attention).

    Args:
        model: The model, its adapter active.
        ids: Tokens of the beginning.
    """
    import torch

    with torch.inference_mode():
        inputs = torch.tensor([ids], device=model.device)
        head = model(input_ids=inputs, use_cache=True, logits_to_keep=1)
    name = "cache" if hasattr(head, "cache") else "past_key_values"  # renamed in transformers 5.24
    cache = getattr(head, name)
    if any(type(layer).__name__ != "DynamicLayer" for layer in getattr(cache, "layers", [None])):
        return None
    return Prefix(ids, cache, name)
