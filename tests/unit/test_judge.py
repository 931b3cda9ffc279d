"""A judge: asked in both orders, held against people, refused where it is no better than chance, corrected where it errs."""

import json

import judges
import numpy as np
import pandas as pd
import pytest

from ftkit.core.errors import BadInput, FtkitError
from ftkit.core.parameters.evaluation import EvaluationParameters
from ftkit.core.records.strategy import ANSWER_COLUMNS, StrategySpec
from ftkit.core.records.task import TaskCard
from ftkit.core.statistics import mean_interval, paired_difference
from ftkit.evaluation import judge, judge_scores
from ftkit.evaluation.conclude import conclude
from ftkit.evaluation.judge import corrected
from ftkit.models.chat import Reply
from ftkit.scoring.score import score

CARD = TaskCard(name="t", instruction="Answer the question.", kind="text")


class Fixed:
    """A judge that replies by a function of the question."""

    name = "fixed"

    def __init__(self, reply):
        self.reply, self.asked = reply, []

    def answer(self, conversations, progress=None, formats=()):
        self.asked += conversations
        return [Reply(self.reply(c[-1]["content"])) for c in conversations]


def test_each_answer_is_judged_in_both_orders_and_right_only_if_both_say_so():
    first_wins = Fixed(
        lambda text: "Right." if text.index("Answer:") < text.index("Reference:") else "wrong"
    )
    said, swapped = judge.verdicts(first_wins, [("q", "ref", "a")] * 3, "task")
    assert said == [False] * 3 and swapped == 1.0 and len(first_wins.asked) == 6
    assert (
        "Reference: ref" in first_wins.asked[0][-1]["content"]
        and "Question: q" in first_wins.asked[0][-1]["content"]
    )
    said, swapped = judge.verdicts(Fixed(lambda text: "right"), [("q", "ref", "a")], "task")
    assert said == [True] and swapped == 0.0


def test_a_judge_that_talks_nonsense_is_told():
    with pytest.raises(FtkitError, match="gave no verdict to 2 of 2 questions"):
        judge.verdicts(Fixed(lambda text: "It depends"), [("q", "ref", "a")], "task")


def test_a_judge_no_better_than_chance_is_refused():
    rng = np.random.default_rng(0)
    human = [bool(x) for x in rng.random(100) < 0.5]
    for judged in ([True] * 100, [bool(x) for x in rng.random(100) < 0.5]):
        with pytest.raises(FtkitError, match="no better than chance"):
            judge.calibrate("m", human, judged)


def test_kappa_and_rates_are_the_textbook_ones():
    """20 both yes, 5 human only, 10 judge only, 15 both no: kappa 0.4 (Cohen's example as in every textbook)."""
    human, judged = (
        [True] * 25 + [False] * 25,
        [True] * 20 + [False] * 5 + [True] * 10 + [False] * 15,
    )
    check = judge.calibrate("m", human, judged)
    assert (
        check.kappa == pytest.approx(0.4)
        and check.sensitivity.value == 0.8
        and check.specificity.value == 0.6
    )


def test_the_corrected_interval_holds_the_truth_where_the_judged_one_does_not():
    rng, held, naive, gap_held = np.random.default_rng(3), 0, 0, 0
    rounds, sensitivity, specificity = 200, 0.9, 0.75
    for _ in range(rounds):
        base = rng.random(300)
        a, b = base < 0.6, base + rng.normal(0, 0.1, 300) < 0.45
        human = rng.random(200) < 0.5

        def see(truth):
            return np.where(
                truth, rng.random(len(truth)) < sensitivity, rng.random(len(truth)) > specificity
            )

        check = judge.calibrate("m", human.tolist(), see(human).tolist())
        seen = [see(x).astype(float) for x in (a, b)]
        raw = mean_interval(seen[0].tolist(), list(range(300)), 200)
        share = judge.corrected_share(raw, check)
        held += share.low <= 0.6 <= share.high
        naive += raw.low <= 0.6 <= raw.high
        difference = judge.corrected_difference(
            paired_difference(seen[0], seen[1], list(range(300)), 200), check
        )
        gap_held += difference.low <= 0.6 - 0.45 <= difference.high
    assert held >= 0.92 * rounds and gap_held >= 0.92 * rounds and naive < 0.75 * rounds


LABELS = [
    {
        "input": f"q{i}",
        "output": "Paris",
        "answer": "It is Paris" if i % 2 else "Rome",
        "right": "yes" if i % 2 else "no",
    }
    for i in range(40)
]


