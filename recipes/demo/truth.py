"""The planted truth as one JSON file, for tests only: no stage of the workbench reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ftkit.core.run_folder import write_text
from recipes.demo.company import COMPANY, HOUSE_RULES
from recipes.demo.defects import Row
from recipes.demo.handbook import articles
from recipes.demo.messages import Message
from recipes.demo.scenarios import SCENARIOS, example_rows
from recipes.demo.topics import TOPICS
from recipes.demo.traffic import arrivals, events


def truth(n: int, seed: int, scenario: str, edition: int, traffic: int) -> dict[str, Any]:
    """Return the whole truth; rows and arrivals are counted from 0 in the order of their files."""
    rows = example_rows(n, seed, scenario, edition)
    number = {id(row): index for index, row in enumerate(rows)}
    kinds = sorted({row.planted for row in rows if row.planted})
    copies = [(index, number[id(row.of)]) for index, row in enumerate(rows) if row.of is not None]
    return {
        "company": COMPANY,
        "scenario": scenario,
        "seed": seed,
        "edition": edition,
        "house_rules": HOUSE_RULES,
        "right_answer": SCENARIOS[scenario].right_answer,
        "why": SCENARIOS[scenario].why,
        "articles": {
            a.id: {
                "title": a.title,
                "topic": TOPICS[a.topic].title,
                "category": a.category,
                "values": list(a.values),
                "changed": a.changed,
                "popular": a.entity.popular,
            }
            for a in articles(seed)
        },
        "rows": [_row(index, row, number) for index, row in enumerate(rows)],
        "defects": {
            kind: [i for i, row in enumerate(rows) if row.planted == kind] for kind in kinds
        },
        "leaks": [[i, of] for i, of in copies if rows[i].customer != rows[of].customer],
        "traffic": {
            "events": events(),
            "messages": [
                {
                    "row": i,
                    "week": a.week,
                    "edition": a.edition,
                    "drift": a.drift,
                    **_meant(a.message),
                    "expected": a.message.answer(a.edition),
                }
                for i, a in enumerate(arrivals(traffic, seed))
            ],
        },
    }


def _row(index: int, row: Row, number: dict[int, int]) -> dict[str, Any]:
    of = -1 if row.of is None else number[id(row.of)]
    return {
        "row": index,
        "planted": row.planted,
        "of": of,
        **_meant(row.message),
        "answers": list(row.right),
    }


def _meant(message: Message) -> dict[str, Any]:
    """What a message needs and what decides its answer."""
    return {
        "cause": message.cause,
        "intent": message.intent,
        "article": message.article.id if message.article else "",
        "category": message.category,
        "urgency": message.urgency,
        "cue": message.cue,
        "business": message.business,
    }


def write_truth(
    path: Path,
    n: int = 1200,
    seed: int = 7,
    *,
    scenario: str = "main",
    edition: int = 1,
    traffic: int = 1800,
) -> Path:
    """Write the planted truth of examples, handbook and traffic as JSON.

    Args:
        path: File to write.
        n: Number of examples, as given to ``write_examples``.
        seed: Seed, as given to the other writers.
        scenario: Scenario, as given to ``write_examples``.
        edition: KnowledgeUpdate, as given to ``write_examples``.
        traffic: Number of messages, as given to ``write_traffic``.

    Raises:
        BadInput: The size, edition or scenario is impossible.
    """
    write_text(
        path,
        json.dumps(truth(n, seed, scenario, edition, traffic), indent=1, ensure_ascii=False) + "\n",
    )
    return path
