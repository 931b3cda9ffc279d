"""Files that are read row by row: the same draw from every format, within rows and bytes, and bad input is told."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ftkit.core.errors import BadInput
from ftkit.data import large
from ftkit.data.read import open_source, read

N = 3000
ROWS = [
    {"text": f"Question {i}, with a comma and \n a second line", "label": f"l{i % 5}"}
    for i in range(N)
]


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch):
    monkeypatch.setattr(large, "LARGE", 100)


def write(path, rows=ROWS):
    if path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(
                file, ["text", "label"], delimiter="\t" if path.suffix == ".tsv" else ","
            )
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=700)
    else:
        table = pa.Table.from_pylist(rows)
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table, max_chunksize=500)
    return path


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet", "arrow"])
def test_a_draw_holds_so_many_rows_as_they_stand_in_the_file_and_says_so(tmp_path, ending):
    path = write(tmp_path / f"many.{ending}")
    raw = open_source(path, most=200, seed=3)
    assert len(raw.rows) == 200 and raw.columns == ["text", "label"]
    assert (
        "many." in raw.notes[0]
        and "holds 3,000 rows" in raw.notes[0]
        and "200 of them" in raw.notes[0]
    )
    first = {"csv": 2, "tsv": 2, "jsonl": 1}.get(ending, 2)
    step = 2 if ending in ("csv", "tsv") else 1  # a row of two lines
    assert all(row == ROWS[(number - first) // step] for number, row in raw.rows)
    assert [n for n, _ in raw.rows] == sorted(n for n, _ in raw.rows)
    assert (
        open_source(path, most=200, seed=3).rows
        == raw.rows
        != open_source(path, most=200, seed=4).rows
    )
    assert {n for n, _ in open_source(path, most=100, seed=3).rows} < {n for n, _ in raw.rows}, (
        "fewer are a part of more"
    )


def test_every_row_is_as_likely_as_any_other():
    counts = [0] * 100
    for seed in range(400):
        draw = large.Draw(20, seed)
        for number in range(100):
            draw.offer(number, 1, lambda: None)
        for number, _ in draw.rows():
            counts[number] += 1
    assert sum(counts) == 400 * 20
    chi2 = sum((c - 80) ** 2 / (80 * 0.8) for c in counts)
    assert chi2 < 150, "99 degrees of freedom: above 150 once in 1,500 times"


def test_bytes_are_limited_too_and_a_small_file_is_kept_whole(tmp_path, monkeypatch):
    path = write(tmp_path / "many.jsonl")
    monkeypatch.setattr(large, "BYTES", 10_000)
    monkeypatch.setattr(large.Draw.__init__, "__defaults__", (10_000,))
    raw = open_source(path, most=2000)
    assert 50 < len(raw.rows) < 200 and sum(len(json.dumps(row)) for _, row in raw.rows) <= 10_000
    few = open_source(write(tmp_path / "few.jsonl", ROWS[:60]), most=2000)
    assert len(few.rows) == 60 and few.notes == []


def test_the_table_of_examples_carries_the_note_and_drawn_rows_that_cannot_be_used_are_told(
    tmp_path,
):
    path = write(tmp_path / "many.jsonl", [*ROWS[:500], *[{"text": "", "label": "x"}] * 500])
    table = read(path, "text", "label", most=400)
    assert (
        table.rows_read == 400
        and 100 < len(table.rejected) < 300
        and table.notes[0].startswith("many.jsonl holds 1,000 rows")
    )
    assert all(r.row > 500 and "is empty" in r.reason for r in table.rejected)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "a.csv",
            b"text,label\n" + b"one,two\n" * 50 + b"caf\xe9,x\n",
            "is not UTF-8; it looks like",
        ),
        (
            "b.csv",
            b"text,label\n" + b"one,two\n" * 50 + b'"open,x\n' * 3,
            "cannot be read as a table",
        ),
        ("c.csv", b"\n" * 300, "names no columns"),
        ("d.jsonl", b"\xff\xfe" + b"{}" * 100, "is not UTF-8"),
        ("e.parquet", b"PAR1" * 100, "cannot be read as Parquet"),
        ("f.arrow", b"ARROW1" * 100, "cannot be read as Arrow"),
        ("g.jsonl", b"nothing\n" * 100, "holds no JSON object"),
    ],
)
def test_what_cannot_be_read_is_told(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=told):
        open_source(tmp_path / name)


def test_a_large_file_of_a_kind_that_is_read_as_a_whole_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(large, "WHOLE", 100)
    (tmp_path / "all.json").write_text(json.dumps(ROWS))
    with pytest.raises(BadInput, match="read as a whole"):
        open_source(tmp_path / "all.json")
    with pytest.raises(BadInput, match="no known encoding"):
        open_source(write(tmp_path / "x.csv"), "klingon")
