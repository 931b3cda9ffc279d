"""Executed notebooks look in JupyterLab as they were drawn: trusted, with the long parameter cells folded."""

import nbformat
from jupyter_server.services.contents.filemanager import FileContentsManager

from ftkit.core.parameters.files import build
from ftkit.workflow.kernel import execute_notebook, prepare_notebook

PARAMETERS = [["parameters"], ["injected-parameters"]]


def folded(cells):
    return [c.metadata["tags"] for c in cells if c.metadata.get("jupyter", {}).get("source_hidden")]


def test_an_executed_notebook_is_trusted_and_a_changed_one_is_not(project_folder, monkeypatch):
    """Lab strips styles and scripts of outputs that its server does not trust."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(project_folder / "jupyter"))
    target = project_folder / "01_task.ipynb"
    execute_notebook("task", build("task", {"run": "outputs/desk"}), target)
    server = FileContentsManager(root_dir=str(project_folder))
    cells = server.get("01_task.ipynb")["content"].cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    assert any(cell.outputs for cell in code) and all(cell.metadata["trusted"] for cell in code)
    assert folded(cells) == PARAMETERS
    changed = nbformat.read(target, as_version=4)
    data = {"text/html": "<script>alert(1)</script>"}
    changed.cells[-1].outputs = [nbformat.v4.new_output("display_data", data)]
    nbformat.write(changed, target)
    cells = server.get("01_task.ipynb")["content"].cells
    assert not cells[-1].metadata["trusted"]


def test_a_notebook_to_step_through_shows_only_the_values_that_were_set(project_folder):
    target = project_folder / "01_task.ipynb"
    prepare_notebook("task", build("task", {"run": "outputs/desk"}), target)
    assert folded(nbformat.read(target, as_version=4).cells) == PARAMETERS[:1]


def test_a_widget_leaves_a_sentence_in_an_executed_notebook(tmp_path):
    """Its kernel is gone; Lab would show "Error displaying widget: model not found"."""
    from ftkit.workflow.kernel import finish_notebook

    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "gone"}}
    shown = nbformat.v4.new_output("display_data", view | {"text/plain": "Buttons stood here."})
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x", outputs=[shown])])
    path = tmp_path / "a.ipynb"
    nbformat.write(notebook, path)
    finish_notebook(path, hidden=())
    data = nbformat.read(path, as_version=4).cells[0].outputs[0].data
    assert "Buttons stood here." in data["text/html"] and not set(view) & set(data)
