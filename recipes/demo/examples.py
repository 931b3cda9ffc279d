"""The main scenario's examples: who writes how often about what.

Popular things are asked for by many private customers, once or twice each. Every other article is asked for by one or
two club or business accounts, several times each. As the rows of a customer stay together in one split, a good part of
the test set's facts was never seen in training: the long tail that a real desk has.
"""

from __future__ import annotations

import random
from collections import defaultdict

from recipes.demo.handbook import articles
from recipes.demo.messages import Message, Sender, ask_absent, ask_fact, request

FACT_SHARE, ABSENT_SHARE = 0.6, 0.04
ACCOUNT_SHARE = 0.17
"""Share of the senders that are accounts; as they write more often, half of the questions for facts are theirs."""
BUSINESS_SHARE = {"private": 0.08, "account": 0.5}
TOO_ALIKE, RECENT = 0.75, 20
"""Word overlap (Jaccard) from which a message is drawn again, against the last ones on the same matter: near copies are planted, not met by chance."""


def conversations(
    rng: random.Random, n: int, seed: int, style: str = "", facts: float = FACT_SHARE
) -> list[Message]:
    """Return ``n`` messages of the desk, none nearly the same as another, in random order.

    Args:
        rng: Source of every choice.
        n: Number of messages.
        seed: Seed of the handbook they are about.
        style: Empty, or ``chat`` for phone wording.
        facts: Share of messages that ask for a fact of the handbook.
    """
    popular = [a for a in articles(seed) if a.entity.popular]
    tail = [a for a in articles(seed) if not a.entity.popular]
    weights = [1 / (rank + 4) for rank in range(len(popular))]
    rng.shuffle(popular)
    rng.shuffle(tail)
    seen: dict[tuple[str, str], list[set[str]]] = defaultdict(list)
    made: list[Message] = []
    ids = iter(rng.sample(range(1000, 1000 + 9 * n + 100), n + 1))
    turn = 0

    def add(message: Message) -> None:
        alike = seen[message.intent, message.entity.name if message.entity else ""]
        words = set(message.text.lower().split())
        if all(len(words & other) < TOO_ALIKE * len(words | other) for other in alike[-RECENT:]):
            alike.append(words)
            made.append(message)

    while len(made) < n:
        wants_account = rng.random() < ACCOUNT_SHARE
        kind = "account" if wants_account else "private"
        sender = Sender(f"K-{next(ids)}", rng.random() < BUSINESS_SHARE[kind])
        article = tail[turn % len(tail)] if wants_account else rng.choices(popular, weights)[0]
        turn += wants_account
        for _ in range(rng.randint(5, 10) if wants_account else rng.choice([1, 1, 1, 2, 2, 3])):
            draw = rng.random()
            if draw < facts:
                add(ask_fact(rng, sender, article, style))
            elif draw < facts + ABSENT_SHARE:
                add(ask_absent(rng, sender, article.entity, style))
            else:
                add(request(rng, sender, article.entity if rng.random() < 0.6 else None, "", style))
    del made[n:]
    rng.shuffle(made)
    return made
