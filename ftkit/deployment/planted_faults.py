"""The five usual faults of a served model, planted to see whether they would be noticed."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ftkit.core.records.retrieval import Passage
from ftkit.deployment.served_strategy import Served
from ftkit.models.load import SIMPLE_TEMPLATE
from ftkit.strategies.grid import Finder, Progress
from ftkit.training.adapter_scale import ScaledAdapter

FAULTS = (
    "chat template",
    "end token",
    "adapter not applied",
    "adapter applied twice",
    "low precision",
    "stale index",
)


@contextlib.contextmanager
def planted(served: Served, fault: str) -> Iterator[bool]:
    """Plant one of ``FAULTS`` in an opened export and take it out again; yields False where it cannot occur there.

    Args:
        served: The export.
        fault: Which one.
    """
    undo = PLANT[fault](served)
    try:
        yield undo is not None
    finally:
        if undo is not None:
            undo()


Undo = Callable[[], None] | None


def _template(served: Served) -> Undo:
    tokenizer = getattr(served.local, "tokenizer", None)
    if tokenizer is None:
        return None
    kept, tokenizer.chat_template = tokenizer.chat_template, SIMPLE_TEMPLATE
    return lambda: setattr(tokenizer, "chat_template", kept)


def _end(served: Served) -> Undo:
    model: Any = served.local
    if model is None:
        return None
    kept, settings = model.ends, model.model.generation_config
    model.ends, settings.eos_token_id = [], None

    def undo() -> None:
        model.ends, settings.eos_token_id = kept, kept

    return undo


def _strength(strength: float) -> Callable[[Served], Undo]:
    def plant(served: Served) -> Undo:
        if served.bundle.form not in ("adapter", "merged") or served.bundle.spec.model != "tuned":
            return None
        dial = _dial(served)
        dial.set(strength)
        return lambda: dial.set(1.0)

    return plant


def _dial(served: Served) -> ScaledAdapter:
    from pathlib import Path

    from ftkit.models.weights import resolve

    return ScaledAdapter(served.local, Path(resolve(served.bundle.base_model)))  # pyright: ignore[reportArgumentType]


def _precision(served: Served) -> Undo:
    import torch

    model = getattr(served.local, "model", None)
    if model is None or next(model.parameters()).dtype != torch.float32:
        return None
    kept = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(weight.to(torch.bfloat16).to(torch.float32))

    def undo() -> None:
        with torch.no_grad():
            for name, weight in model.named_parameters():
                weight.copy_(kept[name])

    return undo


class Older:
    """A retriever over an index from before some articles were written: every second source is not in it."""

    def __init__(self, finder: Any) -> None:
        self.finder, self.gone, self.seconds = finder, set(finder.sources[::2]), finder.seconds

    def search(self, texts: Sequence[str], progress: Progress | None = None) -> list[list[Passage]]:
        """Return the passages that are left, best first."""
        index, k = self.finder.index, self.finder.top_k
        wide = index.search(texts, len(index.passages), self.finder.mode, progress)
        return [[p for p in found if p.source not in self.gone][:k] for found in wide]


def _index(served: Served) -> Undo:
    finder: Finder | None = served.finder
    if finder is None or not hasattr(finder, "index"):
        return None
    served.finder = Older(finder)
    return lambda: setattr(served, "finder", finder)


PLANT: dict[str, Callable[[Served], Undo]] = {
    "chat template": _template,
    "end token": _end,
    "adapter not applied": _strength(0.0),
    "adapter applied twice": _strength(2.0),
    "low precision": _precision,
    "stale index": _index,
}
