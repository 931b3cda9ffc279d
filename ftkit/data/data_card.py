"""The data card: what was found in the data and done about it, and whether that is enough (G4)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from ftkit.core.hashes import sha256_path
from ftkit.core.parameters.data import DataParameters
from ftkit.core.power import detectable_points
from ftkit.core.records.data import DataCard, Defect, LabelCheck
from ftkit.core.records.task import TaskCard
from ftkit.core.statistics import wilson
from ftkit.data import fixed_split
from ftkit.data.clean import SAMPLES
from ftkit.data.coverage import coverage, domain_terms
from ftkit.data.curate import Curated, Row
from ftkit.data.enough_rows import LEFT_OUT, SPLITS
from ftkit.data.read import Table
from ftkit.scoring.json_schema import DIALECT, schema_of
from ftkit.scoring.parse import parse_record
from ftkit.scoring.text import tokens
from ftkit.scoring.values import value_text

MANY_LABELS, LONG_ANSWER = 20, 40
"""More labels, or more words in a typical answer, make a task complex in the sense of the guide's volume criterion."""


def schema(done: Curated, card: TaskCard) -> dict[str, Any]:
    """Return the JSON Schema that the training answers keep to: the card's own, or one proposed from them; empty for no records."""
    if card.kind != "fields":
        return {}
    records = [parse_record(row["output"]) or {} for row in done.rows if row["split"] == "train"]
    return {"$schema": DIALECT} | schema_of(card, records)


def data_card(done: Curated, p: DataParameters, folder: Path, card: TaskCard) -> DataCard:
    """Return the data card; rows read = rows used + rows rejected + rows left out."""
    path = folder / "demo.csv" if p.data == "demo" else Path(p.data)
    inputs = sorted(len(tokens(row["input"])) for row in done.rows)
    outputs = sorted(len(tokens(row["output"])) for row in done.rows)
    splits = {name: sum(row["split"] == name for row in done.rows) for name in SPLITS}
    found = classes(done.rows, card)
    labels = found.get("label", {})
    defects = [_unusable(done.tables()), *done.cleaned.defects]
    left_out = sum(d.removed for d in defects if d.kind == LEFT_OUT)
    return DataCard(
        file=str(path),
        file_sha256=sha256_path(path),
        encoding=done.train.encoding,
        separator=done.train.separator,
        rows_read=sum(t.rows_read for t in done.tables()),
        read_notes=[note for t in done.tables() for note in t.notes],
        rows_rejected=sum(d.removed for d in defects) - left_out,
        rows_used=len(done.rows),
        rows_left_out=left_out,
        defects=defects,
        splits=splits,
        labels=labels,
        tools=done.train.tools,
        classes=found,
        input_words_p50=_percentile(inputs, 0.5),
        input_words_p95=_percentile(inputs, 0.95),
        output_words_p50=_percentile(outputs, 0.5),
        output_words_p95=_percentile(outputs, 0.95),
        split_by=fixed_split.told(done.rows, p),
        leakage_before=done.leaks_before,
        leakage_after=done.leaks_after,
        volume_verdict=volume_verdict(splits["train"], len(labels), _percentile(outputs, 0.5)),
        detectable_points=detectable_points(splits["test"]),
        label_checks=_label_checks(done),
        meaning_source=done.meaning.source if done.meaning else "",
        agreement=done.agreement,
        personal=done.personal,
        coverage=coverage(done.rows, card),
        domain_terms=domain_terms(done.rows),
        paraphrase_threshold=done.meaning.paraphrases.threshold
        if done.meaning and done.meaning.paraphrases
        else None,
    )


def _label_checks(done: Curated) -> list[LabelCheck]:
    """Return per field what could be checked, with the ceiling that the suspected rows of the test leave."""
    if done.meaning is None:
        return []
    tested, found = sum(row["split"] == "test" for row in done.rows), []
    kept = {id(row) for row in done.rows}
    for check in done.meaning.checks:
        mine = [s for s in done.meaning.suspects if s.field == check.field and id(s.row) in kept]
        doubted = sum(s.row["split"] == "test" for s in mine)
        ceiling = wilson(tested - doubted, tested) if check.reliable and tested else None
        found.append(
            LabelCheck(
                field=check.field,
                accuracy=check.accuracy,
                majority=check.majority,
                reliable=check.reliable,
                suspects=len(mine),
                test_ceiling=ceiling,
            )
        )
    return found


