"""Examples from file to frozen split, and the data card that tells what was done (G4)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ftkit import demo
from ftkit.data.clean import Cleaned, clean, mask
from ftkit.data.near import near_pairs
from ftkit.data.read import FEWEST, Rejected, Table, read
from ftkit.data.split import at_most, leaks, random_split, split
from ftkit.errors import BadInput
from ftkit.params import DataParameters
from ftkit.power import detectable_points
from ftkit.records import EXAMPLE_COLUMNS, DataCard, Defect, TaskCard
from ftkit.runs import sha256_path

Progress = Callable[[int, int], None]
Row = dict[str, Any]


@dataclass
class Curated:
    """What 02 made of the data.

    Attributes:
        rows: Rows with id and split.
        train: The table that was read (without a test file).
        test: The table of the test file, if one was given.
        cleaned: What cleaning did.
        leaks_before: Leaks of a split row by row at random, before cleaning.
        leaks_after: Leaks of the frozen split.
    """

    rows: list[Row]
    train: Table
    test: Table | None
    cleaned: Cleaned
    leaks_before: dict[str, int]
    leaks_after: dict[str, int]

    def examples(self) -> Any:
        """Return the examples as a pandas table with ``records.EXAMPLE_COLUMNS``."""
        import pandas as pd

        rows = [{**row, "cluster": f"c{row['cluster']}", "source_row": int(row["source_row"])} for row in self.rows]
        return pd.DataFrame(rows, columns=EXAMPLE_COLUMNS).sort_values(by=["split", "id"]).reset_index(drop=True)

    def rejected(self) -> list[dict[str, Any]]:
        """Return every row that is not among the examples, with its reason."""
        tables = [self.train, *([self.test] if self.test else [])]
        return [asdict(r) for r in [r for table in tables for r in table.rejected] + self.cleaned.removed]


def load(p: DataParameters, folder: Path) -> tuple[Table, Table | None]:
    """Read the examples, and the test file if one is given; ``demo`` writes the built-in ones to ``folder`` first."""
    path = Path(p.data)
    if p.data == "demo":
        path = demo.write_examples(folder / "demo.csv", p.demo_examples, p.seed, scenario=p.demo_scenario)
    group = p.group_column or ("customer" if p.data == "demo" else "")
    train = read(path, p.input_column, p.output_column, group, p.encoding)
    test = read(Path(p.test_data), p.input_column, p.output_column, p.group_column, p.encoding, 1) if p.test_data else None
    return train, test


def curate(train: Table, test: Table | None, card: TaskCard, p: DataParameters, progress: Progress | None = None) -> Curated:
    """Clean, keep copies of test rows out of training, split, and count leaks before and after.

    Raises:
        BadInput: Too few examples are left, or a split would be empty.
    """
    before = [{**row, "split": ""} for row in train.rows] + [{**row, "split": "test"} for row in (test.rows if test else [])]
    share = 0.0 if test else p.test_share
    leaks_before = leaks(random_split(before, p.seed, p.validation_share, share), p.near_duplicate_threshold)
    cleaned = clean(train.rows, card, p.near_duplicate_threshold, progress)
    _check_left(cleaned, p)
    fixed = _test_rows(test, cleaned, card, p) if test else []
    rows = cleaned.rows + fixed
    split(rows, card, p.seed, p.validation_share, share)
    for name, limit in (("train", p.max_examples), ("validation", p.max_validation), ("test", p.max_test)):
        rows = at_most(rows, card, name, limit, p.seed)
    _left_out(cleaned, len(cleaned.rows) + len(fixed) - len(rows))
    _check_splits(rows)
    return Curated(rows, train, test, cleaned, leaks_before, leaks(rows, p.near_duplicate_threshold))


def _left_out(cleaned: Cleaned, count: int) -> None:
    if count:
        action = "not used: data.max_examples, max_validation or max_test keep fewer (drawn by label)"
        cleaned.defects.append(Defect(kind="left out by size", count=count, action=action))


def _check_left(cleaned: Cleaned, p: DataParameters) -> None:
    if len(cleaned.rows) >= FEWEST:
        return
    worst = max(cleaned.defects, key=lambda d: d.count)
    raise BadInput(
        f"only {len(cleaned.rows)} examples are left after cleaning; most went as {worst.kind} ({worst.count}): {'; '.join(worst.examples[:2])}",
        where=p.data, todo="mend these rows, or the task card that they do not fit",
    )  # fmt: skip


def _check_splits(rows: list[Row]) -> None:
    counts = Counter(row["split"] for row in rows)
    for name in ("train", "validation", "test"):
        if not counts[name]:
            raise BadInput(
                f"the {name} split is empty", where="data", todo="add examples, raise its share, or check data.group_column"
            )


def _test_rows(test: Table, cleaned: Cleaned, card: TaskCard, p: DataParameters) -> list[Row]:
    """Return the test file's rows; training rows that are copies of one are removed and counted."""
    base = 1 + max((row["cluster"] for row in cleaned.rows), default=0)
    checked = clean(test.rows, card, p.near_duplicate_threshold)
    cleaned.removed += [Rejected(r.row, f"test file: {r.reason}", test.file) for r in checked.removed]
    dropped = len(test.rows) - len(checked.rows)
    fixed = [{**row, "split": "test", "cluster": base + row["cluster"]} for row in checked.rows]
    both = cleaned.rows + fixed
    edge = len(cleaned.rows)
    copies = {
        min(i, j) for i, j in near_pairs([row["input"] for row in both], p.near_duplicate_threshold) if (i < edge) != (j < edge)
    }
    samples = [f"row {both[i]['source_row']}: {mask(both[i]['input'])[:80]}" for i in sorted(copies)[:5]]
    cleaned.removed += [
        Rejected(both[i]["source_row"], "a copy or near copy of a test example", both[i]["file"]) for i in sorted(copies)
    ]
    cleaned.rows = [row for i, row in enumerate(cleaned.rows) if i not in copies]
    cleaned.defects.append(
        Defect(kind="copies of test examples in training", count=len(copies), action="removed from training", examples=samples)
    )
    cleaned.defects.append(
        Defect(kind="copies or broken answers within the test file", count=dropped, action="removed from the test")
    )
    cleaned.counts["copies of test examples"] = len(cleaned.rows)
    return fixed


