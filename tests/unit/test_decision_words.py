"""Sentences are true of the records they are made from: thousands of generated decisions, read by rules."""

import re

import numpy as np
from test_decision import DATA, FAMILIES, SUITABILITY, TRAINING

from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import Comparison, Evaluation, StrategyResult
from ftkit.core.records.strategy import StrategySpec
from ftkit.decision import words
from ftkit.decision.case import Case, Inputs
from ftkit.decision.decide import verdict

RECORDS = 5000


def share(rng, value, n):
    half = 1.96 * float(np.sqrt(max(value * (1 - value), 0.01) / n))
    return Estimate(
        value=value, low=max(0.0, value - half), high=min(1.0, value + half), n=n, method="made"
    )


def evaluation(rng):
    n = int(rng.choice([30, 100, 300, 1000, 5000]))
    names = rng.permutation(list(FAMILIES))[: rng.integers(1, 7)].tolist()
    right = np.clip(rng.uniform(0.3, 0.97) + rng.normal(0, 0.05, len(names)), 0.01, 0.99)
    if rng.random() < 0.2:
        right[:] = right[0]
    results = []
    for name, value in zip(names, right, strict=True):
        model, retriever = FAMILIES[name]
        spec = StrategySpec(name=name, family=name, model=model, prompt="z", retriever=retriever)
        accuracy = share(rng, float(value), n)
        results.append(
            StrategyResult(
                spec=spec,
                accuracy=accuracy,
                partial=accuracy,
                format_ok=share(rng, float(rng.choice([0.9, 0.96, 0.99, 1.0])), n),
                unsupported=share(rng, float(rng.choice([0.0, 0.01, 0.04, 0.3])), n)
                if rng.random() < 0.5
                else None,
                missing=0,
                prompt_tokens_mean=200,
                completion_tokens_mean=20,
                seconds_per_answer=float(rng.choice([0.05, 0.5, 20.0])),
            )
        )
    error = float(rng.uniform(0.3, 0.8) / np.sqrt(n))
    pairs = []
    for i, a in enumerate(results):
        for b in results[i + 1 :]:
            gap = a.accuracy.value - b.accuracy.value
            d = Estimate(
                value=gap, low=gap - 1.96 * error, high=gap + 1.96 * error, n=n, method="made"
            )
            pairs.append(
                Comparison(
                    a=a.spec.name,
                    b=b.spec.name,
                    difference=d,
                    p_value=0.5,
                    p_adjusted=0.5,
                    wins=0,
                    losses=0,
                    error=error,
                    df=float(rng.integers(3, 500)),
                    parts={"items": error**2},
                )
            )
    looks = int(rng.choice([1, 1, 2, 5]))
    return Evaluation(
        results=results,
        comparisons=pairs,
        test_items=n,
        test_accesses=[],
        duration_s=1,
        looks=looks,
    )


def made(rng):
    values = {
        "right_answer_usd": float(10 ** rng.uniform(-3, 1)),
        "wrong_answer_usd": float(10 ** rng.uniform(-3, 1)),
        "seed_sd_points": float(rng.choice([0, 2])),
    }
    p = DecisionParameters(
        prices=values if rng.random() < 0.8 else {},
        min_accuracy=float(rng.choice([0.0, 0.3, 0.6])),
        answers_per_month=int(10 ** rng.uniform(2, 6)),
        data_may_leave=bool(rng.random() < 0.5),
        facts_change=str(rng.choice(["never", "monthly", "daily"])),
    )
    training = TRAINING.model_copy(
        update={"parameters": int(rng.choice([20_000_000, 7_000_000_000]))}
    )
    return verdict(Case(Inputs(evaluation(rng), training, DATA, SUITABILITY), p))


def check(d):
    said = words.sentence(d)
    cost = {c.strategy: c for c in d.costs}
    right = {n: c.accuracy.value for n, c in cost.items()}
    # No verdict buys a gain whose interval holds what it costs.
    if d.kind == "chosen":
        for x in d.pairs:
            if x.extra_usd > 0 and not x.barred:
                assert x.net_low_usd > 0 and x.beaten, (d.strategy, x)
        assert d.strategy not in d.barred and f"Use {d.strategy}" in said
        if d.basis == "proven":
            assert all(x.net_high_usd <= 0 or x.barred or x.net_low_usd > -1e300 for x in d.pairs)
            assert not d.rivals
    # "ahead" never names a strategy of lower measured accuracy.
    ahead = re.search(r"yet: ([\w-]+) is ahead", said)
    if ahead:
        assert right[ahead.group(1)] == max(right.values())
    # Nothing said of dearer ones passes over those that are barred and would bring more.
    if "no dearer strategy" in said:
        for x in d.pairs:
            if x.barred and x.net_usd < 0:
                assert x.other in said and "barred" in said
            if not x.barred and x.extra_usd > 0:
                raise AssertionError("it does not cost least")
    # Fewer than four in five draws agree: the sentence says so and names the alternative.
    if d.kind != "none" and d.holds_share is not None and d.holds_share < 0.8:
        assert f"Only {d.holds_share:.0%}" in said
        assert d.alternative in said or d.alternative in ("none", "can't tell yet")
    for c in d.costs:
        if c.first_year_low_usd is not None:
            assert c.first_year_low_usd <= c.first_year_usd <= c.first_year_high_usd, c.strategy
    if d.kind == "none":
        assert set(d.barred) == set(cost) and d.best_measured in said and d.fit != "alone"
    if d.advised is not None:
        assert d.basis == "open gate" or d.advised.worth_usd > d.advised.cost_usd
    assert (d.fit == "alone") == (not d.unfit_gates)
    assert "nan" not in said and "  " not in said and said.endswith(".")
    assert ".." not in said
    words.reasons(d), words.next_steps(d), words.headline(d), words.fitness(d)


def test_no_sentence_is_false_of_any_generated_record():
    rng, kinds = np.random.default_rng(32), {}
    for _ in range(RECORDS):
        d = made(rng)
        check(d)
        key = (d.kind, d.basis, d.advice)
        kinds[key] = kinds.get(key, 0) + 1
    assert {k for k, _, _ in kinds} == {"chosen", "none", "can't tell"}
    assert {"proven", "best bet", "only one", "rivals", "open gate"} <= {b for _, b, _ in kinds}
    assert {"labels", "stop", "prices", "mend", "use it"} <= {a for _, _, a in kinds}
