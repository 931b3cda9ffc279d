"""JSON and JSON lines: one object a line, an array of objects, and what pandas and the hub's viewer write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.data.file_formats import Raw, decode

NAMES = ("train", "training", "data", "rows", "examples", "records", "items", "instances")
"""Names of the array that is meant, where several hold objects."""
LEAST = 0.8


def read_jsonl(path: Path, encoding: str) -> Raw:
    """Read one JSON object per line; other lines are told. A file that is one JSON array or object is read as that."""
    text, used = decode(path, encoding)
    raw = Raw([], [], encoding=used)
    # not splitlines: U+2028 and the like may stand inside a string
    lines = [(n, line) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    for number, line in lines:
        item, reason = parsed(line)
        if item is None:
            raw.faults.append((number, reason))
        else:
            raw.rows.append((number, item))
    if len(raw.rows) < len(lines) / 2 or (len(raw.rows) == 1 and len(lines) == 1):
        whole = _loaded(text)
        if isinstance(whole, list) or (isinstance(whole, dict) and _arrays(whole)):
            raw = _read_content(whole, path, used)
            raw.notes.insert(0, "The file holds one JSON text, not one a line; read as such.")
            return raw
    return named(raw, path)


def read_json(path: Path, encoding: str) -> Raw:
    """Read an array of objects, an object that holds some, or a table that pandas wrote in any of its orients."""
    text, used = decode(path, encoding)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) > 1 and sum(parsed(line)[0] is not None for line in lines) > LEAST * len(
            lines
        ):
            raw = read_jsonl(path, encoding)
            raw.notes.insert(0, "The file holds one JSON object a line; read as JSON lines.")
            return raw
        raise BadInput(
            f"is not JSON: {error}", where=str(path), todo="mend it; one object a line is .jsonl"
        ) from error
    return _read_content(content, path, used)


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _read_content(content: Any, path: Path, encoding: str) -> Raw:
    raw = Raw([], [], encoding=encoding)
    items = _items(content, raw.notes)
    if items is None:
        raise BadInput(
            "holds no array of objects",
            where=str(path),
            todo="give an array of objects with the same keys",
        )
    for number, item in enumerate(items, 1):
        if isinstance(item, dict):
            raw.rows.append((number, item))
        else:
            raw.faults.append((number, "is no object"))
    return named(raw, path)


def _items(content: Any, notes: list[str]) -> list[Any] | None:
    if isinstance(content, list):
        if len(content) > 1 and all(isinstance(row, list) for row in content):
            return _under_header(content, notes)
        return content
    if not isinstance(content, dict):
        return None
    return _by_column(content) or _split_orient(content) or _chosen(content, notes)


def _under_header(content: list[list[Any]], notes: list[str]) -> list[Any]:
    """Return arrays as rows under the first one, where that holds names."""
    header = content[0]
    if not all(isinstance(name, str) for name in header) or len(set(header)) < len(header):
        return content
    notes.append("The rows are arrays; the first one names the columns.")
    return [
        dict(zip(header, row, strict=False)) if len(row) == len(header) else row
        for row in content[1:]
    ]


def _by_column(content: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of an object that holds one array, or one object by row number, per column; None if it is none."""
    columns = list(content.values())
    if not columns or not all(isinstance(c, type(columns[0])) for c in columns):
        return None
    if isinstance(columns[0], dict):
        return _by_row_number(content)
    if len(columns) < 2 or not all(isinstance(c, list) for c in columns):
        return None
    if len({len(c) for c in columns}) > 1 or any(isinstance(c, dict) for c in columns[0][:1]):
        return None
    if set(content) == {"columns", "data"}:
        return None
    return [dict(zip(content, cells, strict=True)) for cells in zip(*columns, strict=True)]


def _by_row_number(content: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of pandas' orients columns ({column: {row: cell}}) and index ({row: {column: cell}})."""
    keys = [list(inner) for inner in content.values()]
    if not keys[0] or any(inner != keys[0] for inner in keys):
        return None
    if all(key.lstrip("-").isdigit() for key in keys[0]):
        return [{name: content[name][key] for name in content} for key in keys[0]]
    if all(name.lstrip("-").isdigit() for name in content):
        return list(content.values())
    return None


def _split_orient(content: dict[str, Any]) -> list[dict[str, Any]] | None:
    """Return the rows of pandas' orient split."""
    names, rows = content.get("columns"), content.get("data")
    if not isinstance(names, list) or not isinstance(rows, list):
        return None
    if not all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return None
    return [dict(zip(map(str, names), row, strict=True)) for row in rows]


def _arrays(content: dict[str, Any], above: str = "", depth: int = 2) -> dict[str, list[Any]]:
    """Return the arrays of objects inside an object by their place."""
    found = {}
    for name, value in content.items():
        if isinstance(value, list) and any(isinstance(item, dict) for item in value):
            found[f"{above}{name}"] = value
        elif isinstance(value, dict) and depth:
            found |= _arrays(value, f"{above}{name}.", depth - 1)
    return found


def _chosen(content: dict[str, Any], notes: list[str]) -> list[Any] | None:
    """Return the array that is meant: by its name, else the longest; what was not read is noted."""
    arrays = {
        name: items
        for name, items in _arrays(content).items()
        if name.rpartition(".")[2] not in ("features", "fields", "schema", "columns")
    } or _arrays(content)
    if not arrays:
        return next((v for v in content.values() if isinstance(v, list)), None)
    known = [n for wanted in NAMES for n in arrays if n.rpartition(".")[2].lower() == wanted]
    name = known[0] if known else max(arrays, key=lambda n: len(arrays[n]))
    others = [f"'{n}' ({len(v):,})" for n, v in _arrays(content).items() if n != name]
    if others:
        notes.append(
            f"Read the array '{name}' ({len(arrays[name]):,}); not read: {', '.join(others)}."
        )
    items = arrays[name]
    if all(
        isinstance(i, dict) and isinstance(i.get("row"), dict) and "row_idx" in i for i in items
    ):
        return [item["row"] for item in items]  # the hub's viewer
    return items


def parsed(line: str) -> tuple[dict[str, Any] | None, str]:
    """Return the object of a line of JSON, or None and why it is none."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        return None, f"is not JSON: {error}"
    return (value, "") if isinstance(value, dict) else (None, "is no JSON object")


def named(raw: Raw, path: Path) -> Raw:
    """Return what was read with the names of its columns; refuse a file without rows."""
    if not raw.rows:
        why = f": row {raw.faults[0][0]} {raw.faults[0][1]}" if raw.faults else ""
        raise BadInput(
            f"holds no JSON object{why}", where=str(path), todo="give objects with the same keys"
        )
    raw.columns = list(dict.fromkeys(name for _, row in raw.rows for name in row))
    return raw
