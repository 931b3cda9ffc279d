"""Do intervals over cross-validated answers hold what they say? ``python -m benchmarks.folds``.

Made worlds: two classes, 10 features, few examples; two ways to learn (logistic regression, nearest neighbours) stand for two
strategies. Every example is tested once, by models made from the other folds. The truth is the mean accuracy of each way, and of
their difference, over many draws of as many examples, on a large test. Told: how often the intervals of one split, of the pooled
folds as they come, and of the pooled folds as ``ftkit run --folds`` widens them hold the truth, and how wide they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from ftkit.core.statistics import mean_interval, paired_difference
from ftkit.workflow.folds import stretched

WORLDS, FEATURES, LARGE, DRAWS = 400, 10, 4000, 200


def sample(n: int, rng: Any) -> tuple[Any, Any]:
    """Return features and classes of ``n`` examples."""
    x = rng.normal(size=(n, FEATURES))
    return x, (x[:, 0] + 0.7 * x[:, 1] * x[:, 2] + 0.5 * x[:, 3] + rng.normal(size=n) > 0).astype(
        int
    )


def learners() -> list[Callable[[], Any]]:
    """Return the two ways to learn."""
    return [lambda: LogisticRegression(), lambda: KNeighborsClassifier(9)]


def right(x: Any, y: Any, test_x: Any, test_y: Any) -> Any:
    """Return of each test example whether each way gets it right, shape (examples, 2)."""
    return np.column_stack(
        [make().fit(x, y).predict(test_x) == test_y for make in learners()]
    ).astype(float)


def truth(train: int, rng: Any) -> tuple[float, float]:
    """Return the mean accuracy of the first way, and its difference to the second, when trained on so many examples."""
    test_x, test_y = sample(LARGE, rng)
    means = np.array(
        [right(*sample(train, rng), test_x, test_y).mean(axis=0) for _ in range(DRAWS)]
    ).mean(axis=0)
    return float(means[0]), float(means[0] - means[1])


def world(n: int, folds: int, rng: Any) -> Any:
    """Return the pooled answers of all folds, shape (examples, 2)."""
    x, y = sample(n, rng)
    part = rng.permutation(n) % folds
    found = np.zeros((n, 2))
    for fold in range(folds):
        found[part == fold] = right(
            x[part != fold], y[part != fold], x[part == fold], y[part == fold]
        )
    return found, part


def main() -> None:
    """Print the table: coverage and mean width in points, of the accuracy and of the difference."""
    rng = np.random.default_rng(7)
    print(
        "| examples | folds | figure | one split | pooled, as it comes | pooled, widened |\n|---|---|---|---|---|---|"
    )
    for n in (100, 200):
        for folds in (5, 10):
            a, d = truth(n - n // folds, rng)
            held = {kind: np.zeros((3, 2)) for kind in ("accuracy", "difference")}
            for _ in range(WORLDS):
                scores, part = world(n, folds, rng)
                for kind, wanted in (("accuracy", a), ("difference", d)):
                    made = [
                        mean_interval(s[:, 0], None, 500)
                        if kind == "accuracy"
                        else paired_difference(s[:, 0], s[:, 1], None, 500)
                        for s in (scores[part == 0], scores)
                    ]
                    least = 0.0 if kind == "accuracy" else -1.0
                    for place, e in enumerate([*made, stretched(made[1], folds, least)]):
                        held[kind][place] += (e.low <= wanted <= e.high, e.high - e.low)
            for kind, table in held.items():
                told = " | ".join(
                    f"{hits / WORLDS:.1%}, {100 * width / WORLDS:.0f}" for hits, width in table
                )
                print(f"| {n} | {folds} | {kind} | {told} |", flush=True)


if __name__ == "__main__":
    main()
