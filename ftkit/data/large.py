"""Files that are larger than memory should hold: read once, row by row, and a seeded draw of their rows kept.

Fine-tuning takes thousands of examples, not millions. Which rows are drawn depends on the seed and on each row's number alone.
"""

from __future__ import annotations

import csv
import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.data.arrow_files import cell_reader, class_names, label_notes, without_index
from ftkit.data.delimited import HEAD_ROWS, add_row, dialect_of, not_a_table
from ftkit.data.file_formats import (
    LONGEST_CELL,
    Raw,
    encoding_hint,
    header_at,
    header_note,
    looks_like,
    unreadable,
)
from ftkit.data.json_files import named, parsed

LARGE, WHOLE = 256 << 20, 1 << 30
"""Bytes above which a file is drawn from; and above which one that is read as a whole is refused."""
BYTES = 400 << 20
"""Most bytes of rows kept, as they stand in the file."""
HEAD = 1 << 16


class Draw:
    """A draw of rows without replacement, whose size is limited in rows and in bytes.

    Args:
        most: Most rows.
        seed: Decides which.
        room: Most bytes of them.
    """

    def __init__(self, most: int, seed: int, room: int = BYTES) -> None:
        self.most, self.seed, self.room = most, seed, room
        self.seen = self.bytes = 0
        self.limit = 1 << 64
        self.heap: list[tuple[int, int, int, Any]] = []

    def offer(self, number: int, size: int, make: Callable[[], Any]) -> None:
        """Look at the next row; ``make`` is called only if it is kept for now.

        Args:
            number: Its number in the file.
            size: Its bytes.
            make: Returns the row.
        """
        self.seen += 1
        key = int.from_bytes(
            hashlib.blake2b(b"%d:%d" % (self.seed, number), digest_size=8).digest()
        )
        if key >= self.limit:
            return
        heapq.heappush(self.heap, (-key, number, size, make()))
        self.bytes += size
        while len(self.heap) > self.most or (self.bytes > self.room and len(self.heap) > 1):
            gone = heapq.heappop(self.heap)
            self.bytes -= gone[2]
            self.limit = -gone[
                0
            ]  # nothing above it can come back: the draw stays that of the smallest keys

    def rows(self) -> list[tuple[int, Any]]:
        """Return numbers and rows kept, in the file's order."""
        return sorted(((number, row) for _, number, _, row in self.heap), key=lambda pair: pair[0])


def read_large(path: Path, encoding: str, most: int, seed: int) -> Raw:
    """Read a file row by row and keep a draw of its rows.

    Args:
        path: A file whose ending is in ``STREAMED``.
        encoding: Encoding of a text file; empty for UTF-8.
        most: Most rows kept.
        seed: Decides which.

    Raises:
        BadInput: It cannot be read, or its kind is read as a whole only.
    """
    reader = STREAMED.get(path.suffix.lower())
    if reader is None:
        raise BadInput(
            f"is {path.stat().st_size / 2**30:.1f} GiB: files of this kind are read as a whole, up to {WHOLE >> 30} GiB",
            where=str(path),
            todo="save it as CSV, JSON lines or Parquet, which are read row by row",
        )
    draw = Draw(most, seed)
    try:
        raw = reader(path, encoding, draw)
    except UnicodeDecodeError as error:
        raise _wrongly_encoded(path, encoding, error) from error
    except LookupError as error:
        raise BadInput(
            f"'{encoding}' is no known encoding",
            where="data.encoding",
            todo="try utf-8, cp1252 or latin-1",
        ) from error
    kept = f"{len(raw.rows):,} of them, drawn with the seed, are used (data.most_rows: {most:,}; {BYTES >> 20} MiB)"
    if len(raw.rows) + len(raw.faults) < draw.seen:
        raw.notes.append(
            f"{path.name} holds {draw.seen:,} rows in {path.stat().st_size / 2**30:.2f} GiB: {kept}; the others were not checked."
        )
    return raw


def _wrongly_encoded(path: Path, encoding: str, error: UnicodeDecodeError) -> BadInput:
    around = bytes(error.object[max(0, error.start - HEAD) : error.start + HEAD])
    if encoding:
        return BadInput(
            f"is not {encoding}",
            where=str(path),
            todo="set data.encoding to the right one, or leave it empty",
        )
    return BadInput(
        f"is not UTF-8; it looks like {looks_like(around)}",
        where=str(path),
        todo=encoding_hint(around),
    )


