"""Examples from file to frozen split: read, checked, cleaned, compared, held apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.hashes import sha256_path
from ftkit.core.parameters.data import DataParameters
from ftkit.core.records.data import EXAMPLE_COLUMNS, Agreement, Defect
from ftkit.core.records.task import TaskCard
from ftkit.data import fixed_split, review, synthetic
from ftkit.data.agreement import agreement
from ftkit.data.by_meaning import Meaning, by_meaning, crossing
from ftkit.data.clean import SAMPLES, Cleaned, clean, sample, take
from ftkit.data.enough_rows import LEFT_OUT, check_left, check_removed, check_splits
from ftkit.data.personal_data import (
    Redactor,
    common_words,
    kinds_of,
    mask,
    points_to_somebody,
    ranked,
)
from ftkit.data.read import Table, read
from ftkit.data.split import at_most, hold_fold, leaks, random_split, split
from ftkit.demo import write_examples

Progress = Callable[[int, int], None]
Row = dict[str, Any]
FEW_PER_LABEL = 10
"""Training examples of a label below which it is named as thin."""


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
        meaning: What the comparison by meaning found; None where it was not made.
        agreement: How far several annotators agree; None where there is one.
        personal: Rows with each kind of personal data, as they were read.
    """

    rows: list[Row]
    train: Table
    test: Table | None
    cleaned: Cleaned
    leaks_before: dict[str, int]
    leaks_after: dict[str, int]
    meaning: Meaning | None = None
    agreement: Agreement | None = None
    personal: dict[str, int] = field(default_factory=dict)

    def examples(self) -> Any:
        """Return the examples as a pandas table with ``records.EXAMPLE_COLUMNS``, ordered by split and id."""
        import pandas as pd

        names = _cluster_names(self.rows)
        alike = {
            a["id"]
            for pair in (self.meaning.pairs if self.meaning else [])
            for a, b in ((pair[0], pair[1]), (pair[1], pair[0]))
            if a["split"] != "train" and b["split"] == "train"
        }
        rows = [
            row
            | {"cluster": names[row["cluster"]], "source_row": int(row["source_row"])}
            | {"like_train": row["id"] in alike}
            for row in self.rows
        ]
        return (
            pd.DataFrame(rows, columns=EXAMPLE_COLUMNS)
            .sort_values(by=["split", "id"])
            .reset_index(drop=True)
        )

    def tables(self) -> list[Table]:
        """Return the tables that were read."""
        return [self.train, *([self.test] if self.test else [])]

    def suspected(self) -> list[dict[str, str]]:
        """Return id and field of every right answer that looks wrong, most suspicious first."""
        ids = {_row_key(row): row["id"] for row in self.rows}
        found = self.meaning.suspects if self.meaning else []
        return [
            {"id": ids[_row_key(s.row)], "field": s.field} for s in found if _row_key(s.row) in ids
        ]

    def corrections(self) -> list[dict[str, str]]:
        """Return the answers for learning that a person corrected in review, each with the one that it was before."""
        rows = [
            r
            for r in self.rows
            if r["split"] in ("train", "validation")
            and r.get("before_review", r["output"]) != r["output"]
        ]
        return [
            {
                name: row[key]
                for name, key in (
                    ("id", "id"),
                    ("split", "split"),
                    ("prompt", "input"),
                    ("chosen", "output"),
                    ("rejected", "before_review"),
                )
            }
            for row in rows
        ]

    def rejected(self) -> list[dict[str, Any]]:
        """Return every row that is not among the examples, with its reason."""
        unusable = [r for table in self.tables() for r in table.rejected]
        return [asdict(r) for r in unusable + self.cleaned.removed]


def _row_key(row: Row) -> tuple[str, int]:
    return row.get("file", ""), int(row["source_row"])


