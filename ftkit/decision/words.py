"""The verdict in words, made from the codes and values of the record alone, wherever it is shown."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from ftkit.core import tariffs
from ftkit.core.records.base import Estimate
from ftkit.core.records.decision import Change, Decision, Gate, NetDifference, StrategyCost
from ftkit.core.records.evaluation import Evaluation

AGREE = 0.8
FAR = 50
"""Times the price from which the worth of an offer is said in words: the amount rests on assumed values of answers."""
GATES = {
    "accuracy": "right answers",
    "format": "answers in the right format",
    "hallucination": "invented facts",
    "regression": "general skills",
    "latency": "time per answer",
    "cut off": "replies cut off",
    "privacy": "where inputs may go",
}


def usd(value: float) -> str:
    """Return an amount that can be read: rounded to what the cost model can know."""
    size = abs(value)
    if size >= 100_000:
        return f"{round(value, -3):,.0f} USD"
    if size >= 1_000:
        return f"{round(value, -2):,.0f} USD"
    return f"{value:,.0f} USD" if size >= 10 or value == 0 else f"{value:.2f} USD"


def share(e: Estimate) -> str:
    """Return a share with its interval, e.g. ``84% (79 to 88)``."""
    return f"{100 * e.value:.0f}% ({100 * e.low:.0f} to {100 * e.high:.0f})"


def points(e: Estimate) -> str:
    """Return a difference with its interval, in points."""
    return f"{100 * e.value:.1f} points ({100 * e.low:.1f} to {100 * e.high:.1f})"


def both(names: Sequence[str]) -> str:
    """Return names as a list in a sentence."""
    if not names:
        return "none"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def limits(names: Sequence[str]) -> str:
    """Return gates in words."""
    return both([GATES.get(name, name) for name in names])


def round_up(n: int) -> int:
    """Round a number of examples up to two digits, so that it does not claim to be exact."""
    step = 10 ** max(0, len(str(n)) - 2)
    return -(-n // step) * step


def cost_of(d: Decision, name: str) -> StrategyCost:
    """Return what a strategy costs and brings."""
    return next(c for c in d.costs if c.strategy == name)


def right(d: Decision, name: str) -> str:
    """Return a strategy's share of right answers with its interval."""
    e = cost_of(d, name).accuracy
    return share(e) if e else "not measured"


def headline(d: Decision) -> str:
    """Return the best of how many, in a few words, and whether it is fit to use."""
    of = f"of {len(d.costs)}" if len(d.costs) > 1 else "of one"
    if d.kind == "chosen":
        return f"Use {d.strategy}" if d.basis == "only one" else f"Best {of}: {d.strategy}"
    if d.kind == "can't tell":
        return f"Can't tell yet; best bet {of}: {d.leading}"
    return f"Best measured {of}: {d.best_measured}, not good enough"


def fitness(d: Decision) -> str:
    """Return in one clause whether the strategy named is fit to use."""
    if d.fit == "alone":
        return "fit to use"
    why = limits(d.unfit_gates)
    if d.fit == "with a person":
        part = cost_of(d, d.named).with_person_share or 0.0
        return (
            f"fit to use with a person behind it: {part:.0%} of the answers alone (limit on {why})"
        )
    return f"not fit to use: {why}" if d.fit == "not fit" else f"not known to be fit: {why}"


def sentence(d: Decision) -> str:
    """Return the verdict in one sentence that a manager can repeat."""
    if d.kind == "none":
        return _none(d)
    text = _open(d) if d.kind == "can't tell" else _chosen(d)
    return f"{text}{_agreement(d)}."


def _chosen(d: Decision) -> str:
    name = d.strategy or ""
    head = f"Use {name}: {right(d, name)} of {d.test_items:,} test questions right"
    year = usd(cost_of(d, name).first_year_usd)
    if d.basis == "only one":
        out = f", the only one within the limits ({len(d.barred)} barred)" if d.barred else ""
        return f"{head}{out}, for about {year} in the first year"
    free = [x for x in d.pairs if not x.barred]
    cheaper = [x for x in free if x.extra_usd > 0]
    if d.basis == "best bet":
        why = (
            f"it has the largest expected net benefit, but {both(d.rivals)} may be better"
            if d.rivals
            else ("its gain holds against each cheaper one, not against all of them together")
        )
        stop = f"more labels cost more than they are worth (at stake on average: {usd(d.expected_regret_usd)})"
        return f"{head}; {why}, and {stop}"
    if cheaper:
        return f"{head}, {_gain(max(cheaper, key=lambda x: -x.net_usd))}"
    saved = f"; it costs least ({year} in the first year), and no dearer strategy"
    return f"{head}{saved} within the limits is worth its price{_passed_over(d)}"


