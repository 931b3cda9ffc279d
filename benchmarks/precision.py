"""Does full tuning learn where its weights are held in 16 bits? ``python -m benchmarks.precision``.

Twenty AdamW steps on eight lessons of the embedded base, its weights in bfloat16 and in float32. Prints the share of weights that
changed and the loss of the last step.
"""

from __future__ import annotations

from typing import Any

import torch

from ftkit.models.load import load_model, load_tokenizer
from ftkit.models.weights import resolve
from ftkit.training.batch import answer_loss, collate
from ftkit.training.encode import encode_all
from recipes.nano.curriculum import general_lessons

STEPS = 20


def learn(batch: dict[str, Any], kind: torch.dtype, rate: float) -> tuple[float, float]:
    """Return the share of weights that changed, and the last loss in nats per answer token."""
    model = load_model(resolve("nano")).to(kind).train()
    before = [w.detach().clone() for w in model.parameters()]
    optimizer, loss = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0), 0.0
    for _ in range(STEPS):
        value = answer_loss(model, batch)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss = float(value.detach())
    moved = sum(int((w != b).sum()) for w, b in zip(model.parameters(), before, strict=True))
    return moved / sum(w.numel() for w in before), loss


def main() -> None:
    """Print one row per learning rate."""
    tokenizer = load_tokenizer(resolve("nano"))
    lessons = [
        (messages, answer, str(i)) for i, (messages, answer) in enumerate(general_lessons(8, 1))
    ]
    rows = [
        {"input_ids": e.input_ids, "labels": e.labels, "row": i}
        for i, e in enumerate(encode_all(tokenizer, lessons, 512))
    ]
    batch = collate(rows, tokenizer.pad_token_id)
    print("| learning rate | bfloat16: weights changed, loss | float32 |\n|---|---|---|")
    for rate in (1e-5, 1e-4, 1e-3):
        told = [
            f"{share:.0%}, {loss:.3f}"
            for share, loss in (
                learn(batch, kind, rate) for kind in (torch.bfloat16, torch.float32)
            )
        ]
        print(f"| {rate:g} | {' | '.join(told)} |", flush=True)


if __name__ == "__main__":
    main()
