"""What the terminal shows of a walk: a table that fills, or plain lines where there is no terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.workflow.progress_file import following, progress_line


class Lines:
    """Plain lines, for a log, a pipe or cron.

    Args:
        say: Prints a line.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left to close."""

    def unchanged(self, stage: str, figure: str) -> None:
        """A stage need not run."""
        self.say(f"  {run_folder.stage_name(stage):15s} unchanged · {figure}")

    def started(self, stage: str, reason: str) -> None:
        """A stage runs, and why."""
        self.say(f"▶ {run_folder.stage_name(stage):15s} {reason}")

    def finished(self, stage: str, seconds: float, figure: str) -> None:
        """A stage is done, and what it found."""
        self.say(f"✔ {run_folder.stage_name(stage):15s} {seconds:.0f} s · {figure}")

    def watching(self, folder: Path) -> AbstractContextManager[None]:
        """Tell the progress of the stage that runs until the block ends."""
        return following(folder, self.say)


class JsonLines(Lines):
    """One JSON object a line, for programs: events stage_unchanged, stage_started, stage_finished, progress."""

    def _event(self, event: str, **values: object) -> None:
        self.say(json.dumps({"event": event, **values}, ensure_ascii=False))

    def unchanged(self, stage: str, figure: str) -> None:
        """A stage need not run."""
        self._event("stage_unchanged", stage=stage, finding=figure)

    def started(self, stage: str, reason: str) -> None:
        """A stage runs, and why."""
        self._event("stage_started", stage=stage, reason=reason)

    def finished(self, stage: str, seconds: float, figure: str) -> None:
        """A stage is done, and what it found."""
        self._event("stage_finished", stage=stage, seconds=round(seconds, 1), finding=figure)

    def watching(self, folder: Path) -> AbstractContextManager[None]:
        """Tell the progress of the stage that runs until the block ends."""
        return following(folder, lambda line: self._event("progress", text=line.strip()))


class Table:
    """A table of all stages that fills while they run.

    Args:
        stages: The stages of this walk, in order.
        title: Shown above, e.g. the parameter file.
        console: Where to draw; the terminal if not given.
    """

    def __init__(self, stages: Sequence[str], title: str, console: Any = None) -> None:
        from rich.console import Console
        from rich.live import Live

        self.title, self.began = title, time.monotonic()
        self.rows: dict[str, tuple[str, float | None, str]] = {
            stage: ("waiting", None, "") for stage in stages
        }
        self.running, self.since, self.progress = "", 0.0, Path()
        self.live = Live(
            get_renderable=self.draw, console=console or Console(), refresh_per_second=4
        )

    def __enter__(self) -> Table:
        self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self.running:
            mark = (
                "stopped" if kind is not None and issubclass(kind, KeyboardInterrupt) else "failed"
            )
            self.rows[self.running] = (mark, time.monotonic() - self.since, "")
            self.running = ""
        self.live.stop()

    def unchanged(self, stage: str, figure: str) -> None:
        """A stage need not run."""
        self.rows[stage] = ("unchanged", None, figure)

    def started(self, stage: str, reason: str) -> None:
        """A stage runs, and why."""
        self.running, self.since = stage, time.monotonic()
        self.rows[stage] = ("running", None, reason)

    def finished(self, stage: str, seconds: float, figure: str) -> None:
        """A stage is done, and what it found."""
        self.running = ""
        self.rows[stage] = ("done", seconds, figure)

    def watching(self, folder: Path) -> AbstractContextManager[None]:
        """Read the progress of the stage that runs from now on."""
        self.progress = folder / ".progress.json"
        self.progress.unlink(missing_ok=True)
        return nullcontext()

    def draw(self) -> Any:
        """Return the table as it stands."""
        from rich.table import Table as Grid
        from rich.text import Text

        grid = Grid(
            title=f"{self.title} · {clock(time.monotonic() - self.began)}",
            title_justify="left",
            expand=True,
        )
        grid.add_column("notebook", no_wrap=True)
        grid.add_column("", no_wrap=True)
        grid.add_column("time", justify="right", no_wrap=True)
        grid.add_column("finding", ratio=1, overflow="fold")
        for stage, (state, seconds, text) in self.rows.items():
            if stage == self.running:
                seconds, text = time.monotonic() - self.since, progress_line(self.progress) or text
            took = "" if seconds is None else clock(seconds)
            mark, style = MARKS[state]
            grid.add_row(
                run_folder.stage_name(stage), Text(f"{mark} {state}", style), took, Text(text)
            )
        return grid


MARKS = {
    "waiting": ("·", "dim"),
    "running": ("▶", "bold"),
    "done": ("✔", "green"),
    "unchanged": ("=", "dim"),
    "failed": ("✘", "red"),
    "stopped": ("■", "yellow"),
}
"""Sign and style per state; the state is always written out as well."""

Screen = Lines | Table


def clock(seconds: float) -> str:
    """Return a duration as minutes and seconds, e.g. 75.2 -> '1:15'."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
