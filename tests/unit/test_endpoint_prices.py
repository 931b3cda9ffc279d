"""What models cost: the price file, and the laws that every bill of the cost model keeps."""

import datetime as dt
from dataclasses import replace
from types import SimpleNamespace

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ftkit.core.errors import BadInput
from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.prices import prices
from ftkit.core.records.base import Estimate
from ftkit.core.records.endpoint import EndpointBill, Tariff
from ftkit.core.records.evaluation import StrategyResult
from ftkit.core.records.strategy import StrategySpec
from ftkit.core.tariffs import aged, read, source, tariff
from ftkit.decision import cost_model
from ftkit.decision.provider_tuning import provider_tuning
from ftkit.decision.words import retirements
from ftkit.strategies.stable_prefix import stable_share

OPENAI = "https://api.openai.com/v1"
ONE = Estimate(value=0.9, low=0.8, high=0.95, n=100, method="exact")


def result(model="endpoint", prompt=1500.0, answer=40.0, thought=0.0, stable=0.0, seconds=0.2):
    return StrategyResult(
        spec=StrategySpec(
            name="a", family="endpoint", model=model, prompt="p", retriever=model == "base"
        ),
        accuracy=ONE,
        partial=ONE,
        format_ok=ONE,
        format_strict=ONE,
        prompt_tokens_mean=prompt,
        completion_tokens_mean=answer,
        thought_tokens_mean=thought,
        stable_tokens=stable,
        seconds_per_answer=seconds,
        seconds_p95=seconds,
        cut_share=0.0,
        missing=0,
    )


def setting(volume, known=(), **own):
    figures = [*prices(own, known), *cost_model.listed(DecisionParameters(), {}, False)[-3:]]
    price = {x.name: x.value for x in figures} | {"answers_per_month": volume}
    empty = cost_model.Setting({}, 0.0, 0.0, 0.0, 0, 0.0, 0)
    return cost_model.at_prices(empty, price)


def bill(name="gpt-6-luna", url=OPENAI, **more):
    t = tariff(url, name, more.pop("own", ()))
    made = dict(answers=90, failed=10, input_tokens=1, output_tokens=1, usd=1.0) | more
    return EndpointBill(role="endpoint", url=url, model=name, tariff=t, **made)


def test_every_shipped_entry_says_when_and_where_it_was_read_and_no_model_stands_twice():
    found = read()
    assert len(found) > 20 and all(x.date and x.source and x.input > 0 for x in found)
    assert len({(x.model, x.host) for x in found}) == len(found)


@pytest.mark.parametrize(
    ("url", "name", "known"),
    [
        (OPENAI, "gpt-5-mini-2025-08-07", 0.25),
        (OPENAI, "gpt-5", 1.25),
        ("https://openrouter.ai/api/v1", "openai/gpt-5-mini", 0.25),
        (OPENAI, "gpt-5-pro", None),
        ("http://localhost:8000/v1", "gpt-5", None),
        ("https://api.anthropic.com/v1", "claude-haiku-4-5-20251001", 1.0),
    ],
)
def test_a_dated_edition_has_its_models_price_and_another_model_has_not(url, name, known):
    found = tariff(url, name)
    assert found.listed == (known is not None) and found.input == (known or 2.5)
    assert found.listed or "assumed by ftkit" in found.source


def test_own_numbers_stand_above_the_file_and_a_file_above_the_shipped_one(tmp_path):
    mine = tmp_path / "mine.yaml"
    row = {"model": "gpt-5", "input": 9, "output": 8, "date": dt.date(2026, 1, 1)}
    mine.write_text(yaml.safe_dump({"currency": "USD", "models": [row]}))
    assert tariff(OPENAI, "gpt-5", file=str(mine)).input == 9
    assert tariff(OPENAI, "gpt-5", [1.0, 2.0, 0.1], str(mine)).cached_usd == 0.1


