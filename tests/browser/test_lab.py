"""JupyterLab opens the first notebook of a project and runs it by hand to the same files as headless."""

import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import yaml

from ftkit.core import run_folder
from ftkit.core.records.data import DataCard
from ftkit.core.records.decision import Decision
from ftkit.core.records.deployment import DeploymentCard
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.manifest import Manifest
from ftkit.core.records.prompting import PromptBook
from ftkit.core.records.training import TrainingCard
from ftkit.data import review
from ftkit.workflow.run_list import listing
from recipes.demo.scenarios import example_rows

ROOT = Path(__file__).parents[2]
TOKEN = "of-a-test"


@pytest.fixture
def project(tmp_path):
    """A project folder with the notebooks and one parameter file."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "desk.yaml").write_text(
        "task: {name: Fellmoor by hand}\ndata: {demo_examples: 120}\n"
    )
    return tmp_path


@pytest.fixture
def lab(project):
    """JupyterLab on the project's own parameters; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "JUPYTER_TOKEN": TOKEN,
        "JUPYTER_CONFIG_DIR": str(project / "config"),
        "JUPYTER_DATA_DIR": str(project / "data"),
    }
    command = [
        sys.executable,
        "-m",
        "ftkit.cli",
        "lab",
        "params/desk.yaml",
        "--no-browser",
        "--port",
        str(port),
    ]
    server = subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    address = f"http://127.0.0.1:{port}"
    wait_for(f"{address}/api?token={TOKEN}", server)
    yield address
    server.send_signal(signal.SIGTERM)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()


def wait_for(url, server):
    for _ in range(240):
        assert server.poll() is None, "JupyterLab ended at once"
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            time.sleep(0.5)
    raise AssertionError("JupyterLab did not answer within two minutes")


def open_and_run(page, address):
    """Open a notebook and run all its cells."""
    page.goto(address)
    page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
    page.wait_for_selector(".jp-NotebookPanel-toolbar", timeout=60_000)
    page.wait_for_selector(
        "text=| Idle", timeout=120_000
    )  # asked to run before its kernel is there, Lab asks which one
    page.keyboard.press("Escape")
    page.click("text=Run >> nth=0")
    page.click("text=Run All Cells")


def run_all(page, address, manifest):
    """Open a notebook, run all its cells, and wait for its stage's manifest."""
    open_and_run(page, address)
    for _ in range(360):
        if manifest.exists():
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"{manifest} was not written within three minutes")


def look_at_tickets(page, lab):
    """Open the start page, name a project and its file, and have the file looked at."""
    open_and_run(page, f"{lab}/lab/tree/notebooks/00_start.ipynb?token={TOKEN}")
    page.get_by_label("Project name", exact=True).fill("tickets", timeout=90_000)
    page.get_by_label("File of examples", exact=True).fill("tickets.csv")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Look at it").click()
    page.wait_for_selector("text=What was guessed. Check it", timeout=30_000)


def test_the_first_notebook_runs_by_hand_and_writes_its_stage(chromium, lab, project, tmp_path):
    page = chromium.new_context(viewport={"width": 1280, "height": 1000}).new_page()
    manifest = project / "outputs" / "desk" / "task" / "manifest.json"
    run_all(page, f"{lab}/lab/tree/outputs/desk/lab/01_task.ipynb?token={TOKEN}", manifest)
    assert run_folder.read_record(manifest, Manifest).parameters["name"] == "Fellmoor by hand"
    assert (
        page.locator(
            ".jp-OutputArea-output .jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr']"
        ).count()
        == 0
    )
    page.screenshot(path=tmp_path / "lab.png")
    assert page.locator("text=official Jupyter news").count() == 0, "nobody is asked to fetch news"
    page.locator("nav[aria-label='notebooks of this project'] a", has_text="02_data").click()
    page.wait_for_url(
        "**/outputs/desk/lab/02_data.ipynb*", timeout=60_000
    )  # the strip leads from one notebook to the next


def test_doubtful_rows_are_reviewed_by_keyboard_alone(chromium, lab, project, tmp_path):
    command = [sys.executable, "-m", "ftkit.cli", "run", "params/desk.yaml", "--only", "task"]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    page = chromium.new_context(viewport={"width": 1280, "height": 1400}).new_page()
    folder = project / "outputs" / "desk" / "data"
    run_all(
        page,
        f"{lab}/lab/tree/outputs/desk/lab/02_data.ipynb?token={TOKEN}",
        folder / "manifest.json",
    )
    key = page.get_by_label("Key", exact=True)
    key.scroll_into_view_if_needed(timeout=60_000)
    key.focus()
    for letter in "kdbr":
        page.keyboard.press(letter)
        page.wait_for_timeout(700)
    page.screenshot(path=tmp_path / "review.png")
    decided = review.read(folder / "review.jsonl")
    lines = (folder / "review.jsonl").read_text().splitlines()
    assert len(lines) == 3 and sorted(d.action for d in decided.values()) == ["keep", "redact"], (
        "the second one was decided anew"
    )
    queue = (folder / "review.csv").read_text(encoding="utf-8-sig")
    assert all(key in queue for key in decided)


