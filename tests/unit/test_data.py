"""From rows to a frozen split: planted copies, contradictions, groups and leaks come out as planted."""

import json
import random
import re
import string
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.data import DataParameters
from ftkit.core.parameters.files import load
from ftkit.core.parameters.task import TaskParameters
from ftkit.core.records.data import EXAMPLE_COLUMNS, DataCard
from ftkit.data.curate import curate
from ftkit.data.curate import load as curate_load
from ftkit.data.data_card import data_card, learned
from ftkit.data.duplicates import clusters_of, jaccard, rows_per_band, shingles
from ftkit.data.personal_data import mask
from ftkit.data.split import leaks
from ftkit.scoring.task_card import build_card
from recipes.demo.company import about
from recipes.demo.scenarios import example_rows

NATO = "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa".split()
LABEL = build_card(TaskParameters(kind="label"))
TEXT = build_card(TaskParameters(kind="text"))
DESK = build_card(TaskParameters())


def sentence(rng, words=12):
    return " ".join(
        "".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 9))) for _ in range(words)
    )


def distinct(n, seed=0, labels=("red", "green", "blue")):
    """Rows that no one would call copies of one another."""
    rng = random.Random(seed)
    return [(sentence(rng), labels[i % len(labels)]) for i in range(n)]


def table(tmp_path, rows, name="rows.csv", columns=("text", "label")):
    pd.DataFrame(rows, columns=list(columns)).to_csv(tmp_path / name, index=False)
    return tmp_path / name


def params(path, test="", **more):
    group = more.pop("group_column", "")
    more.setdefault("meaning_rows", 0)  # meaning has its own tests
    return DataParameters(
        data=str(path),
        test_data=str(test),
        input_column="text",
        output_column="label",
        group_column=group,
        **more,
    )


def curated(tmp_path, rows, card=LABEL, *, test_rows=None, columns=("text", "label"), **more):
    path = table(tmp_path, rows, columns=columns)
    test = table(tmp_path, test_rows, "test.csv", columns) if test_rows else ""
    p = params(path, test, **more)
    done = curate(*curate_load(p, tmp_path), card, p)
    return done, data_card(done, p, tmp_path, card)


def defect(card: DataCard, kind):
    return next((d for d in card.defects if d.kind == kind), None)


def removed(done, kind):
    return sorted(r["row"] for r in done.rejected() if r["reason"].startswith(kind))


def accounted(done, card):
    listed = len(done.rejected())
    return (
        card.rows_read == card.rows_used + card.rows_rejected + card.rows_left_out
        and listed == card.rows_read - card.rows_used
    )


def test_every_row_is_used_or_stands_in_the_rejected_with_its_reason(tmp_path):
    rows = distinct(200)
    rows += [
        rows[0],
        rows[1],
        (rows[2][0] + " x", rows[2][1]),
        ("", "red"),
        ("no answer", ""),
        (rows[3][0], "blue"),
    ]
    done, card = curated(tmp_path, rows, max_examples=80, max_test=20)
    assert accounted(done, card) and card.rows_read == 206
    assert sorted(
        [r["row"] for r in done.rejected()] + [r["source_row"] for r in done.rows]
    ) == list(range(2, 208))
    assert card.rows_left_out > 0 and all(r["reason"] for r in done.rejected())


def test_exact_copies_go_and_the_first_stays_whatever_the_letters(tmp_path):
    rows = distinct(60)
    rows += [
        (rows[4][0].upper() + "!", rows[4][1]),
        (f"  {rows[5][0].replace(' ', '  ')}", rows[5][1]),
    ]
    done, card = curated(tmp_path, rows)
    assert removed(done, "exact copies") == [62, 63] and defect(card, "exact copies").count == 2
    assert {6, 7} <= {r["source_row"] for r in done.rows}


def test_of_contradictions_only_a_majority_stays(tmp_path):
    rows = distinct(60)
    rows += [(rows[0][0], "blue"), (rows[1][0], "green"), (rows[1][0], "red")]
    done, card = curated(tmp_path, rows)
    assert rows[0][1] == "red" and rows[1][1] == "green"
    assert removed(done, "contradictions") == [2, 62, 64], "row 3 stays: two of three say green"
    assert defect(card, "contradictions").count == 3


