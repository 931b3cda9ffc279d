"""Replies of a local model, kept by what was asked: within a run the same model is never asked the same question twice.

A file per model lies in the run's folder ``answers``: a line per reply, written as soon as it is there, so that a run
that was killed goes on where it was. What decides a reply is in the file's name: weights, adapter, room, batch, versions
and the code that answers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ftkit.core import code_closure, run_folder
from ftkit.core.records.prompting import ResponseFormat
from ftkit.models.chat import Messages, Reply
from ftkit.models.local import LocalModel
from ftkit.models.weights import fingerprint

BATCHES = 4
"""Batches that are answered before their replies are written: few, so that little is lost when the run is stopped."""


class CachedModel:
    """A local model that answers only what it was not asked before; everything else is the model's own.

    Args:
        model: The model; its weights must stay as they were loaded.
        folder: Where the replies lie, e.g. ``outputs/demo/answers``.
        adapter: Folder of the adapter or of the fully tuned weights that the model answers with; None: the base.
    """

    def __init__(self, model: LocalModel, folder: Path, adapter: Path | None = None) -> None:
        self.inner, self.name = model, model.name
        self.file = folder / f"{_hash(_settings(model, adapter))[:16]}.jsonl"
        self.asked = 0
        """Questions that the model itself had to answer."""
        self._known = _read(self.file)

    def answer(
        self,
        conversations: list[Messages],
        progress: Callable[[int, int], None] | None = None,
        formats: Sequence[ResponseFormat | None] = (),
    ) -> list[Reply]:
        """Return one reply per conversation, in the same order. See ``ChatModel``."""
        wanted = list(formats) or [None] * len(conversations)
        keys = [_key(m, form) for m, form in zip(conversations, wanted, strict=True)]
        new = {k: i for i, k in enumerate(keys) if k not in self._known}
        order = sorted(new.values(), key=lambda i: -sum(len(str(m)) for m in conversations[i]))
        done, step = len(conversations) - len(order), BATCHES * self.inner.batch_size
        for start in range(0, len(order), step):
            part, before = order[start : start + step], done + start
            replies = self.inner.answer(
                [conversations[i] for i in part],
                _further(progress, before, len(conversations)),
                [wanted[i] for i in part],
            )
            self._keep({keys[i]: dataclasses.asdict(r) for i, r in zip(part, replies, strict=True)})
        if progress and not order:
            progress(len(conversations), len(conversations))
        return [Reply(**self._known[key]) for key in keys]

    def sample(
        self,
        conversations: list[Messages],
        n: int,
        temperature: float,
        seed: int,
        progress: Callable[[int, int], None] | None = None,
        response_format: ResponseFormat | None = None,
    ) -> list[list[str]]:
        """Return ``n`` drawn answers per conversation; drawn together, so known only together. See ``LocalModel``."""
        key = _key([conversations, n, temperature, seed], response_format)
        if key not in self._known:
            drawn = self.inner.sample(
                conversations, n, temperature, seed, progress, response_format
            )
            self.asked += len(conversations) - 1
            self._keep({key: {"drawn": drawn}})
        return self._known[key]["drawn"]

    def _keep(self, replies: dict[str, dict[str, Any]]) -> None:
        self.asked += len(replies)
        self._known |= replies
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a", encoding="utf-8") as handle:
            handle.writelines(json.dumps([k, r]) + "\n" for k, r in replies.items())

    def __getattr__(self, name: str) -> Any:
        """Return what the model offers beside answering, e.g. its tokenizer."""
        if name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)


def _further(
    progress: Callable[[int, int], None] | None, before: int, of: int
) -> Callable[[int, int], None] | None:
    return (lambda done, _: progress(before + done, of)) if progress else None


def _settings(model: LocalModel, adapter: Path | None) -> dict[str, Any]:
    versions = run_folder.versions()
    return {
        "base": fingerprint(model.folder),
        "adapter": run_folder.sha256_path(adapter) if adapter else "",
        "room": model.max_new_tokens,
        "thinking": [model.thinking, model.thinking_tokens],
        "batch": model.batch_size,
        "versions": {name: versions.get(name) for name in ("torch", "transformers", "peft")},
        "code": code_closure.module_hashes("ftkit.models.local"),
        "fields": [field.name for field in dataclasses.fields(Reply)],
    }


def _hash(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _key(asked: Any, form: ResponseFormat | None) -> str:
    return _hash([asked, form.model_dump(mode="json") if form else None])


def _read(file: Path) -> dict[str, dict[str, Any]]:
    """Return the replies of a file; what a killed run left of a line is cut off."""
    if not file.exists():
        return {}
    whole, known = 0, {}
    with file.open("rb") as handle:
        for line in handle:
            try:
                key, reply = json.loads(line)
            except ValueError:
                break
            known[key], whole = reply, whole + len(line)
    if whole < file.stat().st_size:
        with file.open("r+b") as handle:
            handle.truncate(whole)
    return known
