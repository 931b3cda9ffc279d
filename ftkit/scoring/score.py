"""From answers to scores: right or wrong, how much of it, in which format, and whether a source supports it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from ftkit.core.records.base import Estimate
from ftkit.core.records.evaluation import SCORE_COLUMNS
from ftkit.core.records.strategy import ANSWERED, Outcome, answers_of
from ftkit.core.records.task import TaskCard
from ftkit.core.statistics import mean_interval, paired_difference
from ftkit.scoring.formats import format_of
from ftkit.scoring.grounding import Evidence
from ftkit.scoring.items import check_answers, check_items, cluster_of
from ftkit.scoring.metrics import metric
from ftkit.scoring.parse import Format, Parsed, parse
from ftkit.scoring.text import normalise, token_f1
from ftkit.scoring.tool_calls import read_answer, shares_right, undeclared
from ftkit.scoring.values import is_missing, same_value, value_text

ABSTENTIONS = ("we will check",)


def score(
    card: TaskCard,
    items: Any,
    answers: Any,
    evidence: dict[str, list[str]] | None = None,
    *,
    sources: Collection[str] | None = None,
    citation_field: str = "source",
    abstentions: Sequence[str] = ABSTENTIONS,
) -> Any:
    """Score every answer.

    - kind label: right if it names the right label (letters, quotes and punctuation do not count).
    - kind fields: right if all key fields are right; partial is the share of all fields that are right.
    - kind tool_call: right if it makes the right calls and no others; partial is the share of calls that are right;
      unsupported where a function or an argument is not declared.
    - kind text: right if the task's metric reaches its threshold (as it comes: the whole text is the right one after
      normalisation); partial is the metric, for exact the F1 of the words.

    A metric that raises counts the answer as wrong; which ones is told in ``attrs["faults"]`` of the table.

    A reply that is no answer (its column ``outcome``: cut off, filtered, ...) is wrong whatever its text holds; one that
    was cut off is not missing.

    An answer that needs a fixed repair (code fence, a sentence around a label) is scored after it and marked
    repairable. An empty answer counts as wrong and missing. ``unsupported`` is true where the knowledge field states a
    value that neither the evidence nor the right answer holds and that is no abstention, or where a source is cited
    that does not exist; it is missing where there is no evidence to hold the answer against.

    Args:
        card: The task.
        items: Examples (columns ``records.EXAMPLE_COLUMNS``).
        answers: Answers of one or more strategies (columns ``records.ANSWER_COLUMNS``), one per item and strategy.
        evidence: Passages per item id; None: nothing to hold answers against.
        sources: Ids of all known articles; None: citations are not checked.
        citation_field: Field that names the article.
        abstentions: Texts by which an answer says that it does not know.

    Returns:
        One row per item and strategy, in the order of ``answers``, columns ``records.SCORE_COLUMNS``.

    Raises:
        BadInput: Duplicate ids, or strategies that did not answer the same items.
    """
    import pandas as pd

    check_items(items)
    check_answers(items, answers)
    truths = dict(
        zip(items["id"], (parse(card, str(output)) for output in items["output"]), strict=True)
    )
    groups = dict(zip(items["id"], cluster_of(items), strict=True))
    holds = Evidence(
        card, evidence, sources, citation_field, tuple(normalise(a) for a in abstentions)
    )
    faults: list[str] = []
    ended: Any = answers["outcome"] if "outcome" in answers else ["answered"] * len(answers)
    rows = [
        (item, strategy, groups[item], *_one(card, said, truths[item], holds, item, faults))
        for item, strategy, said in zip(
            answers["item_id"],
            answers["strategy"],
            zip(map(_text, answers["text"]), ended, strict=True),
            strict=True,
        )
    ]
    table = pd.DataFrame(rows, columns=SCORE_COLUMNS)
    typed = table.astype(
        {"correct": bool, "partial": float, "unsupported": "boolean", "missing": bool}
    )
    typed.attrs["faults"] = faults
    return typed


def score_texts(card: TaskCard, items: Any, texts: Sequence[str]) -> Any:
    """Return the scores of texts that answer items, in their order (columns ``records.SCORE_COLUMNS``).

    Args:
        card: The task.
        items: Questions with their right answers (columns ``records.EXAMPLE_COLUMNS``).
        texts: An answer to each.
    """
    scores = score(card, items, answers_of("tuned", items["id"], texts))
    return scores.set_index("item_id").loc[items["id"]].reset_index()


def _text(value: Any) -> str:
    return "" if is_missing(value) else value_text(value)


def _one(
    card: TaskCard,
    said: tuple[str, Outcome],
    truth: Parsed,
    holds: Evidence,
    item: str,
    faults: list[str],
) -> tuple[bool, float, Format, bool | None, bool]:
    text, outcome = said
    if outcome not in ANSWERED or not text.strip():
        unsupported = holds.verdict(Parsed("failed"), truth, item)
        return False, 0.0, "failed", unsupported, outcome != "cut_off"
    parsed = parse(card, text)
    try:
        correct, partial = judge(card, parsed, truth)
    except Exception as error:  # noqa: BLE001  an own metric may raise anything; the item is told, the rest is kept
        correct, partial = False, 0.0
        faults.append(f"item {item}: the metric raised {type(error).__name__}: {error}")
    unsupported = holds.verdict(parsed, truth, item)
    if card.kind == "tool_call":
        called = read_answer(parsed.content)
        unsupported = bool(called and undeclared(card.tools, called))
    return correct, partial, format_of(card, text, parsed), unsupported, False


def judge(card: TaskCard, parsed: Parsed, truth: Parsed) -> tuple[bool, float]:
    """Return whether an answer is right, and the share of it that is right."""
    if card.kind == "fields":
        right = field_matches(card, parsed, truth)
        keys = card.key_fields or card.fields
        return all(right.get(name, False) for name in keys), sum(right.values()) / max(
            1, len(right)
        )
    if card.kind == "tool_call":
        called, wanted = read_answer(parsed.content), read_answer(truth.content)
        return shares_right(card.tools, called, wanted) if called and wanted else (False, 0.0)
    if card.kind == "label":
        correct = parsed.format != "failed" and same_value(
            parsed.content, truth.content, card.labels
        )
        return correct, float(correct)
    value = metric(card.metric, card.metric_tolerance, card.decimal_mark)(
        parsed.content, truth.content
    )
    partial = token_f1(parsed.content, truth.content) if card.metric == "exact" else value
    return value >= card.metric_threshold and parsed.format != "failed", partial


def field_matches(card: TaskCard, parsed: Parsed, truth: Parsed) -> dict[str, bool]:
    """Return for every field of the record whether its value is the right one."""
    return {
        name: _same(card, name, parsed.fields.get(name), truth.fields.get(name))
        for name in card.fields
    }


ABSENT = ("", "null")
"""Texts of an optional field that say the same as leaving it out."""


def _same(card: TaskCard, name: str, given: str | None, wanted: str | None) -> bool:
    if name in card.optional_fields and (given or "") in ABSENT and (wanted or "") in ABSENT:
        return True
    if given is None or wanted is None:
        return False
    allowed = card.allowed(name)
    if allowed:
        return same_value(given, wanted, allowed)
    if normalise(given) == normalise(wanted):
        return True
    how = card.field_metrics.get(name, card.metric)
    return (
        how != "exact"
        and metric(how, card.metric_tolerance, card.decimal_mark)(given, wanted)
        >= card.metric_threshold
    )


def shares(card: TaskCard, items: Any, answers: dict[str, Any]) -> dict[str, Estimate]:
    """Return the share of right answers with its 95% interval, by name.

    Args:
        card: The task.
        items: Examples with their right answers.
        answers: A table of answers to these items, by name.
    """
    found = {name: score(card, items, table) for name, table in answers.items()}
    return {
        name: mean_interval(s["correct"].astype(float).tolist(), s["group"].tolist())
        for name, s in found.items()
    }


def against(
    card: TaskCard, items: Any, texts: Sequence[str], scores: Any
) -> tuple[Estimate, float]:
    """Return how much more often a strategy is right than other answers to the same items, and how often those are.

    Args:
        card: The task.
        items: Examples with their right answers.
        texts: The other answers, in the order of ``items``.
        scores: The strategy's scores (``item_id``, ``correct``), these items among them.
    """
    other = score(card, items, answers_of("other", items["id"], texts))
    mine = scores.set_index("item_id").loc[items["id"], "correct"].astype(float).tolist()
    given = other["correct"].astype(float)
    return paired_difference(mine, given.tolist(), other["group"].astype(str).tolist()), float(
        given.mean()
    )
