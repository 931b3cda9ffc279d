"""Does a cascade keep its promise? ``python -m benchmarks.cascade``.

Made worlds: a small and a large model whose chance to be right is known for every question. The threshold is chosen on
few validation questions. Shown: how often a cascade was chosen, how often it is truly less right than the large model
by more than the margin, the share it passes on, the least share that would do (known only to the maker of the world),
and the regret: net points (accuracy minus PRICE points where all is passed on) below the best allowed point.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ftkit.evaluation.cascade import MARGIN, Pairs, choose, thresholds

WORLDS, PRICE, MANY = 200, 0.05, 20_000
KINDS = {
    "small 80%, steep": (3.0, 2.2, 0.96),
    "small 65%, steep": (3.0, 1.0, 0.93),
    "small 85%, flat": (0.8, 1.9, 0.95),
    "small 80%, worthless": (0.0, 1.4, 0.95),
    "small as the large one": (1.0, 3.0, 0.93),
    "small far worse, worthless": (0.0, 0.0, 0.95),
}


def world(kind: tuple[float, float, float], n: int, rng: Any) -> tuple[Any, Any, Any]:
    """Return confidence and the chances of small and large model to be right, each of shape (n,)."""
    slope, level, large = kind
    sense = rng.normal(size=n)
    small = 1 / (1 + np.exp(-(slope * sense + level)))
    return 1 / (1 + np.exp(-1.2 * sense)), small, np.full(n, large)


def drawn(kind: tuple[float, float, float], n: int, rng: Any) -> Pairs:
    """Return validation questions of a world; both models err on the same questions more often than by chance."""
    sure, small, large = world(kind, n, rng)
    hard = rng.random(n)
    other = np.where(rng.random(n) < 0.5, hard, rng.random(n))
    return Pairs(
        sure, (hard < small).astype(float), (other < large).astype(float), np.arange(n).astype(str)
    )


def simulate(kind: tuple[float, float, float], n: int, worlds: int, seed: int) -> dict[str, float]:
    """Return shares over worlds: chosen, broken, passed on, least that would do, and mean regret in points."""
    rng = np.random.default_rng(seed)
    sure, small, large = world(kind, MANY, rng)
    grid = [*thresholds(sure), np.inf]
    true = {t: float(np.where(sure >= t, small - large, 0).mean()) for t in grid}
    net = {t: true[t] - PRICE * float((sure < t).mean()) for t in grid}
    allowed = [t for t in grid if true[t] >= -MARGIN]
    most = max(net[t] for t in allowed)
    chosen = broken = 0
    passed, regret = [], []
    for _ in range(worlds):
        state, least = choose(drawn(kind, n, rng))
        used = state in ("cascade", "small alone")
        t = least if used and least is not None else np.inf
        change = float(np.where(sure >= t, small - large, 0).mean())
        share = float((sure < t).mean())
        chosen += state == "cascade"
        broken += change < -MARGIN
        passed.append(share)
        regret.append(most - (change - PRICE * share))
    return {
        "chosen": chosen / worlds,
        "broken": broken / worlds,
        "passed": float(np.mean(passed)),
        "least": min(float((sure < t).mean()) for t in allowed),
        "regret": 100 * float(np.mean(regret)),
    }


def main() -> None:
    """Print the table."""
    print("| world | validation | a cascade | promise broken | passed on | best | regret, points |")
    print("|---|---|---|---|---|---|---|")
    for name, kind in KINDS.items():
        for n in (200, 400):
            r = simulate(kind, n, WORLDS, 7)
            print(
                f"| {name} | {n} | {r['chosen']:.0%} | {r['broken']:.1%} | {r['passed']:.0%}"
                f" | {r['least']:.0%} | {r['regret']:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
