"""The nano base: a small Llama checkpoint that this project trained itself on generated skill data."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path
from random import Random
from typing import Any

from ftkit.core.errors import BadInput

SHIPPED = {".safetensors", ".json", ".jinja"}
LESSONS, QUESTIONS = (
    Path(__file__).parent / f"{name}.jsonl.gz" for name in ("lessons", "questions")
)
AGAIN = "install ftkit again, or make the base anew: python -m recipes.nano.train"


def checkpoint_folder() -> Path:
    """Return the folder of the shipped checkpoint."""
    return Path(__file__).parent / "checkpoint"


def general_lessons(n: int, seed: int) -> list[tuple[list[dict[str, str]], str]]:
    """Return n of the shipped general lessons, all where there are fewer, as (messages before the answer, answer)."""
    rows = _rows(LESSONS)
    drawn = Random(seed).sample(rows, min(n, len(rows)))
    return [(row["messages"], row["response"]) for row in drawn]


def probe_items(
    n: int, seed: int, second_half: bool = True
) -> list[tuple[list[dict[str, str]], str, str]]:
    """Return n of the shipped questions, the skills in turn, as (messages, right answer, skill).

    05, which chooses by them, takes the first half of each skill's questions; 07, which measures, the second.
    """
    by_skill: dict[str, list[dict[str, Any]]] = {}
    for row in _rows(QUESTIONS):
        by_skill.setdefault(row["skill"], []).append(row)
    for skill, rows in by_skill.items():
        half = rows[len(rows) // 2 :] if second_half else rows[: len(rows) // 2]
        by_skill[skill] = Random(f"{seed}-{skill}").sample(half, len(half))
    turns = [row for turn in zip(*by_skill.values(), strict=True) for row in turn]
    return [(row["messages"], row["response"], row["skill"]) for row in turns[:n]]


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


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
            todo="make it: python -m recipes.nano.train",
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
