"""Any OpenAI-compatible server as a chat model. The key comes from the environment only (``OPENAI_API_KEY``)."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ftkit.errors import BadInput
from ftkit.models.chat import Messages, Reply


class EndpointModel:
    """A model behind an OpenAI-compatible endpoint.

    Args:
        url: Base URL, e.g. ``http://localhost:8000/v1``.
        model: Model name at the endpoint.
        max_new_tokens: Longest answer in tokens.
        concurrency: Requests at once.
    """

    def __init__(self, url: str, model: str, *, max_new_tokens: int = 64, concurrency: int = 8) -> None:
        from openai import OpenAI

        if not model:
            raise BadInput("endpoint_model is empty", where="evaluation.endpoint_model", todo="name the endpoint's model")
        self.name, self.max_new_tokens, self.concurrency = model, max_new_tokens, concurrency
        self.client = OpenAI(base_url=url, api_key=os.environ.get("OPENAI_API_KEY", "none"), max_retries=5, timeout=60)

    def answer(self, conversations: list[Messages], progress: Callable[[int, int], None] | None = None) -> list[Reply]:
        """Return one reply per conversation, in order; a request that failed after retries has ``failed`` set."""
        replies: list[Reply] = []
        with ThreadPoolExecutor(self.concurrency) as pool:
            for reply in pool.map(self._one, conversations):
                replies.append(reply)
                if progress:
                    progress(len(replies), len(conversations))
        return replies

    def _one(self, messages: Messages) -> Reply:
        from openai import APIError

        began = time.perf_counter()
        sent: Any = messages
        try:
            done = self.client.chat.completions.create(
                model=self.name, messages=sent, max_tokens=self.max_new_tokens, temperature=0
            )
        except APIError as error:
            return Reply("", seconds=time.perf_counter() - began, failed=type(error).__name__)
        text = (done.choices[0].message.content or "") if done.choices else ""
        usage = done.usage
        return Reply(
            text.strip(), usage.prompt_tokens if usage else 0, usage.completion_tokens if usage else 0,
            time.perf_counter() - began, failed="" if done.choices else "no choices in the answer",
        )  # fmt: skip
