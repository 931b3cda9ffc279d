"""Verdicts on planted truths: winners, ties, gates, prices, and what would flip them."""

import numpy as np
import pytest

from ftkit.core.errors import BadInput
from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.prices import prices
from ftkit.core.records.base import Estimate
from ftkit.core.records.data import DataCard
from ftkit.core.records.decision import Gate
from ftkit.core.records.evaluation import Comparison, Evaluation, SingleRequests, StrategyResult
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.records.task import Suitability
from ftkit.core.records.training import TrainingCard
from ftkit.core.statistics import mean_interval, wilson
from ftkit.decision import gates, words
from ftkit.decision.decide import decide as decide_decide
from ftkit.decision.decide import examples_for_gate
from ftkit.decision.forecast_check import forecast_check
from ftkit.evaluation.comparisons import compare
from ftkit.scoring import score

FAMILIES = {
    "prompting": ("base", False),
    "few-shot": ("base", False),
    "RAG": ("base", True),
    "fine-tuned": ("tuned", False),
    "hybrid": ("tuned", True),
    "endpoint": ("endpoint", False),
}
DATA = DataCard(
    file="f",
    file_sha256="",
    encoding="UTF-8",
    rows_read=1000,
    rows_rejected=0,
    rows_used=1000,
    defects=[],
    splits={"train": 700, "validation": 100, "test": 200},
    input_words_p50=1,
    input_words_p95=1,
    output_words_p50=1,
    output_words_p95=1,
    leakage_before={},
    leakage_after={},
    volume_verdict="",
    detectable_points=9,
)
SUITABILITY = Suitability(
    expected="hybrid",
    sentence="We expect the hybrid.",
    reasons=[],
    difference_points=5,
    test_examples_needed=626,
    discordant_share=0.2,
)


def test_tuning_does_not_win_because_the_base_was_cut_off():
    """Replies of the base that a room cut off might all have been right: the verdict waits, and says what to raise."""
    accuracies = {"prompting": 0.05, "fine-tuned": 0.9}
    cut = {"outcomes": {"cut_off": 0.95}, "cut_off_by": {"thinking_tokens": 0.95}}
    chosen, waits = decide(world(accuracies)), decide(world(accuracies, prompting=cut))
    assert chosen.verdict == "fine-tuned" and waits.verdict == "can't tell yet"
    gate = next(g for g in waits.gates if g.gate == "cut off" and g.state == "can't tell")
    assert gate.strategy == "prompting" and "raise thinking_tokens" in gate.detail
    loops = {"outcomes": {"cut_off": 0.95}, "cut_off_by": {}}  # more room would bring more of it
    assert decide(world(accuracies, prompting=loops)).verdict == "fine-tuned"


def world(accuracies, n=2000, seed=0, general=None, **figures):
    """An evaluation with planted accuracies; ``figures`` overrides a strategy's result by family."""
    import pandas as pd

    rng, rows = np.random.default_rng(seed), []
    ability = rng.permutation((np.arange(n) + 0.5) / n)
    for name, accuracy in accuracies.items():
        noise = rng.permutation((np.arange(n) + 0.5) / n)
        right = np.where(rng.random(n) < 0.7, ability, noise) < accuracy
        rows += [
            (f"i{k}", name, f"i{k}", bool(r), float(r), "strict", None, False)
            for k, r in enumerate(right)
        ]
    scores = pd.DataFrame(rows, columns=score.SCORE_COLUMNS)
    results = [
        result(name, scores, **figures.get(name.replace("-", "_"), {})) for name in accuracies
    ]
    regression = (
        []
        if general is None
        else [
            Comparison(
                a="tuned", b="base", difference=general, p_value=1, p_adjusted=1, wins=0, losses=0
            )
        ]
    )
    return Evaluation(
        results=results,
        comparisons=compare(scores, n_resamples=1000),
        regression=regression,
        test_items=n,
        test_accesses=[],
        duration_s=1,
    )


