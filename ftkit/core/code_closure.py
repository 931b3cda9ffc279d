"""Which code a stage rests on: the closure of what its notebook imports, found from the imports themselves.

An import counts wherever it stands, in a function too. A module that another one starts as a process counts when its
dotted name stands in the code as a text. A file beside a module counts when its name stands in a module that asks where
it lies (``Path(__file__)``). Importing a module executes the packages above it, so these count as well.
"""

from __future__ import annotations

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def shipped(name: str) -> Path:
    """Return a folder that ships beside the package in a checkout and inside it in a wheel: notebooks or params."""
    inside = PACKAGE / "shipped" / name
    return inside if inside.is_dir() else PACKAGE.parent / name


def notebooks_folder() -> Path:
    """Return the notebooks that run: the project's copies where the working directory has them, else the shipped ones."""
    here = Path.cwd() / "notebooks"
    return here if (here / "01_task.ipynb").is_file() else shipped("notebooks")


def code_hashes(notebook: Path) -> dict[str, str]:
    """Return the SHA-256 of the notebook and of every file of ftkit that its cells can come to execute or read.

    Args:
        notebook: The stage's notebook.

    Returns:
        Hash by path relative to the folder that holds the package, sorted by path; without a notebook, only what is there.
    """
    files = [notebook] if notebook.exists() else []
    files += sorted(closure(notebook))
    return {_name(file): _sha256(file) for file in files}


def module_hashes(module: str) -> dict[str, str]:
    """Return the SHA-256 of every file of ftkit that a module can come to execute or read, by path."""
    return {_name(file): _sha256(file) for file in sorted(_reached(_files(module)))}


def closure(notebook: Path) -> set[Path]:
    """Return the files of ftkit that a notebook's cells can come to execute or read."""
    if not notebook.exists():
        return set()
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "code")
    return _reached(_uses(ast.parse(code), None))


def _reached(first: tuple[Path, ...]) -> set[Path]:
    waiting, seen = list(first), set[Path]()
    while waiting:
        file = waiting.pop()
        if file not in seen:
            seen.add(file)
            waiting += _used_by(file) if file.suffix == ".py" else ()
    return seen


@cache
def _used_by(file: Path) -> tuple[Path, ...]:
    return _uses(ast.parse(file.read_text(encoding="utf-8")), file)


def _uses(tree: ast.AST, file: Path | None) -> tuple[Path, ...]:
    found: set[Path] = set()
    beside = file is not None and any(
        isinstance(n, ast.Name) and n.id == "__file__" for n in ast.walk(tree)
    )
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(f for alias in node.names for f in _files(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.update(_files(node.module))
            found.update(f for a in node.names for f in _files(f"{node.module}.{a.name}"))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if node.value.startswith("ftkit.") and node.value.replace(".", "").isidentifier():
                found.update(_files(node.value))
            elif beside and file is not None:
                found.update(_beside(file.parent, node.value))
    return tuple(sorted(found - {file}))


@cache
def _files(module: str) -> tuple[Path, ...]:
    """Return a module's file and those of the packages above it; nothing if there is no such module."""
    parts = module.split(".")
    if parts[0] != PACKAGE.name:
        return ()
    base = PACKAGE.joinpath(*parts[1:])
    own = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    if not own.is_file():
        return ()
    above = [PACKAGE.joinpath(*parts[1:end], "__init__.py") for end in range(1, len(parts))]
    return (*(f for f in above if f.is_file()), own)


def _beside(folder: Path, name: str) -> list[Path]:
    """Return the data files that a name stands for in a folder: the file, or all below the folder of that name."""
    if not name or len(name) > 80 or "\n" in name or name.startswith((".", "/")):
        return []
    path = folder / name
    files = path.rglob("*") if path.is_dir() else [path]
    return [f for f in files if f.is_file() and "__pycache__" not in f.parts]


@cache
def _hash(file: Path, size: int, changed_ns: int) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _sha256(file: Path) -> str:
    """Return a file's hash; read again only when its size or time changed."""
    stat = file.stat()
    return _hash(file, stat.st_size, stat.st_mtime_ns)


def _name(file: Path) -> str:
    root = PACKAGE.parent
    if file.suffix == ".ipynb":
        return f"notebooks/{file.name}"  # the same notebook wherever it lies
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
