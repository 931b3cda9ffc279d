"""One parameter file, several values: a run for each combination, the steps before them shared.

The values are compared on what validation says. A sweep that goes on to 07 opens the test set once per combination; choosing
by it would make the best look better than it is, so the table says so.
"""

from __future__ import annotations

import itertools
import re
import shutil
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ftkit.core import run_folder as runs
from ftkit.core.errors import BadInput
from ftkit.core.parameters import shared as shared_parameters
from ftkit.core.parameters.files import load
from ftkit.core.parameters.models import MODELS
from ftkit.core.records.training import TrainingCard
from ftkit.workflow.jobs import Job, run_jobs
from ftkit.workflow.key_metric import key_figure
from ftkit.workflow.run import Selection, run

MOST = 64


@dataclass
class Arm:
    """One combination of values.

    Attributes:
        values: The overrides, ``section.name=value``.
        folder: Its run folder.
        finding: What its last stage found.
        validation_loss: Of 05, where that was run.
    """

    values: list[str]
    folder: Path
    finding: str = ""
    validation_loss: float | None = None


def arms(file: Path, sweeps: Sequence[str], overrides: Sequence[str] = ()) -> list[Arm]:
    """Return the combinations of a sweep, with the run folder of each.

    Args:
        file: The parameter file.
        sweeps: ``section.name=value,value,...`` each, or a name that stands above the sections; values are YAML.
        overrides: Further values that hold for all.

    Raises:
        BadInput: A sweep that is none, a value that does not fit, the run folder itself, or too many combinations.
    """
    choices = [_choices(text) for text in sweeps]
    combinations = [list(c) for c in itertools.product(*choices)]
    if len(combinations) > MOST:
        raise BadInput(
            f"{len(combinations)} combinations", where="--sweep", todo=f"give at most {MOST}"
        )
    run_folder = Path(load(file, overrides)["task"].run)
    found = []
    for values in combinations:
        load(file, [*overrides, *values])
        end = "-".join(
            re.sub(r"[^\w.]+", "_", re.sub(r"^[a-z]+\.", "", v)).strip("_") for v in values
        )
        found.append(Arm(values, run_folder.with_name(f"{run_folder.name}-{end}"[:120])))
    if len({arm.folder for arm in found}) < len(found):
        raise BadInput(
            "two combinations would share a run folder",
            where="--sweep",
            todo="give each value once, and shorter ones",
        )
    return found


def _choices(text: str) -> list[str]:
    name, sign, values = text.partition("=")
    section, _, field = name.strip().partition(".")
    in_section = section in MODELS and field not in ("", "run")
    if not sign or not (in_section or name.strip() in shared_parameters.names()):
        raise BadInput(
            f"'{text}' is not section.name=value,value",
            where="--sweep",
            todo="e.g. --sweep training.lora_r=8,16,32, or --sweep base_model=smollm2-135m,nano",
        )
    try:
        found = yaml.safe_load(f"[{values}]")
    except yaml.YAMLError as error:
        raise BadInput(
            f"'{values}' is no list of YAML values",
            where=f"--sweep {name}",
            todo="quote texts with commas",
        ) from error
    if len(found) < 2:
        raise BadInput(
            f"'{text}' names fewer than two values", where="--sweep", todo="use --set for one value"
        )
    return [
        f"{name.strip()}={yaml.safe_dump(value, default_flow_style=True, width=10_000).strip().removesuffix('...').strip()}"
        for value in found
    ]


def first_stage(name: str) -> int:
    """Return the place of the first stage that a parameter changes."""
    section, dot, _ = name.partition(".")
    return next(
        place
        for place, stage in enumerate(runs.STAGES)
        if (stage == section if dot else name in MODELS[stage].model_fields)
    )


