"""Commands that begin a project: new, demo, lab, doctor, explain, completion."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path

from ftkit.commands.shared import Commands, here, print_json, project_path
from ftkit.core.errors import BadInput

START = "00_start.ipynb"


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    _add_new(commands)
    _add_demo(commands)
    _add_lab(commands)
    _add_doctor(commands)
    _add_explain(commands)
    _add_completion(commands)


def _add_new(commands: Commands) -> None:
    new = commands.add_parser(
        "new", help="guess a project from a file of examples and write params/NAME.yaml"
    )
    new.add_argument("name", help="project name: letters, digits, - and _")
    new.add_argument(
        "--data",
        type=here,
        required=True,
        help="file of examples: CSV, TSV, JSONL, JSON, Parquet, Arrow, XLSX, or a saved datasets folder",
    )
    new.add_argument("--test-data", type=here, default="", help="file that holds the test examples")
    new.add_argument(
        "--handbook", type=here, default="", help="folder of articles to retrieve from"
    )
    new.add_argument("--encoding", default="", help="encoding of the file, if not UTF-8")
    new.add_argument("--force", action="store_true", help="write over an existing parameter file")
    new.add_argument("--json", action="store_true", help="for machines")
    new.set_defaults(call=_new)


def _new(given: argparse.Namespace) -> None:
    from ftkit.workflow import project
    from ftkit.workflow.project_files import prepare_folder

    data = project_path(given.data)
    test, handbook = (str(project_path(x)) if x else "" for x in (given.test_data, given.handbook))
    project.check_name(given.name)
    if not given.force:
        project.check_new(given.name)
    guess = project.guess(
        given.name, data, test_data=test, handbook=handbook, encoding=given.encoding
    )
    target = project.write(given.name, guess.sections, guess.sentences)
    copied = prepare_folder(Path.cwd())
    if given.json:
        print_json({"file": str(target), "guessed": guess.sentences, "parameters": guess.sections})
        return
    print("\n".join([*guess.sentences, *copied]))
    print(f"Wrote {target}. Check it, then: ftkit run {target}")


def _add_demo(commands: Commands) -> None:
    demo = commands.add_parser(
        "demo", help="run the built-in demo in this folder: no data, no GPU and no download needed"
    )
    demo.add_argument("--json", action="store_true", help="progress as one JSON object a line")
    demo.set_defaults(call=_demo)


def _demo(given: argparse.Namespace) -> int:
    from ftkit.commands.runs import run_file
    from ftkit.notebook.stage import to_project_root
    from ftkit.workflow.project_files import prepare_folder

    said = prepare_folder(to_project_root(), "demo.yaml")
    if not given.json:
        print("\n".join(said))
    return run_file(Path("params/demo.yaml"), as_json=given.json)


def _add_lab(commands: Commands) -> None:
    lab = commands.add_parser(
        "lab", help="open JupyterLab on the start page, or on a project's notebooks"
    )
    lab.add_argument(
        "file",
        type=here,
        nargs="?",
        help="parameter file: its values are put into copies of the notebooks",
    )
    lab.add_argument("--no-browser", action="store_true")
    lab.add_argument("--port", type=int, default=8888)
    lab.set_defaults(call=_lab)


def _lab(given: argparse.Namespace) -> None:
    from ftkit.core import run_folder
    from ftkit.notebook.stage import to_project_root
    from ftkit.workflow.kernel import QUIET, notebooks_folder, prepare_all
    from ftkit.workflow.project_files import prepare_folder

    first = START
    folder = notebooks_folder()
    if given.file:
        folder, first = (
            prepare_all(project_path(given.file)),
            f"{run_folder.stage_name('task')}.ipynb",
        )
    for sentence in prepare_folder(to_project_root()):
        print(sentence)
    if not given.file:
        folder = notebooks_folder()  # the copies, if the folder had none before
    root = to_project_root().resolve()
    command = [
        sys.executable,
        "-m",
        "jupyter",
        "lab",
        f"--ServerApp.root_dir={root}",
        f"--LabApp.app_settings_dir={Path(__file__).parents[1] / 'notebook' / 'lab'}",  # asks nobody for news, and for no updates
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


def _add_doctor(commands: Commands) -> None:
    doctor = commands.add_parser(
        "doctor", help="say what this machine can do, and what is missing for what"
    )
    doctor.add_argument("--json", action="store_true", help="for machines")
    doctor.add_argument("--endpoint", default="", help="address of a server to try instead")
    doctor.add_argument("--model", default="", help="the model's name there")
    doctor.add_argument("--connection", default="{}", help="its connection, as YAML")
    doctor.set_defaults(call=_doctor)


def _try_endpoint(given: argparse.Namespace) -> int:
    import yaml

    from ftkit.core.parameters.connection import Connection
    from ftkit.models.endpoint.model import Endpoint
    from ftkit.models.endpoint.profile import profile

    terms = {"may_leave": True, "confidence": True, "named": "endpoint"}
    try:
        connection = yaml.safe_load(given.connection) or {}
        Connection.model_validate(connection)
    except (yaml.YAMLError, ValueError) as error:
        raise BadInput(str(error), where="--connection", todo="see docs/endpoints.md") from error
    endpoint = Endpoint(given.endpoint, given.model, connection=connection, **terms)
    traits = profile(endpoint)
    if given.json:
        print_json([dataclasses.asdict(trait) for trait in traits])
    else:
        for trait in traits:
            print(f"{'✔' if trait.fine else '–'} {trait.name:22s} {trait.text}")
    return 0


def _doctor(given: argparse.Namespace) -> int:
    if given.endpoint:
        return _try_endpoint(given)
    from ftkit.workflow.doctor import examine

    findings = examine()
    if given.json:
        print_json([dataclasses.asdict(finding) for finding in findings])
    else:
        for finding in findings:
            print(f"{finding.mark} {finding.name:22s} {finding.text}")
    return 0 if all(f.fine for f in findings if f.needed) else 1


def _add_explain(commands: Commands) -> None:
    explain = commands.add_parser(
        "explain", help="what a parameter does: by section, by name, or by any word"
    )
    explain.add_argument(
        "name",
        nargs="*",
        help="SECTION, SECTION.NAME, or words to search for; nothing: the list of sections",
    )
    explain.add_argument("--json", action="store_true", help="for machines")
    explain.set_defaults(call=_explain)


def _explain(given: argparse.Namespace) -> None:
    from ftkit.core.parameters.explain import explain, sections

    words = " ".join(given.name).strip()
    if given.json:
        print_json([dataclasses.asdict(entry) for entry in explain(words)])
    elif not words:
        print("\n".join(sections()))
        print("More: ftkit explain SECTION, ftkit explain SECTION.NAME, ftkit explain WORDS")
    else:
        print("\n".join(entry.lines() for entry in explain(words)))


def _add_completion(commands: Commands) -> None:
    completion = commands.add_parser("completion", help="print a completion script for your shell")
    completion.add_argument("shell", choices=["bash", "zsh"])
    completion.set_defaults(call=_completion)


def _completion(given: argparse.Namespace) -> None:
    import shtab

    print(shtab.complete(given.parser, given.shell))
