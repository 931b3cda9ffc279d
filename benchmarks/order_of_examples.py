"""The order of the examples in a small training, on a run's own mix: ``python -m benchmarks.order_of_examples outputs/demo``.

Validation loss after some passes, and tokens per second, sorted by length within 1 (random order), 8 and 35 batches
(transformers' own choice for this mix); a training each.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.against_trl import BATCH, RATE, read
from ftkit.models.load import load_model, load_tokenizer, set_threads
from ftkit.models.weights import resolve
from ftkit.training import trainer
from ftkit.training.sft import TrainingPlan, train

RANK, ALPHA = 32, 64


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description="The order of the examples.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--seeds", type=int, nargs="*", default=[7, 8])
    p = parser.parse_args()
    folder, handover = Path(resolve("nano")), p.run / "training" / "handover"
    tokenizer = load_tokenizer(str(folder))
    rows, held = (read(handover / f"{name}.jsonl", tokenizer) for name in ("train", "validation"))
    set_threads(2)
    print("| sorted within batches | seed | validation loss | tokens/s |\n|---|---|---|---|")
    for seed in p.seeds:
        for trainer.NEAR in (1, 8, 35):
            with tempfile.TemporaryDirectory() as out:
                plan = TrainingPlan(
                    Path(out),
                    num_train_epochs=p.passes,
                    learning_rate=RATE,
                    per_device_train_batch_size=BATCH,
                    lora_r=RANK,
                    lora_alpha=ALPHA,
                    seed=seed,
                )
                card = train(
                    load_model(str(folder)),
                    tokenizer,
                    rows,
                    held,
                    plan,
                    base="nano",
                    base_folder=folder,
                )
            speed = [x.tokens_per_s for x in card.log if x.tokens_per_s][-1]
            print(
                f"| {trainer.NEAR} | {seed} | {card.best_validation_loss:.3f} | {speed:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
