"""Handbooks in the formats that teams have: titles, sections and pages are kept, tables stay readable, menus are left out."""

import re
import zipfile
from pathlib import Path

import pytest

from ftkit.core.errors import BadInput
from ftkit.retrieval.articles import sentences_of
from ftkit.retrieval.chunks import chunks
from ftkit.retrieval.handbook import look_through, read_handbook

PAGE = """<html><head><title>Shop | Help</title><style>p {color: red}</style></head><body>
<nav><ul><li>Home</li><li>Cart</li></ul></nav>
<main><h1>Returns &amp; refunds</h1><p>You may return goods.</p>
<h2>Deadlines</h2><ul><li>Tents: 30 days</li><li>Shoes:
 14 days</li></ul><table><tr><th>Product</th><th>Warranty</th></tr><tr><td>Tent</td><td>24 months</td></tr><tr><td>Stove</td><td></td></tr></table>
<h3>Exceptions</h3><div><p>Gift cards. Opened <b>food</b>.</p></div></main><footer>© Shop</footer><script>track()</script></body></html>"""


def one(folder):
    articles = read_handbook(folder)
    assert len(articles) == 1
    return articles[0]


def test_html_keeps_title_sections_and_tables_and_leaves_menus_out(tmp_path):
    (tmp_path / "returns.html").write_text(PAGE)
    article = one(tmp_path)
    assert (article.source, article.title) == ("returns", "Returns & refunds")
    assert [(p.section, p.text) for p in article.parts] == [
        ("", "You may return goods."),
        (
            "Deadlines",
            "- Tents: 30 days\n\n- Shoes: 14 days\n\nProduct: Tent; Warranty: 24 months.\n\nProduct: Stove.",
        ),
        ("Exceptions", "Gift cards. Opened food."),
    ]
    found = chunks([article], 100)
    assert [c.title for c in found] == [
        "Returns & refunds",
        "Returns & refunds – Deadlines",
        "Returns & refunds – Exceptions",
    ]
    assert [c.id for c in found] == ["returns#0", "returns#1", "returns#2"]


def test_an_html_page_in_another_encoding_is_read_as_it_says(tmp_path):
    (tmp_path / "a.htm").write_bytes(
        "<html><head><meta charset='iso-8859-1'></head><body><p>Rückgabe</p></body></html>".encode(
            "latin-1"
        )
    )
    assert one(tmp_path).text == "Rückgabe"


def test_text_outside_of_paragraphs_is_not_lost(tmp_path):
    (tmp_path / "a.html").write_text(
        "<body>Before <div>inner<br>line<p>par</p></div><div><div>deep</div></div></body>"
    )
    assert one(tmp_path).text.replace("\n\n", "|") == "Before|inner line|par|deep"
    (tmp_path / "a.html").write_text("<p>only</p>after")
    assert one(tmp_path).text == "only\n\nafter"
    (tmp_path / "a.html").write_text("just text")
    assert one(tmp_path).text == "just text"


def test_docx_keeps_headings_lists_and_tables_in_order(tmp_path):
    from docx import Document

    document = Document()
    document.add_heading("Warranty", 0)
    document.add_paragraph("All goods have one.")
    document.add_heading("By product", 1)
    table = document.add_table(rows=2, cols=2)
    for row, cells in zip(table.rows, [("Product", "Months"), ("Tent", "24")], strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    document.add_paragraph("Keep the receipt", style="List Bullet")
    document.save(str(tmp_path / "warranty.docx"))
    article = one(tmp_path)
    assert article.title == "Warranty"
    assert [(p.section, p.text) for p in article.parts] == [
        ("", "All goods have one."),
        ("By product", "Product: Tent; Months: 24.\n\n- Keep the receipt"),
    ]


def pdf(path, pages):
    """Write a PDF by hand: one text line after the other on each page."""
    kids, objects = [], []
    for k, lines in enumerate(pages):
        stream = (
            "BT /F1 12 Tf 14 TL 50 700 Td " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
        )
        kids.append(f"{4 + 2 * k} 0 R")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * k} 0 R >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    head = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = "%PDF-1.4\n", []
    for number, text in enumerate([*head, *objects], 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{text}\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(places) + 1}\n0000000000 65535 f \n" + "".join(
        f"{p:010d} 00000 n \n" for p in places
    )
    path.write_bytes(
        (
            out + f"trailer << /Size {len(places) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
        ).encode()
    )


