"""A whole strategy as one folder: prompt, weights, index and examples, with the hash of each file."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.records.deployment import Bundle

RECORD = "strategy.json"


def write(
    target: Path,
    bundle: Bundle,
    *,
    weights: Callable[[Path], None] | None = None,
    index: Callable[[Path], Any] | None = None,
    shots: Any = None,
    texts: dict[str, str] | None = None,
) -> Bundle:
    """Write an export under a temporary name and put it in place; stopped at any point, the old one stays.

    Args:
        target: Its folder.
        bundle: What it holds; ``files`` is filled here.
        weights: Writes adapter or merged model into a folder.
        index: Writes the retriever's index into a folder.
        shots: Examples that the prompt shows or looks up (columns ``records.EXAMPLE_COLUMNS``), or None.
        texts: Further files by name.

    Raises:
        FtkitError: The disk is full or the folder cannot be written.
    """
    fresh, old = target.with_name(f".{target.name}.tmp"), target.with_name(f".{target.name}.old")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(parents=True)
        if weights is not None:
            weights(fresh / bundle.weights)
        if index is not None:
            index(fresh / "index")
        if shots is not None:
            shots.to_parquet(fresh / "examples.parquet", index=False)
        for name, text in (texts or {}).items():
            (fresh / name).parent.mkdir(parents=True, exist_ok=True)
            (fresh / name).write_text(text, encoding="utf-8")
        bundle = bundle.model_copy(update={"files": hashes(fresh)})
        run_folder.write_record(fresh / RECORD, bundle)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise FtkitError(
            f"could not be written: {error}",
            where=str(target),
            todo="free some space, then run again",
        ) from error
    recover(target)
    if target.exists():
        target.rename(old)
    fresh.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    return bundle


def recover(target: Path) -> None:
    """Bring the old export back where a kill came between the two renames."""
    old = target.with_name(f".{target.name}.old")
    if old.exists() and not target.exists():
        old.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of every file below a folder, by path; not of the record itself, nor of what Python compiled beside a file."""
    there = (p for p in sorted(folder.rglob("*")) if p.is_file() and p.parent.name != "__pycache__")
    found = (p for p in there if p.relative_to(folder).as_posix() != RECORD)
    return {p.relative_to(folder).as_posix(): run_folder.sha256_path(p) for p in found}


def verify(folder: Path) -> Bundle:
    """Read an export and hold every file against its hash.

    Raises:
        NotReady: There is no export.
        BadInput: A file is missing, was altered, or does not belong to it.
    """
    recover(folder)
    bundle = run_folder.read_record(folder / RECORD, Bundle)
    there = hashes(folder)
    for name in sorted({*there, *bundle.files}):
        if there.get(name) != bundle.files.get(name):
            what = (
                "is missing"
                if name not in there
                else "was altered"
                if name in bundle.files
                else "does not belong to it"
            )
            raise BadInput(
                f"{name} {what} since the export",
                where=str(folder),
                todo="export it again (09_deployment)",
            )
    return bundle


def copied(source: Path) -> Callable[[Path], None]:
    """Return what copies an adapter or a fully tuned model as it is."""

    def copy_all(target: Path) -> None:
        shutil.copytree(source, target)

    return copy_all


def merged(base: str, adapter: Path, tokenizer: Any) -> Callable[[Path], None]:
    """Return what merges an adapter into its base, in the precision that the model is loaded in, and writes both as one."""

    def write_merged(target: Path) -> None:
        from ftkit.models.load import load_model
        from ftkit.models.weights import resolve

        model = load_model(resolve(base), adapter).merge_and_unload()
        model.save_pretrained(str(target))
        tokenizer.save_pretrained(str(target))

    return write_merged


def rows_of(folder: Path, files: dict[str, str]) -> list[dict[str, Any]]:
    """Return one row per part of an export: files, size in MiB, and the hash of the largest."""
    parts: dict[str, list[str]] = {}
    for name in files:
        parts.setdefault(name.split("/")[0], []).append(name)
    rows = []
    for part, names in parts.items():
        largest = max(names, key=lambda n: (folder / n).stat().st_size)
        size = sum((folder / n).stat().st_size for n in names) / 2**20
        rows.append(
            {
                "part": part,
                "files": len(names),
                "MiB": round(size, 2),
                "SHA-256 of the largest": files[largest][:16] + "…",
            }
        )
    return rows


def size_mib(folder: Path) -> float:
    """Return the size of all files below a folder, in MiB."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 2**20
