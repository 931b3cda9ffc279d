"""The one boundary in front of readers of foreign files: limits, a child process, and one message for every failure.

A foreign file is one that somebody else may have made: data, a handbook, parameters, a model's folder, reviews, logs. Whatever it
holds, a reader behind this boundary ends in time and within its memory, and what cannot be read is told as ``BadInput``.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.reader_process import Stopped, call

MIB = 1 << 20


@dataclass(frozen=True)
class Limit:
    """A limit of the boundary; the environment variable raises it.

    Attributes:
        variable: Name of the environment variable.
        default: What holds without it.
        unit: Unit of both.
        of: What is limited.
    """

    variable: str
    default: int
    unit: str
    of: str

    @property
    def value(self) -> int:
        """What holds now.

        Raises:
            BadInput: The environment variable is no whole number above zero.
        """
        text = os.environ.get(self.variable, "")
        if not text:
            return self.default
        if not text.isdecimal() or int(text) < 1:
            raise BadInput(
                f"'{text}' is no whole number above zero",
                where=f"the environment variable {self.variable}",
                todo=f"give {self.unit}, e.g. {self.default}",
            )
        return int(text)


TEXT_SIZE = Limit("FTKIT_MOST_TEXT_MIB", 64, "MiB", "a handbook's file")
SETTINGS_SIZE = Limit("FTKIT_MOST_SETTINGS_MIB", 4, "MiB", "a file of YAML: parameters, metadata")
UNPACKED = Limit(
    "FTKIT_MOST_UNPACKED_MIB", 256, "MiB", "what a zipped file (DOCX, XLSX, PPTX) unpacks to"
)
RATIO = Limit("FTKIT_MOST_SHRUNK", 100, "times", "how much smaller than that it is, above 16 MiB")
MEMORY = Limit("FTKIT_READER_MEMORY_MIB", 2048, "MiB", "memory of the process that reads a file")
SECONDS = Limit("FTKIT_READER_S", 10, "s", "time for a file, and twice as much for each MiB of it")
MEMORY_PER_BYTE = 16
"""Further bytes of memory for each of the file: an honest large file needs more than a small one."""
LIMITS = [TEXT_SIZE, SETTINGS_SIZE, UNPACKED, RATIO, MEMORY, SECONDS]


@contextlib.contextmanager
def reading(path: Path | str, kind: str) -> Iterator[None]:
    """Turn whatever goes wrong while a foreign file is read into one message; what is a message already passes.

    Args:
        path: The file, for the message.
        kind: What it should be, e.g. ``PDF``.

    Raises:
        BadInput: The file cannot be read as what it should be.
    """
    try:
        yield
    except FtkitError:
        raise
    except PermissionError as error:
        raise BadInput("may not be read", where=str(path), todo="change its permissions") from error
    except Exception as error:
        raise unreadable(path, kind, error) from error


def unreadable(path: Path | str, kind: str, error: BaseException | str) -> BadInput:
    """Return the message about a file that cannot be read as what it should be."""
    if isinstance(error, RecursionError):
        reason = "it is nested too deeply"
    elif isinstance(error, MemoryError):
        reason = f"it takes more memory than there is; {MEMORY.variable} raises the limit of {MEMORY.value} MiB"
    else:
        text = " ".join(str(error).split()) or type(error).__name__
        reason = text if len(text) <= 200 else f"{text[:200]}…"
    reason = reason.encode("utf-8", "replace").decode()
    return BadInput(
        f"cannot be read as {kind}: {reason}",
        where=str(path),
        todo=f"open it and save it again as {kind}, or leave it out",
    )


def check_size(path: Path, limit: Limit) -> None:
    """Refuse a file above a limit.

    Raises:
        BadInput: It is too large, or no plain file.
    """
    if not path.is_file():
        raise BadInput(
            "is no plain file", where=str(path), todo="give a file, not a device or a pipe"
        )
    if path.stat().st_size > limit.value * MIB:
        raise BadInput(
            f"is {path.stat().st_size / MIB:,.0f} MiB large, more than {limit.value} MiB",
            where=str(path),
            todo=f"split it, or raise {limit.variable} ({limit.unit}) in the environment",
        )


def check_archive(path: Path, kind: str) -> None:
    """Refuse a zipped file that is small on disk and huge in memory, before anything of it is unpacked.

    Raises:
        BadInput: It unpacks to more than the limits, or is no zip file.
    """
    with reading(path, kind), zipfile.ZipFile(path) as parts:
        sizes = [part.file_size for part in parts.infolist()]
    whole, packed = sum(sizes), path.stat().st_size
    if whole > UNPACKED.value * MIB and whole > 20 * packed:
        raise BadInput(
            f"would take {whole / MIB:,.0f} MiB from {packed / MIB:.1f} MiB on disk",
            where=str(path),
            todo=f"save it as another format, or raise {UNPACKED.variable} (MiB) if you know where it comes from",
        )
    if whole > 16 * MIB and whole > RATIO.value * packed:
        raise BadInput(
            f"is {whole / max(1, packed):,.0f} times larger than on disk, which no text is",
            where=str(path),
            todo=f"save it as another format, or raise {RATIO.variable} if you know where it comes from",
        )


def inside(path: Path, folder: Path) -> bool:
    """Return whether a path, its links followed, lies within a folder."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link that leads to itself
        return False


def in_child(read: Callable[..., Any], path: Path, *rest: Any, kind: str) -> Any:
    """Return what a reader returns that runs in a process of its own, with limits on memory and time.

    The process is started once (about half a second) and used for further files; it is started again after one that broke it.

    Args:
        read: A function of a module, called with ``path`` and ``rest``; what it returns can be pickled.
        path: The file.
        rest: Further arguments.
        kind: What the file should be, for the message.

    Raises:
        BadInput: What the reader raises, or it took too much memory or time, or died.
    """
    size = path.stat().st_size if path.exists() else 0
    seconds = SECONDS.value * (1 + 2 * size / MIB)
    memory = MEMORY.value * MIB + MEMORY_PER_BYTE * size
    with reading(path, kind):
        try:
            return call(read, (path, *rest), seconds, memory)
        except Stopped as stopped:
            raise BadInput(
                f"cannot be read as {kind}: {stopped}",
                where=str(path),
                todo=f"save it in parts or as another format, or raise {SECONDS.variable} (s) and"
                f" {MEMORY.variable} (MiB) in the environment",
            ) from stopped
