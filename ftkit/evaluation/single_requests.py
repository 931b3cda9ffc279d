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

REQUESTS, LEAST, MOST_SECONDS = 10, 3, 20.0
"""Requests per strategy after one that warms up; after 20 seconds as few as 3, so that slow models stay affordable."""


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
            low, high = p95_interval(seconds)
            found[spec.name] = SingleRequests(
                requests=len(seconds),
                p50_s=float(p50),
                p95_s=float(p95),
                p95_low_s=low,
                p95_high_s=high,
            )
    return found


def p95_interval(seconds: Sequence[float]) -> tuple[float, float | None]:
    """Return a 95% interval of the 95th percentile of requests' times.

    From 73 requests on it is an interval between two of the sorted times, whatever their law. Fewer hold no time that is
    surely above the percentile, so there the law of the logarithms is taken as normal (tolerance limits). The upper end
    is None, unknown, for a single request.

    Args:
        seconds: Time of each request, above 0.

    Source: Hahn & Meeker (1991), Statistical Intervals, chapters 4.4 and 5.2.
    """
    from scipy.stats import binom, nct, norm

    n, times = len(seconds), np.sort(np.asarray(seconds, dtype=float))
    if n == 1:
        return 0.0, None
    upper = int(binom.ppf(0.975, n, 0.95)) + 1
    if upper <= n:
        lower = int(binom.ppf(0.025, n, 0.95))
        return float(times[lower - 1]), float(times[upper - 1])
    logs = np.log(np.maximum(times, 1e-6))
    away = nct.ppf([0.025, 0.975], n - 1, norm.ppf(0.95) * np.sqrt(n)) / np.sqrt(n)
    low, high = np.exp(logs.mean() + away * logs.std(ddof=1))
    return float(low), float(high)


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
