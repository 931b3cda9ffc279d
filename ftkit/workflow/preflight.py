"""What can be checked before a kernel starts, told all at once."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.base import NAMED_BASES, EndpointParameters, ModelParameters, Parameters
from ftkit.core.parameters.data import DataParameters
from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.parameters.deployment import DeploymentParameters
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.parameters.preference import PreferenceParameters
from ftkit.core.parameters.prompting import PromptingParameters
from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.core.parameters.training import TrainingParameters
from ftkit.deployment.gguf_export import converter
from ftkit.models import bases
from ftkit.models.endpoint.transport import LOCAL
from ftkit.training.distributed import check as check_processes

LARGEST_CHECKED = 64 << 20
TUNED = ("fine-tuned", "hybrid")
LEAST_FREE_BYTES = 100 << 20


def preflight(built: dict[str, Parameters], stale: set[str]) -> None:
    """Check files, folders, models and what must agree between stages.

    Args:
        built: The parameters of every stage.
        stale: Stages that will run: only their files are opened.

    Raises:
        BadInput: All faults together.
        FtkitError: The disk is full.
    """
    faults = list(
        dict.fromkeys(
            [
                *_missing(built),
                *_disagreeing(built),
                *_leaving(built),
                *_untrained(built),
                *_forgetting(built, stale),
                *_lacking(built, stale),
                *_unusable(built, stale),
            ]
        )
    )
    if len(faults) == 1:
        raise BadInput(faults[0], todo="mend it and run again")
    if faults:
        raise BadInput(
            "\n  ".join([f"{len(faults)} faults before anything was started:", *faults]),
            todo="mend these and run again",
        )
    _room(Path(built["task"].run))


def _missing(built: dict[str, Parameters]) -> Iterator[str]:
    for stage, p in built.items():
        yield from (f"{stage}: there is no {path}" for path in p.external() if not path.exists())


def _disagreeing(built: dict[str, Parameters]) -> Iterator[str]:
    data, retrieval, evaluation = built["data"], built["retrieval"], built["evaluation"]
    assert isinstance(data, DataParameters) and isinstance(retrieval, RetrievalParameters)
    assert isinstance(evaluation, EvaluationParameters)
    demo = data.data == "demo" == retrieval.handbook
    if demo and data.demo_scenario != retrieval.demo_scenario:
        yield (
            "the demo's examples and handbook do not belong together: data.demo_scenario is "
            f"{data.demo_scenario}, retrieval.demo_scenario is {retrieval.demo_scenario}"
        )
    training = built["training"]
    assert isinstance(training, TrainingParameters)
    if training.method == "full" and (training.use_dora or training.use_rslora):
        yield "training.use_dora and training.use_rslora are variants of an adapter: set training.method to lora or qlora"
    if bool(evaluation.later_handbook) != bool(evaluation.later_data):
        yield "evaluation.later_handbook and evaluation.later_data belong together: set both, or none"
    judge = (evaluation.judge_url, evaluation.judge_model, evaluation.judge_labels)
    preference = built["preference"]
    assert isinstance(preference, PreferenceParameters)
    prefers = (preference.judge_url, preference.judge_model)
    if any(prefers) and not all(prefers):
        yield "preference.judge_url and judge_model belong together"
    if any(judge) and not all(judge):
        yield "evaluation.judge_url, judge_model and judge_labels belong together: a judge is held against human labels before it is believed"
    asked = {
        name: (p.endpoint_url, p.endpoint_model)
        for name, p in built.items()
        if isinstance(p, PromptingParameters | RetrievalParameters | EvaluationParameters)
    }
    yield from (
        f"{name}.endpoint_url is set, but {name}.endpoint_model is empty"
        for name, (url, model) in asked.items()
        if url and not model
    )
    for place, kind in enumerate(("input", "output")):
        own = (
            built["decision"].model_dump()["prices"].get(f"endpoint_usd_per_million_{kind}_tokens")
        )
        for name, p in built.items():
            if (
                isinstance(p, EndpointParameters)
                and p.endpoint_url
                and own is not None
                and p.endpoint_prices
                and p.endpoint_prices[place] != own
            ):
                yield f"{name}.endpoint_prices says {p.endpoint_prices[place]:g} USD per million {kind} tokens, decision.prices {own:g}"
    if len({one for one in asked.values() if one[0]}) > 1:
        yield f"{', '.join(name for name, one in asked.items() if one[0])} name different endpoints: a prompt is chosen for the one that answers"


def _leaving(built: dict[str, Parameters]) -> Iterator[str]:
    """Return the addresses outside that a stage names while data may not leave."""
    for stage, p in built.items():
        for role in ("endpoint", "judge", "proposal", "synthesis", "question"):
            url = getattr(p, f"{role}_url", "")
            if (
                url
                and not getattr(p, "data_may_leave", True)
                and urlsplit(url).hostname not in LOCAL
            ):
                yield f"{stage}.{role}_url is outside of this machine, and data_may_leave is false: nothing would be sent"


def _untrained(built: dict[str, Parameters]) -> Iterator[str]:
    """Return what asks for tuned weights where training.method is none."""
    training, preference = built["training"], built["preference"]
    evaluation, deployment = built["evaluation"], built["deployment"]
    assert isinstance(training, TrainingParameters) and isinstance(preference, PreferenceParameters)
    assert isinstance(evaluation, EvaluationParameters)
    assert isinstance(deployment, DeploymentParameters)
    if training.method != "none":
        return
    if preference.method != "none":
        yield f"preference.method {preference.method} tunes the weights of 05, and training.method is none: set preference.method to none too"
    named = {
        "deployment.strategy": [deployment.strategy],
        "evaluation.vote_strategies": evaluation.vote_strategies,
        "evaluation.cascade": evaluation.cascade,
    }
    yield from (
        f"{where} names {name}, and training.method is none: name a strategy without tuned weights"
        for where, names in named.items()
        for name in names
        if name in TUNED
    )


def _forgetting(built: dict[str, Parameters], stale: set[str]) -> Iterator[str]:
    """Return a training that may forget more than the decision will let pass."""
    training, decision = built["training"], built["decision"]
    assert isinstance(training, TrainingParameters) and isinstance(decision, DecisionParameters)
    spare, limit = training.general_loss_points, decision.regression_margin_points
    trains = "training" in stale and training.method != "none"
    if trains and training.general_items and spare >= limit:
        yield (
            f"training.general_loss_points lets {spare:g} points of general skills go, but decision.regression_margin_points allows {limit:g} "
            "with its whole interval: leave 5 or 6 points between them"
        )


def _lacking(built: dict[str, Parameters], stale: set[str]) -> Iterator[str]:
    """Return what an optional part would need and this machine has not: better now than after hours."""
    training, evaluation, deployment, preference = (
        built[s] for s in ("training", "evaluation", "deployment", "preference")
    )
    assert isinstance(training, TrainingParameters) and isinstance(preference, PreferenceParameters)
    assert isinstance(evaluation, EvaluationParameters)
    assert isinstance(deployment, DeploymentParameters)
    if "training" in stale and training.method != "none":
        yield from (
            f"training.report_to names {n}, which is not installed: pip install {n}"
            for n in training.report_to
            if not find_spec(n)
        )
    for name, count in (("training", training.processes), ("preference", preference.processes)):
        if name in stale and count > 1:
            yield from _told(partial(check_processes, named=f"{name}.processes"), count)
    if "evaluation" in stale and evaluation.general_tasks and not find_spec("lm_eval"):
        yield "evaluation.general_tasks needs lm-evaluation-harness: pip install 'ftkit[lm-eval]'"
    if "deployment" in stale and deployment.llama_cpp:
        yield from _told(converter, deployment.llama_cpp)


def _unusable(built: dict[str, Parameters], stale: set[str]) -> Iterator[str]:
    """Open what the stages that will run read: a fault costs a second here and a kernel later."""
    models = {
        p.base_model for s, p in built.items() if s in stale and isinstance(p, ModelParameters)
    }
    for check, wanted in ((_data, "data" in stale), (_handbook, "retrieval" in stale)):
        if wanted:
            yield from _told(check, built)
    for model in sorted(models):
        if model not in NAMED_BASES or bases.is_here(model):  # else it is fetched once all is well
            yield from _told(_model, model)


def fetch(built: dict[str, Parameters], stale: set[str], say: Callable[[str], None]) -> None:
    """Fetch the named bases that stages will ask, and say what a base is not good for.

    Raises:
        FtkitError: One could not be fetched.
    """
    named = {
        p.base_model for s, p in built.items() if s in stale and isinstance(p, ModelParameters)
    }
    for base in (b for name, b in bases.BASES.items() if name in named):
        if base.caution:
            say(base.caution)
        bases.resolve(base.name, say)


def _told(check: Callable[[Any], Any], given: Any) -> Iterator[str]:
    try:
        check(given)
    except BadInput as error:
        yield str(error)


def _data(built: dict[str, Parameters]) -> None:
    p = built["data"]
    assert isinstance(p, DataParameters)
    small = [
        path for path in p.external() if path.is_file() and path.stat().st_size <= LARGEST_CHECKED
    ]
    if p.data == "demo" or len(small) < len(p.external()):
        return
    from ftkit.data.read import read

    read(
        Path(p.data),
        p.input_column,
        p.output_column,
        p.group_column,
        p.encoding,
        context=p.context_columns,
    )
    if p.test_data:
        read(
            Path(p.test_data),
            p.input_column,
            p.output_column,
            p.group_column,
            p.encoding,
            1,
            context=p.context_columns,
        )


def _handbook(built: dict[str, Parameters]) -> None:
    p = built["retrieval"]
    assert isinstance(p, RetrievalParameters)
    if p.handbook not in ("", "demo") and Path(p.handbook).exists():
        from ftkit.retrieval.handbook import open_handbook

        open_handbook(p, Path(p.handbook))


def _model(name: str) -> None:
    from ftkit.models.weights import resolve

    resolve(name)


def _room(run: Path) -> None:
    there = next(folder for folder in (run, *run.resolve().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if free < LEAST_FREE_BYTES:
        raise FtkitError(
            f"the disk is full: {free >> 20} MiB are free, a run needs at least {LEAST_FREE_BYTES >> 20}",
            where=str(run),
            todo="free some space, then run again",
        )


def order_faults(selected: list[str], done: set[str], reads: dict[str, list[str]]) -> str:
    """Return which earlier stage is neither done nor selected, in words; empty if none is."""
    for stage in selected:
        gone = [other for other in reads[stage] if other not in done and other not in selected]
        if gone:
            return f"{stage} reads what {', '.join(gone)} write{'s' * (len(gone) == 1)}, and that has not been run"
    return ""
