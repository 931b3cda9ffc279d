"""What people wrote about single test questions: one line per comment, beside the run, never in it."""

from __future__ import annotations

import datetime as dt
import getpass
import json
import os
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput

FILE = "comments.jsonl"


def comment(run: Path, item_id: str, text: str) -> dict[str, str]:
    """Append a comment about a test question to the run's file and return it.

    Args:
        run: The run folder.
        item_id: Which question.
        text: The comment.

    Raises:
        BadInput: It is empty.
    """
    if not text.strip():
        raise BadInput("is empty", where="Comment", todo="write what should be known, then save it")
    now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    made = {"item_id": item_id, "comment": text.strip(), "who": getpass.getuser(), "when": now}
    path = run / FILE
    cut = path.exists() and path.stat().st_size and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" * bool(cut) + json.dumps(made, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return made


def comments(run: Path) -> list[dict[str, Any]]:
    """Return all comments of a run, the oldest first; a line that was cut off by a crash is left out."""
    path = run / FILE
    found = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
