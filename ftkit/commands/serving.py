"""Commands of what ships: serve, promote, retune, rollback, releases, monitor."""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path

from ftkit.commands.shared import Commands, here, print_json, project_path, run_folder_of, say
from ftkit.core.errors import BadInput


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    _add_serve(commands)
    _add_promote(commands)
    _add_retune(commands)
    _add_rollback(commands)
    _add_releases(commands)
    _add_monitor(commands)


def _add_serve(commands: Commands) -> None:
    serve = commands.add_parser(
        "serve", help="serve exported strategies as an OpenAI-compatible server"
    )
    serve.add_argument(
        "paths",
        type=here,
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
        "--engine",
        default="",
        metavar="URL",
        help="let an engine that runs already generate (vLLM, ...; its URL ends in /v1); prompt, passages, format and log stay here",
    )
    serve.add_argument(
        "--log",
        type=here,
        default="",
        help="file that every answer is written to (JSON lines), for 10_monitoring; off by default",
    )
    serve.add_argument(
        "--log-unmasked",
        action="store_true",
        help="do not mask e-mail addresses, IBANs and long numbers in the log",
    )
    serve.set_defaults(call=_serve)


def _serve(given: argparse.Namespace) -> None:
    import uvicorn

    from ftkit.deployment import releases
    from ftkit.deployment.served_strategy import Served
    from ftkit.deployment.server import start as run
    from ftkit.deployment.server.answering import Limits
    from ftkit.deployment.server.app import create_app

    token, log = os.environ.get(run.TOKEN, ""), Path(given.log) if given.log else None
    run.check_host(given.host, token)
    if log is not None and not log.parent.is_dir():
        raise BadInput(
            "there is no such folder",
            where=str(log.parent),
            todo="make it, or choose another --log",
        )
    served: list[Served] = []
    for path in map(project_path, given.paths):
        store = path if releases.is_store(path) else None
        version = releases.read(path).current if store else 0
        served.append(
            Served(
                run.folder_of(path),
                given.threads,
                version,
                store,
                beside=served[0] if served else None,
                engine_url=given.engine,
            )
        )
    app = create_app(
        served,
        token=token,
        limits=Limits(waiting=given.waiting),
        log=log,
        mask_log=not given.log_unmasked,
    )
    listening = run.bound(given.host, given.port)
    for one in served:
        print(f"Serving {one.bundle.spec.name} of {one.bundle.project} as '{one.bundle.name}'")
        if large := one.bundle.large:
            print(f"Below a confidence of {large.least:.4f} it asks {large.model} at {large.url}")
    print("Ctrl-C ends it")
    print(f"http://{given.host}:{listening.getsockname()[1]}/v1", flush=True)
    with contextlib.suppress(KeyboardInterrupt):  # ended by Ctrl-C or a platform, all answered
        uvicorn.Server(run.config(app, given.host, given.port)).run(sockets=[listening])


def _add_promote(commands: Commands) -> None:
    promote = commands.add_parser(
        "promote", help="make a run's export the version that serves, if it is not worse"
    )
    promote.add_argument("run", type=here, help="run folder, or parameter file; 09 must be done")
    promote.add_argument(
        "--store", type=here, default="", help="release folder; releases/NAME if not given"
    )
    promote.add_argument("--note", default="", help="why, kept with the release")
    promote.add_argument(
        "--force", action="store_true", help="in spite of failed parity, or of worse answers"
    )
    promote.set_defaults(call=_promote)


def _promote(given: argparse.Namespace) -> None:
    from ftkit.deployment import releases
    from ftkit.workflow.promote import promote as promote_promote
    from ftkit.workflow.promote import store_of

    run = run_folder_of(project_path(given.run))
    store = store_of(run, str(project_path(given.store)) if given.store else "")
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


def _add_retune(commands: Commands) -> None:
    retune = commands.add_parser(
        "retune", help="make a new round of data and parameters from labelled production answers"
    )
    retune.add_argument("file", type=here, help="parameter file of the project that serves")
    retune.add_argument(
        "--labels",
        type=here,
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


def _retune(given: argparse.Namespace) -> None:
    from ftkit.workflow.retune import retune as retune_retune

    made = retune_retune(
        project_path(given.file), [project_path(p) for p in given.labels], given.name, given.force
    )
    print("\n".join([*made.sentences, f"Data: {made.data}", f"Next: ftkit run {made.parameters}"]))
    print(f"Then: ftkit promote {made.parameters}")


def _add_rollback(commands: Commands) -> None:
    rollback = commands.add_parser("rollback", help="let an earlier version serve again")
    rollback.add_argument("store", type=here, help="release folder, e.g. releases/assistant")
    rollback.add_argument(
        "--version", type=int, default=0, help="which one; the one before if not given"
    )
    rollback.add_argument("--note", default="", help="why, kept with the release")
    rollback.set_defaults(call=_rollback)


def _rollback(given: argparse.Namespace) -> None:
    from ftkit.deployment import releases

    store = project_path(given.store)
    releases.roll_back(store, given.version, given.note)
    print("\n".join(releases.lines(releases.read(store))))


def _add_releases(commands: Commands) -> None:
    released = commands.add_parser(
        "releases", help="list the versions of a release folder, and which one serves"
    )
    released.add_argument("store", type=here, help="release folder, e.g. releases/assistant")
    released.add_argument("--json", action="store_true", help="for machines")
    released.set_defaults(call=_releases)


def _releases(given: argparse.Namespace) -> None:
    from ftkit.deployment import releases

    known = releases.read(project_path(given.store))
    if given.json:
        print_json(known.model_dump(mode="json"))
    else:
        print("\n".join(releases.lines(known)))


def _add_monitor(commands: Commands) -> None:
    monitor = commands.add_parser(
        "monitor",
        help="look at the production log (10_monitoring); for cron: exit code 3 where something must be done",
    )
    monitor.add_argument("file", type=here, help="parameter file of the project that serves")
    monitor.add_argument("--log", type=here, default="", help="the log, instead of monitoring.log")
    monitor.set_defaults(call=_monitor)


def _monitor(given: argparse.Namespace) -> int:
    from ftkit.core import run_folder
    from ftkit.core.parameters.files import load
    from ftkit.core.records.monitoring import MonitoringCard
    from ftkit.workflow.run import Selection
    from ftkit.workflow.run import run as run_run

    file = project_path(given.file)
    log = str(project_path(given.log)) if given.log else ""
    overrides = [f"monitoring.log={log}"] if log else []
    run_run(file, selection=Selection(["monitoring"], force=True), overrides=overrides, say=say)
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
