"""One message and its right answer: what is asked, the house rules applied to it, and the wording around it."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

from recipes.demo import phrases
from recipes.demo.company import ENTITIES, NEW_PRODUCT, NO_FACT, PRODUCTS, URGENCIES, Entity
from recipes.demo.handbook import Article
from recipes.demo.requests import REQUESTS
from recipes.demo.topics import TOPICS

ABSENT_TOPICS = (
    "return_window",
    "delivery_time",
    "warranty",
    "repair_price",
    "repair_time",
    "restock_day",
)
SHORTEST, LONGEST = 8, 35


@dataclass(frozen=True)
class Message:
    """A message with all that decides its answer.

    Attributes:
        text: What the customer wrote.
        customer: Customer id.
        cause: ``fact`` (needs the handbook), ``behaviour`` (needs only the house rules) or ``not in handbook`` (asks for
            a fact that no article tells).
        intent: Topic or kind of request.
        category: Right category.
        urgency: Right urgency.
        article: The gold article, for cause ``fact``.
        entity: What it is about, if anything.
        business: Written by a business customer (its order number starts with B-).
        cue: ``high``, ``low`` or empty: the urgency cue in the text.
    """

    text: str
    customer: str
    cause: str
    intent: str
    category: str
    urgency: str
    article: Article | None
    entity: Entity | None
    business: bool
    cue: str

    def fields(self, edition: int) -> dict[str, str]:
        """Return the right answer's fields under an edition of the handbook."""
        reply, source = (
            (self.article.value(edition), self.article.id) if self.article else (NO_FACT, "")
        )
        return {
            "category": self.category,
            "urgency": self.urgency,
            "reply": reply,
            "source": source,
        }

    def answer(self, edition: int) -> str:
        """Return the right answer in the house format."""
        return compact(self.fields(edition))


@dataclass(frozen=True)
class Sender:
    """Who writes.

    Attributes:
        id: Customer id such as ``K-1042``.
        business: Orders under B- numbers.
    """

    id: str
    business: bool


def compact(fields: dict[str, str]) -> str:
    """Return fields as compact JSON."""
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False)


def house_urgency(category: str, cue: str, business_order: bool, hurts: bool) -> str:
    """Return the urgency by the house rules: cue, business customers one step higher, billing never low, harm high."""
    level = {"low": 0, "": 1, "high": 2}[cue] + business_order
    level = max(level, 1) if category == "billing" else level
    return URGENCIES[2 if hurts else min(level, 2)]


def ask_fact(rng: random.Random, sender: Sender, article: Article, style: str = "") -> Message:
    """Return a question that an article answers."""
    return _question(rng, sender, article.entity, article.topic, "fact", article, style)


def ask_absent(
    rng: random.Random, sender: Sender, entity: Entity | None = None, style: str = ""
) -> Message:
    """Return a question about a product's fact that the handbook does not tell."""
    entity = entity if entity in (*PRODUCTS, NEW_PRODUCT) else rng.choice(PRODUCTS)
    topic = rng.choice([t for t in ABSENT_TOPICS if t not in entity.topics])
    return _question(rng, sender, entity, topic, "not in handbook", None, style)


def request(
    rng: random.Random,
    sender: Sender,
    entity: Entity | None = None,
    intent: str = "",
    style: str = "",
) -> Message:
    """Return a complaint or a request for action, about a given thing where that makes sense."""
    intent = intent or rng.choice(sorted(REQUESTS))
    kind = REQUESTS[intent]
    fitting = [
        e
        for e in ENTITIES
        if (e in PRODUCTS if kind.things == "product" else e.noun == kind.things)
    ]
    thing = entity if entity in fitting else rng.choice(fitting)
    said = phrases.naming(rng, thing.name, thing.noun)
    core = [phrases.fill(rng.choice(kind.happened), said), rng.choice(kind.wanted)]
    facts = ("behaviour", intent, kind.category, None, thing)
    return _compose(rng, sender, core, facts, kind.hurts, kind.things == "product", style)


