"""The boundary in front of readers of foreign files: limits, a child process, one message, nothing that escapes."""

import io
import json
import os
import random
import time
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from ftkit.core import foreign_files, reader_process
from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.files import load
from ftkit.data.read import open_source
from ftkit.monitoring import logs
from ftkit.retrieval.handbook import read_handbook

INPUTS = int(os.environ.get("FTKIT_FUZZED_INPUTS", "25"))
"""Damaged inputs for each reader."""
LONGEST_S = 10.0


def recursing(path):
    return recursing(path)


def hungry(path):
    return bytearray(8 << 30)


def looping(path):
    while True:
        time.sleep(0.01)


def dying(path):
    os._exit(3)


def printing(path):
    print("to be ignored", flush=True)
    return path.name


@pytest.mark.parametrize(
    ("read", "message"),
    [
        (recursing, "nested too deeply"),
        (hungry, "FTKIT_READER_MEMORY_MIB"),
        (looping, "more than 1 s"),
        (dying, "breaks its reader"),
    ],
)
def test_a_reader_that_goes_wrong_ends_in_one_message_and_the_next_one_works(
    tmp_path, monkeypatch, read, message
):
    monkeypatch.setenv("FTKIT_READER_S", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    reader_process.close()
    read.__module__ = "test_foreign_files"
    file = tmp_path / "a.bin"
    file.write_bytes(b"x")
    if read is not looping:
        monkeypatch.delenv("FTKIT_READER_S")
    with pytest.raises(BadInput, match=message) as error:
        foreign_files.in_child(read, file, kind="PDF")
    assert str(file) in str(error.value) and "What to do" in str(error.value)
    printing.__module__ = "test_foreign_files"
    monkeypatch.setenv("FTKIT_READER_S", "20")
    assert foreign_files.in_child(printing, file, kind="PDF") == "a.bin"
    reader_process.close()


def test_a_limit_that_is_no_number_is_refused(monkeypatch):
    monkeypatch.setenv("FTKIT_READER_S", "soon")
    with pytest.raises(BadInput, match="FTKIT_READER_S"):
        _ = foreign_files.SECONDS.value


def test_the_documented_limits_are_those_that_hold():
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text()
    for limit in foreign_files.LIMITS:
        assert f"| `{limit.variable}` | {limit.default} {limit.unit} | {limit.of} |" in text


def refused(folder, name, content):
    """Return the message about a handbook's file."""
    (folder / name).write_bytes(content)
    with pytest.raises(BadInput) as error:
        read_handbook(folder)
    assert name in str(error.value.where)
    return str(error.value)


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def docx(body, size=0):
    place = io.BytesIO()
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("word/document.xml", f"<w:document {W}><w:body>{body}</w:body></w:document>")
        if size:
            parts.writestr("word/media/a.bin", b"\0" * size)
    return place.getvalue()


def test_a_docx_that_unpacks_to_much_more_than_it_is_is_refused_before_it_is_unpacked(tmp_path):
    assert "times larger" in refused(tmp_path, "a.docx", docx("", 64 << 20))
    assert "would take" in refused(tmp_path, "a.docx", docx("", 300 << 20))


def test_a_cell_that_spans_two_milliards_of_columns_is_a_cell(tmp_path):
    cell = (
        '<w:tc><w:tcPr><w:gridSpan w:val="{}"/></w:tcPr><w:p><w:r><w:t>x</w:t></w:r></w:p></w:tc>'
    )
    rows = "".join(f"<w:tr>{cell.format(n)}</w:tr>" for n in ("2000000000", "9" * 400, "-3", "1e9"))
    (tmp_path / "a.docx").write_bytes(docx(f"<w:tbl>{rows}</w:tbl>"))
    assert read_handbook(tmp_path)[0].text.split() == ["x."] * 4


@pytest.mark.parametrize(
    "page",
    ["<br>" * 20_000, "<div>" * 20_000, "<b>" * 50_000, "<table><tr><td>" * 3_000, "<li>" * 20_000],
)
def test_a_page_of_many_or_deep_elements_is_read_in_time(tmp_path, page):
    (tmp_path / "a.html").write_text(f"<body>{page}word")
    began = time.monotonic()
    assert read_handbook(tmp_path)[0].text.strip("-. ") == "word"
    assert time.monotonic() - began < LONGEST_S


def test_entities_of_xml_are_not_unfolded(tmp_path):
    lol = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10 if k else "lol"}">' for k in range(10))
    body = f'<?xml version="1.0"?><!DOCTYPE d [{lol}]><w:document {W}><w:body><w:p><w:r><w:t>&l9;</w:t></w:r></w:p></w:body></w:document>'
    place = io.BytesIO()
    with zipfile.ZipFile(place, "w") as parts:
        parts.writestr("word/document.xml", body)
    assert "What to do" in refused(tmp_path, "a.docx", place.getvalue())


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.docx", docx("<w:p><w:r>") + b"x"),
        ("a.docx", b"PK\x03\x04 no zip"),
        ("a.pdf", b"%PDF-1.4\n" + b"[" * 100_000),
        ("a.xlsx", b"PK\x05\x06" + b"\0" * 18),
        ("a.pptx", b"no zip"),
        ("a.jsonl", b'{"id": ' + b"[" * 100_000),
        ("a.jsonl", b'["id"]'),
        ("a.csv", b'id,text\n1,"open'),
        ("a.md", b"\xff\xfe"),
    ],
)
def test_damaged_files_of_a_handbook_are_refused_with_file_and_remedy(tmp_path, name, content):
    if name == "a.csv":
        (tmp_path / name).write_bytes(content)
        assert read_handbook(tmp_path)[0].text == "open"
        return
    assert "What to do" in refused(tmp_path, name, content)


