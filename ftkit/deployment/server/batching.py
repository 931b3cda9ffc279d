"""One model, many clients: questions that wait are answered together, and no more may wait than there is room for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from ftkit.core.records.prompting import ResponseFormat
from ftkit.deployment.served_strategy import Asked, Served
from ftkit.models.chat import Messages, Reply

GATHER_S = 0.004  # waits so long for company; an answer takes 50 to 1,000 times longer


class Full(Exception):
    """So many questions wait that no further one is taken.

    Args:
        waiting: How many may wait.
    """

    def __init__(self, waiting: int) -> None:
        super().__init__(waiting)
        self.waiting = waiting


@dataclass
class Job:
    """One question that waits: a text for the strategy, or messages for the bare model; and the client's own format."""

    text: str | None
    messages: Messages | None
    response_format: ResponseFormat | None
    done: asyncio.Future[tuple[Asked, Reply]]


class Batcher:
    """Gathers waiting questions into batches on one thread of their own.

    Args:
        served: The strategy.
        waiting: Most questions that may wait.
        thread: The thread that the model answers on; several strategies may share it.
    """

    ready = True  # the model is loaded here

    def __init__(self, served: Served, waiting: int, thread: ThreadPoolExecutor) -> None:
        self.served, self.queue, self.thread = served, asyncio.Queue[Job](waiting), thread
        self.worker: asyncio.Task[None] | None = None
        self.waiting, self.streams = waiting, 0  # streams that run or wait

    def start(self) -> None:
        """Begin to answer."""
        self.worker = asyncio.get_running_loop().create_task(self._work())

    async def stop(self) -> None:
        """Answer what waits, then end."""
        await self.queue.join()
        if self.worker:
            self.worker.cancel()

    async def ask(
        self,
        text: str | None,
        messages: Messages | None = None,
        response_format: ResponseFormat | None = None,
    ) -> tuple[Asked, Reply]:
        """Return what was asked and the reply.

        Raises:
            Full: Too many wait already.
        """
        job = Job(text, messages, response_format, asyncio.get_running_loop().create_future())
        try:
            self.queue.put_nowait(job)
        except asyncio.QueueFull as error:
            raise Full(self.waiting) from error
        return await job.done

    def check_room(self) -> None:
        """Raise Full where too many wait already: a stream does not queue, it waits for the model's thread."""
        if self.queue.qsize() + self.streams >= self.waiting:
            raise Full(self.waiting)

    async def alone(self, work: Callable[[], Any]) -> Any:
        """Run something on the model's thread, between two batches."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, work)

    async def take(self, served: Served) -> None:
        """Answer from another strategy from now on; the batch that runs ends with the old one."""

        def change() -> None:
            self.served = served

        await self.alone(change)

    async def _work(self) -> None:
        while True:
            jobs = [await self.queue.get()]
            await asyncio.sleep(GATHER_S)
            while len(jobs) < self.served.bundle.batch_size and not self.queue.empty():
                jobs.append(self.queue.get_nowait())
            wanted = [
                job for job in jobs if not job.done.done()
            ]  # a client that went away is not answered
            if wanted:
                await self._settle(wanted)
            for _ in jobs:
                self.queue.task_done()

    async def _settle(self, jobs: list[Job]) -> None:
        """Answer jobs together; where that fails, one by one, so that a bad request fails none beside itself."""
        work = asyncio.ensure_future(self.alone(lambda: self._answer(jobs)))
        await asyncio.wait({work})
        error = work.exception()
        if error is not None and len(jobs) > 1:
            for job in jobs:
                await self._settle([job])
            return
        for place, job in enumerate(jobs):
            if job.done.done():
                continue
            if error is None:
                job.done.set_result(work.result()[place])
            else:
                job.done.set_exception(error)

    def _answer(self, jobs: list[Job]) -> list[tuple[Asked, Reply]]:
        prepared = iter(self.served.prepare([job.text for job in jobs if job.text is not None]))
        asked = [
            next(prepared)
            if job.text is not None
            else Asked(job.messages or [], [], version=self.served.version)
            for job in jobs
        ]
        asked = [one.within(job.response_format) for one, job in zip(asked, jobs, strict=True)]
        return list(zip(asked, self.served.replies(asked), strict=True))
