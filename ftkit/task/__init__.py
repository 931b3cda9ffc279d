"""01_task: the task card, and whether fine-tuning is even a candidate."""

from ftkit.task.card import build_card
from ftkit.task.fit import learned, sizes, suitability
from ftkit.task.samples import described, overview, tries

__all__ = ["build_card", "described", "learned", "overview", "sizes", "suitability", "tries"]
