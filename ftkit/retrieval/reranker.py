"""A cross-encoder that reads question and passage together and says how well they fit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.models.embeddings import free_threads


class Reranker:
    """Any cross-encoder of sentence-transformers: a folder, or a name that is on this machine or can be downloaded.

    Args:
        name: Folder or name.

    Raises:
        BadInput: There is no such model at hand, or it does not give one score per pair.
    """

    def __init__(self, name: str) -> None:
        from ftkit.models.weights import resolve

        from_hub = not Path(name).expanduser().is_dir() and not os.environ.get("HF_HUB_OFFLINE")
        folder = resolve(name) if from_hub else str(Path(name).expanduser())
        from sentence_transformers import CrossEncoder

        where, todo = (
            f"retrieval.reranker {name}",
            "give a cross-encoder (one score per pair), or leave it empty",
        )
        try:
            self.model: Any = CrossEncoder(folder, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise BadInput(
                f"no such reranker: {str(error).splitlines()[0][:200]}", where=where, todo=todo
            ) from error
        if self.model.num_labels != 1:
            raise BadInput(
                f"gives {self.model.num_labels} scores per pair, not one", where=where, todo=todo
            )

    def scores(self, text: str, passages: Sequence[str]) -> list[float]:
        """Return one score per passage, higher is better."""
        with free_threads():
            found = self.model.predict(
                [(text, passage) for passage in passages], show_progress_bar=False
            )
        return [float(score) for score in found]
