"""Which part of each strategy's prompt is the same for all questions, so that a provider can cache it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftkit.core.records.evaluation import Evaluation, StrategyResult
from ftkit.core.records.prompting import PromptBook
from ftkit.models.chat import Messages
from ftkit.strategies.grid import Finder, rendered

PROMPTS = 20
"""Prompts that are compared: two that differ where all do are enough, a chance agreement of 20 is short."""


def with_stable_tokens(
    evaluation: Evaluation, book: PromptBook, items: Any, examples: Any, searcher: Finder | None
) -> Evaluation:
    """Return an evaluation that tells of each strategy how many of its prompts' first tokens are always the same.

    Args:
        evaluation: What was measured.
        book: All prompts.
        items: Test examples (``input`` is read).
        examples: Training examples, for the few-shot texts.
        searcher: The retriever; None: there is none.
    """
    texts = items["input"].head(PROMPTS).tolist()
    results = []
    for result in evaluation.results:
        spec = result.spec
        finder = searcher if spec.retriever else None
        asked, _ = rendered(book.get(spec.prompt), texts, examples, finder, spec.shot_passages)
        tokens = round(stable_share(asked) * result.prompt_tokens_mean, 1)
        results.append(result.model_copy(update={"stable_tokens": tokens}))
    stable = {r.spec.name: r.stable_tokens for r in results}
    return evaluation.model_copy(update={"results": [_with_parts(r, stable) for r in results]})


def _with_parts(result: StrategyResult, stable: dict[str, float]) -> StrategyResult:
    """Return a cascade's result with the stable tokens of its two models; another one as it is."""
    if result.cascade is None:
        return result
    parts = [
        p.model_copy(update={"stable_tokens": stable[p.spec.name]}) for p in result.cascade.parts
    ]
    cascade = result.cascade.model_copy(update={"parts": parts})
    return result.model_copy(update={"cascade": cascade, "stable_tokens": 0.0})


def stable_share(prompts: Sequence[Messages]) -> float:
    """Return the share of the prompts' characters that all begin with, 0..1; 0 where fewer than two differ."""
    texts = ["\n".join(f"{m['role']}\n{m['content']}" for m in prompt) for prompt in prompts]
    if len(set(texts)) < 2:
        return 0.0
    pairs = enumerate(zip(min(texts), max(texts), strict=False))
    same = next((k for k, (a, b) in pairs if a != b), min(map(len, texts)))
    return same * len(texts) / sum(map(len, texts))
