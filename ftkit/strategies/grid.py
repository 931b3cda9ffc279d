"""A strategy is model × prompt × retriever: the grid, its answers, and the conversations that tuning learns from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ftkit.core import run_folder
from ftkit.core.errors import BadInput
from ftkit.core.parameters.base import EndpointParameters, ModelParameters
from ftkit.core.records.prompting import Prompt, PromptBook
from ftkit.core.records.retrieval import Passage, RetrievalCard
from ftkit.core.records.strategy import ANSWER_COLUMNS, StrategySpec
from ftkit.core.records.training import PreferenceCard, TrainingCard
from ftkit.data.personal_data import mask
from ftkit.models.chat import ChatModel, Messages
from ftkit.models.endpoint.model import Endpoint
from ftkit.models.vote import voting
from ftkit.strategies.prompt_candidates import TASK_ONLY
from ftkit.strategies.prompt_choice import ranked
from ftkit.strategies.prompt_rendering import neutral, render
from ftkit.strategies.similar_examples import similar
from ftkit.strategies.structured_output import free_name

if TYPE_CHECKING:
    from ftkit.models.reply_cache import CachedModel
    from ftkit.retrieval.index import Searcher

Progress = Callable[[int, int], None]


class Finder(Protocol):
    """What gives a strategy its passages: a searcher, or passages set by hand.

    Attributes:
        seconds: Seconds that a search takes, which an answer takes longer.
    """

    seconds: float

    def search(self, texts: Sequence[str], progress: Progress | None = None) -> list[list[Passage]]:
        """Return passages per text, best first."""
        ...


def grid(
    book: PromptBook,
    retrieval: RetrievalCard,
    training: TrainingCard | None,
    endpoint: bool = False,
    endpoint_constrained: bool = True,
) -> list[StrategySpec]:
    """Return the strategies to compare: those that the run has the parts for.

    The tuned model is asked with the zero-shot prompt it was trained on; the base model's RAG prompt is the one that
    04 found best with passages on validation. An endpoint has its own best prompts where 03 and 04 asked it.

    Args:
        book: The prompts of 03.
        retrieval: What 04 found.
        training: What 05 trained; None, or a card of method none: nothing.
        endpoint: Whether an endpoint takes part.
        endpoint_constrained: Whether it is asked for constrained decoding where the prompt has it; else for the same prompt, free.
    """
    specs = [
        StrategySpec(
            name="prompting",
            family="prompting",
            model="base",
            prompt=book.zero_shot,
            retriever=False,
        )
    ]
    if book.few_shot != book.zero_shot:
        specs.append(
            StrategySpec(
                name="few-shot",
                family="few-shot",
                model="base",
                prompt=book.few_shot,
                retriever=False,
            )
        )
    if retrieval.enabled:
        specs.append(rag(book, retrieval))
    if training is not None and training.trained:
        tuned = {
            "model": "tuned",
            "prompt": training.prompt or book.zero_shot,
            "adapter": training.adapter,
        }
        specs.append(
            StrategySpec.model_validate(
                {"name": "fine-tuned", "family": "fine-tuned", "retriever": False, **tuned}
            )
        )
        if retrieval.enabled:
            specs.append(
                StrategySpec.model_validate(
                    {"name": "hybrid", "family": "hybrid", "retriever": True, **tuned}
                )
            )
    if endpoint:
        own = book.endpoint or book.few_shot
        specs.append(
            StrategySpec(
                name="endpoint", family="endpoint", model="endpoint", prompt=own, retriever=False
            )
        )
        if retrieval.enabled:
            specs.append(_endpoint_rag(book, retrieval))
    return (
        specs if endpoint_constrained else [_free(s) if s.model == "endpoint" else s for s in specs]
    )


def with_votes(
    specs: Sequence[StrategySpec], names: Sequence[str], votes: int
) -> list[StrategySpec]:
    """Return the strategies, and after them those of some names once more, answering by a vote over several draws.

    Raises:
        BadInput: There is no strategy of a name, or it asks an endpoint.
    """
    known = {spec.name: spec for spec in specs if spec.model != "endpoint"}
    wrong = [name for name in names if name not in known]
    if wrong:
        raise BadInput(
            f"there is no local strategy '{wrong[0]}'",
            where="evaluation.vote_strategies",
            todo=f"use some of {', '.join(known)}",
        )
    return [
        *specs,
        *(
            known[n].model_copy(update={"name": f"{n}, {votes} votes", "votes": votes})
            for n in dict.fromkeys(names)
        ),
    ]


def _endpoint_rag(book: PromptBook, retrieval: RetrievalCard) -> StrategySpec:
    """Return the endpoint with passages: by the prompt that it does best with, else by the base model's."""
    spec = rag(book, retrieval).model_copy(
        update={"name": "endpoint RAG", "family": "endpoint RAG", "model": "endpoint"}
    )
    own = retrieval.endpoint_prompt or book.endpoint
    return spec.model_copy(update={"prompt": own, "shot_passages": False}) if own else spec


