"""A cascade is chosen on validation, keeps its promise, is made of answers that are there, and costs what both cost."""

import math

import numpy as np
import pandas as pd
import pytest

from benchmarks.cascade import KINDS, simulate
from ftkit.core.errors import BadInput
from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.parameters.files import build
from ftkit.core.records.evaluation import Cascade
from ftkit.core.records.strategy import ANSWER_COLUMNS, StrategySpec
from ftkit.core.records.task import TaskCard
from ftkit.decision.cascade_words import cascade_sentence
from ftkit.evaluation.cascade import (
    MARGIN,
    NAME,
    Pairs,
    choose,
    composed,
    curve,
    on_validation,
    pair,
    score_z,
    thresholds,
    with_cascade,
)
from ftkit.evaluation.conclude import conclude
from ftkit.models.chat import Reply
from ftkit.scoring.score import score
from tests.unit.test_decision import decide
from tests.unit.test_strategies import EXAMPLES, book

SMALL = StrategySpec(
    name="fine-tuned", family="fine-tuned", model="tuned", prompt="p", retriever=False
)
LARGE = StrategySpec(
    name="endpoint", family="endpoint", model="endpoint", prompt="p", retriever=False
)


@pytest.mark.parametrize("kind", ["small 80%, steep", "small 65%, steep", "small 80%, worthless"])
def test_a_threshold_from_200_questions_keeps_its_promise_in_19_of_20_worlds(kind):
    found = simulate(KINDS[kind], 200, 200, 3)
    assert found["broken"] <= 0.05 + 1.96 * math.sqrt(0.05 * 0.95 / 200)


def test_a_worthless_confidence_makes_no_cascade_and_a_telling_one_does():
    assert simulate(KINDS["small 80%, worthless"], 400, 200, 3)["chosen"] <= 0.05
    assert simulate(KINDS["small 80%, steep"], 400, 100, 3)["chosen"] >= 0.5


def made(n=400, seed=0, slope=6.0):
    """Questions of which the small model gets the unsure ones wrong; the large one nearly all right."""
    rng = np.random.default_rng(seed)
    sure = rng.random(n)
    small = (rng.random(n) < 1 / (1 + np.exp(-slope * (sure - 0.3) * 4))).astype(float)
    return Pairs(sure, small, (rng.random(n) < 0.97).astype(float), np.arange(n).astype(str))


def test_no_confidence_and_an_unreachable_wish_are_each_told_apart():
    pairs = made()
    none = Pairs(np.full(400, np.nan), pairs.small, pairs.large, pairs.groups)
    assert choose(none) == ("no confidence", None)
    assert choose(pairs, accuracy=0.999) == ("not shown", None)
    state, least = choose(pairs)
    assert state == "cascade" and least is not None
    assert choose(pairs, most_passed=0.01) == ("too dear", None)
    same = Pairs(pairs.sure, pairs.large, pairs.large, pairs.groups)
    assert choose(same)[0] == "small alone"


def test_answers_without_a_confidence_are_always_passed_on():
    pairs = made()
    sure = np.where(np.arange(400) % 4 == 0, np.nan, pairs.sure)
    state, least = choose(Pairs(sure, pairs.small, pairs.large, pairs.groups))
    assert state == "cascade" and all(math.isfinite(t) for t in thresholds(sure))
    assert least is not None and math.isfinite(least)


def test_tango_z_is_that_of_the_paper():
    """Without a margin it is McNemar's: (b - c) / sqrt(b + c)."""
    assert score_z(12, 4, 100, 0.0) == pytest.approx(8 / 4)


