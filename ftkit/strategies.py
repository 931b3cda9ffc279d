"""A strategy is model × prompt × retriever: the grid, its answers, and the conversations that tuning learns from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit import runs
from ftkit.evaluation import score
from ftkit.models.chat import ChatModel, Messages
from ftkit.prompting import render, trial
from ftkit.records import (
    ANSWER_COLUMNS,
    Passage,
    Prompt,
    PromptBook,
    PromptTrial,
    RetrievalCard,
    StrategySpec,
    TaskCard,
    TrainingCard,
)

if TYPE_CHECKING:
    from ftkit.retrieval import Searcher

Progress = Callable[[int, int], None]


def grid(book: PromptBook, retrieval: RetrievalCard, training: TrainingCard | None, endpoint: bool = False) -> list[StrategySpec]:
    """Return the strategies to compare: those that the run has the parts for.

    The tuned model is asked with the zero-shot prompt it was trained on; the base model's RAG prompt is the one that
    04 found best with passages on validation.
    """
    specs = [StrategySpec(name="prompting", family="prompting", model="base", prompt=book.zero_shot, retriever=False)]
    if book.few_shot != book.zero_shot:
        specs.append(StrategySpec(name="few-shot", family="few-shot", model="base", prompt=book.few_shot, retriever=False))
    if retrieval.enabled:
        specs.append(
            StrategySpec(name="RAG", family="RAG", model="base", prompt=retrieval.prompt or book.zero_shot, retriever=True)
        )
    if training is not None:
        tuned = {"model": "tuned", "prompt": training.prompt or book.zero_shot, "adapter": training.adapter}
        specs.append(StrategySpec.model_validate({"name": "fine-tuned", "family": "fine-tuned", "retriever": False, **tuned}))
        if retrieval.enabled:
            specs.append(StrategySpec.model_validate({"name": "hybrid", "family": "hybrid", "retriever": True, **tuned}))
    if endpoint:
        specs.append(StrategySpec(name="endpoint", family="endpoint", model="endpoint", prompt=book.few_shot, retriever=False))
        if retrieval.enabled:
            prompt = retrieval.prompt or book.zero_shot
            specs.append(
                StrategySpec(name="endpoint RAG", family="endpoint RAG", model="endpoint", prompt=prompt, retriever=True)
            )
    return specs


def shots_of(prompt: Prompt, examples: Any) -> list[tuple[str, str]]:
    """Return input and answer of a prompt's few-shot examples, in its order.

    Args:
        prompt: Names the examples by id.
        examples: Training examples (columns ``records.EXAMPLE_COLUMNS``).
    """
    rows = {
        row_id: (given, output)
        for row_id, given, output in zip(examples["id"], examples["input"], examples["output"], strict=True)
    }
    return [rows[row_id] for row_id in prompt.shots]


def conversations(
    prompt: Prompt, texts: Sequence[str], examples: Any, passages: Sequence[list[Passage]] | None = None
) -> list[Messages]:
    """Return the messages of every text."""
    shots = shots_of(prompt, examples)
    found: Sequence[list[Passage] | None] = passages if passages is not None else [None] * len(texts)
    return [render(prompt, text, given, shots) for text, given in zip(texts, found, strict=True)]


def answer(
    spec: StrategySpec, model: ChatModel, items: Any, *, book: PromptBook, examples: Any,
    searcher: Searcher | None = None, progress: Progress | None = None,
) -> Any:  # fmt: skip
    """Let one strategy answer every item.

    Args:
        spec: The strategy; its prompt is looked up in ``book``.
        model: The model that ``spec.model`` stands for.
        items: Examples to answer (``id`` and ``input`` are read, nothing else).
        book: All prompts.
        examples: Training examples, for the few-shot texts.
        searcher: The retriever, needed where ``spec.retriever`` is set.
        progress: Called with answers done and in all.

    Returns:
        A table with ``records.ANSWER_COLUMNS``, one row per item in the order of ``items``.
    """
    return answer_with(spec.name, book.get(spec.prompt), model, items, examples, searcher if spec.retriever else None, progress)


def answer_with(
    name: str, prompt: Prompt, model: ChatModel, items: Any, examples: Any,
    searcher: Searcher | None = None, progress: Progress | None = None,
) -> Any:  # fmt: skip
    """Let one prompt answer every item under a name; see ``answer``."""
    import pandas as pd

    texts = items["input"].tolist()
    passages = searcher.search(texts) if searcher else None
    replies = model.answer(conversations(prompt, texts, examples, passages), progress)
    rows = []
    for index, (item, reply) in enumerate(zip(items["id"], replies, strict=True)):
        found = passages[index] if passages else []
        rows.append((
            item, name, reply.text, reply.prompt_tokens, reply.completion_tokens, reply.seconds,
            [p.id for p in found], [f"[{p.source}] {p.title}. {p.text}" for p in found], reply.cut_tokens,
        ))  # fmt: skip
    return pd.DataFrame(rows, columns=ANSWER_COLUMNS)


def load_model(spec: StrategySpec, p: Any, run: Path) -> ChatModel:
    """Load the model that a strategy asks.

    Args:
        spec: The strategy.
        p: The stage's parameters (``ModelParameters``; the endpoint's too where one is asked).
        run: The run folder, which holds the adapter.
    """
    if spec.model == "endpoint":
        from ftkit.models.endpoint import EndpointModel

        return EndpointModel(p.endpoint_url, p.endpoint_model, max_new_tokens=p.max_new_tokens)
    from ftkit.models.local import LocalModel

    adapter = run / spec.adapter if spec.model == "tuned" else None
    return LocalModel(p.base_model, adapter=adapter, max_new_tokens=p.max_new_tokens, batch_size=p.batch_size, threads=p.threads)


def open_searcher(stage: runs.Stage) -> Searcher | None:
    """Open the retriever that 04 chose; None where retrieval is off."""
    card = runs.read_record(stage.of("retrieval", "retrieval.json"), RetrievalCard)
    if not card.enabled:
        return None
    from ftkit.retrieval import Index, Searcher

    index = Index(stage.of("retrieval", "index"))
    index.check_model(card.embedding_model)
    return Searcher(index, card.chosen, card.top_k)  # pyright: ignore[reportArgumentType]


def training_conversations(
    examples: Any, prompt: Prompt, searcher: Searcher | None, share: float, seed: int
) -> list[tuple[Messages, str, str]]:  # fmt: skip
    """Return messages, right answer and id of every training example.

    Args:
        examples: Examples to learn from.
        prompt: The zero-shot prompt that the tuned model will be asked with.
        searcher: The retriever; None: no example is shown with passages.
        share: Share of examples shown with their retrieved passages, as the hybrid will see them, 0..1.
        seed: Seed of which ones.
    """
    texts = examples["input"].tolist()
    with_passages = [searcher is not None and _draw(seed, row_id) < share for row_id in examples["id"]]
    wanted = [text for text, yes in zip(texts, with_passages, strict=True) if yes]
    found = iter(searcher.search(wanted) if searcher and wanted else [])
    return [
        (render(prompt, text, next(found) if yes else None), output, row_id)
        for text, yes, output, row_id in zip(texts, with_passages, examples["output"], examples["id"], strict=True)
    ]


def _draw(seed: int, text: str) -> float:
    """Return a number in 0..1 that is the same for the same seed and text."""
    return int(hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()[:8], 16) / 16**8


def base_spec(book: PromptBook) -> StrategySpec:
    """Return the strategy that asks the base model without passages, for loading that model."""
    return StrategySpec(name="prompting", family="prompting", model="base", prompt=book.zero_shot, retriever=False)


def try_prompt(
    prompt: Prompt,
    model: ChatModel | None,
    card: TaskCard,
    items: Any,
    examples: Any,
    searcher: Searcher | None,
    progress: Progress | None = None,
) -> PromptTrial:
    """Let one prompt answer validation examples, with passages if a retriever is given, and score it."""
    if model is None:
        raise ValueError("a prompt is tried on a model")
    answers = answer_with(prompt.name, prompt, model, items, examples, searcher, progress)
    return trial(prompt, answers, score(card, items, answers))


def side_by_side(
    message: str,
    specs: Sequence[StrategySpec],
    p: Any,
    run: Path,
    *,
    book: PromptBook,
    examples: Any,
    searcher: Searcher | None = None,
) -> list[dict[str, str]]:
    """Let every strategy answer one message.

    Returns:
        Per strategy: its name, its answer, and the passages it was given.
    """
    import pandas as pd

    item, models, rows = pd.DataFrame({"id": ["message"], "input": [message]}), {}, []
    for spec in specs:
        if spec.model not in models:
            models[spec.model] = load_model(spec, p, run)
        found = answer(spec, models[spec.model], item, book=book, examples=examples, searcher=searcher).iloc[0]
        rows.append(
            {"strategy": spec.name, "answer": found["text"] or "(no answer)", "passages": "\n".join(found["passages"]) or "–"}
        )
    return rows
