"""Real graded answers: the full set is the truth, and decisions come from draws of 200 items."""

from __future__ import annotations

import json
import re
import string
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.decision import rules

SHARED = Path(__file__).parents[3] / "shared" / "data"
ITEMS, DRAWS = 200, 2000


def gsm8k(folder: Path = SHARED) -> tuple[list[str], np.ndarray]:
    """Return four systems' graded answers to 1,319 grade-school problems, cheapest (smallest) system first."""
    rows = [
        json.loads(line)
        for line in (folder / "capability_probe/gsm8k_example_model_solutions.jsonl").open()
    ]
    names = ["6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification"]
    return names, np.array([[float(row[name]["is_correct"]) for name in names] for row in rows])


def xquad(folder: Path = SHARED) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return five systems' exact match on 1,190 questions, weakest (taken as cheapest) first, and the paragraphs as clusters."""
    truth, paragraph = {}, {}
    for article in json.loads((folder / "xquad_rag/xquad.en.json").read_text())["data"]:
        for part in article["paragraphs"]:
            for question in part["qas"]:
                truth[question["id"]] = question["answers"][0]["text"]
                paragraph[question["id"]] = part["context"]
    files = sorted((folder / "xquad_rag/predictions").glob("*.json"))
    said = {f.stem: json.loads(f.read_text()) for f in files}
    right = {
        name: [float(squad_words(a.get(i, "")) == squad_words(truth[i])) for i in truth]
        for name, a in said.items()
    }
    names = sorted(right, key=lambda name: sum(right[name]))
    order = {text: k for k, text in enumerate(dict.fromkeys(paragraph.values()))}
    return (
        names,
        np.array([right[name] for name in names]).T,
        np.array([order[paragraph[i]] for i in truth]),
    )


def squad_words(text: str) -> str:
    """Normalise as SQuAD's official script does: lower case, no punctuation, no articles, single spaces."""
    bare = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", bare).split())


def draws(
    right: np.ndarray, groups: np.ndarray, seed: int = 5, count: int = DRAWS
) -> dict[str, Any]:
    """Decide from many draws of 200 items and hold every verdict against the full set."""
    rng, truth = np.random.default_rng(seed), right.mean(axis=0)
    money = rules.Money(1000.0 * np.arange(1, right.shape[1] + 1), 600_000.0)
    net = money.net(truth)
    ours, points = [], []
    for _ in range(count):
        rows = rng.choice(len(right), size=ITEMS, replace=False)
        v = rules.decide(rules.measured(right[rows], groups[rows]), money)
        ours.append((v.chosen, v.best if v.chosen == rules.OPEN else v.chosen))
        points.append(rules.by_points(right[rows], money))
    ideal = int(net.argmax())
    lost = [float(net.max() - net[best]) for _, best in ours]
    return {
        "accuracy": truth.tolist(),
        "ideal": ideal,
        "ours": {
            "right": float(np.mean([c == ideal for c, _ in ours])),
            "open": float(np.mean([c == rules.OPEN for c, _ in ours])),
            "regret": float(np.mean(lost)),
        },
        "points": {
            "right": float(np.mean(np.array(points) == ideal)),
            "open": 0.0,
            "regret": float(np.mean(net.max() - net[points])),
        },
    }


def all_results(count: int = DRAWS) -> dict[str, Any]:
    """Return the figures of both sets of answers."""
    names, right = gsm8k()
    systems, exact, paragraphs = xquad()
    return {
        "GSM8K, four systems": {
            "systems": names,
            **draws(right, np.arange(len(right)), count=count),
        },
        "XQuAD, five systems": {"systems": systems, **draws(exact, paragraphs, count=count)},
    }