def test_a_project_is_made_by_clicks_alone_and_equals_the_command_line(
    chromium, lab, project, tmp_path
):
    rows = [
        ("Where is my parcel?", "delivery"),
        ("I want my money back", "returns"),
        ("You charged me twice", "billing"),
    ]
    lines = [f"{text} Number {k}.,{label}" for k in range(30) for text, label in rows]
    (project / "tickets.csv").write_text("message,label\n" + "\n".join(lines) + "\n")
    page = chromium.new_context(viewport={"width": 1280, "height": 1500}).new_page()
    look_at_tickets(page, lab)
    page.get_by_text("01_task ·").first.click()
    page.get_by_label("instruction", exact=True).first.fill("Which desk is it for?")
    page.screenshot(path=tmp_path / "start.png")
    page.get_by_role("button", name="Save the settings").click()
    page.wait_for_selector("text=Saved params/tickets.yaml", timeout=30_000)
    clicked = (project / "params" / "tickets.yaml").read_text()
    command = [
        sys.executable,
        "-m",
        "ftkit.cli",
        "new",
        "tickets",
        "--data",
        "tickets.csv",
        "--force",
    ]
    subprocess.run(command, cwd=project, check=True, capture_output=True)
    typed = (project / "params" / "tickets.yaml").read_text()
    assert [line for line in clicked.splitlines() if "instruction:" not in line] == [
        line for line in typed.splitlines() if "instruction:" not in line
    ]
    assert "instruction: Which desk is it for?" in clicked


@pytest.mark.skipif(
    not os.environ.get("FTKIT_SLOW"),
    reason="takes 2.5 minutes and both cores: FTKIT_SLOW=1 runs it",
)
@pytest.mark.timeout(900)
def test_the_whole_walk_by_clicks_alone_and_headless_with_the_yaml_it_wrote_come_to_the_same(
    chromium, lab, project, tmp_path
):
    """From a small file to the last record without a key but what is typed into fields; then the same file on the command line."""
    write_tickets(project / "tickets.csv")
    page = chromium.new_context(viewport={"width": 1280, "height": 2400}).new_page()
    look_at_tickets(page, lab)
    for stage, changes in CLICKED.items():
        page.get_by_text(f"{stage} ·").first.click()
        more = page.locator("text=/more settings of this step/ >> visible=true")
        if more.count():
            more.first.click()
        for name, value in changes.items():
            page.get_by_label(name, exact=True).locator("visible=true").first.fill(value)
    page.get_by_role("button", name="Run all notebooks").click()
    again = second_copy(project, tmp_path / "again")
    page.wait_for_selector("text=/The walk (is done|ended)/", timeout=600_000)
    page.screenshot(path=tmp_path / "walked.png")
    assert page.locator("text=The walk is done.").count(), "the walk by clicks ended with an error"
    assert again.wait(300) == 0
    clicked, typed = (folder / "outputs" / "tickets" for folder in (project, tmp_path / "again"))
    settings = yaml.safe_load((project / "params" / "tickets.yaml").read_text())
    assert (
        settings["training"]["num_train_epochs"] == 1.0 and settings["evaluation"]["threads"] == 1
    )
    assert findings(clicked) == findings(typed)
    assert (clicked / "report.html").exists() and len(
        listing(project / "outputs")[0].stages
    ) == len(run_folder.STAGES)


CLICKED = {
    "03_prompting": {"validation items": "16", "threads": "1"},
    "05_training": {"num train epochs": "1", "general items": "0", "threads": "1"},
    "06_preference": {"threads": "1"},
    "07_evaluation": {"threads": "1"},
    "09_deployment": {"parity items": "8", "fault items": "0", "load clients": "", "threads": "1"},
}


def write_tickets(path):
    rows = [
        (row.text, json.loads(row.answer)["category"])
        for row in example_rows(160, 7)
        if row.answer.endswith("}")
    ]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [("message", "label"), *[row for row in rows if not row[1].startswith("{")]]
        )


def second_copy(project, folder):
    """Start the walk in a folder of its own, with the parameter file that the page has written."""
    written = project / "params" / "tickets.yaml"
    for _ in range(100):
        if written.exists() and "num_train_epochs: 1" in written.read_text():
            break
        time.sleep(0.2)
    folder.mkdir()
    for name in ("notebooks", "params"):
        shutil.copytree(project / name, folder / name)
    shutil.copy(project / "tickets.csv", folder)
    command = [sys.executable, "-m", "ftkit.cli", "run", "params/tickets.yaml"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def findings(run):
    """Return what a run found, without times, speeds and what they decide."""
    answers = run_folder.read_table(run / "evaluation" / "answers.parquet")
    data = run_folder.read_record(run / "data" / "data_card.json", DataCard)
    book = run_folder.read_record(run / "prompting" / "prompts.json", PromptBook)
    learnt = run_folder.read_record(run / "training" / "training.json", TrainingCard)
    evaluation = run_folder.read_record(run / "evaluation" / "evaluation.json", Evaluation)
    shipped = run_folder.read_record(run / "deployment" / "deployment.json", DeploymentCard)
    return {
        "data": (data.splits, data.rows_used),
        "prompts": [(t.prompt.sha256, t.accuracy) for t in book.trials],
        "training": (learnt.steps, learnt.best_validation_loss),
        "answers": answers[["strategy", "item_id", "text"]].to_dict("records"),
        "accuracy": {r.spec.name: r.accuracy for r in evaluation.results},
        "decision": run_folder.read_record(run / "decision" / "decision.json", Decision).verdict,
        "ships": (shipped.strategy, [(c.path, c.identical, c.cause) for c in shipped.parity]),
    }
