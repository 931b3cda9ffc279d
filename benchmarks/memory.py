"""Memory that training is expected to take against what it takes: ``python -m benchmarks.memory`` (CPU, a process each).

Every configuration trains two steps on made examples in a process of its own, whose peak resident memory is read from
the operating system. The estimate knows the configuration, the examples and the method, nothing that was measured here.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = [
    # family, width, layers, vocabulary, batch, tokens, method
    ("Llama", 256, 4, 8000, 16, 256, "lora"),
    ("Llama", 256, 4, 8000, 16, 256, "full"),
    ("Llama", 512, 8, 8000, 8, 512, "lora"),
    ("Llama", 512, 8, 8000, 8, 512, "qlora"),
    ("Qwen3", 768, 8, 16000, 4, 512, "lora"),
    ("Mistral", 1024, 12, 32000, 4, 256, "full"),
    ("Mistral", 1024, 12, 32000, 2, 1024, "lora"),
    ("Qwen3", 768, 8, 16000, 16, 256, "full"),
    # made after the constants were chosen on those above
    ("Llama", 384, 6, 12000, 12, 384, "lora"),
    ("Mistral", 640, 10, 20000, 4, 640, "qlora"),
    ("Qwen3", 512, 6, 30000, 8, 300, "full"),
    ("Llama", 896, 12, 10000, 2, 768, "lora"),
]


def one(case: tuple) -> dict[str, float]:
    """Return estimated and measured GiB of one configuration; run in a fresh process."""
    import torch
    import transformers

    from ftkit.core.parameters.training import TrainingParameters
    from ftkit.training.batch import answer_loss, collate
    from ftkit.training.encode import Encoded
    from ftkit.training.memory import needs
    from ftkit.training.methods import load_quantised, wrap_lora

    family, width, layers, vocabulary, batch, length, method = case
    torch.set_num_threads(1)
    config = getattr(transformers, f"{family}Config")(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 64,
        num_key_value_heads=width // 64,
        head_dim=64,
        max_position_embeddings=2048,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    generator = torch.Generator().manual_seed(0)
    ids = [
        torch.randint(2, vocabulary, (length,), generator=generator).tolist() for _ in range(batch)
    ]
    examples = [Encoded(row, [-100] * (length - 20) + row[-20:], 0) for row in ids]
    p = TrainingParameters(
        method=method, per_device_train_batch_size=batch, lora_r=16, lora_alpha=32
    )
    need = next(n for n in needs(config, examples, p, False) if n.method == method)
    model = getattr(transformers, f"{family}ForCausalLM")(config)
    if method == "qlora":
        with tempfile.TemporaryDirectory() as folder:
            model.save_pretrained(folder)
            del model
            model = load_quantised(folder, 4)
    import trl.trainer.sft_trainer  # noqa: F401  # its memory is part of every training

    tuned = (
        wrap_lora(model, TrainingParameters(lora_r=16, lora_alpha=32))
        if method != "full"
        else model
    )
    optimizer = torch.optim.AdamW([w for w in tuned.parameters() if w.requires_grad], lr=1e-4)
    for _ in range(2):
        rows = [
            {"input_ids": e.input_ids, "labels": e.labels, "row": i} for i, e in enumerate(examples)
        ]
        answer_loss(tuned, collate(rows, 0)).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "estimate": need.total_gib,
        "measured": peak,
        "parts": [need.weights_gib, need.training_gib, need.activations_gib],
    }


def main() -> None:
    """Measure every configuration and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", type=int, default=-1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.case >= 0:
        print(json.dumps(one(CASES[given.case])))
        return
    print(
        "| model | batch × tokens | method | estimate, GiB | measured, GiB | off by |\n|---|---|---|---|---|---|"
    )
    for number, case in enumerate(CASES):
        command = [sys.executable, "-m", "benchmarks.memory", "--case", str(number)]
        found = json.loads(
            subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[
                -1
            ]
        )
        off = found["estimate"] / found["measured"] - 1
        family, width, layers, vocabulary, batch, length, method = case
        print(
            f"| {family}, width {width}, {layers} layers, {vocabulary:,} words | {batch} × {length} | {method} "
            f"| {found['estimate']:.2f} | {found['measured']:.2f} | {off:+.0%} |"
            + (f" {[round(x, 2) for x in found['parts']]}" if given.json else ""),
            flush=True,
        )


if __name__ == "__main__":
    main()
