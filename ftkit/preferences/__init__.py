"""06_preference: a round of preference tuning, from pairs to the comparison with the model of 05."""

from ftkit.preferences.round import NONE, Round

__all__ = ["NONE", "Round"]
