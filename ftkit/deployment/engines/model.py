"""An engine as the model behind an exported strategy: it generates; prompt, passages, format and log stay here."""

from __future__ import annotations

import asyncio
import itertools
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.records.deployment import Bundle
from ftkit.core.records.prompting import ResponseFormat
from ftkit.core.records.strategy import Thinking
from ftkit.deployment.engines.client import EngineClient
from ftkit.models import tokens
from ftkit.models.chat import Messages, Reply
from ftkit.models.endpoint.classify import reply_of
from ftkit.models.endpoint.faults import error_in, fault_of
from ftkit.models.endpoint.limiter import asked_wait
from ftkit.models.endpoint.transport import Response, body_of
from ftkit.models.load import load_tokenizer
from ftkit.models.weights import resolve

TOKEN = "FTKIT_ENGINE_TOKEN"
PATIENCE_S = 45.0
"""Longest wait for an engine that is away or throttles; a server's own time limit is 60 s."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 2.0
POOLS = 16
"""Connection pools: httpcore looks through all connections of one at each request, which cost 0.5 ms at 64 clients."""
AWAY = (502, 503, 504)


class Away(FtkitError):
    """The engine did not come back within the patience."""


class EngineModel:
    """A chat model whose answers an engine generates.

    Args:
        bundle: The exported strategy.
        folder: Its folder, which an engine must find under the same path to load the adapter from.
        url: The engine's base URL.
        version: Number of the release; 0: it is none.
        patience_s: Longest wait for an engine that is away.

    Raises:
        BadInput: The engine has no such model, another chat template, too short a context, or will not load the adapter.
    """

    def __init__(
        self,
        bundle: Bundle,
        folder: Path,
        url: str,
        version: int = 0,
        patience_s: float = PATIENCE_S,
    ) -> None:
        if bundle.form == "endpoint" or bundle.spec.votes:
            what = "asks an endpoint already" if bundle.form == "endpoint" else "votes over draws"
            raise BadInput(
                f"this strategy {what}", where="--engine", todo="serve it without --engine"
            )
        self.bundle, self.weights, self.version = bundle, folder / bundle.weights, version
        self.tokenizer = load_tokenizer(resolve(bundle.base_model))
        self.thinking: Thinking = bundle.thinking
        self.patience_s = patience_s
        values = tokens.form(self.tokenizer, bundle.thinking).arguments
        more = {"chat_template_kwargs": values} if values else {}
        self.client = EngineClient(url, bundle.name, os.environ.get(TOKEN, ""), more)
        self.loaded = False
        self.client.name = self._serve()
        self.name, self.context = self.client.name, self._context()
        self._check_template()
        self.in_flight, self._lock = 0, threading.Lock()
        self._pools: Iterator[httpx.AsyncClient] | None = None

    # Opening: which model of the engine answers

    def _serve(self) -> str:
        """Return the engine's name of this strategy's model; an adapter of a release is loaded under a name of its own."""
        self.client.look()
        names, name = self.client.names, self.bundle.name
        if self.version and self.bundle.form == "adapter":
            name = f"{name}-v{self.version}"
            if name not in names:
                self.client.load_adapter(name, self.weights)
                self.loaded = True
            return name
        if name in names:
            return name
        if self.bundle.form == "adapter":
            self.client.load_adapter(name, self.weights)
            self.loaded = True
            return name
        if self.bundle.form == "base" and len(names) == 1:
            return names[0]
        raise BadInput(
            f"the engine serves no model '{name}' but {', '.join(names) or 'none'}",
            where=self.client.url,
            todo="start it from the export's serving files, which give it that name",
        )

    def _context(self) -> int:
        """Return the engine's context in tokens; 0 where it tells none."""
        told = [m.get("max_model_len") for m in self.client.models]
        found = min((int(n) for n in told if n), default=0)
        if found and found <= self.bundle.max_new_tokens:
            raise BadInput(
                f"the engine's context of {found} tokens leaves no room for a prompt beside {self.bundle.max_new_tokens} for the answer",
                where=self.client.url,
                todo="start it with a larger --max-model-len",
            )
        return found

    def _check_template(self) -> None:
        """Hold the engine's tokens of a prompt against the tested template's, where it tells them."""
        asked = [{"role": "system", "content": self.bundle.prompt.system or "Answer."}]
        asked += [{"role": "user", "content": "Where is it?"}]
        said = self.client.chat(asked, None, 1)
        if said.prompt_ids is not None and said.prompt_ids != self.prompt_ids(asked)[0]:
            raise BadInput(
                f"the engine writes this prompt as {len(said.prompt_ids)} other tokens than the {len(self.prompt_ids(asked)[0])} that were tested: another chat template",
                where=self.client.url,
                todo="start it with the export's serving/chat_template.jinja",
            )

    # Answers

    def prompt_ids(self, messages: Messages) -> tuple[list[int], int]:
        """Return the prompt's tokens by the tested template, and 0: an engine refuses what it has no room for."""
        return tokens.encode(self.tokenizer, messages, self.thinking), 0

    def _body(self, messages: Messages, form: ResponseFormat | None) -> dict[str, Any]:
        return self.client.body(messages, form, self.bundle.max_new_tokens) | {"logprobs": True}

    async def reply(self, messages: Messages, form: ResponseFormat | None = None) -> Reply:
        """Return the engine's answer; what is lost on the way is asked for again while the patience lasts.

        Raises:
            BadInput: The engine refuses the request.
            Away: It did not come back.
        """
        if self._pools is None:
            self._pools = itertools.cycle(self._connections(POOLS))
        http = next(self._pools)
        with self._lock:
            self.in_flight += 1
        try:
            return await self._patiently(http, messages, self._body(messages, form))
        finally:
            with self._lock:
                self.in_flight -= 1

    def _connections(self, pools: int) -> list[httpx.AsyncClient]:
        secure = ssl.create_default_context()
        return [
            httpx.AsyncClient(
                headers=dict(self.client.http.headers),
                timeout=httpx.Timeout(120, connect=5),
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
                verify=secure,
            )
            for _ in range(pools)
        ]

    async def _patiently(
        self, http: httpx.AsyncClient, messages: Messages, body: dict[str, Any]
    ) -> Reply:
        began, pause, told = time.monotonic(), FIRST_WAIT_S, ""
        while True:
            wait = pause
            sent = time.perf_counter()
            try:
                got = await http.post(f"{self.client.url}/chat/completions", json=body)
                seconds = time.perf_counter() - sent
                response = Response(
                    got.status_code, dict(got.headers), got.text, body_of(got.text), seconds
                )
                error = error_in(response)
                if error is None:
                    return reply_of(response.body, response.text, messages, seconds)
                status, told = error
                if status == 404 and self.loaded:  # restarted: what was loaded at run time is gone
                    await asyncio.to_thread(self.client.load_adapter, self.name, self.weights)
                elif status == 429:
                    wait = asked_wait(response.headers, told) or pause
                elif status not in AWAY and not (status == 500 and "EngineCore" in told):
                    raise self._refused(status, told)
            except httpx.HTTPError as error:
                told = str(error) or type(error).__name__
            except BadInput as error:  # the adapter could not be loaded again yet
                told = error.found
            if time.monotonic() + wait - began > self.patience_s:
                raise Away(
                    f"the engine behind this server does not answer: {told[:160]}",
                    where=self.client.url,
                    todo="ask again later",
                )
            await asyncio.sleep(wait)
            pause = min(2 * pause, LONGEST_WAIT_S)

    def _refused(self, status: int, told: str) -> FtkitError:
        fault = fault_of(status, told)
        if fault.kind in ("context", "format", "request"):
            return Refusal(f"the engine refuses this: {told[:200]}", where=self.client.url)
        return FtkitError(
            f"the engine fails: {told[:200]}", where=self.client.url, todo="see its log"
        )

    def answer(
        self,
        conversations: list[Messages],
        progress: Callable[[int, int], None] | None = None,
        formats: Sequence[ResponseFormat | None] = (),
    ) -> list[Reply]:
        """Return one reply per conversation, in order. See ``ChatModel``."""
        wanted = list(formats) or [None] * len(conversations)

        async def all_of_them() -> list[Reply]:
            async with self._connections(1)[0] as http:
                room, done = asyncio.Semaphore(8), 0

                async def one(messages: Messages, form: ResponseFormat | None) -> Reply:
                    nonlocal done
                    async with room:
                        reply = await self._patiently(http, messages, self._body(messages, form))
                    done += 1
                    if progress:
                        progress(done, len(conversations))
                    return reply

                pairs = zip(conversations, wanted, strict=True)
                return list(await asyncio.gather(*(one(m, f) for m, f in pairs)))

        with ThreadPoolExecutor(1) as thread:  # a notebook has a loop of its own
            return thread.submit(lambda: asyncio.run(all_of_them())).result()

    def logprobs(self, messages: Messages, text: str) -> list[tuple[str, float]]:
        """Return the tokens of an answer to a prompt, its end included, each with the engine's log-probability in nats."""
        ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        form = tokens.form(self.tokenizer, self.thinking)
        ids = [*ids, form.ends[0] if form.ends else int(self.tokenizer.eos_token_id)]
        values = self.client.logprobs(self.prompt_ids(messages)[0], ids)
        return list(zip(self.tokenizer.convert_ids_to_tokens(ids), values, strict=True))

    def healthy(self) -> bool:
        """Return whether the engine answers now."""
        try:
            return self.client.http.get(f"{self.client.url}/models", timeout=3).status_code == 200
        except httpx.HTTPError:
            return False

    def close(self) -> None:
        """Take this strategy's adapter out of the engine once its last answer is there."""
        end = time.monotonic() + PATIENCE_S
        while self.in_flight and time.monotonic() < end:
            time.sleep(0.05)
        if self.loaded:
            self.client.unload_adapter(self.name)


class Refusal(FtkitError):
    """The engine does not take this request; another one it may."""
