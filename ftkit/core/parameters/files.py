"""Parameter files and parameter cells: read, checked, written, always with what the models say of each field.

A file names ``run`` and the model above all sections, then one section per notebook. Unknown names and ill-typed values are collected and told at once, before
a kernel starts.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ftkit.core.errors import BadInput
from ftkit.core.foreign_files import SETTINGS_SIZE, check_size, reading
from ftkit.core.parameters import shared
from ftkit.core.parameters.base import Parameters
from ftkit.core.parameters.models import MODELS
from ftkit.core.records.manifest import Manifest
from ftkit.core.run_folder import READS, read_record, stage_name, write_text


def nearest(name: str, known: list[str]) -> str:
    """Return '; did you mean X?' for the nearest known name, or an empty string."""
    found = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{found[0]}'?" if found else ""


def build(stage: str, values: dict[str, Any], where: str = "") -> Any:
    """Build a stage's parameter model, or that of what stands above the sections (``shared.SECTION``).

    Raises:
        BadInput: All unknown names and ill-typed values of the stage, together.
    """
    model = shared.MODEL if stage == shared.SECTION else MODELS[stage]
    try:
        return model.model_validate(values, strict=False)
    except ValidationError as error:
        lines = [_fault(stage, model, fault) for fault in error.errors()]
        raise BadInput(
            "; ".join(lines), where=where or stage, todo=f"mend it, see `ftkit explain {stage}`"
        ) from error


def _fault(stage: str, model: type[BaseModel], fault: Any) -> str:
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

    What stands above the sections holds in each; see :mod:`ftkit.core.parameters.shared`.

    Raises:
        BadInput: The file is missing, is not YAML, or holds unknown or ill-typed values (all told at once).
    """
    content = _overridden(_read_yaml(path), overrides)
    run = content.get("run", f"outputs/{path.stem}")
    known = [*MODELS, *shared.names()]
    faults = [
        f"{k} is not a known section{nearest(str(k), known)}"
        for k in content
        if k != "run" and k not in known
    ]
    faults += [f"{k} must hold names and values" for k in MODELS if not _is_section(content, k)]
    content = {k: v for k, v in content.items() if k not in MODELS or _is_section(content, k)}
    faults += shared.faults(content)
    built: dict[str, Parameters] = {}
    for stage, values in shared.inherited(content).items():
        try:
            built[stage] = build(stage, {"run": run, **values})
        except BadInput as error:
            faults.append(error.found)
    if faults:
        raise BadInput(
            "\n  ".join(["faults in the parameter file:", *dict.fromkeys(faults)]),
            where=str(path),
            todo="mend these and run again",
        )
    return built


def _is_section(content: dict[str, Any], name: str) -> bool:
    return isinstance(content.get(name) or {}, dict)