def test_the_curve_runs_from_all_small_to_all_large_and_marks_what_is_dominated():
    pairs = made()
    points = curve(pairs, np.full(400, 0.1), np.full(400, 1.0))
    assert points[0].passed == 0 and points[0].accuracy.value == pytest.approx(pairs.small.mean())
    assert points[-1].passed == 1 and points[-1].accuracy.value == pytest.approx(pairs.large.mean())
    assert [p.passed for p in points] == sorted(p.passed for p in points)
    for k, p in enumerate(points):
        assert p.dominated == any(q.accuracy.value >= p.accuracy.value for q in points[:k])
    assert points[0].seconds_p50 == 0.1 and points[-1].seconds_p95 == 1.0


def test_two_names_are_needed_and_nothing_is_proposed_without_an_endpoint():
    assert pair([SMALL, LARGE], []) == (SMALL, LARGE)
    with pytest.raises(LookupError):
        pair([SMALL], [])
    for wrong in (["fine-tuned"], ["fine-tuned", "fine-tuned"], ["fine-tuned", "gpt"]):
        with pytest.raises(BadInput, match=r"evaluation\.cascade"):
            pair([SMALL, LARGE], wrong)


def run(n=600, latency=(0.1, 1.0)):
    """A labelled task answered by both models; return plan, evaluation, answers and scores with the cascade."""
    pairs = made(n)
    card = TaskCard(name="t", instruction="i", kind="label", labels=["a", "b"])
    ids = [f"q{i}" for i in range(n)]
    items = pd.DataFrame({"id": ids, "input": ids, "output": ["a"] * n, "group": ids})
    rows = []
    for spec, right, sure, seconds in (
        (SMALL, pairs.small, pairs.sure, latency[0]),
        (LARGE, pairs.large, np.full(n, np.nan), latency[1]),
    ):
        for i, item in enumerate(ids):
            text = "a" if right[i] else "b"
            rows.append(
                (item, spec.name, text, 100 + i % 7, 5, seconds, [], [], 0, sure[i])
                + ("answered", "", "", 0)
            )
    answers = pd.DataFrame(rows, columns=ANSWER_COLUMNS)
    scores = score(card, items, answers)
    state, least = choose(pairs)
    plan = Cascade(
        small=SMALL.name,
        large=LARGE.name,
        state=state,  # type: ignore[arg-type]
        least=least,
        validation_items=n,
        margin=MARGIN,
    )
    specs, answers, scores = composed(plan, [SMALL, LARGE], answers, scores)
    found = conclude(specs, card, items, answers, scores, n_resamples=200)
    return plan, with_cascade(found, plan, answers, scores), answers, scores


def test_the_cascade_is_made_of_answers_that_are_there():
    plan, found, answers, _ = run()
    by = {n: t.set_index("item_id") for n, t in answers.groupby("strategy")}
    passed = by[SMALL.name]["confidence"] < plan.least
    assert 0 < passed.mean() < 1
    expected = by[SMALL.name]["text"].where(~passed, by[LARGE.name]["text"])
    assert (by[NAME]["text"] == expected).all()
    assert by[NAME]["latency_s"].to_numpy() == pytest.approx(np.where(passed, 1.1, 0.1))
    mine = next(r for r in found.results if r.spec.name == NAME)
    assert mine.cascade is not None and mine.cascade.passed is not None
    assert mine.cascade.passed.value == pytest.approx(passed.mean())
    asked = by[LARGE.name][passed]["prompt_tokens"].mean()
    assert mine.cascade.parts[1].prompt_tokens_mean == pytest.approx(asked)
    assert {c.a for c in found.comparisons} | {c.b for c in found.comparisons} >= {NAME}


def test_a_cascade_costs_the_small_model_for_all_and_the_large_one_for_what_is_passed_on():
    from ftkit.decision import cost_model
    from tests.unit.test_decision import DATA

    _, found, _, _ = run()
    p = DecisionParameters(data_may_leave=True, answers_per_month=1_000_000)
    s = cost_model.setting(cost_model.listed(p, {}, False), None, DATA, 1000)
    mine = next(r for r in found.results if r.spec.name == NAME)
    assert mine.cascade is not None and mine.cascade.passed is not None
    small, large = mine.cascade.parts
    price = s.price["endpoint_usd_per_million_input_tokens"] * large.prompt_tokens_mean
    price += s.price["endpoint_usd_per_million_output_tokens"] * large.completion_tokens_mean
    by_hand = cost_model.running_usd(small, s) + mine.cascade.passed.value * price
    assert cost_model.running_usd(mine, s) == pytest.approx(by_hand)


