"""Learning from preferences, in this process or in several that torchrun starts: all that is learnt from are plain values."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ftkit.core.parameters.preference import PreferenceParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.task import TaskCard
from ftkit.core.records.training import RL, PreferencePoint
from ftkit.models.chat import Messages
from ftkit.models.local import LocalModel
from ftkit.scoring.score import score_texts
from ftkit.training.distributed import JOB, POINT, launch
from ftkit.training.methods import release
from ftkit.training.preference import dpo, kto, reinforcement
from ftkit.training.preference.preference_trainer import open_folder

Bar = Callable[[int, int, str], None]
RESULT = "learnt.json"


@dataclass
class Lessons:
    """What is learnt from.

    Attributes:
        pairs: Encoded pairs, for ``dpo`` and for a reward model.
        held: Those that are only measured.
        graded: Encoded single answers, for ``kto``.
        graded_held: Those that are only measured.
        prompts: What is asked, by id, for ``grpo`` and ``rloo``, and of the pairs of a reward model.
        items: The examples that these prompts are of (columns ``records.EXAMPLE_COLUMNS``), for the task's checks.
        card: The task, as plain values.
    """

    pairs: list[dpo.Preferred] = field(default_factory=list)
    held: list[dpo.Preferred] = field(default_factory=list)
    graded: list[kto.Graded] = field(default_factory=list)
    graded_held: list[kto.Graded] = field(default_factory=list)
    prompts: dict[str, Messages] = field(default_factory=dict)
    items: list[dict[str, Any]] = field(default_factory=list)
    card: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, values: dict[str, Any]) -> Lessons:
        """Return the lessons of their plain values."""
        kinds: dict[str, Any] = {
            "pairs": dpo.Preferred,
            "held": dpo.Preferred,
            "graded": kto.Graded,
            "graded_held": kto.Graded,
        }
        built: dict[str, Any] = {
            n: [kinds[n](**x) for x in value] if n in kinds else value
            for n, value in values.items()
        }
        return cls(**built)


@dataclass
class Learnt:
    """What came of it.

    Attributes:
        log: The trainer's log.
        seconds: How long it took, what a stopped run had trained before included.
        reward: ``task``, ``model``, or empty where none was used.
        reward_accuracy: How often a learnt reward model scores the better of a held-out pair higher.
    """

    log: list[PreferencePoint]
    seconds: float
    reward: str = ""
    reward_accuracy: Estimate | None = None

    def told(self) -> dict[str, Any]:
        """Return what the card tells of the reward."""
        if not self.reward:
            return {}
        return {"reward": self.reward} | (
            {"reward_accuracy": self.reward_accuracy} if self.reward_accuracy else {}
        )


def learn(
    local: LocalModel,
    lessons: Lessons,
    p: PreferenceParameters,
    folder: Path,
    base: Path,
    bar: Bar | None,
) -> Learnt:
    """Train the adapter of a loaded model in this process, which may be one of several, and write it to ``folder / "adapter"``.

    Args:
        local: The tuned model with its adapter; changed in place.
        lessons: What is learnt from.
        p: The stage's parameters.
        folder: The stage's folder.
        base: Folder of the base's weights.
        bar: Called with step, steps and a note.
    """
    if p.method == "dpo":
        return Learnt(*dpo.train(local, lessons.pairs, lessons.held, p, folder, base, bar))
    if p.method == "kto":
        return Learnt(*kto.train(local, lessons.graded, lessons.graded_held, p, folder, base, bar))
    reward, accuracy = _reward(local, lessons, p, folder, base)
    asked = {item["id"]: lessons.prompts[item["id"]] for item in lessons.items}
    return Learnt(
        *reinforcement.train(local, asked, reward, p, folder, base, bar), p.reward, accuracy
    )


def learn_together(
    local: LocalModel,
    lessons: Lessons,
    p: PreferenceParameters,
    folder: Path,
    base: Path,
    adapter: Path,
    bar: Bar | None,
) -> Learnt:
    """Do the same in ``p.processes`` processes, each with its copy of the model, and wait for them.

    A reward model is learnt here first; the processes read it. On a GPU ``local`` is empty after.

    Raises:
        BadInput: More processes than GPUs, or without a GPU, than cores.
        FtkitError: What a process found wrong, or that one ended; the same call goes on from the last checkpoint.
    """
    if p.method in RL and p.reward == "model":
        _reward(local, lessons, p, folder, base)
    open_folder(local, p, folder, asdict(lessons))
    release(local.model)
    job: dict[str, Any] = {
        "p": p.model_dump(mode="json"),
        "folder": str(folder),
        "base": str(base),
        "adapter": str(adapter),
    }
    (folder / JOB).write_text(json.dumps(job | {"lessons": asdict(lessons)}), encoding="utf-8")

    def tell(line: str) -> None:
        if bar:
            bar(*json.loads(line.removeprefix(POINT)))

    launch(
        "ftkit.training.preference.worker",
        [str(folder / JOB)],
        folder,
        p.processes,
        "preference.processes",
        tell,
    )
    found = json.loads((folder / RESULT).read_text(encoding="utf-8"))
    for name in (JOB, RESULT):
        (folder / name).unlink()
    accuracy = Estimate(**found["reward_accuracy"]) if found["reward_accuracy"] else None
    return Learnt(
        [PreferencePoint(**x) for x in found["log"]], found["seconds"], found["reward"], accuracy
    )


def keep(learnt: Learnt, folder: Path) -> None:
    """Write what came of it, for the process that waits."""
    accuracy = learnt.reward_accuracy.model_dump() if learnt.reward_accuracy else None
    found = {
        "log": [x.model_dump() for x in learnt.log],
        "seconds": learnt.seconds,
        "reward": learnt.reward,
    }
    (folder / RESULT).write_text(
        json.dumps(found | {"reward_accuracy": accuracy}), encoding="utf-8"
    )


def _reward(
    local: LocalModel, lessons: Lessons, p: PreferenceParameters, folder: Path, base: Path
) -> tuple[reinforcement.Reward, Estimate | None]:
    """Return the reward, and how good a learnt one is: the task's checks, or a model learnt from the pairs."""
    import pandas as pd

    if p.reward == "task":
        card, by_id = (
            TaskCard(**lessons.card),
            pd.DataFrame(lessons.items).set_index("id", drop=False),
        )

        def checked(ids: Sequence[str], answers: Sequence[str]) -> list[float]:
            rows = (
                by_id.loc[list(ids)]
                .reset_index(drop=True)
                .assign(id=[f"{k}" for k in range(len(ids))])
            )
            return graded(score_texts(card, rows, answers))

        return checked, None
    model = reinforcement.RewardModel(local, base)
    accuracy = model.train(lessons.pairs, lessons.held, p.seed, folder)

    def scored(ids: Sequence[str], answers: Sequence[str]) -> list[float]:
        return model.score([lessons.prompts[i] for i in ids], answers)

    return scored, accuracy


def graded(scores: Any) -> list[float]:
    """Return the reward of each scored answer: 1 for a right one, its part of it below 1 for another."""
    return [
        1.0 if right else 0.99 * float(part)
        for right, part in zip(scores["correct"], scores["partial"], strict=True)
    ]
