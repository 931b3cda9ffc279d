"""What a run folder holds: every record that the report shows, and why one is missing."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from ftkit.core import run_folder
from ftkit.core.errors import BadInput, NotReady
from ftkit.core.records.base import Record
from ftkit.core.records.data import DataCard
from ftkit.core.records.decision import Decision
from ftkit.core.records.deployment import DeploymentCard
from ftkit.core.records.evaluation import Evaluation, StrategyResult
from ftkit.core.records.manifest import Manifest
from ftkit.core.records.monitoring import MonitoringCard
from ftkit.core.records.prompting import PromptBook
from ftkit.core.records.retrieval import RetrievalCard
from ftkit.core.records.task import Suitability, TaskCard
from ftkit.core.records.training import PreferenceCard, TrainingCard

R = TypeVar("R", bound=Record)


@dataclass
class RunContents:
    """The records of a run; None where a stage is not done.

    Attributes:
        run: The run folder.
        manifests: Per stage that is done.
        missing: Per stage that is not: why, and what to do.
        warnings: What does not fit together, e.g. a decision that is older than its evaluation.
    """

    run: Path
    manifests: dict[str, Manifest] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    task: TaskCard | None = None
    suitability: Suitability | None = None
    data: DataCard | None = None
    prompts: PromptBook | None = None
    retrieval: RetrievalCard | None = None
    training: TrainingCard | None = None
    preference: PreferenceCard | None = None
    evaluation: Evaluation | None = None
    decision: Decision | None = None
    deployment: DeploymentCard | None = None
    monitoring: MonitoringCard | None = None

    def parameters(self, stage: str) -> dict[str, Any]:
        """Return the parameters that a stage ran with; empty where it did not."""
        return self.manifests[stage].parameters if stage in self.manifests else {}

    def table(self, stage: str, name: str) -> Any | None:
        """Return a stage's table, or None where it is not there."""
        path = self.run / stage / name
        return run_folder.read_table(path) if stage in self.manifests and path.exists() else None

    def result(self, strategy: str) -> StrategyResult | None:
        """Return what was measured of a strategy."""
        results = self.evaluation.results if self.evaluation else []
        return next((r for r in results if r.spec.name == strategy), None)

    def chosen(self) -> str:
        """Return the strategy that the verdict names or that is ahead; empty if none is."""
        return (self.decision.strategy or self.decision.leading) if self.decision else ""


def load(run: Path) -> RunContents:
    """Read a run folder; a stage that is not done is told, not an error.

    Raises:
        BadInput: There is no such folder, or no stage of it is done.
    """
    if not run.is_dir():
        raise BadInput("there is no such run folder", where=str(run), todo="see `ftkit runs`")
    found = RunContents(run)
    for stage in run_folder.STAGES:
        _manifest(found, stage)
    if not found.manifests:
        raise BadInput(
            "holds no finished stage",
            where=str(run),
            todo="run the walk first: ftkit run params/NAME.yaml",
        )
    found.task = _record(found, "task", "task.json", TaskCard)
    found.suitability = _record(found, "task", "suitability.json", Suitability)
    found.data = _record(found, "data", "data_card.json", DataCard)
    found.prompts = _record(found, "prompting", "prompts.json", PromptBook)
    found.retrieval = _record(found, "retrieval", "retrieval.json", RetrievalCard)
    found.training = _record(found, "training", "training.json", TrainingCard)
    found.preference = _record(found, "preference", "preference.json", PreferenceCard)
    found.evaluation = _record(found, "evaluation", "evaluation.json", Evaluation)
    found.decision = _record(found, "decision", "decision.json", Decision)
    found.deployment = _record(found, "deployment", "deployment.json", DeploymentCard)
    found.monitoring = _record(found, "monitoring", "monitoring.json", MonitoringCard)
    found.warnings += [w for stage in found.manifests for w in _older(found, stage)]
    found.warnings += [
        f"{path.relative_to(found.run)} was changed or damaged after {run_folder.stage_name(stage)} "
        "wrote it: run that notebook again."
        for stage in found.manifests
        for path in run_folder.damages(found.run, stage, certain=True)
    ]
    return found


def _manifest(found: RunContents, stage: str) -> None:
    path = found.run / stage / "manifest.json"
    again = f"run notebooks/{run_folder.stage_name(stage)}.ipynb, or `ftkit run` with this project's parameter file"
    try:
        found.manifests[stage] = run_folder.read_record(path, Manifest)
    except NotReady:
        found.missing[stage] = (
            f"{run_folder.stage_name(stage)} has not been run. To fill this section, {again}."
        )
    except BadInput:
        found.missing[stage] = (
            f"The manifest of {run_folder.stage_name(stage)} cannot be read. To fill this section, {again}."
        )


def _record(found: RunContents, stage: str, name: str, kind: type[R]) -> R | None:
    if stage not in found.manifests:
        return None
    try:
        return run_folder.read_record(found.run / stage / name, kind)
    except (NotReady, BadInput) as error:
        found.missing[stage] = str(error).replace("\n", " ")
        return None


def _older(found: RunContents, stage: str) -> list[str]:
    """Tell a stage whose inputs have been written anew since it ran."""
    said = []
    for other in run_folder.older(found.run, stage):
        gone = other not in found.manifests
        name = (
            f"{run_folder.stage_name(other)}, which is not done any more."
            if gone
            else f"an older result of {run_folder.stage_name(other)}: run it again."
        )
        said.append(f"{run_folder.stage_name(stage)} rests on {name}")
    return said


def skill_card() -> dict[str, Any] | None:
    """Return the nano base's skill card as it ships; None where it has not been measured."""
    from ftkit.models.nano import checkpoint_folder

    path = checkpoint_folder() / "skill_card.json"
    return json.loads(path.read_text()) if path.exists() else None
