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
        vocab_size=len(tokenizer),
        hidden_size=shape["hidden_size"],
        intermediate_size=shape["intermediate_size"],
        num_hidden_layers=shape["num_hidden_layers"],
        num_attention_heads=shape["num_attention_heads"],
        num_key_value_heads=shape["num_attention_heads"],
        max_position_embeddings=2048,
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    model = LlamaForCausalLM(config)
    if encoder is not None:
        rows = meanings(tokenizer, encoder, shape["hidden_size"])
        rows = rows + torch.randn_like(rows) + 0.3 * _offsets(tokenizer, shape["hidden_size"])
        with torch.no_grad():
            # 0.1 and 0.05: at Adam's 1e-3 a start of 0.02 would be overwritten within a hundred steps.
            model.model.embed_tokens.weight.copy_(0.1 * rows)
            model.lm_head.weight.copy_(0.05 * rows)
            model.model.norm.weight.fill_(
                2.0
            )  # so that the right one of 8,704 can stand out: 2 * 11.3 * 0.8 = 18 nats at most
    circuits(model)
    return model


@torch.no_grad()
def circuits(model: LlamaForCausalLM) -> None:
    """Let the layers start as circuits that copy and look up; training only has to sharpen and combine them.

    Layer 0 attends by position alone (a constant in the embeddings, turned by the rotary angles): half of its heads to
    the token before, the others to a window of the last few and of the last dozen tokens. Each adds what it sees, rotated to
    a place of its own. Layer 1 matches the token before with the current token, which makes "what followed this token
    before" (copying), and its last heads widen the window. The later layers match windows with windows, so that a question
    finds its sentence. All layers start with outputs that undo the values (A. Trockman, Z. Kolter, "Mimetic
    initialization of self-attention layers", 2023). Copying among 8,704 tokens then stands after 0.4M tokens; with the
    mimetic start alone it was at 3.4 nats after 1.7M, with a random start at 6.8 after 1.4M.
    """
    width, heads = model.config.hidden_size, model.config.num_attention_heads
    wide = width // heads
    model.model.embed_tokens.weight[:, 0] = 0.45
    model.lm_head.weight[:, 0] = 0
    for layer in model.model.layers:
        at: Any = layer.self_attn
        for first, second, scale in ((at.v_proj, at.o_proj, 0.5), (at.q_proj, at.k_proj, 1.0)):
            torch.nn.init.orthogonal_(first.weight)
            twin = first.weight.T if second is at.o_proj else first.weight
            second.weight.copy_(scale * twin + torch.randn_like(twin) * 0.02)
    place = torch.linalg.qr(torch.randn(width, width))[0]
    half = heads // 2
    for depth, windows in (
        (0, ["before"] * half + ["few", "dozen"] * (half // 2)),
        (1, [""] * (heads - half // 2) + ["many"] * (half // 2)),
    ):
        at = model.model.layers[depth].self_attn
        for head, window in enumerate(windows):
            rows = slice(head * wide, (head + 1) * wide)
            if window:
                _attend_by_position(at, head, wide, window)
                value = torch.linalg.qr(torch.randn(width, wide))[0].T
                value[:, 0] = 0
                at.v_proj.weight[rows] = value
                at.o_proj.weight[:, rows] = (0.15 if window == "before" else 0.3) * place @ value.T
            else:
                match = torch.linalg.qr(torch.randn(width, wide))[0].T
                match[:, 0] = 0
                at.q_proj.weight[rows] = 2 * match
                at.k_proj.weight[rows] = 2 * match @ place.T


WINDOWS = {
    "before": (1.0, range(5), 3.0),
    "few": (2.0, range(1, 5), 1.8),
    "dozen": (5.0, range(3, 8), 1.8),
    "many": (10.0, range(4, 10), 1.6),
}


def _attend_by_position(attention: Any, head: int, wide: int, window: str) -> None:
    """Set a head's query and key of the constant so that they align at a distance; slower angles make the window wider."""
    distance, angles, reach = WINDOWS[window]
    half, rows = wide // 2, slice(head * wide, (head + 1) * wide)
    for matrix in (attention.q_proj.weight, attention.k_proj.weight):
        matrix[rows] = torch.randn_like(matrix[rows]) * 0.02
    for f in angles:
        turn = torch.tensor(distance * 10000.0 ** (-f / half))
        row = head * wide + f
        attention.q_proj.weight[row, 0] = reach
        attention.k_proj.weight[row, 0] = reach * turn.cos()
        attention.k_proj.weight[row + half, 0] = reach * turn.sin()


def meanings(tokenizer: Any, encoder: Any, width: int) -> torch.Tensor:
    """Return one row per token ``[vocabulary, width]``, unit variance: the principal parts of its text's MiniLM vector."""
    texts = [tokenizer.decode([i]).strip() for i in range(len(tokenizer))]
    worded = [i for i, t in enumerate(texts) if len(t) > 1 and t.isalpha() and t.isascii()]
    vectors = torch.tensor(
        encoder.encode([texts[i] for i in worded], batch_size=256, show_progress_bar=False)
    )
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
    return torch.stack(
        [spaced * t.startswith(" ") + capital * t.strip()[:1].isupper() for t in texts]
    )