def test_contradicting_texts_are_no_defect_of_a_free_text_task(tmp_path):
    rows = distinct(60)
    done, card = curated(tmp_path, [*rows, (rows[0][0], "another way to say it")], TEXT)
    assert defect(card, "contradictions") is None
    assert sum(r["input"] == rows[0][0] for r in done.rows) == 2


def test_planted_near_copies_are_found_by_their_exact_similarity(tmp_path):
    rows = distinct(400)
    rng = random.Random(1)
    planted = {}
    for index in rng.sample(range(400), 40):
        words = rows[index][0].split()
        words[rng.randrange(len(words))] += rng.choice("aeiou")
        planted[len(rows) + 2] = index + 2
        rows.append((" ".join(words), rows[index][1]))
    near = {
        new
        for new, old in planted.items()
        if jaccard(shingles(rows[new - 2][0]), shingles(rows[old - 2][0])) >= 0.8
    }
    done, _card = curated(tmp_path, rows)
    assert len(near) > 25 and removed(done, "near copies") == sorted(near)
    assert [(a["source_row"], b["source_row"]) for a, b in done.cleaned.alike] == [
        (planted[n], n) for n in sorted(near)
    ]


def test_candidates_miss_no_pair_that_a_comparison_of_all_pairs_finds():
    rng = random.Random(3)
    texts = [sentence(rng, 6) for _ in range(40)]
    texts += [
        "".join(c if rng.random() > 0.02 else "x" for c in rng.choice(texts)) for _ in range(120)
    ]
    for threshold in (0.5, 0.8, 0.9):
        clusters = clusters_of(texts, threshold)
        grams = [shingles(t) for t in texts]
        pairs = [
            (i, j) for i in range(160) for j in range(i) if jaccard(grams[i], grams[j]) >= threshold
        ]
        missed = [(i, j) for i, j in pairs if clusters[i] != clusters[j]]
        assert len(pairs) > 50 and len(missed) <= 0.02 * len(pairs), (
            threshold,
            rows_per_band(threshold),
            missed,
        )


def test_long_texts_are_compared_by_runs_of_words():
    rng = random.Random(5)
    common = sentence(rng, 400)
    texts = [f"{sentence(rng, 300)} {common[:500]}" for _ in range(6)]
    texts.append(texts[0] + " and one more word")
    assert [i for i, c in enumerate(clusters_of(texts, 0.8)) if c != i] == [6]


