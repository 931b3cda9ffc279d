"""What one person waits: some test questions asked one at a time, of every strategy alike.

Answers in batches give throughput, seconds over questions; nobody waits that long. Here every strategy is asked as a
server's only client would ask it: one question, retrieval and answer, before the next. Nothing is read from a cache of
replies. An endpoint was asked one request at a time already, so its times are those of its answers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ftkit.core.records.evaluation import Evaluation, SingleRequests
from ftkit.core.records.prompting import PromptBook
from ftkit.core.records.strategy import StrategySpec
from ftkit.models.chat import ChatModel
from ftkit.models.reply_cache import CachedModel
from ftkit.strategies import grid

REQUESTS, LEAST, MOST_SECONDS = 20, 5, 60.0
"""Requests per strategy after one that warms up; after a minute as few as 5, so that slow models stay affordable."""


def time_single(
    specs: Sequence[StrategySpec],
    items: Any,
    answers: Any,
    load: Callable[[str], ChatModel],
    *,
    book: PromptBook,
    examples: Any,
    searcher: grid.Finder | None = None,
    progress: Callable[[str], grid.Progress | None] = lambda name: None,
) -> dict[str, SingleRequests]:
    """Return the seconds of single requests by strategy.

    Args:
        specs: The strategies.
        items: Test examples; those asked are spread evenly over them.
        answers: What the strategies answered already (columns ``records.ANSWER_COLUMNS``), for endpoints.
        load: Returns the model that ``spec.model`` stands for.
        book: All prompts.
        examples: Training examples, for the few-shot texts.
        searcher: The retriever, needed where ``spec.retriever`` is set.
        progress: Makes a progress callable from a strategy's name.
    """
    parts: dict[str, Any] = {"book": book, "examples": examples, "searcher": searcher}
    at = np.unique(np.linspace(0, len(items) - 1, REQUESTS + 1).astype(int))
    asked, found = items.iloc[at], {}
    for spec in specs:
        if spec.model == "endpoint":
            seconds = answers.loc[answers["strategy"] == spec.name, "latency_s"].tolist()
        else:
            model = load(spec.model)
            model = model.inner if isinstance(model, CachedModel) else model
            seconds = _timed(spec, model, asked, parts, progress(spec.name))
        if seconds:
            p50, p95 = np.quantile(seconds, [0.5, 0.95])
            found[spec.name] = SingleRequests(
                requests=len(seconds), p50_s=float(p50), p95_s=float(p95)
            )
    return found


def _timed(
    spec: StrategySpec,
    model: ChatModel,
    asked: Any,
    parts: dict[str, Any],
    progress: grid.Progress | None,
) -> list[float]:
    seconds: list[float] = []
    began = time.perf_counter()
    for k in range(len(asked)):
        start = time.perf_counter()
        grid.answer(spec, model, asked.iloc[[k]], **parts)
        seconds.append(time.perf_counter() - start)
        if progress:
            progress(k + 1, len(asked))
        if k >= LEAST and time.perf_counter() - began > MOST_SECONDS:
            break
    return seconds[1:] or seconds  # the first one warms up


def with_single_requests(result: Evaluation, found: dict[str, SingleRequests]) -> Evaluation:
    """Return the evaluation with the seconds of single requests beside each strategy's throughput."""
    results = [
        r.model_copy(update={"single_requests": found.get(r.spec.name)}) for r in result.results
    ]
    return result.model_copy(update={"results": results})
