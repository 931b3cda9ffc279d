"""Several processes, and packed rows, against one process with padded batches: ``python -m benchmarks.together``.

The embedded base learns 512 general lessons for one pass, by each way in turn, three rounds; each training is timed by its
own log, so that starting processes counts apart. With two processes each takes half of a step's examples.

Then the memory of the first process, with whole copies and with a shared base, for full and LoRA tuning of a larger random model.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from ftkit.models.load import load_model, load_tokenizer, set_threads
from ftkit.models.weights import resolve
from ftkit.training.encode import encode_all
from ftkit.training.sft import TrainingPlan, train
from recipes.nano.curriculum import general_lessons

LESSONS, ROUNDS, BATCH = 512, 3, 16
WAYS = {
    "one process, two threads": {},
    "one process, packed rows": {"packing": True},
    "two processes of one thread": {"processes": 2, "per_device_train_batch_size": BATCH // 2},
    "two that share the base (FSDP2)": {
        "processes": 2,
        "per_device_train_batch_size": BATCH // 2,
        "fsdp": True,
    },
}
LAYERS, WIDTH = (
    12,
    768,
)  # of the random model whose memory is measured: 86 million weights in its layers


def main() -> None:
    """Print one row per way: seconds, tokens per second of training, and the validation loss."""
    folder = Path(resolve("nano"))
    tokenizer = load_tokenizer(str(folder))
    rows = [
        (messages, answer, str(i))
        for i, (messages, answer) in enumerate(general_lessons(LESSONS + 64, 11))
    ]
    encoded = encode_all(tokenizer, rows, 512)
    padding = _padding([len(e.input_ids) for e in encoded[:LESSONS]])
    print(f"padding of batches of like lengths: {padding:.1%}")
    found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in WAYS}
    for _ in range(ROUNDS):
        for name, options in WAYS.items():
            set_threads(2)
            with tempfile.TemporaryDirectory() as out:
                plan = TrainingPlan(
                    Path(out),
                    **{"num_train_epochs": 1, "per_device_train_batch_size": BATCH, **options},
                )
                began = time.perf_counter()
                card = train(
                    load_model(str(folder)),
                    tokenizer,
                    encoded[:LESSONS],
                    encoded[LESSONS:],
                    plan,
                    base="nano",
                    base_folder=folder,
                )
                whole = time.perf_counter() - began
                speed = [p.tokens_per_s for p in card.log if p.tokens_per_s][-1]
                found[name].append((whole, speed, card.best_validation_loss))
    first = statistics.median(speed for _, speed, _ in found["one process, two threads"])
    print(
        "| way | seconds in all | tokens/s | against one process | validation loss |\n|---|---|---|---|---|"
    )
    for name, values in found.items():
        seconds, speed, loss = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"| {name} | {seconds:.0f} | {speed:,.0f} | {speed / first:.2f} | {loss:.3f} |")


def memory() -> None:
    """Print the first process's peak memory with whole copies and with shares, two batches each."""
    import torch
    import transformers

    source = Path(resolve("nano"))
    tokenizer = load_tokenizer(str(source))
    rows = [
        (messages, answer, str(i)) for i, (messages, answer) in enumerate(general_lessons(12, 11))
    ]
    encoded = encode_all(tokenizer, rows, 512)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "base"
        torch.manual_seed(0)
        config = transformers.LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=LAYERS,
            num_attention_heads=12,
            max_position_embeddings=1024,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
        )
        transformers.LlamaForCausalLM(config).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        print(
            "\n| method | weights, GiB | whole copies, GiB | shared, GiB | ratio |\n|---|---|---|---|---|"
        )
        for method in ("full", "lora"):
            peaks = []
            for shared in (False, True):
                plan = TrainingPlan(
                    Path(name) / f"{method}-{shared}",
                    method=method,
                    num_train_epochs=1,
                    per_device_train_batch_size=2,
                    processes=2,
                    fsdp=shared,
                )
                card = train(
                    None,
                    tokenizer,
                    encoded[:8],
                    encoded[8:],
                    plan,
                    base="random",
                    base_folder=folder,
                )
                peaks.append(card.peak_memory_gib)
            print(
                f"| {method} | {4 * card.parameters / 2**30:.2f} | {peaks[0]:.2f} | {peaks[1]:.2f} | {peaks[1] / peaks[0]:.2f} |"
            )


def _padding(lengths: list[int]) -> float:
    lengths = sorted(lengths)
    batches = [lengths[i : i + BATCH] for i in range(0, len(lengths), BATCH)]
    return 1 - sum(lengths) / sum(max(b) * len(b) for b in batches)


if __name__ == "__main__":
    main()
    memory()
