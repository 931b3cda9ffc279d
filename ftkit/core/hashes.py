"""SHA-256 of files and folders, and the seals by which a damaged artifact is known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from ftkit.core.errors import BadInput
from ftkit.core.records.manifest import FileSeal

FILLED_IN = (".csv", ".xlsx", "review.jsonl")
"""Ends of the names of artifacts that people fill in; these may change after their stage."""


def sha256_bytes(data: bytes) -> str:
    """Return the SHA-256 of bytes as hex."""
    return hashlib.sha256(data).hexdigest()


def sha256_path(path: Path) -> str:
    """Return the SHA-256 of a file, or of the names and contents of all files below a folder.

    Raises:
        BadInput: The path does not exist.
    """
    if not path.exists():
        raise BadInput(
            "does not exist", where=str(path), todo="check the path in the parameter file"
        )
    if path.is_file():
        digest = hashlib.sha256()
        with path.open("rb") as handle:
            while block := handle.read(1 << 20):
                digest.update(block)
        return digest.hexdigest()
    parts = [
        f"{p.relative_to(path)}:{sha256_path(p)}" for p in sorted(path.rglob("*")) if p.is_file()
    ]
    return sha256_bytes("\n".join(parts).encode())


def seals(folder: Path, names: Iterable[str]) -> dict[str, FileSeal]:
    """Return the seal of every file below the named files and folders of ``folder``, by path relative to it."""
    found: dict[str, FileSeal] = {}
    for name in names:
        top = folder / name
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if path.is_file() and not path.name.endswith(FILLED_IN):
                state = path.stat()
                found[path.relative_to(folder).as_posix()] = FileSeal(
                    sha256=sha256_path(path), bytes=state.st_size, changed_ns=state.st_mtime_ns
                )
    return found


def damaged(folder: Path, sealed: dict[str, FileSeal], *, certain: bool) -> list[str]:
    """Return the files that are no longer as they were sealed, or are gone.

    Args:
        folder: What the paths are relative to.
        sealed: The seals.
        certain: Hash every file; else only those whose size or time of change is another.
    """
    changed: list[str] = []
    for name, seal in sealed.items():
        path = folder / name
        if not path.is_file():
            changed.append(name)
            continue
        state = path.stat()
        if not certain and (state.st_size, state.st_mtime_ns) == (seal.bytes, seal.changed_ns):
            continue
        if state.st_size != seal.bytes or sha256_path(path) != seal.sha256:
            changed.append(name)
    return changed
