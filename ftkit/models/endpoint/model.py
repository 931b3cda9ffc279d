"""Any OpenAI-compatible server as a chat model: every stage that asks one goes through this door.

A reply is classified before it is an answer. What is none is asked for again where that can help, is never kept as an
answer, and is asked for once more by the next run. A run of equal failures at the start ends the stage with its cause.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.connection import Connection
from ftkit.core.records.endpoint import EndpointBill
from ftkit.core.records.prompting import ResponseFormat
from ftkit.core.run_folder import BILL, read_record, write_record
from ftkit.core.tariffs import source, tariff
from ftkit.models.chat import ChatModel, Messages, Reply
from ftkit.models.endpoint.bill import Bill
from ftkit.models.endpoint.cache import Cache
from ftkit.models.endpoint.classify import reply_of
from ftkit.models.endpoint.dialect import Dialect
from ftkit.models.endpoint.faults import FOUND, REMEDIES, STOPS, Fault, error_in, fault_of
from ftkit.models.endpoint.limiter import LONGEST_S, Limiter, asked_wait
from ftkit.models.endpoint.transport import Response, Transport, Unreached

EQUAL, ANY = 5, 8
"""Replies without an answer at the start, equal ones or of any kind, that end the run."""
IN_A_ROW = 3
"""Questions given up one after the other, from which the server counts as gone."""
AGAIN = {"empty": 2, "malformed": 5, "not_delivered": 6}
"""Tries of a question whose reply was no answer, by outcome; the others are asked once."""
PATH = "chat/completions"


@dataclass(frozen=True)
class Endpoint:
    """What is asked, and on which terms.

    Attributes:
        url: Base URL, e.g. ``http://localhost:8000/v1``.
        model: Model name there.
        named: How the parameters that name it begin, for messages, e.g. ``evaluation.judge``.
        role: What it is asked for, on the bill; empty: by ``named``.
        answer_tokens: Room for an answer, in tokens, where ``connection`` names none.
        prices: USD per million prompt and answer tokens, and of cached prompt tokens; empty: by the price file.
        price_file: A price file in place of the shipped one.
        most_usd: Most that the replies may cost, those of earlier runs included; 0: no limit.
        connection: Key, headers, room, options, patience: see :class:`~ftkit.core.parameters.connection.Connection`.
        may_leave: Whether data may be sent to another machine than this one.
        confidence: Whether the tokens' log probabilities are asked for.
        failures_allowed: Share of replies that may be no answers; above it nothing is concluded from the others.
    """

    url: str
    model: str
    named: str = "evaluation.endpoint"
    role: str = ""
    answer_tokens: int = 64
    prices: Sequence[float] = (0.0, 0.0)
    price_file: str = ""
    most_usd: float = 0.0
    connection: dict[str, object] = field(default_factory=dict)
    may_leave: bool = False
    confidence: bool = False
    failures_allowed: float = 0.05


def endpoint_or_local(endpoint: Endpoint, cache: Path, hide: Callable[[str], str]) -> ChatModel:
    """Return the endpoint's model where an address is given, else the local one of that name.

    Args:
        endpoint: What is asked; an empty URL: a local model.
        cache: File that keeps an endpoint's replies.
        hide: Masks personal data in a text.

    Raises:
        BadInput: There is no such model.
    """
    if endpoint.url:
        return EndpointModel(endpoint, cache=cache, hide=hide)
    from ftkit.models.local import LocalModel

    return LocalModel(endpoint.model, max_new_tokens=endpoint.answer_tokens)


@dataclass
class _Step:
    """What one request came to: a reply, and whether the question is asked again, as another try or as none."""

    reply: Reply
    kind: str
    again: bool = False
    counts: bool = True


class EndpointModel:
    """A model behind an OpenAI-compatible endpoint.

    Args:
        endpoint: What is asked, and on which terms.
        cache: File that keeps every reply as it comes (JSON lines), so that a stopped run asks for no answer twice.
        hide: Masks personal data in a text; it counts how many questions hold some, and masks them where
            ``connection.mask`` says so.
        first_wait_s: Wait before a second try; it doubles with each further one.
        notice: Told what goes where, and what is waited for.

    Raises:
        BadInput: The URL, the model's name or the connection is not usable, or data may not leave.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        cache: Path | None = None,
        hide: Callable[[str], str] | None = None,
        first_wait_s: float = 0.5,
        notice: Callable[[str], None] = lambda text: print(text, flush=True),
    ) -> None:
        self.endpoint, self.name, self.url, self.named = (
            endpoint,
            endpoint.model,
            endpoint.url,
            endpoint.named,
        )
        connection = Connection.model_validate(endpoint.connection)
        self.connection, self.hide, self.notice = connection, hide, notice
        self.transport = Transport(endpoint.url, connection, endpoint.named)
        if not endpoint.model:
            raise BadInput(
                "is empty", where=f"{endpoint.named}_model", todo="name the endpoint's model"
            )
        if not endpoint.may_leave and not self.transport.local:
            raise BadInput(
                f"nothing is sent to {self.transport.host}: data_may_leave is false",
                where=f"{endpoint.named}_url",
                todo="set data_may_leave to true if the data may go there, or leave the address empty",
            )
        room = connection.answer_tokens or endpoint.answer_tokens
        self.dialect = Dialect(endpoint.model, room, connection, endpoint.confidence)
        self.most_usd, self.first_wait_s, self._room = endpoint.most_usd, first_wait_s, room
        role = endpoint.role or endpoint.named.rpartition(".")[2]
        prices = tariff(endpoint.url, endpoint.model, endpoint.prices, endpoint.price_file)
        self.bill = Bill(endpoint.url, endpoint.model, prices, role)
        self.cache = Cache(cache, f"{endpoint.url} {endpoint.model}")
        self._open_bill(cache)
        if self.cache.damaged:
            lines = ", ".join(str(n) for n in self.cache.damaged[:5])
            notice(f"{cache}: line {lines} cannot be read; those answers are asked for again.")
        self.limiter = Limiter(connection.concurrency, connection.patience_s, first_wait_s, notice)
        self._lock, self._paid, self._stop = (
            threading.Lock(),
            threading.Condition(),
            threading.Event(),
        )
        self._reserved = 0.0
        self._asking, self._answered, self._given_up = 0, False, 0
        self._failures: Counter[tuple[str, str]] = Counter()

    def answer(
        self,
        conversations: list[Messages],
        progress: Callable[[int, int], None] | None = None,
        formats: Sequence[ResponseFormat | None] = (),
    ) -> list[Reply]:
        """Return one reply per conversation, in order; its ``outcome`` says whether it is an answer.

        A response format goes to the server's own mode (``response_format``, for labels vLLM's ``structured_outputs``).

        Raises:
            BadInput: All requests would meet the same refusal: key, address, model, format.
            FtkitError: The first replies are no answers, the server is gone, or its budget is used up.
        """
        forms = list(formats) or [None] * len(conversations)
        asked = [(self._masked(m), form) for m, form in zip(conversations, forms, strict=True)]
        keys = [self._key(*one) for one in asked]
        replies = {i: self.cache.answers[k] for i, k in enumerate(keys) if k in self.cache.answers}
        missing = [i for i in range(len(asked)) if i not in replies]
        if missing:
            self._announce([conversations[i] for i in missing])
        self._stop.clear()
        self._given_up = 0
        with ThreadPoolExecutor(self.connection.concurrency) as pool:
            jobs = {pool.submit(self._guarded, keys[i], *asked[i]): i for i in missing}
            try:
                for job in as_completed(jobs):
                    replies[jobs[job]] = job.result()
                    if progress:
                        progress(len(replies), len(conversations))
            except BaseException:
                self._halt()
                pool.shutdown(cancel_futures=True)
                raise
            finally:
                if missing:
                    self._write_bill()
        return [replies[i] for i in range(len(conversations))]

    def _open_bill(self, cache: Path | None) -> None:
        """Count what earlier runs paid: the cache's replies, and requests that came to none, which it does not hold."""
        name = hashlib.sha256(self.cache.asked.encode()).hexdigest()[:12]
        self._bill_file = cache.with_name(f"{cache.stem}-{name}{BILL}") if cache else None
        for reply in self.cache.billed:
            self.bill.add(reply)
        if self._bill_file is not None and self._bill_file.exists():
            with suppress(BadInput):  # the cache knows all the rest
                self.bill.unknown = read_record(self._bill_file, EndpointBill).unknown
        if self.cache.billed or self.bill.unknown:
            self._write_bill()

    def _write_bill(self) -> None:
        if self._bill_file is not None:
            write_record(self._bill_file, self.bill.record())

    def beyond(self, more: int) -> bool:
        """Return whether so many more answers, at the price of those so far, would cost more than may be paid."""
        spent = self.bill.usd
        return (
            bool(self.most_usd) and spent + more * spent / max(1, self.bill.answers) > self.most_usd
        )

    def _masked(self, messages: Messages) -> Messages:
        if not self.connection.mask or self.hide is None:
            return messages
        return [m | {"content": self.hide(m["content"])} for m in messages]

    def _announce(self, conversations: Sequence[Messages]) -> None:
        """Say what goes where before anything is sent."""
        text = f"To {self.transport.base}: {len(conversations):,} requests to {self.name}"
        if self.hide is not None and not self.transport.local:
            hide = self.hide
            personal = sum(
                any(hide(m["content"]) != m["content"] for m in c) for c in conversations
            )
            done = "masked" if self.connection.mask else "sent as they are"
            text += f"; {personal:,} hold personal data, {done}"
            if personal and not self.connection.mask:
                text += f" ({self.named}_connection.mask: true masks them)"
        t = self.bill.tariff
        text += (
            f". USD per million tokens: {t.input:g} in, {t.cached_usd:g} cached, {t.output:g} out"
        )
        self.notice(f"{text} ({source(t)}).")

    def _halt(self) -> None:
        self._stop.set()  # the other workers begin nothing more
        with self._paid:
            self._paid.notify_all()

    def _guarded(self, key: str, messages: Messages, form: ResponseFormat | None) -> Reply:
        try:
            reply = self._one(messages, form)
        except FtkitError:
            self._halt()
            raise
        if reply.is_answer:
            with self._lock:
                self.cache.write(key, reply)
        return reply

    def _one(self, messages: Messages, form: ResponseFormat | None) -> Reply:
        """Ask until there is an answer, the tries are used up, or the whole run must stop."""
        tries, logprobs, thinks = 0, True, False
        reply = Reply("", outcome="not_delivered", detail="stopped")
        while not self._stop.is_set():
            body = self.dialect.body(messages, form, logprobs=logprobs)
            step = self._ask(messages, body)
            reply = step.reply
            if reply.is_answer:
                if not logprobs:
                    self.dialect.drop_logprobs()  # a request that was refused for them alone
                return self._succeeded(reply)
            if step.kind == "request" and "logprobs" in body and logprobs:
                logprobs = False
                continue
            if step.again and not step.counts:
                continue
            if reply.outcome == "cut_off" and self.connection.thought_tokens and not thinks:
                thinks = bool(reply.thought or reply.thought_tokens or not reply.text)
                if thinks and self.dialect.think(body):
                    continue
            tries += 1
            self._failed(reply, step.kind)
            if not step.again or tries >= AGAIN.get(reply.outcome, 1):
                break
            self._stop.wait(min(self.first_wait_s * 2 ** (tries - 1), LONGEST_S))
        return self._ended(reply)

    def _ask(self, messages: Messages, body: dict[str, Any]) -> _Step:
        """Send one request, and classify and count what comes back."""
        began = self.limiter.enter(self._stop)
        sent = sum(len(m["content"]) + len(m.get("tools", "")) for m in messages)
        cost = self.bill.most_usd(sent, self.dialect.room)
        try:
            if self._stop.is_set():
                return _Step(Reply("", outcome="not_delivered", detail="stopped"), "stopped")
            self._reserve(cost)
            try:
                return self._classified(self.transport.post(PATH, body), messages, body, began)
            except Unreached as error:
                self._count_unknown(error.kind)
                if error.kind in STOPS:
                    self._refuse(Fault(error.kind, error.detail))
                reply = Reply("", outcome="not_delivered", detail=str(error))
                return _Step(reply, error.kind, again=True)
            finally:
                self._release(cost)
        finally:
            self.limiter.leave()

    def _classified(
        self, response: Response, messages: Messages, body: dict[str, Any], began: float
    ) -> _Step:
        error = error_in(response)
        if error is None:
            self.limiter.succeeded()
            reply = reply_of(response.body, response.text, messages, response.seconds)
            reply.detail = self.transport.masked(reply.detail)
            with self._lock:
                self.bill.add(reply)
                if not reply.is_answer:
                    self.cache.write("", reply)
            return _Step(reply, reply.outcome, again=reply.outcome in AGAIN)
        status, words = error[0], self.transport.masked(error[1])
        self._count_billed(response, messages)
        wait = asked_wait(response.headers, words)
        if status in (400, 403, 404, 405, 415, 422, 500, 501) and self.dialect.adapt(words, body):
            return _Step(Reply("", outcome="not_delivered", detail=words), "adapted", True, False)
        fault = fault_of(status, words, waits=wait is not None)
        if fault.kind == "request" and any(n in words for n in self.connection.options):
            fault = Fault("option", words)
        if fault.kind == "format" and not ({"response_format", "structured_outputs"} & set(body)):
            fault = Fault("request", words)
        if fault.kind in STOPS:
            self._refuse(fault)
        reply = Reply("", seconds=response.seconds, outcome=fault.outcome, detail=words)
        if fault.kind == "throttled":
            self._throttled(began, wait, words)
            return _Step(reply, fault.kind, again=True, counts=False)
        return _Step(reply, fault.kind, again=fault.again)

    def count(self, response: Response, messages: Messages) -> None:
        """Put a reply that was asked for beside the others on the bill."""
        if response.status < 300 and error_in(response) is None:
            with self._lock:
                reply = reply_of(response.body, response.text, messages, response.seconds)
                self.bill.add(reply)
                self.cache.write("", reply)
            self._write_bill()
        else:
            self._count_billed(response, messages)

    def _count_billed(self, response: Response, messages: Messages) -> None:
        """Count an error that tells its tokens: it was paid for."""
        if isinstance((response.body or {}).get("usage"), dict):
            reply = reply_of(response.body, response.text, messages, response.seconds)
            reply.outcome = "not_delivered"
            with self._lock:
                self.bill.add(reply)
                self.cache.write("", reply)

    def _count_unknown(self, kind: str) -> None:
        if kind in ("timeout", "lost"):
            with self._lock:
                self.bill.unknown += 1

    def _throttled(self, began: float, wait: float | None, words: str) -> None:
        try:
            self.limiter.throttled(began, wait, self.transport.base, words)
        except FtkitError as error:
            raise FtkitError(
                error.found, where=self.transport.base, todo=self._remedy("throttled")
            ) from error

    def _refuse(self, fault: Fault) -> None:
        """Raise what all requests would meet."""
        found = FOUND[fault.kind]
        if fault.kind == "key" and not self.transport.secrets:
            found = f"the endpoint wants a key, and {self.connection.key_env} is not set"
        if fault.kind in ("path", "gone"):
            found = f"{found} '{self.name}'"
        raise BadInput(
            f"{found}: {fault.detail}", where=self.transport.base, todo=self._remedy(fault.kind)
        )

    def _remedy(self, kind: str) -> str:
        stage, _, role = self.named.partition(".")
        constrained = (
            f"{stage}.endpoint_constrained" if stage == "evaluation" else f"{stage}.constrained"
        )
        return REMEDIES.get(kind, REMEDIES["request"]).format(
            named=self.named, key_env=self.connection.key_env, constrained=constrained, role=role
        )

    def _succeeded(self, reply: Reply) -> Reply:
        if reply.thought or reply.thought_tokens:
            self.dialect.think({})
        with self._lock:
            self._answered, self._given_up = True, 0
        return reply

    def _failed(self, reply: Reply, kind: str) -> None:
        """Count a reply that is no answer; a run of them at the start ends the run.

        Raises:
            FtkitError: None of the first replies was an answer.
        """
        with self._lock:
            if self._answered:
                return
            self._failures[kind, reply.outcome] += 1
            (common, _), count = self._failures.most_common(1)[0]
            if count < EQUAL and self._failures.total() < ANY:
                return
            total = self._failures.total()
        raise FtkitError(
            f"none of the first {total} replies is an answer: {FOUND.get(common, common)} ({reply.detail or reply.outcome})",
            where=self.transport.base,
            todo=self._remedy(common),
        )

    def _ended(self, reply: Reply) -> Reply:
        """Return a reply that is no answer, unless several questions in a row came to none: then the server is gone."""
        if self._stop.is_set() or reply.outcome != "not_delivered":
            return reply
        with self._lock:
            self._given_up += 1
            gone = self._given_up >= IN_A_ROW
        if gone:
            raise FtkitError(
                f"the endpoint does not answer: {reply.detail}",
                where=self.transport.base,
                todo=self._remedy("not_delivered"),
            )
        return reply

    def _reserve(self, cost: float) -> None:
        """Wait until a request may be paid whatever becomes of those under way.

        Raises:
            FtkitError: The budget is used up.
        """
        with self._paid:
            while (
                self.most_usd
                and self._reserved > 0
                and self.bill.usd + self._reserved >= self.most_usd
                and not self._stop.is_set()
            ):
                self._paid.wait(0.5)
            if self.most_usd and self.bill.usd >= self.most_usd:
                raise FtkitError(
                    f"the budget of {self.most_usd:g} USD is used up: {self.bill.sentence()}",
                    where=f"{self.named}_most_usd",
                    todo="raise it, or ask fewer questions; the answers are kept, and the same command asks only for the others",
                )
            self._reserved += cost

    def _release(self, cost: float) -> None:
        with self._paid:
            self._reserved = (
                max(0.0, self._reserved - cost) if self._reserved - cost > 1e-15 else 0.0
            )
            self._paid.notify_all()

    def _key(self, messages: Messages, form: ResponseFormat | None) -> str:
        depends = [self.cache.asked, self._room, self.connection.options, messages]
        depends += [form.model_dump()] if form else []
        return hashlib.sha256(json.dumps(depends).encode()).hexdigest()
