"""Seeded generators of skills, not facts: copying, labels, patterns, passages, JSON records.

Every name, value and number is drawn anew, so that nothing can be learnt by heart; what stays is how to follow a
prompt. The demo company and its handbook never occur here (a test holds that).
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass

SYLLABLES = "ba be bi bo da de do fa fe ga go ha ka ke ko la le li lo ma me mi mo na ne no pa pe po ra re ri ro sa se so ta te to va ve vo".split()
THEMES = {
    "shipping": "parcel courier van tracking arrive dispatch postal carrier".split(),
    "refunds": "refund exchange send back unwanted return faulty".split(),
    "payment": "invoice card charged paid bill receipt fee".split(),
    "account": "password login profile email username sign settings".split(),
    "booking": "room reserve night guest checkin suite".split(),
    "technical": "error crash screen update install broken slow".split(),
    "medical": "pain doctor nurse fever clinic dose".split(),
    "library": "book loan shelf reader borrow title".split(),
    "garden": "plant soil water seed flower tree".split(),
    "travel": "flight train ticket airport seat platform".split(),
    "food": "meal soup bread cook menu taste".split(),
    "staff": "salary holiday manager shift contract training".split(),
}
OPENERS = ["hello,", "hi there,", "good morning,", "please help:", "quick question:", "", "", "dear team,"]
FRAMES = [
    "I have a question about the {w} and the {v}", "the {w} is not right, see the {v}", "what about my {w} and {v}",
    "can you look at the {w}, it concerns a {v}", "we need the {w} soon because of the {v}", "something with {w} or {v}",
]  # fmt: skip
TOPICS = [
    "opening time", "cleaning period", "storage fee", "repair cost", "loan time", "service interval", "waiting time", "weight limit",
    "battery life", "delivery time", "test period", "return window", "warranty", "rental price", "washing temperature", "setup time",
]  # fmt: skip
THINGS = ["lamp", "tent", "bag", "kit", "chair", "plan", "card", "boots", "jacket", "stove", "bike", "phone"]
UNITS = ["days", "months", "weeks", "hours", "minutes", "euros", "kg", "degrees", "years"]
ABSENT = ["not in the passages", "we will check", "unknown"]


@dataclass
class Lesson:
    """One training conversation.

    Attributes:
        skill: Which skill it teaches.
        messages: System and user turns (few-shot turns too).
        answer: The right answer.
    """

    skill: str
    messages: list[dict[str, str]]
    answer: str


def name(rng: random.Random) -> str:
    """Return a made-up name such as 'Velora'."""
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 3))).capitalize()


def value(rng: random.Random) -> str:
    """Return a value such as '34 days'."""
    return f"{rng.randint(2, 99)} {rng.choice(UNITS)}"


def code(rng: random.Random) -> str:
    """Return an identifier such as 'KX-48213' or 'H-012'."""
    letters = "".join(rng.choice("ABCDEFGHKLMNPRSTX") for _ in range(rng.randint(1, 2)))
    return f"{letters}-{rng.randint(0, 10 ** rng.randint(2, 5) - 1):03d}"


def sentence(rng: random.Random, theme: str) -> str:
    """Return a sentence with two words of a theme."""
    words = rng.sample(THEMES[theme], 2)
    return f"{rng.choice(OPENERS)} {rng.choice(FRAMES).format(w=words[0], v=words[1])}{rng.choice(['.', '?', ' please.', '!'])}".strip()


def turns(system: str, user: str) -> list[dict[str, str]]:
    """Return the two turns of a prompt."""
    return [{"role": "system", "content": system}, {"role": "user", "content": user}]


def copying(rng: random.Random) -> Lesson:
    """Copy an exact string."""
    words = [rng.choice([name, code, value])(rng) for _ in range(rng.randint(2, 9))]
    text = " ".join(words)
    return Lesson(
        "copying", turns(rng.choice(["Repeat the text.", "Copy exactly what is written.", "Say it again."]), text), text
    )


def label_choice(rng: random.Random) -> Lesson:
    """Choose the label, named in the prompt, that fits the text."""
    labels = rng.sample(list(THEMES), rng.randint(2, 6))
    right = rng.choice(labels)
    told = rng.choice(
        ["Labels: {}", "Choose one label: {}", "Classify the message. Labels: {}", "Answer with one of these labels: {}"]
    )
    return Lesson("label choice", turns(told.format(", ".join(labels)), sentence(rng, right)), right)


def pattern(rng: random.Random) -> Lesson:
    """Follow a pattern from examples: made-up labels that only the examples explain."""
    themes = rng.sample(list(THEMES), 2)
    names = {theme: name(rng).lower() for theme in themes}
    shown = [*themes, *rng.choices(themes, k=rng.randint(2, 4))]
    rng.shuffle(shown)
    asked = rng.choice(themes)
    shots = [
        m for t in shown for m in ({"role": "user", "content": sentence(rng, t)}, {"role": "assistant", "content": names[t]})
    ]
    system = {"role": "system", "content": rng.choice(["Answer as in the examples.", "Follow the examples."])}
    return Lesson("pattern", [system, *shots, {"role": "user", "content": sentence(rng, asked)}], names[asked])


@dataclass
class Fact:
    """One made-up fact: the topic of a thing has a value, told in an article."""

    article: str
    topic: str
    thing: str
    value: str

    def passage(self, rng: random.Random) -> str:
        """Return the passage that tells it, the key directly before the value."""
        said = f"{self.topic} for {self.thing}: {self.value}"
        rest = rng.choice(["", " This holds for all orders.", " Ask the desk for more.", " See also the list of terms."])
        return f"[{self.article}] {self.topic.capitalize()} for {self.thing}: {said.capitalize() if rng.random() < 0.3 else said}.{rest}"


def fact(rng: random.Random) -> Fact:
    """Draw a fact."""
    return Fact(code(rng), rng.choice(TOPICS), f"{name(rng)} {rng.choice(THINGS)}", value(rng))


def question(rng: random.Random, about: Fact) -> str:
    """Return a customer's question about a fact."""
    frames = [
        "what is the {t} for {n}?", "could you tell me the {t} of my {n}?", "how about the {t} for the {n}?",
        "I bought the {n}. What {t} does it have?", "{n}: {t}?", "we would like to know the {t} for {n}.",
    ]  # fmt: skip
    order = rng.choice(["", "", f" My order is {code(rng)}.", f" Order {code(rng)}."])
    return f"{rng.choice(OPENERS)} {rng.choice(frames).format(t=about.topic, n=about.thing)}{order}".strip()


