"""Is what may be answered alone promised rightly where a judge says what is right? ``python -m benchmarks.judged``.

300 made worlds per judge (``benchmarks.selective``, 1,500 answers, 10% wrong allowed). The judge calls a share of the wrong answers
wrong, and 99% of the right ones right; the share is known from 150 wrong answers graded by people. Told: worlds in which more
than 10% of what is answered alone is truly wrong, as the judge's words are and corrected for what it misses, and in how many the
corrected rule promises something.
"""

from __future__ import annotations

import numpy as np

from benchmarks.selective import ALLOWED, world
from ftkit.core.statistics import wilson
from ftkit.evaluation.selective_answering import LEVEL, allowed

WORLDS, ANSWERS, GRADED, SPARED = 300, 1500, 150, 0.99


def row(catches: float) -> str:
    """Return the worlds with a false promise, as it is and corrected, and those with a corrected promise."""
    false, promised = [0, 0], 0
    for seed in range(WORLDS):
        rng = np.random.default_rng(seed)
        sure, chance, right, groups = world(ANSWERS, 2.0, 2.0, 1, rng)
        says = np.where(
            right == 1, rng.random(ANSWERS) < SPARED, rng.random(ANSWERS) > catches
        ).astype(float)
        caught = wilson(int(rng.binomial(GRADED, catches)), GRADED).low
        sizes = (
            allowed(sure, says, groups, ALLOWED)[0],
            allowed(sure, says, groups, ALLOWED * caught, LEVEL / 2)[0],
        )
        for place, size in enumerate(sizes):
            false[place] += int(size > 0 and (1 - chance[:size]).mean() > ALLOWED)
        promised += sizes[1] > 0
    return f"| {catches:.0%} | {false[0]} | {false[1]} | {promised} |"


def main() -> None:
    """Print one row per judge."""
    print(
        f"| wrong answers that the judge calls wrong | false as it is, of {WORLDS} | false, corrected | promised, corrected |"
    )
    print("|---|---|---|---|")
    for catches in (0.6, 0.8, 0.95):
        print(row(catches), flush=True)


if __name__ == "__main__":
    main()