def test_a_cascade_enters_gates_and_verdict_and_is_as_private_as_its_large_model():
    _, found, _, _ = run()
    open_ = decide(found, data_may_leave=True)
    shut = decide(found, data_may_leave=False)
    state = {g.gate: g.state for g in shut.gates if g.strategy == NAME}
    assert state["privacy"] == "failed" and NAME in {c.strategy for c in open_.costs}


def test_parameters_of_a_cascade_are_checked():
    with pytest.raises(BadInput):
        build("evaluation", {"cascade_most_passed": 0})
    with pytest.raises(BadInput):
        build("evaluation", {"cascade_accuracy": 1.5})


def test_page_one_says_what_the_cascade_brings_with_its_bill_or_why_none_pays():
    plan, found, _, _ = run()
    dear = {"endpoint_usd_per_million_input_tokens": 200.0, "seed_sd_points": 0.0}
    d = decide(found, data_may_leave=True, answers_per_month=1_000_000, prices=dear)
    said = cascade_sentence(found, d)
    passed = round(100 * found.cascade.passed.value)
    assert said.startswith(f"Answer {100 - passed}% with fine-tuned, pass {passed}% on to endpoint")
    usd = {c.strategy: c.per_1000_answers_usd for c in d.costs}
    assert said.endswith(f"at {usd[NAME] / usd['endpoint']:.0%} of its bill.")
    free = decide(found, data_may_leave=True, answers_per_month=100)
    assert cascade_sentence(found, free).startswith("No cascade pays here: its monthly bill is")
    for state in ("no confidence", "confidence tells nothing", "not shown", "small alone"):
        none = found.model_copy(update={"cascade": plan.model_copy(update={"state": state})})
        assert cascade_sentence(none).startswith("No cascade pays here: ")


class Model:
    """Answers from a table; tells its confidence where it has one; loses some replies on the way."""

    def __init__(self, right, sure, lost=()):
        self.right, self.sure, self.lost = right, sure, lost

    def answer(self, conversations, progress=None, formats=()):
        texts = ["a" if right else "b" for right in self.right]
        return [
            Reply("" if i in self.lost else text, 9, 1, 0.1, confidence=float(sure))
            if i not in self.lost
            else Reply("", outcome="not_delivered")
            for i, (text, sure) in enumerate(zip(texts, self.sure, strict=True))
        ]


@pytest.mark.parametrize(("lost", "state"), [((), "cascade"), (range(400), "not shown")])
def test_validation_is_asked_once_and_a_lost_answer_is_nobodys_mistake(lost, state):
    pairs, ids = made(), [f"v{i}" for i in range(400)]
    items = pd.DataFrame({"id": ids, "input": ids, "output": ["a"] * 400, "group": ids})
    card = TaskCard(name="t", instruction="i", kind="label", labels=["a", "b"])
    models = {
        "tuned": Model(pairs.small, pairs.sure),
        "endpoint": Model(pairs.large, np.full(400, np.nan), [*lost, 0, 1]),
    }
    zero = {"prompt": "zero"}
    specs = [SMALL.model_copy(update=zero), LARGE.model_copy(update=zero)]
    parts = {"book": book(), "examples": EXAMPLES, "searcher": None, "progress": lambda n: None}
    plan = on_validation(
        specs, card, items, build("evaluation", {}), models.__getitem__, parts, None
    )
    assert plan is not None and plan.state == state
    assert plan.validation_items == (0 if lost else 398)
    assert on_validation(specs[:1], card, items, build("evaluation", {}), {}.get, parts) is None
