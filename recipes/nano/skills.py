"""The skill card: what the nano base can do, measured on held-out seeds. ``python -m recipes.nano.skills``."""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import Field

from ftkit.core.records.base import Record
from ftkit.core.statistics import wilson
from ftkit.models.nano import checkpoint_folder, file_hashes
from recipes.nano import curriculum

AIMS = {
    "label choice": 0.95,
    "pattern from 4 examples": 0.80,
    "answer from a passage": 0.95,
    "saying not there": 0.85,
    "JSON valid and right": 0.98,
    "exact copying": 0.95,
    "length kept": 0.90,
    "extraction": 0.95,
}


class Skill(Record):
    """One skill as measured."""

    skill: str = Field(description="name of the skill")
    items: int = Field(description="number of held-out items")
    correct: int = Field(description="items answered exactly right")
    share: float = Field(description="correct / items, 0..1")
    low: float = Field(description="lower end of the 95% Wilson interval")
    high: float = Field(description="upper end of the 95% Wilson interval")
    aim: float = Field(description="share aimed at")


class SkillCard(Record):
    """What the nano base can do, and what it took to make it."""

    skills: list[Skill] = Field(description="one entry per skill")
    weights_sha256: dict[str, str] = Field(
        description="SHA-256 of the measured weight files, by name"
    )
    parameters: int = Field(description="number of weights")
    tokens: int = Field(description="training tokens")
    steps: int = Field(description="training steps")
    minutes: float = Field(description="training time in minutes, one core")
    loss: float = Field(description="smoothed training loss at the end, nats per answer token")
    seed: int = Field(description="seed of the held-out items")
    date: str = Field(description="day of the measurement, ISO 8601")


def measure(model: Any, items: int, seed: int) -> list[Skill]:
    """Ask a chat model a number of held-out items of every skill and count the exactly right answers."""
    measured = []
    for skill, aim in AIMS.items():
        began = time.monotonic()
        asked = [curriculum.skill_item(skill, i, seed) for i in range(items)]
        replies = model.answer([a.messages[:-1] for a in asked])
        correct = sum(r.text == a.answer for r, a in zip(replies, asked, strict=True))
        share = wilson(correct, items)
        measured.append(
            Skill(
                skill=skill,
                items=items,
                correct=correct,
                share=share.value,
                low=round(share.low, 4),
                high=round(share.high, 4),
                aim=aim,
            )
        )
        print(
            f"{skill:<26}{correct / items:6.1%}  [{share.low:.1%}, {share.high:.1%}]  aim {aim:.0%}  {time.monotonic() - began:.0f} s",
            flush=True,
        )
    return measured


def card(folder: Path, items: int = 500, seed: int = 1) -> SkillCard:
    """Measure the checkpoint in a folder and return its card."""
    from ftkit.models.local import LocalModel

    recipe = json.loads((folder / "recipe.json").read_text())
    skills = measure(
        LocalModel(str(folder), batch_size=32, max_new_tokens=64, threads=1), items, seed
    )
    hashes = {
        name: digest
        for name, digest in file_hashes(folder).items()
        if name.endswith(".safetensors")
    }
    return SkillCard(
        skills=skills,
        weights_sha256=hashes,
        parameters=recipe["parameters"],
        tokens=recipe["tokens"],
        steps=recipe["step"],
        minutes=round(recipe["seconds"] / 60, 1),
        loss=recipe["loss"],
        seed=seed,
        date=datetime.now(UTC).date().isoformat(),
    )


def main() -> None:
    """Measure the shipped checkpoint, or another folder's, and write ``skill_card.json`` beside it."""
    parser = argparse.ArgumentParser(description="Measure what the nano base can do.")
    parser.add_argument("--folder", type=Path, default=checkpoint_folder())
    parser.add_argument("--items", type=int, default=500, help="items a skill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dry", action="store_true", help="print only, write nothing")
    given = parser.parse_args()
    made = card(given.folder, given.items, given.seed)
    if not given.dry:
        (given.folder / "skill_card.json").write_text(made.model_dump_json(indent=2) + "\n")


if __name__ == "__main__":
    main()
