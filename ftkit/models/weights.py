"""Where a model's files are, and whether they can be used: folders, the hub, pickle and remote code, which base an adapter is of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.foreign_files import TEXT_SIZE, check_size
from ftkit.core.parameters.base import NAMED_BASES

WANTED = ["*.json", "*.safetensors", "*.model", "*.jinja", "*.txt"]
TOKENIZER_FILES = ["tokenizer.json", "*.model", "vocab.json", "vocab.txt", "tekken.json"]
BASE_NOTE = "base.json"
HUB_TIMEOUT_S = 5.0
BLOCKS, BLOCK = 64, 1 << 16


def resolve(base_model: str) -> str:
    """Return the folder of a model: a named base (fetched if it is not here yet), a local folder, or a Hugging Face name.

    Raises:
        BadInput: The folder has no weights, or only pickle weights, or wants its own code run; or there is no such folder
            or model at hand.
    """
    if base_model in NAMED_BASES:
        from ftkit.models import bases

        return str(bases.resolve(base_model))
    path = Path(base_model).expanduser()
    if path.is_dir():
        check_weights(path)
        return str(path)
    if base_model.startswith((".", "/", "~")) or base_model.count("/") > 1:
        raise BadInput(
            "is no model folder",
            where=base_model,
            todo="give a folder with config.json, or a name like org/model",
        )
    folder = _cached(base_model) or _downloaded(base_model)
    check_weights(folder)
    return str(folder)


def check_weights(folder: Path) -> None:
    """Refuse a folder without config, without weights, with pickle weights only, or that wants its own code run.

    Raises:
        BadInput: One of these.
    """
    if not (folder / "config.json").exists() and not (folder / "adapter_config.json").exists():
        raise BadInput(
            "holds no config.json, so it is no model",
            where=str(folder),
            todo="give the folder of a checkpoint",
        )
    if not any(folder.glob("*.safetensors")):
        if any(p for kind in ("*.bin", "*.pt", "*.pth", "*.ckpt") for p in folder.glob(kind)):
            raise BadInput(
                "holds only pickle weights, which can run code when they are loaded",
                where=str(folder),
                todo="convert them to safetensors (load and `save_pretrained`) on a machine you trust",
            )
        raise BadInput(
            "holds no weights (*.safetensors)",
            where=str(folder),
            todo="finish the download, or give another folder",
        )
    missing = [name for name in _shards(folder) if not (folder / name).exists()]
    if missing:
        raise BadInput(
            f"shard {missing[0]} is missing", where=str(folder), todo="finish the download"
        )
    _refuse_code(folder)


def _shards(folder: Path) -> set[str]:
    index = folder / "model.safetensors.index.json"
    return set(read_json(index).get("weight_map", {}).values()) if index.exists() else set()


def _refuse_code(folder: Path) -> None:
    config = folder / "config.json"
    if not config.exists():
        return
    content = read_json(config)
    from transformers import CONFIG_MAPPING

    if content.get("auto_map") and content.get("model_type") not in CONFIG_MAPPING:
        raise BadInput(
            f"the model type '{content.get('model_type')}' needs Python code from its own folder, which is not run",
            where=str(config),
            todo="choose a model that transformers knows itself",
        )


def read_json(path: Path) -> dict[str, Any]:
    """Return a JSON file's object. Raises BadInput if it is none."""
    check_size(path, TEXT_SIZE)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"is not readable JSON: {error}",
            where=str(path),
            todo="download or save the model again",
        ) from error
    if not isinstance(content, dict):
        raise BadInput(
            "holds no JSON object", where=str(path), todo="download or save the model again"
        )
    return content


def has_tokenizer(folder: Path) -> bool:
    """Return whether the folder holds a tokenizer's vocabulary."""
    return any(p for kind in TOKENIZER_FILES for p in folder.glob(kind))


def _cached(name: str) -> Path | None:
    """Return the snapshot of a hub model that is on this machine as a whole, or None."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, "config.json")
    if not isinstance(found, str):
        return None
    folder = Path(found).parent
    whole = (
        any(folder.glob("*.safetensors"))
        and all((folder / s).exists() for s in _shards(folder))
        and has_tokenizer(folder)
    )
    return folder if whole else None


def _downloaded(name: str) -> Path:
    import httpx
    from huggingface_hub import hf_hub_url, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError
    from huggingface_hub.utils import build_hf_headers

    local = "give a local folder instead"
    try:  # one quick question first: the hub's own client would try for minutes
        url, headers = hf_hub_url(name, "config.json"), build_hf_headers()
        status = httpx.head(
            url, headers=headers, timeout=HUB_TIMEOUT_S, follow_redirects=True
        ).status_code
    except httpx.HTTPError as error:
        raise BadInput(
            "is no folder here, and the Hugging Face hub cannot be reached",
            where=name,
            todo=f"connect to it, or {local}",
        ) from error
    if status in (401, 403):
        todo = f"accept its terms on its page and set HF_TOKEN in the environment, or {local}"
        raise BadInput("is gated, private or does not exist on the hub", where=name, todo=todo)
    if status >= 400:
        raise BadInput(
            f"is not a model on the hub (HTTP {status})",
            where=name,
            todo=f"check the name, or {local}",
        )
    try:
        return Path(snapshot_download(name, allow_patterns=WANTED))
    except (OSError, HfHubHTTPError) as error:
        raise BadInput(
            f"could not be downloaded: {first_line(error)}",
            where=name,
            todo=f"try again, or {local}",
        ) from error


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, shortened."""
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__


def fingerprint(folder: Path) -> str:
    """Return a SHA-256 over config and weights: names, sizes, headers, and 64 blocks of 64 KiB spread over each file.

    Files up to 4 MiB are read whole; two checkpoints of one shape differ all over, so blocks tell them apart.
    """
    digest = hashlib.sha256()
    for path in [folder / "config.json", *sorted(folder.glob("*.safetensors"))]:
        if not path.exists():
            continue
        size = path.stat().st_size
        digest.update(f"{path.name}:{size}:".encode())
        with path.open("rb") as file:
            for k in range(BLOCKS):
                file.seek(k * max(BLOCK, (size - BLOCK) // (BLOCKS - 1)))
                digest.update(file.read(BLOCK))
    return digest.hexdigest()


def write_base_note(adapter: Path, name: str, folder: Path) -> None:
    """Put beside an adapter which base it belongs to."""
    (adapter / BASE_NOTE).write_text(
        json.dumps({"base": name, "fingerprint": fingerprint(folder)}) + "\n", encoding="utf-8"
    )


def check_base(adapter: Path, folder: Path) -> None:
    """Refuse an adapter whose note names another base than the folder's weights.

    Raises:
        BadInput: The adapter was trained on other weights.
    """
    note = adapter / BASE_NOTE
    if not note.exists():
        return
    told = read_json(note)
    if told.get("fingerprint") != fingerprint(folder):
        raise BadInput(
            f"the adapter was trained on other weights ('{told.get('base')}') than those in {folder}",
            where=str(adapter),
            todo="give the base that it was trained on, or train it again (05_training)",
        )