def with_passages(rng: random.Random, facts: list[Fact], message: str) -> str:
    """Return the user's turn: passages, then the message."""
    told = "\n".join(f.passage(rng) for f in facts)
    return f"Passages:\n{told}\n\nMessage: {message}"


def passage_answer(rng: random.Random) -> Lesson:
    """Answer from passages, or say that they do not tell."""
    facts = [fact(rng) for _ in range(rng.choice([1, 1, 2, 2, 3]))]
    absent = rng.random() < 0.25
    asked = fact(rng) if absent else rng.choice(facts)
    none = rng.choice(ABSENT)
    cite = rng.random() < 0.4
    system = "Answer from the passages." + (" Cite the passage." if cite else "") + f' If they do not tell, say "{none}".'
    answer = none if absent else f"{asked.value} [{asked.article}]" if cite else asked.value
    skill = "not there" if absent else "passage answer"
    return Lesson(skill, turns(system, with_passages(rng, facts, question(rng, asked))), answer)


def json_record(rng: random.Random) -> Lesson:
    """Fill a JSON record: a label, copied fields, a value from a passage."""
    keys = rng.sample(["category", "topic", "name", "order", "value", "reply", "source", "kind"], rng.randint(1, 3))
    theme, about, order = rng.choice(list(THEMES)), fact(rng), code(rng)
    labels = rng.sample([t for t in THEMES if t != theme], 2) + [theme]
    rng.shuffle(labels)
    source = {
        "category": theme, "kind": theme, "topic": about.topic, "name": about.thing, "order": order,
        "value": about.value, "reply": about.value, "source": about.article,
    }  # fmt: skip
    system = f"Answer with JSON with the keys {', '.join(keys)}."
    if {"category", "kind"} & set(keys):
        system += f" {('category' if 'category' in keys else 'kind')} is one of: {', '.join(labels)}."
    message = f"{sentence(rng, theme)} {question(rng, about)} Order {order}."
    needs_passage = {"value", "reply", "source"} & set(keys)
    user = with_passages(rng, [about], message) if needs_passage else message
    answer = json.dumps({k: source[k] for k in keys}, separators=(",", ":"))
    return Lesson("json record", turns(system, user), answer)


def extraction(rng: random.Random) -> Lesson:
    """Extract the order number or the thing that a message names."""
    about, order = fact(rng), code(rng)
    what, answer = rng.choice([("order number", order), ("product", about.thing)])
    message = f"{rng.choice(OPENERS)} I ask about the {about.thing}, order {order}, {rng.choice(['thanks', 'soon please', 'it is late'])}."
    return Lesson(
        "extraction", turns(rng.choice(["Give the {}.", "Which {} is named?", "Extract the {}."]).format(what), message), answer
    )


def length(rng: random.Random) -> Lesson:
    """Keep to a length: repeat the first n words."""
    words = [name(rng).lower() for _ in range(rng.randint(4, 9))]
    n = rng.randint(1, 4)
    return Lesson(
        "length", turns(f"Give the first {n} words." if n > 1 else "Give the first 1 word.", " ".join(words)), " ".join(words[:n])
    )


SKILLS: dict[str, tuple[Callable[[random.Random], Lesson], float]] = {
    "copying": (copying, 0.14),
    "label choice": (label_choice, 0.16),
    "pattern": (pattern, 0.12),
    "passage answer": (passage_answer, 0.26),
    "json record": (json_record, 0.2),
    "extraction": (extraction, 0.07),
    "length": (length, 0.05),
}


def lesson(rng: random.Random) -> Lesson:
    """Draw a lesson from the mixture."""
    makers, weights = zip(*SKILLS.values(), strict=True)
    return rng.choices(makers, weights)[0](rng)
