"""Lessons on answering from passages, saying that they do not tell, and filling a JSON record."""

from __future__ import annotations

import json

from recipes.nano.draw import OPENERS, PEOPLE, Draw
from recipes.nano.facts import Article, Fact, absent, question, shelf, with_passages
from recipes.nano.labels import Lesson, instruction

NONE = [
    "we will check",
    "unknown",
    "not stated",
    "I do not know",
    "no answer found",
    "we will ask",
    "not in the passages",
    "we will look into it",
    "no information",
    "please ask us again",
    "none",
    "n/a",
    "we can not tell",
    "a colleague will reply",
]
CUES = {
    "high": [
        "this is urgent",
        "urgent!",
        "please as soon as you can",
        "asap",
        "I need it today",
        "right now please",
        "immediately",
        "it can not wait",
        "please hurry",
        "by tonight",
        "at once",
        "I need this tomorrow",
        "time is short",
    ],
    "low": [
        "no hurry",
        "whenever you can",
        "when you have time",
        "no rush",
        "it can wait",
        "take your time",
        "not urgent",
        "some day is fine",
        "just asking",
        "next month is fine",
        "it is not pressing",
    ],
}
SCALES = [("low", "normal", "high")] * 4 + [
    ("low", "medium", "high"),
    ("later", "soon", "now"),
    ("minor", "usual", "urgent"),
    ("P3", "P2", "P1"),
]


def none_phrase(d: Draw) -> str:
    """Return the phrase for a missing answer; one in four is made up, so that it must be copied from the prompt."""
    return (
        d.rng.choice(NONE) if d.chance(0.75) else f"{d.pick('no', 'see', 'ask', 'try')} {d.word()}"
    )


def passage_answer(d: Draw, turns: int = 0, missing: float = 0.25) -> Lesson:
    """Answer from passages, or say that they do not tell; several questions over the same passages."""
    articles, none = shelf(d), none_phrase(d)
    form = d.rng.choices(["value", "cite", "id", "sentence"], [0.55, 0.15, 0.15, 0.15])[0]
    lesson = Lesson("passage answer", [{"role": "system", "content": _told(d, form, none)}])
    order = _order(d, articles, turns or d.rng.randint(2, 6), missing)
    for i, (about, source) in enumerate(order):
        asked = _wrapped(d, question(d, about))
        lesson.say(
            "user", with_passages(articles, asked) if i == 0 else d.pick(f"Message: {asked}", asked)
        )
        lesson.say("assistant", none if source is None else _form(form, about, source))
        lesson.skill = "not there" if source is None else "passage answer"
    return lesson


def _order(
    d: Draw, articles: list[Article], count: int, missing: float
) -> list[tuple[Fact, Article | None]]:
    """Return what is asked: facts without repeats first, some of them absent (their article is None)."""
    told = [(f, a) for a in articles for f in a.facts]
    d.rng.shuffle(told)
    asked: list[tuple[Fact, Article | None]] = []
    for i in range(count):
        asked.append((absent(d, articles), None) if d.chance(missing) else told[i % len(told)])
    return asked


def _told(d: Draw, form: str, none: str) -> str:
    frames = {
        "value": [
            "Answer from the passages.",
            "Give the value only.",
            "Answer in at most 4 words.",
            "Say what the passages tell, in few words.",
        ],
        "cite": [
            "Answer from the passages and cite the passage.",
            "Give the value and the id of its passage in brackets.",
            "Cite your source.",
        ],
        "id": [
            "Give the id of the passage that answers.",
            "Which passage tells it? Give its id.",
            "Name the source only.",
        ],
        "sentence": [
            "Answer in at most 20 words.",
            "Answer with the sentence that tells it.",
            "Quote the passage.",
            "Answer in one sentence.",
        ],
    }[form]
    missing = d.pick(
        f'If they do not tell, say "{none}".',
        f'If the answer is not there, reply "{none}".',
        f'Say "{none}" if no passage tells it.',
        f'Otherwise "{none}".',
        f'When nothing fits, answer "{none}".',
        f"if not found: {none}",
    )
    joint = d.pick(" ", "\n")
    return f"{instruction(d)}{joint}{d.rng.choice(frames)}{joint}{missing}".strip()


def _form(form: str, about: Fact, source: Article) -> str:
    return {
        "value": about.value,
        "cite": f"{about.value} [{source.id}]",
        "id": source.id,
        "sentence": about.said,
    }[form]


