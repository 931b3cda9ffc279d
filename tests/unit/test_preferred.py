"""A judge of two answers: asked in both orders, held against known pairs, believed only beyond chance."""

import judges
import pytest
from test_judge import Fixed

from ftkit.core.errors import FtkitError
from ftkit.core.records.base import Estimate
from ftkit.core.records.training import PreferenceCard
from ftkit.evaluation import preference_judge
from ftkit.training.preference import win_rate

PAIRS = [
    ("q", "short", "a longer one"),
    ("q", "a longer one", "short"),
    ("q", "alike", "alike"),
    ("q", "12345", "abcde"),
]


def test_a_pair_is_won_only_where_both_orders_say_so():
    judge = Fixed(judges.longer)
    found = preference_judge.prefer(judge, PAIRS, "task")
    assert (
        found.verdicts == [1, -1, 0, 0]
        and found.swapped == 0
        and (found.wins, found.losses) == (1, 1)
    )
    assert len(judge.asked) == 6, "equal answers are not asked about"
    assert found.rate().value == 0.5


def test_a_judge_of_the_first_place_decides_nothing():
    found = preference_judge.prefer(Fixed(lambda text: "A"), PAIRS, "task")
    assert found.verdicts == [0, 0, 0, 0] and found.swapped == 1.0 and found.rate() is None


def test_a_judge_that_gives_no_letter_is_told():
    with pytest.raises(FtkitError, match="gave no verdict to 6 of 6"):
        preference_judge.prefer(Fixed(lambda text: "It depends"), PAIRS, "task")


def test_a_judge_is_held_against_known_pairs_and_refused_where_it_proves_nothing():
    known = [("q", "short", f"a longer one {i}") for i in range(12)]
    share = preference_judge.agreement(Fixed(judges.longer), known, "task")
    assert share.value == 1 and share.n == 12 and 0.7 < share.low < 0.8
    mixed = [(q, b, a) if i % 2 else (q, a, b) for i, (q, a, b) in enumerate(known)]
    with pytest.raises(
        FtkitError,
        match="better side of 6 and the worse of 6 of 12 known pairs: that is no better than chance",
    ):
        preference_judge.agreement(Fixed(judges.longer), mixed, "task")
    with pytest.raises(FtkitError, match="no better than chance"):
        preference_judge.agreement(Fixed(lambda text: "B"), known, "task")
    with pytest.raises(FtkitError, match="there are 7 of them, at least 8"):
        preference_judge.agreement(Fixed(judges.longer), known[:7], "task")


def share(value, low, high):
    return Estimate(value=value, low=low, high=high, n=50, method="Wilson")


@pytest.mark.parametrize(
    ("rate", "hacked", "used", "said"),
    [
        (share(0.7, 0.56, 0.81), "", True, "used in 07: m prefers its answer in 70% (56% to 81%)"),
        (share(0.6, 0.46, 0.72), "", False, "no gain beyond chance"),
        (share(0.7, 0.56, 0.81), "answers grew", False, "reward hacking: answers grew"),
        (None, "", False, "m tells no answers apart"),
    ],
)
def test_the_judges_word_decides_unless_something_speaks_for_hacking(rate, hacked, used, said):
    worse = share(-0.1, -0.2, -0.02)
    card = PreferenceCard(
        method="dpo",
        judge="m",
        win_rate=rate,
        hacked=hacked,
        difference=worse,
        judge_agreement=share(0.9, 0.8, 0.97),
        judge_swapped=0.25,
    )
    found = win_rate.decided(card)
    assert found.used is used and said in found.reason
    assert (
        "Compared by m in both orders, 25% of its verdicts changed with the order; it takes the better side of 90%"
        in win_rate.judged_by(found)
    )
