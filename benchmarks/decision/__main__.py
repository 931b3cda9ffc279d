"""Every promise of the decision as a row with its repetitions: ``python -m benchmarks.decision [--worlds N]``.

Writes ``results.json`` and ``README.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.decision import promises, real, speed

HERE = Path(__file__).parent


def main() -> None:
    """Run everything and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=2000, help="repetitions per row")
    parser.add_argument("--only", default="", help="run the rows whose name holds this")
    p = parser.parse_args()
    began = time.monotonic()
    rows = promises.all_rows(p.worlds, p.only)
    found: dict[str, Any] = {"rows": rows, "speed": speed.all_results()}
    found["real"] = real.all_results() if real.SHARED.is_dir() and not p.only else {}
    found["seconds"] = round(time.monotonic() - began, 1)
    found["load"] = round(os.getloadavg()[0], 1)
    if not p.only:
        (HERE / "results.json").write_text(json.dumps(found, indent=1) + "\n")
        (HERE / "README.md").write_text(page(found))
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
    rows = [
        [r["name"], r["promise"], r["reached"], f"{r['worlds']:,}", "yes" if r["holds"] else "no"]
        for r in found["rows"]
    ]
    parts = [
        INTRO.format(seconds=_took(found), load=found["load"]),
        table(["world", "promise", "reached", "repetitions", "holds"], rows),
    ]
    for name, r in found["real"].items():
        parts += [f"## Real answers: {name}", _real(r)]
    parts += [REAL_NOTE] if found["real"] else []
    s = found["speed"]
    head = "8 strategies, 5,000 items, all 28 differences (scipy: one measured, times 28):"
    lines = [
        ["ours, right or wrong", f"{s['right_or_wrong_s']:.3f} s"],
        ["ours, in clusters", f"{s['clusters_s']:.3f} s"],
        ["scipy.stats.bootstrap, BCa, 10,000 resamples", f"{s['scipy_all_differences_s']:.1f} s"],
    ]
    parts += ["## Speed", head, table(["way", "time"], lines)]
    return "\n\n".join(parts) + "\n"


def _took(found: dict[str, Any]) -> str:
    """Return how long it took; 0: the rows were run one by one (``--only``)."""
    return f" in {found['seconds']:.0f} s" if found["seconds"] else " row by row (`--only`)"


INTRO = """# Is the decision right?

Made by `python -m benchmarks.decision`{seconds} on one core of a busy machine (load {load}); the figures are in
`results.json`. Every world is simulated, so its truth is known; each runs through the workbench's own statistics and rule."""
REAL_NOTE = """Each line: draws of 200 items; the full set is the truth; systems in the order of an assumed cost, cheapest first, one
thousand USD apart; 600,000 answers a year with 1 USD at stake. *Regret*: net benefit lost against full knowledge, USD."""


def _real(r: dict[str, Any]) -> str:
    systems = ", ".join(
        f"{name} {pct(a)}" for name, a in zip(r["systems"], r["accuracy"], strict=True)
    )
    rows = [
        [k, pct(r[k]["right"]), pct(r[k]["open"]), f"{r[k]['regret']:,.0f}"]
        for k in ("ours", "points")
    ]
    return f"{systems}. Full knowledge would choose {r['systems'][r['ideal']]}.\n\n" + table(
        ["rule", "right", "can't tell yet", "mean regret, USD"], rows
    )


if __name__ == "__main__":
    main()
