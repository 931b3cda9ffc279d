"""Heads of messages, metadata of articles, and searches that are restricted by both."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.core.records.retrieval import Passage
from ftkit.core.records.task import TaskCard
from ftkit.data.read import read
from ftkit.retrieval import index as index_module
from ftkit.retrieval.chunks import chunks
from ftkit.retrieval.filters import allows, front_matter, told_by, wanted
from ftkit.retrieval.handbook import open_handbook, read_handbook
from ftkit.retrieval.index import MODES, Index
from ftkit.retrieval.search_quality import learned, measure, questions, relevant
from ftkit.scoring.context_header import head_of, with_head

REGIONS = {
    "EU": {
        "returns": "A lamp can be sent back within 30 days.",
        "power": "Lamps run at 230 volts.",
    },
    "US": {
        "returns": "A lamp can be sent back within 14 days.",
        "power": "Lamps run at 120 volts.",
    },
}


@pytest.fixture()
def handbook(tmp_path):
    folder = tmp_path / "book"
    folder.mkdir()
    for region, articles in REGIONS.items():
        for name, text in articles.items():
            (folder / f"{name}-{region}.md").write_text(
                f"---\nregion: {region}\nowner: desk\n---\n# {name} of lamps\n\n{text}\n"
            )
    (folder / "hours.md").write_text("# Opening hours of the shop\n\nThe shop opens at nine.\n")
    return folder


def built(handbook, tmp_path, filters=("region",)):
    p = RetrievalParameters(handbook=str(handbook), filters=list(filters))
    passages = chunks(open_handbook(p, tmp_path).articles, 60)
    return Index.build(tmp_path / "index", passages, "minilm", restricted_by=p.filters)


def test_a_head_is_written_and_read():
    text = with_head(
        {"region": "EU", "product": "", "plan": " Plus\nyearly "}, "Where is it?\n\nThanks"
    )
    assert text == "region: EU\nplan: Plus yearly\n\nWhere is it?\n\nThanks"
    assert head_of(text) == {"region": "EU", "plan": "Plus yearly"}
    assert with_head({"region": " "}, "Hello") == "Hello"


@pytest.mark.parametrize(
    "text", ["Hello", "region: EU", "Hello\nregion: EU\n\nText", "", "\n\n", "a:\n\nb"]
)
def test_what_is_no_head_is_none(text):
    assert head_of(text) == {}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("in_memory", [True, False])
def test_a_question_gets_articles_of_its_region_or_of_none(
    handbook, tmp_path, mode, in_memory, monkeypatch
):
    monkeypatch.setattr(index_module, "IN_MEMORY_ROWS", 10**6 if in_memory else 0)
    index = built(handbook, tmp_path)
    for region in REGIONS:
        found = index.search(
            [f"Region: {region.lower()}\n\nHow many days to send a lamp back?"], 5, mode
        )[0]
        assert found[0].source == f"returns-{region}"
        assert {p.source.rpartition("-")[2] for p in found} <= {region, "hours"}
    told = {p.source for p in index.search(["How many days to send a lamp back?"], 5, mode)[0]}
    assert {"returns-EU", "returns-US"} <= told, (
        "a question without a region may be answered by all"
    )


def test_a_region_that_no_article_tells_leaves_what_holds_for_all(handbook, tmp_path):
    found = built(handbook, tmp_path).search(["region: Mars\n\nWhen does the shop open?"], 5)[0]
    assert [p.source for p in found] == ["hours"]


def test_an_index_that_is_read_again_has_its_filters_and_metadata(handbook, tmp_path):
    built(handbook, tmp_path)
    index = Index(tmp_path / "index")
    assert index.filters == ["region"]
    assert {p.source: p.metadata for p in index.passages}["power-US"] == {"region": ["US"]}, (
        "the owner is no filter"
    )
    index.copy(tmp_path / "copy")
    assert Index(tmp_path / "copy").filters == ["region"]


def test_an_article_that_changes_its_region_is_brought_up_to_date(handbook, tmp_path):
    built(handbook, tmp_path)
    file = handbook / "returns-US.md"
    file.write_text(file.read_text().replace("region: US", "region: [US, CA]"))
    found = built(handbook, tmp_path).search(
        ["region: CA\n\nHow many days to send a lamp back?"], 5
    )[0]
    assert [p.source for p in found if p.source != "hours"] == ["returns-US"]


def test_the_card_says_what_the_filter_does(handbook, tmp_path):
    index = built(handbook, tmp_path)
    asked = [f"region: {r}\n\nHow many days do I have to send back a lamp?" for r in REGIONS] * 10
    gold = [{f"returns-{r}"} for r in REGIONS] * 9 + [{"returns-US"}, {"returns-EU"}]
    p = RetrievalParameters(handbook=str(handbook), filters=["region"], top_k=1)
    card = measure(index, asked, gold, p, documents=5, labelled_by="hand")
    assert (card.restricted, card.excluded) == (20, 2)
    assert card.hit_rate[f"{card.chosen}@1"].value == 0.9
    assert card.unfiltered is not None
    assert card.unfiltered.value <= 0.6, (
        "both regions have the same words, so that half of the first hits are of the other"
    )
    said = " ".join(learned(card)[1])
    assert "restricted by region for 20 of 20" in said
    assert "labelled wrongly" in said
    assert index.filters == ["region"]


def test_a_filter_that_no_question_uses_is_told(handbook, tmp_path):
    index = built(handbook, tmp_path)
    p = RetrievalParameters(handbook=str(handbook), filters=["region"])
    card = measure(index, ["When does it open?"], [{"hours"}], p, documents=5, labelled_by="hand")
    assert "data.context_columns" in " ".join(learned(card)[1])


def test_a_filter_that_no_article_tells_is_refused_with_the_nearest(handbook, tmp_path):
    p = RetrievalParameters(handbook=str(handbook), filters=["regoin"])
    with pytest.raises(BadInput, match=r"did you mean 'region'\?(?s:.*)use some of owner, region"):
        open_handbook(p, tmp_path)


def test_metadata_come_from_every_kind_of_article(tmp_path):
    (tmp_path / "a.html").write_text(
        '<html><head><meta name="Region" content="EU; CH"><meta charset="utf-8"></head><body><p>Text.</p></body></html>'
    )
    (tmp_path / "b.csv").write_text('id,title,text,region,note\nb1,T,"Some text",US,\n')
    row = {
        "id": "c1",
        "text": "More",
        "region": ["EU", "US"],
        "nested": [{"a": 1}],
        "more": {"a": 1},
    }
    (tmp_path / "c.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "d.txt").write_text(
        "---\ntitle: Hours\nregion: EU\nvip: true\n---\nWe open at nine.\n"
    )
    (tmp_path / "e.md").write_text("# T\n\nText\n")
    (tmp_path / "e.md.yaml").write_text("region: EU\n")
    found = {a.source: a for a in read_handbook(tmp_path)}
    assert {name: a.metadata for name, a in found.items()} == {
        "a": {"region": ["EU", "CH"]},
        "b1": {"region": ["US"]},
        "c1": {"region": ["EU", "US"]},
        "d": {"region": ["EU"], "vip": ["true"]},
        "e": {"region": ["EU"]},
    }
    assert (found["d"].title, found["d"].text) == ("Hours", "We open at nine.")
    assert told_by(list(found.values()))["region"] == {"eu", "us", "ch"}
    (tmp_path / "f.txt").write_text("Open late.")
    (tmp_path / "f.txt.yaml").write_text("region: JP\n")
    assert told_by(read_handbook(tmp_path))["region"] == {"eu", "us", "ch", "jp"}


def test_a_ruler_at_the_head_of_an_article_is_text():
    assert front_matter("---\nHello there\n---\nrest", "x") == ({}, "---\nHello there\n---\nrest")
    assert front_matter("---\nno end", "x")[0] == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title: Lamps: a guide\nregion: EU", {"title": ["Lamps: a guide"], "region": ["EU"]}),
        ("author: {name: Jo}\nparts: [[1]]\nregion: EU\nempty:", {"region": ["EU"]}),
        (
            "date: 2026-01-02\nversion: 3\ntags: [a, null, b]",
            {"date": ["2026-01-02"], "version": ["3"], "tags": ["a", "b"]},
        ),
    ],
)
def test_a_head_that_was_written_for_something_else_is_read_as_far_as_it_goes(text, told):
    assert front_matter(f"---\n{text}\n---\nrest", "x") == (told, "rest")


def test_a_file_beside_an_article_that_is_no_yaml_is_refused(tmp_path):
    (tmp_path / "a.md").write_text("# T\n\nText\n")
    (tmp_path / "a.md.yaml").write_text("region: [EU")
    with pytest.raises(BadInput, match=r"a\.md\.yaml: is no YAML"):
        read_handbook(tmp_path)
    (tmp_path / "a.md.yaml").write_text("EU")
    with pytest.raises(BadInput, match="tells no 'name: value'"):
        read_handbook(tmp_path)


def test_a_passage_that_tells_nothing_is_for_everybody():
    asked = wanted("region: EU\nplan: Plus\n\nHello", ["Region", "plan", "more"])
    assert asked == (("region", "eu"), ("plan", "plus"))
    assert allows(Passage(id="a", source="a", text="t", metadata={"region": ["US", "eu"]}), asked)
    assert not allows(
        Passage(id="a", source="a", text="t", metadata={"region": ["EU"], "plan": ["Basic"]}), asked
    )


def test_columns_stand_in_front_of_the_input(tmp_path):
    file = tmp_path / "rows.csv"
    file.write_text(
        "message,answer,region\n"
        + "".join(f"hello {k},a{k % 2},{'EU' if k else ''}\n" for k in range(30))
    )
    rows = read(file, "message", "answer", context=["region"]).rows
    assert [rows[0]["input"], rows[1]["input"]] == ["hello 0", "region: EU\n\nhello 1"]
    with pytest.raises(BadInput, match="no column 'regions'; did you mean 'region'"):
        read(file, "message", "answer", context=["regions"])


def test_near_copies_of_another_region_are_kept_and_no_sign_of_an_error(tmp_path):
    from ftkit.core.parameters.data import DataParameters
    from ftkit.data.curate import curate, load

    rows = [
        f"How many days do I have to send back a lamp of kind {letter * 9}?,{n} days,{r}"
        for k, letter in enumerate("abcdefghijklmnopqrstuvwxyz")
        for r, n in (("EU", k), ("US", k + 9))
    ]
    (tmp_path / "rows.csv").write_text("message,answer,region\n" + "\n".join(rows) + "\n")
    card = TaskCard(name="lamps", instruction="Answer.", kind="text")
    found = {}
    for columns in ([], ["region"]):
        p = DataParameters(
            data=str(tmp_path / "rows.csv"),
            context_columns=columns,
            run=str(tmp_path),
            meaning_rows=0,
            near_duplicate_threshold=0.97,
        )
        done = curate(*load(p, tmp_path), card, p).cleaned
        found[bool(columns)] = {d.kind: d.count for d in done.defects}, len(done.rows)
    assert found[False][0]["near copies with different answers"] == 26, (
        "without the region each question has two answers"
    )
    assert found[True][0]["near copies with different answers"] == 0
    assert found[True][1] == 52


def test_a_new_project_takes_the_columns_that_articles_tell(handbook, tmp_path):
    from ftkit.workflow import project

    file = tmp_path / "rows.csv"
    rows = [
        f"a lamp question number {k} of mine,answer {k % 2},{'EU' if k % 3 else 'US'},{k % 5}\n"
        for k in range(60)
    ]
    file.write_text("message,answer,Region,owner\n" + "".join(rows))
    guess = project.guess("lamps", file, handbook=str(handbook))
    assert guess.sections["data"]["context_columns"] == ["Region"]
    assert guess.sections["retrieval"]["filters"] == ["Region"]
    assert any("'Region'" in said for said in guess.sentences)


def test_an_article_of_another_region_is_not_right_by_its_words(handbook, tmp_path):
    card = TaskCard(name="lamps", instruction="Answer.", kind="text")
    passages = built(handbook, tmp_path).passages
    examples = pd.DataFrame(
        {
            "input": ["region: US\n\nHow many?", "region: EU\n\nHow many?", "How many?"],
            "output": ["14 days"] * 3,
        }
    )
    asked, gold, _ = questions(card, examples, passages, "", ["region"])
    assert (asked, gold) == (["region: US\n\nHow many?", "How many?"], [{"returns-US"}] * 2)


def test_the_right_article_is_looked_for_by_its_value_too(handbook, tmp_path):
    card = TaskCard(name="lamps", instruction="Answer.", kind="text")
    passages = built(handbook, tmp_path).passages
    assert relevant(card, "14 days", passages, "")[0] == {"returns-US"}