def _gain(x: NetDifference) -> str:
    need = (
        f", where {x.break_even_points:.1f} pay for it" if x.break_even_points is not None else ""
    )
    return f"{points(x.gain)} more than {x.other}{need}, for about {usd(x.extra_usd)} more in the first year"


def _passed_over(d: Decision) -> str:
    """Return which barred strategies would have brought more, so that nothing is said over their heads."""
    better = [x.other for x in d.pairs if x.barred and x.net_usd < 0]
    return (
        f" ({both(better)} would bring more but {'is' if len(better) == 1 else 'are'} barred)"
        if better
        else ""
    )


def _open(d: Decision) -> str:
    name = d.leading
    what = "is ahead" if name == d.most_accurate else "has the largest expected net benefit"
    head = f"Can't tell yet: {name} {what} ({right(d, name)} right)"
    if d.basis == "open gate":
        gates = [g for g in d.gates if g.strategy == d.supported and g.state == "can't tell"]
        what = "the timed requests" if _unique(gates) == ["latency"] else "the test set"
        why = (
            f"{what} can't say whether {d.supported} keeps to the limit on {limits(_unique(gates))}"
        )
    else:
        others = [o for o in [d.supported, *d.rivals] if o != name]
        why = (
            f"{d.test_items:,} test questions can't show that it is worth more than {both(others)}"
            if others
            else ("its gain over the cheaper ones is not beyond chance for all of them")
        )
    return f"{head}, but {why}; {cure(d)}"


def _unique(gates: Sequence[Gate]) -> list[str]:
    return list(dict.fromkeys(g.gate for g in gates))


def cure(d: Decision) -> str:
    """Return what to do about an open verdict, in one clause."""
    o = d.advised
    if o is not None:
        what = {
            "labels": f"label {round_up(o.amount):,} more test questions",
            "seeds": f"train {o.amount} more seeds (training.curve_seeds)",
            "grades": f"grade {round_up(o.amount):,} more answers for the judge",
        }[o.what]
        worth = (
            "far less than a wrong choice"
            if o.worth_usd > FAR * o.cost_usd
            else f"worth about {usd(o.worth_usd)}"
        )
        return f"{what}: costs about {usd(o.cost_usd)}, {worth}, settles it with {o.settles:.0%} chance"
    if d.advice == "probe":
        return "more items of the general probe would settle it, which cost nothing (evaluation.probe_items)"
    if d.advice == "limit":
        if any(
            g.gate == "latency" and g.strategy == d.supported and g.state == "can't tell"
            for g in d.gates
        ):
            return "too few requests were timed: test the load of its server, or move the limit (decision.max_seconds_per_answer)"
        return "the figure lies on its limit, so no test set of sensible size would settle it: move the limit or decide on cost"
    if d.advice == "prices":
        return f"own figures in place of the assumed ones would say most ({widest(d)})"
    return "nothing that could be bought is worth its price and likely to settle it: take the best bet, and watch it in production"


def widest(d: Decision) -> str:
    """Return the assumed figures that move the extra cost most."""
    names = [e.price.replace("_", " ") for e in d.price_effects[:2]]
    return both(names) if names else "volume and prices"


def _agreement(d: Decision) -> str:
    """Return how far assumed figures carry the verdict, where fewer than 80% of their draws agree."""
    if d.holds_share is None or d.holds_share >= AGREE:
        return ""
    said = {"none": "none would do", "can't tell yet": "it could not be told"}
    other = said.get(d.alternative, f"{d.alternative} would be chosen")
    return f". Only {d.holds_share:.0%} of the draws of the assumed figures agree; most often else {other}"


def _none(d: Decision) -> str:
    name = d.best_measured
    failed = d.barred.get(name, [])
    tail = (
        f" A person behind it could make it worth {usd(c.with_person_usd or 0)} a year: {c.with_person_share:.0%} alone."
        if ((c := cost_of(d, name)).with_person_usd and (c.with_person_usd or 0) > 0)
        else ""
    )
    return (
        f"Use none of them alone yet: even {name}, the best measured with {right(d, name)} right, "
        f"fails the limit on {limits(failed)} ({'; '.join(_needs(d, name, failed))}).{tail}"
    )


def _needs(d: Decision, name: str, failed: Sequence[str]) -> list[str]:
    """Return the limits that a strategy fails, each with what it reached; the share right has just been said."""
    return [
        f"at least {g.limit:.0%} must be right" if g.gate == "accuracy" and g.limit else g.detail
        for g in d.gates
        if g.strategy == name and g.gate in failed
    ]


