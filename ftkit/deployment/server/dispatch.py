"""Many clients, one engine: it batches by itself, so every question goes to it at once, as many as there is room for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from ftkit.core.records.prompting import ResponseFormat
from ftkit.deployment.engines.model import EngineModel, Refusal
from ftkit.deployment.served_strategy import Asked, Served
from ftkit.deployment.server.batching import Full
from ftkit.deployment.server.requests import Refused
from ftkit.models.chat import Messages, Reply

LOOK_S = 2.0


class Dispatcher:
    """Sends questions to an engine; what a ``Batcher`` is for weights that are loaded here.

    Args:
        served: The strategy, opened with an engine.
        waiting: Most questions that may be under way beside one batch of the strategy's.

    Attributes:
        queue: One entry for each question under way.
        ready: Whether the engine answered at the last look.
    """

    def __init__(self, served: Served, waiting: int) -> None:
        self.served, self.waiting = served, waiting
        self.queue = asyncio.Queue[None](waiting + served.bundle.batch_size)
        self.streams, self.ready = 0, True
        self._look: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look after the engine."""
        self._look = asyncio.get_running_loop().create_task(self._look_after())

    async def stop(self) -> None:
        """Wait for the answers under way, then end."""
        await self.queue.join()
        if self._look:
            self._look.cancel()

    async def _look_after(self) -> None:
        while True:
            self.ready = await asyncio.to_thread(self._engine.healthy)
            await asyncio.sleep(LOOK_S)

    @property
    def _engine(self) -> EngineModel:
        engine = self.served.engine
        assert engine is not None
        return engine

    def check_room(self) -> None:
        """Raise Full where too many questions are under way."""
        if self.queue.qsize() + self.streams >= self.queue.maxsize:
            raise Full(self.queue.qsize())

    async def ask(
        self,
        text: str | None,
        messages: Messages | None = None,
        response_format: ResponseFormat | None = None,
    ) -> tuple[Asked, Reply]:
        """Return what was asked and the reply.

        Raises:
            Full: Too many are under way already.
            Refused: The engine does not take this request.
            FtkitError: It fails, or did not come back.
        """
        self.check_room()
        self.queue.put_nowait(None)
        served, engine = self.served, self._engine  # a promotion meanwhile is for later questions
        try:
            if text is None:
                asked = Asked(messages or [], [], version=served.version)
            elif served.finder or served.bundle.prompt.similar:
                asked = (await asyncio.to_thread(served.prepare, [text]))[0]
            else:
                asked = served.prepare([text])[0]
            asked = asked.within(response_format)
            return asked, await engine.reply(asked.messages, asked.response_format)
        except Refusal as error:
            raise Refused(error.found, "messages") from error
        finally:
            self.queue.get_nowait()
            self.queue.task_done()

    async def alone(self, work: Callable[[], Any]) -> Any:
        """Run something beside the questions, in a thread."""
        return await asyncio.to_thread(work)

    async def take(self, served: Served) -> None:
        """Answer from another strategy from now on; questions under way end with the old one."""
        self.served = served
