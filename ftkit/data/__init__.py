"""02_data: reading, cleaning, duplicates, leakage and the frozen split."""