def test_an_entry_that_is_older_than_a_year_or_not_the_providers_own_is_told():
    old = Tariff(model="m", input=1, output=1, date=dt.date(2025, 1, 1), source="page", listed=True)
    assert aged(old, dt.date(2026, 1, 2)) and not aged(old, dt.date(2025, 12, 31))
    assert "older than a year" in source(old, dt.date(2026, 6, 1))
    assert "own page" in source(old.model_copy(update={"verified": False}), dt.date(2025, 2, 1))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"currency": "EUR"}, "two currencies"),
        ({"models": [{"model": "m", "input": -1, "output": 1}]}, "entry 1 m, input"),
        ({"models": [{"model": "m", "input": 1, "output": 1e9}]}, "output"),
        ({"models": [{"model": "m", "input": 1, "output": 1, "cached": 2}]}, "cached 2 is more"),
        ({"models": [{"model": "m", "input": 1, "output": 1, "batch": 1.5}]}, "batch"),
        ({"models": [{"model": "m", "input": 1}]}, "output: Field required"),
        ({"models": [{"model": "m", "input": 1, "output": 1, "inptu": 1}]}, "inptu"),
        ({"models": "none"}, "no list 'models'"),
    ],
)
def test_a_price_file_that_cannot_be_is_told_with_its_entry(tmp_path, change, told):
    file = tmp_path / "prices.yaml"
    file.write_text(yaml.safe_dump({"currency": "USD", "models": []} | change))
    with pytest.raises(BadInput, match=told):
        read(str(file))


def test_08_takes_the_prices_of_the_model_that_07_asked_and_what_its_failures_cost():
    known = {
        x.name: x
        for x in cost_model.listed(DecisionParameters(), {}, False, [bill(failed_usd=0.2)])
    }
    price = known["endpoint_usd_per_million_input_tokens"]
    assert (price.value, price.origin) == (0.1, "given") and "2026-11-05" in price.source
    assert known["endpoint_usd_per_million_cached_tokens"].value == 0.01
    assert known["endpoint_failed_share"].value == 0.2
    doubtful = cost_model.endpoint_figures([bill("gpt-5-mini")])[0]
    assert (doubtful.origin, doubtful.low, doubtful.high) == ("assumed", 0.125, 0.5)
    own = cost_model.endpoint_figures([bill("gpt-5-mini", own=[7.0, 9.0])])[0]
    assert (own.value, own.origin) == (7.0, "given")
    named = DecisionParameters(prices={"endpoint_usd_per_million_input_tokens": 5.0})
    told = {x.name: x.value for x in cost_model.listed(named, {}, False, [bill()])}
    assert told["endpoint_usd_per_million_input_tokens"] == 5.0


def test_a_bill_by_hand_prompts_cached_answers_thoughts_failures_and_commitment():
    own = {
        "endpoint_usd_per_million_input_tokens": 2.0,
        "endpoint_usd_per_million_cached_tokens": 0.5,
        "endpoint_usd_per_million_output_tokens": 8.0,
        "endpoint_usd_per_million_thought_tokens": 10.0,
        "endpoint_cache_least_tokens": 1024.0,
        "endpoint_failed_share": 0.2,
        "endpoint_least_usd_per_month": 100_000.0,
    }
    asked = result(prompt=2000, answer=300, thought=100, stable=1500)
    parts = cost_model.running_parts(asked, setting(1e6, **own))
    hits = 1500 * (1e6 - 8760)  # 8,760 spans of five minutes a month, each with a prompt in it
    assert parts["cached prompts"] == pytest.approx(hits * 0.5 / 1e6)
    assert parts["prompts"] == pytest.approx((2000e6 - hits) * 2 / 1e6)
    assert (parts["answers"], parts["thoughts"]) == (1600.0, 1000.0)
    paid = parts["prompts"] + parts["cached prompts"] + 2600
    assert parts["replies that are no answers"] == pytest.approx(paid / 4)
    assert sum(parts.values()) == pytest.approx(100_000.0)
    short = cost_model.running_parts(replace_stable(asked, 1000), setting(1e6, **own))
    assert short["cached prompts"] == 0, "shorter than what is cached"


def replace_stable(asked, tokens):
    return asked.model_copy(update={"stable_tokens": tokens})


