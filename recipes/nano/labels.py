"""Lessons on choosing a label that the prompt names, and on following a pattern that only examples show."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from recipes.nano.draw import Draw, Group


@dataclass
class Lesson:
    """One training conversation.

    Attributes:
        skill: Which skill it teaches.
        messages: All turns; the last one is the assistant's.
        scored: Indices of the assistant's turns that can be known and carry the loss.
    """

    skill: str
    messages: list[dict[str, str]]
    scored: list[int] = field(default_factory=list)

    @property
    def answer(self) -> str:
        """The last turn's text."""
        return self.messages[-1]["content"]

    def say(self, role: str, content: str, scored: bool = True) -> None:
        """Add a turn."""
        self.messages.append({"role": role, "content": content})
        if role == "assistant" and scored:
            self.scored.append(len(self.messages) - 1)


def instruction(d: Draw) -> str:
    """Return a task's opening sentence in one of many wordings."""
    rng = d.rng
    frames = [
        "Sort the messages of our {w} desk.",
        "You work for a {w} company.",
        "Read the message and do what is asked.",
        "Classify the message.",
        "Answer the customers of {n}.",
        "You are the assistant of {n}.",
        "Find out what the message is about.",
        "Route each request to the right team.",
        "Help the {w} team.",
        "Label the text.",
        "You answer questions about {w}.",
        "Work through the inbox of {n}.",
        "Be exact.",
        "Reply to the customer.",
        "Decide what the writer wants.",
        "Customers write to {n} about {w}.",
        "Fill the form for the {w} service.",
        "Short answers only.",
        "",
        "Answer customer messages in our house format.",
        "Tag every ticket with its topic.",
        "You support the users of an app for {w}.",
    ]
    said = rng.choice(frames).format(w=d.word(), n=d.name())
    return (
        said
        if d.chance(0.75)
        else f"{said} {rng.choice(frames).format(w=d.word(), n=d.name())}".strip()
    )


def label_prompt(d: Draw, labels: list[str]) -> str:
    """Return the system turn that names the labels; half of them in the workbench's own form, one label a line."""
    lines, listed = "\n".join(labels), ", ".join(labels)
    if d.chance(0.5):
        return f"{instruction(d)}\nAnswer with one of these labels:\n{lines}".strip()
    told = d.pick(
        f"Labels: {listed}",
        f"Choose one label: {listed}",
        f"Classify the message. Labels: {listed}.",
        f"Which of these fits: {listed}?",
        f"Answer with one of these labels: {listed}",
        "Topics:\n- " + "\n- ".join(labels),
        f"Pick the category of the text.\n{lines}",
        f"category is one of {json.dumps(labels, separators=(',', ':'))[1:-1]}.",
        f"The text is about one of: {listed}. Say which one.",
        f"Possible intents: {'; '.join(labels)}",
        f"Is it {', '.join(labels[:-1])} or {labels[-1]}?",
    )
    return f"{instruction(d)}\n{told}".strip() if d.chance(0.5) else told


def counted_labels(d: Draw) -> int:
    """Return how many labels a lesson lists: mostly 2-8, a few long lists later on."""
    if d.level > 0.5 and d.chance(0.04):
        return d.rng.randint(20, 80)
    if d.level > 0.2 and d.chance(0.12):
        return d.rng.randint(9, 16)
    return d.rng.randint(2, 3 + round(5 * d.level))


def label_choice(d: Draw, turns: int = 0) -> Lesson:
    """Choose the label, named in the prompt, that fits; several messages over one list."""
    groups = d.groups(counted_labels(d))
    lesson = Lesson(
        "label choice", [{"role": "system", "content": label_prompt(d, [g.label for g in groups])}]
    )
    for _ in range(turns or d.rng.randint(2, 7)):
        right = d.rng.choice(groups)
        lesson.say("user", d.message(_spoken(d, right)))
        lesson.say("assistant", right.label)
    return lesson


def _spoken(d: Draw, group: Group) -> list[str]:
    """Return the clues to draw from: at times the topic's own word among them, more often at the start."""
    return [group.word, *group.clues] if d.chance(0.5 - 0.35 * d.level) else group.clues


def pattern(d: Draw, shots: int = 0) -> Lesson:
    """Follow examples: groups of messages with labels that only the examples tell, or an operation on the text."""
    if not shots and d.chance(0.3):
        return operation(d)
    count = 2 if shots else d.rng.choices([2, 3, 4], [0.6, 0.25, 0.15])[0]
    groups = d.groups(count)
    names = _pattern_labels(d, groups)
    reach = 2 + round(6 * d.level)
    clues = [d.rng.sample(g.clues, min(reach, len(g.clues))) for g in groups]
    told = d.pick(
        "Answer as in the examples.",
        "Follow the examples.",
        "Go on like this.",
        instruction(d),
        instruction(d),
        "Sort the texts.",
    )
    lesson = Lesson("pattern", [{"role": "system", "content": told}])
    order = (
        [*range(count)] * (shots // count)
        if shots
        else [d.rng.randrange(count) for _ in range(d.rng.randint(5, 12))]
    )
    d.rng.shuffle(order)
    seen: set[int] = set()
    for i in [*order, d.rng.randrange(count)] if shots else order:
        lesson.say("user", d.message(clues[i]))
        lesson.say("assistant", names[i], scored=i in seen)
        seen.add(i)
    if not lesson.scored or lesson.scored[-1] != len(lesson.messages) - 1:
        lesson.say("user", d.message(clues[i]))
        lesson.say("assistant", names[i])
    return lesson


def _pattern_labels(d: Draw, groups: list[Group]) -> list[str]:
    """Return one answer per group: its meaning, an unrelated word, a letter, a made-up name, or a record."""
    kind = d.rng.random()
    if kind < 0.25:
        names = [g.label for g in groups]
    elif kind < 0.6:
        names = [g.word for g in d.groups(len(groups))]
    elif kind < 0.7:
        names = d.rng.sample("ABCDEFGHKLMNPRSTXYZ", len(groups))
    else:
        names = [d.name().lower() if d.chance(0.5) else d.name() for _ in groups]
    if d.chance(0.25):
        key = d.pick("category", "label", "team", "queue", "topic", d.word())
        return [json.dumps({key: n}, separators=(",", ":")) for n in names]
    return names


def operation(d: Draw) -> Lesson:
    """Follow examples that show an operation on the text: its first or last word, its number, code or name."""
    lesson = Lesson(
        "pattern",
        [
            {
                "role": "system",
                "content": d.pick(
                    "Answer as in the examples.", "Follow the examples.", instruction(d)
                ),
            }
        ],
    )
    kind = d.pick("first", "last", "code", "value", "name", "word", "both", "json")
    frame = d.pick(
        "{a} and {c} with {v}",
        "order {c}, {a}, {v}",
        "{v} for {a} ({c})",
        "{a}: {v}, {c}",
        "we have {a} {v} and {c}",
    )
    key = d.pick("name", "item", "order", d.word())
    for i in range(d.rng.randint(4, 8)):
        a, c, v = d.name(), d.code(), f"{d.rng.randint(2, 99)} {d.word()}"
        text = frame.format(a=a, c=c, v=v)
        answer = {
            "first": text.split()[0],
            "last": text.split()[-1],
            "code": c,
            "value": v,
            "name": a,
            "word": v.split()[1],
            "both": f"{c} {a}",
            "json": json.dumps({key: a}, separators=(",", ":")),
        }[kind]
        lesson.say("user", text)
        lesson.say("assistant", answer, scored=i > 0)
    return lesson
