"""A project's copies of the notebooks: updated where nobody changed them, kept and told where somebody did."""

from pathlib import Path

import pytest

from ftkit import cli
from ftkit.core import code_closure
from ftkit.core.errors import BadInput
from ftkit.core.parameters.explain import explain
from ftkit.workflow import project, project_files


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A package that ships two notebooks, in the layout of a wheel; returns the folder they lie in."""
    monkeypatch.setattr(code_closure, "PACKAGE", tmp_path / "site" / "ftkit")
    folder = tmp_path / "site" / "ftkit" / "shipped" / "notebooks"
    folder.mkdir(parents=True)
    for name in ("01_task.ipynb", "02_data.ipynb"):
        (folder / name).write_text(f"{name} of the first version")
    return folder


def test_unchanged_copies_follow_a_newer_version_and_changed_ones_stay(
    shipped, tmp_path, monkeypatch
):
    root = tmp_path / "desk"
    assert "Copied 2 notebooks" in project_files.prepare_folder(root)[0]
    assert project_files.prepare_folder(root) == [], "nothing to say the second time"
    (root / "notebooks" / "02_data.ipynb").write_text("mine")
    for name in ("01_task.ipynb", "02_data.ipynb"):
        (shipped / name).write_text("second version")
    monkeypatch.setattr(project_files, "__version__", "9.9")
    updated, kept = project_files.update_copies(root)
    assert "Updated 1 notebooks" in updated and "You changed 02_data.ipynb" in kept
    assert (root / "notebooks" / "01_task.ipynb").read_text() == "second version"
    assert (root / "notebooks" / "02_data.ipynb").read_text() == "mine"
    assert "You changed 02_data.ipynb" in project_files.update_copies(root)[0], "told each time"


def test_the_projects_own_notebooks_run_where_it_has_some(shipped, tmp_path, monkeypatch):
    root = tmp_path / "desk"
    (root / "notebooks").mkdir(parents=True)
    monkeypatch.chdir(root)
    assert code_closure.notebooks_folder() == shipped
    project_files.prepare_folder(root)
    assert code_closure.notebooks_folder() == root / "notebooks"


def test_a_new_parameter_file_holds_what_was_guessed_and_what_people_change(project_folder):
    assert cli.main(["new", "desk", "--data", "desk.csv"]) == 0
    text = Path("params/desk.yaml").read_text()
    values = [line for line in text.splitlines() if line.startswith("  ")]
    assert len(values) <= 36 and all("  # " in line for line in values)
    assert "\nbase_model: " in text and "lora_alpha" not in text
    built = project.guess("desk", Path("desk.csv")).sections["task"]
    assert built["kind"] == "label" and "kind: label" in text


def test_parameters_are_found_by_section_name_and_words(capsys):
    assert [e.name for e in explain("training.lora_r")] == ["lora_r"]
    assert {e.section for e in explain("training")} == {"training"}
    assert "curve_shares" in {e.name for e in explain("learning curve")}
    with pytest.raises(BadInput, match=r"did you mean 'training\.lora_r'"):
        explain("training.lora_rr")
    assert cli.main(["explain"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 11, "a list of sections, not one dump"
