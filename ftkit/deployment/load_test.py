"""The server under load: so many clients at once, each asking its next question when it has the last answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ftkit.core.errors import FtkitError
from ftkit.core.records.deployment import LoadPoint

Progress = Callable[[int, int], None]


def load(
    url: str,
    name: str,
    texts: Sequence[str],
    clients: Sequence[int],
    requests: int,
    *,
    token: str = "",
    progress: Progress | None = None,
) -> list[LoadPoint]:
    """Return throughput and latency for each number of clients.

    Args:
        url: Base URL, e.g. ``http://127.0.0.1:8000/v1``.
        name: Model name.
        texts: Questions, taken in turn.
        clients: Numbers of clients at once.
        requests: Requests per number.
        token: Bearer token.
        progress: Called with steps done and in all.

    Raises:
        FtkitError: Not one request was answered.
    """
    found: list[LoadPoint] = []
    for number in clients:
        found.append(_in_a_thread(_closed(url, name, texts, number, requests, token)))
        if progress:
            progress(len(found), len(clients))
    return found


def _in_a_thread(work: Any) -> LoadPoint:
    """Run a coroutine where a loop may run already, as in a notebook."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def _closed(
    url: str, name: str, texts: Sequence[str], clients: int, requests: int, token: str
) -> LoadPoint:
    import httpx

    left, seconds, failed = iter(range(requests)), [], 0
    headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def one_client(client: httpx.AsyncClient) -> None:
        nonlocal failed
        for number in left:
            body = {
                "model": name,
                "messages": [{"role": "user", "content": texts[number % len(texts)]}],
            }
            began = time.perf_counter()
            try:
                good = (
                    await client.post(f"{url}/chat/completions", json=body, headers=headers)
                ).status_code == 200
            except httpx.HTTPError:
                good = False
            failed += not good
            seconds.append(time.perf_counter() - began)

    began = time.perf_counter()
    async with httpx.AsyncClient(
        timeout=120, limits=httpx.Limits(max_connections=clients)
    ) as client:
        await asyncio.gather(*(one_client(client) for _ in range(clients)))
    whole = time.perf_counter() - began
    if failed == requests:
        raise FtkitError(
            "the server answered no request of the load test",
            where=url,
            todo="ask it one question by hand first",
        )
    p50, p95 = np.percentile(seconds, [50, 95])
    return LoadPoint(
        clients=clients,
        requests=requests,
        failed=failed,
        answers_per_s=round((requests - failed) / whole, 2),
        p50_s=round(float(p50), 4),
        p95_s=round(float(p95), 4),
    )
