"""Weights that several models answer with: one base in memory, its adapters beside one another, one of them active."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftkit.models.load import quiet, with_adapter

BASE = ""


class Weights:
    """A causal model and the adapters that it holds.

    Not for several threads at once: whoever asks does so within :meth:`using`, one after the other.

    Args:
        model: The model; a ``PeftModel`` holds its first adapter under the name ``default``.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.active = "default" if hasattr(model, "peft_config") else BASE
        self._numbers = itertools.count(2)

    def add(self, adapter: Path | None) -> str:
        """Load an adapter beside those that are there and return its name; of None the name of the bare base.

        Raises:
            BadInput: The adapter does not fit; see ``models.load.with_adapter``.
        """
        if adapter is None:
            return BASE
        name = f"adapter-{next(self._numbers)}"
        with quiet():
            self.model = with_adapter(self.model, adapter, name)
        self.active = name
        self.model.eval()
        return name

    def drop(self, name: str) -> None:
        """Free an adapter that nobody asks any more."""
        if name == BASE or len(self.model.peft_config) == 1:
            return
        if self.active == name:
            self._switch(next(other for other in self.model.peft_config if other != name))
        self.model.delete_adapter(name)

    @contextlib.contextmanager
    def using(self, name: str) -> Iterator[Any]:
        """Yield the model with one adapter active, or as the bare base."""
        if name != self.active:
            self._switch(name)
        yield self.model

    def _switch(self, name: str) -> None:
        if name == BASE:
            self.model.base_model.disable_adapter_layers()
        else:
            self.model.base_model.enable_adapter_layers()
            self.model.set_adapter(name)
        self.active = name
