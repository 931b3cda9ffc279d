"""Which stages must run, and running them in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import BadInput, NotReady, RunFailed
from ftkit.core.parameters.base import Parameters
from ftkit.core.parameters.files import load, nearest, write_resolved
from ftkit.core.records.manifest import Manifest
from ftkit.workflow import endpoint_forecast
from ftkit.workflow.kernel import execute_notebook, warm
from ftkit.workflow.key_metric import key_figure
from ftkit.workflow.preflight import fetch, order_faults, preflight
from ftkit.workflow.run_state import Recorder, recorded
from ftkit.workflow.screen import Lines, Screen, Table


@dataclass
class Step:
    """What is to be done for one stage.

    Attributes:
        stage: Its name.
        reason: Why it must run; empty: what it wrote still holds.
    """

    stage: str
    reason: str


@dataclass
class Selection:
    """Which stages a run may touch; all by default."""

    only: Sequence[str] = ()
    first: str = ""
    last: str = ""
    force: bool = False

    def stages(self) -> list[str]:
        """Return the stages in order.

        Raises:
            BadInput: A name that is no stage, or a selection that holds none.
        """
        for name in [*self.only, self.first, self.last]:
            if name and name not in run_folder.STAGES:
                raise BadInput(
                    f"'{name}' is no stage{nearest(name, run_folder.STAGES)}",
                    where="command line",
                    todo=f"use one of {', '.join(run_folder.STAGES)}",
                )
        start = run_folder.STAGES.index(self.first) if self.first else 0
        end = run_folder.STAGES.index(self.last) + 1 if self.last else len(run_folder.STAGES)
        chosen = [s for s in run_folder.STAGES[start:end] if not self.only or s in self.only]
        if not chosen:
            raise BadInput(
                "no stage is selected",
                where="command line",
                todo="check --only, --from and --until",
            )
        return chosen


@dataclass
class Outcome:
    """What a run did: stages executed and skipped, seconds, and the report's path."""

    executed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    seconds: float = 0.0
    report: Path | None = None


def values_of(p: Parameters) -> dict[str, Any]:
    """Return a stage's parameters as they go into its manifest."""
    return p.model_dump(mode="json", exclude={"run"})


def plan(built: dict[str, Parameters], selection: Selection) -> Iterator[Step]:
    """Yield each selected stage with why it must run, looked at when its turn comes."""
    for stage in selection.stages():
        p = built[stage]
        reason = run_folder.stale_reason(Path(p.run), stage, values_of(p), p.external())
        yield Step(stage, reason or ("asked for" if selection.force else ""))


def will_run(built: dict[str, Parameters], selection: Selection) -> dict[str, str]:
    """Return the stages that must run and why, as far as it can be told before any has run."""
    faulty = {s for s, p in built.items() if any(not path.exists() for path in p.external())}
    reasons: dict[str, str] = {}
    for stage in selection.stages():
        first = (
            "its file is not there"
            if stage in faulty
            else next(plan(built, Selection([stage], force=selection.force))).reason
        )
        earlier = [other for other in run_folder.READS[stage] if other in reasons]
        if first or earlier:
            reasons[stage] = first or f"after {', '.join(earlier)}, if what they write changes"
    return reasons


def run_preview(file: Path) -> str:
    """Return what a run of a parameter file would do, and about how long, as far as an earlier run tells.

    Args:
        file: The parameter file.

    Raises:
        BadInput: The file has faults.
    """
    built = load(file)
    folder, stages = Path(built["task"].run), list(will_run(built, Selection()))
    took = {
        s: run_folder.read_record(path, Manifest).duration_s
        for s in stages
        if (path := folder / s / "manifest.json").exists()
    }
    if not stages:
        return "Everything is up to date: nothing would be run again."
    names = (
        "all notebooks"
        if len(stages) == len(run_folder.STAGES)
        else ", ".join(run_folder.stage_name(s) for s in stages)
    )
    paid = "".join(f" {line}" for line in endpoint_forecast.sentences(built, stages))
    if not took:
        return f"A run would do {names}; each says at its head how long it takes.{paid}"
    missing = [run_folder.stage_name(s) for s in stages if s not in took]
    return f"A run would do {names}: about {sum(took.values()) / 60:.0f} minutes by the last time{', without ' + ', '.join(missing) if missing else ''}.{paid}"