def _free(spec: StrategySpec) -> StrategySpec:
    """Return a strategy with its prompt as it was before constrained decoding was tried."""
    return spec.model_copy(update={"prompt": free_name(spec.prompt)})


def rag(book: PromptBook, retrieval: RetrievalCard) -> StrategySpec:
    """Return the base model with the prompt that 04 found best with passages."""
    return StrategySpec(
        name="RAG",
        family="RAG",
        model="base",
        prompt=retrieval.prompt or book.zero_shot,
        retriever=True,
        shot_passages=retrieval.shot_passages,
    )


def rag_candidates(book: PromptBook, zero_shot: int = 2) -> list[StrategySpec]:
    """Return the strategies that 04 compares: the best zero-shot prompts of 03, the best few-shot one, and the best one
    with fixed examples, shown with their own passages.

    Args:
        book: The prompts of 03.
        zero_shot: How many zero-shot prompts to compare.
    """
    few, plain = (
        book.get(book.few_shot),
        [t for t in book.trials if not t.prompt.few_shot and t.prompt.name != TASK_ONLY],
    )
    plain.sort(
        key=lambda t: (
            t.prompt.name == book.zero_shot,
            t.accuracy.n,
            t.accuracy.value,
            t.partial,
            t.format_ok,
        ),
        reverse=True,
    )
    better = {t.prompt.system: t for t in reversed(plain)}  # of one text, free and constrained
    tried = [
        (t.prompt.name, t.prompt.name, False)
        for t in [t for t in plain if t is better[t.prompt.system]][:zero_shot]
    ]
    if few.few_shot:
        tried += [(few.name, few.name, False)]
    fixed = [t.prompt.name for t in ranked([t for t in book.trials if t.prompt.shots])]
    tried += [(f"{name}, with their passages", name, True) for name in fixed[:1]]
    return [
        StrategySpec(
            name=name,
            family="RAG",
            model="base",
            prompt=prompt,
            retriever=True,
            shot_passages=shown,
        )
        for name, prompt, shown in tried
    ]


def shots_of(prompt: Prompt, examples: Any) -> list[tuple[str, str]]:
    """Return input and answer of a prompt's few-shot examples, in its order.

    Args:
        prompt: Names the examples by id.
        examples: Training examples (columns ``records.EXAMPLE_COLUMNS``).
    """
    rows = {
        row_id: (given, output)
        for row_id, given, output in zip(
            examples["id"], examples["input"], examples["output"], strict=True
        )
    }
    return [rows[row_id] for row_id in prompt.shots]


def conversations(
    prompt: Prompt,
    texts: Sequence[str],
    examples: Any,
    passages: Sequence[list[Passage]] | None = None,
    shot_passages: Sequence[list[Passage]] | None = None,
) -> list[Messages]:
    """Return the messages of every text.

    Args:
        prompt: The prompt.
        texts: What the model is given.
        examples: Training examples, for the few-shot texts.
        passages: Passages per text; None without a retriever.
        shot_passages: Passages per few-shot example, if they are shown with theirs.
    """
    fixed = shots_of(prompt, examples)
    shots = (
        similar(texts, examples, prompt.similar, prompt.diverse)
        if prompt.similar
        else [fixed] * len(texts)
    )
    found: Sequence[list[Passage] | None] = (
        passages if passages is not None else [None] * len(texts)
    )
    return [
        render(prompt, text, given, shown, shot_passages)
        for text, given, shown in zip(texts, found, shots, strict=True)
    ]


def asked(
    spec: StrategySpec,
    texts: Sequence[str],
    *,
    book: PromptBook,
    examples: Any,
    searcher: Finder | None = None,
) -> list[Messages]:
    """Return the messages by which a strategy asks its model.

    Args:
        spec: The strategy.
        texts: What the model is given.
        book: All prompts.
        examples: Training examples, for the few-shot texts.
        searcher: The retriever, needed where ``spec.retriever`` is set.
    """
    finder = searcher if spec.retriever else None
    return rendered(book.get(spec.prompt), texts, examples, finder, spec.shot_passages)[0]


def rendered(
    prompt: Prompt, texts: Sequence[str], examples: Any, finder: Finder | None, shot_passages: bool
) -> tuple[list[Messages], list[list[Passage]] | None]:
    """Return the messages of every text, and the passages that stand in them (None without a retriever)."""
    passages = finder.search(texts) if finder else None
    shown = [text for text, _ in shots_of(prompt, examples)] if finder and shot_passages else []
    beside = finder.search(shown) if finder and shown else None
    return conversations(prompt, texts, examples, passages, beside), passages