def data_card(done: Curated, p: DataParameters, folder: Path, card: TaskCard) -> DataCard:
    """Return the data card."""
    path = folder / "demo.csv" if p.data == "demo" else Path(p.data)
    inputs = sorted(len(row["input"].split()) for row in done.rows)
    outputs = sorted(len(row["output"].split()) for row in done.rows)
    splits = {name: sum(row["split"] == name for row in done.rows) for name in ("train", "validation", "test")}
    labels = Counter(row["output"] for row in done.rows) if card.kind == "label" else {}
    tables = [done.train, *([done.test] if done.test else [])]
    return DataCard(
        file=str(path), file_sha256=sha256_path(path), encoding=done.train.encoding, separator=done.train.separator,
        rows_read=sum(t.rows_read for t in tables), rows_rejected=len(done.rejected()), rows_used=len(done.rows),
        defects=[_unusable(tables), *done.cleaned.defects], splits=splits,
        labels=dict(sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))),
        input_words_p50=_percentile(inputs, 0.5), input_words_p95=_percentile(inputs, 0.95),
        output_words_p50=_percentile(outputs, 0.5), output_words_p95=_percentile(outputs, 0.95),
        leakage_before=done.leaks_before, leakage_after=done.leaks_after,
        volume_verdict=volume_verdict(splits["train"], len(labels)), detectable_points=detectable_points(splits["test"]),
    )  # fmt: skip


def _unusable(tables: list[Table]) -> Defect:
    rejected = [r for table in tables for r in table.rejected]
    samples = [f"row {r.row}: {r.reason}" for r in rejected[:5]]
    return Defect(kind="unusable rows", count=len(rejected), action="kept aside in rejected.jsonl", examples=samples)


def _percentile(values: list[int], share: float) -> float:
    return float(values[min(len(values) - 1, int(share * len(values)))])


def volume_verdict(examples: int, labels: int) -> str:
    """Apply the guide's volume criterion (G4): 500-1,000 examples for a narrow task, 2,000-5,000 for a complex one."""
    wanted, kind = (2000, "complex") if labels > 20 else (500, "narrow")
    if examples >= wanted:
        return f"Enough: {examples:,} training examples; the guide asks for {wanted:,} or more for a {kind} task."
    if examples >= wanted / 2:
        return f"Tight: {examples:,} training examples; the guide asks for {wanted:,} or more for a {kind} task."
    return (
        f"Too few: {examples:,} training examples; the guide asks for {wanted:,} or more for a {kind} task. Prompting needs none."
    )
