"""Closed lists: the choice that a model finds likeliest as a whole, its end token included."""

from __future__ import annotations

import copy
import math
from typing import Any

from ftkit.models.prefix_cache import Prefix


class Ranker:
    """Scores choices after one prompt, which is read once for all of them.

    Args:
        model: The model, its adapter active.
        pad: Token that fills up shorter choices.
        batch_size: Choices scored at once.
    """

    def __init__(self, model: Any, pad: int, batch_size: int) -> None:
        self.model, self.pad, self.batch_size = model, pad, batch_size

    def best(
        self, prompt: list[int], choices: list[list[int]], prefix: Prefix | None = None
    ) -> tuple[int, float]:
        """Return which choice is the likeliest after a prompt, the first of equals, and its share of the probability of all
        that were scored.

        No choice is likelier than its first token. So choices are scored in the order of their first tokens, until the best
        one is likelier than the first tokens of all that are left.

        Args:
            prompt: Token ids of the whole prompt.
            choices: Token ids of each choice.
            prefix: The beginning of the prompt, where it has been read.
        """
        import torch

        read = len(prefix.ids) if prefix else 0
        with torch.inference_mode():
            head = self.model(
                input_ids=torch.tensor([prompt[read:]], device=self.model.device),
                use_cache=True,
                **(prefix.options() if prefix else {}),
            )
            name = (
                "cache" if hasattr(head, "cache") else "past_key_values"
            )  # renamed in transformers 5.24
            first = head.logits[:, -1:].float()
            bounds = torch.log_softmax(first[0, 0], -1)[[c[0] for c in choices]].tolist()
            order = sorted(range(len(choices)), key=lambda i: (-bounds[i], i))
            scores = dict[int, float]()
            for start in range(0, len(order), self.batch_size):
                part = order[start : start + self.batch_size]
                if scores and max(scores.values()) > bounds[part[0]]:
                    break
                cache = copy.deepcopy(getattr(head, name))
                texts = [choices[i] for i in part]
                values = self._continued(first, name, cache, len(prompt), texts)
                scores |= zip(part, values, strict=True)
        best = max(sorted(scores), key=scores.__getitem__)
        return best, 1 / sum(math.exp(score - scores[best]) for score in scores.values())

    def _continued(
        self, first: Any, name: str, cache: Any, seen: int, choices: list[list[int]]
    ) -> list[float]:
        """Return the log-probabilities of choices after a prompt of ``seen`` tokens whose cache is used up here."""
        import torch

        width, pad, device = max(map(len, choices)), self.pad, self.model.device
        targets = torch.tensor([c + [pad] * (width - len(c)) for c in choices], device=device)
        real = torch.tensor([[1] * len(c) + [0] * (width - len(c)) for c in choices], device=device)
        logits = first.expand(len(choices), 1, -1)
        if width > 1:
            cache.batch_repeat_interleave(len(choices))
            mask = torch.cat(
                [torch.ones((len(choices), seen), dtype=torch.long, device=device), real[:, :-1]],
                dim=1,
            )
            more = self.model(
                input_ids=targets[:, :-1], attention_mask=mask, use_cache=True, **{name: cache}
            )
            logits = torch.cat([logits, more.logits.float()], dim=1)
        chosen = torch.log_softmax(logits, -1).gather(2, targets[:, :, None])[:, :, 0]
        return (chosen * real).sum(dim=1).tolist()