def _cluster_names(rows: list[Row]) -> dict[int, str]:
    """Name each cluster by its smallest id, so that the order of rows in the file changes nothing."""
    smallest: dict[int, str] = {}
    for row in rows:
        smallest[row["cluster"]] = min(row["id"], smallest.get(row["cluster"], row["id"]))
    return {cluster: f"c-{name}" for cluster, name in smallest.items()}


def load(p: DataParameters, folder: Path) -> tuple[Table, Table | None]:
    """Read the examples, and the test file if one is given; ``demo`` writes the built-in ones to ``folder`` first.

    Raises:
        BadInput: A file cannot be used, or both files are the same.
    """
    path, group = Path(p.data), p.group_column
    if p.data == "demo":
        path = write_examples(folder / "demo.csv", p.demo_examples, scenario=p.demo_scenario)
        group = group or "customer"
    train = read(
        path,
        p.input_column,
        p.output_column,
        group,
        p.encoding,
        extra=[*p.annotator_columns, *fixed_split.columns(p)],
        most=p.most_rows,
        seed=p.seed,
        context=p.context_columns,
    )
    if not p.test_data:
        return train, None
    told: dict[str, Any] = {"most": p.most_rows, "seed": p.seed, "context": p.context_columns}
    test = read(Path(p.test_data), p.input_column, p.output_column, group, p.encoding, 1, **told)
    if sha256_path(path) == sha256_path(Path(p.test_data)):
        raise BadInput(
            "is the same file as data.data",
            where=f"data.test_data = {p.test_data}",
            todo="leave it empty: 02 splits",
        )
    return train, test


def curate(
    train: Table,
    test: Table | None,
    card: TaskCard,
    p: DataParameters,
    progress: Progress | None = None,
    meaning_progress: Progress | None = None,
    personal_progress: Progress | None = None,
) -> Curated:
    """Look for personal data, clean, keep copies of test rows out of training, look by meaning, split, and count leaks before and after.

    Args:
        train: The examples.
        test: The examples of a test file of its own, if one was given.
        card: The task.
        p: The stage's parameters.
        progress: Called with rows compared by their letters, done and in all.
        meaning_progress: Called with rows compared by meaning, done and in all.
        personal_progress: Called with rows searched for personal data, done and in all.

    Raises:
        BadInput: Too few examples are left, or a split would be empty.
    """
    card = _offering(card, train)
    rows = [{**row, "split": ""} for row in train.rows]
    fixed_split.mark(rows, p)
    rows += [
        {**row, "split": "test", "where": "test file, "} for row in (test.rows if test else [])
    ]
    shares = fixed_split.shares(rows, p)
    redactor = Redactor(
        common_words(row[name] for row in rows for name in ("input", "output")), p.names_model
    )
    decisions = review.read(p.decisions())
    lost = review.unmatched(rows, decisions)
    rows, dropped, changed = review.apply(rows, decisions, redactor.redact)
    rows, personal = _personal(rows, redactor, p, personal_progress)
    leaks_before = leaks(random_split(rows, p.seed, *shares), p.near_duplicate_threshold)
    cleaned = clean(rows, card, p.near_duplicate_threshold, progress, p.repair)
    _reviewed(cleaned, dropped, changed, lost)
    personal.tell(cleaned)
    check_removed([t for t in (train, test) if t], cleaned, p)
    check_left(cleaned, p)
    meaning = by_meaning(cleaned, card, p, meaning_progress)
    if p.folds:
        hold_fold(cleaned.rows, card, p.seed, p.folds, p.fold)
        shares = (shares[0] / (1 - 1 / p.folds), 0.0)
    split(cleaned.rows, card, p.seed, *shares)
    _label_defects(cleaned, card)
    _leave_out(cleaned, card, p)
    _add_synthetic(cleaned, card, p)
    check_splits(cleaned.rows)
    leaks_after = leaks(cleaned.rows, p.near_duplicate_threshold)
    if meaning and meaning.paraphrases:
        careless = {
            id(row): copy["split"]
            for row, copy in zip(
                cleaned.rows, random_split(cleaned.rows, p.seed, *shares, True), strict=True
            )
        }
        leaks_before["paraphrase"] = crossing(meaning.pairs, lambda row: careless.get(id(row), ""))
        leaks_after["paraphrase"] = crossing(meaning.pairs, lambda row: row["split"])
    return Curated(
        cleaned.rows,
        train,
        test,
        cleaned,
        leaks_before,
        leaks_after,
        meaning,
        _agreement(train, p),
        personal.counts,
    )


