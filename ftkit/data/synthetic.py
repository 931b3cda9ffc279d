"""Examples that a model proposes for cases without enough of them.

A proposal is checked against the task card and against every row of every split, marked, and put into the review queue. It is
learnt from only after a person has kept it, and it never goes into validation or test.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ftkit.core.errors import BadInput
from ftkit.core.parameters.data import DataParameters
from ftkit.core.records.task import TaskCard
from ftkit.core.run_folder import write_text
from ftkit.data import review
from ftkit.data.canonical import canonical, spellings
from ftkit.data.coverage import FEW, cases, coverage
from ftkit.data.duplicates import clusters_of
from ftkit.data.personal_data import mask
from ftkit.data.split import row_id
from ftkit.models.chat import ChatModel, Messages
from ftkit.models.endpoint.model import Endpoint, endpoint_or_local
from ftkit.scoring.formats import format_of
from ftkit.scoring.parse import parse
from ftkit.scoring.text import normalise
from ftkit.scoring.values import compact, value_text

Row = dict[str, Any]
Progress = Callable[[int, int], None]
FILE, SHOWN, LONGEST = "synthetic.jsonl", 4, 512
RULES = (
    "You write examples for a task, as a real user would write them. Reply with one JSON object with the keys input and output and "
    "nothing else. output is the right answer to input under the task."
)


def model_of(p: DataParameters, folder: Path) -> ChatModel:
    """Return the model that proposes examples."""
    endpoint = Endpoint(
        url=p.synthesis_url,
        model=p.synthesis_model,
        named="data.synthesis",
        answer_tokens=LONGEST,
        prices=p.synthesis_prices,
        price_file=p.price_file,
        most_usd=p.synthesis_most_usd,
        connection=p.synthesis_connection,
        may_leave=p.data_may_leave,
    )
    return endpoint_or_local(endpoint, folder / "synthesis_replies.jsonl", mask)


def propose(
    rows: Sequence[Row],
    card: TaskCard,
    p: DataParameters,
    folder: Path,
    progress: Progress | None = None,
    model: ChatModel | None = None,
) -> list[review.Doubt]:
    """Ask for examples of the cases that training has too few of, keep what passes, and return what nobody has decided about.

    Proposals of an earlier run are kept and not asked for again. Personal data in the shown examples are masked.

    Args:
        rows: All rows with their split.
        card: The task card.
        p: Names the model, and how many proposals a case gets.
        folder: The stage's folder; proposals are kept in ``synthetic.jsonl``.
        progress: Called with replies done and in all.
        model: The model, if it is loaded already.
    """
    known, card = read(folder), card.completed(sorted({row["output"] for row in rows}))
    if p.synthesis_model:
        counts = Counter(found["case"] for found in known)
        wanted = [
            (c.case, has)
            for c in coverage(rows, card)
            if c.train < FEW
            for has in [_test_of(c.case, card, rows)]
        ]
        asked = [
            (case, has, k) for case, has in wanted for k in range(counts[case], p.synthesis_items)
        ]
        if asked:
            fresh = _asked(asked, rows, known, card, p, model or model_of(p, folder), progress)
            _mark_near(fresh, [row["input"] for row in [*rows, *known]], p.near_duplicate_threshold)
            known += fresh
            write_text(
                folder / FILE,
                "".join(json.dumps(found, ensure_ascii=False) + "\n" for found in known),
            )
    decided = review.read(p.decisions())
    return [
        _doubt(number, found)
        for number, found in enumerate(known, 1)
        if not found["refused"] and found["key"] not in decided
    ]


def _asked(
    asked: Sequence[tuple[str, Callable[[Row], bool], int]],
    rows: Sequence[Row],
    known: Sequence[dict[str, str]],
    card: TaskCard,
    p: DataParameters,
    model: ChatModel,
    progress: Progress | None,
) -> list[dict[str, str]]:
    shown = sorted(
        (row for row in rows if row["split"] == "train" and row.get("file") != "synthetic"),
        key=lambda row: row["id"],
    )
    replies = model.answer([ask(card, case, shown, k) for case, _, k in asked], progress)
    taken = {normalise(row["input"]) for row in [*rows, *known]}
    return [
        _judged(reply.text, case, has, card, taken, p.synthesis_model)
        for (case, has, _), reply in zip(asked, replies, strict=True)
    ]


def _test_of(case: str, card: TaskCard, rows: Sequence[Row]) -> Callable[[Row], bool]:
    return next(has for name, _, has in cases(card, rows) if name == case)


def read(folder: Path) -> list[dict[str, str]]:
    """Return the proposals that were made so far.

    Raises:
        BadInput: A line of the file is no proposal.
    """
    path = folder / FILE
    if not path.exists():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            row = json.loads(line)
            found.append(
                {
                    name: str(row[name])
                    for name in ("case", "input", "output", "key", "model", "refused")
                }
            )
        except (ValueError, KeyError, TypeError) as error:
            raise BadInput(
                f"is no proposal: {error}", where=f"{path}, line {number}", todo="remove that line"
            ) from error
    return found


def ask(card: TaskCard, case: str, shown: Sequence[Row], number: int) -> Messages:
    """Return what the model is asked for one proposal; ``number`` chooses other examples to show, so that replies differ."""
    start = (number * SHOWN) % max(1, len(shown))
    lines = [f"Task: {card.instruction}"]
    lines += [f"Allowed answers: {', '.join(card.labels)}"] if card.labels else []
    lines += (
        [f"The output is a JSON record with the fields {', '.join(card.fields)}."]
        if card.fields
        else []
    )
    lines += [
        compact({"input": mask(row["input"]), "output": mask(row["output"])})
        for row in shown[start : start + SHOWN]
    ]
    lines.append(f"Write example number {number + 1} of this case, unlike those above: {case}")
    return [{"role": "system", "content": RULES}, {"role": "user", "content": "\n".join(lines)}]


def _judged(
    text: str, case: str, has: Callable[[Row], bool], card: TaskCard, taken: set[str], model: str
) -> dict[str, str]:
    """Return a reply as a proposal, with the reason why it is refused, if it is."""
    found = {
        "case": case,
        "input": "",
        "output": "",
        "key": "",
        "model": model,
        "refused": "the reply is no JSON object with input and output",
    }
    try:
        value = json.loads(text[text.index("{") : text.rindex("}") + 1])
        given, output = value["input"], value["output"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return found
    if not isinstance(given, str) or not given.strip():
        return found
    answer = value_text(output)
    answer = canonical(card, answer, spellings(card, [answer]))
    row = {"input": given.strip(), "output": answer}
    found |= {**row, "key": review.key_of(row), "refused": ""}
    if format_of(card, answer, parse(card, answer)) == "failed":
        found["refused"] = "its answer fails the task card's checks"
    elif not has(row):
        found["refused"] = "it does not show the case"
    elif normalise(given) in taken:
        found["refused"] = "its input is there already"
    else:
        taken.add(normalise(given))
    return found


def _mark_near(
    proposals: Sequence[dict[str, str]], inputs: Sequence[str], threshold: float
) -> None:
    """Refuse proposals that are near copies of an input of any split, or of another proposal."""
    fresh = [found for found in proposals if not found["refused"]]
    clusters = clusters_of([*inputs, *(found["input"] for found in fresh)], threshold)
    seen = set(clusters[: len(inputs)])
    for found, cluster in zip(fresh, clusters[len(inputs) :], strict=True):
        if cluster in seen:
            found["refused"] = "it is nearly the same as a row, or as an earlier proposal"
        seen.add(cluster)


def _doubt(number: int, found: dict[str, str]) -> review.Doubt:
    why = f"synthetic: {found['model']} proposes it for '{found['case']}'; it is learnt from only if you keep it"
    return review.Doubt(found["key"], -number, why, found["input"], found["output"], weight=0.3)


def kept(rows: Sequence[Row], card: TaskCard, p: DataParameters, folder: Path) -> list[Row]:
    """Return the proposals that a person kept, as training rows; those near to a row that is held out now are left out.

    Args:
        rows: All rows with their split; clusters are numbered.
        card: The task card.
        p: Names the decisions.
        folder: The stage's folder.
    """
    decided, found = review.read(p.decisions()), []
    for number, proposal in enumerate(read(folder), 1):
        made = decided.get(proposal["key"])
        if proposal["refused"] or made is None or made.action not in ("keep", "fix"):
            continue
        row = {
            "input": proposal["input"],
            "output": made.answer if made.action == "fix" else proposal["output"],
            "group": "",
        }
        if format_of(card, row["output"], parse(card, row["output"])) == "failed":
            raise BadInput(
                f"the answer {row['output'][:60]!r} fails the task card's checks",
                where=f"review of '{row['input'][:60]}'",
                todo="fix it",
            )
        found.append(
            {
                **row,
                "split": "train",
                "source_row": -number,
                "file": "synthetic",
                "key": proposal["key"],
                "reviewed": True,
                "personal": set(),
                "id": row_id(row),
            }
        )
    if not found:
        return []
    held = [row for row in rows if row["split"] != "train"]
    clusters = clusters_of([row["input"] for row in [*held, *found]], p.near_duplicate_threshold)
    tested, following = (
        set(clusters[: len(held)]),
        max((row["cluster"] for row in rows), default=0) + 1,
    )
    there = {row["id"] for row in rows}
    free = [
        row
        for row, cluster in zip(found, clusters[len(held) :], strict=True)
        if cluster not in tested and row["id"] not in there
    ]
    return [{**row, "cluster": following + k} for k, row in enumerate(free)]