def result(name, scores, **more):
    model, retriever = FAMILIES[name]
    right = scores[scores["strategy"] == name]["correct"].astype(float)
    figures = {
        "format_ok": share(0.98),
        "unsupported": share(0.02),
        "missing": 0,
        "prompt_tokens_mean": 200.0,
        "completion_tokens_mean": 20.0,
        "seconds_per_answer": 0.05,
    }
    spec = StrategySpec(name=name, family=name, model=model, prompt="zero", retriever=retriever)
    accuracy = mean_interval(right)
    return StrategyResult(spec=spec, accuracy=accuracy, partial=accuracy, **{**figures, **more})


def share(value, half=0.02, n=200):
    return Estimate(
        value=value, low=max(0, value - half), high=min(1, value + half), n=n, method="planted"
    )


def decide(case, suitability=SUITABILITY, training=None, **parameters):
    limits = {"min_accuracy": 0.3, "prices": {"seed_sd_points": 0.0}} | parameters
    return decide_decide(case, training, DATA, suitability, DecisionParameters(**limits))


def test_a_planted_winner_is_chosen_with_its_price():
    d = decide(world({"prompting": 0.5, "RAG": 0.6, "fine-tuned": 0.6, "hybrid": 0.8}))
    said = words.sentence(d)
    assert d.verdict == "hybrid" == d.strategy and d.kind == "chosen" and d.basis == "proven"
    assert "Use hybrid" in said and "more than RAG" in said and "more in the first year" in said
    assert any(r.startswith("hybrid is worth more than prompting") for r in words.reasons(d))
    assert any("hybrid was expected, as measured" in r for r in words.reasons(d))
    assert d.fit == "alone" and words.headline(d) == "Best of 4: hybrid"


def test_the_margin_of_a_pair_is_the_gain_that_pays_for_its_extra_cost():
    case, own = world({"prompting": 0.70, "hybrid": 0.74}, 20_000), {"seed_sd_points": 0.0}
    cheap = decide(case, prices=own | {"right_answer_usd": 0.05, "wrong_answer_usd": 0.05})
    assert cheap.strategy == "prompting", "4 points of 600,000 answers at 0.10 USD are 2,400 USD"
    dear = decide(case, prices=own | {"right_answer_usd": 3.0, "wrong_answer_usd": 6.0})
    (pair,) = dear.pairs
    assert dear.strategy == "hybrid" and pair.beaten
    assert pair.break_even_points == pytest.approx(100 * pair.extra_usd / (600_000 * 9))
    assert pair.net_usd == pytest.approx(600_000 * 9 * pair.gain.value - pair.extra_usd)


def test_a_tie_goes_to_the_cheapest_where_answers_are_worth_little():
    own = {"seed_sd_points": 0.0, "right_answer_usd": 0.02, "wrong_answer_usd": 0.02}
    d = decide(
        world({"prompting": 0.7, "RAG": 0.7, "fine-tuned": 0.7, "hybrid": 0.7}, 4000), prices=own
    )
    assert d.verdict == "prompting" and d.basis in ("proven", "best bet")
    assert any("prompting was measured to be the choice" in r for r in words.reasons(d))


def test_a_tie_on_few_items_cannot_be_told_and_says_what_would_settle_it():
    d = decide(world({"prompting": 0.62, "hybrid": 0.72}, 100, seed=0))
    assert d.verdict == "can't tell yet" and d.strategy is None and d.leading == "hybrid"
    assert d.advice == "labels" and d.advised is not None
    assert d.advised.cost_usd == pytest.approx(d.advised.amount * 3 / 60 * 60)
    assert d.advised.worth_usd > d.advised.cost_usd and d.advised.settles >= 0.75
    assert "more test questions: costs about" in words.sentence(d)
    assert words.next_steps(d)[0].startswith("Label ")


def test_the_promised_number_of_examples_settles_it_as_often_as_it_says():
    few = decide(world({"prompting": 0.62, "hybrid": 0.72}, 100, seed=4))
    assert few.verdict == "can't tell yet" and few.advised
    settled = [
        decide(
            world({"prompting": 0.62, "hybrid": 0.72}, 100 + few.advised.amount, seed=s).model_copy(
                update={"looks": 2}
            )
        ).verdict
        != "can't tell yet"
        for s in range(20)
    ]
    assert sum(settled) >= 14


