"""Two runs on one page: what was set differently, what came out, and on which questions; in the report's own form."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ftkit.core import run_folder
from ftkit.core.records.base import Estimate
from ftkit.evaluation.item_table import browse
from ftkit.report import theme
from ftkit.report.blocks import (
    Bar,
    Block,
    Dot,
    Section,
    chart,
    code,
    data_text,
    points,
    table,
    text,
)
from ftkit.report.figures.browser import browser_html
from ftkit.report.page_one import Figure, First
from ftkit.report.run_contents import RunContents, load
from ftkit.workflow.compare_runs import Compared, compare


def write_comparison(first: Path, second: Path) -> Path:
    """Write the comparison of two runs into the second one's folder and return its path.

    Args:
        first: Run folder, e.g. of the round before.
        second: Run folder that is held against it.

    Raises:
        NotReady: A folder holds no run.
    """
    from ftkit.report import page_one
    from ftkit.report.page import nonce as page_nonce
    from ftkit.report.page import page

    found, names = compare(first, second), _names(first, second)
    loaded = (load(first), load(second))
    name = mentioned(found, loaded[1])
    opening = start(found, names, name, loaded[1])
    parts = [
        _strategies(found, names),
        _turned(first, second, names, name),
        _settings(found, names),
        _findings(found, names),
    ]
    head = {
        "name": f"{names[0]} → {names[1]}",
        "date": page_one.head(loaded[1])["date"],
        "instruction": "",
    }
    nonce = hashlib.sha256(f"{page_nonce(loaded[0])}{page_nonce(loaded[1])}".encode()).hexdigest()[
        :32
    ]
    target = second / f"against_{first.name}.html"
    run_folder.write_text(target, page(head, opening, [part for part in parts if part], nonce))
    return target


def _names(first: Path, second: Path) -> tuple[str, str]:
    return (first.name, second.name) if first.name != second.name else (str(first), str(second))


def mentioned(found: Compared, second: RunContents) -> str:
    """Return the strategy that the page speaks of: what the second run chose or is ahead there, if both ran it."""
    both = {
        row["strategy"]: row["second"].value
        for row in found.strategies
        if row["difference"] is not None
    }
    chosen = second.chosen()
    return chosen if chosen in both else max(both, key=lambda name: both[name], default="")


def start(found: Compared, names: tuple[str, str], name: str, second: RunContents) -> First:
    """Return the first page: whether the second run does better, on the questions that both asked.

    Args:
        found: The comparison.
        names: Of both runs.
        name: The strategy that it speaks of; empty: none was run by both on the same questions.
        second: The second run's records.
    """
    risks = _to_know(found)
    if not name:
        said = f"{names[0]} and {names[1]} share no test question: their shares stand beside each other and are no comparison."
        said = (
            said
            if found.strategies
            else "Both runs must have run 07_evaluation to be compared by their answers."
        )
        return First("missing", "Not comparable", said, risks=risks)
    row = next(row for row in found.strategies if row["strategy"] == name)
    e: Estimate = row["difference"]
    told = f"{100 * abs(e.value):.1f} points"
    interval = f"{100 * e.low:+.1f} to {100 * e.high:+.1f}"
    asked = f"on the {found.shared:,} test questions that both asked"
    state, badge, said = (
        "open",
        "No difference beyond chance",
        f"{name} differs by {100 * e.value:+.1f} points ({interval}) from {names[0]} to {names[1]}, {asked}: chance alone can do that.",
    )
    if e.low > 0:
        state, badge, said = (
            "good",
            "Better",
            f"{name} answers {told} more right in {names[1]} than in {names[0]} ({interval}), {asked}.",
        )
    if e.high < 0:
        state, badge, said = (
            "bad",
            "Worse",
            f"{name} answers {told} fewer right in {names[1]} than in {names[0]} ({interval}), {asked}.",
        )
    result = second.result(name)
    figures = [
        Figure(
            f"right answers, {run}",
            theme.percent(share.value),
            f"of {share.n:.0f} questions; true value likely {100 * share.low:.0f} to {100 * share.high:.0f}%",
        )
        for run, share in zip(names, (row["first"], row["second"]), strict=True)
    ]
    figures.append(
        Figure(
            "questions that both asked",
            f"{found.shared:,}",
            f"of {found.asked[0]:,} and {found.asked[1]:,}",
        )
    )
    return First(
        state,
        badge,
        said,
        theme.color(result.spec.family) if result else theme.MUTED,
        figures=figures,
        risks=risks,
    )


def _to_know(found: Compared) -> list[str]:
    """Return what a reader must know before a difference is put down to what was changed."""
    said = []
    if len(found.parameters) > 1:
        said.append(
            f"{len(found.parameters)} values were set differently: a difference cannot be put down to one of them."
        )
    if found.strategies and 0 < found.shared < max(found.asked):
        said.append(
            "The runs did not ask the same questions: differences hold for those that both asked."
        )
    if len([row for row in found.strategies if row["difference"] is not None]) > 1:
        said.append(
            "Each interval holds for its strategy alone: of twenty that do not differ, one will look as if it did."
        )
    return said


def _strategies(found: Compared, names: tuple[str, str]) -> Section | None:
    if not found.strategies:
        return None
    section = Section(
        "strategies", "The strategies in both runs", "Which strategy does better or worse?"
    )
    rows = [
        {
            "strategy": Dot(row["strategy"], theme.color(row["strategy"])),
            **{
                f"right, {run}": Bar(row[key], theme.color(row["strategy"]))
                if row[key]
                else "not run"
                for run, key in zip(names, ("first", "second"), strict=True)
            },
            "difference, points": _points(row["difference"]),
        }
        for row in found.strategies
    ]
    section.blocks = [
        *chart(differences(found, names)),
        *table(
            rows,
            f"Differences on the {found.shared:,} test questions that both asked, with 95% intervals",
        ),
    ]
    return section


def _points(e: Estimate | None) -> str:
    return "–" if e is None else f"{100 * e.value:+.1f} ({100 * e.low:+.1f} to {100 * e.high:+.1f})"


def differences(found: Compared, names: tuple[str, str]) -> Any:
    """Return the paired difference of each strategy between two runs as a figure; None where they share no question."""
    from ftkit.report.figures.evaluation import dots

    rows = [row for row in found.strategies if row["difference"] is not None]
    if not rows:
        return None
    better, worse = (
        sum(side(row["difference"]) for row in rows)
        for side in (lambda e: e.low > 0, lambda e: e.high < 0)
    )
    figure = dots(
        [
            (row["strategy"], row["difference"], theme.color(row["strategy"]))
            for row in reversed(rows)
        ],
        percent=False,
    )
    figure.add_vline(x=0, line={"color": theme.MUTED, "width": 1})
    figure.update_xaxes(title=f"right answers, {names[1]} minus {names[0]}, points", zeroline=False)
    title = f"{better} of {len(rows)} strategies do better in {names[1]}, {worse} do worse"
    return theme.style(
        figure,
        title,
        f"{found.shared} questions that both asked, 95% intervals",
        height=70 + 44 * len(rows),
    )


def _turned(first: Path, second: Path, names: tuple[str, str], name: str) -> Section | None:
    """Return the questions that both runs asked with one strategy's answers, those first that turned right or wrong."""
    if not name:
        return None
    import pandas as pd

    section = Section("turned", "Questions that turned", f"What does {name} answer differently?")
    examples, answers, scores = zip(
        *(_answers(run, label, name) for run, label in zip((first, second), names, strict=True)),
        strict=True,
    )
    both = examples[0].merge(examples[1], on=["id", "output"], suffixes=("", " there"))
    answers, scores = (pd.concat(parts) for parts in (answers, scores))
    answers, scores = (t[t["item_id"].isin(both["id"])] for t in (answers, scores))
    right: Any = scores.pivot(index="item_id", columns="strategy", values="correct").astype(bool)
    was, now = (right[label].to_numpy() for label in names)
    section.blocks = [
        text(
            f"Of {len(both):,} questions that both asked, {int((~was & now).sum()):,} were wrong in {names[0]} and are right in {names[1]}, and "
            f"{int((was & ~now).sum()):,} were right and are wrong. Personal data are masked."
        )
    ]
    shown = browse(both, answers, scores)
    for column in ["input", "truth", *names]:
        shown[column] = [data_text(v) for v in shown[column]]
    section.blocks.append(Block("html", Markup(browser_html(shown, list(names), differ="turned"))))
    return section