volumes = st.floats(0, 1e9)
tokens = st.floats(0, 1e5)
usd = st.floats(0, 1e3)


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    model=st.sampled_from(["endpoint", "base"]),
    volume=st.tuples(volumes, volumes),
    lengths=st.tuples(tokens, tokens, st.floats(0, 1), st.floats(0, 1)),
    price=st.tuples(usd, usd, st.floats(0, 1), usd),
    more=st.tuples(st.floats(0, 0.9), usd, st.sampled_from([0.0, 1.0, 1024.0])),
)
def test_more_traffic_never_lowers_a_bill_cached_prices_never_raise_one_and_parts_add_up(
    model, volume, lengths, price, more
):
    asked = result(
        model, lengths[0], lengths[1], lengths[1] * lengths[2], lengths[0] * lengths[3], 0.5
    )
    own = {
        "endpoint_usd_per_million_input_tokens": price[0],
        "endpoint_usd_per_million_output_tokens": price[1],
        "endpoint_usd_per_million_thought_tokens": price[3],
        "endpoint_failed_share": more[0],
        "endpoint_least_usd_per_month": more[1],
        "endpoint_cache_least_tokens": more[2],
    }
    cached = {**own, "endpoint_usd_per_million_cached_tokens": price[0] * price[2]}
    low, high = sorted(volume)
    for figures in (own, cached):
        bills = [float(cost_model.running_usd(asked, setting(v, **figures))) for v in (low, high)]
        assert bills[0] <= bills[1] * (1 + 1e-9) + 1e-9
    full, less = (cost_model.running_usd(asked, setting(high, **x)) for x in (own, cached))
    assert less <= full * (1 + 1e-9) + 1e-9
    cost = cost_model.cost(asked, setting(high, **cached))
    assert sum(cost.running_parts_usd.values()) == pytest.approx(float(less))
    assert all(part >= -1e-6 for part in cost.running_parts_usd.values())


def test_a_machine_that_idles_is_paid_for_the_whole_month():
    costs = [cost_model.cost(result("base", seconds=2.0), setting(v)) for v in (10, 1_000_000)]
    assert [c.machines for c in costs] == [1, 2]
    assert costs[0].machine_busy < 1e-4 and costs[1].machine_busy == pytest.approx(0.38, abs=0.01)
    assert costs[0].running_parts_usd["machines"] * 2 == costs[1].running_parts_usd["machines"]


def test_the_beginning_that_all_prompts_share_is_found_in_the_prompts_themselves():
    prompts = [
        [{"role": "system", "content": "s" * 90}, {"role": "user", "content": text}]
        for text in ("alpha beta", "alpha gamma")
    ]
    whole = [len("system\n" + "s" * 90 + "\nuser\n" + t) for t in ("alpha beta", "alpha gamma")]
    same = len("system\n" + "s" * 90 + "\nuser\nalpha ")
    assert stable_share(prompts) == pytest.approx(same / (sum(whole) / 2))
    assert stable_share(prompts[:1]) == 0.0 == stable_share([])


def test_a_change_of_volume_keeps_the_prices():
    s = setting(100.0)
    assert replace(s, answers_per_month=200.0).price == s.price


def test_tuning_at_the_provider_is_reckoned_by_hand_with_the_retirement_as_one_training_more():
    own = {
        "labour_usd_per_hour": 50.0,
        "prompt_setup_hours": 10.0,
        "tuning_setup_hours": 20.0,
        "tuning_update_hours": 4.0,
    }
    s = replace(setting(100_000.0, **own), examples=1000, requirement_changes=1.0)
    asked = result(prompt=400, answer=100)
    evaluation = SimpleNamespace(results=[asked], bills=[bill("gpt-4.1-mini")])
    found = provider_tuning(evaluation, s, today=dt.date(2026, 12, 1))
    training = 3 * 1000 * 500 * 5.0 / 1e6
    monthly = 100_000 * (400 * 0.8 + 100 * 3.2) / 1e6
    assert (found.training_usd, found.monthly_usd) == (pytest.approx(training), monthly)
    assert (found.retires, found.forced_retunings) == (dt.date(2027, 1, 14), 1)
    assert found.first_year_usd == pytest.approx(
        30 * 50 + training + 12 * monthly + 2 * (4 * 50 + training)
    )
    later = provider_tuning(evaluation, s, today=dt.date(2025, 12, 1))
    assert later.forced_retunings == 0 and later.first_year_usd < found.first_year_usd
    known = SimpleNamespace(results=[asked], bills=[bill("gpt-6-luna")])
    assert provider_tuning(known, s) is None


def test_a_model_that_ends_and_a_price_that_is_old_are_risks():
    evaluation = SimpleNamespace(bills=[bill("gpt-4.1-mini"), bill("gpt-6-luna")])
    (told,) = retirements(evaluation, dt.date(2026, 12, 1))
    assert (
        "gpt-4.1-mini (endpoint) will be taken out of service by its provider on 2027-01-14" in told
    )
    old = retirements(evaluation, dt.date(2028, 1, 1))
    assert "was taken out of service" in old[0]
    assert old[2] == "The price of gpt-6-luna was read on 2026-11-05: look it up."
