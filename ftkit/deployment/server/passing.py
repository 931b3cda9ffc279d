"""Which of a cascade's two models answers: passes on what the small one is not sure of, within a day's budget.

Whatever keeps the large model away, the small one's answer goes out, and says so.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ftkit.deployment.large_model import LargeClient, Said
from ftkit.deployment.served_strategy import Asked, Served
from ftkit.deployment.server.metrics import Metrics
from ftkit.models.chat import Reply

Why = Literal[
    "sure", "passed on", "timeout", "down", "throttled", "no answer", "budget used up", "own format"
]
FAILURES, REST_S = 3, 5.0
"""After so many failures in a row the large model rests so long; then one question tries it."""
LEAST_S = 0.05


@dataclass
class Routed:
    """Which model's answer goes out, and why.

    Attributes:
        reply: The answer.
        by: Name of the strategy that gave it.
        why: ``sure``: the small model's; ``passed on``: the large one's; else why the small one's goes in its place.
        passed: Whether the small model was not sure enough, so that the large one was wanted.
        small: What the small model answered.
        said: What came of asking the large one; None: it was not asked.
    """

    reply: Reply
    by: str
    why: Why
    passed: bool
    small: Reply
    said: Said | None = None

    def shown(self) -> dict[str, Any]:
        """Return it for the reply and the log; tokens of each model by its own count."""
        told: dict[str, Any] = {"answered_by": self.by, "why": self.why, "passed_on": self.passed}
        told["small_tokens"] = [self.small.prompt_tokens, self.small.completion_tokens]
        said = self.said or Said()
        told["large_tokens"] = [said.prompt_tokens, said.completion_tokens]
        return told | {"large_usd": said.usd}

    def headers(self) -> dict[str, str]:
        """Return it as headers of the response."""
        by = self.by.encode("ascii", "replace").decode()
        return {"X-Ftkit-Answered-By": by, "X-Ftkit-Why": self.why}


class Passing:
    """Passes questions on for one strategy of the server; lives as long as the server, over all its releases.

    Args:
        name: The strategy's name for clients.
        metrics: The server's counters.
        log: The server's log, which holds what the large model cost today already; None: counted from 0.
    """

    def __init__(self, name: str, metrics: Metrics, log: Path | None) -> None:
        self.name, self.metrics = name, metrics
        self.counts: Counter[str] = Counter()
        self.day, self.spent, self.reserved = today(), spent_today(log, name), 0.0
        self.failures, self.rests_until, self.failure = 0, 0.0, ""
        self.used_up = False
        self._served: Served | None = None
        self._client: LargeClient | None = None

    def client(self, served: Served) -> LargeClient | None:
        """Return what asks the large model of a strategy; None where it has none."""
        if served is not self._served:
            large = served.bundle.large
            self._client = LargeClient(large, served.bundle.max_new_tokens) if large else None
            self._served = served
        return self._client

    async def route(
        self, served: Served, text: str, given: Asked, reply: Reply, batcher: Any, seconds: float
    ) -> Routed | None:
        """Return which answer goes out; None where the strategy is no cascade.

        Args:
            served: The strategy that answered.
            text: The question.
            given: What the small model was asked.
            reply: What it answered.
            batcher: Runs the search for passages beside the questions.
            seconds: Seconds that are left for all of it.
        """
        client = self.client(served)
        if client is None:
            return None
        small = served.bundle.spec.name
        own_format = given.response_format != served.bundle.prompt.response_format
        sure = reply.is_answer and reply.confidence >= client.record.least
        if sure or own_format:
            routed = Routed(reply, small, "sure" if sure else "own format", False, reply)
        else:
            routed = await self._pass_on(client, served, text, reply, batcher, seconds)
        self._count(routed)
        return routed

    async def _pass_on(
        self,
        client: LargeClient,
        served: Served,
        text: str,
        reply: Reply,
        batcher: Any,
        seconds: float,
    ) -> Routed:
        began, small = time.monotonic(), served.bundle.spec.name
        if began < self.rests_until:
            return Routed(reply, small, "down", True, reply)
        if self.failures >= FAILURES:
            self.rests_until = began + REST_S  # this question tries; the others go on without
        record = client.record
        slow = bool(served.finder) or bool(record.prompt.similar)
        asked = (
            await batcher.alone(lambda: served.prepare_large([text])[0])
            if slow
            else served.prepare_large([text])[0]
        )
        most = client.most_usd(asked)
        if not self._reserve(most, record.usd_per_day):
            return Routed(reply, small, "budget used up", True, reply)
        said = Said(usd=most)  # where this is cancelled on the way, it may be billed
        left = min(record.timeout_s, seconds - (time.monotonic() - began))
        try:
            said = await client.ask(asked, max(LEAST_S, left))
        finally:
            self.reserved = max(0.0, self.reserved - most)
            self._today()
            self.spent += said.usd
        self._note(said)
        if said.reply is None:
            return Routed(reply, small, said.failure or "no answer", True, reply, said)
        return Routed(said.reply, record.spec.name, "passed on", True, reply, said)

    def _today(self) -> None:
        if self.day != today():
            self.day, self.spent = today(), 0.0

    def _reserve(self, usd: float, limit: float) -> bool:
        """Take the most that a question can cost from the day's budget; return whether there was so much."""
        self._today()
        self.used_up = bool(limit) and self.spent + usd > limit
        if limit and self.spent + self.reserved + usd > limit:
            return False
        self.reserved += usd
        return True

    def _note(self, said: Said) -> None:
        """Remember failures, so that questions do not all wait for a model that is away."""
        if said.failure in ("", "no answer"):
            self.failures, self.rests_until, self.failure = 0, 0.0, ""
            return
        self.failures += 1
        self.failure = f"{said.failure}: {said.detail}"
        if said.failure == "throttled" or self.failures >= FAILURES:
            self.rests_until = time.monotonic() + min(60.0, said.wait_s or REST_S)

    def _count(self, routed: Routed) -> None:
        self.counts[routed.why] += 1
        self.metrics.answered_by.labels(self.name, routed.by, routed.why).inc()
        if routed.said is not None:
            self.metrics.large_prompt.labels(self.name).inc(routed.said.prompt_tokens)
            self.metrics.large_completion.labels(self.name).inc(routed.said.completion_tokens)
            self.metrics.large_usd.labels(self.name).inc(routed.said.usd)

    def state(self) -> dict[str, Any]:
        """Return how it stands, for ``/ready``."""
        self._today()
        record = self._client.record if self._client else None
        return {
            "large": record.model if record else "",
            "usd_today": self.spent,
            "usd_per_day": record.usd_per_day if record else 0.0,
            "answers": dict(self.counts),
        }

    def problem(self) -> str:
        """Return why the large model does not answer now; empty: nothing is known against it."""
        if self.used_up and self.day == today():
            return "the day's budget is used up; the small model answers all"
        return self.failure

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()


def today() -> str:
    """Return the day, UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def spent_today(log: Path | None, name: str) -> float:
    """Return what the large model of a strategy cost today by the server's log, USD."""
    if log is None or not log.is_file():
        return 0.0
    total, mark = 0.0, f'"time": "{today()}'
    with log.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            if mark not in line[:60] or '"large_usd"' not in line:
                continue
            try:
                row = json.loads(line)
            except ValueError:
                continue  # half a line of a full disk
            usd = row.get("large_usd")
            if row.get("model") == name and isinstance(usd, int | float) and math.isfinite(usd):
                total += usd
    return total