def test_finding_out_is_no_advice_where_it_costs_more_than_it_is_worth():
    own = {"right_answer_usd": 0.01, "wrong_answer_usd": 0.01, "seed_sd_points": 0.0}
    d = decide(world({"prompting": 0.68, "RAG": 0.68}, 150), prices=own)
    assert d.strategy == "prompting" and d.advised is None
    assert d.expected_regret_usd < 50 * 3, "fifty labels cost more than all that could be gained"


@pytest.mark.parametrize(
    ("figures", "gate"),
    [
        ({"format_ok": share(0.6)}, "format"),
        ({"unsupported": share(0.7)}, "hallucination"),
        ({"seconds_per_answer": 60.0}, "latency"),
    ],
)
def test_a_failed_gate_excludes_the_winner(figures, gate):
    d = decide(world({"prompting": 0.5, "RAG": 0.6, "hybrid": 0.8}, hybrid=figures))
    assert d.verdict == "RAG"
    assert [g.state for g in d.gates if g.strategy == "hybrid" and g.gate == gate] == ["failed"]
    assert any(r.startswith("hybrid is out") for r in words.reasons(d))


@pytest.mark.parametrize(("p95", "state"), [(9.0, "passed"), (11.0, "failed")])
def test_the_time_gate_reads_what_one_client_waits_and_not_the_mean_of_batches(p95, state):
    single = SingleRequests(requests=20, p50_s=1.0, p95_s=p95)
    d = decide(
        world({"prompting": 0.5, "hybrid": 0.8}, hybrid={"single_requests": single}),
        max_seconds_per_answer=10.0,
    )
    (gate,) = [g for g in d.gates if g.strategy == "hybrid" and g.gate == "latency"]
    assert gate.state == state and f"within {p95:.2g} s" in gate.detail


@pytest.mark.parametrize(
    ("low", "high", "state"),
    [
        (3.0, 8.0, "passed"),
        (6.0, 14.0, "can't tell"),
        (11.0, 20.0, "failed"),
        (0.0, None, "can't tell"),
    ],
)
def test_few_requests_settle_the_time_gate_only_where_their_whole_interval_does(low, high, state):
    single = SingleRequests(requests=9, p50_s=5.0, p95_s=8.0, p95_low_s=low, p95_high_s=high)
    result = world({"hybrid": 0.8}, hybrid={"single_requests": single}).results[0]
    assert gates.latency(result, DecisionParameters(max_seconds_per_answer=10.0)).state == state


def test_a_wait_that_may_be_too_long_is_never_blamed_on_the_test_set():
    single = SingleRequests(requests=9, p50_s=5.0, p95_s=8.0, p95_low_s=6.0, p95_high_s=14.0)
    d = decide(world({"prompting": 0.5, "hybrid": 0.8}, hybrid={"single_requests": single}))
    said = words.sentence(d)
    assert d.basis == "open gate" and "the timed requests can't say whether hybrid" in said
    assert "test the load of its server" in said and "test set of sensible size" not in said


def test_a_gate_that_the_interval_straddles_is_neither_passed_nor_failed():
    d = decide(world({"prompting": 0.5, "hybrid": 0.8}, hybrid={"format_ok": share(0.95, 0.03)}))
    (gate,) = [g for g in d.gates if g.strategy == "hybrid" and g.gate == "format"]
    assert gate.state == "can't tell" and gate.passed is None
    assert (
        d.verdict == "can't tell yet"
        and d.leading == "hybrid"
        and d.basis == "open gate"
        and "limit on answers in the right format" in words.sentence(d)
    )


def test_a_share_with_no_failure_asks_for_the_examples_that_show_it():
    few = wilson(54, 54)  # as 100 items in clusters are worth
    gate = Gate(
        strategy="tuned", gate="format", passed=None, detail="", state="can't tell", limit=0.95
    )
    (r,) = world(
        {"fine-tuned": 0.85}, 100, fine_tuned={"format_ok": few.model_copy(update={"n": 100})}
    ).results
    more = examples_for_gate(gate, r)
    assert 30 <= more <= 40
    assert wilson(54 * (100 + more) / 100, 54 * (100 + more) / 100).low >= 0.95
    assert wilson(54 * 1.3, 54 * 1.3).low < 0.95


