"""What a coding agent may do with ftkit, tried by the protocol's own client over stdin and stdout."""

import asyncio
import json
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from made_run import make_run

mcp = pytest.importorskip("mcp", reason="pip install 'ftkit[mcp]'")

ROOT = Path(__file__).parents[2]
TOOLS = "ask compare explain inspect_file propose_project report run status stop".split()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("agent")
    for name in ("notebooks", "params"):
        shutil.copytree(ROOT / name, folder / name)
    rows = [("Where is my parcel?", "delivery"), ("I want my money back", "returns")]
    lines = [f"{text} Number {k}.,{label}" for k in range(40) for text, label in rows]
    (folder / "tickets.csv").write_text("message,label\n" + "\n".join(lines) + "\n")
    make_run(folder / "outputs" / "desk")
    return folder


def session(folder, *calls):
    """Start ``ftkit mcp`` in a folder and return the names of its tools and what each call answered."""

    async def talk():
        command = ["-m", "ftkit.cli", "mcp", "--folder", str(folder)]
        started = mcp.StdioServerParameters(
            command=sys.executable, args=command, env={"PYTHONPATH": str(ROOT)}
        )
        async with mcp.Client(started) as client:
            names = sorted(tool.name for tool in (await client.list_tools()).tools)
            return names, [await client.call_tool(name, values) for name, values in calls]

    with ThreadPoolExecutor(1) as other:  # browser tests leave a loop running in this thread
        return other.submit(asyncio.run, talk()).result()


def text(result):
    return "\n".join(part.text for part in result.content)


def test_an_agent_inspects_a_file_proposes_a_project_and_is_told_what_the_terminal_tells(project):
    wanted = {"name": "tickets", "data": "tickets.csv"}
    names, (seen, made, again, absent, unasked) = session(
        project,
        ("inspect_file", {"data": "tickets.csv"}),
        ("propose_project", wanted),
        ("propose_project", wanted),
        ("inspect_file", {"data": "nothing.csv"}),
        ("status", {"run": "params/tickets.yaml"}),
    )
    assert names == TOOLS
    assert json.loads(text(seen))["parameters"]["data"]["output_column"] == "label"
    assert "Number 7" not in text(seen), "rows stay on the machine"
    assert not made.is_error and (project / "params" / "tickets.yaml").exists()
    assert again.is_error and "is there already" in text(again)
    assert absent.is_error and "nothing.csv" in text(absent) and "Traceback" not in text(absent)
    assert unasked.is_error and "no such run folder" in text(unasked)


def test_an_agent_reads_the_verdict_with_its_caveats_and_compares(project):
    _, (words, same, unknown, empty) = session(
        project,
        ("report", {"run": "outputs/desk"}),
        ("compare", {"first": "outputs/desk", "second": "outputs/desk"}),
        ("explain", {"words": "lora_r"}),
        ("ask", {"run": "outputs/desk", "message": " "}),
    )
    assert "tiny built-in model" in text(words) and "## Why" in text(words)
    assert not same.is_error and "training.lora_r" in text(unknown)
    assert empty.is_error and "give the text to answer" in text(empty)


def test_an_agent_starts_a_run_that_outlives_the_server(project):
    file = "params/demo.yaml"
    _, (wrong, begun) = session(
        project,
        ("run", {"file": file, "until": "trainin"}),
        ("run", {"file": file, "until": "task"}),
    )
    assert wrong.is_error and "did you mean" in text(wrong)
    assert not begun.is_error
    for _ in range(60):
        _, (how,) = session(project, ("status", {"run": file}))
        if json.loads(text(how))["state"] not in ("running", "not started"):
            break
    assert json.loads(text(how))["done"] == ["task"] and json.loads(text(how))["error"] == ""