def _details(d: Decision, name: str, gates: Sequence[str]) -> list[str]:
    return [g.detail for g in d.gates if g.strategy == name and g.gate in gates]


def reasons(d: Decision, evaluation: Evaluation | None = None) -> list[str]:
    """Return what the verdict rests on, most important first.

    Args:
        d: The decision.
        evaluation: Adds the effects of tuning and retrieval, and the notes of 07.
    """
    # where none is good enough, what the best of them would earn over another is no reason for anything
    pairs = [] if d.kind == "none" else d.pairs
    said = [_pair_reason(d, x) for x in sorted(pairs, key=lambda x: bool(x.barred))]
    for name in d.barred:
        said.append(f"{name} is out: {'; '.join(_details(d, name, d.barred[name]))}.")
    said += [
        f"{g.strategy} may or may not keep to the limit on {limits([g.gate])}: {g.detail}."
        for g in d.gates
        if g.state == "can't tell" and g.strategy in {d.named, d.supported, *d.rivals}
    ]
    unknown = [g for g in d.gates if g.strategy == d.named and g.state == "not measured"]
    said += [f"Not measured for {d.named}: {g.gate} ({g.detail})." for g in unknown]
    said += [*_values(d), *_looks(d), *_changes(d), *_draws(d), *_expectation(d)]
    if evaluation is not None:
        said += [
            f"{e.name.capitalize()} moves accuracy by {points(e.difference)} ({e.meaning})."
            for e in evaluation.effects
        ]
        said += list(evaluation.notes)
    return said


def _pair_reason(d: Decision, x: NetDifference) -> str:
    name, price = d.named, usd(abs(x.extra_usd))
    cost = f"{price} {'more' if x.extra_usd > 0 else 'less'}"
    net = f"net {usd(x.net_usd)} a year ({usd(x.net_low_usd)} to {usd(x.net_high_usd)})"
    how = "is worth more than" if x.beaten else "is not shown to be worth more than"
    barred = ", which is barred" if x.barred else ""
    return f"{name} {how} {x.other}{barred}: {points(x.gain)} for {cost}, {net}."


def _values(d: Decision) -> list[str]:
    found = {x.name: x for x in d.prices}
    r, w = found.get("right_answer_usd"), found.get("wrong_answer_usd")
    if r is None or w is None:
        return []
    origin = " (assumed)" if "assumed" in (r.origin, w.origin) else ""
    need = (
        f"; so at least {d.needed_accuracy:.0%} must be right to be worth anything"
        if d.needed_from_values
        else ""
    )
    return [
        f"A right answer is worth {usd(r.value)}, a wrong one costs {usd(w.value)}{origin}: "
        f"one point of accuracy is worth {usd(d.stake_usd * d.answers_per_year / 100)} a year{need}."
    ]


def _looks(d: Decision) -> list[str]:
    if d.looks <= 1:
        return []
    return [
        f"This was look {d.looks} at these test questions: intervals are those of a level of {1 - d.level:.2%}, "
        "so that claims hold over all looks."
    ]


def _changes(d: Decision) -> list[str]:
    """Return what changing requirements and facts mean for a tuned strategy (G1)."""
    family, said = d.families.get(d.named, ""), []
    if family in ("fine-tuned", "hybrid") and d.requirements_change != "rarely":
        said.append(
            f"The wanted behaviour changes {d.requirements_change}, which speaks against tuning: each change is a re-tuning, "
            "and its cost is counted."
        )
    if family == "fine-tuned" and d.needs_facts and d.facts_change != "never":
        said.append(
            f"Its facts sit in the weights and change {d.facts_change}: between re-tunings it answers from the past."
        )
    return said


def _draws(d: Decision) -> list[str]:
    if not d.price_draws or d.holds_share is None:
        return []
    part = {1.0: "all", 0.0: "none"}.get(d.holds_share, f"{d.holds_share:.0%}")
    names = [x.name.replace("_", " ") for x in d.prices if x.origin == "assumed"]
    return [
        f"The verdict stays the same in {part} of {d.price_draws:,} draws of the {len(names)} assumed figures within their ranges."
    ]


def _expectation(d: Decision) -> list[str]:
    if d.expected_met is None:
        return []
    got = {"fine-tuned": "fine-tuning", "RAG": "retrieval", "few-shot": "prompting"}.get(
        d.verdict, d.verdict
    )
    agree = "as measured" if d.expected_met else f"but {got} was measured to be the choice"
    return [f"Before measuring, {d.expected} was expected, {agree}."]


