"""The sections on each notebook: training, retrieval, prompts, data, task, and the base model."""

from __future__ import annotations

from typing import Any

from ftkit.core.records.base import Estimate
from ftkit.core.records.data import DataCard
from ftkit.core.records.prompting import PromptTrial
from ftkit.core.records.retrieval import RetrievalCard
from ftkit.core.records.training import TrainingCard
from ftkit.evaluation import error_attribution
from ftkit.report import theme
from ftkit.report.blocks import (
    Bar,
    Block,
    Section,
    chart,
    code,
    data_text,
    more,
    points,
    table,
    text,
)
from ftkit.report.run_contents import RunContents, skill_card
from ftkit.training.summary import UNTRAINED, VERDICTS, advised


def training(found: RunContents) -> Section:
    """What was trained, and whether it learnt."""
    section = Section("training", "Training", "Does it learn, and what did it take?")
    card = found.training
    if card is None:
        section.missing = found.missing["training"]
        return section
    if not card.trained:
        section.missing = f"{VERDICTS[card.verdict]}. {UNTRAINED}"
        return section
    from ftkit.report.figures import training as figures

    section.blocks = [
        text(f"{VERDICTS[card.verdict]}. {advised(card)}"),
        *chart(figures.curve(card)),
        *chart(figures.watched(card)),
        *table([_training(card)], "What it took"),
        *chart(figures.adapter_scales(card)),
        *chart(figures.learning(card.curve)),
        *more(
            "Which part of an example the model learns from",
            [Block("tokens", [(data_text(t), on) for t, on in card.loss_sample])],
        ),
    ]
    return section


def preference(found: RunContents) -> Section | None:
    """Preference tuning; None where it is off."""
    card = found.preference
    if card is None or card.method == "none":
        return None
    from ftkit.report.figures import preference as figures
    from ftkit.training.preference import win_rate

    section = Section("preference", "Preference tuning", "Are the answers preferred?")
    section.blocks = [
        text(
            f"{card.reason[0].upper()}{card.reason[1:]}. {data_text(win_rate.learnt_from(card))} It took {card.duration_s:.0f} s."
        ),
        *chart(figures.outcome(card)),
        *chart(figures.margins(card)),
        *table(figures.facts(card), "Watched for reward hacking"),
    ]
    return section


def _training(card: TrainingCard) -> dict[str, Any]:
    share = card.trainable_parameters / max(1, card.parameters)
    return {
        "method": card.variant or card.method,
        "weights trained": f"{card.trainable_parameters:,} of {card.parameters:,} ({share:.1%})",
        "examples": card.examples,
        "general examples": card.general_examples,
        "epochs": round(card.epochs, 1),
        "steps": card.steps,
        "minutes": round(card.duration_s / 60, 1),
        "memory, GiB": round(card.peak_memory_gib, 2),
        "best validation loss": round(card.best_validation_loss, 3),
        "stopped early": "yes" if card.stopped_early else "no",
    }


def retrieval(found: RunContents) -> Section:
    """Whether the right passage is found."""
    section = Section("retrieval", "Finding passages", "Can we find the right passage?")
    card = found.retrieval
    if card is None or not card.enabled:
        section.missing = (
            found.missing["retrieval"] if card is None else f"Nothing is looked up: {card.reason}."
        )
        return section
    from ftkit.report.figures import retrieval as figures
    from ftkit.retrieval.search_quality import filters_told, written_told

    section.blocks = [
        text(
            f"{card.documents:,} articles in {card.chunks:,} passages. Search “{card.chosen}” was chosen on {card.questions} validation "
            f"questions{f' (reranked by {card.reranker})' if card.reranker else ''}, and the first {card.top_k} passages are put before the model; a search takes {1000 * card.search_s:.0f} ms. What counts as right: {card.labelled_by or 'not told'}."
        ),
        *(text(told) for told in (written_told(card), filters_told(card)) if told),
        *chart(figures.hit_rates(card)),
        *more("Every search and number of passages", table(_rates(card.hit_rate))),
        *table(_trials(card.prompt_trials), "Prompts with passages, on validation"),
        *_lacked(card),
    ]
    return section


