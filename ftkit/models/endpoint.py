"""Any OpenAI-compatible server as a chat model. The key comes from the environment only (``OPENAI_API_KEY``)."""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.records.prompting import ResponseFormat
from ftkit.models.chat import ChatModel, Messages, Reply
from ftkit.models.constrain import body_options

CHARACTERS_PER_TOKEN = 4  # usual for English; only used where a server tells no usage
LONGEST_WAIT_S = 30.0
OWN_MODES = ("response_format", "structured_outputs")
REFUSED, ADAPTED = "the server refused this request", "adapted"
IN_A_ROW = 3  # requests given up one after the other, from which the server counts as gone


@dataclass
class Bill:
    """What an endpoint's answers cost.

    Attributes:
        answers: How many there were.
        read: Prompt tokens.
        written: Answer tokens.
    """

    answers: int = 0
    read: int = 0
    written: int = 0

    def add(self, reply: Reply) -> None:
        """Count one answer."""
        self.answers, self.read, self.written = (
            self.answers + 1,
            self.read + reply.prompt_tokens,
            self.written + reply.completion_tokens,
        )

    def usd(self, prices: tuple[float, float]) -> float:
        """Return the price, by USD per million prompt and answer tokens."""
        return (self.read * prices[0] + self.written * prices[1]) / 1e6

    def told(self, prices: tuple[float, float]) -> str:
        """Return it in words."""
        return f"{self.answers:,} answers with {self.read:,} prompt and {self.written:,} answer tokens cost {self.usd(prices):.4g} USD at {prices[0]:g} and {prices[1]:g} USD per million"


def endpoint_or_local(
    url: str,
    name: str,
    *,
    longest: int,
    cache: Path,
    named: str,
    prices: Sequence[float] = (0.0, 0.0),
    most_usd: float = 0.0,
) -> ChatModel:
    """Return the endpoint's model where an address is given, else the local one of that name.

    Args:
        url: Base URL; empty: a local model.
        name: Model name at the endpoint, or folder or name of a local one.
        longest: Longest answer in tokens.
        cache: File that keeps an endpoint's answers.
        named: How the parameters that name it begin, for messages.
        prices: An endpoint's USD per million prompt and answer tokens.
        most_usd: Most that an endpoint's answers may cost; 0: no limit.

    Raises:
        BadInput: There is no such model.
    """
    if url:
        return EndpointModel(
            url,
            name,
            max_new_tokens=longest,
            cache=cache,
            named=named,
            prices=prices,
            most_usd=most_usd,
        )
    from ftkit.models.local import LocalModel

    return LocalModel(name, max_new_tokens=longest)


