"""The server beyond its capacity: ``python -m benchmarks.serving EXPORT [--minutes 10] [--share 1.2]``.

First 64 clients ask one after the other for half a minute: that is the capacity. Then questions arrive at random (Poisson) at 1.2
times that rate, whether or not earlier ones have been answered. Told: answers, refusals (all must be 429 with Retry-After),
anything else, seconds until an answer, and the server's memory at the start, in the middle and at the end. EXPORT is a run folder or
an export, as for ``ftkit serve``; questions are those of the run's validation split. Writes ``benchmarks/serving/results.json``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import psutil

HERE = Path(__file__).parent
CLIENTS, WARM_S = 64, 30.0


async def ask(client: httpx.AsyncClient, url: str, text: str) -> tuple[int, float, bool]:
    """Return status, seconds, and whether a refusal says when to come again; status 0: no answer at all."""
    began = time.perf_counter()
    try:
        body = {"model": "assistant", "messages": [{"role": "user", "content": text}]}
        found = await client.post(f"{url}/v1/chat/completions", json=body)
    except httpx.HTTPError:
        return 0, time.perf_counter() - began, False
    return found.status_code, time.perf_counter() - began, "retry-after" in found.headers


async def capacity(client: httpx.AsyncClient, url: str, texts: list[str]) -> float:
    """Return answers per second with 64 clients that each wait for their answer."""
    end, done = time.perf_counter() + WARM_S, 0

    async def one(k: int) -> None:
        nonlocal done
        while time.perf_counter() < end:
            await ask(client, url, texts[k % len(texts)])
            done, k = done + 1, k + CLIENTS

    await asyncio.gather(*(one(k) for k in range(CLIENTS)))
    return done / WARM_S


async def flood(
    client: httpx.AsyncClient,
    url: str,
    texts: list[str],
    rate: float,
    seconds: float,
    server: psutil.Process,
) -> dict[str, Any]:
    """Let questions arrive at a rate; return what became of them."""
    rng, jobs, memory = random.Random(7), [], []
    end, look = time.perf_counter() + seconds, 0.0
    while (now := time.perf_counter()) < end:
        if now >= look:
            memory.append(server.memory_info().rss / 2**20)
            look = now + 5
        jobs.append(asyncio.ensure_future(ask(client, url, rng.choice(texts))))
        await asyncio.sleep(rng.expovariate(rate))
    found = await asyncio.gather(*jobs)
    answered = sorted(s for status, s, _ in found if status == 200)
    refused = [again for status, _, again in found if status == 429]
    return {
        "asked": len(found),
        "answered": len(answered),
        "refused with 429": len(refused),
        "of these without Retry-After": refused.count(False),
        "anything else": dict(
            Counter(status for status, _, _ in found if status not in (200, 429))
        ),
        "p50_s": round(answered[len(answered) // 2], 2),
        "p95_s": round(answered[int(0.95 * len(answered))], 2),
        "answers_per_s": round(len(answered) / seconds, 2),
        "memory_mib": {
            "first": round(memory[0]),
            "middle": round(memory[len(memory) // 2]),
            "last": round(memory[-1]),
            "most": round(max(memory)),
        },
    }


async def measure(
    url: str, texts: list[str], minutes: float, share: float, server: psutil.Process
) -> dict[str, Any]:
    """Measure the capacity, then go beyond it."""
    async with httpx.AsyncClient(timeout=120, limits=httpx.Limits(max_connections=2000)) as client:
        full = await capacity(client, url, texts)
        print(f"capacity: {full:.2f} answers a second", flush=True)
        return {
            "capacity_per_s": round(full, 2),
            "share": share,
            "minutes": minutes,
            **await flood(client, url, texts, share * full, 60 * minutes, server),
        }


def main() -> None:
    """Start the server, measure, stop it."""
    parser = argparse.ArgumentParser(description="The server beyond its capacity.")
    parser.add_argument("export", type=Path)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--share", type=float, default=1.2)
    given = parser.parse_args()
    examples = pd.read_parquet(given.export / "data" / "examples.parquet")
    texts = examples.loc[examples["split"] == "validation", "input"].tolist()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "ftkit.cli", "serve", str(given.export), "--port", str(port)]
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                if httpx.get(f"{url}/ready").status_code == 200:
                    break
            except httpx.HTTPError:
                time.sleep(0.2)
        found = asyncio.run(
            measure(url, texts, given.minutes, given.share, psutil.Process(process.pid))
        )
    finally:
        process.terminate()
        process.wait(60)
    print(json.dumps(found, indent=1))
    (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