def test_a_straddling_gate_of_a_loser_does_not_matter():
    assert (
        decide(
            world({"prompting": 0.5, "hybrid": 0.8}, prompting={"format_ok": share(0.95, 0.03)})
        ).verdict
        == "hybrid"
    )


def test_a_regression_beyond_the_margin_excludes_the_tuned_model():
    lost = Estimate(value=-0.3, low=-0.4, high=-0.2, n=100, method="planted")
    d = decide(world({"prompting": 0.5, "RAG": 0.6, "hybrid": 0.8}, general=lost))
    assert d.verdict == "RAG"
    unsure = Estimate(value=-0.08, low=-0.15, high=-0.01, n=100, method="planted")
    d = decide(world({"prompting": 0.5, "RAG": 0.6, "hybrid": 0.8}, general=unsure))
    assert (
        d.verdict == "can't tell yet" and "probe_items" in words.sentence(d) and d.advised is None
    )
    held = Estimate(value=-0.02, low=-0.06, high=0.02, n=100, method="planted")
    assert (
        decide(world({"prompting": 0.5, "RAG": 0.6, "hybrid": 0.8}, general=held)).verdict
        == "hybrid"
    )


def test_a_regression_that_was_not_measured_is_said_and_put_on_the_list():
    d = decide(world({"prompting": 0.5, "hybrid": 0.8}))
    assert d.verdict == "hybrid" and any(
        "Not measured for hybrid: regression" in r for r in words.reasons(d)
    )
    assert any("Measure before going live: regression" in s for s in words.next_steps(d))


def test_an_endpoint_is_out_where_inputs_may_not_leave():
    case = world({"prompting": 0.5, "hybrid": 0.7, "endpoint": 0.9})
    assert decide(case).verdict == "hybrid"
    told = words.sensitivity(decide(case))
    assert "data may leave of True (now False): endpoint would be chosen" in told
    assert decide(case, data_may_leave=True).verdict == "endpoint"


def test_nothing_is_good_enough_where_all_fail():
    d = decide(world({"prompting": 0.1, "hybrid": 0.15}))
    assert (
        d.verdict == "none"
        and d.strategy is None
        and "Use none of them alone yet" in words.sentence(d)
    )
    assert words.sentence(d).count("%") == 2, "what it reached, and what is needed, once each"
    assert "(at least 30% must be right)" in words.sentence(d)
    assert not any("worth more" in reason for reason in words.reasons(d))


def test_one_strategy_alone_can_be_chosen():
    assert decide(world({"prompting": 0.8})).verdict == "prompting"


def test_changing_facts_and_requirements_make_tuning_dearer():
    case = world({"prompting": 0.5, "fine-tuned": 0.8, "hybrid": 0.8}, 4000)
    low = {"prices": {"seed_sd_points": 0, "right_answer_usd": 0.1, "wrong_answer_usd": 0.1}}
    calm_one = decide(case, facts_change="never", **low)
    calm = {c.strategy: c for c in calm_one.costs}
    assert calm["fine-tuned"].first_year_usd < calm["hybrid"].first_year_usd
    assert calm_one.verdict == "fine-tuned"
    restless = decide(case, facts_change="daily", **low)
    assert restless.verdict == "hybrid", "facts in the weights mean a re-tuning a month"
    by_name = {c.strategy: c for c in restless.costs}
    assert by_name["fine-tuned"].updates_per_year == 12, "nobody trains every day"
    assert by_name["hybrid"].updates_per_year == 1
    weekly = decide(case, facts_change="never", requirements_change="weekly", **low)
    assert {c.strategy: c for c in weekly.costs}["fine-tuned"].first_year_usd > calm[
        "fine-tuned"
    ].first_year_usd + 10_000
    worth = decide(case, facts_change="never", requirements_change="weekly")
    assert any("speaks against tuning" in r for r in words.reasons(worth))


