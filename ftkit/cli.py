"""The command line: ``ftkit new | run | search | lab | report | serve | retune | promote | rollback | releases | monitor | runs | compare | clean | doctor | explain | completion``."""

from __future__ import annotations

import argparse
import dataclasses
import io
import json
import os
import sys
import webbrowser
from pathlib import Path

from ftkit import __version__
from ftkit.core.errors import BadInput, FtkitError

START = "00_start.ipynb"
EPILOG = "Exit codes: 0 done; 1 a stage failed; 2 bad input or not ready; 3 `monitor`: something must be done; 130 stopped by Ctrl-C (run the same command again to go on)."


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and run a command; return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that lacks a sign must not stop a run
    given = parser().parse_args(arguments)
    from ftkit.workflow.run_state import stopped_by_sigterm

    try:
        with stopped_by_sigterm():
            return int(given.call(given) or 0)
    except FtkitError as error:
        print(f"ftkit: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        print(f"ftkit: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nftkit: stopped; the same command goes on from here", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    top = argparse.ArgumentParser(
        prog="ftkit",
        description="From 'we should fine-tune a model' to a measured, costed decision.",
        epilog=EPILOG,
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")

    new = commands.add_parser(
        "new", help="guess a project from a file of examples and write params/NAME.yaml"
    )
    new.add_argument("name", help="project name: letters, digits, - and _")
    new.add_argument(
        "--data",
        type=_here,
        required=True,
        help="file of examples: CSV, TSV, JSONL, JSON, Parquet, Arrow, XLSX, or a saved datasets folder",
    )
    new.add_argument(
        "--test-data", type=_here, default="", help="file that holds the test examples"
    )
    new.add_argument(
        "--handbook", type=_here, default="", help="folder of articles to retrieve from"
    )
    new.add_argument("--encoding", default="", help="encoding of the file, if not UTF-8")
    new.add_argument("--force", action="store_true", help="write over an existing parameter file")
    new.set_defaults(call=_new)

    run = commands.add_parser(
        "run", help="run the walk; a second run redoes only what changed", epilog=EPILOG
    )
    run.add_argument("file", type=_here, help="parameter file, e.g. params/demo.yaml")
    run.add_argument("--only", nargs="+", default=[], metavar="STAGE", help="only these stages")
    run.add_argument("--from", dest="first", default="", metavar="STAGE", help="from this stage on")
    run.add_argument("--until", dest="last", default="", metavar="STAGE", help="up to this stage")
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
    run.add_argument("--dry-run", action="store_true", help="only say what would run")
    run.set_defaults(call=_run)

    search = commands.add_parser(
        "search", help="search training parameters on validation, and tell gain from luck"
    )
    search.add_argument("file", type=_here, help="parameter file")
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

    lab = commands.add_parser(
        "lab", help="open JupyterLab on the start page, or on a project's notebooks"
    )
    lab.add_argument(
        "file",
        type=_here,
        nargs="?",
        help="parameter file: its values are put into copies of the notebooks",
    )
    lab.add_argument("--no-browser", action="store_true")
    lab.add_argument("--port", type=int, default=8888)
    lab.set_defaults(call=_lab)

    report = commands.add_parser("report", help="write a run's report anew and print its path")
    report.add_argument("run", type=_here, help="run folder, or parameter file")
    report.add_argument("--open", action="store_true", help="open it in the browser")
    report.add_argument(
        "--pdf",
        action="store_true",
        help="print it to report.pdf as well (by Chromium, Chrome or Edge)",
    )
    report.add_argument(
        "--export",
        action="store_true",
        help="write exports/ as well: summary.md, strategies.csv, answers.csv, report.json",
    )
    report.set_defaults(call=_report)

    serve = commands.add_parser(
        "serve", help="serve exported strategies as an OpenAI-compatible server"
    )
    serve.add_argument(
        "paths",
        type=_here,
        nargs="+",
        metavar="path",
        help="run folder, parameter file, export's folder, or a release folder to follow; several share one base model in memory",
    )
    serve.add_argument(
        "--host",
        default="127.0.0.1",
        help="beyond loopback FTKIT_TOKEN must be set in the environment",
    )
    serve.add_argument("--port", type=int, default=8000)
    serve.add_argument("--threads", type=int, default=0, help="CPU threads; 0: what is free")
    serve.add_argument(
        "--waiting", type=int, default=64, help="questions that may wait; a further one gets 429"
    )
    serve.add_argument(
        "--log",
        type=_here,
        default="",
        help="file that every answer is written to (JSON lines), for 10_monitoring; off by default",
    )
    serve.add_argument(
        "--log-unmasked",
        action="store_true",
        help="do not mask e-mail addresses, IBANs and long numbers in the log",
    )
    serve.set_defaults(call=_serve)

    promote = commands.add_parser(
        "promote", help="make a run's export the version that serves, if it is not worse"
    )
    promote.add_argument("run", type=_here, help="run folder, or parameter file; 09 must be done")
    promote.add_argument(
        "--store", type=_here, default="", help="release folder; releases/NAME if not given"
    )
    promote.add_argument("--note", default="", help="why, kept with the release")
    promote.add_argument(
        "--force", action="store_true", help="in spite of failed parity, or of worse answers"
    )
    promote.set_defaults(call=_promote)

    retune = commands.add_parser(
        "retune", help="make a new round of data and parameters from labelled production answers"
    )
    retune.add_argument("file", type=_here, help="parameter file of the project that serves")
    retune.add_argument(
        "--labels",
        type=_here,
        nargs="+",
        default=[],
        help="label files of 10; those of its run with labels if not given",
    )
    retune.add_argument(
        "--name", default="", help="name of the new project; NAME-2, then NAME-3 if not given"
    )
    retune.add_argument(
        "--force", action="store_true", help="write over an existing parameter file"
    )
    retune.set_defaults(call=_retune)

    rollback = commands.add_parser("rollback", help="let an earlier version serve again")
    rollback.add_argument("store", type=_here, help="release folder, e.g. releases/assistant")
    rollback.add_argument(
        "--version", type=int, default=0, help="which one; the one before if not given"
    )
    rollback.add_argument("--note", default="", help="why, kept with the release")
    rollback.set_defaults(call=_rollback)

    released = commands.add_parser(
        "releases", help="list the versions of a release folder, and which one serves"
    )
    released.add_argument("store", type=_here, help="release folder, e.g. releases/assistant")
    released.add_argument("--json", action="store_true", help="for machines")
    released.set_defaults(call=_releases)

    monitor = commands.add_parser(
        "monitor",
        help="look at the production log (10_monitoring); for cron: exit code 3 where something must be done",
    )
    monitor.add_argument("file", type=_here, help="parameter file of the project that serves")
    monitor.add_argument("--log", type=_here, default="", help="the log, instead of monitoring.log")
    monitor.set_defaults(call=_monitor)

    listing = commands.add_parser("runs", help="list the runs under outputs/")
    listing.add_argument("--json", action="store_true", help="for machines")
    listing.set_defaults(call=_runs)

    clean = commands.add_parser(
        "clean", help="delete a run folder; without --yes only say what would be deleted"
    )
    clean.add_argument("run", type=_here, help="run folder, or parameter file")
    clean.add_argument("--yes", action="store_true", help="delete it")
    clean.set_defaults(call=_clean)

    against = commands.add_parser(
        "compare",
        help="two runs: what was set differently, and what came out, question by question",
    )
    against.add_argument("first", type=_here, help="run folder, or parameter file")
    against.add_argument("second", type=_here, help="run folder, or parameter file")
    against.add_argument("--json", action="store_true", help="for machines")
    against.add_argument(
        "--html",
        action="store_true",
        help="write it as a page into the second run's folder, and print its path",
    )
    against.set_defaults(call=_compare)

    doctor = commands.add_parser(
        "doctor", help="say what this machine can do, and what is missing for what"
    )
    doctor.set_defaults(call=_doctor)

    completion = commands.add_parser("completion", help="print a completion script for your shell")
    completion.add_argument("shell", choices=["bash", "zsh"])
    completion.set_defaults(call=_completion)

    explain = commands.add_parser("explain", help="what a parameter does")
    explain.add_argument(
        "name", nargs="?", default="", help="STAGE or STAGE.NAME; nothing for all stages"
    )
    explain.set_defaults(call=_explain)
    return top


def _here(path: str) -> str:
    """Return a path of the command line as an absolute one, before a command changes to the project's root; "" stays."""
    return path and str(Path(path).resolve())


def _project(path: str) -> Path:
    """Change to the project's root, and return an absolute path relative to it where it lies within."""
    from ftkit.notebook.stage import to_project_root

    absolute = Path(path)
    root = to_project_root().resolve()
    return absolute.relative_to(root) if absolute.is_relative_to(root) else absolute


def _new(given: argparse.Namespace) -> None:
    from ftkit.workflow import project

    data = _project(given.data)
    test, handbook = (str(_project(x)) if x else "" for x in (given.test_data, given.handbook))
    project.check_name(given.name)
    if not given.force:
        project.check_new(given.name)
    guess = project.guess(
        given.name, data, test_data=test, handbook=handbook, encoding=given.encoding
    )
    target = project.write(given.name, guess.sections, guess.sentences)
    print("\n".join(guess.sentences))
    print(f"Wrote {target}. Check it, then: ftkit run {target}")


def _run(given: argparse.Namespace) -> int:
    from ftkit.workflow.run import Selection
    from ftkit.workflow.run import run as run_run
    from ftkit.workflow.sweep import arms, rows, sweep

    file = _project(given.file)
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
            file, given.sweep, selection=selection, overrides=given.overrides, say=_say, **at_once
        )
        print("\n".join(rows(found)))
        return 0
    if given.folds:
        return _run_folds(given, file)
    done = run_run(
        file,
        selection=selection,
        overrides=given.overrides,
        say=_say,
        dry=given.dry_run,
        live=sys.stdout.isatty(),
    )
    if done.report:
        print(
            f"{len(done.executed)} stages run, {len(done.skipped)} unchanged, {done.seconds:.0f} s"
        )
        print(f"Report: {done.report.resolve()}")
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
        say=_say,
        live=live,
    )
    print(f"Report: {done.report.resolve() if done.report else ''}")
    return 0