def _offering(card: TaskCard, train: Table) -> TaskCard:
    """Return the card with the functions that the data declare.

    Raises:
        BadInput: The data call functions and the task is another one, or the other way round.
    """
    if card.kind == "tool_call" and not train.tools:
        raise BadInput(
            "no row declares functions and calls one",
            where=f"{train.file}, task.kind tool_call",
            todo="give chat messages with columns messages and tools, as for OpenAI's fine-tuning",
        )
    if card.kind != "tool_call" and train.tools:
        raise BadInput(
            f"the conversations call functions ({', '.join(t['name'] for t in train.tools[:5])})",
            where=f"{train.file}, task.kind {card.kind}",
            todo="set task.kind to tool_call, or leave out the column with the tools: such rows are then put aside",
        )
    return card.completed([], train.tools)


@dataclass
class _Personal:
    """Personal data found before anything else was done: rows by kind, what was done with them, and samples."""

    counts: dict[str, int]
    dropped: list[tuple[Row, str]]
    defect: Defect | None

    def tell(self, cleaned: Cleaned) -> None:
        """Add what was found to the defects."""
        if self.dropped:
            take(cleaned, "personal data", "removed: data.personal_data is drop", self.dropped)
        elif self.defect:
            cleaned.defects.append(self.defect)


def _personal(
    rows: list[Row], redactor: Redactor, p: DataParameters, progress: Progress | None
) -> tuple[list[Row], _Personal]:
    """Note the kinds of personal data in every row, and redact or drop them where that is asked for.

    Rows are taken in the order of their texts, so that pseudonyms do not depend on the order of the file.
    """
    kinds = kinds_of(rows, redactor, progress)
    for row, found in zip(rows, kinds, strict=True):
        row["personal"] = found
    touched = [row for row in rows if points_to_somebody(row["personal"])]
    samples = [sample(row, ", ".join(sorted(row["personal"]))) for row in touched[:SAMPLES]]
    action = "kept: see the review queue, or set data.personal_data to redact or drop"
    if p.personal_data == "redact":
        action = "redacted: the same value has the same pseudonym everywhere"
        told = [row for row in rows if row["personal"] or "before_review" in row]
        for row in sorted(told, key=lambda row: (row["input"], row["output"])):
            names = [name for name in ("input", "output", "before_review") if name in row]
            row |= {name: redactor.redact(row[name]) for name in names} | {"personal": set()}
    defect = Defect(kind="personal data", count=len(touched), action=action, examples=samples)
    if p.personal_data != "drop":
        return rows, _Personal(ranked(kinds), [], defect)
    for row in rows:
        if (
            row.get("before_review")
            and redactor.redact(row["before_review"]) != row["before_review"]
        ):
            del row["before_review"]
    gone = {id(row) for row in touched}
    dropped = [(row, ", ".join(sorted(row["personal"]))) for row in touched]
    return [row for row in rows if id(row) not in gone], _Personal(ranked(kinds), dropped, None)


def _reviewed(
    cleaned: Cleaned, dropped: list[tuple[Row, str]], changed: int, lost: list[review.Decision]
) -> None:
    """Tell what people decided in review."""
    if dropped:
        take(cleaned, "dropped in review", "removed: a person decided so", dropped)
    if changed:
        action = "changed: a person gave another answer or redacted personal data"
        cleaned.defects.append(Defect(kind="changed in review", count=changed, action=action))
    if lost:
        action = "passed over: no row has this key; its text was changed since, or the sheet belongs to other data"
        samples = [f"key {made.key}: {made.action}" for made in lost[:SAMPLES]]
        cleaned.defects.append(
            Defect(kind="decisions without a row", count=len(lost), action=action, examples=samples)
        )


