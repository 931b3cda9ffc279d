"""``ftkit mcp``: what a coding agent may do with ftkit, over the Model Context Protocol on stdin and stdout.

A tool calls the same functions as the command of its name and refuses what that refuses. Rows of data never leave the
machine this way: a file is told by its columns and guesses. Runs work in the background and survive the server.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.commands.shared import Commands, here, run_folder_of
from ftkit.core.errors import BadInput, FtkitError

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

INSTRUCTIONS = (
    "ftkit decides between prompting, RAG, fine-tuning and both for a task with examples. Inspect the file, propose a "
    "project, show the user what was guessed, run it (minutes to hours: ask for the status), then report. "
    "Say the caveats of the report with its verdict."
)
LAST_LINES = 5


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    serve = commands.add_parser(
        "mcp", help="let a coding agent inspect, propose, run, report, compare and ask (MCP, stdio)"
    )
    serve.add_argument("--folder", type=here, default="", help="project folder; this one if empty")
    serve.set_defaults(call=_mcp)


def _mcp(given: argparse.Namespace) -> None:
    import os

    from ftkit.notebook.stage import to_project_root

    if given.folder:
        os.chdir(given.folder)
    to_project_root()
    server().run(transport="stdio")


def server() -> MCPServer:
    """Return the server with its tools.

    Raises:
        BadInput: The extra is not installed.
    """
    try:
        from mcp.server.mcpserver import MCPServer
        from mcp.server.mcpserver.exceptions import ToolError
    except ImportError as error:
        raise BadInput(
            "needs a package that is not installed",
            where="ftkit mcp",
            todo="pip install 'ftkit[mcp]'",
        ) from error

    made = MCPServer("ftkit", instructions=INSTRUCTIONS)
    for tool in (inspect_file, propose_project, run, status, stop, report, compare, ask, explain):

        def guarded(call: Any = tool) -> Any:
            import functools

            @functools.wraps(call)
            def answered(*values: Any, **named: Any) -> Any:
                try:
                    return call(*values, **named)
                except FtkitError as error:  # the agent reads what a user would
                    raise ToolError(str(error)) from error

            return answered

        made.add_tool(guarded())
    return made


def inspect_file(data: str, handbook: str = "") -> dict[str, Any]:
    """Say what a file of examples holds, without writing anything: columns, kind of task, and what was guessed and why.

    Args:
        data: Path of a CSV, TSV, JSONL, JSON, Parquet, Arrow or XLSX file.
        handbook: Folder of articles to retrieve from; empty: none.
    """
    from ftkit.workflow import project

    found = project.guess("project", Path(data), handbook=handbook)
    return {"guessed": found.sentences, "parameters": found.sections}


def propose_project(
    name: str, data: str, test_data: str = "", handbook: str = "", base_model: str = ""
) -> dict[str, Any]:
    """Write params/NAME.yaml from a file of examples; a name that is taken is refused.

    Args:
        name: Project name: letters, digits, - and _.
        data: File of examples.
        test_data: File that holds the test examples; empty: split off.
        handbook: Folder of articles; empty: no retrieval.
        base_model: nano (a toy), smollm2-135m, a folder or a Hugging Face name; empty: as proposed.
    """
    from ftkit.core.parameters import shared
    from ftkit.workflow import project
    from ftkit.workflow.project_files import prepare_folder

    project.check_name(name)
    project.check_new(name)
    found = project.guess(name, Path(data), test_data=test_data, handbook=handbook)
    if base_model:
        found.sections.setdefault(shared.SECTION, {})["base_model"] = base_model
    target = project.write(name, found.sections, found.sentences)
    return {"file": str(target), "guessed": found.sentences, "said": prepare_folder(Path.cwd())}


def run(file: str, until: str = "") -> dict[str, Any]:
    """Start or continue the run of a parameter file in the background; stages that are done and unchanged are not run again.

    Args:
        file: Parameter file, e.g. params/tickets.yaml.
        until: Last stage: task, data, prompting, retrieval, training, preference, evaluation, decision, deployment or
            monitoring; data checks the data only; empty: all.
    """
    from ftkit.core.parameters.files import load
    from ftkit.workflow import run_state
    from ftkit.workflow.run import Selection, run_preview

    folder = Path(load(Path(file))["task"].run)
    Selection(last=until).stages()
    state = run_state.read_state(folder)
    if state is not None and state.state in ("running", "stopping"):
        raise BadInput("is being run already", where=str(folder), todo="ask for its status")
    said = run_preview(Path(file))
    run_state.start(Path(file), folder, ("--until", until) if until else ())
    return {"run": str(folder), "said": said}


def status(run: str) -> dict[str, Any]:
    """Say how far a run is: its state, the stage that runs, seconds left where known, what is done, and the last lines.

    Args:
        run: Run folder, or parameter file.
    """
    from ftkit.workflow import run_state
    from ftkit.workflow.run_list import listing

    folder = run_folder_of(Path(run))
    state, left = run_state.read_state(folder), run_state.seconds_left(folder)
    log = folder / run_state.LOG
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    listed = next((x for x in listing(folder.parent) if x.name == folder.name), None)
    return {
        "state": state.state if state else "not started",
        "stage": state.stage if state else "",
        "seconds_left": None if left is None else round(left),
        "error": state.error if state else "",
        "done": listed.stages if listed else [],
        "finding": listed.finding if listed else "",
        "last_lines": lines[-LAST_LINES:],
    }


def stop(run: str) -> str:
    """Stop a run that works; what is finished stays, and running it again goes on from there.

    Args:
        run: Run folder, or parameter file.
    """
    from ftkit.workflow import run_state

    folder = run_folder_of(Path(run))
    state = run_state.read_state(folder)
    if state is None or state.state != "running":
        return "It does not run."
    run_state.stop(folder, state.pid)
    return "Stopping. What is finished stays."


def report(run: str) -> str:
    """Return a run's first page in words: verdict, caveats, table of strategies, why, what would change it, what to do next.

    Args:
        run: Run folder, or parameter file.
    """
    from ftkit.report import exports
    from ftkit.report.run_contents import load

    return exports.summary(load(run_folder_of(Path(run))))


def compare(first: str, second: str) -> str:
    """Return what was set differently in two runs, and what came out.

    Args:
        first: Run folder, or parameter file.
        second: Run folder, or parameter file.
    """
    from ftkit.workflow.compare_runs import compare, lines

    folders = [run_folder_of(Path(path)) for path in (first, second)]
    return "\n".join(lines(compare(*folders), (folders[0].name, folders[1].name)))


def ask(run: str, message: str) -> list[dict[str, str]]:
    """Let every strategy of an evaluated run answer one message: answer, confidence, passages, seconds.

    Args:
        run: Run folder, or parameter file.
        message: What the model is given.
    """
    from ftkit.workflow.ask_run import AskRun

    if not message.strip():
        raise BadInput("is empty", where="message", todo="give the text to answer")
    return AskRun(run_folder_of(Path(run)))(message)


def explain(words: str) -> str:
    """Return what parameters do: by section, by SECTION.NAME, or by any word.

    Args:
        words: What to look up.
    """
    from ftkit.core.parameters.explain import explain

    return "\n".join(entry.lines() for entry in explain(words))
