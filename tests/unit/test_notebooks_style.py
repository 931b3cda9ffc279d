"""Every notebook is the same kind of document: question first, parameters as the model has them, short cells, no outputs."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from ftkit.core import run_folder
from ftkit.core.parameters.files import notebook_cell
from ftkit.core.parameters.models import MODELS

ROOT = Path(__file__).parents[2]
BOOKS = {
    stage: ROOT / "notebooks" / f"{run_folder.stage_name(stage)}.ipynb"
    for stage in run_folder.STAGES
}
START = ROOT / "notebooks" / "00_start.ipynb"
MOST_CELLS, MOST_LINES = 14, 24
EXTRA_KEYS = "metadata.papermill cell.metadata.papermill"


@pytest.fixture(params=run_folder.STAGES)
def stage(request):
    return request.param


def read(stage):
    return nbformat.read(BOOKS[stage], as_version=4)


def code_cells(stage):
    return [c for c in read(stage).cells if c.cell_type == "code"]


def test_there_is_one_notebook_per_stage_and_no_other():
    assert sorted((ROOT / "notebooks").glob("*.ipynb")) == sorted([*BOOKS.values(), START])


def test_the_parameters_cell_is_what_the_model_says(stage):
    tagged = [c for c in code_cells(stage) if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1 and "parameters" in code_cells(stage)[0].metadata.get("tags", [])
    assert tagged[0].source == notebook_cell(stage)


def test_papermill_lists_every_parameter(stage):
    from papermill.inspection import inspect_notebook

    assert set(inspect_notebook(str(BOOKS[stage]))) == set(MODELS[stage].model_fields)


def test_the_first_cell_asks_the_question_and_says_what_it_takes(stage):
    first = read(stage).cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    assert first.source.splitlines()[0].rstrip().endswith("?"), "the title is a question"
    for word in ("Reads", "Writes", "Hardware", "Time"):
        assert re.search(rf"\*\*{word}\*\*", first.source), f"{word} is not told"


def test_the_second_code_cell_opens_the_stage_and_the_last_one_closes_it(stage):
    cells = code_cells(stage)
    assert f'stages.begin("{stage}", globals())' in cells[1].source
    assert "stage.done(" in cells[-1].source and "theme.summary(" in cells[-1].source


def test_cells_are_short_and_define_nothing(stage):
    cells = code_cells(stage)
    assert len(cells) <= MOST_CELLS, f"{len(cells)} code cells"
    for cell in cells[1:]:
        work = [
            line
            for node in ast.parse(cell.source).body
            if not isinstance(node, ast.Import | ast.ImportFrom)
            for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
        ]
        assert len(set(work)) <= MOST_LINES, cell.source
        kinds = {type(node) for node in ast.walk(ast.parse(cell.source))}
        assert not kinds & {ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef}, cell.source
        assert not re.search(r"^\s*[!%]|pip install", cell.source, re.M), cell.source


def test_code_and_words_take_turns(stage):
    cells = read(stage).cells
    for first, second, third in zip(cells[2:], cells[3:], cells[4:], strict=False):
        assert {first.cell_type, second.cell_type, third.cell_type} != {"code"}, (
            f"no sentence between:\n{first.source}"
        )


@pytest.mark.parametrize("light", ["task", "data", "decision"])
def test_a_notebook_without_a_model_imports_none(light):
    nodes = [
        n
        for c in code_cells(light)
        for n in ast.parse(c.source).body
        if isinstance(n, ast.Import | ast.ImportFrom)
    ]
    code = "\n".join(ast.unparse(n) for n in nodes)
    check = "import sys; heavy = {'torch', 'transformers', 'sentence_transformers', 'lancedb'} & set(sys.modules); assert not heavy, heavy"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{check}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_links_between_notebooks_lead_somewhere(stage):
    text = "\n".join(c.source for c in read(stage).cells)
    for name in re.findall(r"\b\d\d_[a-z]+\.ipynb", text):
        assert (ROOT / "notebooks" / name).exists(), name


def test_notebooks_name_their_kernel_and_hold_no_outputs(stage):
    book = read(stage)
    nbformat.validate(book)
    assert book.metadata.kernelspec.name == "python3"
    assert all(
        not c.outputs and c.execution_count is None for c in book.cells if c.cell_type == "code"
    )


def test_nothing_of_a_run_is_left_in_the_notebooks():
    command = [
        sys.executable,
        "-m",
        "nbstripout",
        "--verify",
        "--keep-id",
        "--extra-keys",
        EXTRA_KEYS,
        *map(str, BOOKS.values()),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
