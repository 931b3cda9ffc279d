"""What would change the verdict, and how close it is: the rule is applied again with one figure changed at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Outcome = tuple[str, str]
Verdict = Callable[[str, object], Outcome]


@dataclass(frozen=True)
class Flip:
    """One change of one figure that changes the verdict.

    Attributes:
        text: The change and what it leads to, in words.
        closeness: How far the figure must move, as a factor of at least 1; other choices count as a factor of 2.
    """

    text: str
    closeness: float


@dataclass(frozen=True)
class Figure:
    """A number that the verdict rests on.

    Attributes:
        name: Parameter or price name.
        label: Name in words.
        value: Its value now.
        show: How a value is written.
        least: Smallest sensible value.
        most: Largest sensible value.
    """

    name: str
    label: str
    value: float
    show: Callable[[float], str]
    least: float
    most: float


def number_flips(figure: Figure, verdict: Verdict, now: Outcome, steps: int = 12) -> list[Flip]:
    """Return the nearest value below and above at which the verdict changes."""
    found = []
    for end, side in ((figure.least, "less"), (figure.most, "more")):
        at = _nearest(figure, end, verdict, now, steps)
        if at is None:
            continue
        outcome = verdict(figure.name, at)
        moved = max(at, figure.value) / max(min(at, figure.value), 1e-9)
        text = f"{figure.label} of {figure.show(at)} or {side} (now {figure.show(figure.value)}): {name(outcome)}"
        found.append(Flip(text, min(moved, 1e6)))
    return found


def _nearest(
    figure: Figure, end: float, verdict: Verdict, now: Outcome, steps: int
) -> float | None:
    """Return the value nearest to today's, towards ``end``, at which the verdict is another one."""
    if abs(end - figure.value) < 1e-12:
        return None
    last, grid = figure.value, [_between(figure.value, end, (k + 1) / steps) for k in range(steps)]
    for value in grid:
        if verdict(figure.name, value) != now:
            break
        last = value
    else:
        return None
    other = value
    for _ in range(12):
        middle = (last + other) / 2
        last, other = (last, middle) if verdict(figure.name, middle) != now else (middle, other)
    return other


def _between(start: float, end: float, share: float) -> float:
    """Go from start to end in equal ratios where both are positive, else in equal steps."""
    return (
        start * (end / start) ** share if start > 0 and end > 0 else start + (end - start) * share
    )


def choice_flips(
    field: str,
    label: str,
    now_value: object,
    others: Sequence[tuple[object, str]],
    verdict: Verdict,
    now: Outcome,
) -> list[Flip]:
    """Return the other values of a choice (e.g. how often requirements change) under which the verdict is another."""
    found = []
    for value, words in others:
        outcome = verdict(field, value) if value != now_value else now
        if outcome != now:
            found.append(Flip(f"{label} {words}: {name(outcome)}", 2.0))
    return found


def name(outcome: Outcome) -> str:
    """Return a verdict in words."""
    kind, strategy = outcome
    return {
        "none": "no strategy would be good enough",
        "can't tell": "it could not be told yet",
    }.get(kind, f"{strategy} would be chosen")
