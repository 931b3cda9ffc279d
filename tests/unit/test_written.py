"""Questions that a model writes to passages: drawn over articles, refused with a reason, asked for once, measured apart."""

from __future__ import annotations

import json

import pytest

from ftkit.core.parameters.data import DataParameters
from ftkit.core.parameters.prompting import PromptingParameters
from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.core.records.retrieval import Passage
from ftkit.data.personal_data import mask
from ftkit.models.chat import Reply
from ftkit.models.local import LocalModel
from ftkit.retrieval.index import Index
from ftkit.retrieval.search_quality import learned, measure
from ftkit.retrieval.written_questions import ask, drawn, rows, write

MESSAGES = [f"Hello, I am jo.{k}@example.org and my order {k} is late." for k in range(9)]
PASSAGES = [
    Passage(
        id=f"{name}#{k}",
        source=name,
        title=f"About {name}",
        text=f"The {name} rule number {k}: {fact}, as everybody in the shop knows.",
    )
    for name, fact in (
        ("lamp", "send it back within thirty days"),
        ("tent", "a torn one is mended by the workshop"),
        ("kettle", "descale it monthly"),
    )
    for k in range(3)
]


class Writer:
    """Answers with what ``say`` makes of the passage that it is asked about."""

    name = "writer"

    def __init__(self, say):
        self.say, self.asked = say, []

    def answer(self, conversations, progress=None, formats=()):
        self.asked += conversations
        return [
            Reply(self.say(messages[1]["content"].rpartition("Passage: ")[2]))
            for messages in conversations
        ]


def parameters(**more):
    return RetrievalParameters(
        **{"handbook": "", "question_model": "writer", "question_passages": 6, **more}
    )


def test_every_article_is_asked_about_before_one_is_asked_about_twice():
    assert sorted(p.source for p in drawn(PASSAGES, 3, 7)) == ["kettle", "lamp", "tent"]
    assert len({p.id for p in drawn(PASSAGES, 100, 7)}) == len(PASSAGES)
    assert drawn(PASSAGES, 5, 7) == drawn(PASSAGES[::-1], 5, 7)
    assert drawn([Passage(id="a", source="a", text="Too few words.")], 5, 7) == []


def test_what_is_no_question_to_the_passage_is_refused_with_a_reason(tmp_path):
    said = iter(
        [
            "How do I clean it?",
            "",
            "word " * 90,
            "how do I clean it",
            "And my lamp?",
            "What about my tent?",
        ]
    )
    found = write(
        PASSAGES, MESSAGES, parameters(), tmp_path, mask, model=Writer(lambda _: next(said))
    )
    assert [x.refused for x in found] == [
        "",
        "it has 0 words, fewer than 3",
        "it has 90 words, more than 80",
        "it was written before",
        "",
        "",
    ]
    table = rows(found)
    assert table[0]["used"].startswith("no: ") and table[-1]["used"] == "yes"


def test_a_question_that_copies_the_passage_is_refused(tmp_path):
    found = write(PASSAGES, MESSAGES, parameters(), tmp_path, mask, model=Writer(lambda told: told))
    assert {x.refused for x in found} == {"it repeats 7 words or more of the passage"}


def test_the_model_sees_the_passage_and_masked_messages():
    told = ask(PASSAGES[0], [mask(text) for text in MESSAGES[:3]])[1]["content"]
    assert "example.org" not in told and PASSAGES[0].text in told


def test_questions_are_kept_and_asked_for_anew_only_when_something_changed(tmp_path):
    writer = Writer(lambda told: f"What about {told.split('.')[0]} {len(told)}?")
    first = write(PASSAGES, MESSAGES, parameters(), tmp_path, mask, model=writer)
    assert write(PASSAGES, MESSAGES, parameters(), tmp_path, mask, model=writer) == first
    assert len(writer.asked) == 6
    write(PASSAGES, MESSAGES, parameters(question_passages=7), tmp_path, mask, model=writer)
    assert len(writer.asked) == 13
    assert len((tmp_path / "questions.jsonl").read_text().splitlines()) == 7


def test_without_a_model_there_are_none(tmp_path):
    assert write(PASSAGES, MESSAGES, RetrievalParameters(handbook=""), tmp_path, mask) == []
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return Index.build(tmp_path_factory.mktemp("index") / "index", PASSAGES, "minilm")


def test_they_are_measured_apart_and_decide_only_alone(index, tmp_path):
    p = parameters(question_passages=9, top_k=1)
    writer = Writer(
        lambda told: (
            f"I have a {told.split()[1].strip('.')}, what is rule {told.split('number ')[1][0]}?"
        )
    )
    found = write(PASSAGES, MESSAGES, p, tmp_path, mask, model=writer)
    both = measure(
        index, ["is it mended?"], [{"kettle"}], p, documents=3, labelled_by="hand", written=found
    )
    assert both.labelled_by == "hand" and both.hit_rate[f"{both.chosen}@1"].value == 0
    assert (
        both.written[f"{both.chosen}@1"].value == 1
        and both.written_by == "writer"
        and both.written["bm25@1"].n == 9
    )
    assert "asks what is easier to find" in " ".join(learned(both)[1])
    alone = measure(index, [], [], p, documents=3, labelled_by="", written=found)
    assert alone.hit_rate == alone.written and alone.questions == 9
    assert "writer wrote the question to" in alone.labelled_by
    assert "All questions were written by writer" in " ".join(learned(alone)[1])
    none = measure(index, [], [], p, documents=3, labelled_by="")
    assert not none.hit_rate and not none.written


def test_a_question_bears_the_head_that_its_passage_is_restricted_by(tmp_path):
    told = [p.model_copy(update={"metadata": {"region": ["EU", "CH"]}}) for p in PASSAGES]
    found = write(
        told,
        MESSAGES,
        parameters(),
        tmp_path,
        mask,
        model=Writer(lambda text: f"And {text.split()[1]} {len(text)}?"),
    )
    assert all(x.text.startswith("region: EU\n\nAnd ") for x in found if not x.refused) and any(
        not x.refused for x in found
    )


def test_a_real_local_model_writes(tmp_path, tiny_checkpoint):
    p = parameters(question_model=str(tiny_checkpoint()), question_passages=5)
    found = write(PASSAGES, MESSAGES, p, tmp_path, mask)
    assert len(found) == 5
    assert all(
        json.loads(line)["key"] for line in (tmp_path / "questions.jsonl").read_text().splitlines()
    )
    assert isinstance(LocalModel(p.question_model).name, str)


@pytest.mark.parametrize(
    ("module", "p", "named"),
    [
        ("ftkit.data.synthetic", DataParameters, "synthesis"),
        ("ftkit.strategies.prompt_proposals", PromptingParameters, "proposal"),
        ("ftkit.retrieval.written_questions", RetrievalParameters, "question"),
    ],
)
def test_each_helping_model_has_its_own_limit_of_money(module, p, named, tmp_path):
    import importlib

    given = {"url": "http://127.0.0.1:9/v1", "model": "some", "most_usd": 0.5, "prices": [1.0, 2.0]}
    made = importlib.import_module(module).model_of(
        p(**{f"{named}_{key}": value for key, value in given.items()}), tmp_path
    )
    assert (made.most_usd, made.endpoint.prices, made.named.rpartition(".")[2]) == (
        0.5,
        [1.0, 2.0],
        named,
    )
    with pytest.raises(ValueError, match="prices are numbers from 0 on"):
        p(**{f"{named}_prices": [-1.0, 2.0]})
