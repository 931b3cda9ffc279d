"""Throttling as one: all workers of a server share how many may ask at once, and wait together when it says so."""

from __future__ import annotations

import datetime as dt
import math
import random
import re
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from ftkit.core.errors import FtkitError

START = 2.0
"""Requests at once until the first answer is there."""
LONGEST_S = 60.0
"""Longest wait between two tries where a server tells none."""
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)(?![a-z])")
SAID = re.compile(
    r"(?:try again|retry|retry.?after|retrydelay|wait|available again|resets?)\D{0,30}?"
    r"(\d+(?:\.\d+)?)\s*(milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|h)?\b",
    re.IGNORECASE,
)
RESETS = (
    *("x-ratelimit-reset-requests", "x-ratelimit-reset-tokens", "x-ratelimit-reset"),
    *("ratelimit-reset", "anthropic-ratelimit-requests-reset", "anthropic-ratelimit-tokens-reset"),
)


def asked_wait(headers: dict[str, str], words: str, now: float | None = None) -> float | None:
    """Return the seconds that a server asks to wait, in any usual form; None where it tells none that can be used.

    Args:
        headers: By lower-case name: ``retry-after`` in seconds or as a date, ``retry-after-ms``, or when limits are reset
            (a duration, seconds, a date or seconds since 1970).
        words: The error, e.g. ``try again in 3.2s``.
        now: Seconds since 1970; None: the clock's.

    Source: RFC 9110, 10.2.3; the rate limit pages of OpenAI, Anthropic, Azure, Groq, OpenRouter and Google.
    """
    now = time.time() if now is None else now
    told = [_seconds(headers.get("retry-after-ms"), now, 0.001)]
    told.append(_seconds(headers.get("retry-after"), now))
    found = next((value for value in told if value is not None), None)
    if found is None and (said := SAID.search(words)):
        unit = (said[2] or "s").lower()
        unit = "ms" if unit.startswith(("ms", "milli")) else unit[0]
        found = float(said[1]) * UNITS[unit]
    if found is None:
        resets = [_seconds(headers.get(name), now) for name in RESETS]
        known = [value for value in resets if value is not None]
        found = max(known) if known else None
    return found


def _seconds(text: str | None, now: float, unit: float = 1.0) -> float | None:
    """Return a header as seconds from now; None where it is absent, negative, infinite or no time at all."""
    if text is None:
        return None
    text, value = text.strip(), math.nan
    try:
        value = float(text) * unit
        if value > 1e11:
            value /= 1000  # milliseconds since 1970
        value = value - now if value > 1e8 else value
    except ValueError:
        parts = DURATION.findall(text.lower())
        if parts and not re.search(r"\d{4}-\d\d", text):
            value = sum(float(number) * UNITS[name] for number, name in parts)
        else:
            value = _date(text) - now
    return value if math.isfinite(value) and value >= 0 else None


def _date(text: str) -> float:
    try:
        return dt.datetime.fromisoformat(text).timestamp()
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError):
        return math.nan


class Limiter:
    """Admits requests: as many at once as the server takes, none while it asks to wait.

    The number at once grows with each answer, halves when the server throttles, and then grows slowly.

    Args:
        most: Requests at once, at most.
        patience_s: Longest time without any answer while the server throttles.
        first_wait_s: First wait where the server tells none; it doubles.
        notice: Told what is waited for.
    """

    def __init__(
        self,
        most: int,
        patience_s: float,
        first_wait_s: float = 1.0,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.most, self.patience_s, self.first_wait_s, self.notice = (
            most,
            patience_s,
            first_wait_s,
            notice,
        )
        self.allowed, self.active = min(START, float(most)), 0
        self._until, self._since, self._streak, self._slow = 0.0, 0.0, 0, False
        self._changed, self._noticed = threading.Condition(), 0.0

    def enter(self, stop: threading.Event) -> float:
        """Wait until a request may begin; return when it did (seconds of the monotonic clock)."""
        with self._changed:
            while not stop.is_set():
                now = time.monotonic()
                if now >= self._until and self.active < max(1, int(self.allowed)):
                    break
                wait = self._until - now if now < self._until else 0.5
                self._changed.wait(min(max(wait, 0.01), 0.5))
            self.active += 1
            return time.monotonic()

    def leave(self) -> None:
        """A request is over, however it ended."""
        with self._changed:
            self.active -= 1
            self._changed.notify_all()

    def succeeded(self) -> None:
        """The server answered."""
        with self._changed:
            self._since, self._streak = 0.0, 0
            grown = self.allowed + (1 / self.allowed if self._slow else 1.0)
            self.allowed = min(float(self.most), grown)
            self._changed.notify_all()

    def throttled(self, began: float, wait_s: float | None, where: str, words: str) -> None:
        """The server refused a request for now: all wait.

        Args:
            began: When that request began; one from before the last pause does not slow down again.
            wait_s: What the server asks for; None: nothing.
            where: The server, for the message.
            words: Its own words.

        Raises:
            FtkitError: The wait would exceed the patience.
        """
        with self._changed:
            now = time.monotonic()
            self._since = self._since or now
            if began >= self._until:
                self.allowed, self._slow = max(1.0, self.allowed / 2), True
                self._streak += 1
            own = min(self.first_wait_s * 2 ** max(0, self._streak - 1), LONGEST_S)
            wait = own * random.uniform(0.75, 1.25) if wait_s is None else wait_s + 0.05
            if now + wait - self._since > self.patience_s:
                raise FtkitError(
                    f"the endpoint takes no more requests for now ({words}); it would have to be waited for {now + wait - self._since:.0f} s",
                    where=where,
                )
            self._until = max(self._until, now + wait)
            if wait > 1 and now - self._noticed > 5:
                self._noticed = now
                self.notice(
                    f"{where} throttles: waiting {wait:.0f} s, then {int(self.allowed)} at once ({words[:120]})"
                )
