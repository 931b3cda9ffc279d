"""Which strategy ships, and its export from the parts of the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import BadInput
from ftkit.core.parameters.deployment import DeploymentParameters
from ftkit.core.records.decision import Decision
from ftkit.core.records.deployment import Bundle, LargeModel
from ftkit.core.records.evaluation import Cascade, Evaluation, StrategyResult
from ftkit.core.records.manifest import Manifest
from ftkit.core.records.prompting import PromptBook
from ftkit.core.records.retrieval import RetrievalCard
from ftkit.core.records.task import TaskCard
from ftkit.core.tariffs import tariff
from ftkit.data.personal_data import mask
from ftkit.decision import words
from ftkit.deployment.export import copied, merged, write
from ftkit.deployment.platforms import Limits, files, plain_template
from ftkit.models.endpoint.transport import SECRET
from ftkit.models.weights import fingerprint, read_json, resolve
from ftkit.strategies import grid

EXAMPLE = "(the text that the model is given)"
LOAD_QUESTIONS = 32
"""Training questions, with personal data masked, that the export's load test asks."""


def chosen_strategy(
    p: DeploymentParameters, decision: Decision, evaluation: Evaluation
) -> StrategyResult:
    """Return the strategy that ships: the one named, the one that 08 chose, the one ahead, or the most accurate.

    Raises:
        BadInput: The run has no strategy of that name.
    """
    by_name = {r.spec.name: r for r in evaluation.results}
    best = max(evaluation.results, key=lambda r: r.accuracy.value).spec.name
    name = p.strategy or decision.strategy or decision.leading or best
    if name not in by_name:
        raise BadInput(
            f"the run has no strategy '{name}'",
            where="deployment.strategy",
            todo=f"use one of {', '.join(by_name)}",
        )
    chosen = by_name[name]
    if chosen.cascade is None:
        return chosen
    small, large = (by_name[n] for n in (chosen.spec.small, chosen.spec.large))
    if p.strategy and large.spec.model != "endpoint":
        raise BadInput(
            f"the large model of this cascade, {large.spec.name}, is no endpoint that a server can ask",
            where="deployment.strategy",
            todo=f"name {small.spec.name}, serve {large.spec.name} beside it, and pass on in a gateway",
        )
    return small


def large_plan(
    p: DeploymentParameters, decision: Decision, evaluation: Evaluation
) -> Cascade | None:
    """Return the cascade of which ``chosen_strategy`` is the small model; None where that answers alone."""
    name = p.strategy or decision.strategy or decision.leading
    name = name or max(evaluation.results, key=lambda r: r.accuracy.value).spec.name
    chosen = next((r for r in evaluation.results if r.spec.name == name), None)
    return chosen.cascade if chosen else None


def passing_on(plan: Cascade | None, large: LargeModel | None) -> str:
    """Return in words what an export that is a cascade's small model does with what it is not sure of; empty for another.

    Args:
        plan: The cascade; None: it is none.
        large: The large model that ships with it; None: it does not.
    """
    if plan is None:
        return ""
    if large is None:
        return (
            f" This export is {plan.small} alone, which was chosen together with {plan.large}: ask"
            f" {plan.large} wherever a reply's ftkit.confidence is below {plan.least:.4f} or missing."
        )
    most = f", for at most {large.usd_per_day:g} USD a day" if large.usd_per_day else ""
    return (
        f" ftkit serve passes on to {plan.large} ({large.model} at {large.url}) what {plan.small} answers"
        f" with a confidence below {large.least:.4f}: {large.passed.value:.0%} of the test questions{most}."
        f" Where that does not answer within {large.timeout_s:g} s, {plan.small}'s answer goes out, marked."
    )


