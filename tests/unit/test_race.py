"""The search for a prompt: it keeps to its budget, finds the best of unequal prompts, and says what that is worth."""

import hashlib

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftkit.core.errors import BadInput
from ftkit.core.records.task import TaskCard
from ftkit.models.chat import Reply
from ftkit.strategies import prompt_search
from ftkit.strategies.prompt_candidates import with_hash
from ftkit.strategies.prompt_choice import choose, ranked
from ftkit.strategies.similar_examples import similar

TASK = TaskCard(name="t", instruction="Say.", kind="label", labels=["yes", "no"])
EXAMPLES = pd.DataFrame({"id": ["e1"], "input": ["in"], "output": ["yes"]})


def items(n):
    return pd.DataFrame(
        {
            "id": [f"v{k}" for k in range(n)],
            "input": [f"question {k}" for k in range(n)],
            "output": "yes",
            "group": "",
            "cluster": [str(k) for k in range(n)],
        }
    )


class Able:
    """A model that is right with the share of its system prompt, the same for the same question and prompt."""

    name = "able"

    def __init__(self):
        self.asked = 0

    def answer(self, conversations, progress=None, formats=()):
        self.asked += len(conversations)
        return [
            Reply(self._say(c[0]["content"], c[-1]["content"]), 10, 1, 0.1) for c in conversations
        ]

    def _say(self, system, text):
        draw = int(hashlib.sha256(f"{system}{text}".encode()).hexdigest()[:8], 16) / 16**8
        return "yes" if draw < float(system) else "no"


def prompts(*shares, shots=()):
    return [
        with_hash(f"{'few' if shots else 'p'}{k} {share}", str(share), shots)
        for k, share in enumerate(shares)
    ]


def run(n, budget, *shares):
    model = Able()
    candidates = [*prompts(*shares), *prompts(0.3, 0.2, shots=["e1"])]
    return model, prompt_search.race(candidates, model, TASK, items(n), EXAMPLES, budget=budget)


def test_within_a_budget_the_best_prompt_wins_and_the_first_stays_to_the_end():
    model, found = run(200, 900, 0.3, 0.1, 0.85, 0.2, 0.4)
    assert found.spent == model.asked <= 900 and found.most == 1400
    assert found.best() == "p2 0.85"
    sizes = {t.prompt.name: t.accuracy.n for t in found.trials}
    assert sizes["p2 0.85"] == sizes["p0 0.3"] == 200 and sizes["p1 0.1"] < 200
    assert found.trials[0].prompt.name == "p0 0.3"
    e = found.gain()
    assert e.low > 0.3 and e.low < 0.55 < e.high
    assert (
        "wide enough for having chosen the best of 7" in found.sentence()
        and "less than" in found.sentence()
    )
    assert ranked(found.trials)[0].prompt.name == "p2 0.85"
    assert "worse" in found.rows()[0]["dropped after it"]


@pytest.mark.parametrize(("money", "hurried"), [(500, True), (2000, False)])
def test_where_money_or_minutes_run_out_only_the_best_of_each_kind_goes_on(money, hurried):
    model = Able()
    candidates = [*prompts(0.3, 0.1, 0.85, 0.2, 0.4), *prompts(0.3, 0.2, shots=["e1"])]
    model.asked = 100  # what was paid before is not spent again
    found = prompt_search.race(
        candidates, model, TASK, items(200), EXAMPLES, meters=[lambda: model.asked / (money + 100)]
    )
    reasons = [why for r in found.rounds for why in r.dropped.values()]
    assert ("the budget is nearly spent" in reasons) is hurried and found.best() == "p2 0.85"
    assert {t.accuracy.n for t in found.trials if t.prompt.name in ("p0 0.3", "p2 0.85")} == {200}
    assert len(found.rounds) > 1 and found.spent < (800 if hurried else 1400)


def test_minutes_are_counted_from_the_start_of_the_search(monkeypatch):
    now = [50.0]
    monkeypatch.setattr(prompt_search.time, "monotonic", lambda: now[0])
    (meter,) = prompt_search.minutes(2.0)
    now[0] += 60
    assert meter() == 0.5 and prompt_search.minutes(0) == []


def test_with_answers_to_spare_every_prompt_answers_every_example():
    model, found = run(30, 0, 0.3, 0.5)
    assert found.spent == found.most == 120 == model.asked and len(found.rounds) == 1
    assert all(len(table) == 30 for table in found.answers.values())


def test_a_small_number_dropped_early_never_outranks_a_finalist():
    _, found = run(100, 420, 0.5, 0.4, 0.6, 0.3, 0.5)
    best = choose(found.trials, 100)
    assert {
        t.accuracy.n for t in found.trials if t.prompt.name in (best.zero_shot, best.few_shot)
    } == {100}


def test_a_budget_that_is_too_small_says_what_it_takes():
    with pytest.raises(
        BadInput, match=r"100 answers are too few to compare 7 prompts: it takes \d+"
    ):
        run(200, 100, 0.3, 0.1, 0.85, 0.2, 0.4)


@given(
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(1, 400),
    st.integers(0, 3000),
    st.integers(0, 1),
)
@settings(max_examples=200, deadline=None)
def test_a_plan_ends_with_all_examples_and_keeps_to_the_budget(zero, few, n, budget, once):
    try:
        ends = prompt_search.plan([zero, few], n, budget, once)
    except BadInput:
        return
    assert ends[-1] == n and ends == sorted(set(ends))
    everyone = (1 + zero + few + once) * n
    if budget and n > prompt_search.FEWEST:
        assert len(ends) > 1 or everyone <= budget


def test_differing_examples_are_not_the_same_one_twice():
    rows = pd.DataFrame(
        {
            "input": ["red lamp broken", "red lamp broken", "parcel late", "tent"],
            "output": list("abcd"),
        }
    )
    plain = similar(["my red lamp is broken, parcel missing"], rows, 2)[0]
    diverse = similar(["my red lamp is broken, parcel missing"], rows, 2, diverse=True)[0]
    assert {a for _, a in plain} == {"a", "b"} and {a for _, a in diverse} == {"a", "c"}
    assert diverse[-1][1] == plain[-1][1], "the most similar one stands next to the question"
