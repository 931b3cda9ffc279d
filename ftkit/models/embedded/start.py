"""The model before its first step: embeddings that start from meaning.

Each token's row is its text's MiniLM vector projected to the model's width, plus an equal random part that keeps
near-synonyms apart, so that copying stays exact. Choosing a label then carries over to words no lesson used as a label.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import LlamaConfig, LlamaForCausalLM


def new_model(shape: dict[str, int], tokenizer: Any, encoder: Any, seed: int) -> LlamaForCausalLM:
    """Return a fresh model whose embeddings and head start from the encoder's sentence vectors.

    Args:
        shape: ``hidden_size``, ``num_hidden_layers``, ``num_attention_heads``, ``intermediate_size``.
        tokenizer: The tokenizer; its length is the vocabulary.
        encoder: The MiniLM sentence model, or None for a random start.
        seed: Seed of the random parts.
    """
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=shape["hidden_size"], intermediate_size=shape["intermediate_size"],
        num_hidden_layers=shape["num_hidden_layers"], num_attention_heads=shape["num_attention_heads"],
        num_key_value_heads=shape["num_attention_heads"], max_position_embeddings=2048, tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, bos_token_id=None,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    if encoder is not None:
        rows = meanings(tokenizer, encoder, shape["hidden_size"])
        rows = rows + torch.randn_like(rows) + 0.3 * _offsets(tokenizer, shape["hidden_size"])
        with torch.no_grad():
            # 0.1 and 0.05: at Adam's 1e-3 a start of 0.02 would be overwritten within a hundred steps.
            model.model.embed_tokens.weight.copy_(0.1 * rows)
            model.lm_head.weight.copy_(0.05 * rows)
    return model


def meanings(tokenizer: Any, encoder: Any, width: int) -> torch.Tensor:
    """Return one row per token ``[vocabulary, width]``, unit variance: the principal parts of its text's MiniLM vector."""
    texts = [tokenizer.decode([i]).strip() for i in range(len(tokenizer))]
    worded = [i for i, t in enumerate(texts) if len(t) > 1 and t.isalpha() and t.isascii()]
    vectors = torch.tensor(encoder.encode([texts[i] for i in worded], batch_size=256, show_progress_bar=False))
    vectors = vectors - vectors.mean(0)
    _, _, parts = torch.linalg.svd(vectors, full_matrices=False)
    projected = vectors @ parts[:width].T
    rows = torch.randn(len(tokenizer), width)
    rows[worded] = projected / projected.std()
    return rows


def _offsets(tokenizer: Any, width: int) -> torch.Tensor:
    """Return one shared row for tokens that begin with a space and one for tokens that begin with a capital."""
    spaced, capital = torch.randn(width), torch.randn(width)
    texts = [tokenizer.decode([i]) for i in range(len(tokenizer))]
    return torch.stack([spaced * t.startswith(" ") + capital * t.strip()[:1].isupper() for t in texts])
