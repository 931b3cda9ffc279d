"""What the strategy costs in front of an engine: ``python -m benchmarks.serving.in_front EXPORT [--answer-s 0.5]``.

The engine here is a real HTTP server in a process of its own that answers every chat completion after the same time, so that what
comes on top is the strategy's part: prompt, check of the request, classifying of the reply, metrics, log. The same clients ask it
directly and through ``ftkit serve EXPORT --engine``: one client (milliseconds on top), then 64 (share of the throughput).
EXPORT is an export whose model is asked by its own name. Prints a table; figures depend on the machine's load, which is told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import psutil

REPLY = {
    "id": "x",
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "delivery"},
            "logprobs": {"content": [{"token": "delivery", "logprob": -0.01}]},
        }
    ],
    "usage": {"prompt_tokens": 54, "completion_tokens": 2, "total_tokens": 56},
}


def engine(port: int, name: str, answer_s: float) -> None:
    """Serve until killed."""
    import uvicorn
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/v1/models")
    async def models() -> dict[str, Any]:
        return {"data": [{"id": name, "owned_by": "stub"}]}

    @app.get("/health")
    async def health() -> dict[str, Any]:
        return {}

    @app.post("/v1/chat/completions")
    async def chat() -> dict[str, Any]:
        await asyncio.sleep(answer_s)
        return REPLY

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False)


async def asked(
    url: str, name: str, clients: int, requests: int, extra: dict[str, Any]
) -> list[float]:
    """Return the seconds of each request; every one must be answered."""
    left, seconds = iter(range(requests)), []

    async def one(http: httpx.AsyncClient) -> None:
        for number in left:
            turns = [{"role": "user", "content": f"Where is parcel {number}?"}]
            began = time.perf_counter()
            body = {"model": name, "messages": turns} | extra
            reply = await http.post(f"{url}/chat/completions", json=body)
            seconds.append(time.perf_counter() - began)
            assert reply.status_code == 200, reply.text

    limits = httpx.Limits(max_connections=clients, max_keepalive_connections=clients)
    async with httpx.AsyncClient(timeout=60, limits=limits) as http:
        await asyncio.gather(*(one(http) for _ in range(clients)))
    return seconds


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait(url: str) -> None:
    """Wait until a server is ready."""
    while True:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("export", type=Path)
    parser.add_argument("--answer-s", type=float, default=0.5)
    parser.add_argument("--engine-port", type=int, default=0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    name = json.loads((given.export / "strategy.json").read_text())["name"]
    if given.engine_port:
        engine(given.engine_port, name, given.answer_s)
        return
    ports = free_port(), free_port()
    words = [sys.executable, "-m", "benchmarks.serving.in_front", str(given.export)]
    words += ["--answer-s", str(given.answer_s), "--engine-port", str(ports[0])]
    direct, front = (f"http://127.0.0.1:{port}/v1" for port in ports)
    with tempfile.TemporaryDirectory() as folder:
        started = [subprocess.Popen(words)]
        try:
            wait(f"{direct[:-3]}/health")
            serve = [sys.executable, "-m", "ftkit.cli", "serve", str(given.export)]
            serve += ["--engine", direct, "--port", str(ports[1]), "--waiting", "128"]
            serve += ["--log", str(Path(folder) / "log.jsonl")]
            started.append(subprocess.Popen(serve, stdout=subprocess.DEVNULL))
            wait(f"{front[:-3]}/ready")
            measure(name, direct, front, started[1].pid)
        finally:
            for process in started:
                process.kill()
                process.wait()


def measure(name: str, direct: str, front: str, pid: int) -> None:
    """Print seconds per answer and throughput of both, and the CPU time that the strategy takes per answer."""
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for clients, requests in ((1, 30), (64, 1280)):
        rows = {}
        for path, url in (("engine", direct), ("strategy in front", front)):
            asyncio.run(asked(url, name, clients, clients * 2, {}))  # connections open
            before, began = psutil.Process(pid).cpu_times(), time.perf_counter()
            seconds = asyncio.run(asked(url, name, clients, requests, {}))
            whole, after = time.perf_counter() - began, psutil.Process(pid).cpu_times()
            cpu = (after.user + after.system - before.user - before.system) / requests
            rows[path] = (median(seconds), requests / whole)
            print(
                f"{clients:3d} clients, {path:18s}: median {1e3 * median(seconds):7.1f} ms, "
                f"{requests / whole:7.1f} answers a second"
                + (f", {1e3 * cpu:.2f} ms of CPU each" if url == front else "")
            )
        first, second = rows["engine"], rows["strategy in front"]
        print(
            f"{clients:3d} clients: {1e3 * (second[0] - first[0]):+.1f} ms, {second[1] / first[1] - 1:+.1%} throughput"
        )


if __name__ == "__main__":
    main()
