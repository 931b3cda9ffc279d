"""Tiny models that know one task alike: one always thinks before it answers, one can be switched, one never thinks."""

from __future__ import annotations

import re
from pathlib import Path

TEMPLATES = Path(__import__("trl").__file__).parent / "chat_templates"
KINDS = {"always": "deepseek_r1_distill", "switchable": "qwen3_5_think", "never": "qwen2_5"}
MARKS = r"<[|｜][^|｜<>\s]+[|｜]>|</?think>"
ABOUT = {
    "delivery": ("parcel", "courier", "shipping", "package"),
    "returns": ("refund", "return", "exchange", "send back"),
    "billing": ("invoice", "charged", "payment", "bill"),
}
LABELS = list(ABOUT)
SYSTEM = "Name the topic: delivery, returns or billing."


def question(k: int) -> tuple[str, str, str]:
    """Return a message, its label, and what may be thought before the answer."""
    label = LABELS[k % 3]
    word = ABOUT[label][(k // 3) % 4]
    return f"message {k % 97}: about my {word}", label, f"not returns: {word} is {label}"


def messages(text: str) -> list[dict[str, str]]:
    """Return the conversation that asks for a label."""
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": text}]


def tokenizer(kind: str):
    """Return a tokenizer with the published template of a family that thinks in this way."""
    from tokenizers import AddedToken

    from recipes.nano import tokenizer as nano

    texts = [f"{question(k)[0]} {question(k)[2]} {SYSTEM}" for k in range(120)]
    made = nano.build(texts, LABELS, 500)
    made.chat_template = (TEMPLATES / f"{KINDS[kind]}.jinja").read_text(encoding="utf-8")
    marks = sorted(set(re.findall(MARKS, made.chat_template)))
    made.add_tokens([AddedToken(m, special="think" not in m) for m in marks])  # pyright: ignore[reportArgumentType]
    return made


def make(kind: str, folder: Path, steps: int = 150) -> Path:
    """Train a checkpoint of a kind and save it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    tok = tokenizer(kind)
    config = LlamaConfig(
        vocab_size=len(tok),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        pad_token_id=tok.pad_token_id,
        eos_token_id=tok.eos_token_id,
        bos_token_id=None,
    )
    model: torch.nn.Module = LlamaForCausalLM(config)
    rows = [row for k in range(96) for row in _written(kind, tok, k)]
    rate = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.98))
    for step in range(steps):
        batch = [rows[(step * 16 + i * 7) % len(rows)] for i in range(16)]
        width = max(len(ids) for ids, _ in batch)
        ids = torch.tensor([r + [tok.pad_token_id] * (width - len(r)) for r, _ in batch])
        labels = torch.tensor([t + [-100] * (width - len(t)) for _, t in batch])
        loss = model(input_ids=ids, labels=labels).loss
        loss.backward()
        rate.step()
        rate.zero_grad()
    model.save_pretrained(folder)  # pyright: ignore[reportCallIssue]
    tok.save_pretrained(folder)
    return folder


def _written(kind: str, tok, k: int):
    """Return a question as prompt and answer, tokens and labels, in each way in which this kind answers."""
    from ftkit.models import tokens

    text, label, thought = question(k)
    end = tok.convert_ids_to_tokens(list(tokens.form(tok).ends))[0]
    thinking = f"{thought}\n</think>\n\n{label}{end}"
    ways = {
        "always": [("off", thinking)],
        "switchable": [("off", f"{label}{end}"), ("on", thinking)],
        "never": [("off", f"{label}{end}")],
    }[kind]
    for setting, answer in ways:
        prompt = tokens.encode(tok, messages(text), setting)
        target = tok(answer, add_special_tokens=False)["input_ids"]
        yield [*prompt, *target], [-100] * len(prompt) + target
