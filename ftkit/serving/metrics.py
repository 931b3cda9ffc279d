"""Prometheus metrics of the server."""

from __future__ import annotations


class Metrics:
    """Counters of one server, in a registry of their own.

    Args:
        name: Name of the served strategy, as a label.
    """

    def __init__(self, name: str) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        made = {"registry": self.registry, "labelnames": ["model"]}
        self._seconds = Histogram("ftkit_answer_seconds", "Seconds from question to answer", **made).labels(name)
        self._prompt = Counter("ftkit_prompt_tokens", "Tokens read", **made).labels(name)
        self._completion = Counter("ftkit_completion_tokens", "Tokens written", **made).labels(name)
        self._refused = Counter("ftkit_refused", "Requests without an answer", ["model", "status"], registry=self.registry)
        self._waiting = Gauge("ftkit_waiting", "Questions that wait", **made).labels(name)
        self.release = Gauge("ftkit_release", "Version that serves; 0: no release", **made).labels(name)
        self.release_failed = Counter("ftkit_release_failed", "Releases that could not be opened", **made).labels(name)
        self.name, self.count, self.total = name, 0, 0.0

    def answered(self, seconds: float, prompt_tokens: int, completion_tokens: int) -> None:
        """Count one answer."""
        self.count, self.total = self.count + 1, self.total + seconds
        self._seconds.observe(seconds)
        self._prompt.inc(prompt_tokens)
        self._completion.inc(completion_tokens)

    def refused(self, status: int) -> None:
        """Count one request without an answer."""
        self._refused.labels(self.name, str(status)).inc()

    def mean_seconds(self) -> float:
        """Return the mean seconds per answer; 1 before the first."""
        return self.total / self.count if self.count else 1.0

    def text(self, waiting: int) -> str:
        """Return all metrics as Prometheus reads them."""
        from prometheus_client import generate_latest

        self._waiting.set(waiting)
        return generate_latest(self.registry).decode()
