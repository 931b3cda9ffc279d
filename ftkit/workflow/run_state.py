"""Whether a run works, is done, was stopped or failed: a small file in the run folder that outlives every window.

The terminal, the start page and other programs read the same file, so a page that is opened again, or a server that was
restarted, still knows what goes on.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from ftkit.core import run_folder
from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.records.base import Record
from ftkit.core.records.manifest import Manifest

FILE, LOG = ".run.json", "run.log"
GRACE_S = 2.0
"""Seconds that a run has to stop by itself before it is ended."""


class RunState(Record):
    """How the latest run of a folder stands."""

    state: Literal["running", "stopping", "done", "stopped", "failed"] = Field(
        description="running, stopping (was told to), done, stopped by the user, or failed"
    )
    pid: int = Field(description="its process")
    file: str = Field(description="the parameter file that it runs")
    began: str = Field(description="when it began, UTC")
    ended: str = Field(default="", description="when it ended, UTC; empty while it runs")
    stages: list[str] = Field(default=[], description="stages that it was to run, in order")
    stage: str = Field(default="", description="the stage that runs, or ran last")
    stage_began: str = Field(default="", description="when that stage began, UTC")
    error: str = Field(default="", description="what went wrong, as the user is told")


def read_state(folder: Path) -> RunState | None:
    """Return how the latest run of a folder stands; None if nothing is known. A killed run counts as stopped."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        state = run_folder.read_record(path, RunState)
    except BadInput:
        return None
    if state.state in ("running", "stopping") and not lives(state.pid):
        return state.model_copy(update={"state": "stopped"})
    return state


def lives(pid: int) -> bool:
    """Return whether a process of ftkit has this id and works."""
    import psutil

    try:
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE and any(
            "ftkit" in part or "pytest" in part for part in process.cmdline()
        )
    except psutil.Error:
        return False


def seconds_left(folder: Path) -> float | None:
    """Return about how long the run still takes, by what its stages took the last time; None if that is not known."""
    import datetime as dt

    state = read_state(folder)
    if state is None or state.stage not in state.stages:
        return None
    took: list[float] = []
    for stage in state.stages[state.stages.index(state.stage) :]:
        path = folder / stage / "manifest.json"
        if not path.exists():
            return None
        took.append(run_folder.read_record(path, Manifest).duration_s)
    began = dt.datetime.fromisoformat(state.stage_began)
    spent = (dt.datetime.now(dt.UTC) - began).total_seconds()
    return max(0.0, took[0] - spent) + sum(took[1:])


class Recorder:
    """Writes the state of one run as it changes.

    Args:
        folder: The run folder.
        file: The parameter file.
        stages: Stages that are to run, in order.
    """

    def __init__(self, folder: Path, file: Path, stages: Sequence[str]) -> None:
        self.path = folder / FILE
        self.state = RunState(
            state="running",
            pid=os.getpid(),
            file=str(file),
            began=run_folder.now(),
            stages=list(stages),
        )

    def write(self, **changes: str) -> None:
        """Change the state and write it."""
        self.state = self.state.model_copy(update=changes)
        run_folder.write_record(self.path, self.state)


@contextmanager
def recorded(folder: Path, file: Path, stages: Sequence[str]) -> Iterator[Recorder]:
    """Write the state of a run from its begin to its end, however it ends."""
    recorder = Recorder(folder, file, stages)
    recorder.write()
    try:
        yield recorder
    except KeyboardInterrupt:
        recorder.write(state="stopped", ended=run_folder.now())
        raise
    except FtkitError as error:
        recorder.write(state="failed", ended=run_folder.now(), error=str(error))
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        recorder.write(state="failed", ended=run_folder.now(), error=text)
        raise
    recorder.write(state="done", ended=run_folder.now())


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """While it lasts, SIGTERM stops the work as Ctrl-C does.

    A scheduler, a container and the start page end a process so. SIGINT would not do: a kernel of Jupyter ignores it, and
    what the kernel starts inherits that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def start(file: Path, folder: Path, arguments: Sequence[str] = ()) -> subprocess.Popen[bytes]:
    """Start ``ftkit run`` in a process of its own, which goes on when the window is closed; its lines go to ``run.log``.

    Args:
        file: The parameter file.
        folder: Its run folder.
        arguments: Further arguments of the command.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "ftkit.cli", "run", str(file), *arguments]
    with (folder / LOG).open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def stop(folder: Path, pid: int) -> None:
    """Stop a run: it is told to, and ended with all that it started where it does not follow within two seconds.

    Returns at once. Whatever was finished stays, and the same command goes on from there.
    """
    import psutil

    state = read_state(folder)
    if state is not None and state.pid == pid and state.state == "running":
        run_folder.write_record(folder / FILE, state.model_copy(update={"state": "stopping"}))
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        process.terminate()
        threading.Thread(target=_end, args=(family,), daemon=True).start()


def _end(family: Sequence[Any]) -> None:
    import psutil

    _, alive = psutil.wait_procs(list(family), timeout=GRACE_S)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
