"""The walk, headless: check everything, then run each notebook whose inputs, parameters or code changed."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftkit import params, runs
from ftkit.errors import BadInput, FtkitError, RunFailed
from ftkit.params import Parameters
from ftkit.records import DataCard, Decision, Evaluation, PromptBook, RetrievalCard, Suitability, TrainingCard

QUIET = {
    "TOKENIZERS_PARALLELISM": "false", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_VERBOSITY": "error", "PYDEVD_DISABLE_FILE_VALIDATION": "1",
}  # fmt: skip


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
            BadInput: A name that is no stage.
        """
        for name in [*self.only, self.first, self.last]:
            if name and name not in runs.STAGES:
                raise BadInput(
                    f"'{name}' is no stage{params.nearest(name, runs.STAGES)}", where="command line",
                    todo=f"use one of {', '.join(runs.STAGES)}",
                )  # fmt: skip
        start = runs.STAGES.index(self.first) if self.first else 0
        end = runs.STAGES.index(self.last) + 1 if self.last else len(runs.STAGES)
        return [s for s in runs.STAGES[start:end] if not self.only or s in self.only]


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


def preflight(built: dict[str, Parameters]) -> None:
    """Check what can be checked before a kernel starts.

    Raises:
        BadInput: Files, folders or models that are not there, all told at once.
    """
    faults = []
    for stage, p in built.items():
        faults += [f"{stage}: there is no {path}" for path in p.external() if not path.exists()]
    for model in dict.fromkeys(p.base_model for p in built.values() if isinstance(p, params.ModelParameters)):
        try:
            _check_model(model)
        except BadInput as error:
            faults.append(str(error).replace("\n", " "))
    bases = {stage: p.base_model for stage, p in built.items() if isinstance(p, params.ModelParameters)}
    if len(set(bases.values())) > 1:
        faults.append("base_model differs between stages: " + ", ".join(f"{s}: {m}" for s, m in bases.items()))
    if faults:
        raise BadInput("\n  ".join(["cannot start:", *dict.fromkeys(faults)]), todo="mend these and run again")


def _check_model(model: str) -> None:
    from ftkit.models.local import resolve

    resolve(model)


def plan(built: dict[str, Parameters], selection: Selection) -> Iterator[Step]:
    """Yield each selected stage with why it must run, looked at when its turn comes."""
    for stage in selection.stages():
        p = built[stage]
        reason = runs.stale_reason(Path(p.run), stage, values_of(p), p.external())
        yield Step(stage, reason or ("asked for" if selection.force else ""))


def run(
    file: Path, *, selection: Selection | None = None, overrides: Sequence[str] = (), say: Callable[[str], None] = print, dry: bool = False,
) -> Outcome:  # fmt: skip
    """Run the walk of a parameter file.

    Args:
        file: The parameter file.
        selection: Which stages.
        overrides: ``section.name=value`` in YAML, on top of the file.
        say: Prints a line.
        dry: Only say what would run.

    Raises:
        FtkitError: Bad input, another run of the same project, or a failed stage.
    """
    built = params.load(file, overrides)
    selection = selection or Selection()
    selection.stages()
    preflight(built)
    folder, began, outcome = Path(built["task"].run), time.monotonic(), Outcome()
    with runs.locked(folder):
        for step in plan(built, selection):
            if not step.reason:
                outcome.skipped.append(step.stage)
                say(f"  {runs.stage_name(step.stage):15s} unchanged · {key_figure(folder, step.stage)}")
                continue
            outcome.executed.append(step.stage)
            if dry:
                say(f"  {runs.stage_name(step.stage):15s} would run: {step.reason}")
                continue
            say(f"▶ {runs.stage_name(step.stage):15s} {step.reason}")
            seconds = execute(step.stage, built[step.stage], say)
            say(f"✔ {runs.stage_name(step.stage):15s} {seconds:.0f} s · {key_figure(folder, step.stage)}")
        if not dry:
            outcome.report = _report(folder, file)
    outcome.seconds = time.monotonic() - began
    return outcome


def _report(folder: Path, file: Path) -> Path:
    from ftkit.ui.report import write

    return write(folder, str(file))


def execute(stage: str, p: Parameters, say: Callable[[str], None] = print) -> float:
    """Execute one notebook with its parameters; return its seconds.

    Raises:
        FtkitError: As the notebook raised it; RunFailed for anything else, with the place of the executed notebook.
    """
    import papermill
    from papermill.exceptions import PapermillExecutionError

    folder = Path(p.run)
    target = folder / "notebooks" / f"{runs.stage_name(stage)}.ipynb"
    target.parent.mkdir(parents=True, exist_ok=True)
    (folder / ".progress.json").unlink(missing_ok=True)
    began = time.monotonic()
    with _environment(p), _following(folder, say):
        try:
            papermill.execute_notebook(
                str(notebook(stage)), str(target), parameters=p.model_dump(mode="json"), kernel_name="python3",
                progress_bar=False, log_output=False, cwd=str(Path.cwd()),
            )  # fmt: skip
        except PapermillExecutionError as error:
            raise _told(stage, error, target) from None
    if not (folder / stage / "manifest.json").exists():
        raise RunFailed(
            f"{target.name} ended without finishing its stage", where=str(target), todo="open it and see its last cells"
        )
    return time.monotonic() - began