TRAINING = TrainingCard(
    method="lora",
    base="b",
    base_sha256="",
    adapter="training/adapter",
    parameters=8_000_000_000,
    trainable_parameters=1,
    examples=1,
    general_examples=0,
    epochs=1,
    steps=1,
    tokens=1,
    duration_s=7200,
    peak_memory_gib=1,
    log=[],
    best_validation_loss=1,
    stopped_early=False,
    verdict="learnt",
    advice="",
    loss_sample=[],
)


def test_costs_add_up_from_their_prices():
    d = decide(
        world({"prompting": 0.5, "hybrid": 0.8}),
        training=TRAINING,
        facts_change="never",
        answers_per_month=10_000,
    )
    costs = {c.strategy: c for c in d.costs}
    assert costs["prompting"].one_off_usd == pytest.approx(40 * 60)
    assert costs["hybrid"].one_off_usd == pytest.approx((40 + 40 + 80 + 800 * 3 / 60) * 60 + 2 * 5)
    upkeep = (8 + 0.1 * 800 * 3 / 60) * 60 + 2 * 5
    assert costs["hybrid"].monthly_usd == pytest.approx(1600 + 20 + upkeep / 12)
    assert costs["hybrid"].first_year_usd == pytest.approx(
        costs["hybrid"].one_off_usd + 12 * costs["hybrid"].monthly_usd
    )
    assert costs["hybrid"].per_1000_answers_usd == pytest.approx(162.0)


def test_the_break_even_volume_is_where_the_costs_cross():
    case = world({"prompting": 0.5, "endpoint": 0.7})
    (local,) = [c for c in decide(case, data_may_leave=True).costs if c.strategy == "prompting"]
    assert local.replaces == "endpoint" and local.break_even_answers_per_month is not None
    volume = local.break_even_answers_per_month
    for factor, cheaper in ((0.99, False), (1.01, True)):
        at = {c.strategy: c for c in decide(case, answers_per_month=round(volume * factor)).costs}
        assert (at["prompting"].first_year_usd < at["endpoint"].first_year_usd) == cheaper


def test_own_prices_replace_the_assumed_ones_and_are_marked():
    d = decide(world({"prompting": 0.5, "hybrid": 0.8}), prices={"labour_usd_per_hour": 100.0})
    listed = {x.name: x for x in d.prices}
    assert (listed["labour_usd_per_hour"].value, listed["labour_usd_per_hour"].origin) == (
        100.0,
        "given",
    )
    assert (
        listed["gpu_usd_per_hour"].origin == "assumed"
        and "guide" in listed["gpu_usd_per_hour"].source
    )
    assert listed["training_seconds"].origin == "measured"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"labor_usd_per_hour": 1}, "did you mean 'labour_usd_per_hour'"),
        ({"gpu_usd_per_hour": -1}, "not negative"),
        ({"gpu_usd_per_hour": float("nan")}, "finite"),
        ({"machine_use": 0}, "between 0 and 1"),
        ({"relabel_share": 2}, "between 0 and 1"),
    ],
)
def test_prices_that_cannot_be_are_told(given, told):
    with pytest.raises(BadInput, match=told):
        prices(given)


def test_prices_of_zero_and_no_volume_still_decide():
    free = {
        "labour_usd_per_hour": 0.0,
        "cpu_machine_usd_per_month": 0.0,
        "index_usd_per_month": 0.0,
    }
    case = world({"prompting": 0.5, "hybrid": 0.8})
    none = decide(case, answers_per_month=0, prices=free)
    assert none.verdict == "prompting", (
        "no answers: accuracy is worth nothing, the cheapest is taken"
    )
    assert none.pairs[0].break_even_points is None
    assert decide(case, prices=free | {"seed_sd_points": 0}).verdict == "hybrid"


