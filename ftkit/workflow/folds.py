"""Few examples: every example is tested once, by strategies made from the other folds; one decision over all of them."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.parameters.files import load
from ftkit.core.power import detectable_points
from ftkit.core.records.base import Estimate
from ftkit.core.records.data import DataCard
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.records.task import TaskCard
from ftkit.evaluation.conclude import conclude
from ftkit.evaluation.judge import corrected
from ftkit.evaluation.seed_variance import with_differences
from ftkit.workflow.jobs import Job, run_jobs
from ftkit.workflow.run import Outcome, Selection, run, values_of

COPIED = ["task", "data", "prompting", "retrieval", "training", "preference"]
LEFT = ("adapter", "index", "checkpoints", "handbook", "answers", "notebooks")
SHARE = 0.25  # of the correction of Nadeau and Bengio; chosen in ``benchmarks/folds``


def run_folds(
    file: Path,
    folds: int,
    *,
    overrides: Sequence[str] = (),
    force: bool = False,
    jobs: int = 1,
    ray: str | None = None,
    say: Callable[[str], None] = print,
    live: bool = False,
) -> Outcome:
    """Run the walk to 07 once per fold, then decide over the answers of all.

    Args:
        file: The parameter file.
        folds: How many; each example is in the test of one.
        overrides: ``section.name=value`` that hold for all.
        force: Run stages anew whose results still hold.
        jobs: Folds at once on this machine.
        ray: Address of a Ray cluster that runs them; see :func:`ftkit.workflow.jobs.run_jobs`.
        say: Prints a line.
        live: Draw a table that fills, for a terminal.

    Raises:
        FtkitError: As :func:`ftkit.workflow.run.run`; what was run stays, and the same call goes on from there.
    """
    built = load(file, [*overrides, f"data.folds={folds}"])
    base = Path(built["task"].run)
    folders = [base.with_name(f"{base.name}-fold{k}") for k in range(1, folds + 1)]
    todo = [
        Job(
            f"fold {number} of {folds}",
            file,
            folder,
            Selection(last="evaluation", force=force),
            [*overrides, f"data.folds={folds}", f"data.fold={number}"],
        )
        for number, folder in enumerate(folders, 1)
    ]
    run_jobs(todo, jobs, say, ray, live=live)
    pooled = base.with_name(f"{base.name}-folds")
    own = [*overrides, f"run={pooled}", f"data.folds={folds}"]
    say(f"[all {folds}] → {pooled}")
    with run_folder.locked(pooled):
        pool(folders, pooled, load(file, own))
    return run(file, selection=Selection(["decision"]), overrides=own, say=say, live=live)


def pool(folders: Sequence[Path], pooled: Path, built: dict[str, Any]) -> Evaluation:
    """Write a run folder whose evaluation holds the answers of all folds; its other stages are those of the first fold.

    Args:
        folders: Run folders of the folds, 07 done.
        pooled: The folder to write; what it held of these stages is replaced.
        built: Parameters of the pooled run.
    """
    import pandas as pd

    for stage in COPIED:
        shutil.rmtree(pooled / stage, ignore_errors=True)
        shutil.copytree(folders[0] / stage, pooled / stage, ignore=shutil.ignore_patterns(*LEFT))
    tables = [_of_fold(folder) for folder in folders]
    items, answers, scores = (
        pd.concat([t[k] for t in tables], ignore_index=True) for k in range(3)
    )
    run_folder.write_table(pooled / "data" / "examples.parquet", items)
    found = [
        run_folder.read_record(folder / "evaluation" / "evaluation.json", Evaluation)
        for folder in folders
    ]
    specs, left = _common(found)
    names = [spec.name for spec in specs]
    answers, scores = (
        t[t["strategy"].isin(names)].reset_index(drop=True) for t in (answers, scores)
    )
    card = run_folder.read_record(pooled / "task" / "task.json", TaskCard)
    data = run_folder.read_record(pooled / "data" / "data_card.json", DataCard)
    card = card.completed(sorted(data.labels), data.tools)
    about = {
        "split_by": f"Cross-validated in {len(folders)} folds: each question is in the test once.",
        "detectable_points": detectable_points(len(items)),
    }
    run_folder.write_record(pooled / "data" / "data_card.json", data.model_copy(update=about))
    for copied in COPIED:
        run_folder.seal_again(pooled / copied)
    p = built["evaluation"]
    stage = run_folder.Stage(pooled, "evaluation", values_of(p), p.external())
    probes = run_folder.read_table(folders[0] / "evaluation" / "probe.parquet")
    judge = found[0].judge and found[0].judge.model_copy(
        update={"bill": ""}
    )  # each fold paid its own, which it tells
    result = conclude(
        specs,
        card,
        items,
        answers,
        scores,
        probes=probes,
        test_accesses=[o for f in found for o in f.test_accesses],
        allowed_wrong=p.allowed_wrong,
        duration_s=sum(f.duration_s for f in found),
        judge=judge,
        n_resamples=p.n_resamples,
        seed=p.seed,
    )
    result = corrected(widened(result, len(folders)), judge)
    result = result.model_copy(update={"notes": [*_told(len(folders), left), *result.notes]})
    run_folder.write_table(stage.path("answers.parquet"), answers)
    run_folder.write_table(stage.path("scores.parquet"), scores)
    run_folder.write_table(stage.path("probe.parquet"), probes)
    run_folder.write_record(stage.path("evaluation.json"), result)
    stage.done(
        ["answers.parquet", "scores.parquet", "probe.parquet", "evaluation.json"], seed=p.seed
    )
    return result


def _of_fold(folder: Path) -> tuple[Any, Any, Any]:
    """Return the test items, answers and scores of one fold."""
    items = run_folder.read_table(folder / "data" / "examples.parquet")
    answers, scores = (
        run_folder.read_table(folder / "evaluation" / f"{name}.parquet")
        for name in ("answers", "scores")
    )
    return items[items["split"] == "test"], answers, scores


def _common(found: Sequence[Evaluation]) -> tuple[list[StrategySpec], list[str]]:
    """Return the strategies that every fold has, as the first fold made them, and the names of the others."""
    names = [{r.spec.name for r in f.results} for f in found]
    shared = set.intersection(*names)
    return [r.spec for r in found[0].results if r.spec.name in shared], sorted(
        set.union(*names) - shared
    )


def _told(folds: int, left: list[str]) -> list[str]:
    said = [
        f"Cross-validated: each question was in the test once, answered by strategies made from the other {folds - 1} of {folds} folds, with "
        "prompts and checkpoints chosen anew in each. Intervals are widened, as the folds share most of their training examples.",
        "Prompts, passages, training and general skills are shown as in the first fold.",
    ]
    return [*said, *(f"{name} is not in every fold and is left out." for name in left)]


def widened(result: Evaluation, folds: int) -> Evaluation:
    """Return an evaluation over pooled folds with every interval of accuracy, difference and effect widened."""
    results = [
        r.model_copy(
            update={
                name: stretched(value, folds, 0.0)
                for name in ("accuracy", "partial")
                if (value := getattr(r, name)) is not None
            }
        )
        for r in result.results
    ]
    return with_differences(
        result.model_copy(update={"results": results}),
        lambda c: stretched(c.difference, folds, -1.0),
        lambda e: stretched(e.difference, folds, -1.0),
    )


def stretched(e: Estimate, folds: int, least: float) -> Estimate:
    """Return an estimate over pooled folds with a longer interval on both sides.

    Two folds' strategies share most of their training examples, so their errors go together and the pooled interval is too
    short: 92 to 95% instead of 95% in ``benchmarks/folds``. The correction of Nadeau and Bengio, made for repeated splits, takes the
    variance times ``1 + folds / (folds - 1)`` and holds 99 to 100%; a quarter of it holds 95 to 98%.

    Args:
        e: The estimate.
        folds: How many folds.
        least: Least value that is possible; the largest is 1.

    Source: Nadeau & Bengio (2003), Inference for the Generalization Error.
    """
    more = math.sqrt(1 + SHARE * folds / (folds - 1))
    return e.model_copy(
        update={
            "low": max(least, e.value - more * (e.value - e.low)),
            "high": min(1.0, e.value + more * (e.high - e.value)),
            "method": f"{e.method}, {folds} folds",
        }
    )
