"""``python -m recipes.demo --out FOLDER``: write examples, both editions of the handbook, later traffic and the truth."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ftkit.core.errors import FtkitError
from recipes.demo import write_examples, write_handbook
from recipes.demo.scenarios import SCENARIOS, SMALLEST, check
from recipes.demo.traffic import write_traffic
from recipes.demo.truth import write_truth


def write_all(out: Path, scenario: str, examples: int | None, seed: int) -> list[Path]:
    """Write everything below a folder and return the paths.

    Raises:
        BadInput: The size or the scenario is impossible.
    """
    usual = SCENARIOS[scenario].examples if scenario in SCENARIOS else SMALLEST
    n = usual if examples is None else examples
    check(n, 1, scenario)
    return [
        write_examples(out / "examples.csv", n, seed, scenario=scenario),
        write_handbook(out / "handbook_1", seed, edition=1, scenario=scenario),
        write_handbook(out / "handbook_2", seed, edition=2, scenario=scenario),
        write_traffic(out / "traffic.jsonl", seed, scenario=scenario),
        write_truth(out / "truth.json", n, seed, scenario=scenario),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m recipes.demo", description="Write the demo domain, made up and seeded."
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--scenario", default="main", help=f"one of {', '.join(SCENARIOS)}")
    parser.add_argument(
        "--examples",
        type=int,
        default=None,
        help="number of rows; left out: the scenario's usual number",
    )
    parser.add_argument("--seed", type=int, default=7, help="seed of every choice")
    given = parser.parse_args(arguments)
    try:
        for path in write_all(given.out, given.scenario, given.examples, given.seed):
            print(path)
    except FtkitError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
