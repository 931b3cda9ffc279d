"""The progress that a running notebook writes to a file, read from outside: the last line, or lines now and then."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PLAIN_EVERY_S = 10.0
LOOK_EVERY_S = 0.25


@contextmanager
def following(run: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Tell the run's progress file in lines, not too many, until the block ends.

    Args:
        run: The run folder, whose ``.progress.json`` the notebooks write.
        say: Prints a line.
    """
    file = run / ".progress.json"
    file.unlink(missing_ok=True)
    stop = threading.Event()
    thread = threading.Thread(target=_plain, args=(stop, file, say), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _plain(stop: threading.Event, file: Path, say: Callable[[str], None]) -> None:
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
