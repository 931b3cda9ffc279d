"""The run folder: atomic writes, locks, manifests, input hashes, and what is stale.

A stage is done when its ``manifest.json`` exists, which is written last. A file is written under a temporary name in
the same folder and renamed, so that a stopped run never leaves half a file under a final name.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import importlib.metadata
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from ftkit.core import code_closure
from ftkit.core.errors import BadInput, Busy, FtkitError, NotReady
from ftkit.core.hashes import damaged, seals, sha256_path
from ftkit.core.hashes import sha256_bytes as sha256_bytes
from ftkit.core.records.base import Record
from ftkit.core.records.endpoint import EndpointBill
from ftkit.core.records.manifest import Manifest

R = TypeVar("R", bound=Record)

STAGES = [
    "task",
    "data",
    "prompting",
    "retrieval",
    "training",
    "preference",
    "evaluation",
    "decision",
    "deployment",
    "monitoring",
]
NUMBERS = {stage: number for number, stage in enumerate(STAGES, 1)}
READS: dict[str, list[str]] = {
    "task": [],
    "data": ["task"],
    "prompting": ["task", "data"],
    "retrieval": ["task", "data", "prompting"],
    "training": ["task", "data", "prompting", "retrieval"],
    "preference": ["task", "data", "prompting", "retrieval", "training"],
    "evaluation": ["task", "data", "prompting", "retrieval", "training", "preference"],
    "decision": ["task", "data", "retrieval", "training", "evaluation"],
    "deployment": ["task", "data", "prompting", "retrieval", "training", "evaluation", "decision"],
    "monitoring": ["task", "data", "retrieval", "training", "evaluation", "deployment"],
}
BILL = ".bill.json"
"""End of the name of a file that says what one model at one address cost."""
DECIDES = ("decision", "deployment")
"""Stages that hash every file they may read, even one whose size and time of change are the same."""
BESIDE = {"retrieval": ["index"]}
"""Folders that are no outputs (their names change each time), but are sealed as these are."""
LOCK = ".lock"
"""File of a run folder that is held while a run works on it."""
PACKAGES = [
    "torch",
    "transformers",
    "peft",
    "trl",
    "lancedb",
    "sentence-transformers",
    "pandas",
    "plotly",
    "papermill",
]


def stage_name(stage: str) -> str:
    """Return the notebook's name, e.g. ``02_data``."""
    return f"{NUMBERS[stage]:02d}_{stage}"


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that is renamed to it on success and removed on failure.

    Raises:
        FtkitError: The disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise FtkitError(
                "the disk is full", where=str(path), todo="free some space, then run again"
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS):
            raise FtkitError(
                "cannot be written", where=str(path), todo="choose another output folder"
            ) from error
        raise
    finally:
        if temporary.is_file():
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Write text atomically (UTF-8)."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_record(path: Path, record: Record) -> None:
    """Write one record as JSON, atomically."""
    write_text(path, record.model_dump_json(indent=2) + "\n")


def read_record(path: Path, kind: type[R]) -> R:
    """Read one record.

    Raises:
        NotReady: The file is not there yet.
        BadInput: The file is not a record of that kind.
    """
    if not path.exists():
        raise NotReady(
            "is not there yet",
            where=str(path),
            todo=f"run the notebook that writes {path.parent.name}/{path.name} first",
        )
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadInput(
            f"is not a readable {kind.__name__}: {error}",
            where=str(path),
            todo="run its stage again",
        ) from error


def write_table(path: Path, frame: Any) -> None:
    """Write a pandas table as Parquet, atomically."""
    with atomic(path) as temporary:
        frame.to_parquet(temporary, index=False)


def read_table(path: Path) -> Any:
    """Read a Parquet table as pandas. Raises NotReady if it is not there yet."""
    import pandas as pd

    if not path.exists():
        raise NotReady(
            "is not there yet",
            where=str(path),
            todo=f"run the notebook that writes {path.parent.name}/{path.name} first",
        )
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are one of these
        raise BadInput(
            f"is no readable table: {str(error).splitlines()[0][:200]}",
            where=str(path),
            todo="it is damaged: run its stage again (`ftkit run FILE --force --only STAGE`)",
        ) from error


