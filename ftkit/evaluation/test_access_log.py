"""The log of looks at the test set: each opening is dated, says what it was opened with, and which questions it held.

A run keeps its own log. A second log beside the run folders holds the openings of all runs of a project, with a hash of
every question, so that another run name, a copied folder or a few more questions do not start to count at one again.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ftkit.core import run_folder

LOG = "test_access.jsonl"
PROJECT_LOG = "test_looks.jsonl"
SHARED = 0.05
"""Share of the questions that two test sets must have in common to be the same one, looked at again."""


def open_test(stage: run_folder.Stage, items: Any = None) -> list[str]:
    """Note that the test set is opened now and return all openings of this run, oldest first.

    The logs are append-only and survive re-runs. An opening with the same parameters and inputs as one before is no
    new look: it is marked so. Chosen again after a look, prompts and checkpoints would fit the test set.

    Args:
        stage: The stage that opens it.
        items: The test questions, columns ``input`` and ``output``; None: not counted over runs.
    """
    sha256 = _settings(stage)
    seen = {entry["sha256"] for entry in _entries(stage.path(LOG))}
    entry = {"time": run_folder.now(), "sha256": sha256, "same_as_before": sha256 in seen}
    _append(stage.path(LOG), entry)
    if items is not None:
        hashes = _hashes(items)
        known = [e for e in _entries(_project(stage)) if e["sha256"] == sha256]
        if not any(set(e.get("items", [])) == hashes for e in known):
            entry = {"time": run_folder.now(), "run": stage.run.name, "sha256": sha256}
            _append(_project(stage), entry | {"items": sorted(hashes)})
    return test_accesses(stage)


def test_accesses(stage: run_folder.Stage) -> list[str]:
    """Return the openings noted so far as text."""
    return [
        f"{e['time']} with {e['sha256'][:12]}{' (nothing changed since an earlier look)' if e['same_as_before'] else ''}"
        for e in _entries(stage.path(LOG))
    ]


def looks(stage: run_folder.Stage, items: Any = None) -> int:
    """Return which look at these questions this is: with how many different settings they were opened up to now.

    Args:
        stage: The stage that opened it.
        items: The test questions: openings by all runs of the project count; None: those of this run alone.
    """
    own = len({entry["sha256"] for entry in _entries(stage.path(LOG))})
    if items is None:
        return max(1, own)
    hashes, count = _hashes(items), set()
    for entry in _entries(_project(stage)):
        theirs = set(entry.get("items", []))
        if len(theirs & hashes) >= SHARED * min(len(theirs), len(hashes)) > 0:
            count.add((entry["sha256"], len(theirs)))
    return max(1, own, len(count))


def _settings(stage: run_folder.Stage) -> str:
    opened_with = {
        "parameters": stage.parameters,
        "inputs": run_folder.input_hashes(stage.run, stage.stage, stage.external),
    }
    return run_folder.sha256_bytes(json.dumps(opened_with, sort_keys=True, default=str).encode())


def _project(stage: run_folder.Stage) -> Path:
    return Path(stage.run).resolve().parent / PROJECT_LOG


def _hashes(items: Any) -> set[str]:
    pairs = zip(items["input"], items["output"], strict=True)
    return {run_folder.sha256_bytes(f"{i}\0{o}".encode())[:12] for i, o in pairs}


def _append(path: Path, entry: dict[str, Any]) -> None:
    whole = not path.exists() or not path.stat().st_size or path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as log:
        log.write(("" if whole else "\n") + json.dumps(entry) + "\n")
        log.flush()
        os.fsync(log.fileno())


def _entries(path: Path) -> list[dict[str, Any]]:
    """Read a log; a line that a kill cut off counts as an opening of unknown settings."""
    found = []
    for number, line in enumerate(
        path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    ):
        if not line.strip():
            continue
        try:
            found.append(json.loads(line))
        except ValueError:
            found.append(
                {
                    "time": "time unknown",
                    "sha256": f"cut off, line {number + 1}",
                    "same_as_before": "",
                }
            )
    return found
