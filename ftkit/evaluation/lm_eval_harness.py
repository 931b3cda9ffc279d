"""Tasks of lm-evaluation-harness (extra ``lm-eval``) as general questions: base and tuned model on the same items.

Source: Gao et al., The Language Model Evaluation Harness (2024).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.records.evaluation import SCORE_COLUMNS
from ftkit.models.chat import ChatModel

WHERE = "evaluation.general_tasks"


def with_tasks(
    probes: Any,
    load: Callable[[str], ChatModel],
    models: Sequence[str],
    p: EvaluationParameters,
    progress: Callable[[str], Any],
) -> Any:
    """Return the answers to general questions with those to the harness's tasks; unchanged where none is named.

    The first ``probe_items`` items of each task are asked, in the model's chat template; an item is right or wrong by the task's first
    metric and first filter.

    Args:
        probes: What ``probe_models`` returned.
        load: Returns the model of a name.
        models: ``tuned`` and ``base``; none where nothing was tuned.
        p: Names the tasks, and a folder of own ones.
        progress: Returns the progress callable of a step.

    Raises:
        BadInput: lm-eval is not installed, a task is not known, or is not graded right or wrong.
        FtkitError: A task's data cannot be had.
    """
    import pandas as pd

    if not p.general_tasks or not models:
        return probes
    if find_spec("lm_eval") is None:
        raise BadInput(
            "lm-evaluation-harness is not installed",
            where=WHERE,
            todo="pip install 'ftkit[lm-eval]', or leave it empty",
        )
    rows = [
        row
        for name in models
        for row in _asked(load(name), name, p, progress(f"{', '.join(p.general_tasks)}, {name}"))
    ]
    return pd.concat(
        [probes, pd.DataFrame(rows, columns=[*SCORE_COLUMNS, "skill"])], ignore_index=True
    )


def _asked(
    model: Any, name: str, p: EvaluationParameters, progress: Callable[[int, int], None]
) -> list[tuple[Any, ...]]:
    import lm_eval  # pyright: ignore[reportMissingImports]
    from lm_eval.models.huggingface import HFLM  # pyright: ignore[reportMissingImports]
    from lm_eval.tasks import TaskManager  # pyright: ignore[reportMissingImports]

    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    tasks: Any = TaskManager(include_path=p.general_tasks_folder or None)
    unknown = [task for task in p.general_tasks if task not in tasks.all_tasks]
    if unknown:
        raise BadInput(
            f"there is no task {', '.join(unknown)}",
            where=WHERE,
            todo="see `lm-eval ls tasks`, or set evaluation.general_tasks_folder",
        )
    with model.weights.using(model.adapter) as weights:
        asks: Any = HFLM(
            pretrained=weights,
            tokenizer=model.tokenizer,
            batch_size=p.batch_size,
            max_length=model.context,
        )
        try:
            found: Any = lm_eval.simple_evaluate(
                asks,
                tasks=[*p.general_tasks],
                task_manager=tasks,
                limit=p.probe_items or None,
                log_samples=True,
                apply_chat_template=True,
                bootstrap_iters=0,
                random_seed=p.seed,
                numpy_random_seed=p.seed,
                torch_random_seed=p.seed,
                fewshot_random_seed=p.seed,
            )
        except (OSError, ValueError, KeyError, ConnectionError) as error:
            said = " ".join(str(error).split())[:200] or type(error).__name__
            raise FtkitError(
                f"a task could not be run: {said}",
                where=WHERE,
                todo="its data come from the model hub, or from its own file: check both",
            ) from error
    rows = [row for task, samples in found["samples"].items() for row in _rows(task, name, samples)]
    progress(len(rows), len(rows))
    return rows


def _rows(task: str, name: str, samples: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    rows = []
    for sample in samples:
        if sample["filter"] != samples[0]["filter"]:
            continue
        metric = sample["metrics"][0]
        value = float(sample[metric])
        if value not in (0.0, 1.0):
            raise BadInput(
                f"{task} is graded by {metric}, not as right or wrong",
                where=WHERE,
                todo="leave it out",
            )
        item = f"{task}-{sample['doc_id']}"
        rows.append((item, name, item, value == 1.0, value, "strict", None, False, task))
    return rows
