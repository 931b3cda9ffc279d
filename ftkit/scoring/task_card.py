"""From the answers of a person to a task card whose format, length and failure modes are executable checks (G3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.parameters.files import nearest
from ftkit.core.parameters.task import TaskParameters
from ftkit.core.records.task import Check, TaskCard
from ftkit.scoring.json_schema import read_schema
from ftkit.scoring.metrics import metric
from ftkit.scoring.patterns import check_pattern


def build_card(p: TaskParameters) -> TaskCard:
    """Return the task card.

    Raises:
        BadInput: A field that is checked is none of the task's fields, a pattern is not valid, a label stands twice,
            or a metric is not there.
    """
    schema = read_schema(Path(p.output_schema)) if p.output_schema and p.kind == "fields" else None
    p = p if schema is None else _from_schema(p, schema)
    _check_names(p)
    if p.forbidden_regex:
        check_pattern(p.forbidden_regex, "task.forbidden_regex")
    is_record = p.kind == "fields"
    for name in (p.metric, *p.field_metrics.values()):
        metric(name, p.metric_tolerance)
    return TaskCard(
        name=p.name,
        instruction=p.instruction.strip(),
        kind=p.kind,
        labels=p.labels if p.kind == "label" else [],
        fields=p.fields if is_record else [],
        optional_fields=p.optional_fields if is_record else [],
        key_fields=p.key_fields or p.fields if is_record else [],
        tone=p.tone,
        checks=checks(p, schema),
        knowledge_field=p.knowledge_field if is_record else "",
        metric=p.metric,
        field_metrics=p.field_metrics if is_record else {},
        metric_threshold=p.metric_threshold,
        metric_tolerance=p.metric_tolerance,
        decimal_mark=p.decimal_mark,
    )


def _from_schema(p: TaskParameters, schema: dict[str, Any]) -> TaskParameters:
    """Return the parameters with the fields of a schema, where none are named, and its known values.

    Raises:
        BadInput: A named field is none of the schema's properties.
    """
    known = schema["properties"]
    fields = p.fields or list(known)
    strange = [name for name in fields if name not in known]
    if strange:
        raise BadInput(
            f"'{strange[0]}' is no property of {p.output_schema}{nearest(strange[0], list(known))}",
            where="task.fields",
            todo="name the schema's properties, or leave the list empty",
        )
    values = {name: known[name].get("enum") for name in fields if isinstance(known[name], dict)}
    enums = {
        name: found
        for name, found in values.items()
        if found and all(isinstance(v, str) for v in found)
    }
    return p.model_copy(
        update={
            "fields": fields,
            "enums": enums | {k: v for k, v in p.enums.items() if k in fields},
        }
    )


def checks(p: TaskParameters, schema: dict[str, Any] | None = None) -> list[Check]:
    """Return the executable checks that follow from format, schema, length and failure modes."""
    found = [Check(name="not empty", kind="non_empty")]
    if p.kind == "label" and p.labels:
        found.append(Check(name="a known label", kind="enum", value=p.labels))
    if p.kind == "fields":
        found += [
            Check(name="valid JSON", kind="json"),
            Check(
                name="all fields there",
                kind="keys",
                value=[name for name in p.fields if name not in p.optional_fields],
            ),
        ]
        found += [
            Check(name=f"{name} is a known value", kind="enum", field=name, value=values)
            for name, values in p.enums.items()
        ]
    if schema is not None:
        found.append(Check(name="JSON Schema", kind="schema", value=schema))
    if p.max_words and p.kind in ("fields", "text"):
        found.append(
            Check(name=f"at most {p.max_words} words", kind="max_words", value=p.max_words)
        )
    if p.forbidden_regex:
        found.append(
            Check(name="forbidden pattern absent", kind="not_regex", value=p.forbidden_regex)
        )
    return found


def _check_names(p: TaskParameters) -> None:
    if p.kind == "fields":
        if not p.fields:
            raise BadInput(
                "kind is fields, but no fields are named",
                where="task.fields",
                todo="name the fields of the record",
            )
        for where, names in (
            ("key_fields", p.key_fields),
            ("optional_fields", p.optional_fields),
            ("enums", p.enums),
            ("field_metrics", p.field_metrics),
            ("knowledge_field", [p.knowledge_field] if p.knowledge_field else []),
        ):
            for name in names:
                if name not in p.fields:
                    raise BadInput(
                        f"'{name}' is none of the fields{nearest(name, p.fields)}",
                        where=f"task.{where}",
                        todo="use a name from task.fields",
                    )
    for where, names in (("labels", p.labels), ("fields", p.fields)):
        if len(set(names)) != len(names):
            raise BadInput("a name stands twice", where=f"task.{where}", todo="name each once")