def _search(given: argparse.Namespace) -> None:
    from ftkit.workflow.search import search as search_search

    file = _project(given.file)
    found = search_search(
        file,
        given.trials,
        minutes=given.minutes,
        seeds=given.seeds,
        overrides=given.overrides,
        say=_say,
    )
    print("\n".join(found.sentences))
    if found.values:
        print(f"Found: {' '.join(f'--set {value}' for value in found.values)}")


def _say(line: str) -> None:
    print(line, flush=True)


def _lab(given: argparse.Namespace) -> None:
    from ftkit.core import run_folder
    from ftkit.notebook.stage import to_project_root
    from ftkit.workflow.kernel import QUIET, notebooks_folder, prepare_all

    folder, first = notebooks_folder(), START
    if given.file:
        folder, first = prepare_all(_project(given.file)), f"{run_folder.stage_name('task')}.ipynb"
    root = to_project_root().resolve()
    command = [
        sys.executable,
        "-m",
        "jupyter",
        "lab",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.app_settings_dir={Path(__file__).parent / 'notebook' / 'lab'}",  # asks nobody for news, and for no updates
        f"--port={given.port}",
    ]
    command += ["--no-browser"] if given.no_browser else []
    command += ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    opened = (folder / first).resolve()
    command += (
        [f"--LabApp.default_url=/lab/tree/{opened.relative_to(root)}"]
        if opened.is_relative_to(root)
        else []
    )
    sys.stdout.flush()
    # This process becomes JupyterLab, so that stopping it stops JupyterLab; its kernels are of this Python.
    os.execve(sys.executable, command, {**QUIET, "JUPYTER_PREFER_ENV_PATH": "1", **os.environ})


