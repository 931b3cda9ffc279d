"""Muon for the matrices of the layers, Adam for the rest.

Muon turns each matrix's momentum into the nearest orthogonal one (Newton-Schulz), so that rare directions are learnt as
fast as frequent ones. Source: K. Jordan et al., "Muon" (2024); the scale 0.2 * sqrt(longer side) matches Adam's step
(J. Liu et al., "Muon is scalable for LLM training", 2025).
"""

from __future__ import annotations

from typing import Any

import torch

RATES = (2.5e-3, 8e-4, 1e-3)  # matrices (Muon), embeddings and head, norms


def orthogonal(stack: torch.Tensor, rounds: int = 5) -> torch.Tensor:
    """Return the near-orthogonal matrices of a stack ``[n, rows, columns]`` (rows at least columns), in float32."""
    x = stack.transpose(-1, -2)
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(rounds):
        a = x @ x.transpose(-1, -2)
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x.transpose(-1, -2)


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal, for stacks of equal matrices at once (the loop over 28 small ones costs twice the time)."""

    def __init__(
        self, matrices: list[torch.nn.Parameter], lr: float = 6e-3, momentum: float = 0.95
    ) -> None:
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Move every matrix by one step."""
        for group in self.param_groups:
            by_shape: dict[tuple[int, int], list[Any]] = {}
            for p in group["params"]:
                by_shape.setdefault((max(p.shape), min(p.shape)), []).append(p)
            for shape, matrices in by_shape.items():
                moved = torch.stack([self._momentum(p, group["momentum"]) for p in matrices])
                scale = 0.2 * shape[0] ** 0.5 * group["lr"]
                for p, change in zip(matrices, orthogonal(moved).unbind(), strict=True):
                    p.add_(change if p.shape[0] >= p.shape[1] else change.T, alpha=-scale)

    def _momentum(self, p: Any, momentum: float) -> torch.Tensor:
        kept = self.state[p].setdefault("momentum", torch.zeros_like(p))
        kept.lerp_(p.grad, 1 - momentum)
        looked_ahead = p.grad.lerp(kept, momentum)
        return looked_ahead if p.shape[0] >= p.shape[1] else looked_ahead.T


def make(model: Any) -> list[torch.optim.Optimizer]:
    """Return the optimizers of a model: Muon for the layers' matrices, Adam for embeddings, head and norms."""
    matrices = [p for p in model.model.layers.parameters() if p.ndim == 2]
    norms = [p for p in model.parameters() if p.ndim == 1]
    tables = [model.model.embed_tokens.weight, model.lm_head.weight]
    # Betas (0.9, 0.98): with 0.999 copying took several times as long in small trials.
    return [
        Muon(matrices),
        torch.optim.Adam([{"params": tables}, {"params": norms}], betas=(0.9, 0.98), fused=True),
    ]


def set_full(optimizers: list[torch.optim.Optimizer]) -> None:
    """Set the full learning rates (also after old optimizer states were loaded)."""
    rates = iter(RATES)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["full_lr"] = next(rates)
