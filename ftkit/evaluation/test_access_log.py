"""The log of looks at the test set: each opening is dated and says what it was opened with."""

from __future__ import annotations

import json
import os

from ftkit.core import run_folder

LOG = "test_access.jsonl"


def open_test(stage: run_folder.Stage) -> list[str]:
    """Note that the test set is opened now and return all openings of this run, oldest first.

    The log is append-only and survives re-runs. An opening with the same parameters and inputs as one before is no
    new look: it is marked so. Chosen again after a look, prompts and checkpoints would fit the test set.
    """
    opened_with = {
        "parameters": stage.parameters,
        "inputs": run_folder.input_hashes(stage.run, stage.stage, stage.external),
    }
    sha256 = run_folder.sha256_bytes(json.dumps(opened_with, sort_keys=True, default=str).encode())
    path = stage.path(LOG)
    seen = {entry["sha256"] for entry in _entries(stage)}
    whole = not path.exists() or path.read_bytes().endswith(b"\n") or not path.stat().st_size
    with path.open("a", encoding="utf-8") as log:
        entry = {"time": run_folder.now(), "sha256": sha256, "same_as_before": sha256 in seen}
        log.write(("" if whole else "\n") + json.dumps(entry) + "\n")
        log.flush()
        os.fsync(log.fileno())
    return test_accesses(stage)


def test_accesses(stage: run_folder.Stage) -> list[str]:
    """Return the openings noted so far as text."""
    return [
        f"{e['time']} with {e['sha256'][:12]}{' (nothing changed since an earlier look)' if e['same_as_before'] else ''}"
        for e in _entries(stage)
    ]


def looks(stage: run_folder.Stage) -> int:
    """Return with how many different settings the test set was opened; more than one weakens the result."""
    return len({entry["sha256"] for entry in _entries(stage)})


def _entries(stage: run_folder.Stage) -> list[dict[str, str]]:
    """Read the log; a line that a kill cut off counts as an opening of unknown settings."""
    path, found = stage.path(LOG), []
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