def _answers(run: Path, label: str, name: str) -> tuple[Any, Any, Any]:
    """Return a run's test questions, and one strategy's answers and scores by the run's name."""
    found = tuple(
        run_folder.read_table(run / "evaluation" / f"{part}.parquet")
        for part in ("answers", "scores")
    )
    answers, scores = (t[t["strategy"] == name].assign(strategy=label) for t in found)
    examples = run_folder.read_table(run / "data" / "examples.parquet")
    return examples[examples["id"].isin(set(scores["item_id"]))], answers, scores


def _settings(found: Compared, names: tuple[str, str]) -> Section:
    section = Section(
        "settings", "What was set differently", "Which parameters, and which prompts?"
    )
    rows = [
        {"parameter": name, names[0]: data_text(a, 200), names[1]: data_text(b, 200)}
        for name, a, b in found.parameters
    ]
    section.blocks = table(rows) or [text("Nothing was set differently.")]
    if found.prompts:
        section.blocks.append(
            code(
                data_text("\n".join(found.prompts), 6000),
                "Prompts that were chosen differently, line by line",
            )
        )
    return section


def _findings(found: Compared, names: tuple[str, str]) -> Section:
    section = Section("findings", "What came out differently", "Step by step")
    rows = [
        {"notebook": stage, names[0]: data_text(a, 300), names[1]: data_text(b, 300)}
        for stage, a, b in found.findings
    ]
    section.blocks = table(rows) or [text("Every step found the same.")]
    said = [
        f"{run}: {verdict or 'no verdict yet'}"
        for run, verdict in zip(names, found.verdicts, strict=True)
    ]
    section.blocks += points(said, "The verdicts") if any(found.verdicts) else []
    return section
