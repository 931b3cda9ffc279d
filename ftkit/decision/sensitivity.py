"""What would change the verdict, and how close it is: the rule is applied again with one figure changed at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ftkit.core.records.decision import Change

Outcome = tuple[Any, str]
Verdict = Callable[[str, object], Outcome]
STEPS, HALVINGS = 8, 10


@dataclass(frozen=True)
class Figure:
    """A number that the verdict rests on.

    Attributes:
        name: Parameter or price name.
        value: Its value now.
        show: How a value is written.
        least: Smallest sensible value.
        most: Largest sensible value.
    """

    name: str
    value: float
    show: Callable[[float], str]
    least: float
    most: float


def number_changes(figure: Figure, verdict: Verdict, now: Outcome) -> list[Change]:
    """Return the nearest value below and above at which the verdict changes."""
    found = []
    for end, side in ((figure.least, "or less"), (figure.most, "or more")):
        at = _nearest(figure, end, verdict, now)
        if at is None:
            continue
        kind, strategy = verdict(figure.name, at)
        moved = max(at, figure.value) / max(min(at, figure.value), 1e-9)
        found.append(
            Change(
                name=figure.name,
                now=figure.show(figure.value),
                at=figure.show(at),
                side=side,  # pyright: ignore[reportArgumentType]
                kind=kind,
                strategy=strategy,
                factor=min(moved, 1e6),
            )
        )
    return found


def _nearest(figure: Figure, end: float, verdict: Verdict, now: Outcome) -> float | None:
    """Return the value nearest to today's, towards ``end``, at which the verdict is another one."""
    if abs(end - figure.value) < 1e-12:
        return None
    last = figure.value
    for k in range(STEPS):
        value = _between(figure.value, end, (k + 1) / STEPS)
        if verdict(figure.name, value) != now:
            break
        last = value
    else:
        return None
    other = value
    for _ in range(HALVINGS):
        middle = (last + other) / 2
        last, other = (last, middle) if verdict(figure.name, middle) != now else (middle, other)
    return other


def _between(start: float, end: float, share: float) -> float:
    """Go from start to end in equal ratios where both are positive, else in equal steps."""
    return (
        start * (end / start) ** share if start > 0 and end > 0 else start + (end - start) * share
    )


def choice_changes(
    field: str, value_now: object, others: Sequence[object], verdict: Verdict, now: Outcome
) -> list[Change]:
    """Return the other values of a choice (e.g. how often requirements change) under which the verdict is another."""
    found = []
    for value in others:
        kind, strategy = verdict(field, value) if value != value_now else now
        if (kind, strategy) != now:
            found.append(
                Change(
                    name=field,
                    now=str(value_now),
                    at=str(value),
                    side="",
                    kind=kind,
                    strategy=strategy,
                    factor=2.0,
                )
            )
    return found
