"""What may be answered alone: promised only where it holds, whatever the clusters; confidence is the model's own."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.prompting import ResponseFormat
from ftkit.core.records.strategy import ANSWER_COLUMNS, StrategySpec
from ftkit.core.statistics import wilson
from ftkit.evaluation import judge, selective_answering
from ftkit.evaluation.selective_answering import allowed, auroc, of, selective
from ftkit.models.local import LocalModel
from ftkit.report.figures import confidence as figures

SPEC = StrategySpec(name="tuned", family="fine-tuned", model="tuned", prompt="p", retriever=False)


def world(n, rng, cluster=1):
    """Answers whose true chance to be right rises with the confidence."""
    groups = np.arange(n) // cluster
    sense = rng.normal(size=n) * 0.6 + rng.normal(size=groups.max() + 1)[groups]
    sure, chance = 1 / (1 + np.exp(-1.2 * sense)), 1 / (1 + np.exp(-(2 * sense + 2)))
    order = np.argsort(-sure)
    return (
        sure[order],
        chance[order],
        (rng.random(n) < chance).astype(float)[order],
        groups[order].astype(str),
    )


@pytest.mark.parametrize("cluster", [1, 4])
def test_a_promise_is_broken_in_at_most_one_of_twenty_worlds_and_is_made_where_it_can_be(cluster):
    rng, broken, shares = np.random.default_rng(4), 0, []
    for _ in range(300):
        sure, chance, right, groups = world(600, rng, cluster)
        size, least = allowed(sure, right, groups, 0.1)
        broken += size > 0 and 1 - chance[:size].mean() > 0.1
        shares.append(size / 600)
        assert (least is None) == (size == 0) and (not size or sure[size - 1] == least)
    assert broken <= 15 and np.mean(shares) > 0.3


def test_with_a_judge_that_misses_wrong_answers_the_promise_still_holds():
    """The judge calls 60% of the wrong answers wrong, and 99% of the right ones right; 150 graded wrong ones tell so."""
    false = {"corrected": 0, "as it is": 0}
    promised = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        sure, chance, right, groups = world(1500, rng)
        says = np.where(right == 1, rng.random(1500) < 0.99, rng.random(1500) > 0.6).astype(float)
        caught = wilson(int(rng.binomial(150, 0.6)), 150).low
        for how, answers in (
            ("corrected", allowed(sure, says, groups, 0.1 * caught, 0.025)[0]),
            ("as it is", allowed(sure, says, groups, 0.1)[0]),
        ):
            false[how] += answers > 0 and (1 - chance[:answers]).mean() > 0.1
            promised += how == "corrected" and answers > 0
    assert false["corrected"] <= 15 < 90 < false["as it is"], false
    assert promised > 60, "and something is still promised"
    found = of(
        SPEC, np.linspace(1, 0.1, 400), np.ones(400), np.arange(400).astype(str), 400, 0.1, 0.5
    )
    assert found.caught == 0.5 and found.alone > 0
    shown = figures.alone(Evaluation.model_construct(results=[], selective=[found]))
    assert "may miss 50% of what is wrong" in shown.layout.title.text.replace("<br>", " ")


def test_curves_that_a_judge_drew_are_corrected():
    """60% of the wrong answers are called wrong, 97% of the right ones right: corrected, the figures hold the truth."""
    held, plain = {"wrong": 0, "auroc": 0, "over": 0}, 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        sure, _, right, groups = world(600, rng)
        says = np.where(right == 1, rng.random(600) < 0.97, rng.random(600) > 0.6).astype(float)
        human = rng.random(300) < 0.6
        check = judge.calibrate(
            "m",
            human.tolist(),
            np.where(human, rng.random(300) < 0.97, rng.random(300) > 0.6).astype(bool).tolist(),
        )
        drawn = Evaluation.model_construct(
            results=[],
            comparisons=[],
            effects=[],
            notes=[],
            selective=[of(SPEC, sure, says, groups, 600, 0.1, check.specificity.low)],
        )
        fixed, true = (
            judge.corrected(drawn, check).selective[0],
            of(SPEC, sure, right, groups, 600, 0.1),
        )
        held["wrong"] += (
            fixed.curve[-1].wrong.low <= true.curve[-1].wrong.value <= fixed.curve[-1].wrong.high
        )
        held["auroc"] += fixed.auroc.low <= true.auroc.value <= fixed.auroc.high
        held["over"] += (
            fixed.overconfidence.low <= true.overconfidence.value <= fixed.overconfidence.high
        )
        plain += (
            drawn.selective[0].overconfidence.low
            <= true.overconfidence.value
            <= drawn.selective[0].overconfidence.high
        )
        assert fixed.alone == drawn.selective[0].alone, "the promise allows for the judge already"
    assert min(held.values()) >= 186 and plain < 60, (held, plain)


def test_a_cluster_counts_as_one_answer_and_few_answers_promise_nothing():
    sure, right = np.linspace(0.99, 0.5, 28), np.ones(28)
    assert allowed(sure, right, np.arange(28), 0.1) == (0, None), "28 right answers do not show 10%"
    sure, right = np.linspace(0.99, 0.5, 200), np.ones(200)
    assert allowed(sure, right, np.arange(200), 0.1)[0] == 200
    assert allowed(sure, right, np.arange(200) // 10, 0.1) == (0, None), (
        "20 clusters do not show it either"
    )


def test_answers_that_are_equally_sure_stay_together():
    sure = np.r_[np.full(150, 0.9), np.full(50, 0.2)]
    size, least = allowed(sure, np.r_[np.ones(150), np.zeros(50)], np.arange(200), 0.1)
    assert (size, least) == (150, 0.9)


@pytest.mark.parametrize("seed", range(3))
def test_the_auroc_is_the_mann_whitney_statistic_and_its_interval_knows_clusters(seed):
    sure, _, right, groups = world(300, np.random.default_rng(seed), 4)
    yes = right > 0
    found = auroc(sure, right, groups)
    assert found.value == pytest.approx(
        mannwhitneyu(sure[yes], sure[~yes]).statistic / (yes.sum() * (~yes).sum())
    )
    assert found.low < found.value < found.high
    copied = [np.repeat(x, 4) for x in (sure, right, np.arange(300))]
    once, four = auroc(sure, right, np.arange(300)), auroc(*copied)
    assert four.high - four.low == pytest.approx(once.high - once.low, rel=1e-3), (
        "copies in one cluster tell nothing more"
    )
    assert auroc(sure, np.ones(300), groups) is None


def table(texts, sure):
    rows = [
        (f"i{k}", "tuned", t, 50, 9, 0.1, [], [], 0, s)
        for k, (t, s) in enumerate(zip(texts, sure, strict=True))
    ]
    return pd.DataFrame([(*r, "answered", "", "", 0) for r in rows], columns=ANSWER_COLUMNS)


def scored(right, missing=()):
    rows = [
        {
            "item_id": f"i{k}",
            "strategy": "tuned",
            "group": f"g{k}",
            "correct": bool(r),
            "missing": k in missing,
        }
        for k, r in enumerate(right)
    ]
    return pd.DataFrame(rows)


def test_answers_without_confidence_are_left_out_and_missing_ones_never_go_alone():
    assert selective([SPEC], table(["a"] * 4, [math.nan] * 4), scored([1] * 4), 0.1) == []
    found = selective(
        [SPEC], table(["a"] * 100, [0.9] * 100), scored([1] * 100, missing=range(20)), 0.1
    )[0]
    assert found.told == 80 and found.alone == 0.8
    assert found.overconfidence.value == pytest.approx(-0.1)
    assert found.curve[-1].coverage == 0.8 and found.curve[-1].wrong.high > 0, (
        "none wrong is an upper bound, not a sure 0"
    )


@pytest.mark.parametrize(
    ("right", "told"),
    [
        (np.ones(200), "may answer 100% of the questions alone, at most 10% wrong"),
        (np.r_[np.ones(120), np.zeros(80)], "go to a person"),
        (np.zeros(200), "should not answer alone (at most 10% wrong)"),
    ],
)
def test_the_picture_says_what_may_be_answered_alone(right, told):
    found = of(SPEC, np.linspace(1, 0.1, 200), right, np.arange(200).astype(str), 200, 0.1)
    shown = figures.alone(Evaluation.model_construct(results=[], selective=[found]))
    assert told in shown.layout.title.text.replace("<br>", " ")
    row = figures.alone_rows(Evaluation.model_construct(results=[], selective=[found]))[0]
    assert (row["may answer alone"] == "none") == (not right.any())


def test_parts_of_like_confidence_tell_how_often_they_are_right():
    rng = np.random.default_rng(4)
    sure = np.sort(rng.uniform(0.05, 0.99, 4000))
    groups = np.arange(4000).astype(str)
    honest = selective_answering.reliability(sure, (rng.random(4000) < sure).astype(float), groups)
    assert len(honest) == 10 and sum(p.answers for p in honest) == 4000
    assert sum(p.right.low <= p.confidence <= p.right.high for p in honest) >= 8, (
        "95% intervals of a calibrated model"
    )
    boast = selective_answering.reliability(
        sure, (rng.random(4000) < sure**3).astype(float), groups
    )
    assert sum(p.confidence > p.right.high for p in boast) >= 6
    ties = selective_answering.reliability(
        np.r_[np.full(70, 0.2), np.full(30, 0.9)], np.ones(100), groups[:100]
    )
    assert [(p.answers, round(p.confidence, 2)) for p in ties] == [(70, 0.2), (30, 0.9)], (
        "equally sure ones stay together"
    )
    few = selective_answering.reliability(sure[:30], np.ones(30), groups[:30])
    assert len(few) == 1 and few[0].answers == 30


@pytest.mark.parametrize(
    ("truth", "told"),
    [
        (lambda s: s, "about as sure as it is right"),
        (lambda s: s / 2, "thinks too well of itself"),
        (lambda s: (1 + s) / 2, "right more often than it thinks"),
        (lambda s: np.full_like(s, s.mean()), "but not in"),
    ],
)
def test_the_picture_says_whether_it_is_as_sure_as_it_is_right(truth, told):
    sure = np.linspace(0.99, 0.02, 2000)
    right = (np.random.default_rng(0).random(2000) < truth(sure)).astype(float)
    found = of(SPEC, sure, right, np.arange(2000).astype(str), 2000, 0.1)
    shown = figures.reliability(Evaluation.model_construct(results=[], selective=[found]))
    assert told in shown.layout.title.text.replace("<br>", " ")


def test_a_local_model_tells_the_probability_of_its_whole_answer(tiny_checkpoint):
    model = LocalModel(tiny_checkpoint("llama"), max_new_tokens=8, threads=1)
    asked = [
        [{"role": "user", "content": text}]
        for text in ("Where is it?", "hello", "a much longer question about the order")
    ]
    for messages, reply in zip(asked, model.answer(asked), strict=True):
        again = model.stream(messages, lambda piece: None)
        assert 0 < reply.confidence < 1 and again.confidence == pytest.approx(
            reply.confidence, rel=1e-3
        )
        if reply.completion_tokens < 8 and reply.text == model.tokenizer.decode(
            model.tokenizer(reply.text)["input_ids"]
        ):
            told = math.exp(sum(value for _, value in model.logprobs(messages, reply.text)))
            assert told == pytest.approx(reply.confidence, rel=1e-2)
    held = ResponseFormat(kind="choice", value=["yes", "no"])
    assert all(0.5 <= r.confidence <= 1 for r in model.answer(asked, None, [held] * 3)), (
        "of two answers one has at least half"
    )
