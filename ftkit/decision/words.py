"""The verdict in words: one sentence, its reasons, and what to do next."""

from __future__ import annotations

from ftkit.core.parameters.decision import DecisionParameters
from ftkit.core.records.base import Estimate
from ftkit.core.records.decision import Gate, StrategyCost
from ftkit.core.records.evaluation import Evaluation, StrategyResult
from ftkit.decision.rule import MOST_EXAMPLES, Choice, Table


def usd(value: float) -> str:
    """Return an amount that can be read: rounded to what the cost model can know."""
    if value >= 100_000:
        return f"{round(value, -3):,.0f} USD"
    if value >= 1_000:
        return f"{round(value, -2):,.0f} USD"
    return f"{value:,.0f} USD" if value >= 10 else f"{value:.2f} USD"


def share(e: Estimate) -> str:
    """Return a share with its interval, e.g. ``84% (79 to 88)``."""
    return f"{100 * e.value:.0f}% ({100 * e.low:.0f} to {100 * e.high:.0f})"


def points(e: Estimate) -> str:
    """Return a difference with its interval, in points."""
    return f"{100 * e.value:.1f} points ({100 * e.low:.1f} to {100 * e.high:.1f})"


def chosen_sentence(
    choice: Choice,
    results: dict[str, StrategyResult],
    costs: dict[str, StrategyCost],
    table: Table,
    p: DecisionParameters,
    left: list[str],
) -> str:
    """Return the sentence for a chosen strategy."""
    name, mine = choice.strategy, costs[choice.strategy]
    head = f"Use {name}: it answers {share(results[name].accuracy)} of the test questions right"
    dearer = [o for o in left if costs[o].first_year_usd > mine.first_year_usd and o != name]
    if choice.beaten:
        worse = max(choice.beaten, key=lambda o: results[o].accuracy.value)
        extra = mine.first_year_usd - costs[worse].first_year_usd
        gain = table.difference(name, worse)
        return f"{head}, {points(gain)} more than {worse}, for about {usd(extra)} more in the first year."
    if dearer:
        best = max(dearer, key=lambda o: results[o].accuracy.value)
        saved = costs[best].first_year_usd - mine.first_year_usd
        return (
            f"{head}; nothing dearer is better by {p.margin_points:g} points or more, and it costs about "
            f"{usd(saved)} less in the first year than {best}."
        )
    return f"{head} and costs about {usd(mine.first_year_usd)} in the first year; no other strategy keeps to the limits for less."


def open_sentence(
    choice: Choice, test_items: int, more_usd: float | None, p: DecisionParameters
) -> str:
    """Return the sentence for a test set that cannot tell."""
    ahead = f"{choice.strategy} is ahead"
    why = []
    if choice.rivals:
        why.append(
            f"{test_items} test examples cannot tell it from {_and(choice.rivals)} within {p.margin_points:g} points"
        )
    why += _unsure(choice.open_gates)
    reason = f"Can't tell yet: {ahead}, but {' and '.join(why)}"
    return f"{reason}; {_cure(choice, more_usd)}."


def _unsure(open_gates: list[Gate]) -> list[str]:
    """Return which strategies may or may not pass which gates, in one clause."""
    names = list(dict.fromkeys(g.strategy for g in open_gates))
    if not names:
        return []
    gates = list(dict.fromkeys(g.gate for g in open_gates))
    told = f"the {_and(gates)} limit{'s' if len(gates) > 1 else ''}"
    if len(names) <= 2:
        return [
            f"it is not sure whether {_and(names)} keep{'s' if len(names) == 1 else ''} to {told}"
        ]
    return [f"it is not sure for {len(names)} strategies whether they keep to {told}"]


def _cure(choice: Choice, more_usd: float | None) -> str:
    if choice.more_examples and choice.more_examples >= MOST_EXAMPLES:
        return "the figure lies on its limit, so no test set of sensible size would settle it: move the limit or decide on cost"
    if choice.more_examples:
        return f"about {round_up(choice.more_examples):,} more test examples (about {usd(more_usd or 0)} of labelling) would"
    return "more items of the general probe would settle it, which cost nothing (evaluation.probe_items)"


