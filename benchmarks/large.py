"""Reading a file that is larger than memory should hold: ``python -m benchmarks.large [--gib 5]``.

Writes a CSV and a JSON-lines file of messages of about 1 KB with one of 77 labels, and reads each in a process of its own:
ftkit's seeded draw (``data.most_rows``), against pandas' whole-file readers on a file of a fifth of the size (more would not
fit). Prints seconds and the process's peak memory.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

READ = """
import resource, sys, time
from pathlib import Path
began = time.perf_counter()
if sys.argv[1] == "ftkit":
    from ftkit.data.read import read
    table = read(Path(sys.argv[2]), "message", "label")
    told = f"{len(table.rows):,} rows kept"
else:
    import pandas as pd
    table = pd.read_csv(sys.argv[2]) if sys.argv[2].endswith("csv") else pd.read_json(sys.argv[2], lines=True)
    told = f"{len(table):,} rows"
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(f"{time.perf_counter() - began:.0f}|{peak:.2f}|{told}")
"""


def write(path: Path, size: int) -> None:
    """Write a file of ``size`` bytes."""
    rng = random.Random(7)
    words = [f"word{k}" for k in range(5000)]
    texts = [" ".join(rng.choices(words, k=130)) for _ in range(2000)]
    number, written = 0, 0
    with path.open("w", encoding="utf-8") as file:
        if path.suffix == ".csv":
            file.write("message,label\n")
        while written < size:
            text, label = f"{number} {texts[number % 2000]}", f"label {number % 77}"
            line = (
                f'"{text}",{label}\n'
                if path.suffix == ".csv"
                else json.dumps({"message": text, "label": label}) + "\n"
            )
            written += file.write(line)
            number += 1


def main() -> None:
    """Print one row per file and reader."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=5.0)
    size = int(parser.parse_args().gib * 2**30)
    print("| file | reader | seconds | peak memory, GiB | |\n|---|---|---|---|---|")
    for ending in ("csv", "jsonl"):
        for reader, part in (("ftkit", size), ("pandas", size // 5)):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"large.{ending}"
                write(path, part)
                done = subprocess.run(
                    [sys.executable, "-c", READ, reader, str(path)],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                seconds, peak, told = done.stdout.strip().split("|")
                print(
                    f"| {path.suffix[1:]}, {part / 2**30:.0f} GiB | {reader} | {seconds} | {peak} | {told} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