def test_pdf_pages_are_kept_and_broken_lines_joined(tmp_path):
    pdf(
        tmp_path / "terms.pdf",
        [["Terms of sale", "Goods are deliv-", "ered within a week."], ["Refunds take 10 days."]],
    )
    article = one(tmp_path)
    assert [p.page for p in article.parts] == [
        1,
        2,
    ] and "delivered within a week." in article.parts[0].text
    assert [c.title for c in chunks([article], 100)][1].endswith("(page 2)")


def test_markdown_headings_below_the_first_start_sections_and_code_is_none(tmp_path):
    (tmp_path / "a.md").write_text(
        "# Guide\nIntro.\n\n## Install\nRun it.\n```\n## no heading\n```\n### Later\nDone.\n"
    )
    article = one(tmp_path)
    assert [(p.section, p.text) for p in article.parts] == [
        ("", "Intro."),
        ("Install", "Run it.\n```\n## no heading\n```"),
        ("Later", "Done."),
    ]
    (tmp_path / "a.md").write_text("# Guide\n\nOne fact. Another.\n")
    assert [(p.section, p.text) for p in one(tmp_path).parts] == [("", "One fact. Another.")]


def test_tables_without_a_header_stay_rows():
    assert sentences_of([["a", "b"]]) == ["a | b."]
    assert sentences_of([["", "x"], ["1", "2"]]) == ["x.", "1 | 2."]
    assert sentences_of([]) == []


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.pdf", b"no pdf", "cannot be read as PDF"),
        ("a.docx", b"no zip", "cannot be read as DOCX"),
        ("a.html", b"<html><nav>x</nav></html>", "holds no text"),
        ("a.md", b"\xff\xfe\xff", "not UTF-8"),
        ("a.md", b" \n", "is empty"),
        ("a.pdf", b"", "cannot be read as PDF"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(tmp_path, name, content, told):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match=told) as error:
        read_handbook(tmp_path)
    assert name in str(error.value.where)


def test_a_scanned_and_a_locked_pdf_say_so(tmp_path):
    from pypdf import PdfReader, PdfWriter

    pdf(tmp_path / "a.pdf", [[]])
    with pytest.raises(BadInput, match="only pictures"):
        read_handbook(tmp_path)
    pdf(tmp_path / "a.pdf", [["secret"]])
    writer = PdfWriter(clone_from=PdfReader(tmp_path / "a.pdf"))
    writer.encrypt("password", algorithm="RC4-128")
    writer.write(tmp_path / "a.pdf")
    with pytest.raises(BadInput, match="password"):
        read_handbook(tmp_path)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (
            "<main><li><b>Tents: 30 days</b> after<ul><li>unopened</li></ul></li></main>",
            "Tents: 30 days after unopened",
        ),
        ("<main><div><span>The fee</span><p>is charged.</p></div></main>", "The fee is charged."),
        (
            "<body>Deposits.<h2>Keys</h2><p>Bring them.</p>Lost keys.</body>",
            "Deposits. Keys Bring them. Lost keys.",
        ),
        ("<main><h1>Fees</h1><h6>Late: 12</h6></main>", "Fees Late: 12"),
        (
            "<form><h1>Rules</h1><label>Refunds</label> take <b>5</b> days.</form>",
            "Rules Refunds take 5 days.",
        ),
        ("<details><summary>How long?</summary>30 days.</details>", "How long? 30 days."),
        (
            "<table><caption>Fees</caption><tr><td>a<table><tr><td>b</td></tr></table></td></tr></table>",
            "Fees a b",
        ),
        ("<main><header><h1>Title</h1></header><p>x</p><footer>y</footer></main>", "Title x y"),
        ("<p>a</p><div hidden>b</div><template>c</template><!-- d --><p>e</p>", "a e"),
        ("<fieldset><legend>Ask</legend><button>Send</button></fieldset>", "Ask Send"),
        ("<address>Road 1</address><dl><dt>Word</dt><dd>Meaning</dd></dl>", "Road 1 Word Meaning"),
    ],
)
def test_every_visible_word_of_a_page_is_kept_once(tmp_path, page, words):
    (tmp_path / "a.html").write_text(page)
    article = one(tmp_path)
    text = " ".join(
        [
            article.title,
            *(f"{p.section} {p.text}" if p.section != p.text else p.text for p in article.parts),
        ]
    )
    letters = re.findall(r"[\w:.?]*\w[\w:.?]*", text)
    assert [w.rstrip(".") for w in letters] == [w.rstrip(".") for w in words.split()]