def _run_folder(path: Path) -> Path:
    """Return the run folder that a path names: itself, or that of a parameter file.

    Raises:
        BadInput: There is none.
    """
    from ftkit.core.parameters.files import load

    run = Path(load(path)["task"].run) if path.suffix in (".yaml", ".yml") else path
    if not run.is_dir():
        raise BadInput("there is no such run folder", where=str(run), todo="see `ftkit runs`")
    return run


def _compare(given: argparse.Namespace) -> None:
    from ftkit.workflow.compare_runs import compare, lines
    from ftkit.workflow.comparison_page import write_comparison

    first, second = (_run_folder(_project(path)) for path in (given.first, given.second))
    names = (first.name, second.name) if first.name != second.name else (str(first), str(second))
    if given.html:
        print(write_comparison(first, second).resolve())
        return
    found = compare(first, second)
    if given.json:
        _print_json(dataclasses.asdict(found))
    else:
        print("\n".join(lines(found, names)))


def _report(given: argparse.Namespace) -> None:
    from ftkit.report import exports
    from ftkit.report.page import write

    path = _project(given.run)
    run = _run_folder(path)
    written = [write(run, str(path))]
    written += exports.write(run) if given.export else []
    written += [exports.pdf(written[0])] if given.pdf else []
    print("\n".join(str(file.resolve()) for file in written))
    if given.open:
        webbrowser.open(written[0].resolve().as_uri())