def round_up(n: int) -> int:
    """Round a number of examples up to two digits, so that it does not claim to be exact."""
    step = 10 ** max(0, len(str(n)) - 2)
    return -(-n // step) * step


def none_sentence(gates: list[Gate], results: dict[str, StrategyResult]) -> str:
    """Return the sentence for the case that nothing is good enough."""
    best = max(results.values(), key=lambda r: r.accuracy.value)
    failed = [g for g in gates if g.strategy == best.spec.name and g.state == "failed"]
    why = f"even {best.spec.name}, the most accurate with {share(best.accuracy)}, fails the {_and([g.gate for g in failed])} limit"
    told = (
        failed[0].detail.partition(", ")[2] if failed[0].gate == "accuracy" else failed[0].detail
    )  # its value stands there already
    return f"Use none of them yet: {why} ({told})."


def _and(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def reasons(
    choice: Choice,
    evaluation: Evaluation,
    results: dict[str, StrategyResult],
    gates: list[Gate],
    table: Table,
    p: DecisionParameters,
) -> list[str]:
    """Return what the verdict rests on, most important first."""
    said = [
        f"{other} costs less but is beaten by {by}: {points(table.difference(by, other))}."
        for other, by in choice.beaten.items()
    ]
    for name in results:
        failed = [g for g in gates if g.strategy == name and g.state == "failed"]
        if failed:
            said.append(f"{name} is out: {'; '.join(f'{g.gate} {g.detail}' for g in failed)}.")
    said += [
        f"{g.strategy} may or may not keep to the {g.gate} limit: {g.detail}."
        for g in choice.open_gates
    ]
    if choice.kind == "chosen":
        others = [
            o
            for o in results
            if o != choice.strategy
            and not any(g.strategy == o and g.state == "failed" for g in gates)
        ]
        for other in others:
            if other not in choice.beaten:
                gap = table.difference(other, choice.strategy)
                said.append(_no_better(other, choice.strategy, gap, p.margin_points))
        unknown = [g for g in gates if g.strategy == choice.strategy and g.state == "not measured"]
        said += [f"Not measured for {choice.strategy}: {g.gate} ({g.detail})." for g in unknown]
        said += change_reasons(
            results[choice.strategy], p, any(r.spec.retriever for r in results.values())
        )
    said += [
        f"{e.name.capitalize()} moves accuracy by {points(e.difference)} ({e.meaning})."
        for e in evaluation.effects
    ]
    return said + list(evaluation.notes)


def _no_better(other: str, chosen: str, gap: Estimate, margin_points: float) -> str:
    if gap.high <= 0:
        return f"{other} is worse than {chosen} by {points(_turned(gap))}."
    return (
        f"{other} can be better than {chosen} by at most {100 * gap.high:.1f} points, less than the margin of "
        f"{margin_points:g}: {points(gap)}."
    )


def _turned(e: Estimate) -> Estimate:
    return e.model_copy(update={"value": -e.value, "low": -e.high, "high": -e.low})


def change_reasons(result: StrategyResult, p: DecisionParameters, needs_facts: bool) -> list[str]:
    """Return what changing requirements and facts mean for a tuned strategy (G1)."""
    said = []
    if result.spec.model == "tuned" and p.requirements_change != "rarely":
        said.append(
            f"The wanted behaviour changes {p.requirements_change}, which speaks against tuning: each change is a re-tuning, "
            "and its cost is counted."
        )
    if (
        result.spec.model == "tuned"
        and not result.spec.retriever
        and needs_facts
        and p.facts_change != "never"
    ):
        said.append(
            f"Its facts sit in the weights and change {p.facts_change}: between re-tunings it answers from the past."
        )
    return said


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
    "endpoint RAG": [
        "Agree price, data protection and notice of model changes with the provider.",
        "Give the handbook an owner, and index it anew whenever an article changes.",
    ],
}


def next_steps(
    choice: Choice, results: dict[str, StrategyResult], gates: list[Gate], more: int | None
) -> list[str]:
    """Return what to do on Monday, in order."""
    if choice.kind == "none":
        failed = sorted({g.gate for g in gates if g.state == "failed"})
        return [
            f"Look at the failed answers in 07 (limits: {', '.join(failed)}) and mend data or prompt first.",
            "Or ask whether the limits in the decision's parameters are what the task needs.",
        ]
    if choice.kind == "can't tell":
        steps = (
            [f"Label about {round_up(more):,} more test examples, drawn like the ones here."]
            if more and more < MOST_EXAMPLES
            else []
        )
        probe = any(g.gate == "regression" for g in choice.open_gates)
        steps += (
            ["Raise evaluation.probe_items and run 07 again: general items cost nothing."]
            if probe
            else []
        )
        return [
            *steps,
            f"Until then {choice.strategy} is the best guess; pilot it where a wrong answer is cheap.",
        ]
    steps = list(NEXT[results[choice.strategy].spec.family])
    unknown = [g.gate for g in gates if g.strategy == choice.strategy and g.state == "not measured"]
    steps += [f"Measure before going live: {', '.join(unknown)}."] if unknown else []
    return [
        *steps,
        f"Pilot {choice.strategy} on live traffic and score a sample every month, the same way as in 07.",
    ]