def _csv(path: Path, encoding: str, draw: Draw) -> Raw:
    with path.open(encoding=encoding or "utf-8-sig", newline="") as file:
        head = file.read(HEAD)
        whole = head[: head.rfind("\n") + 1] or head
        dialect = dialect_of(whole, path.suffix.lower() in (".tsv", ".tab"), whole=False)
        raw = Raw([], [], encoding=encoding or "utf-8", separator=dialect.separator)
        raw.notes += dialect.notes
        file.seek(0)
        for _ in range(dialect.skipped):
            file.readline()
        rows, first = dialect.rows(file), []
        try:
            first = list(islice(rows, HEAD_ROWS))
            top = header_at([cells for _, cells in first])
            raw.notes += header_note([cells for _, cells in first], top)
            for start, cells in chain(first[top + 1 :], rows):
                if any(cells):
                    draw.offer(start, sum(map(len, cells)), lambda cells=cells: cells)
        except csv.Error as error:
            raise not_a_table(path, dialect.at, error) from error
    if not first or not any(first[top][1]):
        raise BadInput(
            "the first line names no columns",
            where=str(path),
            todo="give a file with a header and rows",
        )
    raw.columns = [name.strip() for name in first[top][1]]
    for line, cells in draw.rows():
        add_row(raw, line, cells)
    return raw


def _jsonl(path: Path, encoding: str, draw: Draw) -> Raw:
    raw = Raw([], [], encoding=encoding or "utf-8")
    with path.open(encoding=encoding or "utf-8-sig", newline="\n") as file:
        for number, line in enumerate(_lines(file, path), 1):
            if not line.isspace():
                draw.offer(number, len(line), lambda line=line: line)
    for number, line in draw.rows():
        found, reason = parsed(line)
        if found is None:
            raw.faults.append((number, reason))
        else:
            raw.rows.append((number, found))
    return named(raw, path)


def _lines(file: Any, path: Path) -> Iterator[str]:
    number = 1
    while line := file.readline(LONGEST_CELL):
        if len(line) == LONGEST_CELL and not line.endswith("\n"):
            raise BadInput(
                f"is longer than {LONGEST_CELL:,} characters",
                where=f"{path}, line {number}",
                todo="is it really one object a line?",
            )
        number += 1
        yield line


def _parquet(path: Path, encoding: str, draw: Draw) -> Raw:
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        return _batches(file.schema_arrow, file.iter_batches(1024), "parquet", draw)
    except (OSError, ValueError) as error:  # ArrowInvalid is a ValueError
        raise unreadable(path, "Parquet", error) from error


def _arrow(path: Path, encoding: str, draw: Draw) -> Raw:
    import pyarrow as pa

    try:
        with pa.memory_map(str(path)) as source:
            try:
                file = pa.ipc.open_file(source)
                batches = (file.get_batch(i) for i in range(file.num_record_batches))
                return _batches(file.schema, batches, "arrow", draw)
            except pa.ArrowInvalid:
                source.seek(0)
                stream = pa.ipc.open_stream(source)
                return _batches(stream.schema, stream, "arrow", draw)
    except (OSError, ValueError) as error:
        raise unreadable(path, "Arrow", error) from error


def _batches(schema: Any, batches: Iterable[Any], kind: str, draw: Draw) -> Raw:
    names, number = [name.strip() for name in schema.names], 2
    known = class_names(schema)
    make = [cell_reader(field, known.get(field.name)) for field in schema]
    for batch in batches:
        size = batch.nbytes // max(1, batch.num_rows)
        for place in range(batch.num_rows):
            draw.offer(
                number + place,
                size,
                lambda batch=batch, place=place: [
                    to(column[place].as_py())
                    for to, column in zip(make, batch.columns, strict=True)
                ],
            )
        number += batch.num_rows
    rows = [(n, dict(zip(names, cells, strict=True))) for n, cells in draw.rows()]
    raw = Raw(names, [], encoding=kind, notes=label_notes(known))
    raw.rows = [(n, row) for n, row in rows if any(cell is not None for cell in row.values())]
    return without_index(raw)


STREAMED: dict[str, Callable[[Path, str, Draw], Raw]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".tab": _csv,
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".parquet": _parquet,
    ".arrow": _arrow,
}