CALLERS = tuple("Mia Jo Kim Ed Lena Marco Ines Julia Oskar Petra Hanna Tim".split())
WISHES = (
    "asks for a call",
    "wants the bill again",
    "will call back",
    "waits for an answer",
    "sent a photo",
    "has the receipt",
)


def order_note(rng: random.Random, sender: Sender) -> tuple[Message, str]:
    """Return a note of the phone desk (who called about what, the order number, what is wanted), and that number."""
    intent = rng.choice(sorted(name for name, kind in REQUESTS.items() if kind.things == "product"))
    kind, thing = REQUESTS[intent], rng.choice(PRODUCTS)
    order = phrases.order_number(rng, sender.business)
    text = f"{rng.choice(CALLERS)} about the {thing.title}, order {order}, {rng.choice(WISHES)}"
    urgency = house_urgency(kind.category, "", sender.business, kind.hurts)
    return Message(
        text,
        sender.id,
        "behaviour",
        intent,
        kind.category,
        urgency,
        None,
        thing,
        sender.business,
        "",
    ), order


def _question(
    rng: random.Random,
    sender: Sender,
    entity: Entity,
    topic: str,
    cause: str,
    article: Article | None,
    style: str,
) -> Message:
    about, said = TOPICS[topic], phrases.naming(rng, entity.name, entity.noun)
    if style == "plain":
        text = rng.choice(phrases.FRAMES).replace(
            "{p}", phrases.fill(about.phrases[0], f"the {entity.title}")
        )
    elif rng.random() < 0.5:
        text = phrases.fill(rng.choice(about.questions), said)
    else:
        text = rng.choice(phrases.FRAMES).replace(
            "{p}", phrases.fill(rng.choice(about.phrases), said)
        )
    lead = rng.choice(phrases.LEADS)
    core = [f"{lead} {text}".strip()]
    return _compose(
        rng,
        sender,
        core,
        (cause, topic, about.category, article, entity),
        False,
        entity in PRODUCTS,
        style,
    )


def _compose(
    rng: random.Random,
    sender: Sender,
    core: list[str],
    facts: tuple,
    hurts: bool,
    product: bool,
    style: str,
) -> Message:
    """Put the wording around the core and derive the answer by the house rules."""
    cause, intent, category, article, entity = facts
    cue = "" if style == "plain" else rng.choices(["high", "low", ""], [0.25, 0.22, 0.53])[0]
    ordered = style != "plain" and rng.random() < (0.85 if sender.business else 0.5)
    asides = [0, 0, 0, 1] if style == "plain" else [0, 1, 1, 2]
    contexts = phrases.CONTEXTS + (phrases.PRODUCT_CONTEXTS if product else ())
    order, text = phrases.order_number(rng, sender.business) if ordered else "", ""
    while not SHORTEST <= len(text.split()) <= LONGEST:
        text = _around(rng, core, rng.sample(contexts, rng.choice(asides)), cue, order)
    text = phrases.chatty(rng, text) if style == "chat" else text
    text = phrases.typo(rng, text) if style != "plain" and rng.random() < 0.1 else text
    business = ordered and sender.business
    urgency = house_urgency(category, cue, business, hurts)
    return Message(
        text, sender.id, cause, intent, category, urgency, article, entity, business, cue
    )


def _around(rng: random.Random, core: list[str], contexts: list[str], cue: str, order: str) -> str:
    """Put greeting, contexts, order number, urgency cue and closing around the core."""
    body = [*contexts, *core] if rng.random() < 0.7 else [*core, *contexts]
    if order:
        body.insert(rng.choice([0, len(body)]), rng.choice(phrases.ORDERS).replace("{o}", order))
    if cue:
        body.insert(
            rng.choice([0, len(body), len(body)]),
            rng.choice(phrases.HIGH if cue == "high" else phrases.LOW),
        )
    greeting = [rng.choice(phrases.GREETINGS)] if rng.random() < 0.6 else []
    closing = [rng.choice(phrases.CLOSINGS)] if rng.random() < 0.4 else []
    return " ".join([*greeting, *body, *closing])
