"""Make the nano base: ``python -m ftkit.models.embedded.train --config cpu --minutes 60``; run it again to go on.

Copying is taught first and alone: from a mixture of tasks it did not come in 7M tokens, alone it comes within 2M.
Untied embeddings, because tied ones held copying back. Loss on the answer only.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from ftkit.models.embedded import checkpoint_folder, curriculum, file_hashes, tokenizer

CONFIGS: dict[str, dict[str, int]] = {
    "cpu": {
        "hidden_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 384,
        "batch": 32,
        "vocabulary": 1536,
    },
    "gpu": {
        "hidden_size": 384,
        "num_hidden_layers": 8,
        "num_attention_heads": 6,
        "intermediate_size": 1152,
        "batch": 256,
        "vocabulary": 4096,
    },
}
MODEL_CARD = """---
license: apache-2.0
---
# ftkit nano base

A Llama-type model of {parameters:,} parameters, trained from scratch by `python -m ftkit.models.embedded.train` on generated
skill lessons (`ftkit/models/embedded/curriculum.py`): copying, choosing a label, following a pattern, answering from passages,
filling JSON. It holds no facts and knows little English; it exists so that the workbench runs without a download.
It is weak: read `skill_card.json` before trusting it with anything.
"""


def new_model(config: str, size: int, seed: int) -> LlamaForCausalLM:
    """Return a fresh model of a configuration."""
    torch.manual_seed(seed)
    c = CONFIGS[config]
    shape = LlamaConfig(
        vocab_size=size, hidden_size=c["hidden_size"], intermediate_size=c["intermediate_size"],
        num_hidden_layers=c["num_hidden_layers"], num_attention_heads=c["num_attention_heads"],
        num_key_value_heads=c["num_attention_heads"], max_position_embeddings=2048, tie_word_embeddings=False,
        pad_token_id=0, eos_token_id=1, bos_token_id=None, rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )  # fmt: skip
    return LlamaForCausalLM(shape)


def copy_batch(rng: random.Random, size: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random symbols repeated once, loss on the repeat. Shapes ``[count, 2 * length]``."""
    length = rng.randint(8, 32)
    first = torch.tensor([[rng.randrange(5, size) for _ in range(length)] for _ in range(count)])
    ids = torch.cat([first, first], 1)
    labels = ids.clone()
    labels[:, : length + 1] = -100
    return ids, labels


