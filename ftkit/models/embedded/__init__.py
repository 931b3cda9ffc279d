"""The embedded nano base: a small Llama checkpoint that this project trained itself on generated skill data."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ftkit.errors import BadInput


def checkpoint_folder() -> Path:
    """Return the folder of the shipped checkpoint."""
    return Path(__file__).parent / "checkpoint"


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every model and tokenizer file in a folder, by name."""
    names = sorted(
        p for p in folder.iterdir() if p.suffix in {".safetensors", ".json"} and p.name not in ("hashes.json", "skill_card.json")
    )
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in names}


def verify(folder: Path) -> None:
    """Check the checkpoint's files against ``hashes.json``.

    Raises:
        BadInput: A file is missing, truncated or altered; its hash is told.
    """
    listed = folder / "hashes.json"
    if not listed.exists():
        raise BadInput("the embedded base is not there", where=str(folder), todo="make it: python -m ftkit.models.embedded.train")
    found = file_hashes(folder)
    for name, expected in json.loads(listed.read_text()).items():
        if found.get(name) != expected:
            raise BadInput(
                f"does not match its hash: expected {expected[:12]}, found {(found.get(name) or 'no file')[:12]}",
                where=str(folder / name), todo="install ftkit again, or make the base anew: python -m ftkit.models.embedded.train",
            )  # fmt: skip
