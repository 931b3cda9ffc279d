"""What the terminal shows while a notebook runs: one line that is written over, or plain lines now and then."""

from __future__ import annotations

import json
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PLAIN_EVERY_S = 10.0
LOOK_EVERY_S = 0.25


@contextmanager
def following(run: Path, label: str, say: Callable[[str], None]) -> Iterator[None]:
    """Show the run's progress file until the block ends.

    Args:
        run: The run folder, whose ``.progress.json`` the notebooks write.
        label: The notebook's name, shown with the seconds until there is progress.
        say: Prints a plain line where there is no terminal.
    """
    file = run / ".progress.json"
    file.unlink(missing_ok=True)
    stop, live = threading.Event(), sys.stdout.isatty()
    thread = threading.Thread(target=_live if live else _plain, args=(stop, file, label, say), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _live(stop: threading.Event, file: Path, label: str, say: Callable[[str], None]) -> None:
    began = time.monotonic()
    while not stop.wait(LOOK_EVERY_S):
        width = shutil.get_terminal_size().columns - 1
        text = f"  {label}  {time.monotonic() - began:.0f} s  {progress_line(file)}"
        sys.stdout.write(f"\r\x1b[2K{text[:width]}")
        sys.stdout.flush()
    sys.stdout.write("\r\x1b[2K")
    sys.stdout.flush()


def _plain(stop: threading.Event, file: Path, label: str, say: Callable[[str], None]) -> None:
    shown, last = "", time.monotonic() - PLAIN_EVERY_S / 2
    while not stop.wait(LOOK_EVERY_S):
        line = progress_line(file)
        if line and line != shown and time.monotonic() - last >= PLAIN_EVERY_S:
            shown, last = line, time.monotonic()
            say(f"    {line}")


def progress_line(file: Path) -> str:
    """Return the line of a progress file; empty where there is none."""
    try:
        return str(json.loads(file.read_text())["line"])
    except (OSError, ValueError, KeyError):
        return ""
