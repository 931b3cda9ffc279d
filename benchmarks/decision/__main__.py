"""Write results.json and README.md: ``python -m benchmarks.decision`` (about five minutes on one core)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from benchmarks.decision import pictures, real, simulate, speed

HERE = Path(__file__).parent


def main() -> None:
    """Run everything and write both files."""
    began = time.monotonic()
    found: dict[str, Any] = {"speed": speed.all_results(), "simulated": simulate.all_results()}
    found["real"] = real.all_results() if real.SHARED.is_dir() else {}
    found["seconds"] = round(time.monotonic() - began, 1)
    (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n")
    (HERE / "README.md").write_text(page(found))
    pictures.main()
    print(page(found))


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def pct(value: float) -> str:
    """Return a share in percent."""
    return f"{100 * value:.1f}%"


def page(found: dict[str, Any]) -> str:
    """Return the README with every table."""
    s = found["simulated"]
    parts = [
        INTRO.format(seconds=found["seconds"], **{k.split()[0]: v for k, v in s["worlds"].items()})
    ]
    parts += [
        "## Intervals: share that holds the truth (promised: 95%)",
        COVERAGE_PICTURE,
        _coverage(s["coverage"]),
        COVERAGE_NOTE,
    ]
    parts += [
        "## False superiority: a winner declared where there is none (allowed: 5%)",
        _false(s["false superiority"]),
        FALSE_NOTE,
    ]
    parts += ["## Verdicts, all worlds", _verdicts(s["verdicts"]), VERDICT_NOTE]
    parts += [
        "## When it decides",
        VERDICTS_PICTURE,
        _by_items(s["verdicts by items"]),
        "2,000 items and 5 points of difference:",
    ]
    parts += [_verdicts(s["five points at 2,000 items"], short=True)]
    for name, r in found["real"].items():
        parts += [f"## Real answers: {name}", _real(r)]
    parts += ["" if not found["real"] else REAL_NOTE, "## Speed", _speed(found["speed"])]
    return "\n\n".join(p for p in parts if p) + "\n"


COVERAGE_PICTURE = (
    "![How often intervals hold the truth, by the number of test questions](coverage.svg)"
)
VERDICTS_PICTURE = "![How often the rule decides, by the number of test questions](verdicts.svg)"
INTRO = """# Is the decision right?

Made by `python -m benchmarks.decision` in {seconds:.0f} s on one core; the figures are in `results.json`.

{any:,} simulated worlds whose truth is known: 2 to 6 strategies, 50 to 5,000 items, correlated answers, a third with ties, half
with clusters (customers, near copies); {tied:,} more in which all strategies are equally good; {five:,} with 2,000 items in which one
is 5 points better. The margin is 5 points. *Ours* is what 07 and 08 do; *unpaired* treats the strategies as if they had answered
different items; *points* takes the cheapest within the margin by point estimates."""
COVERAGE_NOTE = """BCa is the textbook's choice; with right-or-wrong answers it is too narrow on small test sets, so the workbench
uses Agresti and Min's pseudo-items on the variance of a cluster bootstrap, with Student's t. The unpaired interval is too wide."""
FALSE_NOTE = """Per world, over all its pairs. The right column has items in clusters, where McNemar's test on single items is wrong
even before the number of comparisons counts."""
VERDICT_NOTE = """*Wrong*: the chosen strategy is more than the margin worse than the best. *Accuracy lost*: against what full knowledge
would choose, on average. *Dearer*: as good, but a cheaper one was good enough."""
REAL_NOTE = """Each line: 2,000 draws of 200 items; the full set is the truth; systems in the order of an assumed cost, cheapest first.
*Right*: the cheapest system within 5 points of the best."""


def _coverage(c: dict[str, dict[str, float]]) -> str:
    rows = [
        ("ours", "paired difference, ours"),
        ("one strategy", "accuracy of one strategy, ours"),
        ("BCa", "paired difference, BCa"),
        ("unpaired", "difference, unpaired"),
    ]
    columns = list(c["ours"])
    return table(
        ["interval", *[k if not k.isdigit() else f"n={int(k):,}" for k in columns]],
        [[words, *[pct(c[key][k]) for k in columns]] for key, words in rows],
    )


def _false(f: dict[str, dict[str, float]]) -> str:
    columns = list(f["ours"])
    return table(
        ["test", *columns], [[name, *[pct(row[k]) for k in columns]] for name, row in f.items()]
    )


def _verdicts(v: dict[str, dict[str, float]], short: bool = False) -> str:
    head = ["rule", "decides", "wrong", "accuracy lost", "dearer"]
    rows = [
        [
            name,
            pct(r["decides"]),
            pct(r["wrong"]),
            f"{r['accuracy_lost_points']:.2f} points",
            pct(r["dearer_than_needed"]),
        ]
        for name, r in v.items()
    ]
    return table(head[:3], [row[:3] for row in rows]) if short else table(head, rows)


def _by_items(v: dict[str, dict[str, float]]) -> str:
    rows = [
        [f"{int(n):,}", pct(r["decides"]), pct(r["wrong"]), pct(r["right_choice"])]
        for n, r in v.items()
    ]
    return table(["test items", "decides", "wrong", "the ideal choice, where decided"], rows)


def _real(r: dict[str, Any]) -> str:
    systems = ", ".join(
        f"{name} {pct(a)}" for name, a in zip(r["systems"], r["accuracy"], strict=True)
    )
    rows = [
        [k, pct(r[k]["right"]), pct(r[k]["wrong"]), pct(r[k]["dearer"]), pct(r[k]["cannot_tell"])]
        for k in ("ours", "unpaired", "points")
    ]
    return f"{systems}. Full knowledge would choose {r['systems'][r['ideal']]}.\n\n" + table(
        ["rule", "right", "wrong", "dearer", "can't tell yet"], rows
    )


def _speed(t: dict[str, float]) -> str:
    rows = [
        ["ours, right or wrong", f"{t['right_or_wrong_s']:.2f} s", f"{t['ratio']:.0f}×"],
        [
            "ours, in clusters",
            f"{t['clusters_s']:.2f} s",
            f"{t['scipy_all_differences_s'] / t['clusters_s']:.0f}×",
        ],
        ["ours, graded scores", f"{t['graded_s']:.2f} s", f"{t['ratio_graded']:.0f}×"],
        ["scipy.stats.bootstrap, BCa", f"{t['scipy_all_differences_s']:.1f} s", "1×"],
    ]
    head = "10,000 resamples, 8 strategies, 5,000 items, all 28 differences (scipy: one measured, times 28):"
    return f"{head}\n\n" + table(["way", "time", "against scipy"], rows)


if __name__ == "__main__":
    main()