@pytest.fixture
def server(monkeypatch):
    """A judge behind HTTP that knows one city, and what it was asked."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with judges.served(
        lambda text: "right" if "Paris" in text.split("Answer: ")[1].split("\n")[0] else "wrong"
    ) as found:
        yield found


def table(name, texts):
    rows = [
        (f"t{i}", name, text, 1, 1, 0.1, [], [], 0, float("nan")) for i, text in enumerate(texts)
    ]
    return pd.DataFrame([(*r, "answered", "", "", 0) for r in rows], columns=ANSWER_COLUMNS)


def test_free_text_is_scored_by_the_judge_and_corrected(server, tmp_path):
    url, seen = server
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in LABELS))
    items = pd.DataFrame(
        {
            "id": [f"t{i}" for i in range(20)],
            "input": [f"q{i}" for i in range(20)],
            "output": "Paris",
            "group": [f"g{i}" for i in range(20)],
        }
    )
    answers = pd.concat(
        [
            table("one", ["Why, Paris of course"] * 12 + [""] * 2 + ["Rome"] * 6),
            table("two", ["Rome"] * 20),
        ],
        ignore_index=True,
    )
    scores = score(CARD, items, answers)
    assert not scores["correct"].any()  # the exact text is never given
    p = EvaluationParameters(
        judge_url=url, judge_model="m", judge_labels=str(path), n_resamples=200
    )
    judged, check = judge_scores.judged(
        CARD, items, answers, scores, p, tmp_path, lambda label: lambda done, total: None
    )
    assert (
        judged["correct"].tolist() == [True] * 12 + [False] * 28
        and check is not None
        and check.kappa == 1.0
    )
    asked = len(seen)
    # both orders: 40 labels, and 38 answers less 6 said by both strategies and 10 that stand among the labels
    assert asked == 2 * (40 + 38 - 6 - 10)
    judge_scores.judged(
        CARD, items, answers, scores, p, tmp_path, lambda label: lambda done, total: None
    )
    assert len(seen) == asked  # a second run asks nothing again
    specs = [
        StrategySpec(name=n, family="prompting", model="base", prompt="p", retriever=False)
        for n in ("one", "two")
    ]
    plain = conclude(specs, CARD, items, answers, judged, n_resamples=200)
    result = corrected(plain, check)
    one, before = result.results[0].accuracy, plain.results[0].accuracy
    assert one.value == pytest.approx(0.6) and one.high - one.low > before.high - before.low
    assert (
        result.judge == check
        and "kappa 1.00" in result.notes[0]
        and result.comparisons[0].difference.value == pytest.approx(0.6)
    )
    assert f": {asked} answers with" in result.notes[0] and "cost" in check.bill
    dear = p.model_copy(update={"judge_most_usd": 1e-6, "judge_prices": [1000.0, 1000.0]})
    with pytest.raises(
        FtkitError,
        match=r"is used up.*evaluation\.judge_most_usd|evaluation\.judge_most_usd.*is used up",
    ):
        judge_scores.judged(
            CARD,
            items,
            answers,
            scores,
            dear,
            tmp_path / "dear",
            lambda label: lambda done, total: None,
        )
    assert "graded by hand" in result.notes[0] and judge.worth(one) < judge.worth(before) < 30
    assert corrected(plain, None) is plain


@pytest.mark.parametrize("path", ["", "gone.csv"])
def test_a_judge_without_human_grades_is_refused(path):
    p = EvaluationParameters(judge_url="http://h/v1", judge_model="m", judge_labels=path)
    with pytest.raises(BadInput, match="no file of human grades"):
        judge_scores.judged(CARD, None, None, None, p, None, None)


def test_without_a_judge_scores_stay_as_they_are():
    scores = pd.DataFrame({"correct": [True]})
    assert judge_scores.judged(CARD, None, None, scores, EvaluationParameters(), None, None) == (
        scores,
        None,
    )


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"input": "q"}] * 40, "no column 'output'"),
        (LABELS[:10], "holds 10 labels"),
        ([*LABELS[:39], {**LABELS[39], "right": "maybe"}], "right is 'maybe'"),
        ([r for r in LABELS if r["right"] == "yes"] * 2, "40 of them right"),
    ],
)
def test_labels_that_cannot_be_used_are_told(tmp_path, rows, told):
    path = tmp_path / "labels.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    with pytest.raises(BadInput, match=told):
        judge_scores.read_labels(path)
