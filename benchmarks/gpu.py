"""Speed and memory of QLoRA on a GPU: ``python -m benchmarks.gpu --shape 8b``.

A model of the real shape with random weights (speed and memory need no others) learns examples of 512 tokens, of which 112 are
answer: by ftkit's trainer, and by TRL's SFTTrainer at its defaults on the same 4-bit base, adapter and batch. Prints tokens per
second, peak memory of the GPU against what 05 expects, and hours for 2,000 examples in three passes. Without a GPU only
``--shape tiny`` makes sense: it shows that the benchmark runs.
"""

from __future__ import annotations

import argparse
import gc
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from ftkit.core.parameters.training import TrainingParameters
from ftkit.training.encode import Encoded
from ftkit.training.memory import needs
from ftkit.training.methods import load_quantised, wrap_lora
from ftkit.training.sft import TrainingPlan, train

SHAPES = {  # width, inner width, layers, heads, key-value heads, words
    "tiny": (128, 256, 2, 4, 2, 2000),
    "1b": (2048, 8192, 16, 32, 8, 128_256),
    "8b": (4096, 14_336, 32, 32, 8, 128_256),
    "70b": (8192, 28_672, 80, 64, 8, 128_256),
}
LENGTH, ANSWER, EXAMPLES, PASSES = 512, 112, 2_000, 3


def write_base(folder: Path, shape: str) -> Any:
    """Write a Llama of a shape with random weights in 16 bits, with the tests' kind of tokenizer; return its configuration."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from ftkit.models.load import load_tokenizer
    from ftkit.models.weights import resolve

    width, inner, layers, heads, keys, words = SHAPES[shape]
    config = LlamaConfig(
        vocab_size=max(words, 8704),
        hidden_size=width,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=keys,
        max_position_embeddings=2048,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    torch.set_default_dtype(torch.bfloat16)
    try:
        LlamaForCausalLM(config).save_pretrained(folder)
    finally:
        torch.set_default_dtype(torch.float32)
    load_tokenizer(resolve("nano")).save_pretrained(folder)
    return config


def examples(count: int, words: int) -> list[Encoded]:
    """Return examples of random tokens."""
    import random

    rng = random.Random(7)
    rows = [[rng.randrange(5, words) for _ in range(LENGTH)] for _ in range(count)]
    return [
        Encoded(ids, [-100] * (LENGTH - ANSWER) + ids[-ANSWER:], 0, str(i))
        for i, ids in enumerate(rows)
    ]


def peak_gib() -> float:
    """Return the GPU's peak since the last reset; on a CPU the process's memory now."""
    import psutil
    import torch

    if torch.cuda.is_available():
        found = torch.cuda.max_memory_allocated() / 2**30
        torch.cuda.reset_peak_memory_stats()
        return found
    return psutil.Process().memory_info().rss / 2**30


def ours(folder: Path, rows: list[Encoded], batch: int, out: Path) -> tuple[float, float]:
    """Return tokens per second and peak memory of ftkit's trainer."""
    from ftkit.models.load import load_tokenizer

    plan = TrainingPlan(
        out,
        method="qlora",
        num_train_epochs=1,
        per_device_train_batch_size=batch,
        lora_r=16,
        lora_alpha=32,
    )
    model = load_quantised(str(folder), 4)
    peak_gib()
    card = train(
        model,
        load_tokenizer(str(folder)),
        rows,
        rows[:batch],
        plan,
        base=str(folder),
        base_folder=folder,
    )
    return [p.tokens_per_s for p in card.log if p.tokens_per_s][-1], peak_gib()


def trl(folder: Path, rows: list[Encoded], batch: int, out: Path) -> tuple[float, float]:
    """Return tokens per second and peak memory of TRL's SFTTrainer at its defaults, loss on the answer only."""
    import torch
    from datasets import Dataset
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    from ftkit.models.load import load_tokenizer

    data = Dataset.from_list(
        [
            {"input_ids": e.input_ids, "labels": e.labels, "attention_mask": [1] * LENGTH}
            for e in rows
        ]
    )
    on_gpu = torch.cuda.is_available()
    config = SFTConfig(
        output_dir=str(out),
        num_train_epochs=1,
        per_device_train_batch_size=batch,
        report_to=[],
        disable_tqdm=True,
        save_strategy="no",
        use_cpu=not on_gpu,
        bf16=on_gpu,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
    )
    model = wrap_lora(load_quantised(str(folder), 4), TrainingParameters(lora_r=16, lora_alpha=32))
    trainer = SFTTrainer(
        model=model, args=config, train_dataset=data, processing_class=load_tokenizer(str(folder))
    )
    peak_gib()
    began = time.perf_counter()
    trainer.train()
    return len(rows) * LENGTH / (time.perf_counter() - began), peak_gib()


def main() -> None:
    """Print one row per trainer."""
    import torch

    parser = argparse.ArgumentParser(description="Speed and memory of QLoRA on a GPU.")
    parser.add_argument("--shape", choices=SHAPES, default="8b")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work) / "base"
        config = write_base(folder, given.shape)
        rows = examples(given.batch * given.steps, SHAPES[given.shape][-1])
        p = TrainingParameters(
            run="x",
            method="qlora",
            per_device_train_batch_size=given.batch,
            lora_r=16,
            lora_alpha=32,
        )
        expected = next(
            n.total_gib
            for n in needs(config, rows, p, torch.cuda.is_available())
            if n.method == "qlora"
        )
        found = {}
        for name, run in (("ftkit", ours), ("TRL at its defaults", trl)):
            found[name] = run(folder, rows, given.batch, Path(work) / name.split()[0])
            gc.collect()
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU"
    print(f"{given.shape}, batch {given.batch} × {LENGTH}, {device}; 05 expects {expected:.1f} GiB")
    print(
        f"| trainer | tokens/s | peak GiB | hours for {EXAMPLES:,} examples × {PASSES} |\n|---|---|---|---|"
    )
    for name, (speed, peak) in found.items():
        print(
            f"| {name} | {speed:,.0f} | {peak:.1f} | {EXAMPLES * LENGTH * PASSES / speed / 3600:.2f} |"
        )
    print(
        json.dumps(
            {"shape": given.shape, "device": device, **{k: list(v) for k, v in found.items()}}
        )
    )


if __name__ == "__main__":
    main()
