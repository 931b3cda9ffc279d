"""The same questions asked of the tested strategy, of the exported files and of a server, in one form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from statistics import fmean
from typing import Any

from ftkit.core import run_folder
from ftkit.core.parameters.deployment import DeploymentParameters
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.records.evaluation import StrategyResult
from ftkit.core.records.manifest import Manifest
from ftkit.core.records.prompting import PromptBook
from ftkit.deployment.parity import COLUMNS
from ftkit.deployment.served_strategy import Served, prompt_sha256
from ftkit.models.chat import ChatModel, Messages
from ftkit.models.vote import voting
from ftkit.strategies import grid

Progress = Callable[[int, int], None]


def mean_logprob(model: Any, messages: Messages, text: str) -> float:
    """Return the mean log-probability per token of an answer, in nats; NaN where a model tells none."""
    if not hasattr(model, "logprobs"):
        return float("nan")
    return fmean(value for _, value in model.logprobs(messages, text))


def tested_model(
    result: StrategyResult, p: DeploymentParameters, stage: run_folder.Stage
) -> ChatModel:
    """Load the model that 07 asked, from the run and not from the export."""
    asked = p
    if result.spec.model == "endpoint":
        manifest = run_folder.read_record(stage.of("evaluation", "manifest.json"), Manifest)
        asked = EvaluationParameters.model_validate({**manifest.parameters, "run": str(stage.run)})
    return voting(grid.load_model(result.spec, asked, stage.run), result.spec.votes)


def base_texts(
    result: StrategyResult,
    p: DeploymentParameters,
    stage: run_folder.Stage,
    messages: list[Messages],
    progress: Progress | None = None,
) -> list[str] | None:
    """Return what the untuned base answers to the same prompts; None where nothing was tuned."""
    if result.spec.model != "tuned":
        return None
    from ftkit.models.local import LocalModel

    base = LocalModel(p.base_model, **p.answering())
    held = (
        run_folder.read_record(stage.of("prompting", "prompts.json"), PromptBook)
        .get(result.spec.prompt)
        .response_format
    )
    return [reply.text for reply in base.answer(messages, progress, [held] * len(messages))]


def reference(
    stage: run_folder.Stage, strategy: str, items: Any, model: Any, messages: Sequence[Messages]
) -> Any:
    """Return the answers of 07 with what the tested model itself says of them.

    Args:
        stage: The deployment stage.
        strategy: Name of the strategy.
        items: Test questions (columns ``id`` and ``input``).
        model: The tested model, loaded from the run and not from the export.
        messages: What the strategy asks it, per item.

    Returns:
        A table with ``deployment.COLUMNS``.
    """
    import pandas as pd

    answers = run_folder.read_table(stage.of("evaluation", "answers.parquet"))
    kept = answers[answers["strategy"] == strategy].set_index("item_id").loc[items["id"]]
    rows = [
        (
            item,
            row["text"],
            row["prompt_tokens"],
            row["completion_tokens"],
            list(row["passage_ids"]),
            prompt_sha256(model, asked),
            mean_logprob(model, asked, row["text"]),
        )
        for (item, row), asked in zip(kept.iterrows(), messages, strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def right_answers(stage: run_folder.Stage, strategy: str, items: Any) -> list[bool]:
    """Return for each test question whether 07 found the strategy's answer right."""
    scores = run_folder.read_table(stage.of("evaluation", "scores.parquet"))
    mine = scores[scores["strategy"] == strategy].set_index("item_id")
    return mine.loc[items["id"], "correct"].astype(bool).tolist()


def ask_files(served: Served, items: Any, told: Any, progress: Progress | None = None) -> Any:
    """Ask an opened export; return a table with ``deployment.COLUMNS``.

    Args:
        served: The export.
        items: Questions (columns ``id`` and ``input``).
        told: The reference, whose answers are scored by the export's weights.
        progress: Called with answers done and in all.
    """
    import pandas as pd

    asked, replies = served.answer(items["input"].tolist(), progress)
    rows = [
        (
            item,
            reply.text,
            reply.prompt_tokens,
            reply.completion_tokens,
            [p.id for p in each.passages],
            served.prompt_sha256(each.messages),
            mean_logprob(served.model, each.messages, right),
        )
        for item, each, reply, right in zip(items["id"], asked, replies, told["text"], strict=True)
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def ask_server(
    url: str,
    name: str,
    items: Any,
    told: Any,
    *,
    token: str = "none",
    clients: int = 8,
    progress: Progress | None = None,
) -> Any:
    """Ask an ``ftkit serve`` over HTTP as any OpenAI client would; return a table with ``deployment.COLUMNS``.

    A server tells the log-probability of its own answer only, so it is NaN where that is not the reference's.

    Args:
        url: Base URL, e.g. ``http://127.0.0.1:8000/v1``.
        name: Model name at the server.
        items: Questions (columns ``id`` and ``input``).
        told: The reference.
        token: Bearer token.
        clients: Questions at once.
        progress: Called with answers done and in all.
    """
    import pandas as pd
    from openai import OpenAI

    client = OpenAI(base_url=url, api_key=token, max_retries=4, timeout=120)

    def ask(asked: tuple[str, str, str]) -> tuple[Any, ...]:
        item, text, right = asked
        done: Any = client.chat.completions.create(
            model=name, messages=[{"role": "user", "content": text}], logprobs=True
        )
        choice, more = done.choices[0], done.model_extra["ftkit"]
        said = (
            [t.logprob for t in choice.logprobs.content]
            if choice.logprobs and choice.logprobs.content
            else []
        )
        return (
            item,
            choice.message.content or "",
            done.usage.prompt_tokens,
            done.usage.completion_tokens,
            more["passages"],
            more["prompt_sha256"],
            fmean(said) if said and choice.message.content == right else float("nan"),
        )

    rows = []
    with ThreadPoolExecutor(clients) as pool:
        for row in pool.map(ask, zip(items["id"], items["input"], told["text"], strict=True)):
            rows.append(row)
            if progress:
                progress(len(rows), len(items))
    return pd.DataFrame(rows, columns=COLUMNS)
