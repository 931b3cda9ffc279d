"""Reading: every format gives the same rows; what cannot be read is told with file, row, column and what to do."""

import csv
import json

import pandas as pd
import pytest

from ftkit.core.errors import BadInput
from ftkit.data.read import open_source, read

ROWS = [
    (f'text number {i}, with "quotes"; and\ttabs – ü', "yes" if i % 3 else "no") for i in range(30)
]


def write(tmp_path, kind, rows=ROWS, columns=("text", "label")):
    path = tmp_path / f"rows.{kind}"
    frame = pd.DataFrame(rows, columns=list(columns))
    records = frame.to_dict("records")
    if kind in ("csv", "tsv"):
        frame.to_csv(path, index=False, sep="\t" if kind == "tsv" else ",")
    elif kind == "jsonl":
        path.write_text(
            "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8"
        )
    elif kind == "json":
        path.write_text(json.dumps({"data": records}), encoding="utf-8")
    elif kind == "parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_excel(path, index=False)
    return path


def raises(path, match, **more):
    with pytest.raises(BadInput, match=match) as caught:
        read(path, "text", "label", **more)
    assert "What to do" in str(caught.value)


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "json", "parquet", "xlsx"])
def test_every_format_gives_the_same_rows(tmp_path, kind):
    table = read(write(tmp_path, kind), "text", "label")
    assert (
        [(r["input"], r["output"]) for r in table.rows] == ROWS
        and table.rows_read == 30
        and not table.rejected
    )


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_found_and_told(tmp_path, separator):
    path = tmp_path / "rows.csv"
    with path.open("w", newline="") as handle:
        csv.writer(handle, delimiter=separator).writerows(
            [("id", "text", "label"), *[(i, *row) for i, row in enumerate(ROWS)]]
        )
    table = read(path, "text", "label")
    assert table.separator == separator and [r["input"] for r in table.rows] == [t for t, _ in ROWS]


@pytest.mark.parametrize(("encoding", "like"), [("cp1252", "cp125"), ("utf-16-le", "utf_16")])
def test_text_that_is_not_utf8_is_told_with_the_encoding_it_looks_like(tmp_path, encoding, like):
    path = tmp_path / "rows.csv"
    lines = [
        f"Grüße aus Köln – schöne größere Straße {i},{label}" for i, (_, label) in enumerate(ROWS)
    ]
    path.write_bytes("\n".join(["text,label", *lines]).encode(encoding))
    raises(path, rf"not UTF-8 \(line \d+\); it looks like {like}.*\n.*data\.encoding")
    table = read(path, "text", "label", encoding=encoding)
    assert table.rows[0]["input"].startswith("Grüße aus Köln –") and table.encoding == encoding


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_bytes(b"\xef\xbb\xbf" + write(tmp_path, "csv").read_bytes())
    assert (
        len(read(path, "text", "label").rows)
        == len(read(path, "text", "label", encoding="utf-8").rows)
        == 30
    )


@pytest.mark.parametrize(
    ("encoding", "match"), [("klingon", "no known encoding"), ("ascii", "is not ascii: byte")]
)
def test_a_wrong_encoding_parameter_is_told(tmp_path, encoding, match):
    raises(write(tmp_path, "csv"), match, encoding=encoding)


def test_empty_cells_reject_their_row_and_tell_row_and_column(tmp_path):
    rows = [*ROWS, ("", "yes"), ("   ", "no"), ("text", ""), ("nul \x00 byte", "yes")]
    table = read(write(tmp_path, "csv", rows), "text", "label")
    assert [(r.row, r.reason) for r in table.rejected] == [
        (32, "column 'text' is empty"),
        (33, "column 'text' is empty"),
        (34, "column 'label' is empty"),
        (35, "column 'text' holds a NUL byte"),
    ]
    assert table.rows_read == 34 and len(table.rows) == 30


@pytest.mark.parametrize("kind", ["parquet", "xlsx", "jsonl"])
def test_missing_values_of_other_formats_are_empty_cells(tmp_path, kind):
    table = read(write(tmp_path, kind, [*ROWS, (None, "yes"), ("NA", "no")]), "text", "label")
    assert [r.reason for r in table.rejected] == ["column 'text' is empty"] and table.rows[-1][
        "input"
    ] == "NA"


def test_lists_are_rejected_and_objects_become_compact_records(tmp_path):
    rows = [{"text": f"t{i}", "label": {"a": i, "b": "ü"}} for i in range(30)] + [
        {"text": ["a", "b"], "label": "x"}
    ]
    path = tmp_path / "rows.parquet"
    pd.DataFrame(rows[:30]).to_parquet(path)
    assert read(path, "text", "label").rows[0]["output"] == '{"a":0,"b":"ü"}'
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(r) for r in rows))
    table = read(path, "text", "label")
    assert table.rejected[0].reason == "column 'text' holds a list, not a text"
    path = tmp_path / "lists.parquet"
    pd.DataFrame({"text": [["a"]] * 30, "label": ["x", "y"] * 15}).to_parquet(path)
    raises(path, "holds a list")


def test_a_line_separator_inside_a_json_string_does_not_end_the_line(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "\n".join(
            json.dumps({"text": f"a\u2028b\u0085c {i}", "label": i % 2}, ensure_ascii=False)
            for i in range(30)
        )
    )
    table = read(path, "text", "label")
    assert len(table.rows) == 30 and table.rows[3]["output"] == "1"