def test_words_outside_of_the_main_part_are_told_by_their_number(tmp_path):
    (tmp_path / "a.html").write_text(f"<nav>{'menu ' * 50}</nav><main><p>{'word ' * 20}</p></main>")
    assert ["20 of 70 visible words" in r.text for r in look_through(tmp_path).remarks] == [True]


def test_files_that_are_not_read_are_named_with_what_to_do(tmp_path):
    (tmp_path / "a.md").write_text("# A\n\nText.")
    for name in ("old.doc", "slides.odp", ".secret.md", "picture.png"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a.md.yaml").write_text("region: EU")
    told = {r.file: r.text for r in look_through(tmp_path).remarks}
    assert set(told) == {"old.doc", "slides.odp", ".secret.md", "picture.png"}
    assert "save it as DOCX" in told["old.doc"] and "rename" in told[".secret.md"]


def test_two_articles_of_one_name_are_refused_with_both_files(tmp_path):
    (tmp_path / "x").mkdir()
    (tmp_path / "a.md").write_text("# A\n\nText.")
    (tmp_path / "x" / "a.txt").write_text("A\nText.")
    with pytest.raises(BadInput, match=r"in a\.md and x/a\.txt"):
        read_handbook(tmp_path)


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    book, other = tmp_path / "book", tmp_path / "other"
    book.mkdir()
    other.mkdir()
    (other / "secret.md").write_text("# Secret\n\nx")
    (book / "a.md").write_text("# A\n\nText.")
    (book / "b.md").symlink_to(other / "secret.md")
    (book / "c").symlink_to(other)
    (book / "d.md").symlink_to(book / "d.md")
    (book / "sub").mkdir()
    (book / "sub" / "e.md").symlink_to(book / "nothing.md")
    (book / "a.md.yaml").symlink_to(other / "secret.md")
    handbook = look_through(book)
    assert [a.source for a in handbook.articles] == ["a"] and not handbook.articles[0].metadata
    assert {"b.md", "c", "d.md", "sub/e.md"} <= {r.file for r in handbook.remarks}


def test_pages_without_text_are_named_and_ocr_is_the_remedy(tmp_path):
    pdf(tmp_path / "a.pdf", [["Terms"], [], [], ["more"], []])
    (remark,) = look_through(tmp_path).remarks
    assert "pages 2-3, 5 of 5" in remark.text and "OCR" in remark.text


def word(path, body):
    """Write a DOCX by hand from the XML of its body."""
    w = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr(
            "word/document.xml", f'<w:document xmlns:w="{w}"><w:body>{body}</w:body></w:document>'
        )


def run(text):
    return f"<w:r><w:t>{text}</w:t></w:r>"


def paragraph(inner):
    return f"<w:p>{inner}</w:p>"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            f"<w:sdt><w:sdtContent>{paragraph(run('in a control'))}</w:sdtContent></w:sdt>",
            "in a control",
        ),
        (
            paragraph(
                f"<w:sdt><w:sdtContent>{run('12 euros')}</w:sdtContent></w:sdt>{run(' once')}"
            ),
            "12 euros once",
        ),
        (
            paragraph(
                f"<w:ins>{run('new')}</w:ins><w:del><w:r><w:delText>old</w:delText></w:r></w:del>"
            ),
            "new",
        ),
        (paragraph(f"<w:hyperlink>{run('a link')}</w:hyperlink>"), "a link"),
        (paragraph(f"<w:smartTag>{run('Oslo')}</w:smartTag>"), "Oslo"),
        (
            paragraph(f"<w:moveFrom>{run('gone')}</w:moveFrom><w:moveTo>{run('here')}</w:moveTo>"),
            "here",
        ),
        (paragraph("<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r>"), "a b c"),
    ],
)
def test_wrapped_and_inserted_text_of_word_is_read(tmp_path, body, text):
    word(tmp_path / "a.docx", body)
    assert one(tmp_path).text == text


