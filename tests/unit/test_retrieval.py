"""Retrieval: the planted article is found, an index is whole or not there, bad handbooks are told."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftkit.core.errors import BadInput, NotReady
from ftkit.core.parameters.files import build
from ftkit.core.parameters.retrieval import RetrievalParameters
from ftkit.core.records.retrieval import Passage
from ftkit.core.records.task import TaskCard
from ftkit.report.figures import retrieval as retrieval_figures
from ftkit.retrieval.articles import Part
from ftkit.retrieval.chunks import chunks
from ftkit.retrieval.handbook import open_handbook, read_handbook
from ftkit.retrieval.index import MODES, Index, Searcher, fuse
from ftkit.retrieval.search_quality import (
    compare_sizes,
    hit_rates,
    measure,
    relevant,
    with_right_article,
)

ARTICLES = {
    "H-001": "# Returns of lamps\nA lamp can be sent back within 34 days. Keep the box.",
    "H-002": "# Billing dates\nThe bill is due on the first Monday of the month.",
    "H-003": "# Tent repair\nWe mend torn tents in the workshop within 9 days.",
    "H-004": "# Opening hours\nThe shop in Aldmere opens at 10 am and closes at 6 pm.",
}
HELLO = [-0.034477, 0.031023, 0.006735, 0.026109]
CARD = TaskCard(
    name="t",
    instruction="Answer.",
    kind="fields",
    fields=["reply", "source"],
    knowledge_field="reply",
)


@pytest.fixture
def handbook(tmp_path):
    folder = tmp_path / "handbook"
    folder.mkdir()
    for name, text in ARTICLES.items():
        (folder / f"{name}.md").write_text(text)
    return folder


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("book")
    for name, text in ARTICLES.items():
        (folder / f"{name}.md").write_text(text)
    passages = chunks(read_handbook(folder), 50)
    return Index.build(tmp_path_factory.mktemp("index") / "index", passages, "minilm")


def test_an_article_is_title_and_text_named_by_its_file(handbook):
    first = read_handbook(handbook)[0]
    assert (first.source, first.title) == ("H-001", "Returns of lamps")
    assert first.text.startswith("A lamp can be sent back")


def test_chunks_hold_every_word_in_order_and_none_is_too_long(handbook):
    articles = read_handbook(handbook)
    articles[0].parts = [
        Part(" ".join(f"word{i}." if i % 7 == 0 else f"word{i}" for i in range(200)))
    ]
    passages = chunks(articles, 20)
    mine = [p for p in passages if p.source == "H-001"]
    assert " ".join(p.text for p in mine) == articles[0].text
    assert max(len(p.text.split()) for p in passages) <= 20
    assert len({p.id for p in passages}) == len(passages)


@pytest.mark.parametrize("mode", MODES)
def test_the_planted_article_is_found_by_every_search(index, mode):
    found = index.search(
        ["how many days do I have to send the lamp back?", "when does the Aldmere shop open?"],
        2,
        mode,
    )
    assert [passages[0].source for passages in found] == ["H-001", "H-004"]


def test_meaning_finds_what_words_do_not(index):
    text = "my camping shelter is ripped, can somebody fix it?"
    assert index.search([text], 1, "vector")[0][0].source == "H-003"


def test_ranks_are_fused_by_the_published_formula():
    assert fuse([[7, 8], [8, 9]]) == [(8, 1 / 62 + 1 / 61), (7, 1 / 61), (9, 1 / 62)]


def test_an_index_opens_again_and_finds_the_same(index, tmp_path):
    passages = index.passages
    built = Index.build(tmp_path / "index", passages, "minilm")
    again = Index(tmp_path / "index")
    texts = ["bill date", "tent"]
    assert [[p.id for p in x] for x in built.search(texts, 3)] == [
        [p.id for p in x] for x in again.search(texts, 3)
    ]


def test_an_interrupted_build_leaves_the_old_index(index, tmp_path):
    Index.build(tmp_path / "index", index.passages, "minilm")

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        changed = [
            index.passages[0].model_copy(update={"text": "Something else stands here now."}),
            *index.passages[1:2],
        ]
        Index.build(tmp_path / "index", changed, "minilm", stop)
    assert len(Index(tmp_path / "index").passages) == len(index.passages)


def test_a_build_killed_between_the_two_renames_loses_nothing(index, tmp_path):
    folder = tmp_path / "index"
    Index.build(folder, index.passages, "minilm")
    folder.rename(tmp_path / ".index.old")  # as the kill leaves it
    (tmp_path / ".index.123.tmp").mkdir()
    assert len(Index(folder).passages) == len(index.passages)
    Index.build(folder, index.passages[:2], "minilm")
    assert [p.name for p in tmp_path.iterdir()] == ["index"], "nothing is left of killed builds"


def test_vectors_in_memory_and_in_the_database_give_the_same_passages(index, monkeypatch):
    texts = ["how long can I send back a lamp?", "when is the bill due?", "zelt"]
    quick = index.search(texts, 4, "vector")
    monkeypatch.setattr("ftkit.retrieval.index.IN_MEMORY_ROWS", 0)
    slow = index.search(texts, 4, "vector")
    assert [[p.id for p in x] for x in quick] == [[p.id for p in x] for x in slow]
    assert quick[0][0].score == pytest.approx(slow[0][0].score, abs=1e-5)


def test_packaged_embeddings_equal_those_of_sentence_transformers(index):
    """Reference values: sentence-transformers 6.2 on the same weights, first 4 of 384 dimensions."""
    from ftkit.models.embeddings import embed

    vectors = embed(index._model, ["a long text about lamps " * 100, "hello world", ""])
    assert vectors.shape == (3, 384)
    assert (vectors**2).sum(axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert vectors[1][:4] == pytest.approx(HELLO, abs=2e-5)


def test_a_perfect_search_puts_the_right_article_first(index):
    items = pd.DataFrame(
        {
            "input": ["lamp?", "hello there"],
            "output": [
                '{"reply":"10 am","source":"H-004"}',
                '{"reply":"we will check","source":""}',
            ],
        }
    )
    searcher = Searcher(index, "vector", 2)
    given = with_right_article(searcher, CARD, items, "source").search(items["input"].tolist())
    assert given[0][0].source == "H-004" and len(given[0]) == 2
    assert given[1] == searcher.search(["hello there"])[0], "nothing is known to be right: as found"


def test_an_index_of_other_passages_than_measured_is_refused(index):
    with pytest.raises(BadInput, match="other passages"):
        index.check_passages("0" * 64)


def test_nothing_to_index_is_told(tmp_path):
    with pytest.raises(BadInput, match="no passages"):
        Index.build(tmp_path / "index", [], "minilm")


def test_an_index_of_another_embedding_model_is_refused(index):
    with pytest.raises(BadInput, match=r"minilm \(384 dimensions\), not other/model"):
        index.check_model("other/model")


def test_a_changed_passage_file_is_told(index, tmp_path):
    Index.build(tmp_path / "index", index.passages, "minilm")
    file = tmp_path / "index" / "about.json"
    about = json.loads(file.read_text())
    about["hashes"] = "0" * 24 + about["hashes"][24:]
    file.write_text(json.dumps(about))
    with pytest.raises(BadInput, match="does not fit"):
        Index(tmp_path / "index")


def test_no_index_says_which_notebook_makes_it(tmp_path):
    with pytest.raises(NotReady, match="04_retrieval"):
        Index(tmp_path)


def test_bad_handbooks_are_told_with_the_file(tmp_path, handbook):
    with pytest.raises(BadInput, match="holds no articles"):
        (tmp_path / "none").mkdir()
        read_handbook(tmp_path / "none")
    with pytest.raises(BadInput, match="no such folder"):
        read_handbook(tmp_path / "missing")
    (handbook / "sub").mkdir()
    (handbook / "sub" / "H-001.md").write_text("# Again\nthe same name")
    with pytest.raises(BadInput, match="'H-001' is there twice"):
        read_handbook(handbook)


@pytest.mark.parametrize(("content", "match"), [(b"", "empty"), (b"caf\xe9 in latin-1", "UTF-8")])
def test_an_article_that_cannot_be_read_is_named(handbook, content, match):
    (handbook / "bad.md").write_bytes(content)
    with pytest.raises(BadInput, match=match) as caught:
        read_handbook(handbook)
    assert "bad.md" in str(caught.value)


def test_relevance_comes_from_the_citation_else_from_the_value(index):
    cited = '{"reply":"34 days","source":"H-001"}'
    assert relevant(CARD, cited, index.passages, "source")[0] == {"H-001"}
    assert relevant(CARD, cited, index.passages, "")[0] == {"H-001"}
    assert (
        relevant(CARD, '{"reply":"we will check","source":""}', index.passages, "source")[0]
        == set()
    )


def test_hit_rates_count_what_was_found(index):
    rates = hit_rates(index, ["send the lamp back", "send the lamp back"], [{"H-001"}, {"H-999"}])
    assert rates["vector@1"].value == 0.5 and rates["vector@1"].n == 2
    assert rates["hybrid@5"].value == 0.5


def test_without_a_handbook_retrieval_is_off_with_a_reason():
    card = measure(None, [], [], RetrievalParameters(handbook=""), documents=0, labelled_by="")
    assert not card.enabled and "no handbook" in card.reason


def test_the_built_in_handbook_is_written_and_read(tmp_path):
    articles = open_handbook(RetrievalParameters(), tmp_path / "handbook").articles
    assert 60 <= len(articles) <= 100


@given(
    st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, -1.0]), min_size=1, max_size=60),
    st.integers(1, 60),
)
def test_the_best_scores_are_those_of_a_full_sort_ties_by_place(scores, depth):
    from ftkit.retrieval.index import _best

    whole = sorted(enumerate(scores), key=lambda pair: (-pair[1], pair[0]))[:depth]
    assert (
        _best(np.array(scores, dtype="float32"), min(depth, len(scores)))
        == whole[: min(depth, len(scores))]
    )


def test_vectors_come_back_as_they_were_written_whatever_the_order_in_the_table(tmp_path):
    from ftkit.retrieval.store import FORMAT, hash_of, marks_of, write

    vectors = np.random.default_rng(1).standard_normal((50, 8), dtype="float32")
    passages = [Passage(id=f"a{k}", source=f"a{k}", text=f"text {k}") for k in range(50)]
    marks = marks_of(passages)
    about = {
        "format": FORMAT,
        "embedding_model": "minilm",
        "chunks_sha256": hash_of(marks),
        "ids": list(marks),
        "hashes": "".join(marks.values()),
    }
    write(tmp_path / "index", passages[::-1], vectors[::-1], about)
    assert np.array_equal(Index(tmp_path / "index").vectors, vectors)


@pytest.fixture(scope="module")
def cross_encoder(tmp_path_factory):
    """A random cross-encoder in the form of the hub's: one score per pair."""
    import torch
    from sentence_transformers import CrossEncoder
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("cross")
    signs = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = sorted(
        {
            w
            for text in [*ARTICLES.values(), "who mends a torn tent ?"]
            for w in text.lower().split()
        }
    )
    raw = Tokenizer(
        models.WordLevel({w: i for i, w in enumerate([*signs, *words])}, unk_token="[UNK]")
    )
    raw.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    raw.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 2), ("[SEP]", 3)]
    )
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(words) + 4,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        num_labels=1,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=raw,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    ).save_pretrained(folder)
    CrossEncoder(str(folder)).save_pretrained(str(folder))
    return folder