def code_of(stage: str) -> dict[str, str]:
    """Return the SHA-256 of every file of code that a stage rests on, by path; see ``code_closure``."""
    return code_closure.code_hashes(code_closure.notebooks_folder() / f"{stage_name(stage)}.ipynb")


def versions() -> dict[str, str]:
    """Return the versions of Python and the packages that decide a result."""
    found = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def git_commit() -> str:
    """Return the commit of the project's checkout, or an empty string outside of one."""
    done = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def peak_memory_gib() -> float:
    """Return this process's peak resident memory in GiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 30 if sys.platform == "darwin" else 1 << 20)


def now() -> str:
    """Return the UTC time as ISO text, to the second."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def bills(folder: Path) -> list[EndpointBill]:
    """Return what a stage paid to endpoints so far, in the order of their files' names."""
    return [read_record(path, EndpointBill) for path in sorted(folder.rglob(f"*{BILL}"))]


class Stage:
    """One stage of a run: where it reads and writes, and how it is marked done.

    Args:
        run: The run folder, e.g. ``outputs/demo``.
        stage: Name of the stage, e.g. ``data``.
        parameters: Resolved parameters, as they go into the manifest.
        inputs: Files or folders outside of the run folder that the stage reads.
    """

    def __init__(
        self, run: Path, stage: str, parameters: dict[str, Any], inputs: list[Path] | None = None
    ) -> None:
        self.run, self.stage, self.parameters = Path(run), stage, parameters
        self.folder = self.run / stage
        self.external = inputs or []
        self.started, self._clock = now(), time.monotonic()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._require()
        for other in READS[stage]:
            require_sound(self.run, other, certain=stage in DECIDES)
        (self.folder / "manifest.json").unlink(missing_ok=True)

    def _require(self) -> None:
        for other in READS[self.stage]:
            if not (self.run / other / "manifest.json").exists():
                raise NotReady(
                    f"{stage_name(self.stage)} reads what {stage_name(other)} writes, and that has not been run",
                    where=str(self.run),
                    todo=f"run notebooks/{stage_name(other)}.ipynb first (same run folder)",
                )

    def path(self, name: str) -> Path:
        """Return the path of an artifact of this stage."""
        return self.folder / name

    def of(self, stage: str, name: str) -> Path:
        """Return the path of another stage's artifact."""
        return self.run / stage / name

    def done(
        self, outputs: list[str], *, seed: int = 0, device: str = "cpu", unanswered: int = 0
    ) -> Manifest:
        """Write the manifest: the stage is done; with ``unanswered`` answers that an endpoint owes the next run asks again."""
        manifest = Manifest(
            stage=self.stage,
            parameters=self.parameters,
            inputs=input_hashes(self.run, self.stage, self.external),
            outputs={name: sha256_path(self.folder / name) for name in outputs},
            files=seals(self.folder, [*outputs, *BESIDE.get(self.stage, [])]),
            code=code_of(self.stage),
            seed=seed,
            versions=versions(),
            git_commit=git_commit(),
            device=device,
            started=self.started,
            duration_s=round(time.monotonic() - self._clock, 2),
            peak_memory_gib=round(peak_memory_gib(), 3),
            bills=bills(self.folder),
            unanswered=unanswered,
        )
        write_record(self.folder / "manifest.json", manifest)
        return manifest


def input_hashes(run: Path, stage: str, external: list[Path]) -> dict[str, str]:
    """Return the hash of everything a stage reads: outside files, and what earlier stages wrote."""
    hashes = {str(path): sha256_path(path) for path in external}
    for other in READS[stage]:
        manifest = read_record(run / other / "manifest.json", Manifest)
        hashes |= {f"{other}/{name}": value for name, value in manifest.outputs.items()}
    return hashes