def test_a_price_in_another_currency_is_refused():
    with pytest.raises(BadInput, match="EUR, and all amounts are in USD: two currencies"):
        prices({"labour_eur_per_hour": 50.0})


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"right_answer_usd": -1}, "give USD from 0 on"),
        ({"right_answer_usd": float("nan")}, "give USD from 0 on"),
        ({"right_answer": 3}, "is no value of an answer"),
        ({"right_answer_usd": 0, "wrong_answer_usd": 0}, "worth nothing"),
        ({"right_answer_usd": None}, "number"),
    ],
)
def test_values_of_answers_that_cannot_be_are_told(values, told):
    from ftkit.core.parameters.files import build

    with pytest.raises(BadInput, match=told):
        build("task", {"answer_values": values})


def test_values_that_01_was_told_reach_the_verdict_and_a_missing_one_is_assumed():
    case, own = world({"prompting": 0.5, "hybrid": 0.8}), {"right_answer_usd": 1.0}
    d = decide(case, SUITABILITY.model_copy(update={"answer_values": own}), min_accuracy=0.0)
    listed = {x.name: x for x in d.prices}
    assert (listed["right_answer_usd"].value, listed["right_answer_usd"].origin) == (1.0, "given")
    assert listed["wrong_answer_usd"].origin == "assumed" and listed["wrong_answer_usd"].low == 3
    assert d.needed_accuracy == pytest.approx(6 / 7) and d.needed_from_values
    assert d.verdict == "none" and d.best_measured == "hybrid" and d.fit == "not fit"


def test_every_point_cost_lies_within_its_own_drawn_range():
    case = world({"prompting": 0.5, "few-shot": 0.55, "RAG": 0.6, "fine-tuned": 0.7, "hybrid": 0.8})
    for parameters in (20_000_000, 7_000_000_000, 70_000_000_000):
        for volume in (1000, 50_000, 5_000_000):
            card = TRAINING.model_copy(update={"parameters": parameters})
            d = decide(case, training=card, answers_per_month=volume)
            for c in d.costs:
                assert c.first_year_low_usd <= c.first_year_usd <= c.first_year_high_usd, c.strategy


def test_a_large_base_needs_a_gpu_machine_even_where_nothing_was_trained():
    case = world({"prompting": 0.5, "RAG": 0.8}).model_copy(
        update={"base_parameters": 7_000_000_000}
    )
    assert {c.monthly_usd > 1500 for c in decide(case).costs} == {True}


def test_strategies_that_were_not_compared_are_told():
    case = world({"prompting": 0.5, "hybrid": 0.8})
    with pytest.raises(BadInput, match="prompting and hybrid"):
        decide(case.model_copy(update={"comparisons": []}))


def test_what_would_change_the_verdict_is_true():
    case = world({"prompting": 0.66, "RAG": 0.7, "hybrid": 0.8})
    d = decide(case)
    assert d.verdict == "hybrid" and d.sensitivity
    (limit,) = [
        c for c in d.sensitivity if c.name == "max_seconds_per_answer" and c.side == "or less"
    ]
    at = float(limit.at)
    assert decide(case, max_seconds_per_answer=at * 0.9).verdict != "hybrid"
    assert decide(case, max_seconds_per_answer=at * 1.1).verdict == "hybrid"


def test_the_guides_claims_are_held_against_planted_truths():
    lost = Estimate(value=-0.3, low=-0.4, high=-0.2, n=100, method="planted")
    case = world(
        {"prompting": 0.5, "few-shot": 0.6, "fine-tuned": 0.7, "hybrid": 0.8}, general=lost
    )
    held = {
        c.claim.split(" ")[0] + " " + c.claim.split(" ")[1]: c.verdict
        for c in decide(case, training=TRAINING).claims
    }
    assert held["A better"] == held["Tuning and"] == held["Training costs"] == "holds here"
    assert held["Parameter-efficient tuning"] == "does not hold here"
    assert (
        held["A tuned"] in ("not testable here", "can't tell")
        and held["Retrieval gives"] == "not testable here"
    )
    worse = {
        c.claim: c.verdict
        for c in decide(world({"prompting": 0.5, "few-shot": 0.4, "hybrid": 0.3})).claims
    }
    assert worse["A better prompt helps before anything is tuned."] == "does not hold here"
    assert worse["Tuning and retrieval together are best."] == "does not hold here"


