"""Answers of a finished strategy are kept with the hash of all they depend on, so that a stopped run goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ftkit import runs
from ftkit.records import Passage, Prompt, StrategySpec


def key(
    spec: StrategySpec,
    prompt: Prompt,
    items: Any,
    passages: Sequence[Sequence[Passage]] | None,
    **model: Any,
) -> str:
    """Return the hash of everything that a strategy's answers depend on.

    Args:
        spec: The strategy.
        prompt: Its prompt, with few-shot examples by id.
        items: The test items; ids and inputs count.
        passages: Passages found per item; only counted where the strategy reads them.
        model: What else decides an answer: hashes of base, adapter and few-shot examples, max_new_tokens, endpoint.
    """
    found = [[p.model_dump() for p in item] for item in passages or []] if spec.retriever else []
    depends = [spec.model_dump(), prompt.model_dump(), list(items["id"]), list(items["input"]), found, model]
    return runs.sha256_bytes(json.dumps(depends, sort_keys=True, default=str).encode())


def kept(folder: Path, spec: StrategySpec, sha256: str, answer: Callable[[], Any]) -> Any:
    """Return a strategy's answers from its file, or let it answer and keep them.

    Files of the same strategy with another hash are removed: their prompt, model or items are no longer these.
    """
    slug = re.sub(r"\W+", "-", spec.name.lower()).strip("-")
    mark = runs.sha256_bytes(spec.name.encode())[:6]
    path = folder / f"{slug}.{mark}.{sha256[:16]}.parquet"
    if path.exists():
        return runs.read_table(path)
    answers = answer()
    runs.write_table(path, answers)
    for old in folder.glob(f"{slug}.{mark}.*.parquet"):
        if old != path:
            old.unlink()
    return answers
