"""Parquet, Arrow and saved datasets: typed columns, with class labels by their names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.data.file_formats import Raw, UnusableCell, unreadable

INDEX = "__index_level_"
"""How pandas names the column of its row numbers in a Parquet file."""


def read_parquet(path: Path, encoding: str) -> Raw:
    """Read a Parquet table; structures stay objects, lists stay lists."""
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise unreadable(path, "Parquet", error) from error
    return _from_arrow(table, "parquet")


def read_arrow(path: Path, encoding: str) -> Raw:
    """Read an Arrow file, in either of its two forms (file and stream)."""
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            try:
                table = pa.ipc.open_file(source).read_all()
            except pa.ArrowInvalid:
                source.seek(0)
                table = pa.ipc.open_stream(source).read_all()
    except (OSError, ValueError) as error:
        raise unreadable(path, "Arrow", error) from error
    return _from_arrow(table, "arrow")


def read_folder(path: Path, encoding: str) -> Raw:
    """Read a folder that the ``datasets`` library saved; of several splits the one called train."""
    from datasets import ClassLabel, DatasetDict, load_from_disk

    try:
        found = load_from_disk(str(path))
    except (OSError, ValueError, KeyError) as error:
        raise unreadable(path, "a datasets folder", error) from error
    if not isinstance(found, DatasetDict):
        table = found.data.table if found._indices is None else found.flatten_indices().data.table
        names = {
            name: list(feature.names)
            for name, feature in found.features.items()
            if isinstance(feature, ClassLabel)
        }
        return _from_arrow(table, "datasets folder", names)
    if "train" not in found:
        raise BadInput(
            f"has the splits {', '.join(map(str, found))} and none called train",
            where=str(path),
            todo="name the folder of one split",
        )
    others = [str(name) for name in found if name != "train"]
    raw = read_folder(path / "train", encoding)
    if others:
        raw.notes.append(
            f"Read split train; there are also {', '.join(others)}: one may be given as data.test_data."
        )
    return raw


def _from_arrow(table: Any, encoding: str, names: dict[str, list[str]] | None = None) -> Raw:
    names = class_names(table.schema) if names is None else names
    columns = [c.strip() for c in table.column_names]
    make = [cell_reader(field, names.get(field.name)) for field in table.schema]
    cells = [[to(v) for v in table.column(i).to_pylist()] for i, to in enumerate(make)]
    rows = [
        (number, dict(zip(columns, row, strict=True)))
        for number, row in enumerate(zip(*cells, strict=True), 2)
    ]
    raw = Raw(columns, [], encoding=encoding, notes=label_notes(names))
    raw.rows = [(n, row) for n, row in rows if any(cell is not None for cell in row.values())]
    return without_index(raw)


def without_index(raw: Raw) -> Raw:
    """Return a table without the column of row numbers that pandas adds."""
    raw.columns = [c for c in raw.columns if not c.startswith(INDEX)]
    raw.rows = [(n, {c: row.get(c) for c in raw.columns}) for n, row in raw.rows]
    return raw


def class_names(schema: Any) -> dict[str, list[str]]:
    """Return the names of class labels by column, as the datasets library writes them into a file's metadata."""
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = told["info"]["features"]
        return {
            name: list(feature["names"])
            for name, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (ValueError, KeyError, TypeError):
        return {}


def label_notes(names: dict[str, list[str]]) -> list[str]:
    """Return a sentence on the columns whose numbers became names."""
    return [
        f"The numbers of column '{name}' are the class names that the file holds: {', '.join(known[:10])}."
        for name, known in names.items()
    ]


def cell_reader(field: Any, names: list[str] | None) -> Callable[[Any], Any]:
    """Return how a column's cells become values: class names, bytes as UTF-8, short floats as they are written."""
    import pyarrow.types as types

    def named(value: Any) -> Any:
        return names[value] if names and value is not None and 0 <= value < len(names) else None

    def decoded(value: Any) -> Any:
        try:
            return value.decode("utf-8") if isinstance(value, bytes) else value
        except UnicodeDecodeError:
            return UnusableCell("", "holds bytes that are no UTF-8 text")

    def short(value: Any) -> Any:
        import numpy as np

        kind = np.float16 if types.is_float16(field.type) else np.float32
        return None if value is None else float(str(kind(value)))

    if names and types.is_integer(field.type):
        return named
    if types.is_float32(field.type) or types.is_float16(field.type):
        return short
    return decoded
