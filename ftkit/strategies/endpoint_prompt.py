"""The endpoint's own best prompt: a provider's model is asked as well as the base model was, within a budget of paid answers.

A prompt that suits a small base need not suit a large model. An endpoint that is compared by the base's prompt is compared
unfairly, and 07 says so where it happens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.prompting import PromptingParameters
from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.core.records.endpoint import NotMeasured
from ftkit.core.records.prompting import Prompt, PromptBook, ResponseFormat
from ftkit.core.records.retrieval import RetrievalCard
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.records.task import TaskCard
from ftkit.data.personal_data import mask
from ftkit.models.chat import ChatModel
from ftkit.models.endpoint.model import EndpointModel
from ftkit.scoring.score import score
from ftkit.strategies.delivery import not_measured, sentence
from ftkit.strategies.grid import Finder, Progress, answer_with, endpoint_of
from ftkit.strategies.prompt_candidates import TASK_ONLY
from ftkit.strategies.prompt_choice import ranked, trial
from ftkit.strategies.prompt_search import Meter, leave_out_failures, race
from ftkit.strategies.structured_output import constrained

CACHE, BUDGET = "endpoint.jsonl", "prompting.endpoint_answers"


def open_endpoint(p: PromptingParameters | RetrievalParameters, stage: str) -> ChatModel | None:
    """Return the endpoint that a stage names, which keeps its answers in the stage's folder; None where it names none."""
    if not p.endpoint_url:
        return None
    cache = Path(p.run) / stage / CACHE
    return EndpointModel(endpoint_of(p, stage), cache=cache, hide=mask)


def search(
    book: PromptBook,
    model: ChatModel | None,
    card: TaskCard,
    items: Any,
    examples: Any,
    budget: int,
    form: ResponseFormat | None,
    candidates: Sequence[Prompt],
    progress: Callable[[str], Progress] | None = None,
) -> tuple[PromptBook, str]:
    """Return the book with the endpoint's own best prompt, and what was done, in a sentence.

    Args:
        book: The prompts as the base model answered them.
        model: The endpoint; None: there is none, and the book stays as it is.
        card: The task.
        items: Validation examples.
        examples: Training examples, for the few-shot texts.
        budget: Answers that it may be asked for in the search; 0: every prompt answers every example.
        form: What answers are held within; None: nothing is tried.
        candidates: The prompts.
        progress: Makes a progress callable from a label.

    Raises:
        BadInput: The budget is too small, or the endpoint refuses key, path or model.
    """
    if model is None:
        return (
            book,
            "No endpoint is named (prompting.endpoint_url): one that takes part in 07 is asked with the base model's prompt.",
        )
    import pandas as pd

    tell = progress or (lambda label: lambda done, of: None)
    free = [c for c in candidates if c.name != TASK_ONLY]
    meters: list[Meter] = []
    if isinstance(model, EndpointModel) and model.most_usd:
        meters = [lambda: model.bill.usd / model.most_usd]
    told = {"progress": lambda label: tell(f"endpoint, {label}")}
    found = race(
        free, model, card, items, examples, budget=budget, where=BUDGET, meters=meters, **told
    )
    paid = f" {model.bill.sentence()}." if isinstance(model, EndpointModel) else ""
    gone = _not_measured(model, pd.concat(found.answers.values()))
    if gone:
        return book, f"{sentence(gone)} In 07 it is asked with the base model's prompt.{paid}"
    trials, refused = list(found.trials), ""
    for held in constrained(trials, form):
        if held.response_format is None or held.response_format.ranked:
            continue  # a server tells no probabilities of whole labels
        if isinstance(model, EndpointModel) and model.beyond(len(items)):
            refused = " Held within the format it was not asked: the budget is nearly spent."
            break
        try:
            answers = answer_with(
                held.name, held, model, items, examples, progress=tell(f"endpoint, {held.name}")
            )
        except BadInput as error:
            refused = f" Held within the format it was not asked: {error.found}."
            break
        found.answers[held.name], found.scores[held.name] = answers, score(card, items, answers)
        leave_out_failures(found)
        asked = [t.prompt for t in trials] + [held]
        trials = [trial(c, found.answers[c.name], found.scores[c.name]) for c in asked]
    best = ranked(trials)[0]
    book = book.model_copy(update={"endpoint_trials": trials, "endpoint": best.prompt.name})
    return (
        book,
        f"The endpoint does best with '{best.prompt.name}'. {found.sentence()}{refused}{paid}",
    )


def _not_measured(model: ChatModel, answers: Any) -> NotMeasured | None:
    """Return why nothing can be concluded from an endpoint's answers; None where it can."""
    spec = StrategySpec(
        name="endpoint", family="endpoint", model="endpoint", prompt="", retriever=False
    )
    allowed = model.endpoint.failures_allowed if isinstance(model, EndpointModel) else 0.05
    return next(iter(not_measured([spec], answers.assign(strategy="endpoint"), allowed)), None)


def with_passages(
    card: RetrievalCard,
    book: PromptBook,
    model: ChatModel | None,
    task: TaskCard,
    items: Any,
    examples: Any,
    searcher: Finder | None,
    progress: Callable[[str], Progress] | None = None,
) -> RetrievalCard:
    """Return the retrieval card with the prompt that the endpoint does best with when passages stand in front.

    Args:
        card: The retrieval card.
        book: The prompts, with the endpoint's trials of 03.
        model: The endpoint; None: the card stays as it is.
        task: The task.
        items: Validation examples.
        examples: Training examples, for the few-shot texts.
        searcher: The retriever; None: the card stays as it is.
        progress: Makes a progress callable from a label.
    """
    if model is None or searcher is None or not book.endpoint_trials or not len(items):
        return card
    tell, trials = progress or (lambda label: lambda done, of: None), []
    order = ranked(book.endpoint_trials)
    tried = [
        next((t.prompt for t in order if t.prompt.few_shot is few), None) for few in (False, True)
    ]
    for prompt in (one for one in tried if one is not None):
        answers = answer_with(
            prompt.name,
            prompt,
            model,
            items,
            examples,
            searcher,
            tell(f"endpoint with passages, {prompt.name}"),
        )
        if gone := _not_measured(model, answers):
            raise FtkitError(
                sentence(gone),
                where="retrieval.endpoint_url",
                todo="run 04 again, or leave it empty",
            )
        trials.append(trial(prompt, answers, score(task, items, answers)))
    return card.model_copy(
        update={"endpoint_trials": trials, "endpoint_prompt": ranked(trials)[0].prompt.name}
    )


def told(book: PromptBook, specs: Sequence[StrategySpec]) -> list[str]:
    """Return what a reader must know of the endpoint's prompt."""
    if book.endpoint or all(spec.model != "endpoint" for spec in specs):
        return []
    return [
        "The endpoint was asked with the prompt that suits the base model: name it as prompting.endpoint_url too, and it gets its own best."
    ]