def _serve(given: argparse.Namespace) -> None:
    import uvicorn

    from ftkit.deployment import releases
    from ftkit.deployment.served_strategy import Served
    from ftkit.deployment.server import start as run
    from ftkit.deployment.server.app import Limits, create_app

    token, log = os.environ.get(run.TOKEN, ""), Path(given.log) if given.log else None
    run.check_host(given.host, token)
    if log is not None and not log.parent.is_dir():
        raise BadInput(
            "there is no such folder",
            where=str(log.parent),
            todo="make it, or choose another --log",
        )
    served: list[Served] = []
    for path in map(_project, given.paths):
        store = path if releases.is_store(path) else None
        version = releases.read(path).current if store else 0
        served.append(
            Served(
                run.folder_of(path),
                given.threads,
                version,
                store,
                beside=served[0] if served else None,
            )
        )
    app = create_app(
        served,
        token=token,
        limits=Limits(waiting=given.waiting),
        log=log,
        mask_log=not given.log_unmasked,
    )
    for one in served:
        print(f"Serving {one.bundle.spec.name} of {one.bundle.project} as '{one.bundle.name}'")
    print("Ctrl-C ends it")
    print(f"http://{given.host}:{given.port}/v1", flush=True)
    uvicorn.Server(run.config(app, given.host, given.port)).run()


def _promote(given: argparse.Namespace) -> None:
    from ftkit.deployment import releases
    from ftkit.workflow.promote import promote as promote_promote
    from ftkit.workflow.promote import store_of

    run = _run_folder(_project(given.run))
    store = store_of(run, str(_project(given.store)) if given.store else "")
    made, said = promote_promote(run, store, given.note, given.force)
    print(
        "\n".join(
            [
                *said,
                f"Version {made.version} serves from now on.",
                *releases.lines(releases.read(store)),
            ]
        )
    )
    print(f"Serve it: ftkit serve {store}")


