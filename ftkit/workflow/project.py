"""A project's parameter file: guessed from a file of examples, corrected, written."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import BadInput
from ftkit.core.parameters.files import build
from ftkit.data.guess import Guess, propose
from ftkit.retrieval import filters
from ftkit.retrieval.articles import Handbook
from ftkit.retrieval.handbook import look_through

FOLDER = Path("params")
SHOWN = 8
"""Remarks about a handbook that are shown at once."""


def guess(
    name: str, data: Path, *, test_data: str = "", handbook: str = "", encoding: str = ""
) -> Guess:
    """Return what a file of examples tells about a project.

    Args:
        name: Project name.
        data: File of examples.
        test_data: File that holds the test examples, or empty.
        handbook: Folder of articles, or empty for no retrieval.
        encoding: Encoding of the file; empty for UTF-8.

    Raises:
        BadInput: An impossible name, a path that is not there, or a file that cannot be read.
    """
    check_name(name)
    for other in (test_data, handbook):
        if other and not Path(other).exists():
            raise BadInput("does not exist", where=other, todo="check the path")
    book = look_through(Path(handbook)) if handbook else Handbook()
    told = filters.told_by(book.articles)
    ids = [article.source for article in book.articles]
    files: dict[str, Any] = {"test_data": test_data, "handbook": handbook, "encoding": encoding}
    found = propose(data, name, **files, told=told, articles=ids)
    found.sections["deployment"] = {"served_name": name}  # one server may hold several projects
    found.sentences += [
        f"Handbook: {remark.file}: {remark.text}." for remark in book.remarks[:SHOWN]
    ]
    if len(book.remarks) > SHOWN:
        found.sentences.append(f"Handbook: {len(book.remarks) - SHOWN} more; 04 shows them all.")
    for stage, values in found.sections.items():
        build(stage, values)
    return found


def check_name(name: str) -> None:
    """Refuse what cannot be a project's name.

    Raises:
        BadInput: Other signs than letters, digits, - and _, or none.
    """
    if not re.fullmatch(r"[A-Za-z0-9][\w-]{0,60}", name):
        raise BadInput(
            f"'{name}' cannot be a project's name",
            where="NAME",
            todo="use letters, digits, - and _",
        )


def path_of(name: str) -> Path:
    """Return where a project's parameters stand."""
    return FOLDER / f"{name}.yaml"


def check_new(name: str) -> None:
    """Refuse a name that is taken.

    Raises:
        BadInput: There is a parameter file of that name.
    """
    if path_of(name).exists():
        raise BadInput(
            "is there already",
            where=str(path_of(name)),
            todo="choose another name, or add --force to write over it",
        )


def known() -> list[str]:
    """Return the names of the projects that have a parameter file, in order."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def write(
    name: str,
    sections: dict[str, dict[str, Any]],
    sentences: Sequence[str] = (),
    title: str = "Written by `ftkit new`. What was guessed:",
) -> Path:
    """Write a project's parameter file; the comment at its head stays where there is one.

    Args:
        name: Project name.
        sections: Values by section that differ from the defaults.
        sentences: What was guessed, for the comment of a new file.
        title: What stands above them.

    Raises:
        BadInput: A value does not fit its parameter.
    """
    from ftkit.workflow.short_file import short_yaml

    check_name(name)
    for stage, values in sections.items():
        build(stage, values)
    target = path_of(name)
    lines = [title, *(f"- {s}" for s in sentences), "Check the task section first."]
    head = _head(target) if target.exists() and not sentences else "\n".join(lines)
    run_folder.write_text(target, short_yaml(sections, head))
    return target


def _head(path: Path) -> str:
    lines = path.read_text(encoding="utf-8").splitlines()
    first = next((i for i, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[:first])
