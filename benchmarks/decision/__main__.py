"""Every promise of the decision as a row with its repetitions: ``python -m benchmarks.decision [--worlds N]``.

Writes ``results.json`` after every part and ``README.md`` from it. ``--only`` runs the parts of that name and leaves the
other rows as they were measured, so a long run can be made in pieces.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

from benchmarks.decision import promises, real, speed

HERE = Path(__file__).parent
HOLDS = {True: "yes", False: "no", None: "not promised"}


def main() -> None:
    """Run everything and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=2000, help="repetitions per row")
    parser.add_argument("--only", default="", help="run the rows whose name holds this")
    p = parser.parse_args()
    file = HERE / "results.json"
    results: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    parts = [name for name in [*promises.PARTS, "real", "speed"] if p.only in name]
    if not parts:
        parser.error(
            f"no part is named {p.only!r}; there are {', '.join(promises.PARTS)}, real, speed"
        )
    for name in parts:
        began = time.monotonic()
        made = measure(name, p.worlds)
        if made is None:
            continue
        took = {"seconds": round(time.monotonic() - began, 1), "load": round(os.getloadavg()[0], 1)}
        took["day"] = time.strftime("%Y-%m-%d")
        with (HERE / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # pieces may run side by side
            results = json.loads(file.read_text()) if file.exists() else {}
            results[name] = {"results": made, **took}
            file.write_text(json.dumps(results, indent=1) + "\n")
            (HERE / "README.md").write_text(page(results))
        (HERE / ".lock").unlink(missing_ok=True)
    print(page(results))


def measure(name: str, worlds: int) -> Any:
    """Return what one part measured; None where its data are not on this machine."""
    if name == "real":
        return real.all_results() if real.SHARED.is_dir() else None
    return speed.all_results() if name == "speed" else promises.PARTS[name](worlds)


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def pct(value: float) -> str:
    """Return a share in percent."""
    return f"{100 * value:.1f}%"


def page(results: dict[str, Any]) -> str:
    """Return the README with every table that was measured."""
    rows = [
        [r["name"], r["promise"], r["reached"], f"{r['worlds']:,}", HOLDS[r["holds"]]]
        for name in promises.PARTS
        for r in results.get(name, {"results": []})["results"]
    ]
    head = ["world", "promise", "reached", "repetitions", "holds"]
    parts = [_intro(results), table(head, rows), BEST_BETS]
    for name, r in results.get("real", {"results": {}})["results"].items():
        parts += [f"## Real answers: {name}", _real(r)]
    parts += [REAL_NOTE] if "real" in results else []
    if "speed" in results:
        parts += ["## Speed", SPEED_NOTE, _speed(results["speed"]["results"])]
    return "\n\n".join(parts) + "\n"


def _speed(s: dict[str, float]) -> str:
    lines = [
        ["ours, right or wrong", f"{s['right_or_wrong_s']:.3f} s"],
        ["ours, in clusters", f"{s['clusters_s']:.3f} s"],
        ["scipy.stats.bootstrap, BCa, 10,000 resamples", f"{s['scipy_all_differences_s']:.1f} s"],
    ]
    return table(["way", "time"], lines)


def _intro(results: dict[str, Any]) -> str:
    loads = [part["load"] for part in results.values()]
    said = INTRO.format(
        seconds=sum(part["seconds"] for part in results.values()), low=min(loads), high=max(loads)
    )
    days: dict[str, list[str]] = {}
    for name, part in results.items():
        days.setdefault(part.get("day", ""), []).append(name)
    said += "\nMeasured " + "; ".join(
        f"{'on ' + day if day else 'in an earlier run, undated, and carried over'}: {', '.join(days[day])}"
        for day in sorted(days, reverse=True)
    )
    return said + "."


INTRO = """# Is the decision right?

Made by `python -m benchmarks.decision` in {seconds:,.0f} s of one core of a busy machine (load {low} to {high}); the
figures are in `results.json`. Every world is simulated, so its truth is known; each runs through the workbench's own
statistics and rule. *Can't tell yet* is no claim: a row on claims counts it as right, a row on deciding as wrong."""
BEST_BETS = """**The best bet is no claim.** In the twenty looks above the dearer strategy is better by 0.05 points net, 300 USD a
year. The rule stops early in most worlds, as one more look of 50 labels costs 150 USD and seldom changes the choice, and
it then takes the cheap one, which is the wrong one, in about two of three worlds. By net benefit that is sensible: a
wrong choice loses 300 USD a year, and to prove a net gain of 0.05 points takes millions of labels. By accuracy it is not
what a reader expects: the cheap one is 5.05 points less accurate. So nothing is promised of best bets, and the sentence
says that the choice is not proven. Who values accuracy beyond the value of an answer sets `decision.min_accuracy`."""
SPEED_NOTE = "8 strategies, 5,000 items, all 28 differences (scipy: one measured, times 28):"
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
