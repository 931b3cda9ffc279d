"""Commands that do the work: run, search."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ftkit.commands.shared import EPILOG, Commands, here, project_path, say
from ftkit.core.errors import BadInput

if TYPE_CHECKING:
    from ftkit.workflow.run import Selection


WITHOUT_TRAINING = ("training.method=none", "preference.method=none")


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    _add_run(commands)
    _add_search(commands)


def _add_run(commands: Commands) -> None:
    run = commands.add_parser(
        "run", help="run the walk; a second run redoes only what changed", epilog=EPILOG
    )
    run.add_argument("file", type=here, help="parameter file, e.g. params/demo.yaml")
    run.add_argument("--only", nargs="+", default=[], metavar="STAGE", help="only these stages")
    run.add_argument("--from", dest="first", default="", metavar="STAGE", help="from this stage on")
    run.add_argument("--until", dest="last", default="", metavar="STAGE", help="up to this stage")
    run.add_argument(
        "--without",
        choices=["training"],
        default="",
        help="train nothing: compare prompts, examples, passages and endpoints only (training.method: none)",
    )
    run.add_argument(
        "--force", action="store_true", help="run the selected stages even if nothing changed"
    )
    run.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="SECTION.NAME=VALUE",
        help="change a parameter for this run",
    )
    run.add_argument(
        "--folds",
        type=int,
        default=0,
        help="cross-validate: for few examples; the walk to 07 for each fold, then one decision over all of them",
    )
    run.add_argument(
        "--sweep",
        action="append",
        default=[],
        metavar="SECTION.NAME=VALUE,VALUE",
        help="a run for each value (of several, for each combination); the stages before are shared",
    )
    run.add_argument(
        "--jobs",
        type=int,
        default=1,
        help="runs of a sweep, or folds, at once on this machine, each on a GPU of its own if there are some",
    )
    run.add_argument(
        "--ray",
        nargs="?",
        const="local",
        default=None,
        metavar="ADDRESS",
        help="do them as tasks of a Ray cluster: its address, auto for the running one, local (as without a value) for one on this machine",
    )
    run.add_argument("--json", action="store_true", help="progress as one JSON object a line")
    run.add_argument("--dry-run", action="store_true", help="only say what would run")
    run.set_defaults(call=_run)


def _run(given: argparse.Namespace) -> int:
    from ftkit.workflow.run import Selection
    from ftkit.workflow.sweep import arms, rows, sweep

    file = project_path(given.file)
    if given.without:
        if any(one.startswith(("training.", "preference.")) for one in given.sweep):
            raise BadInput(
                "nothing is trained, so there is nothing to vary",
                where="--sweep with --without training",
                todo="leave one of them out",
            )
        given.overrides = [*given.overrides, *WITHOUT_TRAINING]
    selection = Selection(given.only, given.first, given.last, given.force)
    if (given.jobs != 1 or given.ray is not None) and not given.sweep and not given.folds:
        raise BadInput(
            "there is one run only", where="--jobs or --ray", todo="use it with --sweep or --folds"
        )
    if given.sweep:
        if given.dry_run:
            print(
                "\n".join(
                    f"{', '.join(arm.values)} → {arm.folder}"
                    for arm in arms(file, given.sweep, given.overrides)
                )
            )
            return 0
        at_once = {"jobs": given.jobs, "ray": given.ray}
        found = sweep(
            file, given.sweep, selection=selection, overrides=given.overrides, say=say, **at_once
        )
        print("\n".join(rows(found)))
        return 0
    if given.folds:
        return _run_folds(given, file)
    return run_file(
        file, selection=selection, overrides=given.overrides, dry=given.dry_run, as_json=given.json
    )


def _add_search(commands: Commands) -> None:
    search = commands.add_parser(
        "search", help="search training parameters on validation, and tell gain from luck"
    )
    search.add_argument("file", type=here, help="parameter file")
    search.add_argument(
        "--trials", type=int, default=12, help="trainings, the parameters as they are among them"
    )
    search.add_argument(
        "--minutes",
        type=float,
        default=0.0,
        help="start no trial that would end later; 0: no limit",
    )
    search.add_argument(
        "--seeds",
        type=int,
        default=4,
        help="trainings of the best and of the parameters as they were, each",
    )
    search.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="SECTION.NAME=VALUE",
        help="change a parameter for all",
    )
    search.set_defaults(call=_search)


def _search(given: argparse.Namespace) -> None:
    from ftkit.workflow.search import search as search_search

    file = project_path(given.file)
    found = search_search(
        file,
        given.trials,
        minutes=given.minutes,
        seeds=given.seeds,
        overrides=given.overrides,
        say=say,
    )
    print("\n".join(found.sentences))
    if found.values:
        print(f"Found: {' '.join(f'--set {value}' for value in found.values)}")


def run_file(
    file: Path,
    *,
    selection: Selection | None = None,
    overrides: Sequence[str] = (),
    dry: bool = False,
    as_json: bool = False,
) -> int:
    """Run the notebooks of a parameter file, show their progress, and end with the report's path.

    Args:
        file: The parameter file.
        selection: Which stages; all if not given.
        overrides: ``section.name=value``.
        dry: Only say what would run.
        as_json: One JSON object a line instead of text.
    """
    from ftkit.report import data_check
    from ftkit.workflow.project_files import update_copies
    from ftkit.workflow.run import run as run_run
    from ftkit.workflow.screen import JsonLines

    for sentence in update_copies(Path.cwd()):
        say(json.dumps({"event": "note", "text": sentence}) if as_json else sentence)
    live = not as_json and sys.stdout.isatty()
    screen = JsonLines(say) if as_json else None
    done = run_run(
        file, selection=selection, overrides=overrides, say=say, dry=dry, live=live, screen=screen
    )
    if as_json:
        say(json.dumps({"event": "end", **dataclasses.asdict(done)}, default=str))
    elif done.report:
        seconds = f"{done.seconds:.0f} s"
        say(f"{len(done.executed)} stages run, {len(done.skipped)} unchanged, {seconds}")
        for line in data_check.ending(done.report.parent):
            say(line)
        say(f"Report: {done.report.resolve()}")
    return 0


def _run_folds(given: argparse.Namespace, file: Path) -> int:
    from ftkit.workflow.folds import run_folds

    if given.sweep or given.only or given.first or given.last or given.dry_run:
        raise BadInput(
            "goes with no other choice of what runs",
            where="--folds",
            todo="leave out --sweep, --only, --from, --until and --dry-run",
        )
    live = sys.stdout.isatty()
    done = run_folds(
        file,
        given.folds,
        overrides=given.overrides,
        force=given.force,
        jobs=given.jobs,
        ray=given.ray,
        say=say,
        live=live,
    )
    print(f"Report: {done.report.resolve() if done.report else ''}")
    return 0
