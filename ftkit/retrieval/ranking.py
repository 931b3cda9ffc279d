"""How good a ranking is: recall, precision, MRR, MAP and nDCG as NIST's trec_eval defines them, with intervals.

``tests/unit/test_ranking.py`` holds every figure against trec_eval's own output to four digits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from ftkit.core.records.base import Estimate
from ftkit.core.records.retrieval import Passage
from ftkit.core.statistics import mean_interval


def recall(ranked: Sequence[str], gold: Mapping[str, int], k: int) -> float:
    """Return the share of relevant documents among the first ``k``.

    Args:
        ranked: Ids of documents, best first.
        gold: Relevance by id; what is missing or 0 is not relevant.
        k: How far to look.
    """
    return _hits(ranked[:k], gold) / max(1, _relevant(gold))


def precision(ranked: Sequence[str], gold: Mapping[str, int], k: int) -> float:
    """Return the share of the first ``k`` places that hold a relevant document; places left empty count as wrong."""
    return _hits(ranked[:k], gold) / k


def reciprocal_rank(ranked: Sequence[str], gold: Mapping[str, int]) -> float:
    """Return 1 / rank of the first relevant document, 0 without one; its mean is the MRR."""
    return next((1 / rank for rank, name in enumerate(ranked, 1) if gold.get(name, 0) > 0), 0.0)


def average_precision(ranked: Sequence[str], gold: Mapping[str, int]) -> float:
    """Return the mean of the precision at each relevant document (0 for those not found); its mean is the MAP."""
    found, total = 0, 0.0
    for rank, name in enumerate(ranked, 1):
        if gold.get(name, 0) > 0:
            found += 1
            total += found / rank
    return total / max(1, _relevant(gold))


def ndcg(ranked: Sequence[str], gold: Mapping[str, int], k: int | None = None) -> float:
    """Return the discounted cumulative gain of the first ``k`` (None: all) as a share of the best possible one.

    Source: Järvelin & Kekäläinen (2002), with the relevance as the gain and log2(rank + 1) as the discount, as trec_eval.
    """
    best = _gain(sorted((g for g in gold.values() if g > 0), reverse=True)[:k])
    return _gain([max(0, gold.get(name, 0)) for name in ranked[:k]]) / best if best else 0.0


def _gain(gains: Sequence[int]) -> float:
    return sum(g / math.log2(rank + 1) for rank, g in enumerate(gains, 1))


def _hits(names: Sequence[str], gold: Mapping[str, int]) -> int:
    return sum(gold.get(name, 0) > 0 for name in names)


def _relevant(gold: Mapping[str, int]) -> int:
    return sum(g > 0 for g in gold.values())


def figures(
    found: Sequence[Sequence[Passage]], gold: Sequence[set[str]], k: int
) -> dict[str, Estimate]:
    """Return recall, precision, MRR, MAP and nDCG of searches, each with its 95% interval.

    Args:
        found: Passages per question, best first; of several passages of one article the first counts.
        gold: Right articles per question.
        k: Passages looked at.
    """
    if not found:
        return {}
    ranked = [list(dict.fromkeys(p.source for p in passages)) for passages in found]
    wanted = [dict.fromkeys(right, 1) for right in gold]
    pairs = list(zip(ranked, wanted, strict=True))
    measures = {
        f"recall@{k}": [recall(r, g, k) for r, g in pairs],
        f"precision@{k}": [precision(r, g, k) for r, g in pairs],
        "MRR": [reciprocal_rank(r, g) for r, g in pairs],
        "MAP": [average_precision(r, g) for r, g in pairs],
        f"nDCG@{k}": [ndcg(r, g, k) for r, g in pairs],
    }
    return {name: mean_interval(values) for name, values in measures.items()}
