"""What people do to a notebook: restart its kernel in the middle, open it twice, delete its run, open it from elsewhere."""

import shutil
import threading
from pathlib import Path

import nbformat
import pytest
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from ftkit.core import run_folder
from ftkit.core.records.manifest import Manifest
from ftkit.core.records.task import TaskCard
from ftkit.workflow.kernel import own_kernel, prepare_all

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose notebooks are prepared to be run by hand; the working directory is its root."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    (tmp_path / "params").mkdir()
    (tmp_path / "params" / "desk.yaml").write_text(
        "task: {name: Fellmoor}\ndata: {demo_examples: 120}\n"
    )
    monkeypatch.chdir(tmp_path)
    prepare_all(Path("params/desk.yaml"))
    return tmp_path


def opened(project, name="01_task", cwd=None):
    """Return a notebook's client as JupyterLab would start its kernel: in the notebook's own folder."""
    path = project / "outputs" / "desk" / "lab" / f"{name}.ipynb"
    book = nbformat.read(path, as_version=4)
    return NotebookClient(
        book,
        timeout=120,
        km=own_kernel()(),
        resources={"metadata": {"path": str(cwd or path.parent)}},
    )


def run_cells(client, cells=None):
    for place, cell in enumerate(client.nb.cells):
        if cell.cell_type == "code" and (cells is None or place in cells):
            client.execute_cell(cell, place)


def written(project, stage="task"):
    return project / "outputs" / "desk" / stage / "manifest.json"


def test_a_kernel_that_is_restarted_in_the_middle_begins_anew(project):
    client = opened(project)
    with client.setup_kernel():
        run_cells(client, range(len(client.nb.cells) // 2))
        assert not written(project).exists()
        run_sync(client.km.restart_kernel)()
        run_sync(client.kc.wait_for_ready)()
        last = max(i for i, cell in enumerate(client.nb.cells) if cell.cell_type == "code")
        with pytest.raises(CellExecutionError, match="NameError"):
            run_cells(client, [last])
        assert not written(project).exists()
        run_cells(client)
    assert run_folder.read_record(written(project), Manifest).stage == "task"


def test_one_notebook_in_two_tabs_leaves_one_whole_record(project):
    clients, faults = [opened(project), opened(project)], []

    def run(client):
        try:
            client.execute()
        except CellExecutionError as error:
            faults.append(error)

    tabs = [threading.Thread(target=run, args=(client,)) for client in clients]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    assert faults == []
    assert run_folder.read_record(written(project), Manifest).outputs
    assert (
        run_folder.read_record(project / "outputs" / "desk" / "task" / "task.json", TaskCard).name
        == "Fellmoor"
    )
    assert run_folder.states(project / "outputs" / "desk")["task"] == "done"


def test_a_run_that_is_deleted_under_a_notebook_is_told_and_nothing_is_half_written(project):
    client = opened(project)
    client.execute()
    data = opened(project, "02_data")
    with data.setup_kernel():
        places = [i for i, cell in enumerate(data.nb.cells) if cell.cell_type == "code"]
        run_cells(data, places[:2])
        shutil.rmtree(project / "outputs" / "desk" / "task")
        with pytest.raises(CellExecutionError, match="01_task"):
            run_cells(data)
    assert not written(project, "data").exists()


@pytest.mark.parametrize("place", ["notebooks", "outputs/desk/lab", "."])
def test_a_notebook_writes_to_the_same_place_wherever_its_kernel_starts(project, place):
    opened(project, cwd=project / place).execute()
    assert written(project).exists()
    assert not list(project.glob("notebooks/outputs")) and not list(
        project.glob("outputs/desk/lab/outputs")
    )