def test_broken_json_lines_are_rejected_with_their_line(tmp_path):
    path = write(tmp_path, "jsonl")
    path.write_text(
        path.read_text()
        + '{"text": "x", "label"\n[1]\n\n{"text": "half \\ud800", "label": "yes"}\n'
    )
    table = read(path, "text", "label")
    assert [r.row for r in table.rejected] == [31, 32, 34]
    assert (
        "is not JSON" in table.rejected[0].reason and "half a character" in table.rejected[2].reason
    )


def test_a_json_object_of_columns_is_a_table(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps({"text": [t for t, _ in ROWS], "label": [a for _, a in ROWS]}))
    assert len(read(path, "text", "label").rows) == 30


def test_rows_with_too_many_or_too_few_cells_are_rejected(tmp_path):
    path = write(tmp_path, "csv")
    path.write_text(path.read_text() + "only one\na,b,c\ntrailing,yes,,\n\n")
    table = read(path, "text", "label")
    assert [(r.row, r.reason) for r in table.rejected] == [
        (32, "has 1 cells, the header has 2"),
        (33, "has 3 cells, the header has 2"),
    ]
    assert table.rows[-1] == {
        "input": "trailing",
        "output": "yes",
        "group": "",
        "source_row": 34,
        "file": "rows.csv",
    }


def test_an_unclosed_quote_names_the_line_where_it_starts(tmp_path):
    path = write(tmp_path, "csv")
    path.write_text(path.read_text() + '"never closed,yes\nnext,no\n')
    raises(path, "line 32")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("none.csv", None, "no such file"),
        ("folder.csv", "folder", "no such file"),
        ("rows.csv", b"", "is empty"),
        ("rows.csv", b"\n\n\n", "is empty"),
        ("rows.docx", b"x", r"'\.docx' is no known kind of file.*\n.*\.xlsx"),
        ("rows.csv", b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe\xfd" * 40, "not UTF-8"),
        ("rows.json", b"{", "is not JSON"),
        ("rows.json", b'{"a": 1}', "no array of objects"),
        ("rows.jsonl", b"1\n2\n", "holds no JSON object: row 1"),
        ("rows.parquet", b"PAR1 but not really", "cannot be read as Parquet"),
        ("rows.xlsx", b"text,label\na,b\n", "cannot be read as XLSX"),
        ("rows.xlsx", b"PK\x03\x04 cut off", "cannot be read as XLSX"),
        ("rows.csv", b"text,label\na,yes\nb,no\n", "only 2 usable rows, at least 20"),
        (
            "rows.csv",
            b"text,label\n" + b"".join(b"t%d,same\n" % i for i in range(30)),
            r"all outputs are the same: 'same'",
        ),
        ("rows.csv", b"text,label,text\n" + b"a,b,c\n" * 30, "'text' stands twice"),
        (
            "rows.csv",
            b"Text,labels\n" + b"a,b\n" * 30,
            r"no column 'text'; did you mean 'Text'\?.*\n.*Text, labels",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path, name, content, match):
    path = tmp_path / name
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    raises(path, match)


def test_column_names_that_stand_twice_in_a_sheet_are_told(tmp_path):
    from openpyxl import Workbook

    book = Workbook()
    for row in [("text", "label", "label", None), *[(f"t{i}", "a", "b", None) for i in range(30)]]:
        book.active.append(row)
    book.save(tmp_path / "rows.xlsx")
    raises(tmp_path / "rows.xlsx", "'label' stands twice")


def test_the_sheet_that_was_read_is_told_where_there_are_several(tmp_path):
    with pd.ExcelWriter(tmp_path / "rows.xlsx") as writer:
        pd.DataFrame(ROWS, columns=["text", "label"]).to_excel(
            writer, sheet_name="tickets", index=False
        )
        pd.DataFrame([("x",)]).to_excel(writer, sheet_name="notes", index=False)
    assert open_source(tmp_path / "rows.xlsx").encoding == "xlsx, sheet 'tickets'"


def test_a_test_file_may_be_small_and_of_one_answer(tmp_path):
    assert (
        len(read(write(tmp_path, "csv", [("a", "x"), ("b", "x")]), "text", "label", fewest=1).rows)
        == 2
    )


def test_a_workbook_that_would_burst_memory_is_refused_before_it_is_read(tmp_path):
    import zipfile

    path = tmp_path / "rows.xlsx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("xl/workbook.xml", b" " * (300 << 20))
    with pytest.raises(BadInput, match="which no table of texts does"):
        open_source(path)


def test_hidden_characters_are_told_and_hide_no_copy(tmp_path):
    from ftkit.core.records.task import TaskCard
    from ftkit.data.clean import clean

    card = TaskCard(name="t", instruction="Choose.", kind="label", labels=["a", "b"])
    texts = [
        "where is my parcel",
        "where is\u200b my parcel",
        "\u202ewhere is my parcel\ufeff",
        "quite another question",
    ]
    rows = [
        {"input": text, "output": "a", "group": "", "source_row": k + 2}
        for k, text in enumerate(texts)
    ]
    done = clean(rows, card, 0.8)
    told = {d.kind: d.count for d in done.defects}
    assert told["hidden characters"] == 2 and told["exact copies"] == 2 and len(done.rows) == 2
