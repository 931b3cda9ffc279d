"""The handbook: one short Markdown article per fact, in two editions between which a fifth of the facts change."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ftkit.core.run_folder import write_text
from recipes.demo.company import ENTITIES, Entity
from recipes.demo.topics import TOPICS, Topic

CHANGED_SHARE = 0.2


@dataclass(frozen=True)
class Article:
    """One article and its fact.

    Attributes:
        id: Such as ``H-012``.
        entity: What it is about.
        topic: Key of the topic.
        values: The value in edition 1 and in edition 2.
        sentences: Its sentences; the value stands as ``{v}``.
    """

    id: str
    entity: Entity
    topic: str
    values: tuple[str, str]
    sentences: tuple[str, ...]

    @property
    def title(self) -> str:
        """The headline."""
        return f"{self.entity.title}: {TOPICS[self.topic].title}"

    @property
    def category(self) -> str:
        """The desk's category of questions about it."""
        return TOPICS[self.topic].category

    @property
    def changed(self) -> bool:
        """Whether the fact differs between the editions."""
        return self.values[0] != self.values[1]

    def value(self, edition: int) -> str:
        """Return the value in an edition (1 or 2)."""
        return self.values[edition - 1]

    def markdown(self, edition: int, bare: bool = False) -> str:
        """Return the article as Markdown: headline, then its sentences; bare: only the one that holds the fact, as a data sheet."""
        said = [s for s in self.sentences if not bare or "{v}" in s]
        return f"# {self.title}\n\n{' '.join(said).replace('{v}', self.value(edition))}\n"


def possible_values(topic: Topic) -> list[str]:
    """Return every value that a topic's facts may have."""
    values = topic.values
    if values == ("code",):
        return [f"{a}{b}-{n}" for a in "CDKMPTX" for b in "ALNRS" for n in range(112, 990, 61)]
    if values == ("morning",):
        return [f"{hour} am" for hour in range(6, 12)]
    if values == ("afternoon",):
        return [f"{hour} pm" for hour in range(1, 9)]
    if len(values) == 4 and isinstance(values[1], int):
        unit, low, high, step = values
        return [f"{n} {unit}" for n in range(int(low), int(high) + 1, int(step))]
    return [str(v) for v in values]


@cache
def articles(seed: int = 7) -> tuple[Article, ...]:
    """Return the handbook's articles in the order of their ids; within a topic no two things share a value."""
    rng = random.Random(f"handbook-{seed}")
    pairs = [(entity, topic) for entity in ENTITIES for topic in entity.topics]
    rng.shuffle(pairs)
    free: dict[str, list[str]] = {topic: possible_values(TOPICS[topic]) for topic in sorted(TOPICS)}
    for values in free.values():
        rng.shuffle(values)
    used: set[str] = set()
    first = [_draw(free[topic], used) for _, topic in pairs]
    later = list(first)
    for index in rng.sample(range(len(pairs)), len(pairs)):
        if free[pairs[index][1]] and sum(map(str.__ne__, first, later)) < round(
            CHANGED_SHARE * len(pairs)
        ):
            later[index] = _draw(free[pairs[index][1]], used)
    made = []
    for index, (entity, topic) in enumerate(pairs):
        made.append(
            Article(
                f"H-{index + 1:03d}",
                entity,
                topic,
                (first[index], later[index]),
                _sentences(rng, entity, topic),
            )
        )
    return tuple(made)


def _draw(free: list[str], used: set[str]) -> str:
    """Take a value that no other article has, where there is one, so that a wrong passage does not hold the right value."""
    value = next((v for v in free if v not in used), free[0])
    free.remove(value)
    used.add(value)
    return value


def _sentences(rng: random.Random, entity: Entity, topic: str) -> tuple[str, ...]:
    """The fact first or second, then notes: short, so that two or three articles fit a small context."""
    about = TOPICS[topic]
    fact = rng.choice(about.say).replace("{the}", f"the {entity.title}")
    notes = rng.sample(about.notes, 3)
    return (notes[0], fact, *notes[1:]) if rng.random() < 0.3 else (fact, *notes)


def write_articles(folder: Path, edition: int, seed: int, bare: bool = False) -> Path:
    """Write one file per article, named by its id; bare: as data sheets."""
    folder.mkdir(parents=True, exist_ok=True)
    for article in articles(seed):
        write_text(folder / f"{article.id}.md", article.markdown(edition, bare))
    return folder