class EndpointModel:
    """A model behind an OpenAI-compatible endpoint.

    A request that meets 408, 409, 429, 5xx, a timeout, a lost connection or an empty answer is tried again, with
    growing waits or as long as the server asks for. A fault that all requests share stops at once.

    Args:
        url: Base URL, e.g. ``http://localhost:8000/v1``.
        model: Model name at the endpoint.
        max_new_tokens: Longest answer in tokens.
        concurrency: Requests at once.
        attempts: Tries per request.
        timeout_s: Longest wait for one answer.
        first_wait_s: Wait before the second try; it doubles with each further one.
        cache: File that keeps every answer as it comes (JSON lines), so that a stopped run asks for none twice.
        confidence: Ask for the tokens' log probabilities too; a server that refuses them is asked without.
        prices: USD per million prompt and answer tokens.
        most_usd: Most that the answers may cost, those that ``cache`` holds already included; 0: no limit. Up to
            ``concurrency`` requests that are under way when it is reached are still paid.
        named: How the parameters that name it begin, for messages, e.g. ``evaluation.judge``.

    Raises:
        BadInput: The URL or the model's name is not usable.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        max_new_tokens: int = 64,
        concurrency: int = 8,
        attempts: int = 6,
        timeout_s: float = 60.0,
        first_wait_s: float = 0.5,
        cache: Path | None = None,
        confidence: bool = False,
        prices: Sequence[float] = (0.0, 0.0),
        most_usd: float = 0.0,
        named: str = "evaluation.endpoint",
    ) -> None:
        if not url.startswith(("http://", "https://")):
            raise BadInput(
                f"'{url}' is no URL", where=f"{named}_url", todo="e.g. http://localhost:8000/v1"
            )
        if not model:
            raise BadInput("is empty", where=f"{named}_model", todo="name the endpoint's model")
        from openai import OpenAI

        self.name, self.url, self.concurrency, self.named = model, url, concurrency, named
        self.attempts, self.first_wait_s, self.cache = attempts, first_wait_s, cache
        self.options: dict[str, Any] = {"max_tokens": max_new_tokens, "temperature": 0}
        self.prices, self.most_usd, self.bill = (prices[0], prices[1]), most_usd, Bill()
        for reply in self._replies().values():
            self.bill.add(reply)
        if confidence:
            self.options["logprobs"] = True
        self._asked = f"{url} {model} {max_new_tokens}"
        self._key = os.environ.get("OPENAI_API_KEY", "")
        self.client = OpenAI(
            base_url=url, api_key=self._key or "none", max_retries=0, timeout=timeout_s
        )
        self._lock, self._stop, self._unreached, self._reached = (
            threading.Lock(),
            threading.Event(),
            0,
            False,
        )

    def answer(
        self,
        conversations: list[Messages],
        progress: Callable[[int, int], None] | None = None,
        formats: Sequence[ResponseFormat | None] = (),
    ) -> list[Reply]:
        """Return one reply per conversation, in order; ``failed`` is set where the server gave none after all tries.

        A response format goes to the server's own mode (``response_format``, for labels vLLM's ``structured_outputs``).

        Raises:
            BadInput: The server refuses the key, or does not know the path or the model.
            FtkitError: The server cannot be reached or gives no answer to several requests in a row.
        """
        asked = list(zip(conversations, list(formats) or [None] * len(conversations), strict=True))
        replies = self._kept(asked)
        self._stop.clear()
        with ThreadPoolExecutor(self.concurrency) as pool:
            jobs = {
                pool.submit(self._guarded, *one): i
                for i, one in enumerate(asked)
                if i not in replies
            }
            try:
                for job in as_completed(jobs):
                    replies[jobs[job]] = job.result()
                    if progress:
                        progress(len(replies), len(conversations))
            except BaseException:
                self._stop.set()
                pool.shutdown(cancel_futures=True)
                raise
        return [replies[i] for i in range(len(conversations))]

    def _guarded(self, messages: Messages, form: ResponseFormat | None) -> Reply:
        try:
            return self._one(messages, form)
        except FtkitError:
            self._stop.set()  # the other workers begin nothing more
            raise

    def _one(self, messages: Messages, form: ResponseFormat | None) -> Reply:
        """Ask until there is an answer, the tries are used up, or the whole run must stop."""
        from openai import APIError

        fault, lost, without = "stopped", True, False
        for attempt in range(self.attempts):
            if self._stop.is_set():
                break
            self._check_budget()
            wait = self._wait(attempt)
            try:
                reply = self._ask(messages, form, time.perf_counter(), without)
                if not reply.failed:
                    if without:
                        self._drop_logprobs()  # a request that was refused for them alone
                    return self._keep(messages, form, reply)
                fault, lost = reply.failed, False
            except (APIError, ValueError) as error:  # ValueError: a body that is no JSON
                fault, lost = self._judge(error), True
                wait = 0.0 if fault == ADAPTED else _asked_wait(error, wait)
            if fault.startswith(REFUSED) and "logprobs" in self.options and not without:
                without = True
                continue
            if fault.startswith(REFUSED):
                return Reply("", failed=fault)
            if attempt + 1 < self.attempts:
                self._stop.wait(wait)
        return self._given_up(fault) if lost else Reply("", failed=fault)

    def _ask(
        self,
        messages: Messages,
        form: ResponseFormat | None,
        began: float,
        without_logprobs: bool = False,
    ) -> Reply:
        sent: Any = messages
        options: dict[str, Any] = self.options | (
            {"extra_body": body_options(form)} if form else {}
        )
        if without_logprobs:
            options.pop("logprobs", None)
        done: Any = self.client.chat.completions.create(model=self.name, messages=sent, **options)
        choices = getattr(done, "choices", None)
        message = choices[0].message if choices else None
        if message is None:
            return Reply("", failed="the server gave an answer without choices")
        text, usage = (message.content or "").strip(), getattr(done, "usage", None)
        seconds, sure = time.perf_counter() - began, _confidence(choices[0] if choices else None)
        if usage is None:
            length, written = (
                sum(len(m["content"]) for m in messages),
                -(-len(text) // CHARACTERS_PER_TOKEN),
            )
            return Reply(
                text,
                length // CHARACTERS_PER_TOKEN,
                written,
                seconds,
                estimated=True,
                confidence=sure,
            )
        return Reply(
            text, usage.prompt_tokens or 0, usage.completion_tokens or 0, seconds, confidence=sure
        )

    def beyond(self, more: int) -> bool:
        """Return whether so many more answers, at the price of those so far, would cost more than may be paid."""
        spent = self.bill.usd(self.prices)
        return (
            bool(self.most_usd) and spent + more * spent / max(1, self.bill.answers) > self.most_usd
        )

    def _check_budget(self) -> None:
        """Refuse to ask for more than may be paid.

        Raises:
            FtkitError: The budget is used up.
        """
        spent = self.bill.usd(self.prices)
        if self.most_usd and spent >= self.most_usd:
            raise FtkitError(
                f"the budget of {self.most_usd:g} USD is used up: {self.bill.told(self.prices)}",
                where=f"{self.named}_most_usd",
                todo="raise it, or ask fewer questions; the answers got are kept, and the same command asks only for the others",
            )

    def _drop_logprobs(self) -> None:
        with self._lock:
            self.options.pop("logprobs", None)

    def _judge(self, error: Exception) -> str:
        """Return what went wrong; it starts with ``REFUSED`` where another try is useless.

        Raises:
            FtkitError: All requests would meet the same fault.
        """
        import openai

        if isinstance(error, openai.AuthenticationError | openai.PermissionDeniedError):
            found = (
                "the endpoint refused the key"
                if self._key
                else "the endpoint wants a key and OPENAI_API_KEY is not set"
            )
            raise BadInput(
                f"{found} (HTTP {error.status_code})",
                where=self.url,
                todo="set OPENAI_API_KEY in the environment, never in a file",
            )
        if isinstance(error, openai.NotFoundError):
            raise BadInput(
                f"the endpoint knows no such path or model '{self.name}' (HTTP 404)",
                where=self.url,
                todo="check endpoint_url (it usually ends in /v1) and endpoint_model",
            )
        if (
            isinstance(error, openai.RateLimitError)
            and getattr(error, "code", "") == "insufficient_quota"
        ):
            raise FtkitError(
                "the account's quota is used up",
                where=self.url,
                todo="raise it, then run the same command again",
            )
        if isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
            if any(name in str(error) for name in OWN_MODES):
                raise BadInput(
                    f"the endpoint does not take this response format: {self._masked(error)}",
                    where=self.url,
                    todo="set evaluation.endpoint_constrained to false: it is then asked for free answers",
                )
            return ADAPTED if self._adapt(str(error)) else f"{REFUSED}: {self._masked(error)}"
        return self._masked(error)

    def _adapt(self, message: str) -> bool:
        """Use the parameter names that a newer server asks for; return whether something changed."""
        with self._lock:
            if "max_completion_tokens" in message and "max_tokens" in self.options:
                self.options["max_completion_tokens"] = self.options.pop("max_tokens")
            elif "temperature" in message and "temperature" in self.options:
                del self.options["temperature"]
            elif "logprobs" in message and "logprobs" in self.options:
                del self.options["logprobs"]
            else:
                return any(
                    name in message for name in ("max_completion_tokens", "temperature", "logprobs")
                )
        return True

    def _masked(self, error: Exception) -> str:
        text = " ".join(str(error).split())[:200] or type(error).__name__
        return text.replace(self._key, "***") if self._key else text

    def _wait(self, attempt: int) -> float:
        return min(self.first_wait_s * 2**attempt, LONGEST_WAIT_S) * random.uniform(0.75, 1.25)

    def _given_up(self, fault: str) -> Reply:
        """Return a failed reply, unless the server never answered or several requests failed in a row: then it is gone."""
        with self._lock:
            self._unreached += 1
            gone = not self._reached or self._unreached >= IN_A_ROW
        if gone and not self._stop.is_set():
            raise FtkitError(
                f"the endpoint does not answer: {fault}",
                where=self.url,
                todo="start the server or check endpoint_url; then the same command asks only for the missing answers",
            )
        return Reply("", failed=fault)

    def _name_of(self, messages: Messages, form: ResponseFormat | None) -> str:
        told = [self._asked, messages, *([form.model_dump()] if form else [])]
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def _keep(self, messages: Messages, form: ResponseFormat | None, reply: Reply) -> Reply:
        with self._lock:
            self._unreached, self._reached = 0, True
            self.bill.add(reply)
            if self.cache is not None:
                self.cache.parent.mkdir(parents=True, exist_ok=True)
                with self.cache.open("a", encoding="utf-8") as file:
                    file.write(
                        json.dumps({"key": self._name_of(messages, form), **asdict(reply)}) + "\n"
                    )
        return reply

    def _kept(self, asked: list[tuple[Messages, ResponseFormat | None]]) -> dict[int, Reply]:
        """Return the answers that an earlier, stopped run had got, by place; a half-written last line is taken off."""
        found = self._replies()
        return {
            i: found[name] for i, one in enumerate(asked) if (name := self._name_of(*one)) in found
        }

    def _replies(self) -> dict[str, Reply]:
        """Return all answers that the cache holds, by what was asked."""
        if self.cache is None or not self.cache.exists():
            return {}
        found: dict[str, Reply] = {}
        content = self.cache.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            self.cache.write_bytes(whole)
        for line in whole.decode("utf-8").splitlines():
            row = json.loads(line)
            key = row.pop("key")
            found[key] = Reply(**row)
        return found


def _confidence(choice: Any) -> float:
    """Return the probability of all tokens that a server told, 0..1; NaN where it told none."""
    told = getattr(getattr(choice, "logprobs", None), "content", None)
    values: list[Any] = (
        [getattr(token, "logprob", None) for token in told] if isinstance(told, list) else []
    )
    if not values or not all(isinstance(v, int | float) and v <= 1e-6 for v in values):
        return math.nan
    return math.exp(min(0.0, math.fsum(float(v) for v in values)))


def _asked_wait(error: Exception, otherwise: float) -> float:
    """Return the seconds that the server asks to wait (``retry-after`` or ``retry-after-ms``), if it does."""
    headers = getattr(getattr(error, "response", None), "headers", {})
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return min(float(headers[name]) * unit, LONGEST_WAIT_S)
        except (KeyError, ValueError):
            continue
    return otherwise
