"""A small training on the idle machine and beside a competitor: ``python -m benchmarks.under_load``.

The embedded base learns general lessons, in a process of its own, for as long as it is told. The competitor, which this starts
and ends itself, multiplies matrices with as many threads as there are cores, as another training would. As it comes: threads
spin while they wait (OpenMP's default of 300,000 turns), and as many as there are cores stay.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

LESSONS, BATCH = 512, 16
COMPETITOR = "import torch; a = torch.randn(600, 600)\nwhile True: a = torch.tanh(a @ a)"
WAYS = {"ftkit": {}, "as it comes": {"GOMP_SPINCOUNT": "300000", "FTKIT_FIXED_THREADS": "1"}}


def learn(seconds: float) -> None:
    """Train for some seconds and print tokens per second, loading and the first measurement not counted."""
    from ftkit.core import machine
    from ftkit.models import load
    from ftkit.models.weights import resolve
    from ftkit.training.encode import encode_all
    from ftkit.training.sft import TrainingPlan, train
    from recipes.nano.curriculum import general_lessons

    folder = Path(resolve("nano"))
    tokenizer = load.load_tokenizer(str(folder))
    if os.environ.get("FTKIT_FIXED_THREADS"):
        machine.free_cores = machine.cores
    load.set_threads(0)
    rows = [
        (messages, answer, str(i))
        for i, (messages, answer) in enumerate(general_lessons(LESSONS + 16, 11))
    ]
    encoded = encode_all(tokenizer, rows, 512)
    began, speed = time.monotonic(), list[float]()

    def watch(point, _steps) -> None:
        if point.tokens_per_s:
            speed.append(point.tokens_per_s)
        if time.monotonic() - began > seconds:
            raise KeyboardInterrupt

    with tempfile.TemporaryDirectory() as out:
        plan = TrainingPlan(Path(out), num_train_epochs=99, per_device_train_batch_size=BATCH)
        try:
            train(
                load.load_model(str(folder)),
                tokenizer,
                encoded[:LESSONS],
                encoded[LESSONS:],
                plan,
                base="nano",
                base_folder=folder,
                progress=watch,
            )
        except KeyboardInterrupt:
            print(speed[-1])


def run(seconds: float, own: dict[str, str]) -> float:
    """Return the tokens per second of a training in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.under_load", "--learn", str(seconds)]
    done = subprocess.run(command, env=os.environ | own, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Print one row per way: tokens per second idle and beside the competitor, and how many times slower."""
    parser = argparse.ArgumentParser(description="A small training beside a competitor.")
    parser.add_argument("--seconds", type=float, default=40, help="length of each training")
    parser.add_argument("--learn", type=float, help=argparse.SUPPRESS)
    p = parser.parse_args()
    if p.learn:
        learn(p.learn)
        return
    print(f"load average before: {os.getloadavg()[0]:.1f}, cores: {os.cpu_count()}")
    print(
        "| way | idle, tokens/s | beside a competitor, tokens/s | times slower |\n|---|---|---|---|"
    )
    for way, own in WAYS.items():
        idle = run(p.seconds, own)
        with subprocess.Popen([sys.executable, "-c", COMPETITOR]) as competitor:
            try:
                time.sleep(3)  # until it has loaded torch
                beside = run(p.seconds, own)
            finally:
                competitor.kill()
        print(f"| {way} | {idle:,.0f} | {beside:,.0f} | {idle / beside:.1f} |", flush=True)


if __name__ == "__main__":
    main()
