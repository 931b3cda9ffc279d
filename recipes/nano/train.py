"""Make the nano base: ``python -m recipes.nano.train --config cpu --minutes 100``; run it again to go on.

Copying is taught first and alone: from a mixture of tasks it did not come in 7M tokens, alone it comes within 2M.
Then the mixture of skills, growing in difficulty, with loss on the answers only. ``--publish`` copies the files that
ship into the package.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F
from transformers import AutoTokenizer, LlamaForCausalLM

from ftkit.models.nano import SHIPPED, checkpoint_folder, file_hashes
from recipes.nano import card, curriculum, lexicon, tokenizer
from recipes.nano.training import batches, optimise, start
from recipes.nano.training.forward import hidden_states, rotary

CONFIGS: dict[str, dict[str, int]] = {
    "cpu": {
        "hidden_size": 128,
        "num_hidden_layers": 4,
        "num_attention_heads": 4,
        "intermediate_size": 256,
        "batch_tokens": 2048,
    },
    "gpu": {
        "hidden_size": 384,
        "num_hidden_layers": 8,
        "num_attention_heads": 12,
        "intermediate_size": 1024,
        "batch_tokens": 65536,
    },
}
VOCABULARY, NEGATIVES, POOL = 8704, 4096, 192
COPYING_S = 180  # seconds after which the mixture begins even if copying does not stand yet
STOPPED_RISING = 0.7  # share of the time after which difficulty is full
DECAY = 0.4  # share of the time after which the learning rate falls


def first(config: str, out: Path, seed: int) -> tuple[Any, Any, dict[str, Any]]:
    """Make lexicon, tokenizer and start of the model (about a minute), and the state of a fresh run."""
    encoder = lexicon.encoder()
    if not (lexicon.FOLDER / "lexicon.json").exists():
        lexicon.write(lexicon.make(encoder), lexicon.FOLDER)
    words, rng = lexicon.read(lexicon.FOLDER), random.Random(f"tokenizer-{seed}")
    lessons = (curriculum.lesson(rng, words, rng.random()) for _ in range(6000))
    tok = tokenizer.build(
        ("\n".join(m["content"] for m in les.messages) for les in lessons), words.words, VOCABULARY
    )
    state = {
        "config": config,
        "seed": seed,
        "step": 0,
        "pool": 0,
        "tokens": 0,
        "seconds": 0.0,
        "copying_done": False,
        "loss": None,
    }
    return start.new_model(CONFIGS[config], tok, encoder, seed), tok, state


def save(model: Any, tok: Any, optimizers: list[Any], state: dict[str, Any], out: Path) -> None:
    """Write the checkpoint and the training state to a temporary folder, then put it in place."""
    fresh = out.with_name(out.name + ".new")
    shutil.rmtree(fresh, ignore_errors=True)
    model.save_pretrained(str(fresh), max_shard_size="16MB")
    tok.save_pretrained(str(fresh))
    (fresh / "recipe.json").write_text(
        json.dumps(
            state | {"parameters": model.num_parameters(), **CONFIGS[state["config"]]}, indent=2
        )
        + "\n"
    )
    torch.save(
        {"optimizers": [o.state_dict() for o in optimizers], "state": state}, fresh / "resume.pt"
    )
    old = out.with_name(out.name + ".old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    fresh.rename(out)
    shutil.rmtree(old, ignore_errors=True)


def rate(state: dict[str, Any], minutes: float) -> float:
    """Return the share of the full learning rate: a warm-up of 100 steps, then flat, then a line down to 3%."""
    done = state["seconds"] / (60 * minutes)
    return min(1.0, (state["step"] + 1) / 100, max(0.03, (1 - done) / (1 - DECAY)))


def loss_of(
    model: Any, ids: torch.Tensor, scored: torch.Tensor, tables: Any, rng: torch.Generator
) -> torch.Tensor:
    """Return the loss of each scored token, in order.

    The head is applied at scored positions only, and only to tokens of the batch and 4,096 drawn ones: the full head
    would cost as much as a layer.
    """
    hidden = hidden_states(model, ids[:, :-1], tables)[scored[:, 1:]]
    drawn = torch.randint(
        0, model.config.vocab_size, (NEGATIVES,), generator=rng, device=ids.device
    )
    candidates, places = torch.unique(torch.cat([ids.flatten(), drawn]), return_inverse=True)
    places = places[: ids.numel()].view(ids.shape)[:, 1:][scored[:, 1:]]
    return F.cross_entropy(
        F.linear(hidden, model.lm_head.weight[candidates]), places, reduction="none"
    )


def train(config: str, out: Path, minutes: float, seed: int, threads: int) -> None:
    """Train until the minutes (of all runs into this folder together) are over; go on from the last save."""
    torch.set_num_threads(threads)
    out.parent.mkdir(parents=True, exist_ok=True)
    kept = (
        torch.load(out / "resume.pt", weights_only=True) if (out / "resume.pt").exists() else None
    )
    if kept:
        state, tok, model = (
            kept["state"],
            AutoTokenizer.from_pretrained(out),
            LlamaForCausalLM.from_pretrained(out),
        )
    else:
        model, tok, state = first(config, out, seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = model.to(device).train()  # pyright: ignore[reportArgumentType]
    optimizers = optimise.make(model)
    for optimizer, old in zip(optimizers, kept["optimizers"] if kept else [], strict=False):
        optimizer.load_state_dict(old)
    optimise.set_full(optimizers)
    print(f"{model.num_parameters():,} parameters, {len(tok)} tokens in the vocabulary", flush=True)
    Run(model, tok, optimizers, state, out, minutes, device).go()


class Run:
    """One sitting of training: the loop, its progress lines and its saves."""

    def __init__(
        self,
        model: Any,
        tok: Any,
        optimizers: list[Any],
        state: dict[str, Any],
        out: Path,
        minutes: float,
        device: Any,
    ) -> None:
        self.model, self.tok, self.optimizers, self.state, self.out, self.minutes, self.device = (
            model,
            tok,
            optimizers,
            state,
            out,
            minutes,
            device,
        )
        self.words = lexicon.read(lexicon.FOLDER)
        width = model.config.hidden_size // model.config.num_attention_heads
        self.tables = rotary(2048, width, 10000.0, device)
        self.by_skill: dict[str, float] = {}
        self.began, self.before, self.seen = time.monotonic(), state["seconds"], 0
        self.line, self.saved = time.monotonic(), time.monotonic()
        self.smooth = state["loss"]

    def go(self) -> None:
        """Train pool after pool of lessons until the time is over, or until the process is asked to end (it saves first)."""
        asked: list[int] = []
        signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
        while self.state["seconds"] < 60 * self.minutes and not asked:
            state = self.state
            pool_rng = random.Random(f"{state['seed']}-{state['pool']}")
            level = min(1.0, state["seconds"] / (60 * self.minutes * STOPPED_RISING))
            budget = CONFIGS[state["config"]]["batch_tokens"]
            made = (
                batches.pool(pool_rng, self.tok, self.words, level, POOL, budget)
                if state["copying_done"]
                else batches.copies(pool_rng, len(self.tok), budget, 40)
            )
            for batch in made:
                self._step(batch)
            state["pool"] += 1
            if not state["copying_done"] and (
                (self.smooth or 9.0) < 0.25 or state["seconds"] > COPYING_S
            ):
                state["copying_done"], self.smooth = True, None
                print(
                    f"copying stands after {state['tokens']:,} tokens, {state['seconds']:.0f} s",
                    flush=True,
                )
            if time.monotonic() - self.saved > 240:
                self._save()
        self._save()

    def _step(self, batch: batches.Batch) -> None:
        state = self.state
        share = rate(state, self.minutes)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["full_lr"] * share
        draws = torch.Generator(device=self.device).manual_seed(state["step"])
        each = loss_of(
            self.model, batch.ids.to(self.device), batch.scored.to(self.device), self.tables, draws
        )
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        each.mean().backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
        self._count(batch, each.detach())

    def _count(self, batch: batches.Batch, each: torch.Tensor) -> None:
        state, value = self.state, float(each.mean())
        self.smooth = value if self.smooth is None else 0.98 * self.smooth + 0.02 * value
        for skill, part in batch.by_skill(each).items():
            self.by_skill[skill] = 0.97 * self.by_skill.get(skill, part) + 0.03 * part
        self.seen += batch.ids.numel()
        spent = time.monotonic() - self.began
        state |= {
            "step": state["step"] + 1,
            "tokens": state["tokens"] + batch.ids.numel(),
            "seconds": round(self.before + spent, 1),
            "loss": round(self.smooth, 4),
        }
        if time.monotonic() - self.line > 20:
            self.line = time.monotonic()
            skills = "  ".join(f"{k} {v:.2f}" for k, v in sorted(self.by_skill.items()))
            left = self.minutes - state["seconds"] / 60
            print(
                f"step {state['step']}  loss {state['loss']:.3f}  {self.seen / spent:,.0f} tokens/s  {state['tokens'] / 1e6:.1f}M  {left:.0f} min left | {skills}",
                flush=True,
            )

    def _save(self) -> None:
        self.saved = time.monotonic()
        save(self.model, self.tok, self.optimizers, self.state, self.out)


def publish(out: Path) -> None:
    """Copy what ships (weights, tokenizer, recipe, model card; no optimizer state) into the package, with hashes."""
    target = checkpoint_folder()
    for old in (*target.glob("*.safetensors*"), target / "skill_card.json"):
        old.unlink(missing_ok=True)  # a card of other weights would be a lie: measure anew
    for file in out.iterdir():
        if file.suffix in SHIPPED:
            shutil.copy2(file, target / file.name)
    recipe = json.loads((out / "recipe.json").read_text())
    recipe["vocabulary"] = json.loads((out / "config.json").read_text())["vocab_size"]
    (target / "README.md").write_text(card.model_card(recipe))
    shutil.copy2(target.parents[3] / "LICENSE", target / "LICENSE")
    (target / "hashes.json").write_text(json.dumps(file_hashes(target), indent=2) + "\n")
    print(f"published: {target}", flush=True)


def main() -> None:
    """Parse the command line; train, and publish if asked."""
    parser = argparse.ArgumentParser(description="Make the nano base, or go on making it.")
    parser.add_argument("--config", choices=list(CONFIGS), default="cpu")
    parser.add_argument(
        "--out", type=Path, default=Path("outputs/nano/cpu"), help="scratch folder of this run"
    )
    parser.add_argument(
        "--minutes", type=float, default=100, help="training time of all sittings together"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--publish",
        action="store_true",
        help="copy the last save into the package instead of training",
    )
    given = parser.parse_args()
    if given.publish:
        publish(given.out)
    else:
        train(given.config, given.out, given.minutes, given.seed, given.threads)


if __name__ == "__main__":
    main()
