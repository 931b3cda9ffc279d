"""Walk the demo's scenarios on several seeds: ``python -m benchmarks.scenarios --seeds 1 2 3 4 5``.

Every seed makes new examples, a new handbook and new splits. Finished walks are kept, so a stopped benchmark goes on.
Prints the table and writes ``benchmarks/scenarios/results.json`` and ``results.md``.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from ftkit.core import run_folder
from ftkit.core.parameters.files import to_yaml
from ftkit.core.records.decision import Decision
from ftkit.core.records.evaluation import Evaluation
from ftkit.decision import words
from ftkit.workflow.run import Selection, run
from recipes.demo.parameters import FILES, comment, sections_of
from recipes.demo.scenarios import SCENARIOS

HERE = Path(__file__).parent
BY_SCENARIO = {scenario: name for name, (scenario, _) in FILES.items()}


def walk(scenario: str, seed: int, out: Path, overrides: list[str]) -> dict[str, Any]:
    """Walk one scenario with one seed (or go on with it) and return what it decided."""
    folder, name = out / f"{scenario}_{seed}", BY_SCENARIO[scenario]
    file = folder.with_suffix(".yaml")
    sections = {stage: {"seed": seed} for stage in run_folder.STAGES}
    for stage, values in sections_of(name, seed).items():
        sections[stage] |= values
    run_folder.write_text(
        file, f"run: {json.dumps(str(folder))}\n{to_yaml(sections, comment(name))}"
    )
    began = time.monotonic()
    done = run(
        file, selection=Selection(last="decision"), overrides=overrides, say=lambda line: None
    )
    decision = run_folder.read_record(folder / "decision" / "decision.json", Decision)
    evaluation = run_folder.read_record(folder / "evaluation" / "evaluation.json", Evaluation)
    right = SCENARIOS[scenario].right_answer
    return {
        "scenario": scenario,
        "seed": seed,
        "verdict": decision.verdict,
        "leading": decision.leading,
        "right answer": right,
        "outcome": outcome(decision, right),
        "sentence": words.sentence(decision),
        "test items": evaluation.test_items,
        "accuracy": {
            r.spec.name: [r.accuracy.value, r.accuracy.low, r.accuracy.high]
            for r in evaluation.results
        },
        "seconds": round(time.monotonic() - began) if done.executed else None,
    }


def outcome(decision: Decision, right: str) -> str:
    """Return right, open (the verdict says that it cannot tell, and what would) or wrong."""
    if decision.verdict == right:
        return "right"
    return "open" if decision.verdict == "can't tell yet" else "wrong"


def table(results: list[dict[str, Any]]) -> str:
    """Return the results as Markdown."""
    lines = [
        "| scenario | seed | verdict | right answer | outcome | test items | accuracy, % (95% interval) |",
        "|---|---|---|---|---|---|---|",
    ]
    for r in results:
        told = ", ".join(
            f"{n} {100 * a:.0f} ({100 * low:.0f}–{100 * high:.0f})"
            for n, (a, low, high) in r["accuracy"].items()
        )
        verdict = r["verdict"] + (f" ({r['leading']} ahead)" if r["leading"] else "")
        lines.append(
            f"| {r['scenario']} | {r['seed']} | {verdict} | {r['right answer']} | {r['outcome']} | {r['test items']} | {told} |"
        )
    counts = {k: sum(r["outcome"] == k for r in results) for k in ("right", "open", "wrong")}
    return "\n".join(
        [
            *lines,
            "",
            f"{counts['right']} right, {counts['open']} open, {counts['wrong']} wrong of {len(results)} walks.",
        ]
    )


def main() -> None:
    """Walk what is asked for; write after every walk."""
    parser = argparse.ArgumentParser(description="Walk the demo's scenarios on several seeds.")
    parser.add_argument(
        "--scenarios",
        nargs="+",
        default=["prompting", "rag", "too_little"],
        choices=list(SCENARIOS),
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[1, 2, 3, 4, 5])
    parser.add_argument(
        "--out", type=Path, default=Path("outputs/scenarios"), help="folder of the runs"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="overrides",
        help="section.name=value, as in ftkit run",
    )
    given = parser.parse_args()
    results = []
    for scenario in given.scenarios:
        for seed in given.seeds:
            results.append(walk(scenario, seed, given.out, given.overrides))
            print(
                f"{scenario} {seed}: {results[-1]['outcome']} · {results[-1]['sentence']}",
                flush=True,
            )
            (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
            (HERE / "results.md").write_text(table(results) + "\n")
    print(table(results))


if __name__ == "__main__":
    main()
