"""Several processes, and packed rows, against one process with padded batches: ``python -m benchmarks.together``.

The embedded base learns 512 general lessons for one pass, by each way in turn, three rounds; each training is timed by its
own log, so that starting processes counts apart. With two processes each takes half of a step's examples.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from ftkit.models.embedded.curriculum import general_lessons
from ftkit.models.local import load_model, load_tokenizer, set_threads
from ftkit.models.weights import resolve
from ftkit.training import TrainingPlan, encode_all, train

LESSONS, ROUNDS, BATCH = 512, 3, 16
WAYS = {
    "one process, two threads": {},
    "one process, packed rows": {"packing": True},
    "two processes of one thread": {"processes": 2, "per_device_train_batch_size": BATCH // 2},
}


def main() -> None:
    """Print one row per way: seconds, tokens per second of training, and the validation loss."""
    folder = Path(resolve("embedded"))
    tokenizer = load_tokenizer(str(folder))
    rows = [(messages, answer, str(i)) for i, (messages, answer) in enumerate(general_lessons(LESSONS + 64, 11))]
    encoded = encode_all(tokenizer, rows, 512)
    padding = _padding([len(e.input_ids) for e in encoded[:LESSONS]])
    print(f"padding of batches of like lengths: {padding:.1%}")
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, options in WAYS.items():
            set_threads(2)
            with tempfile.TemporaryDirectory() as out:
                plan = TrainingPlan(Path(out), **{"num_train_epochs": 1, "per_device_train_batch_size": BATCH, **options})
                began = time.perf_counter()
                card = train(load_model(str(folder)), tokenizer, encoded[:LESSONS], encoded[LESSONS:], plan, base="embedded", base_folder=folder)  # fmt: skip
                whole = time.perf_counter() - began
                speed = [p.tokens_per_s for p in card.log if p.tokens_per_s][-1]
                found[name].append((whole, speed, card.best_validation_loss))
    first = statistics.median(speed for _, speed, _ in found["one process, two threads"])
    print("| way | seconds in all | tokens/s | against one process | validation loss |\n|---|---|---|---|---|")
    for name, values in found.items():
        seconds, speed, loss = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"| {name} | {seconds:.0f} | {speed:,.0f} | {speed / first:.2f} | {loss:.3f} |")


def _padding(lengths: list[int]) -> float:
    lengths = sorted(lengths)
    batches = [lengths[i : i + BATCH] for i in range(0, len(lengths), BATCH)]
    return 1 - sum(lengths) / sum(max(b) * len(b) for b in batches)


if __name__ == "__main__":
    main()