def sweep(
    file: Path,
    sweeps: Sequence[str],
    *,
    selection: Selection | None = None,
    overrides: Sequence[str] = (),
    jobs: int = 1,
    ray: str | None = None,
    say: Callable[[str], None] = print,
) -> list[Arm]:
    """Run every combination; what stands before the first swept stage is run once and copied.

    Args:
        file: The parameter file.
        sweeps: See :func:`arms`.
        selection: Which stages.
        overrides: ``section.name=value`` that hold for all.
        jobs: Runs at once on this machine.
        ray: Address of a Ray cluster that runs them; see :func:`ftkit.workflow.jobs.run_jobs`.
        say: Prints a line.

    Raises:
        FtkitError: As :func:`ftkit.workflow.run.run`; what was run stays, and the same call goes on from there.
    """
    found, chosen = arms(file, sweeps, overrides), selection or Selection()
    stages = chosen.stages()
    first = min(
        (first_stage(value.partition("=")[0]) for arm in found for value in arm.values), default=0
    )
    shared = [stage for stage in stages if runs.STAGES.index(stage) < first]
    base = Path(load(file, overrides)["task"].run)
    if shared:
        say(
            f"Shared by all {len(found)}: {runs.stage_name(shared[0])} to {runs.stage_name(shared[-1])}"
        )
        run(file, selection=Selection(shared, force=chosen.force), overrides=overrides, say=say)
    own, todo = [stage for stage in stages if stage not in shared], list[Job]()
    for arm in found:
        copy_stages(base, arm.folder, runs.STAGES[:first])
        name, own_stages = ", ".join(arm.values), Selection(own, force=chosen.force)
        todo.append(Job(name, file, arm.folder, own_stages, [*overrides, *arm.values]))
    run_jobs(todo, jobs, say, ray)
    for arm in found:
        arm.finding = key_figure(arm.folder, own[-1]) if own else ""
        card = arm.folder / "training" / "training.json"
        if card.exists() and "training" in own:
            trained = runs.read_record(card, TrainingCard)
            arm.validation_loss = trained.best_validation_loss if trained.trained else None
    return found


def copy_stages(base: Path, folder: Path, stages: Sequence[str]) -> None:
    """Copy finished stages into an arm's folder, where they are not there already as they are in the base."""
    for stage in stages:
        ours, theirs = folder / stage / "manifest.json", base / stage / "manifest.json"
        if not theirs.exists() or (ours.exists() and ours.read_bytes() == theirs.read_bytes()):
            continue
        shutil.rmtree(folder / stage, ignore_errors=True)
        shutil.copytree(base / stage, folder / stage)


def rows(found: Sequence[Arm]) -> list[str]:
    """Return the arms as lines, the lowest validation loss first, and what may be concluded."""
    order = sorted(found, key=lambda arm: (arm.validation_loss is None, arm.validation_loss or 0.0))
    width = max((len(", ".join(arm.values)) for arm in order), default=0)
    lines = []
    for arm in order:
        loss = (
            f"validation loss {arm.validation_loss:.4g}  "
            if arm.validation_loss is not None
            else ""
        )
        lines.append(f"{', '.join(arm.values):{width}s}  {loss}{arm.finding}")
    lines += _seeds(found)
    if any((arm.folder / "evaluation" / "manifest.json").exists() for arm in found):
        lines.append(
            f"The test set was opened by {len(found)} runs: choose by validation; the best of several looks better than it is."
        )
    return lines


def _seeds(found: Sequence[Arm]) -> list[str]:
    """Return how far runs that differ in a seed alone lie apart: differences of other values below that are noise."""
    losses = [arm.validation_loss for arm in found if arm.validation_loss is not None]
    if len(losses) < 2 or not all(
        len(arm.values) == 1 and arm.values[0].partition("=")[0].endswith(".seed") for arm in found
    ):
        return []
    return [
        f"Seeds alone: validation loss {statistics.mean(losses):.4g}, standard deviation {statistics.stdev(losses):.2g}. "
        "Differences between other values that are not well above this are noise."
    ]


def values(found: Sequence[Arm]) -> list[dict[str, Any]]:
    """Return the arms as plain values."""
    return [
        {
            "values": arm.values,
            "run": str(arm.folder),
            "validation_loss": arm.validation_loss,
            "finding": arm.finding,
        }
        for arm in found
    ]
