"""A learning curve's trainings at once against one after the other: ``python -m benchmarks.at_once``.

The embedded base learns nine draws of general lessons (three sizes, three seeds), as 05's curve does: here in turn, and
then at once, each in a process of its own. Starting the processes is counted in.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from ftkit.core import machine
from ftkit.models.load import load_model, load_tokenizer, set_threads
from ftkit.models.weights import resolve
from ftkit.training.encode import encode_all
from ftkit.training.parallel_runs import Training, train_apart
from ftkit.training.sft import TrainingPlan, train
from recipes.nano.curriculum import general_lessons

SIZES, SEEDS, ROUNDS = (128, 256, 512), (1, 2, 3), 2


def main() -> None:
    """Print the seconds of both ways in each round, their ratio, and how far apart the validation losses are."""
    folder = Path(resolve("nano"))
    tokenizer, cores = load_tokenizer(str(folder)), machine.cores()
    rows = [
        (messages, answer, str(i))
        for i, (messages, answer) in enumerate(general_lessons(max(SIZES) + 64, 11))
    ]
    encoded = encode_all(tokenizer, rows, 512)
    learn, held = encoded[:-64], encoded[-64:]
    names = {"base": "nano", "base_folder": folder}
    print(
        f"| round | in turn, {cores} threads | {cores} at once | in turn / at once |\n|---|---|---|---|"
    )
    for number in range(1, ROUNDS + 1):
        with tempfile.TemporaryDirectory() as out:
            seconds = {}
            for way in ("turn", "once"):
                todo = [
                    Training(
                        TrainingPlan(Path(out) / way / f"{n}-{s}", num_train_epochs=2, seed=s),
                        learn[:n],
                        held,
                    )
                    for n in SIZES
                    for s in SEEDS
                ]
                began = time.perf_counter()
                if way == "turn":
                    set_threads(cores)
                    for t in todo:
                        train(
                            load_model(str(folder)),
                            tokenizer,
                            t.train_set,
                            t.validation_set,
                            t.plan,
                            **names,
                        )
                else:
                    list(train_apart(todo, cores, **names))
                seconds[way] = time.perf_counter() - began
            print(
                f"| {number} | {seconds['turn']:.0f} s | {seconds['once']:.0f} s | {seconds['turn'] / seconds['once']:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