def expected(d: Decision) -> str:
    """Return what 01 expected, in a sentence; empty: nothing."""
    return f"Before measuring, the criteria led one to expect {d.expected}." if d.expected else ""


def sensitivity(d: Decision) -> list[str]:
    """Return what would change the verdict, nearest first, one line each."""
    return [_change(c) for c in d.sensitivity]


LEVERS = {
    "min_accuracy": "a limit on right answers",
    "min_format_ok": "a limit on answers in the right format",
    "max_unsupported": "a limit on invented facts",
    "regression_margin_points": "an allowed loss of general skills, in points,",
    "max_seconds_per_answer": "a limit on seconds per answer",
    "right_answer_usd": "a value per right answer, in USD,",
    "wrong_answer_usd": "a cost per wrong answer, in USD,",
    "person_answer_usd": "a cost per answer passed to a person, in USD,",
}


def _change(c: Change) -> str:
    to = {
        "none": "no strategy would be good enough",
        "can't tell": "more would have to be measured",
    }.get(c.kind, f"{c.strategy} would be chosen")
    name = LEVERS.get(c.name, c.name.replace("_", " "))
    side = f" {c.side}" if c.side else ""
    return f"{name} of {c.at}{side} (now {c.now}): {to}"


NEXT: dict[str, list[str]] = {
    "prompting": [
        "Freeze the prompt under version control, with the test set as its regression test."
    ],
    "few-shot": [
        "Freeze the prompt and its examples under version control, with the test set as their regression test."
    ],
    "RAG": ["Give the handbook an owner, and index it anew whenever an article changes."],
    "fine-tuned": [
        "Keep the adapter together with the data and parameters that made it.",
        "Put a date on the next re-tuning.",
    ],
    "hybrid": [
        "Keep the adapter together with the data and parameters that made it.",
        "Give the handbook an owner, and index it anew whenever an article changes.",
    ],
    "endpoint": ["Agree price, data protection and notice of model changes with the provider."],
    "cascade": [
        "Agree price, data protection and notice of model changes with the large model's provider.",
        "Keep the threshold with the small model: choose it anew whenever one of the two changes.",
    ],
    "endpoint RAG": [
        "Agree price, data protection and notice of model changes with the provider.",
        "Give the handbook an owner, and index it anew whenever an article changes.",
    ],
}


def next_steps(d: Decision) -> list[str]:
    """Return what to do on Monday, in order."""
    if d.kind == "none":
        failed = limits(sorted({g for gates in d.barred.values() for g in gates}))
        return [
            f"Look at the failed answers in 07 (limits: {failed}) and mend data or prompt first.",
            "Or ask whether the limits in the decision's parameters are what the task needs.",
        ]
    if d.kind == "can't tell":
        cured = cure(d)
        return [
            f"{cured[0].upper()}{cured[1:]}.",
            f"Until then {d.leading} is the best bet; pilot it where a wrong answer is cheap.",
        ]
    name = d.strategy or ""
    steps = list(NEXT[d.families[name]])
    if d.advice == "prices":
        steps.insert(0, f"Put your own figures in place of the assumed ones first: {widest(d)}.")
    unknown = [g.gate for g in d.gates if g.strategy == name and g.state == "not measured"]
    steps += [f"Measure before going live: {', '.join(unknown)}."] if unknown else []
    return [
        *steps,
        f"Pilot {name} on live traffic and score a sample every month, the same way as in 07.",
    ]


def tuned_by_provider(d: Decision) -> str:
    """Return what tuning at the endpoint's provider would cost, in a sentence; empty where no price is known."""
    t = d.provider_tuning
    if t is None:
        return ""
    ends = f" It is no longer served from {t.retires} on" if t.retires else ""
    ends += (
        ", so it would be tuned again within the year." if t.forced_retunings else "." * bool(ends)
    )
    return (
        f"{t.model}, tuned by its provider, was not measured; it would cost {t.first_year_usd:,.0f} USD in the first year "
        f"(one training {t.training_usd:,.2f}, answers and hosting {t.monthly_usd:,.2f} a month; {t.source}).{ends}"
    )


def retirements(evaluation: Evaluation, today: dt.date | None = None) -> list[str]:
    """Return which endpoints that were asked end, or have prices older than a year."""
    said = []
    for bill in evaluation.bills:
        t = bill.tariff
        if t is not None and t.retires:
            verb = "was" if tariffs.retired(t, today) else "will be"
            said.append(
                f"{bill.model} ({bill.role}) {verb} taken out of service by its provider on {t.retires}: what rests on it must be measured anew with another model."
            )
        if t is not None and tariffs.aged(t, today):
            said.append(f"The price of {bill.model} was read on {t.date}: look it up.")
    return said