def answer(
    spec: StrategySpec,
    model: ChatModel,
    items: Any,
    *,
    book: PromptBook,
    examples: Any,
    searcher: Finder | None = None,
    progress: Progress | None = None,
) -> Any:
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

    Raises:
        BadInput: The strategy needs a retriever and there is none.
    """
    if spec.retriever and searcher is None:
        raise BadInput(
            "needs a retriever, and retrieval is off",
            where=spec.name,
            todo="run 04_retrieval with a handbook",
        )
    prompt, found = book.get(spec.prompt), searcher if spec.retriever else None
    asked = voting(model, spec.votes)
    return answer_with(
        spec.name, prompt, asked, items, examples, found, progress, shot_passages=spec.shot_passages
    )


def answer_all(
    specs: Sequence[StrategySpec],
    items: Any,
    load: Callable[[str], ChatModel],
    *,
    book: PromptBook,
    examples: Any,
    searcher: Finder | None = None,
    progress: Callable[[str], Progress | None] = lambda name: None,
) -> Any:
    """Let several strategies answer every item; see ``answer``.

    Args:
        specs: The strategies.
        items: Examples to answer.
        load: Returns the model that ``spec.model`` stands for.
        book: All prompts.
        examples: Training examples, for the few-shot texts.
        searcher: The retriever, needed where ``spec.retriever`` is set.
        progress: Makes a progress callable from a strategy's name.
    """
    import pandas as pd

    parts: dict[str, Any] = {"book": book, "examples": examples, "searcher": searcher}
    tables = [answer(s, load(s.model), items, **parts, progress=progress(s.name)) for s in specs]
    return pd.concat(tables, ignore_index=True)


def answer_with(
    name: str,
    prompt: Prompt,
    model: ChatModel,
    items: Any,
    examples: Any,
    searcher: Finder | None = None,
    progress: Progress | None = None,
    *,
    shot_passages: bool = False,
) -> Any:
    """Let one prompt answer every item under a name; see ``answer``."""
    import pandas as pd

    texts = items["input"].tolist()
    asked, passages = rendered(prompt, texts, examples, searcher, shot_passages)
    rows = []
    replies = model.answer(asked, progress, [prompt.response_format] * len(asked))
    for index, (item, reply) in enumerate(zip(items["id"], replies, strict=True)):
        found = passages[index] if passages else []
        rows.append(
            (
                item,
                name,
                reply.text,
                reply.prompt_tokens,
                reply.completion_tokens,
                reply.seconds + (searcher.seconds if searcher else 0.0),
                [p.id for p in found],
                [f"[{p.source}] {p.title}. {p.text}" for p in found],
                reply.cut_tokens,
                reply.confidence,
                reply.outcome,
                reply.detail,
                reply.thought,
                reply.thought_tokens,
            )
        )
    return pd.DataFrame(rows, columns=ANSWER_COLUMNS)


def answer_arms(
    name: str,
    prompt: Prompt,
    model: ChatModel,
    items: Any,
    examples: Any,
    finders: dict[str, Finder | None],
    progress: Callable[[str], Progress],
) -> dict[str, Any]:
    """Let a model answer the same items with each finder; return the answers by ``name`` and the finder's name.

    Args:
        name: Name of the model in the answers.
        prompt: The prompt.
        model: The model.
        items: Examples to answer.
        examples: Training examples, for the few-shot texts.
        finders: Retrievers (None: without passages) by what is added to the name.
        progress: Makes a progress callable from a label.
    """
    return {
        f"{name}{arm}": answer_with(
            name, prompt, model, items, examples, finder, progress(f"{name}{arm}")
        )
        for arm, finder in finders.items()
    }


def endpoint_of(p: EndpointParameters, stage: str, *, confidence: bool = False) -> Endpoint:
    """Return the endpoint that a stage names, on the terms that it names."""
    return Endpoint(
        url=p.endpoint_url,
        model=p.endpoint_model,
        named=f"{stage}.endpoint",
        answer_tokens=p.max_new_tokens,
        prices=p.endpoint_prices,
        price_file=p.price_file,
        most_usd=p.endpoint_most_usd,
        connection=p.endpoint_connection,
        may_leave=p.data_may_leave,
        confidence=confidence,
        failures_allowed=p.endpoint_failures_allowed,
    )


def load_model(spec: StrategySpec, p: Any, run: Path) -> ChatModel:
    """Load the model that a strategy asks.

    Args:
        spec: The strategy.
        p: The stage's parameters (``ModelParameters``; the endpoint's too where one is asked).
        run: The run folder, which holds the adapter.
    """
    if spec.model == "endpoint":
        from ftkit.models.endpoint.model import EndpointModel

        cache = run / "evaluation" / "answers" / "endpoint.jsonl"
        return EndpointModel(endpoint_of(p, "evaluation", confidence=True), cache=cache, hide=mask)
    return open_local(p, run, run / spec.adapter if spec.model == "tuned" else None)


def open_local(p: ModelParameters, run: Path, adapter: Path | None = None) -> CachedModel:
    """Load a local model whose replies are kept in the run's folder ``answers``.

    Args:
        p: Names the base and how it answers.
        run: The run folder.
        adapter: Folder of an adapter or of fully tuned weights; None: the base alone.
    """
    from ftkit.models.local import LocalModel
    from ftkit.models.reply_cache import CachedModel

    model = LocalModel(p.base_model, adapter=adapter, **p.answering())
    return CachedModel(model, run / "answers", adapter)


def open_searcher(stage: run_folder.Stage) -> Searcher | None:
    """Open the retriever that 04 chose; None where retrieval is off."""
    return searcher_of(stage.run)


def searcher_of(run: Path) -> Searcher | None:
    """Open the retriever of a run; None where retrieval is off."""
    card = run_folder.read_record(run / "retrieval" / "retrieval.json", RetrievalCard)
    if not card.enabled:
        return None
    from ftkit.retrieval.index import Index, Searcher

    index = Index(run / "retrieval" / "index")
    index.check_model(card.embedding_model)
    index.check_passages(card.chunks_sha256)
    return Searcher(index, card.chosen, card.top_k, card.search_s)  # pyright: ignore[reportArgumentType]


def training_conversations(
    examples: Any,
    prompt: Prompt,
    searcher: Finder | None,
    share: float,
    seed: int,
    progress: Progress | None = None,
) -> list[tuple[Messages, str, str]]:
    """Return messages, right answer and id of every training example.

    Args:
        examples: Examples to learn from.
        prompt: The zero-shot prompt that the tuned model will be asked with.
        searcher: The retriever; None: no example is shown with passages.
        share: Share of examples shown with their retrieved passages, as the hybrid will see them, 0..1.
        seed: Seed of which ones.
        progress: Called with texts searched for and in all.
    """
    texts = examples["input"].tolist()
    with_passages = [
        searcher is not None and _draw(seed, row_id) < share for row_id in examples["id"]
    ]
    wanted = [text for text, yes in zip(texts, with_passages, strict=True) if yes]
    found = iter(searcher.search(wanted, progress) if searcher and wanted else [])
    return [
        (render(prompt, text, next(found) if yes else None), neutral(output), row_id)
        for text, yes, output, row_id in zip(
            texts, with_passages, examples["output"], examples["id"], strict=True
        )
    ]


def _draw(seed: int, text: str) -> float:
    """Return a number in 0..1 that is the same for the same seed and text."""
    return int(hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()[:8], 16) / 16**8


def after_preference(training: TrainingCard, preference: PreferenceCard) -> TrainingCard:
    """Return the training card with the adapter of 06, where that won beyond chance."""
    return (
        training.model_copy(update={"adapter": preference.adapter}) if preference.used else training
    )


def base_spec(book: PromptBook) -> StrategySpec:
    """Return the strategy that asks the base model without passages, for loading that model."""
    return StrategySpec(
        name="prompting", family="prompting", model="base", prompt=book.zero_shot, retriever=False
    )


def side_by_side(
    message: str,
    specs: Sequence[StrategySpec],
    load: Callable[[str], ChatModel],
    *,
    book: PromptBook,
    examples: Any,
    searcher: Finder | None = None,
) -> list[dict[str, str]]:
    """Let every strategy answer one message.

    Args:
        message: What the model is given.
        specs: The strategies.
        load: Returns the model that ``spec.model`` stands for.
        book: All prompts.
        examples: Training examples, for the few-shot texts.
        searcher: The retriever, needed where ``spec.retriever`` is set.

    Returns:
        Per strategy: its name, its answer, how sure it was, the passages it was given, and its seconds.
    """
    import pandas as pd

    item, rows = pd.DataFrame({"id": ["message"], "input": [message]}), []
    for spec in specs:
        found = answer(
            spec, load(spec.model), item, book=book, examples=examples, searcher=searcher
        ).iloc[0]
        rows.append(
            {
                "strategy": spec.name,
                "answer": found["text"] or "(no answer)",
                "confidence": "–" if pd.isna(found["confidence"]) else f"{found['confidence']:.0%}",
                "passages that it was given": "\n".join(found["passages"]) or "–",
                "seconds": f"{float(found['latency_s']):.2f}",
            }
        )
    return rows
