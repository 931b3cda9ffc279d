"""Removing what should not be learnt from: broken answers, copies, contradictions; each with its count and samples."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.records.data import Defect
from ftkit.core.records.task import TaskCard
from ftkit.data.canonical import answer_key, canonical, cut_keys, same_content, spellings
from ftkit.data.damage import DAMAGED, END_MARKERS, INVISIBLE
from ftkit.data.duplicates import clusters_of, shingler
from ftkit.data.fixed_split import HELD
from ftkit.data.personal_data import mask
from ftkit.data.read import Rejected
from ftkit.scoring.formats import failures, format_of
from ftkit.scoring.parse import parse
from ftkit.scoring.text import normalise, tokens
from ftkit.scoring.values import compact, identity, value_text

Row = dict[str, Any]
SAMPLE_LENGTH, SAMPLES = 80, 5


@dataclass
class Cleaned:
    """Rows worth learning from, and what was done.

    Attributes:
        rows: Usable rows, each with ``cluster`` (rows of one cluster are near copies and stay in one split).
        removed: Rows taken out, with their reason.
        defects: Counts and masked samples, in the order of the steps.
        counts: Rows left after each step, by kind of defect.
        alike: Pairs of near copies with the same answer, the row kept and the row removed, with personal data masked.
        near: Pairs of near copies that both stay because their answers differ, masked as well.
        repaired: Answers that were mended: where the row stands, before, after.
    """

    rows: list[Row]
    removed: list[Rejected] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    alike: list[tuple[Row, Row]] = field(default_factory=list)
    near: list[tuple[Row, Row]] = field(default_factory=list)
    repaired: list[dict[str, Any]] = field(default_factory=list)


def clean(
    rows: list[Row],
    card: TaskCard,
    threshold: float,
    progress: Callable[[int, int], None] | None = None,
    repair: bool = False,
) -> Cleaned:
    """Clean rows: answers in canonical form, broken answers, exact copies, contradictions, copies of test rows, near copies.

    Rows with ``split`` "test" or "validation" (given beforehand) keep their near copies and contradictions: a given test stays
    as it was given, as far as it can be answered at all.

    Args:
        rows: As read; order matters only in that the first of several copies is kept.
        card: The task card whose checks a right answer must pass.
        threshold: Jaccard similarity of inputs from which rows are near copies.
        progress: Called with rows done and rows in all.
        repair: Whether answers that are nearly JSON are mended; else they are taken out, and how many could be mended is told.

    Raises:
        BadInput: The task is to choose a label, but the outputs are mostly different texts.
    """
    done = Cleaned([{"split": "", **row} for row in rows], counts={"read": len(rows)})
    _told(done, DAMAGED, "damaged letters", DAMAGE)
    _told(done, INVISIBLE, "hidden characters", UNSEEN)
    _end_markers(done, repair)
    _repaired(done, card, repair)
    _canonical(done, card)
    _broken(done, card)
    _exact(done, card)
    if card.kind != "text":
        _contradictions(done)
    _clusters(done, threshold, progress)
    for name in HELD:
        if any(row.get("split") == name for row in rows):
            _copies_of_held(done, name)
            _groups_of_held(done, name)
    _near(done, card, threshold)
    return done


def _held(row: Row) -> bool:
    return row.get("split") in HELD


def take(done: Cleaned, kind: str, action: str, bad: list[tuple[Row, str]]) -> None:
    """Remove rows with a reason each, and note the step."""
    gone = {id(row) for row, _ in bad}
    done.rows = [row for row in done.rows if id(row) not in gone]
    done.removed += [
        Rejected(row["source_row"], f"{kind}: {reason}", row.get("file", "")) for row, reason in bad
    ]
    samples = [sample(row, reason) for row, reason in bad[:SAMPLES]]
    done.defects.append(
        Defect(kind=kind, count=len(bad), action=action, examples=samples, removed=len(bad))
    )
    done.counts[kind] = len(done.rows)


def sample(row: Row, reason: str) -> str:
    """Return a short masked sample with its row number."""
    text = mask(row["input"])
    short = text if len(text) <= SAMPLE_LENGTH else text[: SAMPLE_LENGTH - 1].rstrip() + "…"
    return f"{place(row)}: {short} ({reason})"


def place(row: Row) -> str:
    """Return where a row stands, e.g. 'row 12' or 'test file, row 12'."""
    return f"{row.get('where', '')}row {row['source_row']}"


def _shown(row: Row) -> Row:
    return {**row, "input": mask(row["input"]), "output": mask(row["output"])}


DAMAGE = "kept: some letters were lost or doubled by a wrong encoding before; export the file again as UTF-8"
UNSEEN = "kept: zero-width or direction-turning characters that nobody sees, but a model reads; copies are found in spite of them"


def _told(done: Cleaned, pattern: re.Pattern[str], kind: str, action: str) -> None:
    """Note the rows in which a pattern is found; nothing is changed."""
    bad = [
        row for row in done.rows if pattern.search(row["input"]) or pattern.search(row["output"])
    ]
    if bad:
        done.defects.append(
            Defect(
                kind=kind,
                count=len(bad),
                action=action,
                examples=[sample(row, kind) for row in bad[:SAMPLES]],
            )
        )


def _repaired(done: Cleaned, card: TaskCard, repair: bool) -> None:
    """Mend answers that are nearly JSON, or say how many could be mended."""
    if card.kind != "fields":
        return
    mendable = [(row, after) for row in done.rows if (after := mended(card, row["output"]))]
    samples = [
        sample(row, f"{mask(row['output'])[:60]!r} becomes {mask(after)[:60]!r}")
        for row, after in mendable[:SAMPLES]
    ]
    if not mendable:
        return
    action = (
        "kept, mended as repaired.jsonl tells"
        if repair
        else "taken out as broken answers; data.repair: true mends them"
    )
    done.defects.append(
        Defect(kind="nearly JSON", count=len(mendable), action=action, examples=samples)
    )
    for row, after in mendable if repair else ():
        done.repaired.append(_mending(row, after))
        row["output"] = after


def mended(card: TaskCard, output: str) -> str:
    """Return an answer that is nearly JSON as JSON, where it then passes the card's checks; else an empty text.

    Missing quotes and brackets, trailing commas, comments and single quotes are mended (library json_repair), and known
    values get their spelling. No field and no value is made up: all of the card's fields must be there.
    """
    if parse(card, output).format != "failed" or "{" not in output:
        return ""
    import json_repair

    found = json_repair.loads(output[output.index("{") :], skip_json_loads=True)
    if (
        not isinstance(found, dict)
        or not set(card.fields) - set(card.optional_fields) <= set(found)
        or any(found.get(name, "") is None for name in card.fields)
    ):
        return ""
    said = set(tokens(output))
    if any(not set(tokens(value_text(found.get(name, "")))) <= said for name in card.fields):
        return ""
    after = canonical(card, compact(found), spellings(card, [compact(found)]))
    return after if format_of(card, after, parse(card, after)) != "failed" else ""


def _end_markers(done: Cleaned, repair: bool) -> None:
    """Tell markers of a chat template at the end of answers, or take them off."""
    marked = [row for row in done.rows if END_MARKERS.search(row["output"])]
    if not marked:
        return
    samples = [sample(row, f"ends with {row['output'][-20:]!r}") for row in marked[:SAMPLES]]
    action = (
        "kept, the marker was taken off as repaired.jsonl tells"
        if repair
        else "kept as they are: a model learns to write the marker; data.repair: true takes it off"
    )
    done.defects.append(
        Defect(kind="chat markers at the end", count=len(marked), action=action, examples=samples)
    )
    for row in marked if repair else ():
        after = END_MARKERS.sub("", row["output"])
        done.repaired.append(_mending(row, after))
        row["output"] = after


def _mending(row: Row, after: str) -> dict[str, Any]:
    where = {"row": row["source_row"], "file": row.get("file", "")}
    return where | {"before": row["output"], "after": after}


def _canonical(done: Cleaned, card: TaskCard) -> None:
    """Write answers in one spelling and form, so that no model learns three ways to say the same."""
    _check_labels(done, card)
    known = spellings(card, [row["output"] for row in done.rows])
    changed, cut = [], defaultdict(list)
    for row in done.rows:
        form = canonical(card, row["output"], known)
        if form != row["output"]:
            for name in cut_keys(card, row["output"]):
                cut[name].append(row)
        if not same_content(row["output"], form):
            before, after = (mask(text)[:40] for text in (row["output"], form))
            changed.append(sample(row, f"answer {before!r} became {after!r}"))
        row["output"] = form
    if changed:
        action = "kept, the answer was written in one form (spelling of labels and values, JSON without words around it)"
        done.defects.append(
            Defect(
                kind="answers in another form",
                count=len(changed),
                action=action,
                examples=changed[:SAMPLES],
            )
        )
    for name, rows in cut.items():
        action = f"kept without it: '{name}' is none of task.fields; name it there (and in task.optional_fields) to teach it"
        samples = [sample(row, f"holds '{name}'") for row in rows[:SAMPLES]]
        done.defects.append(
            Defect(kind=f"field '{name}' cut", count=len(rows), action=action, examples=samples)
        )


def _check_labels(done: Cleaned, card: TaskCard) -> None:
    labels = {row["output"] for row in done.rows}
    if card.kind == "label" and not card.labels and len(labels) > max(20, len(done.rows) / 2):
        raise BadInput(
            f"the task is to choose a label, but the {len(done.rows):,} outputs hold {len(labels):,} different texts",
            where="task.kind",
            todo="set task.kind: text (or fields), or name another data.output_column",
        )


def _broken(done: Cleaned, card: TaskCard) -> None:
    bad = []
    for row in done.rows:
        parsed = parse(card, row["output"])
        if format_of(card, row["output"], parsed) == "failed":
            failed = ", ".join(failures(card, row["output"], parsed)) or "not one of the labels"
            bad.append((row, f"answer {mask(row['output'])[:40]!r} fails: {failed}"))
    take(
        done, "broken answers", "removed: a right answer must pass the task card's own checks", bad
    )


def _exact(done: Cleaned, card: TaskCard) -> None:
    first: dict[tuple[str, str, str], Row] = {}
    bad = []
    for row in done.rows:
        kept = first.setdefault(
            (row["split"], normalise(row["input"]), answer_key(card, row["output"])), row
        )
        kept["votes"] = kept.get("votes", 0) + 1
        if kept is not row:
            bad.append((row, f"the same as {place(kept)}"))
    take(
        done,
        "exact copies",
        "removed, the first was kept (compared without case, outer punctuation and double blanks)",
        bad,
    )


def _contradictions(done: Cleaned) -> None:
    """Equal inputs with different answers: the majority's answer is kept; without one, none is.

    Exact copies are gone by now, but each row holds how many said the same (``votes``).
    """
    same: dict[str, list[Row]] = defaultdict(list)
    for row in done.rows:
        if not _held(row):
            same[identity(row["input"])].append(row)
    bad = []
    for rows in same.values():
        votes = sum(row["votes"] for row in rows)
        reason = f"the same input has {len(rows)} different answers ({', '.join(place(row) for row in rows[:4])})"
        bad += [(row, reason) for row in rows if len(rows) > 1 and row["votes"] <= votes / 2]
    take(
        done,
        "contradictions",
        "removed: of different answers to the same input only one given by most rows is kept",
        bad,
    )


def _clusters(done: Cleaned, threshold: float, progress: Callable[[int, int], None] | None) -> None:
    clusters = clusters_of([row["input"] for row in done.rows], threshold, progress)
    for row, cluster in zip(done.rows, clusters, strict=True):
        row["cluster"] = cluster


def outranks(name: str) -> tuple[str, ...]:
    """Return the splits that give up what ``name`` holds as well: the test keeps before validation, both before training."""
    return ("", *HELD[HELD.index(name) + 1 :])


def _copies_of_held(done: Cleaned, name: str) -> None:
    held = {row["cluster"]: row for row in done.rows if row["split"] == name}
    bad = [
        (row, f"the same or nearly the same as {place(held[row['cluster']])}")
        for row in done.rows
        if row["split"] in outranks(name) and row["cluster"] in held
    ]
    take(done, f"copies of {name} examples", f"removed: the {name} would measure memory", bad)


def _groups_of_held(done: Cleaned, name: str) -> None:
    held = {row["group"] for row in done.rows if row["split"] == name and row["group"]}
    bad = [
        (row, f"its group is in the {name}")
        for row in done.rows
        if row["split"] in outranks(name) and row["group"] in held
    ]
    if bad:
        take(done, f"groups of the {name}", "removed: rows of one group stay on one side", bad)


def _near(done: Cleaned, card: TaskCard, threshold: float) -> None:
    """Of near copies with the same answer the first is kept; with different answers all are, in one split.

    Where the heads differ (another region, say) both are kept, and another answer is no sign of an error.
    """
    first: dict[tuple[int, Any, str], Row] = {}
    lead: dict[tuple[int, Any], Row] = {}
    bad = []
    for row in done.rows:
        if _held(row):
            continue
        place_of = row["cluster"], row.get("head", ())
        kept = first.setdefault((*place_of, answer_key(card, row["output"])), row)
        if kept is not row:
            bad.append((row, f"nearly the same as {place(kept)}, with the same answer"))
            done.alike.append((_shown(kept), _shown(row)))
        elif lead.setdefault(place_of, row) is not row:
            done.near.append((_shown(lead[place_of]), _shown(row)))
    _, how = shingler([row["input"] for row in done.rows])
    take(
        done,
        "near copies",
        f"removed where the answer is the same (Jaccard {threshold:g} or more over {how})",
        bad,
    )
    samples = [sample(b, f"close to {place(a)}, other answer") for a, b in done.near[:SAMPLES]]
    action = "kept, always in one split; worth a look: is one of the answers wrong?"
    done.defects.append(
        Defect(
            kind="near copies with different answers",
            count=len(done.near),
            action=action,
            examples=samples,
        )
    )
