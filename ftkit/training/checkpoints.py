"""What training leaves on disk: weights, whole or not at all, with the base's fingerprint; and checkpoints to go on from."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path
from typing import Any

from ftkit.core.errors import FtkitError
from ftkit.models.load import end_tokens
from ftkit.models.weights import write_base_note

SECONDS = "seconds.json"


def save_weights(
    model: Any, tokenizer: Any, folder: Path, base: str, base_folder: Path, **more: Any
) -> None:
    """Write adapter or full weights and the tokenizer into ``folder / "adapter"``, under a temporary name first.

    Args:
        model: The trained model.
        tokenizer: Its tokenizer.
        folder: The stage's folder.
        base: Name of the base model.
        base_folder: Folder of its weights.
        more: Passed on to ``save_pretrained``.

    Raises:
        FtkitError: The disk is full, or the folder cannot be written; what was there before is left as it was.
    """
    from safetensors import SafetensorError
    from transformers import GenerationConfig

    target, temporary = folder / "adapter", folder / ".adapter.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    ends = end_tokens(model, tokenizer)
    model.generation_config = GenerationConfig(
        pad_token_id=tokenizer.pad_token_id, eos_token_id=ends
    )
    try:
        model.save_pretrained(str(temporary), **more)
        tokenizer.save_pretrained(str(temporary))
        write_base_note(temporary, base, base_folder)
    except (OSError, SafetensorError) as error:
        raise FtkitError(
            f"the weights could not be written: {error}",
            where=str(target),
            todo="free some space, then run the same command again",
        ) from error
    shutil.rmtree(target, ignore_errors=True)
    temporary.rename(target)


def last_checkpoint(folder: Path) -> str | None:
    """Return the newest whole checkpoint: the trainer writes trainer_state.json last, so it must be there and readable."""
    for path in sorted(
        (folder / "checkpoints").glob("checkpoint-*"), key=lambda p: -int(p.name.split("-")[1])
    ):
        with contextlib.suppress(OSError, ValueError):
            json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))
            return str(path)
    return None


def seconds_before(folder: Path) -> float:
    """Return the seconds that a stopped run of the same plan had trained, from its last checkpoint."""
    last = last_checkpoint(folder)
    note = Path(last) / SECONDS if last else None
    return float(json.loads(note.read_text())["seconds"]) if note and note.exists() else 0.0


def note_seconds(args: Any, state: Any, seconds: float) -> None:
    """Write the seconds trained so far into the checkpoint that a trainer has just saved."""
    folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
    if folder.is_dir():
        (folder / SECONDS).write_text(json.dumps({"seconds": seconds}))
