"""Imports go one way, and a light import stays light."""

import ast
import subprocess
import sys
import time
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "ftkit"
HEAVY = {"torch", "transformers", "trl", "lancedb", "ipywidgets", "peft", "sentence_transformers"}


def imports(file: Path):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node, node.module
        elif isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)


def test_heavy_packages_are_imported_where_they_are_used():
    wrong = []
    for file in PACKAGE.rglob("*.py"):
        top = {id(n) for n in ast.parse(file.read_text()).body}
        tree = ast.parse(file.read_text())
        top = {n.lineno for n in tree.body}
        wrong += [
            f"{file}:{n.lineno}"
            for n, m in imports(file)
            if m.split(".")[0] in HEAVY and n.lineno in top
        ]
    allowed = ("training/sft_worker",)
    assert not [w for w in wrong if not any(a in w for a in allowed)]


def test_import_ftkit_is_quick_and_without_torch():
    began = time.perf_counter()
    code = "import sys, ftkit, ftkit.core.parameters, ftkit.core.run_folder; assert 'torch' not in sys.modules; assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert time.perf_counter() - began < 3, "0.3 s alone; room for a busy machine"
