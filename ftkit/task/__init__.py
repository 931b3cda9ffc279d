"""01_task: the task card, and whether fine-tuning is even a candidate."""

from ftkit.task.card import build_card
from ftkit.task.fit import suitability

__all__ = ["build_card", "suitability"]
