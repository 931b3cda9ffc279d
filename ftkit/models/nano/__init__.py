"""The nano base: a small Llama checkpoint that this project trained itself on generated skill data."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from ftkit.core.errors import BadInput

SHIPPED = {".safetensors", ".json", ".jinja"}
AGAIN = "install ftkit again, or make the base anew: python -m ftkit.models.nano.train"


def checkpoint_folder() -> Path:
    """Return the folder of the shipped checkpoint."""
    return Path(__file__).parent / "checkpoint"


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every model and tokenizer file in a folder, by name."""
    names = sorted(
        p
        for p in folder.iterdir()
        if p.suffix in SHIPPED and p.name not in ("hashes.json", "skill_card.json")
    )
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in names}


def verify(folder: Path) -> None:
    """Check the checkpoint's files against ``hashes.json``, and that its tokenizer fits its weights.

    Raises:
        BadInput: A file is missing, truncated or altered (its hash is told), or the tokenizer has more tokens than the
            weights have rows.
    """
    listed = folder / "hashes.json"
    if not listed.exists():
        raise BadInput(
            "the nano base is not there",
            where=str(folder),
            todo="make it: python -m ftkit.models.nano.train",
        )
    found = file_hashes(folder)
    for name, expected in json.loads(listed.read_text()).items():
        if found.get(name) != expected:
            raise BadInput(
                f"does not match its hash: expected {expected[:12]}, found {(found.get(name) or 'no file')[:12]}",
                where=str(folder / name),
                todo=AGAIN,
            )
    fits(folder)


def fits(folder: Path) -> None:
    """Check that every token of a folder's tokenizer has a row in its embedding.

    Raises:
        BadInput: The tokenizer has more tokens than the weights have rows.
    """
    rows = _embedding_rows(folder)
    tokenizer = folder / "tokenizer.json"
    if not rows or not tokenizer.exists():
        return
    told = json.loads(tokenizer.read_text())
    ids = [
        *told["model"].get("vocab", {}).values(),
        *(t["id"] for t in told.get("added_tokens", [])),
    ]
    if max(ids, default=0) >= rows:
        raise BadInput(
            f"the tokenizer has {max(ids) + 1} tokens, the weights have rows for {rows}: they do not belong together",
            where=str(tokenizer),
            todo=AGAIN
            if folder == checkpoint_folder()
            else "take tokenizer and weights from one checkpoint",
        )


def _embedding_rows(folder: Path) -> int:
    """Return the rows of the embedding from the shards' headers (8 bytes of length, then JSON); 0 if no shard tells."""
    for shard in sorted(folder.glob("*.safetensors")):
        with shard.open("rb") as file:
            head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        if "model.embed_tokens.weight" in head:
            return int(head["model.embed_tokens.weight"]["shape"][0])
    return 0
