"""The first page: for a person who decides and has never read a report of this kind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ftkit.core.records.decision import Decision
from ftkit.core.records.evaluation import StrategyResult
from ftkit.decision import tuning_ceiling, words
from ftkit.decision.cascade_words import cascade_sentence
from ftkit.report import data_check, theme
from ftkit.report.blocks import Block, chart
from ftkit.report.label_noise import label_noise
from ftkit.report.run_contents import RunContents
from ftkit.training.summary import VERDICTS, advised

PLAIN = {
    "prompting": "the model as it comes, with written instructions",
    "few-shot": "the same, with a few worked examples in the instructions",
    "RAG": "the model as it comes, and each question is sent together with the passages of the handbook that fit it",
    "fine-tuned": "the model trained further on your own examples, without the handbook",
    "hybrid": "the trained model, and each question is sent together with the passages that fit it",
    "endpoint": "a larger model of a provider, with instructions and examples",
    "endpoint RAG": "a larger model of a provider, with the passages that fit",
    "cascade": "a small model answers where it is sure, and passes the other questions on to a large one",
}
STATE = {"none": ("bad", "None is good enough yet"), "can't tell yet": ("open", "Can't tell yet")}


@dataclass
class Figure:
    """One number of the strip under the verdict."""

    label: str
    value: str
    note: str = ""


@dataclass
class First:
    """What the first page shows.

    Attributes:
        state: good, open, bad or missing: decides the colour.
        badge: The verdict in a word or two.
        sentence: The verdict.
        color: Colour of the chosen strategy.
        figures: The strip of numbers.
        why: What the verdict rests on.
        flips: What would change it.
        risks: What a reader must know before relying on it.
        steps: What to do next.
        strategies: Name, colour and plain words of each strategy compared.
        blocks: The picture.
        warning: What stands above everything else: a toy base stood for a real model.
    """

    state: str
    badge: str
    sentence: str
    color: str = theme.MUTED
    figures: list[Figure] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    flips: list[str] = field(default_factory=list)
    risks: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)
    strategies: list[tuple[str, str, str]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    warning: str = ""


def first(found: RunContents) -> First:
    """Return the first page of a run."""
    strategies = [
        (r.spec.name, theme.color(r.spec.family), PLAIN[r.spec.family]) for r in _results(found)
    ]
    if found.decision is None and data_check.alone(found):
        state, badge, sentence, points, steps = data_check.verdict(found)
        return First(state, badge, sentence, why=points, risks=risks(found), steps=steps)
    if found.decision is None:
        return First(
            "missing",
            "No decision yet",
            found.missing["decision"],
            risks=risks(found),
            strategies=strategies,
            warning=" ".join(_tiny(found)),
        )
    d = found.decision
    state, badge = STATE.get(d.verdict, ("good" if d.fit == "alone" else "open", ""))
    if d.kind == "chosen":  # best measured is one thing, fit to use another
        badge = f"{words.headline(d)}, {words.fitness(d)}"
    mine = found.result(found.chosen())
    return First(
        state=state,
        badge=badge,
        warning=" ".join(_tiny(found)),
        sentence=words.sentence(d),
        color=theme.color(mine.spec.family) if mine else theme.MUTED,
        figures=strip(found, d, mine),
        why=why(found, d),
        flips=words.sensitivity(d)[:4],
        risks=risks(found),
        steps=words.next_steps(d),
        strategies=strategies,
        blocks=_picture(found, d),
    )


def sentences(page: First) -> list[str]:
    """Return every sentence of the page that a reader reads, in order."""
    strip = [f"{f.label}: {f.value}; {f.note}" if f.note else f.label for f in page.figures]
    plain = [words for _, _, words in page.strategies]
    said = [page.warning, page.badge, page.sentence, *strip, *page.why, *page.flips]
    return [s for s in [*said, *page.risks, *page.steps, *plain] if s]


def why(found: RunContents, d: Decision) -> list[str]:
    """Return what the verdict rests on, without what is told among the risks."""
    told = {*risks(found), *(found.evaluation.notes if found.evaluation else [])}
    both = cascade_sentence(found.evaluation, d) if found.evaluation else ""
    reasons = [
        reason
        for reason in words.reasons(d, found.evaluation)
        if not reason.startswith("Not measured") and reason not in told
    ]
    return [*([both] if both else []), *reasons][:6]


def _results(found: RunContents) -> list[StrategyResult]:
    return found.evaluation.results if found.evaluation else []


def _picture(found: RunContents, d: Decision) -> list[Block]:
    from ftkit.report.figures import decision as figures

    return chart(figures.accuracy_against_cost(found.evaluation, d)) if found.evaluation else []


def strip(found: RunContents, d: Decision, mine: StrategyResult | None) -> list[Figure]:
    """Return the numbers under the verdict, of the strategy that is chosen or ahead."""
    if mine is None or found.evaluation is None:
        return []
    of = f"of {found.evaluation.test_items:,} test questions; likely {100 * mine.accuracy.low:.0f} to {100 * mine.accuracy.high:.0f}%"
    figures = [Figure("right answers", theme.percent(mine.accuracy.value), of)]
    cost = next((c for c in d.costs if c.strategy == mine.spec.name), None)
    if cost:
        figures.append(
            Figure(
                "cost of the first year",
                usd(cost.first_year_usd),
                f"{usd(cost.one_off_usd)} of it once; with assumed prices",
            )
        )
    figures.append(
        Figure(
            "answers in a usable format",
            theme.percent(mine.format_ok.value),
            f"likely {100 * mine.format_ok.low:.0f} to {100 * mine.format_ok.high:.0f}%",
        )
    )
    if mine.unsupported:
        note = f"facts that are not in the handbook; likely {100 * mine.unsupported.low:.0f} to {100 * mine.unsupported.high:.0f}%"
        figures.append(
            Figure("answers with an invented fact", theme.percent(mine.unsupported.value), note)
        )
    alone = next((s for s in found.evaluation.selective if s.strategy == mine.spec.name), None)
    if alone:
        limit = f"at most {100 * alone.allowed_wrong:g}% of these are wrong (95% sure); a person checks the others"
        if alone.least is None:
            limit = f"no part of its answers is sure to have at most {100 * alone.allowed_wrong:g}% wrong: a person checks all"
        figures.append(
            Figure("answers that need no check by a person", theme.percent(alone.alone), limit)
        )
    return [
        *figures,
        Figure(
            "seconds per answer", f"{mine.seconds_per_answer:.2g}", "measured on the machine below"
        ),
    ]


def usd(value: float) -> str:
    """Return an amount, rounded to what a cost model can know."""
    digits = -3 if value >= 100_000 else -2 if value >= 1_000 else 0
    return f"{round(value, digits):,.0f} USD"


def risks(found: RunContents) -> list[str]:
    """Return what a reader must know before relying on the verdict."""
    said = [*found.warnings, *_shipped(found)]
    said += words.retirements(found.evaluation) if found.evaluation else []
    untuned = tuning_ceiling.sentence(found.decision) if found.decision else ""
    noise = label_noise(found.data) if found.data and found.decision else ""
    said += [text for text in (untuned, noise) if text]
    gates = found.decision.gates if found.decision else []
    states = {
        "failed": "fails its limit",
        "can't tell": "may fail its limit",
        "not measured": "was not measured",
    }
    said += [
        f"{g.strategy}: {g.gate} {states[g.state]} ({g.detail})."
        for g in gates
        if g.strategy == found.chosen() and g.state in states
    ]
    said += found.evaluation.notes if found.evaluation else []
    said += _steered(found)
    assumed = [p for p in found.decision.prices if p.origin == "assumed"] if found.decision else []
    said += (
        [
            f"{len(assumed)} prices and hours are assumed. Put in your own: see “Measured, given, assumed”."
        ]
        if assumed
        else []
    )
    said += (
        [f"{VERDICTS[found.training.verdict]}. {advised(found.training)}"]
        if found.training and found.training.trained and found.training.verdict != "learnt"
        else []
    )
    return list(dict.fromkeys(said))[:7]


def _steered(found: RunContents) -> list[str]:
    """Tell how the chosen strategy takes instructions that somebody writes into the passages."""
    from ftkit.report.figures.challenges import attack_notes

    arms = found.evaluation.injections if found.evaluation else []
    return attack_notes(
        [
            arm
            for arm in arms
            if arm.strategy == found.chosen()
            and (arm.obeyed.value or (arm.derailed and arm.derailed.value))
        ]
    )


def _shipped(found: RunContents) -> list[str]:
    """Tell an export that does not answer as tested, and a production that asks for something to be done."""
    shipped, watched = found.deployment, found.monitoring
    wrong = [p for p in shipped.parity if not p.passed] if shipped else []
    said = (
        [f"What ships does not answer as it was tested ({wrong[0].path}): {wrong[0].cause}."]
        if wrong
        else []
    )
    if watched and watched.rows and watched.verdict != "keep":
        said.append(f"Production: {watched.verdict}. {watched.reasons[0]}")
    return said


def _tiny(found: RunContents) -> list[str]:
    """Tell that the built-in base stood for a real model."""
    if all(found.parameters(stage).get("base_model") != "nano" for stage in found.manifests):
        return []
    return [
        "Made with the tiny built-in model. The figures show how the comparison works. They do not show what a useful model can do: set base_model to yours."
    ]


def head(found: RunContents) -> dict[str, Any]:
    """Return name, date and task of the report."""
    last = max((m.started for m in found.manifests.values()), default="")
    return {
        "name": found.task.name if found.task else found.run.name,
        "date": last[:10],
        "instruction": found.task.instruction if found.task else "",
    }
