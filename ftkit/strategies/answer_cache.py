"""Answers of a finished strategy are kept with the hash of all they depend on, so that a stopped run goes on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.records.prompting import ResponseFormat
from ftkit.core.records.strategy import ANSWER_COLUMNS, StrategySpec
from ftkit.models.chat import Messages


def key(
    spec: StrategySpec,
    ids: Sequence[str],
    conversations: Sequence[Messages],
    p: EvaluationParameters,
    run: Path,
    response_format: ResponseFormat | None = None,
) -> str:
    """Return the hash of everything that a strategy's answers depend on.

    Args:
        spec: The strategy.
        ids: Ids of the test items, in order.
        conversations: The messages of each item: prompt, few-shot examples and passages as the model sees them.
        p: The model's parameters.
        run: The run folder, which holds the adapter.
        response_format: What the strategy's answers are held within.
    """
    versions = {
        name: version
        for name, version in run_folder.versions().items()
        if name in ("torch", "transformers", "peft")
    }
    depends = [
        spec.model_dump(),
        list(ids),
        list(conversations),
        model_key(spec, p, run),
        versions,
        ANSWER_COLUMNS,
    ]
    depends += [response_format.model_dump()] if response_format else []
    return run_folder.sha256_bytes(json.dumps(depends, sort_keys=True, default=str).encode())


def model_key(spec: StrategySpec, p: EvaluationParameters, run: Path) -> dict[str, Any]:
    """Return what decides a model's answers: weights, adapter, length and batch; or the endpoint."""
    if spec.model == "endpoint":
        return {
            "url": p.endpoint_url,
            "model": p.endpoint_model,
            "max_new_tokens": p.max_new_tokens,
        }
    from ftkit.models.weights import resolve

    base, adapter = Path(resolve(p.base_model)), run / spec.adapter
    return {
        "base": run_folder.sha256_path(base) if base.is_dir() else p.base_model,
        "adapter": run_folder.sha256_path(adapter) if spec.model == "tuned" else "",
        "max_new_tokens": p.max_new_tokens,
        "batch_size": p.batch_size,
    }


def answer_all(
    specs: Sequence[StrategySpec],
    folder: Path,
    sha256_of: Callable[[StrategySpec], str],
    answer: Callable[[StrategySpec], Any],
) -> Any:
    """Return the answers of all strategies as one table; those kept from before are read, the others answer now.

    Args:
        specs: The strategies.
        folder: Where finished answers are kept.
        sha256_of: Returns the hash of all that a strategy's answers depend on; see :func:`key`.
        answer: Lets a strategy answer every item.
    """
    import pandas as pd

    parts = [kept(folder, spec, sha256_of(spec), lambda s=spec: answer(s)) for spec in specs]
    return pd.concat(parts, ignore_index=True)


def kept(folder: Path, spec: StrategySpec, sha256: str, answer: Callable[[], Any]) -> Any:
    """Return a strategy's answers from its file, or let it answer and keep them.

    Files of the same strategy with another hash are removed: their prompt, model or items are no longer these.
    """
    slug = re.sub(r"\W+", "-", spec.name.lower()).strip("-")
    mark = run_folder.sha256_bytes(spec.name.encode())[:6]
    path = folder / f"{slug}.{mark}.{sha256[:16]}.parquet"
    if path.exists():
        return run_folder.read_table(path)
    run_folder.write_table(path, answer())
    for old in folder.glob(f"{slug}.{mark}.*.parquet"):
        if old != path:
            old.unlink()
    return run_folder.read_table(path)
