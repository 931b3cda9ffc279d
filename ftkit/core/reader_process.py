"""A process that reads files for this one, with limits on memory and time; it can be ended without loss."""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import select
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from ftkit.core.errors import BadInput, FtkitError

START_S = 60.0
"""Longest that the process may take until it is ready, also on a busy machine."""


class Stopped(Exception):
    """The process took too long or died; its text says which."""


class _Reader:
    """The process, and the two pipes to it."""

    def __init__(self) -> None:
        self.memory = 0
        environment = dict(os.environ, PYTHONPATH=os.pathsep.join(p for p in sys.path if p))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ftkit.core.reader_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        self.receive(START_S)

    def send(self, content: Any) -> None:
        data = pickle.dumps(content)
        assert self.process.stdin
        self.process.stdin.write(struct.pack("<Q", len(data)) + data)
        self.process.stdin.flush()

    def receive(self, seconds: float) -> Any:
        end = time.monotonic() + seconds
        (length,) = struct.unpack("<Q", self._bytes(8, end, seconds))
        return pickle.loads(self._bytes(length, end, seconds))

    def _bytes(self, count: int, end: float, seconds: float) -> bytes:
        assert self.process.stdout
        place, parts = self.process.stdout.fileno(), []
        while count:
            ready, _, _ = select.select([place], [], [], max(0.0, end - time.monotonic()))
            if not ready:
                raise Stopped(f"it takes more than {seconds:.0f} s")
            part = os.read(place, min(count, 1 << 20))
            if not part:
                raise Stopped(
                    f"it takes more than {self.memory >> 20} MiB of memory, or breaks its reader"
                )
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            with contextlib.suppress(OSError):
                if pipe:
                    pipe.close()


_lock = threading.Lock()
_readers: dict[int, _Reader] = {}
"""The process by the id of the one that started it: a forked child starts its own."""


def call(
    function: Callable[..., Any], arguments: tuple[Any, ...], seconds: float, memory: int
) -> Any:
    """Return what a function of a module returns in the other process.

    Args:
        function: Named by its module; it and what it returns can be pickled.
        arguments: Its arguments.
        seconds: Longest it may take.
        memory: Most address space of the process, in bytes.

    Raises:
        Stopped: It took too long, or the process died.
        FtkitError: As the function raised it; every other exception comes as ``ValueError`` with its text.
        RecursionError: The function recursed too deeply.
        MemoryError: The function took too much memory.
    """
    with _lock:
        reader = _readers.get(os.getpid())
        if reader is None or reader.process.poll() is not None:
            close()
            reader = _readers[os.getpid()] = _Reader()
        done = False
        try:
            reader.memory = memory
            reader.send((memory, function.__module__, function.__qualname__, arguments))
            outcome, content = reader.receive(seconds)
            done = outcome not in ("memory", "deep")  # these may leave it crippled
        except (BrokenPipeError, pickle.UnpicklingError, EOFError) as error:
            raise Stopped("its reader broke") from error
        finally:
            if not done:
                close()
    if outcome == "deep":
        raise RecursionError
    if outcome == "memory":
        raise MemoryError
    if outcome == "message":
        found, where, todo = content
        raise BadInput(found, where=where, todo=todo)
    if outcome == "error":
        raise ValueError(content)
    return content


@atexit.register
def close() -> None:
    """End the process, if there is one."""
    reader = _readers.pop(os.getpid(), None)
    if reader:
        reader.end()


def _answer(name: str, qualname: str, arguments: tuple[Any, ...]) -> tuple[str, Any]:
    import importlib

    try:
        return "value", getattr(importlib.import_module(name), qualname)(*arguments)
    except FtkitError as error:
        return "message", (error.found, error.where, error.todo)
    except RecursionError:
        return "deep", None
    except MemoryError:
        return "memory", None
    except Exception as error:  # noqa: BLE001 - a library may raise anything; it is told by the parent
        return "error", str(error) or type(error).__name__


def _serve() -> None:
    import resource

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ours = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not get between the answers

    def send(content: Any) -> None:
        try:
            data = pickle.dumps(content)
        except (MemoryError, RecursionError):
            data = pickle.dumps(("memory", None))
        ours.write(struct.pack("<Q", len(data)) + data)
        ours.flush()

    send(("ready", None))
    while head := sys.stdin.buffer.read(8):
        memory, *asked = pickle.loads(sys.stdin.buffer.read(struct.unpack("<Q", head)[0]))
        with contextlib.suppress(ValueError, OSError):  # a stricter limit holds, or there is none
            hard = resource.getrlimit(resource.RLIMIT_AS)[1]
            resource.setrlimit(resource.RLIMIT_AS, (memory, hard))
        send(_answer(*asked))


if __name__ == "__main__":
    _serve()