def test_near_copies_with_different_answers_stay_together_and_are_told(tmp_path):
    rows = distinct(200, labels=("red", "green"))
    rows += [(rows[i][0] + " x", "green") for i in range(0, 40, 2)]
    done, card = curated(tmp_path, rows)
    places = {r["source_row"]: r["split"] for r in done.rows}
    assert (
        defect(card, "near copies with different answers").count == 20
        and len(done.cleaned.near) == 20
    )
    assert all(places[i + 2] == places[202 + i // 2] for i in range(0, 40, 2))
    assert len({places[i + 2] for i in range(0, 40, 2)}) > 1, "they do not all go to one split"


def test_groups_and_clusters_never_cross_the_split_even_in_chains(tmp_path):
    rng = random.Random(2)
    rows = [(*row, f"g{rng.randrange(60)}") for row in distinct(300)]
    rows += [
        (rows[i][0] + " x", "green" if rows[i][1] == "red" else "red", f"h{i}")
        for i in range(0, 300, 10)
    ]
    done, card = curated(tmp_path, rows, columns=("text", "label", "who"), group_column="who")
    for key in ("group", "cluster"):
        places = {}
        for row in done.rows:
            places.setdefault(row[key], set()).add(row["split"])
        assert all(len(found) == 1 for found in places.values())
    assert not any(card.leakage_after.values())
    assert card.leakage_before["group"] > 50 and card.leakage_before["near"] > 3


def test_the_shares_hold_for_every_label(tmp_path):
    done, card = curated(tmp_path, distinct(900))
    assert {
        k: abs(v / 900 - s) < 0.01
        for (k, v), s in zip(card.splits.items(), (0.7, 0.1, 0.2), strict=True)
    } == dict.fromkeys(card.splits, True)
    for label in ("red", "green", "blue"):
        counts = Counter(r["split"] for r in done.rows if r["output"] == label)
        assert abs(counts["test"] - 60) <= 1 and abs(counts["validation"] - 30) <= 1


def test_large_groups_are_dealt_to_all_splits_alike(tmp_path):
    sizes = [8] * 30 + [3] * 60 + [1] * 180
    groups = [f"g{number}" for number, size in enumerate(sizes) for _ in range(size)]
    rows = [(*row, group) for row, group in zip(distinct(len(groups)), groups, strict=True)]
    done, card = curated(tmp_path, rows, columns=("text", "label", "who"), group_column="who")
    large = Counter(r["split"] for r in done.rows if int(r["group"][1:]) < 30)
    shares = {name: large[name] / card.splits[name] for name in card.splits}
    assert all(abs(share - 0.4) < 0.06 for share in shares.values()), shares


@pytest.mark.parametrize("n", [30, 60, 120])
def test_the_shares_hold_for_few_rows_with_many_labels(tmp_path, n):
    _, card = curated(tmp_path, distinct(n, labels=("a", "b", "c", "d", "e")))
    assert abs(card.splits["validation"] - 0.1 * n) <= 1 and abs(card.splits["test"] - 0.2 * n) <= 1


def test_a_leak_counts_the_held_out_rows_and_not_the_pairs():
    rows = [
        {"input": "the same words here", "group": "", "split": s}
        for s in ("train", "train", "test", "test", "validation")
    ]
    assert leaks(rows, 0.8) == {"exact": 3, "near": 0, "group": 0}
    rows = [
        {"input": f"text number {i} {'xyz' * i}", "group": g, "split": s}
        for i, (g, s) in enumerate(zip("aabb", ("train", "test", "test", "test"), strict=True))
    ]
    assert leaks(rows, 0.8) == {"exact": 0, "near": 0, "group": 1}


def test_the_order_of_rows_changes_nothing(tmp_path):
    rows = distinct(300)
    frames = []
    for seed in (None, 1, 2):
        shuffled = list(rows)
        if seed:
            random.Random(seed).shuffle(shuffled)
        done, _ = curated(tmp_path, shuffled, max_examples=100, max_validation=20)
        frames.append(done.examples().drop(columns="source_row"))
    assert list(frames[0].columns) == [c for c in EXAMPLE_COLUMNS if c != "source_row"]
    assert frames[0].equals(frames[1]) and frames[0].equals(frames[2])


def test_another_seed_is_another_split_and_the_same_seed_the_same(tmp_path):
    splits = [
        curated(tmp_path, distinct(200), seed=seed)[0].examples()["split"].tolist()
        for seed in (7, 7, 8)
    ]
    ids = [
        curated(tmp_path, distinct(200), seed=seed)[0]
        .examples()
        .set_index("id")["split"]
        .sort_index()
        for seed in (7, 8)
    ]
    assert splits[0] == splits[1] and (ids[0] != ids[1]).mean() > 0.2


def test_a_given_test_file_is_the_test_and_its_copies_leave_training(tmp_path):
    rows, held = distinct(200), distinct(60, seed=9)
    held.append((held[0][0] + " y", held[0][1]))
    copies = [held[1], (held[2][0] + " z", held[2][1]), (held[3][0], "blue")]
    done, card = curated(tmp_path, rows + copies, test_rows=held)
    assert card.splits["test"] == 61, "near copies within the given test stay"
    assert defect(card, "copies of test examples").removed == 3 and removed(
        done, "copies of test examples"
    ) == [202, 203, 204]
    assert (
        sum(card.leakage_after.values()) == 0
        and sum(card.leakage_before.values()) >= 3
        and accounted(done, card)
    )


def test_groups_of_the_test_file_leave_training(tmp_path):
    rows = [(*row, f"g{i % 50}") for i, row in enumerate(distinct(200))]
    held = [(*row, f"g{i}") for i, row in enumerate(distinct(5, seed=9))]
    done, card = curated(
        tmp_path, rows, test_rows=held, columns=("text", "label", "who"), group_column="who"
    )
    assert (
        defect(card, "groups of the test").removed == 20
        and card.leakage_after["group"] == 0
        and accounted(done, card)
    )


def test_the_same_file_twice_is_told(tmp_path):
    path = table(tmp_path, distinct(50))
    p = params(path, path)
    with pytest.raises(BadInput, match="same file"):
        curate_load(p, tmp_path)


def test_smaller_splits_keep_the_same_share_of_every_label(tmp_path):
    done, card = curated(tmp_path, distinct(900), max_examples=90, max_validation=30, max_test=60)
    assert (
        card.splits == {"train": 90, "validation": 30, "test": 60}
        and card.rows_left_out == 720
        and accounted(done, card)
    )
    counts = Counter((r["split"], r["output"]) for r in done.rows)
    assert all(abs(counts[split, label] - card.splits[split] / 3) <= 1 for split, label in counts)


def test_spellings_of_one_label_become_the_most_frequent_one(tmp_path):
    rows = distinct(90)
    rows[0], rows[3], rows[6] = (rows[0][0], "Red"), (rows[3][0], " red."), (rows[6][0], "RED")
    _done, card = curated(tmp_path, rows)
    assert set(card.labels) == {"red", "green", "blue"} and card.labels["red"] == 30
    assert defect(card, "answers in another form").count == 3 and card.rows_used == 90


def test_answers_are_written_as_the_compact_record_of_the_card(tmp_path):
    record = {
        "source": "",
        "reply": "34 days",
        "urgency": "LOW",
        "category": "delivery",
        "note": "x",
    }
    rows = [
        (text, json.dumps({**record, "reply": f"{i} days"}))
        for i, (text, _) in enumerate(distinct(40))
    ]
    rows[1] = (rows[1][0], f"```json\n{rows[1][1]}\n```")
    rows[2] = (rows[2][0], '{"category":"delivery","urgency":"low","reply":true,"source":3}')
    done, card = curated(tmp_path, rows, DESK)
    outputs = {r["source_row"]: r["output"] for r in done.rows}
    assert outputs[2] == '{"category":"delivery","urgency":"low","reply":"0 days","source":""}'
    assert outputs[3] == '{"category":"delivery","urgency":"low","reply":"1 days","source":""}'
    assert outputs[6] == '{"category":"delivery","urgency":"low","reply":true,"source":3}', (
        "kinds of values are kept; row 3 takes three lines"
    )
    assert defect(card, "answers in another form").count == 39 and card.classes["urgency"] == {
        "low": 40
    }


def test_answers_that_break_the_task_card_are_removed_and_the_check_is_named(tmp_path):
    good = '{"category":"delivery","urgency":"low","reply":"3 days","source":""}'
    rows = [(text, good.replace("3", str(i))) for i, (text, _) in enumerate(distinct(40))]
    rows[5] = (rows[5][0], good.replace("delivery", "weather"))
    rows[6] = (rows[6][0], '{"category":"delivery"}')
    done, _card = curated(tmp_path, rows, DESK)
    reasons = [r["reason"] for r in done.rejected()]
    assert removed(done, "broken answers") == [7, 8]
    assert "category is a known value" in reasons[0] and "all fields there" in reasons[1]


def test_a_label_task_with_texts_for_labels_is_told(tmp_path):
    rows = [(a, b) for (a, _), (b, _) in zip(distinct(60), distinct(60, seed=4), strict=True)]
    with pytest.raises(BadInput, match=r"task\.kind.*different texts"):
        curated(tmp_path, rows)


def test_thin_labels_and_labels_that_only_the_test_has_are_told(tmp_path):
    rows, held = (
        [*distinct(90), ("one rare thing happened here", "rare")],
        [*distinct(20, seed=9), ("never seen before", "unknown")],
    )
    _done, card = curated(tmp_path, rows, test_rows=held)
    told = (
        defect(card, "labels without training examples").examples
        + defect(card, "thin labels").examples
    )
    assert any("unknown" in text for text in told) and any("rare" in text for text in told)


def test_one_group_for_all_rows_leaves_an_empty_split_and_is_told(tmp_path):
    with pytest.raises(BadInput, match=r"split is empty.*\n.*group_column"):
        curated(
            tmp_path,
            [(*row, "g") for row in distinct(60)],
            columns=("text", "label", "who"),
            group_column="who",
        )


def test_rows_that_are_all_copies_are_told_with_what_to_do(tmp_path):
    rows = [(f"please tell me the state of my order number {i}", "red") for i in range(60)]
    rows += [(text, "green") for text, _ in distinct(10)]
    with pytest.raises(BadInput, match=r"near copies[^\n]*\n.*near_duplicate_threshold"):
        curated(tmp_path, rows)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("mail anna.berg@example.com now", "mail <e-mail> now"),
        ("call +44 7700 900123.", "call <phone>."),
        ("call 0170/123 45 67", "call <phone>"),
        ("IBAN GB82 WEST 1234 5698 7654 32 please", "IBAN <IBAN> please"),
        ("card 4111 1111 1111 1111", "card <card>"),
        ("order B-70084 on 12 May, 34 days, 10:30", "order B-70084 on 12 May, 34 days, 10:30"),
    ],
)
def test_samples_show_no_personal_data(text, masked):
    assert mask(text) == masked


