"""Commands that look at runs: report, runs, compare, clean."""

from __future__ import annotations

import argparse
import dataclasses
import webbrowser

from ftkit.commands.shared import Commands, here, print_json, project_path, run_folder_of


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    _add_report(commands)
    _add_runs(commands)
    _add_compare(commands)
    _add_clean(commands)


def _add_report(commands: Commands) -> None:
    report = commands.add_parser("report", help="write a run's report anew and print its path")
    report.add_argument("run", type=here, help="run folder, or parameter file")
    report.add_argument("--open", action="store_true", help="open it in the browser")
    report.add_argument(
        "--pdf",
        action="store_true",
        help="print report.pdf as well: two pages to decide on, the full report as annex (by Chromium, Chrome or Edge)",
    )
    report.add_argument(
        "--export",
        action="store_true",
        help="write exports/ as well: summary.md, strategies.csv, answers.csv, report.json",
    )
    report.set_defaults(call=_report)


def _report(given: argparse.Namespace) -> None:
    from ftkit.report import exports
    from ftkit.report.page import write

    path = project_path(given.run)
    run = run_folder_of(path)
    written = [write(run, str(path))]
    written += exports.write(run) if given.export else []
    written += [exports.pdf(run)] if given.pdf else []
    print("\n".join(str(file.resolve()) for file in written))
    if given.open:
        webbrowser.open(written[0].resolve().as_uri())


def _add_runs(commands: Commands) -> None:
    listing = commands.add_parser("runs", help="list the runs under outputs/")
    listing.add_argument("--json", action="store_true", help="for machines")
    listing.set_defaults(call=_runs)


def _runs(given: argparse.Namespace) -> None:
    from ftkit.notebook.stage import to_project_root
    from ftkit.workflow.run_list import listing as run_list_listing

    found = run_list_listing(to_project_root() / "outputs")
    if given.json:
        print_json([run.values() for run in found])
    else:
        print(
            "\n".join([run.line() for run in found] or ["no runs yet: ftkit run params/demo.yaml"])
        )


def _add_compare(commands: Commands) -> None:
    against = commands.add_parser(
        "compare",
        help="two runs: what was set differently, and what came out, question by question",
    )
    against.add_argument("first", type=here, help="run folder, or parameter file")
    against.add_argument("second", type=here, help="run folder, or parameter file")
    against.add_argument("--json", action="store_true", help="for machines")
    against.add_argument(
        "--html",
        action="store_true",
        help="write it as a page into the second run's folder, and print its path",
    )
    against.set_defaults(call=_compare)


def _compare(given: argparse.Namespace) -> None:
    from ftkit.workflow.compare_runs import compare, lines
    from ftkit.workflow.comparison_page import write_comparison

    first, second = (run_folder_of(project_path(path)) for path in (given.first, given.second))
    names = (first.name, second.name) if first.name != second.name else (str(first), str(second))
    if given.html:
        print(write_comparison(first, second).resolve())
        return
    found = compare(first, second)
    if given.json:
        print_json(dataclasses.asdict(found))
    else:
        print("\n".join(lines(found, names)))


def _add_clean(commands: Commands) -> None:
    clean = commands.add_parser(
        "clean", help="delete a run folder; without --yes only say what would be deleted"
    )
    clean.add_argument("run", type=here, help="run folder, or parameter file")
    clean.add_argument("--yes", action="store_true", help="delete it")
    clean.set_defaults(call=_clean)


def _clean(given: argparse.Namespace) -> None:
    from ftkit.workflow.run_list import remove

    print(remove(run_folder_of(project_path(given.run)), given.yes))
