"""What a parameter file names once, above all sections: the base model, the endpoint, and how they answer.

A value above the sections holds in every section that has a parameter of that name. A section may differ in how its answers
are made (``max_new_tokens``, ``batch_size``, ``threads``); in which model answers it may not.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, create_model
from pydantic.fields import FieldInfo

from ftkit.core.parameters.base import EndpointParameters, ModelParameters, Parameters
from ftkit.core.parameters.models import MODELS

SECTION = "model"
"""The name under which these values stand among sections in memory; in a file they stand above all sections."""
PER_STAGE = "endpoint_most_usd"
"""The one value of an endpoint that each stage has for itself: its money."""


def names() -> list[str]:
    """Return the parameters that may stand above the sections, in order."""
    own = {*Parameters.model_fields, PER_STAGE}
    return [name for name in EndpointParameters.model_fields if name not in own]


def once() -> list[str]:
    """Return those that say which model answers: one value for the whole run."""
    return [n for n in names() if n == "base_model" or n in ("endpoint_url", "endpoint_model")]


def field(name: str) -> FieldInfo:
    """Return what is known of such a parameter."""
    return EndpointParameters.model_fields[name]


def faults(content: dict[str, Any]) -> list[str]:
    """Return what is wrong with a file's model: two values for what must be one, each with its place."""
    found = []
    for name in once():
        places = {f"{s}.{name}": v for s, v in _in_sections(content, name).items() if v}
        if content.get(name):
            places = {f"{name} above the sections": content[name], **places}
        if len(set(map(str, places.values()))) > 1 and (name == "base_model" or content.get(name)):
            said = ", ".join(f"{place} is {value}" for place, value in places.items())
            found.append(f"{name} has two values: {said}; name it once, above all sections")
    return found


def inherited(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the values of every section, with what stands above them.

    A base model that an older file names in a section holds for all of them; batch size, longest answer and threads of a
    section hold for the later ones.
    """
    above = {name: content[name] for name in names() if name in content}
    older = list(_in_sections(content, "base_model").values())
    above |= {"base_model": older[0]} if older and "base_model" not in above else {}
    carried: dict[str, Any] = {}
    found = {}
    for stage, model in MODELS.items():
        own = content.get(stage) or {}
        if issubclass(model, ModelParameters):
            carried |= {
                k: v
                for k, v in own.items()
                if k in ModelParameters.model_fields and k not in Parameters.model_fields
            }
        found[stage] = {
            **{name: value for name, value in {**above, **carried}.items() if _has(stage, name)},
            **{k: v for k, v in own.items() if v or k != "base_model"},
        }
    return found


def without(content: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a file's content without what its sections say of a parameter."""
    return {
        key: {k: v for k, v in value.items() if k != name} if isinstance(value, dict) else value
        for key, value in content.items()
    }


def lifted(sections: dict[str, dict[str, Any]]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Take out of the sections what they agree on; return it, with defaults for what none gives, and what is left."""
    above = dict(sections.get(SECTION, {}))
    for name in (n for n in names() if n not in above):
        values = {stage: own[name] for stage, own in sections.items() if name in own}
        having = [stage for stage in MODELS if _has(stage, name)]
        same = len({repr(value) for value in values.values()}) == 1
        all_of_them = name in ModelParameters.model_fields and having[0] in values
        if not values:
            above[name] = field(name).default
        elif same and (name == "base_model" or all_of_them or set(values) == set(having)):
            above[name] = next(iter(values.values()))
    left = {
        stage: {k: v for k, v in own.items() if k not in above or v != above[k]}
        for stage, own in sections.items()
        if stage != SECTION
    }
    return {name: above[name] for name in names() if name in above}, left


def sections_of(content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a file's sections, the model's values as a section of their own."""
    own = {stage: content.get(stage) or {} for stage in MODELS}
    above, left = lifted({SECTION: {k: content[k] for k in names() if k in content}, **own})
    return {SECTION: above, **left}


def _has(stage: str, name: str) -> bool:
    return name in MODELS[stage].model_fields


def _in_sections(content: dict[str, Any], name: str) -> dict[str, Any]:
    return {s: own[name] for s in MODELS if isinstance(own := content.get(s), dict) and name in own}


_fields: dict[str, Any] = {name: (field(name).annotation, field(name)) for name in names()}
MODEL: type[BaseModel] = create_model(
    "SharedParameters",
    __config__=ConfigDict(extra="forbid"),
    __doc__="The model, for all notebooks: which one answers, and how.",
    **_fields,
)
"""These parameters as a model of their own, to be checked and shown."""
