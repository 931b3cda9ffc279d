"""What a model in training answers after each pass, and the memory that it takes then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ftkit.models.load import end_tokens

GIB = 1 << 30


@dataclass
class EpochSamples:
    """Questions that are answered after each pass.

    Attributes:
        prompts: Token ids of each.
        most: Longest answer, in tokens.
    """

    prompts: Sequence[list[int]]
    most: int


def answer(model: Any, tokenizer: Any, watched: EpochSamples) -> list[str]:
    """Return the greedy answers of a model as it is now; it is left in the mode that it was in.

    Args:
        model: A causal model, with or without an adapter. One that is shared between processes is asked by all of them.
        tokenizer: Its tokenizer.
        watched: What is asked.
    """
    import torch

    width, pad = max(map(len, watched.prompts)), tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(p)) + p for p in watched.prompts], device=model.device)
    mask = torch.tensor(
        [[0] * (width - len(p)) + [1] * len(p) for p in watched.prompts], device=model.device
    )
    learning = model.training
    model.eval()
    try:
        with torch.inference_mode():
            out = model.generate(
                input_ids=ids,
                attention_mask=mask,
                max_new_tokens=watched.most,
                do_sample=False,
                pad_token_id=pad,
                eos_token_id=end_tokens(model, tokenizer),
            )
    finally:
        model.train(learning)
    return [
        text.strip() for text in tokenizer.batch_decode(out[:, width:], skip_special_tokens=True)
    ]


def memory_in_use_gib() -> float:
    """Return the memory in use by this process, on a GPU what torch holds there, GiB."""
    import psutil
    import torch

    if torch.cuda.is_available():
        return torch.cuda.memory_allocated() / GIB
    return psutil.Process().memory_info().rss / GIB