def test_no_sample_of_the_card_shows_personal_data(tmp_path):
    rows = distinct(60)
    rows += [(f"{rows[i][0]} mail anna{i}@example.com", rows[i][1]) for i in range(5)] * 2
    done, card = curated(tmp_path, rows)
    assert "example.com" in (tmp_path / "rows.csv").read_text()
    assert "example.com" not in card.model_dump_json() + json.dumps(done.rejected())
    assert all("example.com" not in row["input"] for pair in done.cleaned.alike for row in pair)


@pytest.mark.parametrize(
    ("examples", "labels", "words", "verdict"),
    [
        (1000, 5, 1, "Enough"),
        (500, 5, 1, "Enough"),
        (300, 5, 1, "Tight"),
        (100, 5, 1, "Too few"),
        (1000, 77, 1, "Tight"),
        (2500, 77, 1, "Enough"),
        (1500, 0, 80, "Tight"),
    ],
)
def test_the_guides_volume_criterion_is_applied(examples, labels, words, verdict):
    from ftkit.data.data_card import volume_verdict

    assert volume_verdict(examples, labels, words).startswith(verdict)


def test_what_was_planted_in_the_demo_is_found(tmp_path):
    p = DataParameters(run=str(tmp_path))
    train, _ = curate_load(p, tmp_path)
    done = curate(train, None, DESK, p)
    card = data_card(done, p, tmp_path, DESK)
    assert card.rows_read == 1200 and accounted(done, card)
    assert defect(card, "exact copies").count == 24 and defect(card, "broken answers").count == 12
    assert (
        defect(card, "unusable rows").count == 3
        and abs(defect(card, "near copies").count - 24) <= 2
    )
    assert sum(card.leakage_before.values()) > 100 and sum(card.leakage_after.values()) == 0
    assert about and card.splits["test"] > 200
    wrong = {
        index + 2 for index, row in enumerate(example_rows(1200, 7)) if row.planted == "wrong_label"
    }
    doubted = [s.row["source_row"] for s in done.meaning.suspects]
    assert [(c.field, c.reliable) for c in card.label_checks] == [
        ("category", True),
        ("urgency", False),
    ]
    assert len(set(doubted) & wrong) >= 9 and len(set(doubted) - wrong) <= 8, (
        "12 categories were planted wrong"
    )
    assert (
        card.paraphrase_threshold
        and card.leakage_before["paraphrase"] > 5
        and card.leakage_after["paraphrase"] == 0
    )


