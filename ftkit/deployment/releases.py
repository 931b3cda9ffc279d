"""Versions of an export that a server answers from: copied, numbered, never changed, and one of them current.

A release folder holds ``versions/N`` (a whole export each) and ``releases.json``, which names the current one and every move.
The record is replaced in one step after the copy stands: whatever is stopped in between, the version before serves on.
"""

from __future__ import annotations

import datetime as dt
import shutil
from pathlib import Path
from typing import Any, Literal

from ftkit.core import run_folder
from ftkit.core.errors import BadInput, NotReady
from ftkit.core.records.deployment import Move, Release, Releases
from ftkit.deployment.export import RECORD, verify

NAME = "releases.json"
MOST_NOTE = 500


def is_store(folder: Path) -> bool:
    """Return whether a folder holds releases."""
    return (folder / NAME).exists()


def read(store: Path) -> Releases:
    """Return what a release folder holds.

    Raises:
        NotReady: Nothing has been promoted into it.
    """
    if not is_store(store):
        raise NotReady(
            "holds no release", where=str(store), todo="promote a run first: ftkit promote RUN"
        )
    return run_folder.read_record(store / NAME, Releases)


def folder(store: Path, version: int) -> Path:
    """Return the export of a version."""
    return store / "versions" / str(version)


def current(store: Path) -> Path:
    """Return the export that is current.

    Raises:
        NotReady: Nothing has been promoted.
        BadInput: Its files are gone.
    """
    version = read(store).current
    path = folder(store, version)
    if not (path / RECORD).exists():
        raise BadInput(
            f"version {version} is not there any more",
            where=str(store),
            todo="roll back: ftkit rollback STORE",
        )
    return path


def scores(store: Path, version: int) -> Path:
    """Return where a version's test answers are kept as right or wrong, without their texts."""
    return store / "scores" / f"{version}.parquet"


def promote(store: Path, export: Path, run: str, note: str = "", measured: Any = None) -> Release:
    """Copy an export into a release folder as its next version and make it current.

    Args:
        store: The release folder; made where it is not there.
        export: The export; every file is held against its hash, before and after the copy.
        run: The run that it comes from, for people.
        note: Why, for people.
        measured: Table of test items (item_id, truth, group, correct), kept for comparing with later versions; or None.

    Raises:
        BadInput: A file of the export was altered, or it is by another name than those before.
        Busy: Another promotion is under way.
    """
    bundle = verify(export)
    with run_folder.locked(store):
        known = read(store) if is_store(store) else Releases(name=bundle.name, current=0)
        if bundle.name != known.name:
            raise BadInput(
                f"this export answers to '{bundle.name}', the releases there to '{known.name}'",
                where=str(store),
                todo="choose another --store, or set deployment.served_name and run 09_deployment again",
            )
        version = 1 + max((r.version for r in known.releases), default=0)
        target = folder(store, version)
        fresh = target.with_name(f".{version}.tmp")
        for left in (fresh, target):  # of a promotion that was stopped
            shutil.rmtree(left, ignore_errors=True)
        try:
            shutil.copytree(export, fresh)
            verify(fresh)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
        fresh.rename(target)
        if measured is not None:
            run_folder.write_table(scores(store, version), measured)
        made = Release(
            version=version,
            run=run,
            strategy=bundle.spec.name,
            sha256=run_folder.sha256_path(target / RECORD),
            created=bundle.created,
        )
        _move(
            store,
            known.model_copy(update={"releases": [*known.releases, made]}),
            version,
            "promoted",
            note,
        )
    return made


def roll_back(store: Path, version: int = 0, note: str = "") -> Release:
    """Make an earlier version current again; every file of it is held against its hash first.

    Args:
        store: The release folder.
        version: Which one; 0: the one that was current before.
        note: Why, for people.

    Raises:
        BadInput: There is no such version, or it was altered.
    """
    with run_folder.locked(store):
        known = read(store)
        by_number = {r.version: r for r in known.releases}
        before = [m.version for m in known.moves if m.version != known.current]
        chosen = version or next(iter(reversed(before)), 0)
        if chosen not in by_number:
            there = ", ".join(str(n) for n in by_number)
            what = (
                f"there is no version {chosen}"
                if version
                else "there is no version before this one"
            )
            raise BadInput(what, where=str(store), todo=f"choose one of {there}")
        if chosen == known.current:
            raise BadInput(
                f"version {chosen} is current already",
                where=str(store),
                todo="nothing has to be done",
            )
        verify(folder(store, chosen))
        _move(store, known, chosen, "rolled back", note)
    return by_number[chosen]


def _move(
    store: Path, known: Releases, version: int, what: Literal["promoted", "rolled back"], note: str
) -> None:
    now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    move = Move(when=now, version=version, what=what, note=" ".join(note.split())[:MOST_NOTE])
    run_folder.write_record(
        store / NAME, known.model_copy(update={"current": version, "moves": [*known.moves, move]})
    )


def lines(known: Releases) -> list[str]:
    """Return the releases, the latest first, for a terminal."""
    told = [f"{known.name}: version {known.current} is current"]
    for release in reversed(known.releases):
        mark = "▶" if release.version == known.current else " "
        moves = "; ".join(
            f"{m.what} {m.when}{f' ({m.note})' if m.note else ''}"
            for m in known.moves
            if m.version == release.version
        )
        told.append(
            f"{mark} {release.version:3d}  {release.strategy:12s} from {release.run}: {moves}"
        )
    return told
