"""The mixture of skills that the nano base is taught: seeded, endless, and without a fact that could be learnt by heart."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import partial

from recipes.nano import lexicon
from recipes.nano.draw import PEOPLE, Draw
from recipes.nano.facts import with_passages
from recipes.nano.labels import Lesson, instruction, label_choice, pattern
from recipes.nano.passages import json_record, passage_answer

Messages = list[dict[str, str]]


def copying(d: Draw) -> Lesson:
    """Copy exact strings: names, codes, values, words."""
    told = d.pick(
        "Repeat the text.",
        "Copy exactly what is written.",
        "Say it again.",
        "Write the same text.",
        "Echo the message.",
        "Give it back unchanged.",
    )
    lesson = Lesson("copying", [{"role": "system", "content": told}])
    for _ in range(d.rng.randint(1, 3)):
        text = " ".join(
            d.rng.choice([d.name, d.code, d.value, d.word, d.word])()
            for _ in range(d.rng.randint(1, 8))
        )
        lesson.say("user", text)
        lesson.say("assistant", text)
    return lesson


def extraction(d: Draw) -> Lesson:
    """Extract what a message names: order number, product, person, amount, date."""
    system = d.pick(
        "Extract what is asked.",
        "Give only the {w}.",
        "Which {w} is named?",
        "Extract the {w}.",
        "Find the {w} in the text.",
    )
    kinds = ["order number", "product", "name", "amount", "day"]
    d.rng.shuffle(kinds)
    kind = kinds[0]
    lesson = Lesson(
        "extraction",
        [{"role": "system", "content": system.format(w=kind) if "{w}" in system else system}],
    )
    for _ in range(d.rng.randint(2, 4)):
        fields = {
            "order number": d.code(),
            "product": d.thing(),
            "name": d.rng.choice(PEOPLE),
            "amount": f"{d.rng.randint(2, 999)} euros",
            "day": f"{d.rng.randint(1, 28)} {d.pick('May', 'June', 'March')}",
        }
        parts = [
            d.pick("order {order number}", "my order is {order number}", "number {order number}"),
            d.pick("I bought the {product}", "the {product} is broken", "about the {product}"),
            d.pick("I am {name}", "my name is {name}", "{name} here"),
            d.pick("I paid {amount}", "it cost {amount}"),
            d.pick("it was on {day}", "since {day}"),
        ]
        shown = [p for p in parts if f"{{{kind}}}" in p] + d.rng.sample(
            [p for p in parts if f"{{{kind}}}" not in p], d.rng.randint(1, 4)
        )
        d.rng.shuffle(shown)
        text = d.pick(", ", ". ").join(shown)
        for key, value in fields.items():
            text = text.replace(f"{{{key}}}", value)
        lesson.say(
            "user",
            text + d.pick(".", "")
            if "{w}" in system
            else f"{text}. {d.pick('What is', 'Tell me', 'Give')} the {kind}{d.pick('?', '.')}",
        )
        lesson.say("assistant", fields[kind])
    return lesson


def length(d: Draw) -> Lesson:
    """Keep to a length: the first words, the last word, at most so many words."""
    n = d.rng.randint(1, 2 + round(4 * d.level))
    named = "word" if n == 1 else "words"
    told = d.pick(
        f"Give the first {n} {named}.",
        f"Answer with the first {n} {named} of the text.",
        f"Keep only the first {n} {named}.",
        f"Shorten to {n} {named}.",
        f"Cut the text after {n} {named}.",
    )
    lesson = Lesson(
        "length",
        [{"role": "system", "content": told if d.chance(0.6) else f"{instruction(d)}\n{told}"}],
    )
    for _ in range(d.rng.randint(1, 4)):
        words = [
            d.word() if d.chance(0.7) else d.name().split()[0]
            for _ in range(d.rng.randint(n, n + 6))
        ]
        lesson.say("user", " ".join(words))
        lesson.say("assistant", " ".join(words[:n]))
    return lesson


def tone(d: Draw) -> Lesson:
    """Begin or end as the prompt asks, and answer in between."""
    hello, bye = (
        d.pick("Hello", "Good day", "Dear customer", "Hi there", "Welcome"),
        d.pick("Thank you", "Best regards", "Kind regards", "All the best"),
    )
    start = d.chance(0.5)
    told = f'Begin with "{hello}".' if start else f'End with "{bye}".'
    if d.chance(0.3):
        told = (
            d.pick("Greet the customer first: {h}.", "Be polite and start with {h}.").format(
                h=hello
            )
            if start
            else f"Be polite and close with {bye}."
        )
    lesson = Lesson(
        "tone",
        [
            {
                "role": "system",
                "content": f"{d.pick('Repeat the name.', 'Copy the text.', 'Say what is written.')} {told}",
            }
        ],
    )
    for _ in range(d.rng.randint(1, 3)):
        text = d.thing() if d.chance(0.5) else d.value()
        lesson.say("user", text)
        lesson.say("assistant", f"{hello}, {text}" if start else f"{text}. {bye}")
    return lesson


def recall(d: Draw) -> Lesson:
    """Two turns of chat: what was told in the first is asked for in the second; also lists of key and value."""
    pairs = {
        d.word() if d.chance(0.6) else d.name(): d.rng.choice([d.value, d.code, d.name, d.word])()
        for _ in range(d.rng.randint(2, 4 + round(4 * d.level)))
    }
    joint = d.pick(": ", " is ", " = ", " has ", " - ")
    listed = d.pick("\n", ", ", ". ").join(f"{k}{joint}{v}" for k, v in pairs.items())
    lesson = Lesson(
        "recall",
        [
            {
                "role": "system",
                "content": d.pick(
                    "Remember what is told.", "Answer from what was said.", instruction(d)
                ),
            }
        ],
    )
    asked = d.rng.sample(list(pairs), min(len(pairs), d.rng.randint(2, 6)))
    if d.chance(0.5):
        lesson.say("user", listed)
        lesson.say("assistant", d.pick("OK", "Thank you"), scored=False)
        lesson.say("user", asked[0] + "?")
    else:
        lesson.say(
            "user",
            with_passages([], asked[0]).replace("Passages:\n", f"Facts:\n{listed}")
            if d.chance(0.5)
            else f"{listed}\n{asked[0]}?",
        )
    lesson.say("assistant", pairs[asked[0]])
    for key in asked[1:]:
        lesson.say("user", d.pick(f"{key}?", key, f"and {key}?", f"What about {key}?"))
        lesson.say("assistant", pairs[key])
    return lesson


def json_copy(d: Draw) -> Lesson:
    """Write given pairs as JSON: the form alone."""
    pairs = {
        d.word(): d.rng.choice([d.value, d.code, d.name, d.word])()
        for _ in range(d.rng.randint(1, 5))
    }
    keys = list(pairs)
    d.rng.shuffle(keys)
    told = d.pick(
        "Answer with JSON with the keys {}.", "Write JSON with {}.", "Fill the keys {}."
    ).format(",".join(f'"{k}"' for k in keys))
    lesson = Lesson("json copy", [{"role": "system", "content": told}])
    lesson.say(
        "user",
        d.pick(", ", "\n", ". ").join(f"{k}{d.pick(': ', ' is ')}{v}" for k, v in pairs.items()),
    )
    lesson.say("assistant", json.dumps({k: pairs[k] for k in keys}, separators=(",", ":")))
    return lesson


# Shares at the start and at the end of training: lookup is the hardest skill and comes last, so its share grows.
SKILLS: dict[str, tuple[Callable[[Draw], Lesson], float, float]] = {
    "copying": (copying, 0.10, 0.05),
    "recall": (recall, 0.14, 0.05),
    "label choice": (label_choice, 0.24, 0.22),
    "pattern": (pattern, 0.13, 0.12),
    "passage answer": (passage_answer, 0.2, 0.28),
    "json record": (json_record, 0.06, 0.16),
    "json copy": (json_copy, 0.03, 0.02),
    "extraction": (extraction, 0.04, 0.04),
    "length": (length, 0.04, 0.04),
    "tone": (tone, 0.02, 0.02),
}
# The hardest lessons: 2 to 6 labels (at times 16), 1 to 3 passages of 1 to 3 facts, a third of the questions in a near
# word. Harder ones (80 labels, 4 passages) were tried: a body of 0.7M weights then learns the easy ones no better than half.
HARDEST = 0.5
# What the skill card measures: the same generators at the hardest, topics from the held-out words.
MEASURED: dict[str, Callable[[Draw], Lesson]] = {
    "label choice": partial(label_choice, turns=1),
    "pattern from 4 examples": partial(pattern, shots=4),
    "answer from a passage": partial(passage_answer, turns=1, missing=0.0),
    "saying not there": partial(passage_answer, turns=1, missing=1.0),
    "JSON valid and right": partial(json_record, turns=1),
    "exact copying": copying,
    "length kept": length,
    "extraction": extraction,
}


def lesson(rng: random.Random, words: lexicon.Lexicon, level: float = 1.0) -> Lesson:
    """Draw a lesson from the mixture at a difficulty of 0..1 of the hardest."""
    weights = [start + (end - start) * level for _, start, end in SKILLS.values()]
    maker = rng.choices([m for m, _, _ in SKILLS.values()], weights)[0]
    return maker(
        Draw(rng, words, HARDEST * level * rng.random() ** 0.5)
    )  # easy ones stay among them, they carry the clearest signal


def _words() -> lexicon.Lexicon:
    return lexicon.read(lexicon.FOLDER)


def general_lessons(n: int, seed: int) -> list[tuple[Messages, str]]:
    """Return n lessons of the general mixture as (messages before the answer, answer)."""
    rng = random.Random(f"general-{seed}")
    made = [lesson(rng, _words()) for _ in range(n)]
    return [(m.messages[:-1], m.answer) for m in made]


def probe_items(n: int, seed: int) -> list[tuple[Messages, str, str]]:
    """Return n held-out items of the measured skills in turn, as (messages, right answer, skill)."""
    items: list[tuple[Messages, str, str]] = []
    for i in range(n):
        skill = list(MEASURED)[i % len(MEASURED)]
        made = skill_item(skill, i // len(MEASURED), seed)
        items.append((made.messages[:-1], made.answer, skill))
    return items


def skill_item(skill: str, number: int, seed: int) -> Lesson:
    """Return one held-out item of a measured skill; its seed is never used in training."""
    return MEASURED[skill](
        Draw(random.Random(f"held-out-{seed}-{skill}-{number}"), _words(), HARDEST, held_out=True)
    )
