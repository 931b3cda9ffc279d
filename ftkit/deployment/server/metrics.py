"""Prometheus metrics of the server."""

from __future__ import annotations


class Metrics:
    """Counters of one server, in a registry of their own; one label per strategy."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        made = {"registry": self.registry, "labelnames": ["model"]}
        self.seconds = Histogram("ftkit_answer_seconds", "Seconds from question to answer", **made)
        self.prompt = Counter("ftkit_prompt_tokens", "Tokens read", **made)
        self.completion = Counter("ftkit_completion_tokens", "Tokens written", **made)
        self.refused = Counter(
            "ftkit_refused",
            "Requests without an answer",
            ["model", "status"],
            registry=self.registry,
        )
        self.waiting = Gauge("ftkit_waiting", "Questions that wait", **made)
        self.log_failed = Counter(
            "ftkit_log_failed", "Answers that could not be logged", registry=self.registry
        )
        self.answered_by = Counter(
            "ftkit_answered_by",
            "Answers of a cascade, by the strategy that gave them and why",
            ["model", "strategy", "why"],
            registry=self.registry,
        )
        self.large_prompt = Counter(
            "ftkit_large_prompt_tokens", "Tokens read by a cascade's large model", **made
        )
        self.large_completion = Counter(
            "ftkit_large_completion_tokens", "Tokens written by a cascade's large model", **made
        )
        self.large_usd = Counter(
            "ftkit_large_usd", "What a cascade's large model cost, USD", **made
        )
        self.release = Gauge("ftkit_release", "Version that serves; 0: no release", **made)
        self.release_failed = Counter(
            "ftkit_release_failed", "Releases that could not be opened", **made
        )

    def of(self, name: str) -> Counts:
        """Return the counters of one strategy."""
        return Counts(self, name)

    def text(self) -> str:
        """Return all metrics as Prometheus reads them."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry).decode()


class Counts:
    """Counters of one strategy.

    Args:
        metrics: The server's counters.
        name: Name of the strategy, as a label.
    """

    def __init__(self, metrics: Metrics, name: str) -> None:
        self.count, self.total = 0, 0.0
        self._seconds = metrics.seconds.labels(name)
        self._prompt, self._completion = (
            metrics.prompt.labels(name),
            metrics.completion.labels(name),
        )
        self.waiting, self.release = metrics.waiting.labels(name), metrics.release.labels(name)
        self.release_failed = metrics.release_failed.labels(name)

    def answered(self, seconds: float, prompt_tokens: int, completion_tokens: int) -> None:
        """Count one answer."""
        self.count, self.total = self.count + 1, self.total + seconds
        self._seconds.observe(seconds)
        self._prompt.inc(prompt_tokens)
        self._completion.inc(completion_tokens)

    def mean_seconds(self) -> float:
        """Return the mean seconds per answer; 1 before the first."""
        return self.total / self.count if self.count else 1.0
