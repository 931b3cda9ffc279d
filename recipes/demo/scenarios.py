"""The main demo and three side scenarios, each with the answer that the walk should reach by itself."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from ftkit.core.errors import BadInput
from ftkit.core.parameters.files import nearest
from recipes.demo.defects import Row, clean_row, plant
from recipes.demo.examples import conversations
from recipes.demo.handbook import articles
from recipes.demo.messages import Sender, ask_fact, order_note
from recipes.demo.topics import TOPICS

SMALLEST, LARGEST = 20, 200_000


@dataclass(frozen=True)
class Scenario:
    """One demo with a known truth.

    Attributes:
        examples: Usual number of rows.
        right_answer: Verdict that the walk should reach.
        why: The reason, in one sentence.
        build: Returns the rows for a random source, a number of rows, a seed and an edition.
    """

    examples: int
    right_answer: str
    why: str
    build: Callable[[random.Random, int, int, int], list[Row]]


def _desk(rng: random.Random, n: int, seed: int, edition: int) -> list[Row]:
    return plant(rng, conversations(rng, n, seed), n, edition)


def _order_numbers(rng: random.Random, n: int, seed: int, edition: int) -> list[Row]:
    """Copy the order number out of a note of the phone desk: no house rule, no fact."""
    rows = []
    for number, customer in enumerate(rng.sample(range(1000, 1000 + 9 * n + 100), n)):
        message, order = order_note(rng, Sender(f"K-{customer}", number % 4 == 0))
        rows.append(clean_row(message, (order, order), edition))
    rng.shuffle(rows)
    return rows


STAFF = (
    "What is the {t} of the {n}?",
    "What is the {t} for the {n}?",
    "I need the {t} of the {n}.",
    "Tell me the {t} of the {n}, please.",
    "Do you know the {t} of the {n}?",
    "Please look up the {t} for the {n}.",
    "A customer asks for the {t} of the {n}.",
    "Which {t} does the {n} have?",
)
REMARKS = ("", "", " Thanks.", " Thank you!", " Please.", " Many thanks.")


def _plain_facts(rng: random.Random, n: int, seed: int, edition: int) -> list[Row]:
    """Questions of shop staff in the handbook's own words for a figure, each about one article; the answer is the figure."""
    pool = [a for a in articles(seed) if a.value(edition)[0].isdigit()]
    rows, seen = [], set()
    rng.shuffle(pool)
    ids = rng.sample(range(1000, 1000 + 9 * n + 100), n)
    turn = 0
    while len(rows) < n:
        sender, article = Sender(f"K-{ids[turn % n]}", False), pool[turn % len(pool)]
        turn += 1
        for _ in range(rng.randint(3, 5)):
            asked = rng.choice(STAFF).format(t=TOPICS[article.topic].title, n=article.entity.title)
            message = replace(
                ask_fact(rng, sender, article, "plain"), text=f"{asked}{rng.choice(REMARKS)}"
            )
            if message.text not in seen and len(rows) < n:
                seen.add(message.text)
                rows.append(clean_row(message, article.values, edition))
    rng.shuffle(rows)
    return rows


SCENARIOS: dict[str, Scenario] = {
    "main": Scenario(
        1200, "hybrid", "house rules are learnt by tuning, facts are read from passages", _desk
    ),
    "prompting": Scenario(
        1000,
        "prompting",
        "the order number stands in the message, so a good prompt is enough",
        _order_numbers,
    ),
    "rag": Scenario(
        1000, "RAG", "the answer is the figure of a data sheet and nothing else", _plain_facts
    ),
    "too_little": Scenario(
        70, "can't tell yet", "a dozen test messages cannot tell the strategies apart", _desk
    ),
}


def check(n: int, edition: int, scenario: str) -> None:
    """Refuse impossible sizes, editions and scenarios.

    Raises:
        BadInput: Names the argument, what it may be, and the nearest known scenario.
    """
    if scenario not in SCENARIOS:
        raise BadInput(
            f"is no scenario of the demo: {', '.join(SCENARIOS)}{nearest(scenario, list(SCENARIOS))}",
            where=f"scenario = {scenario!r}",
            todo="choose one of them",
        )
    if not SMALLEST <= n <= LARGEST:
        raise BadInput(
            f"the demo writes {SMALLEST} to {LARGEST:,} examples",
            where=f"examples = {n}",
            todo="choose a number in that range",
        )
    if edition not in (1, 2):
        raise BadInput(
            "the handbook has the editions 1 and 2",
            where=f"edition = {edition}",
            todo="choose 1 or 2",
        )


def example_rows(n: int, seed: int, scenario: str = "main", edition: int = 1) -> list[Row]:
    """Return the examples of a scenario; the messages are the same for both editions.

    Raises:
        BadInput: The size, edition or scenario is impossible.
    """
    check(n, edition, scenario)
    return SCENARIOS[scenario].build(random.Random(f"examples-{scenario}-{seed}"), n, seed, edition)