def large_model(
    stage: run_folder.Stage, p: DeploymentParameters, plan: Cascade | None, evaluation: Evaluation
) -> LargeModel | None:
    """Return how the large model of a cascade is asked, as 07 asked it; None where it is no endpoint.

    Raises:
        BadInput: A header of the connection holds a key's value in place of its variable's name.
    """
    if plan is None or plan.least is None or plan.passed is None:
        return None
    spec = next(r.spec for r in evaluation.results if r.spec.name == plan.large)
    if spec.model != "endpoint":
        return None
    asked = run_folder.read_record(stage.of("evaluation", "manifest.json"), Manifest).parameters
    connection: Any = asked.get("endpoint_connection") or {}
    for name, value in (connection.get("headers") or {}).items():
        if not str(value).startswith("$") and (
            SECRET.search(name) or name.lower() == "authorization"
        ):
            raise BadInput(
                f"the header {name} holds a value, and the export would carry it to whoever gets it",
                where="evaluation.endpoint_connection.headers",
                todo=f"write {name}: $NAME, with the value in that environment variable; run 07 and 09 again",
            )
    url, model = str(asked.get("endpoint_url", "")), str(asked.get("endpoint_model", ""))
    prices: Any = asked.get("endpoint_prices") or []
    book = run_folder.read_record(stage.of("prompting", "prompts.json"), PromptBook)
    return LargeModel(
        spec=spec,
        prompt=book.get(spec.prompt),
        least=plan.least,
        passed=plan.passed,
        url=url,
        model=model,
        connection=connection,
        tariff=tariff(url, model, prices, str(asked.get("price_file", ""))),
        timeout_s=p.cascade_timeout_s,
        usd_per_day=p.cascade_usd_per_day,
    )


def export(
    stage: run_folder.Stage,
    p: DeploymentParameters,
    result: StrategyResult,
    card: TaskCard,
    decision: Decision,
    train: Any,
    plan: Cascade | None = None,
) -> Bundle:
    """Write the strategy's export into the stage's folder ``export``.

    Args:
        stage: The deployment stage.
        p: Its parameters.
        result: The strategy.
        card: The task.
        decision: What 08 said.
        train: Training examples, of which those that the prompt shows go along, and a few as questions of a load test.
        plan: The cascade whose small model the strategy is; None: it answers alone.
    """
    spec = result.spec
    book = run_folder.read_record(stage.of("prompting", "prompts.json"), PromptBook)
    retrieval = run_folder.read_record(stage.of("retrieval", "retrieval.json"), RetrievalCard)
    prompt, tuned = book.get(spec.prompt), spec.model == "tuned"
    lora = tuned and (stage.run / spec.adapter / "adapter_config.json").exists()
    form = (
        "endpoint"
        if spec.model == "endpoint"
        else "base"
        if not tuned
        else "adapter"
        if lora and p.form == "adapter"
        else "merged"
    )
    url, connection = "", {}
    if form == "endpoint":
        url = stored(stage, "evaluation", "endpoint_url")
        connection = run_folder.read_record(
            stage.of("evaluation", "manifest.json"), Manifest
        ).parameters.get("endpoint_connection", {})
    evaluation = run_folder.read_record(stage.of("evaluation", "evaluation.json"), Evaluation)
    large = large_model(stage, p, plan, evaluation)
    alone = "cascade" if large else spec.name
    sure = next((s for s in evaluation.selective if s.strategy == alone), None)
    searches = spec.retriever or bool(large and large.spec.retriever)
    bundle = Bundle(
        name=p.served_name,
        project=card.name,
        spec=spec,
        prompt=prompt,
        form=form,
        base_model=stored(stage, "evaluation", "endpoint_model")
        if form == "endpoint"
        else p.base_model,
        base_sha256="" if form == "endpoint" else fingerprint(Path(resolve(p.base_model))),
        weights="weights" if tuned else "",
        endpoint_url=url,
        endpoint_connection=connection,
        max_new_tokens=p.max_new_tokens,
        thinking=p.thinking,
        thinking_tokens=p.thinking_tokens,
        batch_size=p.batch_size,
        search_mode=retrieval.chosen if searches else "",
        top_k=retrieval.top_k if searches else 0,
        instruction=card.instruction,
        verdict=words.sentence(decision) + passing_on(plan, large),
        accuracy=result.accuracy,
        alone_from=sure.least if sure else None,
        allowed_wrong=sure.allowed_wrong if sure else None,
        large=large,
        run=stage.run.name,
        created=run_folder.now(),
    )
    prompts = [prompt, *([large.prompt] if large else [])]
    ids = [i for one in prompts for i in one.shots]
    similar = any(one.similar for one in prompts)
    shots = train if similar else train[train["id"].isin(ids)] if ids else None
    limits, template, tokenizer = described(
        p, stage.run / spec.adapter if form == "adapter" else None, form
    )
    searcher = grid.open_searcher(stage) if spec.retriever else None
    shown = grid.asked(spec, [EXAMPLE], book=book, examples=train, searcher=searcher)[0]
    asked = [mask(text) for text in train["input"].head(LOAD_QUESTIONS)]
    questions = grid.asked(spec, asked, book=book, examples=train, searcher=searcher)
    texts = files(bundle, limits, template, shown, questions) | {"README.md": readme(bundle)}
    weights = None
    if tuned:
        source = stage.run / spec.adapter
        weights = (
            merged(p.base_model, source, tokenizer) if lora and form == "merged" else copied(source)
        )
    opened = grid.open_searcher(stage) if searches else None
    index = opened.index.copy if opened else None
    return write(
        stage.path("export"), bundle, weights=weights, index=index, shots=shots, texts=texts
    )


