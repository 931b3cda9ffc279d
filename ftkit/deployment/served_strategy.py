"""An export that answers: its prompt, examples, passages and weights together."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.core import run_folder
from ftkit.core.errors import BadInput
from ftkit.core.records.prompting import Prompt, ResponseFormat
from ftkit.core.records.retrieval import Passage
from ftkit.core.records.strategy import StrategySpec
from ftkit.data.personal_data import mask
from ftkit.deployment.export import verify
from ftkit.models.chat import ChatModel, Messages, Reply
from ftkit.models.weights import fingerprint, resolve
from ftkit.strategies import grid

if TYPE_CHECKING:
    from ftkit.deployment.engines.model import EngineModel
    from ftkit.models.local import LocalModel

Progress = Callable[[int, int], None]


@dataclass
class Asked:
    """One question, ready for the model.

    Attributes:
        messages: What the model is given.
        passages: The passages among them, best first.
        response_format: What the answer is held within; None: it is free.
        version: The release that answers.
        alone_from: Confidence from which the answer needs no person's look; None: it always does.
        allowed_wrong: Share of wrong answers that this allows; None: not measured for this question.
    """

    messages: Messages
    passages: list[Passage]
    response_format: ResponseFormat | None = None
    version: int = 0
    alone_from: float | None = None
    allowed_wrong: float | None = None

    def within(self, form: ResponseFormat | None) -> Asked:
        """Return the question held within a client's own format, in which what may be answered alone was not tested."""
        return (
            replace(self, response_format=form, alone_from=None, allowed_wrong=None)
            if form
            else self
        )


class Served:
    """A strategy opened from its export.

    Args:
        folder: The export.
        threads: CPU threads; 0: what is free.
        version: Number of the release; 0: it is none.
        store: The release folder whose current version is followed; None: this export stays.
        beside: A strategy that is open already; a model on the same base shares its weights, and is asked on the same thread.
        engine_url: Base URL of an engine that generates in place of weights loaded here; empty: none.

    Raises:
        BadInput: A file was altered, or the base's weights are not those that were tested.
    """

    def __init__(
        self,
        folder: Path,
        threads: int = 0,
        version: int = 0,
        store: Path | None = None,
        beside: Served | None = None,
        engine_url: str = "",
    ) -> None:
        self.engine_url = engine_url
        self.folder, self.bundle = folder, verify(folder)
        self.threads, self.version, self.store, self.beside = threads, version, store, beside
        self.local: LocalModel | None = None
        self.engine: EngineModel | None = None
        self.model: ChatModel = self._model(threads)
        self.finder: grid.Finder | None = self._finder()
        examples = folder / "examples.parquet"
        self.examples: Any = run_folder.read_table(examples) if examples.exists() else None

    def _model(self, threads: int) -> ChatModel:
        b = self.bundle
        if self.engine_url:
            from ftkit.deployment.engines.model import EngineModel

            self.engine = EngineModel(b, self.folder, self.engine_url, self.version)
            return self.engine
        if b.form == "endpoint":
            from ftkit.models.endpoint.model import Endpoint, EndpointModel

            endpoint = Endpoint(
                url=b.endpoint_url,
                model=b.base_model,
                named="endpoint",
                answer_tokens=b.max_new_tokens,
                connection=b.endpoint_connection,
                may_leave=True,  # it passed 08's gate on privacy
                confidence=True,
            )
            return EndpointModel(endpoint, hide=mask, notice=logging.getLogger(__name__).info)
        from ftkit.models.local import LocalModel
        from ftkit.models.vote import voting

        if b.form != "merged" and fingerprint(Path(resolve(b.base_model))) != b.base_sha256:
            raise BadInput(
                "these are other weights than those that were tested",
                where=b.base_model,
                todo="serve it with the same base model",
            )
        base, weights = b.base_model, self.folder / b.weights if b.weights else None
        other = self.beside.local if self.beside else None
        settings = {
            "max_new_tokens": b.max_new_tokens,
            "thinking": b.thinking,
            "thinking_tokens": b.thinking_tokens,
            "batch_size": b.batch_size,
            "threads": threads,
        }
        self.local = LocalModel(base, adapter=weights, **settings, beside=other)
        return voting(self.local, b.spec.votes)

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer; None where an endpoint answers."""
        holder = self.local or self.engine
        return holder.tokenizer if holder else None

    def close(self) -> None:
        """Free what only this strategy needed."""
        if self.local:
            self.local.close()
        if self.engine:
            self.engine.close()

    def _finder(self) -> grid.Finder | None:
        large = self.bundle.large
        if not (self.bundle.spec.retriever or (large and large.spec.retriever)):
            return None
        from ftkit.retrieval.index import Index, Searcher

        return Searcher(Index(self.folder / "index"), self.bundle.search_mode, self.bundle.top_k)  # pyright: ignore[reportArgumentType]

    def prepare(self, texts: Sequence[str]) -> list[Asked]:
        """Return the messages of each text, its passages found."""
        b = self.bundle
        messages, found = self._conversations(b.spec, b.prompt, texts)
        rest = b.prompt.response_format, self.version, b.alone_from, b.allowed_wrong
        return [Asked(m, found[i] if found else [], *rest) for i, m in enumerate(messages)]

    def prepare_large(self, texts: Sequence[str]) -> list[Messages]:
        """Return what the large model of the cascade is asked for each text."""
        large = self.bundle.large
        assert large is not None
        return self._conversations(large.spec, large.prompt, texts)[0]

    def _conversations(
        self, spec: StrategySpec, prompt: Prompt, texts: Sequence[str]
    ) -> tuple[list[Messages], list[list[Passage]] | None]:
        finder = self.finder if spec.retriever else None
        found = finder.search(texts) if finder else None
        shots = None
        if finder and spec.shot_passages:
            shown = [given for given, _ in grid.shots_of(prompt, self.examples)]
            shots = finder.search(shown) if shown else None
        return grid.conversations(prompt, texts, self._shots(), found, shots), found

    def _shots(self) -> Any:
        if self.examples is not None:
            return self.examples
        import pandas as pd

        return pd.DataFrame({"id": [], "input": [], "output": []})

    def answer(
        self, texts: Sequence[str], progress: Progress | None = None
    ) -> tuple[list[Asked], list[Reply]]:
        """Return what was asked and the reply of each text."""
        asked = self.prepare(texts)
        return asked, self.replies(asked, progress)

    def replies(self, asked: Sequence[Asked], progress: Progress | None = None) -> list[Reply]:
        """Return the model's reply to each question."""
        return self.model.answer(
            [a.messages for a in asked], progress, [a.response_format for a in asked]
        )

    def prompt_sha256(self, messages: Messages) -> str:
        """Return the hash of a prompt's tokens as the model sees them (of the messages, for an endpoint)."""
        return prompt_sha256(self.model, messages)


def prompt_sha256(model: Any, messages: Messages) -> str:
    """Return the hash of a prompt's tokens as a model sees them; of the messages where it is no local one."""
    seen = model.prompt_ids(messages)[0] if hasattr(model, "prompt_ids") else messages
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()[:16]
