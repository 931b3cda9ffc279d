"""JSON Schema (2020-12): reading one, holding a record against it, and proposing one from records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.records.task import TaskCard
from ftkit.scoring.patterns import check_pattern
from ftkit.scoring.values import value_text

TYPES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def read_schema(path: Path) -> dict[str, Any]:
    """Read the schema of a record.

    Raises:
        BadInput: It is missing, no JSON, no valid schema, not one of an object, refers to another file, or holds a pattern
            that is invalid or may take for ever.
    """
    where, todo = str(path), "give a JSON Schema (2020-12) of an object, in one file"
    try:
        schema = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadInput("cannot be read", where=where, todo="check task.output_schema") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"is no JSON: {error}", where=where, todo=todo) from error
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        raise BadInput("holds no schema of an object with properties", where=where, todo=todo)
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    if schema.get("$schema", DIALECT).rstrip("#") != DIALECT:
        raise BadInput(
            f"is written in {schema['$schema']}", where=where, todo=f"write it in {DIALECT}"
        )
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise BadInput(
            f"{error.json_path}: {error.message.splitlines()[0][:200]}",
            where=where,
            todo="mend the schema",
        ) from error
    for key, value in _strings(schema):
        if key == "pattern":
            check_pattern(value, where)
        if key in ("$ref", "$dynamicRef") and not value.startswith("#"):
            raise BadInput(
                f"refers to '{value}', outside of itself",
                where=where,
                todo="put the definitions under $defs",
            )
    return schema


def _strings(value: Any) -> Iterator[tuple[str, str]]:
    """Return every key with a text as its value, at any depth; keys of patternProperties as patterns."""
    for key, inner in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    ):
        if key == "patternProperties" and isinstance(inner, dict):
            yield from (("pattern", name) for name in inner)
        if isinstance(inner, str):
            yield str(key), inner
        else:
            yield from _strings(inner)


@lru_cache(maxsize=8)
def _validator(schema: str) -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(json.loads(schema))


def faults(schema: dict[str, Any], record: Any) -> list[str]:
    """Return where and how a record breaks a schema; empty where it does not."""
    from jsonschema.exceptions import relevance

    found = _validator(json.dumps(schema, sort_keys=True)).iter_errors(record)
    return [
        f"{error.json_path} {error.message.splitlines()[0][:120]}"
        for error in sorted(found, key=relevance)
    ]


def schema_of(card: TaskCard, records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the schema that a task's records keep to: the card's own, else the one proposed from right answers."""
    own = next((check.value for check in card.checks if check.kind == "schema"), None)
    enums = {
        check.field: check.value for check in card.checks if check.kind == "enum" and check.field
    }
    return own or proposed(card.fields, enums, records, card.optional_fields)


def proposed(
    fields: Sequence[str],
    enums: dict[str, list[str]],
    records: Sequence[dict[str, Any]],
    optional: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the schema that records keep to: the fields in their order, their types, and the known values of texts.

    Args:
        fields: Names of the fields.
        enums: Allowed values by field.
        records: Right answers.
        optional: Fields that a record may leave out.
    """
    found = {
        name: _field([r[name] for r in records if name in r], enums.get(name)) for name in fields
    }
    return {
        "type": "object",
        "properties": found,
        "required": [name for name in fields if name not in optional],
        "additionalProperties": False,
    }


def _field(values: Sequence[Any], allowed: list[str] | None) -> dict[str, Any]:
    found = sorted({TYPES[type(value)] for value in values}) or ["string"]
    if allowed:
        typed = {value_text(value): value for value in values}
        if set(typed) <= set(allowed):
            return {"enum": [typed.get(text, text) for text in allowed]}
    if "number" in found and "integer" in found:
        found.remove("integer")
    return {"type": found[0] if len(found) == 1 else found}
