"""Three months of later traffic with planted drift: a new edition of the handbook, a new product, and another wording."""

from __future__ import annotations

import datetime as dt
import json
import random
from dataclasses import dataclass
from pathlib import Path

from ftkit.core.run_folder import write_text
from recipes.demo.company import NEW_PRODUCT
from recipes.demo.examples import conversations
from recipes.demo.messages import Message, Sender, ask_absent
from recipes.demo.scenarios import check

START = dt.datetime(2026, 6, 1, 7, 0, tzinfo=dt.UTC)
WEEKS = 13
EDITION_WEEK, TOPIC_WEEK, WORDING_WEEK = 5, 7, 10
TOPIC_SHARE, WORDING_SHARE = 0.2, 0.6


@dataclass(frozen=True)
class Arrival:
    """One message of the traffic.

    Attributes:
        time: When it came (UTC).
        week: Week since the start, counted from 0.
        edition: KnowledgeUpdate of the handbook that holds at that time.
        drift: ``new topic``, ``wording`` or empty.
        message: The message with its right answer.
    """

    time: dt.datetime
    week: int
    edition: int
    drift: str
    message: Message


def arrivals(n: int = 1800, seed: int = 7) -> list[Arrival]:
    """Return ``n`` messages in the order of their times, spread over 13 weeks of open hours."""
    rng = random.Random(f"traffic-{seed}")
    usual, chat = conversations(rng, n, seed), conversations(rng, n, seed, "chat")
    made = []
    for index in range(n):
        week = index * WEEKS // n
        style = "chat" if week >= WORDING_WEEK and rng.random() < WORDING_SHARE else ""
        message, drift = (chat if style else usual)[index], "wording" if style else ""
        if week >= TOPIC_WEEK and rng.random() < TOPIC_SHARE:
            message = ask_absent(
                rng, Sender(message.customer, message.business), NEW_PRODUCT, style
            )
            drift = "new topic"
        time = START + dt.timedelta(
            weeks=week, days=rng.randrange(7), seconds=rng.randrange(12 * 3600)
        )
        made.append(Arrival(time, week, 2 if week >= EDITION_WEEK else 1, drift, message))
    return sorted(made, key=lambda arrival: arrival.time)


def events() -> list[dict[str, str | int]]:
    """Return the planted changes with the week and day from which they hold."""
    told = {
        "edition": (EDITION_WEEK, "edition 2 of the handbook holds"),
        "new topic": (TOPIC_WEEK, f"customers ask for the {NEW_PRODUCT.title}"),
        "wording": (WORDING_WEEK, "messages come from a phone chat, too"),
    }
    return [
        {
            "kind": kind,
            "week": week,
            "from": (START + dt.timedelta(weeks=week)).date().isoformat(),
            "what": what,
        }
        for kind, (week, what) in told.items()
    ]


def write_traffic(path: Path, seed: int = 7, *, n: int = 1800, scenario: str = "main") -> Path:
    """Write three months of later traffic as JSON lines: time, customer, message. The right answers stand in the truth only.

    Args:
        path: File to write.
        seed: Seed of every choice.
        n: Number of messages.
        scenario: Kept for the same signature everywhere; the traffic is that of the main desk.

    Raises:
        BadInput: ``n`` or ``scenario`` is impossible.
    """
    check(n, 1, scenario)
    lines = [
        json.dumps(
            {
                "time": a.time.strftime("%Y-%m-%dT%H:%M:%SZ"),
                "customer": a.message.customer,
                "message": a.message.text,
            }
        )
        for a in arrivals(n, seed)
    ]
    write_text(path, "\n".join(lines) + "\n")
    return path
