"""The part of the start page that follows a run: its lines, what is left, and how it ended.

The run is a process of its own. The panel reads its files only, so it finds a run again after the kernel or the server
was restarted.
"""

from __future__ import annotations

import html
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ftkit.core.parameters.files import load
from ftkit.core.run_folder import stage_name
from ftkit.report import theme
from ftkit.workflow import run_state
from ftkit.workflow.run_state import RunState

LOOK_EVERY_S = 0.3
SHOWN_LINES, SHOWN_BYTES = 14, 8_000


class RunPanel:
    """Starts, follows and stops the run of one project.

    Args:
        ended: Called when a run ended, with how, and when the buttons must change.
    """

    def __init__(self, ended: Callable[[RunState | None], None]) -> None:
        import ipywidgets as widgets

        self.log, self.status = widgets.HTML(), widgets.HTML()
        self.box = widgets.VBox([self.status, self.log])
        self.ended, self.folder, self.pid = ended, Path(), 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether a run is being followed."""
        return self.pid != 0

    def start(self, file: Path, arguments: tuple[str, ...] = ()) -> None:
        """Start the run of a parameter file."""
        self.folder = Path(load(file)["task"].run)
        self.process = run_state.start(file, self.folder, arguments)
        self._follow(self.process.pid)

    def attach(self, folder: Path) -> None:
        """Follow a run that works on this folder, whoever started it; nothing if none does."""
        state = run_state.read_state(folder)
        if self.running or state is None or state.state not in ("running", "stopping"):
            return
        self.folder, self.process = folder, None
        self._follow(state.pid)

    def stop(self) -> None:
        """Stop the run; the panel says so at once."""
        if self.running:
            self.status.value = theme.box_html(
                "Stopping…", ["What is finished stays: Run goes on from there."], theme.BAD
            )
            run_state.stop(self.folder, self.pid)

    def _follow(self, pid: int) -> None:
        self.pid = pid
        threading.Thread(target=self._watch, args=(pid,), daemon=True).start()

    def _watch(self, pid: int) -> None:
        while run_state.lives(pid) and (self.process is None or self.process.poll() is None):
            self._draw()
            time.sleep(LOOK_EVERY_S)
        if self.process is not None:
            self.process.wait()
        self._draw()
        state = run_state.read_state(self.folder)
        self.pid, self.process = 0, None
        self.status.value = ""
        self.ended(state if state is not None and state.pid == pid else None)

    def _draw(self) -> None:
        lines = html.escape("\n".join(self.lines()))
        self.log.value = (
            f"<pre role='log' style='font-size:12px;white-space:pre-wrap'>{lines}</pre>"
        )
        state = run_state.read_state(self.folder)
        if state is not None and state.state == "running" and state.pid == self.pid:
            self.status.value = theme.box_html(self._now(state), [])

    def _now(self, state: RunState) -> str:
        if not state.stage or state.stage not in state.stages:
            return "Starting…"
        place, left = state.stages.index(state.stage) + 1, run_state.seconds_left(self.folder)
        told = f", about {max(1, round(left / 60))} min left" if left is not None else ""
        return f"Running {stage_name(state.stage)}: step {place} of {len(state.stages)}{told}"

    def lines(self) -> list[str]:
        """Return the last lines that the run printed."""
        path = self.folder / run_state.LOG
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - SHOWN_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()[-SHOWN_LINES:]
