"""Suspected answers, paraphrases and agreement against planted truths."""

import csv
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ftkit.core.errors import BadInput
from ftkit.core.records.task import Check, TaskCard
from ftkit.data import agreement, input_vectors, label_errors, paraphrases
from ftkit.data.split import units

SHARED = Path(__file__).parents[3] / "shared" / "data"
LABELS = TaskCard(name="t", instruction="i", kind="label")
RECORD = TaskCard(
    name="t",
    instruction="i",
    kind="fields",
    fields=["category", "urgency"],
    key_fields=["category"],
    checks=[
        Check(name="c", kind="enum", field="category", value=["a", "b"]),
        Check(name="u", kind="enum", field="urgency", value=["x", "y"]),
    ],
)


def planted(n=300, flips=15, seed=1):
    """Rows in three clear groups, some with a wrong label."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    matrix = np.eye(8)[truth] + 0.15 * rng.standard_normal((n, 8))
    wrong = rng.choice(n, flips, replace=False)
    given = truth.copy()
    given[wrong] = (truth[wrong] + 1) % 3
    names = np.array(["delivery", "billing", "returns"])
    rows = [
        {"input": f"m{k}", "output": str(names[g]), "cluster": k, "source_row": k}
        for k, g in enumerate(given)
    ]
    return rows, matrix.astype("float32"), set(wrong.tolist()), [str(x) for x in names[truth]]


def test_planted_wrong_labels_come_first_with_the_right_one_proposed():
    rows, matrix, wrong, truth = planted()
    found, checks = label_errors.suspects(LABELS, rows, matrix)
    assert checks[0].reliable and checks[0].accuracy > 0.9
    named = [s.row["source_row"] for s in found]
    assert set(named[: len(wrong)]) == wrong and len(named) <= len(wrong) + 2
    assert all(s.proposed == truth[s.row["source_row"]] for s in found[: len(wrong)])


def test_the_order_of_rows_changes_nothing_that_is_found():
    rows, matrix, _, _ = planted()
    order = np.random.default_rng(5).permutation(len(rows))
    one = {s.row["source_row"] for s in label_errors.suspects(LABELS, rows, matrix)[0]}
    other = {
        s.row["source_row"]
        for s in label_errors.suspects(LABELS, [rows[i] for i in order], matrix[order])[0]
    }
    assert len(one ^ other) <= 2, "only rows at the edge may differ, as the folds are drawn anew"


def test_a_field_that_the_input_says_nothing_about_is_not_judged():
    rows, matrix, _, _ = planted()
    rng = random.Random(2)
    for row in rows:
        row["output"] = (
            f'{{"category":"{"a" if row["output"] == "delivery" else "b"}","urgency":"{rng.choice("xy")}"}}'
        )
    found, checks = label_errors.suspects(RECORD, rows, matrix)
    assert [(c.field, c.reliable) for c in checks] == [("category", True), ("urgency", False)]
    assert all(s.field == "category" for s in found)


def test_rare_labels_and_one_label_alone_are_left_alone():
    rows, matrix, _, _ = planted(60, 0)
    for row in rows[:3]:
        row["output"] = "rare"
    assert all(s.given != "rare" for s in label_errors.suspects(LABELS, rows, matrix)[0])
    same = [{**row, "output": "one"} for row in rows]
    assert label_errors.suspects(LABELS, same, matrix) == (
        [],
        [label_errors.Check("label", 0.0, 1.0, False)],
    )


@pytest.mark.skipif(not (SHARED / "banking77").is_dir(), reason="needs ../shared/data/banking77")
def test_flipped_labels_of_real_questions_rank_first():
    from sklearn.metrics import average_precision_score

    with (SHARED / "banking77" / "train.csv").open(encoding="utf-8") as handle:
        table = list(csv.reader(handle))[1:]
    labels = sorted({r[1] for r in table})[:8]
    kept = [r for r in table if r[1] in labels][:700]
    rng = random.Random(7)
    flipped = set(rng.sample(range(len(kept)), 35))
    given = [
        rng.choice([n for n in labels if n != r[1]]) if i in flipped else r[1]
        for i, r in enumerate(kept)
    ]
    matrix = input_vectors.vectors([r[0] for r in kept], 5000).matrix
    judged = label_errors.judge(given, matrix, range(len(kept)))
    truth = [i in flipped for i in judged.kept]
    assert average_precision_score(truth, [-s for s in judged.scores]) > 0.9


def test_paraphrases_are_found_above_a_threshold_that_strangers_do_not_reach():
    rng = np.random.default_rng(0)
    matrix = rng.standard_normal((400, 64))
    matrix[1] = matrix[0] + 0.05 * rng.standard_normal(64)  # says the same
    matrix[3] = matrix[2] + 0.05 * rng.standard_normal(64)  # says the same, but another answer
    matrix[5] = matrix[4] + 0.05 * rng.standard_normal(64)  # a near copy already
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    answers = [f"a{k // 2}" for k in range(400)]
    answers[3] = "other"
    clusters = [*range(400)]
    clusters[5] = 4
    found = paraphrases.find(
        [f"text {'abcdefgh'[k % 8] * (k + 1)}" for k in range(400)],
        matrix.astype("float32"),
        answers,
        clusters,
    )
    assert [(i, j) for i, j, _ in found.pairs] == [(0, 1)]
    assert 0.80 <= found.threshold < 0.95
    rows = [{"cluster": c, "group": ""} for c in clusters]
    assert paraphrases.join(rows, found.pairs) == 2
    assert rows[0]["kin"] == rows[1]["kin"] and len({row["kin"] for row in rows}) == 399
    assert [row["cluster"] for row in rows] == clusters, (
        "statistics still count them as items of their own"
    )
    together = [{id(row) for row in unit} for unit in units(rows)]
    assert {id(rows[0]), id(rows[1])} in together and {id(rows[4]), id(rows[5])} in together


@pytest.mark.parametrize(
    ("texts", "pairs"),
    [
        (
            ["what time is it in paris", "what time is it in las vegas", "what time is it in oslo"],
            0,
        ),
        (["where is my parcel", "where is my package", "is my order late"], 1),
        (["refund order 4711 now please", "refund order 4712 now please", "something else"], 0),
        (["i want my money back", "could i have a refund", "hello there"], 1),
    ],
)
def test_values_of_a_slot_are_no_paraphrases_and_synonyms_are(texts, pairs):
    alike = np.array([[1.0, 0.0], [0.99, np.sqrt(1 - 0.99**2)], [0.0, 1.0]], dtype="float32")
    found = paraphrases.find(texts, alike, ["a", "a", "a"], [0, 1, 2])
    assert len(found.pairs) == pairs


def test_real_paraphrases_are_seen_by_meaning_and_not_by_words():
    texts = [
        "How long is the guarantee on this tent?",
        "For how many months is the tent under warranty?",
        "Where is my parcel?",
    ]
    by_meaning = input_vectors.vectors(texts, 10)
    near = by_meaning.matrix @ by_meaning.matrix.T
    assert by_meaning.semantic and near[0, 1] > 0.6 > near[0, 2]
    many = [f"{t} {k}" for k in range(40) for t in texts]
    assert not input_vectors.vectors(many, 10).semantic


def test_agreement_equals_published_and_computed_values():
    # Krippendorff (2011), the nominal example of 12 units and 4 observers with missing data: alpha = 0.743.
    a = "1 2 3 3 2 1 4 1 2 - - -".split()
    b = "1 2 3 3 2 2 4 1 2 5 - 3".split()
    c = "- 3 3 3 2 3 4 2 2 5 1 -".split()
    d = "1 2 3 3 2 4 4 1 2 5 1 -".split()
    rows = [tuple("" if v == "-" else v for v in row) for row in zip(a, b, c, d, strict=True)]
    assert agreement.alpha(Counter(rows)) == pytest.approx(0.743, abs=0.001)


def test_kappa_equals_scikit_learns():
    from sklearn.metrics import cohen_kappa_score

    rng = random.Random(3)
    one = [rng.choice("abc") for _ in range(200)]
    two = [v if rng.random() < 0.7 else rng.choice("abc") for v in one]
    assert agreement.kappa(Counter(zip(one, two, strict=True))) == pytest.approx(
        cohen_kappa_score(one, two), abs=1e-12
    )


def test_the_ceiling_is_what_one_annotator_shares_with_the_others():
    same = agreement.agreement({"ann": ["x", "y"] * 30, "bob": ["x", "y"] * 30})
    assert same.alpha.value == same.ceiling.value == 1 and same.disputed == 0
    rng = random.Random(4)
    truth = [rng.choice("ab") for _ in range(3000)]
    people = {
        name: [t if rng.random() < 0.9 else "ab"[t == "a"] for t in truth]
        for name in ("ann", "bob", "cem")
    }
    found = agreement.agreement(people)
    # One says what two others agree on (0.81 + 0.01 of the rows) or splits with one of them (half of the rest).
    expected = (0.9**3 + 0.1**3) + 0.5 * (1 - 0.9**2 - 0.1**2)
    assert found.ceiling.low < expected < found.ceiling.high
    assert found.alpha.low < found.alpha.value < found.alpha.high and len(found.kappas) == 3


def test_columns_that_cannot_be_compared_are_told():
    with pytest.raises(BadInput, match="needs two columns"):
        agreement.agreement({"ann": ["x"]})
    with pytest.raises(BadInput, match="no row has two labels"):
        agreement.agreement({"ann": ["x", ""], "bob": ["", "y"]})
