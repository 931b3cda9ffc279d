"""07_evaluation: scores, intervals, paired comparisons, regression, and the log of looks at the test set."""
