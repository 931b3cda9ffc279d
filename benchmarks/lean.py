"""What makes a small training quick, on a run's own mix: ``python -m benchmarks.lean outputs/demo``.

First the adapter's product added to the weight first against PEFT's own layers: seconds of forty steps and of 64 answers, in turn.
Then the order of the examples: validation loss after some passes, and tokens per second, sorted by length within 1 (random order), 8 and
35 batches (transformers' own choice for this mix); a training each.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from peft.tuners.lora import Linear

from benchmarks.against_trl import BATCH, RATE, read
from ftkit.models.load import load_model, load_tokenizer, set_threads
from ftkit.models.local import LocalModel
from ftkit.models.weights import resolve
from ftkit.training import trainer
from ftkit.training.batch import answer_loss, collate
from ftkit.training.encode import Encoded
from ftkit.training.methods import wrap_lora
from ftkit.training.sft import TrainingPlan, train

RANK, ALPHA, STEPS, ANSWERS, ROUNDS = 32, 64, 40, 64, 3


def as_peft(model: Any) -> Any:
    """Return a model whose LoRA layers are PEFT's own again."""
    for layer in model.modules():
        if isinstance(layer, Linear):
            layer.__class__ = Linear
    return model


def steps(model: Any, rows: list[Encoded], pad: int) -> float:
    """Return the seconds that some steps take, batches of like lengths in random order."""
    order = sorted(rows, key=lambda e: len(e.input_ids))
    parts = [order[i : i + BATCH] for i in range(0, len(order) - BATCH, BATCH)]
    chosen = random.Random(0).sample(parts, STEPS)
    batches = [
        collate([{"input_ids": e.input_ids, "labels": e.labels, "row": 0} for e in part], pad)
        for part in chosen
    ]
    optimizer = torch.optim.AdamW(
        [w for w in model.train().parameters() if w.requires_grad], lr=RATE
    )
    began = time.perf_counter()
    for batch in batches:
        answer_loss(model, batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    return time.perf_counter() - began


def answers(local: LocalModel, asked: list[Any]) -> float:
    """Return the seconds that some answers take."""
    began = time.perf_counter()
    local.answer(asked)
    return time.perf_counter() - began


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description="The adapter's product first, and the order of the examples."
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument(
        "--seeds", type=int, nargs="*", default=[7, 8], help="none: the first table only"
    )
    p = parser.parse_args()
    folder, handover = Path(resolve("embedded")), p.run / "training" / "handover"
    tokenizer = load_tokenizer(str(folder))
    rows, held = (read(handover / f"{name}.jsonl", tokenizer) for name in ("train", "validation"))
    lines = (handover / "validation.jsonl").read_text(encoding="utf-8").splitlines()[:ANSWERS]
    asked = [json.loads(line)["messages"][:-1] for line in lines]
    set_threads(2)
    plan = TrainingPlan(folder, lora_r=RANK, lora_alpha=ALPHA)
    ways = {"the product first": lambda model: model, "PEFT's layers": as_peft}
    spent: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for _ in range(ROUNDS):
        for way, make in ways.items():
            local = LocalModel("embedded", adapter=p.run / "training" / "adapter", threads=2)
            make(local.model)
            spent[way].append(
                (
                    steps(
                        make(wrap_lora(load_model(str(folder)), plan)), rows, tokenizer.pad_token_id
                    ),
                    answers(local, asked),
                )
            )
    print(f"| way | {STEPS} steps, s | {ANSWERS} answers, s |\n|---|---|---|")
    for way, found in spent.items():
        print(f"| {way} | {median(a for a, _ in found):.2f} | {median(b for _, b in found):.2f} |")
    print(
        "\n| sorted within batches | seed | validation loss | tokens/s |\n|---|---|---|---|"
    ) if p.seeds else None
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
                    base="embedded",
                    base_folder=folder,
                )
            speed = [x.tokens_per_s for x in card.log if x.tokens_per_s][-1]
            print(
                f"| {trainer.NEAR} | {seed} | {card.best_validation_loss:.3f} | {speed:,.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