def test_merged_cells_of_word_are_read_where_they_hold(tmp_path):
    def cell(text, more=""):
        return f"<w:tc><w:tcPr>{more}</w:tcPr>{paragraph(run(text) if text else '')}</w:tc>"

    down, again = '<w:vMerge w:val="restart"/>', "<w:vMerge/>"
    rows = [
        [cell("Product"), cell("Months"), cell("Note")],
        [cell("Tent", down), cell("24", '<w:gridSpan w:val="2"/>')],
        [cell("", again), cell("12"), cell("used")],
    ]
    word(
        tmp_path / "a.docx",
        "<w:tbl>" + "".join(f"<w:tr>{''.join(r)}</w:tr>" for r in rows) + "</w:tbl>",
    )
    assert one(tmp_path).text.split("\n\n") == [
        "Product: Tent; Months: 24.",
        "Product: Tent; Months: 12; Note: used.",
    ]


def test_slides_and_sheets_are_read(tmp_path):
    from openpyxl import Workbook

    a = "http://schemas.openxmlformats.org/drawingml/2006/main"
    with zipfile.ZipFile(tmp_path / "deck.pptx", "w") as parts:
        for n, lines in ((2, ["Fees", "12 euros"]), (10, ["End"]), (1, ["Tents", "24 months"])):
            xml = "".join(f"<a:p><a:r><a:t>{line}</a:t></a:r></a:p>" for line in lines)
            parts.writestr(f"ppt/slides/slide{n}.xml", f'<p xmlns:a="{a}">{xml}</p>')
    book = Workbook()
    book.active.append(["Product", "Months"])
    book.active.append(["Tent", 24])
    book.create_sheet("lists").sheet_state = "hidden"
    book.save(tmp_path / "table.xlsx")
    handbook = look_through(tmp_path)
    deck, table = handbook.articles
    assert (deck.title, [(p.section, p.text) for p in deck.parts]) == (
        "Tents",
        [("", "24 months"), ("Fees", "12 euros"), ("End", "End")],
    )
    assert [(p.section, p.text) for p in table.parts] == [("Sheet", "Product: Tent; Months: 24.")]
    assert [r.file for r in handbook.remarks] == ["table.xlsx"] and "lists" in handbook.remarks[
        0
    ].text


CASES = Path(__file__).parents[3] / "shared" / "cases"


@pytest.mark.skipif(not CASES.is_dir(), reason="the collected cases are not here")
def test_the_collected_handbooks_keep_what_was_lost():
    def texts(place):
        return " ".join(
            f"{p.section} {p.text}" for a in read_handbook(CASES / place) for p in a.parts
        )

    assert "Refunds take 5 days." in texts("26-html-text-lost/form")
    html = texts("26-html-text-lost/book")
    for lost in (
        "Tents: 30 days",
        "The late fee",
        "Late payment: 12 euros",
        "Lost keys cost",
        "How long may",
    ):
        assert lost in html
    docx = texts("28-docx-wrapped-text/book")
    for lost in ("Tents have 24 months.", "12 euros", "Norway"):
        assert lost in docx
    assert docx.count("24 a") == 1
    assert "30 days\nof delivery" in texts("29-handbook-tables/lines")
    assert len(texts("29-handbook-tables/long")) > 149_000
    assert [a.source for a in read_handbook(CASES / "29-handbook-tables/zero")] == ["0", "1", "2"]
    assert "one\u2028two" in texts("29-handbook-tables/separator")
    assert "Return within 30 days" in texts("29-handbook-tables/semicolon")
    (remark,) = look_through(CASES / "27-pdf-partly-scanned/book").remarks
    assert "pages 2-4 of 4" in remark.text
