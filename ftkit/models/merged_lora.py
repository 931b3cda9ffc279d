"""LoRA layers that multiply once: the adapter's product is added to the layer's weight first.

PEFT multiplies an input by three matrices: ``x W' + s x A' B'``. In a small model on a CPU, with a rank that is not small
against the width, ``x (W + s B A)'`` is no more arithmetic in a third of the calls. While a model answers, the sum is kept.
"""

from __future__ import annotations

from functools import cache
from typing import Any

NARROW = 8  # a rank below the layer's width / NARROW keeps PEFT's way: adding first would be more arithmetic while it learns


def add_first(model: Any) -> Any:
    """Return a PEFT model whose LoRA layers multiply once where that pays; what they answer differs in rounding only."""
    from peft.tuners.lora import Linear

    for layer in model.modules():
        if type(layer) is Linear:
            layer.__class__ = _added()
    return model


@cache
def _added() -> type:
    import torch
    from peft.tuners.lora import Linear

    class Added(Linear):
        """A LoRA layer; ``kept`` is the last sum, with what it was made of: name, scale, weight, and copies of both matrices."""

        kept: tuple[Any, ...] = ()

        def forward(self, x: Any, *args: Any, **kwargs: Any) -> Any:
            """Return the layer's output of shape ``[..., out]`` for an input of shape ``[..., in]``."""
            names = [name for name in self.active_adapters if name in self.lora_A]
            if (
                args
                or kwargs
                or self.disable_adapters
                or self.merged
                or len(names) != 1
                or not self._pays(names[0])
            ):
                return super().forward(x, *args, **kwargs)
            base: Any = self.get_base_layer()
            return torch.nn.functional.linear(x, self._sum(names[0], base.weight), base.bias)

        def _pays(self, name: str) -> bool:
            layer: Any = self
            weight, b = layer.get_base_layer().weight, layer.lora_B[name]
            plain = (
                type(weight) is torch.nn.Parameter
                and weight.device.type == "cpu"
                and weight.dtype == b.weight.dtype
            )
            same = (
                name not in layer.lora_variant
                and b.bias is None
                and isinstance(layer.lora_dropout[name], torch.nn.Identity)
            )
            return (
                plain
                and same
                and not layer.fan_in_fan_out
                and layer.r[name] * NARROW >= min(weight.shape)
            )

        def _sum(self, name: str, weight: Any) -> Any:
            layer: Any = self
            a, b, scale = layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]
            if torch.is_grad_enabled():
                return torch.addmm(weight, b, a, alpha=scale)
            # Compared by value: a fused optimizer changes weights without raising their version.
            known = self.kept and self.kept[:2] == (name, scale) and self.kept[2] is weight
            if not (known and torch.equal(self.kept[3], a) and torch.equal(self.kept[4], b)):
                made = torch.addmm(weight, b, a, alpha=scale)
                self.kept = (name, scale, weight, a.detach().clone(), b.detach().clone(), made)
            return self.kept[5]

    return Added
