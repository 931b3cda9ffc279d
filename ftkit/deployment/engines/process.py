"""An engine started from the exported files on a free port of loopback, and ended again."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx

from ftkit.core.errors import BadInput, FtkitError

WHERE = "deployment.engines"
READY_S = 900.0
"""Longest wait until an engine answers; vLLM took 46 to 170 s for 135M weights on two busy cores."""
ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
}
"""Nothing leaves the machine, and no model is looked for elsewhere; values that are set already stay."""
CAUSES = (
    (
        r"unrecognized arguments?: (.*)|error: (invalid argument: .*)",
        "does not know an option of the exported file",
        "use a newer one",
    ),
    (
        r"(.*LoRA rank \d+ is greater than .*|.*max_lora_rank.*)",
        "does not take the adapter's rank",
        "ship merged weights: deployment.form=merged",
    ),
    (
        r"(.*not support LoRA.*|.*does not support lora.*)",
        "does not take LoRA adapters of this architecture",
        "ship merged weights: deployment.form=merged",
    ),
    (
        r"(.*max_model_len.*|.*maximum model length.*|.*KV cache.*)",
        "has no room for the model's context",
        "give it more memory (VLLM_CPU_KVCACHE_SPACE in GiB, --gpu-memory-utilization)",
    ),
    (r"(.*address already in use.*)", "finds its port taken", "run it again"),
    (
        r"(PackageNotFoundError: .*|ModuleNotFoundError: .*|ImportError: .*)",
        "is not installed completely",
        "install it in an environment of its own (docs/serving.md)",
    ),
)
"""What a log holds, what it means, and what to do; the last line that matches speaks."""


def executable(name: str) -> Path:
    """Return an engine's executable.

    Args:
        name: A path, or a command that the shell finds.

    Raises:
        BadInput: There is none.
    """
    found = shutil.which(str(Path(name).expanduser()))
    if not found:
        raise BadInput(
            f"there is no engine '{name}'",
            where=WHERE,
            todo="name the executable (/path/to/env/bin/vllm, /path/to/llama-server) or a URL that ends in /v1",
        )
    return Path(found).absolute()


@contextlib.contextmanager
def started(
    command: Path,
    script: Path,
    arguments: Sequence[str],
    log: Path,
    settings: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Start an engine by an exported script and yield its base URL once it answers; end it with all its processes.

    Args:
        command: Its executable, found by the script under its own name.
        script: A file of the export (``vllm.sh``, ``llama_server.sh``) that passes further arguments on.
        arguments: Those, beside address and port.
        log: File that holds what it prints.
        settings: Further environment variables, e.g. ``MODEL``.

    Raises:
        FtkitError: It ended, or did not answer in time.
    """
    port = _free_port()
    path = os.pathsep.join([str(command.parent), os.environ.get("PATH", "")])
    environment = ENVIRONMENT | os.environ | {"PATH": path} | dict(settings or {})
    environment.pop("PYTHONPATH", None)  # it has packages of its own
    words = ["bash", str(script), "--host", "127.0.0.1", "--port", str(port), *arguments]
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        process = subprocess.Popen(
            words, stdout=file, stderr=subprocess.STDOUT, env=environment, start_new_session=True
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(process, url, command.name, log)
            yield f"{url}/v1"
        finally:
            _end(process)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _wait(process: subprocess.Popen[bytes], url: str, name: str, log: Path) -> None:
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise died(name, log)
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/health", timeout=5).status_code == 200:
                return
        time.sleep(0.5)
    raise FtkitError(
        f"{name} does not answer after {READY_S:.0f} s", where=str(log), todo="read its log"
    )


def died(name: str, log: Path) -> FtkitError:
    """Return what a log tells of an engine that ended by itself."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    for pattern, found, todo in CAUSES:
        for line in reversed(lines):
            if match := re.search(pattern, line, re.IGNORECASE):
                words = next(part for part in match.groups() if part)
                return FtkitError(f"{name} {found}: {words[:200]}", where=str(log), todo=todo)
    last = next((line for line in reversed(lines) if "Error" in line), (lines or ["no word"])[-1])
    return FtkitError(f"{name} ended: {last[:200]}", where=str(log), todo="read its log")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End an engine and the processes that it started."""
    for sent, wait_s in ((signal.SIGTERM, 30), (signal.SIGKILL, 10)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sent)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait_s)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            return
