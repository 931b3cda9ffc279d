"""Two runs beside one another: what was set differently, and what came out, question by question where they asked the same."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.errors import NotReady
from ftkit.core.records.base import Estimate
from ftkit.core.records.decision import Decision
from ftkit.core.records.evaluation import Evaluation
from ftkit.core.records.manifest import Manifest
from ftkit.core.records.prompting import PromptBook
from ftkit.core.statistics import paired_difference
from ftkit.decision import words
from ftkit.workflow.key_metric import key_figure

PLACES = ("run", "name")


@dataclass
class Compared:
    """What differs between two runs.

    Attributes:
        parameters: Stage and name, the first run's value, the second's; "–" where a stage was not run.
        findings: Stage, the first run's finding, the second's, where they differ.
        strategies: One row per strategy of either: name, both shares right, and the paired difference (second minus first).
        shared: Test questions that both asked.
        asked: Test questions of the first and of the second run.
        verdicts: Both verdicts; empty where 08 was not run.
        prompts: Lines that tell how the chosen prompts differ, word for word.
    """

    parameters: list[tuple[str, str, str]]
    findings: list[tuple[str, str, str]]
    strategies: list[dict[str, Any]] = field(default_factory=list)
    shared: int = 0
    asked: tuple[int, int] = (0, 0)
    verdicts: tuple[str, str] = ("", "")
    prompts: list[str] = field(default_factory=list)


def compare(first: Path, second: Path) -> Compared:
    """Compare two runs.

    Strategies are compared on the questions that both runs asked (same id and same right answer): paired, with clusters,
    whatever else their test sets hold.

    Raises:
        NotReady: A folder holds no run.
    """
    both = [_manifests(run) for run in (first, second)]
    for run, manifests in zip((first, second), both, strict=True):
        if not manifests:
            raise NotReady("there is no run", where=str(run), todo="see `ftkit runs`")
    found = Compared(_parameters(*both), _findings(first, second))
    if all("evaluation" in manifests for manifests in both):
        _strategies(first, second, found)
    if all("prompting" in manifests for manifests in both):
        found.prompts = _prompts(
            *(
                run_folder.read_record(run / "prompting" / "prompts.json", PromptBook)
                for run in (first, second)
            )
        )
    verdicts = [
        words.sentence(run_folder.read_record(run / "decision" / "decision.json", Decision))
        if "decision" in m
        else ""
        for run, m in zip((first, second), both, strict=True)
    ]
    found.verdicts = (verdicts[0], verdicts[1])
    return found


def _manifests(run: Path) -> dict[str, Manifest]:
    paths = {stage: run / stage / "manifest.json" for stage in run_folder.STAGES}
    return {
        stage: run_folder.read_record(path, Manifest)
        for stage, path in paths.items()
        if path.exists()
    }


def _parameters(a: dict[str, Manifest], b: dict[str, Manifest]) -> list[tuple[str, str, str]]:
    rows = []
    for stage in run_folder.STAGES:
        one, two = (m[stage].parameters if stage in m else {} for m in (a, b))
        for name in dict.fromkeys([*one, *two]):
            values = tuple(repr(p[name]) if name in p else "–" for p in (one, two))
            if values[0] != values[1] and name not in PLACES and one and two:
                rows.append((f"{stage}.{name}", *values))
    return rows


def _findings(first: Path, second: Path) -> list[tuple[str, str, str]]:
    told = [
        (run_folder.stage_name(stage), key_figure(first, stage), key_figure(second, stage))
        for stage in run_folder.STAGES
    ]
    return [(stage, a or "–", b or "–") for stage, a, b in told if a != b]


def _prompts(first: PromptBook, second: PromptBook) -> list[str]:
    """Return how the prompts that were chosen differ: their names and hashes, then the lines taken away and added."""
    told: list[str] = []
    for what, name in (
        ("without examples", "zero_shot"),
        ("with examples", "few_shot"),
        ("the endpoint's", "endpoint"),
    ):
        pair = [
            book.get(getattr(book, name)) if getattr(book, name) else None
            for book in (first, second)
        ]
        a, b = pair
        if a is None or b is None or a.sha256 == b.sha256:
            continue
        told.append(f"{what}: {a.name} ({a.sha256[:8]}) → {b.name} ({b.sha256[:8]})")
        lines = [p.system.splitlines() + [f"(example {shot})" for shot in p.shots] for p in (a, b)]
        told += [
            f"  {line}"
            for line in difflib.unified_diff(lines[0], lines[1], lineterm="", n=0)
            if not line.startswith(("---", "+++", "@@"))
        ]
    return told


def _strategies(first: Path, second: Path, found: Compared) -> None:
    results, tables = [], []
    for run in (first, second):
        evaluation = run_folder.read_record(run / "evaluation" / "evaluation.json", Evaluation)
        results.append({r.spec.name: r.accuracy for r in evaluation.results})
        examples = run_folder.read_table(run / "data" / "examples.parquet").set_index("id")
        scores = run_folder.read_table(run / "evaluation" / "scores.parquet")
        tables.append(scores.assign(truth=examples["output"].reindex(scores["item_id"]).to_numpy()))
    ids = [set(zip(t["item_id"], t["truth"], strict=True)) for t in tables]
    same = ids[0] & ids[1]
    found.shared, found.asked = len(same), (len(ids[0]), len(ids[1]))
    for name in dict.fromkeys([*results[0], *results[1]]):
        row: dict[str, Any] = {
            "strategy": name,
            "first": results[0].get(name),
            "second": results[1].get(name),
            "difference": None,
        }
        if row["first"] and row["second"]:
            row["difference"], _ = on_shared(*(t[t["strategy"] == name] for t in tables))
        found.strategies.append(row)


def on_shared(first: Any, second: Any) -> tuple[Estimate | None, int]:
    """Return the paired difference in accuracy (second minus first) on the items that both asked, and how many these are.

    Args:
        first: Table of one strategy: item_id, truth (anything that stands for the right answer), group, correct.
        second: The other one.

    Returns:
        None and 0 where they share no item with the same right answer.
    """
    keys = [set(zip(t["item_id"], t["truth"], strict=True)) for t in (first, second)]
    order = sorted(item for item, _ in keys[0] & keys[1])
    if not order:
        return None, 0
    parts = [t.set_index("item_id").loc[order] for t in (first, second)]
    before, after = (part["correct"].astype(float).tolist() for part in parts)
    return paired_difference(after, before, parts[0]["group"].astype(str).tolist()), len(order)


def lines(found: Compared, names: tuple[str, str]) -> list[str]:
    """Return the comparison as lines for a terminal."""
    told = [f"{names[0]} against {names[1]}", "", "Set differently:"]
    told += [f"  {name}: {a} → {b}" for name, a, b in found.parameters] or ["  nothing"]
    told += [
        "",
        "Found differently:",
        *(
            [f"  {stage}: {a}\n  {'':{len(stage)}}  {b}" for stage, a, b in found.findings]
            or ["  nothing"]
        ),
    ]
    if found.prompts:
        told += ["", "Prompts chosen differently:", *(f"  {line}" for line in found.prompts)]
    if found.strategies:
        told += [
            "",
            f"Right answers; differences on the {found.shared} test questions that both asked (of {found.asked[0]} and {found.asked[1]}):",
        ]
        told += [f"  {_row(row)}" for row in found.strategies]
    if any(found.verdicts):
        told += [
            "",
            *(
                f"Verdict of {n}: {v or 'none yet'}"
                for n, v in zip(names, found.verdicts, strict=True)
            ),
        ]
    return told


def _row(row: dict[str, Any]) -> str:
    shares = " → ".join(
        "not run" if e is None else f"{e.value:.0%}" for e in (row["first"], row["second"])
    )
    e: Estimate | None = row["difference"]
    if e is None:
        return f"{row['strategy']}: {shares}"
    sure = "" if e.low > 0 or e.high < 0 else ", within chance"
    return f"{row['strategy']}: {shares}, {100 * e.value:+.1f} points ({100 * e.low:+.1f} to {100 * e.high:+.1f}){sure}"
