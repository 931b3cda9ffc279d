"""Scores and comparisons against planted truths."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.parameters.training import TrainingParameters
from ftkit.core.records.evaluation import SCORE_COLUMNS
from ftkit.core.records.strategy import ANSWER_COLUMNS, StrategySpec
from ftkit.core.records.task import Check, TaskCard
from ftkit.evaluation.comparisons import compare, effects
from ftkit.evaluation.conclude import conclude
from ftkit.evaluation.general_skills import (
    general_accuracy,
    general_questions,
    is_right,
    probe,
    probe_models,
    regression,
)
from ftkit.evaluation.ifeval import Instructions
from ftkit.evaluation.item_table import browse
from ftkit.evaluation.summary import macro_f1, summarise
from ftkit.evaluation.test_access_log import looks, open_test
from ftkit.scoring.items import cluster_of
from ftkit.scoring.score import score
from ftkit.training.mix import general_mix

FIELDS = TaskCard(
    name="desk",
    instruction="answer",
    kind="fields",
    fields=["category", "reply", "source"],
    key_fields=["category", "reply"],
    knowledge_field="reply",
    checks=[
        Check(name="JSON", kind="json"),
        Check(name="no sorry", kind="not_regex", value="sorry"),
    ],
)
LABEL = TaskCard(
    name="l",
    instruction="sort",
    kind="label",
    labels=["delivery", "returns", "card_arrival", "card_arrival_late"],
)
TEXT = TaskCard(
    name="t",
    instruction="say",
    kind="text",
    checks=[Check(name="short", kind="max_words", value=5)],
)


def items_of(outputs, **columns):
    n = len(outputs)
    base = {
        "id": [f"i{k}" for k in range(n)],
        "input": ["?"] * n,
        "output": outputs,
        "group": [""] * n,
        "cluster": [""] * n,
    }
    return pd.DataFrame({**base, "split": "test", "source_row": range(n), **columns})


def answers_of(strategy, texts, ids=None):
    rows = [
        (i, strategy, t, 50, 9, 0.1, [], [], 0, float("nan"))
        for i, t in zip(ids or [f"i{k}" for k in range(len(texts))], texts, strict=True)
    ]
    return pd.DataFrame([(*r, "answered", "", "", 0) for r in rows], columns=ANSWER_COLUMNS)


def one(card, truth, text, **more):
    return score(card, items_of([truth]), answers_of("s", [text]), **more).iloc[0]


TRUTH = '{"category":"delivery","reply":"34 days","source":"H-012"}'


@pytest.mark.parametrize(
    ("text", "correct", "partial", "form"),
    [
        (TRUTH, True, 1.0, "strict"),
        (
            '{"category": "Delivery", "reply": "34  days.", "source": "H-044"}',
            True,
            2 / 3,
            "strict",
        ),
        ("```json\n" + TRUTH + "\n```", True, 1.0, "repairable"),
        ('{"category":"returns","reply":"34 days","source":"H-012"}', False, 2 / 3, "strict"),
        ('{"category":"delivery","reply":"34 days"}', True, 2 / 3, "failed"),
        ('{"category":"delivery","reply":"sorry","source":""}', False, 1 / 3, "failed"),
        ("34 days", False, 0.0, "failed"),
        ("[1]", False, 0.0, "failed"),
        ("[" * 100_000, False, 0.0, "failed"),
        ('{"category":null,"reply":34,"source":["x"]}', False, 0.0, "strict"),
    ],
)
def test_fields_are_scored_by_key_fields_and_format(text, correct, partial, form):
    row = one(FIELDS, TRUTH, text)
    assert (row.correct, row.format) == (correct, form) and row.partial == pytest.approx(partial)


@pytest.mark.parametrize(
    ("text", "correct", "form"),
    [
        ("card_arrival", True, "strict"),
        (" Card_Arrival. ", True, "repairable"),
        ("card arrival", True, "repairable"),
        ("The label is card_arrival", True, "repairable"),
        ("card_arrival_late", False, "strict"),
        ("returns or card_arrival", False, "failed"),
        ("no idea", False, "failed"),
    ],
)
def test_labels_are_matched_after_normalisation(text, correct, form):
    row = one(LABEL, "card_arrival", text)
    assert (row.correct, row.format, row.partial) == (correct, form, float(correct))


def test_text_is_right_only_as_a_whole_and_partly_by_its_words():
    exact, near, long = (
        one(TEXT, "We open at 10:30.", t)
        for t in ("we open at 10:30", "open at 10:30", "we open at 10:30 or so maybe")
    )
    assert exact.correct and exact.partial == 1
    assert not near.correct and near.partial == pytest.approx(2 * 3 / 7)
    assert long.format == "failed"


def test_an_empty_answer_is_missing_and_wrong():
    scores = score(FIELDS, items_of([TRUTH] * 3), answers_of("s", [TRUTH, "", None]))
    assert scores["missing"].tolist() == [False, True, True] and scores["correct"].tolist() == [
        True,
        False,
        False,
    ]
    assert list(scores.columns) == SCORE_COLUMNS


def reply(text, source=""):
    return json.dumps({"category": "delivery", "reply": text, "source": source})


@pytest.mark.parametrize(
    ("text", "unsupported"),
    [
        (reply("20 days"), False),
        (reply("2 days"), True),
        (reply("we will check"), False),
        (reply(""), False),
        (reply("34 days"), False),
        (reply("20 days", "H-012"), False),
        (reply("20 days", "H-999"), True),
        ("oops", False),
    ],
)
def test_a_value_that_no_passage_holds_is_unsupported(text, unsupported):
    row = one(
        FIELDS,
        TRUTH,
        text,
        evidence={"i0": ["Kelmo tents take 20 days. Ask."]},
        sources=["H-012", "H-044"],
    )
    assert row.unsupported == unsupported


def test_without_evidence_hallucination_is_not_measured():
    assert one(FIELDS, TRUTH, reply("2 days")).unsupported is pd.NA
    assert one(LABEL, "returns", "delivery", evidence={"i0": ["x"]}).unsupported is pd.NA


def test_different_item_sets_and_duplicates_are_told_with_ids():
    items = items_of([TRUTH] * 3)
    with pytest.raises(BadInput, match=r"s.*1 item.*not answered: i2"):
        score(FIELDS, items, answers_of("s", [TRUTH] * 2))
    with pytest.raises(BadInput, match="not among the items: x9"):
        score(FIELDS, items, answers_of("s", [TRUTH] * 4, ["i0", "i1", "i2", "x9"]))
    with pytest.raises(BadInput, match="answered twice: i1"):
        score(FIELDS, items, answers_of("s", [TRUTH] * 4, ["i0", "i1", "i1", "i2"]))
    with pytest.raises(BadInput, match="occur twice: i0"):
        score(FIELDS, items_of([TRUTH] * 2, id=["i0", "i0"]), answers_of("s", [TRUTH]))
    with pytest.raises(BadInput, match="no items"):
        score(FIELDS, items.iloc[:0], answers_of("s", []))


def test_clusters_join_customers_and_near_copies_in_chains():
    items = items_of(
        ["x"] * 5, group=["ann", "ann", "", "", None], cluster=["", "c1", "c1", "", float("nan")]
    )
    found = cluster_of(items)
    assert len(set(found[:3])) == 1 and len(set(found)) == 3


def planted(accuracies, n=600, seed=0, size=1):
    """Scores of strategies with planted accuracies and correlated answers."""
    rng, rows = np.random.default_rng(seed), []
    ability = rng.random(n)
    for name, accuracy in accuracies.items():
        right = np.where(rng.random(n) < 0.6, ability, rng.random(n)) < accuracy
        rows += [
            (f"i{k}", name, f"c{k // size}", bool(r), float(r), "strict", None, False)
            for k, r in enumerate(right)
        ]
    return pd.DataFrame(rows, columns=SCORE_COLUMNS)


def test_a_planted_difference_of_ten_points_is_found_and_a_tie_is_not():
    found = compare(planted({"a": 0.8, "b": 0.7, "c": 0.7}, 1500), n_resamples=2000)
    by_pair = {(c.a, c.b): c for c in found}
    assert by_pair["a", "b"].difference.low > 0.03 and by_pair["a", "b"].p_adjusted < 0.001
    assert (
        by_pair["b", "c"].difference.low < 0 < by_pair["b", "c"].difference.high
        and by_pair["b", "c"].p_adjusted > 0.05
    )
    c = by_pair["a", "b"]
    assert (c.wins - c.losses) / 1500 == pytest.approx(c.difference.value)


def test_only_named_pairs_are_compared_and_unknown_names_told():
    scores = planted({"a": 0.8, "b": 0.7}, 50)
    assert [(c.a, c.b) for c in compare(scores, [("b", "a")])] == [("b", "a")]
    with pytest.raises(BadInput, match="nobody"):
        compare(scores, [("a", "nobody")])


def test_scores_on_different_items_are_not_compared():
    scores = planted({"a": 0.8, "b": 0.7}, 50)
    with pytest.raises(BadInput, match="i49"):
        compare(scores.iloc[:-1])
    with pytest.raises(BadInput, match="scored twice"):
        compare(pd.concat([scores, scores.iloc[-1:]]))


def spec(name, family, model="base", retriever=False):
    return StrategySpec(name=name, family=family, model=model, prompt="zero", retriever=retriever)


GRID = [
    spec("prompting", "prompting"),
    spec("RAG", "RAG", retriever=True),
    spec("fine-tuned", "fine-tuned", "tuned"),
    spec("hybrid", "hybrid", "tuned", True),
]


def test_planted_effects_of_tuning_and_retrieval_and_their_interaction_lie_in_the_intervals():
    scores = planted({"prompting": 0.3, "RAG": 0.5, "fine-tuned": 0.4, "hybrid": 0.8}, 4000)
    found = {e.name: e.difference for e in effects(scores, GRID)}
    for name, truth in (("tuning", 0.2), ("retrieval", 0.3), ("interaction", 0.2)):
        assert found[name].low < truth < found[name].high and found[name].low > 0
    assert effects(scores, GRID[:3]) == []


def test_a_summary_tells_missing_answers_formats_and_fields():
    texts = [
        TRUTH,
        "",
        "```" + TRUTH + "```",
        '{"category":"delivery","reply":"9","source":"H-012"}',
    ]
    items, said = items_of([TRUTH] * 4), answers_of("prompting", texts)
    scores = score(FIELDS, items, said)
    r = summarise(GRID[0], scores, said, card=FIELDS, items=items)
    assert r.accuracy.value == 0.5 and r.missing == 1 and r.unsupported is None
    assert (
        r.format_ok.value == 0.75 and r.format_strict is not None and r.format_strict.value == 0.5
    )
    assert {k: e.value for k, e in r.fields.items()} == {
        "category": 0.75,
        "reply": 0.5,
        "source": 0.75,
    }
    assert (r.prompt_tokens_mean, r.seconds_per_answer) == (50, pytest.approx(0.1))


def test_macro_f1_equals_scikit_learn_and_confusions_are_counted():
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(2)
    truth = rng.choice(LABEL.labels, 300, p=[0.6, 0.25, 0.1, 0.05])
    given = np.where(rng.random(300) < 0.7, truth, rng.choice(LABEL.labels, 300))
    e = macro_f1(given.tolist(), truth.tolist())
    assert (
        e.value == pytest.approx(f1_score(truth, given, average="macro"), abs=1e-6)
        and e.low < e.value < e.high
    )
    items, said = items_of(truth.tolist()), answers_of("prompting", given.tolist())
    r = summarise(GRID[0], score(LABEL, items, said), said, card=LABEL, items=items)
    top = r.confusions[0]
    assert top.count == ((truth == top.truth) & (given == top.answered)).sum() > 0
    assert r.macro_f1 is not None and r.macro_f1.value == pytest.approx(e.value)


def test_the_browser_shows_differing_items_first():
    items = items_of([TRUTH] * 3)
    said = pd.concat([answers_of("a", [TRUTH, TRUTH, "x"]), answers_of("b", [TRUTH, "", "x"])])
    table = browse(items, said, score(FIELDS, items, said))
    assert table["item_id"].tolist() == ["i1", "i2", "i0"] and table["kind"].tolist() == [
        "differ",
        "all wrong",
        "all right",
    ]
    assert table["b mark"].tolist() == ["no answer", "wrong format", "right"]


class Fixed:
    """A model that gives fixed answers."""

    name = "fixed"

    def __init__(self, texts):
        self.texts = texts

    def answer(self, conversations, progress=None):
        from ftkit.models.chat import Reply

        return [Reply(t) for t in self.texts]


def test_a_planted_regression_is_found_on_the_general_probe():
    items = [
        ([{"role": "user", "content": str(k)}], f"word {k}", "copy" if k % 2 else "label")
        for k in range(200)
    ]
    base = probe(Fixed([f"Word {k}" for k in range(200)]), "base", items)
    tuned = probe(Fixed([f"word {k}" if k % 5 else "" for k in range(200)]), "tuned", items)
    (change,) = regression(pd.concat([base, tuned]))
    assert change.difference.value == pytest.approx(-0.2) and change.difference.high < -0.1
    assert general_accuracy(tuned)["tuned"].value == pytest.approx(0.8)
    assert regression(base) == []


def stage_in(tmp_path, **parameters):
    from ftkit.core import run_folder

    for other in run_folder.READS["evaluation"]:
        (tmp_path / other).mkdir(exist_ok=True)
        run_folder.write_text(tmp_path / other / "manifest.json", MANIFEST.replace("STAGE", other))
    return run_folder.Stage(tmp_path, "evaluation", parameters)


MANIFEST = json.dumps(
    {
        "stage": "STAGE",
        "parameters": {},
        "inputs": {},
        "outputs": {},
        "code": {},
        "seed": 0,
        "versions": {},
        "git_commit": "",
        "device": "cpu",
        "started": "",
        "duration_s": 0,
        "peak_memory_gib": 0,
    }
)


def test_every_opening_of_the_test_set_is_noted_and_survives(tmp_path):
    first = open_test(stage_in(tmp_path, seed=1))
    again = open_test(stage_in(tmp_path, seed=1))
    assert (
        len(first) == 1
        and len(again) == 2
        and again[0] == first[0]
        and "nothing changed" in again[1]
    )
    with (tmp_path / "evaluation" / "test_access.jsonl").open("a") as log:
        log.write('{"time": "2026-')  # a kill in the middle of a line
    other = stage_in(tmp_path, seed=2)
    assert len(open_test(other)) == 4 and looks(other) == 3


def test_the_whole_evaluation_is_one_record_that_survives_a_file(tmp_path):
    from ftkit.core import run_folder
    from ftkit.core.records.evaluation import Evaluation

    items = items_of([TRUTH] * 4, group=["ann", "ann", "bob", "cy"])
    said = pd.concat(
        [answers_of(s.name, [TRUTH, "", TRUTH, "x"][k:] + [TRUTH] * k) for k, s in enumerate(GRID)]
    )
    said.loc[said["strategy"] == "RAG", "cut"] = 7
    scores = score(FIELDS, items, said)
    found = conclude(
        GRID, FIELDS, items, said, scores, looks=2, test_accesses=["then"], n_resamples=200
    )
    assert (
        len(found.comparisons) == 6
        and len(found.effects) == 3
        and found.clusters == 3
        and found.regression == []
    )
    assert "probe_items is 0" in found.probe_note and any(
        n.startswith("This was look 2") for n in found.notes
    )
    assert any(n.startswith("prompting gave no answer to 1") for n in found.notes) and any(
        "RAG: 4 prompts" in n for n in found.notes
    )
    run_folder.write_record(tmp_path / "evaluation.json", found)
    assert run_folder.read_record(tmp_path / "evaluation.json", Evaluation) == found


def test_without_general_items_no_model_is_loaded():
    def load(name):
        raise AssertionError(name)

    assert len(probe_models(load, ["tuned", "base"], [], lambda label: None)) == 0


def general_file(folder, lines):
    (folder / "general.jsonl").write_text("".join(f"{line}\n" for line in lines))
    return str(folder / "general.jsonl")


def test_a_file_of_general_questions_is_halved_between_choosing_and_measuring(tmp_path):
    file = general_file(
        tmp_path,
        [
            json.dumps({"question": f"How much is {k} and {k}?", "answer": f"#### {2 * k}"})
            for k in range(60)
        ],
    )
    chooses = general_questions(
        TrainingParameters(base_model="other", general_questions=file), 0, 7
    )
    measures = general_questions(
        EvaluationParameters(base_model="other", general_questions=file), 0, 7
    )
    texts = [{messages[0]["content"] for messages, _, _ in part} for part in (chooses, measures)]
    assert not texts[0] & texts[1] and len(texts[0] | texts[1]) == 60 and min(map(len, texts)) > 15
    assert len(general_questions(EvaluationParameters(general_questions=file), 5, 7)) == 5
    assert chooses[0][2] == "general"


def test_any_base_has_general_questions_of_seven_skills_and_lessons_apart_from_them():
    chooses = general_questions(TrainingParameters(base_model="other"), 1000, 7)
    measures = general_questions(EvaluationParameters(base_model="other"), 1000, 7)
    assert len(chooses) > 200 and len(measures) > 200
    assert len({skill for _, _, skill in measures}) == 7
    asked = [{messages[0]["content"] for messages, _, _ in part} for part in (chooses, measures)]
    lessons, _ = general_mix(TrainingParameters(base_model="other", general_share=0.4), 500)
    learnt = {messages[-1]["content"] for messages, _, _ in lessons}
    assert len(learnt) > 300 and not asked[0] & asked[1] and not learnt & (asked[0] | asked[1])


def test_every_built_in_lesson_is_right_by_the_rules_of_its_skill():
    from recipes.general.__main__ import BY_SKILL, Random

    for skill in BY_SKILL:
        for row in skill(Random(3))[:60]:
            rules = row.get("instruction_id_list")
            truth = Instructions.of(rules, row["kwargs"]) if rules else row["response"]
            assert is_right(row["answer"], truth), row


@pytest.mark.parametrize(
    "line", ["[1]", '{"prompt": "only a question"}', '{"prompt": "q", "response": 3}', "not json"]
)
def test_a_bad_general_question_is_told_with_its_line(tmp_path, line):
    file = general_file(tmp_path, ['{"prompt": "q", "response": "a"}', line])
    with pytest.raises(BadInput, match=r"general\.jsonl line 2"):
        general_questions(EvaluationParameters(general_questions=file), 0, 7)


@pytest.mark.parametrize(
    ("said", "truth", "right"),
    [
        ("It is 7 + 5 = 12.\n#### 12", "so 12\n#### 12", True),
        ("12 apples, then 3 more", "#### 12", False),
        ("about 1,200", "1200", True),
        ("", "#### 0", False),
        ("Paris.", "paris", True),
        ("It is Paris", "paris", False),
    ],
)
def test_when_a_general_answer_is_right(said, truth, right):
    assert is_right(said, truth) is right


GSM8K = (
    Path(__file__).parents[3]
    / "shared"
    / "data"
    / "capability_probe"
    / "gsm8k_example_model_solutions.jsonl"
)


@pytest.mark.skipif(not GSM8K.exists(), reason="the public data set capability_probe is not here")
def test_gsm8k_answers_get_their_published_scores():
    rows = [json.loads(line) for line in GSM8K.read_text().splitlines()]
    test = [
        json.loads(line) for line in GSM8K.with_name("gsm8k_test.jsonl").read_text().splitlines()
    ]
    truths = {row["question"]: row["answer"] for row in test}
    published = {
        "6b_finetuning": 286,
        "6b_verification": 515,
        "175b_finetuning": 458,
        "175b_verification": 742,
    }
    for system, count in published.items():
        graded = [is_right(row[system]["solution"], truths[row["question"]]) for row in rows]
        assert sum(graded) == count and graded == [row[system]["is_correct"] for row in rows]