def stored(stage: run_folder.Stage, other: str, name: str) -> str:
    """Return a parameter as another stage of this run used it."""
    return str(
        run_folder.read_record(stage.of(other, "manifest.json"), Manifest).parameters.get(name, "")
    )


def described(p: DeploymentParameters, adapter: Path | None, form: str) -> tuple[Limits, str, Any]:
    """Return the limits, the chat template and the tokenizer of the base."""
    if form == "endpoint":
        return Limits(0, []), "", None
    from ftkit.models import tokens
    from ftkit.models.load import device, load_tokenizer

    folder = resolve(p.base_model)
    tokenizer, config = load_tokenizer(folder), read_json(Path(folder) / "config.json")
    ends = sorted(
        {
            str(tokenizer.eos_token),
            *tokenizer.convert_ids_to_tokens(sorted(tokens.turn_ends(tokenizer))),
        }
    )
    rank = int(read_json(adapter / "adapter_config.json")["r"]) if adapter else 0
    context = int(config.get("max_position_embeddings") or 4096)
    limits = Limits(context, ends, rank, "bfloat16" if device() == "cuda" else "float32")
    return limits, plain_template(str(tokenizer.chat_template)), tokenizer


def readme(bundle: Bundle) -> str:
    """Return the model card of the export, from the run's records."""
    from ftkit import __version__

    share = bundle.accuracy
    measured = (
        f"{share.value:.0%} right on {share.n} held-out questions (95%: {share.low:.0%} to {share.high:.0%})"
        if share
        else "not measured"
    )
    return f"""---
library_name: ftkit
tags: [ftkit, {bundle.spec.family.replace(" ", "-")}]
---
# {bundle.name}: {bundle.project}

{bundle.instruction}

| | |
|---|---|
| strategy | {bundle.spec.name} (model {bundle.spec.model}, prompt "{bundle.spec.prompt}", {"with" if bundle.spec.retriever else "without"} passages) |
| decoding | {f"held within a response format ({bundle.prompt.response_format.kind})" if bundle.prompt.response_format else "free"}, greedy |
| base | {bundle.base_model}, weights {bundle.base_sha256[:16] or "at the endpoint"} |
| form | {bundle.form} |
| measured | {measured} |
| without a person's look | {looked(bundle)} |
| decision | {bundle.verdict} |
| made | {bundle.created} by ftkit {__version__}, run {bundle.run} |

Serve the whole strategy: `ftkit serve .` (OpenAI-compatible). Files for other servers are in `serving/`; they serve the model only.
What it was tested on, what it gets wrong and its limits are in the run's report. Check the licences of the base and of your data
before you pass it on.
"""


def looked(bundle: Bundle) -> str:
    """Return in words which answers need a person's look."""
    if bundle.allowed_wrong is None:
        return "not measured: the model tells no confidence"
    if bundle.alone_from is None:
        return f"none: a person looks at every answer, as not even the surest were shown to be at most {bundle.allowed_wrong:.0%} wrong"
    return f"answers with a confidence of {bundle.alone_from:.3f} or more: at most {bundle.allowed_wrong:.0%} of them are wrong"


def same_messages(
    result: StrategyResult, texts: list[str], stage: run_folder.Stage, train: Any
) -> list[Any]:
    """Return what the tested strategy asks its model, made from the run's parts and not from the export."""
    book = run_folder.read_record(stage.of("prompting", "prompts.json"), PromptBook)
    searcher = grid.open_searcher(stage) if result.spec.retriever else None
    return grid.asked(result.spec, texts, book=book, examples=train, searcher=searcher)
