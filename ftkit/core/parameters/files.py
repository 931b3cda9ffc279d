"""Parameter files and parameter cells: read, checked, written, always with what the models say of each field.

A file has the section ``run`` and one per notebook. Unknown names and ill-typed values are collected and told at once, before
a kernel starts.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import ValidationError

from ftkit.core.errors import BadInput
from ftkit.core.parameters.base import ModelParameters, Parameters
from ftkit.core.parameters.models import MODELS


def nearest(name: str, known: list[str]) -> str:
    """Return '; did you mean X?' for the nearest known name, or an empty string."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{found[0]}'?" if found else ""


def build(stage: str, values: dict[str, Any], where: str = "") -> Parameters:
    """Build a stage's parameter model.

    Raises:
        BadInput: All unknown names and ill-typed values of the stage, together.
    """
    model = MODELS[stage]
    try:
        return model.model_validate(values, strict=False)
    except ValidationError as error:
        lines = [_fault(stage, model, fault) for fault in error.errors()]
        raise BadInput(
            "; ".join(lines), where=where or stage, todo=f"mend it, see `ftkit explain {stage}`"
        ) from error


def _fault(stage: str, model: type[Parameters], fault: Any) -> str:
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return f"{stage}.{name} is not a known parameter{nearest(name, list(model.model_fields))}"
    said = fault["msg"].removeprefix("Value error, ")
    return (
        f"{stage}.{name} = {fault['input']!r}: {said}" if name else f"{stage}: {said}"
    )  # several parameters together


def load(path: Path, overrides: Sequence[str] = ()) -> dict[str, Parameters]:
    """Read a parameter file into one model per stage; the file's stem gives the run folder unless it names one.

    Args:
        path: The YAML file.
        overrides: ``section.name=value`` in YAML, on top of the file; nothing after the sign is an empty text.

    Base model, batch size, longest answer and threads hold for every later section that does not name its own.

    Raises:
        BadInput: The file is missing, is not YAML, or holds unknown or ill-typed values (all told at once).
    """
    content = _overridden(_read_yaml(path), overrides)
    sections = {k: v for k, v in content.items() if k != "run"}
    run = content.get("run", f"outputs/{path.stem}")
    faults = [
        f"{k} is not a known section{nearest(str(k), list(MODELS))}"
        for k in sections
        if k not in MODELS
    ]
    built: dict[str, Parameters] = {}
    named: dict[str, Any] = {}
    for stage, model in MODELS.items():
        values = sections.get(stage) or {}
        if not isinstance(values, dict):
            faults.append(f"{stage} must hold names and values")
            continue
        if issubclass(
            model, ModelParameters
        ):  # one model through the whole walk: named once, it holds for later sections
            named |= {
                k: v
                for k, v in values.items()
                if k in ModelParameters.model_fields and k not in Parameters.model_fields
            }
            values = {**named, **values}
        try:
            built[stage] = build(stage, {"run": run, **values})
        except BadInput as error:
            faults.append(error.found)
    if faults:
        raise BadInput(
            "\n  ".join(["faults in the parameter file:", *faults]),
            where=str(path),
            todo="mend these and run again",
        )
    return built


def _overridden(content: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    for text in overrides:
        name, sign, value = text.partition("=")
        section, dot, field = name.strip().partition(".")
        if not sign or (not dot and section != "run"):
            raise BadInput(
                f"'{text}' is not section.name=value",
                where="--set",
                todo="e.g. --set training.lora_r=16",
            )
        try:
            parsed = yaml.safe_load(value) if value.strip() else ""
        except yaml.YAMLError as error:
            raise BadInput(
                f"'{value}' is not valid YAML", where=f"--set {name}", todo="quote it"
            ) from error
        content = {
            **content,
            section: {**(content.get(section) or {}), field: parsed} if dot else parsed,
        }
    return content


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise BadInput(
            "there is no such parameter file",
            where=str(path),
            todo="`ftkit new NAME --data FILE` writes one",
        )
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise BadInput("is not UTF-8 text", where=str(path), todo="save it as UTF-8") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise BadInput(
            f"is not valid YAML: {getattr(error, 'problem', error)}",
            where=f"{path}{line}",
            todo="mend that line",
        ) from error
    if not isinstance(content, dict):
        raise BadInput(
            "is empty or holds no sections",
            where=str(path),
            todo="`ftkit new NAME --data FILE` writes one",
        )
    return content


def notebook_cell(stage: str) -> str:
    """Return the source of a notebook's ``parameters`` cell: ``name: type = value  # help`` for every field, one a line."""
    lines = ["# fmt: off"]
    for name, field in MODELS[stage].model_fields.items():
        value = (
            json.dumps(field.default, ensure_ascii=False)
            if isinstance(field.default, str | list | dict)
            else repr(field.default)
        )
        lines.append(f"{name}: {_annotation(field.annotation)} = {value}  # {field.description}")
    return "\n".join(lines)


def _annotation(kind: Any) -> str:
    """Return a type that papermill lists: a Literal is shown as its values' type."""
    if get_origin(kind) is Literal:
        return type(get_args(kind)[0]).__name__
    return kind.__name__ if get_origin(kind) is None else str(kind).replace("typing.", "")


def to_yaml(sections: dict[str, dict[str, Any]], comments: str = "") -> str:
    """Write parameters as YAML with every value explained by its field's description."""
    lines = [f"# {line}" for line in comments.splitlines()]
    for stage, model in MODELS.items():
        lines += ["", f"{stage}:  # {(model.__doc__ or '').strip().splitlines()[0]}"]
        given = sections.get(stage, {})
        for name, field in model.model_fields.items():
            if name == "run" or (name == "seed" and name not in given):
                continue
            value = given.get(name, field.default)
            text = (
                yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
                .strip()
                .removesuffix("\n...")
                .strip()
            )
            lines.append(f"  {name}: {text}  # {field.description}")
    return "\n".join(lines).lstrip("\n") + "\n"
