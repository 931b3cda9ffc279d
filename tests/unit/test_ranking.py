"""Retrieval figures equal NIST's trec_eval, question by question; the index embeds only what changed."""

from collections import defaultdict
from pathlib import Path

import pytest

from ftkit.records import Passage
from ftkit.retrieval import Index, index, ranking

TREC = Path(__file__).parents[3] / "shared" / "data" / "trec_eval_reference"


def reference(qrels, expected, graded=False):
    """Yield topic, ranking, relevance and trec_eval's figures; ties go by document id in reverse order, as there."""
    gold, runs, told = defaultdict(dict), defaultdict(list), defaultdict(dict)
    for line in (TREC / qrels).read_text().splitlines():
        topic, _, name, level = line.split()
        gold[topic][name] = int(level)
    for line in (TREC / "results.test").read_text().splitlines():
        topic, _, name, _, score, _ = line.split()
        runs[topic].append((float(score), name))
    for line in (TREC / expected).read_text().splitlines():
        measure, topic, value = line.split()
        told[topic][measure] = value
    for topic, rows in runs.items():
        yield topic, [name for _, name in sorted(rows, reverse=True)], gold[topic], told[topic]


@pytest.mark.skipif(not TREC.is_dir(), reason="the public data set trec_eval_reference is not here")
@pytest.mark.parametrize(("qrels", "expected"), [("qrels.test", "out.test.aq")])
def test_every_figure_equals_trec_eval_to_four_digits(qrels, expected):
    compared = 0
    for _topic, ranked, gold, told in reference(qrels, expected):
        ours = {"map": ranking.average_precision(ranked, gold), "recip_rank": ranking.reciprocal_rank(ranked, gold)}
        ours["ndcg"] = ranking.ndcg(ranked, gold)
        for k in (5, 10, 15, 20, 30, 100, 200, 500, 1000):
            ours |= {f"P_{k}": ranking.precision(ranked, gold, k), f"recall_{k}": ranking.recall(ranked, gold, k)}
            ours[f"ndcg_cut_{k}"] = ranking.ndcg(ranked, gold, k)
        assert {name: f"{value:.4f}" for name, value in ours.items()} == {name: told[name] for name in ours}
        compared += len(ours)
    assert compared == 90


def test_graded_relevance_counts_more_in_ndcg():
    assert ranking.ndcg(["a", "b"], {"a": 1, "b": 3}) == pytest.approx((1 + 3 / 1.5849625) / (3 + 1 / 1.5849625))


def passages(texts):
    return [Passage(id=f"H-{i}#0", source=f"H-{i}", title=f"article {i}", text=text) for i, text in enumerate(texts)]


def test_only_what_changed_is_embedded_again(tmp_path, monkeypatch):
    texts = [f"a text about {word} and nothing else" for word in ("bread", "ships", "glass", "snow")]
    first = Index.build(tmp_path / "index", passages(texts), "minilm")
    embedded = []
    whole = index.embed
    monkeypatch.setattr(
        index, "embed", lambda model, given, progress=None: embedded.extend(given) or whole(model, given, progress)
    )
    changed = [*texts[:2], "a text about copper wires", texts[3], "one more about tea"]
    again = Index.build(tmp_path / "index", passages(changed), "minilm")
    assert embedded == ["article 2. a text about copper wires", "article 4. one more about tea"]
    monkeypatch.undo()
    fresh = Index.build(tmp_path / "fresh", passages(changed), "minilm")
    assert again.vectors == pytest.approx(fresh.vectors, abs=1e-6)
    assert [p.source for p in again.search(["copper"], 1)[0]] == ["H-2"]
    fewer = Index.build(tmp_path / "index", passages(changed[:3]), "minilm")
    assert len(fewer.passages) == 3 and len(first.passages) == 4


def test_a_broken_old_index_is_built_anew(tmp_path):
    Index.build(tmp_path / "index", passages(["some text", "another text"]), "minilm")
    (tmp_path / "index" / "passages.json").write_text("[]")
    assert len(Index.build(tmp_path / "index", passages(["some text", "another text"]), "minilm").passages) == 2
