"""A project's own copies of the notebooks and parameter files, taken from the package and kept up to date.

A copy that nobody changed is replaced when a newer ftkit ships another one. A copy that was changed stays, and the user
is told.
"""

from __future__ import annotations

import json
from pathlib import Path

from ftkit import __version__
from ftkit.core import run_folder
from ftkit.core.code_closure import shipped

COPIED = ".ftkit.json"
"""Beside the copies: which version they came from, and their hashes as they were copied."""


def prepare_folder(root: Path, parameter_file: str = "") -> list[str]:
    """Make a folder a project: copy the notebooks, update old copies, and copy a parameter file that ships.

    Args:
        root: The project's folder. In a checkout of ftkit nothing is copied.
        parameter_file: Name of a parameter file that ships, e.g. ``demo.yaml``; empty: none.

    Returns:
        Sentences that say what was done.
    """
    said = []
    (root / "params").mkdir(parents=True, exist_ok=True)
    if (root / "notebooks").resolve() != shipped("notebooks").resolve():
        said = _copy_notebooks(root / "notebooks")
    target = root / "params" / parameter_file
    if parameter_file and not target.exists():
        text = (shipped("params") / parameter_file).read_text(encoding="utf-8")
        run_folder.write_text(target, text)
        said.append(f"Wrote {target.relative_to(root)}.")
    return said


def update_copies(root: Path) -> list[str]:
    """Update a project's copies where it has some; return sentences that say what was done."""
    return _copy_notebooks(root / "notebooks") if (root / "notebooks" / COPIED).exists() else []


def _copy_notebooks(folder: Path) -> list[str]:
    listed = folder / COPIED
    known = json.loads(listed.read_text(encoding="utf-8")) if listed.exists() else {}
    before: dict[str, str] = known.get("sha256", {})
    now: dict[str, str] = {}
    copied, kept = [], []
    for source in sorted(shipped("notebooks").glob("*.ipynb")):
        target = folder / source.name
        new = now[source.name] = run_folder.sha256_path(source)
        old = run_folder.sha256_path(target) if target.exists() else ""
        if old == new:
            continue
        if old and old != before.get(source.name):
            kept.append(source.name)
            now[source.name] = before.get(source.name, "")
            continue
        run_folder.write_text(target, source.read_text(encoding="utf-8"))
        copied.append(source.name)
    if copied or known.get("version") != __version__:
        run_folder.write_text(listed, json.dumps({"version": __version__, "sha256": now}, indent=1))
    return _said(copied, kept, bool(before))


def _said(copied: list[str], kept: list[str], again: bool) -> list[str]:
    said = []
    if copied:
        done = "Updated" if again else "Copied"
        said.append(f"{done} {len(copied)} notebooks in notebooks/ (ftkit {__version__}).")
    if kept:
        said.append(
            f"You changed {', '.join(kept)}, and ftkit {__version__} ships another version: yours runs. "
            "Delete it to get the new one."
        )
    return said
