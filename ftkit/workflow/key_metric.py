"""The one figure that the terminal shows of a stage that is done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ftkit.core import run_folder
from ftkit.core.errors import FtkitError
from ftkit.core.records.data import DataCard
from ftkit.core.records.decision import Decision
from ftkit.core.records.deployment import DeploymentCard
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.monitoring import MonitoringCard
from ftkit.core.records.prompting import PromptBook
from ftkit.core.records.retrieval import RetrievalCard
from ftkit.core.records.task import Suitability
from ftkit.core.records.training import RL, PreferenceCard, TrainingCard
from ftkit.decision import words


def key_figure(run: Path, stage: str) -> str:
    """Return a stage's finding in a few words; empty where it cannot be read."""
    try:
        return FIGURES[stage](run / stage)
    except FtkitError:
        return ""


def _task(folder: Path) -> str:
    s = run_folder.read_record(folder / "suitability.json", Suitability)
    return f"expected: {s.expected}; {s.test_examples_needed} test examples settle {s.difference_points:g} points"


def _data(folder: Path) -> str:
    c = run_folder.read_record(folder / "data_card.json", DataCard)
    return f"{c.rows_used:,} of {c.rows_read:,} rows used: " + ", ".join(
        f"{n:,} {name}" for name, n in c.splits.items()
    )


def _prompting(folder: Path) -> str:
    b = run_folder.read_record(folder / "prompts.json", PromptBook)
    best = max(b.trials, key=lambda t: (t.accuracy.n, t.accuracy.value))
    return f"best prompt '{best.prompt.name}': {best.accuracy.value:.0%} right on {b.validation_items} validation items"


def _retrieval(folder: Path) -> str:
    c = run_folder.read_record(folder / "retrieval.json", RetrievalCard)
    if not c.enabled:
        return f"off: {c.reason}"
    found = c.hit_rate.get(f"{c.chosen}@{c.top_k}")
    rate = f": the right one among them for {found.value:.0%}" if found else ""
    return f"{c.documents} articles, {c.chosen} search, {c.top_k} passages{rate}"


def _training(folder: Path) -> str:
    c = run_folder.read_record(folder / "training.json", TrainingCard)
    if not c.trained:
        return "off: nothing was trained"
    first = next(
        (point.validation_loss for point in c.log if point.validation_loss is not None), None
    )
    loss = (
        f"{c.best_validation_loss:.2f}"
        if first is None
        else f"{first:.2f} → {c.best_validation_loss:.2f}"
    )
    return f"{c.verdict}: validation loss {loss}, {c.trainable_parameters:,} weights trained"


def _preference(folder: Path) -> str:
    c = run_folder.read_record(folder / "preference.json", PreferenceCard)
    if c.method == "none":
        return "off: no preference tuning"
    return (
        f"{f'RL, rewarded by the {c.reward}' if c.method in RL else f'{c.pairs} pairs'}: {c.reason}"
    )


def _evaluation(folder: Path) -> str:
    e = run_folder.read_record(folder / "evaluation.json", Evaluation)
    return ", ".join(f"{r.spec.name} {r.accuracy.value:.0%}" for r in e.results)


def _decision(folder: Path) -> str:
    return words.sentence(run_folder.read_record(folder / "decision.json", Decision))


def _deployment(folder: Path) -> str:
    c = run_folder.read_record(folder / "deployment.json", DeploymentCard)
    wrong = [p.cause for p in c.parity if not p.passed]
    told = f"NOT as tested: {wrong[0]}" if wrong else "answers as tested"
    caught = (
        f", {sum(not p.passed for p in c.faults)} of {len(c.faults)} planted faults noticed"
        if c.faults
        else ""
    )
    return f"{c.strategy} exported ({c.form}, {c.size_mib:.1f} MiB): {told}{caught}"


def _monitoring(folder: Path) -> str:
    c = run_folder.read_record(folder / "monitoring.json", MonitoringCard)
    alarms = [f"{s.name} since {s.since}" for s in c.signals if s.since]
    return (
        f"{c.verdict}: {c.rows:,} messages, {', '.join(alarms) or 'no alarm'}"
        if c.rows
        else "no log named: nothing to watch yet"
    )


FIGURES: dict[str, Callable[[Path], str]] = {
    "task": _task,
    "data": _data,
    "prompting": _prompting,
    "retrieval": _retrieval,
    "training": _training,
    "preference": _preference,
    "evaluation": _evaluation,
    "decision": _decision,
    "deployment": _deployment,
    "monitoring": _monitoring,
}
