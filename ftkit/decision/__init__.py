"""08_decision: gates, accuracy, cost, and the verdict with what would flip it."""
