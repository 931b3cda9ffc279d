"""The report: decision first, nothing from the network, nothing from the data taken for markup, gaps told."""

import csv
import json
import re
import shutil
from html.parser import HTMLParser

import pytest
from made_run import HOSTILE, make_run
from reading_ease import reading_ease

from ftkit.core import run_folder
from ftkit.core.errors import BadInput, RunFailed
from ftkit.core.records.decision import Decision
from ftkit.core.records.deployment import DeploymentCard
from ftkit.core.records.endpoint import EndpointBill
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.manifest import Manifest
from ftkit.decision import words as said
from ftkit.report import exports, run_contents, theme
from ftkit.report.blocks import data_text
from ftkit.report.charts import values
from ftkit.report.figures.decision import _label_places, accuracy_against_cost
from ftkit.report.page import write
from ftkit.report.page_one import first, sentences


class Page(HTMLParser):
    """Counts elements and keeps what could load or run."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.loads, self.handlers, self.words = {}, [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements[tag] = self.elements.get(tag, 0) + 1
        self.loads += [
            value for name, value in attrs if name in ("src", "href", "action", "data") and value
        ]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_data(self, data):
        if self.lasttag not in ("script", "style"):
            self.words.append(data)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "desk", n=60)


@pytest.fixture(scope="module")
def text(run):
    return write(run, "params/desk.yaml").read_text()


@pytest.fixture
def copy(run, tmp_path):
    return shutil.copytree(run, tmp_path / "desk")


def test_the_verdict_comes_first_with_costs_flips_and_next_steps(run, text):
    decision = run_folder.read_record(run / "decision" / "decision.json", Decision)
    words = " ".join(Page(text).words)
    order = [
        said.sentence(decision),
        said.reasons(decision)[0],
        said.sensitivity(decision)[0],
        said.next_steps(decision)[0],
    ]
    places = [words.index(part) for part in order] + [words.rindex("How to make it again")]
    assert places == sorted(places), (
        "verdict, why, what would change it, what to do, and only then the rest"
    )
    assert "USD" in words[: places[2]] and "ftkit run params/desk.yaml" in words


def test_every_strategy_stands_in_the_table_with_its_interval(text):
    rows = dict(
        re.findall(
            r'<tr><td><span class="dot"[^>]*>([\w-]+)</span></td><td data-sort="[\d.]+"><span class="bar">.*?<small>([\d–]+)</small>',
            text,
        )
    )
    assert set(rows) == {"prompting", "few-shot", "RAG", "fine-tuned", "hybrid"}


def test_nothing_is_loaded_from_anywhere_and_the_policy_says_so(text):
    page = Page(text)
    assert all(load.startswith(("#", "data:")) for load in page.loads)
    assert not page.handlers and not {"iframe", "object", "embed", "form", "base"} & set(
        page.elements
    )
    assert not re.search(r"@import|url\(", re.search(r"<style>(.*?)</style>", text, re.S).group(1))
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text).group(1)
    assert policy.startswith("default-src 'none'") and "unsafe-eval" not in policy
    assert len(text.encode()) <= 3_000_000 and text.count('id="library"') == 1


def test_hostile_data_stay_text(tmp_path, text):
    made = write(make_run(tmp_path / "x", n=60, hostile=HOSTILE)).read_text()
    page, calm = Page(made), Page(text)
    assert page.elements["script"] == calm.elements["script"] and "img" not in page.elements
    assert not page.handlers and all(load.startswith(("#", "data:")) for load in page.loads)
    assert "\u202e" not in made and "{{7*7}}" in made, (
        "marks that turn text are shown, templates are not filled"
    )


def test_personal_data_are_masked_and_long_cells_cut(text):
    assert "@example.org" not in text and "&lt;e-mail&gt;" in text
    assert len(data_text("x" * 100_000)) < 700 and "100,000 characters" in data_text("x" * 100_000)


def test_every_chart_has_its_figures_as_a_table(text):
    drawn, tables = text.count('data-chart="'), text.count('<details class="values">')
    assert drawn >= 12 and tables == drawn
    figures = re.findall(
        r'<script type="application/json" id="chart-\d+">(.*?)</script>', text, re.S
    )
    assert len(figures) == drawn and all(json.loads(f)["data"] for f in figures)


def test_values_drawn_on_several_axes_stand_beside_their_units(run):
    from ftkit.report.figures import deployment as figures

    table = values(
        figures.load(run_folder.read_record(run / "deployment" / "deployment.json", DeploymentCard))
    )
    assert table["names"] == ["series", "clients at once", "value", "unit"]
    units = {(row[0], row[3]) for row in table["rows"]}
    costs = values(
        accuracy_against_cost(
            *(
                run_folder.read_record(run / f"{n}.json", t)
                for n, t in (("evaluation/evaluation", Evaluation), ("decision/decision", Decision))
            )
        )
    )
    assert {row[0] for row in costs["rows"]} >= {"prompting", "RAG", "hybrid"} and "e+" not in str(
        costs["rows"]
    )
    assert units == {
        ("answers a second", "answers a second"),
        ("median", "seconds per answer"),
        ("95% within", "seconds per answer"),
    }


def test_no_label_covers_a_dot_or_another_label():
    points = {
        "prompting": (3200, 9),
        "few-shot": (3500, 9),
        "RAG": (6000, 10),
        "hybrid": (14000, 33),
        "fine-tuned": (19600, 21),
    }
    places = _label_places(points)
    assert (
        places["prompting"] == (9, True)
        and places["hybrid"] == (33, False)
        and places["fine-tuned"] == (21, True)
    )
    spans = []
    for name, (height, left) in places.items():
        x, width = points[name][0], 280 * len(name)
        spans.append((name, x - width if left else x, x if left else x + width, height))
    for name, low, high, height in spans:
        covered = [
            n
            for n, (x, y) in points.items()
            if n != name and low < x < high and abs(y - height) < 6
        ]
        crossed = [
            n for n, a, b, h in spans if n != name and a < high and low < b and abs(h - height) < 6
        ]
        assert not covered and not crossed, (name, covered, crossed)


def test_the_same_run_gives_the_same_file(run, text):
    assert write(run, "params/desk.yaml").read_text() == text


def test_stages_that_are_missing_are_told_and_the_rest_is_shown(tmp_path):
    words = " ".join(Page(write(make_run(tmp_path / "half", until="retrieval")).read_text()).words)
    for name in ("05_training", "07_evaluation", "08_decision"):
        assert f"{name} has not been run" in words
    assert "No decision yet" in words and "80 articles" in words


def test_a_record_that_cannot_be_read_is_told(copy):
    (copy / "training" / "training.json").write_text("{")
    assert "is not a readable TrainingCard" in write(copy).read_text()


def test_a_decision_that_rests_on_an_older_evaluation_is_told(copy):
    path = copy / "evaluation" / "manifest.json"
    manifest = run_folder.read_record(path, Manifest)
    changed = manifest.outputs | {"evaluation.json": "0" * 64}
    run_folder.write_record(path, manifest.model_copy(update={"outputs": changed}))
    words = " ".join(Page(write(copy).read_text()).words)
    assert "08_decision rests on an older result of 07_evaluation" in words


def test_what_endpoints_were_paid_stands_by_stage_and_model_with_its_sum(copy):
    path = copy / "evaluation" / "manifest.json"
    manifest = run_folder.read_record(path, Manifest)
    terms = dict(url="https://models.example/v1", answers=60, failed=2, usd=0.25)
    bills = [
        EndpointBill(role="endpoint", model="large-1", input_tokens=7001, output_tokens=5, **terms),
        EndpointBill(role="judge", model="judge-1", input_tokens=90, output_tokens=5, **terms),
    ]
    run_folder.write_record(path, manifest.model_copy(update={"bills": bills}))
    words = " ".join(Page(write(copy).read_text()).words)
    assert "Paid to endpoints in this run, by stage and model" in words
    for told in ("07_evaluation", "large-1", "judge-1", "7,001", "7,091", "0.5"):
        assert told in words


def test_a_verdict_that_cannot_tell_says_what_would_settle_it(tmp_path):
    close = {"prompting": 0.50, "few-shot": 0.52, "RAG": 0.55, "fine-tuned": 0.56, "hybrid": 0.60}
    run = make_run(tmp_path / "close", close, n=60)
    decision = run_folder.read_record(run / "decision" / "decision.json", Decision)
    made = write(run).read_text()
    assert decision.verdict == "can't tell yet" and 'class="verdict open"' in made


def test_no_run_no_report(tmp_path):
    with pytest.raises(BadInput, match="no such run folder"):
        write(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadInput, match="no finished stage"):
        write(tmp_path / "empty")
    assert not list((tmp_path / "empty").iterdir())


def test_an_export_that_differs_and_a_production_that_drifted_stand_on_the_first_page(copy):
    path = copy / "deployment" / "deployment.json"
    card = run_folder.read_record(path, DeploymentCard)
    wrong = card.parity[1].model_copy(update={"passed": False, "cause": "the end token is missing"})
    run_folder.write_record(path, card.model_copy(update={"parity": [card.parity[0], wrong]}))
    words = " ".join(Page(write(copy).read_text()).words)
    first = words[: words.index("The strategies compared", words.index("Before you rely on it"))]
    assert (
        "does not answer as it was tested (through the server): the end token is missing" in first
    )
    assert "Production: label first" in first


def test_the_report_in_other_forms_holds_the_same_figures_and_nothing_personal_or_executable(run):
    found = run_contents.load(run)
    files = {file.name: file for file in exports.write(run)}
    assert list(files) == ["summary.md", "strategies.csv", "answers.csv", "report.json"]
    decision = run_folder.read_record(run / "decision" / "decision.json", Decision)
    summary = files["summary.md"].read_text()
    assert (
        said.sentence(decision).split(":")[0] in summary
        and "| strategy | right answers |" in summary
    )
    rows = list(csv.DictReader(files["strategies.csv"].open(encoding="utf-8-sig")))
    measured = {r.spec.name: r for r in found.evaluation.results}
    assert {row["strategy"] for row in rows} == set(measured)
    assert all(
        float(row["right_percent"]) == round(100 * measured[row["strategy"]].accuracy.value, 2)
        for row in rows
    )
    assert sum(row["chosen"] == "True" for row in rows) == (decision.strategy is not None)
    answers = list(csv.DictReader(files["answers.csv"].open(encoding="utf-8-sig")))
    assert len(answers) == found.evaluation.test_items == len({row["item_id"] for row in answers})
    assert not [v for row in answers for v in row.values() if v[:1] in ("=", "+", "-", "@")], (
        "no cell is a formula"
    )
    whole = "".join(file.read_text() for file in files.values() if file.name != "report.json")
    assert not [mail for mail in re.findall(r"[\w.]+@[\w.]+\.\w+", whole)], (
        "mail addresses are masked"
    )
    values = json.loads(files["report.json"].read_text())
    assert values["decision"]["verdict"] == decision.verdict and values["evaluation"][
        "test_items"
    ] == len(answers)


def test_what_is_not_done_is_missing_in_the_exports_and_said(copy):
    shutil.rmtree(copy / "evaluation")
    shutil.rmtree(copy / "decision")
    files = {file.name: file for file in exports.write(copy)}
    assert list(files) == ["summary.md", "report.json"]
    assert "No decision yet" in files["summary.md"].read_text()
    assert "07_evaluation" in json.loads(files["report.json"].read_text())["missing"]["evaluation"]


def test_a_pdf_needs_a_browser_and_a_browser_that_prints(copy, monkeypatch):
    write(copy)
    monkeypatch.setattr(exports, "BROWSERS", ("no-such-browser",))
    with pytest.raises(BadInput, match="no Chromium"):
        exports.pdf(copy)
    monkeypatch.setattr(exports, "BROWSERS", ("true",))
    with pytest.raises(RunFailed, match="printed nothing"):
        exports.pdf(copy)
    assert not (copy / "report.pdf").exists()


@pytest.mark.parametrize(
    ("fit", "state", "told"),
    [
        ("alone", "good", "fit to use"),
        ("not fit", "open", "not fit to use: "),
        ("not known", "open", "not known to be fit"),
    ],
)
def test_page_one_is_green_only_where_the_strategy_is_fit_to_use_alone(tmp_path, fit, state, told):
    run = make_run(tmp_path / "desk", n=60)
    path = run / "decision" / "decision.json"
    decision = run_folder.read_record(path, Decision)
    changed = {
        "fit": fit,
        "kind": "chosen",
        "verdict": "hybrid",
        "strategy": "hybrid",
        "basis": "best bet",
        "unfit_gates": ["accuracy"],
    }
    run_folder.write_record(path, decision.model_copy(update=changed))
    page = write(run).read_text(encoding="utf-8")
    assert f'class="verdict {state}"' in page
    badge = page.split('class="badge">')[1].split("</p>")[0]
    assert badge.startswith("Best of") and told in badge


def test_the_warning_about_the_toy_base_stands_before_the_verdict_and_in_the_summary(tmp_path):
    run = make_run(tmp_path / "desk", n=60)
    page = write(run).read_text(encoding="utf-8")
    warned = page.find("Made with the tiny built-in model")
    assert 0 < warned < page.index('class="badge"')
    exports.write(run)
    summary = (run / "exports" / "summary.md").read_text().splitlines()
    assert summary[2].startswith("> Made with the tiny built-in model")


def test_a_share_that_is_not_none_and_not_all_never_reads_so():
    shares = (0.734, 0.004, 0.0004, 0.0, 0.9996, 1.0)
    assert [theme.percent(s) for s in shares] == ["73%", "0.4%", "0.04%", "0%", "99.96%", "100%"]


def test_page_one_is_plain_english(run):
    """60 and more is plain English by Flesch's index; no sentence is harder than a good newspaper's."""
    page = sentences(first(run_contents.load(run)))
    assert len(page) >= 15 and reading_ease(page) >= 60
    assert [(round(reading_ease([s])), s) for s in page if reading_ease([s]) < 30] == []


def test_a_long_word_and_a_long_sentence_read_worse():
    easy = reading_ease(["The cat sat on the mat."])
    assert (
        easy > 100 > reading_ease(["Organisational responsibilities necessitate administration."])
    )
    assert reading_ease(["We test it. We ship it."]) > reading_ease(["We test it and we ship it."])