def notebook(stage: str) -> Path:
    """Return the path of a stage's notebook.

    Raises:
        BadInput: The notebooks are not beside the package.
    """
    path = Path(__file__).parents[1] / "notebooks" / f"{runs.stage_name(stage)}.ipynb"
    if not path.exists():
        raise BadInput("there is no such notebook", where=str(path), todo="install ftkit from its checkout: pip install -e .")
    return path


def _told(stage: str, error: Any, target: Path) -> FtkitError:
    """Turn a notebook's exception into what a user is told."""
    kinds = {kind.__name__: kind for kind in (*FtkitError.__subclasses__(), FtkitError)}
    if error.ename in kinds:
        kind = kinds[error.ename]
        found, _, todo = str(error.evalue).partition("\n  What to do: ")
        return kind(found, where=runs.stage_name(stage), todo=todo)
    last = "\n  ".join(_plain(line) for line in list(error.traceback)[-3:])
    return RunFailed(
        f"cell {error.exec_count} failed: {error.ename}: {str(error.evalue)[:500]}\n  {last[-1500:]}", where=runs.stage_name(stage),
        todo=f"open {target} and see the cell",
    )  # fmt: skip


def _plain(text: str) -> str:
    import re

    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@contextmanager
def _environment(p: Parameters) -> Iterator[None]:
    """Set what the kernel inherits; offline unless a hub name or another embedding model is asked for."""
    wanted = dict(QUIET)
    local = getattr(p, "base_model", "embedded") == "embedded" and getattr(p, "embedding_model", "minilm") == "minilm"
    if local:
        wanted["HF_HUB_OFFLINE"] = "1"
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update({name: value for name, value in wanted.items() if before[name] is None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


@contextmanager
def _following(folder: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Show the running step: one line that is written over on a terminal, else a line every 15 seconds."""
    stop, live = threading.Event(), sys.stdout.isatty()

    def follow() -> None:
        shown, last = "", 0.0
        while not stop.wait(0.5):
            line = _progress_line(folder)
            if line and line != shown and (live or time.monotonic() - last > 15):
                shown, last = line, time.monotonic()
                if live:
                    sys.stdout.write(f"\r\x1b[2K    {line}"[:160])
                    sys.stdout.flush()
                else:
                    say(f"    {line}")
        if live and shown:
            sys.stdout.write("\r\x1b[2K")
            sys.stdout.flush()

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _progress_line(folder: Path) -> str:
    try:
        return str(json.loads((folder / ".progress.json").read_text())["line"])
    except (OSError, ValueError, KeyError):
        return ""


def key_figure(run: Path, stage: str) -> str:
    """Return a stage's finding in a few words."""

    def task(r: Path) -> str:
        s = runs.read_record(r / "task/suitability.json", Suitability)
        return f"expected: {s.expected}; {s.test_examples_needed} test examples settle {s.difference_points:g} points"

    def data(r: Path) -> str:
        c = runs.read_record(r / "data/data_card.json", DataCard)
        return f"{c.rows_used:,} of {c.rows_read:,} rows used: " + ", ".join(f"{n:,} {name}" for name, n in c.splits.items())

    def prompting(r: Path) -> str:
        b = runs.read_record(r / "prompting/prompts.json", PromptBook)
        best = max(b.trials, key=lambda t: t.accuracy.value)
        return f"best prompt '{best.prompt.name}': {best.accuracy.value:.0%} right on {b.validation_items} validation items"

    def retrieval(r: Path) -> str:
        c = runs.read_record(r / "retrieval/retrieval.json", RetrievalCard)
        return f"{c.documents} articles, {c.chosen} search, {c.top_k} passages" if c.enabled else f"off: {c.reason}"

    def training(r: Path) -> str:
        c = runs.read_record(r / "training/training.json", TrainingCard)
        return f"{c.verdict}: validation loss {c.log[0].validation_loss or 0:.2f} -> {c.best_validation_loss:.2f}, {c.trainable_parameters:,} weights"

    def evaluation(r: Path) -> str:
        e = runs.read_record(r / "evaluation/evaluation.json", Evaluation)
        return ", ".join(f"{x.spec.name} {x.accuracy.value:.0%}" for x in e.results)

    def decision(r: Path) -> str:
        return runs.read_record(r / "decision/decision.json", Decision).sentence

    figures = {f.__name__: f for f in (task, data, prompting, retrieval, training, evaluation, decision)}
    try:
        return figures[stage](run)
    except FtkitError:
        return ""
