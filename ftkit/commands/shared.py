"""What the commands share: paths, output for machines."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TypeAlias

from ftkit.core.errors import BadInput

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
EPILOG = "Exit codes: 0 done; 1 a stage failed; 2 bad input or not ready; 3 `monitor`: something must be done; 130 stopped by Ctrl-C (run the same command again to go on)."


def here(path: str) -> str:
    """Return a path of the command line as an absolute one, before a command changes to the project's root; "" stays."""
    return path and str(Path(path).resolve())


def project_path(path: str) -> Path:
    """Change to the project's root, and return an absolute path relative to it where it lies within."""
    from ftkit.notebook.stage import to_project_root

    absolute = Path(path)
    root = to_project_root().resolve()
    return absolute.relative_to(root) if absolute.is_relative_to(root) else absolute


def run_folder_of(path: Path) -> Path:
    """Return the run folder that a path names: itself, or that of a parameter file.

    Raises:
        BadInput: There is none.
    """
    from ftkit.core.parameters.files import load

    run = Path(load(path)["task"].run) if path.suffix in (".yaml", ".yml") else path
    if not run.is_dir():
        raise BadInput("there is no such run folder", where=str(run), todo="see `ftkit runs`")
    return run


def print_json(values: object) -> None:
    print(json.dumps(values, indent=1, ensure_ascii=False, default=str))


def say(line: str) -> None:
    print(line, flush=True)