def _retune(given: argparse.Namespace) -> None:
    from ftkit.workflow.retune import retune as retune_retune

    made = retune_retune(
        _project(given.file), [_project(p) for p in given.labels], given.name, given.force
    )
    print("\n".join([*made.sentences, f"Data: {made.data}", f"Next: ftkit run {made.parameters}"]))
    print(f"Then: ftkit promote {made.parameters}")


def _rollback(given: argparse.Namespace) -> None:
    from ftkit.deployment import releases

    store = _project(given.store)
    releases.roll_back(store, given.version, given.note)
    print("\n".join(releases.lines(releases.read(store))))


def _releases(given: argparse.Namespace) -> None:
    from ftkit.deployment import releases

    known = releases.read(_project(given.store))
    if given.json:
        _print_json(known.model_dump(mode="json"))
    else:
        print("\n".join(releases.lines(known)))


def _monitor(given: argparse.Namespace) -> int:
    from ftkit.core import run_folder
    from ftkit.core.parameters.files import load
    from ftkit.core.records.monitoring import MonitoringCard
    from ftkit.workflow.run import Selection
    from ftkit.workflow.run import run as run_run

    file = _project(given.file)
    log = str(_project(given.log)) if given.log else ""
    overrides = [f"monitoring.log={log}"] if log else []
    run_run(file, selection=Selection(["monitoring"], force=True), overrides=overrides, say=_say)
    run = Path(load(file)["monitoring"].run)
    card = run_folder.read_record(run / "monitoring" / "monitoring.json", MonitoringCard)
    print(
        "\n".join(
            [
                f"Verdict: {card.verdict}",
                *card.reasons,
                *(f"Next: {step}" for step in card.next_steps),
            ]
        )
    )
    if log and load(file)["monitoring"].model_dump()["log"] != log:
        print(
            f"Put {log} into {file} as monitoring.log: the next ftkit run looks at what the file names."
        )
    return 0 if card.verdict in ("keep", "nothing to watch") else 3


def _runs(given: argparse.Namespace) -> None:
    from ftkit.notebook.stage import to_project_root
    from ftkit.workflow import run_list

    found = run_list.listing(to_project_root() / "outputs")
    if given.json:
        _print_json([run.values() for run in found])
    else:
        print(
            "\n".join([run.line() for run in found] or ["no runs yet: ftkit run params/demo.yaml"])
        )


def _print_json(values: object) -> None:
    print(json.dumps(values, indent=1, ensure_ascii=False, default=str))


def _clean(given: argparse.Namespace) -> None:
    from ftkit.workflow.run_list import remove

    print(remove(_run_folder(_project(given.run)), given.yes))


def _doctor(_: argparse.Namespace) -> int:
    from ftkit.workflow.doctor import examine

    findings = examine()
    for finding in findings:
        print(f"{finding.mark} {finding.name:22s} {finding.text}")
    return 0 if all(f.fine for f in findings if f.needed) else 1


def _completion(given: argparse.Namespace) -> None:
    import shtab

    print(shtab.complete(parser(), given.shell))


def _explain(given: argparse.Namespace) -> None:
    from ftkit.core.parameters.files import nearest
    from ftkit.core.parameters.models import MODELS

    stage, _, name = given.name.partition(".")
    if stage and stage not in MODELS:
        raise BadInput(
            f"'{stage}' is no stage{nearest(stage, list(MODELS))}",
            where="NAME",
            todo=f"use one of {', '.join(MODELS)}",
        )
    for each in [stage] if stage else list(MODELS):
        model = MODELS[each]
        if name and name not in model.model_fields:
            raise BadInput(
                f"{each} has no parameter '{name}'{nearest(name, list(model.model_fields))}",
                where="NAME",
                todo=f"see `ftkit explain {each}`",
            )
        print((model.__doc__ or "").strip().splitlines()[0])
        for known, field in model.model_fields.items():
            if not name or known == name:
                print(f"  {known} = {field.default!r}\n      {field.description}")


if __name__ == "__main__":
    sys.exit(main())
