"""The report as a person opens it: no network, no errors, every width, light and dark, on paper."""

import pytest
from made_run import HOSTILE, make_run

from ftkit.core import run_folder
from ftkit.core.records.decision import Decision
from ftkit.decision import words
from ftkit.report import exports
from ftkit.report.page import write


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write(
        make_run(tmp_path_factory.mktemp("browser") / "desk", hostile=HOSTILE), "params/desk.yaml"
    )


@pytest.fixture
def opened(chromium, file):
    """Return a function that opens the report: opened(width, dark=False) -> page, with all it said and asked for."""
    contexts = []

    def open_at(width, dark=False, file=file):
        context = chromium.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            offline=True,
        )
        contexts.append(context)
        page = context.new_page()
        page.said, page.asked = [], []
        page.on("console", lambda m: page.said.append(m.text))
        page.on("pageerror", lambda e: page.said.append(str(e)))
        page.on("dialog", lambda d: (page.said.append(f"dialog: {d.message}"), d.dismiss()))
        page.on("request", lambda r: page.asked.append(r.url))
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-drawn]", state="attached", timeout=90_000)
        return page

    yield open_at
    for context in contexts:
        context.close()


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (400, False), (1280, True)])
def test_it_opens_without_network_errors_or_sideways_scroll(opened, width, dark, tmp_path):
    page = opened(width, dark)
    assert page.said == []
    assert all(url.startswith(("file:", "data:", "blob:")) for url in page.asked)
    size = page.evaluate(
        "({page: document.documentElement.scrollWidth, window: window.innerWidth})"
    )
    assert size["page"] <= size["window"]
    drawn = page.locator("[data-chart] svg.main-svg").count()
    assert drawn >= page.locator("[data-chart]").count() >= 12
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(20, 24, 29)") == dark
    page.screenshot(path=tmp_path / "report.png", full_page=True)
    assert (tmp_path / "report.png").stat().st_size > 50_000


def test_charts_fit_their_column_and_words_do_not_overlap_the_edge(opened):
    page = opened(400)
    wide = page.evaluate(
        "[...document.querySelectorAll('[data-chart]')].filter(p => p.getBoundingClientRect().right > innerWidth + 1).length"
    )
    assert wide == 0


def test_contents_lead_to_their_sections_and_tables_sort(opened):
    page = opened(1280)
    page.click("nav a:has-text('How to make it again')")
    assert page.url.endswith("#reproduce")
    heads = page.locator("#strategies table.sortable").first
    heads.locator("th button", has_text="right answers").click()
    shares = [
        float(v)
        for v in heads.locator("tbody td:nth-child(2)").evaluate_all(
            "cells => cells.map(c => c.dataset.sort)"
        )
    ]
    assert shares == sorted(shares)


def test_the_keyboard_reaches_the_verdict_first(opened):
    page = opened(1280)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#verdict"


def test_it_prints_with_its_charts(opened, tmp_path):
    page = opened(1280)
    page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
    assert (tmp_path / "report.pdf").stat().st_size > 80_000
    assert page.said == []


def test_without_scripts_the_figures_are_there_as_tables(chromium, file):
    context = chromium.new_context(java_script_enabled=False, offline=True)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("h1").inner_text().startswith("Use hybrid")
    assert page.locator(".off").count() == page.locator("details.values").count() >= 12
    context.close()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_no_violation_at_any_width(chromium, file, dark):
    """Contrast included, of a phone, a tablet and a desk."""
    from axe_playwright_python.sync_playwright import Axe

    context = chromium.new_context(color_scheme="dark" if dark else "light", bypass_csp=True)
    page = context.new_page()
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-drawn]", state="attached", timeout=90_000)
    violations = []
    for width in (400, 800, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(400)
        found = Axe().run(page).response["violations"]
        violations += [(width, v["id"], v["nodes"][0]["html"][:200]) for v in found]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
    context.close()
    assert violations == []


def test_questions_are_searched_by_their_words(opened):
    page = opened(1280)
    rows = "[...document.querySelectorAll('.ib tr.q')].filter(r => getComputedStyle(r).display != 'none').length"
    everything = page.evaluate(rows)
    page.get_by_label("Search questions and answers").fill("parcel b-00007")
    assert page.evaluate(rows) == 1 < everything
    page.get_by_label("Search questions and answers").fill("")
    assert page.evaluate(rows) == everything


def test_captions_of_wide_tables_can_be_read_on_a_phone(opened):
    page = opened(400)
    cut = page.evaluate(
        "[...document.querySelectorAll('caption span')].filter(c => c.getBoundingClientRect().width > innerWidth).map(c => c.textContent)"
    )
    assert cut == []


@pytest.mark.parametrize("hostile", ["", HOSTILE], ids=["usual", "hostile"])
def test_the_pdf_is_two_pages_to_decide_on_and_the_report_as_annex(chromium, tmp_path, hostile):
    from pypdf import PdfReader

    run = make_run(tmp_path / "desk", n=40, hostile=hostile)
    write(run)
    file = PdfReader(exports.pdf(run))
    pages = [" ".join(p.extract_text().replace("\ufb01", "fi").split()) for p in file.pages]
    decision = run_folder.read_record(run / "decision" / "decision.json", Decision)
    assert "page 1 of 2" in pages[0] and "page 2 of 2" in pages[1], "two pages, the rest is annex"
    annex = next(item for item in file.outline if "Annex" in item.title)
    assert file.get_destination_page_number(annex) == 2
    assert "".join(words.sentence(decision).split())[:60] in "".join(pages[0].split())
    for head in ("Risks", "What is assumed", "Pilot", "Owner of the pilot", "Date"):
        assert head in pages[1]
    assert "Stop as soon as" in pages[1]
    assert "accuracy against hybrid, points" in " ".join(pages[2:]), "axes of drawn pictures"
    assert 7 < len(pages) < 62 and "file://" not in "".join(pages)


def test_questions_are_filtered_by_who_is_wrong_and_how_at_once(opened):
    page = opened(1280)
    rows = "[...document.querySelectorAll('.ib tr.q')].filter(r => getComputedStyle(r).display != 'none').length"
    everything = page.evaluate(rows)
    page.locator("#ib-differ").check()
    differ = page.evaluate(rows)
    page.locator("#is-w0").check()
    both = page.evaluate(rows)
    assert everything > differ > both > 0
    shown = page.evaluate("document.querySelectorAll('.ib tr.q.differ.w0').length")
    assert shown == both
    page.locator("#ib-all").check()
    page.locator("#is-any").check()
    assert page.evaluate(rows) == everything