def doubts(
    done: Curated,
    card: TaskCard,
    p: DataParameters | None = None,
    folder: Path | None = None,
    progress: Progress | None = None,
) -> list[review.Doubt]:
    """Return the review queue of curated data, worst first; proposals for cases with too few examples come last.

    Args:
        done: The curated data.
        card: The task.
        p: Names the model that proposes examples; None: no proposals.
        folder: The stage's folder, where proposals are kept.
        progress: Called with proposals asked for, done and in all.
    """
    found = done.meaning.suspects if done.meaning else []
    queue = review.queue(
        [row for row in done.rows if row.get("file") != "synthetic"], found, done.cleaned.near, card
    )
    return queue + (
        synthetic.propose(done.rows, card, p, folder, progress)
        if p is not None and folder is not None
        else []
    )


def _add_synthetic(cleaned: Cleaned, card: TaskCard, p: DataParameters) -> None:
    """Add the proposals that a person kept to training."""
    found = synthetic.kept(cleaned.rows, card, p, Path(p.run) / "data")
    if found:
        cleaned.rows += found
        action = "added to training only: a model proposed them, a person kept them"
        samples = [f"{mask(row['input'])[:80]}" for row in found[:SAMPLES]]
        cleaned.defects.append(
            Defect(kind="synthetic examples", count=len(found), action=action, examples=samples)
        )


def _agreement(train: Table, p: DataParameters) -> Agreement | None:
    if not p.annotator_columns:
        return None
    return agreement(
        {name: [row["extra"][name] for row in train.rows] for name in p.annotator_columns}, p.seed
    )


def _leave_out(cleaned: Cleaned, card: TaskCard, p: DataParameters) -> None:
    """Keep at most the sizes that were asked for, the same share of every label."""
    limits = {"train": p.max_examples, "validation": p.max_validation, "test": p.max_test}
    rows = cleaned.rows
    for name, limit in limits.items():
        rows = at_most(rows, card, name, limit, p.seed)
    kept = {row["id"] for row in rows}
    bad = [
        (row, f"good, but data.max_... keeps {limits[row['split']]:,}")
        for row in cleaned.rows
        if row["id"] not in kept
    ]
    if bad:
        take(
            cleaned,
            LEFT_OUT,
            "not used: data.max_examples, max_validation or max_test keep fewer, drawn by label",
            bad,
        )
        cleaned.defects[-1].examples = []


def _label_defects(cleaned: Cleaned, card: TaskCard) -> None:
    """Tell labels with few training examples, and labels that only the test has."""
    if card.kind != "label":
        return
    trained = Counter(row["output"] for row in cleaned.rows if row["split"] == "train")
    seen = Counter(row["output"] for row in cleaned.rows)
    thin = sorted((trained[label], label) for label in seen if 0 < trained[label] < FEW_PER_LABEL)
    never = sorted(label for label in seen if not trained[label])
    if thin:
        samples = [f"{label}: {count} training examples" for count, label in thin[:SAMPLES]]
        action = f"kept: labels with fewer than {FEW_PER_LABEL} training examples are hard to learn; add some"
        cleaned.defects.append(
            Defect(kind="thin labels", count=len(thin), action=action, examples=samples)
        )
    if never:
        samples = [
            f"{label}: {seen[label]} examples, none in training" for label in never[:SAMPLES]
        ]
        action = "kept: nothing can be learnt about them; add training examples"
        cleaned.defects.append(
            Defect(
                kind="labels without training examples",
                count=len(never),
                action=action,
                examples=samples,
            )
        )