def test_the_demo_in_another_order_gives_the_same_examples(tmp_path):
    p = DataParameters(run=str(tmp_path), demo_examples=200)
    train, _ = curate_load(p, tmp_path)
    good = {index + 2 for index, row in enumerate(example_rows(1200, 7)[:200]) if not row.planted}
    train = replace(
        train, rows=[row for row in train.rows if row["source_row"] in good]
    )  # of copies the first is kept
    other = replace(train, rows=random.Random(3).sample(train.rows, len(train.rows)))
    one, two = (curate(t, None, DESK, p) for t in (train, other))
    columns = ["id", "input", "output", "split", "cluster"]
    assert one.examples()[columns].equals(two.examples()[columns])
    assert {s.row["id"] for s in one.meaning.suspects} == {
        s.row["id"] for s in two.meaning.suspects
    }


def test_paraphrases_of_a_given_test_are_kept_and_counted_unless_removal_is_asked_for(tmp_path):
    kept = [
        (f"{word} {number}", "delivery")
        for number, word in enumerate(
            "alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo lima mike november oscar papa quebec romeo sierra tango uniform victor".split()
        )
    ]
    test = [
        ("For how many months is the tent under warranty?", "warranty"),
        ("Where is my parcel?", "delivery"),
    ]
    again = ("For how many months is a tent under its warranty, please?", "warranty")
    done, card = curated(
        tmp_path,
        [*kept, again],
        test_rows=test,
        meaning_rows=500,
        near_duplicate_threshold=1.0,
        paraphrases="remove",
    )
    done_kept, card_kept = curated(
        tmp_path, [*kept, again], test_rows=test, meaning_rows=500, near_duplicate_threshold=1.0
    )
    counted = defect(card_kept, "paraphrases of test examples")
    assert (counted.count, counted.removed) == (1, 0)
    assert again[0] in {row["input"] for row in done_kept.rows}
    like = done_kept.examples().query("like_train")
    assert like["input"].tolist() == [test[0][0]], "07 compares such questions with the others"
    assert not done.examples()["like_train"].any()
    assert defect(card, "paraphrases of test examples").removed == 1 and accounted(done, card)
    assert (
        again[0] not in {row["input"] for row in done.rows}
        and card.leakage_after["paraphrase"] == 0
    )


