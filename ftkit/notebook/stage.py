"""How a notebook starts: its parameters become a model, its stage of the run is opened, earlier records are read."""

from __future__ import annotations

import builtins
import json
import os
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import FtkitError
from ftkit.core.parameters.files import build, inherit
from ftkit.core.parameters.models import MODELS
from ftkit.core.records.data import DataCard
from ftkit.core.records.manifest import Manifest
from ftkit.core.records.task import TaskCard
from ftkit.models.endpoint import bill
from ftkit.report import theme


class NotebookStage(run_folder.Stage):
    """A stage that shows what it paid to endpoints when it is done."""

    def done(
        self, outputs: list[str], *, seed: int = 0, device: str = "cpu", unanswered: int = 0
    ) -> Manifest:
        """Write the manifest, see :meth:`ftkit.core.run_folder.Stage.done`, and show its bills."""
        manifest = super().done(outputs, seed=seed, device=device, unanswered=unanswered)
        if manifest.bills:
            theme.table(
                bill.rows(manifest.bills), caption="paid to endpoints, earlier tries included"
            )
        return manifest


def begin(stage: str, namespace: dict[str, Any]) -> tuple[Any, run_folder.Stage]:
    """Build the stage's parameters from a notebook's names and its run's model, show where the walk stands, and open its stage of the run.

    Args:
        stage: Name of the stage, e.g. ``data``.
        namespace: The notebook's ``globals()``; names that are no parameters are ignored.

    Returns:
        The stage's parameter model and the opened stage.

    Raises:
        BadInput: A value does not fit its parameter, or it names another model than its run does.
        NotReady: An earlier stage has not been run in this run folder.
    """
    to_project_root()
    values = {name: namespace[name] for name in MODELS[stage].model_fields if name in namespace}
    run = Path(values.get("run", MODELS[stage].model_fields["run"].default))
    built = build(stage, inherit(stage, values, run))
    theme.strip(
        stage,
        run_folder.states(Path(built.run)),
        {s: f"{run_folder.stage_name(s)}.ipynb" for s in run_folder.STAGES},
    )
    return built, NotebookStage(
        Path(built.run), stage, built.model_dump(mode="json", exclude={"run"}), built.external()
    )


class SystemExit(builtins.SystemExit):  # papermill and nbclient know a stop by this name
    """Ends a notebook early without a failure, and shows nothing itself."""

    def _render_traceback_(self) -> list[str]:
        return [""]


def end_here() -> None:
    """End a notebook whose stage is done; the cells below are not run.

    Raises:
        SystemExit: Always; papermill takes it for a regular end, JupyterLab stops "Run All" there.
    """
    raise SystemExit(0)


def to_project_root() -> Path:
    """Change to the nearest folder upwards that holds ``notebooks`` and ``params``, so that paths mean the same everywhere."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "notebooks").is_dir() and (folder / "params").is_dir():
            os.chdir(folder)
            return folder
    return here


def task_card(stage: run_folder.Stage) -> TaskCard:
    """Return the task card, completed with the labels or functions that 02_data found."""
    card = run_folder.read_record(stage.of("task", "task.json"), TaskCard)
    if "data" not in run_folder.READS[stage.stage]:
        return card
    data = run_folder.read_record(stage.of("data", "data_card.json"), DataCard)
    return card.completed(sorted(data.labels), data.tools)


def examples(stage: run_folder.Stage, split: str) -> Any:
    """Return the examples of one split as a pandas table (columns: ``records.EXAMPLE_COLUMNS``).

    Raises:
        FtkitError: Another notebook than 07_evaluation asks for the test split.
    """
    if split == "test" and stage.stage != "evaluation":
        raise FtkitError(
            "only 07_evaluation reads the test examples",
            where=stage.stage,
            todo="use train or validation",
        )
    table = run_folder.read_table(stage.of("data", "examples.parquet"))
    return table[table["split"] == split].reset_index(drop=True)


def doubtful(stage: run_folder.Stage) -> set[tuple[str, str]]:
    """Return id and field of the right answers that 02 suspects to be wrong."""
    found = json.loads(stage.of("data", "suspects.json").read_text(encoding="utf-8"))
    return {(row["id"], row["field"]) for row in found}


def test_inputs(stage: run_folder.Stage, limit: int) -> Any:
    """Return id and input of the first test examples that 07 asked; their right answers stay closed.

    Args:
        stage: The stage that asks them again.
        limit: At most so many.
    """
    table = run_folder.read_table(stage.of("data", "examples.parquet"))
    return table.loc[table["split"] == "test", ["id", "input"]].head(limit).reset_index(drop=True)


def usual_examples(stage: run_folder.Stage) -> Any:
    """Return the training and validation examples: what the model was made for."""
    import pandas as pd

    return pd.concat([examples(stage, "train"), examples(stage, "validation")], ignore_index=True)