def lesson_batch(rng: random.Random, tok: Any, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return padded lessons with loss on the answer. Shapes ``[count, longest]``."""
    pool = [lesson_ids(tok, curriculum.lesson(rng)) for _ in range(count)]
    width = max(len(ids) for ids, _ in pool)
    ids = torch.zeros(count, width, dtype=torch.long)
    labels = torch.full((count, width), -100)
    for row, (tokens, start) in enumerate(pool):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        labels[row, start : len(tokens)] = torch.tensor(tokens[start:])
    return ids, labels


def lesson_ids(tok: Any, lesson: curriculum.Lesson) -> tuple[list[int], int]:
    """Return a lesson's token ids and where its answer starts."""
    prompt = tok.apply_chat_template(lesson.messages, tokenize=False, add_generation_prompt=True)
    start = tok(prompt, add_special_tokens=False)["input_ids"]
    answer = tok(lesson.answer + tok.eos_token, add_special_tokens=False)["input_ids"]
    return start + answer, len(start)


def save(model: Any, tok: Any, optimizer: Any, state: dict[str, Any], out: Path) -> None:
    """Write the checkpoint and the training state to a temporary folder, then put it in place."""
    fresh = out.with_name(out.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    model.save_pretrained(str(fresh), max_shard_size="16MB")
    tok.save_pretrained(str(fresh))
    (fresh / "README.md").write_text(MODEL_CARD.format(parameters=model.num_parameters()))
    (fresh / "recipe.json").write_text(json.dumps(state, indent=2) + "\n")
    (fresh / "hashes.json").write_text(json.dumps(file_hashes(fresh), indent=2) + "\n")
    torch.save({"optimizer": optimizer.state_dict(), "state": state}, fresh / "resume.pt")
    shutil.rmtree(out, ignore_errors=True)
    fresh.rename(out)


def train(config: str, out: Path, minutes: float, seed: int, threads: int) -> None:
    """Train until the minutes are over; go on from ``out`` if it holds a checkpoint."""
    torch.set_num_threads(threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    state: dict[str, Any] = {
        "config": config,
        "seed": seed,
        "step": 0,
        "tokens": 0,
        "seconds": 0.0,
        "copying_done": False,
        "loss": None,
    }
    if (out / "resume.pt").exists():
        kept = torch.load(out / "resume.pt", weights_only=True)
        state, tok, model = kept["state"], AutoTokenizer.from_pretrained(out), LlamaForCausalLM.from_pretrained(out)
    else:
        rng = random.Random(seed)
        texts = [
            "\n".join(m["content"] for m in les.messages) + "\n" + les.answer
            for les in (curriculum.lesson(rng) for _ in range(20_000))
        ]
        tok = tokenizer.build(texts, CONFIGS[config]["vocabulary"])
        model, kept = new_model(config, len(tok), seed), None
    model = model.to(device).train()  # pyright: ignore[reportArgumentType]
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.01)
    if kept:
        optimizer.load_state_dict(kept["optimizer"])
    _loop(model, tok, optimizer, state, out, minutes, CONFIGS[config]["batch"], device)


def _loop(
    model: Any, tok: Any, optimizer: Any, state: dict[str, Any], out: Path, minutes: float, batch: int, device: str
) -> None:
    began, last_line, last_save, smooth, seen = time.monotonic(), 0.0, time.monotonic(), None, 0
    before = state["seconds"]
    while (spent := time.monotonic() - began) < 60 * minutes:
        rng = random.Random(f"{state['seed']}-{state['step']}")
        share = 1.0 if not state["copying_done"] else 0.06
        ids, labels = copy_batch(rng, len(tok), batch) if rng.random() < share else lesson_batch(rng, tok, batch)
        rate = (
            1e-3
            * min(1.0, (state["step"] + 1) / 100)
            * (0.1 + 0.9 * max(0.0, 1 - spent / (60 * minutes)) if state["copying_done"] else 1.0)
        )
        for group in optimizer.param_groups:
            group["lr"] = rate
        loss = model(input_ids=ids.to(device), labels=labels.to(device), attention_mask=(ids != 0).to(device)).loss
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        smooth = loss.item() if smooth is None else 0.98 * smooth + 0.02 * loss.item()
        seen += ids.numel()
        state |= {
            "step": state["step"] + 1,
            "tokens": state["tokens"] + ids.numel(),
            "seconds": round(before + spent, 1),
            "loss": round(smooth, 4),
        }
        if not state["copying_done"] and smooth < 0.3:
            state["copying_done"], smooth = True, None
            print(f"copying stands after {state['tokens']:,} tokens", flush=True)
        if spent - last_line > 10:
            last_line = spent
            print(
                f"step {state['step']:>6}  loss {state['loss']}  {seen / spent:,.0f} tokens/s  {minutes - spent / 60:.1f} min left",
                flush=True,
            )
        if time.monotonic() - last_save > 120:
            last_save = time.monotonic()
            save(model, tok, optimizer, state, out)
    save(model, tok, optimizer, state, out)
    print(f"done: {out}", flush=True)


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(description="Make the embedded nano base, or go on making it.")
    parser.add_argument("--config", choices=list(CONFIGS), default="cpu")
    parser.add_argument("--out", type=Path, default=checkpoint_folder())
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    train(given.config, given.out, given.minutes, given.seed, given.threads)


if __name__ == "__main__":
    main()