def classes(rows: list[Row], card: TaskCard) -> dict[str, dict[str, int]]:
    """Return the rows per label, or per allowed value of each field that has some, most frequent first."""
    if card.kind == "label":
        return {"label": _ranked(Counter(row["output"] for row in rows))}
    fields = [check.field for check in card.checks if check.kind == "enum" and check.field]
    records = [parse_record(row["output"]) or {} for row in rows] if fields else []
    return {
        name: _ranked(Counter(value_text(record.get(name, "")) for record in records))
        for name in fields
    }


def _ranked(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def learned(card: DataCard) -> tuple[str, list[str]]:
    """Return the title and points of the notebook's summary box."""
    sizes = ", ".join(f"{count:,} {name}" for name, count in card.splits.items())
    before, after = sum(card.leakage_before.values()), sum(card.leakage_after.values())
    points = [
        card.volume_verdict,
        f"The test set can tell differences of {card.detectable_points:.1f} points or more.",
        f"A split at random would have leaked {before:,} times into held-out rows; this one does {after:,} times.",
        f"Split: {card.split_by}",
    ]
    gaps = [
        c.case
        for c in card.coverage
        if c.verdict in ("only held out", "not covered") and c.kind != "edge case"
    ]
    gaps += [
        c.case for c in card.coverage if c.verdict == "only held out" and c.kind == "edge case"
    ]
    if gaps:
        points.append(
            f"No training example covers: {', '.join(gaps[:5])}{f' and {len(gaps) - 5} more' if len(gaps) > 5 else ''}."
        )
    points += card.read_notes
    title = f"{card.rows_read:,} rows read, {card.rows_used:,} used: {sizes}."
    aside = sorted((d for d in card.defects if d.removed), key=lambda d: -d.removed)
    if aside:
        reasons = ", ".join(f"{d.removed:,} {d.kind}" for d in aside)
        title += f" {card.rows_read - card.rows_used:,} put aside: {reasons} (rejected.jsonl)."
    look = sorted((d for d in card.defects if d.count and not d.removed), key=_urgency)
    if look:
        title += f" Look first at {look[0].count:,} {look[0].kind}."
    if look[1:]:
        others = ", ".join(f"{d.count:,} {d.kind}" for d in look[1:])
        points.append(f"Also worth a look before you train: {others}.")
    return title, points


FIRST = ("suspected wrong answers", "personal data", "thin labels")
"""Kinds of defects that change what a model learns or what leaves the company, the worst first."""


def _urgency(d: Defect) -> tuple[int, int]:
    return FIRST.index(d.kind) if d.kind in FIRST else len(FIRST), -d.count


def _unusable(tables: list[Table]) -> Defect:
    """Return the rows that could not be read; samples name the file where there are two."""
    rejected = [r for table in tables for r in table.rejected]
    samples = [
        f"{r.file + ', ' if len(tables) > 1 else ''}row {r.row}: {r.reason}"
        for r in rejected[:SAMPLES]
    ]
    action = "kept aside in rejected.jsonl"
    return Defect(
        kind="unusable rows",
        count=len(rejected),
        action=action,
        examples=samples,
        removed=len(rejected),
    )


def _percentile(values: list[int], share: float) -> float:
    return float(values[min(len(values) - 1, int(share * len(values)))])


def volume_verdict(examples: int, labels: int, answer_words: float = 0.0) -> str:
    """Apply the guide's volume criterion (G4): 500-1,000 examples for a narrow task, 2,000-5,000 for a complex one."""
    wanted, most, kind = 500, 1000, "narrow task"
    if labels > MANY_LABELS:
        wanted, most, kind = 2000, 5000, f"complex task ({labels} labels)"
    elif answer_words > LONG_ANSWER:
        wanted, most, kind = 2000, 5000, f"complex task (answers of {answer_words:.0f} words)"
    asks = f"{examples:,} training examples; the guide asks for {wanted:,} to {most:,} for a {kind}"
    if examples >= wanted:
        return f"Enough: {asks}."
    return (
        f"Tight: {asks}." if examples >= wanted / 2 else f"Too few: {asks}. Prompting needs none."
    )