def _overridden(content: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Return a file's content with overrides on top; what is named without a section holds in every section."""
    for text in overrides:
        name, sign, value = text.partition("=")
        section, dot, field = name.strip().partition(".")
        if not sign or (not dot and section not in ("run", *shared.names())):
            raise BadInput(
                f"'{text}' is not section.name=value",
                where="--set",
                todo="e.g. --set training.lora_r=16, or --set base_model=smollm2-135m",
            )
        try:
            parsed = yaml.safe_load(value) if value.strip() else ""
        except yaml.YAMLError as error:
            raise BadInput(
                f"'{value}' is not valid YAML", where=f"--set {name}", todo="quote it"
            ) from error
        content = (
            {**content, section: {**(content.get(section) or {}), field: parsed}}
            if dot
            else {**shared.without(content, section), section: parsed}
        )
    return content


def _read_yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise BadInput(
            "there is no such parameter file",
            where=str(path),
            todo="`ftkit new NAME --data FILE` writes one",
        )
    check_size(path, SETTINGS_SIZE)
    with reading(path, "YAML"):
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


def inherit(stage: str, values: dict[str, Any], run: Path) -> dict[str, Any]:
    """Return a notebook's values with what its run says of the model, where the notebook's cell leaves it open.

    Looked up are the run's resolved parameters (``params.yaml``), then the manifests of the earlier stages.

    Args:
        stage: Name of the stage.
        values: Values by name, of the notebook's cell.
        run: The run folder.

    Raises:
        BadInput: The notebook names another model than its run.
    """
    resolved = run / "params.yaml"
    places = (
        {str(resolved): shared.inherited(_read_yaml(resolved))[stage]} if resolved.is_file() else {}
    )
    for other in READS[stage]:
        path = run / other / "manifest.json"
        if path.is_file():
            places[str(path)] = read_record(path, Manifest).parameters
    found = dict(values)
    for name in (n for n in shared.names() if n in MODELS[stage].model_fields):
        told = {place: known[name] for place, known in places.items() if known.get(name)}
        place, theirs = next(iter(told.items()), ("", None))
        mine, default = values.get(name), MODELS[stage].model_fields[name].default
        if name in shared.once():
            if mine and theirs and mine != theirs:
                raise BadInput(
                    f"{name} is {mine} here, but {theirs} in {place}",
                    where=f"{stage_name(stage)}, cell parameters",
                    todo=f"leave {name} empty here, or use a run folder of its own (parameter run)",
                )
            found[name] = mine or theirs or default
        elif theirs is not None and place == str(resolved) and mine in (None, default):
            found[name] = theirs
    return found


def notebook_cell(stage: str) -> str:
    """Return the source of a notebook's ``parameters`` cell: ``name: type = value  # help`` for every field, one a line."""
    lines = ["# fmt: off"]
    for name, field in MODELS[stage].model_fields.items():
        value = (
            json.dumps(field.default, ensure_ascii=False)
            if isinstance(field.default, str | list | dict)
            else repr(field.default)
        )
        said = field.description
        if (
            name == "base_model"
        ):  # empty, so that a base named by hand can be told from an inherited one
            value, said = '""', f"{said}; empty: the run's"
        lines.append(f"{name}: {_annotation(field.annotation)} = {value}  # {said}")
    return "\n".join(lines)


def _annotation(kind: Any) -> str:
    """Return a type that papermill lists: a Literal is shown as its values' type."""
    if get_origin(kind) is Literal:
        return type(get_args(kind)[0]).__name__
    return kind.__name__ if get_origin(kind) is None else str(kind).replace("typing.", "")


def write_resolved(folder: Path, built: dict[str, Parameters]) -> None:
    """Write resolved parameters into a run folder: the run can be made again from them, and notebooks inherit its model."""
    sections = {stage: p.model_dump(mode="json", exclude={"run"}) for stage, p in built.items()}
    text = to_yaml(sections, "The parameters of this run, as they were resolved.")
    write_text(folder / "params.yaml", f"run: {json.dumps(str(folder))}\n{text}")


def to_yaml(sections: dict[str, dict[str, Any]], comments: str = "") -> str:
    """Write parameters as YAML with every value explained by its field's description.

    Args:
        sections: Values by section; those of the model may stand in any, and are written once, above all.
        comments: Lines for the head of the file.
    """
    above, sections = shared.lifted(sections)
    lines = [f"# {line}" for line in comments.splitlines()]
    lines += ["", "# The model, for all notebooks:"]
    lines += [yaml_line(name, above[name], shared.field(name)) for name in above]
    for stage, model in MODELS.items():
        lines += ["", f"{stage}:  # {(model.__doc__ or '').strip().splitlines()[0]}"]
        given = sections.get(stage, {})
        for name, field in model.model_fields.items():
            hidden = name in ("seed", *shared.names()) and name not in given
            if name != "run" and not hidden:
                lines.append("  " + yaml_line(name, given.get(name, field.default), field))
    return "\n".join(lines).lstrip("\n") + "\n"


def yaml_line(name: str, value: Any, field: FieldInfo) -> str:
    """Return a parameter as a line of YAML with its description as the comment."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return f"{name}: {text.strip().removesuffix(chr(10) + '...').strip()}  # {field.description}"
