"""Starting the server: for the command line, and in a thread for the notebook."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput, FtkitError, NotReady
from ftkit.core.parameters.files import load
from ftkit.deployment import releases
from ftkit.deployment.export import RECORD
from ftkit.deployment.served_strategy import Served

TOKEN = "FTKIT_TOKEN"
GATEWAY = "FTKIT_BEHIND_GATEWAY"
DRAIN_S = 60
"""Seconds that questions get to be answered once the server is told to end (SIGTERM)."""


def folder_of(path: Path) -> Path:
    """Return the export of a path: an export's folder, a run's folder, a parameter file, or a release folder (its current one).

    Raises:
        NotReady: There is no export.
    """
    if path.suffix in (".yaml", ".yml"):
        path = Path(load(path)["task"].run)
    if releases.is_store(path):
        return releases.current(path)
    for folder in (path, path / "deployment" / "export"):
        if (folder / RECORD).exists() or (
            folder.with_name(f".{folder.name}.old") / RECORD
        ).exists():
            return folder
    raise NotReady(
        "holds no export", where=str(path), todo="run notebooks/09_deployment.ipynb first"
    )


def check_host(host: str, token: str) -> None:
    """Refuse to listen beyond this machine without a token, unless a gateway in front checks who asks.

    Raises:
        BadInput: The address is not loopback and there is no token.
    """
    if os.environ.get(GATEWAY) == "1":
        return
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback:
            return
    if host != "localhost" and not token:
        raise BadInput(
            f"{host} is reached from outside, and there is no token",
            where="--host",
            todo=f"set {TOKEN} in the environment, or {GATEWAY}=1 where a gateway in front checks who asks",
        )


def bound(host: str, port: int) -> socket.socket:
    """Return a socket that listens, so that nothing is said of an address before it is this server's.

    Raises:
        BadInput: The port is taken, or the host is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError) as error:
        raise BadInput(
            f"{host}:{port} cannot be listened on: {getattr(error, 'strerror', None) or error}",
            where="--port",
            todo="choose another --port, or end what listens there",
        ) from error


def config(app: Any, host: str, port: int) -> Any:
    """Return uvicorn's configuration: no access log (questions are personal), ``DRAIN_S`` to end, slow headers closed."""
    import uvicorn

    from ftkit.deployment.server.guard import CONNECTIONS, TimedHeaders

    return uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=DRAIN_S,
        http=TimedHeaders,
        ws="none",
        limit_concurrency=CONNECTIONS,
        server_header=False,
    )


@contextlib.contextmanager
def running(served: Served | Sequence[Served], **settings: Any) -> Iterator[str]:
    """Run the server in a thread on a free port of loopback; yield its base URL.

    Args:
        served: The strategy, or several.
        settings: See ``create_app``.

    Raises:
        FtkitError: It did not start.
    """
    import uvicorn

    from ftkit.deployment.server.app import create_app

    server = uvicorn.Server(config(create_app(served, **settings), "127.0.0.1", 0))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + 20
    while not server.started:
        if time.monotonic() > end or not thread.is_alive():
            raise FtkitError(
                "the server did not start", where="127.0.0.1", todo="see what is printed above"
            )
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = True
        thread.join(60)
