"""Lessons to right-padded batches of about equal numbers of tokens, sorted by length so that little is padding."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import torch

from recipes.nano import curriculum
from recipes.nano.labels import Lesson
from recipes.nano.lexicon import Lexicon

LONGEST = 900


@dataclass
class Batch:
    """One step's lessons.

    Attributes:
        ids: Token ids ``[lessons, longest]``, zero-padded on the right.
        scored: True where a token carries loss, same shape.
        skills: The skill of each row.
    """

    ids: torch.Tensor
    scored: torch.Tensor
    skills: list[str]

    def by_skill(self, each: torch.Tensor) -> dict[str, float]:
        """Return the mean loss per skill, from the losses of the scored tokens in order."""
        rows = self.scored[:, 1:].nonzero()[:, 0].tolist()
        sums: dict[str, list[float]] = {}
        for row, loss in zip(rows, each.tolist(), strict=True):
            sums.setdefault(self.skills[row], []).append(loss)
        return {skill: sum(v) / len(v) for skill, v in sums.items()}


def encode(tok: Any, lessons: list[Lesson]) -> list[tuple[list[int], list[bool]]]:
    """Return each lesson's token ids and which of them carry loss: the scored answers with their end tokens."""
    texts = [m["content"] for lesson in lessons for m in lesson.messages]
    coded = iter(tok(texts, add_special_tokens=False)["input_ids"])
    end = tok.eos_token_id
    roles = {
        role: tok.convert_tokens_to_ids(f"<|{role}|>") for role in ("system", "user", "assistant")
    }
    made = []
    for lesson in lessons:
        ids: list[int] = []
        marks: list[bool] = []
        for i, message in enumerate(lesson.messages):
            content = next(coded)
            ids += [roles[message["role"]], *content, end]
            marks += [False] + [i in lesson.scored] * (len(content) + 1)
        made.append((ids, marks))
    return made


def pool(
    rng: random.Random, tok: Any, words: Lexicon, level: float, count: int, budget: int
) -> list[Batch]:
    """Return the batches of a pool of lessons, in random order; 6% are random symbols repeated, so that copying stays."""
    lessons = [curriculum.lesson(rng, words, level) for _ in range(count)]
    coded = [
        (ids, marks, les.skill)
        for (ids, marks), les in zip(encode(tok, lessons), lessons, strict=True)
        if len(ids) <= LONGEST
    ]
    coded += [(*_repeat(rng, len(tok)), "repeat") for _ in range(count // 12)]
    coded.sort(key=lambda c: len(c[0]))
    made: list[Batch] = []
    while coded:
        rows = 1
        while rows < len(coded) and (rows + 1) * len(coded[-1][0]) <= budget:
            rows += 1
        made.append(_padded(coded[-rows:]))
        del coded[-rows:]
    rng.shuffle(made)
    return made


def copies(rng: random.Random, size: int, budget: int, longest: int) -> list[Batch]:
    """Return one batch of random symbols repeated, loss on the repeat only; short ones first, they give the stronger hint."""
    length = rng.randint(4, longest)
    rows = [(*_repeat(rng, size, length), "repeat") for _ in range(budget // (2 * length))]
    return [_padded(rows)]


def _repeat(rng: random.Random, size: int, length: int = 0) -> tuple[list[int], list[bool]]:
    length = length or rng.randint(8, 60)
    one = [rng.randrange(5, size) for _ in range(length)]
    return one + one, [False] * (length + 1) + [True] * (length - 1)


def _padded(rows: list[tuple[list[int], list[bool], str]]) -> Batch:
    width = max(len(ids) for ids, _, _ in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    scored = torch.zeros(len(rows), width, dtype=torch.bool)
    for i, (tokens, marks, _) in enumerate(rows):
        ids[i, : len(tokens)] = torch.tensor(tokens)
        scored[i, : len(tokens)] = torch.tensor(marks)
    return Batch(ids, scored, [skill for _, _, skill in rows])
