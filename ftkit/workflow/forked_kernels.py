"""Kernels that start at once: one process has imported the slow packages, and each kernel is forked from it.

``python warm.py serve SOCKET PACKAGE ...`` is that process. ``python warm.py ask SOCKET -f FILE ...`` stands where a kernel's own process
would: it hands its place, surroundings and streams to a fork, passes signals on, and ends as it ends. Without the server, or with
other surroundings than the server's, it becomes an ordinary kernel. This file is run by its path and imports nothing of ftkit: what
a kernel sees of ftkit is read anew each time. Linux only, and not with a GPU: a process that has touched one cannot be forked.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

STREAMS, SIZE = 3, 12
WAIT_S, PATIENCE_S = 0.05, 60.0
OWN = ("JPY_", "FTKIT_PARENT", "PYTEST_CURRENT_TEST")
"""How names of the environment begin that differ from kernel to kernel; all others must be the server's."""


def end_with(parent: int) -> None:
    """End this process when its parent ends, however that happens (prctl 1 is PR_SET_PDEATHSIG)."""
    import ctypes

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if parent and os.getppid() != parent:
        sys.exit(1)


def surroundings() -> dict[str, str]:
    """Return the environment without what differs from kernel to kernel."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OWN)}


def serve(path: str, packages: list[str]) -> None:
    """Import the packages, then fork a kernel for each that asks, until the process that started this one ends."""
    import importlib

    end_with(int(os.environ.get("FTKIT_PARENT", "0")))
    here = surroundings()  # an import may add to them
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()  # who asks before all is imported waits
    for name in packages:
        importlib.import_module(name)
    asking, kernels = selectors.DefaultSelector(), dict[socket.socket, int]()
    asking.register(listening, selectors.EVENT_READ)
    while True:
        for key, _ in asking.select(WAIT_S):
            asked: Any = key.fileobj
            if asked is not listening:  # who asked is gone: so must be its kernel
                os.kill(kernels[asked], signal.SIGKILL)
                asking.unregister(asked)
                continue
            client = listening.accept()[0]
            pid = _fork(client, here, [listening, *kernels])
            if pid:
                kernels[client] = pid
                asking.register(client, selectors.EVENT_READ)
        for client, pid in list(kernels.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                _tell(client, str(os.waitstatus_to_exitcode(status)))
                del kernels[client]
                if client in asking.get_map():
                    asking.unregister(client)
                client.close()


def _tell(client: socket.socket, said: str) -> None:
    with contextlib.suppress(OSError):  # it may be gone
        client.sendall(said.encode())


def _fork(client: socket.socket, here: dict[str, str], others: list[socket.socket]) -> int:
    """Start the kernel that is asked for and return its process id; 0: it is refused."""
    asked, streams = _asked(client)
    if {
        name: value for name, value in asked["environment"].items() if not name.startswith(OWN)
    } != here:
        _tell(client, "other surroundings")
        client.close()
        for stream in streams:
            os.close(stream)
        return 0
    server, pid = os.getpid(), os.fork()
    if pid:
        for stream in streams:
            os.close(stream)
        _tell(client, f"{pid} ")
        return pid
    for kept in (client, *others):
        kept.close()
    os.setsid()
    end_with(server)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(
        asked["environment"] | {"JPY_PARENT_PID": str(server)}
    )  # a kernel ends when that is not its parent
    os.chdir(asked["folder"])
    _kernel(asked["arguments"])


def _asked(client: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Return what is asked for, and its streams; surroundings that are nobody's where the asking process is gone."""
    client.settimeout(PATIENCE_S)
    streams: list[int] = []
    with contextlib.suppress(OSError, ValueError):
        size, streams, _, _ = socket.recv_fds(client, SIZE, STREAMS)
        data = b""
        while len(data) < int(size) and (part := client.recv(int(size) - len(data))):
            data += part
        return json.loads(data), streams
    return {"environment": {"gone": "gone"}}, streams


def _kernel(arguments: list[str]) -> NoReturn:
    from ipykernel import kernelapp

    sys.argv = ["ftkit-kernel", *arguments]
    kernelapp.launch_new_instance()
    os._exit(0)


def ask(path: str, arguments: list[str]) -> None:
    """Be a kernel: a fork of the server's where it can be had, else one of its own."""
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE_S)
    try:
        client.connect(path)
        asked = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}
        data = json.dumps(asked).encode()
        socket.send_fds(client, [f"{len(data):{SIZE}d}".encode()], list(range(STREAMS)))
        client.sendall(data)
        told = client.recv(64).decode()
    except OSError:
        told = ""
    pid, _, rest = told.partition(" ")
    if not pid.isdigit():
        plain(arguments)
    client.settimeout(None)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda got, frame: os.kill(int(pid), got))
    while part := client.recv(64):
        rest += part.decode()
    sys.exit(abs(int(rest)) if rest.lstrip("-").isdigit() else 1)


def plain(arguments: list[str]) -> NoReturn:
    """Become an ordinary kernel."""
    os.execv(sys.executable, [sys.executable, __file__, "plain", *arguments])


if __name__ == "__main__":
    if sys.path[0] == str(Path(__file__).parent):
        sys.path[0] = ""
    if sys.argv[1] == "serve":
        serve(sys.argv[2], sys.argv[3:])
    elif sys.argv[1] == "ask":
        ask(sys.argv[2], sys.argv[3:])
    else:
        if sys.platform == "linux":
            end_with(int(os.environ.get("FTKIT_PARENT", "0")))
        _kernel(sys.argv[2:])
