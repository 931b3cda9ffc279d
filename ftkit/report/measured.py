"""The sections on what was measured: decision, strategies, items."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from ftkit.core.records.decision import Decision
from ftkit.core.records.evaluation import Evaluation, StrategyResult
from ftkit.decision import tuning_ceiling, words
from ftkit.evaluation import item_comments
from ftkit.report import theme
from ftkit.report.blocks import (
    Bar,
    Block,
    Dot,
    Section,
    chart,
    data_text,
    more,
    points,
    table,
    text,
)
from ftkit.report.page_one import usd
from ftkit.report.run_contents import RunContents

READ = (
    "How to read it: the dot is the share that was measured; the bar shows where the true share lies, 19 times out of 20. "
    "Every strategy answered the same questions, which were kept aside from the start."
)


def decision(found: RunContents) -> Section:
    """Costs, gates and what would flip the verdict."""
    section = Section(
        "decision",
        "The decision in detail",
        "Fine-tune, look up, prompt, do both, or can't tell yet?",
    )
    if found.decision is None or found.evaluation is None:
        section.missing = found.missing.get("decision") or found.missing.get("evaluation", "")
        return section
    from ftkit.report.figures import decision as figures
    from ftkit.report.figures import decision_tables as tables

    d, volume = found.decision, float(found.parameters("decision").get("answers_per_month", 0))
    section.blocks = [
        *points(words.reasons(d, found.evaluation), "What the verdict rests on"),
        *points([words.expected(d)] if d.expected else [], "What was expected before measuring"),
        *(
            table(
                tables.forecast_rows(d),
                "What 04 found to be in reach, and what was mended in the test",
            )
            if d.forecast_check
            else []
        ),
        *chart(figures.gates(d)),
        *table(_gates(d), "Limits that are failed, open or unknown"),
        *chart(figures.costs(d)),
        *table(_costs(d, found), "What each strategy costs, in USD"),
        *([text(told)] if (told := words.tuned_by_provider(d)) else []),
        *([text(told)] if (told := tuning_ceiling.sentence(d)) else []),
        *chart(figures.volume(found.evaluation, d, volume)),
        *chart(figures.parts(d)),
        *chart(figures.price_effects(d)),
        *chart(figures.sensitivity(d)),
        *table(
            tables.claim_rows(d), "The guide's claims, held against this run: here, not in general"
        ),
        *more("Everything that would flip it", points(words.sensitivity(d))),
    ]
    return section


def _gates(d: Decision) -> list[dict[str, Any]]:
    return [
        {"strategy": g.strategy, "limit": g.gate, "state": g.state, "measured": g.detail}
        for g in d.gates
        if g.state != "passed"
    ]


def _costs(d: Decision, found: RunContents) -> list[dict[str, Any]]:
    family = (
        {r.spec.name: r.spec.family for r in found.evaluation.results} if found.evaluation else {}
    )
    return [
        {
            "strategy": Dot(c.strategy, theme.color(family.get(c.strategy, ""))),
            "first year": usd(c.first_year_usd),
            "once": usd(c.one_off_usd),
            "a month": usd(c.monthly_usd),
            "1,000 answers": f"{c.per_1000_answers_usd:,.2f} USD",
            "1,000 right answers": "–"
            if c.per_1000_right_usd is None
            else f"{c.per_1000_right_usd:,.2f} USD",
            "pays from": f"{c.break_even_answers_per_month:,.0f} answers a month"
            if c.break_even_answers_per_month
            else "–",
        }
        for c in d.costs
    ]


def strategies(found: RunContents) -> Section:
    """All strategies on the same questions."""
    section = Section(
        "strategies",
        "The strategies compared",
        "How does every strategy do on the test questions, opened once?",
    )
    if found.evaluation is None:
        section.missing = found.missing["evaluation"]
        return section
    from ftkit.report.figures import cascade_curve, challenges, confidence
    from ftkit.report.figures import evaluation as figures

    e = found.evaluation
    section.blocks = [
        *table(
            [_row(r) for r in e.results],
            f"{len(e.results)} strategies on the same {e.test_items:,} test questions, with 95% intervals",
        ),
        text(READ),
        *points(e.notes, "What these figures do not show"),
        *chart(figures.differences(e)),
        *more(f"All {len(e.comparisons)} pairs", table(_pairs(e))),
        *chart(figures.effects(e)),
        *chart(figures.formats(e)),
        *chart(figures.fields(e)),
        *chart(confidence.alone(e, found.chosen())),
        *more(
            "How well each strategy knows when it is right",
            [*table(confidence.alone_rows(e)), *chart(confidence.reliability(e, found.chosen()))],
        ),
        *chart(cascade_curve.curve(e, found.decision)),
        *more("The cascade, point by point", table(cascade_curve.rows(e, found.decision))),
        *chart(figures.unsupported(e)),
        *chart(figures.general(e)),
        *_probe(e),
        *chart(challenges.edition(e.edition)),
        *more(
            "What the change of facts did to each strategy",
            table(challenges.edition_rows(e.edition)),
        ),
        *chart(challenges.injections(e.injections)),
        *more(
            "How each strategy takes planted instructions",
            table(challenges.injection_rows(e.injections)),
        ),
        *table(
            figures.slice_rows(e),
            "Where a strategy is weaker or stronger than elsewhere (at most one in ten is a false find)",
        ),
        *table(figures.neighbour_rows(e), NEIGHBOURS),
        *table(_mixed_up(e), "Labels: mean F1, and what was mixed up most"),
        *points(
            [f"{o}" for o in e.test_accesses],
            "The test set was opened once"
            if len(e.test_accesses) == 1
            else f"The test set was opened {len(e.test_accesses)} times",
        ),
    ]
    return section


NEIGHBOURS = "Does it remember, or can it answer what is new? Questions that a training example asks in other words, and the rest"


def _row(r: StrategyResult) -> dict[str, Any]:
    color = theme.color(r.spec.family)
    row: dict[str, Any] = {
        "strategy": Dot(r.spec.name, color),
        "right answers": Bar(r.accuracy, color),
    }
    row |= {"usable format": theme.percent(r.format_ok.value)}
    row |= {"invented facts": theme.percent(r.unsupported.value) if r.unsupported else "–"}
    row |= {"general skills": theme.percent(r.general.value) if r.general else "–"}
    return row | {
        "seconds": round(r.seconds_per_answer, 3),
        "prompt tokens": round(r.prompt_tokens_mean),
        "no answer": r.missing,
        "cut": theme.percent(r.cut_share),
    }


def _pairs(e: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            "pair": f"{c.a} – {c.b}",
            "points": round(100 * c.difference.value, 1),
            "95% interval": f"{100 * c.difference.low:.1f} to {100 * c.difference.high:.1f}",
            "only the first right": c.wins,
            "only the second right": c.losses,
            "p, corrected": f"{c.p_adjusted:.2g}",
        }
        for c in e.comparisons
    ]


def _probe(e: Evaluation) -> list[Block]:
    if e.probe_items:
        return []
    return [text(f"General skills: {e.probe_note or 'not measured'}.")]


def _mixed_up(e: Evaluation) -> list[dict[str, Any]]:
    return [
        {
            "strategy": Dot(r.spec.name, theme.color(r.spec.family)),
            "macro-F1": theme.interval(r.macro_f1),
            "mixed up most": data_text(
                "; ".join(
                    f"{c.truth} answered as {c.answered} ({c.count}×)" for c in r.confusions[:3]
                )
            )
            or "–",
        }
        for r in e.results
        if r.macro_f1
    ]


MOST_ITEMS = 300
"""Questions in the report; 07 has all of them, page by page."""


def items(found: RunContents) -> Section:
    """Questions with every strategy's answer, the telling ones first."""
    section = Section(
        "items", "Questions and answers", "Where do the strategies differ, and where do all fail?"
    )
    examples = found.table("data", "examples.parquet")
    answers, scores = (
        found.table("evaluation", f"{name}.parquet") for name in ("answers", "scores")
    )
    if found.evaluation is None or examples is None or answers is None or scores is None:
        section.missing = (
            found.missing.get("evaluation")
            or "The answers of 07_evaluation are not there any more: run it again."
        )
        return section
    from ftkit.evaluation.item_table import browse
    from ftkit.report.figures.browser import browser_html

    names = [r.spec.name for r in found.evaluation.results]
    shown = browse(examples[examples["split"] == "test"], answers, scores, MOST_ITEMS)
    for column in ["input", "truth", *names]:
        shown[column] = [data_text(v) for v in shown[column]]
    left = f"{len(shown)} of {found.evaluation.test_items:,} test questions: those on which strategies differ first, then those that all get wrong."
    section.blocks = [
        text(f"{left} Personal data are masked."),
        Block("html", Markup(browser_html(shown, names, len(shown)))),
        *table(
            [
                {name: data_text(value) for name, value in one.items()}
                for one in item_comments.comments(found.run)
            ],
            "What people wrote about single questions",
        ),
    ]
    return section
