"""One function per promise: it simulates worlds and returns what was promised and what was reached."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.decision.rules import OPEN, Money, by_margin, by_points, decide, measured
from benchmarks.decision.worlds import World, five_points, one_customer, prior_world
from ftkit.core.looks import level_at
from ftkit.core.power import detectable_difference
from ftkit.core.records.evaluation import Grades
from ftkit.core.statistics import mean_interval, paired_errors
from ftkit.decision.value_of_information import Market, best_offer, offers
from ftkit.evaluation.judge_by_strategy import rectifier, weight

Row = dict[str, Any]
TESTS = Path(__file__).parents[2] / "tests" / "unit"
COUNTS = ("right_called_right", "right_called_wrong", "wrong_called_right", "wrong_called_wrong")


def row(name: str, promise: str, reached: str, worlds: int, holds: bool) -> Row:
    """Return one line of the table."""
    return {
        "name": name,
        "promise": promise,
        "reached": reached,
        "worlds": worlds,
        "holds": bool(holds),
    }


def pct(value: float) -> str:
    """Return a share in percent."""
    return f"{100 * value:.1f}%"


def looks(worlds: int, gap: float, name: str, promise: str, most: float) -> Row:
    """Look twenty times, 50 items more each time; the extra cost is worth 5 points, the dearer one is ``gap`` better.

    With a gap above 5 points the cheap strategy is the wrong one, with a tie (5 points: both are worth the same) any
    superiority is false.
    """
    rng, wrong = np.random.default_rng(5), 0
    money = Money(np.array([0.0, 30_000.0]), 600_000.0)
    world = World(np.array([0.70, 0.70 + gap]), money)
    for _ in range(worlds):
        right = world.draw(rng, 1000)
        for look in range(1, 21):
            v = decide(measured(right[: 50 * look]), money, look)
            if v.proven:
                wrong += gap <= 0.05 or v.chosen == 0
                break
    return row(name, promise, pct(wrong / worlds), worlds, wrong / worlds <= most)


def best_bet(worlds: int) -> Row:
    """Tell how often the same looks end in the cheap strategy by a best bet, which claims nothing, and what that loses.

    The cheap strategy is worse by 0.05 points net, 300 USD a year: too little for labels to show at a price below it, so
    the rule stops early and says that its choice isn't proven. It is a wrong choice all the same, and is counted here.
    """
    rng, cheap = np.random.default_rng(5), 0
    money = Money(np.array([0.0, 30_000.0]), 600_000.0)
    world = World(np.array([0.70, 0.7505]), money)
    net = money.net(world.accuracy)
    for _ in range(worlds):
        right = world.draw(rng, 1000)
        for look in range(1, 21):
            v = decide(measured(right[: 50 * look]), money, look)
            if v.chosen != OPEN:
                cheap += v.chosen == 0
                break
    lost = cheap / worlds * float(net[1] - net[0])
    return {
        **row("the same: cheap one chosen, best bets too", "none", "", worlds, True),
        "reached": f"{pct(cheap / worlds)}, mean regret {lost:,.0f} USD a year",
        "holds": None,
    }


def words(_: int) -> list[Row]:
    """Read the sentences of generated decisions by the rules of ``tests/unit/test_decision_words.py``."""
    sys.path.insert(0, str(TESTS))
    import test_decision_words as rules  # pyright: ignore[reportMissingImports]

    rng, false = np.random.default_rng(32), 0
    for _ in range(rules.RECORDS):
        try:
            rules.check(rules.made(rng))
        except AssertionError:
            false += 1
    return [
        row(
            "generated decisions, their sentences read by rules",
            "none false",
            f"{false} false",
            rules.RECORDS,
            not false,
        )
    ]


def follow(worlds: int) -> Row:
    """Follow the advice to label more once, and see whether the verdict is settled."""
    rng, asked, settled, tried = np.random.default_rng(6), 0, 0, 0
    while asked < worlds and tried < 30 * worlds:
        tried += 1
        world, n = prior_world(rng, 2), int(rng.choice([100, 200, 500]))
        right = world.draw(rng, n)
        m = measured(right)
        if decide(m, world.money).chosen != OPEN:
            continue
        market = Market(world.money.label_usd)
        offer = best_offer(offers(m, world.money.cost, world.money.stake, 1, market))
        if offer is None:
            continue
        asked += 1
        more = np.concatenate([right, world.draw(rng, offer.amount)])
        settled += decide(measured(more), world.money, 2).chosen != OPEN
    share = settled / max(1, asked)
    name = f"two strategies, the advice to label is followed once (given in {pct(asked / tried)} of worlds)"
    return row(name, "settled ≥ 75%", pct(share), asked, share >= 0.75)


def regret(worlds: int) -> list[Row]:
    """Compare the mean regret of three rules over worlds from the stated priors; labels bought are paid for."""
    rng = np.random.default_rng(7)
    lost: dict[str, list[float]] = {"ours": [], "points": [], "margin": []}
    for _ in range(worlds):
        world, n = prior_world(rng), int(rng.choice([100, 200, 500, 1000]))
        money, right = world.money, world.draw(rng, n)
        net = money.net(world.accuracy)
        lost["points"].append(net.max() - net[by_points(right, money)])
        lost["margin"].append(net.max() - net[by_margin(right, money)])
        lost["ours"].append(_ours(world, right, net, rng))
    mean = {k: float(np.mean(v)) for k, v in lost.items()}
    said = f"{mean['ours']:,.0f} USD against {mean['margin']:,.0f} (margin rule) and {mean['points']:,.0f} (points)"
    holds = mean["ours"] <= 0.5 * min(mean["margin"], mean["points"])
    return [
        row(
            "mean regret over worlds from stated priors, labels paid", "≤ half", said, worlds, holds
        )
    ]


def _ours(world: World, right: np.ndarray, net: np.ndarray, rng: np.random.Generator) -> float:
    """Return the regret of following the workbench: advised labels are bought up to three times, and paid for."""
    money, paid, v = world.money, 0.0, None
    for look in range(1, 5):
        m = measured(right)
        v = decide(m, money, look)
        if v.chosen != OPEN or look == 4:
            break
        market = Market(money.label_usd)
        offer = best_offer(offers(m, money.cost, money.stake, look, market))
        if offer is None:
            break
        paid += offer.cost_usd
        right = np.concatenate([right, world.draw(rng, offer.amount)])
    assert v is not None
    return float(net.max() - net[v.chosen if v.chosen != OPEN else v.best] + paid)


def decides(worlds: int) -> Row:
    """See how often the rule decides at 2,000 items where the dearest is 5 points better."""
    rng, done, right_one = np.random.default_rng(8), 0, 0
    for _ in range(worlds):
        world = five_points(rng)
        v = decide(measured(world.draw(rng, 2000)), world.money)
        done += v.chosen != OPEN
        right_one += v.chosen == len(world.accuracy) - 1
    share = done / worlds
    name = "2,000 items, 5 points, 2 to 5 strategies, one look"
    said = f"{pct(share)}, the better one in {pct(right_one / max(1, done))} of them"
    return row(name, "decides ≥ 95%", said, worlds, share >= 0.95)


def customer(worlds: int) -> list[Row]:
    """See whether intervals hold the truth where one customer has 40% of the items."""
    rng, found = np.random.default_rng(9), []
    for n in (100, 300, 1000):
        covers, gate = [], []
        for _ in range(worlds):
            base = float(rng.uniform(0.6, 0.85))
            world = World(np.array([base, base + 0.03]), Money(np.zeros(2), 1.0), 0.4, 0.15)
            groups = one_customer(rng, n)
            right = world.draw(rng, n, groups)
            m = measured(right, groups)
            half = _half(m)
            covers.append(abs(m.difference[1, 0] - 0.03) <= half)
            e = mean_interval(right[:, 0], list(groups))
            gate.append(e.low > base or e.high < base)
        c, g = float(np.mean(covers)), float(np.mean(gate)) / 2
        found += [
            row(
                f"one customer has 40% of {n:,} items", "coverage ≥ 94%", pct(c), worlds, c >= 0.94
            ),
            row(
                f"the same, gates at their limit, {n:,} items",
                "errors ≤ 3.5%",
                pct(g),
                worlds,
                g <= 0.035,
            ),
        ]
    return found


def _half(m: Any) -> float:
    from ftkit.decision.rule import quantiles

    return float((quantiles(m.df, 0.05) * m.error)[1, 0])


def ties(worlds: int) -> Row:
    """See how often ten equally good strategies lead to a dearer one being called better."""
    rng, wrong = np.random.default_rng(10), 0
    cost = np.linspace(2_000, 40_000, 10)
    money = Money(cost, 600_000 * 9.0)
    accuracy = 0.7 + cost / money.stake  # all worth the same
    for _ in range(worlds):
        v = decide(measured(World(accuracy, money).draw(rng, 1000)), money)
        wrong += v.chosen > 0 and v.proven
    return row(
        "ten strategies worth the same, 1,000 items",
        "false superiority ≤ 5%",
        pct(wrong / worlds),
        worlds,
        wrong / worlds <= 0.05,
    )


def judge(worlds: int) -> list[Row]:
    """A judge that calls 90% of the one strategy's wrong answers wrong and 80% of the other's; both equally good."""
    rng, wrong, covers = np.random.default_rng(11), 0, 0
    for _ in range(worlds):
        made, right = [], World(np.array([0.6, 0.6]), Money(np.zeros(2), 1.0)).draw(rng, 1000)
        seen = np.empty_like(right)
        for k, specificity in enumerate((0.9, 0.8)):
            caught = rng.random(1000) < np.where(right[:, k] > 0, 0.9, specificity)
            seen[:, k] = np.where(right[:, k] > 0, caught, ~caught)
            rows = rng.choice(1000, 100, replace=False)
            h, j = right[rows, k] > 0, seen[rows, k] > 0
            counts = [int(x.sum()) for x in (h & j, h & ~j, ~h & j, ~h & ~j)]
            made.append(Grades(strategy=str(k), **dict(zip(COUNTS, counts, strict=True))))
        lam = weight(made, 1000)
        (a, va), (b, vb) = (rectifier(g, lam) for g in made)
        x = paired_errors(seen, [(0, 1)])[0]
        value, error = lam * x.estimate.value + a - b, np.sqrt((lam * x.error) ** 2 + va + vb)
        true = right[:, 0].mean() - right[:, 1].mean()
        wrong += abs(value) > 1.96 * error
        covers += abs(value - true) <= 1.96 * error
    return [
        row(
            "judge of specificity .90 and .80, 1,000 items, 100 grades of each strategy",
            "false superiority ≤ 5%",
            f"{pct(wrong / worlds)} (coverage {pct(covers / worlds)})",
            worlds,
            wrong / worlds <= 0.05,
        )
    ]


def spent(_: int) -> Row:
    """Add up what the looks may spend."""
    total = sum(level_at(k) for k in range(1, 10_001))
    return row("error spent over 10,000 looks", "≤ 5%", f"{100 * total:.3f}%", 1, total <= 0.05)


def all_looks(worlds: int) -> list[Row]:
    """Look twenty times in a world where the cheap strategy is wrong, and in a tie."""
    return [
        looks(
            worlds,
            0.0505,
            "twenty looks of +50, cheap one 5.05 worse, extra cost worth 5: cheap one claimed",
            "≤ 3%",
            0.03,
        ),
        best_bet(worlds),
        looks(
            worlds,
            0.05,
            "twenty looks of +50, both worth the same: any superiority claimed",
            "≤ 5%",
            0.05,
        ),
    ]


def power(worlds: int) -> list[Row]:
    """Measure a pilot of equal strategies, and see how often the difference it states is proven in fresh answers.

    One strategy is better by that difference; differences in cost are next to nothing, so only chance decides.
    """
    rng, found = np.random.default_rng(12), []
    for arms in (2, 5):
        for n, count in ((300, 0), (240, 87)):
            money = Money(np.linspace(0, 1e-3, arms), 1e6)
            stated, proven = [], 0
            for _ in range(worlds):
                groups = None
                if count:
                    rest = rng.integers(0, count, n - count)
                    groups = np.sort(np.concatenate([np.arange(count), rest]))
                accuracy, sticky = np.full(arms, 0.7), 0.15 if count else 0.0
                pilot = World(accuracy, money, 0.6, sticky).draw(rng, n, groups)
                stated.append(detectable_difference(pilot, groups))
                accuracy[-1] += stated[-1] / 100
                fresh = World(accuracy, money, 0.6, sticky).draw(rng, n, groups)
                v = decide(measured(fresh, groups), money)
                proven += v.proven and v.chosen == arms - 1
            share = proven / worlds
            name = f"{arms} strategies, {n} items in {count or n} clusters: the difference that 07 states"
            said = f"{pct(share)} ({np.mean(stated):.1f} points on average)"
            found.append(row(name, "proven in 75 to 85%", said, worlds, 0.75 <= share <= 0.85))
    return found


PARTS: dict[str, Callable[[int], list[Row]]] = {
    "looks": all_looks,
    "spent": lambda worlds: [spent(worlds)],
    "follow": lambda worlds: [follow(max(200, worlds // 2))],
    "regret": regret,
    "decides": lambda worlds: [decides(worlds // 2)],
    "customer": customer,
    "judge": judge,
    "ties": lambda worlds: [ties(worlds // 2)],
    "words": words,
    "power": lambda worlds: power(max(400, worlds // 5)),
}
