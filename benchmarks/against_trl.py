"""05's training against TRL's SFTTrainer on a run's own mix: ``python -m benchmarks.against_trl outputs/demo``.

The same encoded examples, adapter, rate, schedule and batch for the same passes, in turn: by ftkit, by TRL as it comes
(it computes activations again), and by TRL without that. Speed counts all tokens of the examples, by the training's own clock
(ftkit's includes a validation after each pass, TRL's none); the loss is that of the answers on the run's validation examples
afterwards, so that only equal trainings are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from ftkit.core.parameters.training import TrainingParameters
from ftkit.models.load import load_model, load_tokenizer, quiet, set_threads
from ftkit.models.weights import resolve
from ftkit.training.batch import answer_loss, collate
from ftkit.training.encode import Encoded, encode_all
from ftkit.training.methods import wrap_lora
from ftkit.training.sft import TrainingPlan, train

BATCH, RATE = 8, 2e-3


def read(path: Path, tokenizer: Any) -> list[Encoded]:
    """Return the examples of a file of 05's handover."""
    rows = [json.loads(line)["messages"] for line in path.read_text(encoding="utf-8").splitlines()]
    return encode_all(
        tokenizer, [(turns[:-1], turns[-1]["content"], str(i)) for i, turns in enumerate(rows)], 512
    )


def ours(
    folder: Path, tokenizer: Any, rows: list[Encoded], held: list[Encoded], passes: int, out: Path
) -> tuple[float, float]:
    """Return tokens per second and the loss of ftkit's trainer."""
    p = TrainingParameters(lora_r=32, lora_alpha=64)
    plan = TrainingPlan(
        out,
        num_train_epochs=passes,
        learning_rate=RATE,
        per_device_train_batch_size=BATCH,
        lora_r=p.lora_r,
        lora_alpha=p.lora_alpha,
    )
    card = train(
        load_model(str(folder)), tokenizer, rows, held, plan, base="nano", base_folder=folder
    )
    model = load_model(str(folder), out / "adapter")
    return [x.tokens_per_s for x in card.log if x.tokens_per_s][-1], loss(model, tokenizer, held)


def trl(
    folder: Path,
    tokenizer: Any,
    rows: list[Encoded],
    held: list[Encoded],
    passes: int,
    out: Path,
    **options: Any,
) -> tuple[float, float]:
    """Return tokens per second and the loss of TRL's trainer."""
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    data = Dataset.from_list([{"input_ids": e.input_ids, "labels": e.labels} for e in rows])
    config = SFTConfig(
        output_dir=str(out),
        num_train_epochs=passes,
        learning_rate=RATE,
        per_device_train_batch_size=BATCH,
        lr_scheduler_type="cosine",
        warmup_steps=0.05,
        report_to=[],
        disable_tqdm=True,
        save_strategy="no",
        use_cpu=True,
        bf16=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        **options,
    )
    with quiet():
        model = wrap_lora(load_model(str(folder)), TrainingParameters(lora_r=32, lora_alpha=64))
        trainer = SFTTrainer(
            model=model, args=config, train_dataset=data, processing_class=tokenizer
        )
    began = time.perf_counter()
    trainer.train()
    spent = time.perf_counter() - began
    return passes * sum(len(e.input_ids) for e in rows) / spent, loss(model.eval(), tokenizer, held)


def loss(model: Any, tokenizer: Any, held: list[Encoded]) -> float:
    """Return the mean loss per answer token, nats."""
    import torch

    total = count = 0.0
    with torch.no_grad():
        for start in range(0, len(held), BATCH):
            part = held[start : start + BATCH]
            batch = collate(
                [
                    {"input_ids": e.input_ids, "labels": e.labels, "row": i}
                    for i, e in enumerate(part)
                ],
                tokenizer.pad_token_id,
            )
            total += float(answer_loss(model, batch, 1))
            count += sum(label != -100 for e in part for label in e.labels[1:])
    return total / count


def main() -> None:
    """Print one row per trainer: tokens per second, the ratio to TRL as it comes, and the loss."""
    parser = argparse.ArgumentParser(description="05's training against TRL's SFTTrainer.")
    parser.add_argument("run", type=Path)
    parser.add_argument("--passes", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1)
    chosen = parser.parse_args()
    handover = chosen.run / "training" / "handover"
    folder = Path(resolve("nano"))
    tokenizer = load_tokenizer(str(folder))
    rows, held = (read(handover / f"{name}.jsonl", tokenizer) for name in ("train", "validation"))
    ways = {"TRL as it comes": {}, "TRL, activations kept": {"gradient_checkpointing": False}}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ("ftkit", *ways)}
    set_threads(2)
    for _ in range(chosen.rounds):
        with tempfile.TemporaryDirectory() as out:
            found["ftkit"].append(ours(folder, tokenizer, rows, held, chosen.passes, Path(out)))
        for name, options in ways.items():
            with tempfile.TemporaryDirectory() as out:
                found[name].append(
                    trl(folder, tokenizer, rows, held, chosen.passes, Path(out), **options)
                )
    first = statistics.median(speed for speed, _ in found["TRL as it comes"])
    print(
        "| trainer | tokens/s (lowest to highest) | against TRL as it comes | validation loss |\n|---|---|---|---|"
    )
    for name, values in found.items():
        speeds = [speed for speed, _ in values]
        middle = statistics.median(speeds)
        lost = statistics.median(value for _, value in values)
        print(
            f"| {name} | {middle:,.0f} ({min(speeds):,.0f} to {max(speeds):,.0f}) | {middle / first:.2f} | {lost:.3f} |"
        )


if __name__ == "__main__":
    main()