def test_a_cross_encoder_reorders_what_both_searches_found(index, cross_encoder, tmp_path):
    built = Index.build(tmp_path / "index", index.passages, "minilm", reranker=str(cross_encoder))
    again = Index(tmp_path / "index")
    assert built.modes == again.modes == [
        "vector",
        "bm25",
        "hybrid",
        "reranked",
    ] and index.modes == ["vector", "bm25", "hybrid"]
    from sentence_transformers import CrossEncoder

    model, question = CrossEncoder(str(cross_encoder)), "Who mends a torn tent ?"
    told = model.predict([(question, f"{p.title}. {p.text}") for p in index.passages])
    expected = [index.passages[i].id for i in np.argsort(-told)]
    found = again.search([question, question], 4, "reranked")
    assert [p.id for p in found[0]] == [p.id for p in found[1]] == expected
    assert found[0][0].score == pytest.approx(float(told.max()), abs=1e-5)
    assert [p.id for p in again.search([question], 1, "reranked")[0]] == expected[:1]


class Knows:
    """A reranker that knows the answer, or one that is always wrong."""

    def __init__(self, sign):
        self.sign = sign

    def scores(self, text, passages):
        return [self.sign * float("workshop" in passage) for passage in passages]


@pytest.mark.parametrize(("sign", "chosen"), [(1.0, "reranked"), (-1.0, "vector")])
def test_the_reranker_is_used_only_where_it_finds_more_and_its_time_is_counted(
    index, cross_encoder, tmp_path, sign, chosen
):
    built = Index.build(tmp_path / "index", index.passages, "minilm", reranker=str(cross_encoder))
    built._reranker = Knows(sign)
    asked, gold = (
        ["a question in other words", "something about lamps in the rain"],
        [{"H-003"}, {"H-003"}],
    )
    p = RetrievalParameters(top_k=1, reranker="some/model")
    card = measure(built, asked, gold, p, documents=4, labelled_by="hand")
    assert (card.chosen == "reranked") == (chosen == "reranked") and card.search_s > 0
    assert card.reranker == ("some/model" if chosen == "reranked" else "")
    assert card.hit_rate["reranked@1"].value == (1.0 if sign > 0 else 0.0)
    assert "reranked" in str(retrieval_figures.hit_rates(card)) or chosen != "reranked"


