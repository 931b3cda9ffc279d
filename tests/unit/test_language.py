"""The report in another language: every sentence whole or left alone, figures as they are written there, data as they are."""

import re
from html.parser import HTMLParser

import pytest
from made_run import HOSTILE, make_run

from ftkit import cli
from ftkit.errors import BadInput
from ftkit.ui import language, report
from ftkit.ui.language import catalogue

PLACE = re.compile(r"\{\d+\}")
PLURALS = {
    "The test set was opened {0} time{1}",
    "{0} examples, {1} pass{2} in {3}{4}",
    "the {0} limit{1}",
    "it is not sure whether {0} keep{1} to {2}",
}
"""English texts with a place for an ending that the other language does not need."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("run") / "desk", n=60)


@pytest.fixture(scope="module")
def english(run):
    return report.render(report.load(run))


@pytest.fixture(scope="module")
def german(english):
    return language.translated(english, "de")


def little(*texts, **told):
    """A language with these texts only."""
    found = language.Language("de", ",", ".")
    for text, said in told.items():
        found.texts[text] = said
    for text, said in texts:
        if PLACE.search(text):
            found.sentences.append(language._sentence(text, said))
        else:
            found.texts[text] = said
    found.sentences.sort(key=lambda s: -s.letters)
    return found


class Read(HTMLParser):
    """What a page shows, apart what it shows as data."""

    def __init__(self, page):
        super().__init__()
        self.shown, self.data, self.open, self.numbers = [], [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "link", "br", "input", "line", "circle", "img"):
            data = tag in ("pre", "bdi") or dict(attrs).get("translate") == "no"
            self.open.append((tag, data or any(d for _, d in self.open)))

    def handle_endtag(self, tag):
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data):
        if data.strip() and self.open and self.open[-1][0] not in ("script", "style"):
            (self.data if self.open[-1][1] else self.shown).append(data.strip())


def test_figures_go_where_they_belong_and_are_written_as_there():
    said = little(("{0} of {1} rows are used", "von {1} Zeilen werden {0} verwendet"))
    assert said.say("  1,137 of 1,200 rows are used\n") == "  von 1.200 Zeilen werden 1.137 verwendet\n"
    assert said.say("0.045") == "0,045" and said.say("-12,345.5 to 7") == "-12.345,5 to 7"
    for same in ("torch 2.13.0", "report.html", "12.5.1", "a/1.5", "2026-11-29T11:26:15Z"):
        assert said.say(same) == same, "versions, files and times are no figures"
    assert not said.say("unbekannt 2.5 oder so").endswith("2.5 oder so"), "figures are written alike all over a page"


def test_a_sentence_within_a_sentence_is_known_too():
    said = little(
        ("{0}; nothing dearer is better by {1} points or more.", "{0}; nichts Teureres ist um {1} Punkte besser."),
        ("Use {0}: it answers {1} of the test questions right", "Nehmen Sie {0}: Das beantwortet {1} der Testfragen richtig"),
        ("{0}% ({1} to {2})", "{0}% ({1} bis {2})"), ("hybrid", "Hybrid"), ("{0} costs less.", "{0} kostet weniger."),
    )  # fmt: skip
    whole = "Use hybrid: it answers 28% (22 to 34) of the test questions right; nothing dearer is better by 5 points or more."
    told = "Nehmen Sie Hybrid: Das beantwortet 28% (22 bis 34) der Testfragen richtig; nichts Teureres ist um 5 Punkte besser."
    assert said.say(whole) == told and not said.missed
    assert said.say(f"{whole} hybrid costs less.") == f"{told} Hybrid kostet weniger.", "several in a row"


def test_the_sentence_that_leaves_least_unknown_is_taken():
    """By its own letters alone the wrong one would be: it is longer, and swallows the other."""
    said = little(
        ("{0} is out: {1}.", "{0} scheidet aus: {1}."), ("{0}, needs at least {1}", "{0}, nötig sind {1}"),
        ("changing {0}", "sich {0} ändernd"), ("never", "nie"), ("it could not be told yet", "noch nicht zu sagen"), ("RAG", "RAG"),
    )  # fmt: skip
    assert said.say("RAG is out: 9%, needs at least 20%.") == "RAG scheidet aus: 9%, nötig sind 20%."
    assert said.say("changing never: it could not be told yet") == "sich nie ändernd: noch nicht zu sagen"


def test_two_places_beside_each_other_are_split_where_both_are_known():
    said = little(
        ("Since {0}: {1} {2}.", "Seit {0}: {1} {2}."), ("unknown words", "unbekannte Wörter"), ("went from {0} to {1}", "ging von {0} auf {1}"),
    )  # fmt: skip
    assert (
        said.say("Since 2026-08-10: unknown words went from 0.1 to 0.5.")
        == "Seit 2026-08-10: unbekannte Wörter ging von 0,1 auf 0,5."
    )


def test_what_is_not_known_stays_whole_and_is_counted():
    said = little(("{0} of {1} and {2}", "{0} von {1} und {2}"), ("wrong", "falsch"))
    for text in ("a label of ours and theirs", "delivery", "a sentence of nobody and nothing that was ever said here"):
        assert said.say(text) == text
    assert said.missed == {text: 1 for text in said.missed} and len(said.missed) == 3
    assert said.say("wrong (55)") == "falsch (55)"


def test_german_says_what_the_code_says_and_keeps_every_place():
    """A text that is changed in the code must be changed there: python -m ftkit.ui.language.catalogue de."""
    from babel.messages.pofile import read_po

    texts = catalogue.collect()
    with (catalogue.HERE / "de.po").open("rb") as file:
        said = {str(m.id): str(m.string) for m in read_po(file) if m.id}
    assert set(said) == set(texts), "bring the file up to date: python -m ftkit.ui.language.catalogue de"
    told = {text: german for text, german in said.items() if german}
    assert len(told) > 0.8 * len(texts)
    for text, german in told.items():
        mine, theirs = set(PLACE.findall(text)), set(PLACE.findall(german))
        assert theirs <= mine and (mine == theirs or text in PLURALS), text
        german.format(*range(9))


def test_every_sentence_of_the_report_is_in_the_catalogue(english):
    """With every text as its own translation nothing is left over but names and data."""
    same = little(*((text, text) for text in catalogue.collect()))
    from ftkit.ui.language.page import Page

    page = Page(same)
    page.feed(english)
    left = [text for text in same.missed if len(text.split()) > 4 and not any(hostile in text for hostile in HOSTILE)]
    assert same.found > 300 and not left, left


def test_the_first_page_is_german_and_says_what_it_was_made_from(german):
    page, said = german
    first = page[page.index('id="verdict"') : page.index('id="strategies"')]
    words = " ".join(Read(f"<div>{first}</div>").shown)
    assert '<html lang="de" data-point="," data-group=".">' in page and said.found > 300
    for text in (
        "Warum",
        "Was es ändern würde",
        "Bevor Sie sich darauf verlassen",
        "Kosten des ersten Jahres",
        "19 von 20 Fällen",
    ):
        assert text in words
    assert not re.search(r"\b(the|and|of|with|than|which|answers)\b", words), "no English is left on it"
    assert "Satz für Satz aus dem englischen Bericht übersetzt" in page


def test_data_and_hostile_text_stay_as_they_are(english, german):
    before, after = Read(english), Read(german[0])
    assert before.data == after.data and len(before.data) > 100
    assert german[0].count("<script") == english.count("<script") and not re.search(r"<img[^>]*onerror", german[0])


def test_no_figure_is_lost_or_changed(english, german):
    """Sums of money as words of the guide ($5K-$50K) are the one text whose German has other digits."""
    pairs = list(zip(Read(english).shown, Read(german[0]).shown, strict=False))
    changed = [(a, b) for a, b in pairs if sorted(re.findall(r"\d", a)) != sorted(re.findall(r"\d", b)) and "$5K-$50K" not in a]
    assert len(pairs) > 500 and not changed, changed[:3]


def test_names_on_axes_are_translated_only_where_all_are_known():
    said = little(("few-shot", "Few-Shot"), ("hybrid", "Hybrid"), ("right answers, %", "richtige Antworten, %"))
    figure = {"data": [{"y": ["few-shot", "hybrid"], "x": [1, 2]}], "layout": {"xaxis": {"title": {"text": "right answers, %"}}}}
    told = language.figure_texts(figure, said)
    assert told["data"][0]["y"] == ["Few-Shot", "Hybrid"] and told["layout"]["xaxis"]["title"]["text"] == "richtige Antworten, %"
    assert told["layout"]["separators"] == ",." and figure["data"][0]["y"] == ["few-shot", "hybrid"]
    labels = {"data": [{"y": ["hybrid", "delivery"]}], "layout": {}}
    assert language.figure_texts(labels, said)["data"] == labels["data"], "the second is a label of the data"


def test_the_command_writes_it_beside_the_english_one_and_refuses_what_it_has_not(run, capsys):
    assert cli.main(["report", str(run), "--language", "de"]) == 0
    assert capsys.readouterr().out.strip().endswith("report.de.html") and (run / "report.de.html").exists()
    assert cli.main(["report", str(run), "--language", "tlh"]) == 2
    assert "there are no texts in 'tlh'" in capsys.readouterr().err
    with pytest.raises(BadInput, match="use en, de"):
        language.load("../de")


def test_another_language_is_begun_and_kept_up_to_date_by_one_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(catalogue, "HERE", tmp_path)
    catalogue.main("fr")
    path = tmp_path / "fr.po"
    assert "0 of" in capsys.readouterr().out
    text = path.read_text().replace('msgid "Contents"\nmsgstr ""', 'msgid "Contents"\nmsgstr "Sommaire"')
    path.write_text(text + '\nmsgid "said no more"\nmsgstr "plus dit"\n')
    catalogue.main("fr")
    assert "1 of" in capsys.readouterr().out and "Sommaire" in path.read_text() and "plus dit" not in path.read_text()
