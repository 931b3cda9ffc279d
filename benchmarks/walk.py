"""Times and memory of the walk: ``python -m benchmarks.walk [params/demo.yaml]`` prints a table and writes benchmarks/walk.json.

Peak memory is the largest sum of proportional set sizes (PSS, shared pages counted once) over the command and its
kernels, sampled four times a second. The load before the start is written beside the figures: times on a busy machine
are longer.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from ftkit.core import run_folder
from ftkit.core.records.manifest import Manifest

ROOT = Path(__file__).parents[1]
LIMITS = {
    "walk_s": 480,
    "walk_peak_gib": 3.0,
    "rerun_s": 10,
    "import_s": 0.3,
    "help_s": 0.3,
    "01_task_s": 5,
    "02_data_s": 5,
    "08_decision_s": 5,
}


def timed(command: list[str]) -> tuple[float, float, str]:
    """Run a command; return its seconds, the peak memory of it and its children in GiB, and what it printed."""
    began, peak = time.monotonic(), 0.0
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, cwd=ROOT)
        while process.poll() is None:
            peak = max(peak, memory_gib(process.pid))
            time.sleep(0.25 if time.monotonic() - began > 2 else 0.01)
        seconds = time.monotonic() - began
        out.seek(0)
        text = out.read()
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{text}")
    return seconds, peak, text


def memory_gib(pid: int) -> float:
    """Return the memory of a process and its children now."""
    total = 0
    try:
        top = psutil.Process(pid)
        for process in (top, *top.children(recursive=True)):
            full = process.memory_full_info()
            total += getattr(full, "pss", full.rss)
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return 0.0
    return total / 2**30


def measure(file: str, run: Path) -> dict[str, float]:
    """Return seconds and GiB by name."""
    ftkit = [sys.executable, "-m", "ftkit.cli"]
    walk = [*ftkit, "run", file, "--set", f"run={run}"]
    found: dict[str, float] = {}
    found["walk_s"], found["walk_peak_gib"], text = timed(walk)
    found |= {f"{name}_s": float(s) for name, s in re.findall(r"^✔ (\S+)\s+(\d+) s", text, re.M)}
    found |= {
        f"{run_folder.stage_name(s)}_kernel_gib": _manifest(run, s).peak_memory_gib
        for s in run_folder.STAGES
    }
    found["rerun_s"] = timed(walk)[0]
    found["report_mb"] = (run / "report.html").stat().st_size / 1e6
    found["report_s"] = timed([*ftkit, "report", str(run)])[0]
    found["import_s"] = min(
        timed([sys.executable, "-c", "import ftkit, ftkit.core.parameters, ftkit.core.run_folder"])[
            0
        ]
        for _ in range(5)
    )
    found["help_s"] = min(timed([*ftkit, "--help"])[0] for _ in range(5))
    return {name: round(value, 3) for name, value in found.items()}


def _manifest(run: Path, stage: str) -> Manifest:
    return run_folder.read_record(run / stage / "manifest.json", Manifest)


def machine() -> dict[str, object]:
    """Return what the figures were measured on."""
    return {
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": run_folder.versions(),
    }


def main() -> None:
    """Measure, print a table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", default="params/demo.yaml")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "walk.json")
    given = parser.parse_args()
    where = machine()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(given.file, Path(folder) / "run")
    for name, value in found.items():
        limit = LIMITS.get(name)
        verdict = (
            "" if limit is None else f"  limit {limit:g}: {'kept' if value <= limit else 'MISSED'}"
        )
        print(f"{name:28s} {value:10.3f}{verdict}")
    content = {
        "date": run_folder.now(),
        "commit": run_folder.git_commit(),
        "file": given.file,
        "machine": where,
        "figures": found,
    }
    run_folder.write_text(given.out, json.dumps(content, indent=2) + "\n")
    print(f"load before the start: {where['load_before']}; written to {given.out}")


if __name__ == "__main__":
    main()
