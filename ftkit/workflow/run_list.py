"""The runs under a folder: how far each one came, what it said, and how much room it takes."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import BadInput
from ftkit.workflow.key_metric import key_figure
from ftkit.workflow.run_state import read_state


@dataclass
class Listed:
    """One run.

    Attributes:
        name: Name of its folder.
        folder: The folder.
        stages: Stages that are done, in order.
        finished: When the last of them was done, local time, ISO 8601 to the minute.
        finding: The verdict, or which notebook is next.
        report: Path of the report, or empty.
        mib: Room that it takes, in MiB.
        state: running, stopping, stopped, failed, done, or partial where only some stages were asked for.
    """

    name: str
    folder: str
    stages: list[str]
    finished: str
    finding: str
    report: str
    mib: float
    state: str = "done"

    def line(self) -> str:
        """Return the run as one line of the terminal."""
        return f"{self.name:24s} {self.finished}  {len(self.stages)} of {len(run_folder.STAGES)} stages  {self.mib:7.0f} MiB  {self.finding}"

    def values(self) -> dict[str, Any]:
        """Return the run as plain values."""
        return asdict(self)


def listing(outputs: Path) -> list[Listed]:
    """Return the runs below a folder, the latest first."""
    folders = [p for p in outputs.glob("*") if any(p.glob("*/manifest.json"))]
    return sorted(
        (_listed(folder) for folder in folders), key=lambda run: run.finished, reverse=True
    )


def _listed(folder: Path) -> Listed:
    done = [s for s in run_folder.STAGES if (folder / s / "manifest.json").exists()]
    last = max((folder / s / "manifest.json").stat().st_mtime for s in done)
    following = next((s for s in run_folder.STAGES if s not in done), "")
    finding = (
        key_figure(folder, "decision")
        if "decision" in done
        else f"next: {run_folder.stage_name(following)}"
    )
    report = folder / "report.html"
    return Listed(
        folder.name,
        str(folder),
        done,
        dt.datetime.fromtimestamp(last).strftime("%Y-%m-%d %H:%M"),
        finding,
        str(report) if report.exists() else "",
        sum(size for _, size in _files(folder)) / 2**20,
        _state(folder, following),
    )


def _state(folder: Path, following: str) -> str:
    known = read_state(folder)
    state = known.state if known else "done"
    return "partial" if state == "done" and following else state


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            yield path, path.stat().st_size


def remove(folder: Path, sure: bool) -> str:
    """Delete a run and return what was, or would be, deleted.

    Args:
        folder: The run folder.
        sure: Whether to delete; else only tell.

    Raises:
        BadInput: It is no run folder, or a run is under way in it.
    """
    if folder.is_symlink() or not any(folder.glob("*/manifest.json")):
        raise BadInput(
            "is no run folder: no stage of it is done", where=str(folder), todo="see `ftkit runs`"
        )
    files = list(_files(folder))
    told = f"{folder}: {len(files):,} files, {sum(size for _, size in files) / 2**20:,.0f} MiB"
    if not sure:
        return f"Would delete {told}. Add --yes to do it; params files stay in any case."
    with run_folder.locked(folder):
        kept = [path for path in folder.iterdir() if path.name != run_folder.LOCK]
        for path in kept:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    return f"Deleted {told}."
