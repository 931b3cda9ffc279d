"""One strategy of the server: what answers now, what waits for it, its counters, and the releases that it follows."""

from __future__ import annotations

import asyncio
import math
import sys
from concurrent.futures import ThreadPoolExecutor

from ftkit.core.errors import FtkitError
from ftkit.deployment import releases
from ftkit.deployment.served_strategy import Served
from ftkit.deployment.server.batching import Batcher
from ftkit.deployment.server.dispatch import Dispatcher
from ftkit.deployment.server.metrics import Metrics
from ftkit.deployment.server.passing import Passing

FOLLOW_S = 2.0
RAW = "-raw"


class Slot:
    """A strategy that clients ask by its name.

    Args:
        served: The strategy; where it has a ``store``, the current version of that is followed.
        waiting: Most questions that wait.
        metrics: The server's counters.
        thread: The thread that all models of the server answer on.
        passing: Asks the large model of a cascade; None: its small one answers all.
    """

    def __init__(
        self,
        served: Served,
        waiting: int,
        metrics: Metrics,
        thread: ThreadPoolExecutor,
        passing: Passing | None = None,
    ) -> None:
        self.served, self.name, self.waiting = served, served.bundle.name, waiting
        self.counts, self.passing = metrics.of(self.name), passing
        self.batcher = (
            Dispatcher(served, waiting) if served.engine else Batcher(served, waiting, thread)
        )
        self.counts.release.set(served.version)
        self.release_failure = ""
        """Why the current release is not the one that serves; empty: it is."""

    @property
    def names(self) -> list[str]:
        """The model names that it answers to: the strategy, and the bare model where that is here."""
        return [self.name, *([self.name + RAW] if self.served.bundle.form != "endpoint" else [])]

    @property
    def cascade(self) -> Passing | None:
        """What passes questions on, where the strategy that serves now is a cascade."""
        return self.passing if self.served.bundle.large else None

    def retry_after_s(self) -> int:
        """Return in how many seconds there should be room again."""
        at_once = max(1, self.served.bundle.batch_size)
        return max(1, math.ceil(self.counts.mean_seconds() * self.waiting / at_once))

    async def follow(self) -> None:
        """Answer from the release that is current, from now on: a new one is opened beside the old one, which serves until then.

        A release that cannot be opened is told on the error stream and counted; the old one serves on. Where the base is
        shared with other strategies, the adapter is loaded between two batches.
        """
        store, refused = self.served.store, 0
        while store is not None:
            await asyncio.sleep(FOLLOW_S)
            try:
                version = releases.read(store).current
                if version == self.served.version:
                    self.release_failure = ""
                if version in (self.served.version, refused):
                    continue
                refused, old, path = version, self.served, releases.folder(store, version)

                def opened() -> Served:
                    return Served(path, old.threads, version, store, old.beside, old.engine_url)  # noqa: B023  called before the next turn

                fresh = await (
                    self.batcher.alone(opened)
                    if old.beside and not old.engine
                    else asyncio.to_thread(opened)
                )
                if self.passing:
                    self.passing.client(fresh)
                await self.batcher.take(fresh)
            except (FtkitError, OSError) as error:
                self.counts.release_failed.inc()
                if str(error) == self.release_failure:
                    continue
                self.release_failure = str(error)
                print(
                    f"ftkit: {self.name}: version {self.served.version} serves on: {error}",
                    file=sys.stderr,
                    flush=True,
                )
                continue
            self.served, refused, self.release_failure = fresh, 0, ""
            await self.batcher.alone(old.close)
            self.counts.release.set(version)
            print(
                f"Serving version {version}: {fresh.bundle.spec.name} of run {fresh.bundle.run}",
                flush=True,
            )
