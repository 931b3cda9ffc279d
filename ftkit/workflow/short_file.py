"""The parameter file of a new project: what was guessed and what people change, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftkit.core.parameters import shared
from ftkit.core.parameters.files import yaml_line
from ftkit.core.parameters.models import MODELS

MORE = "# Everything else keeps its default: `ftkit explain` lists sections, `ftkit explain WORDS` searches them."
OFTEN: dict[str, Sequence[str]] = {
    "task": ("instruction", "kind", "problem"),
    "data": ("input_column", "output_column"),
    "training": ("method",),
    "decision": ("min_accuracy", "answers_per_month"),
}
"""What people change most: written even where it is the default."""


def short_yaml(sections: dict[str, dict[str, Any]], comments: str = "") -> str:
    """Write what differs from the defaults and what people change most, each value with what it means.

    Everything else keeps its default, which ``ftkit explain`` tells.
    """
    above, sections = shared.lifted(sections)
    lines = [f"# {line}" for line in comments.splitlines()]
    head = {name: shared.field(name).default for name in shared.once()} | {
        name: value for name, value in above.items() if value != shared.field(name).default
    }
    lines += ["", "# The model, for all notebooks:"]
    lines += [yaml_line(name, value, shared.field(name)) for name, value in head.items()]
    for stage, model in MODELS.items():
        values, named = sections.get(stage, {}), []
        for name, field in model.model_fields.items():
            default = field.get_default(call_default_factory=True)
            value = values.get(name, default)
            if name != "run" and (value != default or name in OFTEN.get(stage, ())):
                named.append("  " + yaml_line(name, value, field))
        lines += ["", f"{stage}:", *named] if named else []
    return "\n".join([*lines, "", MORE]).lstrip("\n") + "\n"
