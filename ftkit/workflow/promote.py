"""From a run to what serves: an export becomes the current release where it answers as tested and is not worse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import BadInput
from ftkit.core.parameters.data import DataParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.decision import Decision
from ftkit.core.records.deployment import Bundle, DeploymentCard, Release
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.manifest import Manifest
from ftkit.core.records.task import TaskCard
from ftkit.decision import words
from ftkit.deployment import releases
from ftkit.scoring import score
from ftkit.workflow.compare_runs import on_shared
from ftkit.workflow.retune import rounds_of

STORE = Path("releases")


def store_of(run: Path, given: str = "") -> Path:
    """Return the release folder: the one given, else ``releases/NAME`` by the name that clients ask for."""
    return Path(given) if given else STORE / _bundle(_export(run)).name


def promote(
    run: Path, store: Path, note: str = "", force: bool = False
) -> tuple[Release, list[str]]:
    """Make a run's export the current release.

    Args:
        run: The run folder; 09 must be done.
        store: The release folder.
        note: Why, for people.
        force: Promote in spite of what speaks against it.

    Returns:
        The release, and what was found on the way, for people.

    Raises:
        NotReady: 09 has not been run.
        BadInput: It does not answer as tested, 08 found none good enough, it is older than what it rests on, or it is worse
            beyond chance than what serves now or than what production answered.
    """
    export = _export(run)
    for stage in ("evaluation", "decision", "deployment"):
        if (run / stage / "manifest.json").exists():
            run_folder.require_sound(run, stage, certain=True)
    card = run_folder.read_record(run / "deployment" / "deployment.json", DeploymentCard)
    strategy, said, against = _bundle(export).spec.name, [], []
    now = measured(run, strategy)
    stale = run_folder.older(run, "deployment")
    if stale:
        against.append(
            f"{' and '.join(stale)} ran again after 09 exported this: it may not be what was tested last"
        )
    failed = [parity for parity in card.parity if not parity.passed]
    if failed:
        against.append(f"{failed[0].path} does not answer as tested: {failed[0].cause}")
    elif card.parity:
        said.append(
            f"Answers as tested: {', '.join(f'{p.path} on {p.items} questions' for p in card.parity)}."
        )
    else:
        said.append("Whether it answers as tested was not measured: 09 compared nothing.")
    _against_verdict(run, strategy, said, against)
    if releases.is_store(store):
        _against_current(now, store, said, against)
    if now is not None:
        _against_production(run, now, said, against)
    if against and not force:
        raise BadInput(
            "; ".join(against),
            where=str(run),
            todo="mend it, or promote it in spite of that with --force",
        )
    made = releases.promote(store, export, str(run), note, now)
    return made, [*said, *(f"In spite of this: {reason}." for reason in against)]


def _against_current(now: Any, store: Path, said: list[str], against: list[str]) -> None:
    """Compare with what serves, on the test questions that both runs asked."""
    known = releases.read(store)
    before = releases.scores(store, known.current)
    if now is None or not before.exists():
        said.append(
            f"Not compared with version {known.current}: one of the two was not measured by 07."
        )
        return
    change, shared = on_shared(run_folder.read_table(before), now)
    if change is None:
        said.append(f"Not compared with version {known.current}: the two tests share no question.")
    elif change.high < 0:
        against.append(
            f"on {shared} shared test questions it is worse than version {known.current}: {points(change)}"
        )
    else:
        better = "better" if change.low > 0 else "not told apart"
        said.append(
            f"Against version {known.current} on {shared} shared test questions: {points(change)}; {better}."
        )


def _against_verdict(run: Path, strategy: str, said: list[str], against: list[str]) -> None:
    """Hold it against what 08 said."""
    path = run / "decision" / "decision.json"
    if not path.exists():
        return
    decision = run_folder.read_record(path, Decision)
    if decision.verdict == "none":
        against.append(f"08 found none good enough: {words.sentence(decision).rstrip('.')}")
    elif decision.strategy != strategy:
        said.append(f"08 does not recommend {strategy} yet: {words.sentence(decision)}")


def _against_production(run: Path, now: Any, said: list[str], against: list[str]) -> None:
    """Compare with what production answered to the fresh test questions of a round that ``ftkit retune`` made."""
    evaluated = run / "evaluation" / "evaluation.json"
    if not (run / "data" / "manifest.json").exists():
        return
    p = DataParameters.model_validate(
        run_folder.read_record(run / "data" / "manifest.json", Manifest).parameters
        | {"run": str(run)}
    )
    served = {row: text for row, (_, text) in rounds_of(p).items() if text}
    if not served:
        return
    examples = run_folder.read_table(run / "data" / "examples.parquet")
    fresh = examples[(examples["split"] == "test") & examples["source_row"].isin(list(served))]
    if fresh.empty:
        return
    if evaluated.exists() and run_folder.read_record(evaluated, Evaluation).judge is not None:
        said.append(
            "Not compared with what production answered: a judge says what is right, and it has not seen those answers."
        )
        return
    card, texts = (
        run_folder.read_record(run / "task" / "task.json", TaskCard),
        [served[row] for row in fresh["source_row"]],
    )
    change, gave = score.against(card, fresh, texts, now)
    told = f"Against what production answered to {len(fresh)} fresh test questions ({gave:.0%} right): {points(change)}"
    if change.high < 0:
        against.append(f"{told[0].lower()}{told[1:]}, worse")
    else:
        said.append(f"{told}; {'better' if change.low > 0 else 'not told apart'}.")


def measured(run: Path, strategy: str) -> Any:
    """Return which test items a strategy of a run answered right (item_id, truth, group, correct); None without 07."""
    path = run / "evaluation" / "scores.parquet"
    if not path.exists():
        return None
    right = run_folder.read_table(run / "data" / "examples.parquet").set_index("id")["output"]
    table = run_folder.read_table(path)
    table = table.loc[table["strategy"] == strategy, ["item_id", "group", "correct"]].reset_index(
        drop=True
    )
    return table.assign(
        truth=[run_folder.sha256_bytes(right[item].encode()) for item in table["item_id"]]
    )


def points(change: Estimate) -> str:
    """Return a difference of shares in points with its interval."""
    return f"{100 * change.value:+.1f} points ({100 * change.low:+.1f} to {100 * change.high:+.1f})"


def _export(run: Path) -> Path:
    return run / "deployment" / "export"


def _bundle(export: Path) -> Bundle:
    return run_folder.read_record(export / "strategy.json", Bundle)
