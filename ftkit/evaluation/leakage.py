"""One matrix of what overlaps: what is learnt from, shown or looked up against what is measured on.

02 keeps copies of one example on one side of the split. Three things come later and could bring them back: the few-shot
examples, the handbook and the general mix.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ftkit.core import run_folder
from ftkit.core.records.data import DataCard
from ftkit.core.records.prompting import PromptBook
from ftkit.data.duplicates import clusters_of
from ftkit.models.chat import Messages
from ftkit.scoring.text import normalise
from ftkit.strategies.grid import shots_of

NEAR = 0.8
"""Jaccard similarity of two texts' runs of letters from which they are near copies, as in 02."""
MEASURED = ("validation", "test")
SELF, SHOWN = "–", "are training examples"
Counts = dict[tuple[str, str], int]


def parts_of(
    stage: run_folder.Stage,
    book: PromptBook,
    general: Sequence[tuple[Messages, str, str]],
    searcher: Any,
) -> dict[str, list[str]]:
    """Return the texts of every part: inputs of the splits, inputs of the few-shot examples, passages, general instructions.

    Of the test only the inputs are read; its right answers stay closed.

    Args:
        stage: A stage that is open.
        book: The prompts of 03.
        general: Messages, answer and id of the general mix.
        searcher: The retriever; None: no handbook.
    """
    table = run_folder.read_table(stage.of("data", "examples.parquet"))[
        ["id", "input", "split", "output"]
    ]
    parts = {
        name: table.loc[table["split"] == name, "input"].tolist()
        for name in ("train", "validation", "test")
    }
    train = table[table["split"] == "train"]
    shots = {given for t in book.trials for given, _ in shots_of(t.prompt, train)}
    return parts | {
        "few-shot examples": sorted(shots),
        "handbook": [p.text for p in searcher.index.passages] if searcher else [],
        "general mix": [messages[-1]["content"] for messages, _, _ in general],
    }


def measured(stage: run_folder.Stage) -> list[str]:
    """Return the inputs of validation and test."""
    table = run_folder.read_table(stage.of("data", "examples.parquet"))
    return table.loc[table["split"] != "train", "input"].tolist()


def matrix(
    parts: Mapping[str, Sequence[str]], threshold: float = NEAR
) -> dict[tuple[str, str], tuple[int, int]]:
    """Return, for every two parts, how many texts of the first have an exact copy, and how many others a near one, in the second.

    Args:
        parts: Texts by the name of their part.
        threshold: Jaccard similarity from which two texts are near copies.
    """
    texts = [(name, text) for name, part in parts.items() for text in part]
    near = clusters_of([text for _, text in texts], threshold)
    exact = [normalise(text) for _, text in texts]
    holders: dict[Any, set[str]] = defaultdict(set)
    for (name, _), plain, cluster in zip(texts, exact, near, strict=True):
        holders[plain].add(name)
        holders[cluster].add(name)
    counts = {(a, b): [0, 0] for a in parts for b in parts if a != b}
    for (name, _), plain, cluster in zip(texts, exact, near, strict=True):
        for other in parts:
            if other != name and other in holders[plain]:
                counts[name, other][0] += 1
            elif other != name and other in holders[cluster]:
                counts[name, other][1] += 1
    return {pair: (same, alike) for pair, (same, alike) in counts.items()}


def by_meaning(parts: Mapping[str, Sequence[str]], threshold: float | None) -> Counts:
    """Return how many general instructions say in other words what a question that is measured on says.

    Between the splits 02 has seen to it, and few-shot examples are training examples. A handbook article answers questions,
    it does not ask them. So only the general mix is left.

    Args:
        parts: As :func:`parts_of` returns them.
        threshold: Cosine from which 02 took inputs for paraphrases; None: it did not compare by meaning, nothing is counted.
    """
    if threshold is None or not parts["general mix"]:
        return {}
    from ftkit.models.embeddings import PACKAGED, embed, load_embedder

    embedder = load_embedder(PACKAGED)
    general = embed(embedder, list(parts["general mix"]))
    counts = {}
    for name in MEASURED:
        same = (
            (general @ embed(embedder, list(parts[name])).T >= threshold).any(1)
            if parts[name]
            else []
        )
        counts["general mix", name] = int(sum(same))
    return counts


def rows(
    found: Mapping[tuple[str, str], tuple[int, int]],
    parts: Mapping[str, Sequence[str]],
    alike: Counts | None = None,
) -> list[dict[str, str]]:
    """Return the matrix for a table: per part, how many of its texts have a copy among validation, test and the others."""
    shown, alike = [name for name in parts if parts[name]], alike or {}
    return [
        {"part": f"{a} ({len(parts[a]):,})"}
        | {f"copies in {b}": _cell(found, alike, a, b) for b in shown}
        for a in shown
    ]


def _cell(found: Mapping[tuple[str, str], tuple[int, int]], alike: Counts, a: str, b: str) -> str:
    if a == b:
        return SELF
    if a == "few-shot examples" and b == "train":
        return SHOWN
    exact, near = found[a, b]
    said = [f"{exact} exact, {near} near"] if exact or near else []
    said += [f"{alike[a, b]} in other words"] if alike.get((a, b)) else []
    return ", ".join(said) or "0"


def told(
    found: Mapping[tuple[str, str], tuple[int, int]],
    alike: Counts | None = None,
    card: DataCard | None = None,
) -> str:
    """Return in one or two sentences whether anything that is learnt from or shown is measured on as well.

    Args:
        found: As :func:`matrix` returns it.
        alike: As :func:`by_meaning` returns it.
        card: The data card, for what 02 compared between the splits: groups and paraphrases.
    """
    alike = alike or {}
    learnt = ("train", "few-shot examples", "handbook", "general mix")
    leaks = [
        (a, b, sum(found[a, b]) + alike.get((a, b), 0))
        for a in learnt
        for b in MEASURED
        if (a, b) in found
    ]
    leaks = [leak for leak in leaks if leak[2]]
    kin = (
        {
            kind: count
            for kind, count in card.leakage_after.items()
            if kind in ("group", "paraphrase")
        }
        if card
        else {}
    )
    crossing = [f"{count:,} by {kind}" for kind, count in kin.items() if count]
    said = (
        f" Between the splits, {' and '.join(f'{kind}s' for kind in kin)} cross nowhere."
        if kin and not crossing
        else ""
    )
    said = f" Between the splits, rows still cross: {', '.join(crossing)}." if crossing else said
    if not leaks:
        return f"Nothing that is learnt from, shown or looked up is a copy of a validation or test question.{said}"
    parts = ", ".join(f"{count:,} of {a} in {b}" for a, b, count in leaks)
    return f"Copies of questions that are measured on: {parts}. Take them out, or the figures measure memory.{said}"