def _rates(rates: dict[str, Estimate]) -> list[dict[str, Any]]:
    named = [(*name.partition("@")[::2], e) for name, e in rates.items()]
    return [
        {
            "search": mode,
            "passages": k or "–",
            "right passage among them": Bar(e, theme.color("RAG")),
        }
        for mode, k, e in named
    ]


def _lacked(card: RetrievalCard) -> list[Block]:
    """Tell what the plain prompt's wrong answers lacked."""
    from ftkit.report.figures import retrieval as figures

    if card.error_attribution is None:
        return []
    said = [
        said
        for said in (error_attribution.learned(card.error_attribution), figures.harm_sentence(card))
        if said
    ]
    return [
        *chart(figures.causes(card)),
        *table(figures.cause_rows(card), "Wrong answers by field and what they lacked"),
        *points(said),
    ]


def _trials(trials: list[PromptTrial]) -> list[dict[str, Any]]:
    return [
        {
            "prompt": t.prompt.name,
            "examples": t.prompt.similar or len(t.prompt.shots),
            "questions": t.accuracy.n,
            "right answers": Bar(t.accuracy, theme.color("prompting")),
            "usable format": theme.percent(t.format_ok),
            "prompt tokens": round(t.prompt_tokens_mean),
            "cut": theme.percent(t.cut_share),
        }
        for t in trials
    ]


def prompts(found: RunContents) -> Section:
    """Every prompt tried, with its text."""
    section = Section("prompts", "Prompts", "How far does the base model get with better prompts?")
    book = found.prompts
    if book is None:
        section.missing = found.missing["prompting"]
        return section
    shots = _shots(found)
    chosen = f"Chosen: “{book.zero_shot}” without examples, “{book.few_shot}” with examples; the test questions played no part in the choice."
    section.blocks = [
        *table(
            _trials(book.trials),
            f"Prompts on up to {book.validation_items} validation questions; worse ones are dropped early",
        ),
        text(chosen),
    ]
    if book.endpoint_trials:
        section.blocks += table(
            _trials(book.endpoint_trials),
            f"The same with the endpoint: it does best with “{book.endpoint}”",
        )
    if found.retrieval and found.retrieval.endpoint_trials:
        section.blocks += table(
            _trials(found.retrieval.endpoint_trials), "The endpoint with passages"
        )
    for trial in book.trials:
        told = [code(data_text(trial.prompt.system, 6000), "What the model is told")]
        told += (
            [
                code(
                    "\n\n".join(shots[i] for i in trial.prompt.shots if i in shots),
                    "Examples shown",
                )
            ]
            if trial.prompt.shots
            else []
        )
        section.blocks += more(f"The prompt “{trial.prompt.name}”", told)
    return section


def _shots(found: RunContents) -> dict[str, str]:
    """Return the few-shot examples by id, as question and answer."""
    examples = found.table("data", "examples.parquet")
    wanted = {i for t in found.prompts.trials for i in t.prompt.shots} if found.prompts else set()
    if examples is None or not wanted:
        return {}
    rows = examples[examples["id"].isin(sorted(wanted))]
    return {
        i: f"{data_text(q)}\n→ {data_text(a)}"
        for i, q, a in zip(rows["id"], rows["input"], rows["output"], strict=True)
    }