def _wrapped(d: Draw, asked: str) -> str:
    """Return a question among openers and asides, more often later on."""
    if d.chance(0.3 + 0.3 * d.level):
        asked = d.pick(
            f"{asked} {d.aside()}",
            f"{d.aside()} {asked}",
            d.rng.choice(OPENERS) + asked,
            f"{asked} Thanks, {d.rng.choice(PEOPLE)}",
        )
    return asked


KEYS = {
    "category": ["category", "category", "label", "topic", "department", "kind", "intent", "team"],
    "urgency": ["urgency", "urgency", "priority", "speed"],
    "reply": ["reply", "reply", "answer", "value", "fact"],
    "source": ["source", "source", "passage", "cited", "article"],
    "order": ["order", "order number", "reference", "code"],
    "name": ["name", "product", "item"],
}


def json_record(d: Draw, turns: int = 0) -> Lesson:
    """Fill records with the keys the prompt names: label, urgency, reply, source, order number, product."""
    house = d.chance(0.45)
    fields = (
        ["category", "urgency", "reply", "source"]
        if house
        else d.rng.sample(list(KEYS), d.rng.randint(1, 2 + round(2 * d.level)))
    )
    keys = {f: f if house and d.chance(0.8) else d.rng.choice(KEYS[f]) for f in fields}
    groups, scale, none = (
        d.groups(d.rng.randint(2, 3 + round(4 * d.level))),
        d.rng.choice(SCALES),
        none_phrase(d),
    )
    lookup = bool({"reply", "source"} & set(fields))
    articles = shelf(d) if lookup and d.chance(0.75) else []
    lesson = Lesson(
        "json record",
        [{"role": "system", "content": _schema(d, keys, [g.label for g in groups], scale, none)}],
    )
    for i in range(turns or d.rng.randint(2, 4)):
        group, order, level = d.rng.choice(groups), d.code(), d.rng.choice([0, 1, 1, 2])
        told = [(f, a) for a in articles for f in a.facts]
        about, source = (
            d.rng.choice(told) if told and d.chance(0.8) else (absent(d, articles), None)
        )
        parts = (
            [
                d.message(
                    [group.word, *group.clues] if d.chance(0.5 - 0.3 * d.level) else group.clues
                )
            ]
            if "category" in keys
            else []
        )
        parts += [question(d, about)] if lookup or "name" in keys else []
        parts += (
            [
                d.pick(
                    "Order {}.", "My order is {}.", "It is number {}.", "ref {}", "order {}"
                ).format(order)
            ]
            if "order" in keys
            else []
        )
        parts += (
            [d.rng.choice(CUES["high" if level == 2 else "low"]) + d.pick(".", "", "!")]
            if level != 1 and "urgency" in keys
            else []
        )
        d.rng.shuffle(parts)
        message = " ".join(parts) or d.aside()
        answers = {
            "category": group.label,
            "urgency": scale[level],
            "order": order,
            "name": about.thing,
            "reply": none if source is None else about.value,
            "source": "" if source is None else source.id,
        }
        lesson.say("user", with_passages(articles, message) if articles and i == 0 else message)
        lesson.say(
            "assistant", json.dumps({keys[f]: answers[f] for f in fields}, separators=(",", ":"))
        )
    return lesson


def _schema(
    d: Draw, keys: dict[str, str], labels: list[str], scale: tuple[str, ...], none: str
) -> str:
    """Return the system turn of a record, most often in the workbench's own form."""
    quoted = ",".join(f'"{k}"' for k in keys.values())
    first = (
        f"Answer with JSON with the keys {quoted}."
        if d.chance(0.7)
        else d.pick(f"Fill a JSON record: {quoted}", f"Reply as JSON with {quoted} only.")
    )
    lines = [f"{instruction(d)}\n{first}".strip()]
    if "category" in keys:
        lines.append(f"{keys['category']} is one of " + ",".join(f'"{x}"' for x in labels) + ".")
    if "urgency" in keys:
        lines.append(f"{keys['urgency']} is one of " + ",".join(f'"{x}"' for x in scale) + ".")
    if "reply" in keys:
        reply = keys["reply"]
        lines.append(
            d.pick(
                f'{reply} comes from the passages; if they do not tell, {reply} "{none}".',
                f'{reply} is taken from the passages, else "{none}".',
                f'{reply} comes from the passages; if they do not tell, {reply} is "{none}".',
                f'if the passages do not tell, {reply} is "{none}".',
            )
        )
    if "source" in keys:
        lines.append(
            d.pick(
                f"{keys['source']} is the id of the passage.",
                f"{keys['source']} is the id of the passage that tells it, else empty.",
            )
        )
    return "\n".join(lines)