def test_a_reranker_that_is_not_there_or_none_is_told(
    index, tmp_path, tiny_checkpoint, monkeypatch
):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(
        "huggingface_hub.constants.HF_HUB_OFFLINE", True
    )  # read when it was imported; else it waits for the hub
    built = Index.build(tmp_path / "index", index.passages, "minilm", reranker="no/such-model")
    with pytest.raises(BadInput, match=r"retrieval\.reranker no/such-model"):
        built.search(["x"], 1, "reranked")


def test_sizes_of_chunks_are_compared_and_the_one_that_holds_more_answers_is_used(
    handbook, tmp_path
):
    filler = " ".join(
        f"We also say thing {i} about boats, harbours and weather {i}." for i in range(40)
    )
    (handbook / "H-005.md").write_text(f"# Boats\n{filler} A boat is lent for 17 days. {filler}")
    articles = read_handbook(handbook)
    examples = pd.DataFrame(
        {
            "input": ["For how long is a boat lent?"] * 3,
            "output": ['{"reply":"17 days","source":"H-005"}'] * 3,
        }
    )
    p = RetrievalParameters(
        top_k=1, chunk_words=400, chunk_sizes=[20, 60], questions=5, citation_field="source"
    )
    found = compare_sizes(articles, CARD, examples, p, tmp_path / "sizes")
    assert found.chosen == 20 and [row["chunks of at most, words"] for row in found.rows] == [
        20,
        60,
        400,
    ]
    assert [row["in use"] for row in found.rows] == ["yes", "", ""] and not (
        tmp_path / "sizes"
    ).exists()
    assert found.rows[0]["words before the model"] < found.rows[1]["words before the model"]
    assert (
        compare_sizes(
            articles, CARD, examples, p.model_copy(update={"chunk_sizes": []}), tmp_path / "s"
        ).rows
        == []
    )
    with pytest.raises(BadInput, match="at least 20 words"):
        build("retrieval", {"chunk_sizes": [5]})