def test_the_one_ahead_is_never_named_as_its_own_rival():
    d = decide(world({"prompting": 0.90, "fine-tuned": 0.95}, n=60), min_accuracy=0.01)
    assert d.verdict == "can't tell yet" and d.leading == "fine-tuned" == d.most_accurate
    assert "can't show that it is worth more than prompting" in words.sentence(d)
    assert "fine-tuned is ahead" in words.sentence(d)


def test_drawn_prices_give_every_cost_an_interval_and_say_how_often_the_verdict_stays():
    case = world({"prompting": 0.6, "RAG": 0.62, "fine-tuned": 0.6, "hybrid": 0.8})
    d = decide(case)
    assert d.price_draws == 1000 and d.holds_share == 1.0, (
        "only hybrid is good enough, whatever the prices are"
    )
    assert all(c.first_year_low_usd < c.first_year_usd < c.first_year_high_usd for c in d.costs)
    assert d == decide(case), "seeded"
    many = {"answers_per_month": 1_200_000, "data_may_leave": True, "facts_change": "never"}
    low = {"seed_sd_points": 0, "right_answer_usd": 0.0001, "wrong_answer_usd": 0.0001}
    tie = decide(world({"endpoint": 0.7, "fine-tuned": 0.7}, n=3000), prices=low, **many)
    assert tie.strategy and 0.2 < tie.holds_share < 0.8, "near the break-even the prices decide"
    assert f"Only {tie.holds_share:.0%} of the draws" in words.sentence(tie)
    assert f"{tie.alternative} would be chosen" in words.sentence(tie)
    assert tie.advice == "prices"


def test_given_prices_do_not_vary():
    from ftkit.core.prices import ASSUMED

    usage = {"answers_per_month": 50_000, "fact_changes_per_year": 12}
    d = decide(
        world({"prompting": 0.5, "hybrid": 0.8}),
        prices={name: value for name, (value, _, _) in ASSUMED.items()}
        | usage
        | {"requirement_changes_per_year": 1},
    )
    assert d.price_draws == 0 and d.holds_share is None and not d.price_effects
    assert all(c.first_year_low_usd is None for c in d.costs)


def test_a_tornado_tells_what_one_price_alone_does():
    d = decide(world({"prompting": 0.5, "RAG": 0.55, "hybrid": 0.8}))
    assert d.effects_of == ("hybrid", "RAG")
    wages = next(s for s in d.price_effects if s.price == "labour_usd_per_hour")
    cost = {c.strategy: c.first_year_usd for c in d.costs}
    assert d.extra_usd == pytest.approx(cost["hybrid"] - cost["RAG"])
    assert wages.at_low_usd < d.extra_usd < wages.at_high_usd
    alone = decide(
        world({"prompting": 0.5, "RAG": 0.55, "hybrid": 0.8}),
        prices={"labour_usd_per_hour": wages.high},
    )
    assert alone.extra_usd == pytest.approx(wages.at_high_usd)
    widths = [abs(s.at_high_usd - s.at_low_usd) for s in d.price_effects]
    assert widths == sorted(widths, reverse=True)


def test_what_was_in_reach_is_held_against_what_was_mended():
    case = world({"prompting": 0.4, "RAG": 0.5, "fine-tuned": 0.6, "hybrid": 0.9}, 1000)
    expected = {
        "retrieval": share(0.2, 0.1),
        "examples or tuning": share(0.9, 0.05),
        "both together": share(0.5, 0.1),
    }
    found = {f.way: f for f in forecast_check(expected, case)}
    wins = next(c for c in case.comparisons if {c.a, c.b} == {"prompting", "hybrid"})
    mended = wins.wins if wins.a == "hybrid" else wins.losses
    assert found["both together"].measured.value == pytest.approx(mended / 600, abs=0.01)
    assert found["both together"].verdict == "more than expected"
    assert (
        found["examples or tuning"].verdict == "less than was in reach"
        and found["examples or tuning"].strategy == "fine-tuned"
    )
    assert forecast_check(expected, world({"RAG": 0.5, "hybrid": 0.9})) == []
    assert forecast_check({}, case) == []