def test_a_front_matter_with_an_impossible_date_is_told(tmp_path):
    assert "What to do" in refused(tmp_path, "a.md", b"---\ndate: 2026-99-99\n---\n# A\n\nText.")


@pytest.mark.parametrize(
    "text", ["a: &a [x]\nb: " + "[" * 5_000, "a: 2026-99-99\n", "\x00", "? [a\n"]
)
def test_a_damaged_parameter_file_is_told(tmp_path, text):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(BadInput, match=r"p\.yaml"):
        load(tmp_path / "p.yaml")


def test_a_workbook_with_a_row_of_two_milliards_ends_in_time(tmp_path):
    from openpyxl import Workbook

    book = Workbook()
    book.active.append(["message", "answer"])
    book.active.append(["one", "two"])
    book.save(tmp_path / "a.xlsx")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as parts:
        content = {name: parts.read(name) for name in parts.namelist()}
    sheet = content["xl/worksheets/sheet1.xml"].replace(b'r="2"', b'r="2000000000"')
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w") as parts:
        for name, data in content.items():
            parts.writestr(name, sheet if name.endswith("sheet1.xml") else data)
    began = time.monotonic()
    try:
        open_source(tmp_path / "a.xlsx")
    except BadInput as error:
        assert "a.xlsx" in str(error)
    assert time.monotonic() - began < 4 * LONGEST_S


def seeds(folder):
    """Write one sound file of each kind, and yield its name and bytes."""
    frame = pd.DataFrame({"message": [f"m {k}" for k in range(30)], "answer": ["a", "b"] * 15})
    frame.to_parquet(folder / "d.parquet", index=False)
    frame.to_excel(folder / "d.xlsx", index=False)
    frame.to_csv(folder / "d.csv", index=False)
    frame.to_json(folder / "d.jsonl", orient="records", lines=True)
    frame.to_json(folder / "d.json", orient="records")
    (folder / "h.md").write_text("---\nregion: EU\n---\n# A\n\n## B\n\ntext\n")
    (folder / "h.html").write_text("<main><h1>A</h1><table><tr><td>b</td></tr></table></main>")
    (folder / "h.docx").write_bytes(docx("<w:p><w:r><w:t>text</w:t></w:r></w:p>"))
    (folder / "h.csv").write_text("id,title,text\n1,a,b\n")
    (folder / "h.jsonl").write_text('{"id": 1, "text": "b"}\n')
    (folder / "h.xlsx").write_bytes((folder / "d.xlsx").read_bytes())
    (folder / "p.yaml").write_text("run: x\ntask: {name: a, kind: label, labels: [a, b]}\n")
    (folder / "l.jsonl").write_text(
        json.dumps({"time": "2026-01-01T00:00:00Z", "input": "a", "output": "b"})
    )
    from pypdf import PdfWriter

    writer = PdfWriter()
    writer.add_blank_page(200, 200)
    writer.write(folder / "h.pdf")


def damaged(data, rng):
    """Return bytes with some flipped, cut out, doubled or put in."""
    content = bytearray(data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(content) or 1)
        match rng.randrange(5):
            case 0 if content:
                content[at] ^= 1 << rng.randrange(8)
            case 1:
                del content[at : at + rng.randint(1, 40)]
            case 2:
                content[at:at] = content[at : at + rng.randint(1, 200)] * rng.randint(1, 20)
            case 3:
                content[at:at] = rng.choice(
                    [b"\0", b"\xff\xfe", b"[" * 500, b"9" * 40, b'"', b"<", b"\xed\xa0\x80"]
                )
            case _:
                content[at:] = b""
    return bytes(content) or b"\0"


KINDS = [
    *(
        "d.parquet",
        "d.xlsx",
        "d.csv",
        "d.jsonl",
        "d.json",
        "h.md",
        "h.html",
        "h.docx",
        "h.csv",
        "h.jsonl",
    ),
    *("h.xlsx", "h.pdf", "p.yaml", "l.jsonl"),
]


def opened(file):
    """Read a file by the reader of its kind."""
    match file.name[0]:
        case "d":
            open_source(file)
        case "p":
            load(file)
        case "l":
            list(logs._rows(file))
        case _:
            read_handbook(file.parent)


@pytest.mark.parametrize("name", KINDS)
def test_no_damaged_file_escapes_the_boundary_or_hangs(tmp_path, name):
    rng = random.Random(f"readers {name}")
    (tmp_path / "sound").mkdir()
    (tmp_path / "bad").mkdir()
    seeds(tmp_path / "sound")
    sound, file = (tmp_path / "sound" / name).read_bytes(), tmp_path / "bad" / name
    for _ in range(INPUTS):
        file.write_bytes(damaged(sound, rng))
        began = time.monotonic()
        try:
            opened(file)
        except FtkitError as error:
            assert error.where and error.todo
        assert time.monotonic() - began < 3 * LONGEST_S


def test_a_cell_that_cannot_be_used_keeps_its_reason_on_the_way_from_the_reader(tmp_path):
    from openpyxl import Workbook

    book = Workbook()
    for row in (["message", "answer"], ["one", "two"], ["three", "#N/A"]):
        book.active.append(row)
    book.active["B3"].data_type = "e"
    book.save(tmp_path / "a.xlsx")
    cell = open_source(tmp_path / "a.xlsx").rows[1][1]["answer"]
    assert type(cell).__name__ == "UnusableCell" and "#N/A" in cell.reason
