"""Progress of long steps: a line that updates in a notebook, and a small file that the terminal follows."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path


class Progress:
    """A callable ``(done, total)`` that shows how far a step is.

    Args:
        label: What is being done, e.g. ``answers``.
        run: The run folder; its ``.progress.json`` is what ``ftkit run`` shows in the terminal.
        every_s: Shortest time between two updates, in seconds.
    """

    def __init__(self, label: str, run: Path | str | None = None, every_s: float = 0.5) -> None:
        self.label, self.run, self.every_s = label, Path(run) if run else None, every_s
        self.began, self._last, self._handle = time.monotonic(), 0.0, None

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """Show that ``done`` of ``total`` are done; ``note`` is a short figure such as a loss."""
        now = time.monotonic()
        if done < total and now - self._last < self.every_s:
            return
        self._last = now
        self._file(done, total, note)
        self._notebook(self.line(done, total, note))

    def line(self, done: int, total: int, note: str = "") -> str:
        """Return the line of text, with the time left once it can be told."""
        spent = time.monotonic() - self.began
        left = (
            f", {spent / done * (total - done):.0f} s left"
            if 0 < done < total
            else f", {spent:.0f} s"
        )
        return f"{self.label}: {done}/{total}{left}{' · ' + note if note else ''}"

    def _file(self, done: int, total: int, note: str) -> None:
        if self.run is None or not self.run.is_dir():
            return
        state = {
            "label": self.label,
            "done": done,
            "total": total,
            "note": note,
            "line": self.line(done, total, note),
        }
        temporary = self.run / f".progress.{os.getpid()}.tmp"
        with contextlib.suppress(OSError):  # progress is not worth failing for
            temporary.write_text(json.dumps(state))
            os.replace(temporary, self.run / ".progress.json")

    def _notebook(self, text: str) -> None:
        try:
            from IPython import get_ipython
            from IPython.display import display
        except ImportError:
            return
        if get_ipython() is None:
            return
        data = {"text/plain": text}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def progress(label: str, run: Path | str | None = None) -> Callable[..., None]:
    """Return a progress callable for one step."""
    return Progress(label, run)
