"""06_preference: a round of preference tuning, from pairs to the comparison with the model of 05."""