def stale_reason(run: Path, stage: str, parameters: dict[str, Any], external: list[Path]) -> str:
    """Say why a stage must run, or return an empty string when what it wrote still holds."""
    path = run / stage / "manifest.json"
    if not path.exists():
        return "not run yet"
    try:
        manifest = read_record(path, Manifest)
    except BadInput:
        return "its manifest is not readable"
    if manifest.parameters != json.loads(json.dumps(parameters)):
        names = sorted(
            k
            for k in {*manifest.parameters, *parameters}
            if manifest.parameters.get(k) != parameters.get(k)
        )
        return f"parameters changed: {', '.join(names)}"
    if manifest.unanswered:
        return f"an endpoint owes {manifest.unanswered} answers"
    code = code_of(stage)
    changed = sorted(f for f in {*manifest.code, *code} if manifest.code.get(f) != code.get(f))
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        return f"its code changed: {changed[0]}{more}"
    if any(not (run / other / "manifest.json").exists() for other in READS[stage]):
        return "an earlier stage must run"
    if manifest.inputs != input_hashes(run, stage, external):
        return "its inputs changed"
    missing = [name for name in manifest.outputs if not (run / stage / name).exists()]
    if missing:
        return f"outputs are missing: {', '.join(missing)}"
    broken = damaged(run / stage, manifest.files, certain=stage in DECIDES)
    return f"changed or damaged since: {', '.join(broken[:3])}" if broken else ""


def damages(run: Path, stage: str, *, certain: bool) -> list[Path]:
    """Return the files of a finished stage that are no longer what it wrote; see ``hashes.damaged``."""
    sealed = read_record(run / stage / "manifest.json", Manifest).files
    return [run / stage / name for name in damaged(run / stage, sealed, certain=certain)]


def require_sound(run: Path, stage: str, *, certain: bool) -> None:
    """Stop where a file of a finished stage is no longer what it wrote.

    Raises:
        BadInput: Naming the first such file and the stage that makes it again.
    """
    broken = damages(run, stage, certain=certain)
    if broken:
        more = f" (and {len(broken) - 1} more files)" if len(broken) > 1 else ""
        raise BadInput(
            f"was changed or damaged after {stage_name(stage)} wrote it{more}",
            where=str(broken[0]),
            todo=f"make it again: run notebooks/{stage_name(stage)}.ipynb, or `ftkit run FILE --force --only {stage}`",
        )


def seal_again(folder: Path) -> None:
    """Write the seals of a stage's folder anew, where a copy of it was changed on purpose; files that are gone lose theirs."""
    path = folder / "manifest.json"
    if not path.exists():
        return
    manifest = read_record(path, Manifest)
    names = [name for name in manifest.files if (folder / name).exists()]
    write_record(path, manifest.model_copy(update={"files": seals(folder, names)}))


def older(run: Path, stage: str) -> list[str]:
    """Return the stages that a finished stage read and that have been written anew, or are gone, since.

    Raises:
        BadInput: A manifest is not readable.
    """
    inputs, changed = read_record(run / stage / "manifest.json", Manifest).inputs, []
    for other in READS[stage]:
        path = run / other / "manifest.json"
        outputs = read_record(path, Manifest).outputs if path.exists() else None
        known = {
            name.partition("/")[2]: digest
            for name, digest in inputs.items()
            if name.startswith(f"{other}/")
        }
        if outputs is None or any(outputs.get(name) != digest for name, digest in known.items()):
            changed.append(other)
    return changed


def states(run: Path) -> dict[str, str]:
    """Return of every stage whether it is ``done``, ``stale`` (rests on what has changed since) or ``missing``."""
    found: dict[str, str] = {}
    for stage in STAGES:
        if not (run / stage / "manifest.json").exists():
            found[stage] = "missing"
            continue
        try:
            rests = older(run, stage)
        except (BadInput, NotReady):
            rests = [stage]
        stale = rests or [other for other in READS[stage] if found[other] != "done"]
        found[stage] = "stale" if stale else "done"
    return found


@contextlib.contextmanager
def locked(run: Path) -> Iterator[None]:
    """Hold the run folder for one process; the lock dies with the process.

    Raises:
        Busy: Another process works on this run.
    """
    import fcntl

    run.mkdir(parents=True, exist_ok=True)
    with (run / LOCK).open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Busy(
                "another ftkit run works on this folder",
                where=str(run),
                todo="wait for it or stop it",
            ) from error
        yield
