"""Retrieval figures equal NIST's trec_eval, question by question; the index embeds only what changed."""

import random
from collections import defaultdict
from pathlib import Path

import pytest

from ftkit.core.errors import BadInput
from ftkit.core.records.retrieval import Passage
from ftkit.retrieval import index, ranking, store
from ftkit.retrieval.index import Index

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
        ours = {
            "map": ranking.average_precision(ranked, gold),
            "recip_rank": ranking.reciprocal_rank(ranked, gold),
        }
        ours["ndcg"] = ranking.ndcg(ranked, gold)
        for k in (5, 10, 15, 20, 30, 100, 200, 500, 1000):
            ours |= {
                f"P_{k}": ranking.precision(ranked, gold, k),
                f"recall_{k}": ranking.recall(ranked, gold, k),
            }
            ours[f"ndcg_cut_{k}"] = ranking.ndcg(ranked, gold, k)
        assert {name: f"{value:.4f}" for name, value in ours.items()} == {
            name: told[name] for name in ours
        }
        compared += len(ours)
    assert compared == 90


def test_graded_relevance_counts_more_in_ndcg():
    assert ranking.ndcg(["a", "b"], {"a": 1, "b": 3}) == pytest.approx(
        (1 + 3 / 1.5849625) / (3 + 1 / 1.5849625)
    )


def passages(texts):
    return [
        Passage(id=f"H-{i}#0", source=f"H-{i}", title=f"article {i}", text=text)
        for i, text in enumerate(texts)
    ]


def test_only_what_changed_is_embedded_again(tmp_path, monkeypatch):
    texts = [
        f"a text about {word} and nothing else" for word in ("bread", "ships", "glass", "snow")
    ]
    first = Index.build(tmp_path / "index", passages(texts), "minilm")
    embedded = []
    whole = store.embed
    monkeypatch.setattr(
        store,
        "embed",
        lambda model, given, progress=None: embedded.extend(given) or whole(model, given, progress),
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


def test_an_index_brought_up_to_date_is_the_one_built_anew(tmp_path, monkeypatch):
    rng, folder = random.Random(5), tmp_path / "index"
    monkeypatch.setattr(store, "UPDATES", 6)
    now = {
        f"H-{i}": f"a text about {word} and nothing else"
        for i, word in enumerate("bread ships glass snow tea oil".split())
    }
    built = []
    whole = store.write
    monkeypatch.setattr(store, "write", lambda *given: built.append(1) or whole(*given))

    def made():
        return [
            Passage(id=f"{name}#0", source=name, title=f"it's {name}", text=now[name])
            for name in sorted(now)
        ]

    Index.build(folder, made(), "minilm")
    for step in range(7):
        kind = ("change", "delete", "add")[step % 3]
        name = rng.choice(sorted(now)) if kind != "add" else f"H-1{step}"
        if kind == "delete":
            del now[name]
        else:
            now[name] = f"a text about number {rng.randrange(1000)} and copper wires"
        updated = Index.build(folder, made(), "minilm")
        opened, fresh = Index(folder), Index.build(tmp_path / f"fresh{step}", made(), "minilm")
        assert (
            updated.about["chunks_sha256"]
            == opened.about["chunks_sha256"]
            == fresh.about["chunks_sha256"]
        )
        assert opened.passages == fresh.passages and opened.vectors == pytest.approx(
            fresh.vectors, abs=1e-6
        )
        for mode in index.MODES:
            said = [
                [[p.id for p in x] for x in i.search(["copper", "ships and tea"], 3, mode)]
                for i in (updated, opened, fresh)
            ]
            assert said[0] == said[1] == said[2]
    assert len(built) == 1 + 7 + 1, "built anew once in seven updates: after three in a row"


def test_an_update_killed_before_its_end_leaves_the_old_index_and_the_next_one_is_right(
    tmp_path, monkeypatch
):
    texts = [
        f"a text about {word} and nothing else" for word in ("bread", "ships", "glass", "snow")
    ]
    Index.build(tmp_path / "index", passages(texts), "minilm")

    def killed(path, text):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(store, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            Index.build(tmp_path / "index", passages([*texts[:3], "a text about copper"]), "minilm")
    old = Index(tmp_path / "index")
    assert [p.text for p in old.passages] == texts and len(old.vectors) == 4
    assert old.search(["snow"], 1, "vector")[0][0].source == "H-3"
    Index.build(tmp_path / "index", passages([texts[0], "a text about tea", *texts[2:]]), "minilm")
    new = Index(tmp_path / "index")
    assert [p.text for p in new.passages] == [texts[0], "a text about tea", *texts[2:]] and len(
        new.vectors
    ) == 4


def test_a_copy_holds_what_is_there_and_nothing_that_was_deleted(tmp_path):
    texts = [
        f"a text about {word} and nothing else" for word in ("bread", "ships", "secrets", "snow")
    ]
    Index.build(tmp_path / "index", passages(texts), "minilm")
    updated = Index.build(
        tmp_path / "index", passages([*texts[:2], "nothing to see here", texts[3]]), "minilm"
    )
    updated.copy(tmp_path / "copy")
    again = Index(tmp_path / "copy")
    assert again.passages == updated.passages and again.vectors == pytest.approx(updated.vectors)
    held = {
        n: b"secrets" in b"".join(f.read_bytes() for f in (tmp_path / n).rglob("*") if f.is_file())
        for n in ("index", "copy")
    }
    assert held == {"index": True, "copy": False}


def test_two_passages_of_one_name_are_refused(tmp_path):
    with pytest.raises(BadInput, match="same id"):
        Index.build(tmp_path / "index", [*passages(["a"]), *passages(["b"])], "minilm")


def test_a_broken_old_index_is_built_anew(tmp_path):
    Index.build(tmp_path / "index", passages(["some text", "another text"]), "minilm")
    (tmp_path / "index" / "about.json").write_text("{}")
    assert (
        len(
            Index.build(
                tmp_path / "index", passages(["some text", "another text"]), "minilm"
            ).passages
        )
        == 2
    )
