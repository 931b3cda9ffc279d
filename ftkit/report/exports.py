"""The report in other forms: a summary for a ticket, tables for a spreadsheet, plain values for machines, and a PDF."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ftkit import __version__
from ftkit.core import run_folder
from ftkit.core.errors import BadInput, RunFailed
from ftkit.core.records.base import Estimate
from ftkit.data.personal_data import mask
from ftkit.data.review import safe_cell
from ftkit.report.page_one import first, usd
from ftkit.report.run_contents import RunContents, load
from ftkit.scoring.text import HIDDEN

FOLDER = "exports"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome", "msedge", "microsoft-edge")
PDF_SECONDS = 120


def write(run: Path) -> list[Path]:
    """Write every form into ``exports/`` of a run and return the files.

    ``summary.md`` is the first page as Markdown, ``strategies.csv`` a row per strategy, ``answers.csv`` a row per test
    question with all answers (personal data masked, formulas made harmless), ``report.json`` the records as they are.

    Raises:
        BadInput: There is no such run, or no stage of it is done.
    """
    found = load(run)
    texts = {
        "summary.md": summary(found),
        "strategies.csv": _csv(strategies(found)),
        "answers.csv": _csv(answers(found)),
        "report.json": json.dumps(values(found), indent=1, ensure_ascii=False),
    }
    files = []
    for name, text in texts.items():
        if text:
            files.append(run / FOLDER / name)
            run_folder.write_text(files[-1], text)
    return files


def summary(found: RunContents) -> str:
    """Return the first page as Markdown, for a ticket or a mail."""
    page = first(found)
    title = found.task.name if found.task else found.run.name
    lines = [f"# {_one_line(title)}: {page.badge}", "", _one_line(page.sentence), ""]
    lines[1:1] = ["", f"> {_one_line(page.warning)}"] if page.warning else []
    rows = strategies(found)
    if rows:
        lines += [
            "| strategy | right answers | usable format | first year | per 1,000 answers |",
            "|---|---|---|---|---|",
        ]
        for row in rows:
            right = f"{row['right_percent']:.0f}% ({row['right_low_percent']:.0f} to {row['right_high_percent']:.0f})"
            cost = [
                _usd(row[name], unit)
                for name, unit in (("first_year_usd", 0), ("per_1000_answers_usd", 2))
            ]
            cells = [
                f"{_cell(row['strategy'])}",
                right,
                f"{row['usable_format_percent']:.0f}%",
                *cost,
            ]
            lines.append(f"| {' | '.join(cells)} |")
        tested = found.evaluation.test_items if found.evaluation else 0
        lines += [
            "",
            f"Right answers of {tested:,} test questions with 95% intervals; prices of the first year partly assumed.",
            "",
        ]
    for head, points in (
        ("Why", page.why),
        ("What would change it", page.flips),
        ("Know before you rely on it", page.risks),
        ("Next", page.steps),
    ):
        lines += (
            [f"## {head}", "", *(f"- {_one_line(point)}" for point in points), ""] if points else []
        )
    return "\n".join([*lines, f"Made by ftkit {__version__} from `{found.run.name}`."]) + "\n"


def _one_line(text: str) -> str:
    return " ".join(HIDDEN.sub("", text).split())


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")


def _usd(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:,.{digits}f} USD" if digits else usd(value)


def strategies(found: RunContents) -> list[dict[str, Any]]:
    """Return one row per strategy: what was measured, with intervals in per cent, and what it costs in USD."""
    costs = {cost.strategy: cost for cost in found.decision.costs} if found.decision else {}
    rows = []
    for result in found.evaluation.results if found.evaluation else []:
        cost = costs.get(result.spec.name)
        rows.append(
            {
                "strategy": result.spec.name,
                "family": result.spec.family,
                **_percent("right", result.accuracy),
                "usable_format_percent": _share(result.format_ok.value),
                **_percent("unsupported", result.unsupported),
                **_percent("general", result.general),
                "missing_answers": result.missing,
                "seconds_per_answer": round(result.seconds_per_answer, 4),
                "prompt_tokens": round(result.prompt_tokens_mean, 1),
                "answer_tokens": round(result.completion_tokens_mean, 1),
                "one_off_usd": cost and round(cost.one_off_usd, 2),
                "per_1000_answers_usd": cost and round(cost.per_1000_answers_usd, 4),
                "first_year_usd": cost and round(cost.first_year_usd, 2),
                "chosen": found.decision is not None
                and found.decision.strategy == result.spec.name,
            }
        )
    return rows


def _share(value: float) -> float:
    return round(100 * value, 2)


def _percent(name: str, estimate: Estimate | None) -> dict[str, float | None]:
    parts = {"": "value", "_low": "low", "_high": "high"}
    return {
        f"{name}{end}_percent": estimate and _share(getattr(estimate, part))
        for end, part in parts.items()
    }


def answers(found: RunContents) -> list[dict[str, Any]]:
    """Return one row per test question: id, question, right answer, and answer and mark of every strategy, personal data masked."""
    examples, said, scores = (
        found.table(stage, f"{name}.parquet")
        for stage, name in (
            ("data", "examples"),
            ("evaluation", "answers"),
            ("evaluation", "scores"),
        )
    )
    if found.evaluation is None or examples is None or said is None or scores is None:
        return []
    from ftkit.evaluation.item_table import browse

    tested = examples[examples["split"] == "test"]
    table = browse(tested, said, scores, len(tested))
    texts = {"input", "truth", *(result.spec.name for result in found.evaluation.results)}
    return [
        {
            name: safe_cell(mask(str(value))) if name in texts else value
            for name, value in row.items()
        }
        for row in table.to_dict("records")
    ]


def values(found: RunContents) -> dict[str, Any]:
    """Return the records of the run as plain values, by stage; a stage that is not done is missing, with its reason."""
    records = {
        "task": found.task,
        "suitability": found.suitability,
        "data": found.data,
        "prompts": found.prompts,
        "retrieval": found.retrieval,
        "training": found.training,
        "preference": found.preference,
        "evaluation": found.evaluation,
        "decision": found.decision,
        "deployment": found.deployment,
        "monitoring": found.monitoring,
    }
    there = {
        name: record.model_dump(mode="json")
        for name, record in records.items()
        if record is not None
    }
    return {
        "ftkit": __version__,
        "run": found.run.name,
        **there,
        "missing": found.missing,
        "warnings": found.warnings,
    }


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return ""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return f"\ufeff{out.getvalue()}"  # a spreadsheet takes a file without this mark for an old encoding


def pdf(run: Path) -> Path:
    """Print a run for paper and return the file: two pages for who decides, then the full report as their annex.

    Args:
        run: The run folder; its ``report.html`` must be written.

    Raises:
        BadInput: There is no browser of the Chromium family.
        RunFailed: It did not print.
    """
    from pypdf import PdfReader, PdfWriter

    from ftkit.report.brief import brief

    target = run / "report.pdf"
    with tempfile.TemporaryDirectory() as place, run_folder.atomic(target) as part:
        pages = Path(place) / "brief.html"
        run_folder.write_text(pages, brief(load(run)))
        whole = PdfWriter()
        for name, page in (("Decision", pages), ("Annex: the full report", run / "report.html")):
            printed = Path(place) / f"{page.stem}.pdf"
            _print(page, printed)
            first_page = len(whole.pages)
            whole.append(PdfReader(printed), import_outline=False)
            whole.add_outline_item(title=name, page_number=first_page)
        whole.write(part)
        whole.close()
    return target


def _print(page: Path, target: Path) -> None:
    """Print an HTML file by a browser of this machine."""
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), "")
    if not browser:
        raise BadInput(
            "no Chromium, Chrome or Edge is on this machine",
            where="ftkit report --pdf",
            todo="install one, or open the report in any browser and print it to a file: it is laid out for paper",
        )
    with tempfile.TemporaryDirectory() as profile:
        command = [
            browser,
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--no-pdf-header-footer",
            f"--user-data-dir={profile}",
            "--virtual-time-budget=20000",
            f"--print-to-pdf={target.resolve()}",
            *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []),
            page.resolve().as_uri(),
        ]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=PDF_SECONDS, check=False
            )
            told = done.stderr.strip().splitlines()[-1:] or ["it gave no reason"]
        except subprocess.TimeoutExpired:
            told = [f"no answer in {PDF_SECONDS} s"]
    if not target.exists() or not target.read_bytes().startswith(b"%PDF"):
        raise RunFailed(
            f"{Path(browser).name} printed nothing: {told[0]}",
            where=str(page),
            todo="open the report and print it to a file",
        )
