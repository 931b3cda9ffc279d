"""Handbooks in the formats that teams have: titles, sections and pages are kept, tables stay readable, menus are left out."""

import pytest

from ftkit.core.errors import BadInput
from ftkit.retrieval.handbook import chunks, read_handbook
from ftkit.retrieval.handbook_formats import sentences_of

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
    assert one(tmp_path).text.replace("\n\n", "|") == "inner line|par|deep"
    (tmp_path / "a.html").write_text("<p>only</p>after")
    assert "only" in one(tmp_path).text
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