def run(
    file: Path,
    *,
    selection: Selection | None = None,
    overrides: Sequence[str] = (),
    say: Callable[[str], None] = print,
    dry: bool = False,
    live: bool = False,
    screen: Screen | None = None,
) -> Outcome:
    """Run the walk of a parameter file.

    Args:
        file: The parameter file.
        selection: Which stages.
        overrides: ``section.name=value`` in YAML, on top of the file.
        say: Prints a line.
        dry: Only say what would run.
        live: Draw a table that fills, for a terminal; else lines are said.
        screen: Shows the progress instead.

    Raises:
        FtkitError: Bad input, another run of the same project, or a failed stage.
        KeyboardInterrupt: The user stopped it; the same call goes on from there.
    """
    built = load(file, overrides)
    selection = selection or Selection()
    stages, folder, began, outcome = (
        selection.stages(),
        Path(built["task"].run),
        time.monotonic(),
        Outcome(),
    )
    expected = will_run(built, selection)
    preflight(built, set(expected))
    _check_order(folder, stages)
    with nullcontext() if dry else run_folder.locked(folder):
        if dry:
            _say_plan(folder, stages, expected, outcome, say)
            for line in endpoint_forecast.sentences(built, expected):
                say(f"  {line}")
        else:
            fetch(built, set(expected), say)
            write_resolved(folder, built)
            with (
                recorded(folder, file, list(expected)) as recorder,
                warm([built[stage] for stage in expected]),
                screen or (Table(stages, file.name) if live else Lines(say)) as shown,
            ):
                for step in plan(built, selection):
                    _step(step, built[step.stage], outcome, shown, recorder)
                outcome.report = _report(folder, file)
    outcome.seconds = time.monotonic() - began
    return outcome


def _check_order(folder: Path, stages: list[str]) -> None:
    done = {s for s in run_folder.STAGES if (folder / s / "manifest.json").exists()}
    fault = order_faults(stages, done, run_folder.READS)
    if fault:
        raise NotReady(
            fault, where=str(folder), todo="run the earlier stages too: leave --only and --from out"
        )


def _say_plan(
    folder: Path,
    stages: list[str],
    reasons: dict[str, str],
    outcome: Outcome,
    say: Callable[[str], None],
) -> None:
    for stage in stages:
        (outcome.executed if stage in reasons else outcome.skipped).append(stage)
        told = (
            f"would run: {reasons[stage]}"
            if stage in reasons
            else f"unchanged · {key_figure(folder, stage)}"
        )
        say(f"  {run_folder.stage_name(stage):15s} {told}")


def _step(step: Step, p: Parameters, outcome: Outcome, screen: Screen, recorder: Recorder) -> None:
    folder = Path(p.run)
    if not step.reason:
        outcome.skipped.append(step.stage)
        screen.unchanged(step.stage, key_figure(folder, step.stage))
        return
    recorder.write(stage=step.stage, stage_began=run_folder.now())
    screen.started(step.stage, step.reason)
    seconds = execute(step.stage, p, screen)
    outcome.executed.append(step.stage)
    screen.finished(step.stage, seconds, key_figure(folder, step.stage))


def _report(folder: Path, file: Path) -> Path:
    from ftkit.report.page import write

    return write(folder, str(file))


def execute(stage: str, p: Parameters, screen: Screen) -> float:
    """Execute one notebook with its parameters into the run's ``notebooks`` folder; return its seconds.

    Raises:
        FtkitError: As the notebook raised it; RunFailed for anything else, with the place of the executed notebook.
    """
    folder, began = Path(p.run), time.monotonic()
    target = folder / "notebooks" / f"{run_folder.stage_name(stage)}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    with screen.watching(folder):
        execute_notebook(stage, p, target)
    if not (folder / stage / "manifest.json").exists():
        raise RunFailed(
            "ended without finishing its stage",
            where=str(target),
            todo="open it and see its last cells",
        )
    return time.monotonic() - began
