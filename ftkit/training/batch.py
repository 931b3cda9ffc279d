"""A batch and its loss, without work that the loss does not need: no logits of the prompt, no system turn read twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from ftkit.training.encode import IGNORED, Encoded
from ftkit.training.sharded import is_sharded

Row = tuple[list[int], list[int], int]
SHORTEST_PREFIX = 16  # below, a second pass through the model costs more than it saves


def collate(
    examples: Sequence[dict[str, Any]], pad: int, *, packing: bool = False
) -> dict[str, Any]:
    """Pad a batch at the right, rows that begin alike first; or pack it into one row.

    Returns:
        ``input_ids``, ``attention_mask`` and ``labels`` of shape ``[batch, longest]``; ``row``: place of each
        example in its dataset; ``alike``: how many of the first rows begin with the same ``prefix`` tokens, both 0 where
        too few do. Packed, the shape is ``[1, all tokens]``, and ``position_ids`` begin at 0 with each example.
    """
    import torch

    found = [(list(e["input_ids"]), list(e["labels"]), int(e["row"])) for e in examples]
    if packing:
        return _packed(found)
    rows, alike, prefix = _by_prefix(found)
    width = max(len(ids) for ids, _, _ in rows)
    return {
        "input_ids": torch.tensor([ids + [pad] * (width - len(ids)) for ids, _, _ in rows]),
        "attention_mask": torch.tensor(
            [[1] * len(ids) + [0] * (width - len(ids)) for ids, _, _ in rows]
        ),
        "labels": torch.tensor(
            [labels + [IGNORED] * (width - len(labels)) for _, labels, _ in rows]
        ),
        "row": torch.tensor([row for _, _, row in rows]),
        "alike": torch.tensor(alike),
        "prefix": torch.tensor(prefix),
    }


def _packed(rows: list[Row]) -> dict[str, Any]:
    import torch

    ids = [token for row in rows for token in row[0]]
    return {
        "input_ids": torch.tensor([ids]),
        "attention_mask": torch.ones(
            1, len(ids), dtype=torch.long
        ),  # for counting tokens; no model is given it
        "labels": torch.tensor(
            [[label for _, labels, _ in rows for label in (IGNORED, *labels[1:])]]
        ),
        "position_ids": torch.tensor([[place for row in rows for place in range(len(row[0]))]]),
        "row": torch.tensor([row for _, _, row in rows]),
        "alike": torch.tensor(0),
        "prefix": torch.tensor(0),
    }


def _by_prefix(rows: list[Row]) -> tuple[list[Row], int, int]:
    start, count = Counter(tuple(ids[:SHORTEST_PREFIX]) for ids, _, _ in rows).most_common(1)[0]
    if count < 2:
        return rows, 0, 0
    same = [row for row in rows if tuple(row[0][:SHORTEST_PREFIX]) == start]
    # The position before the first answer token must stay outside: its logits are in the loss.
    longest = (
        min(
            next((i for i, label in enumerate(labels) if label != IGNORED), len(labels))
            for _, labels, _ in same
        )
        - 1
    )
    first = same[0][0]
    prefix = next(
        (i for i in range(longest) if any(ids[i] != first[i] for ids, _, _ in same)), longest
    )
    if prefix < SHORTEST_PREFIX:
        return rows, 0, 0
    return same + [row for row in rows if tuple(row[0][:SHORTEST_PREFIX]) != start], count, prefix


def micro_batches(batch: dict[str, Any], most_tokens: int, rows: int = 0) -> list[dict[str, Any]]:
    """Cut a batch of ``collate`` into parts whose gradients add up to those of the whole.

    Args:
        batch: Padded rows, or one packed row.
        most_tokens: Most tokens of a part, padding included; one example is never cut. 0: no limit.
        rows: Examples of each part instead, where all processes must make as many (a packed row then stays whole).

    Returns:
        The parts, each a batch in the same form. Their losses must be divided by the answer tokens of the whole.
    """
    if "position_ids" in batch:
        return [batch] if rows or not most_tokens else _cut_packed(batch, most_tokens)
    lengths, ends, width = batch["attention_mask"].sum(dim=1).tolist(), [0], 0
    for place, length in enumerate(lengths):
        size, width = place - ends[-1], max(width, length)
        full = size >= rows if rows else bool(most_tokens) and (size + 1) * width > most_tokens
        if size and full:
            ends.append(place)
            width = length
    return [
        _rows_of(batch, start, end, max(lengths[start:end]))
        for start, end in pairwise([*ends, len(lengths)])
    ]


def _rows_of(batch: dict[str, Any], start: int, end: int, width: int) -> dict[str, Any]:
    alike = max(0, min(int(batch["alike"]), end) - start)
    shared = batch["alike"].new_tensor([alike, int(batch["prefix"])] if alike > 1 else [0, 0])
    padded = {
        name: batch[name][start:end, :width] for name in ("input_ids", "attention_mask", "labels")
    }
    return padded | {"row": batch["row"][start:end], "alike": shared[0], "prefix": shared[1]}


def _cut_packed(batch: dict[str, Any], most_tokens: int) -> list[dict[str, Any]]:
    starts = (batch["position_ids"][0] == 0).nonzero()[:, 0].tolist()
    cuts, total = [0], batch["input_ids"].shape[1]
    for place, end in enumerate([*starts[1:], total]):
        if end - starts[cuts[-1]] > most_tokens and place > cuts[-1]:
            cuts.append(place)
    columns = [*(starts[place] for place in cuts), total]
    names = ("input_ids", "attention_mask", "labels", "position_ids")
    return [
        {name: batch[name][:, columns[i] : columns[i + 1]] for name in names}
        | {"row": batch["row"][first:last], "alike": batch["alike"], "prefix": batch["prefix"]}
        for i, (first, last) in enumerate(pairwise([*cuts, len(starts)]))
    ]


def rows_of(examples: Sequence[Encoded]) -> list[dict[str, Any]]:
    """Return encoded examples as ``collate`` takes them."""
    return [
        {"input_ids": e.input_ids, "labels": e.labels, "row": i} for i, e in enumerate(examples)
    ]


def on_device(model: Any, batch: dict[str, Any]) -> dict[str, Any]:
    """Return a batch where the model is."""
    return {name: value.to(model.device) for name, value in batch.items()}


def backward(model: Any, batch: dict[str, Any], most_tokens: int = 0) -> float:
    """Add the gradients of a batch, read in micro-batches, and return its loss; see ``micro_batches``."""
    items, total = answer_tokens(batch), 0.0
    for part in micro_batches(batch, most_tokens):
        loss = answer_loss(model, on_device(model, part), items.to(model.device))
        loss.backward()
        total += float(loss.detach())
    return total


def answer_tokens(batch: dict[str, Any]) -> Any:
    """Return how many tokens of a batch are in the loss, at least 1: an integer tensor."""
    return (batch["labels"][:, 1:] != IGNORED).sum().clamp(min=1)


def answer_loss(model: Any, batch: dict[str, Any], items: Any = None) -> Any:
    """Return the loss on the answers of a batch of ``collate``.

    Rows that begin alike (the same system turn) go through the model with that beginning read once. Right padding needs
    no mask: no token that counts can see what comes after it. In a packed row no token sees another example: transformers
    makes that mask (or FlashAttention its variable lengths) from positions that begin anew.

    Args:
        model: A causal model, with or without an adapter.
        batch: A batch of ``collate``.
        items: Number of answer tokens to divide by; the batch's own if None.

    Returns:
        The mean negative log-likelihood per answer token, in nats.
    """
    labels, count, prefix = batch["labels"], int(batch["alike"]), int(batch["prefix"])
    answered = items if items is not None else answer_tokens(batch)
    if "position_ids" in batch:
        return (
            _sum_loss(model, batch["input_ids"], labels, 0, position_ids=batch["position_ids"])
            / answered
        )
    if not shares_prefix(model, labels.shape[1]):
        count, prefix = 0, 0
    lengths = batch["attention_mask"].sum(dim=1)
    parts = [(slice(0, count), prefix), (slice(count, len(labels)), 0)]
    total: Any = 0.0
    for rows, start in parts:
        if len(labels[rows]):
            width = int(lengths[rows].max())
            total = total + _sum_loss(
                model, batch["input_ids"][rows, :width], labels[rows, :width], start
            )
    return total / answered


def shares_prefix(model: Any, width: int) -> bool:
    """Return whether a beginning can be read once: not with recomputed activations, a window below the width, noise that
    depends on the length (NEFTune), or shared weights, which each pass gathers anew."""
    model = getattr(model, "module", model)  # as one of several processes holds it
    window = getattr(model.config, "sliding_window", None) or width
    name = (
        "is_activation_checkpointing"
        if hasattr(model, "is_activation_checkpointing")
        else "is_gradient_checkpointing"
    )
    noisy = hasattr(model.get_input_embeddings(), "neftune_noise_alpha")
    return window >= width and not (getattr(model, name, False) or noisy or is_sharded(model))


def _sum_loss(model: Any, ids: Any, labels: Any, prefix: int, **more: Any) -> Any:
    """Return the summed loss of right-padded rows whose first ``prefix`` tokens are the same."""
    import torch

    options: dict[str, Any] = {"use_cache": False, **more}
    if prefix:
        head = model(input_ids=ids[:1, :prefix], use_cache=True, logits_to_keep=1)
        name = (
            "cache" if hasattr(head, "cache") else "past_key_values"
        )  # renamed in transformers 5.24
        getattr(head, name).batch_repeat_interleave(len(ids))
        options = {name: getattr(head, name), "use_cache": True}
        ids, labels = ids[:, prefix:], labels[:, prefix:]
    columns = (labels[:, 1:] != IGNORED).any(dim=0).nonzero()[:, 0]
    logits = model(input_ids=ids, logits_to_keep=columns, **options).logits.float()
    targets = labels[:, columns + 1]
    return torch.nn.functional.cross_entropy(
        logits.reshape(-1, logits.shape[-1]),
        targets.reshape(-1),
        ignore_index=IGNORED,
        reduction="sum",
    )
