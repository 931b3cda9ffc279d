"""Imports go one way, and a light import stays light."""

import ast
import subprocess
import sys
import time
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "ftkit"
STAGES = {"task", "data", "prompting", "retrieval", "training", "evaluation", "decision", "deployment", "monitoring"}
LEVEL = {
    "errors": 0,
    "machine": 0,
    "records": 1,
    "power": 1,
    "statistics": 1.5,
    "checks": 2,
    "params": 2,
    "runs": 2,
    "demo": 3,
    "models": 3,
    "triage": 4.5,
    "strategies": 5,
    "project": 5.5,
    "editions": 5.5,
    "race": 5.5,
    "strength": 5.5,
    "learning_curve": 5.5,
    "leakage": 5.5,
    "judging": 5.5,
    "frontier": 5.6,
    "attacks": 5.5,
    "serving": 5.8,
    "watch": 5.5,
    "preferences": 5.5,
    "passes": 5.5,
    "ui": 5,
}
LEVEL |= {stage: 4 for stage in STAGES} | {"stages": 6, "pipeline": 7, "doctor": 7, "start": 7.5, "cli": 8}
HEAVY = {"torch", "transformers", "trl", "lancedb", "ipywidgets", "peft", "sentence_transformers"}


def imports(file: Path):
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node, node.module
        elif isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)


def test_imports_go_one_way():
    wrong = []
    for file in PACKAGE.rglob("*.py"):
        part = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if part in ("__init__", "__main__"):
            continue
        for _, module in imports(file):
            names = module.split(".")
            if names[0] == "ftkit" and len(names) > 1 and names[1] != part and LEVEL[names[1]] >= LEVEL[part]:
                wrong.append(f"{file.relative_to(PACKAGE)} imports {module}")
    assert not wrong


def test_heavy_packages_are_imported_where_they_are_used():
    wrong = []
    for file in PACKAGE.rglob("*.py"):
        top = {id(n) for n in ast.parse(file.read_text()).body}
        tree = ast.parse(file.read_text())
        top = {n.lineno for n in tree.body}
        wrong += [f"{file}:{n.lineno}" for n, m in imports(file) if m.split(".")[0] in HEAVY and n.lineno in top]
    allowed = ("models/embedded/train", "training/sft_worker")
    assert not [w for w in wrong if not any(a in w for a in allowed)]


def test_import_ftkit_is_quick_and_without_torch():
    began = time.perf_counter()
    code = "import sys, ftkit, ftkit.params, ftkit.runs; assert 'torch' not in sys.modules; assert 'pandas' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert time.perf_counter() - began < 3, "0.3 s alone; room for a busy machine"