def data(found: RunContents) -> Section:
    """The data card."""
    section = Section("data", "Data", "Is our data good enough?")
    card = found.data
    if card is None:
        section.missing = found.missing["data"]
        return section
    from ftkit.report.figures import data as figures

    splits = ", ".join(f"{n:,} for {name}" for name, n in card.splits.items())
    section.blocks = [
        text(
            " ".join(
                [
                    f"{card.rows_used:,} of {card.rows_read:,} rows are used: {splits}. {card.volume_verdict}",
                    *card.read_notes,
                ]
            )
        ),
        *chart(figures.splits(card)),
        *chart(figures.rows(card)),
        *table(_defects(card), "What was found, and what was done"),
        *chart(figures.leakage(card)),
        *chart(figures.classes(card)),
        *table([_lengths(card)], "Lengths in words"),
        *table(
            [
                {**row, "case": data_text(row["case"])}
                for row in figures.coverage_rows(card)
                if row["verdict"] != "covered"
            ],
            "Cases with few or no examples",
        ),
        *more(
            f"{len(card.labels)} labels",
            table([{"label": data_text(k), "rows": v} for k, v in card.labels.items()]),
        ),
    ]
    return section


def _defects(card: DataCard) -> list[dict[str, Any]]:
    return [
        {
            "defect": d.kind,
            "rows": d.count,
            "taken out": d.removed,
            "what was done": d.action,
            "for example": data_text("\n".join(d.examples[:2]), 240) or "–",
        }
        for d in card.defects
        if d.count
    ]


def _lengths(card: DataCard) -> dict[str, Any]:
    return {
        "input, half are below": card.input_words_p50,
        "input, 95% are below": card.input_words_p95,
        "answer, half are below": card.output_words_p50,
        "answer, 95% are below": card.output_words_p95,
    }


def task(found: RunContents) -> Section:
    """The task card, and what the questions led to expect."""
    section = Section(
        "task", "The task", "What must the model do, and is fine-tuning even a candidate?"
    )
    card, fit = found.task, found.suitability
    if card is None:
        section.missing = found.missing["task"]
        return section
    rows = [
        {
            "check": c.name,
            "on": c.field or "the whole answer",
            "kind": c.kind,
            "value": data_text(_value(c.value), 200),
        }
        for c in card.checks
    ]
    section.blocks = [
        code(data_text(card.instruction, 2000), "What the model is asked to do"),
        text(
            f"Output: {card.kind}{': ' + ', '.join(card.fields) if card.fields else ''}. Tone: {card.tone or 'not set'}."
        ),
        *table(rows, "What every answer is checked for"),
    ]
    if fit is not None:
        from ftkit.report.figures import task as figures

        asked = [
            {"question": r.question, "answer": r.answer, "speaks for": r.speaks_for, "why": r.why}
            for r in fit.reasons
        ]
        needed = f"{fit.test_examples_needed:,} test questions settle a difference of {fit.difference_points:g} points."
        section.blocks += [
            text(f"{fit.sentence} {needed}"),
            *chart(figures.speaks_for(fit)),
            *more("The questions and why", table(asked)),
        ]
        section.blocks += chart(figures.examples_needed(fit))
    return section


def _value(value: Any) -> str:
    return (
        ", ".join(str(v) for v in value)
        if isinstance(value, list)
        else ""
        if value is None
        else str(value)
    )


def base(found: RunContents) -> Section | None:
    """The nano base's skill card; None where another base was used."""
    if all(found.parameters(s).get("base_model") != "nano" for s in found.manifests):
        return None
    section = Section("base", "The built-in base model", "What can it do before any tuning?")
    card = skill_card()
    weak = "It is a very small model that ships with the workbench so that everything runs without a download; no product should rest on it."
    if card is None:
        section.blocks = [
            text(f"{weak} Its skill card has not been measured: python -m recipes.nano.skills")
        ]
        return section
    rows = [
        {
            "skill": s["skill"],
            "right": Bar(
                Estimate(
                    value=s["share"], low=s["low"], high=s["high"], n=s["items"], method="Wilson"
                ),
                theme.ACCENT,
            ),
            "aim": theme.percent(s["aim"]),
            "reached": "yes" if s["share"] >= s["aim"] else "no",
        }
        for s in card["skills"]
    ]
    made = f"{card['parameters']:,} weights, {card['tokens']:,} training tokens, {card['minutes']:.0f} minutes; measured on {card['date']}."
    section.blocks = [
        text(f"{weak} {made}"),
        *table(rows, "Skills on questions it has never seen, with 95% intervals"),
    ]
    return section