def test_banking77_keeps_its_public_test_and_loses_its_known_copies(tmp_path, shared_data):
    folder = shared_data / "banking77"
    p = DataParameters(
        data=str(folder / "train.csv"),
        test_data=str(folder / "test.csv"),
        input_column="text",
        output_column="category",
        meaning_rows=0,
    )
    done = curate(*curate_load(p, tmp_path), LABEL, p)
    card = data_card(done, p, tmp_path, LABEL)
    assert card.rows_read == 13_083 and len(card.labels) == 77 and accounted(done, card)
    assert card.splits["test"] >= 3079 and defect(card, "copies of test examples").removed >= 6
    assert defect(card, "exact copies").count >= 4 and sum(card.leakage_after.values()) == 0


def test_the_shipped_banking77_file_is_valid_and_names_source_and_licence():
    path = Path(__file__).parents[2] / "params" / "banking77.yaml"
    built = load(path)
    assert build_card(built["task"]).kind == "label" and built["data"].test_data.endswith(
        "banking77/test.csv"
    )
    assert all(name in path.read_text() for name in ("PolyAI", "CC BY 4.0", "Casanueva"))


def test_labels_that_nobody_listed_are_taken_from_the_data(tmp_path):
    subjects = "apple brick cloud drums eagle flute grape horse igloo jelly kayak lemon".split()
    rows = [
        (f"{a} with {b} please", ("delivery", "billing")[k % 2])
        for k, a in enumerate(subjects)
        for b in subjects[:5]
        if a != b
    ]
    done, _ = curated(tmp_path, rows)
    assert {row["output"] for row in done.rows} == {"delivery", "billing"}


def test_the_first_line_of_02_accounts_for_every_row_and_says_what_to_look_at(tmp_path):
    rows = [
        (f"{a} with {b} please", ("delivery", "billing")[len(a) % 2])
        for a in NATO[:8]
        for b in NATO[8:16]
    ]
    rows += [rows[0], rows[1], ("", "delivery"), ("mail me at jo@example.org", "delivery")]
    _, card = curated(tmp_path, rows, near_duplicate_threshold=1.0)
    title, _ = learned(card)
    read, used, aside = (int(n) for n in re.findall(r"(\d+) (?:rows read|used|put aside)", title))
    reasons = [
        int(n) for n in re.findall(r"(\d+) [a-z ]+?(?:,| \()", title.split("put aside: ")[1])
    ]
    assert (read, used, aside) == (68, 65, 3) and sum(reasons) == aside
    assert "exact copies" in title and "unusable rows" in title
    assert "Look first at 1 personal data" in title
