"""Which code a stage rests on is found from the imports of its notebook, and a change of it makes the stage stale."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ftkit.core import code_closure, run_folder

ROOT = Path(__file__).parents[2]
HASHES = """
import json
from ftkit.core import run_folder
print(json.dumps({stage: run_folder.code_of(stage) for stage in run_folder.STAGES}))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """A copy of package and notebooks that may be edited."""
    folder = tmp_path_factory.mktemp("copy")
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("ftkit", "notebooks"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


def hashes(folder):
    done = subprocess.run(
        [sys.executable, "-c", HASHES],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        check=True,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "file, stale, fresh",
    [
        (
            "strategies/endpoint_prompt.py",
            {"prompting", "retrieval", "evaluation"},
            {"task", "data"},
        ),
        ("data/read.py", {"data", "evaluation"}, {"task"}),
        ("models/embeddings.py", {"data", "retrieval", "monitoring"}, {"task"}),
        ("training/worker.py", {"training"}, {"task", "data"}),
        ("models/nano/checkpoint/hashes.json", {"prompting", "training"}, {"task"}),
        ("demo/main.csv", {"data"}, {"task"}),
        ("decision/rule.py", {"decision"}, {"task", "data", "prompting", "training"}),
        ("report/page_one.py", set(), set(run_folder.STAGES)),
    ],
)
def test_a_changed_file_makes_those_stages_stale_that_can_come_to_execute_it(
    copy, file, stale, fresh
):
    before, path = hashes(copy), copy / "ftkit" / file
    kept = path.read_bytes()
    path.write_bytes(kept + b"\n")
    changed = {stage for stage, code in hashes(copy).items() if code != before[stage]}
    path.write_bytes(kept)
    assert stale <= changed and not fresh & changed


def test_the_recipes_are_no_stages_code():
    assert not any(
        "recipes" in name for stage in run_folder.STAGES for name in run_folder.code_of(stage)
    )


def test_the_reason_names_the_file(tmp_path, monkeypatch):
    work = run_folder.Stage(tmp_path, "task", {})
    run_folder.write_text(work.path("out.txt"), "x")
    work.done(["out.txt"])
    code = run_folder.code_of("task") | {"ftkit/core/errors.py": "other", "ftkit/new.py": "more"}
    monkeypatch.setattr(run_folder, "code_of", lambda stage: code)
    assert run_folder.stale_reason(tmp_path, "task", {}, []) == (
        "its code changed: ftkit/core/errors.py and 1 more"
    )


def test_a_lazy_import_a_started_module_and_a_file_beside_count(tmp_path, monkeypatch):
    package = tmp_path / "ftkit"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inner" / "__init__.py").write_text("")
    (package / "inner" / "a.py").write_text(
        "def f():\n    from ftkit.inner import b\n    return b, 'ftkit.worker', __file__, 'words.txt'\n"
    )
    (package / "inner" / "b.py").write_text("")
    (package / "inner" / "c.py").write_text("")
    (package / "inner" / "words.txt").write_text("one")
    (package / "worker.py").write_text("")
    book = tmp_path / "01_task.ipynb"
    cell = {"cell_type": "code", "source": ["from ftkit.inner.a import f\n", "f()"]}
    book.write_text(json.dumps({"cells": [cell]}))
    monkeypatch.setattr(code_closure, "PACKAGE", package)
    code_closure._files.cache_clear()
    names = {file.relative_to(package).as_posix() for file in code_closure.closure(book)}
    code_closure._files.cache_clear()
    assert names == {
        "__init__.py",
        "inner/__init__.py",
        "inner/a.py",
        "inner/b.py",
        "inner/words.txt",
        "worker.py",
    }
